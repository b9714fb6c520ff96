#include "client/state/private.h"
#include "common/base/mem.h"

static enum ent_err read_course(struct ent_stmt *stmt, struct ent_state_course *out)
{
    struct ent_state_course c = {0};

    ENT_TRY(ent_stmt_one(stmt));
    ENT_TRY(ent_stmt_u32(stmt, 0, &c.run));
    ENT_TRY(ent_stmt_u64(stmt, 1, &c.round));
    ENT_TRY(ent_stmt_u32(stmt, 2, &c.attempt));
    ENT_TRY(ent_stmt_bool(stmt, 3, &c.closed));
    ENT_TRY(ent_stmt_u32(stmt, 4, &c.task));
    ENT_TRY(ent_stmt_u32(stmt, 5, &c.split));
    ENT_TRY(ent_stmt_u32(stmt, 6, &c.stats));
    ENT_TRY(ent_stmt_u32(stmt, 7, &c.trained));
    ENT_TRY(ent_stmt_u32(stmt, 8, &c.validated));
    ENT_TRY(ent_stmt_u32(stmt, 9, &c.tested));
    ENT_TRY(ent_stmt_blob_exact(stmt, 10, c.round_open, sizeof c.round_open));
    ENT_TRY(ent_stmt_blob_exact(stmt, 11, c.base, sizeof c.base));
    ENT_TRY(ent_stmt_blob_exact(stmt, 12, c.model, sizeof c.model));
    ENT_TRY(ent_stmt_u64(stmt, 13, &c.model_round));
    *out = c;
    return ENT_E_OK;
}

enum ent_err ent_state_course_get(struct ent_state *state, struct ent_state_course *out)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db,
                             "SELECT run, round, attempt, closed, task, split, stats, trained,"
                             " validated, tested, round_open, base, model, model_round FROM course",
                             &stmt));
    err = read_course(stmt, out);
    ent_stmt_free(stmt);
    return err;
}

enum ent_err ent_state_course_put(struct ent_state *state, const struct ent_state_course *c)
{
    const uint64_t values[] = {c->run,   c->round, c->attempt, c->closed ? 1 : 0, c->task,
                               c->split, c->stats, c->trained, c->validated,      c->tested};
    const int after = (int)ENT_ARRAY_LEN(values);
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_state_join_next(state));
    ENT_TRY(ent_stmt_prepare(state->db,
                             "INSERT OR REPLACE INTO course VALUES(1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
                             " ?, ?, ?, ?)",
                             &stmt));
    for (int i = 0; i < after; i++) {
        ent_stmt_bind_u64(stmt, i + 1, values[i]);
    }
    ent_stmt_bind_blob(stmt, after + 1, c->round_open, sizeof c->round_open);
    ent_stmt_bind_blob(stmt, after + 2, c->base, sizeof c->base);
    ent_stmt_bind_blob(stmt, after + 3, c->model, sizeof c->model);
    ent_stmt_bind_u64(stmt, after + 4, c->model_round);
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err;
}

enum ent_err ent_state_plan_run(struct ent_state *state, const uint8_t plan[ENT_SHA256_BYTES],
                                uint32_t run)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_state_join_next(state));
    ENT_TRY(ent_stmt_prepare(state->db, "INSERT OR IGNORE INTO plan_run VALUES(?, ?)", &stmt));
    ent_stmt_bind_blob(stmt, 1, plan, ENT_SHA256_BYTES);
    ent_stmt_bind_u64(stmt, 2, run);
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err;
}

enum ent_err ent_state_plan_runs(struct ent_state *state, const uint8_t plan[ENT_SHA256_BYTES],
                                 uint32_t run, uint64_t *out)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db, "SELECT count(*) FROM plan_run WHERE plan = ? AND run <> ?",
                             &stmt));
    ent_stmt_bind_blob(stmt, 1, plan, ENT_SHA256_BYTES);
    ent_stmt_bind_u64(stmt, 2, run);
    err = ent_stmt_one(stmt);
    if (err == ENT_E_OK) {
        err = ent_stmt_u64(stmt, 0, out);
    }
    ent_stmt_free(stmt);
    return err;
}
