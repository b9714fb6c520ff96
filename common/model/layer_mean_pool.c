/* The mean of each unit over the steps of a sequence. */
#include <string.h>

#include "common/math/vec.h"
#include "common/model/layer.h"

extern const struct ent_layer_vtable ent_layer_mean_pool;

static enum ent_err shape(const struct ent_model_layer *spec, uint32_t n_in, uint32_t *n_out)
{
    (void)spec;
    *n_out = n_in;
    return ENT_E_OK;
}

static void forward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    size_t n = layer->n_out;

    memset(layer->y, 0, pass->pack->n * n * sizeof(float));
    for (uint32_t t = 0; t < pass->pack->n_times; t++) {
        size_t at = pass->pack->first[t];
        size_t rows = pass->pack->first[t + 1] - at;

        ent_vec_axpy(1.0f, pass->x + at * n, layer->y, rows * n);
    }
    for (uint32_t s = 0; s < pass->pack->n; s++) {
        float *y = layer->y + s * n;

        for (size_t j = 0; j < n; j++) {
            y[j] /= (float)pass->pack->lengths[s];
        }
    }
}

static void backward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    size_t n = layer->n_out;

    if (pass->dx == NULL) {
        return;
    }
    for (uint32_t s = 0; s < pass->pack->n; s++) {
        float *dy = pass->dy + s * n;

        for (size_t j = 0; j < n; j++) {
            dy[j] /= (float)pass->pack->lengths[s];
        }
    }
    for (uint32_t t = 0; t < pass->pack->n_times; t++) {
        size_t at = pass->pack->first[t];

        memcpy(pass->dx + at * n, pass->dy, (pass->pack->first[t + 1] - at) * n * sizeof(float));
    }
}

const struct ent_layer_vtable ent_layer_mean_pool = {
    .name = "mean_pool",
    .pools = true,
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
