/* The network, the local optimizer, the split and the weights of plan.yaml. */
#include <string.h>

#include "common/base/mem.h"
#include "common/config/scalar.h"
#include "common/optim/optim.h"
#include "common/plan/plan_read.h"

#define WEIGHT_MAX (1U << 30) /* ENT_WEIGHT_MAX of the grid */

static const char *const layer_names[] = {"dense", "relu", "dropout"}; /* by enum ent_layer_kind */

static const struct ent_field units_field = {
    .key = "dense", .kind = ENT_FIELD_U32, .lo = 1, .hi = 65536, .help = "units"};
static const struct ent_field rate_field = {.key = "dropout",
                                            .kind = ENT_FIELD_DOUBLE,
                                            .lo = 0,
                                            .hi = 1,
                                            .bounds = ENT_BOUNDS_OPEN_HI,
                                            .help = "rate"};

static enum ent_err read_layer(const struct ent_node *entry, struct ent_layer_spec *out)
{
    const struct ent_node *value;
    const char *name;

    ENT_TRY(ent_config_one_key(entry, "a layer", &name, &value));
    for (size_t i = 0; i < ENT_ARRAY_LEN(layer_names); i++) {
        if (strcmp(name, layer_names[i]) != 0) {
            continue;
        }
        out->kind = (enum ent_layer_kind)i;
        if (out->kind == ENT_LAYER_RELU) {
            return value == NULL ? ENT_E_OK : ent_node_bad(value, "relu", "takes no value");
        }
        if (value == NULL) {
            return ent_node_error(entry, "%s needs a value: \"%s: %s\"", name, name,
                                  out->kind == ENT_LAYER_DENSE ? "UNITS" : "RATE");
        }
        return out->kind == ENT_LAYER_DENSE
                   ? ent_config_take_value(value, &units_field, NULL, &out->units)
                   : ent_config_take_value(value, &rate_field, NULL, &out->rate);
    }
    return ent_config_unknown(entry, "layer", name, layer_names, ENT_ARRAY_LEN(layer_names));
}

void ent_plan_model_options(const struct ent_plan *plan, uint32_t batch_max,
                            struct ent_model_layer *layers, struct ent_model_options *out)
{
    static const enum ent_model_layer_kind kinds[] = {[ENT_LAYER_DENSE] = ENT_MODEL_DENSE,
                                                      [ENT_LAYER_RELU] = ENT_MODEL_RELU,
                                                      [ENT_LAYER_DROPOUT] = ENT_MODEL_DROPOUT};

    for (uint32_t i = 0; i < plan->n_layers; i++) {
        layers[i] = (struct ent_model_layer){.kind = kinds[plan->layers[i].kind],
                                             .units = plan->layers[i].units,
                                             .rate = (float)plan->layers[i].rate};
    }
    *out = (struct ent_model_options){.n_inputs = plan->n_inputs,
                                      .layers = layers,
                                      .n_layers = plan->n_layers,
                                      .batch_max = batch_max};
}

size_t ent_plan_n_params(const struct ent_plan *plan)
{
    return plan->n_params;
}

enum ent_err ent_plan_read_layers(struct ent_plan_read *read)
{
    struct ent_model_layer layers[ENT_PLAN_MAX_LAYERS];
    struct ent_model_options options;
    struct ent_plan *plan = &read->plan;
    const struct ent_node *last = NULL;
    uint32_t i = 0;

    if (read->layers->kind != ENT_NODE_LIST || read->layers->n == 0 ||
        read->layers->n > ENT_PLAN_MAX_LAYERS) {
        return ent_node_bad(read->layers, "layers", "must be a list of 1 to 64 layers");
    }
    plan->n_layers = read->layers->n;
    ENT_TRY(ent_arena_alloc(&plan->arena, plan->n_layers, sizeof *plan->layers, &plan->layers));
    for (const struct ent_node *e = read->layers->first; e != NULL; e = e->next) {
        ENT_TRY(read_layer(e, &plan->layers[i++]));
        last = e;
    }
    if (plan->layers[i - 1].kind != ENT_LAYER_DENSE || plan->layers[i - 1].units != 1) {
        return ent_node_error(last, "the last layer must be \"dense: 1\" for loss bce");
    }
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

const struct ent_field ent_plan_sgd_fields[] = {
    {.key = "rate",
     .kind = ENT_FIELD_DOUBLE,
     .offset = offsetof(struct ent_optim_spec, rate),
     .lo = 0,
     .hi = 10,
     .bounds = ENT_BOUNDS_OPEN_LO,
     .fallback = "0.1",
     .help = "learning rate"},
    {.key = "momentum",
     .kind = ENT_FIELD_DOUBLE,
     .offset = offsetof(struct ent_optim_spec, momentum),
     .lo = 0,
     .hi = 1,
     .bounds = ENT_BOUNDS_OPEN_HI,
     .fallback = "0",
     .help = "fraction of the last step that goes on"},
    {.key = "keep_state",
     .kind = ENT_FIELD_BOOL,
     .offset = offsetof(struct ent_optim_spec, keep_state),
     .fallback = "false",
     .help = "momentum is kept between rounds instead of starting at zero"},
    {0}};

static enum ent_err read_optimizer(struct ent_plan_read *read)
{
    struct ent_plan *plan = &read->plan;
    const struct ent_node *value = NULL;
    const char *name = "sgd";
    const char *names[32];
    size_t n = 0;

    if (read->optimizer != NULL) {
        ENT_TRY(ent_config_one_key(read->optimizer, "optimizer", &name, &value));
    }
    if (strcmp(name, "sgd") != 0) {
        for (const struct ent_optim *o = ent_optim_at(0); o != NULL && n < ENT_ARRAY_LEN(names);
             o = ent_optim_at(n)) {
            names[n++] = o->name;
        }
        return ent_config_unknown(read->optimizer, "optimizer", name, names, n);
    }
    plan->optimizer.kind = ENT_OPTIM_SGD;
    return ent_config_take(value, "sgd", ent_plan_sgd_fields, &plan->arena, &plan->optimizer);
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
    return read_optimizer(read);
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
