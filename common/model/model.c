#include "common/model/model.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/math/math.h"
#include "common/model/clip.h"
#include "common/model/model_internal.h"

/* Steps that one pass of sequences holds at most, unless one sequence is longer. */
#define STEPS_MAX 4096u
/* Rows of one member of an ensemble in a pass: all members together stay in the cache. */
#define MEMBER_ROWS_MIN 32u
/* What an allocation costs beside its bytes, at most: alignment and the allocator's own. */
#define TAKE_EXTRA 128u

/* How many rows each layer gets and gives at most. */
static void size_rows(struct ent_model *model)
{
    size_t rows = model->seq_max > 0 ? model->block_steps : model->block;

    for (uint32_t i = 0; i < model->n_layers; i++) {
        struct ent_layer *layer = &model->layers[i];

        layer->rows_in = rows;
        layer->seqs = model->block;
        rows = layer->vtable->pools ? model->block : rows;
        rows *= layer->expands ? layer->members : 1;
        layer->rows_out = rows;
    }
}

/* All that a model is made of is taken here, so what is counted is what is taken. */
enum ent_err ent_model_take(struct ent_model *model, size_t n, size_t size, void *out_ptr)
{
    size_t bytes;

    ENT_TRY(ent_size_mul(n, size, &bytes));
    ENT_TRY(ent_size_add(bytes, TAKE_EXTRA, &bytes));
    ENT_TRY(ent_size_add(model->bytes, bytes, &model->bytes));
    return model->counts ? ENT_E_OK : ent_calloc_aligned(n, size, out_ptr);
}

/* Scoring needs only the activations of two neighbours, so all layers share two buffers, kept in delta. */
static enum ent_err alloc_layer(struct ent_model *model, uint32_t i, unsigned *turn)
{
    struct ent_layer *layer = &model->layers[i];
    bool embedding = layer->spec.kind == ENT_MODEL_EMBEDDING;
    bool shares = layer->vtable->in_place && i > 0 &&
                  !(model->training && model->layers[i - 1].vtable->keeps_y);
    size_t n;

    ENT_TRY(ent_size_mul(layer->stride, layer->rows_out, &n));
    layer->copies = layer->vtable->in_place && !shares && !embedding;
    if (shares) {
        layer->y = model->layers[i - 1].y;
    } else if (!model->training) {
        layer->y = model->delta[(*turn)++ % 2];
    } else {
        ENT_TRY(ent_model_take(model, n, sizeof(float), &layer->y));
    }
    if (model->clips) {
        bool own = !layer->vtable->in_place || i == 0;

        layer->dy = own ? NULL : model->layers[i - 1].dy;
        ENT_TRY(own ? ent_model_take(model, n, sizeof(float), &layer->dy) : ENT_E_OK);
    }
    if (model->training && layer->spec.kind == ENT_MODEL_DROPOUT) {
        ENT_TRY(ent_model_take(model, n / 8 + 1, 1, &layer->kept));
    }
    if (layer->vtable->n_work != NULL) {
        ENT_TRY(ent_model_take(model, layer->vtable->n_work(layer), sizeof(float), &layer->work));
    }
    return ENT_E_OK;
}

static enum ent_err alloc_activations(struct ent_model *model)
{
    size_t most = 1;
    size_t n;
    unsigned turn = 0;

    size_rows(model);
    for (uint32_t i = 0; i < model->n_layers; i++) {
        ENT_TRY(ent_size_mul(model->layers[i].stride, model->layers[i].rows_out, &n));
        most = n > most ? n : most;
    }
    for (int i = 0; i < 2; i++) {
        ENT_TRY(ent_model_take(model, most, sizeof(float), &model->delta[i]));
    }
    n = model->layers[model->n_layers - 1].rows_out / model->members * model->n_outputs;
    ENT_TRY(ent_model_take(model, n, sizeof(float), &model->loss_work));
    if (model->clips) {
        ENT_TRY(ent_model_take(model, model->block, sizeof *model->squares, &model->squares));
        ENT_TRY(ent_model_take(model, model->block, sizeof *model->factors, &model->factors));
    }
    for (uint32_t i = 0; i < model->n_layers; i++) {
        ENT_TRY(alloc_layer(model, i, &turn));
    }
    return model->seq_max > 0 ? ent_pack_alloc(model) : ENT_E_OK;
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

static void find_decay(struct ent_model *model)
{
    for (uint32_t i = 0; i < model->n_layers; i++) {
        const struct ent_layer *layer = &model->layers[i];
        struct ent_layer_tensor tensors[ENT_LAYER_TENSORS_MAX];
        uint32_t n = layer->vtable->tensors == NULL ? 0 : layer->vtable->tensors(layer, tensors);
        size_t at = layer->first_param;

        for (uint32_t t = 0; t < n; t++) {
            size_t size = 1;

            for (uint32_t d = 0; d < tensors[t].n_dims; d++) { /* counted before: no overflow */
                size *= tensors[t].dims[d];
            }
            if (tensors[t].decays) {
                model->decay[model->n_decay++] = (struct ent_decay_range){.first = at, .n = size};
            }
            at += size;
        }
    }
}

/* Rows of a pass; for sequences, sequences and steps. */
static enum ent_err size_block(struct ent_model *model, const struct ent_model_options *options)
{
    uint32_t most = ENT_MODEL_BLOCK / model->members;

    ENT_REQUIRE(options->batch_max >= 1, ENT_E_CONFIG, "model: a batch of 0 rows");
    most = most < MEMBER_ROWS_MIN ? MEMBER_ROWS_MIN : most;
    most = options->seq_max > 0 ? ENT_MODEL_SEQ_BLOCK : most;
    model->block = options->batch_max < most ? options->batch_max : most;
    if (options->clips) { /* always the same shape: clip.h */
        model->block = options->seq_max > 0 ? 1 : ENT_MODEL_CLIP_ROWS;
    }
    model->block_steps = model->block;
    if (options->seq_max > 0) {
        uint64_t all = (uint64_t)model->block * options->seq_max;

        model->block_steps = all < STEPS_MAX ? (uint32_t)all : STEPS_MAX;
        model->block_steps =
            model->block_steps > options->seq_max ? model->block_steps : options->seq_max;
    }
    return ENT_E_OK;
}

static enum ent_err copy_loss(struct ent_model *model, const struct ent_model_loss *loss)
{
    model->loss = ent_loss_of(loss->kind);
    model->n_targets = loss->kind == ENT_MODEL_MSE ? model->n_outputs : 1;
    if (loss->n_class_weights > 0) {
        ENT_TRY(ent_model_take(model, loss->n_class_weights, sizeof *model->class_weights,
                               &model->class_weights));
    }
    if (model->class_weights != NULL) {
        memcpy(model->class_weights, loss->class_weights,
               loss->n_class_weights * sizeof *model->class_weights);
    }
    return ENT_E_OK;
}

static enum ent_err check_clips(const struct ent_model_options *options)
{
    const char *name = NULL;

    ENT_BUG_ON(options->clips && !options->training);
    ENT_REQUIRE(!options->clips || ent_model_can_clip(options, &name), ENT_E_CONFIG,
                "model: gradients of %s cannot be clipped by example: privacy with unit customer "
                "needs a model without it",
                name);
    return ENT_E_OK;
}

static enum ent_err build(struct ent_model *model, const struct ent_model_options *options)
{
    ENT_TRY(ent_layers_shape(options, model->layers, &model->n_params));
    model->bytes = sizeof *model;
    model->n_inputs = options->n_inputs;
    model->n_layers = options->n_layers;
    model->training = options->training;
    model->clips = options->clips;
    model->seq_max = options->seq_max;
    model->per_step = options->seq_max > 0;
    model->members = options->ensemble > 1 ? options->ensemble : 1;
    model->n_outputs = model->layers[model->n_layers - 1].n_out;
    model->n_tokens = model->layers[0].n_tokens;
    for (uint32_t i = 0; i < model->n_layers; i++) {
        model->per_step = model->per_step && !model->layers[i].vtable->pools;
    }
    ENT_TRY(check_clips(options));
    ENT_TRY(size_block(model, options));
    ENT_TRY(copy_loss(model, &options->loss));
    fuse(model);
    find_decay(model);
    ENT_TRY(ent_model_take(model, model->n_params, sizeof(float), &model->params));
    if (model->training) {
        ENT_TRY(ent_model_take(model, model->n_params, sizeof(float), &model->gradient));
    }
    return alloc_activations(model);
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

static void free_layer(struct ent_model *model, uint32_t i)
{
    struct ent_layer *layer = &model->layers[i];

    if (model->training && (i == 0 || layer->y != model->layers[i - 1].y)) {
        free(layer->y);
    }
    if (i == 0 || layer->dy != model->layers[i - 1].dy) {
        free(layer->dy);
    }
    free(layer->kept);
    free(layer->work);
}

void ent_model_free(struct ent_model *model)
{
    if (model == NULL) {
        return;
    }
    for (uint32_t i = model->n_layers; i-- > 0;) {
        free_layer(model, i);
    }
    ent_pack_release(model);
    free(model->class_weights);
    free(model->delta[0]);
    free(model->delta[1]);
    free(model->loss_work);
    free(model->squares);
    free(model->factors);
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

uint32_t ent_model_n_tokens(const struct ent_model *model)
{
    return model->n_tokens;
}

uint32_t ent_model_n_outputs(const struct ent_model *model)
{
    return model->n_outputs;
}

uint32_t ent_model_n_targets(const struct ent_model *model)
{
    return model->n_targets;
}

uint32_t ent_model_seq_max(const struct ent_model *model)
{
    return model->seq_max;
}

bool ent_model_per_step(const struct ent_model *model)
{
    return model->per_step;
}

uint32_t ent_model_block_rows(const struct ent_model *model)
{
    return model->block;
}

uint32_t ent_model_block_steps(const struct ent_model *model)
{
    return model->block_steps;
}

float *ent_model_params(struct ent_model *model)
{
    return model->params;
}

float *ent_model_gradient(struct ent_model *model)
{
    return model->gradient;
}

bool ent_model_decay_range(const struct ent_model *model, uint32_t i, size_t *first, size_t *n)
{
    if (i >= model->n_decay) {
        return false;
    }
    *first = model->decay[i].first;
    *n = model->decay[i].n;
    return true;
}

void ent_model_init_params(struct ent_model *model, struct ent_rng *rng)
{
    ent_layers_init(model->layers, model->n_layers, rng, model->params);
}

enum ent_err ent_model_init_vector(const struct ent_model_options *options, struct ent_rng *rng,
                                   float *params)
{
    struct ent_layer layers[ENT_MODEL_LAYERS_MAX];
    size_t n_params;

    ENT_TRY(ent_layers_shape(options, layers, &n_params));
    ent_layers_init(layers, options->n_layers, rng, params);
    return ENT_E_OK;
}

enum ent_err ent_model_count(const struct ent_model_options *options, size_t *n_params)
{
    struct ent_layer layers[ENT_MODEL_LAYERS_MAX];

    return ent_layers_shape(options, layers, n_params);
}

enum ent_err ent_model_measure(const struct ent_model_options *options, struct ent_model_size *out)
{
    struct ent_model *model = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *model, &model)); /* too large for the stack; no arrays */
    model->counts = true;
    err = build(model, options);
    if (err == ENT_E_OK) {
        *out = (struct ent_model_size){.bytes = model->bytes,
                                       .n_params = model->n_params,
                                       .n_inputs = model->n_inputs,
                                       .n_tokens = model->n_tokens,
                                       .n_outputs = model->n_outputs,
                                       .n_targets = model->n_targets,
                                       .block_rows = model->block,
                                       .block_steps = model->block_steps};
    }
    ent_model_free(model);
    return err;
}
