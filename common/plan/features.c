/* The schema: `features` of plan.yaml. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/config/scalar.h"
#include "common/feature/date.h"
#include "common/plan/plan_read.h"

#define MAX_DATE_PARTS 4

/* One entry as the table reads it. */
struct entry {
    const char *name;
    int type;
    const struct ent_node *range;
    bool indicator;
    int encode;
    uint32_t bins;
    int scale;
    bool heavy;
    int outliers;
    const struct ent_node *values;
    const struct ent_node *hashed;
    const struct ent_node *vocabulary;
    const char *format;
    const struct ent_node *parts;
    const char *reference;
};

enum { DATE = ENT_FEATURE_BOOLEAN + 1 }; /* a type of the plan only: it becomes several features */

static const struct ent_choice types[] = {{"number", ENT_FEATURE_NUMBER},
                                          {"category", ENT_FEATURE_CATEGORY},
                                          {"boolean", ENT_FEATURE_BOOLEAN},
                                          {"date", DATE},
                                          {NULL, 0}};
static const struct ent_choice encodes[] = {
    {"standard", ENT_ENCODE_STANDARD}, {"log", ENT_ENCODE_LOG}, {"ple", ENT_ENCODE_PLE}, {NULL, 0}};
static const struct ent_choice scales[] = {
    {"log", ENT_SCALE_LOG}, {"linear", ENT_SCALE_LINEAR}, {NULL, 0}};
static const struct ent_choice outliers[] = {{"clip", ENT_OUTLIERS_CLIP},
                                             {"missing", ENT_OUTLIERS_MISSING},
                                             {"drop_row", ENT_OUTLIERS_DROP_ROW},
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
     .help =
         "number, category (one input a value and other), boolean (2 inputs), date (its parts)"},
    {.key = "range",
     .kind = ENT_FIELD_NODE,
     .offset = offsetof(struct entry, range),
     .help =
         "[LO, HI] of a number (of a date's age: in days): values outside are clipped to it and "
         "counted"},
    {.key = "indicator",
     .kind = ENT_FIELD_BOOL,
     .offset = offsetof(struct entry, indicator),
     .fallback = "false",
     .help = "true: a number gets one more input that says where it is missing"},
    {.key = "encode",
     .kind = ENT_FIELD_CHOICE,
     .offset = offsetof(struct entry, encode),
     .choices = encodes,
     .fallback = "standard",
     .help = "of a number: standard (mean 0, deviation 1), log (the same of its signed log), ple "
             "(piecewise linear between quantiles: 2 x bins inputs)"},
    {.key = "bins",
     .kind = ENT_FIELD_U32,
     .offset = offsetof(struct entry, bins),
     .lo = ENT_FEATURE_BINS_MIN,
     .hi = ENT_FEATURE_BINS_MAX,
     .fallback = "16",
     .help = "of ple: quantile bins"},
    {.key = "scale",
     .kind = ENT_FIELD_CHOICE,
     .offset = offsetof(struct entry, scale),
     .choices = scales,
     .fallback = "log",
     .help = "of ple: scale on which the 512 cells of the members' histograms are equally wide"},
    {.key = "heavy",
     .kind = ENT_FIELD_BOOL,
     .offset = offsetof(struct entry, heavy),
     .fallback = "true",
     .help = "of ple: where a cell holds more than a fifth of the rows, also quantiles of the "
             "others; false: bins inputs, not twice as many"},
    {.key = "outliers",
     .kind = ENT_FIELD_CHOICE,
     .offset = offsetof(struct entry, outliers),
     .choices = outliers,
     .fallback = "clip",
     .help =
         "what a number outside its range does: clip, count as missing, drop_row (score clips)"},
    {.key = "values",
     .kind = ENT_FIELD_NODE,
     .offset = offsetof(struct entry, values),
     .help = "list of a category's values; any other value, and none, is other"},
    {.key = "hashed",
     .kind = ENT_FIELD_NODE,
     .offset = offsetof(struct entry, hashed),
     .help = "instead of values: the salted hash of a value is its input, see below"},
    {.key = "vocabulary",
     .kind = ENT_FIELD_NODE,
     .offset = offsetof(struct entry, vocabulary),
     .help = "instead of values: hashes that enough customers and members have, see below"},
    {.key = "format",
     .kind = ENT_FIELD_STRING,
     .offset = offsetof(struct entry, format),
     .lo = 1,
     .hi = ENT_DATE_FORMAT_MAX,
     .fallback = "iso",
     .help = "of a date: iso, unix (seconds), or a pattern of YYYY MM DD hh mm ss"},
    {.key = "parts",
     .kind = ENT_FIELD_NODE,
     .offset = offsetof(struct entry, parts),
     .help = "of a date: list out of month, weekday, hour (one input a value and other), age (a "
             "number with all its options)"},
    {.key = "reference",
     .kind = ENT_FIELD_STRING,
     .offset = offsetof(struct entry, reference),
     .help = "of a date's age: the day it is counted to, as 2024-12-31"},
    {0}};

const struct ent_field ent_plan_hashed_fields[] = {
    {.key = "bits",
     .kind = ENT_FIELD_U32,
     .required = true,
     .offset = offsetof(struct ent_feature, bits),
     .lo = 1,
     .hi = ENT_FEATURE_HASH_BITS,
     .help = "2^bits buckets, each an input; needs the plan's salt"},
    {0}};

const struct ent_field ent_plan_vocabulary_fields[] = {
    {.key = "bits",
     .kind = ENT_FIELD_U32,
     .required = true,
     .offset = offsetof(struct ent_feature, bits),
     .lo = 1,
     .hi = ENT_FEATURE_VOCAB_BITS,
     .help = "2^bits buckets, of which every member counts its customers; needs the plan's salt"},
    {.key = "size",
     .kind = ENT_FIELD_U32,
     .offset = offsetof(struct ent_feature, size),
     .lo = 1,
     .hi = ENT_PLAN_MAX_VALUES,
     .fallback = "256",
     .help = "most buckets that become inputs: those with most customers"},
    {.key = "min_customers",
     .kind = ENT_FIELD_U32,
     .offset = offsetof(struct ent_feature, min_customers),
     .lo = 1,
     .hi = 1000000000,
     .fallback = "50",
     .help = "fewest customers of all members for a bucket to become an input"},
    {.key = "min_members",
     .kind = ENT_FIELD_U32,
     .offset = offsetof(struct ent_feature, min_members),
     .lo = 2,
     .hi = 2000,
     .fallback = "2",
     .help = "fewest members that have it"},
    {0}};

/* Keys that only make sense for some types; name and type stand everywhere. */
static const char *const number_keys[] = {"range", "indicator", "encode",   "bins",
                                          "scale", "heavy",     "outliers", NULL};
static const char *const category_keys[] = {"values", "hashed", "vocabulary", NULL};
static const char *const boolean_keys[] = {NULL};
static const char *const date_keys[] = {"format",    "parts",    "reference", "range",
                                        "indicator", "encode",   "bins",      "scale",
                                        "heavy",     "outliers", NULL};

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

static bool is_in(const char *key, const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        if (strcmp(key, *keys) == 0) {
            return true;
        }
    }
    return false;
}

static enum ent_err check_keys(const struct ent_node *node, const struct entry *entry)
{
    static const char *const *const allowed[] = {number_keys, category_keys, boolean_keys,
                                                 date_keys};

    for (const struct ent_node *e = node->first; e != NULL; e = e->next) {
        if (strcmp(e->key, "name") != 0 && strcmp(e->key, "type") != 0 &&
            !is_in(e->key, allowed[entry->type])) {
            return ent_node_error(e, "%s does not belong to a %s; '%.80s' is one", e->key,
                                  types[entry->type].name, entry->name);
        }
    }
    return ENT_E_OK;
}

static enum ent_err check_ple(const struct ent_node *node, const struct entry *entry)
{
    static const char *const keys[] = {"bins", "scale", "heavy"};

    for (size_t i = 0; entry->encode != ENT_ENCODE_PLE && i < ENT_ARRAY_LEN(keys); i++) {
        const struct ent_node *e = ent_node_get(node, keys[i]);

        if (e != NULL) {
            return ent_node_error(e, "%s belongs to encode: ple, and '%.80s' has another", keys[i],
                                  entry->name);
        }
    }
    return ENT_E_OK;
}

static enum ent_err read_number(const struct ent_node *at, const struct entry *entry,
                                struct ent_feature *out)
{
    out->type = ENT_FEATURE_NUMBER;
    if (entry->range == NULL) {
        return ent_node_error(at, "number '%.80s' has no range: [LO, HI], the values it may have",
                              entry->name);
    }
    if (entry->range->kind != ENT_NODE_LIST || entry->range->n != 2) {
        return ent_node_bad(entry->range, "range", "must be a list of two numbers, [LO, HI]");
    }
    ENT_TRY(read_bound(entry->range->first, &out->lo));
    ENT_TRY(read_bound(entry->range->first->next, &out->hi));
    if (!((float)out->lo < (float)out->hi)) {
        return ent_node_error(entry->range, "range of '%.80s': %g is not below %g", entry->name,
                              out->lo, out->hi);
    }
    out->indicator = entry->indicator;
    out->encode = (enum ent_encode)entry->encode;
    out->outliers = (enum ent_outliers)entry->outliers;
    if (out->encode == ENT_ENCODE_PLE) {
        out->bins = entry->bins;
        out->scale = (enum ent_scale)entry->scale;
        out->heavy = entry->heavy;
    }
    if (!(ent_place_of(out).span > 0.0)) {
        return ent_node_error(entry->range, "range of '%.80s': its ends have the same logarithm",
                              entry->name);
    }
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

static enum ent_err read_declared(const struct entry *entry, struct ent_arena *arena,
                                  struct ent_feature *out)
{
    static const struct ent_field field = {.key = "values",
                                           .kind = ENT_FIELD_STRINGS,
                                           .lo = 1,
                                           .hi = ENT_PLAN_MAX_VALUES,
                                           .help = "values"};
    struct ent_strings values;

    ENT_TRY(ent_config_take_value(entry->values, &field, arena, &values));
    ENT_TRY(check_values(entry->values, entry->name));
    out->values = values.items;
    out->n_values = values.n;
    return ENT_E_OK;
}

static enum ent_err read_category(const struct ent_node *at, const struct entry *entry,
                                  struct ent_plan_schema *schema, struct ent_feature *out)
{
    const struct ent_node *hash = entry->hashed != NULL ? entry->hashed : entry->vocabulary;
    int ways = (entry->values != NULL) + (entry->hashed != NULL) + (entry->vocabulary != NULL);

    out->type = ENT_FEATURE_CATEGORY;
    if (ways == 0) {
        return ent_node_error(at,
                              "category '%.80s' has no values: the list of its values (or hashed, "
                              "or vocabulary)",
                              entry->name);
    }
    if (ways > 1) {
        return ent_node_error(
            at, "category '%.80s' has more than one of values, hashed and vocabulary", entry->name);
    }
    if (hash == NULL) {
        return read_declared(entry, schema->arena, out);
    }
    if (schema->salt == NULL) {
        return ent_node_error(hash,
                              "'%.80s' is hashed, and the plan has no salt: any text that is long "
                              "and new, as salt: at the top",
                              entry->name);
    }
    out->salt = schema->salt;
    if (entry->hashed != NULL) {
        out->codes = ENT_CODES_HASHED;
        return ent_config_take(hash, "hashed", ent_plan_hashed_fields, schema->arena, out);
    }
    out->codes = ENT_CODES_VOCABULARY;
    ENT_TRY(ent_config_take(hash, "vocabulary", ent_plan_vocabulary_fields, schema->arena, out));
    if (out->size > UINT32_C(1) << out->bits) {
        if (ent_node_get(hash, "size") != NULL) {
            return ent_node_error(hash,
                                  "vocabulary of '%.80s': its size is more than its %u buckets",
                                  entry->name, UINT32_C(1) << out->bits);
        }
        out->size = UINT32_C(1) << out->bits;
    }
    return ENT_E_OK;
}

/* ---- dates ---- */

static enum ent_err read_age(const struct ent_node *at, const struct entry *entry,
                             struct ent_feature *out)
{
    if (entry->reference == NULL) {
        return ent_node_error(at,
                              "date '%.80s' has an age, and no reference: the day it is "
                              "counted to, as 2024-12-31",
                              entry->name);
    }
    if (!ent_date_parse("iso", entry->reference, strlen(entry->reference), &out->reference)) {
        return ent_node_bad(ent_node_get(at, "reference"), "reference",
                            "must be a day, as 2024-12-31");
    }
    return read_number(at, entry, out);
}

static enum ent_err read_part(const struct ent_node *at, const struct ent_node *part,
                              const struct entry *entry, struct ent_plan_schema *schema,
                              struct ent_feature *out)
{
    static const struct ent_choice parts[] = {{"month", ENT_DATE_MONTH},
                                              {"weekday", ENT_DATE_WEEKDAY},
                                              {"hour", ENT_DATE_HOUR},
                                              {"age", ENT_DATE_AGE},
                                              {NULL, 0}};
    static const struct ent_field field = {
        .key = "parts", .kind = ENT_FIELD_CHOICE, .choices = parts, .help = "a part"};
    char text[512];
    char *name;
    int which = 0;
    int n;

    ENT_TRY(ent_config_take_value(part, &field, schema->arena, &which));
    n = snprintf(text, sizeof text, "%s.%s", entry->name, ent_date_part_names[which]);
    ENT_BUG_ON(n < 0 || (size_t)n >= sizeof text); /* names have at most 256 bytes */
    ENT_TRY(ent_arena_strndup(schema->arena, text, (size_t)n, &name));
    *out = (struct ent_feature){.name = name,
                                .column = entry->name,
                                .part = (enum ent_date_part)which,
                                .format = entry->format};
    if (out->part == ENT_DATE_AGE) {
        return read_age(at, entry, out);
    }
    out->type = ENT_FEATURE_CATEGORY;
    out->values = ent_date_part_values(out->part, &out->n_values);
    return ENT_E_OK;
}

/* Number options say something of the age only. */
static enum ent_err check_date(const struct ent_node *at, const struct entry *entry)
{
    const char *why;
    bool has_age = false;

    if (!ent_date_format_ok(entry->format, &why)) {
        return ent_node_error(ent_node_get(at, "format"), "format of '%.80s' %s", entry->name, why);
    }
    if (entry->parts == NULL || entry->parts->kind != ENT_NODE_LIST || entry->parts->n == 0 ||
        entry->parts->n > MAX_DATE_PARTS) {
        return ent_node_error(
            at, "date '%.80s' needs parts: a list out of month, weekday, hour, age", entry->name);
    }
    for (const struct ent_node *e = entry->parts->first; e != NULL; e = e->next) {
        has_age = has_age || (e->kind == ENT_NODE_SCALAR && strcmp(e->text, "age") == 0);
    }
    for (const struct ent_node *e = at->first; e != NULL && !has_age; e = e->next) {
        if (is_in(e->key, number_keys) || strcmp(e->key, "reference") == 0) {
            return ent_node_error(e, "%s is of a date's age, and '%.80s' has no such part", e->key,
                                  entry->name);
        }
    }
    return ENT_E_OK;
}

static enum ent_err read_date(const struct ent_node *at, const struct entry *entry,
                              struct ent_plan_schema *schema)
{
    ENT_TRY(check_date(at, entry));
    for (const struct ent_node *e = entry->parts->first; e != NULL; e = e->next) {
        ENT_TRY(read_part(at, e, entry, schema, &schema->features[schema->n_features]));
        schema->n_features++;
    }
    return ENT_E_OK;
}

/* ---- all of them ---- */

static enum ent_err read_entry(const struct ent_node *node, struct ent_plan_schema *schema)
{
    struct ent_feature *out = &schema->features[schema->n_features];
    struct entry entry = {0};

    ENT_TRY(ent_config_take(node, "a feature", ent_plan_feature_fields, schema->arena, &entry));
    if (has_blank_ends(entry.name)) {
        return ent_node_error(node, "a feature's name has blanks at its ends");
    }
    ENT_TRY(check_keys(node, &entry));
    ENT_TRY(check_ple(node, &entry));
    if (entry.type == DATE) {
        return read_date(node, &entry, schema);
    }
    out->name = entry.name;
    out->column = entry.name;
    schema->n_features++;
    if (entry.type == ENT_FEATURE_NUMBER) {
        return read_number(node, &entry, out);
    }
    if (entry.type == ENT_FEATURE_CATEGORY) {
        return read_category(node, &entry, schema, out);
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

        n += parts != NULL && parts->n > 1 && parts->n <= MAX_DATE_PARTS ? parts->n : 1;
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
