/* The noise of a sum: the same integers whatever windows, their order and the threads are. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/hooks.h"
#include "common/base/mem.h"
#include "common/privacy/dgauss.h"
#include "common/privacy/privacy.h"
#include "common/step/noise.h"
#include "tests/support/ent_test.h"
#include "tests/support/hooks.h"

#define DIM (5 * ENT_DGAUSS_CHUNK + 123)
#define SIGMA2 987654321u

static const uint8_t key[ENT_STEP_NOISE_KEY_BYTES] = {3, 1, 4, 1, 5, 9, 2, 6};

/* ---- what is planted ---- */

struct plants {
    const char *bug;
    uint64_t number;
};

static bool planted(void *ctx, const char *bug)
{
    return strcmp(((const struct plants *)ctx)->bug, bug) == 0;
}

static uint64_t number(void *ctx, const char *bug)
{
    const struct plants *p = ctx;

    return strcmp(p->bug, bug) == 0 ? p->number : 0;
}

static void plant(struct plants *p)
{
    static struct ent_test_hooks hooks;

    hooks = (struct ent_test_hooks){.planted = planted, .number = number, .ctx = p};
    ent_test_hooks_set(p != NULL ? &hooks : NULL);
}

/* ---- what is expected: the sampler's own, beside sums that are not zero ---- */

static int64_t sum_at(uint64_t at)
{
    return (int64_t)(at * 1000003u) - 1500000000;
}

static int64_t expected[DIM];

static void expect(uint64_t sigma2)
{
    ENT_OK(ent_dgauss_fill(key, sigma2, 0, expected, DIM));
    for (size_t i = 0; i < DIM; i++) {
        expected[i] += sum_at(i);
    }
}

static void check_window(struct ent_step_noise *n, uint64_t first, size_t len)
{
    int64_t *sum = NULL;

    ENT_OK(ent_calloc(len + 1, sizeof *sum, &sum));
    for (size_t i = 0; i < len; i++) {
        sum[i] = sum_at(first + i);
    }
    ENT_OK(ent_step_noise_window(n, first, sum, len));
    CU_ASSERT_EQUAL(memcmp(sum, expected + first, len * sizeof *sum), 0);
    free(sum);
}

static void check_windows(struct ent_step_noise *n)
{
    static const size_t sizes[] = {DIM, ENT_DGAUSS_CHUNK, 2 * ENT_DGAUSS_CHUNK, 1000, 4099};

    for (size_t s = 0; s < ENT_ARRAY_LEN(sizes); s++) {
        for (size_t at = 0; at < DIM; at += sizes[s]) {
            check_window(n, at, DIM - at < sizes[s] ? DIM - at : sizes[s]);
        }
        for (size_t end = DIM; end > 0; end -= end < sizes[s] ? end : sizes[s]) { /* backwards */
            size_t len = end < sizes[s] ? end : sizes[s];

            check_window(n, end - len, len);
        }
    }
    check_window(n, 7, 0);
    check_window(n, DIM, 0);
    check_window(n, DIM - 1, 1);
}

ENT_TEST(noise, any_windows_give_the_same)
{
    static const uint64_t sigmas[] = {1, 1u << 20, SIGMA2, ENT_DP_SIGMA2_MAX};

    for (size_t i = 0; i < ENT_ARRAY_LEN(sigmas); i++) {
        struct ent_step_noise *n = NULL;

        expect(sigmas[i]);
        ENT_OK(ent_step_noise_new(sigmas[i], key, DIM, &n));
        ENT_OK(ent_step_noise_wait(n));
        check_windows(n); /* drawn where they are asked for */
        ENT_OK(ent_step_noise_start(n));
        ENT_OK(ent_step_noise_start(n));
        check_windows(n); /* drawn before */
        ENT_OK(ent_step_noise_wait(n));
        ent_step_noise_free(n);
    }
}

/* Beyond what is kept it is drawn again. */
ENT_TEST(noise, what_is_not_kept_is_the_same)
{
    const uint64_t keeps[] = {1, ENT_DGAUSS_CHUNK, ENT_DGAUSS_CHUNK + 1, 3 * ENT_DGAUSS_CHUNK, DIM};

    expect(SIGMA2);
    for (size_t i = 0; i < ENT_ARRAY_LEN(keeps); i++) {
        struct plants p = {.bug = "noise-keeps", .number = keeps[i]};
        struct ent_step_noise *n = NULL;

        plant(&p);
        ENT_OK(ent_step_noise_new(SIGMA2, key, DIM, &n));
        ENT_OK(ent_step_noise_start(n));
        check_windows(n);
        ent_step_noise_free(n);
        plant(NULL);
    }
}

static void *all_windows(void *ctx)
{
    check_windows(ctx);
    return NULL;
}

ENT_TEST(noise, any_threads_give_the_same)
{
    pthread_t threads[4];
    struct ent_step_noise *n = NULL;

    expect(SIGMA2);
    for (int started = 0; started < 2; started++) {
        ENT_OK(ent_step_noise_new(SIGMA2, key, DIM, &n));
        if (started != 0) {
            ENT_OK(ent_step_noise_start(n));
        }
        for (size_t i = 0; i < ENT_ARRAY_LEN(threads); i++) {
            CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, all_windows, n), 0);
        }
        for (size_t i = 0; i < ENT_ARRAY_LEN(threads); i++) {
            CU_ASSERT_EQUAL(pthread_join(threads[i], NULL), 0);
        }
        ent_step_noise_free(n);
    }
}

ENT_TEST(noise, refusals)
{
    int64_t sum[4] = {0};
    struct ent_step_noise *n = NULL;

    ENT_FAILS(ent_step_noise_new(0, key, DIM, &n), ENT_E_RANGE);
    ENT_FAILS(ent_step_noise_new(ENT_DP_SIGMA2_MAX + 1, key, DIM, &n), ENT_E_RANGE);
    ENT_FAILS(ent_step_noise_new(SIGMA2, key, 0, &n), ENT_E_RANGE);
    CU_ASSERT_PTR_NULL(n);
    ENT_OK(ent_step_noise_new(SIGMA2, key, DIM, &n));
    ENT_FAILS(ent_step_noise_window(n, DIM - 3, sum, 4), ENT_E_RANGE);
    ENT_FAILS(ent_step_noise_window(n, UINT64_MAX, sum, 4), ENT_E_RANGE);
    for (size_t i = 0; i < 4; i++) {
        sum[i] = i % 2 == 0 ? INT64_MAX : INT64_MIN; /* one of each sign among the four */
    }
    ENT_FAILS(ent_step_noise_window(n, 0, sum, 4), ENT_E_RANGE);
    ent_step_noise_free(n);
    ent_step_noise_free(NULL);
}

/* A thread that fails leaves no sum without noise. */
ENT_TEST(noise, failed_thread)
{
    struct plants p = {.bug = "noise-thread-fails"};
    struct ent_step_noise *n = NULL;
    int64_t sum[4] = {1, 2, 3, 4};

    plant(&p);
    ENT_OK(ent_step_noise_new(SIGMA2, key, DIM, &n));
    ENT_OK(ent_step_noise_start(n));
    ENT_FAILS(ent_step_noise_wait(n), ENT_E_INTERNAL);
    ENT_FAILS(ent_step_noise_window(n, 0, sum, 4), ENT_E_INTERNAL);
    ent_step_noise_free(n);
    plant(NULL);
}

/* An attempt that ends while its noise is being drawn. */
ENT_TEST(noise, stops_in_the_middle)
{
    struct ent_step_noise *n = NULL;

    ENT_OK(ent_step_noise_new(SIGMA2, key, 4 * 1000 * 1000, &n));
    ENT_OK(ent_step_noise_start(n));
    ent_step_noise_free(n);
}

ENT_TEST(noise, planted_division)
{
    struct plants p = {.bug = "noise-divided-by", .number = 10};
    int64_t with[100] = {0};
    int64_t without[100] = {0};
    struct ent_step_noise *n = NULL;

    ENT_OK(ent_step_noise_new(SIGMA2, key, DIM, &n));
    ENT_OK(ent_step_noise_window(n, 0, without, ENT_ARRAY_LEN(without)));
    ent_step_noise_free(n);
    plant(&p);
    ENT_OK(ent_step_noise_new(SIGMA2, key, DIM, &n));
    ENT_OK(ent_step_noise_window(n, 0, with, ENT_ARRAY_LEN(with)));
    ent_step_noise_free(n);
    plant(NULL);
    for (size_t i = 0; i < ENT_ARRAY_LEN(with); i++) {
        CU_ASSERT_EQUAL(with[i], without[i] / 10);
    }
}
