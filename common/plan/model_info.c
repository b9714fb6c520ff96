/* A plan and a model file: what one says of the other. */
#include <string.h>

#include "common/plan/plan.h"

void ent_plan_model_info(const struct ent_plan *plan, struct ent_model_info *info)
{
    info->features = plan->features;
    info->n_features = plan->n_features;
    info->label_name = plan->label_name;
    info->label_positive = plan->label_positive;
    info->label_values = plan->label_values;
    info->n_label_values = plan->label_values != NULL ? plan->n_classes : 0;
    info->label_lo = plan->label_lo;
    info->label_hi = plan->label_hi;
    info->sequence = plan->sequence;
}

bool ent_plan_same_label(const struct ent_plan *plan, const struct ent_model_info *info)
{
    struct ent_model_info own = {0};
    bool same;

    ent_plan_model_info(plan, &own);
    same = strcmp(info->label_name, own.label_name) == 0 &&
           strcmp(info->label_positive, own.label_positive) == 0 &&
           info->n_label_values == own.n_label_values &&
           !(info->label_lo < own.label_lo || info->label_lo > own.label_lo) &&
           !(info->label_hi < own.label_hi || info->label_hi > own.label_hi) &&
           ent_sequence_same(&info->sequence, &own.sequence);
    for (uint32_t i = 0; same && i < own.n_label_values; i++) {
        same = strcmp(info->label_values[i], own.label_values[i]) == 0;
    }
    return same;
}
