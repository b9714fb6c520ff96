#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/math/kernels.h"
#include "common/math/math.h"
#include "common/math/stats.h"
#include "tests/support/ent_test.h"

#define N 1003

/* All paths that this processor has; the first is portable. */
static size_t paths(const struct ent_kernels *out[3])
{
    const struct ent_kernels *all[] = {ent_kernels_portable(), ent_kernels_avx2(),
                                       ent_kernels_avx512()};
    size_t n = 0;

    for (size_t i = 0; i < 3; i++) {
        if (all[i] != NULL) {
            out[n++] = all[i];
        }
    }
    return n;
}

static void fill(float *x, size_t n, uint64_t seed)
{
    struct ent_rng rng = ent_rng_init(seed, 0);

    for (size_t i = 0; i < n; i++) {
        x[i] = 4.0f * ent_rng_float(&rng) - 2.0f;
    }
}

ENT_TEST(kernels, name_is_that_of_a_path)
{
    const struct ent_kernels *all[3];
    size_t n = paths(all);

    CU_ASSERT_FATAL(n >= 1);
    CU_ASSERT_STRING_EQUAL(ent_math_kernel_name(), all[n - 1]->name);
    CU_ASSERT_PTR_NOT_NULL(ent_math_blas_text());
}

/* What vec.h promises "on every path": the same bits. */
ENT_TEST(vec, element_wise_bits_are_the_same_on_every_path)
{
    const struct ent_kernels *all[3];
    size_t n = paths(all);
    static float p[3][N];
    static float v[3][N];
    static float g[N];
    static float d[3][N];

    fill(g, N, 3);
    for (size_t i = 0; i < n; i++) {
        const struct ent_vec_kernels *vec = all[i]->vec;

        fill(p[i], N, 1);
        fill(v[i], N, 2);
        vec->momentum(p[i], v[i], g, 0.1f, 0.9f, N);
        vec->sgd(p[i], g, 0.3f, N);
        vec->sub(p[i], v[i], d[i], N);
        vec->relu(d[i], N);
        vec->relu_back(d[i], v[i], N);
        CU_ASSERT_EQUAL(memcmp(p[i], p[0], sizeof p[0]), 0);
        CU_ASSERT_EQUAL(memcmp(v[i], v[0], sizeof v[0]), 0);
        CU_ASSERT_EQUAL(memcmp(d[i], d[0], sizeof d[0]), 0);
    }
}

ENT_TEST(vec, dot_and_axpy_like_their_twins)
{
    const struct ent_kernels *all[3];
    size_t n_paths = paths(all);
    static float x[N];
    static float y[N];
    static float z[N];

    fill(x, N, 4);
    fill(y, N, 5);
    for (size_t p = 0; p < n_paths; p++) {
        for (size_t n = 0; n < 70; n++) {
            double s = 0.0;
            double worst = 0.0;

            memcpy(z, y, sizeof z);
            all[p]->vec->axpy(0.7f, x, z, n);
            for (size_t i = 0; i < N; i++) {
                double want = (double)y[i] + (i < n ? 0.7 * (double)x[i] : 0.0);

                s += i < n ? (double)x[i] * (double)y[i] : 0.0;
                worst = fmax(worst, fabs((double)z[i] - want));
            }
            CU_ASSERT(worst < 1e-6);
            CU_ASSERT_DOUBLE_EQUAL(all[p]->vec->dot(x, y, n), s, 2e-5);
        }
    }
}

static double exp_error(const struct ent_kernels *k, float x)
{
    float out;

    k->vec->exp(&x, &out, 1);
    return fabs((double)out / exp((double)x) - 1.0);
}

static double sigmoid_error(const struct ent_kernels *k, float x)
{
    float out;

    k->vec->sigmoid(&x, &out, 1);
    return fabs((double)out * (1.0 + exp(-(double)x)) - 1.0);
}

ENT_TEST(vec, exp_and_sigmoid_errors)
{
    const struct ent_kernels *all[3];
    size_t n = paths(all);

    for (size_t p = 0; p < n; p++) {
        double worst_exp = 0.0;
        double worst_sigmoid = 0.0;

        for (int i = -8700; i <= 8700; i++) {
            worst_exp = fmax(worst_exp, exp_error(all[p], (float)i / 100.0f));
            worst_sigmoid = fmax(worst_sigmoid, sigmoid_error(all[p], (float)i / 100.0f));
        }
        CU_ASSERT(worst_exp < 3e-7);
        CU_ASSERT(worst_sigmoid < 3e-7);
    }
}

ENT_TEST(vec, exp_and_sigmoid_at_the_edges)
{
    const struct ent_kernels *all[3];
    size_t n = paths(all);
    const float in[] = {0.0f, 1e30f, -1e30f, INFINITY, -INFINITY, NAN, 88.0f, -88.0f, 1.0f};

    for (size_t p = 0; p < n; p++) {
        float e[9];
        float s[9];

        all[p]->vec->exp(in, e, 9);
        all[p]->vec->sigmoid(in, s, 9);
        CU_ASSERT(e[0] == 1.0f && s[0] == 0.5f);
        CU_ASSERT(isfinite(e[1]) && e[1] > 1e38f && s[1] == 1.0f);
        CU_ASSERT(e[2] >= 0.0f && e[2] < 1e-37f && s[2] >= 0.0f && s[2] < 1e-37f);
        CU_ASSERT(isfinite(e[3]) && isfinite(s[4]));
        CU_ASSERT(isnan(e[5]) && isnan(s[5]));
        CU_ASSERT(s[6] == 1.0f && s[7] > 0.0f);
    }
}

ENT_TEST(vec, relu_keeps_nan)
{
    const struct ent_kernels *all[3];
    size_t n = paths(all);

    for (size_t p = 0; p < n; p++) {
        float x[9] = {-1.0f, 2.0f, NAN, 0.0f, -3.0f, 4.0f, NAN, -0.5f, NAN};

        all[p]->vec->relu(x, 9);
        CU_ASSERT(x[0] == 0.0f && x[1] == 2.0f && isnan(x[2]) && x[7] == 0.0f && isnan(x[8]));
    }
}

ENT_TEST(vec, finite)
{
    float x[4] = {0.0f, -3.4e38f, 1e-45f, 1.0f};

    CU_ASSERT(ent_vec_finite(x, 4));
    CU_ASSERT(ent_vec_finite(x, 0));
    x[3] = -INFINITY;
    CU_ASSERT_FALSE(ent_vec_finite(x, 4));
    CU_ASSERT(ent_vec_finite(x, 3));
    x[0] = NAN;
    CU_ASSERT_FALSE(ent_vec_finite(x, 3));
}

/* Same elements and same bits on every path, also where the low counter word carries in the middle of a register. */
static void check_dropout(uint32_t counter_low, size_t n)
{
    const struct ent_kernels *all[3];
    size_t n_paths = paths(all);
    struct ent_dropout d = {
        .key = {5, 6}, .counter = {counter_low, 3, 9, 1}, .threshold = 20000, .scale = 1.5f};
    static float y[3][N];
    static uint8_t kept[3][N / 8 + 2];

    for (size_t p = 0; p < n_paths; p++) {
        memset(kept[p], 0xAA, sizeof kept[p]);
        fill(y[p], N, 6);
        all[p]->dropout(&d, y[p], kept[p], n);
        CU_ASSERT_EQUAL(memcmp(y[p], y[0], sizeof y[0]), 0);
        CU_ASSERT_EQUAL(memcmp(kept[p], kept[0], sizeof kept[0]), 0);
        CU_ASSERT_EQUAL(kept[p][(n + 7) / 8], 0xAA); /* nothing behind its bits is written */
    }
    for (size_t p = 0; p < n_paths; p++) {
        all[p]->vec->dropout_back(1.5f, kept[p], y[p], n);
        CU_ASSERT_EQUAL(memcmp(y[p], y[0], sizeof y[0]), 0);
    }
}

ENT_TEST(dropout, same_on_every_path)
{
    check_dropout(0, 0);
    check_dropout(0, 1);
    check_dropout(7, 63);
    check_dropout(0, 64);
    check_dropout(1, 128);
    check_dropout(2, 1000);
    check_dropout(UINT32_MAX - 20, 1000);
    check_dropout(UINT32_MAX, 1000);
}

ENT_TEST(dropout, rate_scale_and_position)
{
    struct ent_dropout d = {.key = {1, 2}, .threshold = 16384, .scale = 4.0f / 3.0f};
    size_t n = 100000;
    size_t zeros = 0;
    float *y;
    uint8_t *kept;
    bool fits = true;

    ENT_OK(ent_calloc(n, sizeof *y, &y));
    ENT_OK(ent_calloc(n / 8 + 1, 1, &kept));
    for (size_t i = 0; i < n; i++) {
        y[i] = 3.0f;
    }
    CU_ASSERT_EQUAL(ent_vec_dropout(&d, y, kept, n), (n + 63) / 64 * 8);
    for (size_t i = 0; i < n; i++) {
        bool on = (kept[i / 8] >> i % 8 & 1) != 0;

        zeros += y[i] == 0.0f;
        fits = fits && (on ? y[i] == 4.0f : y[i] == 0.0f);
    }
    CU_ASSERT(fits);
    CU_ASSERT(zeros > 24300 && zeros < 25700); /* a quarter; 5 standard deviations are 685 */
    d.threshold = 0;
    d.scale = 1.0f;
    y[0] = 7.0f;
    (void)ent_vec_dropout(&d, y, kept, 1);
    CU_ASSERT_EQUAL(y[0], 7.0f);
    free(y);
    free(kept);
}

ENT_TEST(stats, mean_sd_median)
{
    double x[] = {4.0, 1.0, 3.0, 2.0};
    double mean;
    double sd;

    ent_stats_mean_sd(x, 4, &mean, &sd);
    CU_ASSERT_DOUBLE_EQUAL(mean, 2.5, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(sd, sqrt(5.0 / 3.0), 1e-15);
    CU_ASSERT_EQUAL(ent_stats_median(x, 4), 2.5);
    CU_ASSERT_EQUAL(ent_stats_median(x, 3), 2.0);
    CU_ASSERT_EQUAL(ent_stats_median(x, 0), 0.0);
    ent_stats_mean_sd(x, 1, &mean, &sd);
    CU_ASSERT(mean == 1.0 && sd == 0.0);
}
