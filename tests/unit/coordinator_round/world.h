/* A machine with everything around it: members, an engine, a disk of rows, fake time. */
#ifndef ENT_TESTS_COORDINATOR_ROUND_WORLD_H
#define ENT_TESTS_COORDINATOR_ROUND_WORLD_H

#include "common/base/rng.h"
#include "coordinator/round/round.h"
#include "tests/unit/coordinator_round/laws.h"

#define WORLD_MEMBERS 12
#define WORLD_ROWS 32768

struct world {
    struct ent_round r;
    struct ent_round_member members[WORLD_MEMBERS];
    struct ent_run_config config;
    struct ent_action list[4 * WORLD_MEMBERS + 16];
    struct ent_actions acts; /* of the last step */
    uint64_t now_ms;
    bool want_result; /* FINISH was asked */
    bool want_gate;
    struct laws laws;
    const char *broken;
    struct ent_row *rows; /* [WORLD_ROWS] */
    size_t n_rows;
    size_t n_steps;
    uint64_t loss_of_round[64]; /* what evaluate gives, by round; 0: 100000 - round */
    uint64_t auc_of_round[64];
};

struct ent_run_config world_config(void);
void world_init(struct world *w, uint32_t n_members, const struct ent_run_config *config);
void world_release(struct world *w);
/* One event at the present time; laws are checked, rows kept. */
void world_step(struct world *w, struct ent_event ev);
/* Shorthands: an event of a member in the current attempt, with its update's digest and weight. */
void world_event(struct world *w, enum ent_event_kind kind, uint32_t member);
struct ent_event world_make(const struct world *w, enum ent_event_kind kind, uint32_t member);
/* One thing that a quiet world does next; false when there is nothing to do. */
bool world_calm_step(struct world *w);
/* Goes on calmly until the run ends or nothing moves; at most `steps`. True: it ended. */
bool world_calm(struct world *w, size_t steps);
/* Everybody enrolled is up and well from now on: the run must end, and in bounded time. */
void world_settle(struct world *w);
/* Starts the run with all members up. */
void world_start(struct world *w);
void world_all_up(struct world *w);
/* Throws the machine away and makes a new one from the first n_rows stored rows. */
enum ent_err world_restart(struct world *w, size_t n_rows);
size_t world_count(const struct world *w, enum ent_action_kind kind); /* in the last step */
const struct ent_action *world_find(const struct world *w, enum ent_action_kind kind);

#endif
