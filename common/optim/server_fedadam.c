/* FedAdam (Reddi et al. 2021, algorithm 2): m = b1 m + (1 - b1) delta, v = b2 v + (1 - b2) delta^2 from v = tau^2 on,
 * step = rate m / (sqrt(v) + tau). Without bias correction, as there. */
#include <math.h>

#include "common/optim/server.h"

extern const struct ent_server_optim ent_server_optim_fedadam;

static enum ent_err check(const struct ent_server_hyper *hyper)
{
    /* Written so that NaN fails too. */
    ENT_REQUIRE(hyper->rate > 0.0 && hyper->rate <= 1000.0, ENT_E_CONFIG,
                "server optimizer fedadam: rate %g is not in (0, 1000]", hyper->rate);
    ENT_REQUIRE(hyper->beta1 >= 0.0 && hyper->beta1 < 1.0, ENT_E_CONFIG,
                "server optimizer fedadam: beta1 %g is not in [0, 1)", hyper->beta1);
    ENT_REQUIRE(hyper->beta2 >= 0.0 && hyper->beta2 < 1.0, ENT_E_CONFIG,
                "server optimizer fedadam: beta2 %g is not in [0, 1)", hyper->beta2);
    ENT_REQUIRE(hyper->tau >= 1e-9 && hyper->tau <= 1.0, ENT_E_CONFIG,
                "server optimizer fedadam: tau %g is not in [1e-9, 1]", hyper->tau);
    return ENT_E_OK;
}

static float start(const struct ent_server_hyper *hyper, uint32_t vector)
{
    return vector == 0 ? 0.0f : (float)(hyper->tau * hyper->tau);
}

static void step(const struct ent_server_hyper *hyper, const struct ent_server_slice *slice)
{
    double rest1 = 1.0 - hyper->beta1;
    double rest2 = 1.0 - hyper->beta2;

    for (size_t i = 0; i < slice->n; i++) {
        double d = slice->delta[i];
        double m = hyper->beta1 * (double)slice->state[0][i] + rest1 * d;
        double v = hyper->beta2 * (double)slice->state[1][i] + rest2 * (d * d);

        slice->state[0][i] = (float)m;
        slice->state[1][i] = (float)v;
        slice->step[i] = hyper->rate * m / (sqrt(v) + hyper->tau);
    }
}

const struct ent_server_optim ent_server_optim_fedadam = {.name = "fedadam",
                                                          .summary = "FedAdam",
                                                          .check = check,
                                                          .n_state = 2,
                                                          .start = start,
                                                          .step = step};
