#include "client/events/steps.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

struct ent_steps {
    const struct ent_prep *prep;
    const struct ent_table *table;
    const struct ent_table *columns;
    uint32_t *rows;
    uint32_t n;
    uint32_t n_inputs;
    uint32_t n_tokens;
    uint32_t *embedded; /* [n_tokens] features */
    uint32_t n_classes; /* of what comes next: codes from here on are no class */
};

struct ent_span ent_steps_span(const struct ent_table *table, uint32_t row)
{
    bool gives =
        table->sequence.label == ENT_SEQUENCE_NEXT && table->labels[row] != ENT_LABEL_ABSENT;

    if (table->events == NULL) {
        return (struct ent_span){.first = row, .n = 1};
    }
    return (struct ent_span){.first = table->event_first[row],
                             .n = table->event_count[row] - (gives ? 1 : 0)};
}

static enum ent_err prepare(struct ent_steps *s, const uint32_t *rows)
{
    const struct ent_schema *schema = &s->columns->schema;

    ENT_TRY(ent_calloc(s->n, sizeof *s->rows, &s->rows));
    if (s->n > 0) {
        memcpy(s->rows, rows, (size_t)s->n * sizeof *rows);
    }
    ENT_TRY(ent_calloc(schema->n_features, sizeof *s->embedded, &s->embedded));
    for (uint32_t i = 0; i < schema->n_features; i++) {
        if (schema->features[i].embed > 0) {
            s->embedded[s->n_tokens++] = i;
        }
    }
    s->n_inputs = schema->n_inputs;
    if (s->table->sequence.label == ENT_SEQUENCE_NEXT) {
        s->n_classes = ent_feature_n_codes(&schema->features[s->table->sequence.next]) - 1;
    }
    return ENT_E_OK;
}

enum ent_err ent_steps_new(const struct ent_prep *prep, const struct ent_table *table,
                           const uint32_t *rows, uint32_t n, struct ent_steps **out)
{
    struct ent_steps *s;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *s, &s));
    s->prep = prep;
    s->table = table;
    s->columns = ent_table_columns(table);
    s->n = n;
    err = prepare(s, rows);
    if (err != ENT_E_OK) {
        ent_steps_free(s);
        return err;
    }
    *out = s;
    return ENT_E_OK;
}

void ent_steps_free(struct ent_steps *steps)
{
    if (steps != NULL) {
        free(steps->rows);
        free(steps->embedded);
        free(steps);
    }
}

/* ---- targets ---- */

/* The class of the event in a row; -1: none. */
static float class_of(const struct ent_steps *s, uint32_t row)
{
    uint32_t code;

    ent_prep_codes(s->prep, s->columns, s->table->sequence.next, &row, 1, &code);
    return code < s->n_classes ? (float)code : -1.0F;
}

static float target_of(const struct ent_steps *s, uint32_t row)
{
    if (s->table->targets != NULL) {
        return s->table->targets[row];
    }
    return s->table->labels[row] == 1 ? 1.0F : 0.0F;
}

/* Returns how many. */
static uint32_t put_targets(const struct ent_steps *s, uint32_t row, const struct ent_span *span,
                            float *y)
{
    const struct ent_sequence *q = &s->table->sequence;

    if (q->label != ENT_SEQUENCE_NEXT) {
        y[0] = target_of(s, row);
        return 1;
    }
    if (s->table->labels[row] == ENT_LABEL_ABSENT) { /* to be scored */
        uint32_t n = q->per_step ? span->n : 1;

        memset(y, 0, n * sizeof *y);
        return n;
    }
    if (!q->per_step) {
        y[0] = class_of(s, span->first + span->n);
        return 1;
    }
    for (uint32_t i = 0; i < span->n; i++) {
        y[i] = class_of(s, span->first + i + 1);
    }
    return span->n;
}

/* ---- as rows ---- */

static void put_tokens(const struct ent_steps *s, const struct ent_span *span, int32_t *tokens)
{
    for (uint32_t j = 0; j < s->n_tokens; j++) {
        for (uint32_t i = 0; i < span->n; i++) {
            uint32_t row = span->first + i;
            uint32_t code;

            ent_prep_codes(s->prep, s->columns, s->embedded[j], &row, 1, &code);
            tokens[(size_t)i * s->n_tokens + j] = (int32_t)code;
        }
    }
}

static void fill(void *ctx, const uint32_t *rows, uint32_t n, const struct ent_rows_block *out)
{
    const struct ent_steps *s = ctx;
    size_t step = 0;
    size_t target = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = s->rows[rows[i]];
        struct ent_span span = ent_steps_span(s->table, row);

        if (s->n_inputs > 0) {
            ent_prep_encode_range(s->prep, s->columns, span.first, span.n,
                                  out->x + step * s->n_inputs);
        }
        if (s->n_tokens > 0) {
            put_tokens(s, &span, out->tokens + step * s->n_tokens);
        }
        target += put_targets(s, row, &span, out->y + target);
        step += span.n;
    }
}

static uint32_t steps_of(void *ctx, uint32_t row)
{
    const struct ent_steps *s = ctx;

    return ent_steps_span(s->table, s->rows[row]).n;
}

struct ent_rows ent_steps_rows(struct ent_steps *steps)
{
    return (struct ent_rows){.ctx = steps,
                             .n = steps->n,
                             .fill = fill,
                             .steps = steps->table->events != NULL ? steps_of : NULL};
}
