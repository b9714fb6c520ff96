#include "common/privacy/rdp.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/privacy/privacy.h"

#define LN_SQRT_2PI 0.91893853320467274178
/* The first orders are tenths: 1.1 .. 10.9; then whole numbers to 63. */
#define N_TENTHS 99u
#define N_PLAIN 53u
/* How far the quadrature reaches beyond the outermost bump (privacy.md 5.2), and its points a scale: the trapezoid rule is off
 * by e^(-2 pi POINTS). */
#define REACH 13.0
#define POINTS 8.0
/* More points than this mean a noise so small that an order costs too much to be of use: it counts as infinite. */
#define POINTS_MAX ((size_t)1 << 22)
/* Below this the bracket is taken as a series, above the other one it is a plain power. */
#define SMALL 2e-3
#define LN_MAX 700.0
#define LARGE 40.0
/* A term e^LOST below the largest does not show in a sum. */
#define LOST 45.0
#define SIGMA_MIN 1e-3
#define SIGMA_MAX 1e12
/* One release of this Renyi divergence protects nobody: larger orders are not worth computing. */
#define USELESS 1e4
#define ROUND_UP (1.0 + 1e-9)

static const double tail_orders[] = {80, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096};

_Static_assert(N_TENTHS + N_PLAIN + sizeof tail_orders / sizeof tail_orders[0] == ENT_RDP_ORDERS,
               "the orders are all there");

double ent_rdp_order(size_t i)
{
    ENT_BUG_ON(i >= ENT_RDP_ORDERS);
    if (i < N_TENTHS) {
        return (double)(i + 11) / 10.0;
    }
    i -= N_TENTHS;
    return i < N_PLAIN ? (double)(i + 11) : tail_orders[i - N_PLAIN];
}

static bool is_whole(double order)
{
    return order == floor(order);
}

static enum ent_err check_step(const struct ent_rdp_step *step)
{
    ENT_REQUIRE(step->q > 0.0 && step->q <= 1.0, ENT_E_RANGE,
                "a sampling rate of %g: it must be above 0 and at most 1", step->q);
    ENT_REQUIRE(step->sigma >= SIGMA_MIN && step->sigma <= SIGMA_MAX, ENT_E_RANGE,
                "a noise multiplier of %g: from %g to %g can be accounted for", step->sigma,
                SIGMA_MIN, SIGMA_MAX);
    ENT_REQUIRE(step->n_members >= 1 && step->n_members <= ENT_DP_MEMBERS_MAX, ENT_E_RANGE,
                "a person in %u members: from 1 to %u", (unsigned)step->n_members,
                ENT_DP_MEMBERS_MAX);
    return ENT_E_OK;
}

/* ln(e^a + e^b). */
static double ln_add(double a, double b)
{
    double high = a > b ? a : b;
    double low = a > b ? b : a;

    return high == -HUGE_VAL ? high : high + log1p(exp(low - high));
}

/* ln(1 + e^v). */
static double ln_one_plus_exp(double v)
{
    return v > LARGE ? v : log1p(exp(v));
}

/* ---- whole orders: A - 1 = sum_(k >= 2) binom(a, k) (1-q)^(a-k) q^k expm1((k^2 - k) / (2 sigma^2)), all terms positive ---- */

/* ln k!, k = 0 .. n; caller frees. */
static enum ent_err ln_factorials(size_t n, double **out)
{
    double *table = NULL;
    long double sum = 0.0L;

    ENT_TRY(ent_calloc(n + 1, sizeof *table, &table));
    for (size_t k = 2; k <= n; k++) {
        sum += (long double)log((double)k);
        table[k] = (double)sum;
    }
    *out = table;
    return ENT_E_OK;
}

static double whole_order(const struct ent_rdp_step *step, size_t order, const double *ln_fact)
{
    double ln_q = log(step->q);
    double ln_rest = log1p(-step->q);
    double inv = 1.0 / (2.0 * step->sigma * step->sigma);
    double top = -HUGE_VAL;
    double sum = 0.0;

    for (size_t k = 2; k <= order; k++) {
        double e = (double)k * (double)(k - 1) * inv;
        double v = ln_fact[order] - ln_fact[k] - ln_fact[order - k] +
                   (double)(order - k) * ln_rest + (double)k * ln_q;

        v += e > LARGE ? e : log(expm1(e));
        if (v > top) {
            sum = sum * exp(top - v) + 1.0;
            top = v;
        } else if (v > top - LOST) {
            sum += exp(v - top);
        }
    }
    return ln_one_plus_exp(top + log(sum)) / ((double)order - 1.0);
}

/* ---- any order: A - 1 = integral of N(y; 0, sigma^2) [(1 + x)^a - 1 - a x], where 1 + x is the likelihood ratio at y and the
 * bracket is never negative ---- */

/* ln(1 + x), x = sum_i binom(j, i) q^i (1-q)^(j-i) expm1(i (2y - i) / (2 sigma^2)). */
struct ratio {
    double ln_rest; /* j ln(1-q): the term of i = 0 */
    uint32_t n_members;
    double ln_weight[ENT_DP_MEMBERS_MAX + 1];
    double inv; /* 1 / (2 sigma^2) */
};

static struct ratio ratio_of(const struct ent_rdp_step *step)
{
    struct ratio r = {.n_members = step->n_members, .inv = 1.0 / (2.0 * step->sigma * step->sigma)};
    double n = step->n_members;
    double ln_binom = 0.0;

    r.ln_rest = step->q < 1.0 ? n * log1p(-step->q) : -HUGE_VAL;
    for (uint32_t i = 1; i <= step->n_members; i++) {
        double rest = n - i;

        ln_binom += log((n - i + 1.0) / i);
        r.ln_weight[i] = ln_binom + i * log(step->q) + (rest > 0.0 ? rest * log1p(-step->q) : 0.0);
    }
    return r;
}

/* x and ln(1 + x): the first where it is small, the second where the first overflows. */
static double ratio_at(const struct ratio *r, double y, double *ln_ratio)
{
    double x = 0.0;
    double ln = r->ln_rest;
    bool big = false;

    for (uint32_t i = 1; i <= r->n_members; i++) {
        double e = i * (2.0 * y - i) * r->inv;

        big = big || e > LARGE;
        x += exp(r->ln_weight[i]) * expm1(e > LARGE ? LARGE : e);
        ln = ln_add(ln, r->ln_weight[i] + e);
    }
    if (big) { /* the terms of x above do not say it */
        x = expm1(ln < LN_MAX ? ln : LN_MAX);
    }
    *ln_ratio = big || x < -0.5 ? ln : log1p(x);
    return x;
}

/* The bracket at exponent a (a > 1, or a < 0 for the other direction), where the power is at most e^LARGE. */
static double bracket(double a, double x, double power)
{
    if (fabs(a * x) < SMALL && fabs(x) < SMALL) {
        double c =
            1.0 + (a - 2.0) * x / 3.0 * (1.0 + (a - 3.0) * x / 4.0 * (1.0 + (a - 4.0) * x / 5.0));

        return a * (a - 1.0) / 2.0 * x * x * c;
    }
    return expm1(power) - a * x;
}

/* Its logarithm where the power is larger: x may not fit a double, but near order 1 its term still counts. */
static double ln_large_bracket(double a, double ln_ratio, double power)
{
    return power + log1p(-a * (exp(ln_ratio - power) - exp(-power)) - exp(-power));
}

/* One side: the range and the step of the trapezoid. */
struct range {
    double low;
    double step;
    size_t n;
};

static struct range range_of(const struct ent_rdp_step *step, double order)
{
    double s = step->sigma;
    double curve = 3.14159265358979323846 * s * s / step->n_members;
    double shift = order * step->n_members;
    /* the other direction, which only a person in several members needs, leans to the left */
    struct range r = {.low = -REACH * s - (step->n_members > 1 ? shift : 0.0)};
    double width = shift + REACH * s - r.low;

    r.step = (s < curve ? s : curve) / POINTS;
    r.n = width / r.step < (double)POINTS_MAX ? (size_t)(width / r.step) + 1 : 0;
    return r;
}

/* The likelihood ratio at every point of a range, for all orders that share it. */
struct samples {
    struct range range;
    double *x;        /* [range.n] */
    double *ln_ratio; /* [range.n] */
    double *base;     /* [range.n]: density times step */
    double *ln_base;  /* [range.n] */
};

static void samples_release(struct samples *s)
{
    free(s->x);
    free(s->ln_ratio);
    free(s->base);
    free(s->ln_base);
}

static enum ent_err samples_init(const struct ent_rdp_step *step, double order, struct samples *out)
{
    struct samples s = {.range = range_of(step, order)};
    struct ratio ratio = ratio_of(step);
    enum ent_err err;

    ENT_REQUIRE(s.range.n > 0, ENT_E_RANGE,
                "noise of %g times the sensitivity is too small to be accounted for at order %g",
                step->sigma, order);
    err = ent_calloc(s.range.n, sizeof *s.x, &s.x);
    if (err == ENT_E_OK) {
        err = ent_calloc(s.range.n, sizeof *s.ln_ratio, &s.ln_ratio);
    }
    if (err == ENT_E_OK) {
        err = ent_calloc(s.range.n, sizeof *s.base, &s.base);
    }
    if (err == ENT_E_OK) {
        err = ent_calloc(s.range.n, sizeof *s.ln_base, &s.ln_base);
    }
    if (err != ENT_E_OK) {
        samples_release(&s);
        return err;
    }
    for (size_t i = 0; i < s.range.n; i++) {
        double y = s.range.low + (double)i * s.range.step;
        double z = y / step->sigma;

        s.x[i] = ratio_at(&ratio, y, &s.ln_ratio[i]);
        s.ln_base[i] = -z * z / 2.0 - LN_SQRT_2PI - log(step->sigma) + log(s.range.step);
        s.base[i] = exp(s.ln_base[i]);
    }
    *out = s;
    return ENT_E_OK;
}

/* ln of the integral with exponent a. */
static double integrate(const struct samples *s, double a)
{
    double plain = 0.0;
    double top = -HUGE_VAL;
    double sum = 0.0;

    for (size_t i = 0; i < s->range.n; i++) {
        double power = a * s->ln_ratio[i];
        double v;

        if (power <= LARGE) {
            plain += s->base[i] * bracket(a, s->x[i], power);
            continue;
        }
        if (s->ln_base[i] + power < top - LOST) {
            continue;
        }
        v = s->ln_base[i] + ln_large_bracket(a, s->ln_ratio[i], power);
        if (v > top) {
            sum = sum * exp(top - v) + 1.0;
            top = v;
        } else {
            sum += exp(v - top);
        }
    }
    return ln_add(log(plain), top == -HUGE_VAL ? top : top + log(sum));
}

/* The larger of both directions; with one sample "remove" dominates (Mironov et al. 2019). */
static double any_order(const struct samples *s, const struct ent_rdp_step *step, double order)
{
    double ln_excess = integrate(s, order);

    if (step->n_members > 1) {
        double add = integrate(s, 1.0 - order);

        ln_excess = add > ln_excess ? add : ln_excess;
    }
    return ln_one_plus_exp(ln_excess) / (order - 1.0);
}

/* Unsampled: a / (2 sigma^2) (j times the shift for a person in j members). */
static double unsampled(const struct ent_rdp_step *step, double order)
{
    double z = step->sigma / step->n_members;

    return order / (2.0 * z * z);
}

static bool by_sum(const struct ent_rdp_step *step, double order)
{
    return step->n_members == 1 && is_whole(order);
}

/* By quadrature, with points of its own. */
static enum ent_err one_order(const struct ent_rdp_step *step, double order, double *rdp)
{
    struct samples s = {0};

    ENT_TRY(samples_init(step, order, &s));
    *rdp = any_order(&s, step, order);
    samples_release(&s);
    return ENT_E_OK;
}

enum ent_err ent_rdp_at(const struct ent_rdp_step *step, double alpha, double *rdp)
{
    double *ln_fact = NULL;

    ENT_TRY(check_step(step));
    ENT_REQUIRE(alpha > 1.0 && alpha <= ENT_RDP_ORDER_MAX, ENT_E_RANGE,
                "a Renyi order of %g: above 1, at most %g", alpha, ENT_RDP_ORDER_MAX);
    if (step->q == 1.0) {
        *rdp = unsampled(step, alpha);
        return ENT_E_OK;
    }
    if (by_sum(step, alpha)) {
        ENT_TRY(ln_factorials((size_t)alpha, &ln_fact));
        *rdp = whole_order(step, (size_t)alpha, ln_fact);
        free(ln_fact);
        return ENT_E_OK;
    }
    return one_order(step, alpha, rdp);
}

/* The tenths share the points of the largest of them; whole orders are sums. */
static enum ent_err fill(const struct ent_rdp_step *step, const double *ln_fact,
                         struct ent_rdp_curve *out)
{
    struct samples s = {0};

    ENT_TRY(samples_init(step, ent_rdp_order(N_TENTHS - 1), &s));
    for (size_t i = 0; i < N_TENTHS; i++) {
        double order = ent_rdp_order(i);

        out->rdp[i] = by_sum(step, order) ? whole_order(step, (size_t)order, ln_fact)
                                          : any_order(&s, step, order);
    }
    samples_release(&s);
    for (size_t i = N_TENTHS; i < ENT_RDP_ORDERS; i++) {
        double order = ent_rdp_order(i);

        if (out->rdp[i - 1] > USELESS) { /* it grows with the order */
            out->rdp[i] = HUGE_VAL;
        } else if (by_sum(step, order)) {
            out->rdp[i] = whole_order(step, (size_t)order, ln_fact);
        } else {
            ENT_TRY(one_order(step, order, &out->rdp[i]));
        }
    }
    return ENT_E_OK;
}

enum ent_err ent_rdp_curve(const struct ent_rdp_step *step, struct ent_rdp_curve *out)
{
    struct ent_rdp_curve curve;
    double *ln_fact = NULL;
    enum ent_err err = ENT_E_OK;

    ENT_TRY(check_step(step));
    if (step->q == 1.0) {
        for (size_t i = 0; i < ENT_RDP_ORDERS; i++) {
            curve.rdp[i] = unsampled(step, ent_rdp_order(i));
        }
    } else {
        ENT_TRY(ln_factorials((size_t)ent_rdp_order(ENT_RDP_ORDERS - 1), &ln_fact));
        err = fill(step, ln_fact, &curve);
        free(ln_fact);
    }
    ENT_TRY(err);
    *out = curve;
    return ENT_E_OK;
}

void ent_rdp_add(struct ent_rdp_curve *curve, const struct ent_rdp_curve *other, uint64_t steps)
{
    for (size_t i = 0; i < ENT_RDP_ORDERS && steps > 0; i++) {
        curve->rdp[i] += (double)steps * other->rdp[i];
    }
}

static double epsilon_at(double rdp, double order, double delta)
{
    double eps = rdp + log1p(-1.0 / order) - (log(delta) + log(order)) / (order - 1.0);

    /* total variation alone may be below delta */
    return eps < 0.0 || delta * delta + expm1(-rdp) > 0.0 ? 0.0 : eps;
}

enum ent_err ent_rdp_epsilon(const struct ent_rdp_curve *curve, enum ent_rdp_orders orders,
                             double delta, struct ent_rdp_epsilon *out)
{
    struct ent_rdp_epsilon best = {.eps = HUGE_VAL, .order = HUGE_VAL};

    ENT_REQUIRE(delta > 0.0 && delta < 1.0, ENT_E_RANGE,
                "a delta of %g: it must be above 0 and below 1", delta);
    for (size_t i = 0; i < ENT_RDP_ORDERS; i++) {
        double order = ent_rdp_order(i);
        double eps = epsilon_at(curve->rdp[i], order, delta);

        if (eps < best.eps && (orders == ENT_RDP_ALL_ORDERS || is_whole(order))) {
            best = (struct ent_rdp_epsilon){.eps = eps, .order = order};
        }
    }
    best.eps *= ROUND_UP;
    *out = best;
    return ENT_E_OK;
}
