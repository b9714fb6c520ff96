/* Small-shape matrix product: tiles of 1 to 6 rows x 16 columns whose sums stay in registers (6 x 2
 * accumulators, two rows of b, one broadcast of a: 15 of 16 registers). No packing: below 2^21
 * multiply-adds a panel of b is in L1 anyway, and packing is what makes a general BLAS slow there
 * (performance.md 1). */
#include "common/math/kernels.h"

#if defined(__x86_64__) && !defined(ENT_PLAIN_KERNELS)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma")))

/* Row lists by macro: an array of accumulators would live in memory at -O2. */
#define ROWS_1(do_) do_(0)
#define ROWS_2(do_) ROWS_1(do_) do_(1)
#define ROWS_3(do_) ROWS_2(do_) do_(2)
#define ROWS_4(do_) ROWS_3(do_) do_(3)
#define ROWS_5(do_) ROWS_4(do_) do_(4)
#define ROWS_6(do_) ROWS_5(do_) do_(5)

/* Rows 0-2 are reached from a0, rows 3-5 from a3: two pointers and one stride in registers instead
 * of six pointers. */
#define A_OF_0 a0[0]
#define A_OF_1 a0[rs]
#define A_OF_2 a0[2 * rs]
#define A_OF_3 a3[0]
#define A_OF_4 a3[rs]
#define A_OF_5 a3[2 * rs]

#define BEGIN16(r_)                                                                                \
    __m256 x##r_ = g->add ? _mm256_loadu_ps(c + (r_)*n) : start0;                                  \
    __m256 y##r_ = g->add ? _mm256_loadu_ps(c + (r_)*n + 8) : start1;
#define STEP16(r_)                                                                                 \
    av = _mm256_set1_ps(A_OF_##r_);                                                                \
    x##r_ = _mm256_fmadd_ps(av, b0, x##r_);                                                        \
    y##r_ = _mm256_fmadd_ps(av, b1, y##r_);
#define RELU16(r_)                                                                                 \
    x##r_ = _mm256_max_ps(zero, x##r_);                                                            \
    y##r_ = _mm256_max_ps(zero, y##r_);
#define STORE16(r_)                                                                                \
    _mm256_storeu_ps(c + (r_)*n, x##r_);                                                           \
    _mm256_storeu_ps(c + (r_)*n + 8, y##r_);

#define TILE16(rows_)                                                                              \
    AVX2 static void tile16_##rows_(const struct ent_gemm *g, size_t i, size_t j)                  \
    {                                                                                              \
        const __m256 zero = _mm256_setzero_ps();                                                   \
        const __m256 start0 = g->bias != NULL ? _mm256_loadu_ps(g->bias + j) : zero;               \
        const __m256 start1 = g->bias != NULL ? _mm256_loadu_ps(g->bias + j + 8) : zero;           \
        const size_t n = g->n;                                                                     \
        const size_t rs = g->a_row;                                                                \
        const size_t cs = g->a_col;                                                                \
        const float *a0 = g->a + i * rs;                                                           \
        const float *a3 = (rows_) > 3 ? a0 + 3 * rs : a0;                                          \
        const float *b = g->b + j;                                                                 \
        float *c = g->c + i * n + j;                                                               \
        __m256 av;                                                                                 \
        ROWS_##rows_(BEGIN16) for (size_t p = g->k; p > 0; p--)                                    \
        {                                                                                          \
            __m256 b0 = _mm256_loadu_ps(b);                                                        \
            __m256 b1 = _mm256_loadu_ps(b + 8);                                                    \
            ROWS_##rows_(STEP16) a0 += cs;                                                         \
            a3 += cs;                                                                              \
            b += n;                                                                                \
        }                                                                                          \
        (void)a3;                                                                                  \
        if (g->relu) {                                                                             \
            ROWS_##rows_(RELU16)                                                                   \
        }                                                                                          \
        ROWS_##rows_(STORE16)                                                                      \
    }

/* The same for the columns that are left, 1 to 8 of them, through a mask. */
#define BEGIN8(r_) __m256 x##r_ = g->add ? _mm256_maskload_ps(c + (r_)*n, mask) : start0;
#define STEP8(r_) x##r_ = _mm256_fmadd_ps(_mm256_set1_ps(A_OF_##r_), b0, x##r_);
#define RELU8(r_) x##r_ = _mm256_max_ps(zero, x##r_);
#define STORE8(r_) _mm256_maskstore_ps(c + (r_)*n, mask, x##r_);

#define TILE8(rows_)                                                                               \
    AVX2 static void tile8_##rows_(const struct ent_gemm *g, size_t i, size_t j, size_t cols)      \
    {                                                                                              \
        const __m256 zero = _mm256_setzero_ps();                                                   \
        const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)cols),                      \
                                                _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));        \
        const __m256 start0 = g->bias != NULL ? _mm256_maskload_ps(g->bias + j, mask) : zero;      \
        const size_t n = g->n;                                                                     \
        const size_t rs = g->a_row;                                                                \
        const size_t cs = g->a_col;                                                                \
        const float *a0 = g->a + i * rs;                                                           \
        const float *a3 = (rows_) > 3 ? a0 + 3 * rs : a0;                                          \
        const float *b = g->b + j;                                                                 \
        float *c = g->c + i * n + j;                                                               \
        ROWS_##rows_(BEGIN8) for (size_t p = g->k; p > 0; p--)                                     \
        {                                                                                          \
            __m256 b0 = _mm256_maskload_ps(b, mask);                                               \
            ROWS_##rows_(STEP8) a0 += cs;                                                          \
            a3 += cs;                                                                              \
            b += n;                                                                                \
        }                                                                                          \
        (void)a3;                                                                                  \
        if (g->relu) {                                                                             \
            ROWS_##rows_(RELU8)                                                                    \
        }                                                                                          \
        ROWS_##rows_(STORE8)                                                                       \
    }

TILE16(1)
TILE16(2)
TILE16(3)
TILE16(4)
TILE16(5)
TILE16(6)
TILE8(1)
TILE8(2)
TILE8(3)
TILE8(4)
TILE8(5)
TILE8(6)

/* Rows of the next tile. Six where it goes; 8 and 7 left are split evenly, because thin tiles wait
 * for the FMA's latency. */
static size_t next_rows(size_t left)
{
    switch (left) {
    case 8:
    case 7:
        return 4;
    default:
        return left < 6 ? left : 6;
    }
}

void ent_kernels_avx2_gemm(const struct ent_gemm *g)
{
    static void (*const tile16[])(const struct ent_gemm *, size_t, size_t) = {
        NULL, tile16_1, tile16_2, tile16_3, tile16_4, tile16_5, tile16_6};
    static void (*const tile8[])(const struct ent_gemm *, size_t, size_t, size_t) = {
        NULL, tile8_1, tile8_2, tile8_3, tile8_4, tile8_5, tile8_6};
    size_t rows;
    size_t j = 0;

    for (; j + 16 <= g->n; j += 16) {
        for (size_t i = 0; i < g->m; i += rows) {
            rows = next_rows(g->m - i);
            tile16[rows](g, i, j);
        }
    }
    for (; j < g->n; j += 8) {
        size_t cols = g->n - j < 8 ? g->n - j : 8;

        for (size_t i = 0; i < g->m; i += rows) {
            rows = next_rows(g->m - i);
            tile8[rows](g, i, j, cols);
        }
    }
}

#endif
