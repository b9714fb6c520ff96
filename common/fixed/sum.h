/* The two forms of ent_grid_add32, for its tests. Inside of common/fixed. */
#ifndef ENT_COMMON_FIXED_SUM_H
#define ENT_COMMON_FIXED_SUM_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(ENT_PLAIN_KERNELS)
#define ENT_SUM_HAVE_AVX2 1
#else
#define ENT_SUM_HAVE_AVX2 0
#endif

/* sum[0..n) += w[v] * q[v][0..n) for k vectors, 1 <= k <= ENT_GRID_MANY, w < 2^31. */
void ent_sum_add_plain(int64_t *sum, size_t n, const uint8_t *const *q, const uint32_t *w,
                       size_t k);
#if ENT_SUM_HAVE_AVX2
void ent_sum_add_avx2(int64_t *sum, size_t n, const uint8_t *const *q, const uint32_t *w, size_t k);
#endif

#endif
