#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/optim/server.h"
#include "tests/golden/learn_golden.h"
#include "tests/support/ent_test.h"

static const struct ent_server_hyper hyper = {
    .rate = 0.5, .momentum = 0.9, .beta1 = 0.9, .beta2 = 0.99, .tau = 1e-3};

/* Exact bits, whole and in stretches: whoever replays a run in other windows gets the same model. */
static void check_golden(const char *name, double rate, size_t stretch, const float *want)
{
    const struct ent_server_optim *optim = ent_server_optim_find(name);
    struct ent_server_hyper h = hyper;
    float params[GOLDEN_SERVER_N];
    float state[2][GOLDEN_SERVER_N];

    h.rate = rate;
    memcpy(params, golden_server_start, sizeof params);
    for (uint32_t v = 0; v < optim->n_state; v++) {
        for (size_t i = 0; i < GOLDEN_SERVER_N; i++) {
            state[v][i] = optim->start(&h, v);
        }
    }
    for (size_t r = 0; r < GOLDEN_SERVER_ROUNDS; r++) {
        for (size_t at = 0; at < GOLDEN_SERVER_N; at += stretch) {
            struct ent_server_round round = {
                .model = params + at,
                .sum = golden_server_sums + r * GOLDEN_SERVER_N + at,
                .c = 1.0 / ((double)golden_server_weights[r] * 0x1p20),
                .state = {state[0] + at, state[1] + at},
                .out = params + at,
                .n = GOLDEN_SERVER_N - at < stretch ? GOLDEN_SERVER_N - at : stretch};

            ENT_OK(ent_server_optim_apply(optim, &h, &round));
        }
    }
    CU_ASSERT_EQUAL(memcmp(params, want, sizeof params), 0);
}

ENT_TEST(server, golden_rounds)
{
    check_golden("momentum", 0.5, GOLDEN_SERVER_N, golden_server_momentum);
    check_golden("momentum", 0.5, 2, golden_server_momentum);
    check_golden("fedadam", 0.01, GOLDEN_SERVER_N, golden_server_fedadam);
    check_golden("fedadam", 0.01, 3, golden_server_fedadam);
}

/* Laws of every server optimizer: no update, no move; a step goes the update's way; long vectors in slices. */
ENT_TEST(server, contract)
{
    enum { N = 1000 };
    static int64_t sum[N];
    static float params[N];
    static float state[2][N];

    for (size_t o = 0; ent_server_optim_at(o) != NULL; o++) {
        const struct ent_server_optim *optim = ent_server_optim_at(o);
        struct ent_server_round round = {.model = params,
                                         .sum = sum,
                                         .c = 0x1p-20,
                                         .state = {state[0], state[1]},
                                         .out = params,
                                         .n = N};

        ENT_OK(optim->check(&hyper));
        CU_ASSERT_PTR_EQUAL(ent_server_optim_find(optim->name), optim);
        for (size_t i = 0; i < N; i++) {
            params[i] = 1.0f;
            sum[i] = 0;
            for (uint32_t v = 0; v < optim->n_state; v++) {
                state[v][i] = optim->start(&hyper, v);
            }
        }
        ENT_OK(ent_server_optim_apply(optim, &hyper, &round));
        CU_ASSERT(params[0] == 1.0f && params[N - 1] == 1.0f);
        for (size_t i = 0; i < N; i++) {
            sum[i] = i % 2 == 0 ? 1 << 18 : -(1 << 18);
        }
        ENT_OK(ent_server_optim_apply(optim, &hyper, &round));
        for (size_t i = 0; i < N; i++) {
            CU_ASSERT(i % 2 == 0 ? params[i] > 1.0f : params[i] < 1.0f);
            CU_ASSERT_EQUAL(params[i], params[i % 2]);
        }
        sum[N - 1] = (int64_t)1 << 53;
        ENT_FAILS(ent_server_optim_apply(optim, &hyper, &round), ENT_E_RANGE);
        sum[N - 1] = 1;
        params[N - 1] = INFINITY;
        ENT_FAILS(ent_server_optim_apply(optim, &hyper, &round), ENT_E_NONFINITE);
    }
    CU_ASSERT_PTR_NULL(ent_server_optim_find("adagrad"));
}

ENT_TEST(server, limits)
{
    const struct ent_server_optim *adam = ent_server_optim_find("fedadam");
    struct ent_server_hyper h = hyper;

    h.tau = 0.0;
    ENT_FAILS(adam->check(&h), ENT_E_CONFIG);
    h.tau = 1e-3;
    h.beta2 = 1.0;
    ENT_FAILS(adam->check(&h), ENT_E_CONFIG);
    h.rate = NAN;
    for (size_t o = 0; ent_server_optim_at(o) != NULL; o++) {
        ENT_FAILS(ent_server_optim_at(o)->check(&h), ENT_E_CONFIG);
    }
    h = hyper;
    h.momentum = 1.0;
    ENT_FAILS(ent_server_optim_find("momentum")->check(&h), ENT_E_CONFIG);
}
