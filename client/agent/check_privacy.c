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

enum ent_err ent_check_privacy_possible(const struct ent_plan *plan)
{
    struct ent_plan_noise noise;

    if (plan->privacy.unit == ENT_PRIVACY_NONE) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_plan_privacy_startable(plan));
    return ent_plan_privacy_derive(plan, &noise);
}

void ent_check_privacy_print(const struct ent_plan *plan, FILE *out)
{
    struct ent_plan_noise noise;

    if (plan->privacy.unit == ENT_PRIVACY_NONE) {
        (void)fprintf(out, "privacy: the plan has none: no noise covers any of it\n");
        return;
    }
    if (ent_plan_privacy_derive(plan, &noise) != ENT_E_OK) {
        return; /* the verdict says it */
    }
    ent_plan_releases_print(plan, out);
    ent_plan_noise_print(plan, &noise, out);
}

void ent_check_privacy_put(const struct ent_plan *plan, struct ent_json_writer *json)
{
    struct ent_plan_noise n;

    ent_json_put_key(json, "privacy");
    if (plan->privacy.unit == ENT_PRIVACY_NONE || ent_plan_privacy_derive(plan, &n) != ENT_E_OK) {
        ent_json_put_null(json);
        return;
    }
    ent_json_put_object(json, ENT_JSON_INSERTION);
    ent_json_put_key_string(json, "unit",
                            plan->privacy.unit == ENT_PRIVACY_CUSTOMER ? "customer" : "member");
    ent_json_put_key_double(json, "epsilon", n.epsilon);
    ent_json_put_key_double(json, "delta", plan->privacy.delta);
    ent_json_put_key_string(json, "trust",
                            plan->privacy.unit == ENT_PRIVACY_CUSTOMER ? "members" : "coordinator");
    ent_json_put_key_double(json, "epsilon_person_1", n.epsilon_person[0]);
    ent_json_put_key_double(json, "epsilon_person_2", n.epsilon_person[1]);
    ent_json_put_key_double(json, "epsilon_person", n.epsilon_declared);
    ent_json_put_key_uint(json, "max_members_per_person", plan->privacy.members_per_person);
    ent_json_put_key_string(json, "persons", ent_plan_persons_name(plan->privacy.persons_basis));
    ent_json_put_key_double(json, "noise_multiplier", n.z);
    ent_json_put_key_uint(json, "steps", n.steps_total);
    ent_json_put_close(json);
}
