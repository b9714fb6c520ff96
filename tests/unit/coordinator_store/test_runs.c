#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/sha256.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_round/world.h"
#include "tests/unit/coordinator_store/make.h"

ENT_TEST(runs, one_at_a_time)
{
    struct ent_store *store = make_store(NULL);
    struct ent_run_config config = world_config();
    struct ent_store_run run;
    struct ent_store_run *all = NULL;
    uint8_t base[32] = {0};
    uint8_t digest[32];
    struct ent_buf plan;
    struct ent_buf got;
    uint32_t number = 0;
    size_t n = 0;

    ent_buf_init(&plan, ENT_STORE_PLAN_MAX);
    ent_buf_init(&got, ENT_STORE_PLAN_MAX);
    ENT_FAILS(ent_store_run_current(store, &run), ENT_E_NOT_FOUND);
    ENT_FAILS(ent_store_run_add(store, &config, base, &plan, NOW, &number), ENT_E_LIMIT);
    ENT_OK(ent_buf_add(&plan, "a plan\0with a zero", 18));
    base[0] = 5;
    config.gather_ms = 123;
    config.validate = false;
    ENT_OK(ent_store_run_add(store, &config, base, &plan, NOW, &number));
    CU_ASSERT_EQUAL(number, 1);
    ENT_FAILS(ent_store_run_add(store, &config, base, &plan, NOW, &number), ENT_E_EXISTS);
    ENT_OK(ent_store_run_current(store, &run));
    CU_ASSERT_EQUAL(run.state, ENT_RUN_PENDING);
    CU_ASSERT_EQUAL(run.config.run, 1);
    CU_ASSERT_EQUAL(run.config.train_rounds, config.train_rounds);
    CU_ASSERT_EQUAL(run.config.update_ms, config.update_ms);
    CU_ASSERT_EQUAL(run.config.gather_ms, 123);
    CU_ASSERT(!run.config.validate && run.config.test);
    CU_ASSERT_EQUAL(memcmp(run.base, base, 32), 0);
    ENT_OK(ent_sha256(plan.data, plan.len, digest));
    CU_ASSERT_EQUAL(memcmp(run.plan_digest, digest, 32), 0);
    ENT_OK(ent_store_run_plan(store, 1, &got));
    CU_ASSERT(got.len == plan.len && memcmp(got.data, plan.data, plan.len) == 0);
    ENT_FAILS(ent_store_run_plan(store, 2, &got), ENT_E_NOT_FOUND);
    ENT_OK(ent_store_run_cancel(store, 1, NOW + 1));
    ENT_FAILS(ent_store_run_cancel(store, 1, NOW + 1), ENT_E_NOT_FOUND);
    ENT_FAILS(ent_store_run_current(store, &run), ENT_E_NOT_FOUND);
    ENT_OK(ent_store_run_add(store, &config, base, &plan, NOW, &number));
    CU_ASSERT_EQUAL(number, 2);
    ENT_OK(ent_store_run_list(store, &all, &n));
    CU_ASSERT_EQUAL_FATAL(n, 2);
    CU_ASSERT(all[0].state == ENT_RUN_STOPPED && all[1].state == ENT_RUN_PENDING);
    free(all);
    ent_buf_release(&plan);
    ent_buf_release(&got);
    ent_store_close(store);
}

/* The store's only run. */
static struct ent_store_run only_run(struct ent_store *store)
{
    struct ent_store_run run;
    struct ent_store_run *all = NULL;
    size_t n = 0;

    ENT_OK(ent_store_run_list(store, &all, &n));
    CU_ASSERT_EQUAL_FATAL(n, 1);
    run = all[0];
    free(all);
    return run;
}

/* The rows of a whole run of the machine, one transaction a step, and after each of them the
 * machine out of the store: where the live one stands. */
ENT_TEST(runs, restore_follows_the_machine)
{
    struct ent_store *store = make_store(NULL);
    struct ent_run_config config = world_config();
    struct ent_store_run run;
    struct world w;
    size_t stored = 0;
    size_t n_restored = 0;

    for (uint8_t i = 0; i < 4; i++) {
        static const char *const names[] = {"a", "b", "c", "d"};

        CU_ASSERT_EQUAL(make_member(store, names[i], (uint8_t)(i + 1)), i);
    }
    config.run = make_run(store);
    world_init(&w, 4, &config);
    world_start(&w);
    for (size_t step = 0; step < 2000; step++) {
        struct ent_round_member members[8] = {0};
        struct ent_round restored;

        if (w.n_rows > stored) {
            ENT_OK(ent_store_begin(store));
            for (; stored < w.n_rows; stored++) {
                ENT_OK(ent_store_append_row(store, &w.rows[stored], NOW + step));
            }
            ENT_OK(ent_store_commit(store));
            ent_round_init(&restored, members);
            ENT_OK(ent_store_restore(store, &restored, &run));
            if (ent_round_active(&w.r)) {
                CU_ASSERT_EQUAL(run.state, ENT_RUN_ACTIVE);
                CU_ASSERT(laws_same(&w.r, &restored));
                n_restored++;
            }
        }
        if (!ent_round_active(&w.r)) {
            break;
        }
        CU_ASSERT_FATAL(world_calm_step(&w));
        if (w.r.round == 2 && w.r.phase == ENT_PHASE_UPDATE && w.r.attempt == 1) {
            for (uint32_t i = 0; i < 4; i++) {
                world_event(&w, ENT_EV_LOST, i);
            }
        }
    }
    CU_ASSERT(n_restored > 50);
    CU_ASSERT_EQUAL(run.config.run, 0); /* it is over: no current run */
    run = only_run(store);
    CU_ASSERT_EQUAL(run.state, ENT_RUN_ENDED);
    CU_ASSERT_EQUAL(memcmp(run.best, w.r.best, 32), 0);
    CU_ASSERT(run.started_ms > 0 && run.ended_ms > run.started_ms);
    world_release(&w);
    ent_store_close(store);
}

static enum ent_err stop_at_third(void *ctx, const struct ent_row *row, uint64_t wall_ms)
{
    size_t *n = ctx;

    (void)row;
    CU_ASSERT_EQUAL(wall_ms, NOW);
    return ++*n == 3 ? ENT_E_LIMIT : ENT_E_OK;
}

static enum ent_err compare_row(void *ctx, const struct ent_row *row, uint64_t wall_ms)
{
    const struct ent_row **want = ctx;
    const struct ent_row *w = (*want)++;

    (void)wall_ms;
    CU_ASSERT(row->kind == w->kind && row->run == w->run && row->round == w->round &&
              row->attempt == w->attempt && row->task == w->task && row->split == w->split &&
              row->member == w->member && row->code == w->code && row->weight == w->weight &&
              row->has_base == w->has_base && row->sum_w == w->sum_w &&
              row->loss_sum == w->loss_sum && row->rows == w->rows);
    CU_ASSERT_EQUAL(memcmp(row->digest, w->digest, 32), 0);
    CU_ASSERT_EQUAL(memcmp(row->model, w->model, 32), 0);
    return ENT_E_OK;
}

ENT_TEST(runs, rows_come_back_as_they_were)
{
    struct ent_store *store = make_store(NULL);
    struct ent_row rows[4] = {
        {.kind = ENT_ROW_RUN_START, .member = ENT_ROUND_NO_MEMBER},
        {.kind = ENT_ROW_ACCEPT,
         .round = 1ULL << 40,
         .attempt = UINT32_MAX,
         .member = 3,
         .weight = UINT32_MAX,
         .has_base = true,
         .task = ENT_ROUND_EVALUATE,
         .split = ENT_ROUND_ON_TEST},
        {.kind = ENT_ROW_DROP, .member = 0, .code = ENT_E_UNSUPPORTED},
        {.kind = ENT_ROW_CLOSE,
         .member = ENT_ROUND_NO_MEMBER,
         .sum_w = 1ULL << 62,
         .loss_sum = INT64_MAX,
         .rows = 1},
    };
    const struct ent_row *next = rows;
    struct ent_row bad = rows[3];
    size_t n = 0;

    memset(rows[1].digest, 0xab, 32);
    memset(rows[3].model, 0xcd, 32);
    for (size_t i = 0; i < 4; i++) {
        rows[i].run = 1;
    }
    ENT_FAILS(ent_store_append_row(store, &rows[0], NOW), ENT_E_INTERNAL); /* no such run */
    CU_ASSERT_EQUAL(make_run(store), 1);
    for (size_t i = 0; i < 4; i++) {
        ENT_OK(ent_store_append_row(store, &rows[i], NOW));
    }
    ENT_OK(ent_store_rows(store, 1, compare_row, &next));
    CU_ASSERT_PTR_EQUAL(next, rows + 4);
    ENT_FAILS(ent_store_rows(store, 1, stop_at_third, &n), ENT_E_LIMIT);
    CU_ASSERT_EQUAL(n, 3);
    ENT_OK(ent_store_rows(store, 2, stop_at_third, &n));
    bad.run = 1;
    bad.rows = UINT64_MAX; /* SQLite's integers end at 2^63 - 1 */
    ENT_FAILS(ent_store_append_row(store, &bad, NOW), ENT_E_LIMIT);
    ENT_FAILS(ent_store_append_row(store, &rows[0], NOW), ENT_E_NOT_FOUND); /* started before */
    ent_store_close(store);
}

ENT_TEST(runs, a_transaction_is_all_or_nothing)
{
    const char *dir = NULL;
    struct ent_store *store = make_store(&dir);
    struct ent_row row = {.kind = ENT_ROW_RUN_START, .member = ENT_ROUND_NO_MEMBER};
    struct ent_store_traffic t = {.index = 0, .bytes_in = 5, .bytes_out = 6, .rounds = 1};
    struct ent_store_refusal *refusals = NULL;
    struct ent_store_traffic *traffic = NULL;
    struct ent_store_member m;
    struct ent_store_run run;
    size_t n = 0;

    (void)make_member(store, "brand-a", 1);
    row.run = make_run(store);
    for (int how = 0; how < 2; how++) {
        ENT_OK(ent_store_begin(store));
        ENT_OK(ent_store_append_row(store, &row, NOW));
        ENT_OK(ent_store_set_sequence(store, 0, 4, NOW));
        ENT_OK(ent_store_add_traffic(store, row.run, &t));
        ENT_OK(ent_store_count_refusal(store, 0, ENT_E_STALE, 2, NOW));
        (void)make_member(store, "brand-b", 2); /* calls of several statements join it */
        if (how == 0) {
            ent_store_rollback(store);
            ent_store_rollback(store);
        } else {
            ent_store_close(store); /* closing is no commit */
            ENT_OK(ent_store_open(dir, &store));
        }
        ENT_OK(ent_store_find_index(store, 0, &m));
        CU_ASSERT_EQUAL(m.last_sequence, 0);
        ENT_FAILS(ent_store_find_name(store, "brand-b", &m), ENT_E_NOT_FOUND);
        ENT_OK(ent_store_run_current(store, &run));
        CU_ASSERT_EQUAL(run.state, ENT_RUN_PENDING);
        ENT_OK(ent_store_refusals(store, &refusals, &n));
        CU_ASSERT_EQUAL(n, 0);
        free(refusals);
        ENT_OK(ent_store_traffic(store, row.run, &traffic, &n));
        CU_ASSERT_EQUAL(n, 0);
        free(traffic);
    }
    ent_store_close(store);
}

ENT_TEST(figures, history_traffic_and_refusals)
{
    struct ent_store *store = make_store(NULL);
    struct ent_store_figures f = {.run = 1,
                                  .round = 3,
                                  .attempt = 2,
                                  .task = ENT_ROUND_EVALUATE,
                                  .split = ENT_ROUND_ON_VALIDATION,
                                  .train_round = 1,
                                  .invited = 4,
                                  .accepted = 3,
                                  .bytes_in = 1ULL << 40,
                                  .bytes_out = 7,
                                  .duration_ms = 1500,
                                  .closed_ms = NOW,
                                  .has_metrics = true,
                                  .auc = 0.75,
                                  .log_loss = 0.1,
                                  .rows = 1000,
                                  .positives = 117};
    struct ent_store_figures *all = NULL;
    struct ent_store_traffic t = {.index = 2, .bytes_in = 10, .bytes_out = 20, .rounds = 1};
    struct ent_store_traffic *traffic = NULL;
    struct ent_store_refusal *refusals = NULL;
    size_t n = 0;

    CU_ASSERT_EQUAL(make_run(store), 1);
    ENT_OK(ent_store_put_figures(store, &f));
    f.auc = (double)NAN; /* again: replaced */
    ENT_OK(ent_store_put_figures(store, &f));
    f.round = 1;
    f.has_metrics = false;
    ENT_OK(ent_store_put_figures(store, &f));
    ENT_OK(ent_store_figures(store, 1, &all, &n));
    CU_ASSERT_EQUAL_FATAL(n, 2);
    CU_ASSERT(all[0].round == 1 && !all[0].has_metrics);
    CU_ASSERT(all[1].round == 3 && isnan(all[1].auc) && all[1].log_loss == 0.1);
    CU_ASSERT(all[1].bytes_in == 1ULL << 40 && all[1].positives == 117 && all[1].attempt == 2);
    free(all);
    ENT_OK(ent_store_add_traffic(store, 1, &t));
    ENT_OK(ent_store_add_traffic(store, 1, &t));
    t.index = 0;
    ENT_OK(ent_store_add_traffic(store, 1, &t));
    ENT_OK(ent_store_traffic(store, 1, &traffic, &n));
    CU_ASSERT_EQUAL_FATAL(n, 2);
    CU_ASSERT(traffic[1].index == 2 && traffic[1].bytes_in == 20 && traffic[1].rounds == 2);
    free(traffic);
    ENT_OK(ent_store_count_refusal(store, 1, ENT_E_STALE, 1, NOW));
    ENT_OK(ent_store_count_refusal(store, 1, ENT_E_STALE, 4, NOW + 1));
    ENT_OK(ent_store_count_refusal(store, ENT_ROUND_NO_MEMBER, ENT_E_TLS, 1, NOW));
    ENT_OK(ent_store_refusals(store, &refusals, &n));
    CU_ASSERT_EQUAL_FATAL(n, 2);
    CU_ASSERT(refusals[0].index == ENT_ROUND_NO_MEMBER && refusals[0].cause == ENT_E_TLS);
    CU_ASSERT(refusals[1].count == 5 && refusals[1].last_ms == NOW + 1);
    free(refusals);
    ent_store_close(store);
}
