/* Evaluation of one model: score histograms by label, and what cannot be had from them as integer sums. */
#include <inttypes.h>

#include "common/task/plugins.h"

enum {
    ROWS = ENT_EVAL_ROWS,
    POSITIVES = ENT_EVAL_POSITIVES,
    LOSS = ENT_EVAL_LOSS,
    OVERFLOWED = ENT_EVAL_OVERFLOWED,
    BRIER = ENT_EVAL_BRIER,
    PREDICTED = ENT_EVAL_PREDICTED,
    CELLS = ENT_EVAL_CELLS_AT
};
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

/* Between what the cells' edges allow: the products are exact or rounded far below the row's own rounding. */
struct bounds {
    double slack;
    double rows;
};

static bool is_between(int64_t v, double low, double high, const struct bounds *b)
{
    return (double)v >= low * (1.0 - b->slack) - b->rows &&
           (double)v <= high * (1.0 + b->slack) + b->rows;
}

/* Scores and squared errors cannot be others than the cells say. In 2^-20: the edge of cell i is i * 2^10, its square
 * i^2. */
static enum ent_err check_sums(const int64_t *v, bool of_one)
{
    double predicted[2] = {0.0, 0.0};
    double brier[2] = {0.0, 0.0};
    /* Wider for a sum: what holds of each member then holds of it, whatever was rounded. */
    struct bounds bounds = {.slack = of_one ? 0x1p-30 : 0x1p-29, .rows = (double)v[ROWS]};

    for (size_t i = 0; i < ENT_EVAL_CELLS; i++) {
        double negative = (double)v[CELLS + i];
        double positive = (double)v[CELLS + ENT_EVAL_CELLS + i];
        double edge[2] = {(double)i, (double)i + 1.0};
        double rest[2] = {(double)ENT_EVAL_CELLS - edge[1], (double)ENT_EVAL_CELLS - edge[0]};

        for (size_t k = 0; k < 2; k++) {
            predicted[k] += (negative + positive) * edge[k] * (double)ENT_EVAL_CELLS;
            brier[k] += negative * edge[k] * edge[k] + positive * rest[k] * rest[k];
        }
    }
    ENT_REQUIRE(is_between(v[PREDICTED], predicted[0], predicted[1], &bounds), ENT_E_DATA,
                "evaluation: the scores are not those of the cells");
    ENT_REQUIRE(is_between(v[BRIER], brier[0], brier[1], &bounds), ENT_E_DATA,
                "evaluation: the squared errors are not those of the cells");
    return ENT_E_OK;
}

static enum ent_err check(const struct ent_task_sizes *sizes, const int64_t *v, size_t dim)
{
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
    ENT_TRY(check_cells(v + CELLS + ENT_EVAL_CELLS, v[POSITIVES], "positive"));
    return check_sums(v, sizes != NULL && sizes->n_members == 1);
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
    .summary = "score histograms by label and summed losses of one model on held-out rows",
    .int_bytes = 8,
    .needs_base = true,
    .dim = dim_of,
    .check = check,
    .finish = finish,
};
