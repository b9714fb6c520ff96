/* The largest value of each unit over the steps of a sequence; its first step gets the derivative. NaN is larger than
 * anything, so that it is not hidden. */
#include <string.h>

#include "common/model/layer.h"

extern const struct ent_layer_vtable ent_layer_max_pool;

static enum ent_err shape(const struct ent_model_layer *spec, uint32_t n_in, uint32_t *n_out)
{
    (void)spec;
    *n_out = n_in;
    return ENT_E_OK;
}

/* Which step it was, exact: sequences are shorter than 2^24. */
static size_t n_work(const struct ent_layer *layer)
{
    return layer->rows_out * layer->n_out;
}

static void forward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    size_t n = layer->n_out;

    memcpy(layer->y, pass->x, pass->pack->n * n * sizeof(float));
    memset(layer->work, 0, pass->pack->n * n * sizeof(float));
    for (uint32_t t = 1; t < pass->pack->n_times; t++) {
        const float *x = pass->x + pass->pack->first[t] * n;
        size_t size = (pass->pack->first[t + 1] - pass->pack->first[t]) * n;

        for (size_t j = 0; j < size; j++) {
            if (x[j] > layer->y[j] || x[j] != x[j]) {
                layer->y[j] = x[j];
                layer->work[j] = (float)t;
            }
        }
    }
}

static void backward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    size_t n = layer->n_out;

    if (pass->dx == NULL) {
        return;
    }
    memset(pass->dx, 0, pass->n * n * sizeof(float));
    for (size_t j = 0; j < pass->pack->n * n; j++) {
        uint32_t t = (uint32_t)layer->work[j];

        pass->dx[pass->pack->first[t] * n + j] = pass->dy[j];
    }
}

const struct ent_layer_vtable ent_layer_max_pool = {
    .name = "max_pool",
    .pools = true,
    .shape = shape,
    .n_work = n_work,
    .forward = forward,
    .backward = backward,
};
