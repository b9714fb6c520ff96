#include <stdlib.h>
#include <string.h>

#include "client/state/private.h"
#include "common/base/file.h"
#include "common/base/hooks.h"
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

/* Row first, then file. */
static enum ent_err forget(struct ent_state *state, const uint8_t digest[ENT_SHA256_BYTES])
{
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(run_on(state, "DELETE FROM model WHERE digest = ?", digest));
    ENT_HOOK_POINT("state.model.forgotten");
    ENT_TRY(ent_state_model_path(state, digest, &path));
    err = ent_file_remove(path);
    free(path);
    return err;
}

/* REPLACE gives it a new, highest position: the newest. */
static enum ent_err note(struct ent_state *state, const uint8_t digest[ENT_SHA256_BYTES])
{
    return run_on(state, "INSERT OR REPLACE INTO model(digest) VALUES(?)", digest);
}

enum ent_err ent_state_model_add(struct ent_state *state, const uint8_t digest[ENT_SHA256_BYTES])
{
    char *path = NULL;
    bool there;

    ENT_TRY(ent_state_model_path(state, digest, &path));
    there = ent_file_exists(path);
    free(path);
    ENT_REQUIRE(there, ENT_E_NOT_FOUND, "the model's file is not there");
    return note(state, digest);
}

enum ent_err ent_state_model_put(struct ent_state *state, const uint8_t digest[ENT_SHA256_BYTES],
                                 const void *bytes, size_t len)
{
    uint8_t real[ENT_SHA256_BYTES];
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_sha256(bytes, len, real));
    ENT_REQUIRE(memcmp(real, digest, sizeof real) == 0, ENT_E_DIGEST,
                "a model's bytes do not fit its digest");
    ENT_TRY(ent_state_model_path(state, digest, &path));
    err = ent_file_write_atomic(path, bytes, len, 0600);
    free(path);
    ENT_TRY(err);
    ENT_HOOK_POINT("state.model.file");
    return note(state, digest);
}

static enum ent_err check_noted(struct ent_state *state, const uint8_t digest[ENT_SHA256_BYTES])
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

enum ent_err ent_state_model_get(struct ent_state *state, const uint8_t digest[ENT_SHA256_BYTES],
                                 struct ent_blob **out)
{
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(check_noted(state, digest));
    ENT_TRY(ent_state_model_path(state, digest, &path));
    err = ent_state_content_open(path, digest, out);
    if (err == ENT_E_NOT_FOUND || err == ENT_E_DIGEST) {
        enum ent_err found = err;

        err = forget(state, digest);
        if (err == ENT_E_OK && found == ENT_E_DIGEST) {
            err = ent_err_note(ENT_E_CORRUPT,
                               "%s: the model was damaged; it was removed and is fetched again",
                               path);
        } else if (err == ENT_E_OK) {
            err = ent_err_note(ENT_E_NOT_FOUND, "%s: the model is gone", path);
        }
    }
    free(path);
    return err;
}

struct list {
    uint8_t (*digests)[ENT_SHA256_BYTES]; /* newest first */
    size_t n;
    size_t cap;
};

static enum ent_err list_read(struct ent_stmt *stmt, struct list *list)
{
    bool row = false;

    ENT_TRY(ent_stmt_step(stmt, &row));
    while (row) {
        ENT_TRY(ent_grow(&list->digests, &list->cap, list->n + 1, sizeof list->digests[0]));
        ENT_TRY(ent_stmt_blob_exact(stmt, 0, list->digests[list->n], ENT_SHA256_BYTES));
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

static enum ent_err is_there(const struct ent_state *state, const uint8_t digest[ENT_SHA256_BYTES],
                             bool *out)
{
    char *path = NULL;

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

        err = is_there(state, list.digests[i], &there);
        if (there) {
            memcpy(out[count++], list.digests[i], ENT_SHA256_BYTES);
        }
    }
    free(list.digests);
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
        if (!listed(list.digests[i], also, n_also)) {
            err = forget(state, list.digests[i]);
        }
    }
    free(list.digests);
    return err;
}
