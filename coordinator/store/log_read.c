/* What the log says: single leaves, stretches of them, nodes for proofs. */
#include <string.h>

#include "common/base/arena.h"
#include "common/tlog/leaf.h"
#include "coordinator/store/tables.h"

#define GENESIS_MAX ((size_t)256 * 1024) /* bytes to decode leaf 0 */

uint64_t ent_log_clamp(uint64_t idx)
{
    return idx > ENT_MERKLE_SIZE_MAX ? ENT_MERKLE_SIZE_MAX : idx;
}

static enum ent_err read_hash(struct ent_stmt *stmt, void *out)
{
    return ent_stmt_blob_exact(stmt, 0, out, ENT_MERKLE_BYTES);
}

static enum ent_err no_leaf(enum ent_err err, uint64_t idx)
{
    return err == ENT_E_NOT_FOUND
               ? ent_err_note(err, "the audit log has no leaf %llu", (unsigned long long)idx)
               : err;
}

enum ent_err ent_store_log_leaf_hash(struct ent_store *store, uint64_t idx,
                                     uint8_t hash[ENT_MERKLE_BYTES])
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store, "SELECT hash FROM leaf WHERE idx = ?", &stmt));
    ent_stmt_bind_u64(stmt, 1, ent_log_clamp(idx));
    return no_leaf(ent_tables_one(stmt, read_hash, hash), idx);
}

enum ent_err ent_store_log_node(void *store, unsigned level, uint64_t index,
                                uint8_t out[ENT_MERKLE_BYTES])
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    if (level == 0) {
        err = ent_store_log_leaf_hash(store, index, out);
    } else {
        ENT_TRY(
            ent_tables_prepare(store, "SELECT hash FROM node WHERE level = ? AND idx = ?", &stmt));
        ent_stmt_bind_u64(stmt, 1, level);
        ent_stmt_bind_u64(stmt, 2, index);
        err = ent_tables_one(stmt, read_hash, out);
    }
    return err == ENT_E_NOT_FOUND
               ? ent_err_note(ENT_E_CORRUPT, "the audit log's node %u/%llu is missing", level,
                              (unsigned long long)index)
               : err;
}

enum ent_err ent_store_log_root_at(struct ent_store *store, uint64_t size,
                                   uint8_t root[ENT_MERKLE_BYTES])
{
    uint64_t have = 0;

    ENT_TRY(ent_store_log_size(store, &have));
    ENT_REQUIRE(size <= have, ENT_E_NOT_FOUND, "the audit log has %llu leaves, not yet %llu",
                (unsigned long long)have, (unsigned long long)size);
    return ent_merkle_root_at(ent_store_log_node, store, size, root);
}

static enum ent_err read_body(struct ent_stmt *stmt, void *out)
{
    const uint8_t *bytes = NULL;
    size_t len = 0;

    ENT_TRY(ent_stmt_blob(stmt, 0, &bytes, &len));
    return ent_buf_add(out, bytes, len);
}

enum ent_err ent_store_log_leaf(struct ent_store *store, uint64_t idx, struct ent_buf *out)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store, "SELECT body FROM leaf WHERE idx = ?", &stmt));
    ent_stmt_bind_u64(stmt, 1, ent_log_clamp(idx));
    return no_leaf(ent_tables_one(stmt, read_body, out), idx);
}

static enum ent_err genesis_of(struct ent_bytes leaf, struct ent_arena *arena,
                               struct ent_store_genesis *out)
{
    struct ent_leaf_frame frame;
    union ent_leaf_any any;

    ENT_TRY(ent_leaf_decode(leaf, arena, &frame, &any));
    ENT_REQUIRE(frame.type == ENT_LEAF_GENESIS, ENT_E_PROTOCOL, "it is no log.genesis");
    ENT_TRY(ent_vkey_of(any.genesis.origin, ENT_VKEY_LOG, any.genesis.log_pub, &out->log));
    memcpy(out->root_pub, any.genesis.root_pub, sizeof out->root_pub);
    return ent_sha256_leaf(leaf.data, leaf.len, out->hash);
}

enum ent_err ent_store_log_genesis(struct ent_store *store, struct ent_store_genesis *out)
{
    struct ent_store_genesis genesis;
    struct ent_arena arena;
    struct ent_buf leaf;
    enum ent_err err;

    ent_buf_init(&leaf, ENT_LEAF_MAX_BYTES);
    err = ent_store_log_leaf(store, 0, &leaf);
    if (err == ENT_E_OK) {
        ent_arena_init(&arena, GENESIS_MAX);
        err = genesis_of((struct ent_bytes){leaf.data, leaf.len}, &arena, &genesis);
        ent_arena_release(&arena);
        if (err != ENT_E_OK && err != ENT_E_NO_MEMORY) {
            char finding[256];

            (void)snprintf(finding, sizeof finding, "%s", ent_err_message());
            err = ent_err_note(ENT_E_CORRUPT, "the audit log's first leaf is damaged: %s", finding);
        }
    }
    ent_buf_release(&leaf);
    ENT_TRY(err);
    *out = genesis;
    return ENT_E_OK;
}

/* ---- several ---- */

static enum ent_err add_entry(struct ent_stmt *stmt, size_t room, bool first, struct ent_buf *out,
                              bool *full)
{
    const uint8_t *bytes = NULL;
    size_t len = 0;
    uint8_t head[2];

    ENT_TRY(ent_stmt_blob(stmt, 0, &bytes, &len));
    ENT_REQUIRE(len <= ENT_LEAF_MAX_BYTES, ENT_E_CORRUPT, "a leaf of %zu bytes", len);
    *full = !first && len + sizeof head > room;
    if (*full) {
        return ENT_E_OK;
    }
    ent_put_be16(head, (uint16_t)len);
    ENT_TRY(ent_buf_add(out, head, sizeof head));
    return ent_buf_add(out, bytes, len);
}

static enum ent_err add_entries(struct ent_stmt *stmt, size_t max_bytes, struct ent_buf *out,
                                uint64_t *n)
{
    size_t begin = out->len;

    for (;;) {
        bool row = false;
        bool full = false;
        size_t used = out->len - begin;

        ENT_TRY(ent_stmt_step(stmt, &row));
        if (!row) {
            return ENT_E_OK;
        }
        ENT_TRY(add_entry(stmt, used < max_bytes ? max_bytes - used : 0, *n == 0, out, &full));
        if (full) {
            return ENT_E_OK;
        }
        ++*n;
    }
}

enum ent_err ent_store_log_range(struct ent_store *store, uint64_t first, uint64_t end,
                                 size_t max_bytes, struct ent_buf *out, uint64_t *n)
{
    struct ent_stmt *stmt = NULL;
    uint64_t count = 0;

    ENT_TRY(ent_tables_prepare(
        store, "SELECT body FROM leaf WHERE idx >= ? AND idx < ? ORDER BY idx", &stmt));
    ent_stmt_bind_u64(stmt, 1, ent_log_clamp(first));
    ent_stmt_bind_u64(stmt, 2, ent_log_clamp(end));
    ENT_TRY(ent_tables_done(stmt, add_entries(stmt, max_bytes, out, &count)));
    *n = count;
    return ENT_E_OK;
}

static enum ent_err read_u64(struct ent_stmt *stmt, void *out)
{
    return ent_stmt_u64(stmt, 0, out);
}

enum ent_err ent_store_log_newest(struct ent_store *store, unsigned type, uint64_t below,
                                  uint64_t *idx)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store, "SELECT idx FROM leaf WHERE type = ? AND idx < ? ORDER BY idx DESC LIMIT 1", &stmt));
    ent_stmt_bind_u64(stmt, 1, type);
    ent_stmt_bind_u64(stmt, 2, ent_log_clamp(below));
    return ent_tables_one(stmt, read_u64, idx);
}

enum ent_err ent_store_log_of_round(struct ent_store *store, unsigned type, uint32_t run,
                                    uint64_t round, uint64_t *idx)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store,
                               "SELECT idx FROM leaf WHERE type = ? AND run = ? AND round = ?"
                               " ORDER BY idx DESC LIMIT 1",
                               &stmt));
    ent_stmt_bind_u64(stmt, 1, type);
    ent_stmt_bind_u64(stmt, 2, run);
    ent_stmt_bind_u64(stmt, 3, round);
    return ent_tables_one(stmt, read_u64, idx);
}

static enum ent_err walk(struct ent_stmt *stmt, ent_store_leaf_fn each, void *ctx)
{
    for (;;) {
        struct ent_bytes leaf = {0};
        uint64_t idx = 0;
        bool row = false;

        ENT_TRY(ent_stmt_step(stmt, &row));
        if (!row) {
            return ENT_E_OK;
        }
        ENT_TRY(ent_stmt_u64(stmt, 0, &idx));
        ENT_TRY(ent_stmt_blob(stmt, 1, &leaf.data, &leaf.len));
        ENT_TRY(each(ctx, idx, leaf));
    }
}

enum ent_err ent_store_log_each(struct ent_store *store, unsigned type, uint64_t first,
                                uint64_t end, ent_store_leaf_fn each, void *ctx)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store,
        type == 0 ? "SELECT idx, body FROM leaf WHERE idx >= ?1 AND idx < ?2 ORDER BY idx"
                  : "SELECT idx, body FROM leaf WHERE type = ?3 AND idx >= ?1 AND idx < ?2"
                    " ORDER BY idx",
        &stmt));
    ent_stmt_bind_u64(stmt, 1, ent_log_clamp(first));
    ent_stmt_bind_u64(stmt, 2, ent_log_clamp(end));
    if (type != 0) {
        ent_stmt_bind_u64(stmt, 3, type);
    }
    return ent_tables_done(stmt, walk(stmt, each, ctx));
}
