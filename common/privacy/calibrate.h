/* Noise for a goal: the smallest noise with which so many steps stay within (epsilon, delta). The achieved epsilon never exceeds
 * the target; the noise is within 0.1 % of the smallest. */
#ifndef ENT_COMMON_PRIVACY_CALIBRATE_H
#define ENT_COMMON_PRIVACY_CALIBRATE_H

#include "common/privacy/account.h"

enum ent_calibrate_by { ENT_CALIBRATE_PLD, ENT_CALIBRATE_RDP, ENT_CALIBRATE_RDP_WHOLE };

struct ent_calibrate_goal {
    struct ent_dp_limit limit;
    double q;       /* in (0, 1] */
    uint64_t steps; /* >= 1 */
};

/* The noise multiplier sigma / sensitivity, by one accountant (q = 1 under PLD: the analytic Gaussian). RANGE: no such noise below
 * 10^6, or arguments outside. */
ENT_MUST enum ent_err ent_calibrate_sigma(enum ent_calibrate_by by,
                                          const struct ent_calibrate_goal *goal, double *sigma);

/* The smallest integer sigma2 (to 1e-3) with which `event` (its rate, sensitivity and steps; sigma2 is ignored) after the events booked
 * stays within the limit by the enforced figure. RANGE when even the largest does not. */
ENT_MUST enum ent_err ent_calibrate_event(const struct ent_dp_event *booked, size_t n_booked,
                                          const struct ent_dp_event *event,
                                          const struct ent_dp_limit *limit, uint64_t *sigma2);

#endif
