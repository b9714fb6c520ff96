/* Pooled statistics of the training rows: how numbers are standardised, and what the members' data look like together. */
#include <inttypes.h>
#include <math.h>

#include "common/base/mem.h"
#include "common/task/floor.h"
#include "common/task/plugins.h"

enum { ROWS, POSITIVES, FIRST_FEATURE };
enum { PRESENT, MISSING, CLIPPED, SUM, SQUARES, NUMBER_INTS };
#define VECTOR_INTS 3 /* present, missing, clipped: rows */

static size_t category_ints(const struct ent_feature *f)
{
    switch (f->codes) {
    case ENT_CODES_HASHED:
        return 2;
    case ENT_CODES_VOCABULARY:
        return 1 + ((size_t)2 << f->bits);
    default:
        return (size_t)f->n_values + 2;
    }
}

size_t ent_task_stats_ints(const struct ent_feature *f)
{
    switch (f->type) {
    case ENT_FEATURE_NUMBER:
        return NUMBER_INTS + (f->encode == ENT_ENCODE_PLE ? ENT_FEATURE_CELLS : 0);
    case ENT_FEATURE_CATEGORY:
        return category_ints(f);
    case ENT_FEATURE_VECTOR:
        return VECTOR_INTS;
    case ENT_FEATURE_BOOLEAN:
        break;
    }
    return 3;
}

enum ent_err ent_task_stats_dim(const struct ent_feature *features, uint32_t n, size_t *dim)
{
    size_t total = FIRST_FEATURE;

    for (uint32_t i = 0; i < n; i++) {
        ENT_TRY(ent_size_add(total, ent_task_stats_ints(&features[i]), &total));
    }
    *dim = total;
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

/* u is in [0, 2^20], so u^2 >> 20 is at most u. */
static enum ent_err check_number(const struct ent_feature *f, uint32_t i, const int64_t *v,
                                 int64_t rows)
{
    const int64_t unit = (int64_t)1 << ENT_STAT_UNIT_BITS;

    ENT_REQUIRE(v[PRESENT] <= rows && v[PRESENT] + v[MISSING] == rows && v[CLIPPED] <= v[PRESENT],
                ENT_E_DATA,
                "statistics of column %" PRIu32 ": the counts do not add up to the rows", i);
    /* Rounded up: what holds of each member then holds of their sum. */
    ENT_REQUIRE(v[SUM] / unit + (v[SUM] % unit > 0) <= v[PRESENT] && v[SQUARES] <= v[SUM],
                ENT_E_DATA,
                "statistics of column %" PRIu32 ": the sums are larger than the rows allow", i);
    return f->encode == ENT_ENCODE_PLE
               ? check_counts(i, v + NUMBER_INTS, ENT_FEATURE_CELLS, v[PRESENT])
               : ENT_E_OK;
}

static enum ent_err check_vector(uint32_t i, const int64_t *v, int64_t rows)
{
    ENT_REQUIRE(v[PRESENT] <= rows && v[PRESENT] + v[MISSING] == rows && v[CLIPPED] <= v[PRESENT],
                ENT_E_DATA,
                "statistics of column %" PRIu32 ": the counts do not add up to the rows", i);
    return ENT_E_OK;
}

/* A customer who has several values counts in each of their buckets, so only each bucket is bounded by the rows. A
 * member cannot say that it is more members than one: the floors rest on it. */
static enum ent_err check_vocabulary(const struct ent_feature *f, uint32_t i, const int64_t *v,
                                     int64_t rows, uint32_t n_members)
{
    size_t n = (size_t)1 << f->bits;
    const int64_t *customers = v + 1;
    const int64_t *members = customers + n;

    ENT_REQUIRE(v[0] <= rows, ENT_E_DATA,
                "statistics of column %" PRIu32 ": more missing values than rows", i);
    for (size_t b = 0; b < n; b++) {
        ENT_REQUIRE(customers[b] <= rows - v[0] && members[b] <= customers[b] &&
                        (members[b] > 0) == (customers[b] > 0) &&
                        (n_members == 0 || members[b] <= (int64_t)n_members),
                    ENT_E_DATA,
                    "statistics of column %" PRIu32 ": customers and members of bucket %zu do not "
                    "fit together",
                    i, b);
    }
    return ENT_E_OK;
}

static enum ent_err check_feature(const struct ent_task_sizes *sizes, uint32_t i, const int64_t *v,
                                  int64_t rows)
{
    const struct ent_feature *f = &sizes->features[i];

    if (f->type == ENT_FEATURE_NUMBER) {
        return check_number(f, i, v, rows);
    }
    if (f->type == ENT_FEATURE_CATEGORY && f->codes == ENT_CODES_VOCABULARY) {
        return check_vocabulary(f, i, v, rows, sizes->n_members);
    }
    if (f->type == ENT_FEATURE_VECTOR) {
        return check_vector(i, v, rows);
    }
    return check_counts(i, v, ent_task_stats_ints(f), rows);
}

static enum ent_err check(const struct ent_task_sizes *sizes, const int64_t *v, size_t dim)
{
    size_t expected;
    size_t at = FIRST_FEATURE;

    ENT_TRY(ent_task_stats_dim(sizes->features, sizes->n_features, &expected));
    ENT_REQUIRE(dim == expected, ENT_E_SHAPE, "statistics of %zu integers; %zu are expected", dim,
                expected);
    for (size_t i = 0; i < dim; i++) {
        ENT_REQUIRE(v[i] >= 0, ENT_E_DATA, "statistics: integer %zu is negative", i);
    }
    ENT_REQUIRE(v[POSITIVES] <= v[ROWS], ENT_E_DATA, "statistics: more positive labels than rows");
    for (uint32_t i = 0; i < sizes->n_features; i++) {
        ENT_TRY(check_feature(sizes, i, v + at, v[ROWS]));
        at += ent_task_stats_ints(&sizes->features[i]);
    }
    return ENT_E_OK;
}

/* In units of the mapped range: m = sum u / n / 2^20, and E[u^2] = sum (u^2 >> 20) / n / 2^20. Double and sqrt only:
 * the same on every machine. */
static void moments(const struct ent_feature *f, const int64_t *v, uint32_t floor,
                    struct ent_fit *out)
{
    const double unit = 1.0 / (double)(1 << ENT_STAT_UNIT_BITS);
    const double sd_least = 0x1p-10;
    struct ent_place place = ent_place_of(f);
    double n = (double)v[PRESENT];
    double mean;
    double var;
    double sd;

    if (v[PRESENT] == 0 || v[PRESENT] < (int64_t)floor) {
        out->mean = ent_feature_logs(f) ? place.lo + 0.5 * place.span : 0.5 * (f->lo + f->hi);
        out->sd = ENT_FEATURE_EVEN_SD * place.span;
        return;
    }
    mean = (double)v[SUM] / n * unit;
    var = (double)v[SQUARES] / n * unit - mean * mean;
    sd = var > 0.0 ? sqrt(var) : 0.0;
    out->mean = place.lo + mean * place.span;
    /* Squares were cut below 2^-20, so what is much smaller than 2^-10 of the range is not known. */
    out->sd = place.span * (var > 0x1p-40 ? sd : sd_least);
}

/* The rows of merged cells, each at the cell that closed it, so that fewer than `floor` rows lie between an edge and where
 * it would be without merging. None below the floor in all. */
static void merge(const int64_t *cells, uint32_t floor, int64_t out[ENT_FEATURE_CELLS])
{
    struct ent_floor_cell merged[ENT_FEATURE_CELLS];
    size_t n = ent_floor_merge(cells, ENT_FEATURE_CELLS, floor, merged);

    for (size_t i = 0; i < n; i++) {
        out[merged[i].closed] = merged[i].count >= (int64_t)floor ? merged[i].count : 0;
    }
}

static void fit_edges(const struct ent_feature *f, const int64_t *cells, uint32_t floor,
                      struct ent_fit *out)
{
    int64_t merged[ENT_FEATURE_CELLS] = {0};
    uint32_t edges[ENT_FEATURE_EDGES_MAX];
    double mean = ent_feature_unmap(f, out->mean);
    uint32_t n;

    merge(cells, floor, merged);
    n = ent_ple_cells(merged, f->bins, f->heavy, edges);

    for (uint32_t k = 0; k < n; k++) {
        double x = ent_feature_cell_edge(f, edges[k]);

        /* cells narrower than a double's spacing fall together */
        if (out->n_edges == 0 || x > out->edges[out->n_edges - 1]) {
            out->edges[out->n_edges++] = x;
        }
    }
    out->n_edges = out->n_edges == 1 ? 0 : out->n_edges;
    out->mean = mean < f->lo ? f->lo : (mean > f->hi ? f->hi : mean);
    out->sd = 1.0;
}

static enum ent_err room(const struct ent_feature *features, uint32_t n, struct ent_fits **out)
{
    size_t n_edges = 0;
    size_t n_buckets = 0;

    for (uint32_t i = 0; i < n; i++) {
        const struct ent_feature *f = &features[i];

        if (f->type == ENT_FEATURE_NUMBER && f->encode == ENT_ENCODE_PLE) {
            n_edges += ENT_FEATURE_EDGES_MAX;
        }
        if (f->type == ENT_FEATURE_CATEGORY && f->codes == ENT_CODES_VOCABULARY) {
            ENT_TRY(ent_size_add(n_buckets, f->size, &n_buckets));
        }
    }
    return ent_fits_new(n, n_edges, n_buckets, out);
}

static enum ent_err fit_all(const struct ent_task_sizes *sizes, const int64_t *sum,
                            struct ent_fits *fits)
{
    uint32_t floor = sizes->min_group;
    double *edges = fits->edges;
    uint32_t *buckets = fits->buckets;
    const int64_t *v = sum + FIRST_FEATURE;

    for (uint32_t i = 0; i < fits->n; i++) {
        const struct ent_feature *f = &sizes->features[i];
        struct ent_fit *fit = &fits->fit[i];

        fit->edges = edges;
        fit->buckets = buckets;
        if (f->type == ENT_FEATURE_NUMBER) {
            moments(f, v, floor, fit);
        }
        if (f->type == ENT_FEATURE_NUMBER && f->encode == ENT_ENCODE_PLE) {
            fit_edges(f, v + NUMBER_INTS, floor, fit);
        }
        if (f->type == ENT_FEATURE_CATEGORY && f->codes == ENT_CODES_VOCABULARY) {
            struct ent_feature floored = *f;

            floored.min_customers = f->min_customers > floor ? f->min_customers : floor;
            ENT_TRY(ent_vocabulary_keep(&floored, v + 1, v + 1 + ((size_t)1 << f->bits), buckets,
                                        &fit->n_buckets));
        }
        edges += fit->n_edges;
        buckets += fit->n_buckets;
        v += ent_task_stats_ints(f);
    }
    return ENT_E_OK;
}

enum ent_err ent_task_stats_finish(const struct ent_task_sizes *sizes, const int64_t *sum,
                                   size_t dim, struct ent_fits **out)
{
    struct ent_fits *fits = NULL;
    enum ent_err err;

    ENT_TRY(check(sizes, sum, dim));
    ENT_TRY(room(sizes->features, sizes->n_features, &fits));
    err = fit_all(sizes, sum, fits);
    if (err != ENT_E_OK) {
        ent_fits_free(fits);
        return err;
    }
    *out = fits;
    return ENT_E_OK;
}

static enum ent_err dim(const struct ent_task_sizes *sizes, size_t *out)
{
    return ent_task_stats_dim(sizes->features, sizes->n_features, out);
}

static enum ent_err finish(const struct ent_task_sizes *sizes, const int64_t *sum, size_t n,
                           struct ent_task_result *out)
{
    return ent_task_stats_finish(sizes, sum, n, &out->fits);
}

const struct ent_task ent_task_plugin_stats = {
    .kind = ENT_TASK_STATS,
    .name = "stats",
    .summary =
        "counts, missing values, sums, squares and histograms of each column of the training rows",
    .int_bytes = 8,
    .dim = dim,
    .check = check,
    .finish = finish,
};
