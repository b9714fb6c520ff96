/* IN SQL and typed values · OUT typed values · OWNS the connection and its statements · THREADS one
 * at a time SOURCE SQLite 3.40 C interface
 *
 * The only room that knows SQLite. WAL, synchronous=FULL: what is committed survives power loss.
 * Errors name the file: IO (disk, also full), CORRUPT (damaged, or a value that the schema does not
 * allow), BUSY (locked by another process), VERSION (made by a newer program), PERMISSION (others
 * can read it). */
#ifndef ENT_COMMON_DB_DB_H
#define ENT_COMMON_DB_DB_H

#include <stdint.h>

#include "common/base/err.h"

struct ent_db;
struct ent_stmt;

/* migrations[i] takes the schema from version i to i + 1 (PRAGMA user_version); append only. Tables
 * are STRICT. application_id marks the file (PRAGMA application_id), so that no other program's
 * database is taken for ours. */
struct ent_db_schema {
    uint32_t application_id; /* < 2^31 */
    const char *const *migrations;
    size_t n_migrations;
};

/* Opens or makes (mode 0600) the file and brings its schema up to date in one transaction. */
ENT_MUST enum ent_err ent_db_open(const char *path, const struct ent_db_schema *schema,
                                  struct ent_db **out);
void ent_db_close(struct ent_db *db); /* rolls back what is open; statements must have been freed */
const char *ent_db_path(const struct ent_db *db);
/* PRAGMA integrity_check (quick form); CORRUPT with its first finding. Cost: reads the file. */
ENT_MUST enum ent_err ent_db_check(struct ent_db *db);

/* One or more statements without values. */
ENT_MUST enum ent_err ent_db_exec(struct ent_db *db, const char *sql);
/* One statement that gives no rows and is run often: it stays compiled. */
ENT_MUST enum ent_err ent_db_run(struct ent_db *db, const char *sql);
/* BEGIN IMMEDIATE / COMMIT. A failed commit is rolled back. */
ENT_MUST enum ent_err ent_db_begin(struct ent_db *db);
ENT_MUST enum ent_err ent_db_commit(struct ent_db *db);
void ent_db_rollback(
    struct ent_db *db); /* fine when nothing is open; keeps the recorded error message */
bool ent_db_in_transaction(const struct ent_db *db);
/* Commit when `err` is OK, otherwise roll back; returns err or the commit's error. */
ENT_MUST enum ent_err ent_db_end(struct ent_db *db, enum ent_err err);
/* Write transactions committed durably through this connection. */
uint64_t ent_db_commits(const struct ent_db *db);
/* Rows changed by the last INSERT, UPDATE or DELETE. */
uint64_t ent_db_changes(const struct ent_db *db);

/* "SQLite 3.40.1", for ent_version_add. Call it before threads start. */
const char *ent_db_library(void);

/* A freed statement waits, reset and without values, for the next ent_stmt_prepare of the same SQL
 * (a few dozen a connection). */
ENT_MUST enum ent_err ent_stmt_prepare(struct ent_db *db, const char *sql, struct ent_stmt **out);
void ent_stmt_free(struct ent_stmt *stmt);
void ent_stmt_reset(struct ent_stmt *stmt); /* and forget the values */

/* Values by position, from 1. Text and blobs are borrowed until the next reset (or free). Bind
 * errors are kept and come out of the next step, so calls can be chained: LIMIT for a u64 above
 * 2^63 - 1. */
void ent_stmt_bind_u64(struct ent_stmt *stmt, int at, uint64_t value);
void ent_stmt_bind_i64(struct ent_stmt *stmt, int at, int64_t value);
void ent_stmt_bind_f64(struct ent_stmt *stmt, int at, double value); /* NaN is refused: NONFINITE */
void ent_stmt_bind_blob(struct ent_stmt *stmt, int at, const void *bytes, size_t len);
void ent_stmt_bind_text(struct ent_stmt *stmt, int at, const char *text);
void ent_stmt_bind_null(struct ent_stmt *stmt, int at);

/* *row: whether there is one. After the last row (or an error) the statement is reset by itself. */
ENT_MUST enum ent_err ent_stmt_step(struct ent_stmt *stmt, bool *row);
/* For statements without result: step once, reset. */
ENT_MUST enum ent_err ent_stmt_run(struct ent_stmt *stmt);
/* For exactly one row: NOT_FOUND when there is none. Read its columns, then ent_stmt_reset. */
ENT_MUST enum ent_err ent_stmt_one(struct ent_stmt *stmt);

/* Columns from 0. CORRUPT when the stored value is of another type, negative, too large or of
 * another length. */
ENT_MUST enum ent_err ent_stmt_u64(struct ent_stmt *stmt, int col, uint64_t *out);
ENT_MUST enum ent_err ent_stmt_u32(struct ent_stmt *stmt, int col, uint32_t *out);
ENT_MUST enum ent_err ent_stmt_i64(struct ent_stmt *stmt, int col, int64_t *out);
ENT_MUST enum ent_err ent_stmt_bool(struct ent_stmt *stmt, int col, bool *out);
ENT_MUST enum ent_err ent_stmt_f64(struct ent_stmt *stmt, int col, double *out);
/* Exactly len bytes, copied. */
ENT_MUST enum ent_err ent_stmt_blob_exact(struct ent_stmt *stmt, int col, void *out, size_t len);
/* Borrowed until the next step, reset or free. */
ENT_MUST enum ent_err ent_stmt_blob(struct ent_stmt *stmt, int col, const uint8_t **out,
                                    size_t *len);
ENT_MUST enum ent_err ent_stmt_text(struct ent_stmt *stmt, int col, const char **out);
bool ent_stmt_is_null(struct ent_stmt *stmt, int col);

#endif
