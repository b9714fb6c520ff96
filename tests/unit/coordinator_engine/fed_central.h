/* Runs with noise at the coordinator, and what their sums must be: recomputed from seed, log and payloads. */
#ifndef ENT_TESTS_COORDINATOR_ENGINE_FED_CENTRAL_H
#define ENT_TESTS_COORDINATOR_ENGINE_FED_CENTRAL_H

#include "tests/unit/coordinator_engine/fed.h"
#include "tests/unit/coordinator_engine/fed_log.h"

#define CENTRAL_N 4

#define CENTRAL_LARGE 1000u /* width of a model of two windows, 302601 parameters */

/* A run of unit member, `rounds` rounds; the model has one hidden layer of that width (0: none), or is the large one. All
 * members say HELLO. */
void central_start(struct fed *fed, unsigned rounds, unsigned width);
const char *central_plan(unsigned rounds, unsigned width);

/* The seed of the attempt that is open; false: none is stored. */
bool central_seed(struct fed *fed, uint8_t seed[32]);
/* All hear of the round and join, the machine moves; then it is in UPDATE. */
void central_join(struct fed *fed);
/* Member i's update of what it heard, as fed_offer makes it of q + i, until it is accepted. */
void central_send(struct fed *fed, size_t i, int32_t q);

void central_send_all(struct fed *fed);
/* One whole round of an open attempt, checked, and its seed forgotten. */
void central_round(struct fed *fed);

/* The newest round.close of training: its result is the sum of what members `in` sent last, and the noise of `seed`. */
void central_check(struct fed *fed, const uint8_t seed[32], const bool in[CENTRAL_N]);
extern const bool central_all[CENTRAL_N];

/* The log has one update.reject: of that member, with that code. */
void central_rejected(struct fed *fed, uint32_t member, enum ent_err code);

/* Whether these bytes stand anywhere in the files of the database. */
bool central_in_files(struct fed *fed, const uint8_t *bytes, size_t len);

#endif
