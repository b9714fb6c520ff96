#include <math.h>

#include "common/step/step.h"

#define NANO 1e9
#define NANO_UNITS_MAX (INT64_MAX / 1000000000)

enum ent_err ent_step_evaluate(const struct ent_plan *plan, const int64_t *sum, size_t dim,
                               struct ent_step_figures *out)
{
    struct ent_task_sizes sizes = ent_plan_task_sizes(plan);
    struct ent_step_figures f = {0};

    ENT_TRY(ent_task_evaluate_finish_of(&sizes, sum, dim, &f.metrics));
    f.rows = (uint64_t)sum[ENT_EVAL_ROWS];
    f.loss_sum = (uint64_t)sum[ENT_EVAL_LOSS];
    f.auc = isfinite(f.metrics.auc) ? (uint64_t)(f.metrics.auc * ENT_STEP_AUC_UNIT) : 0;
    *out = f;
    return ENT_E_OK;
}

/* Nothing here is a number that a member could not drive anywhere. */
int64_t ent_step_nano(double value)
{
    double scaled = value * NANO;

    if (isnan(value)) {
        return 0;
    }
    if (scaled >= 0x1p63 - 1024.0 || scaled <= -0x1p63) {
        return scaled > 0 ? INT64_MAX : -INT64_MAX;
    }
    if (value >= 0 && value <= NANO_UNITS_MAX && value == (double)(int64_t)value) {
        return (int64_t)value * 1000000000; /* counts are exact */
    }
    return (int64_t)(scaled >= 0 ? scaled + 0.5 : scaled - 0.5);
}
