/* From vectors to clipped integers: the bounds that the sensitivity stands on, tried on many and on unkind vectors. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/fixed/grid.h"
#include "common/privacy/clip.h"
#include "common/privacy/privacy.h"
#include "tests/support/ent_test.h"

#define N 257u

static double norm2(const int32_t *q, size_t n)
{
    double sum = 0.0; /* exact: below 2^53 here */

    for (size_t i = 0; i < n; i++) {
        sum += (double)q[i] * (double)q[i];
    }
    return sum;
}

static void draw(struct ent_rng *rng, float *x, size_t n, double norm)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++) {
        x[i] = (float)ent_rng_normal(rng);
        sum += (double)x[i] * (double)x[i];
    }
    for (size_t i = 0; i < n; i++) {
        x[i] = (float)((double)x[i] * norm / sqrt(sum));
    }
}

ENT_TEST(clip, updates_stay_within_the_bound)
{
    struct ent_rng rng = ent_rng_init(71, 0);
    float x[N];
    int32_t q[N];

    for (int i = 0; i < 400; i++) {
        uint32_t scale_bits = 8 + (uint32_t)(i % 12);
        double clip = 0.05 + (double)ent_rng_float(&rng) * 3.0;
        double norm = clip * (i % 3 == 0 ? 1.0 : i % 3 == 1 ? 0.3 : 40.0);
        struct ent_clip_done done = {false, false};
        uint8_t bytes[4 * N];
        uint64_t bound = 0;
        size_t n = 1 + ent_rng_below(&rng, N);

        draw(&rng, x, n, norm);
        ENT_OK(ent_clip_bound(clip, scale_bits, &bound));
        ENT_OK(ent_clip_member(x, n, clip, scale_bits, q, &done));
        CU_ASSERT(norm2(q, n) <= (double)bound * (double)bound);
        CU_ASSERT(!done.nonfinite);
        CU_ASSERT(i % 3 != 2 || done.clipped);
        ent_grid_store32(q, n, bytes);
        ENT_OK(ent_clip_check(bytes, n, bound));
        if (i % 3 == 1 && !done.clipped) { /* untouched: the plain grid */
            int32_t plain[N];

            ENT_OK(ent_grid_quantise(x, n, scale_bits, plain));
            CU_ASSERT_EQUAL(memcmp(plain, q, n * sizeof *q), 0);
        }
        if (i % 3 == 2) { /* what is left points the same way and uses most of the bound */
            CU_ASSERT(sqrt(norm2(q, n)) > (double)bound - sqrt((double)n) - 1.0);
        }
    }
}

ENT_TEST(clip, unkind_vectors)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    float x[N];
    int32_t q[N];
    struct ent_clip_done done;

    for (size_t i = 0; i < ENT_ARRAY_LEN(bad); i++) {
        for (size_t k = 0; k < N; k++) {
            x[k] = 0.5f;
        }
        x[N - 1 - i] = bad[i];
        ENT_OK(ent_clip_member(x, N, 1.0, 16, q, &done));
        CU_ASSERT(done.nonfinite && !done.clipped);
        CU_ASSERT(norm2(q, N) == 0.0);
    }
    for (size_t k = 0; k < N; k++) { /* squares far beyond float */
        x[k] = k % 2 == 0 ? FLT_MAX : -FLT_MAX;
    }
    ENT_OK(ent_clip_member(x, N, 1.0, 16, q, &done));
    CU_ASSERT(done.clipped && !done.nonfinite);
    CU_ASSERT(norm2(q, N) <= 65536.0 * 65536.0 && norm2(q, N) > 65000.0 * 65000.0);
    for (size_t k = 0; k < N; k++) {
        x[k] = 1e-44f; /* denormal: rounds to 0 */
    }
    ENT_OK(ent_clip_member(x, N, 1.0, 16, q, &done));
    CU_ASSERT(!done.clipped && norm2(q, N) == 0.0);
    /* all on half steps: rounding to even may enlarge the norm, the grid step takes it back */
    for (size_t k = 0; k < N; k++) {
        x[k] = 1.5f / 65536.0f;
    }
    ENT_OK(ent_clip_member(x, N, 1.5 / 65536.0 * sqrt((double)N), 16, q, &done));
    CU_ASSERT(done.clipped);
    CU_ASSERT(norm2(q, N) <= 24.0 * 24.0);
}

ENT_TEST(clip, grid_step_rounds_toward_zero)
{
    int32_t q[2] = {-3, 4};
    bool clipped = false;

    ent_clip_grid(q, 2, 5, &clipped);
    CU_ASSERT(!clipped && q[0] == -3 && q[1] == 4);
    ent_clip_grid(q, 2, 4, &clipped); /* -2.4, 3.2 */
    CU_ASSERT(clipped && q[0] == -2 && q[1] == 3);
    q[0] = q[1] = ENT_GRID_Q_MAX;
    ent_clip_grid(q, 2, 1, &clipped); /* 0.707 each */
    CU_ASSERT(clipped && q[0] == 0 && q[1] == 0);
}

ENT_TEST(clip, the_check_counts_every_coordinate)
{
    int32_t q[3] = {3, -4, 0};
    uint8_t bytes[12];

    ent_grid_store32(q, 3, bytes);
    ENT_OK(ent_clip_check(bytes, 3, 5));
    ENT_FAILS(ent_clip_check(bytes, 3, 4), ENT_E_RANGE);
    q[2] = 1;
    ent_grid_store32(q, 3, bytes);
    ENT_FAILS(ent_clip_check(bytes, 3, 5), ENT_E_RANGE);
    q[0] = q[1] = q[2] = INT32_MIN; /* squares add up beyond 64 bits soon: no wrap */
    ent_grid_store32(q, 3, bytes);
    ENT_FAILS(ent_clip_check(bytes, 3, ENT_CLIP_BOUND_MAX), ENT_E_RANGE);
}

/* Two rounded sums that differ by one clipped gradient differ by at most D2, also where floats are unkind. */
ENT_TEST(clip, record_sensitivity_holds)
{
    struct ent_rng rng = ent_rng_init(72, 0);
    const uint32_t scale_bits = 4;
    const double clip = 0.75;
    uint64_t d2 = 0;
    double largest = 0.0;

    ENT_OK(ent_clip_record_sensitivity(clip, scale_bits, N, &d2));
    CU_ASSERT_EQUAL(d2, 12 + 17);
    for (int i = 0; i < 300; i++) {
        double sum = 0.0;
        float unit[N];

        draw(&rng, unit, N, clip * (1.0 - 0x1p-10));
        for (size_t k = 0; k < N; k++) {
            /* others put the sum next to a half step, where one bit decides */
            double others = (floor((double)ent_rng_float(&rng) * 64.0) + 0.5) / 16.0 - 1e-12;
            double a = rint(others * 16.0);
            double b = rint((others + (double)unit[k]) * 16.0);

            sum += (a - b) * (a - b);
        }
        largest = sum > largest ? sum : largest;
        CU_ASSERT(sum <= (double)d2 * (double)d2);
    }
    CU_ASSERT(sqrt(largest) > 12.0); /* beyond S C: the rounding term is needed */
}

ENT_TEST(clip, bounds_and_refusals)
{
    uint64_t bound = 0;
    uint64_t sigma2 = 0;
    uint32_t scale_bits = 0;
    struct ent_clip_plan plan = {.clip = 1.0,
                                 .scale_bits = 17,
                                 .dimension = 1 << 20,
                                 .sigma2 = (uint64_t)1 << 40,
                                 .sensitivity = 131072 + 1024};

    ENT_OK(ent_clip_bound(1.0, 20, &bound));
    CU_ASSERT_EQUAL(bound, 1048576);
    ENT_OK(ent_clip_bound(0.3, 4, &bound)); /* 4.8 */
    CU_ASSERT_EQUAL(bound, 4);
    ENT_FAILS(ent_clip_bound(0.01, 4, &bound), ENT_E_RANGE);
    ENT_FAILS(ent_clip_bound(8.1, 20, &bound), ENT_E_RANGE);
    ENT_FAILS(ent_clip_bound(0.0, 20, &bound), ENT_E_RANGE);
    ENT_FAILS(ent_clip_bound(-1.0, 20, &bound), ENT_E_RANGE);
    ENT_FAILS(ent_clip_bound((double)NAN, 20, &bound), ENT_E_RANGE);
    ENT_FAILS(ent_clip_bound(1.0, 31, &bound), ENT_E_RANGE);
    ENT_FAILS(ent_clip_record_sensitivity(1.0, 16, 0, &bound), ENT_E_RANGE);
    ENT_OK(ent_clip_record_sensitivity(0.3, 4, 5, &bound)); /* ceil 4.8 + ceil 2.2 */
    CU_ASSERT_EQUAL(bound, 8);

    ENT_OK(ent_clip_sigma2(4.0, 1000, &sigma2));
    CU_ASSERT_EQUAL(sigma2, 16000000);
    ENT_OK(ent_clip_sigma2(0.1, 10, &sigma2)); /* 0.1 is a little more than a tenth */
    CU_ASSERT_EQUAL(sigma2, 2);
    ENT_OK(ent_clip_sigma2(1e-3, 1, &sigma2));
    CU_ASSERT_EQUAL(sigma2, 1);
    ENT_FAILS(ent_clip_sigma2(1e6, 1000000, &sigma2), ENT_E_RANGE);
    ENT_FAILS(ent_clip_sigma2(0.0, 1000, &sigma2), ENT_E_RANGE);
    ENT_FAILS(ent_clip_sigma2((double)NAN, 1000, &sigma2), ENT_E_RANGE);

    ENT_OK(ent_clip_plan_check(&plan));
    CU_ASSERT(fabs(ent_clip_rounding_cost(&plan) - 1.0 / 128.0) < 1e-9);
    plan.sigma2 = 1048576 - 1;
    ENT_FAILS(ent_clip_plan_check(&plan), ENT_E_RANGE);
    plan.sigma2 = ENT_DP_SIGMA2_MAX + 1;
    ENT_FAILS(ent_clip_plan_check(&plan), ENT_E_RANGE);
    plan.sigma2 = 1048576;
    plan.sensitivity = 0;
    ENT_FAILS(ent_clip_plan_check(&plan), ENT_E_RANGE);

    ENT_OK(ent_clip_scale_bits(1.0, 1 << 20, &scale_bits)); /* privacy.md 4.1: d = 2^20, C = 1 */
    CU_ASSERT_EQUAL(scale_bits, 17);
    ENT_OK(ent_clip_scale_bits(100.0, (uint64_t)1 << 40, &scale_bits)); /* 2^23 is the end */
    CU_ASSERT_EQUAL(scale_bits, 16);
    ENT_FAILS(ent_clip_scale_bits(1e9, 100, &scale_bits), ENT_E_RANGE);
}
