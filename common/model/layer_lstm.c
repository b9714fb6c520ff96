/* Long short-term memory (Hochreiter and Schmidhuber 1997) with forget gate, without peepholes; gates i, f, g, o. */
#include "common/model/recurrent.h"

extern const struct ent_layer_vtable ent_layer_lstm;

static const struct ent_recurrent kind = {
    .gates = 4, .own_cell = true, .forward = ent_cells_lstm, .back = ent_cells_lstm_back};

const struct ent_layer_vtable ent_layer_lstm = ENT_RECURRENT_VTABLE("lstm", &kind);
