#include <string.h>

#include "coordinator/round/phases.h"

static void result(struct ent_step *step)
{
    struct ent_round *r = step->round;
    const struct ent_event *ev = step->event;
    struct ent_row row = ent_step_row_of(step, ENT_ROW_CLOSE, ENT_ROUND_NO_MEMBER);

    memcpy(row.digest, ev->digest, sizeof row.digest);
    memcpy(row.model, r->task == ENT_ROUND_EVALUATE ? r->model : ev->model, sizeof row.model);
    row.sum_w = r->sum_w;
    if (r->task == ENT_ROUND_TRAIN) {
        memcpy(row.state, ev->state, sizeof row.state);
    }
    if (r->task == ENT_ROUND_EVALUATE) {
        row.loss_sum = ev->loss_sum;
        row.rows = ev->rows;
        row.auc = ev->auc;
    }
    ent_step_row(step, &row);
    (void)ent_step_act(step, ENT_ACT_DISCARD, ENT_ROUND_NO_MEMBER);
    ent_release_ask_gate(step);
}

/* Another round's opening follows at once, and the gate of its model covers this one too. Behind the last round nothing
 * does: its own has to be waited for. */
void ent_release_ask_gate(struct ent_step *step)
{
    bool last = ent_select_last(step->round);

    ent_step_act(step, ENT_ACT_GATE, ENT_ROUND_NO_MEMBER)->witnessed = last;
}

/* Members have ended, so what still comes from them can only be a repeat. */
static void handle_ended(struct ent_step *step)
{
    switch (step->event->kind) {
    case ENT_EV_STOP:
        if (!step->round->stopping) {
            ent_step_row_code(step, ENT_ROW_STOP, ENT_ROUND_NO_MEMBER, ENT_E_OK);
        }
        break;
    case ENT_EV_JOIN:
    case ENT_EV_LOST:
    case ENT_EV_OFFER:
    case ENT_EV_UPDATE:
        ent_attempt_repeat(step);
        break;
    default: /* UP, DOWN, REVOKED, TICK: nothing to do for an attempt that all have ended */
        break;
    }
}

void ent_close_handle(struct ent_step *step)
{
    switch (step->event->kind) {
    case ENT_EV_RESULT:
        result(step);
        break;
    case ENT_EV_RESULT_FAILED:
        ent_attempt_fail(step);
        break;
    case ENT_EV_DAMAGED: /* the sum has to wait for it */
        step->round->phase = ENT_PHASE_UPDATE;
        ent_update_handle(step);
        break;
    default:
        handle_ended(step);
        break;
    }
}

void ent_release_handle(struct ent_step *step)
{
    struct ent_action *act;

    if (step->event->kind != ENT_EV_GATE) {
        handle_ended(step);
        return;
    }
    ent_step_row_code(step, ENT_ROW_RELEASE, ENT_ROUND_NO_MEMBER, ENT_E_OK);
    act = ent_step_act(step, ENT_ACT_SEND_CLOSE, ENT_ROUND_NO_MEMBER);
    act->row = step->round->closed;
    ent_wait_enter(step);
}
