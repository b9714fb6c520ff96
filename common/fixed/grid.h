/* IN float32 vectors, integer payloads · OUT integer payloads, int64 sums, a stepped model
 * OWNS nothing · THREADS any (pure)
 * SOURCE audit.md 3 (bit-exact replay); performance.md 4 (five vectors a pass)
 *
 * The fixed-point grid and the integer sums on it. Integer addition is associative, so any thread
 * count, chunking or arrival order gives the same bits; the model step is element-wise IEEE double.
 * No libm. Payload integers are little-endian bytes at any alignment.
 *
 * No function here allocates. All work on any stretch of a vector, so a caller can stream a large
 * one in windows. */
#ifndef ENT_COMMON_FIXED_GRID_H
#define ENT_COMMON_FIXED_GRID_H

#include <stdint.h>

#include "common/base/err.h"

/* Largest |q| of a training update. */
#define ENT_GRID_Q_MAX ((int32_t)1 << 23)
/* Largest integer in a statistics or evaluation payload; the smallest is 0. */
#define ENT_GRID_VALUE_MAX (((int64_t)1 << 50) - 1)
#define ENT_GRID_SCALE_BITS_MIN 4
#define ENT_GRID_SCALE_BITS_MAX 30
/* |S| is below this before the apply step: exact in double. */
#define ENT_GRID_SUM_MAX ((int64_t)1 << 53)
/* Vectors added in one pass over the sums. */
#define ENT_GRID_MANY 5

/* q[i] = round-half-even(x[i] * 2^scale_bits), [n]. Never saturates.
 * NONFINITE names the first NaN or Inf by its index; RANGE the first with |q| > 2^23 ("lower
 * scale_bits or the rate"). q is untouched on error. x and q may not overlap. Cost two passes over
 * x. */
ENT_MUST enum ent_err ent_grid_quantise(const float *x, size_t n, uint32_t scale_bits, int32_t *q);

/* Whether n_inputs vectors of |q| <= q_max with weights up to weight_max can be added without
 * overflow: bits(q_max) + bits(weight_max) + ceil(log2 n_inputs) + 1 <= 63. LIMIT with the figures
 * otherwise. */
ENT_MUST enum ent_err ent_grid_check_bound(uint64_t q_max, uint64_t weight_max, uint64_t n_inputs);

/* Content of a payload: every |q| <= 2^23; every value in [0, 2^50). RANGE names the first that is
 * not by its index. */
ENT_MUST enum ent_err ent_grid_check32(const uint8_t *q, size_t n);
ENT_MUST enum ent_err ent_grid_check64(const uint8_t *v, size_t n);

/* sum[i] += w[0] * q[0][i] + ... + w[k - 1] * q[k - 1][i]; q: k payloads of n int32 each, k
 * in 1..ENT_GRID_MANY. The caller has checked the payloads and the bound. */
void ent_grid_add32(int64_t *sum, size_t n, const uint8_t *const *q, const uint32_t *w, size_t k);
/* sum[i] += v[i]; n int64. */
void ent_grid_add64(int64_t *sum, size_t n, const uint8_t *v);

/* c of the apply step: 1.0 / ((double)sum_w * 2^scale_bits). TOO_FEW when sum_w is 0; LIMIT from
 * 2^53 on. */
ENT_MUST enum ent_err ent_grid_factor(uint64_t sum_w, uint32_t scale_bits, double *c);
/* out[i] = (float)((double)model[i] + (double)sum[i] * c). model and out may be the same vector.
 * RANGE when some |sum| >= 2^53, NONFINITE when a result is: out is then not to be used. */
ENT_MUST enum ent_err ent_grid_apply(const float *model, const int64_t *sum, size_t n, double c,
                                     float *out);

/* Little-endian payload bytes; those of int64, and back. */
void ent_grid_store32(const int32_t *q, size_t n, uint8_t *out);
void ent_grid_store64(const int64_t *v, size_t n, uint8_t *out);
void ent_grid_load64(const uint8_t *in, size_t n, int64_t *out);

#endif
