/* y = x and behind it W[token], W [values][units]. Embeddings stand in front of all other layers and share one buffer, in
 * which each fills its own columns; the first one brings in the floats. dW[token] += its columns of dy. */
#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/math/vec.h"
#include "common/model/clip_norm.h"
#include "common/model/layer.h"

extern const struct ent_layer_vtable ent_layer_embedding;

static enum ent_err shape(const struct ent_model_layer *spec, uint32_t n_in, uint32_t *n_out)
{
    ENT_REQUIRE(spec->units >= 1 && spec->units <= ENT_MODEL_UNITS_MAX - n_in, ENT_E_CONFIG,
                "embedding: %u units are too many or none", spec->units);
    ENT_REQUIRE(spec->values >= 1 && spec->values <= ENT_MODEL_VALUES_MAX, ENT_E_CONFIG,
                "embedding: %u values; 1 to %u are possible", spec->values, ENT_MODEL_VALUES_MAX);
    *n_out = n_in + spec->units;
    return ENT_E_OK;
}

static uint32_t tensors(const struct ent_layer *layer,
                        struct ent_layer_tensor out[ENT_LAYER_TENSORS_MAX])
{
    out[0] = (struct ent_layer_tensor){.name = "weight",
                                       .n_dims = 2,
                                       .dims = {layer->spec.values, layer->spec.units},
                                       .decays = true};
    return 1;
}

static void init(const struct ent_layer *layer, struct ent_rng *rng, float *params)
{
    for (size_t i = 0; i < layer->n_params; i++) {
        params[i] = (float)ent_rng_normal(rng);
    }
}

/* What the data says is checked where it is read: a wrong token here is our own bug. */
static size_t row_of(const struct ent_layer *layer, const struct ent_layer_pass *pass, size_t i)
{
    int32_t token = pass->tokens[i * layer->n_tokens + layer->token];

    ENT_BUG_ON(token < 0 || (uint32_t)token >= layer->spec.values);
    return (size_t)token * layer->spec.units;
}

static void forward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    size_t units = layer->spec.units;

    for (size_t i = 0; i < pass->n; i++) {
        float *y = layer->y + i * layer->stride;

        if (layer->first && layer->n_in > 0) {
            memcpy(y, pass->x + i * layer->n_in, layer->n_in * sizeof *y);
        }
        memcpy(y + layer->n_in, pass->params + row_of(layer, pass, i), units * sizeof *y);
    }
}

static void backward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    size_t units = layer->spec.units;

    if (!pass->add) {
        memset(pass->gradient, 0, layer->n_params * sizeof *pass->gradient);
    }
    for (size_t i = 0; i < pass->n; i++) {
        ent_vec_axpy(1.0f, pass->dy + i * layer->stride + layer->n_in,
                     pass->gradient + row_of(layer, pass, i), units);
    }
}

/* Only the rows of the table that the example's tokens name are in its gradient. The same token in several steps: their
 * derivatives add up first, in the table's own place in the work memory; each is counted once. */
static double sequence_square(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    size_t units = layer->spec.units;
    double absolute = 0.0;
    double square = 0.0;

    for (size_t i = 0; i < pass->n; i++) {
        memset(pass->gradient + row_of(layer, pass, i), 0, units * sizeof *pass->gradient);
    }
    for (size_t i = 0; i < pass->n; i++) {
        const float *dy = pass->dy + i * layer->stride + layer->n_in;

        ent_vec_axpy(1.0f, dy, pass->gradient + row_of(layer, pass, i), units);
        absolute += sqrt(ent_clip_square(dy, units));
    }
    for (size_t i = 0; i < pass->n; i++) {
        float *row = pass->gradient + row_of(layer, pass, i);

        square += ent_clip_square(row, units);
        memset(row, 0, units * sizeof *row);
    }
    return ent_clip_with_slack(square, absolute, pass->n);
}

static void norms(const struct ent_layer *layer, const struct ent_layer_pass *pass, double *squares)
{
    if (pass->pack != NULL) {
        squares[0] += sequence_square(layer, pass);
        return;
    }
    for (size_t i = 0; i < pass->n; i++) {
        squares[i] +=
            ent_clip_square(pass->dy + i * layer->stride + layer->n_in, layer->spec.units);
    }
}

/* Straight into the sums in double: what the example did not touch costs nothing. */
static void clipped(const struct ent_layer *layer, const struct ent_layer_pass *pass,
                    const float *factors, double *sum)
{
    size_t units = layer->spec.units;

    for (size_t i = 0; i < pass->n; i++) {
        const float *dy = pass->dy + i * layer->stride + layer->n_in;
        double *row = sum + row_of(layer, pass, i);
        double f = (double)factors[pass->pack != NULL ? 0 : i];

        for (size_t j = 0; j < units && f > 0.0; j++) {
            row[j] += f * (double)dy[j];
        }
    }
}

const struct ent_layer_vtable ent_layer_embedding = {
    .name = "embedding",
    .in_place = true,
    .shape = shape,
    .tensors = tensors,
    .init = init,
    .forward = forward,
    .backward = backward,
    .norms = norms,
    .clipped = clipped,
};
