/* The chain of each member's nonces, and how many of them noise takes. */
#include <string.h>

#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed_central.h"

static const struct ent_round *round_of(const struct fed *fed)
{
    return ent_engine_round(fed->engine);
}

/* Joins of the member that the log has, with a nonce. */
static uint32_t count_nonces(struct fed *fed, const struct fed_member *m)
{
    struct fed_log log;
    uint32_t n = 0;

    fed_log_read(fed, &log);
    for (size_t i = 0; fed_log_find(&log, ENT_LEAF_ROUND_JOIN, i) != NULL; i++) {
        const struct ent_leaf_round_join *leaf =
            &fed_log_find(&log, ENT_LEAF_ROUND_JOIN, i)->any.round_join;
        struct ent_header header;
        struct ent_msg_join join;

        ENT_OK(ent_leaf_header(leaf->header, &fed->arena, &header));
        ENT_OK(ent_msg_join_decode(leaf->payload.data, leaf->payload.len, &fed->arena, &join));
        n += memcmp(header.sender, m->handle, 16) == 0 && join.has_nonce ? 1 : 0;
    }
    fed_log_free(&log);
    return n;
}

/* Who opens another nonce is out of the round, and nothing of it stands any more: its next join only commits. */
ENT_TEST(nonce, a_nonce_that_does_not_open)
{
    static const bool but_last[CENTRAL_N] = {true, true, true, false};
    struct fed fed;
    uint8_t seed[32];

    fed_new_inline(&fed, CENTRAL_N);
    central_start(&fed, 3, 0);
    CU_ASSERT_FATAL(central_seed(&fed, seed));
    fed.members[3].bad_nonce = true;
    central_join(&fed);
    CU_ASSERT_EQUAL(round_of(&fed)->members[3].standing, ENT_STANDING_REJECTED);
    CU_ASSERT_EQUAL(round_of(&fed)->members[3].reason, ENT_E_BAD_NONCE);
    CU_ASSERT_EQUAL(fed_refused(&fed.members[3]), ENT_E_BAD_NONCE);
    central_rejected(&fed, 3, ENT_E_BAD_NONCE);
    for (size_t i = 0; i < 3; i++) {
        central_send(&fed, i, 1000);
    }
    central_check(&fed, seed, but_last);
    fed.members[3].bad_nonce = false;
    fed.members[3].no_nonce = true;
    fed_restart(&fed);
    for (size_t i = 0; i < CENTRAL_N; i++) {
        fed_hello(&fed.members[i]);
    }
    CU_ASSERT_FATAL(central_seed(&fed, seed));
    central_join(&fed);
    CU_ASSERT_EQUAL(round_of(&fed)->members[3].standing, ENT_STANDING_JOINED);
    fed.members[3].no_nonce = false;
    central_send_all(&fed);
    central_check(&fed, seed, central_all);
    central_round(&fed);
    CU_ASSERT_EQUAL(count_nonces(&fed, &fed.members[3]), 1); /* of its two joins one counted */
    fed_free(&fed);
}

/* In every round of every run: the chain must not break. */
ENT_TEST(nonce, a_nonce_that_does_not_open_without_noise)
{
    struct fed fed;

    fed_new_inline(&fed, CENTRAL_N);
    for (size_t i = 0; i < CENTRAL_N; i++) {
        fed_hello(&fed.members[i]);
    }
    fed_start_run(&fed, fed_plan);
    fed.members[1].bad_nonce = true;
    central_join(&fed);
    central_rejected(&fed, 1, ENT_E_BAD_NONCE);
    fed_free(&fed);
}

/* A join again, of an attempt that it was counted in (BEGIN was lost, the member came back), opens nothing new. */
ENT_TEST(nonce, a_join_again)
{
    struct fed fed;
    uint8_t seed[32];

    fed_new_inline(&fed, CENTRAL_N);
    central_start(&fed, 1, 0);
    CU_ASSERT_FATAL(central_seed(&fed, seed));
    for (size_t i = 0; i < 2; i++) {
        fed_hear(&fed.members[i]);
        fed_join(&fed.members[i]);
        fed_pump(&fed);
        fed_join(&fed.members[i]);
        fed_pump(&fed);
        CU_ASSERT_EQUAL(round_of(&fed)->members[i].standing, ENT_STANDING_JOINED);
    }
    central_join(&fed);
    fed_join(&fed.members[2]);
    fed_pump(&fed);
    central_send_all(&fed);
    central_check(&fed, seed, central_all);
    fed_free(&fed);
}

/* Members of whom nothing stands only commit: their joins are no nonces, and noise takes f + 1 of those. */
ENT_TEST(nonce, too_few_nonces)
{
    struct fed_log log;
    struct fed fed;
    uint8_t seed[32];

    fed_new_inline(&fed, CENTRAL_N);
    for (size_t i = 1; i < CENTRAL_N; i++) { /* one of four may be dishonest: two have to */
        memset(fed.engine->members[i].standing, 0, 32);
        fed.members[i].no_nonce = true;
    }
    central_start(&fed, 1, 0);
    CU_ASSERT_FATAL(central_seed(&fed, seed));
    for (size_t i = 0; i < CENTRAL_N; i++) {
        fed_hear(&fed.members[i]);
        fed_join(&fed.members[i]);
    }
    fed_pump(&fed);
    CU_ASSERT_EQUAL(round_of(&fed)->phase, ENT_PHASE_WAIT);
    CU_ASSERT_EQUAL(round_of(&fed)->abort_code, ENT_E_TOO_FEW);
    fed_log_read(&fed, &log); /* nothing arrived: nothing is spent */
    CU_ASSERT_PTR_NOT_NULL(fed_log_find(&log, ENT_LEAF_DP_REFUND, 0));
    CU_ASSERT_EQUAL(fed_log_find(&log, ENT_LEAF_ROUND_ABORT, 0)->any.round_abort.code,
                    ENT_E_TOO_FEW);
    fed_log_free(&log);
    CU_ASSERT_FALSE(central_in_files(&fed, seed, sizeof seed));
    for (size_t i = 1; i < CENTRAL_N; i++) {
        fed.members[i].no_nonce = false;
    }
    fed_pass(&fed, 20000);
    CU_ASSERT_EQUAL(round_of(&fed)->attempt, 2);
    central_round(&fed); /* they had committed */
    fed_free(&fed);
}
