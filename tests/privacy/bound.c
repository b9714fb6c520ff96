#include "tests/privacy/bound.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/support/ent_test.h"

#define ALPHA 0.001

/* P(at most k of n) at probability p. */
static double binomial_at_most(uint32_t k, uint32_t n, double p)
{
    double sum = 0.0;

    for (uint32_t i = 0; i <= k; i++) {
        sum += exp(lgamma(n + 1.0) - lgamma(i + 1.0) - lgamma(n - i + 1.0) + i * log(p) +
                   (n - i) * log1p(-p));
    }
    return sum;
}

double bound_upper(uint32_t k, uint32_t n)
{
    double low = 0.0;
    double high = 1.0;

    if (k >= n) {
        return 1.0;
    }
    for (int i = 0; i < 60; i++) {
        double p = 0.5 * (low + high);

        low = binomial_at_most(k, n, p) > ALPHA ? p : low;
        high = low == p ? high : p;
    }
    return high;
}

double bound_lower(uint32_t k, uint32_t n)
{
    return 1.0 - bound_upper(n - k, n);
}

ENT_TEST(interval, clopper_pearson_has_its_known_values)
{
    /* 0 of n: 1 - alpha^(1/n); k = n: 1. */
    CU_ASSERT_DOUBLE_EQUAL(bound_upper(0, 500), 1.0 - pow(ALPHA, 1.0 / 500), 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(bound_lower(500, 500), pow(ALPHA, 1.0 / 500), 1e-9);
    CU_ASSERT_EQUAL(bound_upper(7, 7), 1.0);
    CU_ASSERT(bound_upper(30, 100) > 0.3);
    CU_ASSERT_DOUBLE_EQUAL(binomial_at_most(30, 100, bound_upper(30, 100)), ALPHA, 1e-9);
}

/* epsilon >= ln((P(says in | in) - delta) / P(says in | out)). */
static double of_rates(double right, double wrong, double delta)
{
    return right > delta ? log((right - delta) / wrong) : 0.0;
}

/* The larger of what saying "in" and what saying "out" gives, from n models of each kind. */
static double epsilon_at(const double *in, const double *out, uint32_t n, double threshold,
                         double delta)
{
    uint32_t hits = 0;
    uint32_t false_hits = 0;
    double a;
    double b;

    for (uint32_t i = 0; i < n; i++) {
        hits += in[i] > threshold ? 1 : 0;
        false_hits += out[i] > threshold ? 1 : 0;
    }
    a = of_rates(bound_lower(hits, n), bound_upper(false_hits, n), delta);
    b = of_rates(bound_lower(n - false_hits, n), bound_upper(n - hits, n), delta);
    return a > b ? a : b;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return x < y ? -1 : (x > y ? 1 : 0);
}

/* The one that would have given the largest bound. */
static double choose(const struct bound_scores *s, double delta)
{
    uint32_t n = 2 * s->n_choose;
    double *sorted = NULL;
    double threshold = 0.0;
    double best = -INFINITY;

    ENT_OK(ent_calloc(n, sizeof *sorted, &sorted));
    memcpy(sorted, s->in, s->n_choose * sizeof *sorted);
    memcpy(sorted + s->n_choose, s->out, s->n_choose * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, ascending);
    for (uint32_t i = 0; i + 1 < n; i += 5) {
        double t = 0.5 * (sorted[i] + sorted[i + 1]);
        double eps = epsilon_at(s->in, s->out, s->n_choose, t, delta);

        threshold = eps > best ? t : threshold;
        best = eps > best ? eps : best;
    }
    free(sorted);
    return threshold;
}

double bound_epsilon(const struct bound_scores *s, double delta)
{
    return epsilon_at(s->in + s->n_choose, s->out + s->n_choose, s->n_bound, choose(s, delta),
                      delta);
}
