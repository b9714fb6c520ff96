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
};

/* "sgd"; NULL for an unknown name. */
const struct ent_optim *ent_optim_find(const char *name);
/* All of optimizers.def, for contract tests and error messages. */
const struct ent_optim *ent_optim_at(size_t i); /* NULL beyond the end */

#endif
