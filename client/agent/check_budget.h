/* What `check` says of the member's own budget (what a run costs, and what noise covers, is the plan's: check_privacy.h). */
#ifndef ENT_CLIENT_AGENT_CHECK_BUDGET_H
#define ENT_CLIENT_AGENT_CHECK_BUDGET_H

#include "client/agent/advice.h"
#include "client/agent/workplace.h"
#include "client/policy/purse.h"

struct ent_check_budget {
    bool noised;               /* the plan has noise: all below is known */
    struct ent_dp_event round; /* what the ledger books of a round: of a customer of this member */
    double run_epsilon; /* what a whole run costs a customer of this member, at the plan's delta */
    struct ent_dp_event *run; /* owned; of the active run of this plan, if the member is in one */
    struct ent_dp_event *life;
    struct ent_purse budget;
    struct ent_dp_spent spent[ENT_BUDGET_ACCOUNTS];
    uint64_t rounds; /* of a whole run */
    uint64_t left;   /* that still fit, at most `rounds` */
};

/* Reads the ledger, if there is one. OK also when nothing fits. */
ENT_MUST enum ent_err ent_check_budget_read(const struct ent_workplace *w,
                                            struct ent_check_budget *out);
void ent_check_budget_release(struct ent_check_budget *budget);
/* Whether a run could be taken part in: CONFIG (there is no such noise), POLICY, BUDGET. */
ENT_MUST enum ent_err ent_check_budget_ask(const struct ent_workplace *w,
                                           const struct ent_check_budget *budget);
void ent_check_budget_print(const struct ent_workplace *w, const struct ent_check_budget *budget);
/* Keys "privacy", "releases", and "budget" where the plan has noise. */
void ent_check_budget_put(const struct ent_workplace *w, const struct ent_check_budget *budget,
                          struct ent_json_writer *json);
/* A run that would end early for this member. */
void ent_check_budget_warn(const struct ent_check_budget *budget, ent_advice_say *say, void *ctx);

#endif
