/* What the files of a federation share. Not for others. */
#ifndef ENT_SIMULATE_INTERNAL_H
#define ENT_SIMULATE_INTERNAL_H

#include <pthread.h>

#include "client/agent/pipeline_share.h"
#include "common/aggregate/aggregate.h"
#include "common/base/arena.h"
#include "common/crypto/sign.h"
#include "common/optim/server.h"
#include "common/schema/limits.h"
#include "common/step/noise.h"
#include "common/wire/wire.h"
#include "simulate/federation.h"
#include "simulate/kept.h"

#define ENT_SIM_ARENA_BYTES ((size_t)ENT_WIRE_ENVELOPE_MAX_BYTES * 4) /* of one member's messages */

struct ent_sim_member {
    struct ent_sign_key *key;
    uint8_t pub[ENT_SIGN_PUB_BYTES];
    uint8_t handle[ENT_WIRE_HANDLE_BYTES];
    uint64_t sequence;
    uint32_t opening; /* which of the round's openings names it */
    bool drops;       /* this attempt loses it after its join */
    bool added;       /* the machine has said ADD for its update of this attempt */
};

/* RoundOpen names at most ENT_WIRE_COHORT_MAX members: more of them, as no real federation has, are told by several. */
#define ENT_SIM_OPENINGS_MAX                                                                       \
    ((ENT_POPULATION_MEMBERS_MAX + ENT_WIRE_COHORT_MAX - 1) / ENT_WIRE_COHORT_MAX)

struct ent_sim_opening {
    struct ent_buf sealed;
    uint8_t hash[32];
};

struct ent_sim_worker {
    struct ent_pipeline *pipeline;
    struct ent_agg *agg; /* of the attempt; NULL: nothing was added since it was full */
    uint32_t n_added;    /* to it */
    int64_t *sum;        /* [dim] of those that were full; NULL: none */
    uint64_t sum_w;
    struct ent_arena arena;
    struct ent_kept kept;
    uint64_t seen_round; /* whose openings it has verified, those that are set */
    uint32_t seen_attempt;
    bool seen[ENT_SIM_OPENINGS_MAX];
};

struct ent_sim_list {
    uint32_t *items; /* [n_members] */
    uint32_t n;
};

/* Nothing of it is on when the plan has no privacy. */
struct ent_sim_privacy {
    bool on;
    struct ent_plan_noise plan;   /* what the goal takes */
    uint64_t affordable;          /* rounds that an account has room for */
    uint32_t *booked;             /* [n_members] rounds on each account */
    uint64_t bound;               /* unit member: largest norm of an update, on the grid */
    struct ent_step_noise *noise; /* unit member: of the attempt; a secret */
};

#define ENT_SIM_SHELF 4 /* newest, best, base of the round, and the one being made */

struct ent_sim {
    struct ent_plan *plan;
    const struct ent_population *population;
    const struct ent_federation_options *options;
    struct ent_federation_result *result;
    uint32_t n_members;
    uint32_t threads;

    /* the machine, and what it asked for */
    pthread_mutex_t lock; /* while workers feed it */
    struct ent_round round;
    struct ent_round_member *standings;
    struct ent_actions actions;
    uint64_t now_ms;
    uint64_t timer_ms;
    struct ent_sim_list opened;
    struct ent_sim_list begun;
    bool finish;
    bool gate;
    bool closed;
    bool aborted;
    bool ended;
    enum ent_err stalled; /* OK: it is not */
    char declined[320];   /* who was the last to decline in this attempt, and why; "": nobody */
    uint8_t best[32];
    bool out_of_budget;
    struct ent_sim_privacy privacy;

    /* the round */
    uint8_t federation[ENT_WIRE_FEDERATION_BYTES];
    struct ent_sign_key *key; /* the coordinator's */
    uint8_t pub[ENT_SIGN_PUB_BYTES];
    uint64_t sequence;
    struct ent_sim_opening openings[ENT_SIM_OPENINGS_MAX];
    struct ent_blob *base; /* of the round; NULL in stats */
    size_t dim;
    uint32_t int_bytes;
    uint32_t weight_max;
    struct ent_metrics metrics; /* of the newest evaluation */
    struct ent_metrics looked;  /* of the newest look; rows = 0: none */

    struct ent_sim_member *members;
    struct ent_sim_worker *workers; /* [threads] */
    struct ent_kept_store *kept;
    uint32_t *order; /* [n_members] in which they answer */

    struct {
        uint8_t digest[32];
        struct ent_blob *blob;
    } shelf[ENT_SIM_SHELF];
    struct ent_buf server_state; /* of the newest training round; empty: none yet */
};

/* federation.c */
struct ent_event ent_sim_event(const struct ent_sim *s, enum ent_event_kind kind, uint32_t member);
void ent_sim_feed(struct ent_sim *s, const struct ent_event *event);

/* setup.c: members, keys, lists, the machine's run; and all of it gone again. */
ENT_MUST enum ent_err ent_sim_setup(struct ent_sim *s);
void ent_sim_drop_sums(struct ent_sim *s); /* of an attempt */
void ent_sim_release(struct ent_sim *s);

/* members.c: one member's part, in a worker. */
ENT_MUST enum ent_err ent_sim_join(void *ctx, uint32_t worker, uint32_t item);
ENT_MUST enum ent_err ent_sim_work(void *ctx, uint32_t worker, uint32_t item);
/* What its aggregate holds goes to its sum, and a new one begins. */
ENT_MUST enum ent_err ent_sim_worker_flush(struct ent_sim *s, struct ent_sim_worker *w);
/* Its rows under a new key, and a name for envelopes. */
ENT_MUST enum ent_err ent_sim_member_make(struct ent_sim *s, uint32_t member);

/* coordinate.c: RoundOpen, RoundClose, and CLOSE of a round. */
ENT_MUST enum ent_err ent_sim_open(struct ent_sim *s);
ENT_MUST enum ent_err ent_sim_close(struct ent_sim *s);
ENT_MUST enum ent_err ent_sim_finish(struct ent_sim *s, struct ent_event *result);
/* The model that a run without statistics starts from. */
ENT_MUST enum ent_err ent_sim_make_base(struct ent_sim *s, uint8_t digest[32]);
struct ent_blob *ent_sim_shelf(const struct ent_sim *s, const uint8_t digest[32]); /* NULL: none */

/* course.c: the test rows under a model, when the options ask for it. */
ENT_MUST enum ent_err ent_sim_look(struct ent_sim *s, const uint8_t model[32]);
/* The same of a run without a test round, once, on its last model, with the figures of each member: outside of the federation,
 * so no release of it. */
ENT_MUST enum ent_err ent_sim_look_last(struct ent_sim *s, struct ent_blob *model);

/* privacy.c: accounts and noise. All of them do nothing without a plan's privacy; those of noise, nothing under unit
 * customer, whose noise is the members'. */
ENT_MUST enum ent_err ent_sim_privacy_setup(struct ent_sim *s);
void ent_sim_privacy_release(struct ent_sim *s);
bool ent_sim_privacy_spent(const struct ent_sim *s); /* the next round does not fit */
void ent_sim_privacy_reserve(struct ent_sim *s);     /* a round opens */
void ent_sim_privacy_aborted(struct ent_sim *s);
ENT_MUST enum ent_err ent_sim_privacy_told(const struct ent_sim *s,
                                           struct ent_simulated_privacy *out);
ENT_MUST enum ent_err ent_sim_privacy_begin(struct ent_sim *s); /* noise begins to be drawn */
/* RANGE: an update longer than the bound. */
ENT_MUST enum ent_err ent_sim_privacy_check(const struct ent_sim *s, const uint8_t *q, size_t n);
ENT_MUST enum ent_err ent_sim_privacy_add(struct ent_sim *s, int64_t *sum); /* once, to all of it */

/* Salts, keys, handles: a function of plan and purpose, so that a run can be had again. */
ENT_MUST enum ent_err ent_sim_derive(const struct ent_sim *s, const char *purpose, const void *id,
                                     size_t len, uint8_t out[32]);

#endif
