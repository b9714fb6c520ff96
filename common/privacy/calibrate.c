#include "common/privacy/calibrate.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/privacy/gaussian.h"
#include "common/privacy/pld.h"
#include "common/privacy/rdp.h"

#define SIGMA_LOW 1e-2
#define SIGMA_HIGH 1e6
/* How closely the smallest noise is found, relative. */
#define CLOSE 2e-4

static enum ent_err epsilon_of(enum ent_calibrate_by by, const struct ent_calibrate_goal *goal,
                               double sigma, double *eps)
{
    const struct ent_pld_phase phase = {.q = goal->q, .sigma = sigma, .steps = goal->steps};
    const struct ent_rdp_step step = {.q = goal->q, .sigma = sigma, .n_members = 1};
    struct ent_rdp_curve one;
    struct ent_rdp_curve total = {{0.0}};
    struct ent_rdp_epsilon rdp;
    struct ent_pld_result pld = {0};
    enum ent_err err;

    ENT_TRY(ent_rdp_curve(&step, &one));
    ent_rdp_add(&total, &one, goal->steps);
    ENT_TRY(ent_rdp_epsilon(
        &total, by == ENT_CALIBRATE_RDP_WHOLE ? ENT_RDP_WHOLE_ORDERS : ENT_RDP_ALL_ORDERS,
        goal->limit.delta, &rdp));
    if (by == ENT_CALIBRATE_PLD && rdp.eps > goal->limit.eps) { /* RDP is an upper bound */
        err = ent_pld_epsilon(&phase, 1, goal->limit.delta, &pld);
        if (err == ENT_E_OK && pld.eps < rdp.eps) {
            rdp.eps = pld.eps;
        } else if (err != ENT_E_OK && err != ENT_E_RANGE) {
            return err;
        }
    }
    *eps = rdp.eps;
    return ENT_E_OK;
}

static enum ent_err check_goal(const struct ent_calibrate_goal *goal)
{
    ENT_REQUIRE(goal->q > 0.0 && goal->q <= 1.0, ENT_E_RANGE,
                "a sampling rate of %g: it must be above 0 and at most 1", goal->q);
    ENT_REQUIRE(goal->steps >= 1 && goal->steps <= ENT_DP_STEPS_MAX, ENT_E_RANGE,
                "%" PRIu64 " steps", goal->steps);
    ENT_REQUIRE(goal->limit.eps > 0.0 && isfinite(goal->limit.eps) && goal->limit.delta > 0.0 &&
                    goal->limit.delta < 1.0,
                ENT_E_RANGE, "a goal of epsilon %g at delta %g", goal->limit.eps,
                goal->limit.delta);
    return ENT_E_OK;
}

/* Whether this noise is enough; noise too small to be accounted for is not. */
static enum ent_err enough(enum ent_calibrate_by by, const struct ent_calibrate_goal *goal,
                           double sigma, bool *yes)
{
    double eps = HUGE_VAL;
    enum ent_err err = epsilon_of(by, goal, sigma, &eps);

    if (err != ENT_E_OK && err != ENT_E_RANGE) {
        return err;
    }
    *yes = err == ENT_E_OK && eps <= goal->limit.eps;
    return ENT_E_OK;
}

enum ent_err ent_calibrate_sigma(enum ent_calibrate_by by, const struct ent_calibrate_goal *goal,
                                 double *sigma)
{
    double low = SIGMA_LOW;
    double high = 1.0;
    bool yes;

    ENT_TRY(check_goal(goal));
    if (by == ENT_CALIBRATE_PLD && goal->q == 1.0) {
        ENT_TRY(ent_gaussian_sigma(goal->limit.eps, goal->limit.delta, &high));
        *sigma = high * sqrt((double)goal->steps) * (1.0 + 1e-14);
        return ENT_E_OK;
    }
    for (;;) {
        ENT_TRY(enough(by, goal, high, &yes));
        if (yes) {
            break;
        }
        low = high;
        high *= 2.0;
        ENT_REQUIRE(high <= SIGMA_HIGH, ENT_E_RANGE,
                    "no noise below %g times the sensitivity keeps %" PRIu64
                    " steps within epsilon %g at delta %g",
                    SIGMA_HIGH, goal->steps, goal->limit.eps, goal->limit.delta);
    }
    while (high > low * (1.0 + CLOSE)) {
        double mid = sqrt(low * high);

        ENT_TRY(enough(by, goal, mid, &yes));
        if (yes) {
            high = mid;
        } else {
            low = mid;
        }
    }
    *sigma = high;
    return ENT_E_OK;
}

enum ent_err ent_calibrate_event(const struct ent_dp_event *booked, size_t n_booked,
                                 const struct ent_dp_event *event, const struct ent_dp_limit *limit,
                                 uint64_t *sigma2)
{
    struct ent_dp_event trial = *event;
    const struct ent_dp_round round = {.events = &trial, .n = 1};
    uint64_t low = 0; /* not enough */
    uint64_t high = ENT_DP_SIGMA2_MAX;
    bool yes;

    trial.sigma2 = high;
    ENT_TRY(ent_account_fits(booked, n_booked, &round, limit, &yes));
    ENT_REQUIRE(yes, ENT_E_RANGE,
                "no noise keeps %" PRIu64 " more releases within epsilon %g at delta %g",
                event->steps, limit->eps, limit->delta);
    while (high - low > 1 && (double)high > (double)low * (1.0 + CLOSE)) {
        /* in the middle of the logarithms: sigma2 spans 15 decades */
        uint64_t mid = low < 1 ? high / 1024 : (uint64_t)(sqrt((double)low) * sqrt((double)high));

        mid = mid <= low ? low + 1 : mid >= high ? high - 1 : mid;
        trial.sigma2 = mid;
        ENT_TRY(ent_account_fits(booked, n_booked, &round, limit, &yes));
        if (yes) {
            high = mid;
        } else {
            low = mid;
        }
    }
    *sigma2 = high;
    return ENT_E_OK;
}
