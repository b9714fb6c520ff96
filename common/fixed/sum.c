/* The integer sums: the only loops that touch every number of every update. Integer arithmetic is exact, so the plain
 * loop and the AVX2 one (chosen by the processor) give the same bits; the tests compare them. */
#include "common/fixed/sum.h"

#include "common/fixed/grid.h"
#include "common/fixed/le.h"

void ent_sum_add_plain(int64_t *sum, size_t n, const uint8_t *const *q, const uint32_t *w, size_t k)
{
    for (size_t i = 0; i < n; i++) {
        int64_t s = sum[i];

        for (size_t v = 0; v < k; v++) {
            s += (int64_t)w[v] * ent_le_get32(q[v] + 4 * i);
        }
        sum[i] = s;
    }
}

#if ENT_SUM_HAVE_AVX2
#include <immintrin.h>

#define LANES 8 /* elements of one step: two registers of four sums */

/* sum[0..n) += w[v] * q[v][0..n), n a multiple of LANES, k constant in each caller: the sums are loaded and stored once
 * while k vectors pass (performance.md 4: up to twice as fast as one vector at a time). Weights are below 2^31, so the
 * signed 32 x 32 multiplication is theirs. */
__attribute__((target("avx2"), always_inline)) static inline void
add_k(int64_t *sum, size_t n, const uint8_t *const *q, const uint32_t *w, size_t k)
{
    __m256i weight[ENT_GRID_MANY];

    for (size_t v = 0; v < k; v++) {
        weight[v] = _mm256_set1_epi64x((long long)w[v]);
    }
    for (size_t i = 0; i < n; i += LANES) {
        __m256i lo = _mm256_loadu_si256((const void *)(sum + i));
        __m256i hi = _mm256_loadu_si256((const void *)(sum + i + 4));

        for (size_t v = 0; v < k; v++) {
            const uint8_t *p = q[v] + 4 * i;
            __m256i a = _mm256_cvtepi32_epi64(_mm_loadu_si128((const void *)p));
            __m256i b = _mm256_cvtepi32_epi64(_mm_loadu_si128((const void *)(p + 16)));

            lo = _mm256_add_epi64(lo, _mm256_mul_epi32(a, weight[v]));
            hi = _mm256_add_epi64(hi, _mm256_mul_epi32(b, weight[v]));
        }
        _mm256_storeu_si256((void *)(sum + i), lo);
        _mm256_storeu_si256((void *)(sum + i + 4), hi);
    }
    _mm256_zeroupper(); /* SSE code after dirty upper halves runs at a fraction of its speed (measured) */
}

__attribute__((target("avx2"))) void
ent_sum_add_avx2(int64_t *sum, size_t n, const uint8_t *const *q, const uint32_t *w, size_t k)
{
    size_t whole = n / LANES * LANES;
    const uint8_t *rest[ENT_GRID_MANY];

    switch (k) {
    case 1:
        add_k(sum, whole, q, w, 1);
        break;
    case 2:
        add_k(sum, whole, q, w, 2);
        break;
    case 3:
        add_k(sum, whole, q, w, 3);
        break;
    case 4:
        add_k(sum, whole, q, w, 4);
        break;
    default:
        add_k(sum, whole, q, w, ENT_GRID_MANY);
        break;
    }
    for (size_t v = 0; v < k; v++) {
        rest[v] = q[v] + 4 * whole;
    }
    ent_sum_add_plain(sum + whole, n - whole, rest, w, k);
}
#endif

void ent_grid_add32(int64_t *sum, size_t n, const uint8_t *const *q, const uint32_t *w, size_t k)
{
    ENT_BUG_ON(k == 0 || k > ENT_GRID_MANY);
#if ENT_SUM_HAVE_AVX2
    if (__builtin_cpu_supports("avx2")) {
        ent_sum_add_avx2(sum, n, q, w, k);
        return;
    }
#endif
    ent_sum_add_plain(sum, n, q, w, k);
}

void ent_grid_add64(int64_t *sum, size_t n, const uint8_t *v)
{
    for (size_t i = 0; i < n; i++) {
        sum[i] += ent_le_get64(v + 8 * i);
    }
}
