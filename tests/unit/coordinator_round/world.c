#include "tests/unit/coordinator_round/world.h"

#include <stdlib.h>

#include "common/base/mem.h"

struct ent_run_config world_config(void)
{
    return (struct ent_run_config){.run = 1,
                                   .train_rounds = 2,
                                   .min_members = 2,
                                   .attempts = 3,
                                   .join_ms = 30000,
                                   .update_ms = 600000,
                                   .retry_ms = 10000,
                                   .gather_ms = 0,
                                   .validate = true,
                                   .test = true};
}

void world_init(struct world *w, uint32_t n_members, const struct ent_run_config *config)
{
    static const uint8_t none[ENT_ROUND_DIGEST_BYTES];

    memset(w, 0, sizeof *w);
    w->config = *config;
    w->now_ms = 1000;
    ENT_BUG_ON(ent_calloc(WORLD_ROWS, sizeof *w->rows, &w->rows) != ENT_E_OK);
    ent_round_init(&w->r, w->members);
    for (uint32_t i = 0; i < n_members; i++) {
        ENT_BUG_ON(ent_round_add_member(&w->r, false) != i);
    }
    ENT_BUG_ON(ent_round_begin(&w->r, config, none) != ENT_E_OK);
}

void world_release(struct world *w)
{
    free(w->rows);
}

static void fill_digest(uint8_t *digest, uint8_t kind, uint64_t round, uint32_t attempt,
                        uint32_t member)
{
    memset(digest, 0, ENT_ROUND_DIGEST_BYTES);
    digest[0] = kind;
    memcpy(digest + 1, &round, sizeof round);
    memcpy(digest + 9, &attempt, sizeof attempt);
    memcpy(digest + 13, &member, sizeof member);
}

struct ent_event world_make(const struct world *w, enum ent_event_kind kind, uint32_t member)
{
    struct ent_event ev = {.kind = kind,
                           .now_ms = w->now_ms,
                           .member = member,
                           .round = w->r.round,
                           .attempt = w->r.attempt,
                           .weight = member + 1,
                           .has_base = member % 2 == 0};

    if (kind == ENT_EV_RESULT) {
        fill_digest(ev.digest, 'R', w->r.round, 0, 0);
        fill_digest(ev.model, 'M', w->r.round, 0, 0);
        ev.loss_sum =
            w->r.round < ENT_ARRAY_LEN(w->loss_of_round) ? w->loss_of_round[w->r.round] : 0;
        ev.loss_sum = ev.loss_sum != 0 ? ev.loss_sum : 100000 - w->r.round;
        ev.rows = 100;
        ev.auc = w->r.round < ENT_ARRAY_LEN(w->auc_of_round) ? w->auc_of_round[w->r.round] : 0;
        if (w->r.task == ENT_ROUND_TRAIN) {
            fill_digest(ev.state, 'S', w->r.round, 0, 0);
        }
    } else {
        fill_digest(ev.digest, 'U', w->r.round, w->r.attempt, member);
    }
    return ev;
}

static void look(struct world *w, const struct ent_event *ev)
{
    const char *bad;

    for (size_t i = 0; i < w->acts.n; i++) {
        const struct ent_action *a = &w->acts.list[i];

        if (a->kind == ENT_ACT_ROW) {
            ENT_BUG_ON(w->n_rows >= WORLD_ROWS);
            w->rows[w->n_rows++] = a->row;
        }
        if (a->kind == ENT_ACT_FINISH) {
            w->want_result = true;
        } else if (a->kind == ENT_ACT_GATE) {
            w->want_gate = true;
        } else if (a->kind == ENT_ACT_DISCARD) {
            w->want_result = false;
            w->want_gate = false;
        }
    }
    bad = laws_step(&w->laws, &w->r, ev, &w->acts);
    if (w->broken == NULL) {
        w->broken = bad;
    }
}

void world_step(struct world *w, struct ent_event ev)
{
    w->acts = (struct ent_actions){.list = w->list, .cap = (size_t)4 * w->r.n_members + 16};
    ent_round_step(&w->r, &ev, &w->acts);
    w->n_steps++;
    look(w, &ev);
}

void world_event(struct world *w, enum ent_event_kind kind, uint32_t member)
{
    world_step(w, world_make(w, kind, member));
}

void world_all_up(struct world *w)
{
    for (uint32_t i = 0; i < w->r.n_members; i++) {
        if (w->r.members[i].enrolled && !w->r.members[i].up) {
            world_event(w, ENT_EV_UP, i);
        }
    }
}

void world_start(struct world *w)
{
    world_all_up(w);
    world_event(w, ENT_EV_RUN_START, 0);
}

/* What a member sent once in an attempt it sends again. */
static void same_update(struct world *w, enum ent_event_kind kind, uint32_t i)
{
    struct ent_event ev = world_make(w, kind, i);

    if (w->r.members[i].offered) {
        memcpy(ev.digest, w->r.members[i].digest, sizeof ev.digest);
    }
    world_step(w, ev);
}

/* What a member that is up and well does next. */
static bool member_step(struct world *w, uint32_t i)
{
    const struct ent_round_member *m = &w->r.members[i];

    if (!m->up || !m->enrolled) {
        return false;
    }
    if (m->damaged) {
        same_update(w, ENT_EV_OFFER, i);
        same_update(w, ENT_EV_UPDATE, i);
        return true;
    }
    if (m->standing == ENT_STANDING_INVITED) {
        world_event(w, ENT_EV_JOIN, i);
    } else if (m->standing == ENT_STANDING_JOINED && w->r.phase == ENT_PHASE_UPDATE) {
        same_update(w, ENT_EV_OFFER, i);
    } else if (m->standing == ENT_STANDING_OFFERED) {
        same_update(w, ENT_EV_UPDATE, i);
    } else {
        return false;
    }
    return true;
}

bool world_calm_step(struct world *w)
{
    if (w->r.phase == ENT_PHASE_CLOSE && w->want_result) {
        w->want_result = false;
        world_event(w, ENT_EV_RESULT, 0);
        return true;
    }
    if ((w->r.phase == ENT_PHASE_RELEASE || w->r.phase == ENT_PHASE_JOIN) && w->want_gate) {
        w->want_gate = false;
        world_event(w, ENT_EV_GATE, 0);
        return true;
    }
    for (uint32_t i = 0; i < w->r.n_members; i++) {
        if (w->r.phase != ENT_PHASE_WAIT && w->r.phase != ENT_PHASE_IDLE && member_step(w, i)) {
            return true;
        }
    }
    if (w->r.timer_ms == 0) {
        return false;
    }
    if (w->now_ms < w->r.timer_ms) {
        w->now_ms = w->r.timer_ms;
    }
    world_event(w, ENT_EV_TICK, 0);
    return true;
}

bool world_calm(struct world *w, size_t steps)
{
    for (size_t i = 0; i < steps && ent_round_active(&w->r) && w->broken == NULL; i++) {
        if (!world_calm_step(w)) {
            return false;
        }
    }
    return !ent_round_active(&w->r);
}

void world_settle(struct world *w)
{
    /* the longest back-off, then at most 8 rounds of a calm run, each attempt to its deadlines */
    const struct ent_run_config *c = &w->config;
    uint64_t bound_ms = 64 * c->retry_ms + 20 * (c->join_ms + c->update_ms + c->retry_ms);
    uint64_t start_ms = w->now_ms;
    uint32_t enrolled = 0;

    world_all_up(w);
    for (uint32_t i = 0; i < w->r.n_members; i++) {
        enrolled += w->r.members[i].enrolled;
    }
    if (!world_calm(w, 3000) && w->broken == NULL &&
        (enrolled >= w->config.min_members || w->r.phase != ENT_PHASE_WAIT)) {
        w->broken = "the run does not end though the members are well";
    }
    if (w->broken == NULL && w->now_ms - start_ms > bound_ms) {
        w->broken = "the run took too long to end though the members are well";
    }
}

enum ent_err world_restart(struct world *w, size_t n_rows)
{
    static const uint8_t none[ENT_ROUND_DIGEST_BYTES];
    const struct ent_event nothing = {.kind = ENT_EV_TICK};
    bool enrolled[WORLD_MEMBERS] = {false};
    uint32_t n = w->r.n_members;

    for (uint32_t i = 0; i < n; i++) {
        enrolled[i] = w->r.members[i].enrolled;
    }
    memset(w->members, 0, sizeof w->members);
    ent_round_init(&w->r, w->members);
    for (uint32_t i = 0; i < n; i++) {
        (void)ent_round_add_member(&w->r, !enrolled[i]);
    }
    ENT_TRY(ent_round_begin(&w->r, &w->config, none));
    for (size_t i = 0; i < n_rows; i++) {
        ENT_TRY(ent_round_replay(&w->r, &w->rows[i]));
    }
    w->n_rows = n_rows;
    w->want_result = false;
    w->want_gate = false;
    w->broken = laws_restart(&w->laws, w->rows, n_rows, w->config.min_members);
    w->acts = (struct ent_actions){.list = w->list, .cap = (size_t)4 * n + 16};
    ent_round_resume(&w->r, w->now_ms, &w->acts);
    look(w, &nothing);
    return ENT_E_OK;
}

size_t world_count(const struct world *w, enum ent_action_kind kind)
{
    size_t n = 0;

    for (size_t i = 0; i < w->acts.n; i++) {
        n += w->acts.list[i].kind == kind;
    }
    return n;
}

const struct ent_action *world_find(const struct world *w, enum ent_action_kind kind)
{
    for (size_t i = 0; i < w->acts.n; i++) {
        if (w->acts.list[i].kind == kind) {
            return &w->acts.list[i];
        }
    }
    return NULL;
}
