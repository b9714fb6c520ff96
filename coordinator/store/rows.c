/* The rows of the round machine, and the machine out of its rows. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "coordinator/store/tables.h"

static enum ent_err insert_row(struct ent_store *store, const struct ent_row *row, uint64_t now_ms)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store,
        "INSERT INTO event(run, kind, round, attempt, task, split, member, code, weight, has_base,"
        " digest, model, sum_w, loss_sum, rows, wall_ms, state, auc, best_train)"
        " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        &stmt));
    ent_stmt_bind_u64(stmt, 1, row->run);
    ent_stmt_bind_u64(stmt, 2, (uint64_t)row->kind);
    ent_stmt_bind_u64(stmt, 3, row->round);
    ent_stmt_bind_u64(stmt, 4, row->attempt);
    ent_stmt_bind_u64(stmt, 5, (uint64_t)row->task);
    ent_stmt_bind_u64(stmt, 6, (uint64_t)row->split);
    ent_tables_bind_index(stmt, 7, row->member);
    ent_stmt_bind_u64(stmt, 8, (uint64_t)row->code);
    ent_stmt_bind_u64(stmt, 9, row->weight);
    ent_stmt_bind_u64(stmt, 10, row->has_base);
    ent_tables_bind_digest(stmt, 11, row->digest);
    ent_tables_bind_digest(stmt, 12, row->model);
    ent_stmt_bind_u64(stmt, 13, row->sum_w);
    ent_stmt_bind_u64(stmt, 14, row->loss_sum);
    ent_stmt_bind_u64(stmt, 15, row->rows);
    ent_stmt_bind_u64(stmt, 16, now_ms);
    ent_tables_bind_digest(stmt, 17, row->state);
    ent_stmt_bind_u64(stmt, 18, row->auc);
    ent_stmt_bind_u64(stmt, 19, row->best_train);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

static enum ent_err start_run(struct ent_store *store, uint32_t run, uint64_t now_ms)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store, "UPDATE run SET state = 2, started_ms = ? WHERE run = ? AND state = 1", &stmt));
    ent_stmt_bind_u64(stmt, 1, now_ms);
    ent_stmt_bind_u64(stmt, 2, run);
    return ent_tables_change(store, stmt);
}

static enum ent_err end_run(struct ent_store *store, const struct ent_row *row, uint64_t now_ms)
{
    enum ent_run_state state = row->code == ENT_E_OK       ? ENT_RUN_ENDED
                               : row->code == ENT_E_BUDGET ? ENT_RUN_SPENT
                                                           : ENT_RUN_STOPPED;
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store,
                               "UPDATE run SET state = ?, ended_ms = ?, best = ?, best_train = ? "
                               "WHERE run = ? AND state = 2",
                               &stmt));
    ent_stmt_bind_u64(stmt, 1, state);
    ent_stmt_bind_u64(stmt, 2, now_ms);
    ent_tables_bind_digest(stmt, 3, row->model);
    ent_stmt_bind_u64(stmt, 4, row->best_train);
    ent_stmt_bind_u64(stmt, 5, row->run);
    return ent_tables_change(store, stmt);
}

enum ent_err ent_store_append_row(struct ent_store *store, const struct ent_row *row,
                                  uint64_t now_ms)
{
    bool own = false;
    enum ent_err err;

    ENT_TRY(ent_tables_enter(store, &own));
    err = insert_row(store, row, now_ms);
    if (err == ENT_E_OK && row->kind == ENT_ROW_RUN_START) {
        err = start_run(store, row->run, now_ms);
    } else if (err == ENT_E_OK && row->kind == ENT_ROW_END) {
        err = end_run(store, row, now_ms);
        if (err == ENT_E_OK) {
            err = ent_small_settle(store);
        }
    }
    if (err == ENT_E_NOT_FOUND) {
        err = ent_err_note(err, "run %u is not one that can %s now", (unsigned)row->run,
                           row->kind == ENT_ROW_END ? "end" : "start");
    }
    return ent_tables_leave(store, own, err);
}

struct timed_row {
    struct ent_row row;
    uint64_t wall_ms;
};

static enum ent_err read_kinds(struct ent_stmt *stmt, struct ent_row *row)
{
    uint32_t kind = 0;
    uint32_t task = 0;
    uint32_t split = 0;
    uint32_t code = 0;

    ENT_TRY(ent_stmt_u32(stmt, 1, &kind));
    ENT_TRY(ent_stmt_u32(stmt, 4, &task));
    ENT_TRY(ent_stmt_u32(stmt, 5, &split));
    ENT_TRY(ent_stmt_u32(stmt, 7, &code));
    ENT_REQUIRE(kind >= ENT_ROW_RUN_START && kind <= ENT_ROW_STOP && task <= ENT_ROUND_EVALUATE &&
                    split <= ENT_ROUND_ON_TEST && ent_err_valid(code),
                ENT_E_CORRUPT, "a stored row has an unknown kind (%u, task %u, split %u, code %u)",
                (unsigned)kind, (unsigned)task, (unsigned)split, (unsigned)code);
    row->kind = (enum ent_row_kind)kind;
    row->task = (enum ent_round_task)task;
    row->split = (enum ent_round_split)split;
    row->code = (enum ent_err)code;
    return ENT_E_OK;
}

static enum ent_err read_row(struct ent_stmt *stmt, void *out)
{
    struct timed_row *timed = out;
    struct ent_row *row = &timed->row;

    memset(timed, 0, sizeof *timed);
    ENT_TRY(read_kinds(stmt, row));
    ENT_TRY(ent_stmt_u32(stmt, 0, &row->run));
    ENT_TRY(ent_stmt_u64(stmt, 2, &row->round));
    ENT_TRY(ent_stmt_u32(stmt, 3, &row->attempt));
    ENT_TRY(ent_tables_index(stmt, 6, &row->member));
    ENT_TRY(ent_stmt_u32(stmt, 8, &row->weight));
    ENT_TRY(ent_stmt_bool(stmt, 9, &row->has_base));
    ENT_TRY(ent_tables_digest(stmt, 10, row->digest));
    ENT_TRY(ent_tables_digest(stmt, 11, row->model));
    ENT_TRY(ent_stmt_u64(stmt, 12, &row->sum_w));
    ENT_TRY(ent_stmt_u64(stmt, 13, &row->loss_sum));
    ENT_TRY(ent_stmt_u64(stmt, 14, &row->rows));
    ENT_TRY(ent_tables_digest(stmt, 16, row->state));
    ENT_TRY(ent_stmt_u64(stmt, 17, &row->auc));
    ENT_TRY(ent_stmt_u32(stmt, 18, &row->best_train));
    return ent_stmt_u64(stmt, 15, &timed->wall_ms);
}

enum ent_err ent_store_rows(struct ent_store *store, uint32_t run, ent_store_row_fn each, void *ctx)
{
    struct ent_stmt *stmt = NULL;
    struct timed_row row;
    bool more = false;
    enum ent_err err;

    ENT_TRY(ent_tables_prepare(store,
                               "SELECT run, kind, round, attempt, task, split, member, code,"
                               " weight, has_base, digest, model, sum_w, loss_sum, rows, wall_ms,"
                               " state, auc, best_train"
                               " FROM event WHERE run = ? ORDER BY id",
                               &stmt));
    ent_stmt_bind_u64(stmt, 1, run);
    for (;;) {
        err = ent_stmt_step(stmt, &more);
        if (err != ENT_E_OK || !more) {
            break;
        }
        err = read_row(stmt, &row);
        if (err == ENT_E_OK) {
            err = each(ctx, &row.row, row.wall_ms);
        }
        if (err != ENT_E_OK) {
            break;
        }
    }
    return ent_tables_done(stmt, err);
}

/* Indices were given out one after the other, so they are the machine's. */
static enum ent_err add_roster(struct ent_store *store, struct ent_round *round)
{
    struct ent_store_member *roster = NULL;
    size_t n = 0;
    enum ent_err err = ENT_E_OK;

    ENT_TRY(ent_store_roster(store, &roster, &n));
    for (size_t i = 0; i < n && err == ENT_E_OK; i++) {
        if (roster[i].index == ENT_ROUND_NO_MEMBER) {
            break; /* those that never enrolled come last */
        }
        if (roster[i].index != i || i >= ENT_ROUND_MEMBERS_MAX) {
            err = ent_err_note(ENT_E_CORRUPT, "the roster has a gap before index %u",
                               (unsigned)roster[i].index);
        } else {
            (void)ent_round_add_member(round, roster[i].state == ENT_MEMBER_REVOKED);
        }
    }
    free(roster);
    return err;
}

static enum ent_err replay_row(void *ctx, const struct ent_row *row, uint64_t wall_ms)
{
    (void)wall_ms;
    return ent_round_replay(ctx, row);
}

enum ent_err ent_store_restore(struct ent_store *store, struct ent_round *round,
                               struct ent_store_run *run)
{
    struct ent_store_run current;
    enum ent_err err;

    ENT_TRY(add_roster(store, round));
    err = ent_store_run_current(store, &current);
    if (err == ENT_E_NOT_FOUND) {
        memset(run, 0, sizeof *run);
        return ENT_E_OK;
    }
    ENT_TRY(err);
    ENT_TRY(ent_round_begin(round, &current.config, current.base));
    ENT_TRY(ent_store_rows(store, current.config.run, replay_row, round));
    *run = current;
    return ENT_E_OK;
}
