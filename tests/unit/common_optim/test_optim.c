#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/optim/optim.h"
#include "tests/golden/learn_golden.h"
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
