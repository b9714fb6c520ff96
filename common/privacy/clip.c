#include "common/privacy/clip.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/fixed/grid.h"
#include "common/privacy/privacy.h"

__extension__ typedef unsigned __int128 u128;

/* After rounding to the grid of 1: adding and taking away 3 * 2^51 rounds half to even (|v| < 2^51). */
#define ROUND_SHIFT 6755399441055744.0

/* 2^s, s <= ENT_GRID_SCALE_BITS_MAX. */
static double scale_of(uint32_t scale_bits)
{
    return (double)((uint64_t)1 << scale_bits);
}

static enum ent_err check_scale(double clip, uint32_t scale_bits)
{
    double bound;

    ENT_REQUIRE(scale_bits <= ENT_GRID_SCALE_BITS_MAX, ENT_E_RANGE,
                "scale_bits %" PRIu32 ": at most %d", scale_bits, ENT_GRID_SCALE_BITS_MAX);
    bound = clip * scale_of(scale_bits);
    ENT_REQUIRE(bound >= 1.0 && bound <= (double)ENT_CLIP_BOUND_MAX, ENT_E_RANGE,
                "a clip norm of %g on a grid of scale_bits %" PRIu32
                " is %g grid units: it must be from 1 to 2^23; choose other scale_bits",
                clip, scale_bits, bound);
    return ENT_E_OK;
}

enum ent_err ent_clip_bound(double clip, uint32_t scale_bits, uint64_t *bound)
{
    ENT_TRY(check_scale(clip, scale_bits));
    *bound = (uint64_t)(clip * scale_of(scale_bits));
    return ENT_E_OK;
}

/* ceil(sqrt(v)): the root in double, put right by integers. */
static uint64_t ceil_sqrt(uint64_t v)
{
    uint64_t root = (uint64_t)sqrt((double)v);

    while ((u128)root * root < v) {
        root++;
    }
    while (root > 0 && (u128)(root - 1) * (root - 1) >= v) {
        root--;
    }
    return root;
}

enum ent_err ent_clip_record_sensitivity(double clip, uint32_t scale_bits, uint64_t dimension,
                                         uint64_t *sensitivity)
{
    double scaled;
    uint64_t whole;

    ENT_TRY(check_scale(clip, scale_bits));
    ENT_REQUIRE(dimension >= 1, ENT_E_RANGE, "a model without parameters");
    scaled = clip * scale_of(scale_bits); /* exact: a power of two */
    whole = (uint64_t)scaled;
    *sensitivity = whole + ((double)whole < scaled ? 1 : 0) + ceil_sqrt(dimension);
    return ENT_E_OK;
}

/* Sum of squares of the integers; n <= 2^40 and |q| <= 2^23 keep it in 128 bits. */
static u128 norm2_of(const int32_t *q, size_t n)
{
    u128 sum = 0;

    for (size_t i = 0; i < n; i++) {
        int64_t v = q[i];

        sum += (uint64_t)(v * v);
    }
    return sum;
}

void ent_clip_grid(int32_t *q, size_t n, uint64_t bound, bool *clipped)
{
    u128 most = (u128)bound * bound;
    u128 norm2 = norm2_of(q, n);
    double g = (double)bound / sqrt((double)norm2);

    *clipped = norm2 > most;
    while (norm2 > most) {
        for (size_t i = 0; i < n; i++) {
            q[i] = (int32_t)((double)q[i] * g); /* toward zero */
        }
        norm2 = norm2_of(q, n);
        g = 1.0 - 0x1p-20; /* if the rounding of g or of a product kept it above */
    }
}

/* Norm of x in double. */
static double norm_of(const float *x, size_t n, bool *finite)
{
    double sum = 0.0;

    *finite = true;
    for (size_t i = 0; i < n; i++) {
        double v = (double)x[i];

        *finite = *finite && v - v == 0.0;
        sum += v * v; /* a float's square fits a double, and so do 2^40 of them */
    }
    return sqrt(sum);
}

enum ent_err ent_clip_member(const float *x, size_t n, double clip, uint32_t scale_bits, int32_t *q,
                             struct ent_clip_done *done)
{
    struct ent_clip_done result = {false, false};
    uint64_t bound;
    double scale;
    double norm;
    bool finite;
    bool clipped;

    ENT_TRY(ent_clip_bound(clip, scale_bits, &bound));
    norm = norm_of(x, n, &finite);
    result.nonfinite = !finite;
    result.clipped = finite && norm > clip;
    scale = scale_of(scale_bits) * (result.clipped ? clip / norm : 1.0);
    for (size_t i = 0; i < n; i++) {
        double v = finite ? (double)x[i] * scale : 0.0;

        q[i] = (int32_t)((v + ROUND_SHIFT) - ROUND_SHIFT);
    }
    ent_clip_grid(q, n, bound, &clipped);
    result.clipped = result.clipped || clipped;
    *done = result;
    return ENT_E_OK;
}

enum ent_err ent_clip_check(const uint8_t *q, size_t n, uint64_t bound)
{
    u128 sum = 0;

    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = q + 4 * i;
        uint32_t u =
            (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        int64_t v = (int32_t)u;

        sum += (uint64_t)(v * v);
    }
    ENT_REQUIRE(sum <= (u128)bound * bound, ENT_E_RANGE,
                "an update's norm is above the plan's clip norm of %" PRIu64 " grid units", bound);
    return ENT_E_OK;
}

/* Products in twice the precision of double, so that an exact square stays what it is and nothing else is rounded down. */
enum ent_err ent_clip_sigma2(double multiplier, uint64_t sensitivity, uint64_t *sigma2)
{
    double d = (double)sensitivity;
    double sigma = multiplier * d;
    double rest = fma(multiplier, d, -sigma);
    double square = sigma * sigma;
    double square_rest = fma(sigma, sigma, -square) + 2.0 * sigma * rest;
    double over;
    uint64_t whole;

    ENT_REQUIRE(multiplier > 0.0 && sensitivity >= 1 && sensitivity <= ENT_DP_SENSITIVITY_MAX &&
                    square < (double)ENT_DP_SIGMA2_MAX - 1.0,
                ENT_E_RANGE,
                "noise of %g times a sensitivity of %" PRIu64
                " grid units: its square must be above 0 and below 2^52; choose other scale_bits",
                multiplier, sensitivity);
    whole = (uint64_t)square;
    over = (square - (double)whole) + square_rest;
    *sigma2 = over > 1.0 ? whole + 2 : over > 0.0 ? whole + 1 : whole > 0 ? whole : 1;
    return ENT_E_OK;
}

enum ent_err ent_clip_plan_check(const struct ent_clip_plan *plan)
{
    ENT_TRY(check_scale(plan->clip, plan->scale_bits));
    ENT_REQUIRE(plan->sensitivity >= 1 && plan->sensitivity <= ENT_DP_SENSITIVITY_MAX, ENT_E_RANGE,
                "a sensitivity of %" PRIu64 " grid units", plan->sensitivity);
    ENT_REQUIRE(plan->sigma2 <= ENT_DP_SIGMA2_MAX, ENT_E_RANGE,
                "sigma2 = %" PRIu64 ": it must be below 2^52; choose smaller scale_bits",
                plan->sigma2);
    ENT_REQUIRE(plan->sigma2 >= (uint64_t)ENT_DP_GRID_SIGMA * ENT_DP_GRID_SIGMA, ENT_E_RANGE,
                "noise of standard deviation %.1f grid units: at least %u are needed, so that the "
                "accounting holds; choose larger scale_bits",
                sqrt((double)plan->sigma2), ENT_DP_GRID_SIGMA);
    return ENT_E_OK;
}

double ent_clip_rounding_cost(const struct ent_clip_plan *plan)
{
    return (double)plan->sensitivity / (plan->clip * scale_of(plan->scale_bits)) - 1.0;
}

enum ent_err ent_clip_scale_bits(double clip, uint64_t dimension, uint32_t *scale_bits)
{
    uint32_t bits = ENT_GRID_SCALE_BITS_MIN;
    double wanted = 100.0 * sqrt((double)dimension);

    while (bits < ENT_GRID_SCALE_BITS_MAX && clip * scale_of(bits) < wanted &&
           clip * scale_of(bits + 1) <= (double)ENT_CLIP_BOUND_MAX) {
        bits++;
    }
    ENT_TRY(check_scale(clip, bits));
    *scale_bits = bits;
    return ENT_E_OK;
}
