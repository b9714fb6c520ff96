#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/state/private.h"
#include "common/base/file.h"
#include "common/base/hooks.h"
#include "common/base/log.h"
#include "common/base/mem.h"

enum ent_err ent_state_model_path(const struct ent_state *state,
                                  const uint8_t digest[ENT_SHA256_BYTES], char **out)
{
    return ent_state_content_path(state->models, digest, ENT_STATE_MODEL_ENDING, out);
}

static enum ent_err run_on(struct ent_state *state, const char *sql,
                           const uint8_t digest[ENT_SHA256_BYTES])
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db, sql, &stmt));
    ent_stmt_bind_blob(stmt, 1, digest, ENT_SHA256_BYTES);
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err;
}

/* ---- small ones, in memory ---- */

static size_t small_at(const struct ent_state *state, const uint8_t *digest)
{
    size_t i = 0;

    while (i < state->n_small && memcmp(state->small[i].digest, digest, ENT_SHA256_BYTES) != 0) {
        i++;
    }
    return i;
}

static void small_remove(struct ent_state *state, size_t at)
{
    ent_blob_unref(state->small[at].blob);
    state->n_small--;
    memmove(state->small + at, state->small + at + 1,
            (state->n_small - at) * sizeof state->small[0]);
}

/* As the newest; there is room. */
static void small_add(struct ent_state *state, const uint8_t *digest, struct ent_blob *blob_take)
{
    size_t at = small_at(state, digest);
    bool has_file = at < state->n_small && state->small[at].has_file;

    if (at < state->n_small) {
        small_remove(state, at);
    }
    memmove(state->small + 1, state->small, state->n_small * sizeof state->small[0]);
    memcpy(state->small[0].digest, digest, ENT_SHA256_BYTES);
    state->small[0].blob = blob_take;
    state->small[0].has_file = has_file;
    state->n_small++;
}

bool ent_state_has_files(const struct ent_state *state)
{
    for (size_t i = 0; i < state->n_small; i++) {
        if (!state->small[i].has_file) {
            return true;
        }
    }
    return false;
}

static enum ent_err small_write(struct ent_state *state, const struct ent_state_small *small)
{
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_state_model_path(state, small->digest, &path));
    err = ent_state_write_file(path, ent_blob_bytes(small->blob), ent_blob_len(small->blob));
    free(path);
    return err;
}

void ent_state_write_files(struct ent_state *state)
{
    for (size_t i = 0; i < state->n_small; i++) {
        struct ent_state_small *small = &state->small[i];

        if (!small->has_file && small_write(state, small) != ENT_E_OK) {
            ent_log_warn("a model has no file, and is fetched again after the next start: %s",
                         ent_err_message());
        }
        small->has_file = true; /* or it was tried once */
    }
}

/* ---- the file verified last ---- */

static bool is_unchanged(const struct ent_state_seen *seen, const struct stat *sb)
{
    return seen->inode == sb->st_ino && seen->changed.tv_sec == sb->st_mtim.tv_sec &&
           seen->changed.tv_nsec == sb->st_mtim.tv_nsec &&
           (uint64_t)sb->st_size == ent_blob_len(seen->blob);
}

/* Its bytes when they need no second look; NULL otherwise. */
static struct ent_blob *seen_before(struct ent_state *state, const uint8_t *digest)
{
    struct ent_state_seen *seen = &state->seen;
    struct stat sb;
    char *path = NULL;
    bool good = seen->blob != NULL && memcmp(seen->digest, digest, sizeof seen->digest) == 0;

    if (good) {
        good = ent_state_model_path(state, digest, &path) == ENT_E_OK && stat(path, &sb) == 0 &&
               is_unchanged(seen, &sb);
        free(path);
    }
    return good ? ent_blob_ref(seen->blob) : NULL;
}

static void drop_seen(struct ent_state *state, const uint8_t *digest)
{
    if (state->seen.blob != NULL && memcmp(state->seen.digest, digest, ENT_SHA256_BYTES) == 0) {
        ent_blob_unref(state->seen.blob);
        state->seen = (struct ent_state_seen){0};
    }
}

static void keep_seen(struct ent_state *state, const uint8_t *digest, const char *path,
                      struct ent_blob *blob)
{
    struct ent_state_seen *seen = &state->seen;
    struct stat sb = {0};

    if (stat(path, &sb) != 0) {
        return;
    }
    ent_blob_unref(seen->blob);
    *seen = (struct ent_state_seen){
        .blob = ent_blob_ref(blob), .inode = sb.st_ino, .changed = sb.st_mtim};
    memcpy(seen->digest, digest, sizeof seen->digest);
}

/* ---- rows ---- */

/* Row first, then file; should the row survive a crash, it names a model that is not there, and
 * goes when that is found out. */
static enum ent_err forget(struct ent_state *state, const uint8_t digest[ENT_SHA256_BYTES])
{
    char *path = NULL;
    size_t at = small_at(state, digest);
    bool in_memory = at < state->n_small && !state->small[at].has_file;
    enum ent_err err;

    if (at < state->n_small) {
        small_remove(state, at);
    }
    drop_seen(state, digest);
    ENT_TRY(ent_state_join_next(state));
    ENT_TRY(run_on(state, "DELETE FROM model WHERE digest = ?", digest));
    ENT_HOOK_POINT("state.model.forgotten");
    if (in_memory) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_state_model_path(state, digest, &path));
    err = ent_file_remove(path);
    free(path);
    return err;
}

/* REPLACE gives it a new, highest position: the newest. */
static enum ent_err note(struct ent_state *state, const uint8_t digest[ENT_SHA256_BYTES])
{
    ENT_TRY(ent_state_join_next(state));
    return run_on(state, "INSERT OR REPLACE INTO model(digest) VALUES(?)", digest);
}

/* NOT_FOUND without a row. */
static enum ent_err find_row(struct ent_state *state, const uint8_t *digest)
{
    struct ent_stmt *stmt = NULL;
    bool row = false;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db, "SELECT 1 FROM model WHERE digest = ?", &stmt));
    ent_stmt_bind_blob(stmt, 1, digest, ENT_SHA256_BYTES);
    err = ent_stmt_step(stmt, &row);
    ent_stmt_free(stmt);
    ENT_TRY(err);
    ENT_REQUIRE(row, ENT_E_NOT_FOUND, "this model is not held");
    return ENT_E_OK;
}

/* ---- calls ---- */

static enum ent_err add_file(struct ent_state *state, const uint8_t *digest, bool verified)
{
    struct ent_blob *blob = NULL;
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_state_model_path(state, digest, &path));
    err = ent_blob_new_file(path, &blob);
    if (err == ENT_E_OK && verified) {
        keep_seen(state, digest, path, blob);
    }
    ent_blob_unref(blob);
    free(path);
    if (err == ENT_E_NOT_FOUND) {
        return ent_err_note(err, "the model's file is not there");
    }
    return err == ENT_E_OK ? note(state, digest) : err;
}

enum ent_err ent_state_model_add(struct ent_state *state, const uint8_t digest[ENT_SHA256_BYTES])
{
    size_t at = small_at(state, digest);

    if (at < state->n_small) {
        small_add(state, digest, ent_blob_ref(state->small[at].blob));
        return note(state, digest);
    }
    return add_file(state, digest, false);
}

enum ent_err ent_state_model_add_verified(struct ent_state *state,
                                          const uint8_t digest[ENT_SHA256_BYTES])
{
    return add_file(state, digest, true);
}

static enum ent_err write_file(struct ent_state *state, const uint8_t *digest, const void *bytes,
                               size_t len)
{
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_state_model_path(state, digest, &path));
    err = ent_file_write_atomic(path, bytes, len, 0600);
    free(path);
    return err;
}

/* One too many is the oldest. */
static enum ent_err keep_small(struct ent_state *state, const uint8_t *digest,
                               struct ent_blob *blob)
{
    if (small_at(state, digest) == state->n_small && state->n_small == ENT_STATE_SMALL_MAX) {
        uint8_t oldest[ENT_SHA256_BYTES];

        memcpy(oldest, state->small[state->n_small - 1].digest, sizeof oldest);
        ENT_TRY(forget(state, oldest));
    }
    small_add(state, digest, ent_blob_ref(blob));
    return note(state, digest);
}

enum ent_err ent_state_model_keep(struct ent_state *state, const uint8_t digest[ENT_SHA256_BYTES],
                                  struct ent_blob *blob)
{
    ENT_REQUIRE(ent_blob_len(blob) <= ENT_STATE_ROW_MAX_BYTES, ENT_E_LIMIT,
                "a model of %zu bytes is not kept in memory", ent_blob_len(blob));
    return keep_small(state, digest, blob);
}

enum ent_err ent_state_model_put(struct ent_state *state, const uint8_t digest[ENT_SHA256_BYTES],
                                 const void *bytes, size_t len)
{
    struct ent_blob *blob = NULL;
    uint8_t real[ENT_SHA256_BYTES];
    enum ent_err err;

    ENT_TRY(ent_sha256(bytes, len, real));
    ENT_REQUIRE(memcmp(real, digest, sizeof real) == 0, ENT_E_DIGEST,
                "a model's bytes do not fit its digest");
    if (len > ENT_STATE_ROW_MAX_BYTES) {
        ENT_TRY(write_file(state, digest, bytes, len));
        ENT_HOOK_POINT("state.model.file");
        return note(state, digest);
    }
    ENT_TRY(ent_blob_new_copy(bytes, len, &blob));
    err = keep_small(state, digest, blob);
    ent_blob_unref(blob);
    return err;
}

static enum ent_err forget_found(struct ent_state *state, const uint8_t *digest, enum ent_err found)
{
    if (found != ENT_E_DIGEST && found != ENT_E_NOT_FOUND) {
        return found;
    }
    ENT_TRY(forget(state, digest));
    return found == ENT_E_DIGEST
               ? ent_err_note(ENT_E_CORRUPT,
                              "a stored model was damaged; it was removed and is fetched again")
               : ent_err_note(ENT_E_NOT_FOUND, "the model's file is gone");
}

enum ent_err ent_state_model_get(struct ent_state *state, const uint8_t digest[ENT_SHA256_BYTES],
                                 struct ent_blob **out)
{
    size_t at = small_at(state, digest);
    struct ent_blob *blob =
        at < state->n_small ? ent_blob_ref(state->small[at].blob) : seen_before(state, digest);
    char *path = NULL;
    enum ent_err err;

    if (blob != NULL) {
        *out = blob;
        return ENT_E_OK;
    }
    ENT_TRY(find_row(state, digest));
    ENT_TRY(ent_state_model_path(state, digest, &path));
    err = ent_state_content_open(path, digest, &blob);
    if (err == ENT_E_OK) {
        keep_seen(state, digest, path, blob);
    }
    free(path);
    if (err != ENT_E_OK) {
        ent_blob_unref(blob);
        return forget_found(state, digest, err);
    }
    *out = blob;
    return ENT_E_OK;
}

struct list {
    uint8_t (*models)[ENT_SHA256_BYTES]; /* newest first */
    size_t n;
    size_t cap;
};

static enum ent_err list_read(struct ent_stmt *stmt, struct list *list)
{
    bool row = false;

    ENT_TRY(ent_stmt_step(stmt, &row));
    while (row) {
        ENT_TRY(ent_grow(&list->models, &list->cap, list->n + 1, sizeof list->models[0]));
        ENT_TRY(ent_stmt_blob_exact(stmt, 0, list->models[list->n], ENT_SHA256_BYTES));
        list->n++;
        ENT_TRY(ent_stmt_step(stmt, &row));
    }
    return ENT_E_OK;
}

static enum ent_err list_models(struct ent_state *state, struct list *list)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db, "SELECT digest FROM model ORDER BY position DESC", &stmt));
    err = list_read(stmt, list);
    ent_stmt_free(stmt);
    return err;
}

static enum ent_err is_there(const struct ent_state *state, const uint8_t *digest, bool *out)
{
    char *path = NULL;

    if (small_at(state, digest) < state->n_small) {
        *out = true;
        return ENT_E_OK;
    }
    ENT_TRY(ent_state_model_path(state, digest, &path));
    *out = ent_file_exists(path);
    free(path);
    return ENT_E_OK;
}

enum ent_err ent_state_models_held(struct ent_state *state, uint8_t (*out)[ENT_SHA256_BYTES],
                                   size_t max, size_t *n)
{
    struct list list = {0};
    size_t count = 0;
    enum ent_err err = list_models(state, &list);

    for (size_t i = 0; err == ENT_E_OK && i < list.n && count < max; i++) {
        bool there = false;

        err = is_there(state, list.models[i], &there);
        if (there) {
            memcpy(out[count++], list.models[i], ENT_SHA256_BYTES);
        }
    }
    free(list.models);
    if (err == ENT_E_OK) {
        *n = count;
    }
    return err;
}

static bool listed(const uint8_t digest[ENT_SHA256_BYTES], const uint8_t (*also)[ENT_SHA256_BYTES],
                   size_t n_also)
{
    for (size_t i = 0; i < n_also; i++) {
        if (memcmp(digest, also[i], ENT_SHA256_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

enum ent_err ent_state_models_prune(struct ent_state *state, size_t keep,
                                    const uint8_t (*also)[ENT_SHA256_BYTES], size_t n_also)
{
    struct list list = {0};
    enum ent_err err = list_models(state, &list);

    for (size_t i = keep; err == ENT_E_OK && i < list.n; i++) {
        if (!listed(list.models[i], also, n_also)) {
            err = forget(state, list.models[i]);
        }
    }
    free(list.models);
    return err;
}
