/* Updates and models that travel within their messages: the same rules as for those that wait for a grant. */
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/db/db.h"
#include "common/fixed/grid.h"
#include "common/task/task.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"

static void hello_all(struct fed *fed, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fed_hello(&fed->members[i]);
    }
}

static void begin(struct fed *fed, size_t n)
{
    fed_new_inline(fed, n);
    hello_all(fed, n);
    fed_start_run(fed, fed_plan);
}

static const struct ent_round *round_of(struct fed *fed)
{
    return ent_engine_round(fed->engine);
}

/* Honest life up to the point where round `round` waits for updates. */
static void live_until_update(struct fed *fed, size_t n, uint64_t round)
{
    for (int turn = 0; turn < 200; turn++) {
        fed_pump(fed);
        if (round_of(fed)->round == round && round_of(fed)->phase == ENT_PHASE_UPDATE) {
            for (size_t i = 0; i < n; i++) {
                fed_hear(&fed->members[i]);
            }
            return;
        }
        for (size_t i = 0; i < n; i++) {
            fed_answer(&fed->members[i], 1000);
        }
    }
    CU_FAIL_FATAL("the round does not come");
}

/* Sends its update for the round and hears the answer. */
static void offer(struct fed *fed, struct fed_member *m, int32_t q)
{
    fed_offer(m, q);
    fed_pump(fed);
    fed_hear(m);
}

ENT_TEST(inlined, a_whole_run)
{
    struct fed fed;

    begin(&fed, 4);
    fed_live(&fed, 4, 1000);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
    for (size_t i = 0; i < 4; i++) {
        struct fed_member *m = &fed.members[i];
        uint8_t digest[32];

        CU_ASSERT_EQUAL(m->n_closes, 4);
        CU_ASSERT(m->ended && m->end.has_best);
        CU_ASSERT_PTR_NOT_NULL_FATAL(m->received);
        ent_sink_sha256(m->received, digest);
        CU_ASSERT_EQUAL(memcmp(digest, m->end.best, 32), 0);
        CU_ASSERT_PTR_NULL(fed_next(m, ENT_MSG_GO)); /* nothing was to be granted */
    }
    CU_ASSERT_EQUAL(fed_refusals(&fed, "phase"), 0);
    fed_free(&fed);
}

ENT_TEST(inlined, a_repeat_is_acknowledged_again_and_added_once)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];

    begin(&fed, 3);
    live_until_update(&fed, 3, 2);
    offer(&fed, m, 5);
    CU_ASSERT(m->has_ack && !m->ack.repeat);
    CU_ASSERT_EQUAL(m->ack.sequence, m->update_request);
    m->has_ack = false;
    fed_send_frame(m, ENT_MSG_UPDATE, m->update_request, &m->update);
    fed_pump(&fed);
    fed_hear(m);
    CU_ASSERT(m->has_ack && m->ack.repeat);
    CU_ASSERT_EQUAL(m->ack.code, ENT_E_OK);
    CU_ASSERT_EQUAL(round_of(&fed)->sum_w, 1);
    CU_ASSERT_EQUAL(fed_refusals(&fed, "repeat"), 1);
    fed_free(&fed);
}

/* Sent twice at once: both stand in the queue of one step. */
ENT_TEST(inlined, two_copies_in_one_step)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];

    begin(&fed, 3);
    live_until_update(&fed, 3, 2);
    fed_offer(m, 5);
    fed_send_frame(m, ENT_MSG_UPDATE, m->update_request, &m->update);
    fed_pump(&fed);
    fed_hear(m);
    CU_ASSERT(m->has_ack);
    CU_ASSERT_EQUAL(m->ack.code, ENT_E_OK);
    CU_ASSERT_EQUAL(round_of(&fed)->members[0].standing, ENT_STANDING_ACCEPTED);
    CU_ASSERT_EQUAL(round_of(&fed)->sum_w, 1);
    for (size_t i = 1; i < 3; i++) {
        fed_offer(&fed.members[i], 5);
    }
    fed_live(&fed, 3, 5);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
    fed_free(&fed);
}

/* The number of an accepted update under other bytes, and another update under a new number. */
ENT_TEST(inlined, numbers_used_before_are_replays)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];
    uint64_t used;

    begin(&fed, 3);
    live_until_update(&fed, 3, 2);
    used = m->sequence;
    offer(&fed, m, 5);
    CU_ASSERT(m->has_ack);
    m->sequence = used;
    m->has_ack = false;
    offer(&fed, m, 6);
    CU_ASSERT_FALSE(m->has_ack);
    CU_ASSERT_EQUAL(fed_refusals(&fed, "replay"), 1);
    offer(&fed, m, 7); /* an attempt has one update */
    CU_ASSERT_EQUAL(fed_refusals(&fed, "digest"), 1);
    CU_ASSERT_EQUAL(round_of(&fed)->sum_w, 1);
    fed_free(&fed);
}

ENT_TEST(inlined, integers_outside_the_grid)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];

    begin(&fed, 4);
    live_until_update(&fed, 4, 2);
    offer(&fed, m, ENT_GRID_Q_MAX + 1);
    CU_ASSERT(m->has_ack);
    CU_ASSERT_EQUAL(m->ack.code, ENT_E_RANGE);
    CU_ASSERT_EQUAL(round_of(&fed)->members[0].standing, ENT_STANDING_REJECTED);
    fed_free(&fed);
}

/* Bytes that are not those that were signed do not even get as far as a statement. */
ENT_TEST(inlined, bytes_that_were_not_signed)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];

    begin(&fed, 4);
    live_until_update(&fed, 4, 2);
    fed_offer(m, 5);
    m->update.data[m->update.len - 70] ^= 1; /* within the payload */
    fed_send_frame(m, ENT_MSG_UPDATE, m->update_request, &m->update);
    fed_pump(&fed);
    CU_ASSERT_EQUAL(fed_refusals(&fed, "digest"), 1);
    CU_ASSERT(m->closed);
    fed_free(&fed);
}

/* Of a round that is over: refused, and nothing of it is kept. */
ENT_TEST(inlined, late_ones_are_stale)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];

    begin(&fed, 3);
    live_until_update(&fed, 3, 2);
    for (size_t i = 0; i < 3; i++) {
        fed_offer(&fed.members[i], 5);
    }
    fed_pump(&fed);
    for (size_t i = 0; i < 3; i++) {
        m = &fed.members[i];
        fed_hear(m);
    }
    CU_ASSERT_EQUAL(round_of(&fed)->round, 3);
    m->round = 2;
    m->open.task = ENT_TASK_TRAIN;
    offer(&fed, m, 6);
    CU_ASSERT_EQUAL(fed_refusals(&fed, "stale"), 1);
    fed_free(&fed);
}

/* ---- restarts ---- */

static void change_store(const char *dir, const char *sql)
{
    static const char *const migrations[] = {"", "", "", "", "", "", "", "", ""}; /* all are done */
    const struct ent_db_schema schema = {0x456e7443, migrations, 9};
    struct ent_db *db = NULL;
    char *path = NULL;

    ENT_OK(ent_path_join(dir, "federation.db", &path));
    ENT_OK(ent_db_open(path, &schema, &db));
    ENT_OK(ent_db_exec(db, sql));
    CU_ASSERT_EQUAL(ent_db_changes(db), 1);
    ent_db_close(db);
    free(path);
}

/* Round 1 with one update accepted; its bytes as they were, damaged, or gone. */
static void in_update(const char *spoil)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];

    begin(&fed, 3);
    live_until_update(&fed, 3, 1);
    offer(&fed, m, 0);
    CU_ASSERT(m->has_ack);
    if (spoil != NULL) {
        change_store(fed.dir, spoil);
    }
    fed_restart(&fed);
    CU_ASSERT_EQUAL(round_of(&fed)->members[0].standing, ENT_STANDING_ACCEPTED);
    CU_ASSERT_EQUAL(round_of(&fed)->members[0].damaged, spoil != NULL);
    m->has_ack = false;
    fed_hello(m);
    fed_send_frame(m, ENT_MSG_UPDATE, m->update_request, &m->update); /* again, byte for byte */
    fed_pump(&fed);
    fed_hear(m);
    CU_ASSERT(m->has_ack && m->ack.repeat);
    CU_ASSERT_FALSE(round_of(&fed)->members[0].damaged);
    fed_restart(&fed); /* what came again is stored as well */
    CU_ASSERT_FALSE(round_of(&fed)->members[0].damaged);
    hello_all(&fed, 3);
    fed_live(&fed, 3, 1000);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
    CU_ASSERT_EQUAL(fed_refusals(&fed, "replay"), 0);
    fed_free(&fed);
}

ENT_TEST(inlined, restart_adds_from_the_rows)
{
    in_update(NULL);
}
ENT_TEST(inlined, a_damaged_update_is_asked_for_again)
{
    in_update("UPDATE small_update SET bytes = zeroblob(length(bytes))");
}
ENT_TEST(inlined, a_lost_update_is_asked_for_again)
{
    in_update("DELETE FROM small_update");
}

/* What an attempt kept goes with the commit that ends it. */
ENT_TEST(inlined, nothing_is_left_of_a_round)
{
    static const char *const migrations[] = {"", "", "", "", "", "", "", "", ""};
    const struct ent_db_schema schema = {0x456e7443, migrations, 9};
    struct ent_db *db = NULL;
    struct ent_stmt *stmt = NULL;
    struct fed fed;
    char *path = NULL;
    uint64_t n = 1;

    begin(&fed, 3);
    fed_live(&fed, 3, 1000);
    ENT_OK(ent_path_join(fed.dir, "federation.db", &path));
    ENT_OK(ent_db_open(path, &schema, &db));
    ENT_OK(ent_stmt_prepare(
        db, "SELECT (SELECT count(*) FROM small_update) + (SELECT count(*) FROM small_model)",
        &stmt));
    ENT_OK(ent_stmt_one(stmt));
    ENT_OK(ent_stmt_u64(stmt, 0, &n));
    CU_ASSERT_EQUAL(n, 0);
    ent_stmt_free(stmt);
    ent_db_close(db);
    free(path);
    fed_free(&fed);
}

/* A power failure may take the file of a small model, which was not synchronised: the row gives it back. */
ENT_TEST(inlined, a_model_file_that_is_gone_is_made_again)
{
    struct fed fed;
    char *path = NULL;

    begin(&fed, 3);
    live_until_update(&fed, 3, 2);
    ENT_OK(ent_store_model_path(fed.home->store, round_of(&fed)->base, &path));
    ENT_OK(ent_file_write_atomic(path, "half", 4, 0600));
    fed_restart(&fed);
    hello_all(&fed, 3);
    fed_live(&fed, 3, 1000);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
    free(path);
    fed_free(&fed);
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

ENT_TEST(inlined, restarts_at_every_moment_of_a_run)
{
    struct ent_store_run run;
    struct fed fed;

    for (int k = 0; k < 12; k++) {
        begin(&fed, 3);
        for (int turn = 0; turn < k; turn++) {
            fed_pump(&fed);
            for (size_t i = 0; i < 3; i++) {
                fed_answer(&fed.members[i], 1000 + (int32_t)i);
            }
        }
        fed_restart(&fed);
        hello_all(&fed, 3);
        for (int again = 0; again < 20 && ent_engine_ended_run(fed.engine) == 0; again++) {
            fed_live(&fed, 3, 1000);
            fed_pass(&fed, 15000);
            for (size_t i = 0; i < 3; i++) {
                if (fed.members[i].closed) {
                    fed_hello(&fed.members[i]);
                }
            }
        }
        run = only_run(fed.home->store);
        CU_ASSERT_EQUAL(run.state, ENT_RUN_ENDED);
        fed_free(&fed);
    }
}
