/* cells.inc over eight lanes. What is left at the end of a row goes through masks. */
#include "common/math/kernels_avx2.h"

#if defined(__x86_64__) && !defined(ENT_PLAIN_KERNELS)

#define FN AVX2
#define V __m256
#define W ((size_t)8)
#define SET _mm256_set1_ps
#define ADD _mm256_add_ps
#define SUB _mm256_sub_ps
#define MUL _mm256_mul_ps
#define DIV _mm256_div_ps
#define SQRT _mm256_sqrt_ps
#define SIGMOID sigmoid8
#define TANH tanh8
#define FLUSH flush8
#define RELU relu8
#define LOAD load8
#define STORE store8

AVX2 static inline __m256i mask8(size_t k)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)k), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

AVX2 static inline __m256 load8(const float *p, size_t k)
{
    return k >= W ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, mask8(k));
}

AVX2 static inline void store8(float *p, __m256 v, size_t k)
{
    if (k >= W) {
        _mm256_storeu_ps(p, v);
    } else {
        _mm256_maskstore_ps(p, mask8(k), v);
    }
}

AVX2 static inline __m256 flush8(__m256 v, __m256 tiny)
{
    __m256 size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);

    return _mm256_andnot_ps(_mm256_cmp_ps(size, tiny, _CMP_LT_OQ), v); /* NaN stays */
}

/* The second operand where v is NaN. */
AVX2 static inline __m256 relu8(__m256 v)
{
    return _mm256_max_ps(_mm256_setzero_ps(), v);
}

#include "common/math/cells.inc"

const struct ent_cell_kernels ent_kernels_avx2_cells = {
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

#endif
