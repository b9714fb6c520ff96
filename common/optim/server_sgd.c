/* step = rate * delta: with rate 1 plain averaging. */
#include "common/optim/server.h"

extern const struct ent_server_optim ent_server_optim_sgd;

static enum ent_err check(const struct ent_server_hyper *hyper)
{
    /* Written so that NaN fails too. */
    ENT_REQUIRE(hyper->rate > 0.0 && hyper->rate <= 1000.0, ENT_E_CONFIG,
                "server optimizer sgd: rate %g is not in (0, 1000]", hyper->rate);
    return ENT_E_OK;
}

static void step(const struct ent_server_hyper *hyper, const struct ent_server_slice *slice)
{
    for (size_t i = 0; i < slice->n; i++) {
        slice->step[i] = hyper->rate * slice->delta[i];
    }
}

const struct ent_server_optim ent_server_optim_sgd = {
    .name = "sgd", .summary = "rate times the mean update", .check = check, .step = step};
