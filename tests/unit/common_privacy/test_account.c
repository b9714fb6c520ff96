/* Laws of the accountants and of the ledger's arithmetic. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/privacy/account.h"
#include "common/privacy/calibrate.h"
#include "common/privacy/gaussian.h"
#include "common/privacy/pld.h"
#include "common/privacy/rdp.h"
#include "common/privacy/zcdp.h"
#include "tests/support/ent_test.h"

#define ALL ENT_DP_RATE_ALL
#define EVENTS_MAX 128u

static struct ent_dp_event event_of(double q, double z, uint64_t sensitivity, uint64_t steps)
{
    struct ent_dp_event event = {.mechanism = ENT_DP_DISCRETE_GAUSSIAN,
                                 .sensitivity = sensitivity,
                                 .dimension = 100,
                                 .steps = steps,
                                 .n_members = 1};
    double sigma = z * (double)sensitivity;

    ENT_OK(ent_dp_rate_of(q, &event.rate));
    event.sigma2 = (uint64_t)ceil(sigma * sigma);
    return event;
}

static struct ent_dp_spent spent_of(const struct ent_dp_event *events, size_t n, double delta)
{
    struct ent_dp_spent spent = {0};

    ENT_OK(ent_account_spent(events, n, delta, &spent));
    return spent;
}

ENT_TEST(account, which_figure_is_enforced)
{
    struct ent_dp_event mixed[2] = {event_of(1.0, 4.0, 1000, 10), event_of(0.1, 4.0, 1000, 100)};
    struct ent_dp_spent spent = spent_of(NULL, 0, 1e-5);

    CU_ASSERT_EQUAL(spent.accountant, ENT_DP_BY_NOTHING);
    CU_ASSERT(spent.eps == 0.0 && spent.eps_rdp == 0.0 && spent.has_rho && spent.rho_e12 == 0);
    spent = spent_of(&mixed[0], 1, 1e-5);
    CU_ASSERT_EQUAL(spent.accountant, ENT_DP_BY_GAUSSIAN);
    CU_ASSERT(spent.has_rho && spent.rho_e12 == 10 * (ENT_ZCDP_UNIT / 32));
    CU_ASSERT(spent.eps < spent.eps_rdp);
    spent = spent_of(&mixed[1], 1, 1e-5);
    CU_ASSERT_EQUAL(spent.accountant, ENT_DP_BY_PLD);
    CU_ASSERT(!spent.has_rho && spent.eps < spent.eps_rdp);
    spent = spent_of(mixed, 2, 1e-5);
    CU_ASSERT_EQUAL(spent.accountant, ENT_DP_BY_PLD);
    /* one release below the safe grid, and the whole account is on whole orders */
    mixed[0] = event_of(1.0, 4.0, 255, 10);
    CU_ASSERT_EQUAL(spent_of(mixed, 2, 1e-5).accountant, ENT_DP_BY_RDP_WHOLE);
    CU_ASSERT(spent_of(mixed, 2, 1e-5).order == floor(spent_of(mixed, 2, 1e-5).order));
    CU_ASSERT_EQUAL(spent_of(mixed, 1, 1e-5).accountant, ENT_DP_BY_ZCDP);
    mixed[1].n_members = 2;
    CU_ASSERT_EQUAL(spent_of(&mixed[1], 1, 1e-5).accountant, ENT_DP_BY_RDP);
}

/* privacy.md 3: what a member pays, and a person, at z = 4, 40 rounds, delta 1e-5. */
ENT_TEST(account, member_and_person)
{
    const struct ent_dp_event member = event_of(1.0, 4.0, 100000, 40);
    struct ent_dp_event person;

    CU_ASSERT(fabs(spent_of(&member, 1, 1e-5).eps - 7.51) < 0.005);
    ENT_OK(ent_dp_event_of_person(&member, ENT_DP_MEMBER_LEVEL, 1, &person));
    CU_ASSERT(fabs(spent_of(&person, 1, 1e-5).eps - 17.86) < 0.005);
    CU_ASSERT_EQUAL(spent_of(&person, 1, 1e-5).rho_e12, 4 * spent_of(&member, 1, 1e-5).rho_e12);
    ENT_OK(ent_dp_event_of_person(&member, ENT_DP_MEMBER_LEVEL, 3, &person));
    CU_ASSERT_EQUAL(spent_of(&person, 1, 1e-5).rho_e12, 36 * spent_of(&member, 1, 1e-5).rho_e12);
    ENT_OK(ent_dp_event_of_person(&member, ENT_DP_LOCAL, 3, &person));
    CU_ASSERT_EQUAL(spent_of(&person, 1, 1e-5).rho_e12, 3 * spent_of(&member, 1, 1e-5).rho_e12);
    ENT_OK(ent_dp_event_of_person(&member, ENT_DP_SUMMED, 3, &person));
    CU_ASSERT_EQUAL(spent_of(&person, 1, 1e-5).rho_e12, 9 * spent_of(&member, 1, 1e-5).rho_e12);
    ENT_FAILS(ent_dp_event_of_person(&member, ENT_DP_LOCAL, 0, &person), ENT_E_RANGE);
    ENT_FAILS(ent_dp_event_of_person(&member, ENT_DP_LOCAL, 1000, &person), ENT_E_RANGE);
}

/* A sampled person in j members under one noise: the table of privacy.md 3 (whole orders), and its laws: more than the j-fold
 * composition of separate noises would be, at least the curve j^2 rdp, at most one sample at 1 - (1-q)^j with shift j. */
ENT_TEST(account, sampled_person_in_several_members)
{
    static const struct {
        double q;
        double z;
        uint64_t steps;
        uint32_t j;
        double eps;
    } table[] = {{0.1, 4.0, 300, 2, 4.215}, {0.01, 1.0, 1000, 2, 4.68}, {0.1, 1.0, 100, 3, 33.5}};

    for (size_t i = 0; i < ENT_ARRAY_LEN(table); i++) {
        struct ent_rdp_step step = {table[i].q, table[i].z, table[i].j};
        struct ent_rdp_step one = {table[i].q, table[i].z, 1};
        struct ent_rdp_step bound = {1.0 - pow(1.0 - table[i].q, table[i].j),
                                     table[i].z / table[i].j, 1};
        struct ent_rdp_curve curve;
        struct ent_rdp_curve total = {{0.0}};
        struct ent_rdp_epsilon eps;

        ENT_OK(ent_rdp_curve(&step, &curve));
        ent_rdp_add(&total, &curve, table[i].steps);
        ENT_OK(ent_rdp_epsilon(&total, ENT_RDP_WHOLE_ORDERS, 1e-5, &eps));
        CU_ASSERT(fabs(eps.eps / table[i].eps - 1.0) < 2e-3);
        for (size_t k = 0; k < ENT_RDP_ORDERS; k += 13) {
            double order = ent_rdp_order(k);
            double a = 0.0;
            double b = 0.0;

            ENT_OK(ent_rdp_at(&one, order, &a));
            ENT_OK(ent_rdp_at(&bound, order, &b));
            CU_ASSERT(curve.rdp[k] >= table[i].j * a * (1.0 - 1e-9));
            CU_ASSERT(curve.rdp[k] <= b * (1.0 + 1e-9));
        }
    }
}

/* The quadrature (fractional orders) meets the exact sum (whole orders). */
ENT_TEST(rdp, fractional_orders_join_whole_ones)
{
    static const double q[] = {1e-5, 1e-3, 0.05, 0.5, 0.99};
    static const double sigma[] = {0.3, 0.8, 2.0, 30.0};
    static const double order[] = {2.0, 5.0, 10.0, 40.0};

    for (size_t i = 0; i < ENT_ARRAY_LEN(q) * ENT_ARRAY_LEN(sigma) * ENT_ARRAY_LEN(order); i++) {
        const struct ent_rdp_step step = {q[i % 5], sigma[i / 5 % 4], 1};
        double whole = 0.0;
        double beside = 0.0;

        ENT_OK(ent_rdp_at(&step, order[i / 20], &whole));
        ENT_OK(ent_rdp_at(&step, order[i / 20] * (1.0 + 1e-9), &beside));
        /* near enough at whole orders: a jump of the bump's size would show */
        CU_ASSERT(fabs(beside / whole - 1.0) < 1e-6);
    }
}

static double pld_of(double q, double sigma, uint64_t steps, double delta)
{
    const struct ent_pld_phase phase = {q, sigma, steps};
    struct ent_pld_result result = {0};

    ENT_OK(ent_pld_epsilon(&phase, 1, delta, &result));
    return result.eps;
}

static double rdp_of(double q, double sigma, uint64_t steps, double delta)
{
    const struct ent_rdp_step step = {q, sigma, 1};
    struct ent_rdp_curve one;
    struct ent_rdp_curve total = {{0.0}};
    struct ent_rdp_epsilon eps = {0.0, 0.0};

    ENT_OK(ent_rdp_curve(&step, &one));
    ent_rdp_add(&total, &one, steps);
    ENT_OK(ent_rdp_epsilon(&total, ENT_RDP_ALL_ORDERS, delta, &eps));
    return eps.eps;
}

static double log_uniform(struct ent_rng *rng, double low, double high)
{
    return low * pow(high / low, (double)ent_rng_float(rng));
}

/* Monotone in q, steps, 1/sigma, 1/delta, for both accountants; PLD never above RDP. */
ENT_TEST(account, monotone)
{
    struct ent_rng rng = ent_rng_init(61, 0);

    for (int i = 0; i < 25; i++) {
        double q = log_uniform(&rng, 1e-3, 0.4);
        double sigma = log_uniform(&rng, 0.6, 20.0);
        double delta = log_uniform(&rng, 1e-10, 1e-4);
        uint64_t steps = (uint64_t)log_uniform(&rng, 1.0, 2000.0);
        double pld = pld_of(q, sigma, steps, delta);
        double rdp = rdp_of(q, sigma, steps, delta);

        CU_ASSERT(pld <= rdp);
        CU_ASSERT(pld_of(q * 1.2, sigma, steps, delta) >= pld);
        CU_ASSERT(pld_of(q, sigma / 1.2, steps, delta) >= pld);
        CU_ASSERT(pld_of(q, sigma, steps + 1 + steps / 5, delta) >= pld);
        CU_ASSERT(pld_of(q, sigma, steps, delta / 2.0) >= pld);
        CU_ASSERT(rdp_of(q * 1.2, sigma, steps, delta) >= rdp);
        CU_ASSERT(rdp_of(q, sigma / 1.2, steps, delta) >= rdp);
        CU_ASSERT(rdp_of(q, sigma, steps + 1, delta) >= rdp);
        CU_ASSERT(rdp_of(q, sigma, steps, delta / 2.0) >= rdp);
    }
}

/* One sampled release has a closed form: delta(eps) = P(y > t) - e^eps Q(y > t) where the loss at t is eps. */
static double one_release(double q, double sigma, double eps)
{
    double x = expm1(eps) / q; /* of expm1((2 t - 1) / (2 sigma^2)) */
    double t = sigma * sigma * log1p(x) + 0.5;
    double far = 0.5 * erfc(t / (sigma * sqrt(2.0)));
    double near = 0.5 * erfc((t - 1.0) / (sigma * sqrt(2.0)));

    return (1.0 - q) * far + q * near - exp(eps) * far;
}

/* The grid is an upper bound and a close one, for deltas down to 1e-20. */
ENT_TEST(pld, one_release_exactly)
{
    struct ent_rng rng = ent_rng_init(62, 0);

    for (int i = 0; i < 200; i++) {
        double q = log_uniform(&rng, 1e-4, 0.99);
        double sigma = log_uniform(&rng, 0.5, 30.0);
        double truth = log_uniform(&rng, 1e-3, 5.0);
        double delta = one_release(q, sigma, truth);

        if (delta > 1e-20 && delta < 0.1) {
            double eps = pld_of(q, sigma, 1, delta);

            CU_ASSERT(eps >= truth * (1.0 - 1e-6) - 1e-9);
            CU_ASSERT(eps <= truth * (delta > 1e-14 ? 1.002 : 1.02) + 1e-6);
        }
    }
}

/* q = 1 - 1e-12 has to go through the grid, and the closed form knows what comes out. */
ENT_TEST(pld, many_releases_against_the_gaussian)
{
    static const struct {
        double sigma;
        uint64_t steps;
        double delta;
    } cases[] = {{1.0, 1, 1e-5},         {5.0, 100, 1e-10}, {20.0, 10000, 1e-6}, {8.0, 30, 1e-15},
                 {300.0, 100000, 1e-20}, {2.0, 7, 1e-3},    {1000.0, 40, 1e-4},  {0.4, 3, 1e-8}};

    for (size_t i = 0; i < ENT_ARRAY_LEN(cases); i++) {
        double truth = 0.0;
        double eps = pld_of(1.0 - 1e-12, cases[i].sigma, cases[i].steps, cases[i].delta);

        ENT_OK(ent_gaussian_epsilon(cases[i].sigma / sqrt((double)cases[i].steps), cases[i].delta,
                                    &truth));
        CU_ASSERT(eps >= truth * (1.0 - 1e-6));
        CU_ASSERT(eps <= truth * 1.001);
    }
}

ENT_TEST(account, order_and_grouping_change_nothing)
{
    struct ent_dp_event grouped[3] = {event_of(0.05, 2.0, 5000, 30), event_of(1.0, 20.0, 3000, 4),
                                      event_of(0.2, 3.0, 4000, 9)};
    struct ent_dp_event single[EVENTS_MAX];
    struct ent_dp_spent a = spent_of(grouped, 3, 1e-6);
    struct ent_dp_spent b;
    struct ent_rng rng = ent_rng_init(63, 0);
    size_t n = 0;

    for (size_t i = 0; i < 3; i++) {
        for (uint64_t k = 0; k < grouped[i].steps; k++) {
            single[n] = grouped[i];
            single[n++].steps = 1;
        }
    }
    for (size_t i = n; i > 1; i--) { /* shuffled */
        size_t k = ent_rng_below(&rng, (uint32_t)i);
        struct ent_dp_event t = single[k];

        single[k] = single[i - 1];
        single[i - 1] = t;
    }
    b = spent_of(single, n, 1e-6);
    CU_ASSERT(a.eps == b.eps && a.eps_rdp == b.eps_rdp && a.order == b.order);
}

/* What the announced number promises: so many rounds run when each is booked by a fresh account. */
static uint64_t run_one_by_one(const struct ent_dp_event *booked, size_t n_booked,
                               const struct ent_dp_round *round, const struct ent_dp_limit *limit,
                               uint64_t most)
{
    struct ent_dp_event events[EVENTS_MAX * 2];
    size_t n = n_booked;
    uint64_t rounds = 0;

    memcpy(events, booked, n_booked * sizeof *booked);
    while (rounds < most) {
        bool fits = false;

        ENT_OK(ent_account_fits(events, n, round, limit, &fits));
        if (!fits) {
            break;
        }
        memcpy(events + n, round->events, round->n * sizeof *events);
        n += round->n;
        rounds++;
    }
    return rounds;
}

ENT_TEST(account, rounds_left_is_what_runs)
{
    struct ent_rng rng = ent_rng_init(64, 0);
    size_t n_partly = 0;

    for (int i = 0; i < 100; i++) {
        bool pld = i % 4 == 0;
        bool full = i % 4 == 1;
        double q = full ? 1.0 : log_uniform(&rng, 0.005, 0.5);
        uint64_t sensitivity = pld || i % 8 == 1 ? 100000 : 100;
        double z = log_uniform(&rng, 0.8, 6.0);
        struct ent_dp_event booked[2] = {
            event_of(full ? 1.0 : 0.03, z * 1.5, sensitivity, 1 + (uint64_t)(i % 3)),
            event_of(q, z * 1.1, sensitivity, 2)};
        struct ent_dp_event planned[2] = {event_of(q, z, sensitivity, 1 + (uint64_t)(i % 5)),
                                          event_of(1.0, 30.0 * z, sensitivity, 1)};
        const struct ent_dp_round round = {.events = planned, .n = i % 3 == 0 ? 2 : 1};
        const struct ent_dp_limit limit = {.eps = log_uniform(&rng, 0.3, 12.0),
                                           .delta = log_uniform(&rng, 1e-9, 1e-4)};
        uint64_t left = 0;

        ENT_OK(ent_account_rounds_left(booked, (size_t)i % 3, &round, &limit, 50, &left));
        CU_ASSERT_EQUAL(left, run_one_by_one(booked, (size_t)i % 3, &round, &limit, 50));
        n_partly += left > 0 && left < 50;
    }
    CU_ASSERT(n_partly > 20); /* the limit was met in the middle often enough to mean something */
}

/* Many rounds, where two numbers of rounds differ by less than the grid's error: nothing before the answer is refused. */
ENT_TEST(account, rounds_left_when_rounds_are_cheap)
{
    const struct ent_dp_event planned = event_of(0.01, 1.2, 100000, 1);
    const struct ent_dp_round round = {.events = &planned, .n = 1};
    const struct ent_dp_limit limit = {.eps = 3.0, .delta = 1e-6};
    struct ent_dp_event booked = planned;
    uint64_t left = 0;
    bool fits = false;

    ENT_OK(ent_account_rounds_left(NULL, 0, &round, &limit, UINT64_MAX, &left));
    CU_ASSERT(left > 500);
    for (uint64_t rounds = left > 60 ? left - 60 : 1; rounds <= left; rounds++) {
        booked.steps = rounds;
        ENT_OK(ent_account_fits(&booked, 1, &round, &limit, &fits));
        CU_ASSERT_EQUAL(fits, rounds < left);
    }
    ENT_OK(ent_account_rounds_left(&booked, 1, &round, &limit, UINT64_MAX, &left));
    CU_ASSERT_EQUAL(left, 0);
}

ENT_TEST(account, hostile_lists_are_refused)
{
    const struct ent_dp_event good = event_of(0.1, 2.0, 1000, 1);
    const struct ent_dp_limit limit = {.eps = 1.0, .delta = 1e-6};
    struct ent_dp_event bad[8];
    struct ent_dp_spent spent;
    struct ent_dp_round round = {.events = &good, .n = 0};
    bool fits;

    for (size_t i = 0; i < ENT_ARRAY_LEN(bad); i++) {
        bad[i] = good;
    }
    bad[0].rate = 0;
    bad[1].rate = ALL + 1;
    bad[2].sigma2 = 0;
    bad[3].sigma2 = ENT_DP_SIGMA2_MAX + 1;
    bad[4].sensitivity = 0;
    bad[5].steps = 0;
    bad[6].n_members = 0;
    bad[7].sensitivity = ENT_DP_SENSITIVITY_MAX + 1;
    for (size_t i = 0; i < ENT_ARRAY_LEN(bad); i++) {
        ENT_FAILS(ent_account_spent(&bad[i], 1, 1e-6, &spent), ENT_E_RANGE);
    }
    ENT_FAILS(ent_account_spent(&good, 1, 0.0, &spent), ENT_E_RANGE);
    ENT_FAILS(ent_account_spent(&good, 1, 1.0, &spent), ENT_E_RANGE);
    ENT_FAILS(ent_account_fits(&good, 1, &round, &limit, &fits), ENT_E_RANGE);
    /* noise that is no noise: an answer, not an error */
    bad[0] = good;
    bad[0].sigma2 = 1;
    bad[0].sensitivity = ENT_DP_SENSITIVITY_MAX;
    bad[0].steps = ENT_DP_STEPS_MAX;
    round = (struct ent_dp_round){.events = bad, .n = 1};
    ENT_OK(ent_account_fits(NULL, 0, &round, &limit, &fits));
    CU_ASSERT(!fits);
    bad[0].rate = ALL;
    ENT_OK(ent_account_fits(NULL, 0, &round, &limit, &fits));
    CU_ASSERT(!fits);
    ENT_OK(ent_account_spent(bad, 1, 1e-6, &spent));
    CU_ASSERT(spent.eps > 1e6);
}

/* rho is rounded up a release and never below the fraction. */
ENT_TEST(zcdp, rho_is_exact)
{
    uint64_t rho = 0;

    ENT_OK(ent_zcdp_rho(1, 2, 3, &rho)); /* 1/4 each */
    CU_ASSERT_EQUAL(rho, 3 * (ENT_ZCDP_UNIT / 4));
    ENT_OK(ent_zcdp_rho(1, 3, 1, &rho)); /* 1/6, rounded up */
    CU_ASSERT_EQUAL(rho, 166666666667u);
    ENT_OK(ent_zcdp_rho(1, ENT_DP_SIGMA2_MAX, 7, &rho));
    CU_ASSERT_EQUAL(rho, 7);
    ENT_OK(ent_zcdp_rho(1000, 1000, 0, &rho));
    CU_ASSERT_EQUAL(rho, 0);
    ENT_FAILS(ent_zcdp_rho(ENT_DP_SENSITIVITY_MAX, 1, 1, &rho), ENT_E_LIMIT);
    ENT_FAILS(ent_zcdp_rho(1, 0, 1, &rho), ENT_E_RANGE);
}

/* Noise for a goal: it is kept, and a little less noise would not keep it; the other way round the steps come out. */
ENT_TEST(calibrate, event_for_a_goal)
{
    static const double q[] = {1.0, 0.1, 0.004};
    const struct ent_dp_limit limit = {.eps = 2.0, .delta = 1e-6};

    for (size_t i = 0; i < 2 * ENT_ARRAY_LEN(q); i++) {
        struct ent_dp_event event = event_of(q[i % 3], 1.0, i < 3 ? 200000 : 300, 60);
        const struct ent_dp_event booked = event_of(q[i % 3], 40.0, i < 3 ? 200000 : 300, 2);
        const struct ent_dp_round round = {.events = &event, .n = 1};
        bool fits = false;

        ENT_OK(ent_calibrate_event(&booked, 1, &event, &limit, &event.sigma2));
        ENT_OK(ent_account_fits(&booked, 1, &round, &limit, &fits));
        CU_ASSERT(fits);
        event.sigma2 = (uint64_t)((double)event.sigma2 * 0.998);
        ENT_OK(ent_account_fits(&booked, 1, &round, &limit, &fits));
        CU_ASSERT(!fits);
    }
}

ENT_TEST(calibrate, goals_that_cannot_be)
{
    struct ent_calibrate_goal goal = {.limit = {1.0, 1e-6}, .q = 0.1, .steps = 10};
    double sigma = 0.0;

    goal.q = 0.0;
    ENT_FAILS(ent_calibrate_sigma(ENT_CALIBRATE_RDP, &goal, &sigma), ENT_E_RANGE);
    goal.q = 0.1;
    goal.steps = 0;
    ENT_FAILS(ent_calibrate_sigma(ENT_CALIBRATE_PLD, &goal, &sigma), ENT_E_RANGE);
    goal.steps = 10;
    goal.limit.eps = 0.0;
    ENT_FAILS(ent_calibrate_sigma(ENT_CALIBRATE_PLD, &goal, &sigma), ENT_E_RANGE);
    goal.limit = (struct ent_dp_limit){1.0, 1.0};
    ENT_FAILS(ent_calibrate_sigma(ENT_CALIBRATE_PLD, &goal, &sigma), ENT_E_RANGE);
    goal.limit = (struct ent_dp_limit){1e-9, 1e-12};
    goal.q = 1.0;
    goal.steps = (uint64_t)1 << 30;
    ENT_FAILS(ent_calibrate_sigma(ENT_CALIBRATE_RDP, &goal, &sigma), ENT_E_RANGE);
}

/* Rare samples that move far: near order 1 the likelihood ratio leaves double's comfort, and both forms must meet. */
ENT_TEST(rdp, rare_and_far)
{
    const struct ent_rdp_step plain = {2.5e-10, 0.1, 1};
    struct ent_rdp_curve curve;
    double last = 0.0;

    ENT_OK(ent_rdp_curve(&plain, &curve));
    for (size_t i = 0; i < ENT_RDP_ORDERS; i++) {
        double order = ent_rdp_order(i);

        /* between what one certain release costs and nothing, growing with the order */
        CU_ASSERT(curve.rdp[i] >= last * (1.0 - 1e-9));
        CU_ASSERT(curve.rdp[i] <= order / (2.0 * plain.sigma * plain.sigma) ||
                  curve.rdp[i] == HUGE_VAL);
        last = curve.rdp[i];
    }
    for (size_t i = 9; i < 99;
         i += 10) { /* whole tenths: sums; the tenths beside them: quadrature */
        double beside = 0.0;

        ENT_OK(ent_rdp_at(&plain, ent_rdp_order(i) + 1e-7, &beside));
        CU_ASSERT(fabs(beside / curve.rdp[i] - 1.0) < 1e-4);
    }
}
