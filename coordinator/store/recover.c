/* Lost leaves, and what belongs to them, into the store. */
#include "coordinator/store/recover.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "coordinator/store/noise.h"
#include "coordinator/store/tables.h"

/* Numbers that a member, or the coordinator, can have used since the newest that is known. */
#define SEQUENCE_GAP ((uint64_t)1 << 20)
#define OWN_SEQUENCE_GAP ((uint64_t)1 << 40)

/* ---- changes ---- */

struct applying {
    struct ent_store *store;
    const struct ent_recover_input *input;
    struct ent_projection *projection;
    uint64_t *sequences; /* [ENT_ROUND_MEMBERS_MAX] highest that leaves show; 0: none */
};

static enum ent_err run_change(struct ent_store *store, struct ent_stmt *stmt_take)
{
    enum ent_err err = ent_tables_change(store, stmt_take);

    return err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
}

static enum ent_err insert_run(struct applying *a, const struct ent_recovered *c,
                               const struct ent_buf *plan)
{
    const struct ent_leaf_config_set *m = c->config;
    const uint64_t numbers[] = {m->train_rounds, m->min_members, m->attempts,  m->join_ms,
                                m->update_ms,    m->retry_ms,    m->gather_ms, m->validate,
                                m->test,         m->patience,    m->best_by,   m->no_stats};
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(a->store,
                               "INSERT INTO run(run, plan_digest, plan, base, state, created_ms, "
                               "train_rounds, min_members, attempts, join_ms, update_ms, retry_ms,"
                               " gather_ms, validate, test, patience, best_by, no_stats)"
                               " VALUES(?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                               &stmt));
    ent_stmt_bind_u64(stmt, 1, c->run);
    ent_stmt_bind_blob(stmt, 2, m->plan, sizeof m->plan);
    ent_stmt_bind_blob(stmt, 3, plan->data, plan->len);
    ent_tables_bind_digest(stmt, 4, m->base);
    ent_stmt_bind_u64(stmt, 5, c->time_ms);
    for (size_t i = 0; i < ENT_ARRAY_LEN(numbers); i++) {
        ent_stmt_bind_u64(stmt, (int)i + 6, numbers[i]);
    }
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

static enum ent_err add_run(struct applying *a, const struct ent_recovered *c)
{
    uint8_t digest[ENT_STORE_DIGEST_BYTES];
    struct ent_buf plan;
    enum ent_err err;

    ent_buf_init(&plan, ENT_STORE_PLAN_MAX);
    err = ent_recover_own_plan(a->store, c->config->plan, &plan);
    if (err == ENT_E_NOT_FOUND) {
        err = a->input->plan(a->input->ctx, c->config->plan, &plan);
    }
    if (err == ENT_E_OK) {
        err = ent_sha256(plan.data, plan.len, digest);
    }
    if (err == ENT_E_OK && memcmp(digest, c->config->plan, sizeof digest) != 0) {
        err = ent_err_note(ENT_E_DIGEST, "the plan of run %u is another one", (unsigned)c->run);
    }
    if (err == ENT_E_OK) {
        err = insert_run(a, c, &plan);
    }
    ent_buf_release(&plan);
    return err;
}

/* What its statistics stated is what its updates weigh. */
static enum ent_err set_rows(struct applying *a, const struct ent_row *row)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(a->store,
                               "UPDATE event SET rows = ? WHERE run = ? AND kind = 6 AND task = 1"
                               " AND member = ? AND rows = ?",
                               &stmt));
    ent_stmt_bind_u64(stmt, 1, row->weight);
    ent_stmt_bind_u64(stmt, 2, row->run);
    ent_stmt_bind_u64(stmt, 3, row->member);
    ent_stmt_bind_u64(stmt, 4, ENT_ROUND_ROWS_UNKNOWN);
    return run_change(a->store, stmt);
}

static enum ent_err add_row(struct applying *a, const struct ent_recovered *c)
{
    bool any = false;

    ENT_TRY(ent_store_append_row(a->store, c->row, c->time_ms));
    if (c->by_rows) {
        ENT_TRY(set_rows(a, c->row));
    }
    if (c->row->kind != ENT_ROW_CLOSE && c->row->kind != ENT_ROW_ABORT) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_store_noise_forget(a->store, NULL, &any)); /* of the copy's own open attempt */
    return ent_store_small_forget(a->store, c->row);
}

static enum ent_err insert_member(struct applying *a, const struct ent_recovered *c)
{
    struct ent_stmt *stmt = NULL;
    char hex[2 * ENT_STORE_ID_BYTES + 1];
    char name[ENT_STORE_NAME_MAX + 1];

    ent_hex(c->handle, ENT_STORE_ID_BYTES, hex);
    (void)snprintf(name, sizeof name, "recovered-%s", hex);
    ENT_TRY(ent_tables_prepare(a->store,
                               "INSERT INTO member(handle, name, state, invited_ms)"
                               " VALUES(?, ?, 1, ?) ON CONFLICT(handle) DO NOTHING",
                               &stmt));
    ent_stmt_bind_blob(stmt, 1, c->handle, ENT_STORE_ID_BYTES);
    ent_stmt_bind_text(stmt, 2, name);
    ent_stmt_bind_u64(stmt, 3, c->time_ms);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

static enum ent_err add_member(struct applying *a, const struct ent_recovered *c)
{
    const struct ent_leaf_member_admit *m = c->admit;
    struct ent_stmt *stmt = NULL;

    ENT_TRY(insert_member(a, c));
    ENT_TRY(ent_tables_prepare(a->store,
                               "UPDATE member SET idx = ?, state = 2, statement_pub = ?,"
                               " witness_pub = ?, nonce_commit = ?, enrolled_ms = ?"
                               " WHERE handle = ? AND state = 1",
                               &stmt));
    ent_stmt_bind_u64(stmt, 1, c->member);
    ent_stmt_bind_blob(stmt, 2, m->statement_pub, sizeof m->statement_pub);
    ent_stmt_bind_blob(stmt, 3, m->witness_pub, sizeof m->witness_pub);
    ent_stmt_bind_blob(stmt, 4, m->nonce_commit, sizeof m->nonce_commit);
    ent_stmt_bind_u64(stmt, 5, c->time_ms);
    ent_stmt_bind_blob(stmt, 6, c->handle, ENT_STORE_ID_BYTES);
    ENT_TRY(ent_tables_change(a->store, stmt));
    ENT_TRY(ent_tables_prepare(
        a->store, "UPDATE token SET used_ms = ? WHERE handle = ? AND used_ms IS NULL", &stmt));
    ent_stmt_bind_u64(stmt, 1, c->time_ms);
    ent_stmt_bind_blob(stmt, 2, c->handle, ENT_STORE_ID_BYTES);
    return run_change(a->store, stmt);
}

static enum ent_err add_auditor(struct applying *a, const struct ent_recovered *c)
{
    struct ent_store_auditor auditor = {.admitted_ms = c->time_ms, .leaf = c->leaf};
    char hex[2 * 8 + 1];

    memcpy(auditor.seal_pub, c->auditor->seal_pub, sizeof auditor.seal_pub);
    memcpy(auditor.sign_pub, c->auditor->sign_pub, sizeof auditor.sign_pub);
    ent_hex(auditor.seal_pub, 8, hex);
    (void)snprintf(auditor.name, sizeof auditor.name, "recovered-%s", hex);
    return ent_store_auditor_add(a->store, &auditor);
}

static enum ent_err revoke(struct applying *a, const struct ent_recovered *c)
{
    enum ent_err err = ent_store_revoke(a->store, c->handle, c->time_ms);

    return err == ENT_E_EXISTS || err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
}

static enum ent_err apply(void *ctx, const struct ent_recovered *c)
{
    struct applying *a = ctx;

    switch (c->kind) {
    case ENT_RECOVERED_RUN:
        return add_run(a, c);
    case ENT_RECOVERED_CANCEL:
        return ent_store_run_cancel(a->store, c->run, c->time_ms);
    case ENT_RECOVERED_ROW:
        return add_row(a, c);
    case ENT_RECOVERED_MEMBER:
        return add_member(a, c);
    case ENT_RECOVERED_REVOKE:
        return revoke(a, c);
    case ENT_RECOVERED_NONCE:
        return ent_store_set_nonce_commit(a->store, c->member, c->digest);
    case ENT_RECOVERED_SAID:
        if (a->sequences[c->member] < c->sequence) {
            a->sequences[c->member] = c->sequence;
        }
        return ENT_E_OK;
    case ENT_RECOVERED_AUDITOR:
        return add_auditor(a, c);
    case ENT_RECOVERED_SET:
        return ent_store_set_drop(a->store);
    case ENT_RECOVERED_FIGURES:
        return ent_store_put_figures(a->store, c->figures);
    }
    return ENT_E_OK;
}

static enum ent_err take_leaf(void *ctx, uint64_t idx, struct ent_bytes leaf)
{
    struct applying *a = ctx;

    (void)idx;
    ENT_TRY(ent_store_log_append_bytes(a->store, leaf, NULL));
    return ent_projection_leaf(a->projection, leaf);
}

/* Numbers that may have been used since the leaf that shows the highest. An update of the open attempt comes under its
 * older one all the same (engine/admit_sequence.c). */
static enum ent_err set_sequences(struct applying *a)
{
    for (uint32_t i = 0; i < a->projection->round.n_members; i++) {
        struct ent_store_member m;
        uint64_t highest;

        ENT_TRY(ent_store_find_index(a->store, i, &m));
        highest = a->sequences[i] > m.last_sequence ? a->sequences[i] : m.last_sequence;
        ENT_TRY(ent_store_set_sequence(a->store, i, highest + SEQUENCE_GAP, m.last_seen_ms));
    }
    return ENT_E_OK;
}

static enum ent_err put_notes(struct applying *a)
{
    for (size_t i = 0; i < a->input->n_notes; i++) {
        const struct ent_recover_note *note = &a->input->notes[i];

        ENT_TRY(ent_store_ckpt_put(a->store, note->size, note->root, note->text));
        for (size_t k = 0; k < note->n_lines; k++) {
            ENT_TRY(ent_store_cosig_put(a->store, note->size, note->lines[k].handle,
                                        note->lines[k].line));
        }
        if (note->quorum) {
            ENT_TRY(ent_store_ckpt_set_quorum(a->store, note->size));
        }
    }
    return ENT_E_OK;
}

static enum ent_err finish(struct applying *a)
{
    struct ent_leaf_operator_action m = {.action = ENT_LOG_RECOVER};
    struct ent_leaf_frame frame = {.type = ENT_LEAF_OPERATOR_ACTION};
    uint64_t first = 0;

    ENT_TRY(set_sequences(a));
    ENT_TRY(put_notes(a));
    ENT_TRY(ent_store_counter_take(a->store, "sequence", OWN_SEQUENCE_GAP, &first));
    return ent_store_log_append(a->store, &frame, &m, a->input->now_ms, NULL, NULL);
}

static enum ent_err apply_leaves(struct applying *a)
{
    ENT_TRY(ent_calloc(ENT_ROUND_MEMBERS_MAX, sizeof *a->sequences, &a->sequences));
    ENT_TRY(ent_log_drop(a->store, a->input->leaves->first));
    ENT_TRY(ent_projection_load(a->projection, a->store));
    return ent_recover_each(a->input->leaves, take_leaf, a);
}

/* whole: with all that makes it a recovery. */
static enum ent_err in_transaction(struct ent_store *store, const struct ent_recover_input *input,
                                   bool whole)
{
    struct ent_projection p;
    struct applying a = {.store = store, .input = input, .projection = &p};
    enum ent_err err;

    ENT_TRY(ent_store_begin(store));
    err = ent_projection_init(&p, apply, &a);
    if (err == ENT_E_OK) {
        err = apply_leaves(&a);
    }
    if (err == ENT_E_OK && whole) {
        err = finish(&a);
    }
    free(a.sequences);
    ent_projection_release(&p);
    if (err != ENT_E_OK) {
        ent_store_rollback(store);
        return err;
    }
    return ent_store_commit(store);
}

enum ent_err ent_store_recover_leaves(struct ent_store *store,
                                      const struct ent_recover_input *input)
{
    return in_transaction(store, input, false);
}

enum ent_err ent_store_recover(struct ent_store *store, const struct ent_recover_input *input)
{
    return in_transaction(store, input, true);
}
