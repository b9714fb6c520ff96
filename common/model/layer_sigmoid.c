/* y = 1 / (1 + e^-x), in place.  dx = dy y (1 - y). */
#include "common/math/cells.h"
#include "common/math/vec.h"
#include "common/model/layer.h"

extern const struct ent_layer_vtable ent_layer_sigmoid;

static enum ent_err shape(const struct ent_model_layer *spec, uint32_t n_in, uint32_t *n_out)
{
    (void)spec;
    *n_out = n_in;
    return ENT_E_OK;
}

static void forward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    ent_vec_sigmoid(layer->y, layer->y, pass->n * layer->n_out);
}

static void backward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    ent_cells_sigmoid_back(layer->y, pass->dy, pass->n * layer->n_out);
}

const struct ent_layer_vtable ent_layer_sigmoid = {
    .name = "sigmoid",
    .in_place = true,
    .keeps_y = true,
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
