/* Vanilla recurrent layer (Elman 1990): h = tanh(x Wx + bx + h Wh + bh). */
#include "common/model/recurrent.h"

#define GATES 1

extern const struct ent_layer_vtable ent_layer_rnn;

static void rnn_forward(const struct ent_cell *cell)
{
    ent_cells_tanh(cell->gates, cell->h, cell->rows * cell->units);
}

static const struct ent_recurrent kind = {
    .gates = GATES, .forward = rnn_forward, .back = ent_cells_rnn_back};

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

const struct ent_layer_vtable ent_layer_rnn = {
    .name = "rnn",
    .keeps_y = true,
    .recurrent = true,
    .shape = ent_recurrent_shape,
    .tensors = tensors,
    .init = ent_recurrent_init,
    .n_work = n_work,
    .forward = forward,
    .backward = backward,
};
