/* The log in the store is the tree of common/tlog, whatever happens to transactions. */
#include <stdlib.h>
#include <string.h>

#include "common/tlog/leaf.h"
#include "coordinator/store/tables.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_store/make.h"
#include "tests/unit/coordinator_store/make_log.h"

enum { LEAVES = 70 };

static void head(struct ent_store *store, uint64_t *size, uint8_t root[32])
{
    ENT_OK(ent_store_log_head(store, size, root));
}

/* The tree of the leaves' bytes, made without the store's nodes; roots[i] is that of i leaves. */
static void roots_of(struct ent_store *store, uint8_t roots[][32], uint64_t n)
{
    struct ent_merkle tree;
    struct ent_sha256 hash = {0};
    struct ent_buf leaf;

    ent_buf_init(&leaf, ENT_LEAF_MAX_BYTES);
    ent_merkle_init(&tree);
    for (uint64_t i = 0; i < n; i++) {
        uint8_t sum[32];

        ENT_OK(ent_merkle_root(&tree, &hash, roots[i]));
        ent_buf_clear(&leaf);
        ENT_OK(ent_store_log_leaf(store, i, &leaf));
        ENT_OK(ent_sha256_leaf(leaf.data, leaf.len, sum));
        ENT_OK(ent_merkle_append(&tree, &hash, sum, NULL, NULL));
    }
    ENT_OK(ent_merkle_root(&tree, &hash, roots[n]));
    ent_sha256_release(&hash);
    ent_buf_release(&leaf);
}

ENT_TEST(log, tree_is_that_of_the_leaves)
{
    static uint8_t roots[LEAVES + 1][32];
    const char *dir = NULL;
    struct ent_store *store = make_log(&dir, LEAVES);
    uint8_t root[32];
    uint64_t size = 0;

    roots_of(store, roots, LEAVES);
    for (uint64_t n = 0; n <= LEAVES; n++) {
        ENT_OK(ent_store_log_root_at(store, n, root));
        CU_ASSERT(memcmp(root, roots[n], 32) == 0);
    }
    head(store, &size, root);
    CU_ASSERT(size == LEAVES && memcmp(root, roots[LEAVES], 32) == 0);
    ENT_FAILS(ent_store_log_root_at(store, LEAVES + 1, root), ENT_E_NOT_FOUND);
    ent_store_close(store);
    ENT_OK(ent_store_open(dir, &store)); /* the edge is found again, and goes on */
    head(store, &size, root);
    CU_ASSERT(size == LEAVES && memcmp(root, roots[LEAVES], 32) == 0);
    ENT_OK(log_add(store, 1000, NOW));
    ENT_OK(ent_store_log_verify(store));
    ent_store_close(store);
}

ENT_TEST(log, proofs_come_from_its_nodes)
{
    struct ent_store *store = make_log(NULL, LEAVES);
    struct ent_merkle_proof proof;
    uint8_t root[32];
    uint8_t old[32];
    uint8_t leaf[32];

    ENT_OK(ent_store_log_root_at(store, LEAVES, root));
    for (uint64_t i = 0; i < LEAVES; i++) {
        ENT_OK(ent_store_log_leaf_hash(store, i, leaf));
        ENT_OK(ent_merkle_prove_inclusion(ent_store_log_node, store, i, LEAVES, &proof));
        ENT_OK(ent_merkle_verify_inclusion(i, LEAVES, leaf, &proof, root));
        ENT_OK(ent_store_log_root_at(store, i, old));
        ENT_OK(ent_merkle_prove_consistency(ent_store_log_node, store, i, LEAVES, &proof));
        ENT_OK(ent_merkle_verify_consistency(i, LEAVES, &proof, old, root));
    }
    ent_store_close(store);
}

ENT_TEST(log, a_rollback_takes_the_edge_back)
{
    const char *dir = NULL;
    struct ent_store *store = make_log(&dir, 5);
    uint8_t before[32];
    uint8_t root[32];
    uint8_t committed[32];
    uint64_t size = 0;

    head(store, &size, before);
    ENT_OK(ent_store_begin(store));
    for (uint32_t i = 0; i < 9; i++) {
        ENT_OK(log_add(store, 100 + i, NOW + 50));
    }
    head(store, &size, root);
    CU_ASSERT(size == 14 && memcmp(root, before, 32) != 0);
    ENT_OK(ent_store_log_committed(store, &size, committed));
    CU_ASSERT(size == 5 && memcmp(committed, before, 32) == 0);
    ent_store_rollback(store);
    head(store, &size, root);
    CU_ASSERT(size == 5 && memcmp(root, before, 32) == 0);
    CU_ASSERT_EQUAL(store->log.time_ms, NOW); /* also its time was taken back */
    ENT_OK(log_add(store, 200, NOW));
    ENT_OK(ent_store_log_verify(store));
    ent_store_close(store);
    ENT_OK(ent_store_open(dir, &store));
    ENT_OK(ent_store_log_size(store, &size));
    CU_ASSERT_EQUAL(size, 6);
    ent_store_close(store);
}

ENT_TEST(log, leaves_and_nodes_are_never_changed)
{
    static const char *const sql[] = {
        "UPDATE leaf SET body = x'00' WHERE idx = 1",
        "UPDATE leaf SET hash = hash",
        "DELETE FROM leaf WHERE idx = (SELECT max(idx) FROM leaf)",
        "DELETE FROM leaf",
        "UPDATE node SET hash = zeroblob(32)",
        "DELETE FROM node WHERE level = 1",
    };
    struct ent_store *store = make_log(NULL, 9);
    uint8_t hash[32];

    for (size_t i = 0; i < sizeof sql / sizeof sql[0]; i++) {
        CU_ASSERT(ent_db_exec(store->db, sql[i]) != ENT_E_OK);
        CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "audit log"));
    }
    ENT_OK(ent_store_log_leaf_hash(store, 8, hash));
    ENT_OK(ent_store_log_verify(store));
    ent_store_close(store);
}

ENT_TEST(log, time_stands_still_and_is_refused_beyond_five_minutes)
{
    struct ent_store *store = make_log(NULL, 2);
    struct ent_leaf_frame frame = {.type = ENT_LEAF_OPERATOR_ACTION};
    struct ent_leaf_operator_action action = {.action = ENT_LOG_STOP};
    uint64_t late = NOW + 3600000;
    uint64_t idx = 0;

    ENT_OK(log_add(store, 9, late));
    ENT_OK(ent_store_log_append(store, &frame, &action, late - 300000, &idx, NULL));
    CU_ASSERT_EQUAL(frame.time_ms, late);
    CU_ASSERT(idx == 3 && frame.seq == 3 && frame.schema == ENT_LEAF_SCHEMA);
    ENT_FAILS(log_add(store, 10, late - 300001), ENT_E_CLOCK);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "5 min"));
    ENT_OK(log_add(store, 10, late + 1));
    ENT_OK(ent_store_log_verify(store));
    ent_store_close(store);
}

/* Who writes beside this store makes the next commit fail, and nothing of it stays. */
ENT_TEST(log, another_writer_is_noticed_at_the_commit)
{
    const char *dir = NULL;
    struct ent_store *a = make_log(&dir, 4);
    struct ent_store *b = NULL;
    uint8_t root[32];
    uint64_t size = 0;

    ENT_OK(ent_store_open(dir, &b));
    ENT_OK(log_add(b, 77, NOW));
    ENT_FAILS(log_add(a, 78, NOW), ENT_E_CORRUPT); /* its place is taken */
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "another program"));
    head(a, &size, root);
    CU_ASSERT_EQUAL(size, 4);
    ent_store_close(b);
    ENT_OK(ent_db_exec(a->db, "UPDATE head SET size = 4, root = zeroblob(32)"));
    ENT_OK(ent_store_log_root_at(a, 4, root));
    a->log.tree.size = 5; /* as if it had seen the leaf, but not the head */
    a->log.committed.size = 5;
    ENT_FAILS(log_add(a, 79, NOW), ENT_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "another program"));
    ent_store_close(a);
    ENT_FAILS(ent_store_open(dir, &a), ENT_E_CORRUPT);
}

ENT_TEST(log, the_first_leaf_is_the_genesis_and_no_other)
{
    const char *dir = NULL;
    struct ent_store *store = make_store(&dir);
    struct ent_store_genesis genesis;
    uint8_t hash[32];
    uint64_t size = 9;

    ENT_OK(ent_store_log_size(store, &size)); /* a directory made before there was a log */
    CU_ASSERT_EQUAL(size, 0);
    ENT_FAILS(log_add(store, 1, NOW), ENT_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "before there was an audit log"));
    ENT_FAILS(ent_store_log_genesis(store, &genesis), ENT_E_NOT_FOUND);
    ENT_OK(ent_store_log_verify(store));
    ENT_OK(log_begin(store));
    ENT_FAILS(log_begin(store), ENT_E_CORRUPT);
    ENT_OK(ent_store_log_genesis(store, &genesis));
    ENT_OK(ent_store_log_leaf_hash(store, 0, hash));
    CU_ASSERT(memcmp(hash, genesis.hash, 32) == 0);
    CU_ASSERT_STRING_EQUAL(genesis.log.name, LOG_ORIGIN);
    CU_ASSERT_EQUAL(genesis.log.type, ENT_VKEY_LOG);
    ent_store_close(store);
    ENT_OK(ent_store_open(dir, &store));
    ENT_OK(ent_store_log_size(store, &size));
    CU_ASSERT_EQUAL(size, 1);
    ent_store_close(store);
}

/* ---- reading ---- */

static enum ent_err count_leaf(void *ctx, uint64_t idx, struct ent_bytes leaf)
{
    struct ent_leaf_frame frame;
    struct ent_bytes body;

    ENT_OK(ent_leaf_open(leaf, &frame, &body));
    CU_ASSERT_EQUAL(frame.seq, idx);
    ++*(size_t *)ctx;
    return idx == 12 ? ENT_E_STOPPED : ENT_E_OK;
}

ENT_TEST(log, stretches_and_the_newest_of_a_type)
{
    static const uint8_t payload[32] = {1};
    static uint8_t sealed[1][32] = {{9}};
    struct ent_store *store = make_log(NULL, 10);
    struct ent_buf out;
    uint64_t n = 0;
    uint64_t idx = 0;
    uint64_t total = 0;
    size_t count = 0;

    ENT_OK(log_add_accept(store, payload, sealed, 1, NOW));
    ENT_OK(log_add_many(store, 50, 4));
    ent_buf_init(&out, 100000);
    for (uint64_t first = 0; first < 14; first += n) {
        size_t before = out.len;

        ENT_OK(ent_store_log_range(store, first, 14, 200, &out, &n));
        CU_ASSERT_FATAL(n >= 1);
        CU_ASSERT(n == 1 || out.len - before <= 200);
        total += n;
    }
    CU_ASSERT_EQUAL(total, 14);
    for (size_t at = 0, i = 0; at < out.len; i++) {
        struct ent_leaf_frame frame;
        struct ent_bytes body;
        size_t len = ent_get_be16(out.data + at);

        ENT_OK(ent_leaf_open((struct ent_bytes){out.data + at + 2, len}, &frame, &body));
        CU_ASSERT_EQUAL(frame.seq, i);
        at += 2 + len;
    }
    ENT_OK(ent_store_log_range(store, 15, UINT64_MAX, 200, &out, &n));
    CU_ASSERT_EQUAL(n, 0);
    ENT_OK(ent_store_log_newest(store, ENT_LEAF_UPDATE_ACCEPT, UINT64_MAX, &idx));
    CU_ASSERT_EQUAL(idx, 10);
    ENT_FAILS(ent_store_log_newest(store, ENT_LEAF_UPDATE_ACCEPT, 10, &idx), ENT_E_NOT_FOUND);
    ENT_OK(ent_store_log_newest(store, ENT_LEAF_OPERATOR_ACTION, 10, &idx));
    CU_ASSERT_EQUAL(idx, 9);
    ENT_OK(ent_store_log_of_round(store, ENT_LEAF_UPDATE_ACCEPT, 1, 3, &idx));
    CU_ASSERT_EQUAL(idx, 10);
    ENT_FAILS(ent_store_log_of_round(store, ENT_LEAF_UPDATE_ACCEPT, 1, 4, &idx), ENT_E_NOT_FOUND);
    ENT_OK(ent_store_log_each(store, ENT_LEAF_UPDATE_ACCEPT, 0, UINT64_MAX, count_leaf, &count));
    CU_ASSERT_EQUAL(count, 1);
    ENT_FAILS(ent_store_log_each(store, 0, 3, UINT64_MAX, count_leaf, &count), ENT_E_STOPPED);
    CU_ASSERT_EQUAL(count, 11);
    ENT_FAILS(ent_store_log_leaf(store, 15, &out), ENT_E_NOT_FOUND);
    ent_buf_release(&out);
    ent_store_close(store);
}

ENT_TEST(log, a_reader_beside_it_sees_what_is_committed)
{
    const char *dir = NULL;
    struct ent_store *store = make_log(&dir, 3);
    struct ent_store *reader = NULL;
    uint8_t root[32];
    uint8_t seen[32];
    uint64_t size = 0;

    ENT_OK(ent_store_open_readonly(dir, &reader));
    ENT_OK(ent_store_begin(store));
    ENT_OK(log_add(store, 5, NOW));
    ENT_OK(ent_store_log_size(reader, &size));
    CU_ASSERT_EQUAL(size, 3);
    ENT_OK(ent_store_commit(store));
    head(store, &size, root);
    head(reader, &size, seen);
    CU_ASSERT(size == 4 && memcmp(root, seen, 32) == 0);
    ENT_OK(ent_store_log_verify(reader));
    ent_store_close(reader);
    ent_store_close(store);
}

/* Recovery: bytes of a mirror make the same log; what is not the next leaf is refused. */
ENT_TEST(log, ready_leaves_make_the_same_log)
{
    static const uint8_t payload[32] = {1};
    static uint8_t sealed[2][32] = {{8}, {9}};
    struct ent_store *from = make_log(NULL, 7);
    struct ent_store *to = make_store(NULL);
    struct ent_store_kept *kept = NULL;
    struct ent_buf leaf;
    uint8_t a[32];
    uint8_t b[32];
    uint64_t size = 0;
    size_t n = 0;

    ent_buf_init(&leaf, ENT_LEAF_MAX_BYTES);
    ENT_OK(log_add_accept(from, payload, sealed, 2, NOW));
    for (uint64_t i = 0; i < 8; i++) {
        ent_buf_clear(&leaf);
        ENT_OK(ent_store_log_leaf(from, i, &leaf));
        if (i == 5) {
            leaf.data[31] = 4; /* seq */
            ENT_FAILS(ent_store_log_append_bytes(to, (struct ent_bytes){leaf.data, leaf.len}, a),
                      ENT_E_PROTOCOL);
            leaf.data[31] = 5;
            leaf.data[8] ^= 1; /* federation */
            ENT_FAILS(ent_store_log_append_bytes(to, (struct ent_bytes){leaf.data, leaf.len}, a),
                      ENT_E_PROTOCOL);
            leaf.data[8] ^= 1;
            leaf.data[37] ^= 0x0f; /* time */
            ENT_FAILS(ent_store_log_append_bytes(to, (struct ent_bytes){leaf.data, leaf.len}, a),
                      ENT_E_PROTOCOL);
            leaf.data[37] ^= 0x0f;
        }
        ENT_OK(ent_store_log_append_bytes(to, (struct ent_bytes){leaf.data, leaf.len}, a));
        ENT_OK(ent_store_log_leaf_hash(from, i, b));
        CU_ASSERT(memcmp(a, b, 32) == 0);
    }
    head(from, &size, a);
    head(to, &size, b);
    CU_ASSERT(memcmp(a, b, 32) == 0);
    ENT_OK(ent_store_log_verify(to));
    ENT_OK(ent_store_sealed_list(to, ENT_STORE_KEPT_ALL, UINT64_MAX, &kept, &n));
    CU_ASSERT_EQUAL(n, 2);
    free(kept);
    ent_buf_release(&leaf);
    ent_store_close(from);
    ent_store_close(to);
}

ENT_TEST(log, a_group_of_leaves_is_one_commit)
{
    struct ent_store *store = make_log(NULL, 2);
    uint64_t before = ent_store_commits(store);

    ENT_OK(log_add_many(store, 10, 40));
    CU_ASSERT_EQUAL(ent_store_commits(store), before + 1);
    ent_store_close(store);
}
