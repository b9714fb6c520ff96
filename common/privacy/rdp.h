/* Renyi differential privacy of the Poisson-subsampled Gaussian (Mironov, Talwar, Zhang 2019), add/remove one unit.
 *
 * Integer orders by the exact sum, which also is a theorem for the discrete Gaussian with integer shifts; fractional
 * orders by a quadrature in which nothing cancels (privacy.md 5.2). Composition adds curves. */
#ifndef ENT_COMMON_PRIVACY_RDP_H
#define ENT_COMMON_PRIVACY_RDP_H

#include <stdint.h>

#include "common/base/err.h"

/* 1.1, 1.2 .. 10.9 | 11 .. 63 | 80 96 128 192 256 384 512 768 1024 2048 4096 */
#define ENT_RDP_ORDERS 163u
/* Largest order that ent_rdp_at takes. */
#define ENT_RDP_ORDER_MAX 65536.0

/* Which orders count: below the safe grid sigma only whole ones are exact for the discrete Gaussian. */
enum ent_rdp_orders { ENT_RDP_ALL_ORDERS, ENT_RDP_WHOLE_ORDERS };

/* One mechanism, once. */
struct ent_rdp_step {
    double q;     /* in (0, 1] */
    double sigma; /* noise standard deviation / sensitivity, > 0 */
    uint32_t
        n_members; /* independent samples that may hold the unit; 1: the plain subsampled Gaussian */
};

/* The RDP at every order; +infinity where it does not fit a double. */
struct ent_rdp_curve {
    double rdp[ENT_RDP_ORDERS];
};

struct ent_rdp_epsilon {
    double eps;   /* rounded up */
    double order; /* the one that gave it */
};

/* The i-th order, i < ENT_RDP_ORDERS; increasing. */
double ent_rdp_order(size_t i);

/* One step at one order alpha > 1. RANGE for arguments outside. */
ENT_MUST enum ent_err ent_rdp_at(const struct ent_rdp_step *step, double alpha, double *rdp);
/* One step at all orders: a few milliseconds. */
ENT_MUST enum ent_err ent_rdp_curve(const struct ent_rdp_step *step, struct ent_rdp_curve *out);
/* curve += steps * other. */
void ent_rdp_add(struct ent_rdp_curve *curve, const struct ent_rdp_curve *other, uint64_t steps);
/* The smallest epsilon over the orders: rdp + ln(1 - 1/a) - ln(delta a)/(a - 1), never below 0 (Canonne, Kamath, Steinke 2020,
 * proposition 12), 0 < delta < 1. Infinity when no order gives one. */
ENT_MUST enum ent_err ent_rdp_epsilon(const struct ent_rdp_curve *curve, enum ent_rdp_orders orders,
                                      double delta, struct ent_rdp_epsilon *out);

#endif
