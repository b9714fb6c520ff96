/* IN a plan's sizes · OUT layout and bounds of a task's integer vector, meaning of the sum · OWNS
 * nothing THREADS any · SOURCE ARCHITECTURE.md idea 2; privacy.md 4.1 (9)
 *
 * Whatever leaves a member is a vector of integers that is only ever added. A task says how long it
 * is, how wide its integers are, what bounds one member's contribution, and what the sum means.
 * What fills it lives in client/task. */
#ifndef ENT_COMMON_TASK_TASK_H
#define ENT_COMMON_TASK_TASK_H

#include <stdint.h>

#include "common/base/err.h"

enum ent_task_kind {
    ENT_TASK_STATS = 1,
    ENT_TASK_TRAIN = 2,
    ENT_TASK_EVALUATE = 3
}; /* on the wire: never reuse */
enum ent_split {
    ENT_SPLIT_NONE = 0,
    ENT_SPLIT_TRAIN = 1,
    ENT_SPLIT_VALIDATION = 2,
    ENT_SPLIT_TEST = 3
};

#define ENT_EVAL_CELLS 1024      /* equal cells of the probability */
#define ENT_STAT_UNIT_BITS 20    /* a number mapped to [0, 1] counts 2^20 */
#define ENT_LOSS_UNIT_BITS 20    /* a row's loss in nats counts 2^20, at most 64 nats */
#define ENT_UPDATE_SALT_BYTES 32 /* before the integers in a payload */

/* Feature types as the stats layout needs them. */
enum ent_stat_kind { ENT_STAT_NUMBER, ENT_STAT_CATEGORY, ENT_STAT_BOOLEAN };
struct ent_stat_column {
    enum ent_stat_kind kind;
    uint32_t n_values; /* CATEGORY: declared values */
    double lo;         /* NUMBER */
    double hi;
};

/* STATS, int64: [rows, positives] then per column
 *   NUMBER   present, missing, clipped, sum of u, sum of u^2 >> 20     u = round((x - lo) / (hi -
 * lo) * 2^20) CATEGORY one count per declared value, other, missing BOOLEAN  false, true, missing
 * over the training rows.
 * EVALUATE, int64: [rows, positives, loss, overflowed losses] then cells of label 0, cells of
 * label 1. TRAIN, int32: n_params. */
ENT_MUST enum ent_err ent_task_stats_dim(const struct ent_stat_column *columns, uint32_t n,
                                         size_t *dim);
size_t ent_task_evaluate_dim(void);
/* Bytes of one integer of this task: 4 (train) or 8. */
size_t ent_task_int_bytes(enum ent_task_kind kind);

/* What the pooled statistics say of one number: mean and standard deviation of x (lo/hi when
 * nothing was present: mean (lo + hi) / 2, sd 1; a constant column: sd 1). */
struct ent_moments {
    double mean;
    double sd;
};
ENT_MUST enum ent_err ent_task_stats_finish(const struct ent_stat_column *columns, uint32_t n,
                                            const int64_t *sum, size_t dim,
                                            struct ent_moments *out /* [n]; numbers only */);

struct ent_metrics {
    uint64_t rows;
    uint64_t positives;
    double auc;       /* from the cells; ties inside a cell count half; NaN with one class only */
    double auc_error; /* bound of the binning error: half the weight of pairs that share a cell */
    double log_loss;  /* mean, nats */
};
ENT_MUST enum ent_err ent_task_evaluate_finish(const int64_t *sum, size_t dim,
                                               struct ent_metrics *out);
/* Cell of a probability: floor(p * 1024), 1023 for 1. */
uint32_t ent_task_eval_cell(float prob);

#endif
