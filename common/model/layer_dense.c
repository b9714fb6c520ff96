/* y = x W + b, W [n_in][n_out].  dW = x^T dy, db = column sums of dy, dx = dy W^T. */
#include <math.h>
#include <string.h>

#include "common/math/mat.h"
#include "common/model/clip_norm.h"
#include "common/model/layer.h"

extern const struct ent_layer_vtable ent_layer_dense;

static enum ent_err shape(const struct ent_model_layer *spec, uint32_t n_in, uint32_t *n_out)
{
    (void)n_in;
    ENT_REQUIRE(spec->units >= 1 && spec->units <= ENT_MODEL_UNITS_MAX, ENT_E_CONFIG,
                "dense: %u units; 1 to %u are possible", spec->units, ENT_MODEL_UNITS_MAX);
    *n_out = spec->units;
    return ENT_E_OK;
}

static uint32_t tensors(const struct ent_layer *layer,
                        struct ent_layer_tensor out[ENT_LAYER_TENSORS_MAX])
{
    out[0] = (struct ent_layer_tensor){
        .name = "weight", .n_dims = 2, .dims = {layer->n_in, layer->n_out}, .decays = true};
    out[1] = (struct ent_layer_tensor){.name = "bias", .n_dims = 1, .dims = {layer->n_out}};
    return 2;
}

static size_t n_weights(const struct ent_layer *layer)
{
    return (size_t)layer->n_in * layer->n_out;
}

/* He et al. 2015, eq. 10: standard deviation sqrt(2 / n_in), for layers behind which a ReLU halves the variance. */
static void init(const struct ent_layer *layer, struct ent_rng *rng, float *params)
{
    double sd = sqrt(2.0 / layer->n_in);
    size_t n = n_weights(layer);

    for (size_t i = 0; i < n; i++) {
        params[i] = (float)(sd * ent_rng_normal(rng));
    }
    memset(params + n, 0, layer->n_out * sizeof *params);
}

static size_t n_work(const struct ent_layer *layer)
{
    if (!layer->training || layer->first) {
        return 0;
    }
    return layer->clips ? n_weights(layer) : ent_mat_nt_work(layer->n_in, layer->n_out);
}

static void forward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    const float *bias = pass->params + n_weights(layer);

    if (layer->clips) {
        ent_mat_rows_mul_bias(pass->x, pass->params, bias, layer->relu_inside, layer->y, pass->n,
                              layer->n_out, layer->n_in);
    } else {
        ent_mat_mul_bias(pass->x, pass->params, bias, layer->relu_inside, layer->y, pass->n,
                         layer->n_out, layer->n_in);
    }
}

static void backward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    ent_mat_mul_tn(pass->x, pass->dy, pass->add, pass->gradient, layer->n_in, layer->n_out,
                   pass->n);
    ent_mat_col_sums(pass->dy, pass->add, pass->gradient + n_weights(layer), pass->n, layer->n_out);
    if (pass->dx != NULL) {
        ent_mat_mul_nt(pass->dy, pass->params, layer->work, pass->dx, pass->n, layer->n_in,
                       layer->n_out);
    }
}

static void norms(const struct ent_layer *layer, const struct ent_layer_pass *pass, double *squares)
{
    struct ent_clip_outer outer = {.a = pass->x,
                                   .n_a = layer->n_in,
                                   .d = pass->dy,
                                   .n_d = layer->n_out,
                                   .biases = 1.0,
                                   .n = pass->n,
                                   .work = pass->gradient};

    if (pass->pack != NULL) {
        squares[0] += ent_clip_outer_square(&outer);
    } else {
        ent_clip_rows_add(&outer, squares);
    }
    if (pass->dx != NULL) {
        ent_mat_rows_mul_nt(pass->dy, pass->params, layer->work, pass->dx, pass->n, layer->n_in,
                            layer->n_out);
    }
}

static void clipped(const struct ent_layer *layer, const struct ent_layer_pass *pass,
                    const float *factors, double *sum)
{
    ent_clip_scale(pass->dy, pass->n, layer->n_out, factors, pass->pack != NULL);
    ent_mat_mul_tn(pass->x, pass->dy, false, pass->gradient, layer->n_in, layer->n_out, pass->n);
    ent_mat_col_sums(pass->dy, false, pass->gradient + n_weights(layer), pass->n, layer->n_out);
    ent_clip_add(pass->gradient, sum, layer->n_params);
}

const struct ent_layer_vtable ent_layer_dense = {
    .name = "dense",
    .in_place = false,
    .shape = shape,
    .tensors = tensors,
    .init = init,
    .n_work = n_work,
    .forward = forward,
    .backward = backward,
    .norms = norms,
    .clipped = clipped,
};
