/* Rates over rounds, gradient clipping, the proximal term. */
#include <math.h>

#include "common/optim/optim.h"

#define LANES 8

/* cos(pi x) for x in [0, 1] without libm: cos and sin of at most pi / 4 by their Taylor series up to x^16 (error below
 * 1e-16), the rest by symmetry. */
static double cos_pi(double x)
{
    const double pi = 3.14159265358979323846;
    double far = x > 0.5 ? 1.0 - x : x; /* cos(pi x) = -cos(pi (1 - x)) */
    bool sine = far > 0.25;             /* cos(pi x) = sin(pi (1/2 - x)) */
    double t = pi * (sine ? 0.5 - far : far);
    double term = sine ? t : 1.0;
    double sum = term;

    for (int k = sine ? 2 : 1; k <= 16; k += 2) {
        term *= -t * t / (double)(k * (k + 1));
        sum += term;
    }
    return x > 0.5 ? -sum : sum;
}

double ent_schedule_rate(const struct ent_schedule *schedule, double rate, uint64_t round,
                         uint64_t rounds)
{
    uint64_t done;

    if (rounds == 0) {
        return rate;
    }
    done = round > rounds ? rounds - 1 : round - (round > 0);
    switch (schedule->kind) {
    case ENT_SCHEDULE_COSINE:
        return rate * (0.5 + 0.5 * cos_pi((double)done / (double)rounds));
    case ENT_SCHEDULE_STEP:
        for (uint64_t n = done / schedule->every; n > 0 && rate > 0.0; n--) {
            rate *= schedule->factor;
        }
        return rate;
    case ENT_SCHEDULE_CONSTANT:
        break;
    }
    return rate;
}

double ent_optim_clip(float *gradient, size_t n, double max_norm)
{
    double sums[LANES] = {0.0}; /* a fixed order of additions, wide enough to be quick */
    double total = 0.0;
    double norm;
    float factor;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            sums[l] += (double)gradient[i + l] * (double)gradient[i + l];
        }
    }
    for (; i < n; i++) {
        sums[0] += (double)gradient[i] * (double)gradient[i];
    }
    for (size_t l = 0; l < LANES; l++) {
        total += sums[l];
    }
    norm = sqrt(total);
    if (isfinite(norm) && norm > max_norm) {
        factor = (float)(max_norm / norm);
        for (i = 0; i < n; i++) {
            gradient[i] *= factor;
        }
    }
    return norm;
}

void ent_optim_proximal(double mu, const float *params, const float *base, float *gradient,
                        size_t n)
{
    float factor = (float)mu;

    for (size_t i = 0; i < n; i++) {
        gradient[i] += factor * (params[i] - base[i]);
    }
}
