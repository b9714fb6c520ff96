/* cells.inc over one lane. */
#include <math.h>

#include "common/math/kernels.h"

#define FN
#define V float
#define W ((size_t)1)
#define LOAD(p_, k_) ((void)(k_), *(p_))
#define STORE(p_, v_, k_) ((void)(k_), (void)(*(p_) = (v_)))
#define SET(v_) (v_)
#define ADD(a_, b_) ((a_) + (b_))
#define SUB(a_, b_) ((a_) - (b_))
#define MUL(a_, b_) ((a_) * (b_))
#define DIV(a_, b_) ((a_) / (b_))
#define SQRT sqrtf
#define FLUSH(v_, tiny_) (fabsf(v_) < (tiny_) ? 0.0f : (v_))
#define RELU(v_) ((v_) < 0.0f ? 0.0f : (v_))
#define SIGMOID sigmoid1
#define TANH tanh1

static float sigmoid1(float x)
{
    return 1.0f / (1.0f + ent_kernels_exp(-x));
}

static float tanh1(float x)
{
    float a = fabsf(x);
    float p = ENT_TANH_P0;
    float e;

    if (a < ENT_TANH_NEAR) {
        float q = a * a;

        p = p * q + ENT_TANH_P1;
        p = p * q + ENT_TANH_P2;
        p = p * q + ENT_TANH_P3;
        p = p * q + ENT_TANH_P4;
        return copysignf(p * q * a + a, x);
    }
    e = ent_kernels_exp(-2.0f * a);
    return copysignf((1.0f - e) / (1.0f + e), x);
}

#include "common/math/cells.inc"

const struct ent_cell_kernels ent_kernels_portable_cells = {
    .adam = adam,
    .tanh = tanh_all,
    .tanh_back = tanh_back,
    .sigmoid_back = sigmoid_back,
    .mul_rows = mul_rows,
    .scale_rows = scale_rows,
    .scale_rows_back = scale_rows_back,
    .gru = gru_forward,
    .gru_back = gru_back,
    .lstm = lstm_forward,
    .lstm_back = lstm_back,
    .rnn_back = rnn_back,
};
