/* What a list of events has cost, whether one more fits, how many rounds are left: the arithmetic of both ledgers.
 *
 * Which figure is enforced (privacy.md 5.1):
 *   nothing subsampled, every grid sigma >= 1024   the exact Gaussian of the summed rho, at delta (1 - 1e-4)
 *   nothing subsampled, otherwise                  rho to epsilon over all orders
 *   subsampled, every grid sigma >= 1024           PLD at delta (1 - 1e-4): an approximation of the discrete by the
 *                                                  continuous Gaussian, good to 3e-6 of delta
 *   subsampled, otherwise                          RDP over whole orders, a theorem
 *   a sampled person in several members            RDP (whole orders where some grid sigma is below 1024)
 * RDP stands beside it always. Equal events are merged first, so neither order nor grouping changes a bit. */
#ifndef ENT_COMMON_PRIVACY_ACCOUNT_H
#define ENT_COMMON_PRIVACY_ACCOUNT_H

#include "common/privacy/privacy.h"

enum ent_dp_accountant {
    ENT_DP_BY_NOTHING, /* no events */
    ENT_DP_BY_GAUSSIAN,
    ENT_DP_BY_ZCDP,
    ENT_DP_BY_PLD,
    ENT_DP_BY_RDP,
    ENT_DP_BY_RDP_WHOLE
};

/* "gaussian", "zcdp", "pld", "rdp", "rdp-whole", "nothing": as they stand in the log. Static. */
const char *ent_dp_accountant_name(enum ent_dp_accountant accountant);

struct ent_dp_spent {
    double eps;     /* the enforced figure, rounded up */
    double eps_rdp; /* RDP beside it */
    double order;   /* the order of eps_rdp */
    enum ent_dp_accountant accountant;
    bool has_rho; /* nothing was subsampled: rho_e12 is exact (0 without events) */
    uint64_t rho_e12;
};

struct ent_dp_limit {
    double eps;   /* > 0 */
    double delta; /* in (0, 1) */
};

/* events: [n], n may be 0. RANGE names an event that is no event, LIMIT when rho does not fit, NO_MEMORY. */
ENT_MUST enum ent_err ent_account_spent(const struct ent_dp_event *events, size_t n, double delta,
                                        struct ent_dp_spent *out);

/* What a plan releases in each of its rounds; booked together. */
struct ent_dp_round {
    const struct ent_dp_event *events; /* borrowed */
    size_t n;                          /* >= 1 */
};

/* Whether the events and one round more stay within the limit: spent <= limit, the same figure. */
ENT_MUST enum ent_err ent_account_fits(const struct ent_dp_event *events, size_t n,
                                       const struct ent_dp_round *round,
                                       const struct ent_dp_limit *limit, bool *fits);

/* How many rounds still fit, at most max_rounds: exactly as many as run when each is booked by a fresh
 * ent_account_fits and the first that does not fit ends the run. */
ENT_MUST enum ent_err ent_account_rounds_left(const struct ent_dp_event *events, size_t n,
                                              const struct ent_dp_round *round,
                                              const struct ent_dp_limit *limit, uint64_t max_rounds,
                                              uint64_t *left);

#endif
