#include "common/db/db.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/db/sqlite.h"

#define BUSY_TIMEOUT_MS 2000

enum ent_err ent_sqlite_error(struct ent_db *db, int rc, const char *doing)
{
    enum ent_err err;

    switch (rc & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL:
        err = ENT_E_IO;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_MISMATCH:
        err = ENT_E_CORRUPT;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        err = ENT_E_BUSY;
        break;
    case SQLITE_NOMEM:
        err = ENT_E_NO_MEMORY;
        break;
    case SQLITE_TOOBIG:
        err = ENT_E_LIMIT;
        break;
    case SQLITE_CONSTRAINT:
        err = rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_UNIQUE ||
                      rc == SQLITE_CONSTRAINT_ROWID
                  ? ENT_E_EXISTS
                  : ENT_E_INTERNAL;
        break;
    default:
        err = ENT_E_INTERNAL;
    }
    return ent_err_note(err, "%s: cannot %s: %s", db->path, doing, sqlite3_errmsg(db->sqlite));
}

/* Called before a commit is written; whether it was written shows in the step's result. */
static int on_commit(void *ctx)
{
    ((struct ent_db *)ctx)->committing = true;
    return 0;
}

int ent_sqlite_step(struct ent_db *db, sqlite3_stmt *stmt)
{
    int rc;

    db->committing = false;
    rc = sqlite3_step(stmt);
    if (db->committing && (rc == SQLITE_DONE || rc == SQLITE_ROW)) {
        db->commits++;
    }
    return rc;
}

enum ent_err ent_db_exec(struct ent_db *db, const char *sql)
{
    while (*sql != '\0') {
        sqlite3_stmt *stmt = NULL;
        int rc = sqlite3_prepare_v2(db->sqlite, sql, -1, &stmt, &sql);

        if (rc != SQLITE_OK) {
            return ent_sqlite_error(db, rc, "prepare a statement");
        }
        if (stmt == NULL) { /* blanks or a comment */
            break;
        }
        do {
            rc = ent_sqlite_step(db, stmt);
        } while (rc == SQLITE_ROW);
        (void)sqlite3_finalize(stmt);
        if (rc != SQLITE_DONE) {
            return ent_sqlite_error(db, rc, "write");
        }
    }
    return ENT_E_OK;
}

enum ent_err ent_db_run(struct ent_db *db, const char *sql)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(db, sql, &stmt));
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err;
}

static enum ent_err query_u64(struct ent_db *db, const char *sql, uint64_t *out)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(db, sql, &stmt));
    err = ent_stmt_one(stmt);
    if (err == ENT_E_OK) {
        err = ent_stmt_u64(stmt, 0, out);
    }
    ent_stmt_free(stmt);
    return err;
}

static enum ent_err connect_to(const char *path, struct ent_db **out)
{
    struct ent_db *db = NULL;
    int rc;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *db, &db));
    err = ent_strdup(path, &db->path);
    if (err == ENT_E_OK) {
        rc = sqlite3_open_v2(path, &db->sqlite,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                             NULL);
        if (rc != SQLITE_OK) {
            err = ent_sqlite_error(db, rc, "open");
        }
    }
    if (err == ENT_E_OK) {
        (void)sqlite3_busy_timeout(db->sqlite, BUSY_TIMEOUT_MS);
        (void)sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        (void)sqlite3_commit_hook(db->sqlite, on_commit, db);
        /* secure_delete: rows that go are overwritten where they stood, but whole pages of large
         * values are not written for that alone. */
        err = ent_db_exec(
            db, "PRAGMA secure_delete=FAST; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
                "PRAGMA foreign_keys=ON; PRAGMA synchronous=FULL");
    }
    if (err != ENT_E_OK) {
        ent_db_close(db);
        return err;
    }
    *out = db;
    return ENT_E_OK;
}

static enum ent_err set_pragma(struct ent_db *db, const char *name, uint64_t value)
{
    char sql[64];

    (void)snprintf(sql, sizeof sql, "PRAGMA %s=%llu", name, (unsigned long long)value);
    return ent_db_exec(db, sql);
}

static enum ent_err migrate(struct ent_db *db, const struct ent_db_schema *schema, uint64_t from)
{
    enum ent_err err = ENT_E_OK;

    ENT_TRY(ent_db_begin(db));
    for (size_t i = (size_t)from; i < schema->n_migrations && err == ENT_E_OK; i++) {
        err = ent_db_exec(db, schema->migrations[i]);
    }
    if (err == ENT_E_OK) {
        err = set_pragma(db, "user_version", schema->n_migrations);
    }
    return ent_db_end(db, err);
}

/* A new database is filled under another name and renamed, so a file under the real name is never
 * half made, and an empty one is damage and not a beginning. */
static enum ent_err make_at(const char *tmp, const struct ent_db_schema *schema)
{
    struct ent_db *db = NULL;
    enum ent_err err;

    ENT_TRY(ent_file_write_atomic(tmp, "", 0, 0600));
    ENT_TRY(connect_to(tmp, &db));
    err = set_pragma(db, "application_id", schema->application_id);
    if (err == ENT_E_OK) {
        err = migrate(db, schema, 0);
    }
    ent_db_close(db);
    return err;
}

/* ent_file_commit does what is left: fsync, rename, fsync of the directory; it takes both
 * arguments. */
static enum ent_err give_name(const char *path, char *tmp_take)
{
    int fd = open(tmp_take, O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        free(tmp_take);
        return ent_err_note(ENT_E_IO, "%s: cannot be made", path);
    }
    return ent_file_commit(path, tmp_take, fd);
}

static enum ent_err make_new(const char *path, const struct ent_db_schema *schema)
{
    size_t len = strlen(path) + sizeof ".new-journal";
    char *tmp = NULL;
    char *journal = NULL;
    enum ent_err err = ent_calloc(len, 1, &tmp);

    if (err == ENT_E_OK) {
        err = ent_calloc(len, 1, &journal);
    }
    if (err == ENT_E_OK) {
        (void)snprintf(tmp, len, "%s.new", path);
        (void)snprintf(journal, len, "%s.new-journal", path);
        err = ent_file_remove(journal); /* of an attempt that was killed */
    }
    free(journal);
    if (err == ENT_E_OK) {
        err = make_at(tmp, schema);
    }
    if (err == ENT_E_OK) {
        return give_name(path, tmp);
    }
    free(tmp);
    return err;
}

static enum ent_err check_wal(struct ent_db *db)
{
    struct ent_stmt *stmt = NULL;
    const char *mode = "";
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(db, "PRAGMA journal_mode=WAL", &stmt));
    err = ent_stmt_one(stmt);
    if (err == ENT_E_OK) {
        err = ent_stmt_text(stmt, 0, &mode);
    }
    if (err == ENT_E_OK && strcmp(mode, "wal") != 0) {
        err = ent_err_note(ENT_E_IO, "%s: the file system allows no write-ahead log (mode %s)",
                           db->path, mode);
    }
    ent_stmt_free(stmt);
    return err;
}

static enum ent_err bring_up_to_date(struct ent_db *db, const struct ent_db_schema *schema)
{
    uint64_t id = 0;
    uint64_t version = 0;

    ENT_TRY(query_u64(db, "PRAGMA application_id", &id));
    ENT_REQUIRE(id == schema->application_id, ENT_E_CORRUPT,
                "%s: this is not the database that belongs here; restore it from a backup",
                db->path);
    ENT_TRY(query_u64(db, "PRAGMA user_version", &version));
    ENT_REQUIRE(version <= schema->n_migrations, ENT_E_VERSION,
                "%s: it was written by a newer program (schema %llu, this one knows %zu); update "
                "the program",
                db->path, (unsigned long long)version, schema->n_migrations);
    ENT_REQUIRE(version > 0, ENT_E_CORRUPT, "%s: it has no schema", db->path);
    ENT_TRY(check_wal(db));
    if (version < schema->n_migrations) {
        ENT_TRY(migrate(db, schema, version));
    }
    return ENT_E_OK;
}

/* A log without its database would be read into the new one. It is what is left of something lost:
 * say so. */
static enum ent_err check_no_log(const char *path)
{
    size_t len = strlen(path) + sizeof "-wal";
    char *wal = NULL;
    bool there;

    ENT_TRY(ent_calloc(len, 1, &wal));
    (void)snprintf(wal, len, "%s-wal", path);
    there = ent_file_exists(wal);
    free(wal);
    ENT_REQUIRE(!there, ENT_E_CORRUPT,
                "%s is gone, but its log %s-wal is there; restore both from a backup", path, path);
    return ENT_E_OK;
}

enum ent_err ent_db_open(const char *path, const struct ent_db_schema *schema, struct ent_db **out)
{
    struct ent_db *db = NULL;
    enum ent_err err;

    ENT_BUG_ON(schema->n_migrations == 0 || schema->application_id > INT32_MAX);
    if (!ent_file_exists(path)) {
        ENT_TRY(check_no_log(path));
        ENT_TRY(make_new(path, schema));
    }
    ENT_TRY(ent_file_check_private(path));
    ENT_TRY(connect_to(path, &db));
    err = bring_up_to_date(db, schema);
    if (err != ENT_E_OK) {
        ent_db_close(db);
        return err;
    }
    *out = db;
    return ENT_E_OK;
}

void ent_db_close(struct ent_db *db)
{
    if (db != NULL) {
        ent_db_rollback(db);
        ent_stmt_drop_idle(db);
        ENT_BUG_ON(sqlite3_close(db->sqlite) != SQLITE_OK); /* a statement was not freed */
        free(db->path);
        free(db);
    }
}

const char *ent_db_path(const struct ent_db *db)
{
    return db->path;
}

enum ent_err ent_db_check(struct ent_db *db)
{
    struct ent_stmt *stmt = NULL;
    const char *finding = "";
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(db, "PRAGMA quick_check(1)", &stmt));
    err = ent_stmt_one(stmt);
    if (err == ENT_E_OK) {
        err = ent_stmt_text(stmt, 0, &finding);
    }
    if (err == ENT_E_OK && strcmp(finding, "ok") != 0) {
        err = ent_err_note(ENT_E_CORRUPT, "%s: damaged: %.200s; restore it from a backup", db->path,
                           finding);
    }
    ent_stmt_free(stmt);
    return err;
}

enum ent_err ent_db_begin(struct ent_db *db)
{
    return ent_db_run(db, "BEGIN IMMEDIATE");
}

enum ent_err ent_db_commit(struct ent_db *db)
{
    enum ent_err err = ent_db_run(db, "COMMIT");

    if (err != ENT_E_OK) {
        ent_db_rollback(db);
    }
    return err;
}

/* SQLite rolls back by itself after some errors; then there is nothing left to do. */
void ent_db_rollback(struct ent_db *db)
{
    if (ent_db_in_transaction(db)) {
        (void)sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
    }
}

bool ent_db_in_transaction(const struct ent_db *db)
{
    return db->sqlite != NULL && sqlite3_get_autocommit(db->sqlite) == 0;
}

enum ent_err ent_db_end(struct ent_db *db, enum ent_err err)
{
    if (err != ENT_E_OK) {
        ent_db_rollback(db);
        return err;
    }
    return ent_db_commit(db);
}

uint64_t ent_db_commits(const struct ent_db *db)
{
    return db->commits;
}

uint64_t ent_db_changes(const struct ent_db *db)
{
    return (uint64_t)sqlite3_changes64(db->sqlite);
}

const char *ent_db_library(void)
{
    static char line[64]; /* written once, before threads */

    (void)snprintf(line, sizeof line, "SQLite %s", sqlite3_libversion());
    return line;
}
