/* Long short-term memory (Hochreiter and Schmidhuber 1997) with forget gate, without peepholes; gates i, f, g, o. */
#include "common/model/recurrent.h"

#define GATES 4

extern const struct ent_layer_vtable ent_layer_lstm;

static const struct ent_recurrent kind = {
    .gates = GATES, .own_cell = true, .forward = ent_cells_lstm, .back = ent_cells_lstm_back};

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

const struct ent_layer_vtable ent_layer_lstm = {
    .name = "lstm",
    .keeps_y = true,
    .recurrent = true,
    .shape = ent_recurrent_shape,
    .tensors = tensors,
    .init = ent_recurrent_init,
    .n_work = n_work,
    .forward = forward,
    .backward = backward,
};
