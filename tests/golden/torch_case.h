/* One network with what PyTorch makes of it (torch_golden.inc). */
#ifndef ENT_TESTS_GOLDEN_TORCH_CASE_H
#define ENT_TESTS_GOLDEN_TORCH_CASE_H

#include "common/model/model.h"

struct torch_case {
    const char *name;
    const struct ent_model_layer *layers;
    uint32_t n_layers;
    uint32_t n_inputs;
    enum ent_model_loss_kind loss;
    const float *weights;
    uint32_t n_weights;
    uint32_t ensemble;
    uint32_t truncate;
    uint32_t n;         /* rows or sequences */
    uint32_t n_targets; /* rows, sequences or steps */
    const uint32_t *lengths;
    const float *x;
    const int32_t *tokens;
    const float *y;
    const float *params;
    size_t n_params;
    const double *gradient; /* of the mean loss */
    const double *out;      /* probabilities or values */
    size_t n_out;
    double mean_loss;
};

#endif
