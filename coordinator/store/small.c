/* Small updates and models in the database: one commit makes them durable together with the rows that
 * name them. A small model has its file as well, for whoever reads it, but that is not synchronised;
 * the row stands in for it until the run ends. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/crypto/sha256.h"
#include "coordinator/store/tables.h"

/* ---- updates ---- */

static void bind_update(struct ent_stmt *stmt, const struct ent_row *row)
{
    ent_stmt_bind_u64(stmt, 1, row->run);
    ent_stmt_bind_u64(stmt, 2, row->round);
    ent_stmt_bind_u64(stmt, 3, row->attempt);
}

enum ent_err ent_store_small_put(struct ent_store *store, const struct ent_row *row,
                                 const uint8_t handle[ENT_STORE_ID_BYTES], const void *bytes,
                                 size_t len)
{
    struct ent_stmt *stmt = NULL;

    ENT_REQUIRE(len <= ENT_STORE_SMALL_MAX, ENT_E_LIMIT, "an update of %zu bytes is not small",
                len);
    ENT_TRY(ent_tables_prepare(store,
                               "INSERT OR REPLACE INTO small_update(run, round, attempt, handle,"
                               " bytes) VALUES(?, ?, ?, ?, ?)",
                               &stmt));
    bind_update(stmt, row);
    ent_stmt_bind_blob(stmt, 4, handle, ENT_STORE_ID_BYTES);
    ent_stmt_bind_blob(stmt, 5, bytes, len);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

static enum ent_err read_bytes(struct ent_stmt *stmt, void *out)
{
    const uint8_t *bytes = NULL;
    size_t len = 0;

    ENT_TRY(ent_stmt_blob(stmt, 0, &bytes, &len));
    return ent_buf_add(out, bytes, len);
}

enum ent_err ent_store_small_get(struct ent_store *store, const struct ent_row *row,
                                 const uint8_t handle[ENT_STORE_ID_BYTES], struct ent_buf *out)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store,
                               "SELECT bytes FROM small_update"
                               " WHERE run = ? AND round = ? AND attempt = ? AND handle = ?",
                               &stmt));
    bind_update(stmt, row);
    ent_stmt_bind_blob(stmt, 4, handle, ENT_STORE_ID_BYTES);
    return ent_tables_one(stmt, read_bytes, out);
}

enum ent_err ent_store_small_forget(struct ent_store *store, const struct ent_row *row)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store, "DELETE FROM small_update WHERE run = ? AND round = ? AND attempt = ?", &stmt));
    bind_update(stmt, row);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

/* ---- models that wait for a commit ---- */

enum ent_err ent_small_add(struct ent_store *store, const uint8_t digest[ENT_STORE_DIGEST_BYTES],
                           struct ent_buf *bytes_take)
{
    struct ent_small_model *m;

    ENT_TRY(ent_grow(&store->small, &store->cap_small, store->n_small + 1, sizeof *store->small));
    m = &store->small[store->n_small++];
    memcpy(m->digest, digest, sizeof m->digest);
    m->bytes = *bytes_take;
    ent_buf_init(bytes_take, 0);
    return ENT_E_OK;
}

static enum ent_err insert(struct ent_store *store, const struct ent_small_model *m)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store, "INSERT OR REPLACE INTO small_model(digest, bytes) VALUES(?, ?)", &stmt));
    ent_stmt_bind_blob(stmt, 1, m->digest, sizeof m->digest);
    ent_stmt_bind_blob(stmt, 2, m->bytes.data, m->bytes.len);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

static enum ent_err delete_row(struct ent_store *store, const uint8_t *digest)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store, "DELETE FROM small_model WHERE digest = ?", &stmt));
    ent_stmt_bind_blob(stmt, 1, digest, ENT_STORE_DIGEST_BYTES);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

static enum ent_err read_digest(struct ent_stmt *stmt, void *out)
{
    return ent_stmt_blob_exact(stmt, 0, out, ENT_STORE_DIGEST_BYTES);
}

/* Digests of all rows; caller frees. */
static enum ent_err list(struct ent_store *store, uint8_t (**out)[ENT_STORE_DIGEST_BYTES],
                         size_t *n)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store, "SELECT digest FROM small_model", &stmt));
    return ent_tables_list(stmt, read_digest, ENT_STORE_DIGEST_BYTES, out, n);
}

/* Rows of models whose files were swept. */
static enum ent_err delete_swept(struct ent_store *store)
{
    uint8_t(*digests)[ENT_STORE_DIGEST_BYTES] = NULL;
    size_t n = 0;
    enum ent_err err;

    ENT_TRY(list(store, &digests, &n));
    err = ENT_E_OK;
    for (size_t i = 0; i < n && err == ENT_E_OK; i++) {
        if (!ent_store_model_exists(store, digests[i])) {
            err = delete_row(store, digests[i]);
        }
    }
    free(digests);
    return err;
}

enum ent_err ent_small_before_commit(struct ent_store *store)
{
    if (store->n_small == 0) {
        return ENT_E_OK;
    }
    ENT_TRY(delete_swept(store));
    for (size_t i = 0; i < store->n_small; i++) {
        ENT_TRY(insert(store, &store->small[i]));
    }
    return ENT_E_OK;
}

void ent_small_after_commit(struct ent_store *store)
{
    for (size_t i = 0; i < store->n_small; i++) {
        ent_buf_release(&store->small[i].bytes);
    }
    store->n_small = 0;
}

static enum ent_err store_rest(struct ent_store *store)
{
    ENT_TRY(ent_db_begin(store->db));
    return ent_db_end(store->db, ent_small_before_commit(store));
}

void ent_small_release(struct ent_store *store)
{
    if (store->n_small > 0) {
        ent_db_rollback(store->db);
        if (store_rest(store) != ENT_E_OK) {
            ent_log_warn("%s", ent_err_message());
        }
    }
    ent_small_after_commit(store);
    free(store->small);
}

/* ---- rows and files ---- */

static enum ent_err is_good(const char *path, const uint8_t *digest, bool *good)
{
    uint8_t found[ENT_STORE_DIGEST_BYTES];
    enum ent_err err = ent_file_exists(path) ? ent_sha256_file(path, found) : ENT_E_NOT_FOUND;

    *good = err == ENT_E_OK && memcmp(found, digest, sizeof found) == 0;
    return err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
}

static enum ent_err read_model(struct ent_store *store, const uint8_t *digest, struct ent_buf *out)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store, "SELECT bytes FROM small_model WHERE digest = ?", &stmt));
    ent_stmt_bind_blob(stmt, 1, digest, ENT_STORE_DIGEST_BYTES);
    return ent_tables_one(stmt, read_bytes, out);
}

static enum ent_err restore_one(struct ent_store *store, const uint8_t *digest)
{
    struct ent_buf bytes;
    char *path = NULL;
    bool good = false;
    enum ent_err err;

    ENT_TRY(ent_store_model_path(store, digest, &path));
    ent_buf_init(&bytes, ENT_STORE_SMALL_MAX);
    err = is_good(path, digest, &good);
    if (err == ENT_E_OK && !good) {
        err = read_model(store, digest, &bytes);
        if (err == ENT_E_OK) {
            err = ent_file_write_atomic(path, bytes.data, bytes.len, 0600);
        }
    }
    ent_buf_release(&bytes);
    free(path);
    return err;
}

static enum ent_err sync_file(struct ent_store *store, const uint8_t *digest)
{
    char *path = NULL;
    enum ent_err err;
    int fd;

    ENT_TRY(ent_store_model_path(store, digest, &path));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    err = fd >= 0 ? ent_fd_sync(fd, path) : ENT_E_OK; /* swept already */
    if (fd >= 0) {
        (void)close(fd);
    }
    free(path);
    return err;
}

static enum ent_err for_each(struct ent_store *store,
                             enum ent_err (*what)(struct ent_store *store, const uint8_t *digest),
                             bool *any)
{
    uint8_t(*digests)[ENT_STORE_DIGEST_BYTES] = NULL;
    size_t n = 0;
    enum ent_err err;

    ENT_TRY(list(store, &digests, &n));
    err = ENT_E_OK;
    for (size_t i = 0; i < n && err == ENT_E_OK; i++) {
        err = what(store, digests[i]);
    }
    free(digests);
    *any = n > 0;
    return err;
}

enum ent_err ent_small_restore(struct ent_store *store)
{
    bool any = false;

    return for_each(store, restore_one, &any);
}

enum ent_err ent_small_settle(struct ent_store *store)
{
    struct ent_stmt *stmt = NULL;
    bool any = false;

    ENT_TRY(for_each(store, sync_file, &any));
    if (!any) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_dir_sync(store->models));
    ENT_TRY(ent_tables_prepare(store, "DELETE FROM small_model", &stmt));
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}
