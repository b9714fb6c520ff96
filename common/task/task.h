/* IN a plan's sizes · OUT layout and bounds of a task's integer vector, meaning of the sum
 * OWNS nothing · THREADS any · SOURCE ARCHITECTURE.md idea 2; privacy.md 4.1 (9)
 *
 * Whatever leaves a member is a vector of integers that is only ever added. A task says how long it
 * is, how wide its integers are, what bounds one member's contribution, and what the sum means.
 * What fills it lives in client/task. One task = one line in tasks.def, one file, one vtable. */
#ifndef ENT_COMMON_TASK_TASK_H
#define ENT_COMMON_TASK_TASK_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/feature/feature.h"
#include "common/task/metrics.h"

/* On the wire: never reuse. */
enum ent_task_kind { ENT_TASK_STATS = 1, ENT_TASK_TRAIN = 2, ENT_TASK_EVALUATE = 3 };
enum ent_split {
    ENT_SPLIT_NONE = 0,
    ENT_SPLIT_TRAIN = 1,
    ENT_SPLIT_VALIDATION = 2,
    ENT_SPLIT_TEST = 3
};

#define ENT_EVAL_CELLS 1024   /* equal cells of the probability */
#define ENT_STAT_UNIT_BITS 20 /* a number mapped to [0, 1] counts 2^20 */
#define ENT_LOSS_UNIT_BITS 20 /* a row's loss in nats counts 2^20, at most 64 nats */
#define ENT_LOSS_MAX_NATS 64  /* more is an overflowed loss: counted as this much */
/* More rows than a member can have (a table's row numbers are 32 bits). */
#define ENT_TASK_ROWS_MAX ((int64_t)1 << 32)
#define ENT_UPDATE_SALT_BYTES 32 /* before the integers in a payload */

/* EVALUATE: where its integers are. */
enum ent_eval_at {
    ENT_EVAL_ROWS,
    ENT_EVAL_POSITIVES,
    ENT_EVAL_LOSS,
    ENT_EVAL_OVERFLOWED,
    ENT_EVAL_BRIER,     /* (score - label)^2 counts 2^20 */
    ENT_EVAL_PREDICTED, /* a score of 1 counts 2^20 */
    ENT_EVAL_CELLS_AT   /* of label 0, then of label 1; whatever comes later stands behind them */
};

/* EVALUATE of classes. A target has rank 1 + the classes whose probability is higher, or equal and theirs the lower
 * number. */
enum ent_classes_at {
    ENT_CLASSES_ROWS = ENT_EVAL_ROWS, /* targets that are a class */
    ENT_CLASSES_UNKNOWN, /* targets that are none: a value that is not declared or not kept */
    ENT_CLASSES_LOSS = ENT_EVAL_LOSS,
    ENT_CLASSES_OVERFLOWED,
    ENT_CLASSES_HIT1, /* of rank 1, up to 5, up to 10 */
    ENT_CLASSES_HIT5,
    ENT_CLASSES_HIT10,
    ENT_CLASSES_RECIPROCAL, /* 1 / rank counts 2^20 */
    /* Up to ENT_CLASSES_DETAIL classes: rows by class and most probable class, [n][n]; then for each class the cells of
     * its probability, of the other rows and of its own. */
    ENT_CLASSES_DETAIL_AT
};
#define ENT_CLASSES_DETAIL 32

/* EVALUATE of a number: the model sees its range as -1 .. 1, a place in it is 0 .. 1. */
enum ent_number_at {
    ENT_NUMBER_ROWS = ENT_EVAL_ROWS,
    ENT_NUMBER_PLACES,               /* of the targets: 1 counts 2^20 */
    ENT_NUMBER_LOSS = ENT_EVAL_LOSS, /* squared error counts 2^20, at most 64 */
    ENT_NUMBER_OVERFLOWED,
    ENT_NUMBER_SQUARES, /* of the places */
    ENT_NUMBER_INTS
};

/* STATS, int64: [rows, positives], then for each feature over the training rows
 *   NUMBER      present, missing, clipped, sum of u, sum of u^2 (summed in full, shifted right by
 *               20 bits once a member), with u = round(2^20 * place of x in the mapped range)
 *               (ent_feature_unit); ple: then the rows in each of ENT_FEATURE_CELLS cells
 *   CATEGORY    declared: one count for each value, other, missing; hashed: present, missing;
 *               vocabulary: missing, then for each bucket how many different units have it, then for
 *               each bucket 1 if any has (summed: how many members)
 *   BOOLEAN     false, true, missing
 * EVALUATE, int64: as enum ent_eval_at says, then the cells of label 0, then the cells of label 1.
 * TRAIN, int32: n_params. */
ENT_MUST enum ent_err ent_task_stats_dim(const struct ent_feature *features, uint32_t n,
                                         size_t *dim);
/* Integers of one feature in it. */
size_t ent_task_stats_ints(const struct ent_feature *feature);
size_t ent_task_evaluate_dim(void); /* of one positive value */
struct ent_task_sizes;
/* Of whatever the plan predicts. LIMIT. */
ENT_MUST enum ent_err ent_task_evaluate_dim_of(const struct ent_task_sizes *sizes, size_t *dim);
/* The other way round, for a stored sum: each dim is one of what may be predicted. More than ENT_CLASSES_DETAIL classes have
 * no other number than that. SHAPE. */
ENT_MUST enum ent_err ent_task_evaluate_sizes(size_t dim, struct ent_task_sizes *out);
/* Bytes of one integer of this task: 4 (train) or 8. */
size_t ent_task_int_bytes(enum ent_task_kind kind);

/* What the pooled statistics make of the features of `sizes`. A number: mean and standard deviation of the mapped x;
 * (nearly) constant: sd is 2^-10 of the range, so that what little differs stays small when it is standardised; present in
 * fewer than min_group rows: as if in none, the middle of the range and the sd of values that lie evenly in it. Edges come
 * from cells merged to min_group (floor.h), buckets of fewer customers than that are not kept. SHAPE for a wrong dim, DATA
 * when the sum contradicts itself. */
ENT_MUST enum ent_err ent_task_stats_finish(const struct ent_task_sizes *sizes, const int64_t *sum,
                                            size_t dim, struct ent_fits **out);

/* Cell of a probability: floor(p * 1024), 1023 for 1. */
uint32_t ent_task_eval_cell(float prob);

/* What sizes a task's vector: of a plan. */
struct ent_task_sizes {
    enum ent_outputs outputs; /* EVALUATE */
    uint32_t n_classes;       /* ENT_OUTPUTS_CLASSES */
    const struct ent_feature *features;
    uint32_t n_features;
    size_t n_params;
    uint32_t n_members; /* whose sum is checked; 0: unknown. ent_task_check_payload sets 1 */
    uint32_t min_group; /* what is shown of a sum, or kept of it, is of so many; 0: any */
};

/* What a sum gives. */
struct ent_task_result {
    struct ent_fits *fits;      /* STATS: the caller frees */
    struct ent_metrics metrics; /* EVALUATE */
};

struct ent_task {
    enum ent_task_kind kind;
    const char *name; /* as in client.yaml's policy */
    const char *summary;
    uint32_t int_bytes;
    bool weighted;   /* the plan's weights apply; otherwise the weight is 1 */
    bool needs_base; /* works on a model */
    /* Integers of the vector. LIMIT on overflow. */
    enum ent_err (*dim)(const struct ent_task_sizes *sizes, size_t *dim);
    /* Whether one member's integers (or a sum of them) fit together. DATA says what does not. NULL: any do. */
    enum ent_err (*check)(const struct ent_task_sizes *sizes, const int64_t *v, size_t dim);
    /* TRAIN: nothing to say (its sum goes through ent_grid_apply). */
    enum ent_err (*finish)(const struct ent_task_sizes *sizes, const int64_t *sum, size_t dim,
                           struct ent_task_result *out);
};

/* NULL when unknown. */
const struct ent_task *ent_task_find(uint32_t kind);
const struct ent_task *ent_task_find_name(const char *name);
/* The i-th of the list, or NULL behind its end. */
const struct ent_task *ent_task_at(size_t i);
/* "stats", or "unknown". */
const char *ent_task_name(uint32_t kind);

/* Bytes of an update's payload: the salt and the integers. */
ENT_MUST enum ent_err ent_task_payload_bytes(const struct ent_task *task,
                                             const struct ent_task_sizes *sizes, uint64_t *bytes);
/* The content of one member's payload (little-endian, without the salt): its length (SHAPE), the range of its integers
 * and the number of rows (RANGE), and that they fit together (DATA). */
ENT_MUST enum ent_err ent_task_check_payload(const struct ent_task *task,
                                             const struct ent_task_sizes *sizes,
                                             const uint8_t *ints, size_t len_bytes);

#endif
