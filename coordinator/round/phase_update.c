#include <string.h>

#include "common/base/hooks.h"
#include "coordinator/round/phases.h"

void ent_update_begin(struct ent_step *step)
{
    struct ent_round *r = step->round;

    ent_step_row_code(step, ENT_ROW_BEGIN, ENT_ROUND_NO_MEMBER, ENT_E_OK);
    for (uint32_t i = 0; i < r->n_members; i++) {
        if (r->members[i].standing == ENT_STANDING_JOINED && r->members[i].up) {
            (void)ent_step_act(step, ENT_ACT_SEND_BEGIN, i);
        }
    }
    r->deadline_ms = ent_round_at(step->now_ms, r->config.update_ms);
    r->grace_ms = 0;
}

/* It computes or sends, or must send again. */
static bool is_busy(const struct ent_round_member *m)
{
    return ent_attempt_open_for(m->standing) || m->damaged;
}

static void offer(struct ent_step *step, struct ent_round_member *m)
{
    const struct ent_event *ev = step->event;
    bool same = memcmp(m->digest, ev->digest, sizeof m->digest) == 0;

    if (!is_busy(m)) {
        ent_attempt_repeat(step);
        return;
    }
    if (m->offered && !same) {
        ent_step_refuse(step, ENT_E_DIGEST);
        return;
    }
    if (m->standing == ENT_STANDING_JOINED) {
        m->standing = ENT_STANDING_OFFERED;
    }
    m->offered = true;
    memcpy(m->digest, ev->digest, sizeof m->digest);
    memcpy(ent_step_act(step, ENT_ACT_GRANT, ev->member)->digest, ev->digest, sizeof m->digest);
}

static void reject(struct ent_step *step, enum ent_err code)
{
    ent_step_row_code(step, ENT_ROW_REJECT, step->event->member, code);
    ent_step_ack(step, step->event->member, code);
}

static void accept(struct ent_step *step)
{
    const struct ent_event *ev = step->event;
    struct ent_row row = ent_step_row_of(step, ENT_ROW_ACCEPT, ev->member);

    row.weight = ev->weight;
    row.rows = ev->rows;
    memcpy(row.digest, ev->digest, sizeof row.digest);
    ent_step_row(step, &row);
    ent_step_add(step, ev->member);
    ent_step_ack(step, ev->member, ENT_E_OK);
}

static void update(struct ent_step *step, struct ent_round_member *m)
{
    const struct ent_event *ev = step->event;

    if (m->standing != ENT_STANDING_OFFERED && !m->damaged) {
        ent_attempt_repeat(step);
    } else if (memcmp(m->digest, ev->digest, sizeof m->digest) != 0) {
        ent_step_refuse(step, ENT_E_DIGEST);
    } else if (m->damaged) { /* its row stands; only the bytes were missing */
        m->damaged = false;
        ent_step_add(step, ev->member);
        ent_step_ack(step, ev->member, ENT_E_REPEAT);
    } else if (ev->weight == 0) {
        reject(step, ENT_E_RANGE);
    } else {
        accept(step);
    }
}

static void update_bad(struct ent_step *step, struct ent_round_member *m)
{
    enum ent_err code = step->event->code == ENT_E_OK ? ENT_E_INTERNAL : step->event->code;

    if (m->standing == ENT_STANDING_OFFERED && code == ENT_E_DROPPED) {
        m->standing = ENT_STANDING_JOINED; /* the digest stays bound */
    } else if (m->standing == ENT_STANDING_OFFERED) {
        reject(step, code);
    } else if (code != ENT_E_DROPPED) {
        ent_step_refuse(step, code);
    }
}

/* The member leaves after BEGIN: its data cannot be used, its stored update is gone, it was revoked. */
static void leave(struct ent_step *step, const struct ent_round_member *m, enum ent_row_kind kind,
                  enum ent_err code)
{
    if (ent_attempt_open_for(m->standing)) {
        ent_step_row_code(step, kind, step->event->member, code);
    } else if (m->damaged) {
        ent_attempt_abort(step, code); /* what was accepted cannot be summed any more */
    } else if (step->event->kind != ENT_EV_REVOKED) {
        ent_attempt_repeat(step);
    }
}

static void come_back(struct ent_step *step, const struct ent_round_member *m)
{
    if (is_busy(m)) {
        (void)ent_step_act(step, ENT_ACT_SEND_OPEN, step->event->member);
        (void)ent_step_act(step, ENT_ACT_SEND_BEGIN, step->event->member);
    }
}

static void damaged(struct ent_step *step, struct ent_round_member *m)
{
    if (m->standing != ENT_STANDING_ACCEPTED || m->damaged) {
        ent_step_refuse(step, ENT_E_PHASE);
        return;
    }
    m->damaged = true;
    step->round->deadline_ms = ent_round_at(step->now_ms, step->round->config.update_ms);
    if (m->up) {
        come_back(step, m);
    }
}

static void handle_member(struct ent_step *step, struct ent_round_member *m)
{
    const struct ent_event *ev = step->event;

    switch (ev->kind) {
    case ENT_EV_JOIN: /* BEGIN was lost */
        if (is_busy(m)) {
            (void)ent_step_act(step, ENT_ACT_SEND_BEGIN, ev->member);
        } else {
            ent_attempt_repeat(step);
        }
        break;
    case ENT_EV_DECLINE:
        leave(step, m, ENT_ROW_REJECT, ev->code == ENT_E_OK ? ENT_E_POLICY : ev->code);
        break;
    case ENT_EV_LOST:
        leave(step, m, ENT_ROW_DROP, ENT_E_LOST);
        break;
    case ENT_EV_REVOKED:
        leave(step, m, ENT_ROW_DROP, ENT_E_REVOKED);
        break;
    case ENT_EV_OFFER:
        offer(step, m);
        break;
    case ENT_EV_UPDATE:
        update(step, m);
        break;
    case ENT_EV_UPDATE_BAD:
        update_bad(step, m);
        break;
    case ENT_EV_UP:
        come_back(step, m);
        break;
    case ENT_EV_DAMAGED:
        damaged(step, m);
        break;
    default: /* DOWN: the phase's own look at who is left does what is to be done */
        break;
    }
}

void ent_update_handle(struct ent_step *step)
{
    if (step->event->kind == ENT_EV_STOP) {
        if (!step->round->stopping) {
            ent_step_row_code(step, ENT_ROW_STOP, ENT_ROUND_NO_MEMBER, ENT_E_OK);
        }
        if (step->event->code != ENT_E_OK) { /* what the round needs is lost: it cannot be closed */
            ent_attempt_abort(step, ENT_E_STOPPED);
        }
    } else if (step->event->kind == ENT_EV_RESULT_FAILED) {
        ent_attempt_fail(step);
    } else if (step->event->kind != ENT_EV_TICK) {
        handle_member(step, &step->round->members[step->event->member]);
    }
}

static uint32_t count_damaged(const struct ent_round *r)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < r->n_members; i++) {
        n += r->members[i].damaged;
    }
    return n;
}

void ent_update_timeout(struct ent_step *step)
{
    if (count_damaged(step->round) > 0) {
        ent_attempt_abort(step, ENT_E_LOST);
    } else {
        ent_attempt_drop(step, ENT_E_TIMEOUT);
    }
}

/* All that are up have ended and would be enough: the others get join_ms to come back. */
static void set_grace(struct ent_step *step)
{
    struct ent_round *r = step->round;
    bool wait =
        ent_round_count(r, ENT_STANDING_ACCEPTED) < r->config.min_members || count_damaged(r) > 0;

    for (uint32_t i = 0; i < r->n_members && !wait; i++) {
        wait = ent_attempt_open_for(r->members[i].standing) && r->members[i].up;
    }
    if (wait) {
        r->grace_ms = 0;
    } else if (r->grace_ms == 0) {
        r->grace_ms = ent_round_at(step->now_ms, r->config.join_ms);
    }
}

void ent_update_next(struct ent_step *step)
{
    struct ent_round *r = step->round;
    uint32_t unended = ent_attempt_unended(r);
    uint32_t accepted = ent_round_count(r, ENT_STANDING_ACCEPTED);

    if (accepted + unended < r->config.min_members) { /* no update can mend it */
        ent_attempt_abort(step, ENT_E_TOO_FEW);
    } else if (unended > 0 || count_damaged(r) > 0) {
        set_grace(step);
    } else {
        r->phase = ENT_PHASE_CLOSE;
        r->deadline_ms = 0;
        r->grace_ms = 0;
        (void)ent_step_act(step, ENT_ACT_FINISH, ENT_ROUND_NO_MEMBER);
    }
}
