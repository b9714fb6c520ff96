/* What a step's rows, frames and actions are: as few commits as possible, and nothing of what follows from a row before
 * it is durable. */
#include "common/base/hooks.h"
#include "coordinator/engine/state.h"

void ent_engine_tick(struct ent_engine *e)
{
    if (e->timer_ms != 0 && e->now_ms >= e->timer_ms) {
        struct ent_event event = ent_engine_event(e, ENT_EV_TICK, ENT_NO_MEMBER);

        e->timer_ms = 0;
        ent_engine_feed(e, &event);
    }
}

static void carry_out(struct ent_engine *e)
{
    struct ent_actions now = e->actions;

    ent_message_forget_sealed(e);
    e->actions = e->doing; /* what is fed from here on is committed in the next turn */
    e->actions.n = 0;
    e->doing = now;
    for (size_t i = 0; i < e->doing.n && e->fatal == ENT_E_OK; i++) {
        ent_act(e, &e->doing.list[i]);
    }
    e->doing.n = 0;
    ent_message_forget_sealed(e);
}

/* A test that has engine and members in one process ends the engine here as kill -9 would: what was not committed is
 * lost, what was not sent is never sent. */
static bool killed(struct ent_engine *e, const char *where)
{
    (void)where;
    if (ENT_HOOK_PLANTED(where)) {
        e->fatal = ENT_E_STOPPED;
    }
    return e->fatal != ENT_E_OK;
}

/* ---- one commit for as much as possible ---- */

static bool in_list(const struct ent_engine *e, enum ent_action_kind kind)
{
    for (size_t i = 0; i < e->actions.n; i++) {
        if (e->actions.list[i].kind == kind) {
            return true;
        }
    }
    return false;
}

/* What only changes our own memory, or prepares frames that leave after the commit, need not wait for it: then the rows
 * that follow from it share the commit. A sum of large updates waits, so that its members have their ACK meanwhile. */
static bool may_precede(const struct ent_engine *e, const struct ent_action *action)
{
    switch (action->kind) {
    case ENT_ACT_GRANT: /* what is here already is only looked at */
        return e->members[action->member].upload.is_small;
    case ENT_ACT_ADD:
    case ENT_ACT_FINISH:
        return ent_uploads_are_small(e);
    case ENT_ACT_SEND_CLOSE: /* of the round whose standings we still have */
    case ENT_ACT_TIMER:
        return true;
    default:
        return false;
    }
}

/* Whether the end of a round is about to be said. */
static bool run_ahead(struct ent_engine *e)
{
    size_t kept = 0;
    bool closed = in_list(e, ENT_ACT_SEND_CLOSE);

    for (size_t i = 0; i < e->actions.n && e->fatal == ENT_E_OK; i++) {
        struct ent_action action = e->actions.list[i];

        if (may_precede(e, &action)) {
            ent_act(e, &action); /* may append */
        } else {
            e->actions.list[kept++] = action;
        }
    }
    e->actions.n = kept;
    if (closed) { /* RELEASE, and OPEN of the next round */
        ent_engine_tick(e);
    }
    return closed;
}

/* Rows that nobody is told of by themselves (joins), or one member could wait a moment to be told of (accepted updates):
 * others are about to follow. */
static bool may_wait(const struct ent_engine *e)
{
    if (e->out.first != NULL || e->actions.n == 0) {
        return false;
    }
    for (size_t i = 0; i < e->actions.n; i++) {
        const struct ent_action *a = &e->actions.list[i];
        bool row = a->kind == ENT_ACT_ROW &&
                   (a->row.kind == ENT_ROW_JOIN || a->row.kind == ENT_ROW_ACCEPT);

        if (!row && a->kind != ENT_ACT_ACK) {
            return false;
        }
    }
    return true;
}

static bool waits(struct ent_engine *e)
{
    if (e->options.commit_ms == 0 || !may_wait(e)) {
        e->lazy_due_ms = 0;
        return false;
    }
    if (e->lazy_due_ms == 0) {
        e->lazy_due_ms = e->now_ms + e->options.commit_ms;
    }
    if (e->now_ms < e->lazy_due_ms) {
        return true;
    }
    e->lazy_due_ms = 0;
    return false;
}

enum ent_err ent_engine_settle_now(struct ent_engine *e)
{
    e->lazy_due_ms = 1; /* long ago */
    return ent_engine_settle(e);
}

enum ent_err ent_engine_settle(struct ent_engine *e)
{
    bool closed;

    while (e->fatal == ENT_E_OK && (e->actions.n > 0 || e->out.first != NULL)) {
        if (ENT_HOOK_PLANTED("send-before-commit")) {
            ent_outbox_flush(e);
            ent_outbox_let_go(e);
        }
        closed = run_ahead(e);
        if (e->fatal != ENT_E_OK || waits(e) || killed(e, "killed-before-commit")) {
            break;
        }
        /* The end of a round and the opening of the next one are said together. */
        if (!closed && in_list(e, ENT_ACT_ROW)) {
            ent_outbox_let_go(e);
        }
        ent_engine_fail(e, ent_commit(e));
        if (e->fatal != ENT_E_OK || killed(e, "killed-after-commit")) {
            break;
        }
        ent_outbox_flush(e);
        carry_out(e);
        ent_uploads_pump(e);
        if (e->actions.n == 0) {
            ent_engine_tick(e);
        }
    }
    ent_outbox_let_go(e);
    ent_act_sweep(e);
    return e->fatal;
}
