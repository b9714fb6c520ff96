/* What the tests of a member's state share. */
#ifndef ENT_TESTS_UNIT_CLIENT_STATE_FIXTURE_H
#define ENT_TESTS_UNIT_CLIENT_STATE_FIXTURE_H

#include "client/state/state.h"

/* The point-th kill point from now on (from 0) ends the process with status 99; -1: none. */
void kill_at_point(int point);
struct ent_state *open_state(const char *dir);
void change_state(const char *dir, const char *sql);
struct ent_state *reopen(const char *dir, struct ent_state *state);
/* Statistics of a run's round 1 for three members. */
struct ent_release stats_release(uint32_t run, uint32_t attempt, const uint8_t (*cohort)[16]);
struct ent_blob *payload_of(uint8_t fill, size_t len);
struct ent_state_update sample_update(uint64_t round, uint32_t attempt, struct ent_blob *payload);

#endif
