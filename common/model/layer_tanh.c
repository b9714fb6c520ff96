/* y = tanh(x), in place.  dx = dy (1 - y^2). */
#include "common/math/cells.h"
#include "common/model/layer.h"

extern const struct ent_layer_vtable ent_layer_tanh;

static enum ent_err shape(const struct ent_model_layer *spec, uint32_t n_in, uint32_t *n_out)
{
    (void)spec;
    *n_out = n_in;
    return ENT_E_OK;
}

static void forward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    ent_cells_tanh(layer->y, layer->y, pass->n * layer->n_out);
}

static void backward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    ent_cells_tanh_back(layer->y, pass->dy, pass->n * layer->n_out);
}

const struct ent_layer_vtable ent_layer_tanh = {
    .name = "tanh",
    .in_place = true,
    .keeps_y = true,
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
