/* What a run's privacy has cost. */
#include "common/json/json.h"
#include "simulate/print.h"

void ent_print_spent(const struct ent_simulated_privacy *privacy, FILE *out)
{
    if (privacy->unit != ENT_PRIVACY_NONE) {
        (void)fprintf(out, ", epsilon %.4g of %g", privacy->epsilon, privacy->goal);
    }
}

void ent_print_privacy(const struct ent_simulation *sim, const struct ent_simulated_run *run,
                       FILE *out)
{
    const struct ent_simulated_privacy *p = &run->federated.privacy;

    if (p->unit == ENT_PRIVACY_NONE) {
        return;
    }
    (void)fprintf(
        out,
        "  privacy of a %s: epsilon %.4f of %g at delta %g, %u rounds booked; a person in "
        "%u member%s: %.4f; noise multiplier %.4g, drawn fresh in each run\n",
        ent_plan_unit_name(p->unit), p->epsilon, p->goal, p->delta, (unsigned)p->booked,
        (unsigned)p->members_per_person, p->members_per_person == 1 ? "" : "s", p->epsilon_person,
        p->multiplier);
    if (p->out_of_budget) {
        (void)fprintf(out,
                      "  the budget allowed no further round: attempts that failed are paid for, "
                      "so the run ended after %u rounds of training\n",
                      (unsigned)run->federated.train_done);
    }
    if (sim->compare) {
        (void)fprintf(out, "  members alone and pooled are trained without noise\n");
    }
}

void ent_put_privacy(struct ent_json_writer *w, const struct ent_simulated_privacy *privacy)
{
    if (privacy->unit == ENT_PRIVACY_NONE) {
        return;
    }
    ent_json_put_key(w, "privacy");
    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_json_put_key_string(w, "unit", ent_plan_unit_name(privacy->unit));
    ent_json_put_key_double(w, "epsilon", privacy->epsilon);
    ent_json_put_key_double(w, "epsilon_limit", privacy->goal);
    ent_json_put_key_double(w, "delta", privacy->delta);
    ent_json_put_key_uint(w, "members_per_person", privacy->members_per_person);
    ent_json_put_key_double(w, "epsilon_person", privacy->epsilon_person);
    ent_json_put_key_uint(w, "rounds_booked", privacy->booked);
    ent_json_put_key_double(w, "noise_multiplier", privacy->multiplier);
    ent_json_put_key_bool(w, "out_of_budget", privacy->out_of_budget);
    ent_json_put_close(w);
}
