#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/db/sqlite.h"

/* ---- statements that wait for their next use ---- */

static struct ent_stmt *take_idle(struct ent_db *db, const char *sql)
{
    for (size_t i = db->n_idle; i > 0; i--) {
        struct ent_stmt *stmt = db->idle[i - 1];

        if (strcmp(sqlite3_sql(stmt->stmt), sql) == 0) {
            db->n_idle--;
            memmove(&db->idle[i - 1], &db->idle[i],
                    (db->n_idle - (i - 1)) * sizeof(struct ent_stmt *));
            return stmt;
        }
    }
    return NULL;
}

static void finalize(struct ent_stmt *stmt)
{
    (void)sqlite3_finalize(stmt->stmt);
    free(stmt);
}

static void keep_idle(struct ent_stmt *stmt)
{
    struct ent_db *db = stmt->db;

    if (db->n_idle == ENT_DB_IDLE_MAX) {
        finalize(db->idle[0]);
        db->n_idle--;
        memmove(&db->idle[0], &db->idle[1], db->n_idle * sizeof(struct ent_stmt *));
    }
    ent_stmt_reset(stmt);
    db->idle[db->n_idle++] = stmt;
}

void ent_stmt_drop_idle(struct ent_db *db)
{
    while (db->n_idle > 0) {
        finalize(db->idle[--db->n_idle]);
    }
}

enum ent_err ent_stmt_prepare(struct ent_db *db, const char *sql, struct ent_stmt **out)
{
    struct ent_stmt *stmt = take_idle(db, sql);
    int rc;

    if (stmt != NULL) {
        *out = stmt;
        return ENT_E_OK;
    }
    ENT_TRY(ent_calloc(1, sizeof *stmt, &stmt));
    stmt->db = db;
    rc = sqlite3_prepare_v3(db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt->stmt, NULL);
    if (rc != SQLITE_OK) {
        free(stmt);
        return ent_sqlite_error(db, rc, "prepare a statement");
    }
    *out = stmt;
    return ENT_E_OK;
}

/* What a PRAGMA does may happen when it is compiled: never the same one twice. */
void ent_stmt_free(struct ent_stmt *stmt)
{
    if (stmt == NULL) {
        return;
    }
    if (strncmp(sqlite3_sql(stmt->stmt), "PRAGMA", 6) == 0) {
        finalize(stmt);
    } else {
        keep_idle(stmt);
    }
}

void ent_stmt_reset(struct ent_stmt *stmt)
{
    (void)sqlite3_reset(stmt->stmt);
    (void)sqlite3_clear_bindings(stmt->stmt);
    stmt->bind_err = ENT_E_OK;
}

/* The first error is the one that comes out. */
static void keep(struct ent_stmt *stmt, int at, enum ent_err err)
{
    if (stmt->bind_err == ENT_E_OK) {
        stmt->bind_err = err;
        stmt->bind_at = at;
    }
}

static void keep_rc(struct ent_stmt *stmt, int at, int rc)
{
    if (rc != SQLITE_OK) {
        keep(stmt, at,
             rc == SQLITE_NOMEM    ? ENT_E_NO_MEMORY
             : rc == SQLITE_TOOBIG ? ENT_E_LIMIT
                                   : ENT_E_INTERNAL);
    }
}

void ent_stmt_bind_u64(struct ent_stmt *stmt, int at, uint64_t value)
{
    if (value > INT64_MAX) {
        keep(stmt, at, ENT_E_LIMIT);
    } else {
        ent_stmt_bind_i64(stmt, at, (int64_t)value);
    }
}

void ent_stmt_bind_i64(struct ent_stmt *stmt, int at, int64_t value)
{
    keep_rc(stmt, at, sqlite3_bind_int64(stmt->stmt, at, value));
}

/* SQLite would store NaN as NULL. */
void ent_stmt_bind_f64(struct ent_stmt *stmt, int at, double value)
{
    if (isnan(value)) {
        keep(stmt, at, ENT_E_NONFINITE);
    } else {
        keep_rc(stmt, at, sqlite3_bind_double(stmt->stmt, at, value));
    }
}

void ent_stmt_bind_blob(struct ent_stmt *stmt, int at, const void *bytes, size_t len)
{
    if (len == 0) { /* a NULL pointer would become NULL */
        keep_rc(stmt, at, sqlite3_bind_zeroblob(stmt->stmt, at, 0));
    } else {
        keep_rc(stmt, at, sqlite3_bind_blob64(stmt->stmt, at, bytes, len, SQLITE_STATIC));
    }
}

void ent_stmt_bind_text(struct ent_stmt *stmt, int at, const char *text)
{
    keep_rc(stmt, at,
            sqlite3_bind_text64(stmt->stmt, at, text, strlen(text), SQLITE_STATIC, SQLITE_UTF8));
}

void ent_stmt_bind_null(struct ent_stmt *stmt, int at)
{
    keep_rc(stmt, at, sqlite3_bind_null(stmt->stmt, at));
}

enum ent_err ent_stmt_step(struct ent_stmt *stmt, bool *row)
{
    enum ent_err err = stmt->bind_err;
    int rc;

    if (err != ENT_E_OK) {
        err = ent_err_note(err, "%s: value %d of a statement cannot be stored", stmt->db->path,
                           stmt->bind_at);
        ent_stmt_reset(stmt);
        return err;
    }
    rc = ent_sqlite_step(stmt->db, stmt->stmt);
    if (rc == SQLITE_ROW) {
        *row = true;
        return ENT_E_OK;
    }
    if (rc != SQLITE_DONE) { /* the words are gone after the reset */
        err = ent_sqlite_error(stmt->db, rc,
                               sqlite3_stmt_readonly(stmt->stmt) != 0 ? "read" : "write");
    } else {
        *row = false;
    }
    ent_stmt_reset(stmt);
    return err;
}

enum ent_err ent_stmt_run(struct ent_stmt *stmt)
{
    bool row = false;
    enum ent_err err = ent_stmt_step(stmt, &row);

    if (row) {
        ent_stmt_reset(stmt);
        return ent_err_note(ENT_E_INTERNAL, "%s: a statement gave a row that nobody asked for",
                            stmt->db->path);
    }
    return err;
}

enum ent_err ent_stmt_one(struct ent_stmt *stmt)
{
    bool row = false;

    ENT_TRY(ent_stmt_step(stmt, &row));
    ENT_REQUIRE(row, ENT_E_NOT_FOUND, "%s: no such row", stmt->db->path);
    return ENT_E_OK;
}

static enum ent_err check_type(struct ent_stmt *stmt, int col, int type, const char *named)
{
    ENT_REQUIRE(sqlite3_column_type(stmt->stmt, col) == type, ENT_E_CORRUPT,
                "%s: column %s is not %s", stmt->db->path, sqlite3_column_name(stmt->stmt, col),
                named);
    return ENT_E_OK;
}

enum ent_err ent_stmt_i64(struct ent_stmt *stmt, int col, int64_t *out)
{
    ENT_TRY(check_type(stmt, col, SQLITE_INTEGER, "an integer"));
    *out = sqlite3_column_int64(stmt->stmt, col);
    return ENT_E_OK;
}

static enum ent_err bounded(struct ent_stmt *stmt, int col, int64_t max, int64_t *out)
{
    int64_t v = 0;

    ENT_TRY(ent_stmt_i64(stmt, col, &v));
    ENT_REQUIRE(v >= 0 && v <= max, ENT_E_CORRUPT, "%s: column %s is out of its range",
                stmt->db->path, sqlite3_column_name(stmt->stmt, col));
    *out = v;
    return ENT_E_OK;
}

enum ent_err ent_stmt_u64(struct ent_stmt *stmt, int col, uint64_t *out)
{
    int64_t v = 0;

    ENT_TRY(bounded(stmt, col, INT64_MAX, &v));
    *out = (uint64_t)v;
    return ENT_E_OK;
}

enum ent_err ent_stmt_u32(struct ent_stmt *stmt, int col, uint32_t *out)
{
    int64_t v = 0;

    ENT_TRY(bounded(stmt, col, UINT32_MAX, &v));
    *out = (uint32_t)v;
    return ENT_E_OK;
}

enum ent_err ent_stmt_bool(struct ent_stmt *stmt, int col, bool *out)
{
    int64_t v = 0;

    ENT_TRY(bounded(stmt, col, 1, &v));
    *out = v == 1;
    return ENT_E_OK;
}

enum ent_err ent_stmt_f64(struct ent_stmt *stmt, int col, double *out)
{
    ENT_TRY(check_type(stmt, col, SQLITE_FLOAT, "a number"));
    *out = sqlite3_column_double(stmt->stmt, col);
    return ENT_E_OK;
}

enum ent_err ent_stmt_blob(struct ent_stmt *stmt, int col, const uint8_t **out, size_t *len)
{
    const void *bytes;

    ENT_TRY(check_type(stmt, col, SQLITE_BLOB, "a blob"));
    bytes = sqlite3_column_blob(stmt->stmt, col);
    *len = (size_t)sqlite3_column_bytes(stmt->stmt, col);
    *out = bytes != NULL ? bytes : (const uint8_t *)"";
    return ENT_E_OK;
}

enum ent_err ent_stmt_blob_exact(struct ent_stmt *stmt, int col, void *out, size_t len)
{
    const uint8_t *bytes = NULL;
    size_t have = 0;

    ENT_TRY(ent_stmt_blob(stmt, col, &bytes, &have));
    ENT_REQUIRE(have == len, ENT_E_CORRUPT, "%s: column %s has %zu bytes instead of %zu",
                stmt->db->path, sqlite3_column_name(stmt->stmt, col), have, len);
    memcpy(out, bytes, len);
    return ENT_E_OK;
}

enum ent_err ent_stmt_text(struct ent_stmt *stmt, int col, const char **out)
{
    const unsigned char *text;
    size_t len;

    ENT_TRY(check_type(stmt, col, SQLITE_TEXT, "a text"));
    text = sqlite3_column_text(stmt->stmt, col);
    len = (size_t)sqlite3_column_bytes(stmt->stmt, col);
    ENT_REQUIRE(text != NULL, ENT_E_NO_MEMORY, "out of memory");
    ENT_REQUIRE(strlen((const char *)text) == len, ENT_E_CORRUPT,
                "%s: column %s has a zero byte in it", stmt->db->path,
                sqlite3_column_name(stmt->stmt, col));
    *out = (const char *)text;
    return ENT_E_OK;
}

bool ent_stmt_is_null(struct ent_stmt *stmt, int col)
{
    return sqlite3_column_type(stmt->stmt, col) == SQLITE_NULL;
}
