#include "coordinator/store/tables.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/hooks.h"
#include "common/base/mem.h"

enum ent_err ent_tables_prepare(struct ent_store *store, const char *sql, struct ent_stmt **out)
{
    ENT_HOOK_POINT("store-statement");
    return ent_stmt_prepare(store->db, sql, out);
}

enum ent_err ent_tables_done(struct ent_stmt *stmt_take, enum ent_err err)
{
    ent_stmt_free(stmt_take);
    return err;
}

enum ent_err ent_tables_change(struct ent_store *store, struct ent_stmt *stmt_take)
{
    ENT_TRY(ent_tables_done(stmt_take, ent_stmt_run(stmt_take)));
    return ent_db_changes(store->db) > 0 ? ENT_E_OK : ENT_E_NOT_FOUND;
}

enum ent_err ent_tables_one(struct ent_stmt *stmt_take, ent_tables_read read, void *out)
{
    bool row = false;
    enum ent_err err = ent_stmt_step(stmt_take, &row);

    if (err == ENT_E_OK) {
        err = row ? read(stmt_take, out) : ENT_E_NOT_FOUND;
    }
    return ent_tables_done(stmt_take, err);
}

static enum ent_err read_all(struct ent_stmt *stmt, ent_tables_read read, size_t size, char **items,
                             size_t *n)
{
    size_t cap = 0;
    bool row = true;

    for (;;) {
        ENT_TRY(ent_stmt_step(stmt, &row));
        if (!row) {
            return ENT_E_OK;
        }
        ENT_TRY(ent_grow(items, &cap, *n + 1, size));
        ENT_TRY(read(stmt, *items + *n * size));
        ++*n;
    }
}

enum ent_err ent_tables_list(struct ent_stmt *stmt_take, ent_tables_read read, size_t size,
                             void *out_ptr, size_t *n)
{
    char *items = NULL;
    size_t count = 0;
    enum ent_err err = read_all(stmt_take, read, size, &items, &count);

    if (err == ENT_E_OK && items == NULL) {
        err = ent_calloc(1, size, &items); /* a pointer also for an empty list */
    }
    ent_stmt_free(stmt_take);
    if (err != ENT_E_OK) {
        free(items);
        return err;
    }
    memcpy(out_ptr, &items, sizeof items);
    *n = count;
    return ENT_E_OK;
}

enum ent_err ent_tables_enter(struct ent_store *store, bool *own)
{
    *own = !ent_db_in_transaction(store->db);
    return *own ? ent_store_begin(store) : ENT_E_OK;
}

enum ent_err ent_tables_leave(struct ent_store *store, bool own, enum ent_err err)
{
    if (!own) {
        return err;
    }
    if (err != ENT_E_OK) {
        ent_store_rollback(store);
        return err;
    }
    return ent_store_commit(store);
}

void ent_tables_bind_digest(struct ent_stmt *stmt, int at, const uint8_t *digest)
{
    if (ent_all_zero(digest, ENT_STORE_DIGEST_BYTES)) {
        ent_stmt_bind_null(stmt, at);
    } else {
        ent_stmt_bind_blob(stmt, at, digest, ENT_STORE_DIGEST_BYTES);
    }
}

enum ent_err ent_tables_digest(struct ent_stmt *stmt, int col, uint8_t *digest)
{
    if (ent_stmt_is_null(stmt, col)) {
        memset(digest, 0, ENT_STORE_DIGEST_BYTES);
        return ENT_E_OK;
    }
    return ent_stmt_blob_exact(stmt, col, digest, ENT_STORE_DIGEST_BYTES);
}

void ent_tables_bind_index(struct ent_stmt *stmt, int at, uint32_t index)
{
    if (index == ENT_ROUND_NO_MEMBER) {
        ent_stmt_bind_null(stmt, at);
    } else {
        ent_stmt_bind_u64(stmt, at, index);
    }
}

enum ent_err ent_tables_index(struct ent_stmt *stmt, int col, uint32_t *index)
{
    if (ent_stmt_is_null(stmt, col)) {
        *index = ENT_ROUND_NO_MEMBER;
        return ENT_E_OK;
    }
    return ent_stmt_u32(stmt, col, index);
}

enum ent_err ent_tables_u64(struct ent_stmt *stmt, int col, uint64_t *out)
{
    if (ent_stmt_is_null(stmt, col)) {
        *out = 0;
        return ENT_E_OK;
    }
    return ent_stmt_u64(stmt, col, out);
}

enum ent_err ent_tables_blob(struct ent_stmt *stmt, int col, uint8_t *out, size_t cap, size_t *len)
{
    const uint8_t *bytes = NULL;
    size_t n = 0;

    if (!ent_stmt_is_null(stmt, col)) {
        ENT_TRY(ent_stmt_blob(stmt, col, &bytes, &n));
    }
    ENT_REQUIRE(n <= cap, ENT_E_CORRUPT, "a stored value of %zu bytes is longer than %zu", n, cap);
    if (n > 0) {
        memcpy(out, bytes, n);
    }
    *len = n;
    return ENT_E_OK;
}

enum ent_err ent_tables_text(struct ent_stmt *stmt, int col, char *out, size_t cap)
{
    const char *text = NULL;
    size_t len;

    ENT_TRY(ent_stmt_text(stmt, col, &text));
    len = strlen(text);
    ENT_REQUIRE(len < cap, ENT_E_CORRUPT, "a stored text of %zu bytes is longer than %zu", len,
                cap - 1);
    memcpy(out, text, len + 1);
    return ENT_E_OK;
}
