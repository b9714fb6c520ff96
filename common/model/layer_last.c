/* The last step of each sequence. */
#include <string.h>

#include "common/model/layer.h"

extern const struct ent_layer_vtable ent_layer_last;

static enum ent_err shape(const struct ent_model_layer *spec, uint32_t n_in, uint32_t *n_out)
{
    (void)spec;
    *n_out = n_in;
    return ENT_E_OK;
}

static size_t row_of(const struct ent_pack *pack, uint32_t s)
{
    return (size_t)pack->first[pack->lengths[s] - 1] + s;
}

static void forward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    size_t n = layer->n_out;

    for (uint32_t s = 0; s < pass->pack->n; s++) {
        memcpy(layer->y + s * n, pass->x + row_of(pass->pack, s) * n, n * sizeof(float));
    }
}

static void backward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    size_t n = layer->n_out;

    if (pass->dx == NULL) {
        return;
    }
    memset(pass->dx, 0, pass->n * n * sizeof(float));
    for (uint32_t s = 0; s < pass->pack->n; s++) {
        memcpy(pass->dx + row_of(pass->pack, s) * n, pass->dy + s * n, n * sizeof(float));
    }
}

const struct ent_layer_vtable ent_layer_last = {
    .name = "last",
    .pools = true,
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
