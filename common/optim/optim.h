/* IN parameters, gradient, state · OUT parameters, state · OWNS nothing · THREADS any
 * SOURCE optimizers.def; Sutskever et al. 2013 (momentum)
 *
 * One optimizer is one file and one line of optimizers.def. Steps are float32, element-wise, one
 * rounding an operation (no fused multiply-add), so they give the same bits on every kernel path.
 * State is n_state vectors of n floats, one behind the other, zero before the first step. */
#ifndef ENT_COMMON_OPTIM_OPTIM_H
#define ENT_COMMON_OPTIM_OPTIM_H

#include <stdint.h>

#include "common/base/err.h"

/* What an optimizer can be told; each reads its own members and refuses what makes no sense for it.
 */
struct ent_optim_hyper {
    double rate;
    double momentum; /* sgd */
    double beta1;    /* adam, adamw; 0 in both betas and epsilon: 0.9, 0.999, 1e-8 */
    double beta2;
    double epsilon;
    double
        weight_decay; /* sgd: added to the gradient; adamw: decoupled. Matrices only: see decay */
};

struct ent_optim {
    const char *name;
    /* CONFIG with a sentence when a value is outside what the optimizer can use. */
    enum ent_err (*check)(const struct ent_optim_hyper *hyper);
    /* State vectors, each as long as the parameters. */
    uint32_t (*n_state)(const struct ent_optim_hyper *hyper);
    /* One step. step: 1 for the first since the state was zero. params [n], gradient [n], state
     * [n_state * n] or NULL when n_state is 0. */
    void (*step)(const struct ent_optim_hyper *hyper, uint64_t step, float *params,
                 const float *gradient, float *state, size_t n);
    /* Weight decay of a range of the parameters, before the step: called for each range that decays
     * when weight_decay > 0. NULL: check refuses a weight decay. */
    void (*decay)(const struct ent_optim_hyper *hyper, float *params, float *gradient, size_t n);
};

/* "sgd"; NULL for an unknown name. */
const struct ent_optim *ent_optim_find(const char *name);
/* All of optimizers.def, for contract tests and error messages. */
const struct ent_optim *ent_optim_at(size_t i); /* NULL beyond the end */

/* Learning rates over rounds. All zero: constant. */
enum ent_schedule_kind { ENT_SCHEDULE_CONSTANT, ENT_SCHEDULE_COSINE, ENT_SCHEDULE_STEP };
struct ent_schedule {
    enum ent_schedule_kind kind;
    uint32_t every; /* STEP: rounds between two changes, at least 1 */
    double factor;  /* STEP: of each change, (0, 1] */
};
/* The rate of round `round` (1 for the first) out of `rounds`: a pure function, without libm, the
 * same on every machine. COSINE: rate * (1 + cos(pi * (round - 1) / rounds)) / 2, so the first
 * round has the whole rate and the last one a little above 0. Rounds beyond the last count as the last. */
double ent_schedule_rate(const struct ent_schedule *schedule, double rate, uint64_t round,
                         uint64_t rounds);

/* gradient *= max_norm / |gradient| when its Euclidean norm is above max_norm (> 0). Returns the
 * norm; not finite when an element is not, and then nothing is changed. Same bits on every path. */
double ent_optim_clip(float *gradient, size_t n, double max_norm);
/* gradient += mu * (params - base): FedProx (Li et al. 2020), the proximal term mu / 2 |w - base|^2
 * of the round's base. */
void ent_optim_proximal(double mu, const float *params, const float *base, float *gradient,
                        size_t n);

#endif
