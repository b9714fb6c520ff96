/* Gated recurrent unit (Cho et al. 2014), with the reset gate behind the product as in cuDNN and PyTorch; gates r, z, n. */
#include "common/model/recurrent.h"

#define GATES 3

extern const struct ent_layer_vtable ent_layer_gru;

static const struct ent_recurrent kind = {
    .gates = GATES, .own_hidden = true, .forward = ent_cells_gru, .back = ent_cells_gru_back};

static uint32_t tensors(const struct ent_layer *layer,
                        struct ent_layer_tensor out[ENT_LAYER_TENSORS_MAX])
{
    return ent_recurrent_tensors(layer, GATES, out);
}

static size_t n_work(const struct ent_layer *layer)
{
    return ent_recurrent_n_work(layer, GATES);
}

static void forward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    ent_recurrent_forward(&kind, layer, pass);
}

static void backward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    ent_recurrent_backward(&kind, layer, pass);
}

const struct ent_layer_vtable ent_layer_gru = {
    .name = "gru",
    .keeps_y = true,
    .recurrent = true,
    .shape = ent_recurrent_shape,
    .tensors = tensors,
    .init = ent_recurrent_init,
    .n_work = n_work,
    .forward = forward,
    .backward = backward,
};
