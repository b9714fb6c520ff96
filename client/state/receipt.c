/* What became of the own updates. */
#include <string.h>

#include "client/state/log.h"
#include "client/state/private.h"

#define COLUMNS                                                                                    \
    "run, round, attempt, task, round_open, digest, bytes, sent_ms, code, ack, fate, leaf, "       \
    "fate_code, dispute"

enum { NOT_DISPUTED, DISPUTE_DUE, DISPUTED }; /* stored */

static enum ent_err read_ack(struct ent_stmt *stmt, struct ent_receipt *r)
{
    const uint8_t *ack = NULL;

    r->has_ack = !ent_stmt_is_null(stmt, 8);
    if (!r->has_ack) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_stmt_u32(stmt, 8, &r->code));
    ENT_TRY(ent_stmt_blob(stmt, 9, &ack, &r->ack_len));
    ENT_REQUIRE(r->ack_len <= sizeof r->ack, ENT_E_CORRUPT, "a receipt of %zu bytes", r->ack_len);
    memcpy(r->ack, ack, r->ack_len);
    return ENT_E_OK;
}

static enum ent_err read_row(struct ent_stmt *stmt, struct ent_receipt *r)
{
    uint32_t fate = 0;
    uint32_t dispute = 0;

    memset(r, 0, sizeof *r);
    ENT_TRY(ent_stmt_u32(stmt, 0, &r->at.run));
    ENT_TRY(ent_stmt_u64(stmt, 1, &r->at.round));
    ENT_TRY(ent_stmt_u32(stmt, 2, &r->at.attempt));
    ENT_TRY(ent_stmt_u32(stmt, 3, &r->task));
    ENT_TRY(ent_stmt_blob_exact(stmt, 4, r->round_open, sizeof r->round_open));
    ENT_TRY(ent_stmt_blob_exact(stmt, 5, r->digest, sizeof r->digest));
    ENT_TRY(ent_stmt_u64(stmt, 6, &r->bytes));
    ENT_TRY(ent_stmt_u64(stmt, 7, &r->sent_ms));
    ENT_TRY(read_ack(stmt, r));
    ENT_TRY(ent_stmt_u32(stmt, 10, &fate));
    ENT_TRY(ent_stmt_u64(stmt, 11, &r->leaf));
    ENT_TRY(ent_stmt_u32(stmt, 12, &r->fate_code));
    ENT_TRY(ent_stmt_u32(stmt, 13, &dispute));
    ENT_REQUIRE(fate <= ENT_FATE_DROPPED && dispute <= DISPUTED, ENT_E_CORRUPT,
                "a receipt of an unknown kind");
    r->fate = (enum ent_log_fate)fate;
    r->dispute_due = dispute == DISPUTE_DUE;
    r->disputed = dispute == DISPUTED;
    return ENT_E_OK;
}

static enum ent_err one(struct ent_stmt *stmt, struct ent_receipt *out)
{
    enum ent_err err = ent_stmt_one(stmt);

    if (err == ENT_E_OK) {
        err = read_row(stmt, out);
    }
    ent_stmt_free(stmt);
    return err;
}

static enum ent_err write_as(struct ent_state *state, const char *sql, const struct ent_receipt *r)
{
    struct ent_stmt *stmt = NULL;
    uint64_t dispute = NOT_DISPUTED;
    enum ent_err err;

    if (r->disputed) {
        dispute = DISPUTED;
    } else if (r->dispute_due) {
        dispute = DISPUTE_DUE;
    }
    ENT_TRY(ent_stmt_prepare(state->db, sql, &stmt));
    ent_state_bind_attempt(stmt, 1, r->at);
    ent_stmt_bind_u64(stmt, 4, r->task);
    ent_stmt_bind_blob(stmt, 5, r->round_open, sizeof r->round_open);
    ent_stmt_bind_blob(stmt, 6, r->digest, sizeof r->digest);
    ent_stmt_bind_u64(stmt, 7, r->bytes);
    ent_stmt_bind_u64(stmt, 8, r->sent_ms);
    if (r->has_ack) {
        ent_stmt_bind_u64(stmt, 9, r->code);
        ent_stmt_bind_blob(stmt, 10, r->ack, r->ack_len);
    } else {
        ent_stmt_bind_null(stmt, 9);
        ent_stmt_bind_null(stmt, 10);
    }
    ent_stmt_bind_u64(stmt, 11, r->fate);
    ent_stmt_bind_u64(stmt, 12, r->leaf);
    ent_stmt_bind_u64(stmt, 13, r->fate_code);
    ent_stmt_bind_u64(stmt, 14, dispute);
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err;
}

/* Most of the time it is there, and what is indexed stays: then one page changes, not three. */
enum ent_err ent_state_receipt_put(struct ent_state *state, const struct ent_receipt *r)
{
    ENT_TRY(ent_state_join_next(state));
    ENT_TRY(write_as(state,
                     "UPDATE receipt SET task = ?4, digest = ?6, bytes = ?7, sent_ms = ?8,"
                     " code = ?9, ack = ?10, fate = ?11, leaf = ?12, fate_code = ?13, dispute = ?14"
                     " WHERE run = ?1 AND round = ?2 AND attempt = ?3 AND round_open = ?5",
                     r));
    if (ent_db_changes(state->db) > 0) {
        return ENT_E_OK;
    }
    return write_as(state,
                    "INSERT OR REPLACE INTO receipt(" COLUMNS ")"
                    " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    r);
}

enum ent_err ent_state_receipt_get(struct ent_state *state, struct ent_attempt at,
                                   struct ent_receipt *out)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_stmt_prepare(
        state->db, "SELECT " COLUMNS " FROM receipt WHERE run = ? AND round = ? AND attempt = ?",
        &stmt));
    ent_state_bind_attempt(stmt, 1, at);
    return one(stmt, out);
}

enum ent_err ent_state_receipt_of(struct ent_state *state,
                                  const uint8_t round_open[ENT_SHA256_BYTES],
                                  struct ent_receipt *out)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(
        ent_stmt_prepare(state->db, "SELECT " COLUMNS " FROM receipt WHERE round_open = ?", &stmt));
    ent_stmt_bind_blob(stmt, 1, round_open, ENT_SHA256_BYTES);
    return one(stmt, out);
}

enum ent_err ent_state_receipt_due(struct ent_state *state, struct ent_receipt *out)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_stmt_prepare(state->db, "SELECT " COLUMNS " FROM receipt WHERE dispute = 1 LIMIT 1",
                             &stmt));
    return one(stmt, out);
}

static enum ent_err each_row(struct ent_stmt *stmt, ent_receipt_fn each, void *ctx)
{
    struct ent_receipt r;
    bool row = false;

    ENT_TRY(ent_stmt_step(stmt, &row));
    while (row) {
        ENT_TRY(read_row(stmt, &r));
        ENT_TRY(each(ctx, &r));
        ENT_TRY(ent_stmt_step(stmt, &row));
    }
    return ENT_E_OK;
}

enum ent_err ent_state_receipts(struct ent_state *state, ent_receipt_fn each, void *ctx)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(
        state->db, "SELECT " COLUMNS " FROM receipt ORDER BY run, round, attempt", &stmt));
    err = each_row(stmt, each, ctx);
    ent_stmt_free(stmt);
    return err;
}
