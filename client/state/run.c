#include <string.h>

#include "client/state/private.h"
#include "common/base/mem.h"

static enum ent_err read_run(struct ent_stmt *stmt, struct ent_state_run *out)
{
    struct ent_state_run run = {0};
    const char *reason = "";

    ENT_TRY(ent_stmt_one(stmt));
    ENT_TRY(ent_stmt_u32(stmt, 0, &run.run));
    ENT_TRY(ent_stmt_blob_exact(stmt, 1, run.plan, sizeof run.plan));
    ENT_TRY(ent_stmt_bool(stmt, 2, &run.accepted));
    ENT_TRY(ent_stmt_bool(stmt, 3, &run.ended));
    ENT_TRY(ent_stmt_text(stmt, 4, &reason));
    (void)snprintf(run.reason, sizeof run.reason, "%s", reason);
    *out = run;
    return ENT_E_OK;
}

enum ent_err ent_state_run_get(struct ent_state *state, uint32_t run, struct ent_state_run *out)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(
        state->db, "SELECT run, plan, accepted, ended, reason FROM run WHERE run = ?", &stmt));
    ent_stmt_bind_u64(stmt, 1, run);
    err = read_run(stmt, out);
    ent_stmt_free(stmt);
    return err;
}

enum ent_err ent_state_run_last(struct ent_state *state, struct ent_state_run *out)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(
        state->db, "SELECT run, plan, accepted, ended, reason FROM run ORDER BY run DESC LIMIT 1",
        &stmt));
    err = read_run(stmt, out);
    ent_stmt_free(stmt);
    return err;
}

static enum ent_err write_run(struct ent_state *state, const struct ent_state_run *run)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db, "INSERT OR REPLACE INTO run VALUES(?, ?, ?, ?, ?)", &stmt));
    ent_stmt_bind_u64(stmt, 1, run->run);
    ent_stmt_bind_blob(stmt, 2, run->plan, sizeof run->plan);
    ent_stmt_bind_u64(stmt, 3, run->accepted ? 1 : 0);
    ent_stmt_bind_u64(stmt, 4, run->ended ? 1 : 0);
    ent_stmt_bind_text(stmt, 5, run->reason);
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err == ENT_E_OK ? ent_state_commit(state) : err;
}

static bool same_run(const struct ent_state_run *a, const struct ent_state_run *b)
{
    return a->accepted == b->accepted && a->ended == b->ended && strcmp(a->reason, b->reason) == 0;
}

enum ent_err ent_state_run_put(struct ent_state *state, const struct ent_state_run *run)
{
    struct ent_state_run known;
    enum ent_err err = ent_state_run_get(state, run->run, &known);

    if (err == ENT_E_NOT_FOUND) {
        return write_run(state, run);
    }
    ENT_TRY(err);
    ENT_REQUIRE(memcmp(known.plan, run->plan, sizeof known.plan) == 0, ENT_E_PROTOCOL,
                "the coordinator gave run %u another plan than before", run->run);
    return same_run(&known, run) ? ENT_E_OK : write_run(state, run);
}

enum ent_err ent_state_run_end(struct ent_state *state, uint32_t run)
{
    struct ent_state_run known;

    ENT_TRY(ent_state_run_get(state, run, &known));
    known.ended = true;
    ENT_TRY(ent_state_run_put(state, &known));
    return ent_state_optimizer_forget(state, run);
}

enum ent_err ent_state_progress_put(struct ent_state *state, const struct ent_progress *p)
{
    const uint64_t values[] = {p->run,        p->round,          p->attempt,
                               p->task,       p->train_done,     p->train_rounds,
                               p->bytes_sent, p->bytes_received, p->updated_ms};
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_state_join_next(state));
    ENT_TRY(ent_stmt_prepare(
        state->db, "INSERT OR REPLACE INTO progress VALUES(1, ?, ?, ?, ?, ?, ?, ?, ?, ?)", &stmt));
    for (size_t i = 0; i < ENT_ARRAY_LEN(values); i++) {
        ent_stmt_bind_u64(stmt, (int)i + 1, values[i]);
    }
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err;
}

static enum ent_err read_progress(struct ent_stmt *stmt, struct ent_progress *out)
{
    struct ent_progress p = {0};

    ENT_TRY(ent_stmt_one(stmt));
    ENT_TRY(ent_stmt_u32(stmt, 0, &p.run));
    ENT_TRY(ent_stmt_u64(stmt, 1, &p.round));
    ENT_TRY(ent_stmt_u32(stmt, 2, &p.attempt));
    ENT_TRY(ent_stmt_u32(stmt, 3, &p.task));
    ENT_TRY(ent_stmt_u32(stmt, 4, &p.train_done));
    ENT_TRY(ent_stmt_u32(stmt, 5, &p.train_rounds));
    ENT_TRY(ent_stmt_u64(stmt, 6, &p.bytes_sent));
    ENT_TRY(ent_stmt_u64(stmt, 7, &p.bytes_received));
    ENT_TRY(ent_stmt_u64(stmt, 8, &p.updated_ms));
    *out = p;
    return ENT_E_OK;
}

enum ent_err ent_state_progress_get(struct ent_state *state, struct ent_progress *out)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(
        state->db,
        "SELECT run, round, attempt, task, train_done, train_rounds, bytes_sent, bytes_received,"
        " updated_ms FROM progress",
        &stmt));
    err = read_progress(stmt, out);
    ent_stmt_free(stmt);
    return err;
}

enum ent_err ent_state_metric_put(struct ent_state *state, const struct ent_state_metric *metric)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_state_join_next(state));
    ENT_TRY(ent_stmt_prepare(state->db, "INSERT OR REPLACE INTO metric VALUES(?, ?, ?, ?)", &stmt));
    ent_stmt_bind_u64(stmt, 1, metric->run);
    ent_stmt_bind_u64(stmt, 2, metric->round);
    ent_stmt_bind_text(stmt, 3, metric->name);
    ent_stmt_bind_i64(stmt, 4, metric->nano);
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err;
}

static enum ent_err read_metric(struct ent_stmt *stmt, uint32_t run, struct ent_state_metric *out)
{
    struct ent_state_metric m = {.run = run};
    const char *name = "";

    ENT_TRY(ent_stmt_u64(stmt, 0, &m.round));
    ENT_TRY(ent_stmt_text(stmt, 1, &name));
    ENT_TRY(ent_stmt_i64(stmt, 2, &m.nano));
    (void)snprintf(m.name, sizeof m.name, "%s", name);
    *out = m;
    return ENT_E_OK;
}

enum ent_err ent_state_metrics(struct ent_state *state, uint32_t run, struct ent_state_metric *out,
                               size_t max, size_t *n)
{
    struct ent_stmt *stmt = NULL;
    bool row = true;
    size_t count = 0;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(
        state->db, "SELECT round, name, nano FROM metric WHERE run = ? ORDER BY round, name",
        &stmt));
    ent_stmt_bind_u64(stmt, 1, run);
    err = ent_stmt_step(stmt, &row);
    while (err == ENT_E_OK && row) {
        if (count < max) {
            err = read_metric(stmt, run, &out[count]);
        }
        count++;
        if (err == ENT_E_OK) {
            err = ent_stmt_step(stmt, &row);
        }
    }
    ent_stmt_free(stmt);
    if (err == ENT_E_OK) {
        *n = count;
    }
    return err;
}
