/* What adam and adamw share. Inside this room only. */
#ifndef ENT_COMMON_OPTIM_ADAM_STEP_H
#define ENT_COMMON_OPTIM_ADAM_STEP_H

#include "common/optim/optim.h"

/* The hyperparameters with the defaults put in. */
struct ent_optim_hyper ent_adam_defaults(const struct ent_optim_hyper *hyper);
ENT_MUST enum ent_err ent_adam_check(const char *name, const struct ent_optim_hyper *hyper);
uint32_t ent_adam_n_state(const struct ent_optim_hyper *hyper);
void ent_adam_step(const struct ent_optim_hyper *hyper, uint64_t step, float *params,
                   const float *gradient, float *state, size_t n);

#endif
