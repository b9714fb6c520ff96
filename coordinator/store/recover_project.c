/* What leaves say of rows, runs and members. The machine is fed as it was when they were made; rows that have no leaf
 * (INVITE, BEGIN, RELEASE, STOP, END without a model) follow from what comes after them. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "coordinator/round/phases.h"
#include "coordinator/store/dp.h"
#include "coordinator/store/recover_at.h"

/* Bytes for one decoded leaf. */
#define DECODE_MAX ((size_t)4 * 1024 * 1024)

/* ---- emitting ---- */

struct ent_recovered ent_at_change(const struct ent_at *at, enum ent_recovered_kind kind)
{
    return (struct ent_recovered){.kind = kind,
                                  .leaf = at->frame->seq,
                                  .time_ms = at->frame->time_ms,
                                  .member = ENT_ROUND_NO_MEMBER};
}

enum ent_err ent_at_emit(const struct ent_at *at, const struct ent_recovered *change)
{
    return at->p->emit(at->p->ctx, change);
}

enum ent_err ent_at_put_by_rows(const struct ent_at *at, const struct ent_row *row, bool by_rows)
{
    struct ent_recovered change = ent_at_change(at, ENT_RECOVERED_ROW);

    ENT_TRY(ent_round_replay(&at->p->round, row));
    change.row = row;
    change.run = row->run;
    change.member = row->member;
    change.by_rows = by_rows;
    return ent_at_emit(at, &change);
}

enum ent_err ent_at_put(const struct ent_at *at, const struct ent_row *row)
{
    return ent_at_put_by_rows(at, row, false);
}

struct ent_row ent_at_row(const struct ent_at *at, enum ent_row_kind kind, uint32_t member)
{
    const struct ent_round *r = &at->p->round;

    return (struct ent_row){.kind = kind,
                            .run = r->config.run,
                            .round = r->round,
                            .attempt = r->attempt,
                            .task = r->task,
                            .split = r->split,
                            .member = member};
}

enum ent_err ent_at_put_plain(const struct ent_at *at, enum ent_row_kind kind)
{
    struct ent_row row = ent_at_row(at, kind, ENT_ROUND_NO_MEMBER);

    return ent_at_put(at, &row);
}

enum ent_err ent_at_unfit(const struct ent_at *at, const char *why)
{
    return ent_err_note(ENT_E_CORRUPT, "leaf %llu (%s) does not fit those before it: %s",
                        (unsigned long long)at->frame->seq, ent_leaf_name(at->frame->type), why);
}

/* ---- members ---- */

static uint32_t find(const struct ent_projection *p, const uint8_t *handle)
{
    for (uint32_t i = 0; i < p->round.n_members; i++) {
        if (memcmp(p->handles[i], handle, ENT_STORE_ID_BYTES) == 0) {
            return i;
        }
    }
    return ENT_ROUND_NO_MEMBER;
}

enum ent_err ent_at_member(const struct ent_at *at, const uint8_t *handle, uint32_t *out)
{
    *out = find(at->p, handle);
    return *out == ENT_ROUND_NO_MEMBER ? ent_at_unfit(at, "no such member was admitted") : ENT_E_OK;
}

/* What a member said: its number was used. *member may be NULL. */
enum ent_err ent_at_said(const struct ent_at *at, struct ent_bytes header, uint32_t *member,
                         struct ent_header *out)
{
    struct ent_recovered change = ent_at_change(at, ENT_RECOVERED_SAID);
    struct ent_header h;

    ENT_TRY(ent_leaf_header(header, at->arena, &h));
    ENT_TRY(ent_at_member(at, h.sender, &change.member));
    change.sequence = h.sequence;
    ENT_TRY(ent_at_emit(at, &change));
    if (member != NULL) {
        *member = change.member;
    }
    if (out != NULL) {
        *out = h;
    }
    return ENT_E_OK;
}

static enum ent_err on_admit(const struct ent_at *at)
{
    struct ent_projection *p = at->p;
    struct ent_recovered change = ent_at_change(at, ENT_RECOVERED_MEMBER);
    const struct ent_leaf_member_admit *m = &at->any->member_admit;

    if (find(p, m->handle) != ENT_ROUND_NO_MEMBER) {
        return ent_at_unfit(at, "it is a member already");
    }
    ENT_REQUIRE(p->round.n_members < ENT_ROUND_MEMBERS_MAX, ENT_E_LIMIT, "the roster is full");
    memcpy(p->handles[p->round.n_members], m->handle, ENT_STORE_ID_BYTES);
    change.member = ent_round_add_member(&p->round, false);
    change.handle = m->handle;
    change.admit = m;
    ENT_TRY(ent_at_emit(at, &change));
    return m->has_request ? ent_at_said(at, m->request.header, NULL, NULL) : ENT_E_OK;
}

/* Also of somebody who was only invited: the store knows. */
static enum ent_err on_revoke(const struct ent_at *at)
{
    struct ent_recovered change = ent_at_change(at, ENT_RECOVERED_REVOKE);

    change.handle = at->any->member_revoke.handle;
    change.member = find(at->p, change.handle);
    if (change.member != ENT_ROUND_NO_MEMBER) {
        at->p->round.members[change.member].enrolled = false;
    }
    return ent_at_emit(at, &change);
}

static enum ent_err on_auditor(const struct ent_at *at)
{
    struct ent_recovered change = ent_at_change(at, ENT_RECOVERED_AUDITOR);

    change.auditor = &at->any->auditor_admit;
    return ent_at_emit(at, &change);
}

static enum ent_err on_set(const struct ent_at *at)
{
    struct ent_recovered change = ent_at_change(at, ENT_RECOVERED_SET);

    for (size_t i = 0; i < at->any->witness_set.n_agreed; i++) {
        ENT_TRY(ent_at_said(at, at->any->witness_set.agreed[i].header, NULL, NULL));
    }
    return ent_at_emit(at, &change);
}

/* ---- the run ---- */

static enum ent_err end_run(const struct ent_at *at, const uint8_t *model, uint32_t best_train)
{
    struct ent_projection *p = at->p;
    struct ent_row more = {0};
    struct ent_row row;

    if (p->round.phase == ENT_PHASE_RELEASE) {
        ENT_TRY(ent_at_put_plain(at, ENT_ROW_RELEASE));
    }
    row = ent_at_row(at, ENT_ROW_END, ENT_ROUND_NO_MEMBER);
    if (ent_select_next(&p->round, &more)) { /* nobody stopped it: its budget allowed no more */
        row.code = p->books && !p->round.stopping ? ENT_E_BUDGET : ENT_E_STOPPED;
    }
    row.best_train = best_train;
    if (model != NULL) {
        memcpy(row.model, model, sizeof row.model);
    }
    p->ended_run = row.run;
    memcpy(p->ended_best, row.model, sizeof p->ended_best);
    return ent_at_put(at, &row);
}

/* A run that ended without a model says nothing of it; the next one does. */
static enum ent_err end_silent(const struct ent_at *at)
{
    struct ent_projection *p = at->p;

    if (p->pending != 0 && p->pending != at->frame->run) {
        struct ent_recovered change = ent_at_change(at, ENT_RECOVERED_CANCEL);

        change.run = p->pending;
        ENT_TRY(ent_at_emit(at, &change));
        p->pending = 0;
    }
    return ent_round_active(&p->round) ? end_run(at, NULL, 0) : ENT_E_OK;
}

static struct ent_run_config config_of(const struct ent_at *at)
{
    const struct ent_leaf_config_set *m = &at->any->config_set;

    return (struct ent_run_config){.run = at->frame->run,
                                   .train_rounds = m->train_rounds,
                                   .min_members = m->min_members,
                                   .attempts = m->attempts,
                                   .join_ms = m->join_ms,
                                   .update_ms = m->update_ms,
                                   .retry_ms = m->retry_ms,
                                   .gather_ms = m->gather_ms,
                                   .validate = m->validate,
                                   .test = m->test,
                                   .patience = m->patience,
                                   .best_by = (enum ent_round_best_by)m->best_by,
                                   .no_stats = m->no_stats};
}

static enum ent_err on_config(const struct ent_at *at)
{
    struct ent_projection *p = at->p;
    struct ent_recovered change = ent_at_change(at, ENT_RECOVERED_RUN);
    struct ent_run_config config = config_of(at);
    struct ent_row row = {.kind = ENT_ROW_RUN_START, .member = ENT_ROUND_NO_MEMBER};

    ENT_REQUIRE(at->any->config_set.best_by <= ENT_ROUND_BEST_BY_AUC, ENT_E_UNSUPPORTED,
                "leaf %llu: a run that chooses its best model by an unknown figure",
                (unsigned long long)at->frame->seq);
    ENT_TRY(end_silent(at));
    if (p->pending != 0 && memcmp(p->plan, at->any->config_set.plan, sizeof p->plan) != 0) {
        return ent_at_unfit(at, "the stored run has another plan");
    }
    if (p->pending == 0) {
        change.config = &at->any->config_set;
        change.run = config.run;
        ENT_TRY(ent_at_emit(at, &change));
    }
    p->pending = 0;
    p->started_unseen = false;
    p->books = false;
    memcpy(p->plan, at->any->config_set.plan, sizeof p->plan);
    ENT_TRY(ent_round_begin(&p->round, &config, at->any->config_set.base));
    row.run = config.run;
    return ent_at_put(at, &row);
}

static enum ent_err on_action(const struct ent_at *at)
{
    const struct ent_leaf_operator_action *m = &at->any->operator_action;
    struct ent_projection *p = at->p;

    if (m->outcome != ENT_E_OK) {
        return ENT_E_OK;
    }
    if (m->action == ENT_LOG_START) {
        p->started_unseen = p->pending == 0;
    } else if (m->action == ENT_LOG_STOP && ent_round_active(&p->round)) {
        return p->round.stopping ? ENT_E_OK : ent_at_put_plain(at, ENT_ROW_STOP);
    } else if (m->action == ENT_LOG_STOP) {
        p->started_unseen = false;
        return end_silent(at);
    }
    return ENT_E_OK;
}

static enum ent_err on_release(const struct ent_at *at)
{
    const struct ent_leaf_model_release *m = &at->any->model_release;

    if (m->kind != ENT_LOG_BEST) {
        return ENT_E_OK; /* its round.close said it */
    }
    return ent_round_active(&at->p->round) ? end_run(at, m->model, m->train_round)
                                           : ent_at_unfit(at, "no run is going on");
}

static enum ent_err on_leave(const struct ent_at *at)
{
    const struct ent_leaf_member_leave *m = &at->any->member_leave;

    return m->has_request ? ent_at_said(at, m->request.header, NULL, NULL) : ENT_E_OK;
}

/* The ledger follows the leaf by itself (dp.h). */
static enum ent_err on_booked(const struct ent_at *at)
{
    at->p->books = true;
    return ENT_E_OK;
}

static enum ent_err on_dispute(const struct ent_at *at)
{
    return ent_at_said(at, at->any->dispute.header, NULL, NULL);
}

/* ---- leaves ---- */

/* Leaves of types that are not here change nothing but the log. */
static const struct {
    unsigned type;
    bool of_round; /* run and round are the machine's */
    enum ent_err (*take)(const struct ent_at *at);
} takers[] = {
    {ENT_LEAF_MEMBER_ADMIT, false, on_admit},     {ENT_LEAF_MEMBER_REVOKE, false, on_revoke},
    {ENT_LEAF_MEMBER_LEAVE, false, on_leave},     {ENT_LEAF_WITNESS_SET, false, on_set},
    {ENT_LEAF_AUDITOR_ADMIT, false, on_auditor},  {ENT_LEAF_CONFIG_SET, false, on_config},
    {ENT_LEAF_OPERATOR_ACTION, false, on_action}, {ENT_LEAF_ROUND_OPEN, false, ent_at_open},
    {ENT_LEAF_ROUND_JOIN, true, ent_at_join},     {ENT_LEAF_UPDATE_ACCEPT, true, ent_at_accept},
    {ENT_LEAF_UPDATE_REJECT, true, ent_at_ended}, {ENT_LEAF_UPDATE_DROPOUT, true, ent_at_ended},
    {ENT_LEAF_ROUND_CLOSE, true, ent_at_close},   {ENT_LEAF_ROUND_ABORT, true, ent_at_abort},
    {ENT_LEAF_EVAL_RESULT, true, ent_at_result},  {ENT_LEAF_MODEL_RELEASE, false, on_release},
    {ENT_LEAF_DP_EVENT, true, on_booked},         {ENT_LEAF_DISPUTE, false, on_dispute},
};

static enum ent_err take(const struct ent_at *at)
{
    const struct ent_round *r = &at->p->round;

    for (size_t i = 0; i < ENT_ARRAY_LEN(takers); i++) {
        if (takers[i].type != at->frame->type) {
            continue;
        }
        if (takers[i].of_round &&
            (at->frame->run != r->config.run || at->frame->round != r->round || !r->begun)) {
            return ent_at_unfit(at, "it is not of the round that is open");
        }
        return takers[i].take(at);
    }
    return ENT_E_OK;
}

enum ent_err ent_projection_leaf(struct ent_projection *p, struct ent_bytes leaf)
{
    struct ent_leaf_frame frame;
    union ent_leaf_any any;
    struct ent_arena arena;
    struct ent_at at = {p, &frame, &any, &arena};
    enum ent_err err;

    ent_arena_init(&arena, DECODE_MAX);
    err = ent_leaf_decode(leaf, &arena, &frame, &any);
    if (err == ENT_E_OK) {
        err = take(&at);
        err = err == ENT_E_CORRUPT ? ent_err_prefix(err, "leaf %llu", (unsigned long long)frame.seq)
                                   : err;
    }
    ent_arena_release(&arena);
    return err;
}

/* ---- life ---- */

enum ent_err ent_projection_init(struct ent_projection *p, ent_recovered_fn emit_fn, void *ctx)
{
    *p = (struct ent_projection){.emit = emit_fn, .ctx = ctx};
    ENT_TRY(ent_calloc(ENT_ROUND_MEMBERS_MAX, sizeof *p->members, &p->members));
    ent_round_init(&p->round, p->members);
    return ent_calloc(ENT_ROUND_MEMBERS_MAX, sizeof *p->handles, &p->handles);
}

enum ent_err ent_projection_load(struct ent_projection *p, struct ent_store *store)
{
    struct ent_store_dp_event booked;
    struct ent_store_member *roster = NULL;
    struct ent_store_run run;
    size_t n = 0;
    enum ent_err err;

    ENT_TRY(ent_store_restore(store, &p->round, &run));
    ENT_TRY(ent_store_roster(store, &roster, &n));
    for (size_t i = 0; i < n && roster[i].index != ENT_ROUND_NO_MEMBER; i++) {
        memcpy(p->handles[i], roster[i].handle, ENT_STORE_ID_BYTES);
    }
    free(roster);
    p->pending = run.state == ENT_RUN_PENDING ? run.config.run : 0;
    memcpy(p->plan, run.plan_digest, sizeof p->plan);
    err = ent_store_dp_newest(store, run.config.run, &booked);
    p->books = err == ENT_E_OK;
    return err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
}

void ent_projection_release(struct ent_projection *p)
{
    free(p->members);
    free(p->handles);
    p->members = NULL;
    p->handles = NULL;
}
