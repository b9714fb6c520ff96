/* The coordinator's ledger: a round is booked where it opens, given back only if nothing arrived, and ends the run when it
 * does not fit; whatever dies in between. */
#include <stdlib.h>
#include <string.h>

#include "audit/verify.h"
#include "common/base/mem.h"
#include "coordinator/store/dp.h"
#include "tests/support/ent_test.h"
#include "tests/support/hooks.h"
#include "tests/unit/coordinator_engine/fed.h"
#include "tests/unit/coordinator_engine/fed_log.h"

#define N 4
#define STEPS_MAX 400

static const char plan_format[] =
    "features: [{name: age, type: number, range: [0, 100]}]\n"
    "label: {name: y, positive: \"yes\"}\n"
    "split: {key: 42, validation: 0, test: 0}\n"
    "model: {layers: [{dense: 1}], loss: bce}\n"
    "training: {rounds: %u, optimizer: {sgd: {rate: 0.1}}, seed: 1}\n"
    "aggregation: {rule: fedavg, weights: equal, scale_bits: 20, min_members: 3, join: 30s, "
    "update: 10min, attempts: 100}\n"
    "privacy: {unit: customer, epsilon: %g, delta: 1e-5, clip: 1.0, rate: %g, steps: %u, batch: "
    "16}\n";

struct goal {
    unsigned rounds;
    double epsilon;
    double rate;
    unsigned steps;
};
static const struct goal usual = {4, 2.0, 0.1, 1};

static void start(struct fed *fed, const struct goal *g)
{
    char plan[1024];

    (void)snprintf(plan, sizeof plan, plan_format, g->rounds, g->epsilon, g->rate, g->steps);
    for (size_t i = 0; i < N; i++) {
        fed->members[i].ledger = 1;
        fed_hello(&fed->members[i]);
    }
    fed_start_run(fed, plan);
}

static const struct ent_round *round_of(const struct fed *fed)
{
    return ent_engine_round(fed->engine);
}

/* What a member does in one attempt. */
enum fate { GOOD, NO_JOIN, SILENT, LOST };

static void say_lost(struct fed_member *m)
{
    struct ent_msg_lost lost = {0};
    struct ent_header header = fed_header(m, ENT_MSG_LOST);

    memcpy(lost.round_open, m->open_hash, sizeof lost.round_open);
    fed_send(m, &header, &lost);
}

/* One attempt, from a run that waits or has just opened it. False: the run is over. */
static bool attempt(struct fed *fed, const enum fate fates[N])
{
    for (int i = 0; i < 200 && round_of(fed)->phase == ENT_PHASE_WAIT; i++) {
        fed_pass(fed, 1000);
    }
    if (round_of(fed)->phase != ENT_PHASE_JOIN) {
        return false;
    }
    for (size_t i = 0; i < N; i++) {
        fed_hear(&fed->members[i]);
        if (fates[i] != NO_JOIN) {
            fed_join(&fed->members[i]);
        }
    }
    fed_pump(fed);
    if (round_of(fed)->phase == ENT_PHASE_JOIN) {
        fed_pass(fed, 30001);
    }
    for (size_t i = 0; i < N && round_of(fed)->phase == ENT_PHASE_UPDATE; i++) {
        if (fates[i] == GOOD) {
            fed_offer(&fed->members[i], 1000);
        } else if (fates[i] == LOST) {
            say_lost(&fed->members[i]);
        }
        fed_pump(fed);
    }
    if (round_of(fed)->phase == ENT_PHASE_UPDATE) {
        fed_pass(fed, 600001);
    }
    for (size_t i = 0; i < N; i++) {
        fed_hear(&fed->members[i]);
        fed_clear_inbox(&fed->members[i]);
    }
    return true;
}

static const enum fate all_good[N] = {GOOD, GOOD, GOOD, GOOD};

static unsigned run_to_its_end(struct fed *fed)
{
    unsigned opened = 0;

    while (opened < STEPS_MAX && attempt(fed, all_good)) {
        opened++;
    }
    CU_ASSERT_EQUAL(round_of(fed)->phase, ENT_PHASE_IDLE);
    return opened;
}

static uint64_t number_of(const struct ent_json *object, const char *key)
{
    uint64_t v = UINT64_MAX;

    ENT_OK(ent_json_uint(ent_json_get(object, key), key, INT64_MAX, &v));
    return v;
}

static uint64_t rounds_left(struct fed *fed)
{
    struct ent_json *status = fed_ask(fed, "{\"verb\":\"status\"}");
    const struct ent_json *run = ent_json_get(status, "run");
    uint64_t left = number_of(ent_json_get(run, "privacy"), "rounds_left");

    ent_json_free(status);
    return left;
}

/* Attempts that still run: the one that is open now is booked already. */
static uint64_t to_run(struct fed *fed)
{
    return rounds_left(fed) + (round_of(fed)->phase == ENT_PHASE_JOIN ? 1 : 0);
}

static bool state_is(struct fed *fed, const char *state)
{
    struct ent_json *status = fed_ask(fed, "{\"verb\":\"status\"}");
    const char *text = "";
    bool same;

    ENT_OK(ent_json_string(ent_json_get(ent_json_get(status, "run"), "state"), "state", &text));
    same = strcmp(text, state) == 0;
    ent_json_free(status);
    return same;
}

/* ---- the books ---- */

struct books {
    uint32_t opens; /* round.open of training in the log */
    uint32_t events;
    uint32_t refunds;
    uint32_t booked[N];
    uint64_t spent[N];
};

/* Out of the log, and what the store's tables say beside it: the same. */
static void read_books(struct fed *fed, struct books *out)
{
    struct ent_store_dp_account *accounts = NULL;
    struct fed_log log;
    size_t n = 0;

    memset(out, 0, sizeof *out);
    fed_log_read(fed, &log);
    for (size_t i = 0; i < log.n; i++) {
        unsigned type = log.leaves[i].frame.type;

        out->opens += type == ENT_LEAF_ROUND_OPEN;
        out->events += type == ENT_LEAF_DP_EVENT;
        out->refunds += type == ENT_LEAF_DP_REFUND;
        CU_ASSERT(type != ENT_LEAF_DP_EVENT || log.leaves[i - 1].frame.type == ENT_LEAF_ROUND_OPEN);
    }
    fed_log_free(&log);
    ENT_OK(ent_store_dp_accounts(fed->home->store, 1, &accounts, &n));
    for (size_t a = 0; a < n; a++) {
        for (size_t i = 0; i < N; i++) {
            if (memcmp(accounts[a].handle, fed->members[i].handle, 16) == 0) {
                out->booked[i] = accounts[a].booked;
                out->spent[i] = accounts[a].spent_nano;
            }
        }
    }
    free(accounts);
    CU_ASSERT_EQUAL(out->opens, out->events);
    for (size_t i = 0; i < N; i++) {
        CU_ASSERT_EQUAL(out->booked[i], out->events - out->refunds);
    }
}

/* The auditor's own sums over the export of what the engine logged. */
static void check_verified(struct fed *fed)
{
    struct ent_audit_options options = {0};
    struct ent_audit_facts facts = {0};
    struct ent_export *export = NULL;
    struct ent_json *reply;
    char request[400];
    char to[200];

    (void)snprintf(to, sizeof to, "%s-export", fed->dir);
    (void)snprintf(request, sizeof request, "{\"verb\":\"export\",\"to\":\"%s\"}", to);
    reply = fed_ask(fed, request);
    ent_json_free(reply);
    ENT_OK(ent_export_open(to, &export));
    ENT_OK(ent_audit_verify(export, &options, &facts));
    for (size_t i = 0; i < facts.n_findings; i++) {
        (void)printf("V%u: %s\n", facts.findings[i].check, facts.findings[i].text);
        CU_ASSERT(facts.findings[i].status != ENT_AUDIT_FAIL);
    }
    CU_ASSERT_EQUAL(facts.checks[12].status, ENT_AUDIT_OK);
    ent_audit_facts_release(&facts);
    ent_export_close(export);
}

/* ---- tests ---- */

ENT_TEST(budget, a_run_without_trouble_spends_it_all)
{
    struct books books;
    struct fed fed;

    fed_new_inline(&fed, N);
    start(&fed, &usual);
    CU_ASSERT_EQUAL(to_run(&fed), 4);
    CU_ASSERT(attempt(&fed, all_good));
    CU_ASSERT_EQUAL(run_to_its_end(&fed), 3);
    CU_ASSERT(state_is(&fed, "complete"));
    CU_ASSERT_EQUAL(ent_engine_ended_code(fed.engine), ENT_E_OK);
    read_books(&fed, &books);
    CU_ASSERT_EQUAL(books.events, 4);
    CU_ASSERT(books.spent[0] > 1900000000 && books.spent[0] <= 2000000000);
    check_verified(&fed);
    fed_free(&fed);
}

/* Its calibrated noise leaves no room for a fifth round: an attempt that had an update costs the run its last one. */
ENT_TEST(budget, an_attempt_with_an_input_costs_a_round)
{
    static const enum fate one[N] = {GOOD, SILENT, SILENT, SILENT};
    struct books books;
    struct fed fed;

    fed_new_inline(&fed, N);
    start(&fed, &usual);
    CU_ASSERT(attempt(&fed, one));
    CU_ASSERT_EQUAL(to_run(&fed), 3);
    CU_ASSERT_EQUAL(run_to_its_end(&fed), 3);
    CU_ASSERT(state_is(&fed, "out of budget"));
    CU_ASSERT_EQUAL(ent_engine_ended_code(fed.engine), ENT_E_BUDGET);
    for (size_t i = 0; i < N; i++) {
        fed_hear(&fed.members[i]);
        CU_ASSERT(fed.members[i].ended);
        CU_ASSERT_EQUAL(fed.members[i].end.code, ENT_E_BUDGET);
        CU_ASSERT(fed.members[i].end.has_best); /* the last model is released */
        CU_ASSERT_EQUAL(fed.members[i].end.best_round, 3);
    }
    read_books(&fed, &books);
    CU_ASSERT_EQUAL(books.refunds, 0);
    check_verified(&fed);
    fed_restart(&fed); /* and it is still so after a restart */
    CU_ASSERT(state_is(&fed, "out of budget"));
    CU_ASSERT_EQUAL(ent_engine_ended_code(fed.engine), ENT_E_BUDGET);
    fed_free(&fed);
}

ENT_TEST(budget, an_attempt_without_inputs_gives_back)
{
    static const enum fate few[N] = {GOOD, NO_JOIN, NO_JOIN, NO_JOIN};
    static const enum fate silent[N] = {SILENT, SILENT, SILENT, SILENT};
    struct books books;
    struct fed fed;

    fed_new_inline(&fed, N);
    start(&fed, &usual);
    CU_ASSERT(attempt(&fed, few));
    CU_ASSERT_EQUAL(to_run(&fed), 4);
    CU_ASSERT(attempt(&fed, silent));
    CU_ASSERT_EQUAL(to_run(&fed), 4);
    CU_ASSERT_EQUAL(run_to_its_end(&fed), 4);
    CU_ASSERT(state_is(&fed, "complete"));
    read_books(&fed, &books);
    CU_ASSERT_EQUAL(books.refunds, 2);
    CU_ASSERT_EQUAL(books.events, 6);
    check_verified(&fed);
    fed_free(&fed);
}

/* The member computed it, so its noise was drawn: nobody gives that back, and nobody computes it again. */
ENT_TEST(budget, a_lost_update_stays_booked)
{
    static const enum fate lost[N] = {GOOD, GOOD, GOOD, LOST};
    struct books books;
    struct fed fed;

    fed_new_inline(&fed, N);
    start(&fed, &usual);
    CU_ASSERT(attempt(&fed, lost));
    CU_ASSERT_EQUAL(to_run(&fed), 3);
    CU_ASSERT_EQUAL(run_to_its_end(&fed), 3);
    CU_ASSERT(state_is(&fed, "complete"));
    read_books(&fed, &books);
    CU_ASSERT_EQUAL(books.booked[3], 4);
    check_verified(&fed);
    fed_free(&fed);
}

/* ---- kill -9: in the test link alone (tests/integration), which has the hooks ---- */

#ifdef ENT_TEST_LINK

struct killer {
    unsigned at; /* the at-th passage */
    unsigned passed;
    const char *where;
    bool armed;
};

static bool planted(void *ctx, const char *bug)
{
    struct killer *k = ctx;

    if (!k->armed || strcmp(bug, k->where) != 0) {
        return false;
    }
    k->passed++;
    return k->passed == k->at;
}

/* What an honest federation does, on an engine that may die at any commit. */
static void live_until_dead(struct fed *fed, bool *dead)
{
    for (int idle = 0; idle < 3 && !*dead;) {
        bool unread = false;

        (void)ent_link_mem_pump(fed->net, 100000);
        *dead = ent_engine_step(fed->engine) != ENT_E_OK;
        for (size_t i = 0; i < N && !*dead; i++) {
            unread = unread || fed->members[i].n_read < fed->members[i].n_inbox;
            fed_answer(&fed->members[i], 1000);
        }
        idle = unread ? 0 : idle + 1;
    }
}

/* One death at the n-th commit, before or after it; then all goes on. */
static bool dies_at(const char *where, unsigned n)
{
    struct killer k = {.at = n, .where = where};
    const struct ent_test_hooks hooks = {.planted = planted, .ctx = &k};
    struct books before;
    struct books after;
    struct fed fed;
    bool dead = false;

    fed_new_inline(&fed, N);
    ent_test_hooks_set(&hooks);
    start(&fed, &usual);
    k.armed = true;
    live_until_dead(&fed, &dead);
    k.armed = false;
    if (dead) {
        read_books(&fed, &before); /* what was committed */
        fed_restart(&fed);
        read_books(&fed, &after);
        CU_ASSERT_EQUAL(memcmp(&before, &after, sizeof before), 0);
        for (size_t i = 0; i < N; i++) {
            fed_hello(&fed.members[i]);
        }
        fed_live(&fed, N, 1000);
    }
    read_books(&fed, &after);
    CU_ASSERT_EQUAL(after.events, 4);
    CU_ASSERT_EQUAL(after.refunds, 0);
    CU_ASSERT(after.spent[0] <= 2000000000);
    CU_ASSERT(state_is(&fed, "complete"));
    ent_test_hooks_set(NULL);
    fed_free(&fed);
    return dead;
}

ENT_TEST(budget, a_death_at_any_commit_books_nothing_twice)
{
    unsigned n = 1;

    while (n < STEPS_MAX && dies_at("killed-before-commit", n)) {
        n++;
    }
    CU_ASSERT(n > 8);
    for (n = 1; n < STEPS_MAX && dies_at("killed-after-commit", n);) {
        n++;
    }
    CU_ASSERT(n > 8);
}

#endif

/* ---- what is announced ---- */

static uint64_t dice(uint64_t *state, uint64_t n)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*state >> 33) % n;
}

static void random_fates(uint64_t *state, enum fate fates[N])
{
    for (size_t i = 0; i < N; i++) {
        uint64_t roll = dice(state, 8);

        fates[i] = roll < 4 ? GOOD : roll == 4 ? LOST : roll == 5 ? NO_JOIN : SILENT;
    }
}

/* One after the other, each asked of an accountant that starts from nothing. */
static unsigned by_fresh_accountant(struct fed *fed, uint32_t booked, uint32_t most)
{
    struct ent_store_dp_event event;
    struct ent_dp_limit limit = {.delta = 1e-5};
    struct ent_dp_round round = {.events = &event.event, .n = 1};
    unsigned fit = 0;

    ENT_OK(ent_store_dp_newest(fed->home->store, 1, &event));
    limit.eps = (double)event.limit_nano / 1e9;
    while (fit < most) {
        struct ent_dp_event *events = NULL;
        bool fits = false;
        size_t n = booked + fit;

        ENT_OK(ent_calloc(n + 1, sizeof *events, &events));
        for (size_t i = 0; i < n; i++) {
            events[i] = event.event;
        }
        ENT_OK(ent_account_fits(events, n, &round, &limit, &fits));
        free(events);
        if (!fits) {
            break;
        }
        fit++;
    }
    return fit;
}

static void announced(uint64_t seed)
{
    uint64_t state = seed * 2654435761u + 1;
    static const double epsilons[] = {0.5, 1, 2, 4, 8};
    static const double rates[] = {0.01, 0.1, 0.5, 1};
    struct goal g = {.rounds = 1 + (unsigned)dice(&state, 10),
                     .epsilon = epsilons[dice(&state, 5)],
                     .rate = rates[dice(&state, 4)],
                     .steps = 1 + (unsigned)dice(&state, 3)};
    unsigned trouble = (unsigned)dice(&state, 8);
    enum fate fates[N];
    struct books books;
    struct fed fed;
    uint64_t left;

    fed_new_inline(&fed, N);
    start(&fed, &g);
    CU_ASSERT_EQUAL(to_run(&fed), g.rounds);
    for (unsigned i = 0; i < trouble; i++) {
        random_fates(&state, fates);
        if (!attempt(&fed, fates)) {
            break;
        }
    }
    if (round_of(&fed)->phase != ENT_PHASE_IDLE) {
        unsigned open = round_of(&fed)->phase == ENT_PHASE_JOIN ? 1 : 0;

        left = to_run(&fed);
        if (round_of(&fed)->round > 0) {
            read_books(&fed, &books);
            CU_ASSERT_EQUAL(left - open,
                            by_fresh_accountant(&fed, books.booked[0],
                                                g.rounds - round_of(&fed)->train_done - open));
        }
        CU_ASSERT_EQUAL(run_to_its_end(&fed), left);
    }
    read_books(&fed, &books);
    CU_ASSERT(books.spent[0] <= (uint64_t)(g.epsilon * 1e9 + 0.5));
    CU_ASSERT(
        state_is(&fed, round_of(&fed)->train_done == g.rounds ? "complete" : "out of budget"));
    fed_free(&fed);
}

ENT_TEST(budget, rounds_left_are_those_that_run)
{
    const char *more = getenv("ENT_TEST_MORE");
    uint64_t n = more != NULL ? 1000 : 10; /* the thousand of every day: tests/privacy */

    for (uint64_t seed = 1; seed <= n; seed++) {
        announced(seed);
    }
}
