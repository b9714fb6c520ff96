/* Forward and backward through a model. */
#include <string.h>

#include "common/math/vec.h"
#include "common/model/model_internal.h"

static size_t rows_behind(const struct ent_model *model, uint32_t i)
{
    const struct ent_layer *layer = &model->layers[i];
    size_t rows = layer->vtable->pools ? model->pack.n : model->rows[i];

    return layer->expands ? rows * layer->members : rows;
}

struct ent_layer_pass ent_model_pass_of(const struct ent_model *model, uint32_t i,
                                        const struct ent_block *block)
{
    return (struct ent_layer_pass){.x = i > 0 ? model->layers[i - 1].y : block->x,
                                   .tokens = block->tokens,
                                   .params = model->params + model->layers[i].first_param,
                                   .pack = block->lengths != NULL ? &model->pack : NULL,
                                   .n = model->rows[i]};
}

float *ent_model_forward(struct ent_model *model, const struct ent_block *block,
                         struct ent_rng *rng)
{
    model->rows[0] = block->lengths != NULL ? model->pack.n_steps : block->n;
    for (uint32_t i = 0; i < model->n_layers; i++) {
        const struct ent_layer *layer = &model->layers[i];
        struct ent_layer_pass pass = ent_model_pass_of(model, i, block);

        pass.rng = rng;
        if (layer->copies) { /* what lies there is still needed, or is the caller's */
            ENT_BUG_ON(pass.x == NULL);
            memcpy(layer->y, pass.x, pass.n * layer->n_in * sizeof *pass.x);
        }
        layer->vtable->forward(layer, &pass);
        model->rows[i + 1] = rows_behind(model, i);
    }
    return model->layers[model->n_layers - 1].y;
}

/* The derivative by the outputs lies in delta[0]. In-place layers turn dy into dx where it lies. */
static void backward(struct ent_model *model, const struct ent_block *block, bool add)
{
    unsigned at = 0;

    for (uint32_t i = model->n_layers; i-- > 0;) {
        const struct ent_layer *layer = &model->layers[i];
        bool in_place = layer->vtable->in_place;
        struct ent_layer_pass pass = ent_model_pass_of(model, i, block);

        pass.gradient = model->gradient + layer->first_param;
        pass.dy = model->delta[at];
        pass.dx = i > 0 && !in_place ? model->delta[1 - at] : NULL;
        pass.add = add;
        layer->vtable->backward(layer, &pass);
        at = in_place ? at : 1 - at;
    }
}

/* Loss of all members on the same targets; its derivative into delta[0]. Sum over targets of the mean over members. */
static double loss(struct ent_model *model, const float *out, const float *y, uint32_t n_total)
{
    size_t rows = model->rows[model->n_layers] / model->members;
    size_t size = rows * model->n_outputs;
    double sum = 0.0;

    for (size_t j = 0; j < model->members; j++) {
        struct ent_loss_block block = {.out = out + j * size,
                                       .y = y,
                                       .weights = model->class_weights,
                                       .scale = 1.0f / (float)n_total,
                                       .work = model->loss_work,
                                       .d = model->delta[0] + j * size,
                                       .n = rows,
                                       .n_outputs = model->n_outputs};

        block.scale /= (float)model->members;
        sum += model->loss->block(&block);
    }
    return sum / (double)model->members;
}

/* Where the walk through a batch stands. */
struct walk {
    const float *x;
    const int32_t *tokens;
    const uint32_t *lengths;
    uint32_t left;
};

/* The next block that fits a pass; sequences are packed. Returns the outputs (and targets) it has. */
static size_t next_block(struct ent_model *model, struct walk *walk, struct ent_block *block)
{
    uint32_t n = walk->left < model->block ? walk->left : model->block;
    uint32_t steps = n;

    if (walk->lengths != NULL) {
        n = ent_pack_fit(model, walk->lengths, walk->left, &steps);
    }
    *block =
        (struct ent_block){.x = walk->x, .tokens = walk->tokens, .lengths = walk->lengths, .n = n};
    if (walk->lengths != NULL) {
        ent_pack_fill(model, block);
        block->x = model->x;
        block->tokens = model->tokens;
        walk->lengths += n;
    }
    walk->x += walk->x != NULL ? (size_t)steps * model->n_inputs : 0;
    walk->tokens += walk->tokens != NULL ? (size_t)steps * model->n_tokens : 0;
    walk->left -= n;
    return model->per_step ? steps : n;
}

/* Outputs to probabilities, the mean over the members into the first one's place. */
static void predict_block(struct ent_model *model, float *out)
{
    size_t rows = model->rows[model->n_layers] / model->members;
    size_t size = rows * model->n_outputs;
    float share = 1.0f / (float)model->members;

    model->loss->predict(out, rows * model->members, model->n_outputs);
    if (model->members == 1) {
        return;
    }
    for (size_t j = 1; j < model->members; j++) {
        ent_vec_axpy(1.0f, out + j * size, out, size);
    }
    for (size_t i = 0; i < size; i++) {
        out[i] *= share;
    }
}

void ent_model_predict_batch(struct ent_model *model, const struct ent_model_batch *batch,
                             float *out)
{
    struct walk walk = {
        .x = batch->x, .tokens = batch->tokens, .lengths = batch->lengths, .left = batch->n};

    ENT_BUG_ON((batch->lengths != NULL) != (model->seq_max > 0));
    while (walk.left > 0) {
        struct ent_block block;
        size_t n = next_block(model, &walk, &block);
        float *prob = ent_model_forward(model, &block, NULL);

        predict_block(model, prob);
        if (block.lengths != NULL) {
            ent_pack_outputs(model, prob, out);
        } else {
            memcpy(out, prob, n * model->n_outputs * sizeof *out);
        }
        out += n * model->n_outputs;
    }
}

void ent_model_predict(struct ent_model *model, const float *x, uint32_t n, float *prob)
{
    struct ent_model_batch batch = {.n = n, .x = x};

    ENT_BUG_ON(model->n_tokens > 0);
    ent_model_predict_batch(model, &batch, prob);
}

void ent_model_step_piece(struct ent_model *model, const struct ent_model_piece *piece,
                          struct ent_rng *rng, double *loss_sum)
{
    struct walk walk = {
        .x = piece->x, .tokens = piece->tokens, .lengths = piece->lengths, .left = piece->n};
    double sum = piece->first ? 0.0 : *loss_sum;
    const float *y = piece->y;
    bool add = !piece->first;

    ENT_BUG_ON(!model->training || piece->n == 0 || piece->n_total == 0);
    ENT_BUG_ON((piece->lengths != NULL) != (model->seq_max > 0));
    while (walk.left > 0) {
        struct ent_block block;
        size_t n = next_block(model, &walk, &block);
        const float *out = ent_model_forward(model, &block, rng);

        if (block.lengths != NULL) {
            ent_pack_targets(model, y);
        }
        sum += loss(model, out, block.lengths != NULL ? model->y : y, piece->n_total);
        backward(model, &block, add);
        y += n * model->n_targets;
        add = true;
    }
    *loss_sum = sum;
}

void ent_model_step(struct ent_model *model, const float *x, const float *y, uint32_t n,
                    struct ent_rng *rng, double *loss_sum)
{
    struct ent_model_piece piece = {.x = x, .y = y, .n = n, .n_total = n, .first = true};

    ent_model_step_piece(model, &piece, rng, loss_sum);
}
