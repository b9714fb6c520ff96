#include <string.h>

#include "client/agent/session_internal.h"
#include "common/base/mem.h"

#define IN(state_) (1u << ENT_SESSION_##state_)
#define UP                                                                                         \
    (IN(READY) | IN(OPENED) | IN(JOINED) | IN(BASE) | IN(COMPUTE) | IN(OFFERED) | IN(SENDING) |    \
     IN(DONE))
#define ANY ((1u << ENT_SESSION_STATES) - 1u)

/* What is legal where. A message that is not listed is counted and becomes a WARN; a result of an
 * action that is not listed belongs to a round that is over, and is dropped in silence. */
static const struct rule {
    const char *name;
    unsigned states;
    bool message;
    ent_session_fn *step;
} rules[ENT_SEV_EVENTS] = {
    [ENT_SEV_START] = {"start", IN(DOWN), false, ent_session_on_start},
    [ENT_SEV_STOP] = {"stop", ANY, false, ent_session_on_stop},
    [ENT_SEV_TICK] = {"tick", ANY, false, ent_session_on_tick},
    [ENT_SEV_OPENED] = {"opened", IN(DIALING), false, ent_session_on_opened},
    [ENT_SEV_CLOSED] = {"closed", UP | IN(DIALING) | IN(HELLO), false, ent_session_on_closed},
    [ENT_SEV_WELCOME] = {"welcome", IN(HELLO), true, ent_session_on_welcome},
    [ENT_SEV_REFUSED] = {"refused", UP | IN(HELLO), true, ent_session_on_refused},
    [ENT_SEV_RUN_START] = {"run start", UP, true, ent_session_on_run_start},
    [ENT_SEV_ROUND_OPEN] = {"round open", UP, true, ent_session_on_round_open},
    [ENT_SEV_BEGIN] = {"begin", UP & ~IN(READY), true, ent_session_on_begin},
    [ENT_SEV_OFFER] = {"offer", UP, true, ent_session_on_offer},
    [ENT_SEV_GO] = {"go", IN(OFFERED) | IN(SENDING) | IN(DONE), true, ent_session_on_go},
    [ENT_SEV_ACK] = {"ack", IN(OFFERED) | IN(SENDING) | IN(DONE), true, ent_session_on_ack},
    [ENT_SEV_ROUND_CLOSE] = {"round close", UP, true, ent_session_on_round_over},
    [ENT_SEV_ABORT] = {"abort", UP, true, ent_session_on_round_over},
    [ENT_SEV_RUN_END] = {"run end", UP, true, ent_session_on_run_end},
    [ENT_SEV_RENEWED] = {"renewed", UP, true, ent_session_on_renewed},
    [ENT_SEV_BYE] = {"bye", UP | IN(HELLO), true, ent_session_on_bye},
    [ENT_SEV_FETCHED] = {"fetched", UP, false, ent_session_on_fetched},
    [ENT_SEV_KEPT] = {"kept", UP, false, ent_session_on_kept},
    [ENT_SEV_CHECKED] = {"checked", IN(OPENED), false, ent_session_on_checked},
    [ENT_SEV_COMPUTED] = {"computed", IN(COMPUTE), false, ent_session_on_computed},
};

struct ent_session_action *ent_session_act(struct ent_session_actions *out,
                                           enum ent_session_action_kind kind)
{
    struct ent_session_action *action = &out->list[out->n];

    ENT_BUG_ON(out->n >= ENT_SESSION_ACTIONS_MAX);
    *action = (struct ent_session_action){.kind = kind};
    out->n++;
    return action;
}

bool ent_session_same_digest(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, ENT_SESSION_DIGEST_BYTES) == 0;
}

bool ent_session_same_round(const struct ent_session *s, const struct ent_session_round *id)
{
    return s->has_round && s->id.run == id->run && s->id.round == id->round &&
           s->id.attempt == id->attempt;
}

/* Whether id comes after the round this member knows; runs are numbered upwards too. */
bool ent_session_newer_round(const struct ent_session *s, const struct ent_session_round *id)
{
    if (!s->has_round || s->id.run != id->run) {
        return !s->has_round || id->run > s->id.run;
    }
    return id->round > s->id.round || (id->round == s->id.round && id->attempt > s->id.attempt);
}

void ent_session_warn(struct ent_session *s, const struct ent_session_event *ev, enum ent_err code,
                      struct ent_session_actions *out)
{
    struct ent_session_action *action = ent_session_act(out, ENT_SACT_WARN);

    s->n_illegal++;
    action->event = ev->kind;
    action->code = code;
}

void ent_session_drop_round(struct ent_session *s, struct ent_session_actions *out)
{
    if (s->has_round) {
        ent_session_act(out, ENT_SACT_FORGET)->id = s->id;
    }
    s->has_round = false;
    s->joined_seen = false;
    s->begun = false;
    s->accepted = false;
    s->stored = false;
    s->stage = ENT_SESSION_READY;
}

/* ---- the machine ---- */

void ent_session_init(struct ent_session *session, uint64_t seed)
{
    *session = (struct ent_session){.line = ENT_LINE_DOWN,
                                    .stage = ENT_SESSION_READY,
                                    .rng = ent_rng_init(seed, 0),
                                    .backoff_ms = ENT_SESSION_BACKOFF_MIN_MS};
}

void ent_session_resume(struct ent_session *session, uint32_t run,
                        const uint8_t plan[ENT_SESSION_DIGEST_BYTES], bool has_plan)
{
    session->has_run = true;
    session->run = run;
    session->has_plan = has_plan;
    memcpy(session->plan, plan, sizeof session->plan);
}

enum ent_session_state ent_session_state(const struct ent_session *session)
{
    static const enum ent_session_state of_line[] = {
        [ENT_LINE_DOWN] = ENT_SESSION_DOWN,
        [ENT_LINE_DIALING] = ENT_SESSION_DIALING,
        [ENT_LINE_HELLO] = ENT_SESSION_HELLO,
    };

    if (session->stopped) {
        return ENT_SESSION_STOPPED;
    }
    return session->line == ENT_LINE_UP ? session->stage : of_line[session->line];
}

bool ent_session_legal(enum ent_session_state state, enum ent_session_event_kind kind)
{
    return (rules[kind].states & (1u << state)) != 0;
}

void ent_session_step(struct ent_session *session, const struct ent_session_event *event,
                      struct ent_session_actions *actions)
{
    const struct rule *rule = &rules[event->kind];

    actions->n = 0;
    if (session->stopped) {
        return;
    }
    if (!ent_session_legal(ent_session_state(session), event->kind)) {
        if (rule->message) {
            ent_session_warn(session, event, ENT_E_PHASE, actions);
        }
        return;
    }
    rule->step(session, event, actions);
}

bool ent_session_ends_compute(const struct ent_session *session,
                              const struct ent_session_event *event)
{
    switch (event->kind) {
    case ENT_SEV_STOP:
        return true;
    case ENT_SEV_ABORT:
    case ENT_SEV_ROUND_CLOSE:
        return ent_session_same_round(session, &event->id);
    case ENT_SEV_ROUND_OPEN:
        return ent_session_newer_round(session, &event->id);
    case ENT_SEV_RUN_END:
        return session->has_run && session->run == event->id.run;
    case ENT_SEV_RUN_START:
        return event->id.run != session->run;
    case ENT_SEV_REFUSED:
    case ENT_SEV_CLOSED:
        return event->code == ENT_E_REVOKED;
    default:
        return false;
    }
}

const char *ent_session_event_name(enum ent_session_event_kind kind)
{
    return (size_t)kind < ENT_ARRAY_LEN(rules) ? rules[kind].name : "?";
}
