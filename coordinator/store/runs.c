#include <string.h>

#include "common/crypto/sha256.h"
#include "coordinator/store/tables.h"

#define SELECT_RUN                                                                                 \
    "SELECT run, plan_digest, base, best, state, created_ms, started_ms, ended_ms, train_rounds,"  \
    " min_members, attempts, join_ms, update_ms, retry_ms, gather_ms, validate, test, patience,"   \
    " best_by, best_train, no_stats FROM run "

static enum ent_err read_config(struct ent_stmt *stmt, struct ent_run_config *c)
{
    uint32_t best_by = 0;

    ENT_TRY(ent_stmt_u32(stmt, 0, &c->run));
    ENT_TRY(ent_stmt_u32(stmt, 8, &c->train_rounds));
    ENT_TRY(ent_stmt_u32(stmt, 9, &c->min_members));
    ENT_TRY(ent_stmt_u32(stmt, 10, &c->attempts));
    ENT_TRY(ent_stmt_u64(stmt, 11, &c->join_ms));
    ENT_TRY(ent_stmt_u64(stmt, 12, &c->update_ms));
    ENT_TRY(ent_stmt_u64(stmt, 13, &c->retry_ms));
    ENT_TRY(ent_stmt_u64(stmt, 14, &c->gather_ms));
    ENT_TRY(ent_stmt_bool(stmt, 15, &c->validate));
    ENT_TRY(ent_stmt_bool(stmt, 16, &c->test));
    ENT_TRY(ent_stmt_u32(stmt, 17, &c->patience));
    ENT_TRY(ent_stmt_u32(stmt, 18, &best_by));
    ENT_TRY(ent_stmt_bool(stmt, 20, &c->no_stats));
    ENT_REQUIRE(best_by <= ENT_ROUND_BEST_BY_AUC, ENT_E_CORRUPT,
                "run %u chooses its best model by an unknown figure", (unsigned)c->run);
    c->best_by = (enum ent_round_best_by)best_by;
    return ENT_E_OK;
}

static enum ent_err read_run(struct ent_stmt *stmt, void *out)
{
    struct ent_store_run *run = out;
    uint32_t state = 0;

    memset(run, 0, sizeof *run);
    ENT_TRY(read_config(stmt, &run->config));
    ENT_TRY(ent_stmt_blob_exact(stmt, 1, run->plan_digest, sizeof run->plan_digest));
    ENT_TRY(ent_tables_digest(stmt, 2, run->base));
    ENT_TRY(ent_tables_digest(stmt, 3, run->best));
    ENT_TRY(ent_stmt_u32(stmt, 4, &state));
    ENT_REQUIRE(state >= ENT_RUN_PENDING && state <= ENT_RUN_SPENT, ENT_E_CORRUPT,
                "run %u has the unknown state %u", (unsigned)run->config.run, (unsigned)state);
    run->state = (enum ent_run_state)state;
    ENT_TRY(ent_stmt_u64(stmt, 5, &run->created_ms));
    ENT_TRY(ent_tables_u64(stmt, 6, &run->started_ms));
    ENT_TRY(ent_stmt_u32(stmt, 19, &run->best_train));
    return ent_tables_u64(stmt, 7, &run->ended_ms);
}

static enum ent_err read_u32(struct ent_stmt *stmt, void *out)
{
    return ent_stmt_u32(stmt, 0, out);
}

static enum ent_err next_number(struct ent_store *store, uint32_t *run)
{
    struct ent_store_run current;
    struct ent_stmt *stmt = NULL;
    enum ent_err err = ent_store_run_current(store, &current);

    ENT_REQUIRE(err != ENT_E_OK, ENT_E_EXISTS, "run %u is %s: wait for its end or stop it",
                (unsigned)current.config.run,
                current.state == ENT_RUN_PENDING ? "waiting for serve" : "going on");
    if (err != ENT_E_NOT_FOUND) {
        return err;
    }
    ENT_TRY(ent_tables_prepare(store, "SELECT coalesce(max(run), 0) + 1 FROM run", &stmt));
    return ent_tables_one(stmt, read_u32, run);
}

static void bind_config(struct ent_stmt *stmt, int at, const struct ent_run_config *c)
{
    ent_stmt_bind_u64(stmt, at, c->train_rounds);
    ent_stmt_bind_u64(stmt, at + 1, c->min_members);
    ent_stmt_bind_u64(stmt, at + 2, c->attempts);
    ent_stmt_bind_u64(stmt, at + 3, c->join_ms);
    ent_stmt_bind_u64(stmt, at + 4, c->update_ms);
    ent_stmt_bind_u64(stmt, at + 5, c->retry_ms);
    ent_stmt_bind_u64(stmt, at + 6, c->gather_ms);
    ent_stmt_bind_u64(stmt, at + 7, c->validate);
    ent_stmt_bind_u64(stmt, at + 8, c->test);
    ent_stmt_bind_u64(stmt, at + 9, c->patience);
    ent_stmt_bind_u64(stmt, at + 10, (uint64_t)c->best_by);
    ent_stmt_bind_u64(stmt, at + 11, c->no_stats);
}

static enum ent_err insert_run(struct ent_store *store, const struct ent_store_run *run,
                               const struct ent_buf *plan)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store,
                               "INSERT INTO run(run, plan_digest, plan, base, state, created_ms, "
                               "train_rounds, min_members,"
                               " attempts, join_ms, update_ms, retry_ms, gather_ms, validate, test,"
                               " patience, best_by, no_stats)"
                               " VALUES(?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                               &stmt));
    ent_stmt_bind_u64(stmt, 1, run->config.run);
    ent_stmt_bind_blob(stmt, 2, run->plan_digest, sizeof run->plan_digest);
    ent_stmt_bind_blob(stmt, 3, plan->data, plan->len);
    ent_tables_bind_digest(stmt, 4, run->base);
    ent_stmt_bind_u64(stmt, 5, run->created_ms);
    bind_config(stmt, 6, &run->config);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

enum ent_err ent_store_run_add(struct ent_store *store, const struct ent_run_config *config,
                               const uint8_t base[ENT_STORE_DIGEST_BYTES],
                               const struct ent_buf *plan, uint64_t now_ms, uint32_t *run)
{
    struct ent_store_run add = {.config = *config, .created_ms = now_ms};
    bool own = false;
    enum ent_err err;

    ENT_REQUIRE(plan->len > 0 && plan->len <= ENT_STORE_PLAN_MAX, ENT_E_LIMIT,
                "a plan has 1 to %zu bytes, this one %zu", ENT_STORE_PLAN_MAX, plan->len);
    memcpy(add.base, base, sizeof add.base);
    ENT_TRY(ent_sha256(plan->data, plan->len, add.plan_digest));
    ENT_TRY(ent_tables_enter(store, &own));
    err = next_number(store, &add.config.run);
    if (err == ENT_E_OK) {
        err = insert_run(store, &add, plan);
    }
    ENT_TRY(ent_tables_leave(store, own, err));
    *run = add.config.run;
    return ENT_E_OK;
}

enum ent_err ent_store_run_current(struct ent_store *store, struct ent_store_run *out)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_tables_prepare(store, SELECT_RUN "WHERE state <= 2", &stmt));
    err = ent_tables_one(stmt, read_run, out);
    return err == ENT_E_NOT_FOUND ? ent_err_note(err, "no run is going on") : err;
}

enum ent_err ent_store_run_list(struct ent_store *store, struct ent_store_run **out, size_t *n)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store, SELECT_RUN "ORDER BY run", &stmt));
    return ent_tables_list(stmt, read_run, sizeof **out, out, n);
}

enum ent_err ent_store_run_plan(struct ent_store *store, uint32_t run, struct ent_buf *out)
{
    struct ent_stmt *stmt = NULL;
    const uint8_t *bytes = NULL;
    size_t len = 0;
    bool row = false;
    enum ent_err err;

    ENT_TRY(ent_tables_prepare(store, "SELECT plan FROM run WHERE run = ?", &stmt));
    ent_stmt_bind_u64(stmt, 1, run);
    err = ent_stmt_step(stmt, &row);
    if (err == ENT_E_OK && !row) {
        err = ent_err_note(ENT_E_NOT_FOUND, "there is no run %u", (unsigned)run);
    }
    if (err == ENT_E_OK) {
        err = ent_stmt_blob(stmt, 0, &bytes, &len);
    }
    if (err == ENT_E_OK) {
        err = ent_buf_add(out, bytes, len);
    }
    return ent_tables_done(stmt, err);
}

enum ent_err ent_store_run_cancel(struct ent_store *store, uint32_t run, uint64_t now_ms)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_tables_prepare(
        store, "UPDATE run SET state = 4, ended_ms = ? WHERE run = ? AND state = 1", &stmt));
    ent_stmt_bind_u64(stmt, 1, now_ms);
    ent_stmt_bind_u64(stmt, 2, run);
    err = ent_tables_change(store, stmt);
    return err == ENT_E_NOT_FOUND
               ? ent_err_note(err, "run %u does not wait for its start", (unsigned)run)
               : err;
}
