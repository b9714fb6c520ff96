/* What a new engine finds in the store: roster, run, plan, the run that ended last. */
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
    ent_buf_init(&text, ENT_STORE_PLAN_MAX);
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
    return err;
}

static enum ent_err note_row(void *ctx, const struct ent_row *row, uint64_t wall_ms)
{
    (void)wall_ms;
    ent_commit_note(ctx, row);
    return ENT_E_OK;
}

/* The run that ended last: its members may have been away. */
static enum ent_err load_last_end(struct ent_engine *e)
{
    struct ent_store_run *runs = NULL;
    struct ent_store_figures *figures = NULL;
    size_t n = 0;
    size_t n_figures = 0;
    enum ent_err err;

    ENT_TRY(ent_store_run_list(e->store, &runs, &n));
    for (size_t i = 0; i < n; i++) {
        bool ended = runs[i].state == ENT_RUN_ENDED ||
                     (runs[i].state == ENT_RUN_STOPPED && runs[i].started_ms != 0);

        if (ended && runs[i].config.run > e->last_end.run) {
            e->last_end.run = runs[i].config.run;
            e->last_end.code = runs[i].state == ENT_RUN_STOPPED ? ENT_E_STOPPED : ENT_E_OK;
            memcpy(e->last_end.plan, runs[i].plan_digest, 32);
            memcpy(e->last_end.best, runs[i].best, 32);
            e->last_end.best_round = runs[i].best_train;
        }
    }
    free(runs);
    if (e->last_end.run == 0) {
        return ENT_E_OK;
    }
    err = ent_store_figures(e->store, e->last_end.run, &figures, &n_figures);
    for (size_t i = 0; err == ENT_E_OK && i < n_figures; i++) {
        if (figures[i].has_metrics && figures[i].split == ENT_ROUND_ON_TEST) {
            err = ent_commit_metrics_of(e, e->last_end.run, figures[i].round, &e->last_end.test.m);
            e->last_end.test.known = err == ENT_E_OK;
            err = err == ENT_E_NOT_FOUND ? ENT_E_OK : err; /* from before sums were kept */
        }
    }
    free(figures);
    return err;
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
    return load_last_end(e);
}
