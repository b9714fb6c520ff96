/* What the recurrent layers share: everything but what happens inside of a cell, which the vtable names. Inside the model room only.
 *
 * Parameters, with G gates: weight_x [n_in][G units], weight_h [units][G units], bias_x and bias_h [G units]. The sums of
 * the inputs of all steps are one product; then step by step the sums of the states and the cells; on the way back the
 * gradient of weight_h is one product over all steps. */
#ifndef ENT_COMMON_MODEL_RECURRENT_H
#define ENT_COMMON_MODEL_RECURRENT_H

#include "common/math/cells.h"
#include "common/model/layer.h"

struct ent_recurrent {
    uint32_t gates;
    bool own_hidden; /* GRU: the cell wants the sums of the state apart */
    bool own_cell;   /* LSTM: what goes from step to step is c as well, which the cell reads */
    void (*forward)(const struct ent_cell *cell);
    void (*back)(const struct ent_cell_back *cell);
};

enum ent_err ent_recurrent_shape(const struct ent_model_layer *spec, uint32_t n_in,
                                 uint32_t *n_out);
uint32_t ent_recurrent_tensors(const struct ent_layer *layer,
                               struct ent_layer_tensor out[ENT_LAYER_TENSORS_MAX]);
/* Uniform in +-1 / sqrt(units), all of it. */
void ent_recurrent_init(const struct ent_layer *layer, struct ent_rng *rng, float *params);
size_t ent_recurrent_n_work(const struct ent_layer *layer);
void ent_recurrent_forward(const struct ent_layer *layer, const struct ent_layer_pass *pass);
void ent_recurrent_backward(const struct ent_layer *layer, const struct ent_layer_pass *pass);

void ent_recurrent_norms(const struct ent_layer *layer, const struct ent_layer_pass *pass,
                         double *squares);
void ent_recurrent_clipped(const struct ent_layer *layer, const struct ent_layer_pass *pass,
                           const float *factors, double *sum);

/* The vtable of a recurrent kind, which is its cell and what all share. */
#define ENT_RECURRENT_VTABLE(name_, cell_)                                                         \
    {                                                                                              \
        .name = (name_), .keeps_y = true, .recurrent = (cell_), .shape = ent_recurrent_shape,      \
        .tensors = ent_recurrent_tensors, .init = ent_recurrent_init,                              \
        .n_work = ent_recurrent_n_work, .forward = ent_recurrent_forward,                          \
        .backward = ent_recurrent_backward, .norms = ent_recurrent_norms,                          \
        .clipped = ent_recurrent_clipped                                                           \
    }

#endif
