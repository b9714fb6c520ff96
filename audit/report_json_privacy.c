/* The privacy of a log for programs: budgets with all that they were computed from, so that another tool can compute them
 * again; what they do not cover; noise and what could have been chosen of it. */
#include <math.h>

#include "audit/report_internal.h"
#include "common/plan/privacy.h"
#include "common/schema/text.h"
#include "common/task/task.h"

#define NANO 1e9
#define E18 1e18

static const char *basis_name(uint32_t basis)
{
    return basis == ENT_LOG_BASIS_ASSUMED   ? "assumed"
           : basis == ENT_LOG_BASIS_MATCHED ? "matched"
                                            : "none";
}

/* Of a log that may say anything. */
static const char *accountant_name(uint32_t accountant)
{
    return accountant <= ENT_DP_BY_RDP_WHOLE
               ? ent_dp_accountant_name((enum ent_dp_accountant)accountant)
               : "unknown";
}

static void put_event(struct ent_json_writer *w, const struct ent_leaf_dp_event *e)
{
    ent_json_put_key_string(w, "unit", ent_plan_unit_name(e->unit));
    ent_json_put_key_string(w, "adjacency",
                            e->unit == ENT_PRIVACY_MEMBER ? "zero-out" : "add-remove");
    ent_json_put_key_string(
        w, "mechanism", e->mechanism == ENT_DP_DISCRETE_GAUSSIAN ? "discrete-gaussian" : "unknown");
    ent_json_put_key_string(w, "noise_at",
                            e->trust == ENT_LOG_TRUST_CENTRAL ? "coordinator" : "members");
    ent_json_put_key_uint(w, "rate", e->rate);
    ent_json_put_key_uint(w, "rate_of", ENT_DP_RATE_ALL);
    ent_json_put_key_uint(w, "steps", e->steps);
    ent_json_put_key_uint(w, "sigma2", e->sigma2);
    ent_json_put_key_uint(w, "sensitivity", e->sensitivity);
    ent_json_put_key_uint(w, "dimension", e->dimension);
    if (e->sensitivity > 0) {
        ent_json_put_key_double(w, "noise_multiplier",
                                sqrt((double)e->sigma2) / (double)e->sensitivity);
    }
    ent_json_put_key_double(w, "delta", (double)e->delta_e18 / E18);
    ent_json_put_key_string(w, "accountant", accountant_name(e->accountant));
}

static void put_person(struct ent_json_writer *w, uint32_t members, double epsilon)
{
    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_json_put_key_uint(w, "members", members);
    if (isfinite(epsilon)) {
        ent_json_put_key_double(w, "epsilon", epsilon);
    }
    ent_json_put_close(w);
}

static void put_persons(struct ent_json_writer *w, const struct ent_audit_spending *s)
{
    uint32_t counted = s->event.members_per_person;

    ent_json_put_key_uint(w, "members_per_person", counted);
    ent_json_put_key_string(w, "members_per_person_basis", basis_name(s->event.basis));
    ent_json_put_key(w, "persons");
    ent_json_put_array(w);
    for (uint32_t j = 1; j <= ENT_AUDIT_PERSONS && s->rounds > 0; j++) {
        put_person(w, j, s->person[j - 1]);
    }
    if (counted > ENT_AUDIT_PERSONS && s->rounds > 0) {
        put_person(w, counted, s->person[ENT_AUDIT_PERSONS]);
    }
    ent_json_put_close(w);
}

static void put_spent(struct ent_json_writer *w, const struct ent_audit_spending *s,
                      const struct ent_report_names *names)
{
    const char *name = ent_report_name_of(names, s->fullest, 16);
    char fit[ENT_AUDIT_TEXT_MAX];

    ent_json_put_key_double(w, "epsilon_spent", (double)s->spent_nano / NANO);
    ent_json_put_key_double(w, "epsilon_limit", (double)s->event.limit_nano / NANO);
    ent_json_put_key_uint(w, "rounds_booked", s->rounds);
    ent_json_put_key_uint(w, "rounds_given_back", s->refunds);
    ent_json_put_key_uint(w, "accounts", s->n_accounts);
    ent_json_put_key_hex(w, "fullest_account", s->fullest, 16);
    if (name != NULL) {
        ent_text_fit(name, fit, sizeof fit - 1);
        ent_json_put_key_string(w, "fullest_account_name", fit);
    }
}

static void put_base(struct ent_json_writer *w, const struct ent_audit_run *run)
{
    if (run == NULL || run->base_is == ENT_AUDIT_BASE_NONE) {
        return;
    }
    ent_json_put_key(w, "base");
    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_json_put_key_string(w, "is", ent_audit_base_name(run->base_is));
    ent_json_put_key_hex(w, "model", run->leaf.base, 32);
    ent_json_put_key_uint(w, "entry",
                          run->base_is == ENT_AUDIT_BASE_RELEASED ? run->base_seq : run->seq);
    ent_json_put_close(w);
}

static void put_noise(struct ent_json_writer *w, const struct ent_audit_noising *n)
{
    if (n == NULL) {
        return;
    }
    ent_json_put_key(w, "noise");
    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_json_put_key_uint(w, "entry", n->seq);
    ent_json_put_key_uint(w, "rounds", n->rounds);
    ent_json_put_key_uint(w, "nonces", n->nonces);
    ent_json_put_key_uint(w, "auditors", n->n_auditors);
    ent_json_put_key_bool(w, "provable", n->n_auditors > 0);
    ent_json_put_key_uint(w, "seeds_opened", n->opened);
    ent_json_put_key_uint(w, "withheld_joins", n->withheld);
    ent_json_put_key_uint(w, "aborted_attempts", n->aborted);
    ent_json_put_key_uint(w, "rerolls", ent_audit_rerolls_of(n));
    ent_json_put_close(w);
}

static void put_open(struct ent_json_writer *w, const char *kind, uint32_t run, uint64_t seq)
{
    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_json_put_key_string(w, "kind", kind);
    ent_json_put_key_uint(w, "run", run);
    ent_json_put_key_uint(w, "entry", seq);
    ent_json_put_close(w);
}

/* Of all runs: those without privacy release, too. */
static void put_not_covered(struct ent_json_writer *w, const struct ent_audit_facts *f)
{
    ent_json_put_key(w, "not_covered");
    ent_json_put_array(w);
    for (size_t i = 0; i < f->n_runs; i++) {
        const struct ent_audit_run *run = &f->runs[i];

        if (run->run != 0 && run->base_is > ENT_AUDIT_BASE_PLAN) {
            put_open(w, "model that the run starts from", run->run, run->seq);
        }
    }
    for (size_t i = 0; i < f->n_rounds; i++) {
        if (ent_report_is_statistics(&f->rounds[i])) {
            put_open(w, "statistics", f->rounds[i].run, f->rounds[i].end_seq);
        }
    }
    for (size_t i = 0; i < f->n_evals; i++) {
        if (!f->evals[i].dp_covered) {
            put_open(w, ent_report_task(ENT_TASK_EVALUATE, f->evals[i].split), f->evals[i].run,
                     f->evals[i].seq);
        }
    }
    for (size_t i = 0; i < f->n_releases; i++) {
        if (!f->releases[i].leaf.dp_covered) {
            put_open(w, ent_report_release_word(f->releases[i].leaf.kind), f->releases[i].run,
                     f->releases[i].seq);
        }
    }
    ent_json_put_close(w);
}

void ent_report_json_privacy(struct ent_json_writer *w, const struct ent_audit_facts *facts,
                             const struct ent_report_names *names)
{
    ent_json_put_key(w, "privacy");
    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_json_put_key(w, "budgets");
    ent_json_put_array(w);
    for (size_t i = 0; i < facts->n_spendings; i++) {
        const struct ent_audit_spending *s = &facts->spendings[i];

        ent_json_put_object(w, ENT_JSON_INSERTION);
        ent_json_put_key_uint(w, "run", s->run);
        ent_json_put_key_uint(w, "entry", s->seq);
        put_event(w, &s->event);
        put_spent(w, s, names);
        put_persons(w, s);
        put_base(w, ent_report_run_of(facts, s->run));
        put_noise(w, ent_report_noising_of(facts, s->run));
        ent_json_put_close(w);
    }
    ent_json_put_close(w);
    put_not_covered(w, facts);
    ent_json_put_key_uint(w, "rerolls", ent_audit_rerolls(facts));
    ent_json_put_close(w);
}
