#include "coordinator/engine/engine.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/hooks.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "coordinator/engine/state.h"

#define QUEUE_MAX 4096
#define QUEUE_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define SAID_MAX 30        /* lines of one kind, */
#define SAID_SPAN_MS 60000 /* in this time */
#define IDLE_STEP_MS 1000
#define CRL_CHECK_MS ((uint64_t)60 * 1000)
#define REFUSALS_FLUSH_MS 5000

void ent_engine_say(struct ent_engine *e, enum ent_say kind, const char *fmt, ...)
{
    char line[1024];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (e->options.say != NULL) {
        e->options.say(e->options.ctx, kind, line);
    } else {
        ent_log(kind == ENT_SAY_TROUBLE ? ENT_LOG_WARN : ENT_LOG_INFO, "%s", line);
    }
}

/* At most a handful of lines a minute: a storm of bad messages must not fill the disk. */
bool ent_engine_may_say(struct ent_engine *e, struct ent_say_budget *said, const char *of)
{
    if (e->now_ms - said->from_ms > SAID_SPAN_MS) {
        if (said->lines > SAID_MAX) {
            ent_log_warn("%u more lines about %s were left out; status counts refusals by cause",
                         (unsigned)(said->lines - SAID_MAX), of);
        }
        *said = (struct ent_say_budget){.from_ms = e->now_ms};
    }
    return ++said->lines <= SAID_MAX;
}

bool ent_engine_may_say_of(struct ent_engine *e, uint32_t member)
{
    struct ent_engine_member *m = &e->members[member];

    return ent_engine_may_say(e, &m->said, m->name);
}

void ent_engine_fail(struct ent_engine *e, enum ent_err err)
{
    if (err != ENT_E_OK && e->fatal == ENT_E_OK) {
        e->fatal = err;
        ent_log_error("%s", ent_err_message());
    }
}

struct ent_event ent_engine_event(const struct ent_engine *e, enum ent_event_kind kind,
                                  uint32_t member)
{
    return (struct ent_event){.kind = kind,
                              .now_ms = e->now_ms,
                              .member = member,
                              .round = e->round.round,
                              .attempt = e->round.attempt};
}

/* Room for what one step of the machine may answer, behind what is waiting already. */
bool ent_engine_reserve(struct ent_engine *e)
{
    size_t need = e->actions.n + 4 * (size_t)e->round.n_members + 16;
    enum ent_err err = ent_grow(&e->actions.list, &e->actions.cap, need, sizeof *e->actions.list);

    ent_engine_fail(e, err);
    return err == ENT_E_OK;
}

/* A round that its accounts have no room for does not open: the run ends before the event that may open it. */
static void end_spent_run(struct ent_engine *e)
{
    bool spent = false;

    ent_engine_fail(e, ent_budget_ends_run(e, &spent));
    if (spent && e->fatal == ENT_E_OK && ent_engine_reserve(e)) {
        struct ent_event stop = ent_engine_event(e, ENT_EV_STOP, ENT_NO_MEMBER);

        ent_budget_say_end(e);
        stop.code = ENT_E_BUDGET;
        stop.now_ms = e->now_ms;
        ent_round_step(&e->round, &stop, &e->actions);
    }
}

void ent_engine_feed(struct ent_engine *e, struct ent_event *event)
{
    size_t from;

    end_spent_run(e);
    if (e->fatal != ENT_E_OK || !ent_engine_reserve(e)) {
        return;
    }
    event->now_ms = e->now_ms;
    from = e->actions.n;
    ent_round_step(&e->round, event, &e->actions);
    for (size_t i = from; i < e->actions.n;
         i++) { /* which message it answers: at_ms is unused in these */
        struct ent_action *a = &e->actions.list[i];

        if (a->kind == ENT_ACT_REFUSE && a->member < e->n_members) {
            a->at_ms = e->members[a->member].handling;
        }
    }
}

enum ent_err ent_engine_new(const struct ent_engine_options *options, struct ent_engine **out)
{
    struct ent_engine *e = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *e, &e));
    e->options = *options;
    e->options.retry_ms = options->retry_ms != 0 ? options->retry_ms : 10000;
    e->home = options->home;
    e->store = options->home->store;
    e->clock = options->clock;
    e->now_ms = ent_clock_mono(&e->clock);
    e->wall_ms = ent_clock_wall(&e->clock);
    ent_outbox_init(e);
    e->next_request = 1;
    ent_arena_init(&e->arena, ENT_WIRE_ARENA_BYTES);
    err = ent_queue_init(&e->queue, options->queue_max != 0 ? options->queue_max : QUEUE_MAX,
                         QUEUE_MAX_BYTES);
    if (err != ENT_E_OK) {
        free(e);
        return err;
    }
    err = ent_restore(e);
    if (err != ENT_E_OK) {
        ent_engine_free(e);
        return err;
    }
    *out = e;
    return ENT_E_OK;
}

void ent_engine_free(struct ent_engine *e)
{
    if (e == NULL) {
        return;
    }
    if (e->fatal == ENT_E_OK && (ent_commit(e) != ENT_E_OK || ent_trail_flush(e) != ENT_E_OK ||
                                 ent_commit_refusals(e) != ENT_E_OK)) {
        ent_log_warn("%s", ent_err_message());
    }
    ent_queue_release(&e->queue);
    ent_outbox_release(e);
    while (e->n_conns > 0) {
        ent_conns_remove(e, e->conns[e->n_conns - 1]);
    }
    ent_shelf_release(e);
    ent_fold_clear(e);
    ent_message_forget_sealed(e);
    for (size_t i = 0; i < e->n_members; i++) {
        ent_blob_unref(e->members[i].upload.content);
        ent_wire_signer_release(&e->members[i].signer);
        ent_trail_forget_key(&e->members[i].log);
    }
    ent_plan_free(e->plan);
    ent_budget_release(e);
    ent_central_release(e);
    free(e->sum);
    ent_arena_release(&e->arena);
    free(e->fold.inputs);
    free(e->conns);
    ent_own_forget(e);
    ent_trail_release(e);
    free(e->members);
    free(e->member_refused);
    free(e->machine_members);
    free(e->actions.list);
    free(e->doing.list);
    free(e);
}

static void enqueue(struct ent_engine *e, enum ent_item_kind kind,
                    struct ent_link_event *event_take)
{
    struct ent_link *link = kind == ENT_ITEM_MAIN ? e->main : e->enroll;

    if (ent_queue_put_event(&e->queue, kind, event_take) != ENT_E_OK) {
        /* A peer that sends faster than it can be served, or no memory: it may come back. Said by the engine, once for
         * many. */
        ent_log_debug("%s; its connection is closed", ent_err_message());
        if (link != NULL) {
            ent_link_close(link, event_take->conn, false);
        }
        ent_link_event_release(event_take);
    }
}

void ent_engine_on_main(void *ctx, struct ent_link_event *event_take)
{
    enqueue(ctx, ENT_ITEM_MAIN, event_take);
}

void ent_engine_on_enroll(void *ctx, struct ent_link_event *event_take)
{
    enqueue(ctx, ENT_ITEM_ENROL, event_take);
}

void ent_engine_attach(struct ent_engine *e, struct ent_link *main, struct ent_link *enroll)
{
    e->main = main;
    e->enroll = enroll;
}

enum ent_err ent_engine_start(struct ent_engine *e)
{
    size_t swept = 0;

    e->started = true;
    e->now_ms = ent_clock_mono(&e->clock);
    e->wall_ms = ent_clock_wall(&e->clock);
    ENT_TRY(ent_store_update_sweep(e->store, &swept));
    if (swept > 0) {
        ent_log_debug("%zu files of updates that were never accepted removed", swept);
    }
    ENT_TRY(ent_trail_start(e));
    ENT_TRY(ent_engine_go_on(e));
    return ent_engine_settle(e);
}

/* A connection that ended before it was a member's. Who merely hung up is no news (a port scan, a monitor). */
static void not_admitted(struct ent_engine *e, const struct ent_link_event *event, const char *text)
{
    enum ent_err why = event->why == ENT_E_OK ? ENT_E_NET : event->why;

    ent_refusal_count(e, ENT_NO_MEMBER, why);
    if (why == ENT_E_NET) {
        if (ent_engine_may_say(e, &e->said_hung_up, "connections that hung up")) {
            ent_log_info("a connection was not admitted: %s", text);
        }
    } else if (ent_engine_may_say(e, &e->said_closed, "connections that were not admitted")) {
        ent_engine_say(e, ENT_SAY_TROUBLE, "a connection was not admitted: %s", text);
    }
}

static void on_closed(struct ent_engine *e, bool enroll, const struct ent_link_event *event)
{
    struct ent_conn *conn = ent_conns_find(e, enroll, event->conn);
    const char *text = event->text[0] != '\0' ? event->text : ent_err_text(event->why);
    char from[sizeof event->text + sizeof conn->peer.address + 2];

    if (conn == NULL) { /* it never got as far as a message; the link says from where it came */
        not_admitted(e, event, text);
        return;
    }
    if (conn->member != ENT_NO_MEMBER) {
        if (ent_engine_may_say_of(e, conn->member)) {
            ent_engine_say(e, ENT_SAY_MEMBER, "%s is gone: %s", e->members[conn->member].name,
                           text);
        }
    } else if (!conn->closing) {
        (void)snprintf(from, sizeof from, "%s: %s", conn->peer.address, text);
        not_admitted(e, event, from);
    }
    ent_conns_unbind(e, conn);
    ent_conns_remove(e, conn);
}

static void on_frame(struct ent_engine *e, struct ent_conn *conn,
                     const struct ent_link_event *event)
{
    if (conn->closing) {
        return;
    }
    if (conn->enroll) {
        ent_enroll_frame(e, conn, event);
    } else {
        ent_admit_frame(e, conn, event);
    }
}

static void on_event(struct ent_engine *e, bool enroll, struct ent_link_event *event)
{
    struct ent_conn *conn = ent_conns_find(e, enroll, event->conn);

    if (event->kind == ENT_LINK_CLOSED) {
        on_closed(e, enroll, event);
        return;
    }
    if (event->kind == ENT_LINK_OPENED) {
        ent_engine_fail(e, ent_conns_add(e, enroll, event->conn, event->peer, &conn));
        return;
    }
    if (conn == NULL) {
        return; /* closed by us in the meantime */
    }
    switch (event->kind) {
    case ENT_LINK_FRAME:
        on_frame(e, conn, event);
        break;
    case ENT_LINK_RECEIVED:
        ent_uploads_received(e, conn, event->request, event->sink);
        event->sink = NULL;
        break;
    case ENT_LINK_SENT:
        ent_pushes_sent(e, conn, event->request);
        break;
    case ENT_LINK_OPENED:
    case ENT_LINK_CLOSED:
        break;
    }
}

static void on_item(struct ent_engine *e, struct ent_item *item)
{
    if (e->fatal != ENT_E_OK) {
        if (item->kind == ENT_ITEM_CALL) {
            ent_queue_answer(&e->queue, item->call, ENT_E_STOPPED);
        }
        return;
    }
    if (item->kind == ENT_ITEM_CALL) {
        enum ent_err err = ent_engine_request(e, item->call->request, item->call->reply);

        ent_queue_answer(&e->queue, item->call, err);
        return;
    }
    on_event(e, item->kind == ENT_ITEM_ENROL, &item->event);
}

/* The store says who is revoked, and whoever is gets no further than HELLO; the list only stops him a little earlier.
 * One that cannot be made is tried again each minute, and said once a day. */
void ent_engine_renew_crl(struct ent_engine *e, bool now)
{
    bool made = now;
    enum ent_err err = now ? ent_home_make_crl(e->home, e->wall_ms)
                           : ent_home_renew_crl(e->home, e->wall_ms, &made);

    e->crl_due_ms = e->now_ms + CRL_CHECK_MS;
    if (err == ENT_E_OK) {
        e->crl_behind = false;
        e->crl_said_ms = 0;
        if (made && e->options.crl != NULL) {
            e->options.crl(e->options.ctx, e->home->crl.data, e->home->crl.len);
        }
        return;
    }
    e->crl_behind = true;
    if (e->crl_said_ms == 0 || e->now_ms - e->crl_said_ms >= ENT_CERTS_DAY_MS) {
        e->crl_said_ms = e->now_ms;
        ent_engine_say(e, ENT_SAY_TROUBLE,
                       "the revocation list cannot be made (%s); the old one stays, revoked "
                       "members are refused all the same",
                       ent_err_message());
    }
}

static void housekeeping(struct ent_engine *e)
{
    ent_engine_tick(e);
    ent_engine_fail(e, ent_trail_housekeeping(e));
    if (e->missing[0] != '\0' && e->now_ms >= e->missing_due_ms) {
        ent_engine_fail(e, ent_engine_go_on(e));
    }
    if (e->refusals_dirty && e->now_ms >= e->refusals_due_ms) {
        ent_engine_fail(e, ent_commit_refusals(e));
        e->refusals_due_ms = e->now_ms + REFUSALS_FLUSH_MS;
    }
    if (e->started && e->now_ms >= e->crl_due_ms) {
        ent_engine_renew_crl(e, e->crl_behind);
    }
}

static void say_floods(struct ent_engine *e)
{
    size_t n = ent_queue_refused(&e->queue);

    if (n > 0 && ent_engine_may_say(e, &e->said_refused, "refusals")) {
        ent_engine_say(e, ENT_SAY_TROUBLE,
                       "%zu messages came faster than they can be served; the connections that "
                       "sent more than their share are closed",
                       n);
    }
}

enum ent_err ent_engine_step(struct ent_engine *e)
{
    struct ent_item *item = ent_queue_take(&e->queue);

    e->now_ms = ent_clock_mono(&e->clock);
    e->wall_ms = ent_clock_wall(&e->clock);
    while (item != NULL) {
        struct ent_item *next = item->next;

        on_item(e, item);
        ent_queue_item_free(item);
        item = next;
    }
    say_floods(e);
    housekeeping(e);
    ent_uploads_pump(e);
    return ent_engine_settle(e);
}

static uint64_t sooner(uint64_t due, uint64_t at)
{
    return at != 0 && at < due ? at : due;
}

uint64_t ent_engine_due_ms(const struct ent_engine *e)
{
    uint64_t due = e->now_ms + (uint64_t)IDLE_STEP_MS * 60;

    due = sooner(due, e->timer_ms);
    due = sooner(due, e->lazy_due_ms);
    due = sooner(due, e->crl_due_ms);
    due = sooner(due, e->missing_due_ms);
    return e->refusals_dirty ? sooner(due, e->refusals_due_ms) : due;
}

void ent_engine_wait(struct ent_engine *e, uint64_t max_ms)
{
    uint64_t now = ent_clock_mono(&e->clock);
    uint64_t due = ent_engine_due_ms(e);
    uint64_t wait = due > now ? due - now : 0;

    ent_queue_wait(&e->queue, wait < max_ms ? wait : max_ms);
}

void ent_engine_wake(struct ent_engine *e)
{
    ent_queue_wake(&e->queue);
}

enum ent_err ent_engine_call(void *engine, const char *request, struct ent_buf *reply)
{
    struct ent_engine *e = engine;
    struct ent_call call = {.request = request, .reply = reply};

    return ent_queue_call(&e->queue, &call);
}

void ent_engine_shut(struct ent_engine *e)
{
    ent_queue_close(&e->queue);
}

void ent_engine_bye(struct ent_engine *e, enum ent_err code)
{
    if (e->fatal == ENT_E_OK) {
        ent_message_bye_all(e, code);
        ent_outbox_flush(e);
        ent_outbox_let_go(e);
    }
}
