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
