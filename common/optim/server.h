/* IN a round's mean update, state · OUT the step onto the model · OWNS nothing · THREADS any
 * SOURCE Reddi et al. 2021, "Adaptive Federated Optimization" (algorithm 2); Hsu et al. 2019 (server
 * momentum)
 *
 * What the coordinator makes of a round's mean update. One server optimizer is one file and one line
 * of server_optimizers.def. Steps are IEEE double, element by element, with nothing but + - * / and
 * sqrt, so they give the same bits on any machine: whoever replays a round gets the same model.
 * State is n_state vectors of n float32, one behind the other: each element is rounded once a step.
 * Elements do not know of each other, so a caller may work in slices (state vectors are then slices
 * of the same places). */
#ifndef ENT_COMMON_OPTIM_SERVER_H
#define ENT_COMMON_OPTIM_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define ENT_SERVER_STATE_MAX 2

struct ent_server_hyper {
    double rate;     /* > 0; of the step */
    double momentum; /* momentum: [0, 1) */
    double beta1;    /* fedadam: [0, 1) */
    double beta2;    /* fedadam: [0, 1) */
    double tau;      /* fedadam: > 0, how adaptive it is (the smaller, the more) */
};

/* Slices of all vectors: the same n places of each. */
struct ent_server_slice {
    const double *delta;                /* [n] mean update: trained minus base */
    float *state[ENT_SERVER_STATE_MAX]; /* [n] each; changed */
    double *step;                       /* [n] what is added to the model; may be delta's storage */
    size_t n;
};

struct ent_server_optim {
    const char *name;
    const char *summary; /* a few words for plan-check */
    enum ent_err (*check)(const struct ent_server_hyper *hyper);
    uint32_t n_state; /* vectors, at most ENT_SERVER_STATE_MAX */
    /* The value that a state vector starts with; NULL: no state. */
    float (*start)(const struct ent_server_hyper *hyper, uint32_t vector);
    void (*step)(const struct ent_server_hyper *hyper, const struct ent_server_slice *slice);
};

/* "sgd" (rate * update: 1 is plain averaging), "momentum", "fedadam"; NULL for an unknown name. */
const struct ent_server_optim *ent_server_optim_find(const char *name);
const struct ent_server_optim *ent_server_optim_at(size_t i); /* NULL beyond the end */

/* A stretch of a round onto float32 parameters: out[i] = model[i] + the step of sum[i] * c, with c
 * of ent_grid_factor (common/fixed). Any stretch, so that whoever streams does so here as well; with
 * "sgd" and rate 1 the bits of ent_grid_apply. No allocation. RANGE when some |sum| >= 2^53,
 * NONFINITE when a result or a state is: out and state are then not to be used. */
struct ent_server_round {
    const float *model; /* [n] */
    const int64_t *sum; /* [n] */
    double c;
    float *state[ENT_SERVER_STATE_MAX]; /* [n] each, changed */
    float *out;                         /* [n]; may be model */
    size_t n;
};
ENT_MUST enum ent_err ent_server_optim_apply(const struct ent_server_optim *optim,
                                             const struct ent_server_hyper *hyper,
                                             const struct ent_server_round *round);

#endif
