#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/optim/optim.h"
#include "tests/golden/learn_golden.h"
#include "tests/golden/torch_golden.inc"
#include "tests/support/ent_test.h"

/* Exact bits: the reference rounds to float32 after every operation. */
static void check_golden(double momentum, const float *want)
{
    const struct ent_optim *sgd = ent_optim_find("sgd");
    struct ent_optim_hyper hyper = {.rate = 0.1, .momentum = momentum};
    float params[GOLDEN_SGD_N];
    float state[GOLDEN_SGD_N] = {0};

    memcpy(params, golden_sgd_start, sizeof params);
    for (uint64_t i = 0; i < GOLDEN_SGD_STEPS; i++) {
        sgd->step(&hyper, i + 1, params, golden_sgd_gradients + i * GOLDEN_SGD_N,
                  momentum > 0.0 ? state : NULL, GOLDEN_SGD_N);
    }
    CU_ASSERT_EQUAL(memcmp(params, want, sizeof params), 0);
}

ENT_TEST(sgd, golden_steps)
{
    check_golden(0.0, golden_sgd_plain);
    check_golden(0.9, golden_sgd_momentum);
}

ENT_TEST(sgd, state_and_limits)
{
    const struct ent_optim *sgd = ent_optim_find("sgd");

    CU_ASSERT_EQUAL(sgd->n_state(&(struct ent_optim_hyper){.rate = 1.0}), 0);
    CU_ASSERT_EQUAL(sgd->n_state(&(struct ent_optim_hyper){.rate = 1.0, .momentum = 0.5}), 1);
    ENT_OK(sgd->check(&(struct ent_optim_hyper){.rate = 0.1, .momentum = 0.9}));
    ENT_FAILS(sgd->check(&(struct ent_optim_hyper){.rate = 0.0}), ENT_E_CONFIG);
    ENT_FAILS(sgd->check(&(struct ent_optim_hyper){.rate = NAN}), ENT_E_CONFIG);
    ENT_FAILS(sgd->check(&(struct ent_optim_hyper){.rate = INFINITY}), ENT_E_CONFIG);
    ENT_FAILS(sgd->check(&(struct ent_optim_hyper){.rate = 0.1, .momentum = 1.0}), ENT_E_CONFIG);
    ENT_FAILS(sgd->check(&(struct ent_optim_hyper){.rate = 0.1, .momentum = NAN}), ENT_E_CONFIG);
}

ENT_TEST(registry, names)
{
    CU_ASSERT_PTR_NULL(ent_optim_find("sgdx"));
    for (size_t i = 0; ent_optim_at(i) != NULL; i++) {
        CU_ASSERT_PTR_EQUAL(ent_optim_find(ent_optim_at(i)->name), ent_optim_at(i));
    }
    CU_ASSERT_PTR_NULL(ent_optim_at(1000));
}

/* Laws of every optimizer in the list. */
ENT_TEST(registry, contract)
{
    struct ent_optim_hyper hyper = {.rate = 0.01, .momentum = 0.9};

    for (size_t i = 0; ent_optim_at(i) != NULL; i++) {
        const struct ent_optim *optim = ent_optim_at(i);
        uint32_t n_state = optim->n_state(&hyper);
        float p[20];
        float q[20];
        float gradient[20];
        float *state;
        float first;

        ENT_OK(optim->check(&hyper));
        ENT_OK(ent_calloc((size_t)n_state * 20, sizeof *state, &state));
        for (int j = 0; j < 20; j++) {
            p[j] = 1.0f;
            gradient[j] = 0.0f;
        }
        optim->step(&hyper, 1, p, gradient, state, 20);
        CU_ASSERT_EQUAL(p[19], 1.0f); /* no gradient, no move */
        for (int j = 0; j < 20; j++) {
            gradient[j] = j % 2 == 0 ? 0.5f : -0.5f;
        }
        optim->step(&hyper, 2, p, gradient, state, 20);
        CU_ASSERT(p[0] < 1.0f && p[1] > 1.0f); /* downhill */
        first = p[0];
        for (int j = 0; j < 20; j++) { /* element-wise: place does not matter */
            CU_ASSERT_EQUAL(p[j], j % 2 == 0 ? first : p[1]);
            q[j] = p[j];
        }
        optim->step(&hyper, 3, q, gradient, state, 0);
        CU_ASSERT_EQUAL(memcmp(p, q, sizeof p), 0);
        free(state);
    }
}

/* PyTorch's steps in double; ours round to float32 after every operation. */
static void check_torch(const char *name, const struct ent_optim_hyper *hyper, double clip,
                        const double *want)
{
    const struct ent_optim *optim = ent_optim_find(name);
    float params[TORCH_STEP_N];
    float gradient[TORCH_STEP_N];
    float state[2 * TORCH_STEP_N] = {0};
    double worst = 0.0;

    ENT_OK(optim->check(hyper));
    memcpy(params, torch_start, sizeof params);
    for (uint64_t i = 0; i < TORCH_STEPS; i++) {
        memcpy(gradient, torch_gradients + i * TORCH_STEP_N, sizeof gradient);
        if (clip > 0.0) {
            CU_ASSERT(ent_optim_clip(gradient, TORCH_STEP_N, clip) > clip);
        }
        if (hyper->weight_decay > 0.0) {
            optim->decay(hyper, params, gradient, TORCH_STEP_N);
        }
        optim->step(hyper, i + 1, params, gradient, state, TORCH_STEP_N);
    }
    for (size_t i = 0; i < TORCH_STEP_N; i++) {
        worst = fmax(worst, fabs((double)params[i] - want[i]));
    }
    CU_ASSERT(worst < 1e-6);
}

ENT_TEST(torch, golden_steps)
{
    check_torch("adam", &(struct ent_optim_hyper){.rate = 0.01}, 0.0, torch_adam);
    check_torch("adam",
                &(struct ent_optim_hyper){.rate = 0.1, .beta1 = 0.5, .beta2 = 0.9, .epsilon = 1e-3},
                0.0, torch_adam_betas);
    check_torch("adamw", &(struct ent_optim_hyper){.rate = 0.02, .weight_decay = 0.1}, 0.0,
                torch_adamw);
    check_torch("sgd",
                &(struct ent_optim_hyper){.rate = 0.1, .momentum = 0.9, .weight_decay = 0.05}, 0.0,
                torch_sgd_decay);
    check_torch("sgd", &(struct ent_optim_hyper){.rate = 0.1}, 1.5, torch_sgd_clipped);
}

ENT_TEST(torch, schedules)
{
    struct ent_schedule cosine = {.kind = ENT_SCHEDULE_COSINE};
    struct ent_schedule step = {.kind = ENT_SCHEDULE_STEP, .every = 6, .factor = 0.3};
    struct ent_schedule constant = {.kind = ENT_SCHEDULE_CONSTANT};

    for (uint64_t r = 1; r <= 20; r++) {
        CU_ASSERT_DOUBLE_EQUAL(ent_schedule_rate(&cosine, 0.004, r, 20), torch_cosine[r - 1],
                               1e-12);
        CU_ASSERT_DOUBLE_EQUAL(ent_schedule_rate(&step, 0.004, r, 20), torch_stepwise[r - 1],
                               1e-12);
        CU_ASSERT_EQUAL(ent_schedule_rate(&constant, 0.004, r, 20), 0.004);
    }
    CU_ASSERT_EQUAL(ent_schedule_rate(&cosine, 0.004, 1, 20), 0.004);
    CU_ASSERT_EQUAL(ent_schedule_rate(&cosine, 0.004, 21, 20),
                    ent_schedule_rate(&cosine, 0.004, 20, 20));
    CU_ASSERT_EQUAL(ent_schedule_rate(&cosine, 0.004, 7, 0), 0.004);
}

ENT_TEST(adam, limits_and_tiny_moments)
{
    const struct ent_optim *adam = ent_optim_find("adam");
    const struct ent_optim *adamw = ent_optim_find("adamw");
    struct ent_optim_hyper hyper = {.rate = 0.1};
    float p[9] = {0.0f};
    float gradient[9] = {1.0f};
    float state[18] = {0.0f};

    ENT_FAILS(adam->check(&(struct ent_optim_hyper){.rate = 0.1, .weight_decay = 0.1}),
              ENT_E_CONFIG);
    ENT_FAILS(adam->check(&(struct ent_optim_hyper){.rate = NAN}), ENT_E_CONFIG);
    ENT_FAILS(adamw->check(&(struct ent_optim_hyper){.rate = 0.1, .weight_decay = NAN}),
              ENT_E_CONFIG);
    ENT_FAILS(adamw->check(&(struct ent_optim_hyper){
                  .rate = 0.1, .beta1 = 1.0, .beta2 = 0.9, .epsilon = 1e-8}),
              ENT_E_CONFIG);
    adam->step(&hyper, 1, p, gradient, state, 9);
    CU_ASSERT_DOUBLE_EQUAL(p[0], -0.1,
                           1e-6); /* the first step is the rate, whatever the gradient */
    CU_ASSERT_EQUAL(p[8], 0.0f);
    gradient[0] = 0.0f;
    for (uint64_t i = 2; i < 1000;
         i++) { /* without a gradient the moments end as zero, not as denormal */
        adam->step(&hyper, i, p, gradient, state, 9);
    }
    CU_ASSERT_EQUAL(state[0], 0.0f);
    gradient[0] = NAN;
    adam->step(&hyper, 1000, p, gradient, state, 9);
    CU_ASSERT(isnan(p[0])); /* is not hidden */
}

ENT_TEST(gradient, clipping_and_proximal_term)
{
    float g[10] = {3.0f, 0, 0, 0, 0, 0, 0, 0, 0, 4.0f};
    const float params[10] = {1.0f, 2.0f};
    const float base[10] = {0.5f, 3.0f};

    CU_ASSERT_EQUAL(ent_optim_clip(g, 10, 5.0), 5.0);
    CU_ASSERT(g[0] == 3.0f && g[9] == 4.0f);
    CU_ASSERT_EQUAL(ent_optim_clip(g, 10, 1.0), 5.0);
    CU_ASSERT_DOUBLE_EQUAL(g[0], 0.6, 1e-7);
    CU_ASSERT_DOUBLE_EQUAL(g[9], 0.8, 1e-7);
    ent_optim_proximal(2.0, params, base, g, 10);
    CU_ASSERT_DOUBLE_EQUAL(g[0], 1.6, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(g[1], -2.0, 1e-6);
    g[5] = INFINITY;
    CU_ASSERT_FALSE(isfinite(ent_optim_clip(g, 10, 1.0)));
    CU_ASSERT_DOUBLE_EQUAL(g[1], -2.0, 1e-6); /* untouched */
}
