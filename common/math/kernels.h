/* The room's own kernels, one table a path. Nobody outside common/math and its tests includes this.
 */
#ifndef ENT_COMMON_MATH_KERNELS_H
#define ENT_COMMON_MATH_KERNELS_H

#include "common/math/cells.h"
#include "common/math/vec.h"

/* c [m][n] = init + op(a) * b, b [k][n] row-major. a's element (i, p) is at a[i * a_row + p *
 * a_col], so that a transposed matrix needs no copy. init: c itself when add, else bias [n] in
 * every row, else 0. relu at the end. */
struct ent_gemm {
    const float *a;
    size_t a_row;
    size_t a_col;
    const float *b;
    const float *bias;
    float *c;
    size_t m;
    size_t n;
    size_t k;
    bool add;
    bool relu;
};

/* Vector kernels of one path. */
struct ent_vec_kernels {
    void (*transpose)(const float *a, float *out, size_t rows, size_t cols); /* out [cols][rows] */
    void (*col_sums)(const float *a, bool add, float *out, size_t m, size_t n);
    float (*dot)(const float *x, const float *y, size_t n);
    void (*axpy)(float a, const float *x, float *y, size_t n);
    void (*sub)(const float *a, const float *b, float *out, size_t n);
    void (*sgd)(float *params, const float *gradient, float rate, size_t n);
    void (*momentum)(float *params, float *velocity, const float *gradient, float rate,
                     float momentum, size_t n);
    void (*relu)(float *y, size_t n);
    void (*relu_back)(const float *y, float *dy, size_t n);
    void (*exp)(const float *x, float *out, size_t n);
    void (*sigmoid)(const float *x, float *out, size_t n);
    void (*dropout_back)(float scale, const uint8_t *kept, float *dy, size_t n);
};

/* What cells.h describes. */
struct ent_cell_kernels {
    void (*adam)(const struct ent_adam *adam, float *params, float *m, float *v,
                 const float *gradient, size_t n);
    void (*tanh)(const float *x, float *out, size_t n);
    void (*tanh_back)(const float *y, float *dy, size_t n);
    void (*sigmoid_back)(const float *y, float *dy, size_t n);
    void (*mul_rows)(const float *x, const float *s, float *out, size_t rows, size_t n);
    void (*scale_rows)(const struct ent_scale_rows *t, size_t rows, size_t n);
    void (*scale_rows_back)(const struct ent_scale_rows_back *t, size_t rows, size_t n);
    void (*gru)(const struct ent_cell *cell);
    void (*gru_back)(const struct ent_cell_back *cell);
    void (*lstm)(const struct ent_cell *cell);
    void (*lstm_back)(const struct ent_cell_back *cell);
    void (*rnn_back)(const struct ent_cell_back *cell);
};

/* A path: the two kernels that dominate a training step, and the vector kernels. */
struct ent_kernels {
    const char *name;
    size_t gemm_max; /* multiply-adds up to which gemm is used instead of OpenBLAS: where it was
                        measured faster (performance.md 1 and 3) */
    void (*gemm)(const struct ent_gemm *g);
    void (*dropout)(const struct ent_dropout *dropout, float *y, uint8_t *kept, size_t n);
    const struct ent_vec_kernels *vec;
    const struct ent_cell_kernels *cells;
};

/* What this machine runs: the best of the paths below. */
const struct ent_kernels *ent_kernels(void);
const struct ent_kernels *ent_kernels_portable(void);
const struct ent_kernels *ent_kernels_avx2(void);   /* NULL where the processor lacks it */
const struct ent_kernels *ent_kernels_avx512(void); /* NULL where the processor lacks it */
float ent_kernels_exp(float x);                     /* the portable path's e^x */
void ent_kernels_avx2_gemm(const struct ent_gemm *g);
extern const struct ent_vec_kernels ent_kernels_avx2_vec;
extern const struct ent_cell_kernels ent_kernels_avx2_cells;
extern const struct ent_cell_kernels ent_kernels_portable_cells;

/* e^x for |x| <= 88.37: x = n ln 2 + r, |r| <= ln 2 / 2, e^r by a polynomial of degree 7 (its first
 * terms exact: 1 + r + r^2 p(r), Cephes expf), 2^n put into the exponent. */
#define ENT_EXP_HI 88.3762626f
#define ENT_EXP_LO (-87.3365448f)
#define ENT_EXP_LOG2E 1.44269504f
#define ENT_EXP_LN2_HI 0.693359375f
#define ENT_EXP_LN2_LO (-2.12194440e-4f)
#define ENT_EXP_P0 1.9875691500e-4f
#define ENT_EXP_P1 1.3981999507e-3f
#define ENT_EXP_P2 8.3334519073e-3f
#define ENT_EXP_P3 4.1665795894e-2f
#define ENT_EXP_P4 1.6666665459e-1f
#define ENT_EXP_P5 5.0000001201e-1f

/* tanh below ENT_TANH_NEAR: x + x^3 p(x^2) (Cephes tanhf). */
#define ENT_TANH_NEAR 0.625f
#define ENT_TANH_P0 (-5.70498872745e-3f)
#define ENT_TANH_P1 2.06390887954e-2f
#define ENT_TANH_P2 (-5.37397155531e-2f)
#define ENT_TANH_P3 1.33314422036e-1f
#define ENT_TANH_P4 (-3.33332819422e-1f)

/* Dropout bits: blocks come in groups of 8 (lanes); word w of lane l gives element 16 w + l its low
 * half and element 16 w + 8 + l its high half. So one group serves 64 elements and an 8-lane
 * register needs no shuffle. */
#define ENT_DROPOUT_GROUP ((size_t)64)
#define ENT_DROPOUT_LANES ((size_t)8)
void ent_kernels_dropout_group(const struct ent_dropout *dropout, uint64_t first_block,
                               uint16_t bits[ENT_DROPOUT_GROUP]);
/* The last, incomplete group of n < 64 elements, the same on every path. */
void ent_kernels_dropout_tail(const struct ent_dropout *dropout, uint64_t first_block, float *y,
                              uint8_t *kept, size_t n);

#endif
