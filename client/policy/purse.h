/* Whether one more round of a plan fits what this member's customers may be charged, and how many do.
 *
 * Up to three limits, each with the events that count against it: the plan's own goal (all that this run booked; unit
 * customer only, for that of unit member is a member's), and of client.yaml policy.epsilon_run (the same events) and
 * policy.epsilon_life (all that the scope booked). The figure is the accountant's (common/privacy/account.h), never what a
 * coordinator says. Its unit is a customer of this member, whatever the plan's is. */
#ifndef ENT_CLIENT_POLICY_PURSE_H
#define ENT_CLIENT_POLICY_PURSE_H

#include <stdio.h>

#include "common/plan/client_config.h"
#include "common/plan/privacy.h"

#define ENT_BUDGET_ACCOUNTS 3

/* What the ledger holds of a scope; borrowed. */
struct ent_purse_books {
    const char *scope;
    const struct ent_dp_event *run; /* [n_run], of the run that asks */
    size_t n_run;
    const struct ent_dp_event *life; /* [n_life], of all runs, this one too */
    size_t n_life;
};

struct ent_purse_account {
    const char *name; /* "the plan's epsilon"; static */
    struct ent_dp_limit limit;
    const struct ent_dp_event *events;
    size_t n;
};

struct ent_purse {
    const char *scope;
    struct ent_purse_account account[ENT_BUDGET_ACCOUNTS];
    uint32_t n;
};

/* Whether the policy allows training under this: POLICY when it sets an epsilon and the plan has no noise, or noise of
 * the coordinator that the policy does not count. */
ENT_MUST enum ent_err ent_policy_check_privacy(const struct ent_policy_config *policy,
                                               const struct ent_plan_privacy *privacy);
/* Whether a round of this task may be had under a plan with privacy: POLICY when the policy sets an epsilon, no noise
 * covers the task, and it does not say uncovered: allow. */
ENT_MUST enum ent_err ent_policy_check_covered(const struct ent_policy_config *policy,
                                               const struct ent_plan_privacy *privacy,
                                               enum ent_task_kind task);

/* What a round of training costs a customer of this member, of what it costs the plan's unit: under unit member one
 * customer moves the member's update from one clipped vector to another, twice the sensitivity. RANGE, CONFIG. */
ENT_MUST enum ent_err ent_purse_event(const struct ent_plan_privacy *privacy,
                                      const struct ent_dp_event *unit, struct ent_dp_event *out);

void ent_purse_of(const struct ent_policy_config *policy, const struct ent_plan_privacy *privacy,
                  const struct ent_purse_books *books, struct ent_purse *out);
/* One round more: OK, or BUDGET with a sentence that names the numbers and may leave. */
ENT_MUST enum ent_err ent_purse_ask(const struct ent_purse *budget,
                                    const struct ent_dp_event *round);
/* How many rounds fit all limits, at most max_rounds: as many as then run. */
ENT_MUST enum ent_err ent_purse_left(const struct ent_purse *budget,
                                     const struct ent_dp_event *round, uint64_t max_rounds,
                                     uint64_t *left);
/* Which limit is nearest, by the share that is spent, and how much that is. budget->n > 0. */
ENT_MUST enum ent_err ent_purse_nearest(const struct ent_purse *budget, uint32_t *at,
                                        double *spent);

#endif
