#include "client/agent/check_privacy.h"

bool ent_check_privacy_covers(const struct ent_plan *plan, const struct ent_outgoing *outgoing)
{
    return plan->privacy.unit != ENT_PRIVACY_NONE && outgoing->task == ENT_TASK_TRAIN;
}

const char *ent_check_privacy_words(const struct ent_plan *plan,
                                    const struct ent_outgoing *outgoing)
{
    if (!ent_check_privacy_covers(plan, outgoing)) {
        return "NOT covered by noise";
    }
    return plan->privacy.unit == ENT_PRIVACY_CUSTOMER
               ? "covered by noise, which this member adds"
               : "covered by noise, which the coordinator adds to the sum: it sees this member's "
                 "update without it, clipped to privacy.clip";
}

enum ent_err ent_check_privacy_possible(struct ent_pipeline *pipeline)
{
    const struct ent_plan_noise *noise;

    return ent_pipeline_plan(pipeline)->privacy.unit == ENT_PRIVACY_NONE
               ? ENT_E_OK
               : ent_pipeline_noise(pipeline, &noise);
}

void ent_check_privacy_print(struct ent_pipeline *pipeline, FILE *out)
{
    const struct ent_plan *plan = ent_pipeline_plan(pipeline);
    const struct ent_plan_noise *noise;

    if (plan->privacy.unit == ENT_PRIVACY_NONE) {
        (void)fprintf(out, "privacy: the plan has none: no noise covers any of it\n");
        return;
    }
    if (ent_pipeline_noise(pipeline, &noise) != ENT_E_OK) {
        return; /* the verdict says it */
    }
    ent_plan_releases_print(plan, out);
    ent_plan_noise_print(plan, noise, out);
}

void ent_check_privacy_put(struct ent_pipeline *pipeline, struct ent_json_writer *json)
{
    const struct ent_plan *plan = ent_pipeline_plan(pipeline);
    const struct ent_plan_noise *noise;

    ent_json_put_key(json, "privacy");
    if (plan->privacy.unit == ENT_PRIVACY_NONE ||
        ent_pipeline_noise(pipeline, &noise) != ENT_E_OK) {
        ent_json_put_null(json);
        return;
    }
    ent_json_put_object(json, ENT_JSON_INSERTION);
    ent_plan_noise_put(plan, noise, json);
    ent_json_put_close(json);
}
