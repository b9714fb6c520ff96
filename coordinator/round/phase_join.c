#include "coordinator/round/phases.h"

void ent_join_open(struct ent_step *step, const struct ent_row *open)
{
    struct ent_round *r = step->round;
    struct ent_row row = *open;

    row.kind = ENT_ROW_OPEN;
    row.run = r->config.run;
    row.member = ENT_ROUND_NO_MEMBER;
    ent_step_row(step, &row);
    for (uint32_t i = 0; i < r->n_members; i++) {
        if (ent_select_invites(r, i)) {
            ent_step_row_code(step, ENT_ROW_INVITE, i, ENT_E_OK);
        }
    }
    ent_join_ask_gate(step); /* first: who joins says which head it has cosigned */
    for (uint32_t i = 0; i < r->n_members; i++) {
        if (r->members[i].standing == ENT_STANDING_INVITED) {
            (void)ent_step_act(step, ENT_ACT_SEND_OPEN, i);
        }
    }
    r->deadline_ms = ent_round_at(step->now_ms, r->config.join_ms);
}

/* The model of the round before travels with BEGIN: not before the witnesses have seen how it was made. */
void ent_join_ask_gate(struct ent_step *step)
{
    ent_step_act(step, ENT_ACT_GATE, ENT_ROUND_NO_MEMBER)->witnessed = true;
}

static void join(struct ent_step *step)
{
    const struct ent_event *ev = step->event;
    struct ent_row row = ent_step_row_of(step, ENT_ROW_JOIN, ev->member);

    switch (step->round->members[ev->member].standing) {
    case ENT_STANDING_INVITED:
        row.has_base = ev->has_base;
        ent_step_row(step, &row);
        break;
    case ENT_STANDING_JOINED: /* an honest repeat: BEGIN will answer it */
        break;
    default:
        ent_step_refuse(step, ENT_E_PHASE);
        break;
    }
}

/* The member leaves the attempt: a row of `kind`, or, when it has left already, nothing. */
static void leave(struct ent_step *step, enum ent_row_kind kind, enum ent_err code)
{
    enum ent_standing standing = step->round->members[step->event->member].standing;

    if (ent_attempt_open_for(standing)) {
        ent_step_row_code(step, kind, step->event->member, code);
    } else if (standing == ENT_STANDING_NONE) {
        ent_step_refuse(step, ENT_E_PHASE);
    }
}

void ent_join_handle(struct ent_step *step)
{
    const struct ent_event *ev = step->event;

    switch (ev->kind) {
    case ENT_EV_JOIN:
        join(step);
        break;
    case ENT_EV_DECLINE:
        leave(step, ENT_ROW_REJECT, ev->code == ENT_E_OK ? ENT_E_POLICY : ev->code);
        break;
    case ENT_EV_LOST:
        leave(step, ENT_ROW_DROP, ENT_E_LOST);
        break;
    case ENT_EV_UP:
        if (ent_attempt_open_for(step->round->members[ev->member].standing)) {
            (void)ent_step_act(step, ENT_ACT_SEND_OPEN, ev->member);
        }
        break;
    case ENT_EV_REVOKED:
        if (ent_attempt_open_for(step->round->members[ev->member].standing)) {
            ent_step_row_code(step, ENT_ROW_DROP, ev->member, ENT_E_REVOKED);
        }
        break;
    case ENT_EV_GATE:
        step->round->gate_open = true;
        break;
    case ENT_EV_STOP:
        ent_step_row_code(step, ENT_ROW_STOP, ENT_ROUND_NO_MEMBER, ENT_E_OK);
        ent_attempt_abort(step, ENT_E_STOPPED);
        break;
    case ENT_EV_RESULT_FAILED:
        ent_attempt_fail(step);
        break;
    default:
        break;
    }
}

void ent_join_timeout(struct ent_step *step)
{
    struct ent_round *r = step->round;

    for (uint32_t i = 0; i < r->n_members; i++) {
        if (r->members[i].standing == ENT_STANDING_INVITED) {
            ent_step_row_code(step, ENT_ROW_DROP, i,
                              r->members[i].up ? ENT_E_TIMEOUT : ENT_E_DROPPED);
        }
    }
    if (!r->gate_open && ent_round_count(r, ENT_STANDING_JOINED) >= r->config.min_members) {
        r->deadline_ms = 0; /* a state, not an error: it may last */
        (void)ent_step_act(step, ENT_ACT_WITNESSES, ENT_ROUND_NO_MEMBER);
    }
}

void ent_join_next(struct ent_step *step)
{
    const struct ent_round *r = step->round;
    uint32_t waiting = ent_round_count(r, ENT_STANDING_INVITED);
    uint32_t joined = ent_round_count(r, ENT_STANDING_JOINED);

    if (joined + waiting < r->config.min_members) { /* no answer can mend it */
        ent_attempt_abort(step, ENT_E_TOO_FEW);
    } else if (waiting == 0 && r->gate_open) {
        ent_update_begin(step);
    }
}
