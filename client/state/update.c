#include <stdlib.h>
#include <string.h>

#include "client/state/private.h"
#include "common/base/file.h"
#include "common/base/hooks.h"
#include "common/base/mem.h"

#define COLUMNS "sequence, round_open, header, payload_sha256, signature, payload_bytes, payload"

void ent_state_update_release(struct ent_state_update *update)
{
    ent_blob_unref(update->payload);
    free(update->owned);
    *update = (struct ent_state_update){0};
}

enum ent_err ent_state_sweep_updates(struct ent_state *state)
{
    return ent_state_sweep(state, state->updates, "",
                           "SELECT 1 FROM stored_update WHERE payload_sha256 = ?");
}

static bool is_fresh(const struct ent_state *state, struct ent_attempt at)
{
    return state->fresh != NULL && state->fresh_at.run == at.run &&
           state->fresh_at.round == at.round && state->fresh_at.attempt == at.attempt;
}

/* Sets out->payload only if it stands in the row, and is not at hand. */
static enum ent_err read_row(struct ent_stmt *stmt, bool at_hand, struct ent_state_update *out,
                             uint64_t *payload_bytes)
{
    const uint8_t *payload = NULL;
    size_t payload_len = 0;
    const uint8_t *header = NULL;

    ENT_TRY(ent_stmt_one(stmt));
    ENT_TRY(ent_stmt_u64(stmt, 0, &out->sequence));
    ENT_TRY(ent_stmt_blob_exact(stmt, 1, out->round_open, sizeof out->round_open));
    ENT_TRY(ent_stmt_blob_exact(stmt, 3, out->payload_sha256, sizeof out->payload_sha256));
    ENT_TRY(ent_stmt_blob_exact(stmt, 4, out->signature, sizeof out->signature));
    ENT_TRY(ent_stmt_u64(stmt, 5, payload_bytes));
    ENT_TRY(ent_stmt_blob(stmt, 2, &header, &out->header_len));
    ENT_REQUIRE(out->header_len > 0 && out->header_len <= ENT_STATE_HEADER_MAX_BYTES, ENT_E_CORRUPT,
                "a stored update has a header of %zu bytes", out->header_len);
    ENT_TRY(ent_calloc(out->header_len, 1, &out->owned));
    memcpy(out->owned, header, out->header_len);
    out->header = out->owned;
    if (at_hand || ent_stmt_is_null(stmt, 6)) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_stmt_blob(stmt, 6, &payload, &payload_len));
    return ent_blob_new_copy(payload, payload_len, &out->payload);
}

static enum ent_err find(struct ent_state *state, struct ent_attempt at,
                         struct ent_state_update *out, uint64_t *payload_bytes)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db,
                             "SELECT " COLUMNS
                             " FROM stored_update WHERE run = ? AND round = ? AND attempt = ?",
                             &stmt));
    ent_state_bind_attempt(stmt, 1, at);
    *out = (struct ent_state_update){.at = at};
    err = read_row(stmt, is_fresh(state, at), out, payload_bytes);
    ent_stmt_free(stmt);
    if (err != ENT_E_OK) {
        ent_state_update_release(out);
    }
    return err;
}

static bool same_update(const struct ent_state_update *a, const struct ent_state_update *b)
{
    return a->sequence == b->sequence && a->header_len == b->header_len &&
           memcmp(a->header, b->header, a->header_len) == 0 &&
           memcmp(a->round_open, b->round_open, sizeof a->round_open) == 0 &&
           memcmp(a->payload_sha256, b->payload_sha256, sizeof a->payload_sha256) == 0 &&
           memcmp(a->signature, b->signature, sizeof a->signature) == 0;
}

static bool in_row(const struct ent_state_update *update)
{
    return ent_blob_len(update->payload) <= ENT_STATE_ROW_MAX_BYTES;
}

static enum ent_err write_payload(struct ent_state *state, const struct ent_state_update *update)
{
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_state_content_path(state->updates, update->payload_sha256, "", &path));
    err = ent_file_write_atomic(path, ent_blob_bytes(update->payload),
                                ent_blob_len(update->payload), 0600);
    free(path);
    if (err == ENT_E_OK) {
        ENT_HOOK_POINT("state.update.file");
    }
    return err;
}

static enum ent_err insert(struct ent_state *state, const struct ent_state_update *update)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db,
                             "INSERT INTO stored_update(run, round, attempt, " COLUMNS ")"
                             " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                             &stmt));
    ent_state_bind_attempt(stmt, 1, update->at);
    ent_stmt_bind_u64(stmt, 4, update->sequence);
    ent_stmt_bind_blob(stmt, 5, update->round_open, sizeof update->round_open);
    ent_stmt_bind_blob(stmt, 6, update->header, update->header_len);
    ent_stmt_bind_blob(stmt, 7, update->payload_sha256, sizeof update->payload_sha256);
    ent_stmt_bind_blob(stmt, 8, update->signature, sizeof update->signature);
    ent_stmt_bind_u64(stmt, 9, ent_blob_len(update->payload));
    if (in_row(update)) {
        ent_stmt_bind_blob(stmt, 10, ent_blob_bytes(update->payload),
                           ent_blob_len(update->payload));
    } else {
        ent_stmt_bind_null(stmt, 10);
    }
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err;
}

/* Both rows or neither: one alone would pair an update with the optimizer of another. */
static enum ent_err insert_both(struct ent_state *state, const struct ent_state_update *update,
                                const uint8_t optimizer[ENT_SHA256_BYTES])
{
    enum ent_err err;

    ENT_TRY(ent_state_join_next(state));
    err = insert(state, update);
    if (err == ENT_E_OK && update->optimizer != NULL) {
        err = ent_state_optimizer_note(state, update->at, update->optimizer->steps, optimizer);
    }
    ENT_TRY(ent_db_end(state->db, err));
    ENT_HOOK_POINT("state.update.row");
    return ENT_E_OK;
}

static void drop_fresh(struct ent_state *state)
{
    ent_blob_unref(state->fresh);
    state->fresh = NULL;
}

static enum ent_err put_new(struct ent_state *state, const struct ent_state_update *update)
{
    uint8_t optimizer[ENT_SHA256_BYTES] = {0};

    if (!in_row(update)) {
        ENT_TRY(write_payload(state, update));
    }
    if (update->optimizer != NULL) {
        ENT_TRY(ent_state_optimizer_write(state, update->optimizer, optimizer));
    }
    ENT_TRY(insert_both(state, update, optimizer));
    drop_fresh(state);
    state->fresh = ent_blob_ref(update->payload);
    state->fresh_at = update->at;
    return update->optimizer != NULL ? ent_state_sweep_optimizer(state) /* the one before */
                                     : ENT_E_OK;
}

enum ent_err ent_state_update_put(struct ent_state *state, const struct ent_state_update *update)
{
    struct ent_state_update known = {0};
    uint64_t payload_bytes = 0;
    bool same;
    enum ent_err err;

    ENT_REQUIRE(update->header_len > 0 && update->header_len <= ENT_STATE_HEADER_MAX_BYTES,
                ENT_E_LIMIT, "an update's header of %zu bytes, at most %zu", update->header_len,
                ENT_STATE_HEADER_MAX_BYTES);
    ENT_REQUIRE(update->payload != NULL && ent_blob_len(update->payload) > 0, ENT_E_SHAPE,
                "an update without payload");
    err = find(state, update->at, &known, &payload_bytes);
    if (err == ENT_E_NOT_FOUND) {
        return put_new(state, update);
    }
    ENT_TRY(err);
    same = same_update(&known, update);
    ent_state_update_release(&known);
    ENT_REQUIRE(same, ENT_E_EXISTS, "another update is stored for run %u, round %llu, attempt %u",
                update->at.run, (unsigned long long)update->at.round, update->at.attempt);
    return ENT_E_OK;
}

/* The payload of a row that was read: of this process, out of the row, or out of its file. */
static enum ent_err find_payload(struct ent_state *state, struct ent_state_update *update)
{
    uint8_t real[ENT_SHA256_BYTES];
    char *path = NULL;
    enum ent_err err;

    if (is_fresh(state, update->at)) {
        ent_blob_unref(update->payload);
        update->payload = ent_blob_ref(state->fresh);
        return ENT_E_OK;
    }
    if (update->payload != NULL) {
        ENT_TRY(ent_sha256(ent_blob_bytes(update->payload), ent_blob_len(update->payload), real));
        ENT_REQUIRE(memcmp(real, update->payload_sha256, sizeof real) == 0, ENT_E_DIGEST,
                    "its row holds other bytes");
        return ENT_E_OK;
    }
    ENT_TRY(ent_state_content_path(state->updates, update->payload_sha256, "", &path));
    err = ent_state_content_open(path, update->payload_sha256, &update->payload);
    free(path);
    return err;
}

enum ent_err ent_state_update_get(struct ent_state *state, struct ent_attempt at,
                                  struct ent_state_update *out)
{
    struct ent_state_update update;
    uint64_t payload_bytes = 0;
    enum ent_err err;

    ENT_TRY(find(state, at, &update, &payload_bytes));
    err = find_payload(state, &update);
    if (err == ENT_E_NOT_FOUND || err == ENT_E_DIGEST) {
        err = ent_err_note(ENT_E_LOST, "the stored update of run %u, round %llu, attempt %u is %s",
                           at.run, (unsigned long long)at.round, at.attempt,
                           err == ENT_E_DIGEST ? "damaged" : "gone");
    } else if (err == ENT_E_OK && ent_blob_len(update.payload) != payload_bytes) {
        err = ent_err_note(ENT_E_CORRUPT, "a stored update's row says another size");
    }
    if (err != ENT_E_OK) {
        ent_state_update_release(&update);
        return err;
    }
    *out = update;
    return ENT_E_OK;
}

static enum ent_err any_file_older(struct ent_state *state, struct ent_attempt than, bool *any)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db,
                             "SELECT 1 FROM stored_update"
                             " WHERE (run, round, attempt) < (?, ?, ?) AND payload IS NULL",
                             &stmt));
    ent_state_bind_attempt(stmt, 1, than);
    err = ent_stmt_step(stmt, any);
    ent_stmt_free(stmt);
    return err;
}

static enum ent_err delete_rows(struct ent_state *state, struct ent_attempt than)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(
        state->db, "DELETE FROM stored_update WHERE (run, round, attempt) < (?, ?, ?)", &stmt));
    ent_state_bind_attempt(stmt, 1, than);
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err;
}

/* Rows first, durably, then files: a crash in between leaves files that the next sweep removes. */
enum ent_err ent_state_update_delete_older(struct ent_state *state, struct ent_attempt than)
{
    bool files = false;

    ENT_TRY(any_file_older(state, than, &files));
    ENT_TRY(ent_state_join_next(state));
    ENT_TRY(delete_rows(state, than));
    drop_fresh(state);
    if (!files) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_state_commit(state));
    ENT_HOOK_POINT("state.update.deleted");
    return ent_state_sweep_updates(state);
}
