#include "common/privacy/gaussian.h"

#include <math.h>

#include "common/base/mem.h"

#define SQRT_HALF_PI 1.25331413731550025121
#define LN_SQRT_2PI 0.91893853320467274178
#define SQRT_HALF 0.70710678118654752440
/* Above this the series in 1/t^2 is good to the last bit, below it erfc times exp is. */
#define MILLS_SERIES 14.0
/* Below this width a difference of Mills ratios is taken as an integral of the derivative. */
#define NARROW 0.5
/* Further left than this Phi is 1 to the last bit, and Mills ratios would leave double. */
#define FAR_LEFT (-8.0)
#define BISECTIONS 200
#define ROUND_UP (1.0 + 1e-10)

/* 1 - t^2 m(t) ... the series of Mills' ratio m(t) = (1 - Phi(t)) / phi(t) = (1/t) sum (-1)^k (2k-1)!! / t^(2k); `skip` leaves out
 * the first terms. */
static double mills_series(double t, unsigned skip)
{
    double inv = 1.0 / (t * t);
    double term = 1.0;
    double sum = 0.0;

    for (unsigned k = 0; k < 60; k++) {
        double next = -term * inv * (2.0 * k + 1.0);

        if (k >= skip) {
            sum += term;
        }
        if (fabs(next) >= fabs(term) || fabs(next) < 1e-19 * fabs(sum)) {
            break;
        }
        term = next;
    }
    return sum;
}

static double mills(double t)
{
    return t > MILLS_SERIES ? mills_series(t, 0) / t
                            : SQRT_HALF_PI * exp(t * t / 2.0) * erfc(t * SQRT_HALF);
}

/* -m'(t) = 1 - t m(t) > 0. */
static double mills_slope(double t)
{
    return t > MILLS_SERIES ? -mills_series(t, 1) : 1.0 - t * mills(t);
}

/* m(t) - m(t + width), by Gauss-Legendre with 8 points where the difference would cancel. */
static double mills_drop(double t, double width)
{
    static const double x[] = {0.1834346424956498, 0.5255324099163290, 0.7966664774136267,
                               0.9602898564975363};
    static const double w[] = {0.3626837833783620, 0.3137066458778873, 0.2223810344533745,
                               0.1012285362903763};
    double mid = t + width / 2.0;
    double sum = 0.0;

    if (width > NARROW) {
        return mills(t) - mills(t + width);
    }
    for (size_t i = 0; i < ENT_ARRAY_LEN(x); i++) {
        double dx = x[i] * width / 2.0;

        sum += w[i] * (mills_slope(mid - dx) + mills_slope(mid + dx));
    }
    return sum * width / 2.0;
}

static double upper(double t)
{
    return 0.5 * erfc(t * SQRT_HALF);
}

/* ln delta. With mu = 1/sigma, a = eps/mu - mu/2 and b = a + mu: delta = Q(a) - e^eps Q(b), Q = 1 - Phi; since e^eps phi(b) = phi(a),
 * it is phi(a) (m(a) - m(b)): nothing cancels, nothing underflows. */
static double ln_delta(double sigma, double eps)
{
    double mu = 1.0 / sigma;
    double a = eps * sigma - mu / 2.0;

    if (a < FAR_LEFT) {
        /* e^eps Q(b) = phi(a) m(b), b > 0 */
        return log1p(-upper(-a) - exp(-a * a / 2.0 - LN_SQRT_2PI) * mills(a + mu));
    }
    return -a * a / 2.0 - LN_SQRT_2PI + log(mills_drop(a, mu));
}

double ent_gaussian_delta(double sigma, double eps)
{
    return exp(ln_delta(sigma, eps));
}

static enum ent_err check_delta(double delta)
{
    ENT_REQUIRE(delta > 0.0 && delta < 1.0, ENT_E_RANGE,
                "a delta of %g: it must be above 0 and below 1", delta);
    return ENT_E_OK;
}

enum ent_err ent_gaussian_epsilon(double sigma, double delta, double *eps)
{
    double goal = log(delta);
    double low = 0.0;
    double high = 1.0;

    ENT_TRY(check_delta(delta));
    ENT_REQUIRE(sigma > 0.0 && isfinite(sigma), ENT_E_RANGE,
                "a noise multiplier of %g: it must be above 0", sigma);
    if (ln_delta(sigma, 0.0) <= goal) {
        *eps = 0.0;
        return ENT_E_OK;
    }
    while (ln_delta(sigma, high) > goal) {
        low = high;
        high *= 2.0;
        ENT_REQUIRE(high < 1e300, ENT_E_RANGE, "noise multiplier %g gives no epsilon", sigma);
    }
    for (int i = 0; i < BISECTIONS && high - low > 1e-14 * high; i++) {
        double mid = (low + high) / 2.0;

        if (ln_delta(sigma, mid) > goal) {
            low = mid;
        } else {
            high = mid;
        }
    }
    *eps = high * ROUND_UP;
    return ENT_E_OK;
}

enum ent_err ent_gaussian_sigma(double eps, double delta, double *sigma)
{
    double goal = log(delta);
    double low = 1e-6;
    double high = 1.0;

    ENT_TRY(check_delta(delta));
    ENT_REQUIRE(eps >= 0.0 && isfinite(eps), ENT_E_RANGE, "an epsilon of %g", eps);
    while (ln_delta(high, eps) > goal) {
        low = high;
        high *= 2.0;
        ENT_REQUIRE(high < 1e30, ENT_E_RANGE, "no noise gives epsilon %g at delta %g", eps, delta);
    }
    for (int i = 0; i < BISECTIONS && high - low > 1e-14 * high; i++) {
        double mid = (low + high) / 2.0;

        if (ln_delta(mid, eps) > goal) {
            low = mid;
        } else {
            high = mid;
        }
    }
    *sigma = high * ROUND_UP;
    return ENT_E_OK;
}
