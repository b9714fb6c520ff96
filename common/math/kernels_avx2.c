/* AVX2 + FMA forms of the vector kernels. Compiled with target attributes, so the rest of the
 * program keeps running on processors without it. Functions that promise the same bits on every
 * path use separate multiply and add. */
#include "common/math/kernels.h"

#if defined(__x86_64__) && !defined(ENT_PLAIN_KERNELS)

#include "common/math/kernels_avx2.h"

#define LANES ((size_t)8)

AVX2 static float dot(const float *x, const float *y, size_t n)
{
    __m256 s0 = _mm256_setzero_ps();
    __m256 s1 = _mm256_setzero_ps();
    __m256 s2 = _mm256_setzero_ps();
    __m256 s3 = _mm256_setzero_ps();
    __m128 h;
    float s;
    size_t i = 0;

    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        s0 = _mm256_fmadd_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i), s0);
        s1 = _mm256_fmadd_ps(_mm256_loadu_ps(x + i + 8), _mm256_loadu_ps(y + i + 8), s1);
        s2 = _mm256_fmadd_ps(_mm256_loadu_ps(x + i + 16), _mm256_loadu_ps(y + i + 16), s2);
        s3 = _mm256_fmadd_ps(_mm256_loadu_ps(x + i + 24), _mm256_loadu_ps(y + i + 24), s3);
    }
    for (; i + LANES <= n; i += LANES) {
        s0 = _mm256_fmadd_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i), s0);
    }
    s0 = _mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3));
    h = _mm_add_ps(_mm256_castps256_ps128(s0), _mm256_extractf128_ps(s0, 1));
    h = _mm_add_ps(h, _mm_movehl_ps(h, h));
    h = _mm_add_ss(h, _mm_shuffle_ps(h, h, 1));
    s = _mm_cvtss_f32(h);
    for (; i < n; i++) {
        s += x[i] * y[i];
    }
    return s;
}

AVX2 static void axpy(float a, const float *x, float *y, size_t n)
{
    __m256 va = _mm256_set1_ps(a);
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        _mm256_storeu_ps(y + i,
                         _mm256_fmadd_ps(va, _mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
    }
    for (; i < n; i++) {
        y[i] += a * x[i];
    }
}

AVX2 static void sub(const float *a, const float *b, float *out, size_t n)
{
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        _mm256_storeu_ps(out + i, _mm256_sub_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i)));
    }
    for (; i < n; i++) {
        out[i] = a[i] - b[i];
    }
}

AVX2 static void sgd(float *params, const float *gradient, float rate, size_t n)
{
    __m256 vr = _mm256_set1_ps(rate);
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        __m256 d = _mm256_mul_ps(vr, _mm256_loadu_ps(gradient + i));

        _mm256_storeu_ps(params + i, _mm256_sub_ps(_mm256_loadu_ps(params + i), d));
    }
    for (; i < n; i++) {
        params[i] -= rate * gradient[i];
    }
}

AVX2 static void momentum_step(float *params, float *velocity, const float *gradient, float rate,
                               float momentum, size_t n)
{
    __m256 vr = _mm256_set1_ps(rate);
    __m256 vm = _mm256_set1_ps(momentum);
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        __m256 v = _mm256_mul_ps(vm, _mm256_loadu_ps(velocity + i));

        v = _mm256_add_ps(v, _mm256_loadu_ps(gradient + i));
        _mm256_storeu_ps(velocity + i, v);
        _mm256_storeu_ps(params + i,
                         _mm256_sub_ps(_mm256_loadu_ps(params + i), _mm256_mul_ps(vr, v)));
    }
    for (; i < n; i++) {
        velocity[i] = momentum * velocity[i] + gradient[i];
        params[i] -= rate * velocity[i];
    }
}

/* max(0, y) with y second: where y is NaN the instruction gives its second operand. */
AVX2 static void relu(float *y, size_t n)
{
    __m256 zero = _mm256_setzero_ps();
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        _mm256_storeu_ps(y + i, _mm256_max_ps(zero, _mm256_loadu_ps(y + i)));
    }
    for (; i < n; i++) {
        y[i] = y[i] < 0.0f ? 0.0f : y[i];
    }
}

AVX2 static void relu_back(const float *y, float *dy, size_t n)
{
    __m256 zero = _mm256_setzero_ps();
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        __m256 on = _mm256_cmp_ps(_mm256_loadu_ps(y + i), zero, _CMP_GT_OQ);

        _mm256_storeu_ps(dy + i, _mm256_and_ps(on, _mm256_loadu_ps(dy + i)));
    }
    for (; i < n; i++) {
        dy[i] = y[i] > 0.0f ? dy[i] : 0.0f;
    }
}

/* The tail goes through the same vector code, so an element's bits do not depend on its place. */
AVX2 static void exp_all(const float *x, float *out, size_t n)
{
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        _mm256_storeu_ps(out + i, exp8(_mm256_loadu_ps(x + i)));
    }
    for (; i < n; i++) {
        out[i] = _mm_cvtss_f32(_mm256_castps256_ps128(exp8(_mm256_set1_ps(x[i]))));
    }
}

AVX2 static void sigmoid(const float *x, float *out, size_t n)
{
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        _mm256_storeu_ps(out + i, sigmoid8(_mm256_loadu_ps(x + i)));
    }
    for (; i < n; i++) {
        out[i] = _mm_cvtss_f32(_mm256_castps256_ps128(sigmoid8(_mm256_set1_ps(x[i]))));
    }
}

AVX2 static void col_sums(const float *a, bool add, float *out, size_t m, size_t n)
{
    size_t j = 0;

    for (; j + 2 * LANES <= n; j += 2 * LANES) {
        __m256 s0 = add ? _mm256_loadu_ps(out + j) : _mm256_setzero_ps();
        __m256 s1 = add ? _mm256_loadu_ps(out + j + 8) : _mm256_setzero_ps();

        for (size_t i = 0; i < m; i++) {
            s0 = _mm256_add_ps(s0, _mm256_loadu_ps(a + i * n + j));
            s1 = _mm256_add_ps(s1, _mm256_loadu_ps(a + i * n + j + 8));
        }
        _mm256_storeu_ps(out + j, s0);
        _mm256_storeu_ps(out + j + 8, s1);
    }
    for (; j < n; j++) {
        float s = add ? out[j] : 0.0f;

        for (size_t i = 0; i < m; i++) {
            s += a[i * n + j];
        }
        out[j] = s;
    }
}

/* 32 x 32 -> 64 in all eight lanes, as high and low words. */
AVX2 static inline void mul_wide(__m256i c, __m256i factor, __m256i *hi, __m256i *lo)
{
    __m256i even = _mm256_mul_epu32(c, factor);
    __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(c, 32), factor);

    *lo = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
    *hi = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
}

/* Philox4x32-10 of eight consecutive counters (common/base/rng.c has the scalar form and the
 * source). */
AVX2 static inline void philox8(const struct ent_dropout *d, uint64_t at, __m256i out[4])
{
    const __m256i m0 = _mm256_set1_epi32((int)0xD2511F53u);
    const __m256i m1 = _mm256_set1_epi32((int)0xCD9E8D57u);
    uint32_t k0 = d->key[0];
    uint32_t k1 = d->key[1];
    __m256i c0 = _mm256_add_epi32(_mm256_set1_epi32((int)(uint32_t)at),
                                  _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    __m256i c1 = _mm256_set1_epi32((int)(uint32_t)(at >> 32));
    __m256i c2 = _mm256_set1_epi32((int)d->counter[2]);
    __m256i c3 = _mm256_set1_epi32((int)d->counter[3]);

    for (int round = 0; round < 10; round++) {
        __m256i hi0;
        __m256i lo0;
        __m256i hi1;
        __m256i lo1;

        mul_wide(c0, m0, &hi0, &lo0);
        mul_wide(c2, m1, &hi1, &lo1);
        c0 = _mm256_xor_si256(_mm256_xor_si256(hi1, c1), _mm256_set1_epi32((int)k0));
        c2 = _mm256_xor_si256(_mm256_xor_si256(hi0, c3), _mm256_set1_epi32((int)k1));
        c1 = lo1;
        c3 = lo0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

AVX2 static inline uint8_t drop8(float *y, __m256i bits, __m256i below, __m256 scale)
{
    __m256 keep = _mm256_castsi256_ps(_mm256_cmpgt_epi32(bits, below));

    _mm256_storeu_ps(y, _mm256_and_ps(keep, _mm256_mul_ps(_mm256_loadu_ps(y), scale)));
    return (uint8_t)_mm256_movemask_ps(keep);
}

AVX2 static void dropout_all(const struct ent_dropout *dropout, float *y, uint8_t *kept, size_t n)
{
    const __m256i below = _mm256_set1_epi32((int)dropout->threshold - 1);
    const __m256 scale = _mm256_set1_ps(dropout->scale);
    const __m256i low = _mm256_set1_epi32(0xffff);
    uint64_t base = (uint64_t)dropout->counter[1] << 32 | dropout->counter[0];
    uint64_t block = 0;
    size_t i = 0;

    for (; i + ENT_DROPOUT_GROUP <= n; i += ENT_DROPOUT_GROUP, block += ENT_DROPOUT_LANES) {
        __m256i bits[4];

        if ((uint32_t)(base + block) >
            UINT32_MAX - ENT_DROPOUT_LANES) { /* the low word would carry */
            ent_kernels_dropout_tail(dropout, block, y + i, kept + i / 8, ENT_DROPOUT_GROUP);
            continue;
        }
        philox8(dropout, base + block, bits);
        for (size_t w = 0; w < 4; w++) {
            float *yw = y + i + 16 * w;

            kept[i / 8 + 2 * w] = drop8(yw, _mm256_and_si256(bits[w], low), below, scale);
            kept[i / 8 + 2 * w + 1] = drop8(yw + 8, _mm256_srli_epi32(bits[w], 16), below, scale);
        }
    }
    if (i < n) {
        ent_kernels_dropout_tail(dropout, block, y + i, kept + i / 8, n - i);
    }
}

AVX2 static void dropout_back(float scale, const uint8_t *kept, float *dy, size_t n)
{
    const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256 vs = _mm256_set1_ps(scale);
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        __m256i on = _mm256_and_si256(_mm256_set1_epi32(kept[i / 8]), bit);
        __m256 keep = _mm256_castsi256_ps(_mm256_cmpeq_epi32(on, bit));

        _mm256_storeu_ps(dy + i, _mm256_and_ps(keep, _mm256_mul_ps(_mm256_loadu_ps(dy + i), vs)));
    }
    for (; i < n; i++) {
        dy[i] = (kept[i / 8] >> i % 8 & 1) != 0 ? dy[i] * scale : 0.0f;
    }
}

/* 8 x 8 block: pairs, then quads, then halves change places. */
AVX2 static inline void transpose8(const float *a, size_t lda, float *out, size_t ldo)
{
    const float *a4 = a + 4 * lda;
    float *out4 = out + 4 * ldo;
    __m256 r0 = _mm256_loadu_ps(a);
    __m256 r1 = _mm256_loadu_ps(a + lda);
    __m256 r2 = _mm256_loadu_ps(a + 2 * lda);
    __m256 r3 = _mm256_loadu_ps(a + 3 * lda);
    __m256 r4 = _mm256_loadu_ps(a4);
    __m256 r5 = _mm256_loadu_ps(a4 + lda);
    __m256 r6 = _mm256_loadu_ps(a4 + 2 * lda);
    __m256 r7 = _mm256_loadu_ps(a4 + 3 * lda);
    __m256 t0 = _mm256_unpacklo_ps(r0, r1);
    __m256 t1 = _mm256_unpackhi_ps(r0, r1);
    __m256 t2 = _mm256_unpacklo_ps(r2, r3);
    __m256 t3 = _mm256_unpackhi_ps(r2, r3);
    __m256 t4 = _mm256_unpacklo_ps(r4, r5);
    __m256 t5 = _mm256_unpackhi_ps(r4, r5);
    __m256 t6 = _mm256_unpacklo_ps(r6, r7);
    __m256 t7 = _mm256_unpackhi_ps(r6, r7);

    r0 = _mm256_shuffle_ps(t0, t2, 0x44);
    r1 = _mm256_shuffle_ps(t0, t2, 0xEE);
    r2 = _mm256_shuffle_ps(t1, t3, 0x44);
    r3 = _mm256_shuffle_ps(t1, t3, 0xEE);
    r4 = _mm256_shuffle_ps(t4, t6, 0x44);
    r5 = _mm256_shuffle_ps(t4, t6, 0xEE);
    r6 = _mm256_shuffle_ps(t5, t7, 0x44);
    r7 = _mm256_shuffle_ps(t5, t7, 0xEE);
    _mm256_storeu_ps(out, _mm256_permute2f128_ps(r0, r4, 0x20));
    _mm256_storeu_ps(out + ldo, _mm256_permute2f128_ps(r1, r5, 0x20));
    _mm256_storeu_ps(out + 2 * ldo, _mm256_permute2f128_ps(r2, r6, 0x20));
    _mm256_storeu_ps(out + 3 * ldo, _mm256_permute2f128_ps(r3, r7, 0x20));
    _mm256_storeu_ps(out4, _mm256_permute2f128_ps(r0, r4, 0x31));
    _mm256_storeu_ps(out4 + ldo, _mm256_permute2f128_ps(r1, r5, 0x31));
    _mm256_storeu_ps(out4 + 2 * ldo, _mm256_permute2f128_ps(r2, r6, 0x31));
    _mm256_storeu_ps(out4 + 3 * ldo, _mm256_permute2f128_ps(r3, r7, 0x31));
}

AVX2 static void transpose(const float *a, float *out, size_t rows, size_t cols)
{
    size_t full_rows = rows / 8 * 8;
    size_t full_cols = cols / 8 * 8;

    for (size_t i = 0; i < full_rows; i += 8) {
        for (size_t j = 0; j < full_cols; j += 8) {
            transpose8(a + i * cols + j, cols, out + j * rows + i, rows);
        }
    }
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = i < full_rows ? full_cols : 0; j < cols; j++) {
            out[j * rows + i] = a[i * cols + j];
        }
    }
}

const struct ent_vec_kernels ent_kernels_avx2_vec = {
    .transpose = transpose,
    .col_sums = col_sums,
    .dot = dot,
    .axpy = axpy,
    .sub = sub,
    .sgd = sgd,
    .momentum = momentum_step,
    .relu = relu,
    .relu_back = relu_back,
    .exp = exp_all,
    .sigmoid = sigmoid,
    .dropout_back = dropout_back,
};

const struct ent_kernels *ent_kernels_avx2(void)
{
    static const struct ent_kernels kernels = {.name = "avx2-fma",
                                               .gemm_max = (size_t)1 << 21,
                                               .gemm = ent_kernels_avx2_gemm,
                                               .cells = &ent_kernels_avx2_cells,
                                               .dropout = dropout_all,
                                               .vec = &ent_kernels_avx2_vec};

    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &kernels : NULL;
}

#else

const struct ent_kernels *ent_kernels_avx2(void)
{
    return NULL;
}

#endif
