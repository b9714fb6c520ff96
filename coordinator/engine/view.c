/* What those who watch an engine may ask. */
#include "coordinator/engine/state.h"

bool ent_engine_metrics(const struct ent_engine *e, double *log_loss, double *auc)
{
    *log_loss = e->newest.m.log_loss;
    *auc = e->newest.m.auc;
    return e->newest.known;
}

size_t ent_engine_connections(const struct ent_engine *e)
{
    size_t n = 0;

    for (size_t i = 0; i < e->n_conns; i++) {
        n += e->conns[i]->enroll ? 0 : 1;
    }
    return n;
}

size_t ent_engine_pushes(const struct ent_engine *e)
{
    size_t n = 0;

    for (size_t i = 0; i < e->n_conns; i++) {
        bool going = false;

        for (size_t j = 0; j < ENT_PUSHES_MAX; j++) {
            going = going || e->conns[i]->pushes[j].state != ENT_PUSH_FREE;
        }
        n += going ? 1 : 0;
    }
    return n;
}

const struct ent_round *ent_engine_round(const struct ent_engine *e)
{
    return &e->round;
}

const char *ent_engine_member_name(const struct ent_engine *e, uint32_t member)
{
    return member < e->n_members ? e->members[member].name : "?";
}

uint32_t ent_engine_ended_run(const struct ent_engine *e)
{
    return e->ended_run;
}

uint32_t ent_engine_total_rounds(const struct ent_engine *e)
{
    const struct ent_run_config *c = &e->run.config;
    uint32_t total =
        (c->no_stats ? 0 : 1) + c->train_rounds * (c->validate ? 2 : 1) + (c->test ? 1 : 0);

    return c->run == 0 ? 0 : total;
}

enum ent_err ent_engine_ended_code(const struct ent_engine *e)
{
    return e->last_end.code;
}

void ent_engine_spent_text(const struct ent_engine *e, char *out, size_t cap)
{
    ent_budget_text(e, out, cap);
}
