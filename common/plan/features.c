/* The schema: `features` of plan.yaml. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/plural.h"
#include "common/config/scalar.h"
#include "common/plan/plan_read.h"

/* One entry as the table reads it. */
struct entry {
    const char *name;
    int type;
    const struct ent_node *range;
    const struct ent_node *values;
    const struct ent_node *indicator;
};

static const struct ent_choice types[] = {{"number", ENT_FEATURE_NUMBER},
                                          {"category", ENT_FEATURE_CATEGORY},
                                          {"boolean", ENT_FEATURE_BOOLEAN},
                                          {NULL, 0}};

const struct ent_field ent_plan_feature_fields[] = {
    {.key = "name",
     .kind = ENT_FIELD_STRING,
     .required = true,
     .offset = offsetof(struct entry, name),
     .help = "the plan's name of the column; members map their own names to it"},
    {.key = "type",
     .kind = ENT_FIELD_CHOICE,
     .required = true,
     .offset = offsetof(struct entry, type),
     .choices = types,
     .help = "number (1 input), category (one a value and other), boolean (2 inputs)"},
    {.key = "range",
     .kind = ENT_FIELD_NODE,
     .offset = offsetof(struct entry, range),
     .takes = "a list of two numbers",
     .help = "[LO, HI] of a number: values outside are clipped to it and counted"},
    {.key = "values",
     .kind = ENT_FIELD_NODE,
     .offset = offsetof(struct entry, values),
     .takes = "a list of texts",
     .help = "list of a category's values; any other value, and none, is other"},
    {.key = "indicator",
     .kind = ENT_FIELD_NODE,
     .offset = offsetof(struct entry, indicator),
     .takes = "true or false",
     .help = "true: a number gets a second input that says where it is missing, default false"},
    {0}};

static int compare_text(const void *a, const void *b)
{
    const char *const *x = a;
    const char *const *y = b;

    return strcmp(*x, *y);
}

enum ent_err ent_plan_find_repeat(const struct ent_node *list,
                                  const char *(*text)(const struct ent_node *),
                                  const struct ent_node **out)
{
    const char **sorted;
    const char *twice = NULL;
    size_t n = 0;

    *out = NULL;
    ENT_TRY(ent_calloc(list->n, sizeof(const char *), &sorted));
    for (const struct ent_node *e = list->first; e != NULL; e = e->next) {
        sorted[n++] = text(e);
    }
    qsort((void *)sorted, n, sizeof(const char *), compare_text);
    for (size_t i = 1; i < n && twice == NULL; i++) {
        twice = strcmp(sorted[i - 1], sorted[i]) == 0 ? sorted[i] : NULL;
    }
    for (const struct ent_node *e = list->first; e != NULL && twice != NULL; e = e->next) {
        if (strcmp(text(e), twice) == 0) {
            *out = e; /* the last of them stays */
        }
    }
    free((void *)sorted);
    return ENT_E_OK;
}

static const char *own_text(const struct ent_node *node)
{
    return node->text;
}

static const char *feature_name(const struct ent_node *node)
{
    const struct ent_node *name = ent_node_get(node, "name");

    return name->text;
}

static bool has_blank_ends(const char *text)
{
    size_t len = strlen(text);

    return len > 0 &&
           (text[0] == ' ' || text[0] == '\t' || text[len - 1] == ' ' || text[len - 1] == '\t');
}

static enum ent_err read_bound(const struct ent_node *node, double *out)
{
    if (node->kind != ENT_NODE_SCALAR || !ent_scalar_double(node->text, strlen(node->text), out) ||
        fabs(*out) > 1e30) {
        return ent_node_bad(node, "range", "each end must be a number between -1e30 and 1e30");
    }
    return ENT_E_OK;
}

static enum ent_err read_number(const struct ent_node *at, const struct entry *entry,
                                struct ent_feature *out)
{
    if (entry->values != NULL) {
        return ent_node_error(entry->values, "values belong to a category; '%.80s' is a number",
                              entry->name);
    }
    if (entry->range == NULL) {
        return ent_node_error(at, "number '%.80s' has no range: [LO, HI], the values it may have",
                              entry->name);
    }
    if (entry->range->kind == ENT_NODE_LIST && entry->range->n != 2) {
        return ent_node_error(entry->range, "range of '%.80s' has %u %s, needs two: [LO, HI]",
                              entry->name, (unsigned)entry->range->n,
                              ent_plural(entry->range->n, "number", "numbers"));
    }
    if (entry->range->kind != ENT_NODE_LIST) {
        return ent_node_bad(entry->range, "range", "must be a list of two numbers, [LO, HI]");
    }
    ENT_TRY(read_bound(entry->range->first, &out->lo));
    ENT_TRY(read_bound(entry->range->first->next, &out->hi));
    if (!((float)out->lo < (float)out->hi)) {
        return ent_node_error(entry->range, "range of '%.80s': %g is not below %g", entry->name,
                              out->lo, out->hi);
    }
    if (entry->indicator != NULL) {
        const struct ent_node *node = entry->indicator;

        if (node->kind != ENT_NODE_SCALAR ||
            !ent_scalar_bool(node->text, strlen(node->text), &out->indicator)) {
            return ent_node_bad(node, "indicator", "must be true or false");
        }
    }
    out->n_inputs = out->indicator ? 2 : 1;
    return ENT_E_OK;
}

static enum ent_err check_values(const struct ent_node *values, const char *name)
{
    const struct ent_node *twice;

    for (const struct ent_node *e = values->first; e != NULL; e = e->next) {
        if (e->kind == ENT_NODE_SCALAR && (e->text[0] == '\0' || has_blank_ends(e->text))) {
            return ent_node_error(
                e,
                "a value of '%.80s' is blank or has blanks at its ends: members' values come "
                "without them",
                name);
        }
    }
    ENT_TRY(ent_plan_find_repeat(values, own_text, &twice));
    if (twice != NULL) {
        return ent_node_error(twice, "value '%.60s' of '%.80s' stands here a second time",
                              twice->text, name);
    }
    return ENT_E_OK;
}

static enum ent_err read_category(const struct ent_node *at, const struct entry *entry,
                                  struct ent_arena *arena, struct ent_feature *out)
{
    static const struct ent_field field = {.key = "values",
                                           .kind = ENT_FIELD_STRINGS,
                                           .lo = 1,
                                           .hi = ENT_PLAN_MAX_VALUES,
                                           .help = "values"};
    struct ent_strings values;

    if (entry->range != NULL || entry->indicator != NULL) {
        return ent_node_error(entry->range != NULL ? entry->range : entry->indicator,
                              "range and indicator belong to a number; '%.80s' is a category",
                              entry->name);
    }
    if (entry->values == NULL) {
        return ent_node_error(at, "category '%.80s' has no values: the list of its values",
                              entry->name);
    }
    ENT_TRY(ent_config_take_value(entry->values, &field, arena, &values));
    ENT_TRY(check_values(entry->values, entry->name));
    out->values = values.items;
    out->n_values = values.n;
    out->n_inputs = values.n + 1;
    return ENT_E_OK;
}

static enum ent_err read_entry(const struct ent_node *node, struct ent_arena *arena,
                               struct ent_feature *out)
{
    struct entry entry = {0};

    ENT_TRY(ent_config_take(node, "a feature", ent_plan_feature_fields, arena, &entry));
    if (has_blank_ends(entry.name)) {
        return ent_node_error(node, "a feature's name has blanks at its ends");
    }
    out->name = entry.name;
    out->type = (enum ent_feature_type)entry.type;
    switch (out->type) {
    case ENT_FEATURE_NUMBER:
        return read_number(node, &entry, out);
    case ENT_FEATURE_CATEGORY:
        return read_category(node, &entry, arena, out);
    case ENT_FEATURE_BOOLEAN:
        break;
    }
    if (entry.range != NULL || entry.values != NULL || entry.indicator != NULL) {
        return ent_node_error(node, "boolean '%.80s' takes no range, values or indicator",
                              entry.name);
    }
    out->n_inputs = 2;
    return ENT_E_OK;
}

enum ent_err ent_plan_read_features(struct ent_plan_read *read)
{
    struct ent_plan *plan = &read->plan;
    const struct ent_node *twice;
    uint64_t inputs = 0;
    uint32_t i = 0;

    if (read->features->kind != ENT_NODE_LIST || read->features->n == 0 ||
        read->features->n > ENT_PLAN_MAX_FEATURES) {
        return ent_node_bad(read->features, "features", "must be a list of 1 to 4096 features");
    }
    plan->n_features = read->features->n;
    ENT_TRY(
        ent_arena_alloc(&plan->arena, plan->n_features, sizeof *plan->features, &plan->features));
    for (const struct ent_node *e = read->features->first; e != NULL; e = e->next, i++) {
        struct ent_feature *f = &plan->features[i];

        ENT_TRY(read_entry(e, &plan->arena, f));
        f->first_input = (uint32_t)inputs;
        inputs += f->n_inputs;
        if (inputs > ENT_PLAN_MAX_INPUTS) {
            return ent_node_error(e, "more than %u model inputs: declare fewer category values",
                                  ENT_PLAN_MAX_INPUTS);
        }
    }
    plan->n_inputs = (uint32_t)inputs;
    ENT_TRY(ent_plan_find_repeat(read->features, feature_name, &twice));
    if (twice != NULL) {
        return ent_node_error(twice, "feature '%.80s' stands here a second time",
                              feature_name(twice));
    }
    return ENT_E_OK;
}
