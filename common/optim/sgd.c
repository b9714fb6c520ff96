/* Stochastic gradient descent: p -= rate * g; with momentum v = momentum * v + g, p -= rate * v (Sutskever et al. 2013,
 * with the rate outside of the velocity, so that a change of rate acts at once). Weight decay is that of the penalty decay / 2 |p|^2: g += decay * p. */
#include "common/math/vec.h"
#include "common/optim/optim.h"

extern const struct ent_optim ent_optim_sgd;

static enum ent_err check(const struct ent_optim_hyper *hyper)
{
    /* Written so that NaN fails too. */
    ENT_REQUIRE(hyper->rate > 0.0 && hyper->rate <= 1000.0, ENT_E_CONFIG,
                "optimizer sgd: rate %g is not in (0, 1000]", hyper->rate);
    ENT_REQUIRE(hyper->momentum >= 0.0 && hyper->momentum < 1.0, ENT_E_CONFIG,
                "optimizer sgd: momentum %g is not in [0, 1)", hyper->momentum);
    ENT_REQUIRE(hyper->weight_decay >= 0.0 && hyper->weight_decay <= 10.0, ENT_E_CONFIG,
                "optimizer sgd: weight decay %g is not in [0, 10]", hyper->weight_decay);
    return ENT_E_OK;
}

static uint32_t n_state(const struct ent_optim_hyper *hyper)
{
    return hyper->momentum > 0.0 ? 1 : 0;
}

static void step(const struct ent_optim_hyper *hyper, uint64_t step_number, float *params,
                 const float *gradient, float *state, size_t n)
{
    (void)step_number;
    if (hyper->momentum > 0.0) {
        ent_vec_momentum(params, state, gradient, (float)hyper->rate, (float)hyper->momentum, n);
    } else {
        ent_vec_sgd(params, gradient, (float)hyper->rate, n);
    }
}

static void decay(const struct ent_optim_hyper *hyper, float *params, float *gradient, size_t n)
{
    float factor = (float)hyper->weight_decay;

    for (size_t i = 0; i < n; i++) {
        gradient[i] += factor * params[i];
    }
}

const struct ent_optim ent_optim_sgd = {
    .name = "sgd", .check = check, .n_state = n_state, .step = step, .decay = decay};
