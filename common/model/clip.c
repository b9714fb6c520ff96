#include "common/model/clip.h"

#include <math.h>
#include <string.h>

#include "common/base/hooks.h"
#include "common/model/clip_norm.h"
#include "common/model/model_internal.h"

bool ent_model_can_clip(const struct ent_model_options *options, const char **name)
{
    if (options->ensemble > 1) {
        *name = "a batch ensemble";
        return false;
    }
    for (uint32_t i = 0; i < options->n_layers; i++) {
        const struct ent_layer_vtable *vtable = ent_layer_vtable(options->layers[i].kind);

        if (vtable == NULL || vtable->draws || (vtable->tensors != NULL && vtable->norms == NULL)) {
            *name = ent_model_layer_name(options->layers[i].kind);
            return false;
        }
    }
    return true;
}

bool ent_model_clips(const struct ent_model *model)
{
    return model->clips;
}

uint32_t ent_model_clip_block(const struct ent_model *model)
{
    return model->block;
}

/* One clipped block under way. */
struct clip_run {
    struct ent_model *model;
    const struct ent_model_clip *clip;
    struct ent_block block;
};

/* Derivatives of the examples' own mean losses by the outputs, into the last layer's dy. */
static void differentiate(const struct clip_run *run, const float *out)
{
    struct ent_model *model = run->model;
    size_t rows = model->rows[model->n_layers];
    bool sequence = run->block.lengths != NULL;
    struct ent_loss_block loss = {.out = out,
                                  .y = sequence ? model->y : run->clip->y,
                                  .weights = model->class_weights,
                                  .scale = sequence ? 1.0f / (float)rows : 1.0f,
                                  .work = model->loss_work,
                                  .d = model->layers[model->n_layers - 1].dy,
                                  .n = rows,
                                  .n_outputs = model->n_outputs};

    if (sequence) {
        ent_pack_targets(model, run->clip->y);
    }
    (void)model->loss->block(&loss);
}

static struct ent_layer_pass pass_back(const struct clip_run *run, uint32_t i)
{
    struct ent_model *model = run->model;
    const struct ent_layer *layer = &model->layers[i];
    struct ent_layer_pass pass = ent_model_pass_of(model, i, &run->block);

    pass.gradient = model->gradient + layer->first_param;
    pass.dy = layer->dy;
    pass.dx = i > 0 && !layer->vtable->in_place ? model->layers[i - 1].dy : NULL;
    return pass;
}

static void find_norms(const struct clip_run *run)
{
    struct ent_model *model = run->model;

    memset(model->squares, 0, model->block * sizeof *model->squares);
    for (uint32_t i = model->n_layers; i-- > 0;) {
        const struct ent_layer *layer = &model->layers[i];
        struct ent_layer_pass pass = pass_back(run, i);

        if (layer->vtable->norms != NULL) {
            layer->vtable->norms(layer, &pass, model->squares);
        } else {
            layer->vtable->backward(layer, &pass);
        }
    }
}

/* What is not finite has no place in the products either: 0 times it would not be 0. */
static void scrub(const struct clip_run *run, uint32_t example)
{
    struct ent_model *model = run->model;
    bool sequence = run->block.lengths != NULL;

    for (uint32_t i = 0; i < model->n_layers; i++) {
        const struct ent_layer *layer = &model->layers[i];
        size_t first = sequence ? 0 : (size_t)example * layer->stride;
        size_t n = (sequence ? model->rows[i + 1] : 1) * layer->stride;

        memset(layer->y + first, 0, n * sizeof *layer->y);
    }
}

static void find_factors(const struct clip_run *run)
{
    struct ent_model *model = run->model;
    const struct ent_model_clip *clip = run->clip;

    for (uint32_t e = 0; e < run->block.n; e++) {
        double norm = sqrt(model->squares[e]);
        double f = norm > clip->bound ? clip->bound / norm : 1.0;

        if (!(norm <= clip->bound * ENT_CLIP_LARGE)) { /* NaN as well */
            norm = (double)NAN;
            f = 0.0;
            scrub(run, e);
        } else if (ENT_HOOK_PLANTED("dp.no_clipping")) {
            f = 1.0;
        }
        model->factors[e] = clip->live == NULL || clip->live[e] ? (float)f : 0.0f;
        clip->norms[e] = norm;
    }
}

/* The products, in pieces of at most product_rows examples. */
static void add_up(const struct clip_run *run)
{
    struct ent_model *model = run->model;
    uint32_t step = run->clip->product_rows;

    for (uint32_t i = 0; i < model->n_layers; i++) {
        const struct ent_layer *layer = &model->layers[i];

        for (uint32_t e = 0; e < run->block.n && layer->vtable->clipped != NULL; e += step) {
            struct ent_layer_pass pass = pass_back(run, i);

            if (run->block.lengths == NULL) {
                pass.n = run->block.n - e < step ? run->block.n - e : step;
                pass.x += pass.x != NULL ? (size_t)e * layer->n_in : 0;
                pass.tokens += pass.tokens != NULL ? (size_t)e * layer->n_tokens : 0;
                pass.dy += (size_t)e * layer->stride;
            }
            layer->vtable->clipped(layer, &pass, model->factors + e,
                                   run->clip->sum + layer->first_param);
        }
    }
}

void ent_model_step_clipped(struct ent_model *model, const struct ent_model_clip *clip)
{
    struct clip_run run = {
        .model = model,
        .clip = clip,
        .block = {
            .x = clip->x, .tokens = clip->tokens, .lengths = clip->lengths, .n = model->block}};

    ENT_BUG_ON(!model->clips || clip->product_rows == 0 || !(clip->bound > 0.0));
    ENT_BUG_ON((clip->lengths != NULL) != (model->seq_max > 0));
    if (clip->lengths != NULL) {
        ENT_BUG_ON(clip->lengths[0] == 0 || clip->lengths[0] > model->seq_max);
        ent_pack_fill(model, &run.block);
        run.block.x = model->x;
        run.block.tokens = model->tokens;
    }
    differentiate(&run, ent_model_forward(model, &run.block, NULL));
    find_norms(&run);
    find_factors(&run);
    add_up(&run);
}
