/* The member's limits: what they refuse and say, and that the announced number of rounds is the number that then run. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/policy/purse.h"
#include "client/state/ledger.h"
#include "common/base/rng.h"
#include "common/privacy/calibrate.h"
#include "tests/support/ent_test.h"

#define ROUNDS_MAX 50

static const uint8_t plan_digest[32] = {7};

static struct ent_dp_event event_of(double q, double z, uint64_t sensitivity, uint64_t steps)
{
    struct ent_dp_event e = {.mechanism = ENT_DP_DISCRETE_GAUSSIAN,
                             .sensitivity = sensitivity,
                             .sigma2 =
                                 (uint64_t)ceil(z * z * (double)sensitivity * (double)sensitivity),
                             .dimension = 1,
                             .steps = steps,
                             .n_members = 1};

    ENT_OK(ent_dp_rate_of(q, &e.rate));
    return e;
}

/* Out of the books themselves, each time anew. */
static enum ent_err ask(struct ent_state *s, const struct ent_policy_config *policy,
                        const struct ent_plan_privacy *privacy,
                        const struct ent_ledger_charge *charge, uint64_t *left)
{
    struct ent_purse_books books = {.scope = charge->scope};
    struct ent_dp_event *run = NULL;
    struct ent_dp_event *life = NULL;
    struct ent_purse budget;
    enum ent_err err;

    ENT_OK(ent_ledger_events(s, charge->scope, 0, &life, &books.n_life));
    ENT_OK(ent_ledger_events(s, charge->scope, charge->at.run, &run, &books.n_run));
    books.life = life;
    books.run = run;
    ent_purse_of(policy, privacy, &books, &budget);
    if (left != NULL) {
        ENT_OK(ent_purse_left(&budget, &charge->event, ROUNDS_MAX, left));
    }
    err = ent_purse_ask(&budget, &charge->event);
    free(run);
    free(life);
    return err;
}

/* ---- what is refused, and said ---- */

ENT_TEST(budget, limits_name_their_numbers)
{
    struct ent_state *s = NULL;
    struct ent_csprng csprng = ent_csprng_system();
    struct ent_policy_config policy = {.delta = 1e-6};
    struct ent_plan_privacy privacy = {.unit = ENT_PRIVACY_CUSTOMER, .epsilon = 900, .delta = 1e-5};
    struct ent_ledger_charge c = {
        .scope = "crm-de", .plan = plan_digest, .at = {1, 1, 1}, .event = event_of(1, 2, 2000, 1)};
    uint64_t left = 0;

    ENT_OK(ent_state_open(ent_test_tmpdir(), &s));
    ENT_OK(ask(s, &policy, &privacy, &c, &left));
    CU_ASSERT_EQUAL(left, ROUNDS_MAX);
    policy.epsilon_run = 0.5; /* 1: not even the first */
    ENT_FAILS(ask(s, &policy, &privacy, &c, &left), ENT_E_BUDGET);
    CU_ASSERT_EQUAL(left, 0);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(ent_err_message(), "one round more would cost scope crm-de epsilon "));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(ent_err_message(), "of 0.5 at delta 1e-06, 0.000 of it spent (policy.epsilon_run)"));
    policy.epsilon_run = 8;
    ENT_OK(ask(s, &policy, &privacy, &c, &left));
    CU_ASSERT(left > 1 && left < ROUNDS_MAX);
    for (c.at.round = 1; ask(s, &policy, &privacy, &c, NULL) == ENT_E_OK; c.at.round++) {
        ENT_OK(ent_ledger_book(s, &csprng, &c, NULL));
    }
    CU_ASSERT_EQUAL(c.at.round, left + 1); /* 2: a run is over */
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "of 8 at delta 1e-06, "));
    c.at.run = 2; /* 3: another run begins anew, a life does not */
    ENT_OK(ask(s, &policy, &privacy, &c, NULL));
    policy.epsilon_life = 8;
    ENT_FAILS(ask(s, &policy, &privacy, &c, NULL), ENT_E_BUDGET);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "(policy.epsilon_life)"));
    c.scope = "crm-fr"; /* 4: another scope has its own */
    ENT_OK(ask(s, &policy, &privacy, &c, NULL));
    policy = (struct ent_policy_config){.delta = 1e-6};
    privacy.epsilon = 0.5; /* 5: without a policy the plan's own goal */
    ENT_FAILS(ask(s, &policy, &privacy, &c, NULL), ENT_E_BUDGET);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "of 0.5 at delta 1e-05, "));
    ent_state_close(s);
}

ENT_TEST(budget, a_limit_asks_for_noise_in_this_member)
{
    struct ent_policy_config policy = {.delta = 1e-6};
    struct ent_plan_privacy none = {.unit = ENT_PRIVACY_NONE};
    struct ent_plan_privacy customer = {.unit = ENT_PRIVACY_CUSTOMER};
    struct ent_plan_privacy member = {.unit = ENT_PRIVACY_MEMBER};

    ENT_OK(ent_policy_check_privacy(&policy, &none));
    ENT_OK(ent_policy_check_privacy(&policy, &member));
    policy.epsilon_life = 3;
    ENT_OK(ent_policy_check_privacy(&policy, &customer));
    ENT_FAILS(ent_policy_check_privacy(&policy, &none), ENT_E_POLICY);
    CU_ASSERT_STRING_EQUAL(ent_err_message(), "the plan has no `privacy`, and policy.epsilon_life "
                                              "is set: no training without noise");
    policy.epsilon_run = 1;
    ENT_FAILS(ent_policy_check_privacy(&policy, &member), ENT_E_POLICY);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "policy.epsilon_run counts"));
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "policy.noise is coordinator"));
    policy.noise_of_coordinator = true;
    ENT_OK(ent_policy_check_privacy(&policy, &member));
    ENT_OK(ent_policy_check_privacy(&policy, &customer));
    ENT_FAILS(ent_policy_check_privacy(&policy, &none), ENT_E_POLICY);
}

/* A limit that does not see a release is none, unless the member says that it may be. */
ENT_TEST(budget, what_no_noise_covers)
{
    static const enum ent_task_kind tasks[] = {ENT_TASK_STATS, ENT_TASK_EVALUATE};
    static const enum ent_privacy_unit units[] = {ENT_PRIVACY_CUSTOMER, ENT_PRIVACY_MEMBER};

    for (size_t i = 0; i < 4; i++) {
        struct ent_policy_config policy = {.delta = 1e-6};
        struct ent_plan_privacy privacy = {.unit = units[i / 2]};

        ENT_OK(ent_policy_check_covered(&policy, &privacy, tasks[i % 2]));
        policy.epsilon_life = 3;
        ENT_FAILS(ent_policy_check_covered(&policy, &privacy, tasks[i % 2]), ENT_E_POLICY);
        CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "policy.epsilon_life does not see"));
        ENT_OK(ent_policy_check_covered(&policy, &privacy, ENT_TASK_TRAIN));
        policy.uncovered_goes = true;
        ENT_OK(ent_policy_check_covered(&policy, &privacy, tasks[i % 2]));
    }
}

/* A customer of a member moves its clipped update to another one: twice the sensitivity; the plan's goal is a member's, so
 * it is no limit here. */
ENT_TEST(budget, under_unit_member_customers_pay_for_twice_the_norm)
{
    struct ent_policy_config policy = {.delta = 1e-5, .epsilon_run = 9, .epsilon_life = 12};
    struct ent_plan_privacy member = {.unit = ENT_PRIVACY_MEMBER, .epsilon = 1, .delta = 1e-5};
    struct ent_plan_privacy customer = {.unit = ENT_PRIVACY_CUSTOMER, .epsilon = 1, .delta = 1e-5};
    struct ent_purse_books books = {.scope = "a"};
    struct ent_dp_event unit = event_of(1, 3, 4000, 1);
    struct ent_dp_event charged;
    struct ent_purse purse;

    ENT_OK(ent_purse_event(&member, &unit, &charged));
    CU_ASSERT(charged.sensitivity == 8000 && charged.sigma2 == unit.sigma2 && charged.steps == 1);
    ENT_OK(ent_purse_event(&customer, &unit, &charged));
    CU_ASSERT_EQUAL(charged.sensitivity, 4000);
    ent_purse_of(&policy, &member, &books, &purse);
    CU_ASSERT_EQUAL_FATAL(purse.n, 2);
    CU_ASSERT_STRING_EQUAL(purse.account[0].name, "policy.epsilon_run");
    ent_purse_of(&policy, &customer, &books, &purse);
    CU_ASSERT_EQUAL(purse.n, 3);
}

/* ---- the property ---- */

struct drawn {
    struct ent_policy_config policy;
    struct ent_plan_privacy privacy;
    struct ent_dp_event event;
    struct ent_dp_event before; /* of earlier runs */
    uint32_t n_before;
    char scope[32];
};

static double log_uniform(struct ent_rng *rng, double lo, double hi)
{
    return lo * exp(log(hi / lo) * (double)ent_rng_float(rng));
}

static void draw(struct ent_rng *rng, uint32_t i, struct drawn *out)
{
    bool pld = i % 5 == 0; /* a fine grid and sampling: the others are sums of exact terms or RDP */
    double q = i % 5 == 1 ? 1.0 : log_uniform(rng, 0.01, 0.5);
    double z = log_uniform(rng, 0.7, 5.0);
    uint64_t sensitivity = pld || i % 10 == 1 ? 100000 : 100;

    *out = (struct drawn){.policy = {.delta = log_uniform(rng, 1e-8, 1e-4)},
                          .privacy = {.unit = ENT_PRIVACY_CUSTOMER,
                                      .epsilon = log_uniform(rng, 0.5, 20),
                                      .delta = log_uniform(rng, 1e-8, 1e-4)},
                          .event = event_of(q, z, sensitivity, 1 + ent_rng_below(rng, 4)),
                          .before = event_of(q, z * 1.3, sensitivity, 1),
                          .n_before = ent_rng_below(rng, 4)};
    if (ent_rng_below(rng, 2) == 0) {
        out->policy.epsilon_run = log_uniform(rng, 0.3, 15);
    }
    if (ent_rng_below(rng, 2) == 0) {
        out->policy.epsilon_life = log_uniform(rng, 0.5, 20);
    }
    (void)snprintf(out->scope, sizeof out->scope, "scope %u", (unsigned)i);
}

static void book_earlier(struct ent_state *s, struct ent_csprng *csprng, const struct drawn *d,
                         uint32_t run)
{
    struct ent_ledger_charge c = {.scope = d->scope, .plan = plan_digest, .event = d->before};

    for (uint32_t i = 0; i < d->n_before; i++) {
        c.at = (struct ent_attempt){run, i + 1, 1};
        ENT_OK(ent_ledger_book(s, csprng, &c, NULL));
    }
}

/* Rounds one at a time until one does not fit: some attempts are aborted, and the round is tried again at a new charge;
 * some updates are lost and asked for again, at none. */
static uint64_t run_all(struct ent_state *s, struct ent_csprng *csprng, struct ent_rng *rng,
                        const struct drawn *d, uint32_t run)
{
    struct ent_ledger_charge c = {
        .scope = d->scope, .plan = plan_digest, .at = {run, 1, 1}, .event = d->event};
    uint64_t charges = 0;

    while (charges < ROUNDS_MAX && ask(s, &d->policy, &d->privacy, &c, NULL) == ENT_E_OK) {
        ENT_OK(ent_ledger_book(s, csprng, &c, NULL));
        if (ent_rng_below(rng, 4) == 0) {
            ENT_OK(ent_ledger_book(s, csprng, &c, NULL));
        }
        charges++;
        if (ent_rng_below(rng, 5) == 0) {
            c.at.attempt++;
        } else {
            c.at.round++;
            c.at.attempt = 1;
        }
    }
    return charges;
}

ENT_TEST(budget, announced_rounds_are_those_that_run)
{
    struct ent_csprng csprng = ent_csprng_system();
    struct ent_rng rng = ent_rng_init(20, 0);
    struct ent_state *s = NULL;
    uint32_t n_partly = 0;

    ENT_OK(ent_state_open(ent_test_tmpdir(), &s));
    for (uint32_t i = 0; i < 60; i++) {
        struct ent_ledger_charge c;
        struct drawn d;
        uint64_t left = 0;

        draw(&rng, i, &d);
        book_earlier(s, &csprng, &d, 2 * i + 1);
        c = (struct ent_ledger_charge){
            .scope = d.scope, .plan = plan_digest, .at = {2 * i + 2, 1, 1}, .event = d.event};
        CU_ASSERT_EQUAL(ask(s, &d.policy, &d.privacy, &c, &left),
                        left > 0 ? ENT_E_OK : ENT_E_BUDGET);
        CU_ASSERT_EQUAL(run_all(s, &csprng, &rng, &d, 2 * i + 2), left);
        n_partly += left > 0 && left < ROUNDS_MAX;
    }
    CU_ASSERT(n_partly > 15); /* the limit was met in the middle often enough to mean something */
    ENT_OK(ent_ledger_check(s));
    ent_state_close(s);
}
