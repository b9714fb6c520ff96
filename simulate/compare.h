/* IN a plan, a population, what a federation reached · OUT members alone and everybody's rows together, on the same test
 * rows · OWNS nothing · THREADS one caller; works on several itself · SOURCE BASELINES.md (how it was measured)
 *
 * Alone and pooled by the trainer of `train --local`. The AUC of a member is that of its own test rows; the mean is
 * weighted by test rows over the members whose test rows hold both classes. A member that cannot train alone (no training
 * rows, or one value against all others of which it has one side only) scores everybody the same: 0.5; its loss is that of
 * an even guess. Losses are weighted in the same way. */
#ifndef ENT_SIMULATE_COMPARE_H
#define ENT_SIMULATE_COMPARE_H

#include "simulate/federation.h"

struct ent_compared {
    double members; /* weighted mean of the members' AUC; NaN when none has one */
    double pooled;  /* AUC over all test rows; NaN for `alone` */
    double members_loss;
    double pooled_loss;
    double pooled_hit10; /* classes; otherwise 0 */
};

struct ent_comparison {
    struct ent_compared alone;
    struct ent_compared federated;
    struct ent_compared pooled;
    uint32_t n_compared;  /* members with both classes in their test rows */
    uint32_t n_untrained; /* of these, cannot train alone */
    uint32_t n_members;
    struct ent_metrics *alone_members;  /* [n_members] on the test rows of each */
    struct ent_metrics *pooled_members; /* [n_members] */
};
void ent_comparison_release(struct ent_comparison *comparison);

/* pooled_plan: its training is used for `pooled`; the same features. federated: of ent_federation_run. */
ENT_MUST enum ent_err ent_compare(struct ent_plan *plan, struct ent_plan *pooled_plan,
                                  const struct ent_population *population,
                                  const struct ent_federation_result *federated, uint32_t threads,
                                  struct ent_comparison *out);
/* The weighted means; n_compared may be NULL. */
double ent_compare_losses(const struct ent_metrics *members, uint32_t n);
double ent_compare_members(const struct ent_metrics *members, uint32_t n, uint32_t *n_compared);

#endif
