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

#define ROW_UNIT ((int64_t)1 << ENT_LOSS_UNIT_BITS)
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

static enum ent_err check_binary(const struct ent_task_sizes *sizes, const int64_t *v)
{
    ENT_REQUIRE(v[POSITIVES] <= v[ROWS] && v[OVERFLOWED] <= v[ROWS], ENT_E_DATA,
                "evaluation: more labels or losses than rows");
    /* Rounded up: what holds of each member then holds of their sum. */
    ENT_REQUIRE(v[LOSS] / LOSS_MAX + (v[LOSS] % LOSS_MAX > 0) <= v[ROWS], ENT_E_DATA,
                "evaluation: the loss is larger than the rows allow");
    ENT_TRY(check_cells(v + CELLS, v[ROWS] - v[POSITIVES], "negative"));
    ENT_TRY(check_cells(v + CELLS + ENT_EVAL_CELLS, v[POSITIVES], "positive"));
    return check_sums(v, sizes->n_members == 1);
}

/* ---- classes ---- */

/* Exactly so much for each row: what holds of each member then holds of their sum. */
static bool is_within(int64_t v, int64_t rows, int64_t each)
{
    return rows > INT64_MAX / each || v <= rows * each;
}

static int64_t sum_of(const int64_t *v, size_t n, size_t stride)
{
    int64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        if (v[i * stride] > INT64_MAX - sum) {
            return -1; /* no sum of rows */
        }
        sum += v[i * stride];
    }
    return sum;
}

/* Every target is in one place of the table, the right ones on its diagonal, and in one cell of each class. */
static enum ent_err check_detail(const int64_t *v, uint32_t n)
{
    const int64_t *table = v + ENT_CLASSES_DETAIL_AT;
    const int64_t *cells = table + (size_t)n * n;

    ENT_REQUIRE(sum_of(table, (size_t)n * n, 1) == v[ENT_CLASSES_ROWS] &&
                    sum_of(table, n, (size_t)n + 1) == v[ENT_CLASSES_HIT1],
                ENT_E_DATA, "evaluation: the table of classes does not fit the rows");
    for (uint32_t k = 0; k < n; k++) {
        int64_t own = sum_of(table + (size_t)k * n, n, 1);
        const int64_t *of = cells + (size_t)k * 2 * ENT_EVAL_CELLS;

        ENT_TRY(check_cells(of, v[ENT_CLASSES_ROWS] - own, "negative"));
        ENT_TRY(check_cells(of + ENT_EVAL_CELLS, own, "positive"));
    }
    return ENT_E_OK;
}

static enum ent_err check_classes(const struct ent_task_sizes *sizes, const int64_t *v)
{
    int64_t rows = v[ENT_CLASSES_ROWS];

    ENT_REQUIRE(v[ENT_CLASSES_HIT1] <= v[ENT_CLASSES_HIT5] &&
                    v[ENT_CLASSES_HIT5] <= v[ENT_CLASSES_HIT10] && v[ENT_CLASSES_HIT10] <= rows &&
                    v[ENT_CLASSES_OVERFLOWED] <= rows,
                ENT_E_DATA, "evaluation: more hits or losses than rows");
    ENT_REQUIRE(is_within(v[ENT_CLASSES_LOSS], rows, LOSS_MAX), ENT_E_DATA,
                "evaluation: the loss is larger than the rows allow");
    ENT_REQUIRE(is_within(v[ENT_CLASSES_RECIPROCAL], rows, ROW_UNIT) &&
                    v[ENT_CLASSES_RECIPROCAL] / ROW_UNIT >= v[ENT_CLASSES_HIT1],
                ENT_E_DATA, "evaluation: the ranks are not those of the hits");
    return sizes->n_classes <= ENT_CLASSES_DETAIL ? check_detail(v, sizes->n_classes) : ENT_E_OK;
}

static enum ent_err check_number(const int64_t *v)
{
    int64_t rows = v[ENT_NUMBER_ROWS];

    ENT_REQUIRE(v[ENT_NUMBER_OVERFLOWED] <= rows, ENT_E_DATA, "evaluation: more losses than rows");
    ENT_REQUIRE(is_within(v[ENT_NUMBER_LOSS], rows, LOSS_MAX), ENT_E_DATA,
                "evaluation: the loss is larger than the rows allow");
    ENT_REQUIRE(is_within(v[ENT_NUMBER_PLACES], rows, ROW_UNIT) &&
                    is_within(v[ENT_NUMBER_SQUARES], rows, ROW_UNIT),
                ENT_E_DATA, "evaluation: the targets are larger than the rows allow");
    return ENT_E_OK;
}

/* ---- whichever ---- */

enum ent_err ent_task_evaluate_dim_of(const struct ent_task_sizes *sizes, size_t *dim)
{
    size_t n = sizes->n_classes;

    switch (sizes->outputs) {
    case ENT_OUTPUTS_CLASSES:
        *dim = ENT_CLASSES_DETAIL_AT +
               (n <= ENT_CLASSES_DETAIL ? n * n + n * 2 * (size_t)ENT_EVAL_CELLS : 0);
        break;
    case ENT_OUTPUTS_NUMBER:
        *dim = ENT_NUMBER_INTS;
        break;
    default:
        *dim = DIM;
        break;
    }
    return ENT_E_OK;
}

enum ent_err ent_task_evaluate_sizes(size_t dim, struct ent_task_sizes *out)
{
    struct ent_task_sizes sizes = {.outputs = dim == ENT_NUMBER_INTS ? ENT_OUTPUTS_NUMBER
                                                                     : ENT_OUTPUTS_BINARY};
    size_t expected;

    ENT_TRY(ent_task_evaluate_dim_of(&sizes, &expected));
    for (uint32_t n = 2; expected != dim && n <= ENT_CLASSES_DETAIL + 1; n++) {
        sizes = (struct ent_task_sizes){.outputs = ENT_OUTPUTS_CLASSES, .n_classes = n};
        ENT_TRY(ent_task_evaluate_dim_of(&sizes, &expected));
    }
    ENT_REQUIRE(expected == dim, ENT_E_SHAPE, "no evaluation has %zu integers", dim);
    *out = sizes;
    return ENT_E_OK;
}

static enum ent_err check(const struct ent_task_sizes *sizes, const int64_t *v, size_t dim)
{
    size_t expected;

    ENT_TRY(ent_task_evaluate_dim_of(sizes, &expected));
    ENT_REQUIRE(dim == expected, ENT_E_SHAPE, "evaluation of %zu integers; %zu are expected", dim,
                expected);
    for (size_t i = 0; i < dim; i++) {
        ENT_REQUIRE(v[i] >= 0, ENT_E_DATA, "evaluation: integer %zu is negative", i);
    }
    if (sizes->outputs == ENT_OUTPUTS_CLASSES) {
        return check_classes(sizes, v);
    }
    return sizes->outputs == ENT_OUTPUTS_NUMBER ? check_number(v) : check_binary(sizes, v);
}

static enum ent_err dim_of(const struct ent_task_sizes *sizes, size_t *out)
{
    return ent_task_evaluate_dim_of(sizes, out);
}

static enum ent_err finish(const struct ent_task_sizes *sizes, const int64_t *sum, size_t dim,
                           struct ent_task_result *out)
{
    return ent_task_evaluate_finish_of(sizes, sum, dim, &out->metrics);
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
