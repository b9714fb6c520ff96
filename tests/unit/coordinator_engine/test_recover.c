/* What leaves give back: the log of a whole federation's life, put into a copy of every age, is the original's state. */
#include <stdlib.h>
#include <string.h>

#include "coordinator/engine/state.h"
#include "coordinator/store/dp.h"
#include "coordinator/store/recover.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"

#define ROWS_MAX 512

/* ---- a life with everything in it ---- */

static const struct ent_round *round_of(struct fed *fed)
{
    return ent_engine_round(fed->engine);
}

static void live_until(struct fed *fed, size_t n, uint64_t round, enum ent_phase phase)
{
    for (int turn = 0; turn < 200; turn++) {
        fed_pump(fed);
        if (round_of(fed)->round == round && round_of(fed)->phase == phase) {
            return;
        }
        for (size_t i = 0; i < n; i++) {
            fed_answer(&fed->members[i], 1000);
        }
    }
    CU_FAIL_FATAL("the round does not come");
}

static void ask(struct fed *fed, const char *request)
{
    ent_json_free(fed_ask(fed, request));
}

/* One who declines before BEGIN, others who never send: the attempt is aborted, the next one closes. */
static void troubled_run(struct fed *fed)
{
    struct ent_msg_decline decline = {.code = ENT_E_DATA, .text = "no rows", .has_salt = true};
    struct ent_header header;

    fed_start_run(fed, fed_plan);
    fed_pump(fed);
    for (size_t i = 0; i < 4; i++) {
        fed_hear(&fed->members[i]);
    }
    header = fed_header(&fed->members[3], ENT_MSG_DECLINE);
    memcpy(decline.round_open, fed->members[3].open_hash, 32);
    fed_send(&fed->members[3], &header, &decline);
    for (size_t i = 0; i < 3; i++) {
        fed_join(&fed->members[i]);
    }
    fed_pump(fed);
    fed_pass(fed, 11 * 60 * 1000); /* nobody sends: timeouts, an abort */
    for (size_t i = 0; i < 4; i++) {
        fed_hello(&fed->members[i]);
    }
    fed->members[3].bad_nonce = true; /* and what it had committed to is void, for good */
    fed_pass(fed, 60 * 1000);
    fed_live(fed, 4, 1000);
}

static const char private_plan[] =
    "features: [{name: age, type: number, range: [0, 100]}]\n"
    "label: {name: y, positive: \"yes\"}\n"
    "split: {key: 42, validation: 0, test: 0}\n"
    "model: {layers: [{dense: 1}], loss: bce}\n"
    "training: {rounds: 2, optimizer: {sgd: {rate: 0.1}}, seed: 1}\n"
    "aggregation: {weights: equal, min_members: 3, join: 30s, update: 10min, attempts: 3}\n"
    "privacy: {unit: customer, epsilon: 2, delta: 1e-5, clip: 1.0, rate: 0.1, batch: 16}\n";

/* An attempt gives back, one with an update does not, one closes: there is no room for a second round. */
static void spent_run(struct fed *fed)
{
    for (size_t i = 0; i < 3; i++) {
        fed->members[i].ledger = 1;
    }
    fed_start_run(fed, private_plan);
    fed_pass(fed, 31 * 1000);
    for (size_t i = 0; i < 3; i++) {
        fed_hear(&fed->members[i]);
    }
    fed_pass(fed, 60 * 1000);
    live_until(fed, 3, 1, ENT_PHASE_UPDATE);
    fed_pump(fed);
    for (int turn = 0; turn < 4; turn++) {
        fed_answer(&fed->members[0], 1000);
        fed_pump(fed);
    }
    fed_pass(fed, 11 * 60 * 1000);
    for (size_t i = 0; i < 3; i++) {
        fed_hear(&fed->members[i]);
    }
    fed_pass(fed, 60 * 1000);
    fed_live(fed, 3, 1000);
    CU_ASSERT_EQUAL(ent_engine_ended_code(fed->engine), ENT_E_BUDGET);
}

static void a_life(struct fed *fed)
{
    fed_new(fed, 4);
    for (size_t i = 0; i < 4; i++) {
        fed_hello(&fed->members[i]);
    }
    fed_start_run(fed, fed_plan);
    fed_live(fed, 4, 1000);
    fed_start_run(fed, fed_plan); /* stopped before it trained: no model says so */
    live_until(fed, 4, 2, ENT_PHASE_JOIN);
    ask(fed, "{\"verb\":\"stop\"}");
    troubled_run(fed);
    ask(fed, "{\"verb\":\"revoke\",\"name\":\"brand-d\"}");
    spent_run(fed);
    fed_start_run(fed, fed_plan); /* stopped with a model */
    live_until(fed, 3, 3, ENT_PHASE_JOIN);
    ask(fed, "{\"verb\":\"stop\"}");
    fed_start_run(fed, fed_plan); /* under way still */
    live_until(fed, 3, 2, ENT_PHASE_UPDATE);
}

/* ---- what a store holds ---- */

struct rows {
    struct ent_row list[ROWS_MAX];
    size_t n;
};

static enum ent_err keep_row(void *ctx, const struct ent_row *row, uint64_t wall_ms)
{
    struct rows *rows = ctx;

    (void)wall_ms;
    CU_ASSERT_FATAL(rows->n < ROWS_MAX);
    rows->list[rows->n++] = *row;
    return ENT_E_OK;
}

static bool same_row(const struct ent_row *a, const struct ent_row *b)
{
    bool rows = a->rows == b->rows || (b->kind == ENT_ROW_ACCEPT && b->task == ENT_ROUND_STATS &&
                                       b->rows == ENT_ROUND_ROWS_UNKNOWN);

    return a->kind == b->kind && a->run == b->run && a->round == b->round &&
           a->attempt == b->attempt && a->task == b->task && a->split == b->split &&
           a->member == b->member && a->code == b->code && a->weight == b->weight &&
           a->has_base == b->has_base && memcmp(a->digest, b->digest, 32) == 0 &&
           memcmp(a->model, b->model, 32) == 0 && memcmp(a->state, b->state, 32) == 0 &&
           a->sum_w == b->sum_w && a->loss_sum == b->loss_sum && rows && a->auc == b->auc &&
           a->best_train == b->best_train;
}

/* Rows that nothing later shows may be missing at the end of the newest run. */
static void check_rows(struct ent_store *ours, struct ent_store *theirs, uint32_t run, bool newest)
{
    struct rows a = {.n = 0};
    struct rows b = {.n = 0};

    ENT_OK(ent_store_rows(ours, run, keep_row, &a));
    ENT_OK(ent_store_rows(theirs, run, keep_row, &b));
    CU_ASSERT(b.n <= a.n && (newest || a.n == b.n));
    for (size_t i = 0; i < a.n && i < b.n; i++) {
        if (!same_row(&a.list[i], &b.list[i])) {
            (void)fprintf(stderr, "run %u row %zu: %s, %s\n", (unsigned)run, i,
                          ent_row_name(a.list[i].kind), ent_row_name(b.list[i].kind));
        }
        CU_ASSERT_FATAL(same_row(&a.list[i], &b.list[i]));
    }
    for (size_t i = b.n; i < a.n; i++) {
        CU_ASSERT(a.list[i].kind == ENT_ROW_BEGIN || a.list[i].kind == ENT_ROW_RELEASE);
    }
}

static void check_runs(struct ent_store *ours, struct ent_store *theirs)
{
    struct ent_store_run *a = NULL;
    struct ent_store_run *b = NULL;
    size_t n = 0;
    size_t m = 0;

    ENT_OK(ent_store_run_list(ours, &a, &n));
    ENT_OK(ent_store_run_list(theirs, &b, &m));
    CU_ASSERT_EQUAL_FATAL(n, m);
    for (size_t i = 0; i < n; i++) {
        CU_ASSERT_EQUAL(memcmp(&a[i].config, &b[i].config, sizeof a[i].config), 0);
        CU_ASSERT_EQUAL(memcmp(a[i].plan_digest, b[i].plan_digest, 32), 0);
        CU_ASSERT_EQUAL(memcmp(a[i].base, b[i].base, 32), 0);
        CU_ASSERT_EQUAL(memcmp(a[i].best, b[i].best, 32), 0);
        CU_ASSERT_EQUAL(a[i].best_train, b[i].best_train);
        CU_ASSERT_EQUAL(a[i].state, b[i].state);
        CU_ASSERT_EQUAL(a[i].started_ms != 0, b[i].started_ms != 0);
        CU_ASSERT_EQUAL(a[i].ended_ms != 0, b[i].ended_ms != 0);
        check_rows(ours, theirs, a[i].config.run, i + 1 == n);
    }
    free(a);
    free(b);
}

static void check_members(struct ent_store *ours, struct ent_store *theirs)
{
    struct ent_store_member *a = NULL;
    struct ent_store_member *b = NULL;
    size_t n = 0;
    size_t m = 0;

    ENT_OK(ent_store_roster(ours, &a, &n));
    ENT_OK(ent_store_roster(theirs, &b, &m));
    CU_ASSERT_EQUAL_FATAL(n, m);
    for (size_t i = 0; i < n; i++) {
        CU_ASSERT_EQUAL(a[i].index, b[i].index);
        CU_ASSERT_EQUAL(memcmp(a[i].handle, b[i].handle, 16), 0);
        CU_ASSERT_EQUAL(a[i].state, b[i].state);
        CU_ASSERT_EQUAL(memcmp(a[i].keys.statement_pub, b[i].keys.statement_pub, 32), 0);
        CU_ASSERT_EQUAL(memcmp(a[i].keys.witness_pub, b[i].keys.witness_pub, 32), 0);
        CU_ASSERT_EQUAL(memcmp(a[i].keys.nonce_commit, b[i].keys.nonce_commit, 32), 0);
        CU_ASSERT_EQUAL(strncmp(b[i].name, "recovered-", 10), 0);
    }
    free(a);
    free(b);
}

static void check_figures(struct ent_store *ours, struct ent_store *theirs, uint32_t run)
{
    struct ent_store_figures *a = NULL;
    struct ent_store_figures *b = NULL;
    size_t n = 0;
    size_t m = 0;

    ENT_OK(ent_store_figures(ours, run, &a, &n));
    ENT_OK(ent_store_figures(theirs, run, &b, &m));
    CU_ASSERT_EQUAL_FATAL(n, m);
    for (size_t i = 0; i < n; i++) {
        CU_ASSERT(a[i].round == b[i].round && a[i].attempt == b[i].attempt &&
                  a[i].task == b[i].task && a[i].split == b[i].split &&
                  a[i].train_round == b[i].train_round && a[i].invited == b[i].invited &&
                  a[i].accepted == b[i].accepted && a[i].has_metrics == b[i].has_metrics);
        CU_ASSERT(a[i].rows == b[i].rows || !a[i].has_metrics);
        if (a[i].has_metrics) {
            CU_ASSERT_DOUBLE_EQUAL(a[i].auc, b[i].auc, 1e-8);
            CU_ASSERT_DOUBLE_EQUAL(a[i].log_loss, b[i].log_loss, 1e-8);
        }
    }
    free(a);
    free(b);
}

/* The ledger comes back with its leaves. */
static void check_budgets(struct ent_store *ours, struct ent_store *theirs, uint32_t run)
{
    struct ent_store_dp_account *a = NULL;
    struct ent_store_dp_account *b = NULL;
    size_t n = 0;
    size_t m = 0;

    ENT_OK(ent_store_dp_accounts(ours, run, &a, &n));
    ENT_OK(ent_store_dp_accounts(theirs, run, &b, &m));
    CU_ASSERT_EQUAL_FATAL(n, m);
    CU_ASSERT_EQUAL(n, run == 4 ? 3 : 0);
    for (size_t i = 0; i < n; i++) {
        CU_ASSERT_EQUAL(memcmp(a[i].handle, b[i].handle, sizeof a[i].handle), 0);
        CU_ASSERT_EQUAL(a[i].booked, 2);
        CU_ASSERT_EQUAL(b[i].booked, 2);
        CU_ASSERT_EQUAL(a[i].spent_nano, b[i].spent_nano);
        CU_ASSERT_EQUAL(a[i].limit_nano, b[i].limit_nano);
    }
    free(a);
    free(b);
}

/* ---- leaves ---- */

static enum ent_err add_leaf(void *ctx, uint64_t idx, struct ent_bytes leaf)
{
    struct ent_recover_leaves *out = ctx;
    uint8_t len[2] = {(uint8_t)(leaf.len >> 8), (uint8_t)leaf.len};

    (void)idx;
    ENT_TRY(ent_buf_add(&out->bundle, len, sizeof len));
    ENT_TRY(ent_buf_add(&out->bundle, leaf.data, leaf.len));
    out->n++;
    return ENT_E_OK;
}

static void read_leaves(struct ent_store *from, uint64_t first, uint64_t end,
                        struct ent_recover_leaves *out)
{
    *out = (struct ent_recover_leaves){.first = first};
    ent_buf_init(&out->bundle, (size_t)64 * 1024 * 1024);
    ENT_OK(ent_store_log_each(from, 0, first, end, add_leaf, out));
}

static enum ent_err the_plan(void *ctx, const uint8_t digest[32], struct ent_buf *out)
{
    uint8_t own[32];
    const char *text = fed_plan;

    (void)ctx;
    ENT_OK(ent_sha256(private_plan, strlen(private_plan), own));
    if (memcmp(own, digest, sizeof own) == 0) {
        text = private_plan;
    }
    return ent_buf_add(out, text, strlen(text));
}

static enum ent_err put(struct ent_store *to, struct ent_store *from, uint64_t first, uint64_t end)
{
    struct ent_recover_leaves leaves;
    struct ent_recover_input input = {
        .leaves = &leaves, .plan = the_plan, .now_ms = 1764000000000 + 3600000};
    uint8_t root[32];
    uint8_t ours[32];
    enum ent_err err;

    read_leaves(from, first, end, &leaves);
    ENT_OK(ent_store_recover_root(to, &leaves, root));
    ENT_OK(ent_store_log_root_at(from, first + leaves.n, ours));
    CU_ASSERT_EQUAL(memcmp(root, ours, 32), 0);
    err = ent_store_recover_leaves(to, &input);
    ent_buf_release(&leaves.bundle);
    return err;
}

static struct ent_store *fresh(struct ent_store *like, const char **dir)
{
    struct ent_store *store = NULL;

    *dir = ent_test_tmpdir();
    ENT_OK(ent_store_create(*dir, ent_store_identity(like)));
    ENT_OK(ent_store_open(*dir, &store));
    return store;
}

static void check_all(struct ent_store *ours, struct ent_store *theirs)
{
    check_runs(ours, theirs);
    check_members(ours, theirs);
    for (uint32_t run = 1; run <= 6; run++) {
        check_figures(ours, theirs, run);
        check_budgets(ours, theirs, run);
    }
}

ENT_TEST(recover, state_follows_from_leaves_cut_anywhere)
{
    struct fed fed;
    uint64_t size = 0;

    a_life(&fed);
    ENT_OK(ent_store_log_size(fed.home->store, &size));
    CU_ASSERT(size > 100);
    for (uint64_t cut = 1; cut <= size; cut++) {
        const char *dir = NULL;
        struct ent_store *copy = fresh(fed.home->store, &dir);

        ENT_OK(put(copy, fed.home->store, 0, cut));
        ent_store_close(copy);
        ENT_OK(ent_store_open(dir, &copy)); /* verified as a whole */
        ENT_OK(put(copy, fed.home->store, cut, size));
        check_all(fed.home->store, copy);
        ent_store_close(copy);
    }
    fed_free(&fed);
}

/* ---- leaves that do not follow from each other ---- */

struct skipping {
    struct ent_projection p;
    uint64_t skip;
    enum ent_err err;
};

static enum ent_err nothing(void *ctx, const struct ent_recovered *change)
{
    (void)ctx;
    (void)change;
    return ENT_E_OK;
}

static enum ent_err feed(void *ctx, uint64_t idx, struct ent_bytes leaf)
{
    struct skipping *s = ctx;

    if (idx != s->skip && s->err == ENT_E_OK) {
        s->err = ent_projection_leaf(&s->p, leaf);
    }
    return ENT_E_OK;
}

static enum ent_err without(struct ent_store *store, uint64_t skip)
{
    struct skipping s = {.skip = skip};

    ENT_OK(ent_projection_init(&s.p, nothing, NULL));
    ENT_OK(ent_store_log_each(store, 0, 0, UINT64_MAX, feed, &s));
    ent_projection_release(&s.p);
    return s.err;
}

ENT_TEST(recover, the_machine_refuses_leaves_with_a_gap)
{
    static const unsigned types[] = {ENT_LEAF_CONFIG_SET, ENT_LEAF_ROUND_OPEN, ENT_LEAF_ROUND_JOIN,
                                     ENT_LEAF_UPDATE_ACCEPT, ENT_LEAF_ROUND_CLOSE};
    struct fed fed;
    uint64_t idx = 0;

    a_life(&fed);
    ENT_OK(without(fed.home->store, UINT64_MAX));
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        ENT_OK(ent_store_log_of_round(fed.home->store, types[i], 3,
                                      types[i] == ENT_LEAF_CONFIG_SET ? 0 : 2, &idx));
        CU_ASSERT_EQUAL(without(fed.home->store, idx), ENT_E_CORRUPT);
    }
    ENT_OK(ent_store_log_newest(fed.home->store, ENT_LEAF_MEMBER_ADMIT, UINT64_MAX, &idx));
    CU_ASSERT_EQUAL(without(fed.home->store, idx), ENT_E_CORRUPT);
    fed_free(&fed);
}
