#include "client/agent/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/rng.h"

struct ent_explainer {
    struct ent_predictor *predictor;
    struct ent_explain_options options;
    struct ent_rng rng;
    uint32_t cap;              /* rows of the sample */
    struct ent_table sample;   /* columns and source_rows only */
    struct ent_table view;     /* the sample with a group's columns replaced */
    struct ent_column *spares; /* [n_features] what replaces them */
    float *y;                  /* [cap] */
    bool labelled;             /* rows without a label are no longer kept */
    uint64_t seen;             /* rows that the sample is out of */
    const char **groups;       /* [n_groups] columns of the source, in the schema's order */
    uint32_t n_groups;
    uint32_t *group_of; /* [n_features] features of one column are disturbed together */
};

/* ---- room ---- */

static enum ent_err column_new(const struct ent_feature *f, uint32_t cap, struct ent_column *out)
{
    switch (f->type) {
    case ENT_FEATURE_NUMBER:
        return ent_calloc(cap, sizeof *out->numbers, &out->numbers);
    case ENT_FEATURE_CATEGORY:
        return f->codes == ENT_CODES_DECLARED
                   ? ent_calloc(cap, sizeof *out->codes, &out->codes)
                   : ent_calloc(cap, sizeof *out->buckets, &out->buckets);
    case ENT_FEATURE_BOOLEAN:
        break;
    }
    return ent_calloc(cap, sizeof *out->bools, &out->bools);
}

static void columns_free(struct ent_column *columns, uint32_t n)
{
    for (uint32_t i = 0; columns != NULL && i < n; i++) {
        free(columns[i].numbers);
        free(columns[i].codes);
        free(columns[i].buckets);
        free(columns[i].bools);
    }
    free(columns);
}

static enum ent_err find_groups(struct ent_explainer *e)
{
    const struct ent_schema *schema = &e->predictor->schema;

    ENT_TRY(ent_calloc(schema->n_features, sizeof(const char *), &e->groups));
    ENT_TRY(ent_calloc(schema->n_features, sizeof *e->group_of, &e->group_of));
    for (uint32_t i = 0; i < schema->n_features; i++) {
        const char *column = schema->features[i].column;

        /* The parts of a date stand one behind the other. */
        if (e->n_groups == 0 || strcmp(e->groups[e->n_groups - 1], column) != 0) {
            e->groups[e->n_groups++] = column;
        }
        e->group_of[i] = e->n_groups - 1;
    }
    return ENT_E_OK;
}

/* Twice four bytes a value, and answers before and after. */
static uint32_t rows_that_fit(const struct ent_predictor *p, uint32_t asked)
{
    size_t row = 8 * ((size_t)p->schema.n_features + p->n_outputs) + 16;
    size_t most = ENT_EXPLAIN_BYTES / row;

    return most < 1 ? 1 : (asked < most ? asked : (uint32_t)most);
}

static enum ent_err open_room(struct ent_explainer *e)
{
    const struct ent_schema *schema = &e->predictor->schema;
    uint32_t n = schema->n_features;

    e->cap = rows_that_fit(e->predictor, e->options.rows);
    e->sample.schema = *schema;
    ENT_TRY(find_groups(e));
    ENT_TRY(ent_calloc(n, sizeof *e->sample.columns, &e->sample.columns));
    ENT_TRY(ent_calloc(n, sizeof *e->spares, &e->spares));
    ENT_TRY(ent_calloc(n, sizeof *e->view.columns, &e->view.columns));
    ENT_TRY(ent_calloc(e->cap, sizeof *e->y, &e->y));
    ENT_TRY(ent_calloc(e->cap, sizeof *e->sample.source_rows, &e->sample.source_rows));
    for (uint32_t i = 0; i < n; i++) {
        ENT_TRY(column_new(&schema->features[i], e->cap, &e->sample.columns[i]));
        ENT_TRY(column_new(&schema->features[i], e->cap, &e->spares[i]));
    }
    return ENT_E_OK;
}

enum ent_err ent_explainer_new(struct ent_predictor *predictor,
                               const struct ent_explain_options *options,
                               struct ent_explainer **out)
{
    struct ent_explainer *e;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *e, &e));
    e->predictor = predictor;
    e->options = *options;
    e->options.rows = options->rows != 0 ? options->rows : ENT_EXPLAIN_ROWS;
    e->options.repeats = options->repeats != 0 ? options->repeats : ENT_EXPLAIN_REPEATS;
    /* A stream that no exchange of a column has. */
    e->rng = ent_rng_init(options->seed, UINT64_MAX);
    err = open_room(e);
    if (err != ENT_E_OK) {
        ent_explainer_free(e);
        return err;
    }
    *out = e;
    return ENT_E_OK;
}

void ent_explainer_free(struct ent_explainer *explainer)
{
    if (explainer == NULL) {
        return;
    }
    columns_free(explainer->sample.columns, explainer->sample.schema.n_features);
    columns_free(explainer->spares, explainer->sample.schema.n_features);
    free(explainer->view.columns); /* its arrays are those of the two above */
    free(explainer->sample.source_rows);
    free(explainer->y);
    free((void *)explainer->groups);
    free(explainer->group_of);
    free(explainer);
}

/* ---- the sample ---- */

static void copy_value(const struct ent_column *from, uint32_t i, struct ent_column *to, uint32_t k)
{
    if (to->numbers != NULL) {
        to->numbers[k] = from->numbers[i];
    } else if (to->codes != NULL) {
        to->codes[k] = from->codes[i];
    } else if (to->buckets != NULL) {
        to->buckets[k] = from->buckets[i];
    } else {
        to->bools[k] = from->bools[i];
    }
}

/* Where the next row goes; false: it is passed by. Every row is kept with the same probability, cap / seen. */
static bool draw_place(struct ent_explainer *e, uint32_t *place)
{
    e->seen++; /* of at most 2^32 - 2 rows: the reader takes no more */
    if (e->sample.n_rows < e->cap) {
        *place = e->sample.n_rows++;
        return true;
    }
    *place = ent_rng_below(&e->rng, (uint32_t)e->seen);
    return *place < e->cap;
}

void ent_explainer_offer(struct ent_explainer *explainer, const struct ent_table *table,
                         uint32_t row)
{
    struct ent_explainer *e = explainer;
    float y = 0.0F;
    bool has = ent_predictor_target(e->predictor, table, row, &y);
    uint32_t place;

    if (has && !e->labelled) {
        e->labelled = true;
        e->sample.n_rows = 0;
        e->seen = 0;
    }
    if ((e->labelled && !has) || !draw_place(e, &place)) {
        return;
    }
    ent_predictor_to_unit(e->predictor, &y, 1);
    e->y[place] = y;
    e->sample.source_rows[place] = table->source_rows[row];
    for (uint32_t i = 0; i < e->sample.schema.n_features; i++) {
        copy_value(&table->columns[i], row, &e->sample.columns[i], place);
    }
}

/* ---- base values ---- */

static int by_bits(const void *pa, const void *pb)
{
    const uint32_t *a = pa;
    const uint32_t *b = pb;

    return *a < *b ? -1 : *a > *b;
}

static uint32_t bits_at(const struct ent_column *c, uint32_t row)
{
    if (c->codes != NULL) {
        return c->codes[row];
    }
    return c->buckets != NULL ? c->buckets[row] : (uint32_t)(uint8_t)c->bools[row];
}

/* Row of the sample that holds the most frequent value (of equally frequent ones, the lowest code's). */
static enum ent_err most_frequent(const struct ent_explainer *e, const struct ent_column *column,
                                  uint32_t *out)
{
    uint32_t n = e->sample.n_rows;
    uint32_t *sorted;
    uint32_t best = 0;
    uint32_t best_n = 0;

    ENT_TRY(ent_calloc(n, sizeof *sorted, &sorted));
    for (uint32_t i = 0; i < n; i++) {
        sorted[i] = bits_at(column, i);
    }
    qsort(sorted, n, sizeof *sorted, by_bits);
    for (uint32_t i = 0, from = 0; i < n; i++) {
        from = sorted[i] == sorted[from] ? from : i;
        if (i - from + 1 > best_n) {
            best_n = i - from + 1;
            best = sorted[i];
        }
    }
    free(sorted);
    for (uint32_t i = 0; i < n; i++) {
        if (bits_at(column, i) == best) {
            *out = i;
            break;
        }
    }
    return ENT_E_OK;
}

static float mean_of(const struct ent_feature *f, const struct ent_fit *fit)
{
    return (float)(f->encode == ENT_ENCODE_PLE ? fit->mean : ent_feature_unmap(f, fit->mean));
}

static enum ent_err level_feature(struct ent_explainer *e, uint32_t i)
{
    const struct ent_feature *f = &e->sample.schema.features[i];
    uint32_t row = 0;

    if (f->type != ENT_FEATURE_NUMBER) {
        ENT_TRY(most_frequent(e, &e->sample.columns[i], &row));
    }
    for (uint32_t k = 0; k < e->sample.n_rows; k++) {
        if (f->type == ENT_FEATURE_NUMBER) {
            e->spares[i].numbers[k] = mean_of(f, &e->predictor->file->info.fits[i]);
        } else {
            copy_value(&e->sample.columns[i], row, &e->spares[i], k);
        }
    }
    return ENT_E_OK;
}

/* ---- answers ---- */

static enum ent_err disturb(struct ent_explainer *e, uint32_t group, const uint32_t *from)
{
    uint32_t n = e->sample.schema.n_features;
    struct ent_column *columns = e->view.columns;

    e->view = e->sample;
    e->view.columns = columns;
    memcpy(columns, e->sample.columns, n * sizeof *columns);
    for (uint32_t i = 0; i < n; i++) {
        if (e->group_of[i] != group) {
            continue;
        }
        if (from == NULL) {
            ENT_TRY(level_feature(e, i));
        } else {
            for (uint32_t k = 0; k < e->sample.n_rows; k++) {
                copy_value(&e->sample.columns[i], from[k], &e->spares[i], k);
            }
        }
        columns[i] = e->spares[i];
    }
    return ENT_E_OK;
}

static enum ent_err answer(void *ctx, uint32_t column, const uint32_t *from, float *out)
{
    struct ent_explainer *e = ctx;

    ENT_TRY(disturb(e, column, from));
    ENT_TRY(ent_predictor_rows(e->predictor, &e->view, 0, e->view.n_rows, out));
    ent_predictor_to_unit(e->predictor, out, (size_t)e->view.n_rows * e->predictor->n_outputs);
    return ENT_E_OK;
}

static enum ent_err take_names(const struct ent_explainer *e, struct ent_explanation *out)
{
    ENT_TRY(ent_calloc(e->n_groups, sizeof *out->names, &out->names));
    for (uint32_t g = 0; g < e->n_groups; g++) {
        ENT_TRY(ent_strdup(e->groups[g], &out->names[g]));
    }
    return ENT_E_OK;
}

enum ent_err ent_explainer_finish(struct ent_explainer *explainer, struct ent_explanation *out)
{
    struct ent_explainer *e = explainer;
    struct ent_importance_input input = {.kind = e->predictor->kind,
                                         .n_values = e->sample.n_rows,
                                         .n_answers = e->sample.n_rows,
                                         .n_outputs = e->predictor->n_outputs,
                                         .n_columns = e->n_groups,
                                         .y = e->labelled ? e->y : NULL,
                                         .answer = answer,
                                         .ctx = e,
                                         .repeats = e->options.repeats,
                                         .seed = e->options.seed};
    struct ent_explanation made = {.rows = e->sample.n_rows,
                                   .of_rows = e->seen,
                                   .repeats = e->options.repeats,
                                   .seed = e->options.seed,
                                   .kind = e->predictor->kind};
    enum ent_err err = ent_importance_measure(&input, &made.of);

    if (err == ENT_E_OK) {
        err = take_names(e, &made);
    }
    if (err != ENT_E_OK) {
        ent_explanation_release(&made);
        return err;
    }
    *out = made;
    return ENT_E_OK;
}

void ent_explanation_release(struct ent_explanation *explanation)
{
    for (uint32_t i = 0; explanation->names != NULL && i < explanation->of.n; i++) {
        free(explanation->names[i]);
    }
    free(explanation->names);
    ent_importances_release(&explanation->of);
    *explanation = (struct ent_explanation){0};
}
