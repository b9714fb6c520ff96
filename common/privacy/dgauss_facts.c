/* The distribution that dgauss.c draws from, in double: for tests, reports and the theorems of one dimension. */
#include <math.h>

#include "common/privacy/dgauss.h"

/* exp(-x^2 / 2) is below 1e-330 there. */
#define REACH 39.0
/* From here on the sum over the integers equals the integral to the last bit: the first correction is 2 exp(-2 pi^2 sigma2). */
#define SMOOTH_SIGMA2 4.0

static double weight(double sigma2, double k)
{
    return exp(-k * k / (2.0 * sigma2));
}

static int64_t reach_of(double sigma2)
{
    return (int64_t)ceil(REACH * sqrt(sigma2));
}

double ent_dgauss_norm(double sigma2)
{
    const double two_pi = 6.283185307179586476925;
    double sum = 0.0;

    if (sigma2 >= SMOOTH_SIGMA2) {
        return sqrt(two_pi * sigma2);
    }
    for (int64_t k = reach_of(sigma2); k >= 1; k--) {
        sum += weight(sigma2, (double)k);
    }
    return 1.0 + 2.0 * sum;
}

double ent_dgauss_pmf(double sigma2, int64_t k)
{
    return weight(sigma2, (double)k) / ent_dgauss_norm(sigma2);
}

/* P(Y >= k), k >= 1: from the far end, small terms first. */
static double upper_tail(double sigma2, int64_t k)
{
    double sum = 0.0;

    for (int64_t i = reach_of(sigma2); i >= k; i--) {
        sum += weight(sigma2, (double)i);
    }
    return sum / ent_dgauss_norm(sigma2);
}

double ent_dgauss_above(double sigma2, int64_t k)
{
    return k >= 0 ? upper_tail(sigma2, k + 1) : 1.0 - upper_tail(sigma2, -k);
}

double ent_dgauss_variance(double sigma2)
{
    double sum = 0.0;

    if (sigma2 >= SMOOTH_SIGMA2) {
        return sigma2; /* the correction is below 1e-30 of it */
    }
    for (int64_t k = reach_of(sigma2); k >= 1; k--) {
        sum += (double)k * (double)k * weight(sigma2, (double)k);
    }
    return 2.0 * sum / ent_dgauss_norm(sigma2);
}

/* delta = P(Y > eps sigma2 / D - D / 2) - e^eps P(Y > eps sigma2 / D + D / 2). */
double ent_dgauss_delta(double sigma2, uint64_t sensitivity, double eps)
{
    double d = (double)sensitivity;
    double at = eps * sigma2 / d;
    double low = floor(at - d / 2.0);
    double high = floor(at + d / 2.0);

    return ent_dgauss_above(sigma2, (int64_t)low) -
           exp(eps) * ent_dgauss_above(sigma2, (int64_t)high);
}
