#include "common/optim/optim.h"

#include <string.h>

#include "common/base/mem.h"

#define ENT_PLUGIN(name_) extern const struct ent_optim ent_optim_##name_;
#include "common/optim/optimizers.def"
#undef ENT_PLUGIN

static const struct ent_optim *const optimizers[] = {
#define ENT_PLUGIN(name_) &ent_optim_##name_,
#include "common/optim/optimizers.def"
#undef ENT_PLUGIN
};

const struct ent_optim *ent_optim_at(size_t i)
{
    return i < ENT_ARRAY_LEN(optimizers) ? optimizers[i] : NULL;
}

const struct ent_optim *ent_optim_find(const char *name)
{
    for (size_t i = 0; i < ENT_ARRAY_LEN(optimizers); i++) {
        if (strcmp(optimizers[i]->name, name) == 0) {
            return optimizers[i];
        }
    }
    return NULL;
}
