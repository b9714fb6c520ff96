#include <string.h>

#include "client/agent/session_internal.h"

static bool no_digest(const uint8_t *digest)
{
    static const uint8_t zero[ENT_SESSION_DIGEST_BYTES];

    return ent_session_same_digest(digest, zero);
}

void ent_session_offer_again(struct ent_session *s, struct ent_session_actions *out)
{
    s->stage = ENT_SESSION_OFFERED;
    ent_session_act(out, ENT_SACT_SEND_OFFER);
}

/* ---- the run and its bytes ---- */

static bool plan_refused(const struct ent_session *s)
{
    return s->refuses && ent_session_same_digest(s->refused, s->plan);
}

/* A plan that is refused is not waited for: the check says why. */
static void check_if_ready(struct ent_session *s, struct ent_session_actions *out)
{
    if (s->stage == ENT_SESSION_OPENED && (s->has_plan || plan_refused(s))) {
        ent_session_act(out, ENT_SACT_CHECK);
    }
}

void ent_session_on_run_start(struct ent_session *s, const struct ent_session_event *ev,
                              struct ent_session_actions *out)
{
    if (!s->has_run || s->run != ev->id.run || !ent_session_same_digest(s->plan, ev->digest)) {
        ent_session_drop_round(s, out);
        s->has_run = true;
        s->wants_best = false;
        s->run = ev->id.run;
        memcpy(s->plan, ev->digest, sizeof s->plan);
    }
    s->has_plan = ev->has_plan;
    check_if_ready(s, out);
}

static bool wanted(const struct ent_session *s, const struct ent_session_event *ev)
{
    if (ev->offer == ENT_BYTES_PLAN) {
        return s->has_run && !s->has_plan && !plan_refused(s) &&
               ent_session_same_digest(ev->digest, s->plan);
    }
    if (ev->offer == ENT_BYTES_BEST) {
        return s->wants_best && ent_session_same_digest(ev->digest, s->best);
    }
    return s->has_round && s->needs_base && !s->has_base &&
           ent_session_same_digest(ev->digest, s->base);
}

static void compute_if_ready(struct ent_session *s, struct ent_session_actions *out)
{
    if (s->needs_base && !s->has_base) {
        s->stage = ENT_SESSION_BASE;
        return;
    }
    s->stage = ENT_SESSION_COMPUTE;
    ent_session_act(out, ENT_SACT_COMPUTE);
}

static void here(struct ent_session *s, enum ent_session_bytes offer, const uint8_t *digest,
                 struct ent_session_actions *out)
{
    if (offer == ENT_BYTES_PLAN && s->has_run && ent_session_same_digest(digest, s->plan)) {
        s->has_plan = true;
        check_if_ready(s, out);
    }
    if (offer != ENT_BYTES_PLAN && s->has_round && s->needs_base &&
        ent_session_same_digest(digest, s->base)) {
        s->has_base = true;
        if (s->stage == ENT_SESSION_BASE) {
            compute_if_ready(s, out);
        }
    }
    if (offer != ENT_BYTES_PLAN && s->wants_best && ent_session_same_digest(digest, s->best)) {
        s->wants_best = false;
        memcpy(ent_session_act(out, ENT_SACT_SAVE_BEST)->digest, s->best, sizeof s->best);
        ent_session_act(out, ENT_SACT_ENDED)->code = s->end_code;
    }
}

static bool asked_already(const struct ent_session *s, const uint8_t *digest)
{
    for (size_t i = 0; i < s->n_fetches; i++) {
        if (ent_session_same_digest(s->fetches[i].digest, digest)) {
            return true;
        }
    }
    return false;
}

static void grant(enum ent_session_action_kind kind, const struct ent_session_fetch *fetch,
                  struct ent_session_actions *out)
{
    struct ent_session_action *action = ent_session_act(out, kind);

    action->offer = fetch->offer;
    action->bytes = fetch->bytes;
    action->request = fetch->request;
    memcpy(action->digest, fetch->digest, sizeof action->digest);
}

/* The bytes came with their offer. */
static void take_content(struct ent_session *s, const struct ent_session_event *ev,
                         struct ent_session_actions *out)
{
    struct ent_session_action *action;

    if (ev->has_it) {
        here(s, ev->offer, ev->digest, out);
    } else if (wanted(s, ev)) {
        action = ent_session_act(out, ENT_SACT_KEEP);
        action->offer = ev->offer;
        memcpy(action->digest, ev->digest, sizeof action->digest);
    }
}

void ent_session_on_offer(struct ent_session *s, const struct ent_session_event *ev,
                          struct ent_session_actions *out)
{
    uint64_t max =
        ev->offer == ENT_BYTES_PLAN ? ENT_SESSION_PLAN_MAX_BYTES : ENT_SESSION_MODEL_MAX_BYTES;
    struct ent_session_fetch fetch = {
        .offer = ev->offer, .bytes = ev->bytes, .request = ev->request};

    memcpy(fetch.digest, ev->digest, sizeof fetch.digest);
    if (ev->has_content) {
        take_content(s, ev, out);
    } else if (ev->bytes <= max && (!wanted(s, ev) || ev->has_it || asked_already(s, ev->digest))) {
        grant(ENT_SACT_SKIP, &fetch, out);
        if (ev->has_it) {
            here(s, ev->offer, ev->digest, out);
        }
    } else if (ev->bytes > max || s->n_fetches == ENT_SESSION_OFFERS_MAX) {
        ent_session_warn(s, ev, ENT_E_LIMIT, out);
    } else {
        s->fetches[s->n_fetches++] = fetch;
        if (s->n_fetches == 1) { /* one transfer at a time */
            grant(ENT_SACT_FETCH, &fetch, out);
        }
    }
}

static void decline(struct ent_session *s, enum ent_err code, struct ent_session_actions *out)
{
    ent_session_act(out, ENT_SACT_SEND_DECLINE)->code = code;
    s->stage = ENT_SESSION_DONE;
}

/* Bytes that this member does not want, by its policy or for their size. True when that is what the
 * code says. */
static bool unwanted(struct ent_session *s, enum ent_session_bytes offer, const uint8_t *digest,
                     enum ent_err code, struct ent_session_actions *out)
{
    if (code != ENT_E_POLICY && code != ENT_E_LIMIT) {
        return false;
    }
    if (offer == ENT_BYTES_PLAN) {
        s->refuses = true;
        memcpy(s->refused, digest, sizeof s->refused);
        check_if_ready(s, out);
    } else if (s->stage == ENT_SESSION_BASE && ent_session_same_digest(digest, s->base)) {
        decline(s, code, out);
    }
    return true;
}

static void next_fetch(struct ent_session *s, struct ent_session_actions *out)
{
    s->n_fetches--;
    memmove(s->fetches, s->fetches + 1, s->n_fetches * sizeof s->fetches[0]);
    if (s->n_fetches > 0) {
        grant(ENT_SACT_FETCH, &s->fetches[0], out);
    }
}

void ent_session_on_fetched(struct ent_session *s, const struct ent_session_event *ev,
                            struct ent_session_actions *out)
{
    struct ent_session_fetch done = s->fetches[0];

    if (s->n_fetches == 0) {
        return;
    }
    if (unwanted(s, done.offer, done.digest, ev->code, out)) {
        next_fetch(s, out);
        return;
    }
    if (ev->code != ENT_E_OK) {
        ent_session_act(out, ENT_SACT_CLOSE)->code = ev->code;
        return;
    }
    next_fetch(s, out);
    here(s, done.offer, done.digest, out);
}

void ent_session_on_kept(struct ent_session *s, const struct ent_session_event *ev,
                         struct ent_session_actions *out)
{
    if (unwanted(s, ev->offer, ev->digest, ev->code, out)) {
        return;
    }
    if (ev->code != ENT_E_OK) {
        ent_session_act(out, ENT_SACT_CLOSE)->code = ev->code;
        return;
    }
    here(s, ev->offer, ev->digest, out);
}

void ent_session_on_run_end(struct ent_session *s, const struct ent_session_event *ev,
                            struct ent_session_actions *out)
{
    if ((!s->has_run && !s->wants_best) || ev->id.run != s->run) {
        ent_session_warn(s, ev, ENT_E_STALE, out);
        return;
    }
    ent_session_drop_round(s, out);
    s->has_run = false;
    s->end_code = ev->code;
    if (no_digest(ev->digest)) {
        ent_session_act(out, ENT_SACT_ENDED)->code = ev->code;
        return;
    }
    s->wants_best = true;
    memcpy(s->best, ev->digest, sizeof s->best);
    if (ev->has_it) {
        here(s, ENT_BYTES_BEST, s->best, out);
    }
}

/* ---- the round ---- */

static void send_join(struct ent_session *s, struct ent_session_actions *out)
{
    ent_session_act(out, ENT_SACT_SEND_JOIN)->has_base = s->has_base || !s->needs_base;
    s->stage = ENT_SESSION_JOINED;
}

static void open_round(struct ent_session *s, const struct ent_session_event *ev,
                       struct ent_session_actions *out)
{
    bool joined = s->seen.run == ev->id.run && s->seen.round == ev->id.round &&
                  s->seen.attempt == ev->id.attempt; /* WELCOME spoke of it */

    ent_session_drop_round(s, out);
    s->has_round = true;
    s->joined_seen = joined;
    s->id = ev->id;
    s->needs_base = ev->needs_base;
    s->has_base = ev->has_base;
    memcpy(s->base, ev->base, sizeof s->base);
    s->stored = ev->update == ENT_UPDATE_STORED;
    memcpy(s->update, ev->stored, sizeof s->update);
    s->stage = ENT_SESSION_OPENED;
    if (!s->has_run || s->run != ev->id.run) {
        s->has_run = true;
        s->run = ev->id.run;
        memcpy(s->plan, ev->digest, sizeof s->plan);
        s->has_plan = ev->has_plan;
    }
    if (!ent_session_same_digest(ev->digest, s->plan)) {
        decline(s, ENT_E_DIGEST, out); /* a run has one plan */
    } else if (ev->update == ENT_UPDATE_DAMAGED && joined) {
        ent_session_act(out, ENT_SACT_SEND_LOST);
        s->stage = ENT_SESSION_DONE;
    } else if (ev->update == ENT_UPDATE_DAMAGED) {
        decline(s, ENT_E_LOST, out);
    } else {
        check_if_ready(s, out);
    }
}

void ent_session_on_round_open(struct ent_session *s, const struct ent_session_event *ev,
                               struct ent_session_actions *out)
{
    if (ent_session_newer_round(s, &ev->id)) {
        open_round(s, ev, out);
    } else if (!ent_session_same_round(s, &ev->id)) {
        ent_session_warn(s, ev, ENT_E_STALE, out);
    } else if (s->stage == ENT_SESSION_OPENED) {
        s->has_plan = s->has_plan || ev->has_plan;
        check_if_ready(s, out);
    } else if (s->stage == ENT_SESSION_JOINED && !s->joined_seen) {
        send_join(s, out); /* the first one did not arrive */
    } else if (!s->joined_seen && (s->stage == ENT_SESSION_COMPUTE || s->stored)) {
        /* It did, and the coordinator lost it (recover); what was computed is offered again after BEGIN. */
        ent_session_act(out, ENT_SACT_SEND_JOIN)->has_base = s->has_base || !s->needs_base;
    }
}

void ent_session_on_checked(struct ent_session *s, const struct ent_session_event *ev,
                            struct ent_session_actions *out)
{
    if (ev->code != ENT_E_OK) {
        decline(s, ev->code, out);
        return;
    }
    if (!s->joined_seen) {
        send_join(s, out);
        return;
    }
    s->stage = ENT_SESSION_JOINED;
    if (s->begun) {
        compute_if_ready(s, out);
    }
}

void ent_session_on_begin(struct ent_session *s, const struct ent_session_event *ev,
                          struct ent_session_actions *out)
{
    if (!ent_session_same_round(s, &ev->id)) {
        ent_session_warn(s, ev, ENT_E_STALE, out);
        return;
    }
    s->begun = true;
    s->joined_seen = true;
    if (s->stage == ENT_SESSION_JOINED && ev->code != ENT_E_OK) {
        decline(s, ev->code,
                out); /* the cohort that came about is not what this member agreed to */
    } else if (s->stage == ENT_SESSION_JOINED) {
        compute_if_ready(s, out);
    } else if (s->stage == ENT_SESSION_DONE && s->stored) {
        ent_session_offer_again(s, out); /* its copy at the coordinator was damaged */
    } else if (s->stage == ENT_SESSION_DONE && s->accepted) {
        ent_session_act(out, ENT_SACT_SEND_LOST);
    }
}

void ent_session_on_computed(struct ent_session *s, const struct ent_session_event *ev,
                             struct ent_session_actions *out)
{
    if (ev->code == ENT_E_STALE || ev->code == ENT_E_STOPPED) {
        s->stage = ENT_SESSION_DONE; /* the round is over anyway: its message is in the queue */
    } else if (ev->code == ENT_E_LOST) {
        ent_session_act(out, ENT_SACT_SEND_LOST);
        s->stage = ENT_SESSION_DONE;
    } else if (ev->code != ENT_E_OK) {
        decline(s, ev->code, out);
    } else {
        s->stored = true;
        memcpy(s->update, ev->digest, sizeof s->update);
        ent_session_offer_again(s, out);
    }
}

void ent_session_on_go(struct ent_session *s, const struct ent_session_event *ev,
                       struct ent_session_actions *out)
{
    struct ent_session_action *action;

    if (!s->stored) {
        ent_session_warn(s, ev, ENT_E_PHASE, out);
        return;
    }
    s->stage = ENT_SESSION_SENDING;
    action = ent_session_act(out, ENT_SACT_SEND_BYTES);
    action->request = ev->request;
    action->offset = ev->offset;
}

void ent_session_on_ack(struct ent_session *s, const struct ent_session_event *ev,
                        struct ent_session_actions *out)
{
    if (!s->stored || !ent_session_same_digest(ev->digest, s->update)) {
        ent_session_warn(s, ev, ENT_E_STALE, out);
        return;
    }
    s->accepted = ev->code == ENT_E_OK || ev->code == ENT_E_REPEAT;
    s->stage = ENT_SESSION_DONE;
}

/* ROUND_CLOSE or ABORT. One of a round that this member was not in says nothing to it. */
void ent_session_on_round_over(struct ent_session *s, const struct ent_session_event *ev,
                               struct ent_session_actions *out)
{
    if (ent_session_same_round(s, &ev->id)) {
        ent_session_drop_round(s, out);
    }
}
