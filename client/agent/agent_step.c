#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/agent_internal.h"
#include "common/base/log.h"
#include "common/base/mem.h"

/* ---- items ---- */

struct ent_agent_item *ent_agent_item(struct ent_agent *agent, enum ent_session_event_kind kind)
{
    struct ent_agent_item *item = NULL;
    enum ent_err err = ent_calloc(1, sizeof *item, &item);

    if (err != ENT_E_OK) {
        ent_agent_fail(agent, err);
        return NULL;
    }
    item->ev.kind = kind;
    item->ev.now_ms = ent_clock_mono(&agent->clock);
    return item;
}

void ent_agent_push_first(struct ent_agent *agent, struct ent_agent_item *item_take)
{
    item_take->next = agent->first;
    agent->first = item_take;
    agent->last = agent->last == NULL ? item_take : agent->last;
    agent->n_items++;
}

void ent_agent_push_last(struct ent_agent *agent, struct ent_agent_item *item_take)
{
    if (agent->last == NULL) {
        agent->first = item_take;
    } else {
        agent->last->next = item_take;
    }
    agent->last = item_take;
    agent->n_items++;
}

struct ent_agent_item *ent_agent_pop(struct ent_agent *agent)
{
    struct ent_agent_item *item = agent->first;

    if (item != NULL) {
        agent->first = item->next;
        agent->last = agent->first == NULL ? NULL : agent->last;
        item->next = NULL;
        agent->n_items--;
    }
    return item;
}

void ent_agent_open_free(struct ent_open_round *open)
{
    if (open != NULL) {
        free(open->handles);
        free(open);
    }
}

void ent_agent_item_free(struct ent_agent_item *item)
{
    if (item != NULL) {
        ent_agent_open_free(item->open);
        free(item->close);
        ent_blob_unref(item->content);
        free(item);
    }
}

/* ---- words ---- */

void ent_agent_sayf(struct ent_agent *agent, enum ent_agent_say say, const char *fmt, ...)
{
    char line[ENT_AGENT_LINE_BYTES];
    va_list args;

    if (agent->options.say == NULL) {
        return;
    }
    va_start(args, fmt);
    (void)vsnprintf(line, sizeof line, fmt, args); // NOLINT(clang-analyzer-valist.Uninitialized)
    va_end(args);
    agent->options.say(agent->options.say_ctx, say, line);
}

struct ent_attempt ent_agent_attempt(const struct ent_agent *agent)
{
    return (struct ent_attempt){agent->session.id.run, agent->session.id.round,
                                agent->session.id.attempt};
}

void ent_agent_round_text(const struct ent_agent *agent, char out[ENT_AGENT_ROUND_TEXT])
{
    static const char *const tasks[] = {"", "statistics", "training", "evaluation"};
    static const char *const splits[] = {"", "", " of validation rows", " of test rows"};
    const struct ent_open_round *open = agent->open;

    if (open == NULL || open->msg.task > ENT_TASK_EVALUATE || open->msg.split > ENT_SPLIT_TEST) {
        (void)snprintf(out, ENT_AGENT_ROUND_TEXT, "round %llu",
                       (unsigned long long)agent->session.id.round);
        return;
    }
    (void)snprintf(out, ENT_AGENT_ROUND_TEXT, "round %llu (%s%s)",
                   (unsigned long long)open->msg.round, tasks[open->msg.task],
                   open->msg.task == ENT_TASK_EVALUATE ? splits[open->msg.split] : "");
}

void ent_agent_fail(struct ent_agent *agent, enum ent_err err)
{
    if (!agent->status.stopped) {
        (void)snprintf(agent->why, sizeof agent->why, "%s", ent_err_message());
        agent->status.stopped = true;
        agent->status.code = err;
    }
}

/* ---- actions ---- */

static void dial(struct ent_agent *agent)
{
    const char *address =
        agent->config->coordinator != NULL ? agent->config->coordinator : agent->id.address;
    enum ent_err err = ent_link_dial(agent->link, address, &agent->conn);
    struct ent_agent_item *item;

    if (err == ENT_E_OK) {
        ent_agent_sayf(agent, ENT_SAY_STATUS, "connecting to %s", address);
        return;
    }
    agent->conn = 0;
    item = ent_agent_item(agent, ENT_SEV_CLOSED);
    if (item != NULL) {
        item->ev.code = err;
        item->say = ENT_SAY_WARN;
        (void)snprintf(item->line, sizeof item->line, "%s: %s", address, ent_err_message());
        ent_agent_push_first(agent, item);
    }
}

static void close_line(struct ent_agent *agent, enum ent_err code)
{
    if (agent->conn != 0) {
        ent_link_close(agent->link, agent->conn, code == ENT_E_OK);
    }
}

static void warn_illegal(const struct ent_session_action *action)
{
    ent_log_warn("ignored a %s of the coordinator (%s)", ent_session_event_name(action->event),
                 ent_err_text(action->code));
}

static void send(struct ent_agent *agent, const struct ent_session_action *action)
{
    switch (action->kind) {
    case ENT_SACT_SEND_HELLO:
        ent_agent_send_hello(agent);
        break;
    case ENT_SACT_SEND_JOIN:
        ent_agent_send_join(agent, action->has_base);
        break;
    case ENT_SACT_SEND_DECLINE:
        ent_agent_send_decline(agent, action->code);
        break;
    case ENT_SACT_SEND_LOST:
        ent_agent_send_lost(agent);
        break;
    case ENT_SACT_SEND_OFFER:
        ent_agent_send_offer(agent);
        break;
    case ENT_SACT_SEND_BYTES:
        ent_agent_send_bytes(agent, action->request, action->offset);
        break;
    case ENT_SACT_SKIP:
        ent_agent_send_go(agent, action->request, action->bytes);
        break;
    case ENT_SACT_SEND_RENEW:
        ent_agent_send_renew(agent);
        break;
    default: /* ENT_SACT_SEND_BYE */
        ent_agent_send_bye(agent);
        break;
    }
}

static void act(struct ent_agent *agent, const struct ent_session_action *action)
{
    switch (action->kind) {
    case ENT_SACT_DIAL:
        dial(agent);
        break;
    case ENT_SACT_CLOSE:
        close_line(agent, action->code);
        break;
    case ENT_SACT_TIMER:
        agent->timer_ms = action->at_ms;
        break;
    case ENT_SACT_ADMIT:
        ent_link_admit(agent->link, agent->conn);
        break;
    case ENT_SACT_FETCH:
        ent_agent_fetch(agent, action);
        break;
    case ENT_SACT_KEEP:
        ent_agent_keep_content(agent, action);
        break;
    case ENT_SACT_CHECK:
        ent_agent_check(agent);
        break;
    case ENT_SACT_COMPUTE:
        ent_agent_compute(agent);
        break;
    case ENT_SACT_FORGET:
        ent_agent_forget(agent, &action->id);
        break;
    case ENT_SACT_SAVE_BEST:
        ent_agent_save_best(agent, action->digest);
        break;
    case ENT_SACT_ENDED:
        ent_agent_ended(agent);
        break;
    case ENT_SACT_STOPPED:
        agent->status.stopped = true;
        agent->status.code = action->code;
        break;
    case ENT_SACT_WARN:
        warn_illegal(action);
        break;
    default:
        send(agent, action);
        break;
    }
}

/* ---- one item ---- */

static bool refused(const struct ent_session_actions *actions)
{
    return actions->n > 0 && actions->list[0].kind == ENT_SACT_WARN;
}

static bool ends_it(const struct ent_session_actions *actions)
{
    for (size_t i = 0; i < actions->n; i++) {
        if (actions->list[i].kind == ENT_SACT_STOPPED && actions->list[i].code != ENT_E_OK) {
            return true;
        }
    }
    return false;
}

/* The RoundOpen of the round that the session is in now, if this item brought it. */
static void adopt_open(struct ent_agent *agent, struct ent_agent_item *item)
{
    const struct ent_session *s = &agent->session;

    if (item->open != NULL && s->has_round && s->id.run == item->ev.id.run &&
        s->id.round == item->ev.id.round && s->id.attempt == item->ev.id.attempt &&
        (agent->open == NULL || agent->open->msg.round != item->ev.id.round ||
         agent->open->msg.attempt != item->ev.id.attempt ||
         agent->open->msg.run != item->ev.id.run)) {
        ent_agent_open_free(agent->open);
        agent->open = item->open;
        item->open = NULL;
    }
}

static void process(struct ent_agent *agent, struct ent_agent_item *item)
{
    struct ent_session_actions actions;
    bool close_it = item->ev.kind == ENT_SEV_ROUND_CLOSE && item->close != NULL;

    if (item->ev.kind == ENT_SEV_TICK || item->ev.kind == ENT_SEV_WELCOME) {
        ent_agent_look_at_cert(agent);
        item->ev.renew_due = agent->renew_due;
    }
    if (close_it) {
        ent_agent_closed_round(agent, item); /* while it is still the session's round */
    }
    if (item->ev.kind == ENT_SEV_CLOSED) {
        ent_agent_fetch_drop(agent);
        ent_mirror_forget(agent->mirror);
        agent->conn = 0;
    }
    ent_session_step(&agent->session, &item->ev, &actions);
    if (!refused(&actions)) {
        adopt_open(agent, item);
        if (item->line[0] != '\0') {
            if (!ends_it(&actions)) { /* the reason of the end is said there */
                ent_agent_sayf(agent, item->say, "%s", item->line);
            }
            if (item->say == ENT_SAY_WARN) {
                memcpy(agent->why, item->line, sizeof agent->why);
            }
        }
    }
    agent->content = item->content; /* KEEP is an answer to the very offer */
    for (size_t i = 0; i < actions.n && !agent->status.stopped; i++) {
        act(agent, &actions.list[i]);
    }
    agent->content = NULL;
}

/* The connection cannot be trusted to be whole any more. Its CLOSED may be what was lost, so it is given up here. */
static bool give_up_line(struct ent_agent *agent, enum ent_err lost)
{
    struct ent_agent_item *item;

    if (agent->conn == 0) {
        return false;
    }
    ent_link_close(agent->link, agent->conn, false);
    agent->conn = 0;
    item = ent_agent_item(agent, ENT_SEV_CLOSED);
    if (item == NULL) {
        return false;
    }
    item->ev.code = lost;
    item->say = ENT_SAY_WARN;
    (void)snprintf(item->line, sizeof item->line, "the connection was given up: %s",
                   lost == ENT_E_LIMIT
                       ? "the coordinator sent more messages than this member keeps waiting"
                       : ent_err_text(lost));
    ent_agent_push_last(agent, item);
    return true;
}

bool ent_agent_drain_one(struct ent_agent *agent)
{
    enum ent_err lost = ent_agent_queue_lost(&agent->queue);
    struct ent_link_event event;

    if (lost != ENT_E_OK && give_up_line(agent, lost)) {
        return true;
    }
    if (!ent_agent_queue_pop(&agent->queue, &event)) {
        return false;
    }
    ent_agent_take_event(agent, &event);
    ent_link_event_release(&event);
    return true;
}

/* What is due without any message: the start, a stop that was asked for, the timer. */
static bool push_due(struct ent_agent *agent)
{
    struct ent_agent_item *item = NULL;

    if (agent->stop_asked && !agent->stop_taken) {
        agent->stop_taken = true;
        item = ent_agent_item(agent, ENT_SEV_STOP);
    } else if (!agent->started) {
        agent->started = true;
        item = ent_agent_item(agent, ENT_SEV_START);
    } else if (agent->timer_ms <= ent_clock_mono(&agent->clock)) {
        agent->timer_ms = UINT64_MAX;
        item = ent_agent_item(agent, ENT_SEV_TICK);
    }
    if (item != NULL) {
        ent_agent_push_last(agent, item);
    }
    return item != NULL;
}

bool ent_agent_step(struct ent_agent *agent)
{
    bool any = false;

    while (!agent->status.stopped) {
        struct ent_agent_item *item = ent_agent_pop(agent);

        if (item != NULL) {
            process(agent, item);
            ent_agent_item_free(item);
        } else if (!push_due(agent) && !ent_agent_drain_one(agent)) {
            if (!agent->noted) {
                break;
            }
            ent_agent_settle_log(agent); /* no join follows: the head has a commit of its own */
        }
        any = true;
    }
    return any;
}
