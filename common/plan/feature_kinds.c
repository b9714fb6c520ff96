/* What each type makes of an entry. */
#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/plural.h"
#include "common/config/scalar.h"
#include "common/feature/date.h"
#include "common/plan/feature_entry.h"

static enum ent_err read_bound(const struct ent_node *node, double *out)
{
    if (node->kind != ENT_NODE_SCALAR || !ent_scalar_double(node->text, strlen(node->text), out) ||
        fabs(*out) > 1e30) {
        return ent_node_bad(node, "range", "each end must be a number between -1e30 and 1e30");
    }
    return ENT_E_OK;
}

static enum ent_err read_range(const struct ent_node *at, const struct ent_feature_entry *entry,
                               struct ent_feature *out)
{
    if (entry->range == NULL) {
        return ent_node_error(at, "%s '%.80s' has no range: [LO, HI], the values it may have",
                              entry->type == ENT_FEATURE_VECTOR ? "vector" : "number", entry->name);
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
    return ENT_E_OK;
}

enum ent_err ent_feature_read_vector(const struct ent_node *at,
                                     const struct ent_feature_entry *entry, struct ent_feature *out)
{
    out->type = ENT_FEATURE_VECTOR;
    out->length = entry->length;
    if (entry->length == 0) {
        return ent_node_error(at, "vector '%.80s' has no length: how many numbers it is",
                              entry->name);
    }
    return read_range(at, entry, out);
}

enum ent_err ent_feature_read_number(const struct ent_node *at,
                                     const struct ent_feature_entry *entry, struct ent_feature *out)
{
    out->type = ENT_FEATURE_NUMBER;
    ENT_TRY(read_range(at, entry, out));
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
        if (e->kind == ENT_NODE_SCALAR &&
            (e->text[0] == '\0' || ent_text_has_blank_ends(e->text))) {
            return ent_node_error(
                e,
                "a value of '%.80s' is blank or has blanks at its ends: members' values come "
                "without them",
                name);
        }
    }
    ENT_TRY(ent_plan_find_repeat(values, ent_node_text, &twice));
    if (twice != NULL) {
        return ent_node_error(twice, "value '%.60s' of '%.80s' stands here a second time",
                              twice->text, name);
    }
    return ENT_E_OK;
}

static enum ent_err read_declared(const struct ent_feature_entry *entry, struct ent_arena *arena,
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

/* Whole numbers first .. last as declared values. */
static enum ent_err read_ids(const struct ent_feature_entry *entry, struct ent_arena *arena,
                             struct ent_feature *out)
{
    static const struct ent_field field = {
        .key = "ids", .kind = ENT_FIELD_U32, .lo = 0, .hi = 1000000000, .help = "an end"};
    const struct ent_node *ids = entry->ids;
    const char **values;
    uint32_t first;
    uint32_t last;

    if (ids->kind != ENT_NODE_LIST || ids->n != 2) {
        return ent_node_bad(ids, "ids", "must be a list of two whole numbers, [FIRST, LAST]");
    }
    ENT_TRY(ent_config_take_value(ids->first, &field, NULL, &first));
    ENT_TRY(ent_config_take_value(ids->first->next, &field, NULL, &last));
    if (last < first || last - first >= ENT_PLAN_MAX_VALUES) {
        return ent_node_error(ids, "ids of '%.80s' must be 1 to %d numbers", entry->name,
                              ENT_PLAN_MAX_VALUES);
    }
    out->n_values = last - first + 1;
    ENT_TRY(ent_arena_alloc(arena, out->n_values, sizeof *values, &values));
    for (uint32_t i = 0; i < out->n_values; i++) {
        char text[16];
        char *kept;
        int n = snprintf(text, sizeof text, "%u", (unsigned)(first + i));

        ENT_TRY(ent_arena_strndup(arena, text, (size_t)n, &kept));
        values[i] = kept;
    }
    out->values = values;
    return ENT_E_OK;
}

enum ent_err ent_feature_read_category(const struct ent_node *at,
                                       const struct ent_feature_entry *entry,
                                       struct ent_plan_schema *schema, struct ent_feature *out)
{
    const struct ent_node *hash = entry->hashed != NULL ? entry->hashed : entry->vocabulary;
    int ways = (entry->values != NULL) + (entry->hashed != NULL) + (entry->vocabulary != NULL) +
               (entry->ids != NULL);

    out->type = ENT_FEATURE_CATEGORY;
    out->embed = entry->embed;
    if (ways == 0) {
        return ent_node_error(at,
                              "category '%.80s' has no values: the list of its values (or hashed, "
                              "or vocabulary)",
                              entry->name);
    }
    if (ways > 1) {
        return ent_node_error(
            at, "category '%.80s' has more than one of values, ids, hashed and vocabulary",
            entry->name);
    }
    if (entry->ids != NULL) {
        return read_ids(entry, schema->arena, out);
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

static enum ent_err read_age(const struct ent_node *at, const struct ent_feature_entry *entry,
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
    return ent_feature_read_number(at, entry, out);
}

static enum ent_err read_part(const struct ent_node *at, const struct ent_node *part,
                              const struct ent_feature_entry *entry, struct ent_plan_schema *schema,
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
static enum ent_err check_date(const struct ent_node *at, const struct ent_feature_entry *entry)
{
    const char *why;
    bool has_age = false;

    if (!ent_date_format_ok(entry->format, &why)) {
        return ent_node_error(ent_node_get(at, "format"), "format of '%.80s' %s", entry->name, why);
    }
    if (entry->parts == NULL || entry->parts->kind != ENT_NODE_LIST || entry->parts->n == 0 ||
        entry->parts->n > ENT_PLAN_MAX_DATE_PARTS) {
        return ent_node_error(
            at, "date '%.80s' needs parts: a list out of month, weekday, hour, age", entry->name);
    }
    for (const struct ent_node *e = entry->parts->first; e != NULL; e = e->next) {
        has_age = has_age || (e->kind == ENT_NODE_SCALAR && strcmp(e->text, "age") == 0);
    }
    for (const struct ent_node *e = at->first; e != NULL && !has_age; e = e->next) {
        if (ent_feature_entry_is_number_key(e->key) || strcmp(e->key, "reference") == 0) {
            return ent_node_error(e, "%s is of a date's age, and '%.80s' has no such part", e->key,
                                  entry->name);
        }
    }
    return ENT_E_OK;
}

enum ent_err ent_feature_read_date(const struct ent_node *at, const struct ent_feature_entry *entry,
                                   struct ent_plan_schema *schema)
{
    ENT_TRY(check_date(at, entry));
    for (const struct ent_node *e = entry->parts->first; e != NULL; e = e->next) {
        ENT_TRY(read_part(at, e, entry, schema, &schema->features[schema->n_features]));
        schema->n_features++;
    }
    return ENT_E_OK;
}
