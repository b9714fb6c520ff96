#include "client/policy/purse.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/privacy/privacy.h"

enum ent_err ent_policy_check_privacy(const struct ent_policy_config *policy,
                                      const struct ent_plan_privacy *privacy)
{
    const char *key = policy->epsilon_run > 0 ? "epsilon_run" : "epsilon_life";

    if (policy->epsilon_run <= 0 && policy->epsilon_life <= 0) {
        return ENT_E_OK;
    }
    ENT_REQUIRE(privacy->unit != ENT_PRIVACY_NONE, ENT_E_POLICY,
                "the plan has no `privacy`, and policy.%s is set: no training without noise", key);
    ENT_REQUIRE(
        privacy->unit == ENT_PRIVACY_CUSTOMER || policy->noise_of_coordinator, ENT_E_POLICY,
        "the plan's noise is added by the coordinator (unit: member), and policy.%s counts only "
        "noise that this member adds, unless policy.noise is coordinator",
        key);
    return ENT_E_OK;
}

enum ent_err ent_policy_check_covered(const struct ent_policy_config *policy,
                                      const struct ent_plan_privacy *privacy,
                                      enum ent_task_kind task)
{
    const char *key = policy->epsilon_run > 0 ? "epsilon_run" : "epsilon_life";

    if ((policy->epsilon_run <= 0 && policy->epsilon_life <= 0) ||
        privacy->unit == ENT_PRIVACY_NONE || task == ENT_TASK_TRAIN) {
        return ENT_E_OK;
    }
    ENT_REQUIRE(policy->uncovered_goes, ENT_E_POLICY,
                "no noise covers the plan's %s (uncovered), so policy.%s does not see what they "
                "tell; policy.uncovered: allow would let them go",
                task == ENT_TASK_STATS ? "statistics" : "evaluations", key);
    return ENT_E_OK;
}

enum ent_err ent_purse_event(const struct ent_plan_privacy *privacy,
                             const struct ent_dp_event *unit, struct ent_dp_event *out)
{
    if (privacy->unit != ENT_PRIVACY_MEMBER) {
        *out = *unit;
        return ENT_E_OK;
    }
    return ent_dp_event_of_person(unit, ENT_DP_MEMBER_LEVEL, 1, out);
}

static void add(struct ent_purse *budget, const struct ent_purse_account *account)
{
    if (account->limit.eps > 0) {
        budget->account[budget->n++] = *account;
    }
}

void ent_purse_of(const struct ent_policy_config *policy, const struct ent_plan_privacy *privacy,
                  const struct ent_purse_books *books, struct ent_purse *out)
{
    *out = (struct ent_purse){.scope = books->scope};
    if (privacy->unit == ENT_PRIVACY_CUSTOMER) {
        add(out, &(struct ent_purse_account){.name = "the plan's epsilon",
                                             .limit = {privacy->epsilon, privacy->delta},
                                             .events = books->run,
                                             .n = books->n_run});
    }
    add(out, &(struct ent_purse_account){.name = "policy.epsilon_run",
                                         .limit = {policy->epsilon_run, policy->delta},
                                         .events = books->run,
                                         .n = books->n_run});
    add(out, &(struct ent_purse_account){.name = "policy.epsilon_life",
                                         .limit = {policy->epsilon_life, policy->delta},
                                         .events = books->life,
                                         .n = books->n_life});
}

/* The numbers of the sentence: what was spent, what it would be. */
static enum ent_err figures(const struct ent_purse_account *a, const struct ent_dp_event *round,
                            double *spent, double *would)
{
    struct ent_dp_event *all = NULL;
    struct ent_dp_spent s;
    enum ent_err err;

    ENT_TRY(ent_account_spent(a->events, a->n, a->limit.delta, &s));
    *spent = s.eps;
    ENT_TRY(ent_calloc(a->n + 1, sizeof *all, &all));
    if (a->n > 0) {
        memcpy(all, a->events, a->n * sizeof *all);
    }
    all[a->n] = *round;
    err = ent_account_spent(all, a->n + 1, a->limit.delta, &s);
    free(all);
    *would = s.eps;
    return err;
}

static enum ent_err refuse(const char *scope, const struct ent_purse_account *a,
                           const struct ent_dp_event *round)
{
    double spent = 0.0;
    double would = 0.0;

    ENT_TRY(figures(a, round, &spent, &would));
    return ent_err_note(ENT_E_BUDGET,
                        "one round more would cost scope %s epsilon %.3f of %g at delta %g, %.3f "
                        "of it spent (%s)",
                        scope, would, a->limit.eps, a->limit.delta, spent, a->name);
}

enum ent_err ent_purse_ask(const struct ent_purse *budget, const struct ent_dp_event *round)
{
    const struct ent_dp_round one = {.events = round, .n = 1};

    for (uint32_t i = 0; i < budget->n; i++) {
        const struct ent_purse_account *a = &budget->account[i];
        bool fits = false;

        ENT_TRY(ent_account_fits(a->events, a->n, &one, &a->limit, &fits));
        if (!fits) {
            return refuse(budget->scope, a, round);
        }
    }
    return ENT_E_OK;
}

enum ent_err ent_purse_left(const struct ent_purse *budget, const struct ent_dp_event *round,
                            uint64_t max_rounds, uint64_t *left)
{
    const struct ent_dp_round one = {.events = round, .n = 1};
    uint64_t fewest = max_rounds;

    for (uint32_t i = 0; i < budget->n && fewest > 0; i++) {
        const struct ent_purse_account *a = &budget->account[i];

        ENT_TRY(ent_account_rounds_left(a->events, a->n, &one, &a->limit, fewest, &fewest));
    }
    *left = fewest;
    return ENT_E_OK;
}

enum ent_err ent_purse_nearest(const struct ent_purse *budget, uint32_t *at, double *spent)
{
    double most = -1.0;

    for (uint32_t i = 0; i < budget->n; i++) {
        const struct ent_purse_account *a = &budget->account[i];
        struct ent_dp_spent s;

        ENT_TRY(ent_account_spent(a->events, a->n, a->limit.delta, &s));
        if (s.eps / a->limit.eps > most) {
            most = s.eps / a->limit.eps;
            *at = i;
            *spent = s.eps;
        }
    }
    return ENT_E_OK;
}
