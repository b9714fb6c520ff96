/* Model and update files: what is named by a committed row is there, what is not may go. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/hooks.h"
#include "common/base/mem.h"
#include "common/crypto/sha256.h"
#include "coordinator/store/tables.h"

#define MODEL_SUFFIX ".safetensors"
#define STATE_SUFFIX ".state"
#define HEX_BYTES ((size_t)2 * ENT_STORE_DIGEST_BYTES)

struct ent_store_writer {
    struct ent_store *store;
    struct ent_sha256 hash;
    const char *suffix;
    struct ent_buf small; /* as long as it is small: all of it */
    char *tmp;            /* NULL: no file yet */
    int fd;
};

static enum ent_err content_path(const char *dir, const uint8_t *digest, const char *suffix,
                                 char **out)
{
    char name[HEX_BYTES + sizeof MODEL_SUFFIX];

    ent_hex(digest, ENT_STORE_DIGEST_BYTES, name);
    (void)snprintf(name + HEX_BYTES, sizeof MODEL_SUFFIX, "%s", suffix);
    return ent_path_join(dir, name, out);
}

enum ent_err ent_store_model_path(const struct ent_store *store,
                                  const uint8_t digest[ENT_STORE_DIGEST_BYTES], char **out)
{
    return content_path(store->models, digest, MODEL_SUFFIX, out);
}

enum ent_err ent_store_state_path(const struct ent_store *store,
                                  const uint8_t digest[ENT_STORE_DIGEST_BYTES], char **out)
{
    return content_path(store->models, digest, STATE_SUFFIX, out);
}

bool ent_store_model_exists(const struct ent_store *store,
                            const uint8_t digest[ENT_STORE_DIGEST_BYTES])
{
    char *path = NULL;
    bool there = false;

    if (ent_store_model_path(store, digest, &path) == ENT_E_OK) {
        there = ent_file_exists(path);
        free(path);
    }
    return there;
}

void ent_store_model_discard(struct ent_store_writer *writer_take)
{
    if (writer_take == NULL) {
        return;
    }
    if (writer_take->tmp != NULL) {
        ent_file_discard(writer_take->tmp, writer_take->fd);
    }
    ent_buf_release(&writer_take->small);
    ent_sha256_release(&writer_take->hash);
    free(writer_take);
}

static enum ent_err begin(struct ent_store *store, const char *suffix,
                          struct ent_store_writer **out)
{
    struct ent_store_writer *w = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *w, &w));
    w->store = store;
    w->suffix = suffix;
    w->fd = -1;
    ent_buf_init(&w->small, ENT_STORE_SMALL_MAX);
    err = ent_sha256_init(&w->hash);
    if (err != ENT_E_OK) {
        ent_store_model_discard(w);
        return err;
    }
    *out = w;
    return ENT_E_OK;
}

enum ent_err ent_store_model_begin(struct ent_store *store, struct ent_store_writer **out)
{
    return begin(store, MODEL_SUFFIX, out);
}

static enum ent_err write_on(struct ent_store_writer *w, const void *bytes, size_t len)
{
    enum ent_err err = ent_fd_write(w->fd, bytes, len);

    return err == ENT_E_OK ? ENT_E_OK : ent_err_prefix(err, "%s", w->tmp);
}

/* The file, with what came so far. */
static enum ent_err begin_file(struct ent_store_writer *w)
{
    char *path = NULL;
    enum ent_err err = ent_path_join(w->store->models, "new", &path);

    if (err == ENT_E_OK) {
        err = ent_file_begin(path, 0600, &w->tmp, &w->fd);
    }
    free(path);
    return err == ENT_E_OK ? write_on(w, w->small.data, w->small.len) : err;
}

/* A file from the start: only models stand in the database. */
enum ent_err ent_store_state_begin(struct ent_store *store, struct ent_store_writer **out)
{
    struct ent_store_writer *w = NULL;
    enum ent_err err;

    ENT_TRY(begin(store, STATE_SUFFIX, &w));
    err = begin_file(w);
    if (err != ENT_E_OK) {
        ent_store_model_discard(w);
        return err;
    }
    *out = w;
    return ENT_E_OK;
}

enum ent_err ent_store_model_write(struct ent_store_writer *writer, const void *bytes, size_t len)
{
    if (writer->tmp == NULL && len > ENT_STORE_SMALL_MAX - writer->small.len) {
        ENT_TRY(begin_file(writer));
        ent_buf_release(&writer->small);
    }
    ENT_TRY(writer->tmp != NULL ? write_on(writer, bytes, len)
                                : ent_buf_add(&writer->small, bytes, len));
    ent_sha256_add(&writer->hash, bytes, len);
    return ENT_E_OK;
}

static enum ent_err commit_file(struct ent_store_writer *w, const char *path)
{
    char *tmp = w->tmp;

    ENT_HOOK_POINT("store-model-before-rename");
    w->tmp = NULL;
    return ent_file_commit(path, tmp, w->fd);
}

/* The file without fsync: the database has the bytes too. */
static enum ent_err commit_small(struct ent_store_writer *w, const char *path,
                                 const uint8_t *digest)
{
    if (!ent_file_exists(path)) {
        ENT_TRY(begin_file(w));
        ENT_HOOK_POINT("store-model-before-rename");
        if (rename(w->tmp, path) != 0) {
            return ent_err_note(ENT_E_IO, "%s: cannot be made", path);
        }
        (void)close(w->fd);
        free(w->tmp);
        w->tmp = NULL;
    }
    return ent_small_add(w->store, digest, &w->small);
}

enum ent_err ent_store_model_commit(struct ent_store_writer *writer_take,
                                    uint8_t digest[ENT_STORE_DIGEST_BYTES])
{
    uint8_t sum[ENT_STORE_DIGEST_BYTES];
    char *path = NULL;
    enum ent_err err;

    ent_sha256_finish(&writer_take->hash, sum);
    err = content_path(writer_take->store->models, sum, writer_take->suffix, &path);
    if (err == ENT_E_OK) {
        err = writer_take->tmp != NULL ? commit_file(writer_take, path)
                                       : commit_small(writer_take, path, sum);
    }
    if (err == ENT_E_OK) {
        memcpy(digest, sum, sizeof sum);
    }
    free(path);
    ent_store_model_discard(writer_take);
    return err;
}

enum ent_err ent_store_model_put(struct ent_store *store, const void *bytes, size_t len,
                                 uint8_t digest[ENT_STORE_DIGEST_BYTES])
{
    struct ent_store_writer *w = NULL;
    enum ent_err err;

    ENT_TRY(ent_store_model_begin(store, &w));
    err = ent_store_model_write(w, bytes, len);
    if (err != ENT_E_OK) {
        ent_store_model_discard(w);
        return err;
    }
    return ent_store_model_commit(w, digest);
}

/* Calls `each` with every name in a directory. */
enum ent_err ent_files_walk(const char *dir, enum ent_err (*each)(void *ctx, const char *name),
                            void *ctx)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    enum ent_err err = ENT_E_OK;

    ENT_REQUIRE(d != NULL, ENT_E_IO, "%s: cannot be read", dir);
    for (;;) {
        errno = 0;
        entry = readdir(d); // NOLINT(concurrency-mt-unsafe): the stream is ours alone
        if (entry == NULL || err != ENT_E_OK) {
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            err = each(ctx, entry->d_name);
        }
    }
    if (err == ENT_E_OK && errno != 0) {
        err = ent_err_note(ENT_E_IO, "%s: cannot be read", dir);
    }
    (void)closedir(d);
    return err;
}

enum ent_err ent_files_remove_in(const char *dir, const char *name)
{
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_path_join(dir, name, &path));
    err = ent_file_remove(path);
    free(path);
    return err;
}

struct digests {
    uint8_t (*list)[ENT_STORE_DIGEST_BYTES];
    size_t n;
    size_t cap;
};

static enum ent_err add_digest(struct digests *d, const uint8_t *digest)
{
    ENT_TRY(ent_grow(&d->list, &d->cap, d->n + 1, sizeof *d->list));
    memcpy(d->list[d->n++], digest, ENT_STORE_DIGEST_BYTES);
    return ENT_E_OK;
}

static bool has_digest(const struct digests *d, const uint8_t *digest)
{
    for (size_t i = 0; i < d->n; i++) {
        if (memcmp(d->list[i], digest, ENT_STORE_DIGEST_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_content(const char *name, const char *suffix, uint8_t *digest)
{
    char hex[HEX_BYTES + 1] = "";

    if (strlen(name) != HEX_BYTES + strlen(suffix) || strcmp(name + HEX_BYTES, suffix) != 0) {
        return false;
    }
    memcpy(hex, name, HEX_BYTES);
    return ent_unhex(hex, digest, ENT_STORE_DIGEST_BYTES) == ENT_E_OK;
}

static enum ent_err list_one(void *ctx, const char *name)
{
    uint8_t digest[ENT_STORE_DIGEST_BYTES];

    return is_content(name, MODEL_SUFFIX, digest) ? add_digest(ctx, digest) : ENT_E_OK;
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, ENT_STORE_DIGEST_BYTES);
}

enum ent_err ent_store_model_list(struct ent_store *store, uint8_t (**out)[ENT_STORE_DIGEST_BYTES],
                                  size_t *n)
{
    struct digests d = {0};
    enum ent_err err = ent_grow(&d.list, &d.cap, 1, sizeof *d.list);

    if (err == ENT_E_OK) {
        err = ent_files_walk(store->models, list_one, &d);
    }
    if (err != ENT_E_OK) {
        free(d.list);
        return err;
    }
    qsort(d.list, d.n, sizeof *d.list, by_bytes);
    *out = d.list;
    *n = d.n;
    return ENT_E_OK;
}

static enum ent_err read_digest(struct ent_stmt *stmt, void *out)
{
    return ent_tables_digest(stmt, 0, out);
}

/* What the database still names: each run's base and best; of the current run the base and result
 * of its newest rounds, and the newest state of its optimizer. */
static enum ent_err named_models(struct ent_store *store, struct digests *d)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store,
        "SELECT base FROM run WHERE base IS NOT NULL"
        " UNION SELECT best FROM run WHERE best IS NOT NULL"
        " UNION SELECT model FROM event JOIN run USING(run) WHERE run.state <= 2 AND id IN"
        "  ((SELECT max(id) FROM event WHERE kind = 2 AND model IS NOT NULL),"
        "   (SELECT max(id) FROM event WHERE kind = 9 AND model IS NOT NULL))"
        " UNION SELECT event.state FROM event JOIN run USING(run) WHERE run.state <= 2 AND id ="
        "  (SELECT max(id) FROM event WHERE kind = 9 AND state IS NOT NULL)",
        &stmt));
    ENT_TRY(ent_tables_list(stmt, read_digest, sizeof *d->list, &d->list, &d->n));
    d->cap = d->n == 0 ? 1 : d->n;
    return ENT_E_OK;
}

struct sweep {
    const char *dir;
    struct digests keep;
    size_t removed;
};

static enum ent_err sweep_model(void *ctx, const char *name)
{
    struct sweep *s = ctx;
    uint8_t digest[ENT_STORE_DIGEST_BYTES];
    bool unfinished = strncmp(name, "new.tmp.", 8) == 0;
    bool ours = is_content(name, MODEL_SUFFIX, digest) || is_content(name, STATE_SUFFIX, digest);

    if (!unfinished && (!ours || has_digest(&s->keep, digest))) {
        return ENT_E_OK; /* wanted, or not ours */
    }
    s->removed++;
    return ent_files_remove_in(s->dir, name);
}

enum ent_err ent_store_model_sweep(struct ent_store *store,
                                   const uint8_t (*keep)[ENT_STORE_DIGEST_BYTES], size_t n_keep,
                                   size_t *n_removed)
{
    struct sweep s = {.dir = store->models};
    enum ent_err err = named_models(store, &s.keep);

    for (size_t i = 0; i < n_keep && err == ENT_E_OK; i++) {
        err = add_digest(&s.keep, keep[i]);
    }
    if (err == ENT_E_OK) {
        err = ent_files_walk(store->models, sweep_model, &s);
    }
    free(s.keep.list);
    if (err == ENT_E_OK && n_removed != NULL) {
        *n_removed = s.removed;
    }
    return err;
}

#define UPDATE_PREFIX_BYTES 64

struct update_name {
    char name[UPDATE_PREFIX_BYTES + 2 * ENT_STORE_ID_BYTES + sizeof ".bin"];
};

static void update_prefix(char *out, uint32_t run, uint64_t round, uint32_t attempt)
{
    (void)snprintf(out, UPDATE_PREFIX_BYTES, "%lu-%llu-%lu-", (unsigned long)run,
                   (unsigned long long)round, (unsigned long)attempt);
}

static void update_name(struct update_name *out, uint32_t run, uint64_t round, uint32_t attempt,
                        const uint8_t *handle)
{
    size_t len;

    update_prefix(out->name, run, round, attempt);
    len = strlen(out->name);
    ent_hex(handle, ENT_STORE_ID_BYTES, out->name + len);
    memcpy(out->name + len + (size_t)2 * ENT_STORE_ID_BYTES, ".bin", sizeof ".bin");
}

enum ent_err ent_store_update_path(const struct ent_store *store, uint32_t run, uint64_t round,
                                   uint32_t attempt, const uint8_t handle[ENT_STORE_ID_BYTES],
                                   char **out)
{
    struct update_name name;

    update_name(&name, run, round, attempt, handle);
    return ent_path_join(store->updates, name.name, out);
}

struct update_sweep {
    const char *dir;
    char prefix[UPDATE_PREFIX_BYTES]; /* of the attempt to remove */
    struct update_name *keep;
    size_t n_keep;
    size_t removed;
};

static enum ent_err discard_one(void *ctx, const char *name)
{
    struct update_sweep *s = ctx;

    return strncmp(name, s->prefix, strlen(s->prefix)) == 0 ? ent_files_remove_in(s->dir, name)
                                                            : ENT_E_OK;
}

enum ent_err ent_store_update_discard(struct ent_store *store, uint32_t run, uint64_t round,
                                      uint32_t attempt)
{
    struct update_sweep s = {.dir = store->updates};

    update_prefix(s.prefix, run, round, attempt);
    return ent_files_walk(store->updates, discard_one, &s);
}

static enum ent_err read_update(struct ent_stmt *stmt, void *out)
{
    uint32_t run = 0;
    uint64_t round = 0;
    uint32_t attempt = 0;
    uint8_t handle[ENT_STORE_ID_BYTES];

    ENT_TRY(ent_stmt_u32(stmt, 0, &run));
    ENT_TRY(ent_stmt_u64(stmt, 1, &round));
    ENT_TRY(ent_stmt_u32(stmt, 2, &attempt));
    ENT_TRY(ent_stmt_blob_exact(stmt, 3, handle, sizeof handle));
    update_name(out, run, round, attempt, handle);
    return ENT_E_OK;
}

/* The accepted updates of the current run's newest attempt, if that is still open. */
static enum ent_err named_updates(struct ent_store *store, struct update_sweep *s)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store,
        "SELECT e.run, e.round, e.attempt, m.handle FROM event e JOIN run r ON r.run = e.run"
        " JOIN member m ON m.idx = e.member WHERE r.state = 2 AND e.kind = 6 AND e.id >"
        "  (SELECT coalesce(max(id), 0) FROM event x WHERE x.run = e.run AND x.kind IN (9, 10))",
        &stmt));
    return ent_tables_list(stmt, read_update, sizeof *s->keep, &s->keep, &s->n_keep);
}

static enum ent_err sweep_update(void *ctx, const char *name)
{
    struct update_sweep *s = ctx;

    for (size_t i = 0; i < s->n_keep; i++) {
        if (strcmp(s->keep[i].name, name) == 0) {
            return ENT_E_OK;
        }
    }
    s->removed++;
    return ent_files_remove_in(s->dir, name);
}

enum ent_err ent_store_update_sweep(struct ent_store *store, size_t *n_removed)
{
    struct update_sweep s = {.dir = store->updates};
    enum ent_err err = named_updates(store, &s);

    if (err == ENT_E_OK) {
        err = ent_files_walk(store->updates, sweep_update, &s);
    }
    free(s.keep);
    if (err == ENT_E_OK && n_removed != NULL) {
        *n_removed = s.removed;
    }
    return err;
}
