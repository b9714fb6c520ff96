#include "common/task/metrics.h"

#include <math.h>
#include <string.h>

#include "common/task/floor.h"
#include "common/task/task.h"

#define CELLS ((size_t)ENT_EVAL_CELLS)
#define UNIT ((double)(1 << ENT_LOSS_UNIT_BITS))

/* Rows by cell, in double: what can be divided. */
struct cells {
    const int64_t *negatives;
    const int64_t *positives;
    double rows;
    double n_positives;
};

static struct cells cells_of(const int64_t *sum)
{
    return (struct cells){.negatives = sum + ENT_EVAL_CELLS_AT,
                          .positives = sum + ENT_EVAL_CELLS_AT + CELLS,
                          .rows = (double)sum[ENT_EVAL_ROWS],
                          .n_positives = (double)sum[ENT_EVAL_POSITIVES]};
}

/* AUC = P(score of a positive > score of a negative), ties half. Pairs in different cells are ordered rightly and pairs in
 * the same cell count half, so the error is at most half the share of pairs that meet in a cell. */
static void put_auc(const struct cells *c, struct ent_metrics *out)
{
    double below = 0.0; /* negatives in lower cells */
    double won = 0.0;
    double shared = 0.0;
    double pairs = c->n_positives * (c->rows - c->n_positives);

    for (size_t i = 0; i < CELLS; i++) {
        won += (double)c->positives[i] * below;
        shared += (double)c->positives[i] * (double)c->negatives[i];
        below += (double)c->negatives[i];
    }
    out->auc = pairs > 0.0 ? (won + 0.5 * shared) / pairs : (double)NAN;
    out->auc_error = pairs > 0.0 ? 0.5 * shared / pairs : (double)NAN;
}

/* Precision at a positive that has `tp` positives and `fp` negatives at or above it. */
static double precision(double tp, double fp)
{
    return tp / (tp + fp);
}

/* Average precision: the mean, over the positives, of the precision at each. Of a cell with p positives and n negatives
 * below TP and FP others, precision at its j-th positive is between (TP + j) / (TP + j + FP + n), all its negatives first, and
 * (TP + j) / (TP + j + FP). Both are concave in j, so a sum over j lies above p times the mean of its ends and below p times
 * its value in the middle. (Rows of one score as one group have the precision at their end: the upper bound covers that
 * too.) */
static void put_pr_auc(const struct cells *c, struct ent_metrics *out)
{
    double tp = 0.0;
    double fp = 0.0;
    double mid = 0.0;
    double low = 0.0;
    double high = 0.0;

    for (size_t i = CELLS; i > 0; i--) {
        double p = (double)c->positives[i - 1];
        double n = (double)c->negatives[i - 1];

        if (p > 0.0) {
            double middle = tp + 0.5 * (p + 1.0);
            double best = precision(middle, fp);
            double end = precision(tp + p, fp + n);

            mid += p * precision(middle, fp + 0.5 * n);
            low += p * 0.5 * (precision(tp + 1.0, fp + n) + end);
            high += p * (best > end ? best : end);
        }
        tp += p;
        fp += n;
    }
    out->pr_auc = c->n_positives > 0.0 ? mid / c->n_positives : (double)NAN;
    out->pr_auc_error = c->n_positives > 0.0
                            ? (high - mid > mid - low ? high - mid : mid - low) / c->n_positives
                            : (double)NAN;
}

/* The `rows` highest scores. */
struct highest {
    double positives;       /* the cell at the border divided evenly */
    double positives_error; /* its positives may all be on one side */
    double scores;          /* sum, each row in the middle of its cell */
    double lowest;          /* lower edge of the cell at the border */
};

static struct highest take_highest(const struct cells *c, double rows)
{
    struct highest h = {.lowest = 1.0};
    double left = rows;

    for (size_t i = CELLS; i > 0 && left > 0.0; i--) {
        double p = (double)c->positives[i - 1];
        double n = (double)c->negatives[i - 1];
        double taken = p + n < left ? p + n : left;
        double share = p + n > 0.0 ? taken / (p + n) : 0.0;

        h.positives += p * share;
        h.scores += taken * ((double)i - 0.5) / (double)CELLS;
        if (taken > 0.0) {
            h.lowest = (double)(i - 1) / (double)CELLS;
        }
        if (taken < p + n) {
            double least = taken > n ? taken - n : 0.0;
            double most = taken < p ? taken : p;
            double above = most - p * share;
            double under = p * share - least;

            h.positives_error = above > under ? above : under;
        }
        left -= taken;
    }
    return h;
}

static void put_tops(const struct cells *c, struct ent_metrics *out)
{
    static const double shares[ENT_METRIC_TOPS] = {0.05, 0.1, 0.2};

    for (size_t i = 0; i < ENT_METRIC_TOPS; i++) {
        struct highest h = take_highest(c, shares[i] * c->rows);
        bool known = c->n_positives > 0.0;
        double found = known ? h.positives / c->n_positives : (double)NAN;

        out->top[i] = (struct ent_metrics_top){
            .share = shares[i],
            .found = found,
            .found_error = known ? h.positives_error / c->n_positives : (double)NAN,
            .lift = found / shares[i]};
    }
}

static void put_tenths(const struct cells *c, uint32_t floor, struct ent_metrics *out)
{
    struct highest before = {0};

    for (size_t i = 0; i < ENT_METRIC_TENTHS; i++) {
        double from = c->rows * (double)i / ENT_METRIC_TENTHS;
        double to = c->rows * (double)(i + 1) / ENT_METRIC_TENTHS;
        struct highest h = take_highest(c, to);

        out->tenths[i] = (struct ent_metrics_tenth){
            .first = (uint32_t)i + 1,
            .last = (uint32_t)i + 1,
            .rows = to - from,
            .positives = h.positives - before.positives,
            .predicted = to > from ? (h.scores - before.scores) / (to - from) : (double)NAN,
            .lowest = h.lowest};
        before = h;
    }
    out->n_tenths = (uint32_t)ent_floor_tenths(out->tenths, ENT_METRIC_TENTHS, floor);
    for (size_t i = out->n_tenths; i < ENT_METRIC_TENTHS; i++) {
        out->tenths[i] = (struct ent_metrics_tenth){0};
    }
}

void ent_metrics_confusion(const int64_t *sum, float threshold, struct ent_confusion *out)
{
    const int64_t *negatives = sum + ENT_EVAL_CELLS_AT;
    const int64_t *positives = negatives + CELLS;
    uint32_t from = ent_task_eval_cell(threshold);

    *out = (struct ent_confusion){.threshold = (double)from / (double)CELLS};
    for (size_t i = 0; i < CELLS; i++) {
        if (i < from) {
            out->true_negatives += (uint64_t)negatives[i];
            out->false_negatives += (uint64_t)positives[i];
        } else {
            out->false_positives += (uint64_t)negatives[i];
            out->true_positives += (uint64_t)positives[i];
        }
    }
}

static void put_half(const int64_t *sum, uint32_t floor, struct ent_metrics *out)
{
    struct ent_confusion half;

    ent_metrics_confusion(sum, 0.5F, &half);
    out->accuracy = out->rows > 0 ? (double)(half.true_positives + half.true_negatives) /
                                        (double)sum[ENT_EVAL_ROWS]
                                  : (double)NAN;
    out->has_half = ent_floor_confusion(&half, floor);
    if (out->has_half) {
        out->half = half;
    }
}

static double mean(const int64_t *sum, enum ent_eval_at at)
{
    return sum[ENT_EVAL_ROWS] > 0 ? (double)sum[at] / (double)sum[ENT_EVAL_ROWS] / UNIT
                                  : (double)NAN;
}

static enum ent_err finish_binary(const int64_t *sum, size_t dim, uint32_t floor,
                                  struct ent_metrics *out)
{
    const struct ent_task *task = ent_task_find(ENT_TASK_EVALUATE);
    struct ent_metrics m = {0};
    struct cells cells;

    ENT_TRY(task->check(&(struct ent_task_sizes){0}, sum, dim));
    cells = cells_of(sum);
    m.rows = (uint64_t)sum[ENT_EVAL_ROWS];
    m.positives = (uint64_t)sum[ENT_EVAL_POSITIVES];
    m.log_loss = mean(sum, ENT_EVAL_LOSS);
    m.brier = mean(sum, ENT_EVAL_BRIER);
    m.predicted = mean(sum, ENT_EVAL_PREDICTED);
    put_auc(&cells, &m);
    put_pr_auc(&cells, &m);
    put_tops(&cells, &m);
    if (m.rows > 0) {
        put_tenths(&cells, floor, &m);
    }
    put_half(sum, floor, &m);
    *out = m;
    return ENT_E_OK;
}

/* ---- classes ---- */

/* The mean over the classes that have both sides of the area of one against the rest. */
static double classes_auc(const int64_t *cells, uint32_t n, double *error)
{
    double sum = 0.0;
    double errors = 0.0;
    double counted = 0.0;

    for (uint32_t k = 0; k < n; k++) {
        struct cells c = {.negatives = cells + 2 * CELLS * k,
                          .positives = cells + 2 * CELLS * k + CELLS};
        struct ent_metrics m;

        for (size_t i = 0; i < CELLS; i++) {
            c.n_positives += (double)c.positives[i];
            c.rows += (double)c.positives[i] + (double)c.negatives[i];
        }
        put_auc(&c, &m);
        if (isfinite(m.auc)) {
            sum += m.auc;
            errors += m.auc_error;
            counted += 1.0;
        }
    }
    *error = counted > 0.0 ? errors / counted : (double)NAN;
    return counted > 0.0 ? sum / counted : (double)NAN;
}

static double share(const int64_t *sum, size_t at, double unit)
{
    return sum[0] > 0 ? (double)sum[at] / (double)sum[0] / unit : (double)NAN;
}

static void put_undefined(struct ent_metrics *m)
{
    m->auc = (double)NAN;
    m->auc_error = (double)NAN;
    m->pr_auc = (double)NAN;
    m->pr_auc_error = (double)NAN;
    m->brier = (double)NAN;
    m->predicted = (double)NAN;
    m->accuracy = (double)NAN;
    for (size_t i = 0; i < ENT_METRIC_TOPS; i++) {
        m->top[i].found = (double)NAN;
        m->top[i].found_error = (double)NAN;
        m->top[i].lift = (double)NAN;
    }
}

static void finish_classes(uint32_t n, const int64_t *sum, struct ent_metrics *m)
{
    put_undefined(m);
    m->outputs = ENT_OUTPUTS_CLASSES;
    m->n_classes = n;
    m->rows = (uint64_t)sum[ENT_CLASSES_ROWS];
    m->unknown = (uint64_t)sum[ENT_CLASSES_UNKNOWN];
    m->log_loss = share(sum, ENT_CLASSES_LOSS, UNIT);
    m->accuracy = share(sum, ENT_CLASSES_HIT1, 1.0);
    m->hit5 = share(sum, ENT_CLASSES_HIT5, 1.0);
    m->hit10 = share(sum, ENT_CLASSES_HIT10, 1.0);
    m->mrr = share(sum, ENT_CLASSES_RECIPROCAL, UNIT);
    if (n <= ENT_CLASSES_DETAIL) {
        m->auc = classes_auc(sum + ENT_CLASSES_DETAIL_AT + (size_t)n * n, n, &m->auc_error);
    }
}

/* The places' variance is a quarter of that on -1 .. 1. */
static void finish_number(const int64_t *sum, struct ent_metrics *m)
{
    double mean_place = share(sum, ENT_NUMBER_PLACES, UNIT);
    double variance = 4.0 * (share(sum, ENT_NUMBER_SQUARES, UNIT) - mean_place * mean_place);

    put_undefined(m);
    m->outputs = ENT_OUTPUTS_NUMBER;
    m->rows = (uint64_t)sum[ENT_NUMBER_ROWS];
    m->log_loss = share(sum, ENT_NUMBER_LOSS, UNIT);
    m->r2 = variance > 0x1p-18 ? 1.0 - m->log_loss / variance : (double)NAN;
}

enum ent_err ent_task_evaluate_finish(const int64_t *sum, size_t dim, struct ent_metrics *out)
{
    return finish_binary(sum, dim, 0, out);
}

enum ent_err ent_task_evaluate_finish_of(const struct ent_task_sizes *sizes, const int64_t *sum,
                                         size_t dim, struct ent_metrics *out)
{
    struct ent_metrics m = {0};

    if (sizes->outputs == ENT_OUTPUTS_BINARY) {
        return finish_binary(sum, dim, sizes->min_group, out);
    }
    ENT_TRY(ent_task_find(ENT_TASK_EVALUATE)->check(sizes, sum, dim));
    if (sizes->outputs == ENT_OUTPUTS_CLASSES) {
        finish_classes(sizes->n_classes, sum, &m);
    } else {
        finish_number(sum, &m);
    }
    *out = m;
    return ENT_E_OK;
}

static size_t keep_finite(const struct ent_metric_value *all, size_t n_all,
                          struct ent_metric_value out[ENT_METRIC_VALUES])
{
    size_t n = 0;

    for (size_t i = 0; i < n_all; i++) {
        if (isfinite(all[i].value)) {
            out[n++] = all[i];
        }
    }
    return n;
}

static size_t other_values(const struct ent_metrics *metrics,
                           struct ent_metric_value out[ENT_METRIC_VALUES])
{
    const struct ent_metric_value classes[] = {
        {"auc", metrics->auc},
        {"auc_error", metrics->auc_error},
        {"log_loss", metrics->log_loss},
        {"rows", (double)metrics->rows},
        {"accuracy", metrics->accuracy},
        {"hit_5", metrics->hit5},
        {"hit_10", metrics->hit10},
        {"mrr", metrics->mrr},
        {"unknown", (double)metrics->unknown},
    };
    const struct ent_metric_value number[] = {
        {"log_loss", metrics->log_loss}, {"rows", (double)metrics->rows}, {"r2", metrics->r2}};

    return metrics->outputs == ENT_OUTPUTS_CLASSES
               ? keep_finite(classes, sizeof classes / sizeof classes[0], out)
               : keep_finite(number, sizeof number / sizeof number[0], out);
}

size_t ent_metrics_values(const struct ent_metrics *metrics,
                          struct ent_metric_value out[ENT_METRIC_VALUES])
{
    const struct ent_metric_value all[] = {
        {"auc", metrics->auc},
        {"auc_error", metrics->auc_error},
        {"log_loss", metrics->log_loss},
        {"rows", (double)metrics->rows},
        {"positives", (double)metrics->positives},
        {"brier", metrics->brier},
        {"accuracy", metrics->accuracy},
        {"pr_auc", metrics->pr_auc},
        {"pr_auc_error", metrics->pr_auc_error},
        {"predicted", metrics->predicted},
        {"found_5", metrics->top[0].found},
        {"found_10", metrics->top[1].found},
        {"found_20", metrics->top[2].found},
        {"found_10_error", metrics->top[1].found_error},
    };

    if (metrics->outputs != ENT_OUTPUTS_BINARY) {
        return other_values(metrics, out);
    }
    return keep_finite(all, sizeof all / sizeof all[0], out);
}

bool ent_metrics_is_name(const char *name)
{
    static const enum ent_outputs all[] = {ENT_OUTPUTS_BINARY, ENT_OUTPUTS_CLASSES,
                                           ENT_OUTPUTS_NUMBER};
    bool is = false;

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const struct ent_metrics zeros = {.outputs = all[i]}; /* finite, so none is left out */
        struct ent_metric_value values[ENT_METRIC_VALUES];
        size_t n = ent_metrics_values(&zeros, values);

        for (size_t k = 0; k < n; k++) {
            is = is || strcmp(values[k].name, name) == 0;
        }
    }
    return is;
}

const char *ent_metrics_name(const struct ent_metrics *metrics, const char *name)
{
    return metrics->outputs == ENT_OUTPUTS_NUMBER && strcmp(name, "log_loss") == 0 ? "squared_error"
                                                                                   : name;
}
