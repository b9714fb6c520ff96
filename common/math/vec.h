/* Vectors of float32. n may be 0; arrays must not overlap unless said. */
#ifndef ENT_COMMON_MATH_VEC_H
#define ENT_COMMON_MATH_VEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* sum of x[i] * y[i] (bits depend on the kernel path) */
float ent_vec_dot(const float *x, const float *y, size_t n);
/* y += a * x (fused where the path has it) */
void ent_vec_axpy(float a, const float *x, float *y, size_t n);
/* out = a - b, one rounding each; out may be a or b. Same bits on every path. */
void ent_vec_sub(const float *a, const float *b, float *out, size_t n);
/* params -= rate * gradient. Same bits on every path. */
void ent_vec_sgd(float *params, const float *gradient, float rate, size_t n);
/* velocity = momentum * velocity + gradient; params -= rate * velocity. Same bits on every path. */
void ent_vec_momentum(float *params, float *velocity, const float *gradient, float rate,
                      float momentum, size_t n);
/* y = max(y, 0); NaN stays NaN. */
void ent_vec_relu(float *y, size_t n);
/* dy = 0 where y <= 0 */
void ent_vec_relu_back(const float *y, float *dy, size_t n);
/* e^x and 1 / (1 + e^-x), relative error below 3e-7 (approx: bits depend on the path); out may be
 * x. Finite for all finite x; NaN stays NaN. */
void ent_vec_exp(const float *x, float *out, size_t n);
void ent_vec_sigmoid(const float *x, float *out, size_t n);
/* Whether every element is finite. */
bool ent_vec_finite(const float *x, size_t n);

/* Inverted dropout, in place: each element is kept with probability 1 - threshold / 65536 and
 * multiplied by scale, otherwise zero. 16 bits an element of Philox4x32-10 blocks `counter`,
 * counter + 1, ...; the same elements on every path. kept: one bit an element, [(n + 7) / 8] bytes.
 * Returns the number of blocks used (a multiple of 8). */
struct ent_dropout {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t threshold;
    float scale;
};
uint64_t ent_vec_dropout(const struct ent_dropout *dropout, float *y, uint8_t *kept, size_t n);
/* dy = kept ? dy * scale : 0 */
void ent_vec_dropout_back(float scale, const uint8_t *kept, float *dy, size_t n);

#endif
