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

enum ent_layer_argument ent_layer_argument(enum ent_model_layer_kind kind)
{
    switch (kind) {
    case ENT_MODEL_DENSE:
    case ENT_MODEL_RNN:
    case ENT_MODEL_GRU:
    case ENT_MODEL_LSTM:
        return ENT_LAYER_UNITS;
    case ENT_MODEL_EMBEDDING:
        return ENT_LAYER_UNITS_VALUES;
    case ENT_MODEL_DROPOUT:
        return ENT_LAYER_RATE;
    default:
        return ENT_LAYER_BARE;
    }
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
    uint32_t n = layer->vtable->tensors == NULL ? 0 : layer->vtable->tensors(layer, tensors);
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

/* Where in the stack we are. */
struct place {
    uint32_t width;
    uint32_t tokens; /* embeddings so far */
    bool others;     /* a layer that is no embedding has come */
    bool steps;      /* rows are steps of sequences */
    bool expanded;   /* rows stand k-fold */
};

static enum ent_err check_place(const struct ent_layer *layer, const struct place *place)
{
    bool embedding = layer->spec.kind == ENT_MODEL_EMBEDDING;

    ENT_REQUIRE(!embedding || !place->others, ENT_E_CONFIG,
                "embedding: embeddings stand in front of all other layers");
    ENT_REQUIRE(embedding || place->width > 0, ENT_E_CONFIG, "%s: it has no inputs",
                layer->vtable->name);
    if (layer->vtable->recurrent != NULL || layer->vtable->pools) {
        ENT_REQUIRE(place->steps, ENT_E_CONFIG,
                    "%s: it needs sequences, and here are rows without a time",
                    layer->vtable->name);
        ENT_REQUIRE(!place->expanded, ENT_E_CONFIG,
                    "%s: it cannot stand behind a dense layer of an ensemble", layer->vtable->name);
    }
    return ENT_E_OK;
}

static enum ent_err shape_layer(const struct ent_model_options *options, uint32_t i,
                                struct place *place, struct ent_layer *layer)
{
    uint32_t members = options->ensemble > 1 ? options->ensemble : 1;

    *layer = (struct ent_layer){.vtable = ent_layer_vtable(options->layers[i].kind),
                                .spec = options->layers[i],
                                .n_in = place->width,
                                .members = members,
                                .first = i == 0,
                                .last = i + 1 == options->n_layers,
                                .training = options->training,
                                .clips = options->clips,
                                .truncate = options->truncate,
                                .token = place->tokens};
    ENT_REQUIRE(layer->vtable != NULL, ENT_E_CONFIG, "it is of no known kind");
    ENT_TRY(check_place(layer, place));
    if (layer->spec.kind == ENT_MODEL_DENSE && members > 1) {
        layer->vtable = &ent_layer_ensemble;
        layer->expands = !place->expanded;
        place->expanded = true;
    }
    ENT_TRY(layer->vtable->shape(&layer->spec, place->width, &layer->n_out));
    layer->stride = layer->n_out;
    place->steps = place->steps && !layer->vtable->pools;
    place->tokens += layer->spec.kind == ENT_MODEL_EMBEDDING ? 1 : 0;
    place->others = place->others || layer->spec.kind != ENT_MODEL_EMBEDDING;
    place->width = layer->n_out;
    return ENT_E_OK;
}

/* Embeddings share one buffer, as wide as the last of them leaves it. */
static void share_embeddings(struct ent_layer *layers, const struct place *place)
{
    for (uint32_t i = 0; i < place->tokens; i++) {
        layers[i].stride = layers[place->tokens - 1].n_out;
        layers[i].n_tokens = place->tokens;
    }
}

static enum ent_err check_loss(const struct ent_model_options *options, uint32_t n_outputs)
{
    const struct ent_model_loss *loss = &options->loss;
    uint32_t classes = loss->kind == ENT_MODEL_BCE ? 2 : n_outputs;

    ENT_REQUIRE(options->layers[options->n_layers - 1].kind == ENT_MODEL_DENSE, ENT_E_CONFIG,
                "model: the last layer must be dense");
    switch (loss->kind) {
    case ENT_MODEL_BCE:
        ENT_REQUIRE(n_outputs == 1, ENT_E_CONFIG,
                    "model: the last layer must be dense with 1 unit (its output is the logit of "
                    "the label)");
        break;
    case ENT_MODEL_SOFTMAX:
        ENT_REQUIRE(n_outputs >= 2, ENT_E_CONFIG,
                    "model: for loss softmax the last layer must have a unit for each class");
        break;
    case ENT_MODEL_MSE:
        ENT_REQUIRE(loss->n_class_weights == 0, ENT_E_CONFIG,
                    "model: loss mse has no classes and so no class weights");
        break;
    default:
        return ent_err_note(ENT_E_CONFIG, "model: the loss is of no known kind");
    }
    ENT_REQUIRE(loss->n_class_weights == 0 || loss->n_class_weights == classes, ENT_E_CONFIG,
                "model: %u class weights for %u classes", loss->n_class_weights, classes);
    for (uint32_t i = 0; i < loss->n_class_weights; i++) {
        ENT_REQUIRE(loss->class_weights[i] >= 0.0f && loss->class_weights[i] <= 1e6f, ENT_E_CONFIG,
                    "model: the weight of class %u is not in 0 to 1e6", i);
    }
    return ENT_E_OK;
}

static enum ent_err check_options(const struct ent_model_options *options)
{
    ENT_REQUIRE(options->n_layers >= 1 && options->n_layers <= ENT_MODEL_LAYERS_MAX, ENT_E_CONFIG,
                "model: %u layers; 1 to %d are possible", options->n_layers, ENT_MODEL_LAYERS_MAX);
    ENT_REQUIRE(options->n_inputs <= ENT_MODEL_UNITS_MAX, ENT_E_CONFIG,
                "model: %u inputs; at most %u are possible", options->n_inputs,
                ENT_MODEL_UNITS_MAX);
    ENT_REQUIRE(options->ensemble <= ENT_MODEL_ENSEMBLE_MAX, ENT_E_CONFIG,
                "model: an ensemble of %u; at most %u are possible", options->ensemble,
                ENT_MODEL_ENSEMBLE_MAX);
    ENT_REQUIRE(options->seq_max <= ENT_MODEL_SEQ_MAX, ENT_E_CONFIG,
                "model: sequences of %u steps; at most %u are possible", options->seq_max,
                ENT_MODEL_SEQ_MAX);
    return ENT_E_OK;
}

enum ent_err ent_layers_shape(const struct ent_model_options *options, struct ent_layer *layers,
                              size_t *n_params)
{
    struct place place = {.width = options->n_inputs, .steps = options->seq_max > 0};
    size_t sum = 0;

    ENT_TRY(check_options(options));
    for (uint32_t i = 0; i < options->n_layers; i++) {
        struct ent_layer *layer = &layers[i];

        if (shape_layer(options, i, &place, layer) != ENT_E_OK) {
            return ent_err_prefix(ENT_E_CONFIG, "model: layer %u", i);
        }
        layer->first_param = sum;
        ENT_TRY(count_params(layer, &layer->n_params));
        ENT_TRY(ent_size_add(sum, layer->n_params, &sum));
    }
    share_embeddings(layers, &place);
    ENT_TRY(check_loss(options, place.width));
    *n_params = sum;
    return ENT_E_OK;
}

void ent_layers_init(const struct ent_layer *layers, uint32_t n, struct ent_rng *rng, float *params)
{
    for (uint32_t i = 0; i < n; i++) {
        if (layers[i].vtable->init != NULL) {
            layers[i].vtable->init(&layers[i], rng, params + layers[i].first_param);
        }
    }
}
