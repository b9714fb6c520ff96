#include "client/data/prep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

/* What one feature's encoding needs, together in one place of memory. */
struct item {
    enum ent_feature_type type;
    bool indicator;
    uint32_t first_input;
    uint32_t n_values;
    double mean;
    double inv_sd;
    const struct ent_feature *feature;
};

struct ent_prep {
    uint32_t n_items;
    uint32_t n_inputs;
    struct item items[];
};

enum ent_err ent_prep_new(const struct ent_schema *schema, const double *mean, const double *sd,
                          struct ent_prep **out)
{
    struct ent_prep *prep;
    size_t bytes;

    for (uint32_t i = 0; i < schema->n_features; i++) {
        const struct ent_feature *f = &schema->features[i];

        ENT_REQUIRE(
            f->type != ENT_FEATURE_NUMBER || (isfinite(mean[i]) && isfinite(sd[i]) && sd[i] > 0.0),
            ENT_E_NONFINITE,
            "the statistics of '%.80s' are not usable: mean and deviation must be finite", f->name);
    }
    ENT_TRY(ent_size_mul(schema->n_features, sizeof prep->items[0], &bytes));
    ENT_TRY(ent_size_add(bytes, sizeof *prep, &bytes));
    ENT_TRY(ent_calloc(1, bytes, &prep));
    prep->n_items = schema->n_features;
    prep->n_inputs = schema->n_inputs;
    for (uint32_t i = 0; i < schema->n_features; i++) {
        const struct ent_feature *f = &schema->features[i];
        bool number = f->type == ENT_FEATURE_NUMBER;

        prep->items[i] = (struct item){.type = f->type,
                                       .indicator = f->indicator,
                                       .first_input = f->first_input,
                                       .n_values = f->n_values,
                                       .mean = number ? mean[i] : 0.0,
                                       .inv_sd = number ? 1.0 / sd[i] : 0.0,
                                       .feature = f};
    }
    *out = prep;
    return ENT_E_OK;
}

void ent_prep_free(struct ent_prep *prep)
{
    free(prep);
}

/* (clip(x) - mean) / sd in double, rounded once at the end: the same bits at training and at scoring. */
static inline void encode_number(const struct item *item, float v, float *x)
{
    bool missing = isnan(v);

    x[0] = missing ? 0.0F : (float)((ent_table_clip(item->feature, v) - item->mean) * item->inv_sd);
    if (item->indicator) {
        x[1] = missing ? 1.0F : 0.0F;
    }
}

/* Which rows of a table: those listed, or consecutive ones. */
struct rows {
    const struct ent_table *table;
    const uint32_t *list; /* NULL: first, first + 1, ... */
    uint32_t first;
    uint32_t n;
};

static inline uint32_t row_at(const struct rows *rows, uint32_t k)
{
    return rows->list != NULL ? rows->list[k] : rows->first + k;
}

/* One feature of all rows; the rows of x are zero beforehand. */
static void encode_item(const struct ent_prep *prep, uint32_t i, const struct rows *rows, float *x)
{
    const struct ent_column *column = &rows->table->columns[i];
    const struct item *item = &prep->items[i];
    size_t stride = prep->n_inputs;
    float *to = x + item->first_input;

    switch (item->type) {
    case ENT_FEATURE_NUMBER:
        for (uint32_t k = 0; k < rows->n; k++, to += stride) {
            encode_number(item, column->numbers[row_at(rows, k)], to);
        }
        break;
    case ENT_FEATURE_CATEGORY:
        for (uint32_t k = 0; k < rows->n; k++, to += stride) {
            uint32_t code = column->codes[row_at(rows, k)];

            to[code < item->n_values ? code : item->n_values] = 1.0F;
        }
        break;
    case ENT_FEATURE_BOOLEAN:
        for (uint32_t k = 0; k < rows->n; k++, to += stride) {
            int8_t value = column->bools[row_at(rows, k)];

            if (value >= 0) {
                to[value > 0 ? 1 : 0] = 1.0F;
            }
        }
        break;
    }
}

static void encode(const struct ent_prep *prep, const struct rows *rows, float *x)
{
    memset(x, 0, (size_t)rows->n * prep->n_inputs * sizeof *x);
    for (uint32_t i = 0; i < prep->n_items; i++) {
        encode_item(prep, i, rows, x);
    }
}

void ent_prep_encode(const struct ent_prep *prep, const struct ent_table *table,
                     const uint32_t *rows, uint32_t n, float *x)
{
    encode(prep, &(struct rows){.table = table, .list = rows, .n = n}, x);
}

void ent_prep_encode_range(const struct ent_prep *prep, const struct ent_table *table,
                           uint32_t first, uint32_t n, float *x)
{
    encode(prep, &(struct rows){.table = table, .first = first, .n = n}, x);
}

/* ---- gather ---- */

#define CHUNK 64U /* rows whose table positions stand on the stack when gathering on the fly */

struct ent_gather {
    const struct ent_prep *prep;
    const struct ent_table *table;
    uint32_t *rows; /* [n] table rows; NULL when dense */
    float *labels;  /* [n] */
    float *dense;   /* [n][n_inputs]; NULL: on the fly */
    uint32_t n;
};

static enum ent_err prepare(struct ent_gather *g, const uint32_t *rows, size_t dense_max_bytes)
{
    size_t floats;
    size_t bytes;

    ENT_TRY(ent_calloc(g->n, sizeof *g->labels, &g->labels));
    for (uint32_t i = 0; i < g->n; i++) {
        g->labels[i] = g->table->labels[rows[i]] == 1 ? 1.0F : 0.0F;
    }
    ENT_TRY(ent_size_mul(g->n, g->prep->n_inputs, &floats));
    ENT_TRY(ent_size_mul(floats, sizeof(float), &bytes));
    if (bytes <= dense_max_bytes && dense_max_bytes > 0) {
        ENT_TRY(ent_calloc_aligned(floats, sizeof(float), &g->dense));
        ent_prep_encode(g->prep, g->table, rows, g->n, g->dense);
        return ENT_E_OK;
    }
    ENT_TRY(ent_calloc(g->n, sizeof *g->rows, &g->rows));
    if (g->n > 0) {
        memcpy(g->rows, rows, (size_t)g->n * sizeof *rows);
    }
    return ENT_E_OK;
}

enum ent_err ent_gather_new(const struct ent_prep *prep, const struct ent_table *table,
                            const uint32_t *rows, uint32_t n, size_t dense_max_bytes,
                            struct ent_gather **out)
{
    struct ent_gather *g;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *g, &g));
    g->prep = prep;
    g->table = table;
    g->n = n;
    err = prepare(g, rows, dense_max_bytes);
    if (err != ENT_E_OK) {
        ent_gather_free(g);
        return err;
    }
    *out = g;
    return ENT_E_OK;
}

void ent_gather_free(struct ent_gather *gather)
{
    if (gather != NULL) {
        free(gather->rows);
        free(gather->labels);
        free(gather->dense);
        free(gather);
    }
}

uint32_t ent_gather_n(const struct ent_gather *gather)
{
    return gather->n;
}

bool ent_gather_is_dense(const struct ent_gather *gather)
{
    return gather->dense != NULL;
}

static void gather_on_the_fly(const struct ent_gather *g, const uint32_t *positions, uint32_t n,
                              float *x)
{
    uint32_t rows[CHUNK];

    for (uint32_t done = 0; done < n;) {
        uint32_t m = n - done < CHUNK ? n - done : CHUNK;

        for (uint32_t i = 0; i < m; i++) {
            rows[i] = g->rows[positions[done + i]];
        }
        ent_prep_encode(g->prep, g->table, rows, m, x + (size_t)done * g->prep->n_inputs);
        done += m;
    }
}

void ent_gather_rows(void *gather, const uint32_t *positions, uint32_t n, float *x, float *y)
{
    const struct ent_gather *g = gather;
    size_t width = g->prep->n_inputs;

    if (g->dense != NULL) {
        for (uint32_t i = 0; i < n; i++) {
            memcpy(x + i * width, g->dense + positions[i] * width, width * sizeof *x);
        }
    } else {
        gather_on_the_fly(g, positions, n, x);
    }
    for (uint32_t i = 0; y != NULL && i < n; i++) {
        y[i] = g->labels[positions[i]];
    }
}
