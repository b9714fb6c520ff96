#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/rng.h"
#include "common/fixed/grid.h"
#include "common/fixed/selftest.h"
#include "common/fixed/sum.h"
#include "common/fixed/weight.h"
#include "tests/support/ent_test.h"

#define N 1027 /* not a multiple of any block */

static void random_floats(float *x, size_t n, uint64_t seed)
{
    struct ent_rng rng = ent_rng_init(seed, 0);

    for (size_t i = 0; i < n; i++) {
        x[i] = (ent_rng_float(&rng) - 0.5f) * 0.02f;
    }
}

static void random_payload(uint8_t *out, size_t n, uint64_t seed)
{
    struct ent_rng rng = ent_rng_init(seed, 1);
    int32_t q[N];

    for (size_t i = 0; i < n; i++) {
        q[i] = (int32_t)ent_rng_below(&rng, (2u << 23) + 1) - ENT_GRID_Q_MAX;
    }
    q[0] = ENT_GRID_Q_MAX;
    q[n - 1] = -ENT_GRID_Q_MAX;
    ent_grid_store32(q, n, out);
}

/* Halves go to the even neighbour; both signs; zero and the limits. */
ENT_TEST(grid, rounds_half_to_even)
{
    static const float x[] = {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 0.499f, -0.501f, 0.0f, -0.0f};
    static const int32_t expected[] = {0, 2, 2, 0, -2, -2, 0, -1, 0, 0};
    float scaled[10];
    int32_t q[10];

    for (size_t i = 0; i < 10; i++) {
        scaled[i] = x[i] / 16.0f;
    }
    ENT_OK(ent_grid_quantise(scaled, 10, 4, q));
    CU_ASSERT_EQUAL(memcmp(q, expected, sizeof q), 0);
}

/* The naive twin is the C library's rint in double. */
ENT_TEST(grid, equals_the_naive_twin)
{
    for (uint32_t s = ENT_GRID_SCALE_BITS_MIN; s <= ENT_GRID_SCALE_BITS_MAX; s++) {
        float x[N];
        int32_t q[N];
        size_t wrong = 0;

        random_floats(x, N, s);
        for (size_t i = 0; i < N; i++) {
            x[i] *= ldexpf(1.0f, 23 - (int)s + 6 - (int)(i % 30));
            x[i] = fabsf(x[i]) > ldexpf(1.0f, 23 - (int)s) ? 0.0f : x[i];
        }
        x[5] = 0x1p-149f; /* denormal */
        ENT_OK(ent_grid_quantise(x, N, s, q));
        for (size_t i = 0; i < N; i++) {
            wrong += (double)q[i] != rint(ldexp((double)x[i], (int)s));
        }
        CU_ASSERT_EQUAL(wrong, 0);
    }
}

ENT_TEST(grid, refuses_and_names_what_cannot_stay)
{
    float x[N];
    int32_t q[N];
    int32_t untouched[N];
    static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};

    memset(q, 0x5A, sizeof q);
    memcpy(untouched, q, sizeof q);
    for (size_t b = 0; b < 4; b++) {
        for (size_t at = 0; at < N; at += 513) {
            random_floats(x, N, 3);
            x[at] = bad[b];
            ENT_FAILS(ent_grid_quantise(x, N, 20, q), ENT_E_NONFINITE);
            CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), at == 0     ? "value 0 "
                                                             : at == 513 ? "value 513 "
                                                                         : "value 1026 "));
        }
    }
    random_floats(x, N, 3);
    x[700] = -8.0f; /* 2^23 exactly: stays */
    ENT_OK(ent_grid_quantise(x, N, 20, untouched));
    CU_ASSERT_EQUAL(untouched[700], -ENT_GRID_Q_MAX);
    x[700] = nextafterf(8.0f, 9.0f);
    ENT_FAILS(ent_grid_quantise(x, N, 20, q), ENT_E_RANGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "lower scale_bits or the rate"));
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "value 700"));
    for (size_t i = 0; i < N; i++) {
        CU_ASSERT_EQUAL_FATAL(q[i], 0x5A5A5A5A);
    }
    ENT_FAILS(ent_grid_quantise(x, N, 3, q), ENT_E_CONFIG);
    ENT_FAILS(ent_grid_quantise(x, N, 31, q), ENT_E_CONFIG);
}

ENT_TEST(grid, dequantise_is_exact)
{
    float x[N];
    float back[N];
    int32_t q[N];
    int32_t again[N];

    random_floats(x, N, 9);
    ENT_OK(ent_grid_quantise(x, N, 24, q));
    for (size_t i = 0; i < N; i++) {
        back[i] = (float)q[i] * 0x1p-24f; /* exact */
    }
    ENT_OK(ent_grid_quantise(back, N, 24, again));
    CU_ASSERT_EQUAL(memcmp(q, again, sizeof q), 0);
}

ENT_TEST(grid, overflow_bound)
{
    ENT_OK(ent_grid_check_bound((uint64_t)ENT_GRID_Q_MAX, 1, 4096));
    ENT_OK(ent_grid_check_bound((uint64_t)ENT_GRID_Q_MAX, 1u << 20, 4096)); /* 24 + 21 + 12 + 1 */
    ENT_OK(
        ent_grid_check_bound((uint64_t)ENT_GRID_Q_MAX, 1u << 25, 4096)); /* 24 + 26 + 12 + 1 = 63 */
    ENT_FAILS(ent_grid_check_bound((uint64_t)ENT_GRID_Q_MAX, 1u << 26, 4096), ENT_E_LIMIT);
    ENT_FAILS(ent_grid_check_bound((uint64_t)ENT_GRID_Q_MAX, 1u << 25, 4097), ENT_E_LIMIT);
    ENT_OK(ent_grid_check_bound((uint64_t)ENT_GRID_VALUE_MAX, 1, 2048));
    ENT_FAILS(ent_grid_check_bound((uint64_t)ENT_GRID_VALUE_MAX, 1, 2049), ENT_E_LIMIT);
}

ENT_TEST(grid, contents_of_payloads)
{
    uint8_t p[4 * N];
    uint8_t v[8 * 3];
    int64_t values[3] = {0, ENT_GRID_VALUE_MAX, 5};

    for (size_t at = 0; at < N; at += 342) {
        random_payload(p, N, 1);
        ENT_OK(ent_grid_check32(p, N));
        ent_grid_store32(&(int32_t){ENT_GRID_Q_MAX + 1}, 1, p + 4 * at);
        ENT_FAILS(ent_grid_check32(p, N), ENT_E_RANGE);
        ent_grid_store32(&(int32_t){-ENT_GRID_Q_MAX - 1}, 1, p + 4 * at);
        ENT_FAILS(ent_grid_check32(p, N), ENT_E_RANGE);
        ent_grid_store32(&(int32_t){INT32_MIN}, 1, p + 4 * at);
        ENT_FAILS(ent_grid_check32(p, N), ENT_E_RANGE);
    }
    ent_grid_store64(values, 3, v);
    ENT_OK(ent_grid_check64(v, 3));
    values[1]++;
    ent_grid_store64(values, 3, v);
    ENT_FAILS(ent_grid_check64(v, 3), ENT_E_RANGE);
    values[1] = -1;
    ent_grid_store64(values, 3, v);
    ENT_FAILS(ent_grid_check64(v, 3), ENT_E_RANGE);
}

/* Both kernels, all pass sizes, all remainders, unaligned payloads, the largest weights: the same sums. */
ENT_TEST(sum, kernels_and_orders_agree)
{
    static uint8_t payload[ENT_GRID_MANY][4 * N + 1];
    const uint8_t *q[ENT_GRID_MANY];
    static const uint32_t w[ENT_GRID_MANY] = {1, 1u << 30, 3, 65537, 12};
    int64_t expected[N];
    int64_t got[N];

    for (size_t v = 0; v < ENT_GRID_MANY; v++) {
        random_payload(payload[v] + 1, N, v);
        q[v] = payload[v] + 1;
    }
    for (size_t k = 1; k <= ENT_GRID_MANY; k++) {
        for (size_t n = N - 9; n <= N; n++) {
            memset(expected, 0, sizeof expected);
            for (size_t i = 0; i < n; i++) {
                for (size_t v = k; v > 0; v--) {
                    int32_t one = (int32_t)ent_get_le32(q[v - 1] + 4 * i);

                    expected[i] += (int64_t)w[v - 1] * one;
                }
            }
            memset(got, 0, sizeof got);
            ent_sum_add_plain(got, n, q, w, k);
            CU_ASSERT_EQUAL(memcmp(got, expected, sizeof got), 0);
            memset(got, 0, sizeof got);
            ent_grid_add32(got, n, q, w, k);
            CU_ASSERT_EQUAL(memcmp(got, expected, sizeof got), 0);
#if ENT_SUM_HAVE_AVX2
            if (__builtin_cpu_supports("avx2")) {
                memset(got, 0, sizeof got);
                ent_sum_add_avx2(got, n, q, w, k);
                CU_ASSERT_EQUAL(memcmp(got, expected, sizeof got), 0);
            }
#endif
        }
    }
}

ENT_TEST(apply, is_one_rounding_and_streams)
{
    float model[N];
    float whole[N];
    float parts[N];
    int64_t sum[N];
    struct ent_rng rng = ent_rng_init(4, 4);
    double c;

    random_floats(model, N, 5);
    for (size_t i = 0; i < N; i++) {
        sum[i] = (int64_t)(ent_rng_u64(&rng) >> 12) - ((int64_t)1 << 51);
    }
    ENT_OK(ent_grid_factor(77, 24, &c));
    CU_ASSERT(c == 1.0 / (77.0 * 16777216.0));
    ENT_OK(ent_grid_apply(model, sum, N, c, whole));
    memcpy(parts, model, sizeof parts);
    for (size_t i = 0; i < N; i += 100) {
        ENT_OK(ent_grid_apply(parts + i, sum + i, N - i < 100 ? N - i : 100, c, parts + i));
    }
    CU_ASSERT_EQUAL(memcmp((const void *)whole, (const void *)parts, sizeof whole), 0);
    for (size_t i = 0; i < N; i++) {
        double y = (double)sum[i] * c;
        double m = (double)model[i] + y;

        CU_ASSERT_EQUAL_FATAL(whole[i], (float)m);
    }
}

ENT_TEST(apply, refuses_large_sums_and_results)
{
    float model[3] = {0};
    float out[3];
    int64_t sum[3] = {0, ENT_GRID_SUM_MAX - 1, -ENT_GRID_SUM_MAX + 1};
    double c;

    ENT_OK(ent_grid_apply(model, sum, 3, 1e-10, out));
    sum[1] = ENT_GRID_SUM_MAX;
    ENT_FAILS(ent_grid_apply(model, sum, 3, 1e-10, out), ENT_E_RANGE);
    sum[1] = -ENT_GRID_SUM_MAX;
    ENT_FAILS(ent_grid_apply(model, sum, 3, 1e-10, out), ENT_E_RANGE);
    sum[1] = INT64_MIN;
    ENT_FAILS(ent_grid_apply(model, sum, 3, 1e-10, out), ENT_E_RANGE);
    sum[1] = 1000;
    ENT_FAILS(ent_grid_apply(model, sum, 3, 1e300, out), ENT_E_NONFINITE);
    ENT_FAILS(ent_grid_factor(0, 20, &c), ENT_E_TOO_FEW);
    ENT_FAILS(ent_grid_factor((uint64_t)1 << 53, 20, &c), ENT_E_LIMIT);
}

ENT_TEST(weight, buckets)
{
    uint32_t w;

    CU_ASSERT_EQUAL(ent_weight_bucket(0), 0);
    for (unsigned k = 0; k < 31; k++) {
        CU_ASSERT_EQUAL(ent_weight_bucket((uint64_t)1 << k), k + 1);
        CU_ASSERT_EQUAL(ent_weight_bucket(((uint64_t)2 << k) - 1), k + 1);
        ENT_OK(ent_weight_of_bucket(k + 1, &w));
        CU_ASSERT_EQUAL(w, 1u << k);
    }
    CU_ASSERT_EQUAL(ent_weight_bucket(UINT64_MAX), 31);
    ENT_FAILS(ent_weight_of_bucket(0, &w), ENT_E_RANGE);
    ENT_FAILS(ent_weight_of_bucket(32, &w), ENT_E_RANGE);
    ENT_OK(ent_weight_check(1));
    ENT_FAILS(ent_weight_check(0), ENT_E_RANGE);
    ENT_FAILS(ent_weight_check((uint64_t)ENT_WEIGHT_MAX + 1), ENT_E_RANGE);
}

ENT_TEST(selftest, passes_and_repeats)
{
    uint8_t a[ENT_SELFTEST_BYTES];
    uint8_t b[ENT_SELFTEST_BYTES] = {0};

    ENT_OK(ent_fixed_selftest(a));
    ENT_OK(ent_fixed_selftest(b));
    CU_ASSERT_EQUAL(memcmp(a, b, sizeof a), 0);
}

#if defined(__SSE__)
#include <xmmintrin.h>

/* What a fast-math object in the process would do. */
ENT_TEST(selftest, sees_flush_to_zero_and_other_roundings)
{
    static const unsigned bad[] = {0x8000 /* FTZ */, 0x0040 /* DAZ */, 0x2000, 0x4000,
                                   0x6000 /* down, up, zero */};
    unsigned saved = _mm_getcsr();

    for (size_t i = 0; i < 5; i++) {
        uint8_t out[ENT_SELFTEST_BYTES];
        enum ent_err err;

        _mm_setcsr(saved | bad[i]);
        err = ent_fixed_selftest(out);
        _mm_setcsr(saved);
        CU_ASSERT_EQUAL(err, ENT_E_UNSUPPORTED);
    }
}
#endif
