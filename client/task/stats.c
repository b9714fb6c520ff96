#include <math.h>
#include <stdlib.h>

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

/* [present, missing, clipped, sum u, sum u^2 >> 20] */
static void fill_number(const struct ent_feature *feature, const float *numbers,
                        const struct ent_split_rows *part, int64_t *v)
{
    struct squares squares = {0};
    double span = feature->hi - feature->lo;

    for (uint32_t i = 0; i < part->n; i++) {
        float x = numbers[part->rows[i]];
        int64_t u;

        if (isnan(x)) {
            v[1]++;
            continue;
        }
        u = (int64_t)floor((ent_table_clip(feature, x) - feature->lo) / span * (double)UNIT + 0.5);
        v[0]++;
        v[2] += ent_table_clips(feature, x) ? 1 : 0;
        v[3] += u;
        squares_add(&squares, u);
    }
    squares_flush(&squares);
    v[4] = (int64_t)squares.shifted;
}

/* one count a declared value, other, missing */
static void fill_category(const struct ent_feature *feature, const uint16_t *codes,
                          const struct ent_split_rows *part, int64_t *v)
{
    for (uint32_t i = 0; i < part->n; i++) {
        uint16_t code = codes[part->rows[i]];

        v[code == ENT_CODE_MISSING ? feature->n_values + 1 : code]++;
    }
}

/* [false, true, missing] */
static void fill_boolean(const int8_t *bools, const struct ent_split_rows *part, int64_t *v)
{
    for (uint32_t i = 0; i < part->n; i++) {
        int8_t b = bools[part->rows[i]];

        v[b < 0 ? 2 : b]++;
    }
}

static size_t fill_column(const struct ent_feature *feature, const struct ent_column *column,
                          const struct ent_split_rows *part, int64_t *v)
{
    switch (feature->type) {
    case ENT_FEATURE_NUMBER:
        fill_number(feature, column->numbers, part, v);
        return 5;
    case ENT_FEATURE_CATEGORY:
        fill_category(feature, column->codes, part, v);
        return feature->n_values + 2;
    default:
        fill_boolean(column->bools, part, v);
        return 3;
    }
}

enum ent_err ent_fill_stats(const struct ent_fill *fill, const struct ent_split_rows *part,
                            struct ent_payload *out)
{
    const struct ent_table *table = fill->table;
    struct ent_payload payload = {0};
    enum ent_err err;
    size_t dim;
    size_t at = 2;
    int64_t *v = NULL;

    ENT_TRY(ent_fill_dim(fill->plan, ENT_TASK_STATS, &dim));
    ENT_TRY(ent_calloc(dim, sizeof *v, &v));
    v[0] = part->n;
    for (uint32_t i = 0; i < part->n; i++) {
        v[1] += table->labels[part->rows[i]] == 1 ? 1 : 0;
    }
    for (uint32_t f = 0; f < fill->plan->n_features; f++) {
        at += fill_column(&fill->plan->features[f], &table->columns[f], part, v + at);
    }
    ENT_BUG_ON(at != dim);
    err = ent_payload_new(ENT_TASK_STATS, dim, fill->salt, &payload);
    if (err == ENT_E_OK) {
        ent_payload_put64(&payload, v);
        *out = payload;
    }
    free(v);
    return err;
}
