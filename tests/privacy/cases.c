#include "tests/privacy/cases.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/privacy/clip.h"
#include "tests/support/ent_test.h"

static const char head[] = "features: [{name: age, type: number, range: [0, 100]}]\n"
                           "label: {name: y, positive: \"yes\"}\n"
                           "split: {key: 42, validation: 0, test: 0}\n"
                           "model: {layers: [{dense: 1}], loss: bce}\n"
                           "training: {rounds: %u, optimizer: {sgd: {rate: 0.1}}, seed: 1}\n"
                           "aggregation: {rule: fedavg, weights: %s, scale_bits: %u, min_members: "
                           "3, join: 30s, update: 10min, attempts: 1000}\n";

double case_log_uniform(struct ent_rng *rng, double lo, double hi)
{
    return lo * exp(log(hi / lo) * (double)ent_rng_float(rng));
}

/* Few rounds more often than many: what is wrong with 40 of them is mostly wrong with 4. */
static uint32_t draw_rounds(struct ent_rng *rng)
{
    return ent_rng_below(rng, 7) > 0 ? 1 + ent_rng_below(rng, 6)
                                     : 1 + ent_rng_below(rng, CASE_ROUNDS_MAX);
}

static const char *draw_weights(struct ent_rng *rng, char *out, size_t cap)
{
    if (ent_rng_below(rng, 2) == 0) {
        return "equal";
    }
    (void)snprintf(out, cap, "{fixed: {brand-a: %u, brand-b: %u, brand-c: %u, brand-d: %u}}",
                   (unsigned)(1 + ent_rng_below(rng, 9)), (unsigned)(1 + ent_rng_below(rng, 9)),
                   (unsigned)(1 + ent_rng_below(rng, 9)), (unsigned)(1 + ent_rng_below(rng, 9)));
    return out;
}

static void draw_plan(struct ent_rng *rng, struct privacy_case *c)
{
    double epsilon = case_log_uniform(rng, 0.5, 12.0);
    double delta = case_log_uniform(rng, 1e-9, 1e-4);
    char weights[128];
    int n = snprintf(c->text, sizeof c->text, head, (unsigned)draw_rounds(rng),
                     draw_weights(rng, weights, sizeof weights),
                     c->unit == ENT_PRIVACY_MEMBER ? 14u : 20u);
    char *at = c->text + n;
    size_t left = sizeof c->text - (size_t)n;

    if (c->unit == ENT_PRIVACY_MEMBER) {
        (void)snprintf(at, left,
                       "privacy: {unit: member, epsilon: %.6g, delta: %.6g, clip: %.4g}\n", epsilon,
                       delta, case_log_uniform(rng, 0.5, 4.0));
    } else {
        (void)snprintf(at, left,
                       "privacy: {unit: customer, epsilon: %.6g, delta: %.6g, clip: 1.0, rate: "
                       "%.6g, steps: %u, batch: 16}\n",
                       epsilon, delta, c->sampled ? case_log_uniform(rng, 0.005, 0.6) : 1.0,
                       (unsigned)(1 + ent_rng_below(rng, 3)));
    }
    if (ent_plan_parse("plan.yaml", (const uint8_t *)c->text, strlen(c->text), &c->plan) !=
        ENT_E_OK) {
        (void)fprintf(stderr, "case %u: %s\n%s", (unsigned)c->number, ent_err_message(), c->text);
        CU_FAIL_FATAL("a case's plan is none");
    }
}

/* An event of another plan: its grid may be below the safe one, its customers may be in several members' samples. */
static void draw_before(struct ent_rng *rng, struct privacy_case *c)
{
    static const uint64_t sensitivities[] = {100, 4096, 100000};

    c->n_before = ent_rng_below(rng, 3) > 0 ? 0 : 1 + ent_rng_below(rng, CASE_BEFORE_MAX);
    for (uint32_t i = 0; i < c->n_before; i++) {
        struct ent_dp_event *e = &c->before[i];
        bool sampled = ent_rng_below(rng, 2) == 0;

        *e = (struct ent_dp_event){.mechanism = ENT_DP_DISCRETE_GAUSSIAN,
                                   .sensitivity = sensitivities[ent_rng_below(rng, 3)],
                                   .dimension = 2,
                                   .steps = 1 + ent_rng_below(rng, 3),
                                   .n_members = ent_rng_below(rng, 6) == 0 ? 2 : 1};
        ENT_OK(ent_dp_rate_of(sampled ? case_log_uniform(rng, 0.01, 0.5) : 1.0, &e->rate));
        ENT_OK(ent_clip_sigma2(case_log_uniform(rng, 2.0, 12.0), e->sensitivity, &e->sigma2));
    }
}

void case_draw(uint32_t number, struct privacy_case *out)
{
    struct ent_rng rng = ent_rng_init(0x70726976u, number);

    *out = (struct privacy_case){.number = number,
                                 .unit = number % 5 < 2 ? ENT_PRIVACY_CUSTOMER : ENT_PRIVACY_MEMBER,
                                 .sampled = number % 5 == 0,
                                 .policy = {.delta = case_log_uniform(&rng, 1e-9, 1e-4)},
                                 .trouble = ent_rng_below(&rng, 5)};
    draw_plan(&rng, out);
    draw_before(&rng, out);
    if (ent_rng_below(&rng, 2) == 0) {
        out->policy.epsilon_run = out->plan->privacy.epsilon * case_log_uniform(&rng, 0.4, 3.0);
    }
    if (ent_rng_below(&rng, 2) == 0) {
        out->policy.epsilon_life = out->plan->privacy.epsilon * case_log_uniform(&rng, 0.5, 4.0);
    }
    (void)snprintf(out->scope, sizeof out->scope, "case %u", (unsigned)number);
}

void case_release(struct privacy_case *c)
{
    ent_plan_free(c->plan);
}
