/* Members, auditors, witnesses and the newest round, as the log has them. */
#include <string.h>

#include "client/state/log.h"
#include "client/state/private.h"

/* ---- members ---- */

static enum ent_err read_member(struct ent_stmt *stmt, struct ent_log_member *m)
{
    ENT_TRY(ent_stmt_one(stmt));
    ENT_TRY(ent_stmt_blob_exact(stmt, 0, m->statement_pub, sizeof m->statement_pub));
    ENT_TRY(ent_stmt_blob_exact(stmt, 1, m->witness_pub, sizeof m->witness_pub));
    return ent_stmt_bool(stmt, 2, &m->gone);
}

enum ent_err ent_state_log_member(struct ent_state *state,
                                  const uint8_t handle[ENT_WIRE_HANDLE_BYTES],
                                  struct ent_log_member *out)
{
    struct ent_log_member m = {0};
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    memcpy(m.handle, handle, sizeof m.handle);
    ENT_TRY(ent_stmt_prepare(
        state->db, "SELECT statement_pub, witness_pub, gone FROM log_member WHERE handle = ?",
        &stmt));
    ent_stmt_bind_blob(stmt, 1, handle, ENT_WIRE_HANDLE_BYTES);
    err = read_member(stmt, &m);
    ent_stmt_free(stmt);
    if (err == ENT_E_OK) {
        *out = m;
    }
    return err;
}

enum ent_err ent_state_log_admit(struct ent_state *state, const struct ent_log_member *member)
{
    struct ent_log_member known;
    struct ent_stmt *stmt = NULL;
    enum ent_err err = ent_state_log_member(state, member->handle, &known);

    ENT_REQUIRE(err != ENT_E_OK, ENT_E_EXISTS, "a member is admitted twice");
    if (err != ENT_E_NOT_FOUND) {
        return err;
    }
    ENT_TRY(ent_stmt_prepare(state->db,
                             "INSERT INTO log_member(handle, statement_pub, witness_pub, gone)"
                             " VALUES(?, ?, ?, 0)",
                             &stmt));
    ent_stmt_bind_blob(stmt, 1, member->handle, sizeof member->handle);
    ent_stmt_bind_blob(stmt, 2, member->statement_pub, sizeof member->statement_pub);
    ent_stmt_bind_blob(stmt, 3, member->witness_pub, sizeof member->witness_pub);
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err;
}

enum ent_err ent_state_log_gone(struct ent_state *state,
                                const uint8_t handle[ENT_WIRE_HANDLE_BYTES])
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db, "UPDATE log_member SET gone = 1 WHERE handle = ?", &stmt));
    ent_stmt_bind_blob(stmt, 1, handle, ENT_WIRE_HANDLE_BYTES);
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    ENT_TRY(err);
    ENT_REQUIRE(ent_db_changes(state->db) == 1, ENT_E_NOT_FOUND, "nobody of that handle");
    return ENT_E_OK;
}

/* ---- auditors ---- */

enum ent_err ent_state_log_auditor(struct ent_state *state,
                                   const uint8_t seal_pub[ENT_WIRE_PUBLIC_BYTES])
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db, "INSERT OR IGNORE INTO log_auditor(seal_pub) VALUES(?)",
                             &stmt));
    ent_stmt_bind_blob(stmt, 1, seal_pub, ENT_WIRE_PUBLIC_BYTES);
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err;
}

static enum ent_err read_auditors(struct ent_stmt *stmt, uint8_t (*out)[ENT_WIRE_PUBLIC_BYTES],
                                  size_t max, size_t *n)
{
    size_t count = 0;
    bool row = false;

    ENT_TRY(ent_stmt_step(stmt, &row));
    while (row && count < max) {
        ENT_TRY(ent_stmt_blob_exact(stmt, 0, out[count++], ENT_WIRE_PUBLIC_BYTES));
        ENT_TRY(ent_stmt_step(stmt, &row));
    }
    *n = count;
    return ENT_E_OK;
}

enum ent_err ent_state_log_auditors(struct ent_state *state, uint8_t (*out)[ENT_WIRE_PUBLIC_BYTES],
                                    size_t max, size_t *n)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(
        ent_stmt_prepare(state->db, "SELECT seal_pub FROM log_auditor ORDER BY position", &stmt));
    err = read_auditors(stmt, out, max, n);
    ent_stmt_free(stmt);
    return err;
}

/* ---- witnesses ---- */

enum ent_err ent_state_witness_set_put(struct ent_state *state, uint64_t index, const void *set,
                                       size_t len)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db, "INSERT INTO witness_set(idx, body) VALUES(?, ?)", &stmt));
    ent_stmt_bind_u64(stmt, 1, index);
    ent_stmt_bind_blob(stmt, 2, set, len);
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err;
}

static enum ent_err read_set(struct ent_stmt *stmt, uint64_t *index, struct ent_buf *set)
{
    const uint8_t *bytes = NULL;
    size_t len = 0;

    ENT_TRY(ent_stmt_one(stmt));
    ENT_TRY(ent_stmt_u64(stmt, 0, index));
    ENT_TRY(ent_stmt_blob(stmt, 1, &bytes, &len));
    return ent_buf_add(set, bytes, len);
}

enum ent_err ent_state_witness_set_get(struct ent_state *state, uint64_t *index,
                                       struct ent_buf *set)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db,
                             "SELECT idx, body FROM witness_set ORDER BY idx DESC LIMIT 1", &stmt));
    err = read_set(stmt, index, set);
    ent_stmt_free(stmt);
    return err;
}

/* ---- the newest round ---- */

static enum ent_err read_round(struct ent_stmt *stmt, struct ent_log_round *r)
{
    ENT_TRY(ent_stmt_bool(stmt, 0, &r->opened));
    ENT_TRY(ent_stmt_u64(stmt, 1, &r->open_index));
    ENT_TRY(ent_stmt_blob_exact(stmt, 2, r->open_hash, sizeof r->open_hash));
    ENT_TRY(ent_stmt_bool(stmt, 3, &r->invited));
    ENT_TRY(ent_stmt_u64(stmt, 4, &r->place));
    ENT_TRY(ent_stmt_u32(stmt, 5, &r->closed_run));
    ENT_TRY(ent_stmt_u64(stmt, 6, &r->closed_round));
    r->has_plan = !ent_stmt_is_null(stmt, 8);
    if (r->has_plan) {
        ENT_TRY(ent_stmt_blob_exact(stmt, 8, r->plan, sizeof r->plan));
    }
    r->has_model = !ent_stmt_is_null(stmt, 7);
    return r->has_model ? ent_stmt_blob_exact(stmt, 7, r->model, sizeof r->model) : ENT_E_OK;
}

enum ent_err ent_state_log_round_get(struct ent_state *state, struct ent_log_round *out)
{
    struct ent_log_round r = {0};
    struct ent_stmt *stmt = NULL;
    bool row = false;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db,
                             "SELECT opened, open_index, open_hash, invited, place, closed_run,"
                             " closed_round, model, plan FROM log_round",
                             &stmt));
    err = ent_stmt_step(stmt, &row);
    if (err == ENT_E_OK && row) {
        err = read_round(stmt, &r);
    }
    ent_stmt_free(stmt);
    if (err == ENT_E_OK) {
        *out = r;
    }
    return err;
}

enum ent_err ent_state_log_round_put(struct ent_state *state, const struct ent_log_round *round)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db,
                             "INSERT OR REPLACE INTO log_round(id, opened, open_index, open_hash,"
                             " invited, place, closed_run, closed_round, model, plan)"
                             " VALUES(1, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                             &stmt));
    ent_stmt_bind_u64(stmt, 1, round->opened);
    ent_stmt_bind_u64(stmt, 2, round->open_index);
    ent_stmt_bind_blob(stmt, 3, round->open_hash, sizeof round->open_hash);
    ent_stmt_bind_u64(stmt, 4, round->invited);
    ent_stmt_bind_u64(stmt, 5, round->place);
    ent_stmt_bind_u64(stmt, 6, round->closed_run);
    ent_stmt_bind_u64(stmt, 7, round->closed_round);
    if (round->has_model) {
        ent_stmt_bind_blob(stmt, 8, round->model, sizeof round->model);
    } else {
        ent_stmt_bind_null(stmt, 8);
    }
    if (round->has_plan) {
        ent_stmt_bind_blob(stmt, 9, round->plan, sizeof round->plan);
    } else {
        ent_stmt_bind_null(stmt, 9);
    }
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err;
}
