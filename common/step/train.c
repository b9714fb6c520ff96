/* The model behind a training round: the server's optimizer at work on the sum, piece by piece. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/fixed/grid.h"
#include "common/step/header.h"

struct ent_step_train {
    struct ent_step_next next;
    double c;
    size_t at; /* parameters done */
    float *window;
    float *state[ENT_SERVER_STATE_MAX];
};

bool ent_step_has_state(const struct ent_plan *plan)
{
    return plan->server.optim->n_state > 0;
}

size_t ent_step_state_bytes(const struct ent_plan *plan)
{
    return plan->server.optim->n_state * ent_plan_n_params(plan) * sizeof(float);
}

static enum ent_err begin(struct ent_step_train *t)
{
    const struct ent_step_next *next = &t->next;
    const struct ent_plan *plan = next->plan;
    struct ent_model_info info = next->base->info; /* architecture and preprocessing stay */
    size_t n = 0;

    ENT_TRY(ent_grid_factor(next->sum_w, plan->scale_bits, &t->c));
    ENT_REQUIRE(next->base->n_params == ent_plan_n_params(plan), ENT_E_SHAPE,
                "the base model has %zu parameters, the plan's %zu", next->base->n_params,
                ent_plan_n_params(plan));
    memcpy(info.federation, next->lineage->federation, sizeof info.federation);
    memcpy(info.plan, plan->digest, sizeof info.plan);
    memcpy(info.base, next->base_digest, sizeof info.base);
    info.run = next->lineage->run;
    info.round = next->lineage->round;
    ENT_TRY(ent_calloc_aligned(ENT_STEP_PIECE, sizeof *t->window, &t->window));
    for (uint32_t v = 0; v < plan->server.optim->n_state; v++) {
        ENT_TRY(ent_calloc_aligned(ENT_STEP_PIECE, sizeof *t->state[v], &t->state[v]));
    }
    return ent_step_header(&next->model, &info, &n);
}

enum ent_err ent_step_train_new(const struct ent_step_next *next, struct ent_step_train **out)
{
    struct ent_step_train *t = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *t, &t));
    t->next = *next;
    err = begin(t);
    if (err != ENT_E_OK) {
        ent_step_train_free(t);
        return err;
    }
    *out = t;
    return ENT_E_OK;
}

static enum ent_err load_state(struct ent_step_train *t, uint32_t vector, size_t n)
{
    const struct ent_server_spec *server = &t->next.plan->server;
    const struct ent_step_source *before = &t->next.before;
    float *slice = t->state[vector];

    if (before->read != NULL) {
        return before->read(before->ctx, slice, n * sizeof *slice);
    }
    for (size_t i = 0; i < n; i++) {
        slice[i] = server->optim->start(&server->hyper, vector);
    }
    return ENT_E_OK;
}

static enum ent_err step_piece(struct ent_step_train *t, const int64_t *sum, size_t n)
{
    const struct ent_server_spec *server = &t->next.plan->server;
    struct ent_server_round round = {.model = ent_modelfile_params(t->next.base) + t->at,
                                     .sum = sum,
                                     .c = t->c,
                                     .out = t->window,
                                     .n = n};

    for (uint32_t v = 0; v < server->optim->n_state; v++) {
        ENT_TRY(load_state(t, v, n));
        round.state[v] = t->state[v];
    }
    ENT_TRY(ent_server_optim_apply(server->optim, &server->hyper, &round));
    for (uint32_t v = 0; v < server->optim->n_state; v++) {
        ENT_TRY(t->next.state.write(t->next.state.ctx, t->state[v], n * sizeof(float)));
    }
    return t->next.model.write(t->next.model.ctx, t->window, n * sizeof(float));
}

enum ent_err ent_step_train_window(struct ent_step_train *train, const int64_t *sum, size_t n)
{
    ENT_BUG_ON(n > train->next.base->n_params - train->at || train->at % ENT_STEP_PIECE != 0);
    for (size_t done = 0; done < n;) {
        size_t k = n - done < ENT_STEP_PIECE ? n - done : ENT_STEP_PIECE;

        ENT_TRY(step_piece(train, sum + done, k));
        train->at += k;
        done += k;
    }
    return ENT_E_OK;
}

bool ent_step_train_done(const struct ent_step_train *train)
{
    return train->at == train->next.base->n_params;
}

void ent_step_train_free(struct ent_step_train *train)
{
    if (train == NULL) {
        return;
    }
    for (size_t v = 0; v < ENT_SERVER_STATE_MAX; v++) {
        free(train->state[v]);
    }
    free(train->window);
    free(train);
}
