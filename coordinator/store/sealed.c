/* Sealed updates: files named by their digest, and the list of those that leaves name. A file is whole
 * before it has its name; its name is durable before the commit that names it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/hooks.h"
#include "common/base/mem.h"
#include "common/crypto/sha256.h"
#include "common/tlog/leaf.h"
#include "coordinator/store/tables.h"

#define HEX_BYTES ((size_t)2 * ENT_STORE_DIGEST_BYTES)

struct ent_store_sealed {
    struct ent_store *store;
    struct ent_sha256 hash;
    char *tmp; /* NULL: it has its name */
    int fd;
};

/* ---- writing ---- */

static enum ent_err dir_of(const struct ent_store *store, unsigned first, char **out)
{
    char name[3];

    (void)snprintf(name, sizeof name, "%02x", first);
    return ent_path_join(store->sealed, name, out);
}

enum ent_err ent_store_sealed_path(const struct ent_store *store,
                                   const uint8_t digest[ENT_STORE_DIGEST_BYTES], char **out)
{
    char name[HEX_BYTES + 1];
    char *dir = NULL;
    enum ent_err err;

    ent_hex(digest, ENT_STORE_DIGEST_BYTES, name);
    ENT_TRY(dir_of(store, digest[0], &dir));
    err = ent_path_join(dir, name, out);
    free(dir);
    return err;
}

void ent_store_sealed_discard(struct ent_store_sealed *writer_take)
{
    if (writer_take == NULL) {
        return;
    }
    if (writer_take->tmp != NULL) {
        ent_file_discard(writer_take->tmp, writer_take->fd);
    }
    ent_sha256_release(&writer_take->hash);
    free(writer_take);
}

enum ent_err ent_store_sealed_begin(struct ent_store *store, struct ent_store_sealed **out)
{
    struct ent_store_sealed *w = NULL;
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *w, &w));
    w->store = store;
    err = ent_path_join(store->sealed, "new", &path);
    if (err == ENT_E_OK) {
        err = ent_file_begin(path, 0600, &w->tmp, &w->fd);
    }
    if (err == ENT_E_OK) {
        err = ent_sha256_init(&w->hash);
    }
    free(path);
    if (err != ENT_E_OK) {
        ent_store_sealed_discard(w);
        return err;
    }
    *out = w;
    return ENT_E_OK;
}

enum ent_err ent_store_sealed_write(struct ent_store_sealed *writer, const void *bytes, size_t len)
{
    enum ent_err err = ent_fd_write(writer->fd, bytes, len);

    if (err != ENT_E_OK) {
        return ent_err_prefix(err, "%s", writer->tmp);
    }
    ent_sha256_add(&writer->hash, bytes, len);
    return ENT_E_OK;
}

static enum ent_err make_dir(struct ent_store *store, unsigned first)
{
    char *dir = NULL;
    enum ent_err err;

    ENT_TRY(dir_of(store, first, &dir));
    if (mkdir(dir, 0700) == 0) {
        store->sealed_dirs = true;
        err = ENT_E_OK;
    } else {
        err = errno == EEXIST ? ENT_E_OK : ent_io_error("make directory", dir);
    }
    free(dir);
    return err;
}

static enum ent_err give_name(struct ent_store_sealed *w, const uint8_t *digest)
{
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_fd_sync(w->fd, w->tmp));
    ENT_TRY(make_dir(w->store, digest[0]));
    ENT_TRY(ent_store_sealed_path(w->store, digest, &path));
    ENT_HOOK_POINT("sealed-before-rename");
    err = rename(w->tmp, path) == 0 ? ENT_E_OK : ent_io_error("make", path);
    free(path);
    ENT_TRY(err);
    (void)close(w->fd);
    free(w->tmp);
    w->tmp = NULL;
    w->store->sealed_dirty[digest[0] / 8] |= (uint8_t)(1u << digest[0] % 8);
    w->store->n_sealed++;
    return ENT_E_OK;
}

enum ent_err ent_store_sealed_commit(struct ent_store_sealed *writer_take,
                                     uint8_t digest[ENT_STORE_DIGEST_BYTES])
{
    uint8_t sum[ENT_STORE_DIGEST_BYTES];
    enum ent_err err;

    ent_sha256_finish(&writer_take->hash, sum);
    err = give_name(writer_take, sum);
    if (err == ENT_E_OK) {
        memcpy(digest, sum, sizeof sum);
    }
    ent_store_sealed_discard(writer_take);
    return err;
}

static enum ent_err sync_dir(struct ent_store *store, unsigned first)
{
    char *dir = NULL;
    enum ent_err err;

    ENT_TRY(dir_of(store, first, &dir));
    err = ent_dir_sync(dir);
    free(dir);
    ENT_TRY(err);
    store->sealed_dirty[first / 8] &= (uint8_t) ~(1u << first % 8);
    return ENT_E_OK;
}

/* The directories themselves first: also those that a process before this one made and did not live to
 * synchronise, so once after each opening. */
enum ent_err ent_store_sealed_sync(struct ent_store *store)
{
    if (ent_all_zero(store->sealed_dirty, sizeof store->sealed_dirty)) {
        return ENT_E_OK;
    }
    if (store->sealed_dirs) {
        ENT_TRY(ent_dir_sync(store->sealed));
        ENT_TRY(ent_parent_sync(store->sealed));
        store->sealed_dirs = false;
    }
    for (unsigned first = 0; first < 256; first++) {
        if ((store->sealed_dirty[first / 8] >> first % 8 & 1) != 0) {
            ENT_TRY(sync_dir(store, first));
        }
    }
    return ENT_E_OK;
}

enum ent_err ent_store_sealed_remove(struct ent_store *store,
                                     const uint8_t digest[ENT_STORE_DIGEST_BYTES])
{
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_store_sealed_path(store, digest, &path));
    err = ent_file_remove(path);
    free(path);
    return err;
}

uint64_t ent_store_sealed_files(const struct ent_store *store)
{
    return store->n_sealed;
}

/* ---- the list ---- */

static enum ent_err put_named(struct ent_store *store, const struct ent_leaf_frame *frame,
                              uint64_t place, const uint8_t *digest, bool plain)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store, "INSERT INTO sealed(digest, idx, place, time_ms, plain) VALUES(?, ?, ?, ?, ?)",
        &stmt));
    ent_stmt_bind_blob(stmt, 1, digest, ENT_STORE_DIGEST_BYTES);
    ent_stmt_bind_u64(stmt, 2, frame->seq);
    ent_stmt_bind_u64(stmt, 3, place);
    ent_stmt_bind_u64(stmt, 4, frame->time_ms);
    ent_stmt_bind_u64(stmt, 5, plain ? 1 : 0);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

enum ent_err ent_sealed_named(struct ent_store *store, const struct ent_leaf_frame *frame,
                              const struct ent_leaf_update_accept *accept)
{
    for (size_t i = 0; i < accept->n_sealed; i++) {
        ENT_TRY(put_named(
            store, frame, i, accept->sealed[i],
            memcmp(accept->sealed[i], accept->update.payload_sha256, ENT_STORE_DIGEST_BYTES) == 0));
    }
    return ENT_E_OK;
}

enum ent_err ent_sealed_seeds(struct ent_store *store, const struct ent_leaf_frame *frame,
                              const struct ent_leaf_round_close *close)
{
    for (size_t i = 0; i < close->n_noise_sealed; i++) {
        ENT_TRY(put_named(store, frame, i, close->noise_sealed[i], false));
    }
    return ENT_E_OK;
}

enum ent_err ent_sealed_erased(struct ent_store *store, const struct ent_leaf_blob_erase *erase)
{
    for (size_t i = 0; i < erase->n_digests; i++) {
        struct ent_stmt *stmt = NULL;

        ENT_TRY(ent_tables_prepare(store, "UPDATE sealed SET erased = 1 WHERE digest = ?", &stmt));
        ent_stmt_bind_blob(stmt, 1, erase->digests[i], ENT_STORE_DIGEST_BYTES);
        ENT_TRY(ent_tables_done(stmt, ent_stmt_run(stmt)));
    }
    return ENT_E_OK;
}

static enum ent_err read_kept(struct ent_stmt *stmt, void *out)
{
    struct ent_store_kept *k = out;

    ENT_TRY(ent_stmt_blob_exact(stmt, 0, k->digest, sizeof k->digest));
    ENT_TRY(ent_stmt_u64(stmt, 1, &k->leaf));
    ENT_TRY(ent_stmt_u64(stmt, 2, &k->time_ms));
    return ent_stmt_bool(stmt, 3, &k->plain);
}

enum ent_err ent_store_sealed_list(struct ent_store *store, enum ent_store_kept_which which,
                                   uint64_t before_ms, struct ent_store_kept **out, size_t *n)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store,
                               "SELECT digest, idx, time_ms, plain FROM sealed"
                               " WHERE erased = 0 AND time_ms < ? AND plain >= ?"
                               " ORDER BY idx, place",
                               &stmt));
    ent_stmt_bind_u64(stmt, 1, ent_log_clamp(before_ms));
    ent_stmt_bind_u64(stmt, 2, which == ENT_STORE_KEPT_PLAIN ? 1 : 0);
    return ent_tables_list(stmt, read_kept, sizeof **out, out, n);
}

/* ---- sweeping ---- */

struct sealed_sweep {
    struct ent_store *store;
    const char *dir;
    uint64_t now_ms;
    uint64_t orphan_ms;
    size_t removed;
};

/* The least of `erased` of the leaves that name it: 0 where one still does. */
static enum ent_err read_erased(struct ent_stmt *stmt, void *out)
{
    return ent_stmt_u64(stmt, 0, out);
}

enum { NAMED = 0, ERASED = 1, UNKNOWN = 2 };

static enum ent_err find_named(struct ent_store *store, const uint8_t *digest, uint64_t *how)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store, "SELECT coalesce(min(erased), 2) FROM sealed WHERE digest = ?", &stmt));
    ent_stmt_bind_blob(stmt, 1, digest, ENT_STORE_DIGEST_BYTES);
    return ent_tables_one(stmt, read_erased, how);
}

static enum ent_err is_old(const struct sealed_sweep *s, const char *name, bool *old)
{
    struct stat sb;
    char *path = NULL;
    int rc;

    ENT_TRY(ent_path_join(s->dir, name, &path));
    rc = lstat(path, &sb);
    free(path);
    if (rc != 0) {
        *old = false; /* gone meanwhile */
        return ENT_E_OK;
    }
    *old = sb.st_mtime >= 0 && (uint64_t)sb.st_mtime <= s->now_ms / 1000 &&
           s->now_ms - (uint64_t)sb.st_mtime * 1000 >= s->orphan_ms;
    return ENT_E_OK;
}

static enum ent_err sweep_file(void *ctx, const char *name)
{
    struct sealed_sweep *s = ctx;
    uint8_t digest[ENT_STORE_DIGEST_BYTES];
    uint64_t how = NAMED;
    bool remove = false;

    if (strlen(name) != HEX_BYTES || ent_unhex(name, digest, sizeof digest) != ENT_E_OK) {
        return ENT_E_OK; /* not ours */
    }
    ENT_TRY(find_named(s->store, digest, &how));
    if (how == UNKNOWN) {
        ENT_TRY(is_old(s, name, &remove));
    } else {
        remove = how == ERASED;
    }
    if (!remove) {
        return ENT_E_OK;
    }
    s->removed++;
    return ent_files_remove_in(s->dir, name);
}

static enum ent_err sweep_unfinished(void *ctx, const char *name)
{
    struct sealed_sweep *s = ctx;

    if (strncmp(name, "new.tmp.", 8) != 0) {
        return ENT_E_OK;
    }
    s->removed++;
    return ent_files_remove_in(s->dir, name);
}

enum ent_err ent_store_sealed_sweep(struct ent_store *store, uint64_t now_ms, uint64_t orphan_ms,
                                    size_t *n_removed)
{
    struct sealed_sweep s = {
        .store = store, .dir = store->sealed, .now_ms = now_ms, .orphan_ms = orphan_ms};

    ENT_TRY(ent_files_walk(s.dir, sweep_unfinished, &s));
    for (unsigned first = 0; first < 256; first++) {
        char *dir = NULL;
        enum ent_err err;

        ENT_TRY(dir_of(store, first, &dir));
        s.dir = dir;
        err = ent_file_exists(dir) ? ent_files_walk(dir, sweep_file, &s) : ENT_E_OK;
        free(dir);
        ENT_TRY(err);
    }
    if (n_removed != NULL) {
        *n_removed = s.removed;
    }
    return ENT_E_OK;
}
