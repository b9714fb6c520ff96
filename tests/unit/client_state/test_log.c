/* The log as the state keeps it. */
#include <string.h>

#include "client/state/log.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_state/fixture.h"

static void grow(struct ent_state_log *log, uint64_t n)
{
    struct ent_sha256 hash = {0};

    while (log->tree.size < n) {
        uint8_t leaf[32] = {(uint8_t)log->tree.size, 1};

        ENT_OK(ent_merkle_append(&log->tree, &hash, leaf, NULL, NULL));
    }
    ENT_OK(ent_merkle_root(&log->tree, &hash, log->root));
    ent_sha256_release(&hash);
}

ENT_TEST(head, comes_back_as_it_was_and_never_goes_back)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    struct ent_state_log log = {.time_ms = 9, .origin = "o/f", .genesis = {4}};
    struct ent_state_log got;
    struct ent_tree_head head;
    struct ent_buf note;

    ENT_OK(ent_state_log_get(s, &got));
    CU_ASSERT(got.tree.size == 0 && got.origin[0] == '\0');
    ent_buf_init(&note, 100);
    ENT_FAILS(ent_state_log_note(s, &note), ENT_E_NOT_FOUND);
    for (uint64_t size = 1; size < 70; size += 3) {
        grow(&log, size);
        ENT_OK(ent_state_log_put(s, &log, "note", 4));
        s = reopen(dir, s);
        ENT_OK(ent_state_log_get(s, &got));
        CU_ASSERT_EQUAL(memcmp(got.root, log.root, 32), 0);
        grow(&got, size + 5); /* the edge goes on as the tree would have */
        grow(&log, size + 5);
        CU_ASSERT_EQUAL(memcmp(got.root, log.root, 32), 0);
        ENT_OK(ent_state_log_get(s, &log));
    }
    CU_ASSERT(got.time_ms == 9 && got.genesis[0] == 4 && strcmp(got.origin, "o/f") == 0);
    ENT_OK(ent_state_log_note(s, &note));
    CU_ASSERT(note.len == 4 && memcmp(note.data, "note", 4) == 0);
    ENT_OK(ent_state_head_get(s, &head));
    CU_ASSERT(head.size == log.tree.size && memcmp(head.root, log.root, 32) == 0);
    ENT_OK(ent_state_log_put(s, &log, "same", 4));
    log.root[0] ^= 1;
    ENT_FAILS(ent_state_log_put(s, &log, "other", 5), ENT_E_REWRITTEN);
    memset(&log.tree, 0, sizeof log.tree);
    grow(&log, 3);
    ENT_FAILS(ent_state_log_put(s, &log, "short", 5), ENT_E_REWRITTEN);
    ent_buf_release(&note);
    ent_state_close(s);
}

/* What a note brought goes as a whole; what waited before it stays. */
ENT_TEST(head, a_refused_note_leaves_nothing_behind)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    struct ent_log_member m = {.handle = {1}};
    struct ent_receipt r = {.at = {1, 2, 3}, .round_open = {5}};
    struct ent_log_round round;
    uint8_t hash[32] = {7};
    uint8_t keys[2][32];
    struct ent_buf set;
    uint64_t index;
    size_t n = 9;

    ENT_OK(ent_state_receipt_put(s, &r)); /* waits */
    ENT_OK(ent_state_log_begin(s));
    ENT_OK(ent_state_log_admit(s, &m));
    ENT_FAILS(ent_state_log_admit(s, &m), ENT_E_EXISTS);
    ENT_OK(ent_state_leaf_put(s, 0, hash, "leaf", 4));
    ENT_OK(ent_state_log_auditor(s, hash));
    ENT_OK(ent_state_witness_set_put(s, 0, "set", 3));
    round = (struct ent_log_round){.opened = true, .has_model = true};
    ENT_OK(ent_state_log_round_put(s, &round));
    CU_ASSERT_EQUAL(ent_state_log_end(s, ent_err_note(ENT_E_REWRITTEN, "it does not hold: %d", 7)),
                    ENT_E_REWRITTEN);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "it does not hold: 7"));
    ent_buf_init(&set, 100);
    ENT_FAILS(ent_state_log_member(s, m.handle, &m), ENT_E_NOT_FOUND);
    ENT_FAILS(ent_state_leaf_hash(s, 0, hash), ENT_E_NOT_FOUND);
    ENT_FAILS(ent_state_witness_set_get(s, &index, &set), ENT_E_NOT_FOUND);
    ENT_OK(ent_state_log_auditors(s, keys, 2, &n));
    CU_ASSERT_EQUAL(n, 0);
    ENT_OK(ent_state_log_round_get(s, &round));
    CU_ASSERT_FALSE(round.opened);
    s = reopen(dir, s);
    ENT_OK(ent_state_receipt_get(s, r.at, &r));
    ent_buf_release(&set);
    ent_state_close(s);
}

ENT_TEST(log, who_is_in_it)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    struct ent_log_member m = {.handle = {1}, .statement_pub = {2}, .witness_pub = {3}};
    struct ent_log_member got;
    uint8_t keys[2][32] = {{0}};
    const uint8_t auditors[3][32] = {{9}, {8}, {7}};
    struct ent_buf set;
    uint64_t index = 0;
    size_t n = 0;

    ENT_OK(ent_state_log_begin(s));
    ENT_OK(ent_state_log_admit(s, &m));
    for (size_t i = 0; i < 3; i++) {
        ENT_OK(ent_state_log_auditor(s, auditors[i]));
        ENT_OK(ent_state_log_auditor(s, auditors[i])); /* a repeat is one */
    }
    ENT_OK(ent_state_witness_set_put(s, 4, "first", 5));
    ENT_OK(ent_state_witness_set_put(s, 9, "second", 6));
    ENT_OK(ent_state_log_end(s, ENT_E_OK));
    s = reopen(dir, s);
    ENT_OK(ent_state_log_member(s, m.handle, &got));
    CU_ASSERT(got.statement_pub[0] == 2 && got.witness_pub[0] == 3 && !got.gone);
    ENT_OK(ent_state_log_gone(s, m.handle));
    ENT_OK(ent_state_log_member(s, m.handle, &got));
    CU_ASSERT_TRUE(got.gone);
    m.handle[0] = 2;
    ENT_FAILS(ent_state_log_gone(s, m.handle), ENT_E_NOT_FOUND);
    ENT_OK(ent_state_log_auditors(s, keys, 2, &n));
    CU_ASSERT(n == 2 && keys[0][0] == 9 && keys[1][0] == 8);
    ent_buf_init(&set, 100);
    ENT_OK(ent_state_witness_set_get(s, &index, &set));
    CU_ASSERT(index == 9 && set.len == 6 && memcmp(set.data, "second", 6) == 0);
    ent_buf_release(&set);
    ent_state_close(s);
}

static enum ent_err count(void *ctx, const struct ent_receipt *r)
{
    uint64_t *last = ctx;

    CU_ASSERT(r->at.round > *last);
    *last = r->at.round;
    return r->at.round == 3 ? ENT_E_STOPPED : ENT_E_OK;
}

ENT_TEST(log, receipts)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    struct ent_receipt r = {.task = 2, .bytes = 7, .sent_ms = 8};
    struct ent_receipt got;
    uint64_t last = 0;

    for (uint8_t i = 1; i <= 4; i++) {
        r.at = (struct ent_attempt){1, i, 1};
        r.round_open[0] = i;
        ENT_OK(ent_state_receipt_put(s, &r));
    }
    r.at.round = 2;
    r.round_open[0] = 2;
    r.has_ack = true;
    r.code = ENT_E_SHAPE;
    r.ack_len = 2;
    memcpy(r.ack, "ok", 2);
    r.fate = ENT_FATE_DROPPED;
    r.leaf = 77;
    r.fate_code = ENT_E_TIMEOUT;
    r.dispute_due = true;
    ENT_OK(ent_state_receipt_put(s, &r)); /* what is known of it now */
    s = reopen(dir, s);
    ENT_OK(ent_state_receipt_due(s, &got));
    CU_ASSERT(got.at.round == 2 && got.code == ENT_E_SHAPE && got.ack_len == 2);
    CU_ASSERT(got.fate == ENT_FATE_DROPPED && got.leaf == 77 && got.fate_code == ENT_E_TIMEOUT);
    CU_ASSERT(got.task == 2 && got.bytes == 7 && got.sent_ms == 8);
    ENT_OK(ent_state_receipt_of(s, r.round_open, &got));
    CU_ASSERT_EQUAL(got.at.round, 2);
    r.round_open[0] = 9;
    ENT_FAILS(ent_state_receipt_of(s, r.round_open, &got), ENT_E_NOT_FOUND);
    ENT_FAILS(ent_state_receipts(s, count, &last), ENT_E_STOPPED);
    CU_ASSERT_EQUAL(last, 3);
    ent_state_close(s);
    change_state(dir, "UPDATE receipt SET fate = 9 WHERE round = 2");
    s = open_state(dir);
    ENT_FAILS(ent_state_receipt_get(s, (struct ent_attempt){1, 2, 1}, &got), ENT_E_CORRUPT);
    ent_state_close(s);
}

ENT_TEST(log, damage_is_found)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    struct ent_state_log log = {.origin = "o/f"};

    grow(&log, 6);
    ENT_OK(ent_state_log_put(s, &log, "note", 4));
    ent_state_close(s);
    change_state(dir, "UPDATE log SET nodes = x'00'");
    s = open_state(dir);
    ENT_FAILS(ent_state_log_get(s, &log), ENT_E_CORRUPT);
    ent_state_close(s);
}

/* Another program looks on; what waits in the first is not seen, and nothing is swept under it. */
ENT_TEST(log, is_read_while_another_works)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    struct ent_state *reader = NULL;
    struct ent_receipt r = {.at = {1, 1, 1}};
    struct ent_receipt got;

    ENT_OK(ent_state_receipt_put(s, &r));
    ENT_OK(ent_state_open_reader(dir, &reader));
    ENT_FAILS(ent_state_receipt_get(reader, r.at, &got), ENT_E_NOT_FOUND);
    ENT_OK(ent_state_flush(s));
    ENT_OK(ent_state_receipt_get(reader, r.at, &got));
    ent_state_close(reader);
    r.at.round = 2;
    ENT_OK(ent_state_receipt_put(s, &r));
    ENT_OK(ent_state_flush(s));
    ent_state_close(s);
}
