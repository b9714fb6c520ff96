/* IN the sum of EVALUATE · OUT what it says of a model · OWNS nothing · THREADS any
 * SOURCE Davis and Goadrich 2006 (precision and recall); ARCHITECTURE.md idea 2
 *
 * Everything is computed from integers that were added: rows by cell of the score and label, sums of
 * losses and errors. What happens inside a cell (1/1024 of the probability) is not known; where that
 * matters the bound of the error stands beside the figure. Nothing but + - * /, in one order: the
 * same on every machine. */
#ifndef ENT_COMMON_TASK_METRICS_H
#define ENT_COMMON_TASK_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

/* What a sum of EVALUATE is of: one value against all others, one of n classes, a number. */
enum ent_outputs { ENT_OUTPUTS_BINARY, ENT_OUTPUTS_CLASSES, ENT_OUTPUTS_NUMBER };

#define ENT_METRIC_TENTHS 10
#define ENT_METRIC_TOPS 3 /* the highest 5, 10 and 20 % of the scores */

/* A tenth of all rows, by score, or several that were merged. Rows that share a cell with a border are divided evenly. */
struct ent_metrics_tenth {
    uint32_t first; /* 1 .. 10: of the highest scores on */
    uint32_t last;
    double rows;
    double positives;
    double predicted; /* mean score, within 2^-11 */
    double lowest;    /* lower edge of its lowest cell */
};

/* Of the rows with the highest scores. */
struct ent_metrics_top {
    double share;       /* of all rows: 0.05 */
    double found;       /* share of the positives among them; NaN without positives */
    double found_error; /* bound of the binning error */
    double lift;        /* found / share: how much better than a random choice */
};

/* Rows with a score of at least the threshold count as positive. */
struct ent_confusion {
    double threshold;
    uint64_t true_positives;
    uint64_t false_positives;
    uint64_t true_negatives;
    uint64_t false_negatives;
};

/* CLASSES: auc is the mean over the classes of one against the rest (NaN where the classes are too many for their cells),
 * accuracy that of the most probable class; what is only of BINARY is NaN or 0. NUMBER: log_loss is the mean squared
 * error where the range is -1 .. 1. */
struct ent_metrics {
    enum ent_outputs outputs;
    uint32_t n_classes; /* CLASSES */
    uint64_t unknown;   /* CLASSES: targets that are no class */
    double hit5;        /* CLASSES: share of rows whose class is among the 5 most probable ones */
    double hit10;
    double mrr; /* CLASSES: mean of 1 / rank */
    double r2;  /* NUMBER: 1 - loss / variance; NaN without any */
    uint64_t rows;
    uint64_t positives;
    double auc;       /* from the cells; ties inside a cell count half; NaN with one class only */
    double auc_error; /* bound of the binning error: half the weight of pairs that share a cell */
    double pr_auc;    /* average precision, rows of a cell in random order; NaN without positives */
    double pr_auc_error;
    double log_loss;  /* mean, nats; NaN without rows; this and the next two are exact to 2^-21 */
    double brier;     /* mean of (score - label)^2 */
    double predicted; /* mean score: what the model expects as share of the positives */
    double accuracy;  /* at the threshold 0.5, exact */
    struct ent_metrics_top top[ENT_METRIC_TOPS]; /* 5, 10, 20 % */
    /* What follows are cells: only such as hold the floor of the sizes that the sum was finished with (floor.h). */
    bool has_half; /* false: one of the four does not */
    struct ent_confusion half;
    uint32_t n_tenths;
    struct ent_metrics_tenth tenths[ENT_METRIC_TENTHS]; /* highest scores first */
};

/* SHAPE for a wrong dim, DATA when the sum contradicts itself. Of one positive value, without a floor; _of: of whatever
 * sizes say. */
struct ent_task_sizes;
ENT_MUST enum ent_err ent_task_evaluate_finish_of(const struct ent_task_sizes *sizes,
                                                  const int64_t *sum, size_t dim,
                                                  struct ent_metrics *out);
ENT_MUST enum ent_err ent_task_evaluate_finish(const int64_t *sum, size_t dim,
                                               struct ent_metrics *out);
/* At another threshold: exact for multiples of 1/1024, otherwise at the one below. sum: one that
 * ent_task_evaluate_finish has taken. */
void ent_metrics_confusion(const int64_t *sum, float threshold, struct ent_confusion *out);

/* The figures by name, those that are not defined left out: for messages, reports, JSON. */
struct ent_metric_value {
    const char *name;
    double value;
};
#define ENT_METRIC_VALUES 14
size_t ent_metrics_values(const struct ent_metrics *metrics,
                          struct ent_metric_value out[ENT_METRIC_VALUES]);
/* Whether one of them has this name, whatever is predicted. */
bool ent_metrics_is_name(const char *name);
/* What people call one of these: the loss of a number is no log loss but its squared error, of the label with its range
 * as [-1, 1], so in squares of half the range. On the wire and in the store every loss is `log_loss`. */
const char *ent_metrics_name(const struct ent_metrics *metrics, const char *name);

#endif
