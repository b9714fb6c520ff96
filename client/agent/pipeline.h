/* IN client.yaml, a plan, a base model, a task · OUT the payload of this member · OWNS the loaded data, batches, model
 * THREADS one at a time · SOURCE ARCHITECTURE.md "One struct per arrow"
 *
 * The steps between data and update, one call each; data and plan are loaded once and kept. */
#ifndef ENT_CLIENT_AGENT_PIPELINE_H
#define ENT_CLIENT_AGENT_PIPELINE_H

#include <stdint.h>

#include "client/task/fill.h"
#include "common/base/blob.h"
#include "common/model/modelfile.h"
#include "common/plan/client_config.h"

struct ent_pipeline;

/* config is borrowed for the pipeline's life; member: its name in the roster (copied). */
ENT_MUST enum ent_err ent_pipeline_new(const struct ent_client_config *config, const char *member,
                                       struct ent_pipeline **out);
void ent_pipeline_free(struct ent_pipeline *pipeline);

/* Takes the plan; data that was loaded for another one is dropped. */
void ent_pipeline_use_take(struct ent_pipeline *pipeline, struct ent_plan *plan_take);
const struct ent_plan *ent_pipeline_plan(const struct ent_pipeline *pipeline); /* NULL: none yet */
/* Read the member's data, once. LIMIT when the plan's training or the rows take more than limits.memory (said before
 * either is allocated); DATA, CONFIG, NOT_FOUND, IO. */
ENT_MUST enum ent_err ent_pipeline_load(struct ent_pipeline *pipeline);
const struct ent_table *
ent_pipeline_table(const struct ent_pipeline *pipeline); /* NULL before load */
const struct ent_parts *ent_pipeline_parts(const struct ent_pipeline *pipeline);
/* Rows of one part; STATS and TRAIN use the training rows. */
uint32_t ent_pipeline_rows(const struct ent_pipeline *pipeline, enum ent_split split);

/* Whether the policy lets something leave of the part that this task is about (EVALUATE: `split`; the others: the
 * training rows), and of a plan like this. After load. POLICY with a sentence that may leave; NOMEM. */
ENT_MUST enum ent_err ent_pipeline_ask_policy(const struct ent_pipeline *pipeline,
                                              enum ent_task_kind task, enum ent_split split);

/* Of the training rows, what a weight by examples counts: rows, or events. */
uint32_t ent_pipeline_examples(const struct ent_pipeline *pipeline);

/* Whether the plan's statistics hold the buckets of a vocabulary. */
bool ent_pipeline_has_vocabulary(const struct ent_pipeline *pipeline);

/* What the plan's privacy goal takes, derived once; .round is what a round costs the plan's unit (the member's own ledger
 * books ent_purse_event of it). CONFIG. */
ENT_MUST enum ent_err ent_pipeline_noise(struct ent_pipeline *pipeline,
                                         const struct ent_plan_noise **out);

/* What an optimizer keeps between the rounds of a run (keep_state). It never leaves the member. */
struct ent_kept {
    float *state;
    size_t n; /* floats; 0: nothing kept yet, the next round starts at zero */
    uint64_t steps;
};
void ent_kept_release(struct ent_kept *kept);
/* Floats that a plan's optimizer keeps; 0: it keeps nothing. */
size_t ent_pipeline_kept_floats(const struct ent_plan *plan);

struct ent_work {
    enum ent_task_kind task;
    enum ent_split split;  /* EVALUATE */
    uint64_t round;        /* TRAIN: seeds shuffles and dropout, with the member's name */
    uint32_t train_round;  /* TRAIN: which of the plan's rounds, from 1: the rate's schedule */
    struct ent_blob *base; /* model file; NULL in STATS */
    const uint8_t *salt;   /* [ENT_UPDATE_SALT_BYTES] */
    uint32_t floor;        /* STATS, EVALUATE: as in ent_fill; ent_policy_floor where it leaves */
    bool booked; /* TRAIN under privacy: its noise is in the ledger, or (simulated) nothing
                              leaves; BUDGET without */
    struct ent_kept *kept; /* TRAIN: the state before, then after it (on error not to be used);
                              NULL: it starts at zero and is not kept */
    bool (*keep_going)(void *ctx); /* may be NULL */
    void (*progress)(void *ctx, const struct ent_train_progress *progress);
    void *ctx;
};

struct ent_work_result {
    uint32_t rows;
    double mean_loss;             /* TRAIN: of the last epoch; EVALUATE: of the rows; 0 otherwise */
    struct ent_clip_done clipped; /* TRAIN under unit member: of the update; it stays here */
    struct ent_metrics
        metrics; /* EVALUATE: of this member's rows alone, they stay here; rows = 0: none */
    bool
        withheld; /* EVALUATE: the rows are of fewer customers than the floor, the payload is zeros */
};

/* One task. SHAPE or PROTOCOL when the base model is not one of this plan; STOPPED; NONFINITE, RANGE with advice. */
ENT_MUST enum ent_err ent_pipeline_compute(struct ent_pipeline *pipeline,
                                           const struct ent_work *work, struct ent_payload *payload,
                                           struct ent_work_result *result);

/* ---- train --local ---- */

struct ent_local_result {
    struct ent_metrics validation; /* rows = 0: the plan holds none out */
    struct ent_metrics test;
    uint32_t rows;       /* trained on */
    double train_loss;   /* mean of the last epoch; NaN: noised steps have none */
    uint32_t best_round; /* the model's; 0: what training started from */
};

struct ent_local {
    const char *model_path; /* where the model file goes; NULL: it is not written */
    struct ent_blob *
        *model; /* the same bytes in memory, for the caller to unref; NULL: not wanted */
    bool
        as_planned; /* under privacy: scaled from the plan's ranges where it counts no statistics, and under unit
                        customer its noised steps. Nothing leaves, so nothing is booked. false: as a member alone would */
    void (*progress)(void *ctx, const struct ent_train_progress *progress);
    void *ctx;
};
/* The same trainer on this member's data alone: own standardisation (the same statistics code), rounds x epochs
 * passes, fewer when the plan's patience ends; after every `epochs` what a round does: the next rate of the schedule,
 * momentum restarted or kept, a look at the validation rows. Of noised steps, progress is told once a round, with a loss
 * of NaN. */
ENT_MUST enum ent_err ent_pipeline_local(struct ent_pipeline *pipeline,
                                         const struct ent_local *local,
                                         struct ent_local_result *out);

#endif
