/* IN a plan, a population · OUT the model that a federation of it trains, and its figures · OWNS keys, sums, kept state
 * THREADS one caller; works on several itself · SOURCE ARCHITECTURE.md ideas 1 and 2
 *
 * A run of the plan through the round machine (coordinator/round), the members' pipeline (client/agent) and the
 * aggregation (common/aggregate), with what is signed and hashed between them, but without sockets and stores and with a
 * clock that jumps from deadline to deadline. The model's bytes depend on plan, data, division, fraction and dropout; not
 * on the number of threads, nor on the order in which members answer. The exception is privacy: sample and noise come from the
 * system's generator, fresh in each run, as in a federation. */
#ifndef ENT_SIMULATE_FEDERATION_H
#define ENT_SIMULATE_FEDERATION_H

#include <stdint.h>

#include "common/base/blob.h"
#include "common/task/task.h"
#include "coordinator/round/round.h"
#include "simulate/population.h"

/* What a run's privacy has cost so far. */
struct ent_simulated_privacy {
    enum ent_privacy_unit unit; /* NONE: the plan has none, all else is 0 */
    double goal;                /* epsilon of the plan */
    double delta;
    double epsilon;        /* of the unit whose account is fullest, rounded up */
    double epsilon_person; /* of a person in members_per_person of them */
    uint32_t members_per_person;
    uint32_t booked;    /* rounds on that account, attempts that failed with them */
    double multiplier;  /* of the noise */
    bool out_of_budget; /* it ended the run before its last round */
};

struct ent_simulated_round {
    uint64_t round;
    enum ent_round_task task;
    enum ent_round_split split;
    uint32_t train_done;
    uint32_t train_rounds;
    uint32_t accepted;
    uint32_t rejected;
    uint32_t dropped;
    struct ent_metrics metrics; /* EVALUATE */
    struct ent_metrics test;    /* TRAIN, with `course`; rows = 0: none */
    struct ent_simulated_privacy privacy;
};

/* The test rows after a training round. */
struct ent_course {
    double log_loss;
    double auc;
    double accuracy;
};

struct ent_federation_options {
    uint32_t threads;
    double fraction; /* (0, 1]: of the members that each training round invites, at least one */
    double dropout;  /* [0, 1): chance of a member that joined a training round to be lost in it */
    bool course;     /* look at the test rows after each training round */
    uint64_t state_memory;
    uint64_t order; /* 0: members answer in their own order; otherwise in one shuffled by this */
    void (*progress)(void *ctx, const struct ent_simulated_round *round);
    void *ctx;
};

struct ent_federation_result {
    struct ent_blob *model; /* the best one */
    uint8_t digest[32];
    uint32_t best_train;
    uint32_t train_done;
    struct ent_metrics validation; /* of the last look; rows = 0: the plan holds none out */
    struct ent_metrics test;
    struct ent_course *course; /* [n_course], one a training round; NULL: not asked for */
    uint32_t n_course;
    bool
        test_outside; /* `test` was measured outside of the federation: the run has no test round */
    struct ent_metrics *members; /* [n_members] on the test rows of each; rows = 0: none */
    uint64_t samples;            /* rows trained on, over all rounds */
    double train_seconds;        /* in training rounds, all that belongs to them */
    double train_cpu_seconds;    /* the same in processor time of all threads */
    uint64_t declined;           /* answers that were a refusal, over all rounds */
    uint64_t dropped;
    uint64_t aborted; /* attempts with too few members */
    struct ent_simulated_privacy privacy;
};

/* plan and population are changed in nothing; the plan must be the one (or of the features) that the table was read for.
 * CONFIG when the members cannot be enough for the plan; TOO_FEW when a round fails for good. */
ENT_MUST enum ent_err ent_federation_run(struct ent_plan *plan,
                                         const struct ent_population *population,
                                         const struct ent_federation_options *options,
                                         struct ent_federation_result *out);
void ent_federation_result_release(struct ent_federation_result *result);

/* Bytes that such a run needs beside the population, and of these the kept state. */
struct ent_federation_memory {
    uint64_t workers;
    uint64_t state;
    bool state_in_file;
};
void ent_federation_memory(const struct ent_plan *plan, uint32_t n_members, uint32_t threads,
                           uint64_t state_memory, struct ent_federation_memory *out);

#endif
