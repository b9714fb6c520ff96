#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/task/payload.h"
#include "common/base/mem.h"

#define UNIT ((int64_t)1 << ENT_STAT_UNIT_BITS)
#define FLUSH_ROWS ((uint32_t)1 << 22) /* (2^20)^2 * 2^22 + a remainder stays below 2^63 */

/* floor(sum of u^2 / 2^20), exactly, for any number of rows. */
struct squares {
    uint64_t rest; /* not shifted yet */
    uint64_t shifted;
    uint32_t n;
};

static void squares_flush(struct squares *s)
{
    s->shifted += s->rest >> ENT_STAT_UNIT_BITS;
    s->rest &= (uint64_t)UNIT - 1;
    s->n = 0;
}

static void squares_add(struct squares *s, int64_t u)
{
    s->rest += (uint64_t)(u * u);
    if (++s->n == FLUSH_ROWS) {
        squares_flush(s);
    }
}

/* present, missing, clipped, sum u, sum u^2 >> 20, cells */
static void fill_number(const struct ent_feature *feature, const float *numbers,
                        const struct ent_split_rows *part, int64_t *v)
{
    struct squares squares = {0};
    struct ent_place place = ent_place_of(feature);
    bool cells = feature->encode == ENT_ENCODE_PLE;

    for (uint32_t i = 0; i < part->n; i++) {
        float x = numbers[part->rows[i]];
        double clipped;
        int64_t u;

        if (isnan(x)) {
            v[1]++;
            continue;
        }
        clipped = ent_table_clip(feature, x);
        u = (int64_t)floor(ent_place_unit(&place, clipped) * (double)UNIT + 0.5);
        v[0]++;
        v[2] += ent_table_clips(feature, x) ? 1 : 0;
        v[3] += u;
        squares_add(&squares, u);
        if (cells) {
            v[5 + ent_place_cell(&place, clipped)]++;
        }
    }
    squares_flush(&squares);
    v[4] = (int64_t)squares.shifted;
}

/* one count a declared value, other, missing; values in few rows are other ones */
static void fill_declared(const struct ent_feature *feature, const uint16_t *codes,
                          const struct ent_split_rows *part, uint32_t floor, int64_t *v)
{
    for (uint32_t i = 0; i < part->n; i++) {
        uint16_t code = codes[part->rows[i]];

        v[code == ENT_CODE_MISSING ? feature->n_values + 1 : code]++;
    }
    for (uint32_t k = 0; k < feature->n_values; k++) {
        if (v[k] < (int64_t)floor) {
            v[feature->n_values] += v[k];
            v[k] = 0;
        }
    }
}

struct pair {
    uint32_t bucket;
    uint64_t unit;
};

static int by_bucket_and_unit(const void *pa, const void *pb)
{
    const struct pair *a = pa;
    const struct pair *b = pb;

    if (a->bucket != b->bucket) {
        return a->bucket < b->bucket ? -1 : 1;
    }
    return a->unit < b->unit ? -1 : a->unit > b->unit;
}

/* Buckets of too few customers are other values, which have no count. */
static void floor_vocabulary(size_t n, uint32_t floor, int64_t *customers, int64_t *members)
{
    for (size_t b = 0; b < n; b++) {
        if (customers[b] < (int64_t)floor) {
            customers[b] = 0;
            members[b] = 0;
        }
    }
}

/* What a column's sums are of. */
struct column_of {
    const struct ent_table *table;
    const struct ent_split_rows *part;
    uint32_t floor;
};

/* missing, then different units of each bucket, then 1 for each bucket that has any */
static enum ent_err fill_vocabulary(const struct ent_feature *feature, const uint32_t *buckets,
                                    const struct column_of *of, int64_t *v)
{
    const struct ent_split_rows *part = of->part;
    int64_t *customers = v + 1;
    int64_t *members = customers + ((size_t)1 << feature->bits);
    struct pair *pairs;
    uint32_t n = 0;

    ENT_TRY(ent_calloc(part->n, sizeof *pairs, &pairs));
    for (uint32_t i = 0; i < part->n; i++) {
        uint32_t row = part->rows[i];

        if (buckets[row] == ENT_BUCKET_MISSING) {
            v[0]++;
        } else {
            pairs[n++] = (struct pair){buckets[row], of->table->units[row]};
        }
    }
    qsort(pairs, n, sizeof *pairs, by_bucket_and_unit);
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 || by_bucket_and_unit(&pairs[i - 1], &pairs[i]) != 0) {
            customers[pairs[i].bucket]++;
            members[pairs[i].bucket] = 1;
        }
    }
    free(pairs);
    floor_vocabulary((size_t)1 << feature->bits, of->floor, customers, members);
    return ENT_E_OK;
}

static enum ent_err fill_category(const struct ent_feature *feature,
                                  const struct ent_column *column, const struct column_of *of,
                                  int64_t *v)
{
    const struct ent_split_rows *part = of->part;

    if (feature->codes == ENT_CODES_VOCABULARY) {
        return fill_vocabulary(feature, column->buckets, of, v);
    }
    if (feature->codes == ENT_CODES_DECLARED) {
        fill_declared(feature, column->codes, part, of->floor, v);
        return ENT_E_OK;
    }
    for (uint32_t i = 0; i < part->n; i++) {
        v[column->buckets[part->rows[i]] == ENT_BUCKET_MISSING ? 1 : 0]++;
    }
    return ENT_E_OK;
}

/* [false, true, missing] */
static void fill_boolean(const int8_t *bools, const struct ent_split_rows *part, int64_t *v)
{
    for (uint32_t i = 0; i < part->n; i++) {
        int8_t b = bools[part->rows[i]];

        v[b < 0 ? 2 : b]++;
    }
}

/* rows with the vector, without it, with a number of it outside the range */
static void fill_vector(const struct ent_feature *feature, const float *vectors,
                        const struct ent_split_rows *part, int64_t *v)
{
    for (uint32_t i = 0; i < part->n; i++) {
        const float *x = vectors + (size_t)part->rows[i] * feature->length;

        if (isnan(x[0])) {
            v[1]++;
            continue;
        }
        v[0]++;
        v[2] += ent_table_clips_any(feature, x) ? 1 : 0;
    }
}

static enum ent_err fill_column(const struct column_of *of, uint32_t f, int64_t *v)
{
    const struct ent_feature *feature = &of->table->schema.features[f];
    const struct ent_column *column = &of->table->columns[f];
    const struct ent_split_rows *part = of->part;

    switch (feature->type) {
    case ENT_FEATURE_NUMBER:
        fill_number(feature, column->numbers, part, v);
        break;
    case ENT_FEATURE_CATEGORY:
        return fill_category(feature, column, of, v);
    case ENT_FEATURE_BOOLEAN:
        fill_boolean(column->bools, part, v);
        break;
    case ENT_FEATURE_VECTOR:
        fill_vector(feature, column->vectors, part, v);
        break;
    }
    return ENT_E_OK;
}

/* Rows whose columns count: of sequences, each event once, in the order of the table. */
static enum ent_err column_rows(const struct ent_table *table, const struct ent_split_rows *part,
                                struct ent_split_rows *out)
{
    uint32_t n_events = table->events->n_rows;
    bool *used = NULL;
    enum ent_err err;

    *out = (struct ent_split_rows){0};
    ENT_TRY(ent_calloc(n_events, sizeof *used, &used));
    err = ent_calloc(n_events, sizeof *out->rows, &out->rows);
    for (uint32_t i = 0; i < part->n; i++) {
        uint32_t row = part->rows[i];

        memset(used + table->event_first[row], true, table->event_count[row] * sizeof *used);
    }
    for (uint32_t i = 0; i < n_events && err == ENT_E_OK; i++) {
        if (used[i]) {
            out->rows[out->n++] = i;
        }
    }
    free(used);
    return err;
}

static enum ent_err fill_all(const struct ent_fill *fill, const struct ent_split_rows *rows,
                             size_t dim, int64_t *v)
{
    struct column_of of = {
        .table = ent_table_columns(fill->table), .part = rows, .floor = fill->floor};
    size_t at = 2;

    v[0] = rows->n;
    for (uint32_t f = 0; f < fill->plan->n_features; f++) {
        ENT_TRY(fill_column(&of, f, v + at));
        at += ent_task_stats_ints(&fill->plan->features[f]);
    }
    ENT_BUG_ON(at != dim);
    return ENT_E_OK;
}

/* v: zeros */
static enum ent_err fill_part(const struct ent_fill *fill, const struct ent_split_rows *part,
                              size_t dim, int64_t *v)
{
    const struct ent_table *table = fill->table;
    struct ent_split_rows events = {0};
    enum ent_err err = ENT_E_OK;

    if (table->events != NULL) {
        err = column_rows(table, part, &events);
    }
    ENT_BUG_ON(table->events != NULL && err == ENT_E_OK &&
               events.n != ent_table_examples(table, part->rows, part->n));
    if (err == ENT_E_OK) {
        err = fill_all(fill, table->events != NULL ? &events : part, dim, v);
    }
    for (uint32_t i = 0; i < part->n; i++) {
        v[1] += table->labels[part->rows[i]] == 1 ? 1 : 0;
    }
    free(events.rows);
    return err;
}

enum ent_err ent_fill_stats(const struct ent_fill *fill, const struct ent_split_rows *part,
                            struct ent_payload *out)
{
    struct ent_payload payload = {0};
    bool withholds = false;
    enum ent_err err;
    size_t dim;
    int64_t *v = NULL;

    ENT_TRY(ent_fill_withholds(fill, part, &withholds));
    ENT_TRY(ent_fill_dim(fill->plan, ENT_TASK_STATS, &dim));
    ENT_TRY(ent_calloc(dim, sizeof *v, &v));
    err = withholds ? ENT_E_OK : fill_part(fill, part, dim, v);
    if (err == ENT_E_OK) {
        err = ent_payload_new(ENT_TASK_STATS, dim, fill->salt, &payload);
    }
    if (err == ENT_E_OK) {
        ent_payload_put64(&payload, v);
        *out = payload;
    }
    free(v);
    return err;
}
