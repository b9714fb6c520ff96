/* Adam (Kingma and Ba 2015, algorithm 1): m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, both corrected for their start
 * at zero, p -= rate m^ / (sqrt(v^) + epsilon). Powers of the betas by squaring, so no libm and the same bits anywhere. */
#include <math.h>

#include "common/math/cells.h"
#include "common/optim/adam_step.h"

extern const struct ent_optim ent_optim_adam;

struct ent_optim_hyper ent_adam_defaults(const struct ent_optim_hyper *hyper)
{
    struct ent_optim_hyper h = *hyper;

    if (!(h.beta1 < 0.0 || h.beta1 > 0.0 || h.beta2 < 0.0 || h.beta2 > 0.0 || h.epsilon < 0.0 ||
          h.epsilon > 0.0)) {
        h.beta1 = 0.9;
        h.beta2 = 0.999;
        h.epsilon = 1e-8;
    }
    return h;
}

enum ent_err ent_adam_check(const char *name, const struct ent_optim_hyper *hyper)
{
    struct ent_optim_hyper h = ent_adam_defaults(hyper);

    /* Written so that NaN fails too. */
    ENT_REQUIRE(h.rate > 0.0 && h.rate <= 1000.0, ENT_E_CONFIG,
                "optimizer %s: rate %g is not in (0, 1000]", name, h.rate);
    ENT_REQUIRE(h.beta1 >= 0.0 && h.beta1 < 1.0, ENT_E_CONFIG,
                "optimizer %s: beta1 %g is not in [0, 1)", name, h.beta1);
    ENT_REQUIRE(h.beta2 >= 0.0 && h.beta2 < 1.0, ENT_E_CONFIG,
                "optimizer %s: beta2 %g is not in [0, 1)", name, h.beta2);
    ENT_REQUIRE(h.epsilon >= 1e-12 && h.epsilon <= 1.0, ENT_E_CONFIG,
                "optimizer %s: epsilon %g is not in [1e-12, 1]", name, h.epsilon);
    return ENT_E_OK;
}

uint32_t ent_adam_n_state(const struct ent_optim_hyper *hyper)
{
    (void)hyper;
    return 2;
}

static double power(double base, uint64_t exponent)
{
    double result = 1.0;

    for (; exponent > 0; exponent >>= 1) {
        result = (exponent & 1) != 0 ? result * base : result;
        base *= base;
    }
    return result;
}

void ent_adam_step(const struct ent_optim_hyper *hyper, uint64_t step, float *params,
                   const float *gradient, float *state, size_t n)
{
    struct ent_optim_hyper h = ent_adam_defaults(hyper);
    struct ent_adam adam = {
        .beta1 = (float)h.beta1,
        .beta2 = (float)h.beta2,
        .rest1 = (float)(1.0 - h.beta1),
        .rest2 = (float)(1.0 - h.beta2),
        .rate = (float)(h.rate / (1.0 - power(h.beta1, step))),
        .inv_root = (float)(1.0 / sqrt(1.0 - power(h.beta2, step))),
        .epsilon = (float)h.epsilon,
    };

    ent_cells_adam(&adam, params, state, state + n, gradient, n);
}

static enum ent_err check(const struct ent_optim_hyper *hyper)
{
    ENT_REQUIRE(!(hyper->weight_decay > 0.0 || hyper->weight_decay < 0.0), ENT_E_CONFIG,
                "optimizer adam: a weight decay would be scaled by the moments: use adamw");
    return ent_adam_check("adam", hyper);
}

const struct ent_optim ent_optim_adam = {
    .name = "adam", .check = check, .n_state = ent_adam_n_state, .step = ent_adam_step};
