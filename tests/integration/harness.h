/* IN a plan, a seed · OUT a whole federation in one process, moved step by step · OWNS everything in it
 * THREADS one (agents may be stepped by several: `threads`) · SOURCE protocol.md 6
 *
 * One coordinator engine and its members' agents over link_mem, with a fake clock. A turn lets the wire deliver, every
 * agent step and the engine step; when nothing is left to do, the clock jumps to whatever is due next. Nothing else
 * moves: same seed, same course.
 *
 *   harness.c    life, hooks and the operator; moves.c: turns and time
 *   enrolled.c   directories, enrolled for real once
 *   record.c     what went over the wire, what is committed
 *   faults.c     what goes wrong, and in which phase of the coordinator; ghosts.c: updates sent again
 *   laws.c       what must hold of every frame and of all rows
 *   oracle.c     every sum and every model, recomputed by loops that share no code with the product
 *   schedule.c   one seeded course of a run with all of it */
#ifndef ENT_TESTS_INTEGRATION_HARNESS_H
#define ENT_TESTS_INTEGRATION_HARNESS_H

#include "client/agent/agent.h"
#include "common/json/json.h"
#include "common/net/link_mem.h"
#include "coordinator/engine/engine.h"
#include "tests/integration/enrolled.h"
#include "tests/support/hooks.h"

#define BOX_MEMBERS ENROLLED_MEMBERS
#define BOX_NEVER UINT64_MAX
#define BOX_NOBODY UINT32_MAX
#define BOX_TEXT 400

struct box;
struct box_faults;
struct box_record;

struct box_member {
    struct box *box;
    uint32_t index; /* in the roster */
    char dir[ENROLLED_PATH_MAX];
    struct ent_agent *agent; /* NULL: not running */
    struct ent_link *link;   /* the agent's */
    uint64_t start_ms;       /* when it starts, or starts again; BOX_NEVER */
    bool dying;              /* killed in mid-step: what it sends from there on gets nowhere */
};

struct box {
    char dir[ENROLLED_PATH_MAX];
    char fed[ENROLLED_PATH_MAX];
    struct ent_clock_fake time;
    struct ent_clock clock;
    struct ent_rng rng; /* of the order of things */
    struct ent_link_mem_net *net;
    struct ent_home *home; /* these four: NULL while the coordinator is down */
    struct ent_engine *engine;
    struct ent_link *main;
    struct ent_link *enroll;
    uint64_t engine_start_ms; /* while it is down; BOX_NEVER */
    enum ent_phase seen_phase;
    struct box_member members[BOX_MEMBERS];
    uint32_t n_members;

    uint32_t lazy;          /* the engine is stepped in one of lazy + 1 turns */
    uint32_t latency;       /* a turn takes up to so many ms */
    uint32_t threads;       /* that step agents: 1 or 2 */
    uint64_t stream;        /* of the injected randomness */
    const char *plant;      /* a bug; NULL: none */
    const char *kill_point; /* the coordinator is killed when it passes there; NULL: it is not */
    uint32_t kill_nth;      /* the so-many-th time */
    bool kill_due;          /* it passed: nothing is committed or sent any more */
    uint32_t weights[BOX_MEMBERS]; /* that the plan fixes; 0: as the members sign */
    uint32_t depth;                /* 0: nobody is being stepped */
    uint32_t stepping;             /* the member whose agent is being stepped */
    bool engine_steps;             /* the engine is being stepped */
    uint64_t n_commits;            /* of the coordinator's store */
    uint64_t n_turns;

    struct box_record *record;
    struct box_faults *faults; /* NULL: nothing goes wrong */
    struct ent_test_hooks hooks;

    bool broken;         /* a law was: the first violation */
    char law;            /* 'a' .. 'f', or 'x' for what should never happen */
    char text[BOX_TEXT]; /* what broke it */
    uint32_t n_declined; /* lines of the engine that name a member that declines, by its policy */
    char declined[BOX_TEXT]; /* the newest */
};

/* A copy of the template's directories; nothing runs yet. */
void box_new(struct box *box, uint64_t seed, uint32_t n_members);
void box_free(struct box *box);

void box_start_engine(struct box *box);
/* As kill -9 does: no goodbye; what was not committed is lost. */
void box_kill_engine(struct box *box);
void box_start_member(struct box *box, uint32_t member);
void box_kill_member(struct box *box, uint32_t member);

/* The operator: a request; the plan's text is escaped here. */
void box_start_run(struct box *box, const char *plan, const char *base);
void box_ask(struct box *box, const char *request);

/* One turn; false: nothing moved, only time can help. */
bool box_turn(struct box *box);
void box_step_engine(struct box *box);
/* The wire delivers and all agents but the one being stepped take a step; the engine's turn is not now. */
void box_move_others(struct box *box);
void box_pass(struct box *box, uint64_t ms);
/* When something is due; never before now. */
uint64_t box_next_ms(const struct box *box);
/* Turns and time until done(box); false when `max_ms` of fake time did not suffice. */
bool box_run(struct box *box, bool (*done)(struct box *box), uint64_t max_ms);

enum ent_phase box_phase(const struct box *box); /* IDLE while the coordinator is down */
uint32_t box_member_of_handle(const struct box *box, const uint8_t handle[ENT_HANDLE_BYTES]);
/* END of the newest run is committed, and every member that is to be there has ended it too. */
bool box_run_over(struct box *box);

/* A law was broken; the first one stays. */
void box_break(struct box *box, char law, const char *fmt, ...) ENT_PRINTF(3, 4);
/* The call must succeed: 'x' otherwise. */
void box_must(struct box *box, enum ent_err err, const char *what);

#endif
