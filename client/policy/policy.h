/* IN the member's policy, what a round asks · OUT yes, or POLICY with the sentence for the Decline
 * message OWNS nothing · THREADS any · SOURCE ARCHITECTURE.md ("the last word on what it takes part
 * in")
 *
 * Plain values, no messages: the agent reads them out of what it was sent. */
#ifndef ENT_CLIENT_POLICY_POLICY_H
#define ENT_CLIENT_POLICY_POLICY_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/plan/client_config.h"
#include "common/plan/plan.h"
#include "common/task/task.h"

struct ent_policy_request {
    uint8_t plan[32]; /* digest of the plan this round belongs to */
    enum ent_task_kind task;
    enum ent_split split;
    uint32_t min_members; /* what the round promises: nothing is released below it */
    uint32_t n_invited;
};

/* Whether the member computes this plan at all (checked when the run starts). */
ENT_MUST enum ent_err ent_policy_check_plan(const struct ent_policy_config *policy,
                                            const uint8_t plan[32]);
/* Whether the member's data may be used for what the plan states that its model is for (NULL: it does not say). The
 * refusal is ENT_REFUSAL_NOT_ALLOWED. */
ENT_MUST enum ent_err ent_policy_check_purpose(const struct ent_policy_config *policy,
                                               const char *purpose);
/* Whether a figure of its own test rows may go to the operator. */
bool ent_policy_figure_goes(const struct ent_policy_config *policy, const char *name);
/* Whether it takes part in this round: plan, task, min_members, and enough invited for it. The
 * reason is ent_err_message(): one sentence that names the setting of client.yaml. */
ENT_MUST enum ent_err ent_policy_check_round(const struct ent_policy_config *policy,
                                             const struct ent_policy_request *request);
/* Whether it takes part in one more run of a plan of which it knows that many. */
ENT_MUST enum ent_err ent_policy_check_runs(const struct ent_policy_config *policy,
                                            uint64_t n_runs);
/* Of fewer customers than this statistics and evaluations are zeros: the larger of the plan's min_group and the policy's. */
uint32_t ent_policy_floor(const struct ent_policy_config *policy, const struct ent_plan *plan);
/* Whether something may leave of a part of the split that has `customers`, of which `split` is the
 * name (NONE: the training rows). A part without any is no matter of this. The reason has no number in it: it leaves. */
ENT_MUST enum ent_err ent_policy_check_customers(const struct ent_policy_config *policy,
                                                 enum ent_split split, uint32_t customers);
/* Whether it takes part in a plan that has a vocabulary, or has none. */
ENT_MUST enum ent_err ent_policy_check_vocabulary(const struct ent_policy_config *policy,
                                                  bool has_vocabulary);
/* Whether updates may be sealed to these auditors' X25519 keys, or kept as they are. The reason names the fingerprint. */
ENT_MUST enum ent_err ent_policy_check_auditors(const struct ent_client_config *config,
                                                const uint8_t (*keys)[32], size_t n, bool plain);
/* SHA-256 of an auditor's key, in hex. */
ENT_MUST enum ent_err ent_policy_fingerprint(const uint8_t key[32], char out[65]);
/* One line for `check`: "takes part in stats, train, evaluate; at least 3 members; at least 10 customers in a
 * part; any plan". */
void ent_policy_print(const struct ent_policy_config *policy, FILE *out);

#endif
