#include "client/agent/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/explain_internal.h"
#include "client/events/steps.h"
#include "client/train/trainer.h"
#include "common/base/mem.h"

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

/* A position that holds the most frequent value (of equally frequent ones, the lowest code). */
static enum ent_err most_frequent(const struct ent_explainer *e, const struct ent_column *column,
                                  uint32_t *out)
{
    uint32_t n = e->n_positions;
    uint32_t *sorted;
    uint32_t best = 0;
    uint32_t best_n = 0;

    ENT_TRY(ent_calloc(n, sizeof *sorted, &sorted));
    for (uint32_t i = 0; i < n; i++) {
        sorted[i] = bits_at(column, e->positions[i]);
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
    for (uint32_t i = n; i > 0; i--) {
        *out = bits_at(column, e->positions[i - 1]) == best ? e->positions[i - 1] : *out;
    }
    return ENT_E_OK;
}

static float mean_of(const struct ent_feature *f, const struct ent_fit *fit)
{
    return (float)(f->encode == ENT_ENCODE_PLE ? fit->mean : ent_feature_unmap(f, fit->mean));
}

/* A vector that is missing: all its inputs are 0. */
static void level_vector(struct ent_explainer *e, const struct ent_feature *f,
                         struct ent_column *to)
{
    for (uint32_t k = 0; k < e->n_positions; k++) {
        to->vectors[(size_t)e->positions[k] * f->length] = NAN;
    }
}

static enum ent_err level_feature(struct ent_explainer *e, uint32_t i)
{
    const struct ent_feature *f = &e->of.schema.features[i];
    const struct ent_column *from = &ent_explainer_columns(e)->columns[i];
    struct ent_column *to = &e->spares[i];
    uint32_t base = 0;

    if (f->type == ENT_FEATURE_VECTOR) {
        level_vector(e, f, to);
        return ENT_E_OK;
    }
    if (f->type != ENT_FEATURE_NUMBER) {
        ENT_TRY(most_frequent(e, from, &base));
    }
    for (uint32_t k = 0; k < e->n_positions; k++) {
        if (f->type == ENT_FEATURE_NUMBER) {
            to->numbers[e->positions[k]] = mean_of(f, &e->of.info->fits[i]);
        } else {
            ent_explain_copy(f, from, base, to, e->positions[k]);
        }
    }
    return ENT_E_OK;
}

/* ---- answers ---- */

static void exchange_feature(struct ent_explainer *e, uint32_t i, const uint32_t *from)
{
    for (uint32_t k = 0; k < e->n_positions; k++) {
        ent_explain_copy(&e->of.schema.features[i], &ent_explainer_columns(e)->columns[i],
                         e->positions[from[k]], &e->spares[i], e->positions[k]);
    }
}

static enum ent_err disturb(struct ent_explainer *e, uint32_t group, const uint32_t *from)
{
    uint32_t n = e->of.schema.n_features;
    struct ent_column *columns = e->view.columns;

    e->view = e->sample;
    e->view_events = e->events;
    e->view.columns = columns;
    if (e->sample.events != NULL) {
        e->view.events = &e->view_events;
        e->view_events.columns = columns;
    }
    memcpy(columns, ent_explainer_columns(e)->columns, n * sizeof *columns);
    for (uint32_t i = 0; i < n; i++) {
        if (e->group_of[i] != group) {
            continue;
        }
        if (from == NULL) {
            ENT_TRY(level_feature(e, i));
        } else {
            exchange_feature(e, i, from);
        }
        columns[i] = e->spares[i];
    }
    return ENT_E_OK;
}

struct taking {
    const struct ent_explainer *e;
    float *out; /* the answers that come next */
    float *y;   /* NULL: not wanted; a disturbed column may be the target's */
    uint32_t left;
    bool finite;
};

static void take(void *ctx, const float *prob, const float *y, uint32_t n)
{
    struct taking *t = ctx;
    size_t width = ent_model_n_outputs(t->e->of.model);

    ENT_BUG_ON(n > t->left);
    for (size_t i = 0; i < n * width; i++) {
        t->finite = t->finite && isfinite(prob[i]) != 0;
    }
    memcpy(t->out, prob, n * width * sizeof *prob);
    t->out += n * width;
    if (t->y != NULL) {
        memcpy(t->y, y, n * sizeof *y);
        t->y += n;
    }
    t->left -= n;
}

/* The model sees a number's range as -1 .. 1: into the label's own unit. */
static void to_unit(const struct ent_explainer *e, float *values, size_t n)
{
    const struct ent_model_info *info = e->of.info;
    double half = 0.5 * (info->label_hi - info->label_lo);

    for (size_t i = 0; i < n && half > 0.0; i++) {
        values[i] = (float)(info->label_lo + half * ((double)values[i] + 1.0));
    }
}

/* Of the view. y: [n_answers] or NULL. */
static enum ent_err predict(struct ent_explainer *e, float *out, float *y)
{
    struct taking to = {.e = e, .out = out, .y = y, .left = e->n_answers, .finite = true};
    struct ent_steps *steps = NULL;
    struct ent_rows rows;
    uint32_t *all;
    enum ent_err err;

    ENT_TRY(ent_calloc(e->view.n_rows, sizeof *all, &all));
    for (uint32_t i = 0; i < e->view.n_rows; i++) {
        all[i] = i;
    }
    err = ent_steps_new(e->of.prep, &e->view, all, e->view.n_rows, &steps);
    free(all);
    ENT_TRY(err);
    rows = ent_steps_rows(steps);
    err = ent_train_predict(e->of.model, &rows, take, &to);
    ent_steps_free(steps);
    ENT_TRY(err);
    ENT_REQUIRE(to.finite, ENT_E_NONFINITE, "the model gives predictions that are no numbers");
    if (ent_model_loss_find(e->of.info->loss) == ENT_MODEL_MSE) {
        to_unit(e, out, (size_t)e->n_answers * ent_model_n_outputs(e->of.model));
    }
    return ENT_E_OK;
}

static enum ent_err answer(void *ctx, uint32_t column, const uint32_t *from, float *out)
{
    struct ent_explainer *e = ctx;

    ENT_TRY(disturb(e, column, from));
    return predict(e, out, NULL);
}

/* ---- all of it ---- */

static enum ent_err find_positions(struct ent_explainer *e)
{
    bool per_step = ent_model_per_step(e->of.model);
    size_t most;

    ENT_TRY(ent_size_mul(e->sample.n_rows, e->room, &most));
    ENT_TRY(ent_calloc(most, sizeof *e->positions, &e->positions));
    for (uint32_t i = 0; i < e->sample.n_rows; i++) {
        struct ent_span span = ent_steps_span(&e->sample, i);

        for (uint32_t k = 0; k < span.n; k++) {
            e->positions[e->n_positions++] = span.first + k;
        }
        e->n_answers += per_step ? span.n : 1;
    }
    return ENT_E_OK;
}

/* Targets as they are before anything is disturbed. */
static enum ent_err find_targets(struct ent_explainer *e)
{
    float *out;
    size_t n;
    enum ent_err err;

    ENT_TRY(ent_size_mul(e->n_answers, ent_model_n_outputs(e->of.model), &n));
    ENT_TRY(ent_calloc(n, sizeof *out, &out));
    err = ent_calloc(e->n_answers, sizeof *e->y, &e->y);
    if (err == ENT_E_OK) {
        err = disturb(e, e->n_groups, NULL);
    }
    if (err == ENT_E_OK) {
        err = predict(e, out, e->y);
    }
    free(out);
    if (err == ENT_E_OK && ent_model_loss_find(e->of.info->loss) == ENT_MODEL_MSE) {
        to_unit(e, e->y, e->n_answers);
    }
    return err;
}

static enum ent_err take_names(const struct ent_explainer *e, struct ent_explanation *out)
{
    ENT_TRY(ent_calloc(e->n_groups, sizeof *out->names, &out->names));
    for (uint32_t g = 0; g < e->n_groups; g++) {
        ENT_TRY(ent_strdup(e->groups[g], &out->names[g]));
    }
    return ENT_E_OK;
}

static enum ent_err measure(struct ent_explainer *e, struct ent_explanation *out)
{
    struct ent_importance_input input = {.kind = out->kind,
                                         .n_outputs = ent_model_n_outputs(e->of.model),
                                         .n_columns = e->n_groups,
                                         .answer = answer,
                                         .ctx = e,
                                         .repeats = e->options.repeats,
                                         .seed = e->options.seed};

    ENT_REQUIRE(e->sample.n_rows > 0, ENT_E_DATA, "there are no rows: nothing can be explained");
    ENT_TRY(find_positions(e));
    if (e->labelled) {
        ENT_TRY(find_targets(e));
    }
    input.n_values = e->n_positions;
    input.n_answers = e->n_answers;
    input.y = e->y;
    ENT_TRY(ent_importance_measure(&input, &out->of));
    return take_names(e, out);
}

enum ent_err ent_explainer_finish(struct ent_explainer *explainer, struct ent_explanation *out)
{
    struct ent_explainer *e = explainer;
    struct ent_explanation made = {.rows = e->sample.n_rows,
                                   .of_rows = e->seen,
                                   .repeats = e->options.repeats,
                                   .seed = e->options.seed,
                                   .kind = ent_model_loss_find(e->of.info->loss),
                                   .sequences = e->sample.events != NULL};
    enum ent_err err = measure(e, &made);

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
