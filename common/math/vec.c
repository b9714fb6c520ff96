#include "common/math/vec.h"

#include <string.h>

#include "common/math/kernels.h"

float ent_vec_dot(const float *x, const float *y, size_t n)
{
    return ent_kernels()->vec->dot(x, y, n);
}

void ent_vec_axpy(float a, const float *x, float *y, size_t n)
{
    ent_kernels()->vec->axpy(a, x, y, n);
}

void ent_vec_sub(const float *a, const float *b, float *out, size_t n)
{
    ent_kernels()->vec->sub(a, b, out, n);
}

void ent_vec_sgd(float *params, const float *gradient, float rate, size_t n)
{
    ent_kernels()->vec->sgd(params, gradient, rate, n);
}

void ent_vec_momentum(float *params, float *velocity, const float *gradient, float rate,
                      float momentum, size_t n)
{
    ent_kernels()->vec->momentum(params, velocity, gradient, rate, momentum, n);
}

void ent_vec_relu(float *y, size_t n)
{
    ent_kernels()->vec->relu(y, n);
}

void ent_vec_relu_back(const float *y, float *dy, size_t n)
{
    ent_kernels()->vec->relu_back(y, dy, n);
}

void ent_vec_exp(const float *x, float *out, size_t n)
{
    ent_kernels()->vec->exp(x, out, n);
}

void ent_vec_sigmoid(const float *x, float *out, size_t n)
{
    ent_kernels()->vec->sigmoid(x, out, n);
}

bool ent_vec_finite(const float *x, size_t n)
{
    uint32_t bad = 0;

    /* All exponent bits set, and only then, carries into the sign bit. */
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;

        memcpy(&bits, x + i, sizeof bits);
        bad |= (bits & 0x7fffffffu) + 0x00800000u;
    }
    return (bad & 0x80000000u) == 0;
}

uint64_t ent_vec_dropout(const struct ent_dropout *dropout, float *y, uint8_t *kept, size_t n)
{
    ent_kernels()->dropout(dropout, y, kept, n);
    return (n + ENT_DROPOUT_GROUP - 1) / ENT_DROPOUT_GROUP * ENT_DROPOUT_LANES;
}

void ent_vec_dropout_back(float scale, const uint8_t *kept, float *dy, size_t n)
{
    ent_kernels()->vec->dropout_back(scale, kept, dy, n);
}
