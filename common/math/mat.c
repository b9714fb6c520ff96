#include "common/math/mat.h"

#include <string.h>

#include <cblas.h>

#include "common/base/err.h"
#include "common/math/kernels.h"
#include "common/math/math.h"

void ent_math_init(void)
{
    openblas_set_num_threads(1);
}

const char *ent_math_kernel_name(void)
{
    return ent_kernels()->name;
}

const char *ent_math_blas_text(void)
{
    return openblas_get_config();
}

/* Whether m * n * k <= max, without overflow. */
static bool is_small(size_t m, size_t n, size_t k, size_t max)
{
    size_t mn;
    size_t mnk;

    return !__builtin_mul_overflow(m, n, &mn) && !__builtin_mul_overflow(mn, k, &mnk) && mnk <= max;
}

/* BLAS takes int sizes; our limits (ENT_MODEL_UNITS_MAX) stay far below. */
static blasint blas_size(size_t v)
{
    ENT_BUG_ON(v > 0x7fffffff);
    return (blasint)v;
}

static void fill_rows(const float *bias, float *c, size_t m, size_t n)
{
    for (size_t i = 0; i < m; i++) {
        memcpy(c + i * n, bias, n * sizeof *c);
    }
}

/* NOLINTNEXTLINE(readability-function-size): two operands and three sizes, as kernels have */
void ent_mat_mul_bias(const float *a, const float *b, const float *bias, bool relu, float *c,
                      size_t m, size_t n, size_t k)
{
    const struct ent_kernels *kernels = ent_kernels();

    if (n == 1) { /* the output layer: a product costs more to set up than to do */
        for (size_t i = 0; i < m; i++) {
            c[i] = kernels->vec->dot(a + i * k, b, k) + (bias != NULL ? bias[0] : 0.0f);
        }
    } else if (k == 0 || is_small(m, n, k, kernels->gemm_max)) {
        struct ent_gemm g = {.a = a,
                             .a_row = k,
                             .a_col = 1,
                             .b = b,
                             .bias = bias,
                             .c = c,
                             .m = m,
                             .n = n,
                             .k = k,
                             .relu = relu};

        kernels->gemm(&g);
        return;
    } else {
        if (bias != NULL) {
            fill_rows(bias, c, m, n);
        }
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, blas_size(m), blas_size(n),
                    blas_size(k), 1.0f, a, blas_size(k), b, blas_size(n),
                    bias != NULL ? 1.0f : 0.0f, c, blas_size(n));
    }
    if (relu) {
        kernels->vec->relu(c, m * n);
    }
}

/* NOLINTNEXTLINE(readability-function-size): two operands and three sizes, as kernels have */
void ent_mat_rows_mul_bias(const float *a, const float *b, const float *bias, bool relu, float *c,
                           size_t m, size_t n, size_t k)
{
    struct ent_gemm g = {.a = a,
                         .a_row = k,
                         .a_col = 1,
                         .b = b,
                         .bias = bias,
                         .c = c,
                         .m = m,
                         .n = n,
                         .k = k,
                         .relu = relu};

    if (n == 1) { /* row by row there too */
        ent_mat_mul_bias(a, b, bias, relu, c, m, n, k);
    } else {
        ent_kernels()->gemm(&g);
    }
}

/* NOLINTNEXTLINE(readability-function-size): two operands and three sizes, as kernels have */
void ent_mat_rows_mul_nt(const float *a, const float *b, float *work, float *c, size_t m, size_t n,
                         size_t k)
{
    const struct ent_kernels *kernels = ent_kernels();
    struct ent_gemm g = {.a = a, .a_row = k, .a_col = 1, .b = b, .c = c, .m = m, .n = n, .k = k};

    if (k > 1) { /* one column is its own transpose */
        kernels->vec->transpose(b, work, n, k);
        g.b = work;
    }
    kernels->gemm(&g);
}

/* NOLINTNEXTLINE(readability-function-size): two operands and three sizes, as kernels have */
void ent_mat_mul_tn(const float *a, const float *b, bool add, float *c, size_t m, size_t n,
                    size_t k)
{
    const struct ent_kernels *kernels = ent_kernels();

    if (n == 1) {
        if (!add) {
            memset(c, 0, m * sizeof *c);
        }
        for (size_t p = 0; p < k; p++) {
            kernels->vec->axpy(b[p], a + p * m, c, m);
        }
    } else if (k == 0 || is_small(m, n, k, kernels->gemm_max)) {
        struct ent_gemm g = {
            .a = a, .a_row = 1, .a_col = m, .b = b, .c = c, .m = m, .n = n, .k = k, .add = add};

        kernels->gemm(&g);
    } else {
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, blas_size(m), blas_size(n),
                    blas_size(k), 1.0f, a, blas_size(m), b, blas_size(n), add ? 1.0f : 0.0f, c,
                    blas_size(n));
    }
}

/* NOLINTNEXTLINE(readability-function-size): two operands and three sizes, as kernels have */
void ent_mat_mul_add(const float *a, const float *b, float *c, size_t m, size_t n, size_t k)
{
    const struct ent_kernels *kernels = ent_kernels();

    if (k == 0 || is_small(m, n, k, kernels->gemm_max)) {
        struct ent_gemm g = {
            .a = a, .a_row = k, .a_col = 1, .b = b, .c = c, .m = m, .n = n, .k = k, .add = true};

        kernels->gemm(&g);
    } else {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, blas_size(m), blas_size(n),
                    blas_size(k), 1.0f, a, blas_size(k), b, blas_size(n), 1.0f, c, blas_size(n));
    }
}

void ent_mat_transpose(const float *a, float *out, size_t rows, size_t cols)
{
    ent_kernels()->vec->transpose(a, out, rows, cols);
}

size_t ent_mat_nt_work(size_t n, size_t k)
{
    return is_small(1, n, k, ENT_MAT_NT_WORK_MAX) && k > 1 ? n * k : 0;
}

/* NOLINTNEXTLINE(readability-function-size): two operands and three sizes, as kernels have */
void ent_mat_mul_nt(const float *a, const float *b, float *work, float *c, size_t m, size_t n,
                    size_t k)
{
    const struct ent_kernels *kernels = ent_kernels();

    if (k <= 1 || (is_small(m, n, k, kernels->gemm_max) && ent_mat_nt_work(n, k) > 0)) {
        struct ent_gemm g = {
            .a = a, .a_row = k, .a_col = 1, .b = b, .c = c, .m = m, .n = n, .k = k};

        if (k > 1) { /* one column is its own transpose */
            kernels->vec->transpose(b, work, n, k);
            g.b = work;
        }
        kernels->gemm(&g);
    } else {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, blas_size(m), blas_size(n),
                    blas_size(k), 1.0f, a, blas_size(k), b, blas_size(k), 0.0f, c, blas_size(n));
    }
}

void ent_mat_col_sums(const float *a, bool add, float *out, size_t m, size_t n)
{
    ent_kernels()->vec->col_sums(a, add, out, m, n);
}
