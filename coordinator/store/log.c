/* Leaves in, leaves out. The tree's right edge follows the transaction; the database's head row is
 * compared and swapped in each commit that appended. */
#include "coordinator/store/log.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/hooks.h"
#include "common/base/mem.h"
#include "common/tlog/leaf.h"
#include "coordinator/store/tables.h"

/* What one decoded leaf may take: lists of a leaf of 64 KiB. Bytes. */
#define DECODE_MAX ((size_t)4 * 1024 * 1024)

static enum ent_err another_wrote(const struct ent_store *store)
{
    return ent_err_note(ENT_E_CORRUPT,
                        "%s: another program wrote into the audit log meanwhile; stop it, then "
                        "start again",
                        ent_db_path(store->db));
}

/* ---- the head and the transaction ---- */

static enum ent_err read_head(struct ent_stmt *stmt, void *out)
{
    struct ent_log_head *head = out;

    ENT_TRY(ent_stmt_u64(stmt, 0, &head->size));
    ENT_TRY(ent_stmt_blob_exact(stmt, 1, head->root, sizeof head->root));
    ENT_TRY(ent_stmt_u64(stmt, 2, &head->time_ms));
    return ent_stmt_u64(stmt, 3, &head->log_key);
}

enum ent_err ent_log_read_head(struct ent_store *store, struct ent_log_head *out)
{
    struct ent_stmt *stmt = NULL;
    struct ent_log_head head = {0};
    enum ent_err err;

    ENT_TRY(ent_tables_prepare(store, "SELECT size, root, time_ms, log_key FROM head", &stmt));
    err = ent_tables_one(stmt, read_head, &head);
    if (err == ENT_E_NOT_FOUND) {
        err = ent_sha256(NULL, 0, head.root);
    }
    ENT_TRY(err);
    *out = head;
    return ENT_E_OK;
}

static enum ent_err insert_head(struct ent_store *store)
{
    struct ent_stmt *stmt = NULL;
    struct ent_store_genesis genesis;
    enum ent_err err;

    ENT_TRY(ent_store_log_genesis(store, &genesis));
    ENT_TRY(ent_tables_prepare(
        store, "INSERT INTO head(id, size, root, time_ms, log_key) VALUES(1, ?, ?, ?, ?)", &stmt));
    ent_stmt_bind_u64(stmt, 1, store->log.tree.size);
    ent_stmt_bind_blob(stmt, 2, store->log.next_root, ENT_MERKLE_BYTES);
    ent_stmt_bind_u64(stmt, 3, store->log.time_ms);
    ent_stmt_bind_u64(stmt, 4, genesis.log.id);
    err = ent_tables_done(stmt, ent_stmt_run(stmt));
    return err == ENT_E_EXISTS ? another_wrote(store) : err;
}

static enum ent_err swap_head(struct ent_store *store)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_tables_prepare(
        store, "UPDATE head SET size = ?, root = ?, time_ms = ? WHERE size = ? AND root = ?",
        &stmt));
    ent_stmt_bind_u64(stmt, 1, store->log.tree.size);
    ent_stmt_bind_blob(stmt, 2, store->log.next_root, ENT_MERKLE_BYTES);
    ent_stmt_bind_u64(stmt, 3, store->log.time_ms);
    ent_stmt_bind_u64(stmt, 4, store->log.committed.size);
    ent_stmt_bind_blob(stmt, 5, store->log.root, ENT_MERKLE_BYTES);
    err = ent_tables_change(store, stmt);
    return err == ENT_E_NOT_FOUND ? another_wrote(store) : err;
}

enum ent_err ent_log_before_commit(struct ent_store *store)
{
    struct ent_log_state *log = &store->log;

    if (log->tree.size == log->committed.size && !log->dropped) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_merkle_root(&log->tree, &log->hash, log->next_root));
    return log->committed.size == 0 ? insert_head(store) : swap_head(store);
}

void ent_log_after_commit(struct ent_store *store)
{
    struct ent_log_state *log = &store->log;

    if (log->tree.size != log->committed.size || log->dropped) {
        log->dropped = false;
        log->committed = log->tree;
        log->committed_time_ms = log->time_ms;
        memcpy(log->root, log->next_root, sizeof log->root);
    }
}

void ent_log_rollback(struct ent_store *store)
{
    store->log.dropped = false;
    store->log.tree = store->log.committed;
    store->log.time_ms = store->log.committed_time_ms;
}

/* ---- appending ---- */

static enum ent_err keep_node(void *ctx, unsigned level, uint64_t index,
                              const uint8_t hash[ENT_MERKLE_BYTES])
{
    struct ent_store *store = ctx;
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    if (level == 0) {
        return ENT_E_OK; /* stands in its leaf's row */
    }
    ENT_TRY(ent_tables_prepare(store, "INSERT INTO node(level, idx, hash) VALUES(?, ?, ?)", &stmt));
    ent_stmt_bind_u64(stmt, 1, level);
    ent_stmt_bind_u64(stmt, 2, index);
    ent_stmt_bind_blob(stmt, 3, hash, ENT_MERKLE_BYTES);
    err = ent_tables_done(stmt, ent_stmt_run(stmt));
    return err == ENT_E_EXISTS ? another_wrote(store) : err;
}

static enum ent_err insert_leaf(struct ent_store *store, const struct ent_leaf_frame *frame,
                                struct ent_bytes leaf, const uint8_t hash[ENT_MERKLE_BYTES])
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_tables_prepare(
        store, "INSERT INTO leaf(idx, type, run, round, hash, body) VALUES(?, ?, ?, ?, ?, ?)",
        &stmt));
    ent_stmt_bind_u64(stmt, 1, frame->seq);
    ent_stmt_bind_u64(stmt, 2, frame->type);
    ent_stmt_bind_u64(stmt, 3, frame->run);
    ent_stmt_bind_u64(stmt, 4, frame->round);
    ent_stmt_bind_blob(stmt, 5, hash, ENT_MERKLE_BYTES);
    ent_stmt_bind_blob(stmt, 6, leaf.data, leaf.len);
    err = ent_tables_done(stmt, ent_stmt_run(stmt));
    return err == ENT_E_EXISTS ? another_wrote(store) : err;
}

static enum ent_err append(struct ent_store *store, const struct ent_leaf_frame *frame,
                           struct ent_bytes leaf, const void *message,
                           uint8_t hash[ENT_MERKLE_BYTES])
{
    struct ent_log_state *log = &store->log;

    ENT_TRY(ent_sha256_leaf_with(&log->hash, leaf.data, leaf.len, hash));
    ENT_TRY(insert_leaf(store, frame, leaf, hash));
    ENT_TRY(ent_merkle_append(&log->tree, &log->hash, hash, keep_node, store));
    log->time_ms = frame->time_ms;
    switch (frame->type) {
    case ENT_LEAF_UPDATE_ACCEPT:
        return ent_sealed_named(store, frame, message);
    case ENT_LEAF_ROUND_CLOSE:
        return ent_sealed_seeds(store, frame, message);
    case ENT_LEAF_BLOB_ERASE:
        return ent_sealed_erased(store, message);
    case ENT_LEAF_DP_EVENT:
        return ent_dp_booked(store, frame, message);
    case ENT_LEAF_DP_REFUND:
        return ent_dp_refunded(store, frame, message);
    default:
        return ENT_E_OK;
    }
}

/* Whether more than the log follows from a leaf of this type. */
static bool is_followed(unsigned type)
{
    return type == ENT_LEAF_UPDATE_ACCEPT || type == ENT_LEAF_ROUND_CLOSE ||
           type == ENT_LEAF_BLOB_ERASE || type == ENT_LEAF_DP_EVENT || type == ENT_LEAF_DP_REFUND ||
           type == ENT_LEAF_GENESIS;
}

static enum ent_err check_first(const struct ent_store *store, unsigned type)
{
    ENT_REQUIRE(store->log.tree.size > 0 || type == ENT_LEAF_GENESIS, ENT_E_CORRUPT,
                "%s: this federation was made before there was an audit log; make a new one with "
                "init and enrol its members there",
                ent_db_path(store->db));
    ENT_REQUIRE(store->log.tree.size == 0 || type != ENT_LEAF_GENESIS, ENT_E_CORRUPT,
                "%s: there is an audit log already", ent_db_path(store->db));
    return ENT_E_OK;
}

static enum ent_err next_time(const struct ent_log_state *log, uint64_t now_ms, uint64_t *time_ms)
{
    uint64_t last = log->tree.size == 0 ? 0 : log->time_ms;

    if (now_ms < last && last - now_ms > ENT_STORE_LOG_BACK_MAX_MS) {
        char behind[ENT_TIME_TEXT_BYTES];
        char at[ENT_TIME_TEXT_BYTES];

        ent_duration_text(last - now_ms, behind);
        ent_time_text(last, at);
        return ent_err_note(ENT_E_CLOCK,
                            "this machine's clock is %s behind the newest entry of the audit log "
                            "(%s): set the clock, then start again",
                            behind, at);
    }
    *time_ms = now_ms < last ? last : now_ms;
    return ENT_E_OK;
}

/* `own` transactions and the caller's. */
static enum ent_err append_in(struct ent_store *store, const struct ent_leaf_frame *frame,
                              struct ent_bytes leaf, const void *message,
                              uint8_t hash[ENT_MERKLE_BYTES])
{
    bool own = false;

    ENT_TRY(ent_tables_enter(store, &own));
    return ent_tables_leave(store, own, append(store, frame, leaf, message, hash));
}

enum ent_err ent_store_log_append(struct ent_store *store, struct ent_leaf_frame *frame,
                                  const void *message, uint64_t now_ms, uint64_t *idx,
                                  uint8_t hash[ENT_MERKLE_BYTES])
{
    struct ent_leaf_frame f = *frame;
    uint8_t sum[ENT_MERKLE_BYTES];
    struct ent_buf leaf;
    enum ent_err err;

    ENT_BUG_ON(store->readonly);
    ENT_TRY(check_first(store, frame->type));
    ENT_TRY(next_time(&store->log, now_ms, &f.time_ms));
    f.schema = ENT_LEAF_SCHEMA;
    f.seq = store->log.tree.size;
    memcpy(f.federation, store->identity.federation, sizeof f.federation);
    ent_buf_init(&leaf, ENT_LEAF_MAX_BYTES);
    err = ent_leaf_encode(&f, message, &leaf);
    if (err == ENT_E_OK) {
        err = append_in(store, &f, (struct ent_bytes){leaf.data, leaf.len}, message, sum);
    }
    ent_buf_release(&leaf);
    ENT_TRY(err);
    ENT_HOOK_POINT("log-appended");
    *frame = f;
    if (idx != NULL) {
        *idx = f.seq;
    }
    if (hash != NULL) {
        memcpy(hash, sum, sizeof sum);
    }
    return ENT_E_OK;
}

static enum ent_err check_next(const struct ent_store *store, const struct ent_leaf_frame *frame)
{
    const struct ent_log_state *log = &store->log;

    ENT_REQUIRE(frame->seq == log->tree.size, ENT_E_PROTOCOL,
                "leaf %llu was offered where the log goes on with %llu",
                (unsigned long long)frame->seq, (unsigned long long)log->tree.size);
    ENT_REQUIRE(
        memcmp(frame->federation, store->identity.federation, sizeof frame->federation) == 0,
        ENT_E_PROTOCOL, "leaf %llu is of another federation", (unsigned long long)frame->seq);
    ENT_REQUIRE(log->tree.size == 0 || frame->time_ms >= log->time_ms, ENT_E_PROTOCOL,
                "leaf %llu is older than the one before it", (unsigned long long)frame->seq);
    ENT_REQUIRE((log->tree.size == 0) == (frame->type == ENT_LEAF_GENESIS), ENT_E_PROTOCOL,
                "leaf %llu: log.genesis is the first leaf, and no other is",
                (unsigned long long)frame->seq);
    return ENT_E_OK;
}

enum ent_err ent_store_log_append_bytes(struct ent_store *store, struct ent_bytes leaf,
                                        uint8_t hash[ENT_MERKLE_BYTES])
{
    struct ent_leaf_frame frame;
    struct ent_bytes body;
    struct ent_arena arena;
    union ent_leaf_any message;
    uint8_t sum[ENT_MERKLE_BYTES];
    enum ent_err err = ENT_E_OK;

    ENT_BUG_ON(store->readonly);
    ENT_TRY(ent_leaf_open(leaf, &frame, &body));
    ENT_TRY(check_next(store, &frame));
    ent_arena_init(&arena, DECODE_MAX);
    if (is_followed(frame.type)) {
        err = ent_leaf_decode(leaf, &arena, &frame, &message);
    }
    if (err == ENT_E_OK) {
        err = append_in(store, &frame, leaf, &message, sum);
    }
    ent_arena_release(&arena);
    ENT_TRY(err);
    if (hash != NULL) {
        memcpy(hash, sum, sizeof sum);
    }
    return ENT_E_OK;
}

/* ---- reading: log_read.c has the rest ---- */

enum ent_err ent_store_log_committed(struct ent_store *store, uint64_t *size,
                                     uint8_t root[ENT_MERKLE_BYTES])
{
    struct ent_log_head head;

    if (!store->readonly) {
        *size = store->log.committed.size;
        memcpy(root, store->log.root, ENT_MERKLE_BYTES);
        return ENT_E_OK;
    }
    ENT_TRY(ent_log_read_head(store, &head));
    *size = head.size;
    memcpy(root, head.root, sizeof head.root);
    return ENT_E_OK;
}

enum ent_err ent_store_log_head(struct ent_store *store, uint64_t *size,
                                uint8_t root[ENT_MERKLE_BYTES])
{
    if (store->readonly || store->log.tree.size == store->log.committed.size) {
        return ent_store_log_committed(store, size, root);
    }
    ENT_TRY(ent_merkle_root(&store->log.tree, &store->log.hash, root));
    *size = store->log.tree.size;
    return ENT_E_OK;
}

enum ent_err ent_store_log_size(struct ent_store *store, uint64_t *size)
{
    struct ent_log_head head;

    if (!store->readonly) {
        *size = store->log.tree.size;
        return ENT_E_OK;
    }
    ENT_TRY(ent_log_read_head(store, &head));
    *size = head.size;
    return ENT_E_OK;
}
