/* A training update: the model's parameters minus the base, on the grid. What bounds it is the grid (|q| <= 2^23). */
#include "common/task/plugins.h"

static enum ent_err dim(const struct ent_task_sizes *sizes, size_t *out)
{
    ENT_REQUIRE(sizes->n_params > 0, ENT_E_SHAPE, "a model without parameters");
    *out = sizes->n_params;
    return ENT_E_OK;
}

const struct ent_task ent_task_plugin_train = {
    .kind = ENT_TASK_TRAIN,
    .name = "train",
    .summary = "a model update: trained parameters minus the round's base model",
    .int_bytes = 4,
    .weighted = true,
    .needs_base = true,
    .dim = dim,
};
