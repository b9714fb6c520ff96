/* AdamW (Loshchilov and Hutter 2019, algorithm 2): Adam's step, and matrices shrink by rate * decay of themselves before
 * it, whatever their gradients are. */
#include "common/optim/adam_step.h"

extern const struct ent_optim ent_optim_adamw;

static enum ent_err check(const struct ent_optim_hyper *hyper)
{
    ENT_REQUIRE(hyper->weight_decay >= 0.0 && hyper->weight_decay <= 10.0, ENT_E_CONFIG,
                "optimizer adamw: weight decay %g is not in [0, 10]", hyper->weight_decay);
    return ent_adam_check("adamw", hyper);
}

static void decay(const struct ent_optim_hyper *hyper, float *params, float *gradient, size_t n)
{
    float keep = (float)(1.0 - hyper->rate * hyper->weight_decay);

    (void)gradient;
    for (size_t i = 0; i < n; i++) {
        params[i] *= keep;
    }
}

const struct ent_optim ent_optim_adamw = {.name = "adamw",
                                          .check = check,
                                          .n_state = ent_adam_n_state,
                                          .step = ent_adam_step,
                                          .decay = decay};
