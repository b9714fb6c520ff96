/* Functions of eight lanes that two files of the AVX2 path share. Empty on other processors. */
#ifndef ENT_COMMON_MATH_KERNELS_AVX2_H
#define ENT_COMMON_MATH_KERNELS_AVX2_H

#include "common/math/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma")))

AVX2 static inline __m256 exp8(__m256 x)
{
    __m256 n;
    __m256 r;
    __m256 p = _mm256_set1_ps(ENT_EXP_P0);
    __m256i bits;

    x = _mm256_min_ps(_mm256_set1_ps(ENT_EXP_HI), x); /* second operand where x is NaN */
    x = _mm256_max_ps(_mm256_set1_ps(ENT_EXP_LO), x);
    n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(ENT_EXP_LOG2E)),
                        _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(ENT_EXP_LN2_HI), x);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(ENT_EXP_LN2_LO), r);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(ENT_EXP_P1));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(ENT_EXP_P2));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(ENT_EXP_P3));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(ENT_EXP_P4));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(ENT_EXP_P5));
    p = _mm256_fmadd_ps(p, _mm256_mul_ps(r, r), r);
    p = _mm256_add_ps(p, _mm256_set1_ps(1.0f));
    bits = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
    return _mm256_mul_ps(p, _mm256_castsi256_ps(bits));
}

AVX2 static inline __m256 sigmoid8(__m256 x)
{
    __m256 one = _mm256_set1_ps(1.0f);
    __m256 e = exp8(_mm256_xor_ps(x, _mm256_set1_ps(-0.0f)));

    return _mm256_div_ps(one, _mm256_add_ps(one, e));
}

/* tanh: near 0 by the odd polynomial, elsewhere (1 - e) / (1 + e) of e = e^-2|x| with the sign put back. */
AVX2 static inline __m256 tanh8(__m256 x)
{
    const __m256 sign = _mm256_and_ps(x, _mm256_set1_ps(-0.0f));
    const __m256 one = _mm256_set1_ps(1.0f);
    __m256 a = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
    __m256 e = exp8(_mm256_mul_ps(a, _mm256_set1_ps(-2.0f)));
    __m256 far = _mm256_div_ps(_mm256_sub_ps(one, e), _mm256_add_ps(one, e));
    __m256 q = _mm256_mul_ps(a, a);
    __m256 p = _mm256_set1_ps(ENT_TANH_P0);
    __m256 near;

    p = _mm256_fmadd_ps(p, q, _mm256_set1_ps(ENT_TANH_P1));
    p = _mm256_fmadd_ps(p, q, _mm256_set1_ps(ENT_TANH_P2));
    p = _mm256_fmadd_ps(p, q, _mm256_set1_ps(ENT_TANH_P3));
    p = _mm256_fmadd_ps(p, q, _mm256_set1_ps(ENT_TANH_P4));
    near = _mm256_fmadd_ps(_mm256_mul_ps(p, q), a, a);
    a = _mm256_blendv_ps(far, near, _mm256_cmp_ps(a, _mm256_set1_ps(ENT_TANH_NEAR), _CMP_LT_OQ));
    return _mm256_or_ps(a, sign);
}

#endif

#endif
