#include <string.h>

#include "common/base/hooks.h"
#include "coordinator/round/phases.h"

bool ent_attempt_open_for(enum ent_standing standing)
{
    return standing == ENT_STANDING_INVITED || standing == ENT_STANDING_JOINED ||
           standing == ENT_STANDING_OFFERED;
}

uint32_t ent_attempt_unended(const struct ent_round *round)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < round->n_members; i++) {
        n += ent_attempt_open_for(round->members[i].standing);
    }
    return n;
}

void ent_attempt_drop(struct ent_step *step, enum ent_err code)
{
    const struct ent_round *r = step->round;

    for (uint32_t i = 0; i < r->n_members; i++) {
        if (ent_attempt_open_for(r->members[i].standing)) {
            bool gone = code == ENT_E_TIMEOUT && !r->members[i].up;

            ent_step_row_code(step, ENT_ROW_DROP, i, gone ? ENT_E_DROPPED : code);
        }
    }
}

void ent_attempt_abort(struct ent_step *step, enum ent_err code)
{
    ent_attempt_drop(step, code);
    ent_step_row_code(step, ENT_ROW_ABORT, ENT_ROUND_NO_MEMBER, code);
    (void)ent_step_act(step, ENT_ACT_DISCARD, ENT_ROUND_NO_MEMBER);
    ent_step_act(step, ENT_ACT_SEND_ABORT, ENT_ROUND_NO_MEMBER)->code = code;
    ent_wait_enter(step);
}

void ent_attempt_fail(struct ent_step *step)
{
    enum ent_err code = step->event->code;

    ent_attempt_abort(step, code == ENT_E_OK ? ENT_E_INTERNAL : code);
}

void ent_attempt_repeat(struct ent_step *step)
{
    const struct ent_event *ev = step->event;
    const struct ent_round_member *m = &step->round->members[ev->member];
    bool names_digest = ev->kind == ENT_EV_OFFER || ev->kind == ENT_EV_UPDATE;

    if (m->standing == ENT_STANDING_REJECTED && m->offered) { /* its refusal was lost */
        ent_step_ack(step, ev->member, m->reason);
        return;
    }
    if (m->standing != ENT_STANDING_ACCEPTED) {
        ent_step_refuse(step, ENT_E_PHASE);
        return;
    }
    if (names_digest && memcmp(m->digest, ev->digest, sizeof m->digest) != 0) {
        ent_step_refuse(step, ENT_E_DIGEST);
        return;
    }
    if (ENT_HOOK_PLANTED("repeat-added-twice")) {
        ent_step_add(step, ev->member);
    }
    ent_step_ack(step, ev->member, ENT_E_REPEAT);
}
