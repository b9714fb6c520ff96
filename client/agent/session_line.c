#include <string.h>

#include "client/agent/session_internal.h"

static void stop(struct ent_session *s, enum ent_err code, struct ent_session_actions *out)
{
    s->stopped = true;
    ent_session_act(out, ENT_SACT_STOPPED)->code = code;
}

/* ---- the line ---- */

static void dial(struct ent_session *s, struct ent_session_actions *out)
{
    s->line = ENT_LINE_DIALING;
    s->retry_at_ms = 0;
    ent_session_act(out, ENT_SACT_DIAL);
}

void ent_session_on_start(struct ent_session *s, const struct ent_session_event *ev,
                          struct ent_session_actions *out)
{
    (void)ev;
    dial(s, out);
}

void ent_session_on_stop(struct ent_session *s, const struct ent_session_event *ev,
                         struct ent_session_actions *out)
{
    if (s->line == ENT_LINE_UP) {
        ent_session_act(out, ENT_SACT_SEND_BYE);
    }
    if (s->line != ENT_LINE_DOWN) {
        ent_session_act(out, ENT_SACT_CLOSE)->code = ENT_E_OK;
    }
    stop(s, ev->code, out);
}

static void renew_if_due(struct ent_session *s, const struct ent_session_event *ev,
                         struct ent_session_actions *out)
{
    if (ev->renew_due && !s->renewing) {
        s->renewing = true;
        ent_session_act(out, ENT_SACT_SEND_RENEW);
    }
    s->renew_at_ms = ev->now_ms + ENT_SESSION_RENEW_RETRY_MS;
    ent_session_act(out, ENT_SACT_TIMER)->at_ms = s->renew_at_ms;
}

void ent_session_on_tick(struct ent_session *s, const struct ent_session_event *ev,
                         struct ent_session_actions *out)
{
    if (s->line == ENT_LINE_DOWN && s->retry_at_ms != 0 && ev->now_ms >= s->retry_at_ms) {
        dial(s, out);
    } else if (s->line == ENT_LINE_UP && ev->now_ms >= s->renew_at_ms) {
        s->renewing = false;
        renew_if_due(s, ev, out);
    }
}

void ent_session_on_opened(struct ent_session *s, const struct ent_session_event *ev,
                           struct ent_session_actions *out)
{
    (void)ev;
    s->line = ENT_LINE_HELLO;
    ent_session_act(out, ENT_SACT_SEND_HELLO);
}

/* Full jitter: a uniform delay below d, d doubling, so that a thousand members do not come back in
 * one instant. */
void ent_session_on_closed(struct ent_session *s, const struct ent_session_event *ev,
                           struct ent_session_actions *out)
{
    s->line = ENT_LINE_DOWN;
    s->n_fetches = 0;
    s->renewing = false;
    if (ev->code == ENT_E_REVOKED) {
        stop(s, ev->code, out);
        return;
    }
    s->retry_at_ms = ev->now_ms + 1 + ent_rng_below(&s->rng, (uint32_t)s->backoff_ms);
    s->backoff_ms = s->backoff_ms * 2 < ENT_SESSION_BACKOFF_MAX_MS ? s->backoff_ms * 2
                                                                   : ENT_SESSION_BACKOFF_MAX_MS;
    ent_session_act(out, ENT_SACT_TIMER)->at_ms = s->retry_at_ms;
}

void ent_session_on_bye(struct ent_session *s, const struct ent_session_event *ev,
                        struct ent_session_actions *out)
{
    if (ev->code == ENT_E_BUSY) { /* another process of this member is there: no tug of war */
        s->backoff_ms = ENT_SESSION_BACKOFF_MAX_MS;
    }
    ent_session_act(out, ENT_SACT_CLOSE)->code = ev->code == ENT_E_OK ? ENT_E_STOPPED : ev->code;
}

void ent_session_on_renewed(struct ent_session *s, const struct ent_session_event *ev,
                            struct ent_session_actions *out)
{
    if (!s->renewing) {
        ent_session_warn(s, ev, ENT_E_PHASE, out);
    }
    s->renewing = false;
}

/* ---- WELCOME and REFUSED ---- */

/* The coordinator's round is the one this member was in when the line broke. */
static void go_on(struct ent_session *s, const struct ent_session_event *ev,
                  struct ent_session_actions *out)
{
    s->joined_seen = ev->standing >= ENT_SEEN_JOINED;
    s->accepted = ev->standing == ENT_SEEN_ACCEPTED;
    if (ev->standing >= ENT_SEEN_ACCEPTED) {
        s->stage = ENT_SESSION_DONE;
    } else if (
        !s->joined_seen) { /* RoundOpen follows, and is joined; again, if the coordinator lost that */
        s->begun = false;
        s->stage = s->stage == ENT_SESSION_OFFERED || s->stage == ENT_SESSION_SENDING
                       ? ENT_SESSION_DONE
                       : s->stage;
    } else if (s->stage == ENT_SESSION_OFFERED || s->stage == ENT_SESSION_SENDING) {
        ent_session_offer_again(s, out);
    }
}

/* The coordinator's round is one that this process knows nothing of: it may have been killed in the
 * middle of it. What was stored is offered again; what the coordinator was offered and is not
 * stored any more is lost; otherwise RoundOpen tells the rest, and no second JOIN answers it. */
static void take_up(struct ent_session *s, const struct ent_session_event *ev,
                    struct ent_session_actions *out)
{
    bool in_it = ev->standing == ENT_SEEN_JOINED || ev->standing == ENT_SEEN_OFFERED;
    bool gone = ev->update == ENT_UPDATE_DAMAGED ||
                (ev->update == ENT_UPDATE_NONE && ev->standing == ENT_SEEN_OFFERED);

    if (in_it) {
        s->seen = ev->id;
    }
    if (ev->standing < ENT_SEEN_JOINED || (in_it && !gone && ev->update == ENT_UPDATE_NONE)) {
        return;
    }
    s->has_round = true;
    s->id = ev->id;
    s->joined_seen = true;
    s->accepted = ev->standing == ENT_SEEN_ACCEPTED;
    s->stored = ev->update == ENT_UPDATE_STORED;
    memcpy(s->update, ev->stored, sizeof s->update);
    s->stage = ENT_SESSION_DONE;
    if (in_it && s->stored) {
        ent_session_offer_again(s, out);
    } else if (in_it) {
        ent_session_act(out, ENT_SACT_SEND_LOST);
    }
}

void ent_session_on_welcome(struct ent_session *s, const struct ent_session_event *ev,
                            struct ent_session_actions *out)
{
    s->line = ENT_LINE_UP;
    s->backoff_ms = ENT_SESSION_BACKOFF_MIN_MS;
    ent_session_act(out, ENT_SACT_ADMIT);
    if (ev->recovering) {
        return; /* its rounds are those of before: what is stored of them stays */
    }
    if (ev->id.run != 0 && (!s->has_run || s->run != ev->id.run)) {
        s->has_run = true;
        s->run = ev->id.run;
        s->wants_best = false;
    }
    if (ev->id.run != 0) {
        memcpy(s->plan, ev->digest, sizeof s->plan);
        s->has_plan = ev->has_plan;
    } else if (!s->has_plan) {
        s->has_run = false; /* over before its plan came: RunEnd goes to those who had it */
        s->wants_best = false;
    }
    if (ent_session_same_round(s, &ev->id)) {
        go_on(s, ev, out);
    } else {
        ent_session_drop_round(s, out);
        if (ev->id.run != 0 && ev->id.round != 0) {
            take_up(s, ev, out);
        }
    }
    renew_if_due(s, ev, out);
}

static bool final_refusal(enum ent_err code)
{
    return code == ENT_E_REVOKED || code == ENT_E_UNKNOWN_MEMBER || code == ENT_E_VERSION;
}

void ent_session_on_refused(struct ent_session *s, const struct ent_session_event *ev,
                            struct ent_session_actions *out)
{
    bool about_round = (ev->about == ENT_ABOUT_JOIN && s->stage == ENT_SESSION_JOINED) ||
                       (ev->about == ENT_ABOUT_OFFER &&
                        (s->stage == ENT_SESSION_OFFERED || s->stage == ENT_SESSION_SENDING));
    bool final =
        final_refusal(ev->code) && (s->line == ENT_LINE_HELLO || ev->code == ENT_E_REVOKED);

    if (final || s->line == ENT_LINE_HELLO) {
        ent_session_act(out, ENT_SACT_CLOSE)->code = ev->code;
    } else if (about_round) {
        s->stage = ENT_SESSION_DONE;
    }
    if (final) {
        stop(s, ev->code, out);
    }
    if (ev->about == ENT_ABOUT_RENEW) {
        s->renewing = false;
    }
}
