/* What an optimizer keeps between the rounds of a run. One row, the newest; its bytes are a file DIR/optimizer/<hex> that
 * is there before the row is and goes after it. */
#include <stdlib.h>
#include <string.h>

#include "client/state/private.h"
#include "common/base/file.h"
#include "common/base/hooks.h"

enum ent_err ent_state_sweep_optimizer(struct ent_state *state)
{
    return ent_state_sweep(state, state->optimizer, "", "SELECT 1 FROM optimizer WHERE digest = ?");
}

enum ent_err ent_state_optimizer_write(struct ent_state *state,
                                       const struct ent_state_optimizer *kept,
                                       uint8_t digest[ENT_SHA256_BYTES])
{
    char *path = NULL;
    enum ent_err err;

    ENT_REQUIRE(kept->bytes != NULL && kept->len > 0, ENT_E_SHAPE,
                "an optimizer's state without content");
    ENT_TRY(ent_sha256(kept->bytes, kept->len, digest));
    ENT_TRY(ent_state_content_path(state->optimizer, digest, "", &path));
    err = ent_file_write_atomic(path, kept->bytes, kept->len, 0600);
    free(path);
    if (err == ENT_E_OK) {
        ENT_HOOK_POINT("state.optimizer.file");
    }
    return err;
}

enum ent_err ent_state_optimizer_note(struct ent_state *state, struct ent_attempt at,
                                      uint64_t steps, const uint8_t digest[ENT_SHA256_BYTES])
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db,
                             "INSERT OR REPLACE INTO optimizer(id, run, round, attempt, steps,"
                             " digest) VALUES(1, ?, ?, ?, ?, ?)",
                             &stmt));
    ent_state_bind_attempt(stmt, 1, at);
    ent_stmt_bind_u64(stmt, 4, steps);
    ent_stmt_bind_blob(stmt, 5, digest, ENT_SHA256_BYTES);
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err;
}

enum ent_err ent_state_optimizer_forget(struct ent_state *state, uint32_t run)
{
    struct ent_stmt *stmt = NULL;
    uint64_t n;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db, "DELETE FROM optimizer WHERE run = ?", &stmt));
    ent_stmt_bind_u64(stmt, 1, run);
    err = ent_stmt_run(stmt);
    n = ent_db_changes(state->db);
    ent_stmt_free(stmt);
    ENT_TRY(err);
    ENT_TRY(ent_state_commit(state)); /* before its file goes */
    ENT_HOOK_POINT("state.optimizer.forgotten");
    return n > 0 ? ent_state_sweep_optimizer(state) : ENT_E_OK;
}

static enum ent_err read_row(struct ent_stmt *stmt, struct ent_state_optimizer *out,
                             uint8_t digest[ENT_SHA256_BYTES])
{
    ENT_TRY(ent_stmt_one(stmt));
    ENT_TRY(ent_stmt_u64(stmt, 0, &out->steps));
    return ent_stmt_blob_exact(stmt, 1, digest, ENT_SHA256_BYTES);
}

static enum ent_err find(struct ent_state *state, uint32_t run, struct ent_state_optimizer *out,
                         uint8_t digest[ENT_SHA256_BYTES])
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(
        ent_stmt_prepare(state->db, "SELECT steps, digest FROM optimizer WHERE run = ?", &stmt));
    ent_stmt_bind_u64(stmt, 1, run);
    err = read_row(stmt, out, digest);
    ent_stmt_free(stmt);
    return err;
}

enum ent_err ent_state_optimizer_get(struct ent_state *state, uint32_t run,
                                     struct ent_state_optimizer *out)
{
    struct ent_state_optimizer kept = {0};
    uint8_t digest[ENT_SHA256_BYTES];
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(find(state, run, &kept, digest));
    ENT_TRY(ent_state_content_path(state->optimizer, digest, "", &path));
    err = ent_state_content_open(path, digest, &kept.owned);
    if (err == ENT_E_NOT_FOUND || err == ENT_E_DIGEST) {
        err = ent_err_note(ENT_E_LOST, "%s: the kept state of the optimizer is %s", path,
                           err == ENT_E_DIGEST ? "damaged" : "gone");
    }
    free(path);
    ENT_TRY(err);
    kept.bytes = ent_blob_bytes(kept.owned);
    kept.len = ent_blob_len(kept.owned);
    *out = kept;
    return ENT_E_OK;
}

void ent_state_optimizer_release(struct ent_state_optimizer *kept)
{
    ent_blob_unref(kept->owned);
    *kept = (struct ent_state_optimizer){0};
}
