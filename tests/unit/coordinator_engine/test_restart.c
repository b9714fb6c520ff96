#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/task/metrics.h"
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
    fed_new(fed, n);
    hello_all(fed, n);
    fed_start_run(fed, fed_plan);
}

static const struct ent_round *round_of(struct fed *fed)
{
    return ent_engine_round(fed->engine);
}

static void finish(struct fed *fed, size_t n)
{
    hello_all(fed, n);
    fed_live(fed, n, 1000);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed->engine), 1);
    for (size_t i = 0; i < n; i++) {
        CU_ASSERT(fed->members[i].ended);
    }
}

ENT_TEST(restart, before_any_member_came)
{
    struct fed fed;

    fed_new(&fed, 3);
    fed_start_run(&fed, fed_plan);
    CU_ASSERT_EQUAL(round_of(&fed)->phase, ENT_PHASE_WAIT);
    fed_restart(&fed);
    CU_ASSERT_EQUAL(round_of(&fed)->phase, ENT_PHASE_WAIT);
    finish(&fed, 3);
    fed_free(&fed);
}

ENT_TEST(restart, in_join)
{
    struct fed fed;
    uint8_t hash[32];

    begin(&fed, 3);
    fed_pump(&fed);
    fed_hear(&fed.members[0]);
    memcpy(hash, fed.members[0].open_hash, 32);
    fed_join(&fed.members[0]);
    fed_pump(&fed);
    CU_ASSERT_EQUAL(round_of(&fed)->phase, ENT_PHASE_JOIN);
    fed_restart(&fed);
    CU_ASSERT_EQUAL(round_of(&fed)->phase, ENT_PHASE_JOIN);
    CU_ASSERT_EQUAL(round_of(&fed)->members[0].standing, ENT_STANDING_JOINED);
    fed_hello(&fed.members[1]);
    fed_hear(&fed.members[1]);
    /* RoundOpen is the same bytes as before: what members answered to still counts. */
    CU_ASSERT_EQUAL(memcmp(hash, fed.members[1].open_hash, 32), 0);
    fed_join(&fed.members[1]);
    fed_hello(&fed.members[0]);
    fed_hello(&fed.members[2]);
    fed_live(&fed, 3, 1000);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
    fed_free(&fed);
}

/* Round 1 with one update accepted and its file as it is, damaged, or gone. */
static void in_update(void (*spoil)(const char *path), bool damaged)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];
    char *path = NULL;

    begin(&fed, 3);
    fed_pump(&fed);
    for (size_t i = 0; i < 3; i++) {
        fed_hear(&fed.members[i]);
        fed_join(&fed.members[i]);
    }
    fed_pump(&fed);
    CU_ASSERT_EQUAL(round_of(&fed)->phase, ENT_PHASE_UPDATE);
    fed_hear(m);
    fed_offer(m, 0);
    fed_pump(&fed);
    fed_answer(m, 0);
    fed_pump(&fed);
    fed_hear(m);
    CU_ASSERT(m->has_ack);
    ENT_OK(ent_store_update_path(fed.home->store, 1, 1, 1, m->handle, &path));
    CU_ASSERT(ent_file_exists(path));
    spoil(path);
    fed_restart(&fed);
    CU_ASSERT_EQUAL(round_of(&fed)->members[0].standing, ENT_STANDING_ACCEPTED);
    CU_ASSERT_EQUAL(round_of(&fed)->members[0].damaged, damaged);
    m->has_ack = false;
    fed_hello(m);
    fed_send_frame(m, ENT_MSG_UPDATE, m->update_request, &m->update); /* again, byte for byte */
    fed_pump(&fed);
    while (m->n_read < m->n_inbox && m->inbox[m->n_read].type != ENT_MSG_GO &&
           m->inbox[m->n_read].type != ENT_MSG_ACK) {
        m->n_read++;
    }
    fed_answer(m, 0);
    fed_pump(&fed);
    fed_hear(m);
    CU_ASSERT(m->has_ack);
    CU_ASSERT(m->ack.repeat);
    CU_ASSERT_FALSE(round_of(&fed)->members[0].damaged);
    CU_ASSERT(ent_file_exists(path));
    fed_hello(&fed.members[1]);
    fed_hello(&fed.members[2]);
    fed_live(&fed, 3, 1000);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
    CU_ASSERT_FALSE(ent_file_exists(path));
    CU_ASSERT_EQUAL(fed_refusals(&fed, "replay"), 0);
    free(path);
    fed_free(&fed);
}

static void leave(const char *path)
{
    (void)path;
}

static void damage(const char *path)
{
    FILE *f = fopen(path, "r+b");

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(fseek(f, 40, SEEK_SET), 0);
    CU_ASSERT_EQUAL(fputc(0x55, f), 0x55);
    CU_ASSERT_EQUAL(fclose(f), 0);
}

static void lose(const char *path)
{
    CU_ASSERT_EQUAL(unlink(path), 0);
}

ENT_TEST(restart, in_update_adds_from_the_files)
{
    in_update(leave, false);
}
ENT_TEST(restart, a_damaged_update_is_asked_for_again)
{
    in_update(damage, true);
}
ENT_TEST(restart, a_lost_update_is_asked_for_again)
{
    in_update(lose, true);
}

ENT_TEST(restart, at_every_moment_of_a_run)
{
    struct fed fed;
    uint8_t expected[32] = {0};

    /* The same federation, restarted after each turn of messages up to the k-th; the model never differs. Members have
     * different keys each time, so what is compared is the model's parameters, through its steps. */
    for (int k = 0; k < 12; k++) {
        struct ent_store_run *runs = NULL;
        size_t n = 0;

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
        ENT_OK(ent_store_run_list(fed.home->store, &runs, &n));
        CU_ASSERT_EQUAL_FATAL(n, 1);
        CU_ASSERT_EQUAL(runs[0].state, ENT_RUN_ENDED);
        if (runs[0].state != ENT_RUN_ENDED) {
            (void)fprintf(stderr, "restart after turn %d: run not over\n", k);
        }
        CU_ASSERT(memcmp(runs[0].best, expected, 32) != 0);
        free(runs);
        fed_free(&fed);
    }
}

ENT_TEST(restart, a_member_that_was_away_gets_the_end)
{
    struct fed fed;
    struct fed_member *m = &fed.members[3];
    struct ent_msg_hello hello;
    struct ent_header header;

    begin(&fed, 4);
    fed_pump(&fed);
    fed_hear(m);
    ent_link_mem_cut(fed.net, m->conn);
    fed_pump(&fed);
    for (int i = 0; i < 10 && ent_engine_ended_run(fed.engine) == 0; i++) {
        fed_live(&fed, 3, 1000);
        fed_pass(&fed, 15000);
    }
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
    fed_restart(&fed);
    fed_dial(m);
    hello = fed_hello_of(m);
    hello.has_run_plan = true;
    memcpy(hello.run_plan, m->open.plan, 32);
    header = fed_header(m, ENT_MSG_HELLO);
    fed_send(m, &header, &hello);
    fed_live(&fed, 4, 0);
    CU_ASSERT(m->ended);
    CU_ASSERT(m->end.has_best);
    CU_ASSERT_EQUAL(m->end.best_round, 1);
    CU_ASSERT_EQUAL(m->end.n_metrics, ENT_METRIC_VALUES);
    CU_ASSERT_PTR_NOT_NULL(m->received);
    fed_free(&fed);
}
