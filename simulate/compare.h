/* IN a plan, a population, what a federation reached · OUT members alone and everybody's rows together, on the same test
 * rows · OWNS nothing · THREADS one caller; works on several itself · SOURCE BASELINES.md (how it was measured)
 *
 * Alone and pooled by the trainer of `train --local`. The AUC of a member is that of its own test rows; the mean is
 * weighted by test rows over the members whose test rows hold both classes. A member that cannot train alone (no training
 * rows, or of one class only) scores everybody the same: 0.5. */
#ifndef ENT_SIMULATE_COMPARE_H
#define ENT_SIMULATE_COMPARE_H

#include "simulate/federation.h"

struct ent_compared {
    double members; /* weighted mean of the members' AUC; NaN when none has one */
    double pooled;  /* AUC over all test rows; NaN for `alone` */
};

struct ent_comparison {
    struct ent_compared alone;
    struct ent_compared federated;
    struct ent_compared pooled;
    uint32_t n_compared;  /* members with both classes in their test rows */
    uint32_t n_untrained; /* of these, cannot train alone */
};

/* pooled_plan: its training is used for `pooled`; the same features. federated: of ent_federation_run. */
ENT_MUST enum ent_err ent_compare(struct ent_plan *plan, struct ent_plan *pooled_plan,
                                  const struct ent_population *population,
                                  const struct ent_federation_result *federated, uint32_t threads,
                                  struct ent_comparison *out);
/* The weighted mean; n_compared may be NULL. */
double ent_compare_members(const struct ent_metrics *members, uint32_t n, uint32_t *n_compared);

#endif
