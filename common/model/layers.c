#include <string.h>

#include "common/base/mem.h"
#include "common/model/layer.h"

#define ENT_PLUGIN(name_, kind_) extern const struct ent_layer_vtable ent_layer_##name_;
#include "common/model/layers.def"
#undef ENT_PLUGIN

static const struct ent_layer_vtable *const kinds[ENT_MODEL_LAYER_KINDS] = {
#define ENT_PLUGIN(name_, kind_) [kind_] = &ent_layer_##name_,
#include "common/model/layers.def"
#undef ENT_PLUGIN
};

const struct ent_layer_vtable *ent_layer_vtable(enum ent_model_layer_kind kind)
{
    return (size_t)kind < ENT_ARRAY_LEN(kinds) ? kinds[kind] : NULL;
}

const char *ent_model_layer_name(enum ent_model_layer_kind kind)
{
    const struct ent_layer_vtable *vtable = ent_layer_vtable(kind);

    return vtable != NULL ? vtable->name : "unknown";
}

enum ent_model_layer_kind ent_model_layer_find(const char *name)
{
    for (size_t i = 0; i < ENT_ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i]->name, name) == 0) {
            return (enum ent_model_layer_kind)i;
        }
    }
    return ENT_MODEL_LAYER_KINDS;
}

static enum ent_err count_params(const struct ent_layer *layer, size_t *out)
{
    struct ent_layer_tensor tensors[ENT_LAYER_TENSORS_MAX];
    uint32_t n = layer->vtable->tensors == NULL
                     ? 0
                     : layer->vtable->tensors(layer->n_in, layer->n_out, tensors);
    size_t sum = 0;

    for (uint32_t i = 0; i < n; i++) {
        size_t size = 1;

        for (uint32_t d = 0; d < tensors[i].n_dims; d++) {
            ENT_TRY(ent_size_mul(size, tensors[i].dims[d], &size));
        }
        ENT_TRY(ent_size_add(sum, size, &sum));
    }
    *out = sum;
    return ENT_E_OK;
}

enum ent_err ent_layers_shape(const struct ent_model_options *options, struct ent_layer *layers,
                              size_t *n_params)
{
    uint32_t width = options->n_inputs;
    size_t sum = 0;

    ENT_REQUIRE(options->n_layers >= 1 && options->n_layers <= ENT_MODEL_LAYERS_MAX, ENT_E_CONFIG,
                "model: %u layers; 1 to %d are possible", options->n_layers, ENT_MODEL_LAYERS_MAX);
    ENT_REQUIRE(width >= 1 && width <= ENT_MODEL_UNITS_MAX, ENT_E_CONFIG,
                "model: %u inputs; 1 to %u are possible", width, ENT_MODEL_UNITS_MAX);
    for (uint32_t i = 0; i < options->n_layers; i++) {
        struct ent_layer *layer = &layers[i];

        *layer = (struct ent_layer){.vtable = ent_layer_vtable(options->layers[i].kind),
                                    .spec = options->layers[i],
                                    .n_in = width};
        ENT_REQUIRE(layer->vtable != NULL, ENT_E_CONFIG, "model: layer %u is of no known kind", i);
        if (layer->vtable->shape(&layer->spec, width, &layer->n_out) != ENT_E_OK) {
            return ent_err_prefix(ENT_E_CONFIG, "model: layer %u", i);
        }
        layer->first_param = sum;
        ENT_TRY(count_params(layer, &layer->n_params));
        ENT_TRY(ent_size_add(sum, layer->n_params, &sum));
        width = layer->n_out;
    }
    ENT_REQUIRE(
        options->layers[options->n_layers - 1].kind == ENT_MODEL_DENSE && width == 1, ENT_E_CONFIG,
        "model: the last layer must be dense with 1 unit (its output is the logit of the label)");
    *n_params = sum;
    return ENT_E_OK;
}
