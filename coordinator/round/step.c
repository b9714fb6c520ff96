#include <string.h>

#include "coordinator/round/phases.h"

struct ent_row ent_step_row_of(const struct ent_step *step, enum ent_row_kind kind, uint32_t member)
{
    const struct ent_round *r = step->round;

    return (struct ent_row){.kind = kind,
                            .run = r->config.run,
                            .round = r->round,
                            .attempt = r->attempt,
                            .task = r->task,
                            .split = r->split,
                            .member = member};
}

struct ent_action *ent_step_act(struct ent_step *step, enum ent_action_kind kind, uint32_t member)
{
    struct ent_actions *out = step->out;
    struct ent_action *act;

    ENT_BUG_ON(out->n >= out->cap);
    act = &out->list[out->n++];
    *act = (struct ent_action){.kind = kind, .member = member};
    act->row = ent_step_row_of(step, (enum ent_row_kind)0, member);
    return act;
}

void ent_step_refuse(struct ent_step *step, enum ent_err code)
{
    ent_step_act(step, ENT_ACT_REFUSE, step->event->member)->code = code;
}

void ent_step_ack(struct ent_step *step, uint32_t member, enum ent_err code)
{
    struct ent_action *act = ent_step_act(step, ENT_ACT_ACK, member);

    act->code = code;
    memcpy(act->digest, step->round->members[member].digest, sizeof act->digest);
}

void ent_step_add(struct ent_step *step, uint32_t member)
{
    const struct ent_round_member *m = &step->round->members[member];
    struct ent_action *act = ent_step_act(step, ENT_ACT_ADD, member);

    act->weight = m->weight;
    memcpy(act->digest, m->digest, sizeof act->digest);
}

void ent_step_row(struct ent_step *step, const struct ent_row *row)
{
    enum ent_err err = ent_row_apply(step->round, row);

    ENT_BUG_ON(err != ENT_E_OK); /* we made it, so it must fit */
    ent_step_act(step, ENT_ACT_ROW, row->member)->row = *row;
}

void ent_step_row_code(struct ent_step *step, enum ent_row_kind kind, uint32_t member,
                       enum ent_err code)
{
    struct ent_row row = ent_step_row_of(step, kind, member);

    row.code = code;
    ent_step_row(step, &row);
}
