#include "common/optim/server.h"

#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/math/vec.h"

#define ENT_PLUGIN(name_) extern const struct ent_server_optim ent_server_optim_##name_;
#include "common/optim/server_optimizers.def"
#undef ENT_PLUGIN

#define SLICE ((size_t)256)
#define SUM_MAX ((int64_t)1 << 53) /* exact in double */

static const struct ent_server_optim *const optimizers[] = {
#define ENT_PLUGIN(name_) &ent_server_optim_##name_,
#include "common/optim/server_optimizers.def"
#undef ENT_PLUGIN
};

const struct ent_server_optim *ent_server_optim_at(size_t i)
{
    return i < ENT_ARRAY_LEN(optimizers) ? optimizers[i] : NULL;
}

const struct ent_server_optim *ent_server_optim_find(const char *name)
{
    for (size_t i = 0; i < ENT_ARRAY_LEN(optimizers); i++) {
        if (strcmp(optimizers[i]->name, name) == 0) {
            return optimizers[i];
        }
    }
    return NULL;
}

static enum ent_err apply_slice(const struct ent_server_optim *optim,
                                const struct ent_server_hyper *hyper,
                                const struct ent_server_round *round, size_t at, size_t n)
{
    double delta[SLICE];
    struct ent_server_slice slice = {.delta = delta, .step = delta, .n = n};

    for (size_t i = 0; i < n; i++) {
        int64_t sum = round->sum[at + i];

        ENT_REQUIRE(sum > -SUM_MAX && sum < SUM_MAX, ENT_E_RANGE,
                    "apply: the sum at %zu is too large to be exact", at + i);
        delta[i] = (double)sum * round->c;
    }
    for (uint32_t v = 0; v < optim->n_state; v++) {
        slice.state[v] = round->state[v] + at;
    }
    optim->step(hyper, &slice);
    for (size_t i = 0; i < n; i++) {
        round->out[at + i] = (float)((double)round->model[at + i] + delta[i]);
    }
    for (uint32_t v = 0; v < optim->n_state; v++) {
        ENT_REQUIRE(ent_vec_finite(slice.state[v], n), ENT_E_NONFINITE,
                    "apply: a moment of the server's optimizer is NaN or infinite");
    }
    ENT_REQUIRE(ent_vec_finite(round->out + at, n), ENT_E_NONFINITE,
                "apply: a parameter is NaN or infinite");
    return ENT_E_OK;
}

enum ent_err ent_server_optim_apply(const struct ent_server_optim *optim,
                                    const struct ent_server_hyper *hyper,
                                    const struct ent_server_round *round)
{
    for (size_t at = 0; at < round->n; at += SLICE) {
        size_t n = round->n - at < SLICE ? round->n - at : SLICE;

        ENT_TRY(apply_slice(optim, hyper, round, at, n));
    }
    return ENT_E_OK;
}
