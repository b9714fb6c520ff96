/* An attack on what was promised: models trained with and without one customer, through ent_dp_train, and a rule that tells
 * them apart. From how often it is right follows a lower bound on epsilon (Jagielski et al. 2020, Nasr et al. 2021). The
 * rule's threshold is chosen on other models than those that give the bound; each rate is bounded by Clopper-Pearson at
 * 99.9 %. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/privacy/account.h"
#include "common/privacy/calibrate.h"
#include "common/privacy/clip.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_train/dp_setting.h"

#define MODELS 600u /* of each kind, to choose on, and as many again for the bound */
#define OTHERS 40u  /* customers beside the canary */
#define ALPHA 0.001
#define DELTA 1e-5
#define EPSILON 1.0

/* ln P(at most k of n) at probability p. */
static double binomial_at_most(uint32_t k, uint32_t n, double p)
{
    double sum = 0.0;

    for (uint32_t i = 0; i <= k; i++) {
        sum += exp(lgamma(n + 1.0) - lgamma(i + 1.0) - lgamma(n - i + 1.0) + i * log(p) +
                   (n - i) * log1p(-p));
    }
    return sum;
}

/* Clopper-Pearson: the largest rate under which at most k of n are seen with probability ALPHA. */
static double upper(uint32_t k, uint32_t n)
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

static double lower(uint32_t k, uint32_t n)
{
    return 1.0 - upper(n - k, n);
}

ENT_TEST(audit_dp, clopper_pearson_has_its_known_values)
{
    /* 0 of n: 1 - alpha^(1/n); k = n: 1. */
    CU_ASSERT_DOUBLE_EQUAL(upper(0, 500), 1.0 - pow(ALPHA, 1.0 / 500), 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(lower(500, 500), pow(ALPHA, 1.0 / 500), 1e-9);
    CU_ASSERT_EQUAL(upper(7, 7), 1.0);
    CU_ASSERT_DOUBLE_EQUAL(binomial_at_most(upper(30, 100) > 0.3 ? 30 : 0, 100, upper(30, 100)),
                           ALPHA, 1e-9);
}

/* epsilon >= ln((P(says in | in) - delta) / P(says in | out)), and the same for "out". */
static double bound_of(double in_right, double out_wrong)
{
    return in_right > DELTA ? log((in_right - DELTA) / out_wrong) : 0.0;
}

/* Scores above the threshold mean "in". in and out: [n]. */
static double epsilon_at(const double *in, const double *out, uint32_t n, double threshold)
{
    uint32_t hits = 0;
    uint32_t false_hits = 0;
    double a;
    double b;

    for (uint32_t i = 0; i < n; i++) {
        hits += in[i] > threshold ? 1 : 0;
        false_hits += out[i] > threshold ? 1 : 0;
    }
    a = bound_of(lower(hits, n), upper(false_hits, n));
    b = bound_of(lower(n - false_hits, n), upper(n - hits, n));
    return a > b ? a : b;
}

struct audit {
    struct dp_setting s;
    double in[2 * MODELS];
    double out[2 * MODELS];
    uint64_t seed;
};

/* Customers without the last feature, and the canary, which has nothing but it, and far too much of it. */
static void make_data(struct audit *a)
{
    dp_set_up(&a->s, NULL, 0, OTHERS + 1);
    for (uint32_t i = 0; i <= OTHERS; i++) {
        float *x = a->s.x + (size_t)i * DP_INPUTS;

        x[DP_INPUTS - 1] = 0.0f;
        if (i == OTHERS) {
            memset(x, 0, DP_INPUTS * sizeof *x);
            x[DP_INPUTS - 1] = 1000.0f;
            a->s.y[i] = 1.0f;
        }
    }
}

/* The noise that a plan of this epsilon takes, and what the accountant says it costs. */
static double promise(struct dp_setting *s)
{
    struct ent_dp_event event = {.mechanism = ENT_DP_DISCRETE_GAUSSIAN,
                                 .rate = s->settings.rate,
                                 .dimension = s->settings.dim,
                                 .steps = s->settings.steps,
                                 .n_members = 1};
    struct ent_dp_spent spent;
    const struct ent_dp_limit limit = {.eps = EPSILON, .delta = DELTA};

    ENT_OK(ent_clip_record_sensitivity(s->settings.clip, s->settings.scale_bits, s->settings.dim,
                                       &event.sensitivity));
    ENT_OK(ent_calibrate_event(NULL, 0, &event, &limit, &event.sigma2));
    ENT_OK(ent_account_spent(&event, 1, DELTA, &spent));
    CU_ASSERT_FATAL(spent.eps <= EPSILON && spent.eps > 0.99 * EPSILON);
    s->settings.sigma2 = event.sigma2;
    return spent.eps;
}

/* How far the model went where only the canary could push it. */
static double score(struct audit *a, bool canary)
{
    a->s.units.n = OTHERS + (canary ? 1 : 0);
    dp_restart(&a->s);
    dp_inject(&a->s, a->seed++);
    dp_train(&a->s);
    return (double)ent_model_params(a->s.model)[DP_INPUTS - 1];
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return x < y ? -1 : (x > y ? 1 : 0);
}

/* The lower bound on epsilon, from the second half of the models at the best threshold of the first half. */
static double attack(struct audit *a, uint64_t seed, const char *planted)
{
    static double sorted[2 * MODELS];
    double threshold = 0.0;
    double best = -1.0;

    a->seed = seed;
    a->s.planted = planted;
    for (uint32_t i = 0; i < 2 * MODELS; i++) {
        a->in[i] = score(a, true);
        a->out[i] = score(a, false);
    }
    memcpy(sorted, a->in, MODELS * sizeof *sorted);
    memcpy(sorted + MODELS, a->out, MODELS * sizeof *sorted);
    qsort(sorted, 2 * MODELS, sizeof *sorted, ascending);
    for (uint32_t i = 0; i + 1 < 2 * MODELS; i += 7) {
        double t = 0.5 * (sorted[i] + sorted[i + 1]);
        double eps = epsilon_at(a->in, a->out, MODELS, t);

        threshold = eps > best ? t : threshold;
        best = eps > best ? eps : best;
    }
    return epsilon_at(a->in + MODELS, a->out + MODELS, MODELS, threshold);
}

static void check(uint64_t rate, uint32_t steps, uint64_t seed)
{
    static struct audit a;
    double claimed;
    double right;
    double faulty;

    make_data(&a);
    a.s.settings.rate = rate;
    a.s.settings.steps = steps;
    a.s.settings.batch = 20;
    claimed = promise(&a.s);
    right = attack(&a, seed, NULL);
    faulty = attack(&a, seed + 100000, "dp.no_clipping");
    printf("\n    %u steps at q %.2f: accountant %.4f; attack on the right build %.4f, without "
           "clipping %.4f",
           steps, (double)rate / 4294967296.0, claimed, right, faulty);
    CU_ASSERT(right < claimed);
    CU_ASSERT(faulty > claimed);
    dp_tear_down(&a.s);
}

ENT_TEST(audit_dp, everybody_in_one_step)
{
    check((uint64_t)1 << 32, 1, 1000);
}

ENT_TEST(audit_dp, half_of_them_in_four_steps)
{
    check((uint64_t)1 << 31, 4, 500000);
}

/* A seed that comes twice: the difference of two releases is what the noise should have hidden. */
static double subtracted(struct audit *a, uint64_t seed, uint64_t other)
{
    double first;

    a->seed = seed;
    first = score(a, true);
    a->seed = other;
    return (first - score(a, false)) * ldexp(1.0, (int)a->s.settings.scale_bits) *
           a->s.settings.batch;
}

ENT_TEST(audit_dp, a_reused_seed_shows_when_two_releases_are_subtracted)
{
    static struct audit a;
    double grid = 4096.0; /* S C */
    double sigma;
    unsigned hidden = 0;

    make_data(&a);
    (void)promise(&a.s);
    sigma = sqrt((double)a.s.settings.sigma2);
    CU_ASSERT(sigma > 3.0 * grid);
    for (uint64_t i = 0; i < 100; i++) {
        double same = subtracted(&a, i, i);
        double fresh = subtracted(&a, i, 1000 + i);

        /* Exactly the canary's clipped gradient, whatever the noise was. */
        CU_ASSERT(fabs(same - grid) < 0.01 * grid);
        hidden += fabs(fresh - grid) > 0.5 * grid ? 1 : 0;
    }
    CU_ASSERT(hidden > 80); /* with fresh noise of sqrt(2) sigma nine in ten are further off */
    dp_tear_down(&a.s);
}
