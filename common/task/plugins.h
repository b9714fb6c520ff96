/* The vtables of tasks.def. Inside of common/task. */
#ifndef ENT_COMMON_TASK_PLUGINS_H
#define ENT_COMMON_TASK_PLUGINS_H

#include "common/task/task.h"

#define ENT_PLUGIN(name_) extern const struct ent_task ent_task_plugin_##name_;
#include "common/task/tasks.def"
#undef ENT_PLUGIN

#endif
