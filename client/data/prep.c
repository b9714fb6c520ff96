#include "client/data/prep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

/* What one feature's encoding needs, together in one place of memory. */
struct item {
    const struct ent_feature *feature;
    const struct ent_fit *fit;
    uint32_t first_input;
    uint32_t other; /* CATEGORY: the last code */
    double mean;
    double inv_sd;
    double *inv_widths; /* PLE: of the bins; owned */
    uint32_t *codes;    /* VOCABULARY: of each bucket; owned */
};

struct ent_prep {
    uint32_t n_items;
    uint32_t n_inputs;
    struct item items[];
};

static enum ent_err prepare_ple(const struct ent_fit *fit, struct item *item)
{
    ENT_TRY(ent_calloc(fit->n_edges, sizeof *item->inv_widths, &item->inv_widths));
    for (uint32_t i = 1; i < fit->n_edges; i++) {
        item->inv_widths[i - 1] = 1.0 / (fit->edges[i] - fit->edges[i - 1]);
    }
    return ENT_E_OK;
}

static enum ent_err prepare_vocabulary(const struct ent_feature *f, const struct ent_fit *fit,
                                       struct item *item)
{
    uint32_t n = UINT32_C(1) << f->bits;

    ENT_TRY(ent_calloc(n, sizeof *item->codes, &item->codes));
    for (uint32_t b = 0; b < n; b++) {
        item->codes[b] = item->other;
    }
    for (uint32_t i = 0; i < fit->n_buckets; i++) {
        item->codes[fit->buckets[i]] = i;
    }
    return ENT_E_OK;
}

static enum ent_err prepare_item(const struct ent_feature *f, const struct ent_fit *fit,
                                 struct item *item)
{
    *item = (struct item){.feature = f,
                          .fit = fit,
                          .first_input = f->first_input,
                          .mean = fit->mean,
                          .inv_sd = 1.0 / fit->sd};
    if (f->type == ENT_FEATURE_CATEGORY) {
        item->other = ent_feature_n_codes(f) - 1;
    }
    if (f->type == ENT_FEATURE_VECTOR) {
        item->mean = f->lo;
        item->inv_sd = 1.0 / (f->hi - f->lo);
    }
    if (f->type == ENT_FEATURE_NUMBER && f->encode == ENT_ENCODE_PLE) {
        return prepare_ple(fit, item);
    }
    if (f->type == ENT_FEATURE_CATEGORY && f->codes == ENT_CODES_VOCABULARY) {
        return prepare_vocabulary(f, fit, item);
    }
    return ENT_E_OK;
}

enum ent_err ent_prep_new(const struct ent_schema *schema, const struct ent_fit *fits,
                          struct ent_prep **out)
{
    struct ent_prep *prep;
    size_t bytes;
    enum ent_err err = ENT_E_OK;

    for (uint32_t i = 0; i < schema->n_features; i++) {
        ENT_TRY(ent_fit_check(&schema->features[i], &fits[i]));
    }
    ENT_TRY(ent_size_mul(schema->n_features, sizeof prep->items[0], &bytes));
    ENT_TRY(ent_size_add(bytes, sizeof *prep, &bytes));
    ENT_TRY(ent_calloc(1, bytes, &prep));
    prep->n_items = schema->n_features;
    prep->n_inputs = schema->n_inputs;
    for (uint32_t i = 0; i < schema->n_features && err == ENT_E_OK; i++) {
        err = prepare_item(&schema->features[i], &fits[i], &prep->items[i]);
    }
    if (err != ENT_E_OK) {
        ent_prep_free(prep);
        return err;
    }
    *out = prep;
    return ENT_E_OK;
}

void ent_prep_free(struct ent_prep *prep)
{
    for (uint32_t i = 0; prep != NULL && i < prep->n_items; i++) {
        free(prep->items[i].inv_widths);
        free(prep->items[i].codes);
    }
    free(prep);
}

/* (map(clip(x)) - mean) / sd in double, rounded once at the end: the same bits at training and at scoring. */
static inline float encode_value(const struct item *item, float v)
{
    double x = ent_table_clip(item->feature, v);

    x = item->feature->encode == ENT_ENCODE_LOG ? ent_slog(x) : x;
    return (float)((x - item->mean) * item->inv_sd);
}

/* The bin of x: the last whose lower edge is not above it, or the first. */
static inline uint32_t find_bin(const struct ent_fit *fit, double x)
{
    uint32_t lo = 0;
    uint32_t hi = fit->n_edges - 1; /* bins lo .. hi - 1 are left */

    while (hi - lo > 1) {
        uint32_t mid = (lo + hi) / 2;

        if (x >= fit->edges[mid]) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    return lo;
}

/* Bins below that of x are 1, it itself is where x lies in it, those above stay 0. */
static inline void encode_ple(const struct item *item, double x, float *to)
{
    const struct ent_fit *fit = item->fit;
    uint32_t bin;
    double place;

    if (fit->n_edges == 0) {
        return;
    }
    bin = find_bin(fit, x);
    for (uint32_t k = 0; k < bin; k++) {
        to[k] = 1.0F;
    }
    place = (x - fit->edges[bin]) * item->inv_widths[bin];
    place = place < -1.0 ? -1.0 : (place > 2.0 ? 2.0 : place);
    to[bin] = (float)place;
}

static inline void encode_number(const struct item *item, float v, float *to)
{
    const struct ent_feature *f = item->feature;
    bool missing = isnan(v);

    if (f->encode == ENT_ENCODE_PLE) {
        encode_ple(item, missing ? item->mean : ent_table_clip(f, v), to);
    } else if (!missing) {
        to[0] = encode_value(item, v);
    }
    if (f->indicator && missing) {
        to[f->n_inputs - 1] = 1.0F;
    }
}

static inline void encode_vector(const struct item *item, const float *v, float *to)
{
    if (isnan(v[0])) {
        return;
    }
    for (uint32_t i = 0; i < item->feature->length; i++) {
        to[i] = (float)((ent_table_clip(item->feature, v[i]) - item->mean) * item->inv_sd);
    }
}

/* Of a CATEGORY. */
static inline uint32_t code_of(const struct item *item, const struct ent_column *column,
                               uint32_t row)
{
    uint32_t code;

    if (column->codes != NULL) {
        code = column->codes[row];
        return code < item->other ? code : item->other;
    }
    code = column->buckets[row];
    if (code == ENT_BUCKET_MISSING) {
        return item->other;
    }
    return item->codes != NULL ? item->codes[code] : code;
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

    if (item->feature->n_inputs == 0) { /* a token */
        return;
    }

    switch (item->feature->type) {
    case ENT_FEATURE_NUMBER:
        for (uint32_t k = 0; k < rows->n; k++, to += stride) {
            encode_number(item, column->numbers[row_at(rows, k)], to);
        }
        break;
    case ENT_FEATURE_CATEGORY:
        for (uint32_t k = 0; k < rows->n; k++, to += stride) {
            to[code_of(item, column, row_at(rows, k))] = 1.0F;
        }
        break;
    case ENT_FEATURE_VECTOR:
        for (uint32_t k = 0; k < rows->n; k++, to += stride) {
            encode_vector(item, column->vectors + (size_t)row_at(rows, k) * item->feature->length,
                          to);
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

void ent_prep_codes(const struct ent_prep *prep, const struct ent_table *table, uint32_t feature,
                    const uint32_t *rows, uint32_t n, uint32_t *codes)
{
    for (uint32_t k = 0; k < n; k++) {
        codes[k] = code_of(&prep->items[feature], &table->columns[feature], rows[k]);
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
