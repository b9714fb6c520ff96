/* The network, the split and the weights of plan.yaml. */
#include <string.h>

#include "common/base/mem.h"
#include "common/config/scalar.h"
#include "common/plan/plan_read.h"

#define WEIGHT_MAX (1U << 30) /* ENT_WEIGHT_MAX of the grid */

/* What may stand in model.layers, and what its value is. */
static const struct {
    const char *name;
    enum ent_model_layer_kind kind;
    enum { NOTHING, UNITS, RATE } value;
} list[] = {
    {"dense", ENT_MODEL_DENSE, UNITS},
    {"relu", ENT_MODEL_RELU, NOTHING},
    {"dropout", ENT_MODEL_DROPOUT, RATE},
    {"tanh", ENT_MODEL_TANH, NOTHING},
    {"sigmoid", ENT_MODEL_SIGMOID, NOTHING},
    {"rnn", ENT_MODEL_RNN, UNITS},
    {"gru", ENT_MODEL_GRU, UNITS},
    {"lstm", ENT_MODEL_LSTM, UNITS},
    {"last", ENT_MODEL_LAST, NOTHING},
    {"max_pool", ENT_MODEL_MAX_POOL, NOTHING},
    {"mean_pool", ENT_MODEL_MEAN_POOL, NOTHING},
};

static const struct ent_field units_field = {
    .key = "units", .kind = ENT_FIELD_U32, .lo = 1, .hi = 65536, .help = "units"};
static const struct ent_field rate_field = {.key = "dropout",
                                            .kind = ENT_FIELD_DOUBLE,
                                            .lo = 0,
                                            .hi = 1,
                                            .bounds = ENT_BOUNDS_OPEN_HI,
                                            .help = "rate"};

static enum ent_err read_layer_value(const struct ent_node *entry, size_t i,
                                     const struct ent_node *value, struct ent_layer_spec *out)
{
    struct ent_field units = units_field;

    out->kind = list[i].kind;
    if (list[i].value == NOTHING) {
        return value == NULL ? ENT_E_OK : ent_node_bad(value, list[i].name, "takes no value");
    }
    if (value == NULL) {
        return ent_node_error(entry, "%s needs a value: \"%s: %s\"", list[i].name, list[i].name,
                              list[i].value == UNITS ? "UNITS" : "RATE");
    }
    units.key = list[i].name;
    return list[i].value == UNITS ? ent_config_take_value(value, &units, NULL, &out->units)
                                  : ent_config_take_value(value, &rate_field, NULL, &out->rate);
}

static enum ent_err read_layer(const struct ent_node *entry, struct ent_layer_spec *out)
{
    const struct ent_node *value;
    const char *names[ENT_ARRAY_LEN(list)];
    const char *name;

    ENT_TRY(ent_config_one_key(entry, "a layer", &name, &value));
    for (size_t i = 0; i < ENT_ARRAY_LEN(list); i++) {
        names[i] = list[i].name;
        if (strcmp(name, names[i]) == 0) {
            return read_layer_value(entry, i, value, out);
        }
    }
    return ent_config_unknown(entry, "layer", name, names, ENT_ARRAY_LEN(names));
}

void ent_plan_model_options(const struct ent_plan *plan, uint32_t batch_max,
                            struct ent_model_layer *layers, struct ent_model_options *out)
{
    for (uint32_t i = 0; i < plan->n_layers; i++) {
        layers[i] = (struct ent_model_layer){.kind = plan->layers[i].kind,
                                             .units = plan->layers[i].units,
                                             .rate = (float)plan->layers[i].rate,
                                             .values = plan->layers[i].values};
    }
    *out = (struct ent_model_options){.n_inputs = plan->n_inputs,
                                      .layers = layers,
                                      .n_layers = plan->n_layers,
                                      .batch_max = batch_max,
                                      .loss = {.kind = plan->loss,
                                               .class_weights = plan->class_weights,
                                               .n_class_weights = plan->n_class_weights},
                                      .ensemble = plan->ensemble,
                                      .seq_max = plan->seq_max,
                                      .truncate = plan->truncate};
}

size_t ent_plan_n_params(const struct ent_plan *plan)
{
    return plan->n_params;
}

static enum ent_err read_class_weights(struct ent_plan_read *read)
{
    static const struct ent_field field = {
        .key = "class_weights", .kind = ENT_FIELD_DOUBLE, .lo = 0, .hi = 1e6, .help = "factor"};
    const struct ent_node *node = read->class_weights;
    struct ent_plan *plan = &read->plan;
    uint32_t i = 0;

    if (node == NULL) {
        return ENT_E_OK;
    }
    if (node->kind != ENT_NODE_LIST || node->n == 0 || node->n > ENT_PLAN_MAX_CLASSES) {
        return ent_node_bad(node, "class_weights", "must be a list with a factor for each class");
    }
    plan->n_class_weights = node->n;
    ENT_TRY(
        ent_arena_alloc(&plan->arena, node->n, sizeof *plan->class_weights, &plan->class_weights));
    for (const struct ent_node *e = node->first; e != NULL; e = e->next) {
        double v;

        ENT_TRY(ent_config_take_value(e, &field, NULL, &v));
        plan->class_weights[i++] = (float)v;
    }
    return ENT_E_OK;
}

/* What the last layer gives must be what the label is. */
static enum ent_err check_last(struct ent_plan_read *read, const struct ent_node *last)
{
    static const enum ent_model_loss_kind losses[] = {[ENT_LABEL_POSITIVE] = ENT_MODEL_BCE,
                                                      [ENT_LABEL_CLASSES] = ENT_MODEL_SOFTMAX,
                                                      [ENT_LABEL_NUMBER] = ENT_MODEL_MSE};
    struct ent_plan *plan = &read->plan;
    const struct ent_layer_spec *spec = &plan->layers[plan->n_layers - 1];
    uint32_t units = plan->label_kind == ENT_LABEL_CLASSES ? plan->n_classes : 1;

    plan->loss = read->loss < 0 ? losses[plan->label_kind] : (enum ent_model_loss_kind)read->loss;
    if (plan->loss != losses[plan->label_kind]) {
        return ent_node_error(last, "loss %s does not fit the label, which needs loss %s",
                              ent_model_loss_name(plan->loss),
                              ent_model_loss_name(losses[plan->label_kind]));
    }
    if (spec->kind != ENT_MODEL_DENSE || spec->units != units) {
        return ent_node_error(last, "the last layer must be \"dense: %u\" for loss %s", units,
                              ent_model_loss_name(plan->loss));
    }
    return ENT_E_OK;
}

/* model.layers behind the embeddings that stand there already. */
static enum ent_err read_list(struct ent_plan_read *read, const struct ent_node **last)
{
    struct ent_plan *plan = &read->plan;
    struct ent_layer_spec *embeddings = plan->layers;
    uint32_t i = plan->n_embeddings;

    if (read->layers->kind != ENT_NODE_LIST || read->layers->n == 0 ||
        read->layers->n > ENT_PLAN_MAX_LIST) {
        return ent_node_bad(read->layers, "layers", "must be a list of 1 to 64 layers");
    }
    plan->n_layers = plan->n_embeddings + read->layers->n;
    ENT_TRY(ent_arena_alloc(&plan->arena, plan->n_layers, sizeof *plan->layers, &plan->layers));
    if (i > 0) {
        memcpy(plan->layers, embeddings, i * sizeof *embeddings);
    }
    for (const struct ent_node *e = read->layers->first; e != NULL; e = e->next) {
        ENT_TRY(read_layer(e, &plan->layers[i++]));
        *last = e;
    }
    return ENT_E_OK;
}

enum ent_err ent_plan_read_layers(struct ent_plan_read *read)
{
    struct ent_model_layer layers[ENT_PLAN_MAX_LAYERS];
    struct ent_model_options options;
    struct ent_plan *plan = &read->plan;
    const struct ent_node *last = NULL;

    ENT_TRY(read_list(read, &last));
    ENT_TRY(read_class_weights(read));
    ENT_TRY(ent_plan_check_pooling(read));
    ENT_TRY(check_last(read, last));
    ent_plan_model_options(plan, 1, layers, &options);
    if (ent_model_count(&options, &plan->n_params) != ENT_E_OK) {
        char why[256];

        (void)snprintf(why, sizeof why, "%s", ent_err_message());
        return ent_node_error(read->layers, "%s", why);
    }
    if (plan->n_params > ENT_PLAN_MAX_PARAMS) {
        return ent_node_error(read->layers, "%zu parameters are too many (at most %u)",
                              plan->n_params, ENT_PLAN_MAX_PARAMS);
    }
    return ENT_E_OK;
}

enum ent_err ent_plan_read_training(struct ent_plan_read *read)
{
    static const struct ent_field field = {
        .key = "batch", .kind = ENT_FIELD_U32, .lo = 1, .hi = 1000000, .help = "rows"};
    const struct ent_node *batch = read->batch;

    read->plan.batch = 32;
    if (batch != NULL && batch->kind == ENT_NODE_SCALAR && strcmp(batch->text, "full") == 0) {
        read->plan.batch = 0;
    } else if (batch != NULL) {
        ENT_TRY(ent_config_take_value(batch, &field, NULL, &read->plan.batch));
    }
    return ent_plan_read_optimizers(read);
}

enum ent_err ent_plan_read_split(struct ent_plan_read *read)
{
    static const struct ent_field field = {
        .key = "test", .kind = ENT_FIELD_DOUBLE, .lo = 0, .hi = 0.9, .help = "fraction"};
    const struct ent_node *test = read->test;

    read->plan.split_test = 0.2;
    if (test != NULL && test->kind == ENT_NODE_SCALAR && strcmp(test->text, "file") == 0) {
        read->plan.split_test = 0.0;
        read->plan.split_test_file = true;
    } else if (test != NULL) {
        double v;

        if (test->kind != ENT_NODE_SCALAR ||
            !ent_scalar_double(test->text, strlen(test->text), &v)) {
            return ent_node_bad(test, "test", "must be a number in [0, 0.9], or file");
        }
        ENT_TRY(ent_config_take_value(test, &field, NULL, &read->plan.split_test));
    }
    return ENT_E_OK;
}

static enum ent_err read_fixed(const struct ent_node *map, struct ent_plan *plan)
{
    static const struct ent_field field = {
        .key = "weight", .kind = ENT_FIELD_U32, .lo = 1, .hi = WEIGHT_MAX, .help = "weight"};
    uint32_t i = 0;

    if (map == NULL || map->kind != ENT_NODE_MAP || map->n == 0) {
        return ent_node_error(
            map, "fixed must be a map of members and weights: {brand-a: 3, brand-b: 1}");
    }
    plan->n_fixed_weights = map->n;
    ENT_TRY(
        ent_arena_alloc(&plan->arena, map->n, sizeof *plan->fixed_weights, &plan->fixed_weights));
    for (const struct ent_node *e = map->first; e != NULL; e = e->next, i++) {
        char *member;

        ENT_TRY(ent_arena_strndup(&plan->arena, e->key, strlen(e->key), &member));
        plan->fixed_weights[i].member = member;
        ENT_TRY(ent_config_take_value(e, &field, NULL, &plan->fixed_weights[i].weight));
    }
    return ENT_E_OK;
}

enum ent_err ent_plan_read_weights(struct ent_plan_read *read)
{
    static const char *const names[] = {"equal", "examples_log2",
                                        "fixed"}; /* by enum ent_weights_rule */
    const struct ent_node *value;
    const char *name;

    read->plan.weights = ENT_WEIGHTS_EQUAL;
    if (read->weights == NULL) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_config_one_key(read->weights, "weights", &name, &value));
    for (size_t i = 0; i < ENT_ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) != 0) {
            continue;
        }
        read->plan.weights = (enum ent_weights_rule)i;
        if (read->plan.weights == ENT_WEIGHTS_FIXED) {
            return read_fixed(value != NULL ? value : read->weights, &read->plan);
        }
        return value == NULL ? ENT_E_OK : ent_node_bad(value, name, "takes no value");
    }
    return ent_config_unknown(read->weights, "weights", name, names, ENT_ARRAY_LEN(names));
}
