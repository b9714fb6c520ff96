#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/privacy/clip.h"
#include "common/privacy/dgauss.h"
#include "common/privacy/privacy.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_train/count_alloc.h"
#include "tests/unit/client_train/dp_setting.h"

static const struct ent_model_layer mlp[] = {{.kind = ENT_MODEL_DENSE, .units = 16},
                                             {.kind = ENT_MODEL_RELU},
                                             {.kind = ENT_MODEL_DENSE, .units = 8},
                                             {.kind = ENT_MODEL_TANH},
                                             {.kind = ENT_MODEL_DENSE, .units = 1}};

ENT_TEST(dp, units_are_the_rows_of_equal_keys)
{
    static const uint64_t keys[] = {9, 4, 9, 4, 4, 7, 9, 9};
    static const bool has_key[] = {true, true, true, true, true, true, false, false};
    static const uint32_t first[] = {0, 2, 5, 6, 7, 8};
    static const uint32_t rows[] = {0, 2, 1, 3, 4, 5, 6, 7};
    struct ent_dp_units units;

    ENT_OK(ent_dp_units_init(keys, has_key, 8, &units));
    CU_ASSERT_EQUAL_FATAL(units.n, 5);
    CU_ASSERT(memcmp(units.first, first, sizeof first) == 0);
    CU_ASSERT(memcmp(units.rows, rows, sizeof rows) == 0);
    ent_dp_units_release(&units);
    ENT_OK(ent_dp_units_init(NULL, NULL, 3, &units));
    CU_ASSERT_EQUAL(units.n, 3);
    ent_dp_units_release(&units);
    ENT_OK(ent_dp_units_init(keys, NULL, 0, &units));
    CU_ASSERT_EQUAL(units.n, 0);
    ent_dp_units_release(&units);
}

/* How the features look in a batch that is hard on float32. */
enum hostile { PLAIN, HUGE, CANCELS, TINY, NOT_FINITE, HOSTILES };

static float hostile_value(enum hostile how, size_t i, size_t j, float x)
{
    switch (how) {
    case HUGE: /* every gradient stands at the bound, from beyond it */
        return x * (i % 3 == 0 ? 1e8f : 1e6f);
    case CANCELS: /* large equal sums of opposite sign; what is left is small */
        return (i % 2 == 0 ? 1.0f : -1.0f) * (j == 0 ? 1e4f : x * 1e-4f);
    case TINY:
        return x * 1e-30f;
    case NOT_FINITE:
        return i % 5 == 0 ? (float)NAN : i % 5 == 1 ? (float)INFINITY : x * 1e18f;
    default:
        return x;
    }
}

static void make_hostile(struct dp_setting *s, enum hostile how)
{
    for (size_t i = 0; i < DP_ROWS; i++) {
        float *x = s->x + i * DP_INPUTS;

        for (size_t j = 0; j < DP_INPUTS; j++) {
            x[j] = hostile_value(how, i, j, x[j]);
        }
        s->y[i] = how == CANCELS ? (i % 4 < 2 ? 1.0f : 0.0f) : s->y[i];
    }
}

ENT_TEST(dp, one_unit_moves_the_rounded_sum_by_at_most_d2)
{
    static const uint32_t sizes[] = {1, 2, 63, 64, 65, 256, 257, 1000};
    static struct dp_setting s;
    double reached = 0.0;
    uint64_t d2;

    for (int how = 0; how < HOSTILES; how++) {
        for (size_t i = 0; i < ENT_ARRAY_LEN(sizes); i++) {
            struct ent_rng rng = ent_rng_init(5, (uint64_t)how);
            double most;

            dp_set_up(&s, mlp, ENT_ARRAY_LEN(mlp), DP_ROWS);
            make_hostile(&s, (enum hostile)how);
            ent_model_init_params(s.model, &rng);
            s.settings.clip = 0.7;
            s.settings.scale_bits = 14;
            ENT_OK(ent_clip_record_sensitivity(0.7, 14, s.settings.dim, &d2));
            most = dp_most_moved(&s, sizes[i]);
            CU_ASSERT(most <= (double)d2);
            reached = fmax(reached, most / (0.7 * 16384.0));
            dp_tear_down(&s);
        }
    }
    CU_ASSERT(
        reached >
        0.98); /* the bound is nearly reached: the sums are of clipped gradients, not of nothing */
}

/* Without the margin's other half: the planted fault must break what the test above holds. */
ENT_TEST(dp, without_clipping_a_unit_moves_more)
{
    static struct dp_setting s;

    dp_set_up(&s, NULL, 0, DP_ROWS);
    make_hostile(&s, HUGE);
    s.planted = "dp.no_clipping";
    dp_inject(&s, 1);
    CU_ASSERT(dp_most_moved(&s, 64) > 2.0 * 4096.0);
    dp_tear_down(&s);
}

/* What left the noise, in grid units: parameters began at 0 and the optimizer took one step of rate 1. */
static void released(const struct dp_setting *s, int64_t *q)
{
    double unit = ldexp(1.0, (int)s->settings.scale_bits) * (double)s->settings.batch;

    for (size_t i = 0; i < s->settings.dim; i++) {
        q[i] = (int64_t)rint(-(double)ent_model_params(s->model)[i] * unit);
    }
}

static void noise_of(const struct dp_setting *s, int64_t *noise)
{
    uint8_t key[ENT_DGAUSS_KEY_BYTES];

    dp_peek(s, key, sizeof key); /* the first thing a call draws */
    ENT_OK(ent_dgauss_fill(key, s->settings.sigma2, 0, noise, s->settings.dim));
}

ENT_TEST(dp, a_release_is_the_rounded_sum_and_exact_noise)
{
    static struct dp_setting s;
    struct ent_dp_sum sum;
    int64_t q[DP_DIM_MAX];
    int64_t noise[DP_DIM_MAX];
    int64_t expected[DP_DIM_MAX];
    uint32_t batch[DP_ROWS];

    dp_set_up(&s, NULL, 0, 300);
    for (uint32_t i = 0; i < 300; i++) {
        batch[i] = i;
    }
    ENT_OK(ent_dp_sum_init(&sum, s.model, &s.settings));
    dp_grid_sum(&sum, &s, batch, 300, expected);
    ent_dp_sum_release(&sum);
    dp_inject(&s, 4);
    noise_of(&s, noise);
    dp_train(&s);
    released(&s, q);
    for (size_t i = 0; i < s.settings.dim; i++) {
        CU_ASSERT_EQUAL(q[i], expected[i] + noise[i]);
    }
    CU_ASSERT(s.log.units == 300 && s.log.batch_least == 300 && s.log.batch_most == 300);
    dp_tear_down(&s);
}

ENT_TEST(dp, an_empty_batch_still_sends_noise)
{
    static struct dp_setting s;
    int64_t q[DP_DIM_MAX];
    int64_t noise[DP_DIM_MAX];

    dp_set_up(&s, NULL, 0, 300);
    s.settings.rate = 1; /* of 2^32 */
    dp_inject(&s, 9);
    noise_of(&s, noise);
    dp_train(&s);
    released(&s, q);
    CU_ASSERT(memcmp(q, noise, s.settings.dim * sizeof *q) == 0);
    CU_ASSERT(s.log.empty == 1 && s.log.units == 0);
    ent_dp_units_release(&s.units); /* nobody at all */
    ENT_OK(ent_dp_units_init(NULL, NULL, 0, &s.units));
    s.rows.n = 0;
    dp_restart(&s);
    dp_inject(&s, 9);
    dp_train(&s);
    released(&s, q);
    CU_ASSERT(memcmp(q, noise, s.settings.dim * sizeof *q) == 0);
    dp_tear_down(&s);
}

/* All rows one customer's: one of them is drawn, each sometimes, and together they move the sum by C. */
ENT_TEST(dp, a_unit_with_many_rows_contributes_at_most_c)
{
    static struct dp_setting s;
    static const uint64_t keys[100] = {0};
    int64_t q[DP_DIM_MAX];
    int64_t noise[DP_DIM_MAX];
    int64_t none[DP_DIM_MAX] = {0};
    int64_t before[DP_DIM_MAX] = {0};
    unsigned different = 0;

    dp_set_up(&s, NULL, 0, 100);
    ent_dp_units_release(&s.units);
    ENT_OK(ent_dp_units_init(keys, NULL, 100, &s.units));
    CU_ASSERT_EQUAL_FATAL(s.units.n, 1);
    for (uint64_t seed = 0; seed < 20; seed++) {
        dp_restart(&s);
        dp_inject(&s, seed);
        noise_of(&s, noise);
        dp_train(&s);
        released(&s, q);
        for (size_t i = 0; i < s.settings.dim; i++) {
            q[i] -= noise[i];
        }
        CU_ASSERT(dp_distance(q, none, s.settings.dim) <= 4096.0 + 3.0);
        CU_ASSERT(dp_distance(q, none, s.settings.dim) > 100.0);
        CU_ASSERT_EQUAL(s.log.units, 1);
        different += memcmp(q, before, s.settings.dim * sizeof *q) != 0 ? 1 : 0;
        memcpy(before, q, sizeof q);
    }
    CU_ASSERT(different >= 15);
    dp_tear_down(&s);
}

ENT_TEST(dp, features_that_are_not_finite_count_as_zero)
{
    static struct dp_setting s;
    struct ent_dp_log clean;
    float params[2][DP_DIM_MAX];

    dp_set_up(&s, mlp, ENT_ARRAY_LEN(mlp), 200);
    for (int turn = 0; turn < 2; turn++) {
        struct ent_rng rng = ent_rng_init(3, 3);

        ent_model_init_params(s.model, &rng);
        s.x[5 * DP_INPUTS] = turn == 0 ? (float)NAN : (float)INFINITY;
        s.x[6 * DP_INPUTS + 1] = turn == 0 ? 3e38f : (float)NAN;
        s.y[7] = turn == 0 ? (float)NAN : (float)INFINITY;
        dp_inject(&s, 8);
        dp_train(&s);
        memcpy(params[turn], ent_model_params(s.model), s.settings.dim * sizeof(float));
        CU_ASSERT_EQUAL(s.log.nonfinite, 3);
    }
    clean = s.log;
    CU_ASSERT(clean.units == 200);
    CU_ASSERT(memcmp(params[0], params[1], s.settings.dim * sizeof(float)) == 0);
    dp_tear_down(&s);
}

/* Each unit by itself: the sizes are those of a binomial, and nothing cuts the large ones. */
ENT_TEST(dp, sampling_is_poisson)
{
    static struct dp_setting s;
    double expected = 1000.0 * 0.25 * 200.0;
    double deviation = sqrt(1000.0 * 0.25 * 0.75 * 200.0);

    dp_set_up(&s, NULL, 0, 1000);
    s.settings.rate = (uint64_t)1 << 30;
    s.settings.steps = 200;
    dp_inject(&s, 12);
    dp_train(&s);
    CU_ASSERT(fabs((double)s.log.units - expected) < 5.0 * deviation);
    CU_ASSERT(s.log.batch_most > 270 && s.log.batch_least < 230);
    CU_ASSERT(s.log.batch_most < 330 && s.log.batch_least > 170);
    CU_ASSERT_EQUAL(s.log.steps, 200);
    dp_tear_down(&s);
}

ENT_TEST(dp, the_same_plan_gives_other_samples_and_other_noise)
{
    static struct dp_setting s;
    float params[4][DP_DIM_MAX];
    struct ent_dp_log logs[4];
    size_t size;

    dp_set_up(&s, NULL, 0, 1000);
    size = s.settings.dim * sizeof(float);
    s.settings.rate = (uint64_t)1 << 30;
    s.settings.steps = 5;
    for (int i = 0; i < 4; i++) {
        if (i < 2) { /* the same randomness, in the test link alone */
            dp_inject(&s, 6);
        } else {
            ent_test_hooks_set(NULL);
        }
        s.options.seed = 1; /* what the plan says about seeds has no say here */
        dp_restart(&s);
        dp_train(&s);
        memcpy(params[i], ent_model_params(s.model), size);
        logs[i] = s.log;
    }
    CU_ASSERT(memcmp(params[0], params[1], size) == 0);
    CU_ASSERT(memcmp(params[0], params[2], size) != 0);
    CU_ASSERT(memcmp(params[2], params[3], size) != 0);
    CU_ASSERT(logs[2].units != logs[3].units || logs[2].batch_most != logs[3].batch_most ||
              logs[2].batch_least != logs[3].batch_least);
    dp_tear_down(&s);
}

/* Little noise, many steps: it learns, with each optimizer. */
ENT_TEST(dp, noised_steps_learn)
{
    static struct dp_setting s;
    static const struct {
        const char *optim;
        struct ent_optim_hyper hyper;
    } how[] = {
        {"sgd", {.rate = 0.5}}, {"sgd", {.rate = 0.1, .momentum = 0.9}}, {"adam", {.rate = 0.02}}};

    for (size_t h = 0; h < ENT_ARRAY_LEN(how); h++) {
        struct ent_rng rng = ent_rng_init(2, 2);
        uint32_t right = 0;
        float prob[DP_ROWS];

        dp_set_up(&s, mlp, ENT_ARRAY_LEN(mlp), DP_ROWS);
        ent_model_init_params(s.model, &rng);
        s.options.optim = ent_optim_find(how[h].optim);
        s.options.hyper = how[h].hyper;
        s.settings.rate = ((uint64_t)1 << 32) / 10;
        s.settings.batch = 120;
        s.settings.steps = 150;
        dp_inject(&s, 21);
        dp_train(&s);
        ent_model_predict(s.model, s.x, DP_ROWS, prob);
        for (uint32_t i = 0; i < DP_ROWS; i++) {
            right += (prob[i] > 0.5f) == (s.y[i] > 0.5f) ? 1 : 0;
        }
        CU_ASSERT(right > DP_ROWS * 85 / 100);
        dp_tear_down(&s);
    }
}

/* What is counted before is at least what a call takes (count_alloc.c counts our own allocations alone). */
ENT_TEST(dp, memory_is_known_before)
{
    static struct dp_setting s;
    struct ent_model_options options = {.n_inputs = DP_INPUTS,
                                        .layers = mlp,
                                        .n_layers = ENT_ARRAY_LEN(mlp),
                                        .batch_max = 1,
                                        .training = true,
                                        .clips = true};
    size_t bytes;
    unsigned long before;
    unsigned long taken;

    dp_set_up(&s, mlp, ENT_ARRAY_LEN(mlp), 100);
    s.settings.steps = 4;
    s.settings.rate = 1; /* of 2^32 */
    ENT_OK(ent_dp_memory(&options, &bytes));
    dp_inject(&s, 1);
    before = ent_count_alloc_bytes();
    dp_train(&s);
    taken = ent_count_alloc_bytes() - before;
    CU_ASSERT(taken <= bytes + 100 * sizeof(uint32_t));
    CU_ASSERT(taken + 8192 > bytes); /* nor is it far beyond */
    dp_tear_down(&s);
}

ENT_TEST(dp, the_event_to_book_is_that_of_the_settings)
{
    static struct dp_setting s;
    struct ent_dp_event event;

    dp_set_up(&s, NULL, 0, 10);
    s.settings.steps = 7;
    s.settings.rate = 12345;
    ENT_OK(ent_dp_settings_event(&s.settings, &event));
    CU_ASSERT(event.rate == 12345 && event.steps == 7 && event.sigma2 == s.settings.sigma2);
    CU_ASSERT(event.sensitivity == 4096 + 3 && event.dimension == 7 && event.n_members == 1);
    s.settings.rate = 0;
    CU_ASSERT_EQUAL(ent_dp_settings_event(&s.settings, &event), ENT_E_RANGE);
    dp_tear_down(&s);
}

ENT_TEST(dp, coordinates_are_cut_where_they_leave_the_grid)
{
    static struct dp_setting s;

    dp_set_up(&s, NULL, 0, 1000);
    for (uint32_t i = 0; i < 1000; i++) { /* all pull the same way: 1000 C 2^14 is beyond 2^23 */
        s.y[i] = 1.0f;
        for (uint32_t j = 0; j < DP_INPUTS; j++) {
            s.x[i * DP_INPUTS + j] = j == 0 ? 100.0f : 0.0f;
        }
    }
    s.settings.scale_bits = 14;
    dp_inject(&s, 1);
    dp_train(&s);
    CU_ASSERT_EQUAL(s.log.clamped, 1);
    CU_ASSERT_EQUAL(s.log.clipped, 1000);
    dp_tear_down(&s);
}

ENT_TEST(dp, what_does_not_fit_is_refused_before_anything_is_drawn)
{
    static struct dp_setting s;
    struct ent_dp_settings good;

    dp_set_up(&s, NULL, 0, 10);
    good = s.settings;
#define REFUSED(field_, value_)                                                                    \
    s.settings = good;                                                                             \
    s.settings.field_ = (value_);                                                                  \
    CU_ASSERT_NOT_EQUAL(ent_dp_check(s.model, &s.options, &s.settings), ENT_E_OK);                 \
    CU_ASSERT_NOT_EQUAL(ent_dp_train(s.model, &s.rows, &s.units, &s.options, &s.settings, NULL),   \
                        ENT_E_OK)
    REFUSED(dim, 8);
    REFUSED(rate, 0);
    REFUSED(rate, ((uint64_t)1 << 32) + 1);
    REFUSED(steps, 0);
    REFUSED(batch, 0);
    REFUSED(clip, 0.0);
    REFUSED(clip, (double)NAN);
    REFUSED(sigma2, 1023 * 1023); /* below the safe grid */
    REFUSED(sigma2, (uint64_t)1 << 52);
    REFUSED(scale_bits, 24);
#undef REFUSED
    s.settings = good;
    ENT_OK(ent_dp_check(s.model, &s.options, &s.settings));
    dp_tear_down(&s);
}
