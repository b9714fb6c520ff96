/* The privacy loss of one release of a Poisson-subsampled Gaussian as masses on a grid. Inside of common/privacy.
 *
 * P = (1-q) N(0, z^2) + q N(1, z^2), Q = N(0, z^2). REMOVE: loss ln P/Q under P; ADD: loss ln Q/P under Q. The density is sampled by
 * the trapezoid rule (exponentially accurate for analytic functions); each sample's mass is split between its two neighbours
 * on the grid so that E[1] and E[e^-loss] stay: the points of the trade-off curve are joined from above. */
#ifndef ENT_COMMON_PRIVACY_PLD_NODES_H
#define ENT_COMMON_PRIVACY_PLD_NODES_H

#include <stdint.h>

#include "common/privacy/fft.h"

enum ent_pld_direction { ENT_PLD_REMOVE, ENT_PLD_ADD };

/* One release seen from one direction. Losses above those at `reach` standard deviations from the mean are left out: their
 * probability, at most e^(-reach^2 / 2) / 2, must be counted as lost by the caller. */
struct ent_pld_pair {
    double q;     /* in (0, 1] */
    double sigma; /* > 0 */
    enum ent_pld_direction direction;
    double reach;
};

/* K(tau) = ln E e^(tau loss) of one release and its first two derivatives. */
struct ent_pld_cumulant {
    double k;
    double k1;
    double k2;
};

/* Without a grid; tau >= 0. About 0.02 ms. */
void ent_pld_cumulant(const struct ent_pld_pair *pair, double tau, struct ent_pld_cumulant *out);

struct ent_pld_node {
    int64_t cell;   /* of the lower neighbour: loss = (cell + part of 1) * grid step */
    double upper;   /* share of the mass that goes to the upper one, 0..1 */
    double ln_mass; /* tilted: ln (mass e^(theta * step * cell)) */
};

struct ent_pld_nodes {
    struct ent_pld_node *nodes;
    size_t n;
    double theta;
    double grid_step;
    double ln_mgf; /* ln E e^(theta loss) on the grid */
};

/* theta >= 0. NO_MEMORY. Caller releases. */
ENT_MUST enum ent_err ent_pld_nodes_init(struct ent_pld_nodes *out, const struct ent_pld_pair *pair,
                                         double theta, double grid_step);
void ent_pld_nodes_release(struct ent_pld_nodes *nodes);

/* Adds the tilted masses, whose sum is 1, to the real (REMOVE) or imaginary (ADD) parts of x at cell modulo len, a power of
 * two. */
void ent_pld_nodes_place(const struct ent_pld_nodes *nodes, enum ent_pld_direction direction,
                         struct ent_complex *x, size_t len);

#endif
