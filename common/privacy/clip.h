/* From a vector to clipped integers, and the sensitivity that stands behind the noise (privacy.md 4.1).
 *
 * Member level: the update is scaled to norm C, put on the grid, and clipped again there toward zero, so that its integer
 * norm is at most B = floor(S C): the sensitivity is B, without a rounding term. Record level: a sum of clipped gradients
 * is rounded once; two such sums differ by at most D2 = ceil(S C) + ceil(sqrt(d)). No function of the C library but sqrt. */
#ifndef ENT_COMMON_PRIVACY_CLIP_H
#define ENT_COMMON_PRIVACY_CLIP_H

#include <stdint.h>

#include "common/base/err.h"

/* S C may not exceed this: an update's coordinates are at most 2^23. */
#define ENT_CLIP_BOUND_MAX ((uint64_t)1 << 23)

/* B = floor(2^scale_bits * clip). RANGE unless clip is finite and 1 <= B <= 2^23. */
ENT_MUST enum ent_err ent_clip_bound(double clip, uint32_t scale_bits, uint64_t *bound);
/* D2 = ceil(2^scale_bits * clip) + ceil(sqrt(dimension)), for record level. RANGE as above, or a dimension of 0. */
ENT_MUST enum ent_err ent_clip_record_sensitivity(double clip, uint32_t scale_bits,
                                                  uint64_t dimension, uint64_t *sensitivity);

/* What happened to a vector; for the member's own log, never sent. */
struct ent_clip_done {
    bool nonfinite; /* it held NaN or Inf: all of it became 0 */
    bool clipped;   /* its norm was above the bound */
};

/* The member's update under differential privacy: never fails on data.
 *   x    [n] float32
 *   q    [n]; sum q^2 <= bound^2 afterwards, bound = ent_clip_bound(clip, scale_bits) */
ENT_MUST enum ent_err ent_clip_member(const float *x, size_t n, double clip, uint32_t scale_bits,
                                      int32_t *q, struct ent_clip_done *done);
/* The grid step alone: q = trunc(q * bound / ||q||) where ||q|| > bound. Every |q| <= 2^23. */
void ent_clip_grid(int32_t *q, size_t n, uint64_t bound, bool *clipped);
/* The coordinator's check of a payload of n little-endian int32: RANGE when its norm is above the bound. */
ENT_MUST enum ent_err ent_clip_check(const uint8_t *q, size_t n, uint64_t bound);

/* sigma2 = ceil((multiplier * sensitivity)^2). RANGE unless it is in 1..2^52-1. */
ENT_MUST enum ent_err ent_clip_sigma2(double multiplier, uint64_t sensitivity, uint64_t *sigma2);

/* What a plan's noise must satisfy before anything is computed. */
struct ent_clip_plan {
    double clip;          /* C */
    uint32_t scale_bits;  /* S = 2^this */
    uint64_t dimension;   /* d */
    uint64_t sigma2;      /* of the total noise */
    uint64_t sensitivity; /* D2, or B times the largest weight */
};

/* Refusals, with the numbers and what to change: S C outside 1..2^23, total sigma below 1024, sigma2 beyond its bounds, a sensitivity of 0
 * or beyond its bounds. RANGE. */
ENT_MUST enum ent_err ent_clip_plan_check(const struct ent_clip_plan *plan);
/* By how much rounding enlarges the noise at record level: D2 / (S C) - 1 (0.01: 1 %). */
double ent_clip_rounding_cost(const struct ent_clip_plan *plan);
/* The smallest scale_bits with S C >= 100 sqrt(d) and S C <= 2^23 (the largest within 2^23 when there is none). RANGE: clip. */
ENT_MUST enum ent_err ent_clip_scale_bits(double clip, uint64_t dimension, uint32_t *scale_bits);

#endif
