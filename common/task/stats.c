/* Pooled statistics of the training rows: how numbers are standardised, and what the members' data look like together. */
#include <inttypes.h>
#include <math.h>

#include "common/base/mem.h"
#include "common/task/plugins.h"

enum { ROWS, POSITIVES, FIRST_COLUMN };
enum { PRESENT, MISSING, CLIPPED, SUM, SQUARES, NUMBER_INTS };

static size_t column_ints(const struct ent_stat_column *column)
{
    switch (column->kind) {
    case ENT_STAT_NUMBER:
        return NUMBER_INTS;
    case ENT_STAT_CATEGORY:
        return (size_t)column->n_values + 2;
    default:
        return 3;
    }
}

enum ent_err ent_task_stats_dim(const struct ent_stat_column *columns, uint32_t n, size_t *dim)
{
    size_t total = FIRST_COLUMN;

    for (uint32_t i = 0; i < n; i++) {
        ENT_TRY(ent_size_add(total, column_ints(&columns[i]), &total));
    }
    *dim = total;
    return ENT_E_OK;
}

/* u is in [0, 2^20], so u^2 >> 20 is at most u. */
static enum ent_err check_number(uint32_t i, const int64_t *v, int64_t rows)
{
    const int64_t unit = (int64_t)1 << ENT_STAT_UNIT_BITS;

    ENT_REQUIRE(v[PRESENT] <= rows && v[PRESENT] + v[MISSING] == rows && v[CLIPPED] <= v[PRESENT],
                ENT_E_DATA,
                "statistics of column %" PRIu32 ": the counts do not add up to the rows", i);
    /* Rounded up: what holds of each member then holds of their sum. */
    ENT_REQUIRE(v[SUM] / unit + (v[SUM] % unit > 0) <= v[PRESENT] && v[SQUARES] <= v[SUM],
                ENT_E_DATA,
                "statistics of column %" PRIu32 ": the sums are larger than the rows allow", i);
    return ENT_E_OK;
}

static enum ent_err check_counts(uint32_t i, const int64_t *v, size_t n, int64_t rows)
{
    int64_t left = rows;

    for (size_t k = 0; k < n; k++) {
        ENT_REQUIRE(v[k] <= left, ENT_E_DATA,
                    "statistics of column %" PRIu32 ": the counts do not add up to the rows", i);
        left -= v[k];
    }
    ENT_REQUIRE(left == 0, ENT_E_DATA,
                "statistics of column %" PRIu32 ": the counts do not add up to the rows", i);
    return ENT_E_OK;
}

static enum ent_err check(const struct ent_task_sizes *sizes, const int64_t *v, size_t dim)
{
    size_t expected;
    size_t at = FIRST_COLUMN;

    ENT_TRY(ent_task_stats_dim(sizes->columns, sizes->n_columns, &expected));
    ENT_REQUIRE(dim == expected, ENT_E_SHAPE, "statistics of %zu integers; %zu are expected", dim,
                expected);
    for (size_t i = 0; i < dim; i++) {
        ENT_REQUIRE(v[i] >= 0, ENT_E_DATA, "statistics: integer %zu is negative", i);
    }
    ENT_REQUIRE(v[POSITIVES] <= v[ROWS], ENT_E_DATA, "statistics: more positive labels than rows");
    for (uint32_t i = 0; i < sizes->n_columns; i++) {
        const struct ent_stat_column *column = &sizes->columns[i];
        size_t n = column_ints(column);

        if (column->kind == ENT_STAT_NUMBER) {
            ENT_TRY(check_number(i, v + at, v[ROWS]));
        } else {
            ENT_TRY(check_counts(i, v + at, n, v[ROWS]));
        }
        at += n;
    }
    return ENT_E_OK;
}

/* In units of the range: m = sum u / n / 2^20, and E[u^2] = sum (u^2 >> 20) / n / 2^20. Double and sqrt only: the same
 * on every machine. */
static struct ent_moments moments(const struct ent_stat_column *column, const int64_t *v)
{
    const double unit = 1.0 / (double)(1 << ENT_STAT_UNIT_BITS);
    const double sd_least = 0x1p-10;
    double range = column->hi - column->lo;
    double n = (double)v[PRESENT];
    double mean;
    double var;
    double sd;

    if (v[PRESENT] == 0) {
        return (struct ent_moments){.mean = 0.5 * (column->lo + column->hi), .sd = 1.0};
    }
    mean = (double)v[SUM] / n * unit;
    var = (double)v[SQUARES] / n * unit - mean * mean;
    sd = var > 0.0 ? sqrt(var) : 0.0;
    /* Squares were cut below 2^-20, so what is much smaller than 2^-10 of the range is not known. */
    return (struct ent_moments){.mean = column->lo + mean * range,
                                .sd = range * (var > 0x1p-40 ? sd : sd_least)};
}

enum ent_err ent_task_stats_finish(const struct ent_stat_column *columns, uint32_t n,
                                   const int64_t *sum, size_t dim, struct ent_moments *out)
{
    size_t at = FIRST_COLUMN;

    ENT_TRY(check(&(struct ent_task_sizes){.columns = columns, .n_columns = n}, sum, dim));
    for (uint32_t i = 0; i < n; i++) {
        out[i] = (struct ent_moments){.mean = 0.0, .sd = 1.0};
        if (columns[i].kind == ENT_STAT_NUMBER) {
            out[i] = moments(&columns[i], sum + at);
        }
        at += column_ints(&columns[i]);
    }
    return ENT_E_OK;
}

static enum ent_err dim(const struct ent_task_sizes *sizes, size_t *out)
{
    return ent_task_stats_dim(sizes->columns, sizes->n_columns, out);
}

static enum ent_err finish(const struct ent_task_sizes *sizes, const int64_t *sum, size_t n,
                           struct ent_task_result *out)
{
    return ent_task_stats_finish(sizes->columns, sizes->n_columns, sum, n, out->moments);
}

const struct ent_task ent_task_plugin_stats = {
    .kind = ENT_TASK_STATS,
    .name = "stats",
    .summary = "counts, missing values, sums and squares of each column of the training rows",
    .int_bytes = 8,
    .dim = dim,
    .check = check,
    .finish = finish,
};
