/* IN updates of the record · OUT the same updates once more, later · OWNS nothing · THREADS as the box
 * SOURCE protocol.md 6 (a repeat is added once; an old attempt's update is not added)
 *
 * A repeat that the wire cannot make: a whole update, envelope and bytes, sent again by its member after its ACK, or
 * after the next attempt of the round began. The agent does not know; it waits while its ghost speaks. */
#ifndef ENT_TESTS_INTEGRATION_GHOSTS_H
#define ENT_TESTS_INTEGRATION_GHOSTS_H

#include "tests/integration/harness.h"

/* Looks at what the coordinator sends: an ACK or a BEGIN may raise a ghost. True: a GO for a ghost, not for the agent. */
bool ghosts_take_frame(struct box *box, const struct ent_link_mem_frame *frame);
void ghosts_tick(struct box *box);
/* The member's agent is not stepped. */
bool ghosts_hold(const struct box *box, uint32_t member);

#endif
