/* What a run may ask of a member, and in which order: the plan's course. The coordinator could otherwise use an approved
 * plan as a query interface. Pure. Not for other rooms. */
#ifndef ENT_CLIENT_AGENT_COURSE_H
#define ENT_CLIENT_AGENT_COURSE_H

#include "client/state/state.h"
#include "common/wire/wire.h"

/* Whether this opening may follow `course` (zero: nothing yet), with `hash` of it and the plan's number of training
 * rounds; *course then stands at it.
 *   STALE     it goes back: an earlier run or round, or an attempt before or that was closed
 *   PROTOCOL  another opening of the same attempt; a later attempt of the same round that asks something else; statistics
 *             after anything else, or twice; more than `rounds` training rounds, as many evaluations on validation
 *             rows, one on test rows; another model than the one that the RoundClose just before announced */
ENT_MUST enum ent_err ent_course_open(struct ent_state_course *course,
                                      const struct ent_msg_round_open *open,
                                      const uint8_t hash[ENT_SHA256_BYTES], uint32_t rounds);
/* A RoundClose of this attempt was seen; model: NULL when it announced none. One that lies back changes nothing. */
void ent_course_close(struct ent_state_course *course, struct ent_attempt at,
                      const uint8_t model[ENT_SHA256_BYTES]);

#endif
