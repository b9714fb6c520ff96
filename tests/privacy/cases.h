/* IN a seed · OUT a plan with a privacy goal, a member's policy, what its ledger holds from before · OWNS nothing
 * THREADS any · SOURCE privacy.md 6
 *
 * Random cases of what can be announced: number i of a suite is always the same one. */
#ifndef ENT_TESTS_PRIVACY_CASES_H
#define ENT_TESTS_PRIVACY_CASES_H

#include "common/base/rng.h"
#include "common/plan/client_config.h"
#include "common/plan/plan.h"

#define CASE_ROUNDS_MAX 50
#define CASE_BEFORE_MAX 2
#define CASE_MEMBERS 4

struct privacy_case {
    uint32_t number;
    enum ent_privacy_unit unit;
    bool sampled; /* the coordinator's figure is PLD's */
    char text[1500];
    struct ent_plan *plan; /* read from the text */
    struct ent_policy_config policy;
    struct ent_dp_event
        before[CASE_BEFORE_MAX]; /* of earlier runs, some on a coarse grid or with other samples */
    uint32_t n_before;
    char scope[32];
    uint32_t trouble; /* of 8: how often something goes wrong in an attempt */
};

double case_log_uniform(struct ent_rng *rng, double lo, double hi);
void case_draw(uint32_t number, struct privacy_case *out);
void case_release(struct privacy_case *c);

#endif
