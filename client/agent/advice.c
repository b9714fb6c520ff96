#include "client/agent/advice.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/options.h"
#include "common/config/scalar.h"

#define BATCH_APART 4 /* times what is drawn, or a part of it: said */
#define MAX_NAMES 256 /* that a near miss is looked for among */

static const struct ent_feature *find_feature(const struct ent_plan *plan, const char *name)
{
    for (uint32_t i = 0; i < plan->n_features; i++) {
        if (strcmp(plan->features[i].name, name) == 0) {
            return &plan->features[i];
        }
    }
    return NULL;
}

static const char *near_name(const struct ent_plan *plan, const char *name)
{
    const char *names[MAX_NAMES];
    size_t n = 0;

    for (uint32_t i = 0; i < plan->n_features && n + 1 < MAX_NAMES; i++) {
        names[n++] = plan->features[i].name;
    }
    names[n++] = plan->label_name;
    return ent_nearest(name, names, n);
}

static const char *file_of(const struct ent_client_config *config)
{
    return config->file != NULL ? config->file : "client.yaml";
}

static void say_unknown(const struct ent_plan *plan, const struct ent_client_config *config,
                        const struct ent_column_map *map, ent_advice_say *say, void *ctx)
{
    const char *near = near_name(plan, map->feature);
    char line[400];

    (void)snprintf(
        line, sizeof line, "%s:%u:%u: columns: the plan has no '%.80s': it is not used%s%.80s%s",
        file_of(config), (unsigned)map->line, (unsigned)map->column_at, map->feature,
        near != NULL ? "; did you mean '" : "", near != NULL ? near : "", near != NULL ? "'?" : "");
    say(ctx, line);
}

static bool is_value(const struct ent_feature *feature, const char *text)
{
    double number;
    bool truth;

    switch (feature->type) {
    case ENT_FEATURE_NUMBER:
        return ent_scalar_double(text, strlen(text), &number);
    case ENT_FEATURE_BOOLEAN:
        return ent_scalar_bool(text, strlen(text), &truth);
    case ENT_FEATURE_VECTOR:
    case ENT_FEATURE_CATEGORY:
        break;
    }
    return true; /* loading refuses any other */
}

static void check_spellings(const struct ent_feature *feature,
                            const struct ent_client_config *config,
                            const struct ent_column_map *map, ent_advice_say *say, void *ctx)
{
    for (uint32_t i = 0; i < map->n_spellings; i++) {
        const struct ent_spelling *s = &map->spellings[i];
        char line[400];

        if (!is_value(feature, s->plan)) {
            (void)snprintf(
                line, sizeof line, "%s:%u:%u: columns: %.80s: '%.80s' is %s", file_of(config),
                (unsigned)s->line, (unsigned)s->column, map->feature, s->plan,
                feature->type == ENT_FEATURE_BOOLEAN ? "neither true nor false" : "not a number");
            say(ctx, line);
        }
    }
}

/* Any text is a label, but only one counts as positive: a mapping that never leads there is a mistake. */
static void check_label(const struct ent_plan *plan, const struct ent_client_config *config,
                        const struct ent_column_map *map, ent_advice_say *say, void *ctx)
{
    char line[400];

    for (uint32_t i = 0; i < map->n_spellings; i++) {
        if (strcmp(map->spellings[i].plan, plan->label_positive) == 0) {
            return;
        }
    }
    if (map->n_spellings > 0) {
        (void)snprintf(line, sizeof line,
                       "%s:%u:%u: columns: %.80s: no value is mapped to '%.80s', which the plan "
                       "counts as positive (capitals count)",
                       file_of(config), (unsigned)map->line, (unsigned)map->column_at, map->feature,
                       plan->label_positive);
        say(ctx, line);
    }
}

static bool is_of_sequences(const struct ent_sequence *sequence, const char *name)
{
    bool is = sequence->unit != NULL && strcmp(sequence->unit, name) == 0;

    for (uint32_t i = 0; i < sequence->n_times; i++) {
        is = is || strcmp(sequence->times[i], name) == 0;
    }
    return is;
}

void ent_advice_columns(const struct ent_plan *plan, const struct ent_client_config *config,
                        ent_advice_say *say, void *ctx)
{
    for (uint32_t i = 0; i < config->n_columns; i++) {
        const struct ent_column_map *map = &config->columns[i];
        const struct ent_feature *feature = find_feature(plan, map->feature);

        if (feature != NULL) {
            check_spellings(feature, config, map, say, ctx);
        } else if (plan->sequence.unit == NULL && strcmp(map->feature, plan->label_name) == 0) {
            if (plan->label_kind == ENT_LABEL_POSITIVE) {
                check_label(plan, config, map, say, ctx);
            }
        } else if (!is_of_sequences(&plan->sequence, map->feature)) {
            say_unknown(plan, config, map, say, ctx);
        }
    }
}

/* Whose presence noise hides. */
static void say_units(const struct ent_pipeline *pipeline, ent_advice_say *say, void *ctx)
{
    const struct ent_table *table = ent_pipeline_table(pipeline);
    char line[400];

    if (ent_pipeline_plan(pipeline)->privacy.unit != ENT_PRIVACY_CUSTOMER) {
        return;
    }
    if (!table->has_unit_key) {
        say(ctx,
            "there is no unit_key in client.yaml, so the plan's privacy hides each row, not each "
            "customer: one with k rows has about k times the loss (epsilon) that is printed");
    } else if (table->n_without_unit > 0) {
        (void)snprintf(
            line, sizeof line,
            "%llu rows have no unit_key, and each counts as a customer of its own: one with k "
            "such rows has about k times the loss (epsilon) that is printed",
            (unsigned long long)table->n_without_unit);
        say(ctx, line);
    }
}

/* A promise that may fail with probability delta for each customer fails for one of 1 / delta. */
static void say_delta(const struct ent_pipeline *pipeline, ent_advice_say *say, void *ctx)
{
    const struct ent_plan_privacy *privacy = &ent_pipeline_plan(pipeline)->privacy;
    const struct ent_split_rows *train = &ent_pipeline_parts(pipeline)->part[ENT_SPLIT_TRAIN];
    double most = privacy->delta > 0.0 ? ceil(1.0 / privacy->delta) : (double)UINT32_MAX;
    char line[300];
    uint32_t n = 0;

    if (privacy->unit != ENT_PRIVACY_CUSTOMER || most > (double)train->n ||
        ent_split_customers(ent_pipeline_table(pipeline), train, (uint32_t)most, &n) != ENT_E_OK ||
        n < (uint32_t)most) {
        return;
    }
    (void)snprintf(
        line, sizeof line,
        "the plan's delta %g is not below 1 / (training customers of this member): the "
        "promise may fail altogether for one of them, whatever its epsilon is; ask for a "
        "smaller privacy.delta",
        privacy->delta);
    say(ctx, line);
}

/* The noised sum of a step is divided by the plan's batch, whoever was drawn. */
static void say_batch(const struct ent_pipeline *pipeline, ent_advice_say *say, void *ctx)
{
    const struct ent_plan_privacy *privacy = &ent_pipeline_plan(pipeline)->privacy;
    const struct ent_split_rows *train = &ent_pipeline_parts(pipeline)->part[ENT_SPLIT_TRAIN];
    char line[300];
    uint32_t n = 0;
    double drawn;

    if (privacy->unit != ENT_PRIVACY_CUSTOMER ||
        ent_split_customers(ent_pipeline_table(pipeline), train, UINT32_MAX, &n) != ENT_E_OK) {
        return;
    }
    drawn = ldexp((double)privacy->rate, -32) * (double)n;
    if (n == 0 ||
        (drawn <= BATCH_APART * privacy->batch && drawn * BATCH_APART >= privacy->batch)) {
        return;
    }
    (void)snprintf(line, sizeof line,
                   "the plan's rate takes about %.0f of this member's %lu training customers in a "
                   "step, and their sum is divided by its batch %u: its steps are %.2g times as "
                   "long as where the two are equal; ask for a batch near rate times customers",
                   drawn, (unsigned long)n, (unsigned)privacy->batch, drawn / privacy->batch);
    say(ctx, line);
}

enum ent_err ent_advice_labels(const struct ent_pipeline *pipeline)
{
    return ent_pipeline_plan(pipeline)->privacy.unit == ENT_PRIVACY_NONE
               ? ent_table_check_labels(ent_pipeline_table(pipeline))
               : ENT_E_OK;
}

void ent_advice_parts(const struct ent_pipeline *pipeline, ent_advice_say *say, void *ctx)
{
    const struct ent_plan *plan = ent_pipeline_plan(pipeline);

    if (plan->privacy.unit != ENT_PRIVACY_NONE &&
        ent_table_check_labels(ent_pipeline_table(pipeline)) != ENT_E_OK) {
        say(ctx, ent_err_message()); /* it takes part all the same */
    }
    ent_table_notes(ent_pipeline_table(pipeline), say, ctx);
    say_units(pipeline, say, ctx);
    say_delta(pipeline, say, ctx);
    say_batch(pipeline, say, ctx);
    if (ent_plan_validates(plan) && ent_pipeline_rows(pipeline, ENT_SPLIT_VALIDATION) == 0) {
        say(ctx, "the plan asks for validation rows, and this member has none: its customers have "
                 "no say in which round is the best");
    }
    if (ent_plan_tests(plan) && ent_pipeline_rows(pipeline, ENT_SPLIT_TEST) == 0) {
        say(ctx, plan->split_test_file
                     ? "the plan asks for test rows, and this member's split_file names none: the "
                       "result is not tested on its customers"
                     : "the plan asks for test rows, and this member has none: the result is not "
                       "tested on its customers");
    }
}
