#include <math.h>
#include <string.h>

#include "coordinator/store/tables.h"

/* SQLite has no NaN; a metric that is not defined is NULL. */
static void bind_real(struct ent_stmt *stmt, int at, double value)
{
    if (isfinite(value)) {
        ent_stmt_bind_f64(stmt, at, value);
    } else {
        ent_stmt_bind_null(stmt, at);
    }
}

static enum ent_err real(struct ent_stmt *stmt, int col, double *out)
{
    if (ent_stmt_is_null(stmt, col)) {
        *out = (double)NAN;
        return ENT_E_OK;
    }
    return ent_stmt_f64(stmt, col, out);
}

enum ent_err ent_store_put_figures(struct ent_store *store, const struct ent_store_figures *f)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store,
        "INSERT OR REPLACE INTO figures(run, round, attempt, task, split, train_round, invited,"
        " accepted, bytes_in, bytes_out, duration_ms, closed_ms, has_metrics, auc, log_loss, rows,"
        " positives, sum) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        &stmt));
    ent_stmt_bind_u64(stmt, 1, f->run);
    ent_stmt_bind_u64(stmt, 2, f->round);
    ent_stmt_bind_u64(stmt, 3, f->attempt);
    ent_stmt_bind_u64(stmt, 4, (uint64_t)f->task);
    ent_stmt_bind_u64(stmt, 5, (uint64_t)f->split);
    ent_stmt_bind_u64(stmt, 6, f->train_round);
    ent_stmt_bind_u64(stmt, 7, f->invited);
    ent_stmt_bind_u64(stmt, 8, f->accepted);
    ent_stmt_bind_u64(stmt, 9, f->bytes_in);
    ent_stmt_bind_u64(stmt, 10, f->bytes_out);
    ent_stmt_bind_u64(stmt, 11, f->duration_ms);
    ent_stmt_bind_u64(stmt, 12, f->closed_ms);
    ent_stmt_bind_u64(stmt, 13, f->has_metrics);
    bind_real(stmt, 14, f->auc);
    bind_real(stmt, 15, f->log_loss);
    ent_stmt_bind_u64(stmt, 16, f->rows);
    ent_stmt_bind_u64(stmt, 17, f->positives);
    if (f->sum != NULL) {
        ent_stmt_bind_blob(stmt, 18, f->sum, f->sum_len);
    } else {
        ent_stmt_bind_null(stmt, 18);
    }
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

static enum ent_err read_figures(struct ent_stmt *stmt, void *out)
{
    struct ent_store_figures *f = out;
    uint32_t task = 0;
    uint32_t split = 0;

    memset(f, 0, sizeof *f);
    ENT_TRY(ent_stmt_u32(stmt, 0, &f->run));
    ENT_TRY(ent_stmt_u64(stmt, 1, &f->round));
    ENT_TRY(ent_stmt_u32(stmt, 2, &f->attempt));
    ENT_TRY(ent_stmt_u32(stmt, 3, &task));
    ENT_TRY(ent_stmt_u32(stmt, 4, &split));
    ENT_REQUIRE(task <= ENT_ROUND_EVALUATE && split <= ENT_ROUND_ON_TEST, ENT_E_CORRUPT,
                "stored figures have an unknown task (%u, split %u)", (unsigned)task,
                (unsigned)split);
    f->task = (enum ent_round_task)task;
    f->split = (enum ent_round_split)split;
    ENT_TRY(ent_stmt_u32(stmt, 5, &f->train_round));
    ENT_TRY(ent_stmt_u32(stmt, 6, &f->invited));
    ENT_TRY(ent_stmt_u32(stmt, 7, &f->accepted));
    ENT_TRY(ent_stmt_u64(stmt, 8, &f->bytes_in));
    ENT_TRY(ent_stmt_u64(stmt, 9, &f->bytes_out));
    ENT_TRY(ent_stmt_u64(stmt, 10, &f->duration_ms));
    ENT_TRY(ent_stmt_u64(stmt, 11, &f->closed_ms));
    ENT_TRY(ent_stmt_bool(stmt, 12, &f->has_metrics));
    ENT_TRY(real(stmt, 13, &f->auc));
    ENT_TRY(real(stmt, 14, &f->log_loss));
    ENT_TRY(ent_stmt_u64(stmt, 15, &f->rows));
    return ent_stmt_u64(stmt, 16, &f->positives);
}

enum ent_err ent_store_figures(struct ent_store *store, uint32_t run,
                               struct ent_store_figures **out, size_t *n)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store,
        "SELECT run, round, attempt, task, split, train_round, invited, accepted, bytes_in,"
        " bytes_out, duration_ms, closed_ms, has_metrics, auc, log_loss, rows, positives"
        " FROM figures WHERE run = ? ORDER BY round",
        &stmt));
    ent_stmt_bind_u64(stmt, 1, run);
    return ent_tables_list(stmt, read_figures, sizeof **out, out, n);
}

enum ent_err ent_store_figures_sum(struct ent_store *store, uint32_t run, uint64_t round,
                                   struct ent_buf *out)
{
    struct ent_stmt *stmt = NULL;
    const uint8_t *bytes = NULL;
    size_t len = 0;
    bool row = false;
    enum ent_err err;

    ENT_TRY(ent_tables_prepare(
        store, "SELECT sum FROM figures WHERE run = ? AND round = ? AND sum IS NOT NULL", &stmt));
    ent_stmt_bind_u64(stmt, 1, run);
    ent_stmt_bind_u64(stmt, 2, round);
    err = ent_stmt_step(stmt, &row);
    if (err == ENT_E_OK && !row) {
        err = ENT_E_NOT_FOUND;
    }
    if (err == ENT_E_OK) {
        err = ent_stmt_blob(stmt, 0, &bytes, &len);
    }
    if (err == ENT_E_OK) {
        err = ent_buf_add(out, bytes, len);
    }
    return ent_tables_done(stmt, err);
}

enum ent_err ent_store_add_traffic(struct ent_store *store, uint32_t run,
                                   const struct ent_store_traffic *add)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store,
        "INSERT INTO traffic(run, idx, bytes_in, bytes_out, rounds) VALUES(?1, ?2, ?3, ?4, ?5)"
        " ON CONFLICT(run, idx) DO UPDATE SET bytes_in = bytes_in + ?3,"
        " bytes_out = bytes_out + ?4, rounds = rounds + ?5",
        &stmt));
    ent_stmt_bind_u64(stmt, 1, run);
    ent_stmt_bind_u64(stmt, 2, add->index);
    ent_stmt_bind_u64(stmt, 3, add->bytes_in);
    ent_stmt_bind_u64(stmt, 4, add->bytes_out);
    ent_stmt_bind_u64(stmt, 5, add->rounds);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

static enum ent_err read_traffic(struct ent_stmt *stmt, void *out)
{
    struct ent_store_traffic *t = out;

    ENT_TRY(ent_stmt_u32(stmt, 0, &t->index));
    ENT_TRY(ent_stmt_u64(stmt, 1, &t->bytes_in));
    ENT_TRY(ent_stmt_u64(stmt, 2, &t->bytes_out));
    return ent_stmt_u64(stmt, 3, &t->rounds);
}

enum ent_err ent_store_traffic(struct ent_store *store, uint32_t run,
                               struct ent_store_traffic **out, size_t *n)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store, "SELECT idx, bytes_in, bytes_out, rounds FROM traffic WHERE run = ? ORDER BY idx",
        &stmt));
    ent_stmt_bind_u64(stmt, 1, run);
    return ent_tables_list(stmt, read_traffic, sizeof **out, out, n);
}

/* A primary key takes no NULL, so "no member" is -1 here. */
static int64_t refusal_index(uint32_t index)
{
    return index == ENT_ROUND_NO_MEMBER ? -1 : (int64_t)index;
}

enum ent_err ent_store_count_refusal(struct ent_store *store, uint32_t index, enum ent_err cause,
                                     uint64_t count, uint64_t now_ms)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store,
                               "INSERT INTO refusal(idx, cause, count, last_ms)"
                               " VALUES(?1, ?2, ?3, ?4) ON CONFLICT(idx, cause)"
                               " DO UPDATE SET count = count + ?3, last_ms = ?4",
                               &stmt));
    ent_stmt_bind_i64(stmt, 1, refusal_index(index));
    ent_stmt_bind_u64(stmt, 2, (uint64_t)cause);
    ent_stmt_bind_u64(stmt, 3, count);
    ent_stmt_bind_u64(stmt, 4, now_ms);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

static enum ent_err read_refusal(struct ent_stmt *stmt, void *out)
{
    struct ent_store_refusal *r = out;
    int64_t index = 0;
    uint32_t cause = 0;

    ENT_TRY(ent_stmt_i64(stmt, 0, &index));
    ENT_TRY(ent_stmt_u32(stmt, 1, &cause));
    ENT_REQUIRE(index >= -1 && index < ENT_ROUND_MEMBERS_MAX && ent_err_valid(cause), ENT_E_CORRUPT,
                "a stored refusal has the unknown cause %u", (unsigned)cause);
    r->index = index < 0 ? ENT_ROUND_NO_MEMBER : (uint32_t)index;
    r->cause = (enum ent_err)cause;
    ENT_TRY(ent_stmt_u64(stmt, 2, &r->count));
    return ent_stmt_u64(stmt, 3, &r->last_ms);
}

enum ent_err ent_store_refusals(struct ent_store *store, struct ent_store_refusal **out, size_t *n)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store, "SELECT idx, cause, count, last_ms FROM refusal ORDER BY idx, cause", &stmt));
    return ent_tables_list(stmt, read_refusal, sizeof **out, out, n);
}
