/* What the policy says of the plan's contents and of the rows it would be computed from. */
#include "client/agent/pipeline_internal.h"
#include "client/policy/policy.h"

bool ent_pipeline_has_vocabulary(const struct ent_pipeline *pipeline)
{
    for (uint32_t i = 0; i < pipeline->plan->n_features; i++) {
        const struct ent_feature *f = &pipeline->plan->features[i];

        if (f->type == ENT_FEATURE_CATEGORY && f->codes == ENT_CODES_VOCABULARY) {
            return true;
        }
    }
    return false;
}

enum ent_err ent_pipeline_ask_policy(const struct ent_pipeline *pipeline, enum ent_task_kind task,
                                     enum ent_split split)
{
    const struct ent_policy_config *policy = &pipeline->config->policy;
    enum ent_split part =
        task == ENT_TASK_EVALUATE && split != ENT_SPLIT_NONE ? split : ENT_SPLIT_TRAIN;
    struct ent_fill fill = {.plan = pipeline->plan,
                            .table = pipeline->table,
                            .floor = ent_policy_floor(policy, pipeline->plan)};
    uint32_t customers;
    bool zeros = false;

    ENT_TRY(ent_policy_check_vocabulary(policy, ent_pipeline_has_vocabulary(pipeline)));
    if (task != ENT_TASK_TRAIN) {
        ENT_TRY(ent_fill_withholds(&fill, &pipeline->parts->part[part], &zeros));
    }
    if (zeros) { /* it takes part, and tells of nobody */
        return ENT_E_OK;
    }
    ENT_TRY(ent_split_customers(pipeline->table, &pipeline->parts->part[part],
                                policy->min_customers, &customers));
    return ent_policy_check_customers(policy, part, customers);
}
