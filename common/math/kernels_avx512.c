/* AVX-512 forms of the two kernels that dominate a training step: the matrix product in tiles of 1 to 8 rows x 32
 * columns, and dropout, two groups at a time. The vector kernels of this path are those of AVX2: they are bound by
 * memory or too short to gain. */
#include "common/math/kernels.h"

#if defined(__x86_64__) && !defined(ENT_PLAIN_KERNELS)

#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx2,fma")))

#define ROWS_1(do_) do_(0)
#define ROWS_2(do_) ROWS_1(do_) do_(1)
#define ROWS_3(do_) ROWS_2(do_) do_(2)
#define ROWS_4(do_) ROWS_3(do_) do_(3)
#define ROWS_5(do_) ROWS_4(do_) do_(4)
#define ROWS_6(do_) ROWS_5(do_) do_(5)
#define ROWS_7(do_) ROWS_6(do_) do_(6)
#define ROWS_8(do_) ROWS_7(do_) do_(7)

/* Rows 0-3 are reached from a0, rows 4-7 from a4 (kernels_avx2_gemm.c says why). */
#define A_OF_0 a0[0]
#define A_OF_1 a0[rs]
#define A_OF_2 a0[2 * rs]
#define A_OF_3 a0[3 * rs]
#define A_OF_4 a4[0]
#define A_OF_5 a4[rs]
#define A_OF_6 a4[2 * rs]
#define A_OF_7 a4[3 * rs]

#define BEGIN32(r_)                                                                                \
    __m512 x##r_ = g->add ? _mm512_loadu_ps(c + (r_)*n) : start0;                                  \
    __m512 y##r_ = g->add ? _mm512_loadu_ps(c + (r_)*n + 16) : start1;
#define STEP32(r_)                                                                                 \
    av = _mm512_set1_ps(A_OF_##r_);                                                                \
    x##r_ = _mm512_fmadd_ps(av, b0, x##r_);                                                        \
    y##r_ = _mm512_fmadd_ps(av, b1, y##r_);
#define RELU32(r_)                                                                                 \
    x##r_ = _mm512_max_ps(zero, x##r_);                                                            \
    y##r_ = _mm512_max_ps(zero, y##r_);
#define STORE32(r_)                                                                                \
    _mm512_storeu_ps(c + (r_)*n, x##r_);                                                           \
    _mm512_storeu_ps(c + (r_)*n + 16, y##r_);

#define TILE32(rows_)                                                                              \
    AVX512 static void tile32_##rows_(const struct ent_gemm *g, size_t i, size_t j)                \
    {                                                                                              \
        const __m512 zero = _mm512_setzero_ps();                                                   \
        const __m512 start0 = g->bias != NULL ? _mm512_loadu_ps(g->bias + j) : zero;               \
        const __m512 start1 = g->bias != NULL ? _mm512_loadu_ps(g->bias + j + 16) : zero;          \
        const size_t n = g->n;                                                                     \
        const size_t rs = g->a_row;                                                                \
        const size_t cs = g->a_col;                                                                \
        const float *a0 = g->a + i * rs;                                                           \
        const float *a4 = (rows_) > 4 ? a0 + 4 * rs : a0;                                          \
        const float *b = g->b + j;                                                                 \
        float *c = g->c + i * n + j;                                                               \
        __m512 av;                                                                                 \
        ROWS_##rows_(BEGIN32);                                                                     \
        for (size_t p = g->k; p > 0; p--) {                                                        \
            __m512 b0 = _mm512_loadu_ps(b);                                                        \
            __m512 b1 = _mm512_loadu_ps(b + 16);                                                   \
            ROWS_##rows_(STEP32);                                                                  \
            a0 += cs;                                                                              \
            a4 += cs;                                                                              \
            b += n;                                                                                \
        }                                                                                          \
        (void)a4;                                                                                  \
        if (g->relu) {                                                                             \
            ROWS_##rows_(RELU32);                                                                  \
        }                                                                                          \
        ROWS_##rows_(STORE32);                                                                     \
    }

/* The same for the columns that are left, 1 to 16 of them, through a mask. */
#define BEGIN16(r_) __m512 x##r_ = g->add ? _mm512_maskz_loadu_ps(mask, c + (r_)*n) : start0;
#define STEP16(r_) x##r_ = _mm512_fmadd_ps(_mm512_set1_ps(A_OF_##r_), b0, x##r_);
#define RELU16(r_) x##r_ = _mm512_max_ps(zero, x##r_);
#define STORE16(r_) _mm512_mask_storeu_ps(c + (r_)*n, mask, x##r_);

#define TILE16(rows_)                                                                              \
    AVX512 static void tile16_##rows_(const struct ent_gemm *g, size_t i, size_t j, size_t cols)   \
    {                                                                                              \
        const __m512 zero = _mm512_setzero_ps();                                                   \
        const __mmask16 mask = (__mmask16)((1u << cols) - 1u);                                     \
        const __m512 start0 = g->bias != NULL ? _mm512_maskz_loadu_ps(mask, g->bias + j) : zero;   \
        const size_t n = g->n;                                                                     \
        const size_t rs = g->a_row;                                                                \
        const size_t cs = g->a_col;                                                                \
        const float *a0 = g->a + i * rs;                                                           \
        const float *a4 = (rows_) > 4 ? a0 + 4 * rs : a0;                                          \
        const float *b = g->b + j;                                                                 \
        float *c = g->c + i * n + j;                                                               \
        ROWS_##rows_(BEGIN16);                                                                     \
        for (size_t p = g->k; p > 0; p--) {                                                        \
            __m512 b0 = _mm512_maskz_loadu_ps(mask, b);                                            \
            ROWS_##rows_(STEP16);                                                                  \
            a0 += cs;                                                                              \
            a4 += cs;                                                                              \
            b += n;                                                                                \
        }                                                                                          \
        (void)a4;                                                                                  \
        if (g->relu) {                                                                             \
            ROWS_##rows_(RELU16);                                                                  \
        }                                                                                          \
        ROWS_##rows_(STORE16);                                                                     \
    }

TILE32(1)
TILE32(2)
TILE32(3)
TILE32(4)
TILE32(5)
TILE32(6)
TILE32(7)
TILE32(8)
TILE16(1)
TILE16(2)
TILE16(3)
TILE16(4)
TILE16(5)
TILE16(6)
TILE16(7)
TILE16(8)

/* Rows of the next tile. Eight where it goes; 9 to 15 left are split evenly, because thin tiles wait for the FMA. */
static size_t next_rows(size_t left)
{
    if (left > 8 && left < 16) {
        return (left + 1) / 2;
    }
    return left < 8 ? left : 8;
}

static void gemm(const struct ent_gemm *g)
{
    static void (*const tile32[])(const struct ent_gemm *, size_t, size_t) = {
        NULL, tile32_1, tile32_2, tile32_3, tile32_4, tile32_5, tile32_6, tile32_7, tile32_8};
    static void (*const tile16[])(const struct ent_gemm *, size_t, size_t, size_t) = {
        NULL, tile16_1, tile16_2, tile16_3, tile16_4, tile16_5, tile16_6, tile16_7, tile16_8};
    size_t rows;
    size_t j = 0;

    for (; j + 32 <= g->n; j += 32) {
        for (size_t i = 0; i < g->m; i += rows) {
            rows = next_rows(g->m - i);
            tile32[rows](g, i, j);
        }
    }
    for (; j < g->n; j += 16) {
        size_t cols = g->n - j < 16 ? g->n - j : 16;

        for (size_t i = 0; i < g->m; i += rows) {
            rows = next_rows(g->m - i);
            tile16[rows](g, i, j, cols);
        }
    }
}

/* 32 x 32 -> 64 in all sixteen lanes, as high and low words. */
AVX512 static inline void mul_wide(__m512i c, __m512i factor, __m512i *hi, __m512i *lo)
{
    __m512i even = _mm512_mul_epu32(c, factor);
    __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(c, 32), factor);

    *lo = _mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(odd, 32));
    *hi = _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), odd);
}

struct philox16 {
    __m512i w0;
    __m512i w1;
    __m512i w2;
    __m512i w3;
};

/* Philox4x32-10 of sixteen consecutive counters (common/base/rng.c has the scalar form and the source). */
AVX512 static inline struct philox16 philox16(const struct ent_dropout *d, uint64_t at)
{
    const __m512i m0 = _mm512_set1_epi32((int)0xD2511F53u);
    const __m512i m1 = _mm512_set1_epi32((int)0xCD9E8D57u);
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    uint32_t k0 = d->key[0];
    uint32_t k1 = d->key[1];
    __m512i c0 = _mm512_add_epi32(_mm512_set1_epi32((int)(uint32_t)at), lanes);
    __m512i c1 = _mm512_set1_epi32((int)(uint32_t)(at >> 32));
    __m512i c2 = _mm512_set1_epi32((int)d->counter[2]);
    __m512i c3 = _mm512_set1_epi32((int)d->counter[3]);

    for (int round = 0; round < 10; round++) {
        __m512i hi0;
        __m512i lo0;
        __m512i hi1;
        __m512i lo1;

        mul_wide(c0, m0, &hi0, &lo0);
        mul_wide(c2, m1, &hi1, &lo1);
        c0 = _mm512_xor_si512(_mm512_xor_si512(hi1, c1), _mm512_set1_epi32((int)k0));
        c2 = _mm512_xor_si512(_mm512_xor_si512(hi0, c3), _mm512_set1_epi32((int)k1));
        c1 = lo1;
        c3 = lo0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return (struct philox16){c0, c1, c2, c3};
}

AVX512 static inline void drop16(float *y, uint8_t *kept, __m512i bits, __m512i threshold,
                                 __m512 scale)
{
    __mmask16 keep = _mm512_cmpge_epu32_mask(bits, threshold);

    _mm512_storeu_ps(y, _mm512_maskz_mul_ps(keep, _mm512_loadu_ps(y), scale));
    kept[0] = (uint8_t)keep;
    kept[1] = (uint8_t)(keep >> 8);
}

/* Word w of both groups: lanes 0-7 are the first group's, lanes 8-15 the second's; of each the low halves come first. */
AVX512 static inline void drop_word(const struct ent_dropout *d, float *y, uint8_t *kept, size_t w,
                                    __m512i bits)
{
    const __m512i threshold = _mm512_set1_epi32((int)d->threshold);
    const __m512 scale = _mm512_set1_ps(d->scale);
    __m512i low = _mm512_and_si512(bits, _mm512_set1_epi32(0xffff));
    __m512i high = _mm512_srli_epi32(bits, 16);

    drop16(y + 16 * w, kept + 2 * w, _mm512_shuffle_i64x2(low, high, 0x44), threshold, scale);
    drop16(y + 64 + 16 * w, kept + 8 + 2 * w, _mm512_shuffle_i64x2(low, high, 0xEE), threshold,
           scale);
}

AVX512 static void dropout_all(const struct ent_dropout *dropout, float *y, uint8_t *kept, size_t n)
{
    const size_t pair = 2 * ENT_DROPOUT_GROUP;
    uint64_t base = (uint64_t)dropout->counter[1] << 32 | dropout->counter[0];
    uint64_t block = 0;
    size_t i = 0;

    for (; i + pair <= n; i += pair, block += 2 * ENT_DROPOUT_LANES) {
        struct philox16 bits;

        if ((uint32_t)(base + block) >
            UINT32_MAX - 2 * ENT_DROPOUT_LANES) { /* the low word would carry */
            break;
        }
        bits = philox16(dropout, base + block);
        drop_word(dropout, y + i, kept + i / 8, 0, bits.w0);
        drop_word(dropout, y + i, kept + i / 8, 1, bits.w1);
        drop_word(dropout, y + i, kept + i / 8, 2, bits.w2);
        drop_word(dropout, y + i, kept + i / 8, 3, bits.w3);
    }
    for (; i < n; i += ENT_DROPOUT_GROUP, block += ENT_DROPOUT_LANES) {
        size_t left = n - i;

        ent_kernels_dropout_tail(dropout, block, y + i, kept + i / 8,
                                 left < ENT_DROPOUT_GROUP ? left : ENT_DROPOUT_GROUP);
    }
}

const struct ent_kernels *ent_kernels_avx512(void)
{
    static const struct ent_kernels kernels = {.name = "avx512",
                                               .gemm_max = (size_t)1 << 23,
                                               .gemm = gemm,
                                               .dropout = dropout_all,
                                               .vec = &ent_kernels_avx2_vec,
                                               .cells = &ent_kernels_avx2_cells};

    return __builtin_cpu_supports("avx512f") && ent_kernels_avx2() != NULL ? &kernels : NULL;
}

#else

const struct ent_kernels *ent_kernels_avx512(void)
{
    return NULL;
}

#endif
