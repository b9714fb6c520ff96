#include "client/state/log.h"

#include <string.h>

#include "client/state/private.h"
#include "common/base/mem.h"

/* ---- the right edge of the tree: the hashes of its complete subtrees, smallest first ---- */

static size_t pack(const struct ent_merkle *tree, uint8_t *out)
{
    size_t n = 0;

    for (unsigned level = 0; level < ENT_MERKLE_LEVELS; level++) {
        if ((tree->size >> level & 1) != 0) {
            memcpy(out + n, tree->nodes[level], ENT_MERKLE_BYTES);
            n += ENT_MERKLE_BYTES;
        }
    }
    return n;
}

static enum ent_err unpack(uint64_t size, const uint8_t *bytes, size_t len, struct ent_merkle *out)
{
    size_t n = 0;

    ent_merkle_init(out);
    out->size = size;
    for (unsigned level = 0; level < ENT_MERKLE_LEVELS; level++) {
        if ((size >> level & 1) != 0) {
            ENT_REQUIRE(len - n >= ENT_MERKLE_BYTES, ENT_E_CORRUPT, "the log's edge is too short");
            memcpy(out->nodes[level], bytes + n, ENT_MERKLE_BYTES);
            n += ENT_MERKLE_BYTES;
        }
    }
    ENT_REQUIRE(n == len, ENT_E_CORRUPT, "the log's edge is too long");
    return ENT_E_OK;
}

/* ---- head ---- */

static enum ent_err read_log(struct ent_stmt *stmt, struct ent_state_log *out)
{
    const uint8_t *nodes = NULL;
    const char *origin = NULL;
    size_t len = 0;
    uint64_t size = 0;

    ENT_TRY(ent_stmt_u64(stmt, 0, &size));
    ENT_TRY(ent_stmt_blob_exact(stmt, 1, out->root, sizeof out->root));
    ENT_TRY(ent_stmt_blob(stmt, 2, &nodes, &len));
    ENT_TRY(unpack(size, nodes, len, &out->tree));
    ENT_TRY(ent_stmt_u64(stmt, 3, &out->time_ms));
    ENT_TRY(ent_stmt_text(stmt, 4, &origin));
    ENT_REQUIRE(strlen(origin) < sizeof out->origin, ENT_E_CORRUPT, "the log's origin is too long");
    memcpy(out->origin, origin, strlen(origin) + 1);
    return ent_stmt_blob_exact(stmt, 5, out->genesis, sizeof out->genesis);
}

enum ent_err ent_state_log_get(struct ent_state *state, struct ent_state_log *out)
{
    struct ent_state_log log;
    struct ent_stmt *stmt = NULL;
    bool row = false;
    enum ent_err err;

    memset(&log, 0, sizeof log);
    ENT_TRY(ent_stmt_prepare(state->db,
                             "SELECT size, root, nodes, time_ms, origin, genesis FROM log", &stmt));
    err = ent_stmt_step(stmt, &row);
    if (err == ENT_E_OK && row) {
        err = read_log(stmt, &log);
    }
    ent_stmt_free(stmt);
    if (err == ENT_E_OK) {
        *out = log;
    }
    return err;
}

enum ent_err ent_state_head_get(struct ent_state *state, struct ent_tree_head *out)
{
    struct ent_tree_head head = {0};
    struct ent_stmt *stmt = NULL;
    bool row = false;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db, "SELECT size, root FROM log", &stmt));
    err = ent_stmt_step(stmt, &row);
    if (err == ENT_E_OK && row) {
        err = ent_stmt_u64(stmt, 0, &head.size);
    }
    if (err == ENT_E_OK && row) {
        err = ent_stmt_blob_exact(stmt, 1, head.root, sizeof head.root);
    }
    ent_stmt_free(stmt);
    if (err == ENT_E_OK) {
        *out = head;
    }
    return err;
}

static enum ent_err check_step(struct ent_state *state, const struct ent_state_log *log)
{
    struct ent_tree_head seen;

    ENT_TRY(ent_state_head_get(state, &seen));
    ENT_REQUIRE(log->tree.size >= seen.size, ENT_E_REWRITTEN,
                "the coordinator's log became shorter: %llu leaves after %llu",
                (unsigned long long)log->tree.size, (unsigned long long)seen.size);
    ENT_REQUIRE(log->tree.size > seen.size || memcmp(log->root, seen.root, sizeof seen.root) == 0,
                ENT_E_REWRITTEN, "the coordinator's log was rewritten: another root at %llu leaves",
                (unsigned long long)log->tree.size);
    return ENT_E_OK;
}

enum ent_err ent_state_log_put(struct ent_state *state, const struct ent_state_log *log,
                               const void *note, size_t len)
{
    uint8_t nodes[ENT_MERKLE_LEVELS * ENT_MERKLE_BYTES];
    struct ent_stmt *stmt = NULL;
    size_t n;
    enum ent_err err;

    ENT_TRY(check_step(state, log));
    ENT_TRY(ent_state_join_next(state));
    ENT_TRY(ent_stmt_prepare(state->db,
                             "INSERT OR REPLACE INTO log(id, size, root, nodes, time_ms, origin,"
                             " genesis, note) VALUES(1, ?, ?, ?, ?, ?, ?, ?)",
                             &stmt));
    n = pack(&log->tree, nodes);
    ent_stmt_bind_u64(stmt, 1, log->tree.size);
    ent_stmt_bind_blob(stmt, 2, log->root, sizeof log->root);
    ent_stmt_bind_blob(stmt, 3, nodes, n);
    ent_stmt_bind_u64(stmt, 4, log->time_ms);
    ent_stmt_bind_text(stmt, 5, log->origin);
    ent_stmt_bind_blob(stmt, 6, log->genesis, sizeof log->genesis);
    ent_stmt_bind_blob(stmt, 7, note, len);
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err;
}

/* The one blob of the first row, appended. NOT_FOUND. */
static enum ent_err take_blob(struct ent_stmt *stmt, int col, struct ent_buf *out)
{
    const uint8_t *bytes = NULL;
    size_t len = 0;

    ENT_TRY(ent_stmt_one(stmt));
    ENT_REQUIRE(!ent_stmt_is_null(stmt, col), ENT_E_NOT_FOUND, "not kept");
    ENT_TRY(ent_stmt_blob(stmt, col, &bytes, &len));
    return ent_buf_add(out, bytes, len);
}

enum ent_err ent_state_log_note(struct ent_state *state, struct ent_buf *out)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db, "SELECT note FROM log", &stmt));
    err = take_blob(stmt, 0, out);
    ent_stmt_free(stmt);
    return err;
}

enum ent_err ent_state_log_begin(struct ent_state *state)
{
    ENT_TRY(ent_state_join_next(state));
    return ent_db_run(state->db, "SAVEPOINT note");
}

enum ent_err ent_state_log_end(struct ent_state *state, enum ent_err err)
{
    char why[512];

    if (err == ENT_E_OK) {
        return ent_db_run(state->db, "RELEASE note");
    }
    (void)snprintf(why, sizeof why, "%s", ent_err_message());
    if (ent_db_exec(state->db, "ROLLBACK TO note; RELEASE note") != ENT_E_OK) {
        ent_db_rollback(state->db); /* the disk failed: then nothing of the transaction is kept */
    }
    return ent_err_note(err, "%s", why);
}

/* ---- leaves ---- */

enum ent_err ent_state_leaf_put(struct ent_state *state, uint64_t index,
                                const uint8_t hash[ENT_SHA256_BYTES], const void *bytes, size_t len)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(
        ent_stmt_prepare(state->db, "INSERT INTO leaf(idx, hash, body) VALUES(?, ?, ?)", &stmt));
    ent_stmt_bind_u64(stmt, 1, index);
    ent_stmt_bind_blob(stmt, 2, hash, ENT_SHA256_BYTES);
    if (bytes != NULL) {
        ent_stmt_bind_blob(stmt, 3, bytes, len);
    } else {
        ent_stmt_bind_null(stmt, 3);
    }
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err;
}

enum ent_err ent_state_leaf_get(struct ent_state *state, uint64_t index, struct ent_buf *out)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db, "SELECT body FROM leaf WHERE idx = ?", &stmt));
    ent_stmt_bind_u64(stmt, 1, index);
    err = take_blob(stmt, 0, out);
    ent_stmt_free(stmt);
    return err;
}

enum ent_err ent_state_leaf_hash(struct ent_state *state, uint64_t index,
                                 uint8_t out[ENT_SHA256_BYTES])
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db, "SELECT hash FROM leaf WHERE idx = ?", &stmt));
    ent_stmt_bind_u64(stmt, 1, index);
    err = ent_stmt_one(stmt);
    if (err == ENT_E_OK) {
        err = ent_stmt_blob_exact(stmt, 0, out, ENT_SHA256_BYTES);
    }
    ent_stmt_free(stmt);
    return err;
}

static enum ent_err hash_rows(struct ent_stmt *stmt, uint64_t size, ent_state_hash_fn each,
                              void *ctx)
{
    uint64_t next = 0;
    bool row = false;

    ENT_TRY(ent_stmt_step(stmt, &row));
    while (row) {
        uint8_t hash[ENT_SHA256_BYTES];
        uint64_t index = 0;

        ENT_TRY(ent_stmt_u64(stmt, 0, &index));
        ENT_TRY(ent_stmt_blob_exact(stmt, 1, hash, sizeof hash));
        if (index != next) {
            break;
        }
        ENT_TRY(each(ctx, next++, hash));
        ENT_TRY(ent_stmt_step(stmt, &row));
    }
    ENT_REQUIRE(next == size, ENT_E_NOT_FOUND, "leaf %llu is not kept by this member",
                (unsigned long long)next);
    return ENT_E_OK;
}

enum ent_err ent_state_leaf_hashes(struct ent_state *state, uint64_t size, ent_state_hash_fn each,
                                   void *ctx)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db, "SELECT idx, hash FROM leaf WHERE idx < ? ORDER BY idx",
                             &stmt));
    ent_stmt_bind_u64(stmt, 1, size);
    err = hash_rows(stmt, size, each, ctx);
    ent_stmt_free(stmt);
    return err;
}
