/* Privacy loss distributions: the tight epsilon of composed Poisson-subsampled Gaussians, add/remove one unit (the larger
 * of both directions).
 *
 * Losses are put on a grid so that the result is an upper bound up to rounding ("connect the dots", Doroshenko, Ghazi,
 * Kamath, Kumar, Manurangsi 2022), composed by Fourier transform. Before the transform the distribution is tilted
 * by exp(theta * loss), with theta from the best Renyi order, so that what decides delta stands in the middle and is
 * known to relative accuracy, however small delta is and however many steps there are. The grid's step is a power of two that the
 * events alone determine; with equal steps epsilon grows with every event. */
#ifndef ENT_COMMON_PRIVACY_PLD_H
#define ENT_COMMON_PRIVACY_PLD_H

#include <stdint.h>

#include "common/base/err.h"

/* Noise multipliers that can be accounted for. */
#define ENT_PLD_SIGMA_MIN 1e-2
#define ENT_PLD_SIGMA_MAX 1e9

/* The same mechanism `steps` times. */
struct ent_pld_phase {
    double q;     /* in (0, 1] */
    double sigma; /* noise standard deviation / sensitivity, > 0 */
    uint64_t steps;
};

struct ent_pld_result {
    double
        eps; /* rounded up; above the exact value by less than 0.2 % as a rule (deltas below 1e-14: more) */
    double grid_step; /* of the losses */
    size_t grid_len;  /* length of the transform */
};

/* The smallest epsilon at delta of all phases together; n_phases >= 1, 0 < delta < 1. RANGE for arguments outside,
 * NO_MEMORY. Milliseconds up to 10^4 steps; memory and time grow as the root of the number of steps. */
ENT_MUST enum ent_err ent_pld_epsilon(const struct ent_pld_phase *phases, size_t n_phases,
                                      double delta, struct ent_pld_result *out);

#endif
