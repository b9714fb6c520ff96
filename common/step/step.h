/* IN a plan, accepted integers, the model and the state before · OUT the sum, the next model and state, figures
 * OWNS the window of a step that is under way · THREADS any, one step at a time on one thread
 * SOURCE ARCHITECTURE.md idea 2; audit.md 3 (bit-exact replay)
 *
 * The arithmetic of a round. Coordinator, simulator and auditor call the same functions, so that whoever has the
 * inputs gets the same bytes. Pure: nothing here knows a store, a connection or a log. What is large goes through in
 * windows: out into a sink, in from a source. */
#ifndef ENT_COMMON_STEP_STEP_H
#define ENT_COMMON_STEP_STEP_H

#include <stdint.h>

#include "common/aggregate/aggregate.h"
#include "common/base/buf.h"
#include "common/crypto/sha256.h"
#include "common/model/modelfile.h"
#include "common/plan/plan.h"
#include "common/task/metrics.h"
#include "common/task/task.h"

/* Places that are worked on at a time. It is part of the format of the optimizer's state: see ent_step_train_window. */
#define ENT_STEP_PIECE ((size_t)256 * 1024)

/* Where the bytes of a model file or a state go, from front to end. */
struct ent_step_sink {
    enum ent_err (*write)(void *ctx, const void *bytes, size_t len);
    void *ctx;
};

/* Where those of a state come from: exactly len more, or an error (CORRUPT when there are fewer). */
struct ent_step_source {
    enum ent_err (*read)(void *ctx, void *bytes, size_t len);
    void *ctx;
};

/* A sink that appends to a buffer, and a source that reads one. */
struct ent_step_sink ent_step_sink_buf(struct ent_buf *buf);
struct ent_step_reader {
    const uint8_t *at;
    size_t len; /* bytes left */
};
struct ent_step_source ent_step_source_of(struct ent_step_reader *reader);

/* What a model file says of where it comes from, beyond its plan and base. */
struct ent_step_lineage {
    uint8_t federation[16];
    uint32_t run;
    uint64_t round;
};

/* ---- weights ---- */

/* What an update of this task counts, by the plan's rule and the bucket that its member signed. *weight = 0: `fixed`, the
 * plan has a number for each member's name. SHAPE: a bucket where none is asked for; RANGE: none where one is. */
ENT_MUST enum ent_err ent_step_weight(const struct ent_plan *plan, uint32_t task, uint32_t bucket,
                                      uint32_t *weight);

/* ---- the sum ---- */

struct ent_step_sum {
    const struct ent_plan *plan;
    uint32_t task;       /* enum ent_task_kind */
    size_t window;       /* integers that are added at a time: at most the task's dim */
    uint32_t inputs_min; /* TOO_FEW below */
    uint32_t inputs_max; /* how many will be added */
    uint32_t weight_max; /* the largest of their weights */
};

/* The rule that combines this task's updates: the plan's in training, sums otherwise. */
ENT_MUST enum ent_err ent_step_sum_new(const struct ent_step_sum *sum, struct ent_agg **out);
/* Adds n integers of a sum to its digest (SHA-256 of all of them, little-endian). */
void ent_step_sum_hash(struct ent_sha256 *hash, const int64_t *sum, size_t n);
/* Of a sum in one piece. */
ENT_MUST enum ent_err ent_step_sum_digest(const int64_t *sum, size_t n,
                                          uint8_t digest[ENT_SHA256_BYTES]);

/* ---- stats: the first model ---- */

/* The model file that the pooled statistics and the plan's seed give. SHAPE, DATA (the sum contradicts itself), and
 * whatever the sink says. Memory: the parameters once. */
ENT_MUST enum ent_err ent_step_initial(const struct ent_plan *plan,
                                       const struct ent_step_lineage *lineage, const int64_t *sum,
                                       size_t dim, const struct ent_step_sink *model);

/* The model file of a run without statistics: numbers are scaled from their declared ranges, as if values lay evenly in
 * them (on the logarithmic scale where the plan says so). A function of the plan alone: no federation, run 0. SHAPE when
 * a feature takes more than its range. */
ENT_MUST enum ent_err ent_step_initial_of_ranges(const struct ent_plan *plan,
                                                 const struct ent_step_sink *model);

/* ---- train: the next model ---- */

/* Whether the plan's server optimizer has a state that goes on from round to round. */
bool ent_step_has_state(const struct ent_plan *plan);
/* Bytes of such a state. */
size_t ent_step_state_bytes(const struct ent_plan *plan);

struct ent_step_next {
    const struct ent_plan *plan;
    const struct ent_modelfile *base; /* of the plan's architecture; both stay until the end */
    const uint8_t *base_digest;       /* [32] of its file */
    const struct ent_step_lineage *lineage;
    uint64_t sum_w;
    struct ent_step_source before; /* the state before; read NULL: there was no round before */
    struct ent_step_sink model;
    struct ent_step_sink state; /* not used without state */
};

struct ent_step_train;

/* Writes the header of the next model. SHAPE: the base is none of this plan; TOO_FEW: no weights. `next` is copied. */
ENT_MUST enum ent_err ent_step_train_new(const struct ent_step_next *next,
                                         struct ent_step_train **out);
/* base + what the plan's server optimizer makes of sum / (sum_w * 2^scale_bits), for the next n places. Windows are whole
 * pieces, but for the last. The state is slices of ENT_STEP_PIECE places (the last one shorter), of each slice all state
 * vectors one behind the other, float32 little-endian: it is read and written from front to end. RANGE, NONFINITE. */
ENT_MUST enum ent_err ent_step_train_window(struct ent_step_train *train, const int64_t *sum,
                                            size_t n);
/* All places are done: what was written is whole. */
bool ent_step_train_done(const struct ent_step_train *train);
void ent_step_train_free(struct ent_step_train *train); /* NULL is fine */

/* ---- evaluate: figures ---- */

#define ENT_STEP_AUC_UNIT 0x1p32 /* an AUC of 1 in `auc` */

struct ent_step_figures {
    struct ent_metrics metrics;
    uint64_t loss_sum; /* in 2^-20 nats */
    uint64_t rows;
    uint64_t auc; /* 0: not defined */
};

/* SHAPE, DATA (the sum contradicts itself). */
ENT_MUST enum ent_err ent_step_evaluate(const struct ent_plan *plan, const int64_t *sum, size_t dim,
                                        struct ent_step_figures *out);

/* A figure as it is told and logged, in 10^-9: what does not fit ends at the largest, NaN is 0. */
int64_t ent_step_nano(double value);

#endif
