#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/math/kernels.h"
#include "common/math/mat.h"
#include "common/math/math.h"
#include "tests/support/ent_test.h"

/* The naive twin of every product: element by element in double. */
static double element(const struct ent_gemm *g, const float *before, size_t i, size_t j)
{
    double s = g->add ? (double)before[i * g->n + j] : g->bias != NULL ? (double)g->bias[j] : 0.0;

    for (size_t p = 0; p < g->k; p++) {
        s += (double)g->a[i * g->a_row + p * g->a_col] * (double)g->b[p * g->n + j];
    }
    return g->relu && s < 0.0 ? 0.0 : s;
}

static float *random_floats(struct ent_rng *rng, size_t n)
{
    float *x;

    ENT_OK(ent_calloc(n + 1, sizeof *x, &x));
    for (size_t i = 0; i <= n; i++) {
        x[i] = ent_rng_float(rng) - 0.5f;
    }
    return x;
}

/* Largest difference to the twin; the element behind the result must stay as it was. */
static double worst(const struct ent_kernels *kernels, struct ent_gemm g, struct ent_rng *rng)
{
    float *before = random_floats(rng, g.m * g.n);
    double max = 0.0;

    ENT_OK(ent_calloc(g.m * g.n + 1, sizeof *g.c, &g.c));
    memcpy(g.c, before, (g.m * g.n + 1) * sizeof *g.c);
    kernels->gemm(&g);
    for (size_t i = 0; i < g.m; i++) {
        for (size_t j = 0; j < g.n; j++) {
            double d = fabs((double)g.c[i * g.n + j] - element(&g, before, i, j));

            max = d > max ? d : max;
        }
    }
    CU_ASSERT_EQUAL(g.c[g.m * g.n], before[g.m * g.n]);
    free(before);
    free(g.c);
    return max;
}

static void check_shape(const struct ent_kernels *kernels, size_t m, size_t n, size_t k)
{
    struct ent_rng rng = ent_rng_init(m * 1000 + n, k);
    float *a = random_floats(&rng, m * k);
    float *b = random_floats(&rng, k * n);
    float *bias = random_floats(&rng, n);
    struct ent_gemm g = {.a = a, .a_row = k, .a_col = 1, .b = b, .m = m, .n = n, .k = k};

    CU_ASSERT(worst(kernels, g, &rng) < 1e-5);
    g.bias = bias;
    g.relu = true;
    CU_ASSERT(worst(kernels, g, &rng) < 1e-5);
    g.bias = NULL;
    g.relu = false;
    g.add = true;
    g.a_row = 1; /* the same memory as a [k][m] */
    g.a_col = m;
    CU_ASSERT(worst(kernels, g, &rng) < 1e-5);
    free(a);
    free(b);
    free(bias);
}

static void check_kernels(const struct ent_kernels *kernels)
{
    if (kernels == NULL) {
        ent_test_skip("this processor lacks a kernel path");
        return;
    }
    for (size_t m = 0; m <= 19; m++) { /* every number of rows that tiles can leave */
        check_shape(kernels, m, 33, 5);
    }
    for (size_t n = 0; n <= 67; n++) { /* every number of columns */
        check_shape(kernels, 7, n, 3);
    }
    check_shape(kernels, 5, 40, 0);
    check_shape(kernels, 5, 40, 1);
    check_shape(kernels, 32, 128, 64);
    check_shape(kernels, 64, 128, 32);
}

/* A row's bits are its own: alone, and in every place among others (private training rests on it). */
static void check_rows(const struct ent_kernels *kernels, size_t n, size_t k)
{
    enum { M = 64 };
    struct ent_rng rng = ent_rng_init(n, k);
    float *a = random_floats(&rng, M * k);
    float *b = random_floats(&rng, k * n);
    float *bias = random_floats(&rng, n);
    float *c = random_floats(&rng, M * n);
    float *one = random_floats(&rng, n);
    struct ent_gemm g = {
        .a = a, .a_row = k, .a_col = 1, .b = b, .bias = bias, .c = c, .m = M, .n = n, .k = k};

    kernels->gemm(&g);
    for (size_t i = 0; i < M; i++) {
        struct ent_gemm alone = g;

        alone.a = a + i * k;
        alone.c = one;
        alone.m = 1;
        kernels->gemm(&alone);
        CU_ASSERT(memcmp(one, c + i * n, n * sizeof *c) == 0);
    }
    free(a);
    free(b);
    free(bias);
    free(c);
    free(one);
}

ENT_TEST(gemm, a_row_does_not_depend_on_the_others)
{
    const struct ent_kernels *paths[] = {ent_kernels_portable(), ent_kernels_avx2(),
                                         ent_kernels_avx512()};

    for (size_t p = 0; p < ENT_ARRAY_LEN(paths); p++) {
        if (paths[p] != NULL) {
            check_rows(paths[p], 33, 5);
            check_rows(paths[p], 128, 64);
            check_rows(paths[p], 7, 300);
            check_rows(paths[p], 530, 611);
        }
    }
}

ENT_TEST(gemm, portable_like_its_twin)
{
    check_kernels(ent_kernels_portable());
}

ENT_TEST(gemm, avx2_like_its_twin)
{
    check_kernels(ent_kernels_avx2());
}

ENT_TEST(gemm, avx512_like_its_twin)
{
    check_kernels(ent_kernels_avx512());
}

/* The public calls, on both sides of the border between our kernels and BLAS, and at a width of one. */
static void check_public(size_t m, size_t n, size_t k)
{
    struct ent_rng rng = ent_rng_init(m, n + k);
    float *a = random_floats(&rng, m * k);
    float *b = random_floats(&rng, k * n);
    float *bt = random_floats(&rng, k * n);
    float *c = random_floats(&rng, m * n);
    float *work = random_floats(&rng, ent_mat_nt_work(n, k));
    float *bias = random_floats(&rng, n);
    struct ent_gemm nn = {
        .a = a, .a_row = k, .a_col = 1, .b = b, .bias = bias, .m = m, .n = n, .k = k, .relu = true};
    struct ent_gemm tn = {.a = a, .a_row = 1, .a_col = m, .b = b, .m = m, .n = n, .k = k};
    size_t last = m * n - 1;
    double tolerance = 2e-6 * (double)k;

    for (size_t p = 0; p < k; p++) {
        for (size_t j = 0; j < n; j++) {
            bt[j * k + p] = b[p * n + j];
        }
    }
    ent_mat_mul_bias(a, b, bias, true, c, m, n, k);
    CU_ASSERT_DOUBLE_EQUAL(c[0], element(&nn, NULL, 0, 0), tolerance);
    CU_ASSERT_DOUBLE_EQUAL(c[last], element(&nn, NULL, m - 1, n - 1), tolerance);
    ent_mat_mul_tn(a, b, false, c, m, n, k);
    CU_ASSERT_DOUBLE_EQUAL(c[last], element(&tn, NULL, m - 1, n - 1), tolerance);
    ent_mat_mul_tn(a, b, true, c, m, n, k);
    CU_ASSERT_DOUBLE_EQUAL(c[last], 2.0 * element(&tn, NULL, m - 1, n - 1), 2.0 * tolerance);
    nn.bias = NULL;
    nn.relu = false;
    ent_mat_mul_nt(a, bt, work, c, m, n, k);
    CU_ASSERT_DOUBLE_EQUAL(c[0], element(&nn, NULL, 0, 0), tolerance);
    CU_ASSERT_DOUBLE_EQUAL(c[last], element(&nn, NULL, m - 1, n - 1), tolerance);
    free(a);
    free(b);
    free(bt);
    free(c);
    free(work);
    free(bias);
}

ENT_TEST(mat, products_small_large_and_thin)
{
    ent_math_init();
    check_public(9, 21, 30);
    check_public(32, 1, 64);
    check_public(32, 64, 1);
    check_public(1, 1, 1);
    check_public(130, 150, 170); /* above 2^21: BLAS */
    check_public(300, 1, 9000);
    check_public(2, 300, 300); /* too wide to transpose: BLAS */
    CU_ASSERT_EQUAL(ent_mat_nt_work(300, 300), 0);
}

ENT_TEST(mat, column_sums)
{
    const struct ent_kernels *paths[] = {ent_kernels_portable(), ent_kernels_avx2()};
    float a[3 * 19];
    float out[19];

    for (size_t p = 0; p < 2 && paths[p] != NULL; p++) {
        for (size_t i = 0; i < 3 * 19; i++) {
            a[i] = (float)i;
        }
        paths[p]->vec->col_sums(a, false, out, 3, 19);
        for (size_t j = 0; j < 19; j++) {
            CU_ASSERT_EQUAL(out[j], (float)(3 * j + 57));
        }
        paths[p]->vec->col_sums(a, true, out, 3, 19);
        CU_ASSERT_EQUAL(out[18], 2.0f * (3 * 18 + 57));
    }
}

ENT_TEST(mat, transposes)
{
    const struct ent_kernels *paths[] = {ent_kernels_portable(), ent_kernels_avx2()};
    static const size_t shapes[][2] = {{1, 1}, {8, 8}, {9, 17}, {24, 7}, {3, 40}, {64, 128}};
    static float a[64 * 128];
    static float out[64 * 128];

    for (size_t i = 0; i < ENT_ARRAY_LEN(a); i++) {
        a[i] = (float)i;
    }
    for (size_t s = 0; s < 2 * ENT_ARRAY_LEN(shapes); s++) {
        size_t rows = shapes[s / 2][0];
        size_t cols = shapes[s / 2][1];
        bool same = true;

        if (paths[s % 2] == NULL) {
            continue;
        }
        paths[s % 2]->vec->transpose(a, out, rows, cols);
        for (size_t i = 0; i < rows * cols; i++) {
            same = same && out[i % cols * rows + i / cols] == a[i];
        }
        CU_ASSERT(same);
    }
}
