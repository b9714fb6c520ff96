/* IN - · OUT - · OWNS nothing · THREADS any · SOURCE -
 *
 * Inside this room only: one entry of a list of features, between its table (feature_fields.c), what each type makes
 * of it (feature_kinds.c) and the list (features.c). */
#ifndef ENT_COMMON_PLAN_FEATURE_ENTRY_H
#define ENT_COMMON_PLAN_FEATURE_ENTRY_H

#include "common/plan/plan_read.h"

#define ENT_PLAN_MAX_DATE_PARTS 4

/* One entry as the table reads it. */
struct ent_feature_entry {
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
    const struct ent_node *ids;
    uint32_t embed;
    uint32_t length; /* 0: not said */
    const char *format;
    const struct ent_node *parts;
    const char *reference;
};

/* A type of the plan only: it becomes several features. */
enum { ENT_FEATURE_ENTRY_DATE = ENT_FEATURE_TYPES };

extern const struct ent_choice ent_feature_entry_types[];
/* Whether the key is one of a number's options. */
bool ent_feature_entry_is_number_key(const char *key);
/* Each key belongs to the entry's type, and to its encoding. */
ENT_MUST enum ent_err ent_feature_entry_check(const struct ent_node *at,
                                              const struct ent_feature_entry *entry);

/* `at` is the entry's node. */
ENT_MUST enum ent_err ent_feature_read_number(const struct ent_node *at,
                                              const struct ent_feature_entry *entry,
                                              struct ent_feature *out);
ENT_MUST enum ent_err ent_feature_read_vector(const struct ent_node *at,
                                              const struct ent_feature_entry *entry,
                                              struct ent_feature *out);
ENT_MUST enum ent_err ent_feature_read_category(const struct ent_node *at,
                                                const struct ent_feature_entry *entry,
                                                struct ent_plan_schema *schema,
                                                struct ent_feature *out);
/* Adds a feature for each part to the schema. */
ENT_MUST enum ent_err ent_feature_read_date(const struct ent_node *at,
                                            const struct ent_feature_entry *entry,
                                            struct ent_plan_schema *schema);

#endif
