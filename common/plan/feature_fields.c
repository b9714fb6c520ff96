/* The option tables of a feature, and which option belongs to what. */
#include <string.h>

#include "common/base/mem.h"
#include "common/feature/date.h"
#include "common/plan/feature_entry.h"

const struct ent_choice ent_feature_entry_types[] = {
    {"number", ENT_FEATURE_NUMBER},   {"category", ENT_FEATURE_CATEGORY},
    {"boolean", ENT_FEATURE_BOOLEAN}, {"vector", ENT_FEATURE_VECTOR},
    {"date", ENT_FEATURE_ENTRY_DATE}, {NULL, 0}};
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
     .offset = offsetof(struct ent_feature_entry, name),
     .help = "the plan's name of the column; members map their own names to it"},
    {.key = "type",
     .kind = ENT_FIELD_CHOICE,
     .required = true,
     .offset = offsetof(struct ent_feature_entry, type),
     .choices = ent_feature_entry_types,
     .help =
         "number, category (one input a value and other), boolean (2 inputs), date (its parts), "
         "vector (its numbers)"},
    {.key = "range",
     .kind = ENT_FIELD_NODE,
     .offset = offsetof(struct ent_feature_entry, range),
     .takes = "a list of two numbers",
     .help = "[LO, HI] of a number or vector (of a date's age: in days): values outside are "
             "clipped to it and "
             "counted"},
    {.key = "indicator",
     .kind = ENT_FIELD_BOOL,
     .offset = offsetof(struct ent_feature_entry, indicator),
     .fallback = "false",
     .help = "true: a number gets one more input that says where it is missing"},
    {.key = "encode",
     .kind = ENT_FIELD_CHOICE,
     .offset = offsetof(struct ent_feature_entry, encode),
     .choices = encodes,
     .fallback = "standard",
     .help = "of a number: standard (mean 0, deviation 1), log (the same of its signed log), ple "
             "(piecewise linear between quantiles: 2 x bins inputs)"},
    {.key = "bins",
     .kind = ENT_FIELD_U32,
     .offset = offsetof(struct ent_feature_entry, bins),
     .lo = ENT_FEATURE_BINS_MIN,
     .hi = ENT_FEATURE_BINS_MAX,
     .fallback = "16",
     .help = "of ple: quantile bins"},
    {.key = "scale",
     .kind = ENT_FIELD_CHOICE,
     .offset = offsetof(struct ent_feature_entry, scale),
     .choices = scales,
     .fallback = "log",
     .help = "of ple: scale on which the 512 cells of the members' histograms are equally wide"},
    {.key = "heavy",
     .kind = ENT_FIELD_BOOL,
     .offset = offsetof(struct ent_feature_entry, heavy),
     .fallback = "true",
     .help = "of ple: where a cell holds more than a fifth of the rows, also quantiles of the "
             "others; false: bins inputs, not twice as many"},
    {.key = "outliers",
     .kind = ENT_FIELD_CHOICE,
     .offset = offsetof(struct ent_feature_entry, outliers),
     .choices = outliers,
     .fallback = "clip",
     .help =
         "what a number outside its range does: clip, count as missing, drop_row (score clips)"},
    {.key = "values",
     .kind = ENT_FIELD_NODE,
     .offset = offsetof(struct ent_feature_entry, values),
     .takes = "a list of texts",
     .help = "list of a category's values; any other value, and none, is other"},
    {.key = "ids",
     .kind = ENT_FIELD_NODE,
     .offset = offsetof(struct ent_feature_entry, ids),
     .takes = "a list of two numbers",
     .help = "instead of values: [FIRST, LAST], whole numbers that are a category's values"},
    {.key = "embed",
     .kind = ENT_FIELD_U32,
     .offset = offsetof(struct ent_feature_entry, embed),
     .hi = ENT_PLAN_MAX_EMBED,
     .fallback = "0",
     .help =
         "of a category: length of the vector that the model learns for each value, in place of "
         "one input a value; 0 = none"},
    {.key = "hashed",
     .kind = ENT_FIELD_NODE,
     .offset = offsetof(struct ent_feature_entry, hashed),
     .takes = "a map",
     .help = "instead of values: the salted hash of a value is its input, see below"},
    {.key = "vocabulary",
     .kind = ENT_FIELD_NODE,
     .offset = offsetof(struct ent_feature_entry, vocabulary),
     .takes = "a map",
     .help = "instead of values: hashes that enough customers and members have, see below"},
    {.key = "length",
     .kind = ENT_FIELD_U32,
     .offset = offsetof(struct ent_feature_entry, length),
     .lo = 1,
     .hi = ENT_FEATURE_VECTOR_MAX,
     .help = "of a vector: its numbers, each an input (x - LO) / (HI - LO); in one column: \"[0.5, "
             "1]\", or the bytes of a picture"},
    {.key = "format",
     .kind = ENT_FIELD_STRING,
     .offset = offsetof(struct ent_feature_entry, format),
     .lo = 1,
     .hi = ENT_DATE_FORMAT_MAX,
     .fallback = "iso",
     .help = "of a date: iso, unix (seconds), or a pattern of YYYY MM DD hh mm ss"},
    {.key = "parts",
     .kind = ENT_FIELD_NODE,
     .offset = offsetof(struct ent_feature_entry, parts),
     .takes = "a list",
     .help = "of a date: list out of month, weekday, hour (one input a value and other), age (a "
             "number with all its options)"},
    {.key = "reference",
     .kind = ENT_FIELD_STRING,
     .offset = offsetof(struct ent_feature_entry, reference),
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
     .hi = ENT_PLAN_MAX_MEMBERS,
     .fallback = "2",
     .help = "fewest members that have it"},
    {0}};

/* Keys that only make sense for some types; name and type stand everywhere. */
static const char *const number_keys[] = {"range", "indicator", "encode",   "bins",
                                          "scale", "heavy",     "outliers", NULL};
static const char *const category_keys[] = {"values", "ids", "hashed", "vocabulary", "embed", NULL};
static const char *const boolean_keys[] = {NULL};
static const char *const vector_keys[] = {"range", "length", NULL};
static const char *const date_keys[] = {"format",    "parts",    "reference", "range",
                                        "indicator", "encode",   "bins",      "scale",
                                        "heavy",     "outliers", NULL};

static bool is_in(const char *key, const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        if (strcmp(key, *keys) == 0) {
            return true;
        }
    }
    return false;
}

bool ent_feature_entry_is_number_key(const char *key)
{
    return is_in(key, number_keys);
}

static enum ent_err check_keys(const struct ent_node *node, const struct ent_feature_entry *entry)
{
    static const char *const *const allowed[] = {number_keys, category_keys, boolean_keys,
                                                 vector_keys, date_keys};

    for (const struct ent_node *e = node->first; e != NULL; e = e->next) {
        if (strcmp(e->key, "name") != 0 && strcmp(e->key, "type") != 0 &&
            !is_in(e->key, allowed[entry->type])) {
            return ent_node_error(e, "%s does not belong to a %s; '%.80s' is one", e->key,
                                  ent_feature_entry_types[entry->type].name, entry->name);
        }
    }
    return ENT_E_OK;
}

static enum ent_err check_ple(const struct ent_node *node, const struct ent_feature_entry *entry)
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

enum ent_err ent_feature_entry_check(const struct ent_node *at,
                                     const struct ent_feature_entry *entry)
{
    ENT_TRY(check_keys(at, entry));
    return check_ple(at, entry);
}
