/* Evaluation of one model: score histograms by label and the log loss as an integer.
 *
 * AUC = P(score of a positive > score of a negative), ties half. From cells, pairs in different cells are ordered
 * rightly and pairs in the same cell count half, so the error is at most half the share of pairs that meet in a cell. */
#include <inttypes.h>
#include <math.h>

#include "common/task/plugins.h"

enum { ROWS, POSITIVES, LOSS, OVERFLOWED, CELLS };
#define DIM (CELLS + 2 * (size_t)ENT_EVAL_CELLS)

#define LOSS_MAX ((int64_t)ENT_LOSS_MAX_NATS << ENT_LOSS_UNIT_BITS)

size_t ent_task_evaluate_dim(void)
{
    return DIM;
}

uint32_t ent_task_eval_cell(float prob)
{
    float cell = prob * (float)ENT_EVAL_CELLS;

    if (!(cell >= 1.0f)) { /* NaN too, though no model's output is one */
        return 0;
    }
    return cell < (float)(ENT_EVAL_CELLS - 1) ? (uint32_t)cell : ENT_EVAL_CELLS - 1;
}

static enum ent_err check_cells(const int64_t *cells, int64_t rows, const char *which)
{
    int64_t left = rows;

    for (size_t i = 0; i < ENT_EVAL_CELLS; i++) {
        ENT_REQUIRE(cells[i] <= left, ENT_E_DATA, "evaluation: the %s cells exceed the rows",
                    which);
        left -= cells[i];
    }
    ENT_REQUIRE(left == 0, ENT_E_DATA, "evaluation: the %s cells do not add up to the rows", which);
    return ENT_E_OK;
}

static enum ent_err check(const struct ent_task_sizes *sizes, const int64_t *v, size_t dim)
{
    (void)sizes;
    ENT_REQUIRE(dim == DIM, ENT_E_SHAPE, "evaluation of %zu integers; %zu are expected", dim, DIM);
    for (size_t i = 0; i < dim; i++) {
        ENT_REQUIRE(v[i] >= 0, ENT_E_DATA, "evaluation: integer %zu is negative", i);
    }
    ENT_REQUIRE(v[POSITIVES] <= v[ROWS] && v[OVERFLOWED] <= v[ROWS], ENT_E_DATA,
                "evaluation: more labels or losses than rows");
    /* Rounded up: what holds of each member then holds of their sum. */
    ENT_REQUIRE(v[LOSS] / LOSS_MAX + (v[LOSS] % LOSS_MAX > 0) <= v[ROWS], ENT_E_DATA,
                "evaluation: the loss is larger than the rows allow");
    ENT_TRY(check_cells(v + CELLS, v[ROWS] - v[POSITIVES], "negative"));
    return check_cells(v + CELLS + ENT_EVAL_CELLS, v[POSITIVES], "positive");
}

/* Double, one fixed order: the same on every machine. */
enum ent_err ent_task_evaluate_finish(const int64_t *sum, size_t dim, struct ent_metrics *out)
{
    const int64_t *negatives = sum + CELLS;
    const int64_t *positives = negatives + ENT_EVAL_CELLS;
    double below = 0.0; /* negatives in lower cells */
    double won = 0.0;
    double shared = 0.0;
    double pairs;

    ENT_TRY(check(NULL, sum, dim));
    for (size_t i = 0; i < ENT_EVAL_CELLS; i++) {
        won += (double)positives[i] * below;
        shared += (double)positives[i] * (double)negatives[i];
        below += (double)negatives[i];
    }
    pairs = (double)sum[POSITIVES] * (double)(sum[ROWS] - sum[POSITIVES]);
    *out = (struct ent_metrics){
        .rows = (uint64_t)sum[ROWS],
        .positives = (uint64_t)sum[POSITIVES],
        .auc = pairs > 0.0 ? (won + 0.5 * shared) / pairs : (double)NAN,
        .auc_error = pairs > 0.0 ? 0.5 * shared / pairs : (double)NAN,
        .log_loss = sum[ROWS] > 0
                        ? (double)sum[LOSS] / (double)sum[ROWS] / (double)(1 << ENT_LOSS_UNIT_BITS)
                        : (double)NAN,
    };
    return ENT_E_OK;
}

static enum ent_err dim_of(const struct ent_task_sizes *sizes, size_t *out)
{
    (void)sizes;
    *out = DIM;
    return ENT_E_OK;
}

static enum ent_err finish(const struct ent_task_sizes *sizes, const int64_t *sum, size_t dim,
                           struct ent_task_result *out)
{
    (void)sizes;
    return ent_task_evaluate_finish(sum, dim, &out->metrics);
}

const struct ent_task ent_task_plugin_evaluate = {
    .kind = ENT_TASK_EVALUATE,
    .name = "evaluate",
    .summary = "score histograms by label and the log loss of one model on held-out rows",
    .int_bytes = 8,
    .needs_base = true,
    .dim = dim_of,
    .check = check,
    .finish = finish,
};
