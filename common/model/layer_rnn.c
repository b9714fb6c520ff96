/* Vanilla recurrent layer (Elman 1990): h = tanh(x Wx + bx + h Wh + bh). */
#include "common/model/recurrent.h"

extern const struct ent_layer_vtable ent_layer_rnn;

static void rnn_forward(const struct ent_cell *cell)
{
    ent_cells_tanh(cell->gates, cell->h, cell->rows * cell->units);
}

static const struct ent_recurrent kind = {
    .gates = 1, .forward = rnn_forward, .back = ent_cells_rnn_back};

const struct ent_layer_vtable ent_layer_rnn = ENT_RECURRENT_VTABLE("rnn", &kind);
