/* Shared inside this room only: SQLite's types and the one way to turn its errors into ours. */
#ifndef ENT_COMMON_DB_SQLITE_H
#define ENT_COMMON_DB_SQLITE_H

#include <sqlite3.h>

#include "common/db/db.h"

#define ENT_DB_IDLE_MAX 48 /* statements kept ready, a few KiB each */

struct ent_db {
    sqlite3 *sqlite;
    char *path;
    uint64_t commits;
    bool committing;                        /* SQLite is about to commit a write transaction */
    struct ent_stmt *idle[ENT_DB_IDLE_MAX]; /* freed ones, reset: the same SQL again costs no
                                               compilation. Longest unused first */
    size_t n_idle;
};

struct ent_stmt {
    struct ent_db *db;
    sqlite3_stmt *stmt;
    enum ent_err bind_err; /* of the first value that could not be bound */
    int bind_at;
};

/* Records "path: doing: SQLite's words" and returns the code of ours that fits. */
enum ent_err ent_sqlite_error(struct ent_db *db, int rc, const char *doing);

/* Finalizes the idle statements. */
void ent_stmt_drop_idle(struct ent_db *db);

/* sqlite3_step, and counts what it committed. Returns SQLITE_ROW, SQLITE_DONE or an error code. */
int ent_sqlite_step(struct ent_db *db, sqlite3_stmt *stmt);

#endif
