#include "common/model/model.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/math/math.h"
#include "common/math/vec.h"
#include "common/model/layer.h"
#include "common/model/loss.h"

struct ent_model {
    uint32_t n_inputs;
    uint32_t n_layers;
    uint32_t block; /* rows the buffers hold */
    bool training;
    size_t n_params;
    float *params;
    float *gradient;
    float *delta[2]; /* [block][widest layer]: dy and dx change places from layer to layer */
    float *prob;     /* [block] */
    struct ent_layer layers[ENT_MODEL_LAYERS_MAX];
};

/* Scoring needs only the activations of two neighbours, so all layers share two buffers, kept in delta. */
static enum ent_err alloc_activations(struct ent_model *model, size_t widest)
{
    unsigned turn = 0;

    ENT_TRY(ent_size_mul(widest, model->block, &widest));
    for (int i = 0; i < 2; i++) {
        ENT_TRY(ent_calloc_aligned(widest, sizeof(float), &model->delta[i]));
    }
    for (uint32_t i = 0; i < model->n_layers; i++) {
        struct ent_layer *layer = &model->layers[i];
        size_t n;

        ENT_TRY(ent_size_mul(layer->n_out, model->block, &n));
        if (layer->vtable->in_place && i > 0) {
            layer->y = model->layers[i - 1].y;
        } else if (!model->training) {
            layer->y = model->delta[turn++ % 2];
        } else {
            ENT_TRY(ent_calloc_aligned(n, sizeof(float), &layer->y));
        }
        if (model->training && layer->spec.kind == ENT_MODEL_DROPOUT) {
            ENT_TRY(ent_calloc(n / 8 + 1, 1, &layer->kept));
        }
        if (model->training && i > 0 && layer->vtable->n_work != NULL) {
            ENT_TRY(ent_calloc_aligned(layer->vtable->n_work(layer), sizeof(float), &layer->work));
        }
    }
    return ENT_E_OK;
}

static void fuse(struct ent_model *model)
{
    for (uint32_t i = 0; i + 1 < model->n_layers; i++) {
        if (model->layers[i].spec.kind == ENT_MODEL_DENSE &&
            model->layers[i + 1].spec.kind == ENT_MODEL_RELU) {
            model->layers[i].relu_inside = true;
            model->layers[i + 1].forward_done = true;
        }
    }
}

static enum ent_err build(struct ent_model *model, const struct ent_model_options *options)
{
    size_t widest = 1;

    model->n_inputs = options->n_inputs;
    model->n_layers = options->n_layers;
    model->training = options->training;
    model->block = options->batch_max < ENT_MODEL_BLOCK ? options->batch_max : ENT_MODEL_BLOCK;
    ENT_REQUIRE(model->block >= 1, ENT_E_CONFIG, "model: a batch of 0 rows");
    ENT_TRY(ent_layers_shape(options, model->layers, &model->n_params));
    fuse(model);
    for (uint32_t i = 0; i < model->n_layers; i++) {
        widest = model->layers[i].n_out > widest ? model->layers[i].n_out : widest;
    }
    ENT_TRY(ent_calloc_aligned(model->n_params, sizeof(float), &model->params));
    if (model->training) {
        ENT_TRY(ent_calloc_aligned(model->n_params, sizeof(float), &model->gradient));
    }
    ENT_TRY(ent_calloc_aligned(model->block, sizeof(float), &model->prob));
    return alloc_activations(model, widest);
}

enum ent_err ent_model_new(const struct ent_model_options *options, struct ent_model **out)
{
    struct ent_model *model = NULL;
    enum ent_err err;

    ent_math_init();
    ENT_TRY(ent_calloc(1, sizeof *model, &model));
    err = build(model, options);
    if (err != ENT_E_OK) {
        ent_model_free(model);
        return err;
    }
    *out = model;
    return ENT_E_OK;
}

void ent_model_free(struct ent_model *model)
{
    if (model == NULL) {
        return;
    }
    for (uint32_t i = 0; i < model->n_layers && i < ENT_MODEL_LAYERS_MAX; i++) {
        struct ent_layer *layer = &model->layers[i];

        if (model->training && layer->vtable != NULL && (i == 0 || !layer->vtable->in_place)) {
            free(layer->y);
        }
        free(layer->kept);
        free(layer->work);
    }
    free(model->delta[0]);
    free(model->delta[1]);
    free(model->prob);
    free(model->gradient);
    free(model->params);
    free(model);
}

size_t ent_model_n_params(const struct ent_model *model)
{
    return model->n_params;
}

uint32_t ent_model_n_inputs(const struct ent_model *model)
{
    return model->n_inputs;
}

float *ent_model_params(struct ent_model *model)
{
    return model->params;
}

float *ent_model_gradient(struct ent_model *model)
{
    return model->gradient;
}

static void init_layers(const struct ent_layer *layers, uint32_t n, struct ent_rng *rng,
                        float *params)
{
    for (uint32_t i = 0; i < n; i++) {
        if (layers[i].vtable->init != NULL) {
            layers[i].vtable->init(&layers[i], rng, params + layers[i].first_param);
        }
    }
}

void ent_model_init_params(struct ent_model *model, struct ent_rng *rng)
{
    init_layers(model->layers, model->n_layers, rng, model->params);
}

enum ent_err ent_model_init_vector(const struct ent_model_options *options, struct ent_rng *rng,
                                   float *params)
{
    struct ent_layer layers[ENT_MODEL_LAYERS_MAX];
    size_t n_params;

    ENT_TRY(ent_layers_shape(options, layers, &n_params));
    init_layers(layers, options->n_layers, rng, params);
    return ENT_E_OK;
}

enum ent_err ent_model_count(const struct ent_model_options *options, size_t *n_params)
{
    struct ent_layer layers[ENT_MODEL_LAYERS_MAX];

    return ent_layers_shape(options, layers, n_params);
}

/* x [n][n_inputs] through all layers; returns the logits [n]. rng: NULL when scoring. */
static const float *forward(struct ent_model *model, const float *x, uint32_t n,
                            struct ent_rng *rng)
{
    for (uint32_t i = 0; i < model->n_layers; i++) {
        const struct ent_layer *layer = &model->layers[i];
        struct ent_layer_pass pass = {
            .x = x, .params = model->params + layer->first_param, .rng = rng, .n = n};

        if (layer->vtable->in_place && i == 0) { /* the caller's rows stay as they are */
            memcpy(layer->y, x, (size_t)n * layer->n_in * sizeof *x);
        }
        layer->vtable->forward(layer, &pass);
        x = layer->y;
    }
    return x;
}

/* dlogit lies in delta[0]. In-place layers turn dy into dx where it lies. */
static void backward(struct ent_model *model, const float *x, uint32_t n, bool add)
{
    unsigned at = 0;

    for (uint32_t i = model->n_layers; i-- > 0;) {
        const struct ent_layer *layer = &model->layers[i];
        bool in_place = layer->vtable->in_place;
        struct ent_layer_pass pass = {
            .x = i > 0 ? model->layers[i - 1].y : x,
            .params = model->params + layer->first_param,
            .gradient = model->gradient + layer->first_param,
            .dy = model->delta[at],
            .dx = i > 0 && !in_place ? model->delta[1 - at] : NULL,
            .n = n,
            .add = add,
        };

        layer->vtable->backward(layer, &pass);
        at = in_place ? at : 1 - at;
    }
}

void ent_model_predict(struct ent_model *model, const float *x, uint32_t n, float *prob)
{
    for (uint32_t from = 0; from < n; from += model->block) {
        uint32_t rows = n - from < model->block ? n - from : model->block;
        const float *logit = forward(model, x + (size_t)from * model->n_inputs, rows, NULL);

        ent_vec_sigmoid(logit, prob + from, rows);
    }
}

void ent_model_step_piece(struct ent_model *model, const struct ent_model_piece *piece,
                          struct ent_rng *rng, double *loss_sum)
{
    float scale = 1.0f / (float)piece->n_total;
    double sum = piece->first ? 0.0 : *loss_sum;

    ENT_BUG_ON(!model->training || piece->n == 0 || piece->n_total < piece->n);
    for (uint32_t from = 0; from < piece->n; from += model->block) {
        uint32_t rows = piece->n - from < model->block ? piece->n - from : model->block;
        const float *x = piece->x + (size_t)from * model->n_inputs;
        const float *logit = forward(model, x, rows, rng);

        sum += ent_loss_bce(logit, piece->y + from, scale, model->prob, model->delta[0], rows);
        backward(model, x, rows, !piece->first || from > 0);
    }
    *loss_sum = sum;
}

void ent_model_step(struct ent_model *model, const float *x, const float *y, uint32_t n,
                    struct ent_rng *rng, double *loss_sum)
{
    struct ent_model_piece piece = {.x = x, .y = y, .n = n, .n_total = n, .first = true};

    ent_model_step_piece(model, &piece, rng, loss_sum);
}
