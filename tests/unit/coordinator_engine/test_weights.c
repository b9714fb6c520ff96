/* Weights by rows: a member says itself how many it has, but says it once; and no weight breaks the sum. */
#include <string.h>

#include "common/fixed/grid.h"
#include "common/task/task.h"
#include "coordinator/engine/state.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"

static void begin(struct fed *fed)
{
    fed_new(fed, 4);
    for (size_t i = 0; i < 4; i++) {
        fed_hello(&fed->members[i]);
    }
}

static const char log2_plan[] =
    "features: [{name: age, type: number, range: [0, 100]}]\n"
    "label: {name: y, positive: \"yes\"}\n"
    "split: {key: 42, validation: 0.1, test: 0.2}\n"
    "model: {layers: [{dense: 1}], loss: bce}\n"
    "training: {rounds: 1, epochs: 1, batch: 32, optimizer: {sgd: {rate: 0.1}}, seed: 1}\n"
    "aggregation: {rule: fedavg, weights: examples_log2, scale_bits: 20, min_members: 3, join: "
    "30s, update: 10min, attempts: 3}\n";

static int64_t stated;  /* rows of the evil member's statistics; 0: honest ones */
static int32_t largest; /* its update; 0: an honest one */

static bool evil_compute(struct fed_member *m, struct ent_buf *payload)
{
    uint8_t salt[ENT_UPDATE_SALT_BYTES] = {7};
    uint8_t stats[8 * 7] = {0};
    uint8_t update[8];

    if (m->open.task == ENT_TASK_STATS && stated != 0) {
        ent_put_le64(stats, (uint64_t)stated);
        ent_put_le64(stats + 16, (uint64_t)stated); /* present; all at the lower end */
        ENT_OK(ent_buf_add(payload, salt, sizeof salt));
        ENT_OK(ent_buf_add(payload, stats, sizeof stats));
        return true;
    }
    if (m->open.task == ENT_TASK_TRAIN && largest != 0) {
        ent_put_le32(update, (uint32_t)largest);
        ent_put_le32(update + 4, (uint32_t)-largest);
        ENT_OK(ent_buf_add(payload, salt, sizeof salt));
        ENT_OK(ent_buf_add(payload, update, sizeof update));
        return true;
    }
    return false;
}

/* Until the run is over; restarted once when training begins, if so asked. */
static void run_weights(struct fed *fed, bool restart)
{
    for (int turn = 0; turn < 200 && ent_engine_ended_run(fed->engine) == 0; turn++) {
        fed_pump(fed);
        if (restart && ent_engine_round(fed->engine)->task == ENT_ROUND_TRAIN) {
            restart = false;
            fed_restart(fed);
            for (size_t i = 0; i < 4; i++) {
                fed_hello(&fed->members[i]);
            }
        }
        for (size_t i = 0; i < 4; i++) {
            fed_answer(&fed->members[i], 10);
        }
        if (turn % 20 == 19) {
            fed_pass(fed, 11000);
        }
    }
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed->engine), 1);
    fed_pump(fed);
    fed_hear(&fed->members[0]);
    CU_ASSERT_TRUE(fed->members[0].ended);
    CU_ASSERT_EQUAL(fed->members[0].end.code, ENT_E_OK);
    CU_ASSERT_FALSE(restart);
}

/* The row by which the evil member's training update ended. */
static enum ent_err find_row(void *ctx, const struct ent_row *row, uint64_t wall_ms)
{
    struct ent_row *found = ctx;

    (void)wall_ms;
    if (row->member == 3 && row->task == ENT_ROUND_TRAIN &&
        (row->kind == ENT_ROW_ACCEPT || row->kind == ENT_ROW_REJECT)) {
        *found = *row;
    }
    return ENT_E_OK;
}

/* What the training round made of the evil member; the run ends well whatever that is. */
static struct ent_row trained_again(int64_t stats_rows, uint32_t bucket, int32_t q, bool restart)
{
    struct ent_row row = {0};
    struct fed fed;

    begin(&fed);
    stated = stats_rows;
    largest = q;
    for (size_t i = 0; i < 4; i++) {
        fed.members[i].rows_log2 = 4; /* of ten rows */
    }
    fed.members[3].rows_log2 = bucket;
    fed.members[3].compute = evil_compute;
    fed_start_run(&fed, log2_plan);
    run_weights(&fed, restart);
    ENT_OK(ent_store_rows(fed.home->store, 1, find_row, &row));
    fed_free(&fed);
    return row;
}

static struct ent_row trained(int64_t stats_rows, uint32_t bucket, int32_t q)
{
    return trained_again(stats_rows, bucket, q, false);
}

ENT_TEST(weights, a_member_weighs_what_its_statistics_said)
{
    struct ent_row row = trained(0, 4, 0);

    CU_ASSERT_EQUAL(row.kind, ENT_ROW_ACCEPT);
    CU_ASSERT_EQUAL(row.weight, 8);
    row = trained(0, 31, 0);
    CU_ASSERT_EQUAL(row.kind, ENT_ROW_REJECT);
    CU_ASSERT_EQUAL(row.code, ENT_E_DATA);
    row = trained(0, 3, 0);
    CU_ASSERT_EQUAL(row.code, ENT_E_DATA);
    row = trained(1000, 10, 0);
    CU_ASSERT_EQUAL(row.kind, ENT_ROW_ACCEPT);
    CU_ASSERT_EQUAL(row.weight, 512);
}

/* Who was not there for the statistics weighs at most what the largest of the others does: here, not its own claim. */
ENT_TEST(weights, without_statistics_no_more_than_the_others)
{
    struct ent_row row = trained((ENT_TASK_ROWS_MAX) + 1, 31, 0); /* its statistics are refused */

    CU_ASSERT_EQUAL(row.kind, ENT_ROW_REJECT);
    CU_ASSERT_EQUAL(row.code, ENT_E_DATA);
    row = trained(ENT_TASK_ROWS_MAX + 1, 4, 0);
    CU_ASSERT_EQUAL(row.kind, ENT_ROW_ACCEPT);
}

/* A weight that it stands by, with the largest integers there are: the sum would not fit, and the one who made it so is
 * out, not the round. */
ENT_TEST(weights, no_update_overflows_the_sum)
{
    struct ent_row row = trained(ENT_TASK_ROWS_MAX, 31, ENT_GRID_Q_MAX);

    CU_ASSERT_EQUAL(row.kind, ENT_ROW_REJECT);
    CU_ASSERT_EQUAL(row.code, ENT_E_RANGE);
    row = trained(ENT_TASK_ROWS_MAX, 31, 1000); /* large, but it fits */
    CU_ASSERT_EQUAL(row.kind, ENT_ROW_ACCEPT);
    CU_ASSERT_EQUAL(row.weight, 1u << 30);
}

/* What the statistics stated is in their rows: a restart forgets nothing of it. */
ENT_TEST(weights, stated_rows_outlive_a_restart)
{
    struct ent_row row = trained_again(1000, 10, 0, true);

    CU_ASSERT_EQUAL(row.kind, ENT_ROW_ACCEPT);
    CU_ASSERT_EQUAL(row.weight, 512);
    row = trained_again(1000, 4, 0, true);
    CU_ASSERT_EQUAL(row.kind, ENT_ROW_REJECT);
    CU_ASSERT_EQUAL(row.code, ENT_E_DATA);
}

/* The same of anybody's: the newest. */
static enum ent_err find_any(void *ctx, const struct ent_row *row, uint64_t wall_ms)
{
    struct ent_row copy = *row;

    copy.member = 3;
    return find_row(ctx, &copy, wall_ms); /* keeps all but the name */
}

/* What became of a training update when the engine holds this of everybody's statistics. */
static struct ent_row trained_where_all_stated(uint64_t rows)
{
    struct ent_row row = {0};
    struct fed fed;

    begin(&fed);
    stated = 0;
    largest = 0;
    for (size_t i = 0; i < 4; i++) {
        fed.members[i].rows_log2 = 4;
    }
    fed_start_run(&fed, log2_plan);
    for (int turn = 0; turn < 40 && ent_engine_ended_run(fed.engine) == 0; turn++) {
        fed_pump(&fed);
        for (size_t i = 0; i < 4 && ent_engine_round(fed.engine)->task == ENT_ROUND_TRAIN; i++) {
            fed.engine->members[i].rows = rows;
        }
        for (size_t i = 0; i < 4; i++) {
            fed_answer(&fed.members[i], 10);
        }
    }
    ENT_OK(ent_store_rows(fed.home->store, 1, find_any, &row));
    fed_free(&fed);
    return row;
}

/* `recover` brings rounds back without what their statistics stated; where all sent zeros, there is nothing to weigh by. */
ENT_TEST(weights, rows_that_nobody_knows_and_rows_that_nobody_has)
{
    struct ent_row row = trained_where_all_stated(ENT_ROUND_ROWS_UNKNOWN);

    CU_ASSERT_EQUAL(row.kind, ENT_ROW_ACCEPT);
    row = trained_where_all_stated(0);
    CU_ASSERT_EQUAL(row.kind, ENT_ROW_REJECT);
    CU_ASSERT_EQUAL(row.code, ENT_E_DATA);
}
