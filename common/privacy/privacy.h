/* IN plans of noise, lists of typed events · OUT exact noise, sensitivities, epsilon · OWNS nothing
 * THREADS any (pure) · SOURCE privacy.md 3-5; Canonne, Kamath, Steinke 2020; Balle, Wang 2018; Mironov, Talwar, Zhang 2019
 *
 * The mathematics of differential privacy, without input or output. Two halves that never mix: the mechanism (dgauss.h,
 * clip.h) is integer arithmetic; the accountants (gaussian.h, rdp.h, zcdp.h, pld.h, account.h, calibrate.h) use the C
 * library's floating-point functions and never decide what is summed. Every epsilon is rounded up.
 *
 * This header: the words that both halves share. */
#ifndef ENT_COMMON_PRIVACY_PRIVACY_H
#define ENT_COMMON_PRIVACY_PRIVACY_H

#include <stdint.h>

#include "common/base/err.h"

/* A sampling rate is R / 2^32; this R takes everybody. */
#define ENT_DP_RATE_ALL ((uint64_t)1 << 32)
/* The variance parameter of the noise is an integer in 1..this. */
#define ENT_DP_SIGMA2_MAX (((uint64_t)1 << 52) - 1)
/* From this standard deviation (in grid units) on, the discrete Gaussian may be accounted for as the continuous one:
 * the difference in delta is below 3e-6 of it (privacy.md 5.1). */
#define ENT_DP_GRID_SIGMA 1024u
/* Largest sensitivity, in grid units: its square times 10^12 fits 128 bits. */
#define ENT_DP_SENSITIVITY_MAX (((uint64_t)1 << 43) - 1)
#define ENT_DP_STEPS_MAX ((uint64_t)1 << 40)
/* Members in which one person may be present. */
#define ENT_DP_MEMBERS_MAX 64u

enum ent_dp_mechanism {
    ENT_DP_DISCRETE_GAUSSIAN = 1 /* the number stands in the log; never reuse */
};

/* One kind of release, `steps` times. Order and grouping of events do not change a bit of what they cost. */
struct ent_dp_event {
    enum ent_dp_mechanism mechanism;
    uint64_t rate;        /* R of the Poisson sampling rate R / 2^32, 1..2^32 */
    uint64_t sigma2;      /* of the total noise, grid units squared, 1..ENT_DP_SIGMA2_MAX */
    uint64_t sensitivity; /* D2: what one unit moves the sum by, L2, grid units */
    uint64_t dimension;   /* coordinates of the release; recorded, not used */
    uint64_t steps;       /* releases, 1..ENT_DP_STEPS_MAX */
    uint32_t n_members;   /* independent samples that may hold the unit, each moving the sum by
                           * D2 (a person in j members under one noise); 1 otherwise */
};

/* RANGE names the first field that is not as above. */
ENT_MUST enum ent_err ent_dp_event_check(const struct ent_dp_event *event);

/* How a person in j members stands to the unit that an event books (privacy.md 3). */
enum ent_dp_mode {
    ENT_DP_MEMBER_LEVEL, /* zero-out adjacency, everybody in every round: sensitivity 2 j D2 */
    ENT_DP_LOCAL,        /* each member adds its own noise: j events compose */
    ENT_DP_SUMMED        /* one noise over the members' sampled sums: the mixture of j samples */
};

/* The event that a person in n_members members pays for one of `unit`. RANGE when it leaves the bounds above. */
ENT_MUST enum ent_err ent_dp_event_of_person(const struct ent_dp_event *unit, enum ent_dp_mode mode,
                                             uint32_t n_members, struct ent_dp_event *out);

/* q as a number. */
double ent_dp_rate(const struct ent_dp_event *event);
/* sigma / D2. */
double ent_dp_noise_multiplier(const struct ent_dp_event *event);

/* R of the smallest rate that is at least q, 0 < q <= 1. RANGE otherwise. */
ENT_MUST enum ent_err ent_dp_rate_of(double q, uint64_t *rate);

#endif
