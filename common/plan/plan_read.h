/* IN nodes of plan.yaml · OUT the lists of a plan · OWNS nothing · THREADS any · SOURCE protocol.md 5
 *
 * Inside this room only: what plan.c, features.c and layers.c share while a plan is read. */
#ifndef ENT_COMMON_PLAN_PLAN_READ_H
#define ENT_COMMON_PLAN_PLAN_READ_H

#include "common/config/config.h"
#include "common/plan/plan.h"

/* The plan in the making and the nodes that the option table leaves to this room. */
struct ent_plan_read {
    struct ent_plan plan;
    const struct ent_node *root;
    const struct ent_node *features;
    const struct ent_node *layers;
    const struct ent_node *test;
    const struct ent_node *batch;
    const struct ent_node *optimizer;
    const struct ent_node *schedule;
    const struct ent_node *class_weights;
    const struct ent_node *server;
    const struct ent_node *sequence;
    struct {
        const char *name;
        const char *positive;
        const struct ent_node *values;
        const struct ent_node *range;
        const char *next;
        const struct ent_node *later;
    } label;
    int loss; /* -1: the label's */
    const struct ent_node *weights;
    int duplicates; /* clean.duplicates */
    struct {
        const struct ent_node *node; /* NULL: the plan has none */
        int unit;
        double rate;
        uint32_t scale_bits; /* 0: not said */
        int evaluate;
        int statistics;
        uint32_t members_per_person; /* 0: not said */
        int persons;
    } privacy;
};

/* A list of features, wherever a plan has one: rows' columns, events' attributes. */
struct ent_plan_schema {
    struct ent_arena *arena;
    const char *salt; /* NULL: nothing may be hashed */
    struct ent_feature *features;
    uint32_t n_features;
    uint32_t n_inputs;
};
/* names, types, ranges, values; first_input and n_inputs. */
ENT_MUST enum ent_err ent_plan_read_schema(const struct ent_node *list,
                                           struct ent_plan_schema *schema);
/* The plan's `features`. */
ENT_MUST enum ent_err ent_plan_read_features(struct ent_plan_read *read);
/* `label` and `sequence`; embeddings in front of the layers. */
ENT_MUST enum ent_err ent_plan_read_sequence(struct ent_plan_read *read);
/* After the layers: a label of the whole sequence needs pooling; per_step. */
ENT_MUST enum ent_err ent_plan_check_pooling(struct ent_plan_read *read);
/* model.layers; n_params. */
ENT_MUST enum ent_err ent_plan_read_layers(struct ent_plan_read *read);
/* training.batch, training.optimizer, training.schedule, aggregation.optimizer (optimizers.c); split.test,
 * aggregation.weights. */
ENT_MUST enum ent_err ent_plan_read_training(struct ent_plan_read *read);
ENT_MUST enum ent_err ent_plan_read_optimizers(struct ent_plan_read *read);
ENT_MUST enum ent_err ent_plan_read_split(struct ent_plan_read *read);
ENT_MUST enum ent_err ent_plan_read_weights(struct ent_plan_read *read);
/* `privacy`, after all others: what it cannot be combined with (privacy.c). */
ENT_MUST enum ent_err ent_plan_read_privacy(struct ent_plan_read *read);
/* `purpose` (purpose.c). */
ENT_MUST enum ent_err ent_plan_read_purpose(struct ent_plan_read *read);

/* The tables of what stands inside list entries, for ent_plan_print_fields. */
extern const struct ent_field ent_plan_feature_fields[];
extern const struct ent_field ent_plan_hashed_fields[];
extern const struct ent_field ent_plan_vocabulary_fields[];
extern const struct ent_field ent_plan_sequence_fields[];
extern const struct ent_field ent_plan_later_fields[];
extern const struct ent_field ent_plan_privacy_fields[];
void ent_plan_print_optimizers(FILE *out);

bool ent_text_has_blank_ends(const char *text);
/* The text of a scalar, "" of anything else. */
const char *ent_node_text(const struct ent_node *node);
/* The place of a text that stands in a list (or among a map's keys) a second time, or NULL. `text` gives an entry's
 * text. Sorted, so that 60,000 entries cost no quadratic time. */
ENT_MUST enum ent_err ent_plan_find_repeat(const struct ent_node *list,
                                           const char *(*text)(const struct ent_node *),
                                           const struct ent_node **out);

#endif
