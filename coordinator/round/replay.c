#include "coordinator/round/phases.h"

enum ent_err ent_round_replay(struct ent_round *round, const struct ent_row *row)
{
    return ent_row_apply(round, row);
}

static void add_again(struct ent_step *step)
{
    for (uint32_t i = 0; i < step->round->n_members; i++) {
        if (step->round->members[i].standing == ENT_STANDING_ACCEPTED) {
            ent_step_add(step, i);
        }
    }
}

/* Time did not run while the coordinator was down, so each phase gets its whole deadline anew. */
void ent_round_resume(struct ent_round *round, uint64_t now_ms, struct ent_actions *actions)
{
    struct ent_step step = {.round = round, .out = actions, .now_ms = now_ms};

    round->now_ms = now_ms;
    switch (round->phase) {
    case ENT_PHASE_WAIT:
        ent_wait_enter(&step);
        round->gathering = true;
        break;
    case ENT_PHASE_JOIN:
        if (round->stopping) {
            ent_attempt_abort(&step, ENT_E_STOPPED);
            break;
        }
        round->deadline_ms = ent_round_at(now_ms, round->config.join_ms);
        ent_join_ask_gate(&step);
        break;
    case ENT_PHASE_UPDATE:
        round->deadline_ms = ent_round_at(now_ms, round->config.update_ms);
        add_again(&step);
        break;
    case ENT_PHASE_RELEASE:
        ent_release_ask_gate(&step);
        break;
    default:
        break;
    }
    if (round->phase != ENT_PHASE_IDLE) { /* let the phase look whether it was over already */
        round->timer_ms = ent_round_at(now_ms, 0);
        ent_step_act(&step, ENT_ACT_TIMER, ENT_ROUND_NO_MEMBER)->at_ms = round->timer_ms;
    }
}
