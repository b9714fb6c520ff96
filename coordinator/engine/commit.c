#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/hooks.h"
#include "common/base/mem.h"
#include "common/fixed/grid.h"
#include "coordinator/engine/state.h"

#define SUM_MAX_BYTES ((size_t)1 << 22) /* of an evaluation: 32 classes have half a megabyte */

static enum ent_err store_figures(struct ent_engine *e, const struct ent_row *row)
{
    struct ent_store_figures f = {.run = row->run,
                                  .round = row->round,
                                  .attempt = row->attempt,
                                  .task = row->task,
                                  .split = row->split,
                                  .train_round = e->round.train_done,
                                  .bytes_in = e->round_in,
                                  .bytes_out = e->round_out,
                                  .duration_ms = e->now_ms - e->opened_ms + e->open_before_ms,
                                  .closed_ms = e->wall_ms,
                                  .has_metrics =
                                      row->task == ENT_ROUND_EVALUATE && e->metrics.known,
                                  .auc = e->metrics.m.auc,
                                  .log_loss = e->metrics.m.log_loss,
                                  .rows = e->metrics.m.rows,
                                  .positives = e->metrics.m.positives};
    bool evaluated = f.has_metrics && e->sum != NULL;

    for (uint32_t i = 0; i < e->round.n_members; i++) {
        enum ent_standing standing = e->round.members[i].standing;

        f.invited += standing != ENT_STANDING_NONE ? 1 : 0;
        f.accepted += standing == ENT_STANDING_ACCEPTED ? 1 : 0;
    }
    f.sum = evaluated ? e->sum : NULL;
    f.sum_len = evaluated ? e->sum_len : 0;
    return ent_store_put_figures(e->store, &f);
}

static enum ent_err store_traffic(struct ent_engine *e, const struct ent_row *row)
{
    for (uint32_t i = 0; i < e->n_members; i++) {
        struct ent_store_traffic *t = &e->members[i].traffic;
        bool counts =
            row->kind == ENT_ROW_CLOSE && e->round.members[i].standing == ENT_STANDING_ACCEPTED;

        t->rounds = counts ? 1 : 0;
        if (t->bytes_in != 0 || t->bytes_out != 0 || t->rounds != 0) {
            ENT_TRY(ent_store_add_traffic(e->store, row->run, t));
        }
    }
    return ENT_E_OK;
}

static bool closes(const struct ent_engine *e)
{
    for (size_t i = 0; i < e->actions.n; i++) {
        if (e->actions.list[i].kind == ENT_ACT_ROW &&
            e->actions.list[i].row.kind == ENT_ROW_CLOSE) {
            return true;
        }
    }
    return false;
}

static const uint8_t no_commit[32];

/* Its join did not open what stood: nothing stands any more, and its next join only commits. */
static bool breaks_chain(const struct ent_row *row)
{
    return row->kind == ENT_ROW_REJECT && row->code == ENT_E_BAD_NONCE;
}

/* What its next join has to open. */
static enum ent_err set_standing(struct ent_engine *e, uint32_t member, const uint8_t commit[32])
{
    memcpy(e->members[member].standing, commit, 32); /* a commit that fails ends the engine */
    return ent_store_set_nonce_commit(e->store, member, commit);
}

/* The bytes of an accepted update last until CLOSE is committed: if that is now, nothing has to be kept. */
static enum ent_err store_row(struct ent_engine *e, const struct ent_row *row, bool closing)
{
    struct ent_engine_member *m = row->member < e->n_members ? &e->members[row->member] : NULL;

    ENT_TRY(ent_store_append_row(e->store, row, e->wall_ms));
    switch (row->kind) {
    case ENT_ROW_JOIN:
        if (m != NULL && m->has_commit) {
            ENT_TRY(set_standing(e, row->member, m->next_commit));
        }
        break;
    case ENT_ROW_ACCEPT:
    case ENT_ROW_REJECT:
    case ENT_ROW_DROP:
        if (m != NULL && row->kind == ENT_ROW_ACCEPT && !closing) {
            ENT_TRY(ent_uploads_store(e, row));
        }
        if (m != NULL && breaks_chain(row)) {
            ENT_TRY(set_standing(e, row->member, no_commit));
        }
        if (m != NULL && m->upload.state != ENT_UPLOAD_NONE && m->upload.sequence > m->to_store) {
            m->to_store = m->upload.sequence;
        }
        break;
    case ENT_ROW_CLOSE:
        ENT_TRY(store_figures(e, row));
        ENT_TRY(ent_own_store(e, row));
        ENT_TRY(store_traffic(e, row));
        ENT_TRY(ent_central_forget(e));
        return ent_store_small_forget(e->store, row);
    case ENT_ROW_ABORT:
        ENT_TRY(ent_central_forget(e));
        return ent_store_small_forget(e->store, row);
    case ENT_ROW_END:
        ENT_TRY(store_traffic(e, row));
        break;
    default:
        break;
    }
    return ENT_E_OK;
}

static enum ent_err store_members(struct ent_engine *e)
{
    for (uint32_t i = 0; i < e->n_members; i++) {
        struct ent_engine_member *m = &e->members[i];

        if (m->to_store > m->stored) {
            ENT_TRY(ent_store_set_sequence(e->store, i, m->to_store, e->wall_ms));
        } else if (m->seen_ms != 0) {
            ENT_TRY(ent_store_set_seen(e->store, i, m->seen_ms));
        }
    }
    return ENT_E_OK;
}

static enum ent_err store_all(struct ent_engine *e)
{
    bool closing = closes(e);

    for (size_t i = 0; i < e->actions.n; i++) {
        if (e->actions.list[i].kind == ENT_ACT_ROW) {
            ENT_TRY(store_row(e, &e->actions.list[i].row, closing));
        }
    }
    ENT_TRY(ent_trail_commit_rows(e));
    ENT_TRY(store_members(e));
    if (closing) {
        ENT_HOOK_POINT("engine.close-before-commit");
    }
    return ENT_E_OK;
}

static void reset_traffic(struct ent_engine *e, const struct ent_row *row)
{
    if (row->kind != ENT_ROW_CLOSE && row->kind != ENT_ROW_END) {
        return;
    }
    for (size_t i = 0; i < e->n_members; i++) {
        e->members[i].traffic = (struct ent_store_traffic){.index = (uint32_t)i};
    }
    e->round_in = 0;
    e->round_out = 0;
}

void ent_commit_note(struct ent_engine *e, const struct ent_row *row)
{
    switch (row->kind) {
    case ENT_ROW_RUN_START:
        for (size_t i = 0; i < e->n_members; i++) {
            e->members[i].rows = 0;
        }
        break;
    case ENT_ROW_ACCEPT:
        if (row->task == ENT_ROUND_STATS) {
            e->members[row->member].rows = row->rows;
        }
        break;
    case ENT_ROW_OPEN:
        e->begun = false;
        ent_own_forget(e);
        for (size_t i = 0; i < e->n_members; i++) {
            e->members[i].joined = false;
        }
        break;
    case ENT_ROW_JOIN:
        e->members[row->member].joined = true;
        break;
    case ENT_ROW_REJECT:
    case ENT_ROW_DROP:
        if (!e->begun) {
            e->members[row->member].joined = false;
        }
        break;
    case ENT_ROW_BEGIN:
        e->begun = true;
        break;
    default:
        break;
    }
}

static bool has_rows(const struct ent_engine *e)
{
    for (size_t i = 0; i < e->actions.n; i++) {
        if (e->actions.list[i].kind == ENT_ACT_ROW) {
            return true;
        }
    }
    return false;
}

/* The names of update files must last as long as the rows that speak of them. */
static enum ent_err sync_updates(struct ent_engine *e)
{
    char *dir = NULL;
    enum ent_err err;

    if (!e->updates_dirty) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_path_join(e->home->dir, "updates", &dir));
    err = ent_dir_sync(dir);
    free(dir);
    e->updates_dirty = err != ENT_E_OK;
    ENT_HOOK_POINT("engine.update-stored");
    return err;
}

enum ent_err ent_commit(struct ent_engine *e)
{
    enum ent_err err;

    if (!has_rows(e)) {
        return ENT_E_OK;
    }
    ENT_TRY(sync_updates(e));
    ENT_TRY(ent_store_begin(e->store));
    err = store_all(e);
    if (err != ENT_E_OK) {
        ent_store_rollback(e->store);
        return err;
    }
    ENT_TRY(ent_store_commit(e->store));
    ent_trail_committed(e);
    for (size_t i = 0; i < e->n_members; i++) {
        struct ent_engine_member *m = &e->members[i];

        m->stored = m->to_store > m->stored ? m->to_store : m->stored;
        m->seen_ms = 0;
    }
    for (size_t i = 0; i < e->actions.n; i++) {
        if (e->actions.list[i].kind == ENT_ACT_ROW) {
            ent_commit_note(e, &e->actions.list[i].row);
            if (e->actions.list[i].row.kind == ENT_ROW_ACCEPT) {
                ent_uploads_stored(e, &e->actions.list[i].row);
            }
            reset_traffic(e, &e->actions.list[i].row);
        }
    }
    return ENT_E_OK;
}

static enum ent_err store_refusals_of(struct ent_engine *e, uint32_t member,
                                      const uint32_t counts[ENT_E_COUNT])
{
    for (int cause = 0; cause < ENT_E_COUNT; cause++) {
        if (counts[cause] != 0) {
            ENT_TRY(ent_store_count_refusal(e->store, member, (enum ent_err)cause, counts[cause],
                                            e->wall_ms));
        }
    }
    return ENT_E_OK;
}

static enum ent_err store_refusals(struct ent_engine *e)
{
    ENT_TRY(store_refusals_of(e, ENT_NO_MEMBER, e->refused));
    for (uint32_t i = 0; i < e->n_members; i++) {
        ENT_TRY(store_refusals_of(e, i, e->member_refused[i]));
        if (e->members[i].seen_ms != 0) {
            ENT_TRY(ent_store_set_seen(e->store, i, e->members[i].seen_ms));
        }
    }
    return ENT_E_OK;
}

enum ent_err ent_commit_refusals(struct ent_engine *e)
{
    enum ent_err err;

    if (!e->refusals_dirty) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_store_begin(e->store));
    err = store_refusals(e);
    if (err != ENT_E_OK) {
        ent_store_rollback(e->store);
        return err;
    }
    ENT_TRY(ent_store_commit(e->store));
    memset(e->refused, 0, sizeof e->refused);
    if (e->n_members > 0) {
        memset(e->member_refused, 0, e->n_members * sizeof *e->member_refused);
    }
    e->refusals_dirty = false;
    return ENT_E_OK;
}

static enum ent_err metrics_of_sum(const struct ent_buf *bytes, uint32_t min_group,
                                   struct ent_metrics *out)
{
    struct ent_task_sizes sizes;
    int64_t *sum = NULL;
    size_t dim = bytes->len / sizeof *sum;
    enum ent_err err;

    ENT_REQUIRE(bytes->len == dim * sizeof *sum && ent_task_evaluate_sizes(dim, &sizes) == ENT_E_OK,
                ENT_E_CORRUPT, "a stored sum has %zu bytes", bytes->len);
    ENT_TRY(ent_calloc(dim, sizeof *sum, &sum));
    ent_grid_load64(bytes->data, dim, sum);
    sizes.min_group = min_group;
    err = ent_task_evaluate_finish_of(&sizes, sum, dim, out);
    free(sum);
    return err;
}

enum ent_err ent_commit_metrics_of(struct ent_engine *e, uint32_t run, uint64_t round,
                                   uint32_t min_group, struct ent_metrics *out)
{
    struct ent_buf bytes;
    enum ent_err err;

    ent_buf_init(&bytes, SUM_MAX_BYTES);
    err = ent_store_figures_sum(e->store, run, round, &bytes);
    if (err == ENT_E_OK) {
        err = metrics_of_sum(&bytes, min_group, out);
    }
    ent_buf_release(&bytes);
    return err == ENT_E_OK ? ENT_E_OK
                           : ent_err_prefix(err, "round %llu", (unsigned long long)round);
}

enum ent_err ent_commit_reload_metrics(struct ent_engine *e)
{
    enum ent_err err;

    if (e->round.phase != ENT_PHASE_RELEASE || e->round.task != ENT_ROUND_EVALUATE) {
        return ENT_E_OK;
    }
    err = ent_commit_metrics_of(e, e->run.config.run, e->round.round, e->plan->min_group,
                                &e->metrics.m);
    e->metrics.known = err == ENT_E_OK;
    return err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
}
