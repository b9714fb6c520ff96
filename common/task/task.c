#include "common/task/task.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/fixed/grid.h"
#include "common/task/plugins.h"

static const struct ent_task *const tasks[] = {
#define ENT_PLUGIN(name_) &ent_task_plugin_##name_,
#include "common/task/tasks.def"
#undef ENT_PLUGIN
};

const struct ent_task *ent_task_at(size_t i)
{
    return i < ENT_ARRAY_LEN(tasks) ? tasks[i] : NULL;
}

const struct ent_task *ent_task_find(uint32_t kind)
{
    for (size_t i = 0; i < ENT_ARRAY_LEN(tasks); i++) {
        if ((uint32_t)tasks[i]->kind == kind) {
            return tasks[i];
        }
    }
    return NULL;
}

const struct ent_task *ent_task_find_name(const char *name)
{
    for (size_t i = 0; i < ENT_ARRAY_LEN(tasks); i++) {
        if (strcmp(tasks[i]->name, name) == 0) {
            return tasks[i];
        }
    }
    return NULL;
}

const char *ent_task_name(uint32_t kind)
{
    const struct ent_task *task = ent_task_find(kind);

    return task != NULL ? task->name : "unknown";
}

size_t ent_task_int_bytes(enum ent_task_kind kind)
{
    const struct ent_task *task = ent_task_find((uint32_t)kind);

    ENT_BUG_ON(task == NULL);
    return task->int_bytes;
}

enum ent_err ent_task_payload_bytes(const struct ent_task *task, const struct ent_task_sizes *sizes,
                                    uint64_t *bytes)
{
    size_t dim;
    size_t total;

    ENT_TRY(task->dim(sizes, &dim));
    ENT_TRY(ent_size_mul(dim, task->int_bytes, &total));
    ENT_TRY(ent_size_add(total, ENT_UPDATE_SALT_BYTES, &total));
    *bytes = total;
    return ENT_E_OK;
}

static enum ent_err check_values(const struct ent_task *task, const struct ent_task_sizes *sizes,
                                 const uint8_t *ints, size_t dim)
{
    struct ent_task_sizes one = *sizes;
    int64_t *v;
    enum ent_err err;

    one.n_members = 1;
    ENT_TRY(ent_calloc(dim, sizeof *v, &v));
    ent_grid_load64(ints, dim, v);
    err = v[0] <= ENT_TASK_ROWS_MAX /* first in both tasks that count */
              ? task->check(&one, v, dim)
              : ent_err_note(ENT_E_RANGE, "%s: %lld rows of one member; at most 2^32 can be",
                             task->name, (long long)v[0]);
    free(v);
    return err;
}

enum ent_err ent_task_check_payload(const struct ent_task *task, const struct ent_task_sizes *sizes,
                                    const uint8_t *ints, size_t len_bytes)
{
    size_t dim;

    ENT_TRY(task->dim(sizes, &dim));
    ENT_REQUIRE(len_bytes % task->int_bytes == 0 && len_bytes / task->int_bytes == dim, ENT_E_SHAPE,
                "%s: an update of %zu bytes; %zu integers of %" PRIu32 " bytes are expected",
                task->name, len_bytes, dim, task->int_bytes);
    if (task->int_bytes == 4) {
        return ent_grid_check32(ints, dim);
    }
    ENT_TRY(ent_grid_check64(ints, dim));
    return task->check != NULL ? check_values(task, sizes, ints, dim) : ENT_E_OK;
}
