/* Server momentum (Hsu et al. 2019, FedAvgM): m = momentum m + delta, step = rate m. */
#include "common/optim/server.h"

extern const struct ent_server_optim ent_server_optim_momentum;

static enum ent_err check(const struct ent_server_hyper *hyper)
{
    /* Written so that NaN fails too. */
    ENT_REQUIRE(hyper->rate > 0.0 && hyper->rate <= 1000.0, ENT_E_CONFIG,
                "server optimizer momentum: rate %g is not in (0, 1000]", hyper->rate);
    ENT_REQUIRE(hyper->momentum >= 0.0 && hyper->momentum < 1.0, ENT_E_CONFIG,
                "server optimizer momentum: momentum %g is not in [0, 1)", hyper->momentum);
    return ENT_E_OK;
}

static float start(const struct ent_server_hyper *hyper, uint32_t vector)
{
    (void)hyper;
    (void)vector;
    return 0.0f;
}

static void step(const struct ent_server_hyper *hyper, const struct ent_server_slice *slice)
{
    for (size_t i = 0; i < slice->n; i++) {
        double m = hyper->momentum * (double)slice->state[0][i] + slice->delta[i];

        slice->state[0][i] = (float)m;
        slice->step[i] = hyper->rate * m;
    }
}

const struct ent_server_optim ent_server_optim_momentum = {.name = "momentum",
                                                           .summary = "server momentum",
                                                           .check = check,
                                                           .n_state = 1,
                                                           .start = start,
                                                           .step = step};
