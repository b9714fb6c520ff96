/* From a plan's goal to its noise, and from a noise to what it costs. */
#include <math.h>
#include <string.h>

#include "common/plan/plan.h"
#include "common/privacy/calibrate.h"
#include "common/privacy/clip.h"

/* What the sampler can draw: sigma < 2^26. */
#define SIGMA_MAX ((double)((uint64_t)1 << 26))

/* Where refusals point at. */
static const char *place(const struct ent_plan *plan)
{
    return plan->privacy.at != NULL ? plan->privacy.at : "privacy: ";
}

static uint64_t largest_weight(const struct ent_plan *plan)
{
    uint64_t largest = 1;

    for (uint32_t i = 0; plan->weights == ENT_WEIGHTS_FIXED && i < plan->n_fixed_weights; i++) {
        largest = plan->fixed_weights[i].weight > largest ? plan->fixed_weights[i].weight : largest;
    }
    return largest;
}

/* What one unit moves the sum by, on the grid. */
static enum ent_err sensitivity(const struct ent_plan *plan, uint64_t *out)
{
    const struct ent_plan_privacy *p = &plan->privacy;

    if (p->unit == ENT_PRIVACY_CUSTOMER) {
        return ent_clip_record_sensitivity(p->clip, p->scale_bits, plan->n_params, out);
    }
    ENT_TRY(ent_clip_bound(p->clip, p->scale_bits, out));
    *out *= largest_weight(plan); /* 2^23 times a weight of 32 bits */
    return ENT_E_OK;
}

/* The event of so many rounds. */
static enum ent_err event_of(const struct ent_plan *plan, uint32_t rounds, struct ent_dp_event *out)
{
    const struct ent_plan_privacy *p = &plan->privacy;

    ENT_REQUIRE(p->unit != ENT_PRIVACY_NONE, ENT_E_CONFIG,
                "the plan has no `privacy`: there is no noise to derive");
    ENT_REQUIRE(rounds > 0, ENT_E_CONFIG,
                "the plan has no rounds of training: nothing is released");
    *out = (struct ent_dp_event){.mechanism = ENT_DP_DISCRETE_GAUSSIAN,
                                 .rate = p->rate,
                                 .sigma2 = 1,
                                 .dimension = plan->n_params,
                                 .steps = (uint64_t)rounds * p->steps,
                                 .n_members = 1};
    return sensitivity(plan, &out->sensitivity);
}

static enum ent_err check(const struct ent_plan *plan, const struct ent_dp_event *all,
                          struct ent_clip_plan *grid)
{
    *grid = (struct ent_clip_plan){.clip = plan->privacy.clip,
                                   .scale_bits = plan->privacy.scale_bits,
                                   .dimension = plan->n_params,
                                   .sigma2 = all->sigma2,
                                   .sensitivity = all->sensitivity};
    return ent_clip_plan_check(grid) == ENT_E_OK
               ? ENT_E_OK
               : ent_err_note(ENT_E_CONFIG, "%sprivacy: %s", place(plan), ent_err_message());
}

static enum ent_err of_person(const struct ent_plan *plan, const struct ent_dp_event *all,
                              uint32_t j, double *epsilon)
{
    enum ent_dp_mode mode =
        plan->privacy.unit == ENT_PRIVACY_CUSTOMER ? ENT_DP_LOCAL : ENT_DP_MEMBER_LEVEL;
    struct ent_dp_event person;
    struct ent_dp_spent spent;

    ENT_TRY(ent_dp_event_of_person(all, mode, j, &person));
    ENT_TRY(ent_account_spent(&person, 1, plan->privacy.delta, &spent));
    *epsilon = spent.eps;
    return ENT_E_OK;
}

static enum ent_err costs(const struct ent_plan *plan, const struct ent_dp_event *all,
                          struct ent_plan_noise *out)
{
    uint32_t declared = plan->privacy.members_per_person > 0 ? plan->privacy.members_per_person : 1;
    struct ent_dp_spent spent;

    ENT_TRY(ent_account_spent(all, 1, plan->privacy.delta, &spent));
    out->epsilon = spent.eps;
    out->epsilon_rdp = spent.eps_rdp;
    out->accountant = spent.accountant;
    for (uint32_t j = 1; j <= ENT_PLAN_PRIVACY_PERSONS; j++) {
        ENT_TRY(of_person(plan, all, j, &out->epsilon_person[j - 1]));
    }
    if (declared <= ENT_PLAN_PRIVACY_PERSONS) {
        out->epsilon_declared = out->epsilon_person[declared - 1];
        return ENT_E_OK;
    }
    return of_person(plan, all, declared, &out->epsilon_declared);
}

/* What the sum of a round of min_members updates is divided by, with members of the mean weight. */
static double least_weight(const struct ent_plan *plan)
{
    double sum = 0.0;

    for (uint32_t i = 0; plan->weights == ENT_WEIGHTS_FIXED && i < plan->n_fixed_weights; i++) {
        sum += (double)plan->fixed_weights[i].weight;
    }
    return (double)plan->min_members * (sum > 0.0 ? sum / (double)plan->n_fixed_weights : 1.0);
}

/* Noise in the mean against what the mean can be. Customer: one member's step; member: a round of min_members. */
static void norms(const struct ent_plan *plan, struct ent_plan_noise *out)
{
    const struct ent_plan_privacy *p = &plan->privacy;
    double sigma = ldexp(sqrt((double)out->sigma2), -(int)p->scale_bits);
    double parts = p->unit == ENT_PRIVACY_CUSTOMER ? (double)p->batch : least_weight(plan);

    out->noise_norm = sigma * sqrt((double)plan->n_params) / parts;
    out->bound_norm = p->clip;
}

static enum ent_err finish(const struct ent_plan *plan, const struct ent_dp_event *all,
                           uint32_t rounds, struct ent_plan_noise *out)
{
    struct ent_plan_noise noise = {.round = *all,
                                   .z = ent_dp_noise_multiplier(all),
                                   .d2 = all->sensitivity,
                                   .sigma2 = all->sigma2,
                                   .steps_total = all->steps,
                                   .dim = plan->n_params};
    struct ent_clip_plan grid;

    noise.round.steps = all->steps / rounds;
    ENT_TRY(check(plan, all, &grid));
    ENT_TRY(costs(plan, all, &noise));
    noise.rounding =
        plan->privacy.unit == ENT_PRIVACY_CUSTOMER ? ent_clip_rounding_cost(&grid) : 0.0;
    norms(plan, &noise);
    *out = noise;
    return ENT_E_OK;
}

/* No noise was found. Either the goal is out of reach, or the grid is too fine for the noise that it takes. */
static enum ent_err unreachable(const struct ent_plan *plan, const struct ent_dp_event *all,
                                const struct ent_dp_limit *limit)
{
    struct ent_dp_event coarse = *all;
    double sigma;
    enum ent_err err;

    coarse.sensitivity = 4096;
    err = ent_calibrate_event(NULL, 0, &coarse, limit, &coarse.sigma2);
    ENT_REQUIRE(err == ENT_E_OK || err == ENT_E_RANGE, err, "%s", ent_err_message());
    if (err == ENT_E_RANGE) {
        return ent_err_note(
            ENT_E_CONFIG,
            "%sprivacy: no noise within the sampler's bounds gives epsilon %g at delta %g "
            "over %llu steps: more epsilon, fewer rounds%s",
            place(plan), limit->eps, limit->delta, (unsigned long long)all->steps,
            plan->privacy.unit == ENT_PRIVACY_CUSTOMER ? ", or a smaller rate" : "");
    }
    sigma = ent_dp_noise_multiplier(&coarse) * (double)all->sensitivity;
    return ent_err_note(
        ENT_E_CONFIG,
        "%sprivacy: the grid of 2^-%u is too fine: epsilon %g at delta %g takes noise of %.3g grid "
        "steps (sensitivity %llu, the largest weight with it), and the sampler draws less than "
        "2^26; take %u bits less for scale_bits, or smaller weights",
        place(plan), (unsigned)plan->privacy.scale_bits, limit->eps, limit->delta, sigma,
        (unsigned long long)all->sensitivity, (unsigned)ceil(log2(sigma / SIGMA_MAX)));
}

enum ent_err ent_plan_privacy_goal(const struct ent_plan *plan, double epsilon, uint32_t rounds,
                                   struct ent_plan_noise *out)
{
    struct ent_dp_limit limit = {.eps = epsilon, .delta = plan->privacy.delta};
    struct ent_dp_event all;
    enum ent_err err;

    ENT_TRY(event_of(plan, rounds, &all));
    err = ent_calibrate_event(NULL, 0, &all, &limit, &all.sigma2);
    if (err == ENT_E_RANGE) { /* anything else, such as no memory, says nothing of the plan */
        return unreachable(plan, &all, &limit);
    }
    ENT_TRY(err);
    return finish(plan, &all, rounds, out);
}

enum ent_err ent_plan_privacy_derive(const struct ent_plan *plan, struct ent_plan_noise *out)
{
    return ent_plan_privacy_goal(plan, plan->privacy.epsilon, plan->rounds, out);
}

enum ent_err ent_plan_privacy_of_noise(const struct ent_plan *plan, double z,
                                       struct ent_plan_noise *out)
{
    struct ent_dp_event all;

    ENT_TRY(event_of(plan, plan->rounds, &all));
    if (ent_clip_sigma2(z, all.sensitivity, &all.sigma2) != ENT_E_OK) {
        return ent_err_note(ENT_E_CONFIG,
                            "%sprivacy: noise multiplier %g times the sensitivity %llu is beyond "
                            "the sampler's bounds",
                            place(plan), z, (unsigned long long)all.sensitivity);
    }
    return finish(plan, &all, plan->rounds, out);
}
