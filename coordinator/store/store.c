#include "coordinator/store/store.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/hooks.h"
#include "common/base/mem.h"
#include "coordinator/store/tables.h"

/* Says what to do about damage, behind the finding. */
static enum ent_err advise(const char *dir, enum ent_err err)
{
    char finding[320];

    if (err != ENT_E_CORRUPT) {
        return err;
    }
    (void)snprintf(finding, sizeof finding, "%s", ent_err_message());
    return ent_err_note(
        ENT_E_CORRUPT,
        "%s -- stop serve and restore %s/federation.db from a backup (with its -wal file, if there "
        "is one); recover then brings the log back to what the members saw; members stay enrolled",
        finding, dir);
}

static enum ent_err open_paths(const char *dir, struct ent_store *store, char **db_path)
{
    ENT_TRY(ent_path_join(dir, "models", &store->models));
    ENT_TRY(ent_path_join(dir, "updates", &store->updates));
    ENT_TRY(ent_path_join(dir, "sealed", &store->sealed));
    return ent_path_join(dir, "federation.db", db_path);
}

static enum ent_err read_identity(struct ent_stmt *stmt, void *out)
{
    struct ent_store_identity *id = out;

    ENT_TRY(ent_stmt_blob_exact(stmt, 0, id->federation, sizeof id->federation));
    ENT_TRY(ent_tables_text(stmt, 1, id->name, sizeof id->name));
    return ent_stmt_u64(stmt, 2, &id->created_ms);
}

static enum ent_err load_identity(struct ent_store *store)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store, "SELECT federation, name, created_ms FROM meta", &stmt));
    return ent_tables_one(stmt, read_identity, &store->identity);
}

static enum ent_err store_identity(struct ent_store *store, const struct ent_store_identity *id)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store, "INSERT INTO meta(id, federation, name, created_ms) VALUES(1, ?, ?, ?)", &stmt));
    ent_stmt_bind_blob(stmt, 1, id->federation, sizeof id->federation);
    ent_stmt_bind_text(stmt, 2, id->name);
    ent_stmt_bind_u64(stmt, 3, id->created_ms);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

enum ent_err ent_store_create(const char *dir, const struct ent_store_identity *identity)
{
    struct ent_store store = {0};
    char *path = NULL;
    enum ent_err err = open_paths(dir, &store, &path);

    if (err == ENT_E_OK) {
        err = ent_dir_make(store.models);
    }
    if (err == ENT_E_OK) {
        err = ent_dir_make(store.updates);
    }
    if (err == ENT_E_OK) {
        err = ent_dir_make(store.sealed);
    }
    if (err == ENT_E_OK) {
        err = ent_db_open(path, &ent_schema, &store.db);
    }
    if (err == ENT_E_OK) {
        err = load_identity(&store);
        if (err == ENT_E_OK) {
            err = ent_err_note(ENT_E_EXISTS, "%s: there is a federation (\"%s\") already", dir,
                               store.identity.name);
        } else if (err == ENT_E_NOT_FOUND) { /* new, or an earlier init that was killed */
            err = store_identity(&store, identity);
        }
    }
    ent_db_close(store.db);
    free(store.models);
    free(store.updates);
    free(store.sealed);
    free(path);
    return advise(dir, err);
}

static enum ent_err open_at(const char *dir, struct ent_store *store)
{
    char *path = NULL;
    enum ent_err err = open_paths(dir, store, &path);

    if (err == ENT_E_OK && !ent_file_exists(path)) {
        err = ent_err_note(ENT_E_NOT_FOUND, "%s: no federation here; make one with init", dir);
    }
    if (err == ENT_E_OK) {
        err = ent_db_open(path, &ent_schema, &store->db);
    }
    if (err == ENT_E_OK) {
        err = load_identity(store);
        if (err == ENT_E_NOT_FOUND) {
            err = ent_err_note(err, "%s: init was not finished; run it again", dir);
        }
    }
    free(path);
    return err;
}

/* What only who writes needs: a database that is whole, the directories, files that are all there. */
static enum ent_err ready_to_write(struct ent_store *store)
{
    ENT_TRY(ent_db_check(store->db));
    ENT_TRY(ent_dir_make(store->models));
    ENT_TRY(ent_dir_make(store->updates));
    ENT_TRY(ent_dir_make(store->sealed));
    store->sealed_dirs = true;
    ENT_TRY(ent_small_restore(store));
    return ent_store_log_verify(store);
}

static enum ent_err open_how(const char *dir, bool readonly, struct ent_store **out)
{
    struct ent_store *store = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *store, &store));
    store->readonly = readonly;
    err = open_at(dir, store);
    if (err == ENT_E_OK) {
        err = readonly ? ent_db_exec(store->db, "PRAGMA query_only=ON") : ready_to_write(store);
    }
    if (err != ENT_E_OK) {
        ent_store_close(store);
        return advise(dir, err);
    }
    *out = store;
    return ENT_E_OK;
}

enum ent_err ent_store_open(const char *dir, struct ent_store **out)
{
    return open_how(dir, false, out);
}

enum ent_err ent_store_open_readonly(const char *dir, struct ent_store **out)
{
    return open_how(dir, true, out);
}

void ent_store_close(struct ent_store *store)
{
    if (store != NULL) {
        ent_small_release(store);
        ent_db_close(store->db);
        ent_sha256_release(&store->log.hash);
        free(store->models);
        free(store->updates);
        free(store->sealed);
        free(store);
    }
}

const struct ent_store_identity *ent_store_identity(const struct ent_store *store)
{
    return &store->identity;
}

enum ent_err ent_store_begin(struct ent_store *store)
{
    ENT_BUG_ON(ent_db_in_transaction(store->db));
    return ent_db_begin(store->db);
}

/* What has to be there before the commit: the order does not matter, all of it comes first. */
static enum ent_err before_commit(struct ent_store *store)
{
    ENT_TRY(ent_small_before_commit(store));
    ENT_TRY(ent_store_sealed_sync(store));
    return ent_log_before_commit(store);
}

enum ent_err ent_store_commit(struct ent_store *store)
{
    enum ent_err err;

    ENT_HOOK_POINT("store-before-commit");
    err = ent_db_end(store->db, before_commit(store));
    if (err == ENT_E_OK) {
        ent_small_after_commit(store);
        ent_log_after_commit(store);
    } else {
        ent_log_rollback(store);
    }
    ENT_HOOK_POINT("store-after-commit");
    return err;
}

void ent_store_rollback(struct ent_store *store)
{
    ent_db_rollback(store->db);
    ent_log_rollback(store);
}

uint64_t ent_store_commits(const struct ent_store *store)
{
    return ent_db_commits(store->db);
}

enum ent_err ent_store_setting_set(struct ent_store *store, const char *key, const char *value)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store,
                               "INSERT INTO setting(key, value) VALUES(?1, ?2)"
                               " ON CONFLICT(key) DO UPDATE SET value = ?2",
                               &stmt));
    ent_stmt_bind_text(stmt, 1, key);
    ent_stmt_bind_text(stmt, 2, value);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

enum ent_err ent_store_setting_get(struct ent_store *store, const char *key, char *value,
                                   size_t cap)
{
    struct ent_stmt *stmt = NULL;
    const char *text = NULL;
    enum ent_err err;

    ENT_TRY(ent_tables_prepare(store, "SELECT value FROM setting WHERE key = ?", &stmt));
    ent_stmt_bind_text(stmt, 1, key);
    err = ent_stmt_one(stmt);
    if (err == ENT_E_OK) {
        err = ent_stmt_text(stmt, 0, &text);
    }
    if (err == ENT_E_OK && strlen(text) >= cap) {
        err = ent_err_note(ENT_E_LIMIT, "setting %s is longer than %zu bytes", key, cap - 1);
    }
    if (err == ENT_E_OK) {
        memcpy(value, text, strlen(text) + 1);
    }
    return ent_tables_done(stmt, err);
}

static enum ent_err read_u64(struct ent_stmt *stmt, void *out)
{
    return ent_stmt_u64(stmt, 0, out);
}

static enum ent_err count_up(struct ent_store *store, const char *key, uint64_t step,
                             uint64_t *last)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store,
                               "INSERT INTO counter(key, value) VALUES(?1, ?2)"
                               " ON CONFLICT(key) DO UPDATE SET value = value + ?2",
                               &stmt));
    ent_stmt_bind_text(stmt, 1, key);
    ent_stmt_bind_u64(stmt, 2, step);
    ENT_TRY(ent_tables_done(stmt, ent_stmt_run(stmt)));
    ENT_TRY(ent_tables_prepare(store, "SELECT value FROM counter WHERE key = ?", &stmt));
    ent_stmt_bind_text(stmt, 1, key);
    return ent_tables_one(stmt, read_u64, last);
}

enum ent_err ent_store_counter_take(struct ent_store *store, const char *key, uint64_t step,
                                    uint64_t *first)
{
    bool own = false;
    uint64_t last = 0;
    enum ent_err err;

    ENT_BUG_ON(step == 0);
    ENT_TRY(ent_tables_enter(store, &own));
    err = count_up(store, key, step, &last);
    ENT_TRY(ent_tables_leave(store, own, err));
    *first = last - step + 1;
    return ENT_E_OK;
}
