/* IN table, parts, model, plan · OUT a task's payload: salt and integers, ready to store and sign
 * OWNS nothing · THREADS one at a time · SOURCE ARCHITECTURE.md idea 2; common/task/task.h (layouts)
 *
 * The only room that sees both data and tasks. Whatever it makes is a vector of integers that is only ever added.
 * Nothing here saturates: a value that the grid cannot hold stops the member with advice. */
#ifndef ENT_CLIENT_TASK_FILL_H
#define ENT_CLIENT_TASK_FILL_H

#include <stdint.h>

#include "client/data/prep.h"
#include "client/data/split.h"
#include "client/data/table.h"
#include "client/train/trainer.h"
#include "common/model/model.h"
#include "common/plan/plan.h"
#include "common/privacy/clip.h"
#include "common/task/task.h"

/* What leaves: bytes = salt[ENT_UPDATE_SALT_BYTES] || dim integers, little-endian. */
struct ent_payload {
    uint8_t *bytes; /* from malloc; the caller frees (or gives it to a blob) */
    size_t len;
    size_t dim;
};
void ent_payload_release(struct ent_payload *payload);
/* The integers of an int64 task, for finish() on this member's own numbers. out: [dim]. */
void ent_payload_int64(const struct ent_payload *payload, int64_t *out);

/* Integers of a plan's task: what `check` prints and what a payload will hold. */
ENT_MUST enum ent_err ent_fill_dim(const struct ent_plan *plan, enum ent_task_kind kind,
                                   size_t *dim);

/* salt: fresh and unpredictable, so that the payload's digest commits to the update without revealing it. */
struct ent_fill {
    const struct ent_plan *plan;
    const struct ent_table *table;
    const uint8_t *salt; /* [ENT_UPDATE_SALT_BYTES] */
    uint32_t
        floor; /* fewer customers than this are not told of; 0: nothing of it leaves, so no floor */
    struct ent_clip_done *
        clipped; /* TRAIN under unit member: what clipping did, for the member's own log; may be NULL */
};

/* Whether statistics and evaluations of this part are sent as zeros: it has fewer customers than the floor. A part without
 * a row gives zeros anyhow, so nobody can tell one from the other. */
ENT_MUST enum ent_err ent_fill_withholds(const struct ent_fill *fill,
                                         const struct ent_split_rows *part, bool *out);
/* Makes all integers zero; the salt stays. */
void ent_payload_withhold(struct ent_payload *payload);

/* STATS over `part` (the training rows). Exact sums: u = round((x - lo) / (hi - lo) * 2^20), the squares summed in
 * full and shifted once. Below the floor: zeros; buckets of a vocabulary with fewer customers than the floor count none,
 * declared values in fewer rows count as `other`. */
ENT_MUST enum ent_err ent_fill_stats(const struct ent_fill *fill, const struct ent_split_rows *part,
                                     struct ent_payload *out);

/* TRAIN: delta = the model's parameters minus base [n_params], on the grid of plan->scale_bits. The model's parameters
 * are overwritten by the delta (a copy would cost another vector). NONFINITE, RANGE: with advice, nothing is made.
 * Under privacy of unit member the delta is clipped to the plan's norm, on the grid, and no delta is an error: one that is
 * not finite becomes zeros, so that nothing of the data decides whether the member answers. */
ENT_MUST enum ent_err ent_fill_train(const struct ent_fill *fill, struct ent_model *model,
                                     const float *base, struct ent_payload *out);

/* EVALUATE of the model on rows, no training. A row's loss is -log of the probability given to its class, in 2^-20
 * nats, at most 64 (counted). NONFINITE when the model gives NaN. keep_going (NULL: always): asked once a block. */
struct ent_fill_evaluate {
    struct ent_model *model;
    const struct ent_rows *rows;
    bool (*keep_going)(void *ctx);
    void *ctx;
};
/* Whatever the floor: the member's own figures come out of it. ent_fill_withholds says whether it may leave. */
ENT_MUST enum ent_err ent_fill_evaluate(const struct ent_fill *fill,
                                        const struct ent_fill_evaluate *what,
                                        struct ent_payload *out);

/* The histogram of EVALUATE filled row by row, for `score --evaluate` and reports: the same numbers. */
struct ent_histogram {
    int64_t *v; /* [ent_task_evaluate_dim_of(sizes)], caller's storage, zeroed */
    bool nonfinite;
    struct ent_task_sizes sizes; /* outputs and n_classes; zero: one positive value */
};
void ent_histogram_add(struct ent_histogram *histogram, const float *prob, const float *y,
                       uint32_t n);

/* The seed of a round's shuffles and dropout: first 64 bits (big-endian) of
 * SHA-256("entente/train-seed/v1\0" || be64 plan seed || be64 round || member's name in the roster). It depends on
 * nothing that changes with the order in which members join, so two runs of one plan give identical models. */
ENT_MUST enum ent_err ent_fill_seed(uint64_t plan_seed, uint64_t round, const char *member,
                                    uint64_t *out);

#endif
