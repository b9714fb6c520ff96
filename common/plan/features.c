/* The schema: `features` of plan.yaml. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/plan/feature_entry.h"

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

static const char *feature_name(const struct ent_node *node)
{
    const struct ent_node *name = ent_node_get(node, "name");

    return name->text;
}

const char *ent_node_text(const struct ent_node *node)
{
    return node->kind == ENT_NODE_SCALAR ? node->text : "";
}

bool ent_text_has_blank_ends(const char *text)
{
    size_t len = strlen(text);

    return len > 0 &&
           (text[0] == ' ' || text[0] == '\t' || text[len - 1] == ' ' || text[len - 1] == '\t');
}

static enum ent_err read_entry(const struct ent_node *node, struct ent_plan_schema *schema)
{
    struct ent_feature *out = &schema->features[schema->n_features];
    struct ent_feature_entry entry = {0};

    ENT_TRY(ent_config_take(node, "a feature", ent_plan_feature_fields, schema->arena, &entry));
    if (ent_text_has_blank_ends(entry.name)) {
        return ent_node_error(node, "a feature's name has blanks at its ends");
    }
    ENT_TRY(ent_feature_entry_check(node, &entry));
    if (entry.type == ENT_FEATURE_ENTRY_DATE) {
        return ent_feature_read_date(node, &entry, schema);
    }
    out->name = entry.name;
    out->column = entry.name;
    schema->n_features++;
    if (entry.type == ENT_FEATURE_NUMBER) {
        return ent_feature_read_number(node, &entry, out);
    }
    if (entry.type == ENT_FEATURE_CATEGORY) {
        return ent_feature_read_category(node, &entry, schema, out);
    }
    if (entry.type == ENT_FEATURE_VECTOR) {
        return ent_feature_read_vector(node, &entry, out);
    }
    out->type = ENT_FEATURE_BOOLEAN;
    return ENT_E_OK;
}

/* Of what the list becomes: parts of dates are features of their own. */
static uint32_t count_features(const struct ent_node *list)
{
    uint32_t n = 0;

    for (const struct ent_node *e = list->first; e != NULL; e = e->next) {
        const struct ent_node *parts = ent_node_get(e, "parts");

        n += parts != NULL && parts->n > 1 && parts->n <= ENT_PLAN_MAX_DATE_PARTS ? parts->n : 1;
    }
    return n;
}

static int by_name(const void *pa, const void *pb)
{
    const struct ent_feature *const *a = pa;
    const struct ent_feature *const *b = pb;

    return strcmp((*a)->name, (*b)->name);
}

/* A date's part may have the name of another feature. */
static enum ent_err check_part_names(const struct ent_node *list,
                                     const struct ent_plan_schema *schema)
{
    const struct ent_feature **sorted;
    const char *twice = NULL;

    ENT_TRY(ent_calloc(schema->n_features, sizeof(const struct ent_feature *), &sorted));
    for (uint32_t i = 0; i < schema->n_features; i++) {
        sorted[i] = &schema->features[i];
    }
    qsort((void *)sorted, schema->n_features, sizeof(const struct ent_feature *), by_name);
    for (uint32_t i = 1; i < schema->n_features && twice == NULL; i++) {
        twice = strcmp(sorted[i - 1]->name, sorted[i]->name) == 0 ? sorted[i]->name : NULL;
    }
    free((void *)sorted);
    return twice == NULL ? ENT_E_OK
                         : ent_node_error(list, "two features are called '%.80s'", twice);
}

enum ent_err ent_plan_read_schema(const struct ent_node *list, struct ent_plan_schema *schema)
{
    const struct ent_node *twice;
    uint32_t n;
    uint64_t inputs = 0;

    if (list->kind != ENT_NODE_LIST || list->n == 0 || list->n > ENT_PLAN_MAX_FEATURES) {
        return ent_node_bad(list, list->key, "must be a list of 1 to 4096 features");
    }
    n = count_features(list);
    schema->n_features = 0;
    ENT_TRY(ent_arena_alloc(schema->arena, n, sizeof *schema->features, &schema->features));
    for (const struct ent_node *e = list->first; e != NULL; e = e->next) {
        uint32_t first = schema->n_features;

        ENT_TRY(read_entry(e, schema));
        ENT_BUG_ON(schema->n_features > n);
        for (uint32_t i = first; i < schema->n_features; i++) {
            inputs += ent_feature_inputs(&schema->features[i]);
        }
        if (inputs > ENT_PLAN_MAX_INPUTS) {
            return ent_node_error(e, "more than %u model inputs: declare fewer category values",
                                  ENT_PLAN_MAX_INPUTS);
        }
    }
    if (schema->n_features > ENT_PLAN_MAX_FEATURES) {
        return ent_node_error(list, "more than %d features with the parts of dates",
                              ENT_PLAN_MAX_FEATURES);
    }
    schema->n_inputs = (uint32_t)ent_features_number(schema->features, schema->n_features);
    ENT_TRY(ent_plan_find_repeat(list, feature_name, &twice));
    if (twice != NULL) {
        return ent_node_error(twice, "feature '%.80s' stands here a second time",
                              feature_name(twice));
    }
    return check_part_names(list, schema);
}

enum ent_err ent_plan_read_features(struct ent_plan_read *read)
{
    struct ent_plan *plan = &read->plan;
    struct ent_plan_schema schema = {.arena = &plan->arena, .salt = plan->salt};

    ENT_TRY(ent_plan_read_schema(read->features, &schema));
    plan->features = schema.features;
    plan->n_features = schema.n_features;
    plan->n_inputs = schema.n_inputs;
    return ENT_E_OK;
}
