/* What a plan's privacy derives, as the --json of `privacy` and of `check` has it. */
#include "common/json/json.h"
#include "common/plan/plan.h"
#include "common/plan/privacy.h"

const char *ent_plan_unit_name(uint32_t unit)
{
    return unit == ENT_PRIVACY_CUSTOMER ? "customer"
           : unit == ENT_PRIVACY_MEMBER ? "member"
                                        : "none";
}

const char *ent_plan_noise_at_name(uint32_t unit)
{
    return unit == ENT_PRIVACY_MEMBER ? "coordinator" : "members";
}

void ent_plan_noise_put(const struct ent_plan *plan, const struct ent_plan_noise *n,
                        struct ent_json_writer *w)
{
    const struct ent_plan_privacy *p = &plan->privacy;

    ent_json_put_key_string(w, "unit", ent_plan_unit_name(p->unit));
    ent_json_put_key_string(w, "noise_at", ent_plan_noise_at_name(p->unit));
    ent_json_put_key_double(w, "goal", p->epsilon);
    ent_json_put_key_double(w, "delta", p->delta);
    ent_json_put_key_uint(w, "rounds", plan->rounds);
    ent_json_put_key_double(w, "epsilon", n->epsilon);
    ent_json_put_key_double(w, "epsilon_rdp", n->epsilon_rdp);
    ent_json_put_key_string(w, "accountant", ent_dp_accountant_name(n->accountant));
    ent_json_put_key_double(w, "epsilon_person_1", n->epsilon_person[0]);
    ent_json_put_key_double(w, "epsilon_person_2", n->epsilon_person[1]);
    ent_json_put_key_double(w, "epsilon_person", n->epsilon_declared);
    ent_json_put_key_uint(w, "max_members_per_person", p->members_per_person);
    ent_json_put_key_string(w, "persons", ent_plan_persons_name(p->persons_basis));
    ent_json_put_key_double(w, "noise_multiplier", n->z);
    ent_json_put_key_uint(w, "sigma2", n->sigma2);
    ent_json_put_key_uint(w, "sensitivity", n->d2);
    ent_json_put_key_uint(w, "scale_bits", p->scale_bits);
    ent_json_put_key_double(w, "clip", p->clip);
    ent_json_put_key_uint(w, "rate", p->rate);
    ent_json_put_key_uint(w, "steps", n->steps_total);
    ent_json_put_key_uint(w, "dimension", n->dim);
    ent_json_put_key_double(w, "noise_norm", n->noise_norm);
    ent_json_put_key_double(w, "noise_ratio", ent_plan_noise_ratio(n));
}

void ent_plan_releases_put(const struct ent_plan *plan, struct ent_json_writer *w)
{
    struct ent_plan_release list[ENT_PLAN_RELEASES_MAX];
    uint32_t n = ent_plan_releases(plan, list);

    ent_json_put_key(w, "releases");
    ent_json_put_array(w);
    for (uint32_t i = 0; i < n; i++) {
        ent_json_put_object(w, ENT_JSON_INSERTION);
        ent_json_put_key_string(w, "what", list[i].what);
        ent_json_put_key_uint(w, "times", list[i].times);
        ent_json_put_key_bool(w, "covered", list[i].covered);
        ent_json_put_close(w);
    }
    ent_json_put_close(w);
}
