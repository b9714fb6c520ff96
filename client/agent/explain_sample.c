/* The sample of the rows that pass by. */
#include <stdlib.h>
#include <string.h>

#include "client/agent/explain_internal.h"
#include "common/base/mem.h"

/* ---- room ---- */

static enum ent_err column_new(const struct ent_feature *f, size_t n, struct ent_column *out)
{
    switch (f->type) {
    case ENT_FEATURE_NUMBER:
        return ent_calloc(n, sizeof *out->numbers, &out->numbers);
    case ENT_FEATURE_CATEGORY:
        return f->codes == ENT_CODES_DECLARED ? ent_calloc(n, sizeof *out->codes, &out->codes)
                                              : ent_calloc(n, sizeof *out->buckets, &out->buckets);
    case ENT_FEATURE_VECTOR:
        return ent_calloc(n, f->length * sizeof *out->vectors, &out->vectors);
    case ENT_FEATURE_BOOLEAN:
        break;
    }
    return ent_calloc(n, sizeof *out->bools, &out->bools);
}

static void columns_free(struct ent_column *columns, uint32_t n)
{
    for (uint32_t i = 0; columns != NULL && i < n; i++) {
        free(columns[i].numbers);
        free(columns[i].codes);
        free(columns[i].buckets);
        free(columns[i].bools);
        free(columns[i].vectors);
    }
    free(columns);
}

static enum ent_err find_groups(struct ent_explainer *e)
{
    const struct ent_schema *schema = &e->of.schema;

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

static size_t n_values(const struct ent_schema *schema)
{
    size_t n = 0;

    for (uint32_t i = 0; i < schema->n_features; i++) {
        const struct ent_feature *f = &schema->features[i];

        n += f->type == ENT_FEATURE_VECTOR ? f->length : 1;
    }
    return n;
}

/* Twice four bytes a value (as it is, and replaced), and two answers. */
static void choose_size(struct ent_explainer *e)
{
    bool per_step = ent_model_per_step(e->of.model);
    size_t answers = (per_step ? e->room : 1) * (size_t)(8 * ent_model_n_outputs(e->of.model) + 4);
    size_t place = e->room * (8 * n_values(&e->of.schema) + 8) + answers + 24;
    size_t most = ENT_EXPLAIN_BYTES / place;

    e->cap = e->options.rows != 0 ? e->options.rows : ENT_EXPLAIN_ROWS;
    e->cap = e->cap < most ? e->cap : (uint32_t)most;
    e->cap = e->cap > 0 ? e->cap : 1;
}

static enum ent_err open_columns(struct ent_explainer *e, struct ent_column **columns)
{
    uint32_t n = e->of.schema.n_features;
    size_t values;

    ENT_TRY(ent_size_mul(e->cap, e->room, &values));
    ENT_TRY(ent_calloc(n, sizeof **columns, columns));
    for (uint32_t i = 0; i < n; i++) {
        ENT_TRY(column_new(&e->of.schema.features[i], values, &(*columns)[i]));
    }
    return ENT_E_OK;
}

struct ent_table *ent_explainer_columns(struct ent_explainer *explainer)
{
    return explainer->sample.events != NULL ? &explainer->events : &explainer->sample;
}

static enum ent_err open_room(struct ent_explainer *e)
{
    const struct ent_sequence *sequence = &e->of.info->sequence;
    struct ent_table *t = &e->sample;

    /* Events of a row: the length counts the one that is its target, too. */
    e->room = sequence->unit != NULL ? sequence->length : 1;
    choose_size(e);
    t->schema = e->of.schema;
    e->events.schema = e->of.schema;
    t->events = sequence->unit != NULL ? &e->events : NULL;
    ENT_TRY(find_groups(e));
    ENT_TRY(open_columns(e, &ent_explainer_columns(e)->columns));
    ENT_TRY(open_columns(e, &e->spares));
    ENT_TRY(ent_calloc(t->schema.n_features, sizeof *e->view.columns, &e->view.columns));
    ENT_TRY(ent_calloc(e->cap, sizeof *t->labels, &t->labels));
    ENT_TRY(ent_calloc(e->cap, sizeof *t->source_rows, &t->source_rows));
    ENT_TRY(ent_calloc(e->cap, sizeof *t->event_first, &t->event_first));
    ENT_TRY(ent_calloc(e->cap, sizeof *t->event_count, &t->event_count));
    return ent_schema_has_targets(&t->schema) ? ent_calloc(e->cap, sizeof *t->targets, &t->targets)
                                              : ENT_E_OK;
}

enum ent_err ent_explainer_new(const struct ent_explain_model *model,
                               const struct ent_explain_options *options,
                               struct ent_explainer **out)
{
    struct ent_explainer *e;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *e, &e));
    e->of = *model;
    e->options = *options;
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
    struct ent_explainer *e = explainer;

    if (e == NULL) {
        return;
    }
    columns_free(ent_explainer_columns(e)->columns, e->of.schema.n_features);
    columns_free(e->spares, e->of.schema.n_features);
    free(e->view.columns); /* its arrays are those of the two above */
    free(e->sample.labels);
    free(e->sample.targets);
    free(e->sample.source_rows);
    free(e->sample.event_first);
    free(e->sample.event_count);
    free(e->positions);
    free(e->y);
    free((void *)e->groups);
    free(e->group_of);
    free(e);
}

/* ---- the sample ---- */

void ent_explain_copy(const struct ent_feature *feature, const struct ent_column *from, uint32_t i,
                      struct ent_column *to, uint32_t k)
{
    size_t length = feature->length;

    if (to->vectors != NULL) {
        memcpy(to->vectors + k * length, from->vectors + i * length, length * sizeof *to->vectors);
    } else if (to->numbers != NULL) {
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

static void put_row(struct ent_explainer *e, const struct ent_table *table, uint32_t row,
                    uint32_t place)
{
    const struct ent_table *from = ent_table_columns(table);
    struct ent_table *to = ent_explainer_columns(e);
    uint32_t first = table->events != NULL ? table->event_first[row] : row;
    uint32_t n = table->events != NULL ? table->event_count[row] : 1;

    ENT_BUG_ON(n > e->room);
    e->sample.event_first[place] = place * e->room;
    e->sample.event_count[place] = n;
    e->sample.source_rows[place] = table->source_rows[row];
    e->sample.labels[place] = table->labels != NULL ? table->labels[row] : ENT_LABEL_ABSENT;
    if (e->sample.targets != NULL && table->targets != NULL) {
        e->sample.targets[place] = table->targets[row];
    }
    for (uint32_t i = 0; i < e->of.schema.n_features; i++) {
        for (uint32_t k = 0; k < n; k++) {
            ent_explain_copy(&e->of.schema.features[i], &from->columns[i], first + k,
                             &to->columns[i], place * e->room + k);
        }
    }
}

void ent_explainer_offer(struct ent_explainer *explainer, const struct ent_table *table,
                         uint32_t row)
{
    struct ent_explainer *e = explainer;
    bool has = table->labels != NULL && table->labels[row] != ENT_LABEL_ABSENT;
    uint32_t place;

    if (has && !e->labelled) {
        e->labelled = true;
        e->sample.n_rows = 0;
        e->seen = 0;
    }
    e->sample.sequence = table->sequence;
    if ((has || !e->labelled) && draw_place(e, &place)) {
        put_row(e, table, row, place);
    }
}

uint32_t ent_explainer_rows(const struct ent_explainer *explainer)
{
    return explainer->sample.n_rows;
}
