/* What is read at start is recomputed from the leaves: nothing that was stored beside them is believed.
 * One pass over leaves, nodes (a cursor for each level, they come in the leaves' order) and notes. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/tlog/leaf.h"
#include "common/tlog/note.h"
#include "coordinator/store/tables.h"

struct verifier {
    struct ent_store *store;
    struct ent_log_head head;
    struct ent_merkle tree;
    struct ent_sha256 hash;
    uint64_t time_ms;
    struct ent_stmt *leaves;
    struct ent_stmt
        *levels[ENT_MERKLE_LEVELS]; /* node rows of a level, from 1 on; NULL: none read */
    struct ent_stmt *notes;
    bool note_row; /* notes stands on a row, of this size: */
    uint64_t note_size;
    struct ent_vkey key; /* the log's, borrows ready */
    struct ent_sign_pub *ready;
    struct ent_note_opened *opened;
};

/* ---- nodes ---- */

static enum ent_err open_level(struct verifier *v, unsigned level)
{
    ENT_TRY(ent_tables_prepare(v->store, "SELECT idx, hash FROM node WHERE level = ? ORDER BY idx",
                               &v->levels[level]));
    ent_stmt_bind_u64(v->levels[level], 1, level);
    return ENT_E_OK;
}

static enum ent_err check_node(void *ctx, unsigned level, uint64_t index,
                               const uint8_t hash[ENT_MERKLE_BYTES])
{
    struct verifier *v = ctx;
    uint8_t found[ENT_MERKLE_BYTES] = {0};
    uint64_t at = 0;
    bool row = false;

    if (level == 0) {
        return ENT_E_OK;
    }
    if (v->levels[level] == NULL) {
        ENT_TRY(open_level(v, level));
    }
    ENT_TRY(ent_stmt_step(v->levels[level], &row));
    if (row) {
        ENT_TRY(ent_stmt_u64(v->levels[level], 0, &at));
        ENT_TRY(ent_stmt_blob_exact(v->levels[level], 1, found, sizeof found));
    }
    ENT_REQUIRE(row && at == index, ENT_E_CORRUPT, "the audit log's node %u/%llu is missing", level,
                (unsigned long long)index);
    ENT_REQUIRE(memcmp(found, hash, sizeof found) == 0, ENT_E_CORRUPT,
                "the audit log's node %u/%llu does not follow from its leaves", level,
                (unsigned long long)index);
    return ENT_E_OK;
}

static enum ent_err read_u64(struct ent_stmt *stmt, void *out)
{
    return ent_stmt_u64(stmt, 0, out);
}

/* As many rows as the tree has complete subtrees above its leaves: each of them was compared. */
static enum ent_err check_n_nodes(struct verifier *v)
{
    struct ent_stmt *stmt = NULL;
    uint64_t want = 0;
    uint64_t n = 0;

    for (unsigned level = 1; level < ENT_MERKLE_LEVELS; level++) {
        want += v->tree.size >> level;
    }
    ENT_TRY(ent_tables_prepare(v->store, "SELECT count(*) FROM node", &stmt));
    ENT_TRY(ent_tables_one(stmt, read_u64, &n));
    ENT_REQUIRE(n == want, ENT_E_CORRUPT, "the audit log has %llu nodes, its leaves give %llu",
                (unsigned long long)n, (unsigned long long)want);
    return ENT_E_OK;
}

/* ---- notes ---- */

static enum ent_err next_note(struct verifier *v)
{
    ENT_TRY(ent_stmt_step(v->notes, &v->note_row));
    return v->note_row ? ent_stmt_u64(v->notes, 0, &v->note_size) : ENT_E_OK;
}

static enum ent_err note_damaged(uint64_t size, enum ent_err err)
{
    char finding[256];

    if (err == ENT_E_OK || err == ENT_E_NO_MEMORY || err == ENT_E_IO) {
        return err;
    }
    (void)snprintf(finding, sizeof finding, "%s", ent_err_message());
    return ent_err_note(ENT_E_CORRUPT, "the audit log's note of size %llu is damaged: %s",
                        (unsigned long long)size, finding);
}

static enum ent_err check_note(struct verifier *v)
{
    uint8_t stored[ENT_MERKLE_BYTES];
    uint8_t root[ENT_MERKLE_BYTES];
    const uint8_t *note = NULL;
    size_t len = 0;
    enum ent_err err;

    ENT_TRY(ent_stmt_blob_exact(v->notes, 1, stored, sizeof stored));
    ENT_TRY(ent_stmt_blob(v->notes, 2, &note, &len));
    ENT_TRY(ent_merkle_root(&v->tree, &v->hash, root));
    ENT_REQUIRE(memcmp(stored, root, sizeof root) == 0, ENT_E_CORRUPT,
                "the audit log's first %llu leaves do not give the root that was signed for them",
                (unsigned long long)v->note_size);
    err = ent_note_open((const char *)note, len, v->key.name, &v->key, 1, v->opened);
    if (err == ENT_E_OK && (v->opened->checkpoint.size != v->note_size ||
                            memcmp(v->opened->checkpoint.root, root, sizeof root) != 0)) {
        err = ent_err_note(ENT_E_DATA, "it says another size or root");
    }
    return note_damaged(v->note_size, err);
}

/* ---- leaves ---- */

static enum ent_err check_frame(struct verifier *v, const struct ent_leaf_frame *frame)
{
    uint64_t idx = v->tree.size;
    uint64_t type = 0;
    uint64_t run = 0;
    uint64_t round = 0;

    ENT_TRY(ent_stmt_u64(v->leaves, 1, &type));
    ENT_TRY(ent_stmt_u64(v->leaves, 2, &run));
    ENT_TRY(ent_stmt_u64(v->leaves, 3, &round));
    ENT_REQUIRE(frame->seq == idx && frame->type == type && frame->run == run &&
                    frame->round == round,
                ENT_E_CORRUPT, "the audit log's leaf %llu stands where another belongs",
                (unsigned long long)idx);
    ENT_REQUIRE(
        memcmp(frame->federation, v->store->identity.federation, sizeof frame->federation) == 0,
        ENT_E_CORRUPT, "the audit log's leaf %llu is of another federation",
        (unsigned long long)idx);
    ENT_REQUIRE(frame->time_ms >= v->time_ms, ENT_E_CORRUPT,
                "the audit log's leaf %llu is older than the one before it",
                (unsigned long long)idx);
    ENT_REQUIRE((idx == 0) == (frame->type == ENT_LEAF_GENESIS), ENT_E_CORRUPT,
                "the audit log's leaf %llu: log.genesis is the first one and no other",
                (unsigned long long)idx);
    v->time_ms = frame->time_ms;
    return ENT_E_OK;
}

static enum ent_err check_leaf(struct verifier *v)
{
    struct ent_leaf_frame frame;
    struct ent_bytes leaf = {0};
    struct ent_bytes body;
    uint8_t stored[ENT_MERKLE_BYTES];
    uint8_t hash[ENT_MERKLE_BYTES];
    uint64_t idx = 0;

    ENT_TRY(ent_stmt_u64(v->leaves, 0, &idx));
    ENT_REQUIRE(idx == v->tree.size, ENT_E_CORRUPT, "the audit log's leaf %llu is missing",
                (unsigned long long)v->tree.size);
    ENT_TRY(ent_stmt_blob_exact(v->leaves, 4, stored, sizeof stored));
    ENT_TRY(ent_stmt_blob(v->leaves, 5, &leaf.data, &leaf.len));
    ENT_TRY(ent_sha256_leaf_with(&v->hash, leaf.data, leaf.len, hash));
    ENT_REQUIRE(memcmp(hash, stored, sizeof hash) == 0, ENT_E_CORRUPT,
                "the audit log's leaf %llu is not what its hash says", (unsigned long long)idx);
    ENT_REQUIRE(ent_leaf_open(leaf, &frame, &body) == ENT_E_OK, ENT_E_CORRUPT,
                "the audit log's leaf %llu is none", (unsigned long long)idx);
    ENT_TRY(check_frame(v, &frame));
    return ent_merkle_append(&v->tree, &v->hash, hash, check_node, v);
}

static enum ent_err check_all(struct verifier *v)
{
    ENT_TRY(next_note(v));
    for (;;) {
        bool row = false;

        ENT_TRY(ent_stmt_step(v->leaves, &row));
        if (!row) {
            return ENT_E_OK;
        }
        ENT_TRY(check_leaf(v));
        if (v->note_row && v->note_size == v->tree.size) {
            ENT_TRY(check_note(v));
            ENT_TRY(next_note(v));
        }
    }
}

static enum ent_err check_head(struct verifier *v)
{
    uint8_t root[ENT_MERKLE_BYTES];

    ENT_REQUIRE(!v->note_row, ENT_E_CORRUPT,
                "the audit log has %llu leaves, but a note was signed for %llu",
                (unsigned long long)v->tree.size, (unsigned long long)v->note_size);
    ENT_TRY(check_n_nodes(v));
    ENT_TRY(ent_merkle_root(&v->tree, &v->hash, root));
    ENT_REQUIRE(v->tree.size == v->head.size && v->time_ms == v->head.time_ms &&
                    memcmp(root, v->head.root, sizeof root) == 0,
                ENT_E_CORRUPT, "the audit log has %llu leaves, which do not give its head of %llu",
                (unsigned long long)v->tree.size, (unsigned long long)v->head.size);
    return ENT_E_OK;
}

static enum ent_err load_key(struct verifier *v)
{
    struct ent_store_genesis genesis;

    ENT_TRY(ent_store_log_genesis(v->store, &genesis));
    ENT_REQUIRE(genesis.log.id == v->head.log_key, ENT_E_CORRUPT,
                "the audit log's head is of another log key than its first leaf");
    v->key = genesis.log;
    ENT_TRY(ent_sign_pub_new(v->key.pub, &v->ready));
    v->key.ready = v->ready;
    return ent_calloc(1, sizeof *v->opened, &v->opened);
}

static enum ent_err start(struct verifier *v)
{
    enum ent_err err = load_key(v);

    ENT_REQUIRE(err != ENT_E_NOT_FOUND, ENT_E_CORRUPT, "the audit log's leaf 0 is missing");
    ENT_TRY(err);
    ENT_TRY(ent_tables_prepare(
        v->store, "SELECT idx, type, run, round, hash, body FROM leaf ORDER BY idx", &v->leaves));
    return ent_tables_prepare(v->store, "SELECT size, root, note FROM ckpt ORDER BY size",
                              &v->notes);
}

static void release(struct verifier *v)
{
    ent_stmt_free(v->leaves);
    ent_stmt_free(v->notes);
    for (unsigned level = 0; level < ENT_MERKLE_LEVELS; level++) {
        ent_stmt_free(v->levels[level]);
    }
    ent_sha256_release(&v->hash);
    ent_sign_pub_free(v->ready);
    free(v->opened);
}

/* No head: then there is nothing else either. */
static enum ent_err check_empty(struct ent_store *store)
{
    struct ent_stmt *stmt = NULL;
    uint64_t n = 0;

    ENT_TRY(ent_tables_prepare(store,
                               "SELECT (SELECT count(*) FROM leaf) + (SELECT count(*) FROM node)"
                               " + (SELECT count(*) FROM ckpt)",
                               &stmt));
    ENT_TRY(ent_tables_one(stmt, read_u64, &n));
    ENT_REQUIRE(n == 0, ENT_E_CORRUPT, "the audit log has lost its head");
    return ENT_E_OK;
}

static void install(struct ent_store *store, const struct verifier *v)
{
    struct ent_log_state *log = &store->log;

    log->tree = v->tree;
    log->committed = v->tree;
    log->time_ms = v->time_ms;
    log->committed_time_ms = v->time_ms;
    memcpy(log->root, v->head.root, sizeof log->root);
}

static enum ent_err verify(struct verifier *v)
{
    ENT_TRY(ent_log_read_head(v->store, &v->head));
    if (v->head.size == 0) {
        return check_empty(v->store);
    }
    ENT_TRY(start(v));
    ENT_TRY(check_all(v));
    return check_head(v);
}

/* In one read transaction: head, leaves and notes are those of one moment, whoever else writes. */
enum ent_err ent_store_log_verify(struct ent_store *store)
{
    struct verifier v = {.store = store};
    enum ent_err err;

    ENT_BUG_ON(ent_db_in_transaction(store->db));
    ENT_TRY(ent_db_exec(store->db, "BEGIN"));
    err = verify(&v);
    release(&v);
    ent_db_rollback(store->db);
    ENT_TRY(err);
    install(store, &v);
    return ENT_E_OK;
}
