/* Gated recurrent unit (Cho et al. 2014), with the reset gate behind the product as in cuDNN and PyTorch; gates r, z, n. */
#include "common/model/recurrent.h"

extern const struct ent_layer_vtable ent_layer_gru;

static const struct ent_recurrent kind = {
    .gates = 3, .own_hidden = true, .forward = ent_cells_gru, .back = ent_cells_gru_back};

const struct ent_layer_vtable ent_layer_gru = ENT_RECURRENT_VTABLE("gru", &kind);
