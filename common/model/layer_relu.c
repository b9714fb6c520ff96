/* y = max(x, 0), in place.  dx = dy where y > 0. Right behind a dropout as well: what it dropped is 0 in y, and its own
 * backward pass has already zeroed dy there. */
#include "common/math/vec.h"
#include "common/model/layer.h"

extern const struct ent_layer_vtable ent_layer_relu;

static enum ent_err shape(const struct ent_model_layer *spec, uint32_t n_in, uint32_t *n_out)
{
    (void)spec;
    *n_out = n_in;
    return ENT_E_OK;
}

static void forward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    if (!layer->forward_done) {
        ent_vec_relu(layer->y, pass->n * layer->n_out);
    }
}

static void backward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    ent_vec_relu_back(layer->y, pass->dy, pass->n * layer->n_out);
}

const struct ent_layer_vtable ent_layer_relu = {
    .name = "relu",
    .in_place = true,
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
