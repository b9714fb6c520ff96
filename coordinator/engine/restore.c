/* What a new engine finds in the store: roster, run, plan, the run that ended last. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/sha256.h"
#include "common/fixed/selftest.h"
#include "coordinator/engine/state.h"

enum ent_err ent_engine_load_run(struct ent_engine *e)
{
    struct ent_buf text;
    enum ent_err err;

    ent_plan_free(e->plan);
    e->plan = NULL;
    ent_buf_init(&text, ENT_PLAN_MAX_BYTES);
    err = ent_store_run_plan(e->store, e->run.config.run, &text);
    if (err == ENT_E_OK) {
        err = ent_plan_parse("plan.yaml", text.data, text.len, &e->plan);
    }
    if (err == ENT_E_OK) {
        ent_blob_unref(e->plan_shelf.blob);
        e->plan_shelf.blob = NULL;
        memcpy(e->plan_shelf.digest, e->plan->digest, sizeof e->plan_shelf.digest);
        err = ent_blob_new_copy(text.data, text.len, &e->plan_shelf.blob);
    }
    ent_buf_release(&text);
    ENT_TRY(err);
    ENT_TRY(ent_budget_load(e));
    return ent_central_load(e);
}

static enum ent_err note_row(void *ctx, const struct ent_row *row, uint64_t wall_ms)
{
    struct ent_engine *e = ctx;

    ent_commit_note(e, row);
    if (row->kind == ENT_ROW_OPEN) { /* how long the attempt is under way already */
        e->open_before_ms = e->wall_ms > wall_ms ? e->wall_ms - wall_ms : 0;
        e->opened_ms = e->now_ms;
        e->restored_run = row->run;
        e->restored_round = row->round;
        e->restored_attempt = row->attempt;
    }
    return ENT_E_OK;
}

/* ---- the run that ended last ---- */

/* Of a round whose sum was not kept yet (an older database), what its row says. */
static void of_figures(const struct ent_store_figures *f, struct ent_metrics *out)
{
    const double unknown = (double)NAN;

    *out = (struct ent_metrics){.rows = f->rows,
                                .positives = f->positives,
                                .auc = f->auc,
                                .auc_error = unknown,
                                .pr_auc = unknown,
                                .pr_auc_error = unknown,
                                .log_loss = f->log_loss,
                                .brier = unknown,
                                .predicted = unknown,
                                .accuracy = unknown};
    for (size_t i = 0; i < ENT_METRIC_TOPS; i++) {
        out->top[i].found = unknown;
        out->top[i].found_error = unknown;
    }
}

static enum ent_err of_round(struct ent_engine *e, const struct ent_store_figures *f,
                             struct ent_run_metrics *out)
{
    enum ent_err err =
        ent_commit_metrics_of(e, f->run, f->round, UINT32_MAX /* no cell */, &out->m);

    if (err == ENT_E_NOT_FOUND) {
        of_figures(f, &out->m);
        err = ENT_E_OK;
    }
    out->known = err == ENT_E_OK;
    return err;
}

enum ent_err ent_engine_test_metrics(struct ent_engine *e, uint32_t run,
                                     struct ent_run_metrics *out)
{
    struct ent_store_figures *figures = NULL;
    size_t n = 0;
    enum ent_err err = ENT_E_OK;

    *out = (struct ent_run_metrics){0};
    ENT_TRY(ent_store_figures(e->store, run, &figures, &n));
    for (size_t i = 0; i < n; i++) {
        if (err == ENT_E_OK && figures[i].has_metrics && figures[i].split == ENT_ROUND_ON_TEST) {
            err = of_round(e, &figures[i], out);
        }
    }
    free(figures);
    return err;
}

struct best_round {
    const uint8_t *best;
    uint32_t trained; /* training rounds closed so far */
    uint32_t found;
};

static enum ent_err find_best(void *ctx, const struct ent_row *row, uint64_t wall_ms)
{
    struct best_round *b = ctx;

    (void)wall_ms;
    if (row->kind == ENT_ROW_CLOSE && row->task == ENT_ROUND_TRAIN) {
        b->trained++;
        if (b->found == 0 && memcmp(row->model, b->best, ENT_ROUND_DIGEST_BYTES) == 0) {
            b->found = b->trained;
        }
    }
    return ENT_E_OK;
}

static enum ent_err load_last_run(struct ent_engine *e)
{
    struct ent_store_run *runs = NULL;
    size_t n = 0;

    ENT_TRY(ent_store_run_list(e->store, &runs, &n));
    for (size_t i = 0; i < n; i++) {
        bool ended = runs[i].state == ENT_RUN_ENDED || runs[i].state == ENT_RUN_SPENT ||
                     (runs[i].state == ENT_RUN_STOPPED && runs[i].started_ms != 0);

        if (ended && runs[i].config.run > e->last_end.run) {
            e->last_end.run = runs[i].config.run;
            e->last_end.code = runs[i].state == ENT_RUN_STOPPED ? ENT_E_STOPPED
                               : runs[i].state == ENT_RUN_SPENT ? ENT_E_BUDGET
                                                                : ENT_E_OK;
            memcpy(e->last_end.plan, runs[i].plan_digest, 32);
            memcpy(e->last_end.best, runs[i].best, 32);
            e->last_end.best_round = runs[i].best_train;
        }
    }
    free(runs);
    return ENT_E_OK;
}

/* Its members may have been away. */
static enum ent_err load_last_end(struct ent_engine *e)
{
    struct best_round best = {.best = e->last_end.best};

    ENT_TRY(load_last_run(e));
    if (e->last_end.run == 0) {
        return ENT_E_OK;
    }
    if (e->last_end.best_round == 0) { /* a run that ended before this was stored with it */
        ENT_TRY(ent_store_rows(e->store, e->last_end.run, find_best, &best));
        e->last_end.best_round = best.found;
    }
    if (e->last_end.best_round == 0) { /* nothing was trained: what it started from is no result */
        memset(e->last_end.best, 0, sizeof e->last_end.best);
    }
    return ent_engine_test_metrics(e, e->last_end.run, &e->last_end.test);
}

enum ent_err ent_restore(struct ent_engine *e)
{
    uint8_t selftest[ENT_SELFTEST_BYTES];

    ENT_TRY(ent_fixed_selftest(selftest));
    ENT_TRY(ent_sha256(selftest, sizeof selftest, e->selftest));
    ENT_TRY(ent_members_load(e));
    ENT_TRY(ent_calloc(ENT_ROUND_MEMBERS_MAX, sizeof *e->machine_members, &e->machine_members));
    ent_round_init(&e->round, e->machine_members);
    ENT_TRY(ent_store_restore(e->store, &e->round, &e->run));
    if (e->run.config.run != 0) {
        ENT_TRY(ent_engine_load_run(e));
        ENT_TRY(ent_store_rows(e->store, e->run.config.run, note_row, e));
    }
    ENT_TRY(load_last_end(e));
    e->central.scrub_due = true; /* a crash may have come between the end of a seed and this */
    return ent_trail_load(e);
}
