#include "common/plan/plan.h"

#include <stdlib.h>
#include <string.h>

#include "common/aggregate/aggregate.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/sha256.h"
#include "common/plan/plan_read.h"

#define ARENA_MAX_BYTES ((size_t)32 << 20)

#define AT(member_) offsetof(struct ent_plan_read, member_)

static const struct ent_choice losses[] = {
    {"bce", ENT_MODEL_BCE}, {"softmax", ENT_MODEL_SOFTMAX}, {"mse", ENT_MODEL_MSE}, {NULL, 0}};

static const struct ent_field label_fields[] = {
    {.key = "name",
     .kind = ENT_FIELD_STRING,
     .offset = AT(label.name),
     .help = "the label's column; a missing value drops the row"},
    {.key = "positive",
     .kind = ENT_FIELD_STRING,
     .offset = AT(label.positive),
     .help = "the value that counts as 1; any other counts as 0"},
    {.key = "values",
     .kind = ENT_FIELD_NODE,
     .offset = AT(label.values),
     .takes = "a list of texts",
     .help = "instead of positive: list of classes; a row with another value is a bad one"},
    {.key = "range",
     .kind = ENT_FIELD_NODE,
     .offset = AT(label.range),
     .takes = "a list of two numbers",
     .help = "instead of positive: [LO, HI] of a number; values outside are clipped and counted"},
    {.key = "next",
     .kind = ENT_FIELD_STRING,
     .offset = AT(label.next),
     .help = "of sequences: the category whose value at the next event is predicted"},
    {.key = "later",
     .kind = ENT_FIELD_NODE,
     .offset = AT(label.later),
     .takes = "a map",
     .help = "of sequences: whether there is an event in a window after those seen, see below"},
    {0}};

static const struct ent_field split_fields[] = {
    {.key = "key",
     .kind = ENT_FIELD_U64,
     .offset = AT(plan.split_key),
     .fallback = "1",
     .help = "another key, another division of the customers"},
    {.key = "validation",
     .kind = ENT_FIELD_DOUBLE,
     .offset = AT(plan.split_validation),
     .hi = 0.5,
     .fallback = "0.1",
     .help = "fraction that chooses the best round"},
    {.key = "test",
     .kind = ENT_FIELD_NODE,
     .offset = AT(test),
     .takes = "a number in [0, 0.9], or file",
     .help = "fraction in [0, 0.9] that only the last evaluation sees, default 0.2; or file: each "
             "member's split_file"},
    {0}};

static const struct ent_field model_fields[] = {
    {.key = "layers",
     .kind = ENT_FIELD_NODE,
     .required = true,
     .offset = AT(layers),
     .takes = "a list",
     .help =
         "list of: dense: UNITS, relu, tanh, sigmoid, dropout: RATE, rnn: UNITS, gru: UNITS, lstm: "
         "UNITS, last, max_pool, mean_pool; the last is dense (dense: 1 for bce)"},
    {.key = "ensemble",
     .kind = ENT_FIELD_U32,
     .offset = AT(plan.ensemble),
     .lo = 1,
     .hi = ENT_MODEL_ENSEMBLE_MAX,
     .fallback = "1",
     .help = "sub-networks that share the dense layers' matrices and whose mean is the prediction"},
    {.key = "loss",
     .kind = ENT_FIELD_CHOICE,
     .offset = AT(loss),
     .choices = losses,
     .help = "what training makes small; the label says which: bce for a positive value (and for "
             "later), softmax for classes (and for next), mse for a number"},
    {.key = "class_weights",
     .kind = ENT_FIELD_NODE,
     .offset = AT(class_weights),
     .takes = "a list of numbers",
     .help =
         "list of factors of each class's loss, in [0, 1e6]; bce: [others, positive]; default 1"},
    {.key = "truncate",
     .kind = ENT_FIELD_U32,
     .offset = AT(plan.truncate),
     .hi = ENT_MODEL_SEQ_MAX,
     .fallback = "0",
     .help = "recurrent layers: back-propagation stops after every so many steps; 0 = never"},
    {0}};

static const struct ent_choice best_by[] = {
    {"log_loss", ENT_BEST_BY_LOG_LOSS}, {"auc", ENT_BEST_BY_AUC}, {NULL, 0}};

static const struct ent_field training_fields[] = {
    {.key = "rounds",
     .kind = ENT_FIELD_U32,
     .offset = AT(plan.rounds),
     .lo = 0,
     .hi = 100000,
     .fallback = "40",
     .help = "rounds of training; 0 = statistics and evaluation only"},
    {.key = "epochs",
     .kind = ENT_FIELD_U32,
     .offset = AT(plan.epochs),
     .lo = 0,
     .hi = 1000,
     .fallback = "1",
     .help =
         "passes over a member's rows in each round; 0 = none, which measures the round itself"},
    {.key = "batch",
     .kind = ENT_FIELD_NODE,
     .offset = AT(batch),
     .takes = "a whole number, or full",
     .help = "rows of one step, from 1 to 1000000, default 32; or full"},
    {.key = "optimizer",
     .kind = ENT_FIELD_NODE,
     .offset = AT(optimizer),
     .takes = "a name, or a map of one",
     .help = "one of the optimizers below with its options, default sgd"},
    {.key = "schedule",
     .kind = ENT_FIELD_NODE,
     .offset = AT(schedule),
     .takes = "a name, or a map of one",
     .help =
         "of the rate over the rounds: constant (default), cosine (to 0), or step: {every: ROUNDS, "
         "factor: F}"},
    {.key = "clip",
     .kind = ENT_FIELD_DOUBLE,
     .offset = AT(plan.clip_norm),
     .hi = 1e9,
     .fallback = "0",
     .help = "largest norm of a step's gradient; 0 = any"},
    {.key = "proximal",
     .kind = ENT_FIELD_DOUBLE,
     .offset = AT(plan.proximal),
     .hi = 1000,
     .fallback = "0",
     .help = "FedProx: how strongly a member is held to the round's model; 0 = not"},
    {.key = "patience",
     .kind = ENT_FIELD_U32,
     .offset = AT(plan.patience),
     .hi = 100000,
     .fallback = "0",
     .help = "training ends after so many rounds in a row without a better model; 0 = never"},
    {.key = "best_by",
     .kind = ENT_FIELD_CHOICE,
     .offset = AT(plan.best_by),
     .choices = best_by,
     .fallback = "log_loss",
     .help = "figure of the pooled validation rows that chooses the best round"},
    {.key = "seed",
     .kind = ENT_FIELD_U64,
     .offset = AT(plan.seed),
     .fallback = "1",
     .help = "of the first weights, shuffles and dropout"},
    {0}};

static const struct ent_field aggregation_fields[] = {
    {.key = "rule",
     .kind = ENT_FIELD_STRING,
     .offset = AT(plan.rule),
     .fallback = "fedavg",
     .help = "how updates become one"},
    {.key = "optimizer",
     .kind = ENT_FIELD_NODE,
     .offset = AT(server),
     .takes = "a name, or a map of one",
     .help = "one of the server optimizers below with its options, default sgd: plain averaging"},
    {.key = "weights",
     .kind = ENT_FIELD_NODE,
     .offset = AT(weights),
     .takes = "a name, or a map of one",
     .help = "equal (default), examples_log2, or fixed: {MEMBER: WEIGHT, ...}"},
    {.key = "scale_bits",
     .kind = ENT_FIELD_U32,
     .offset = AT(plan.scale_bits),
     .lo = 4,
     .hi = 30,
     .fallback = "20",
     .help = "an update is rounded to multiples of 2^-scale_bits"},
    {.key = "min_members",
     .kind = ENT_FIELD_U32,
     .offset = AT(plan.min_members),
     .lo = 2,
     .hi = ENT_PLAN_MAX_MEMBERS,
     .fallback = "3",
     .help = "fewest updates for a round to count"},
    {.key = "join",
     .kind = ENT_FIELD_DURATION,
     .offset = AT(plan.join_ms),
     .lo = 100,
     .hi = 604800000,
     .fallback = "30s",
     .help = "how long a round waits for members to join"},
    {.key = "update",
     .kind = ENT_FIELD_DURATION,
     .offset = AT(plan.update_ms),
     .lo = 100,
     .hi = 604800000,
     .fallback = "10min",
     .help = "how long a round waits for their updates"},
    {.key = "attempts",
     .kind = ENT_FIELD_U32,
     .offset = AT(plan.attempts),
     .lo = 1,
     .hi = 1000,
     .fallback = "3",
     .help = "attempts at a round before its failures are reported as lasting; it is tried again "
             "all the same, after pauses that grow"},
    {0}};

static const struct ent_choice duplicates[] = {{"keep", false}, {"drop", true}, {NULL, 0}};

static const struct ent_field clean_fields[] = {
    {.key = "duplicates",
     .kind = ENT_FIELD_CHOICE,
     .offset = AT(duplicates),
     .choices = duplicates,
     .fallback = "keep",
     .help = "drop: a row that equals an earlier one in unit, features and label is not used"},
    {0}};

static const struct ent_field plan_fields[] = {
    {.key = "features",
     .kind = ENT_FIELD_NODE,
     .required = true,
     .offset = AT(features),
     .takes = "a list",
     .help = "list of input columns, see below"},
    {.key = "salt",
     .kind = ENT_FIELD_STRING,
     .offset = AT(plan.salt),
     .lo = 1,
     .hi = ENT_FEATURE_SALT_MAX,
     .help = "of hashed values: long and new, so that "
             "hashes of other plans say nothing here"},
    {.key = "clean",
     .kind = ENT_FIELD_MAP,
     .fields = clean_fields,
     .help = "what a member does before it uses rows"},
    {.key = "sequence",
     .kind = ENT_FIELD_NODE,
     .offset = AT(sequence),
     .takes = "a map",
     .help = "rows are events and become sequences, see "
             "below; features are of each event"},
    {.key = "label",
     .kind = ENT_FIELD_MAP,
     .required = true,
     .fields = label_fields,
     .help = "what the model predicts"},
    {.key = "split",
     .kind = ENT_FIELD_MAP,
     .fields = split_fields,
     .help = "training, validation and test rows"},
    {.key = "model",
     .kind = ENT_FIELD_MAP,
     .required = true,
     .fields = model_fields,
     .help = "the network"},
    {.key = "training",
     .kind = ENT_FIELD_MAP,
     .fields = training_fields,
     .help = "what a member does in a round"},
    {.key = "aggregation",
     .kind = ENT_FIELD_MAP,
     .fields = aggregation_fields,
     .help = "what the coordinator does in a round"},
    {.key = "min_group",
     .kind = ENT_FIELD_U32,
     .offset = AT(plan.min_group),
     .lo = 1,
     .hi = 1000000,
     .fallback = "50",
     .help = "nothing is counted or shown of fewer "
             "customers; a member's policy may ask for more"},
    {.key = "privacy",
     .kind = ENT_FIELD_NODE,
     .offset = AT(privacy.node),
     .takes = "a map",
     .help = "differential privacy: the goal, from which "
             "the noise is derived, see below"},
    {.key = "purpose",
     .kind = ENT_FIELD_STRING,
     .offset = AT(plan.purpose),
     .help = "what the model is for: a code of a-z, 0-9, _ "
             "and -; a member's policy may list those "
             "that it takes part in"},
    {0}};

void ent_plan_print_fields(FILE *out)
{
    (void)fprintf(out, "plan.yaml\n");
    ent_config_print_fields(plan_fields, "", out);
    (void)fprintf(out, "an entry of features\n");
    ent_config_print_fields(ent_plan_feature_fields, "", out);
    (void)fprintf(out, "sequence\n");
    ent_config_print_fields(ent_plan_sequence_fields, "", out);
    (void)fprintf(out, "label.later\n");
    ent_config_print_fields(ent_plan_later_fields, "", out);
    (void)fprintf(out, "hashed\n");
    ent_config_print_fields(ent_plan_hashed_fields, "", out);
    (void)fprintf(out, "vocabulary\n");
    ent_config_print_fields(ent_plan_vocabulary_fields, "", out);
    (void)fprintf(out, "privacy\n");
    ent_config_print_fields(ent_plan_privacy_fields, "", out);
    ent_plan_print_optimizers(out);
}

/* The node that a message about a pair of options points at. */
static const struct ent_node *place(const struct ent_plan_read *read, const char *map,
                                    const char *key)
{
    const struct ent_node *at = ent_node_get(read->root, map);
    const struct ent_node *inner = ent_node_get(at, key);

    if (inner != NULL) {
        return inner;
    }
    return at != NULL ? at : read->root;
}

static enum ent_err check_rule(const struct ent_plan_read *read)
{
    const struct ent_plan *plan = &read->plan;
    const struct ent_node *at = place(read, "aggregation", "rule");
    const struct ent_agg_rule *rule = ent_agg_rule_find(plan->rule);
    const char *names[32];
    size_t n = 0;

    if (rule == NULL) {
        for (const struct ent_agg_rule *r = ent_agg_rule_at(0);
             r != NULL && n < ENT_ARRAY_LEN(names); r = ent_agg_rule_at(n)) {
            names[n++] = r->name;
        }
        return ent_config_unknown(at, "rule", plan->rule, names, n);
    }
    if ((rule->flags & ENT_AGG_NEEDS_EQUAL_WEIGHTS) != 0 && plan->weights != ENT_WEIGHTS_EQUAL) {
        return ent_node_error(at, "rule %s takes equal weights only: set weights to equal",
                              rule->name);
    }
    return ENT_E_OK;
}

/* What is legal by itself and makes no sense together. */
static enum ent_err check_pairs(const struct ent_plan_read *read)
{
    const struct ent_plan *plan = &read->plan;

    for (uint32_t i = 0; plan->sequence.unit == NULL && i < plan->n_features; i++) {
        if (strcmp(plan->features[i].column, plan->label_name) == 0) {
            return ent_node_error(
                place(read, "label", "name"),
                "'%.80s' is the label and a feature: the model would be told the answer",
                plan->label_name);
        }
    }
    if (plan->split_validation + plan->split_test >= 1.0) {
        return ent_node_error(place(read, "split", "validation"),
                              "validation and test together are %g: no rows are left for training",
                              plan->split_validation + plan->split_test);
    }
    if (plan->optimizer.keep_state && plan->optimizer.optim->n_state(&plan->optimizer.hyper) == 0) {
        return ent_node_error(place(read, "training", "optimizer"),
                              "keep_state keeps the momentum between rounds, but momentum is 0");
    }
    if (plan->patience > 0 && plan->split_validation <= 0.0) {
        return ent_node_error(place(read, "training", "patience"),
                              "patience looks at validation rows, but validation is 0");
    }
    if (plan->best_by == ENT_BEST_BY_AUC && plan->loss != ENT_MODEL_BCE) {
        return ent_node_error(place(read, "training", "best_by"),
                              "best_by: auc works with loss bce only; this plan's is %s",
                              ent_model_loss_name(plan->loss));
    }
    if (plan->weights == ENT_WEIGHTS_FIXED && plan->n_fixed_weights < plan->min_members) {
        return ent_node_error(place(read, "aggregation", "weights"),
                              "fixed weights name %u members, but min_members is %u",
                              plan->n_fixed_weights, plan->min_members);
    }
    return check_rule(read);
}

static enum ent_err read_plan(const struct ent_config *config, struct ent_plan_read *read)
{
    read->root = ent_config_root(config);
    ENT_TRY(ent_config_take(read->root, "the plan", plan_fields, &read->plan.arena, read));
    read->plan.drop_duplicates = read->duplicates != 0;
    ENT_TRY(ent_plan_read_features(read));
    ENT_TRY(ent_plan_read_sequence(read));
    ENT_TRY(ent_plan_read_layers(read));
    ENT_TRY(ent_plan_read_training(read));
    ENT_TRY(ent_plan_read_split(read));
    ENT_TRY(ent_plan_read_weights(read));
    ENT_TRY(ent_plan_read_privacy(read));
    ENT_TRY(ent_plan_read_purpose(read));
    return check_pairs(read);
}

enum ent_err ent_plan_parse(const char *name, const uint8_t *yaml, size_t len,
                            struct ent_plan **out)
{
    struct ent_plan_read read = {.loss = -1};
    struct ent_config *config = NULL;
    struct ent_plan *plan = NULL;
    enum ent_err err;

    ENT_REQUIRE(len <= ENT_PLAN_MAX_BYTES, ENT_E_CONFIG,
                "%s: a plan of %zu bytes is too large (at most %u)", name, len, ENT_PLAN_MAX_BYTES);
    ent_arena_init(&read.plan.arena, ARENA_MAX_BYTES);
    err = ent_config_parse(name, yaml, len, &config);
    if (err == ENT_E_OK) {
        err = read_plan(config, &read);
    }
    if (err == ENT_E_OK) {
        err = ent_sha256(yaml, len, read.plan.digest);
    }
    if (err == ENT_E_OK) {
        err = ent_calloc(1, sizeof *plan, &plan);
    }
    ent_config_free(config);
    if (err != ENT_E_OK) {
        ent_arena_release(&read.plan.arena);
        return err;
    }
    *plan = read.plan;
    *out = plan;
    return ENT_E_OK;
}

enum ent_err ent_plan_read(const char *path, struct ent_plan **out)
{
    const char *slash = strrchr(path, '/');
    struct ent_buf bytes;
    enum ent_err err;

    ent_buf_init(&bytes, ENT_PLAN_MAX_BYTES);
    err = ent_file_read(path, &bytes);
    if (err == ENT_E_OK) {
        err = ent_plan_parse(slash != NULL ? slash + 1 : path, bytes.data, bytes.len, out);
    }
    ent_buf_release(&bytes);
    return err;
}

void ent_plan_free(struct ent_plan *plan)
{
    if (plan != NULL) {
        ent_arena_release(&plan->arena);
        free(plan);
    }
}

uint32_t ent_plan_train_round(const struct ent_plan *plan, uint64_t round)
{
    uint64_t each = ent_plan_validates(plan) ? 2 : 1;
    uint64_t first = ent_plan_no_stats(plan) ? 1 : 2;
    uint64_t train = round < first ? 0 : (round - first) / each + 1;

    return train < plan->rounds ? (uint32_t)train : plan->rounds;
}

struct ent_task_sizes ent_plan_task_sizes(const struct ent_plan *plan)
{
    return (struct ent_task_sizes){.features = plan->features,
                                   .n_features = plan->n_features,
                                   .n_params = plan->n_params,
                                   .outputs =
                                       plan->label_kind == ENT_LABEL_CLASSES  ? ENT_OUTPUTS_CLASSES
                                       : plan->label_kind == ENT_LABEL_NUMBER ? ENT_OUTPUTS_NUMBER
                                                                              : ENT_OUTPUTS_BINARY,
                                   .n_classes = plan->n_classes,
                                   .min_group = plan->min_group};
}

uint32_t ent_plan_fixed_weight(const struct ent_plan *plan, const char *member)
{
    for (uint32_t i = 0; i < plan->n_fixed_weights; i++) {
        if (strcmp(plan->fixed_weights[i].member, member) == 0) {
            return plan->fixed_weights[i].weight;
        }
    }
    return 0;
}
