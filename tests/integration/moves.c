/* Turns of a box: who moves when, and where the clock goes. */
#include <pthread.h>
#include <string.h>

#include "coordinator/round/round.h"
#include "tests/integration/faults.h"
#include "tests/integration/ghosts.h"
#include "tests/integration/record.h"
#include "tests/support/ent_test.h"

#define PUMP_MAX 100000

/* ---- moving ---- */

static bool step_member(struct box *box, uint32_t member)
{
    struct box_member *m = &box->members[member];
    struct ent_agent_status status;
    bool any;

    if (m->agent == NULL) {
        return false;
    }
    any = ent_agent_step(m->agent);
    ent_agent_status(m->agent, &status);
    if (status.stopped) {
        box_break(box, 'x', "%s stopped for good: %s", enrolled_name(member),
                  ent_err_name(status.code));
    }
    return any;
}

static bool step_alone(struct box *box, uint32_t member)
{
    struct box_member *m = &box->members[member];
    uint32_t outer = box->stepping;
    bool any;

    box->stepping = member;
    box->depth++;
    any = step_member(box, member);
    box->depth--;
    box->stepping = outer;
    if (m->dying) {
        box_kill_member(box, member);
    }
    return any;
}

struct worker {
    struct box *box;
    uint32_t first; /* every second one from here on */
    bool any;
};

static void *work(void *ctx)
{
    struct worker *w = ctx;

    for (uint32_t i = w->first; i < w->box->n_members; i += 2) {
        w->any = step_member(w->box, i) || w->any;
    }
    return NULL;
}

static bool step_by_two(struct box *box)
{
    struct worker workers[2] = {{box, 0, false}, {box, 1, false}};
    pthread_t thread;

    CU_ASSERT_FATAL(pthread_create(&thread, NULL, work, &workers[1]) == 0);
    (void)work(&workers[0]);
    (void)pthread_join(thread, NULL);
    return workers[0].any || workers[1].any;
}

static bool step_members(struct box *box)
{
    uint32_t order[BOX_MEMBERS];
    bool any = false;

    if (box->threads > 1) {
        return step_by_two(box);
    }
    for (uint32_t i = 0; i < box->n_members; i++) {
        order[i] = i;
    }
    ent_rng_shuffle(&box->rng, order, box->n_members);
    for (uint32_t i = 0; i < box->n_members; i++) {
        if (order[i] != box->stepping && (box->faults == NULL || !ghosts_hold(box, order[i]))) {
            any = step_alone(box, order[i]) || any;
        }
    }
    return any;
}

void box_move_others(struct box *box)
{
    (void)ent_link_mem_pump(box->net, PUMP_MAX);
    (void)step_members(box);
    (void)ent_link_mem_pump(box->net, PUMP_MAX);
}

static void start_whoever_is_due(struct box *box)
{
    if (box->engine == NULL && box->engine_start_ms <= box->time.mono_ms) {
        box_start_engine(box);
    }
    for (uint32_t i = 0; i < box->n_members; i++) {
        if (box->members[i].agent == NULL && box->members[i].start_ms <= box->time.mono_ms) {
            box_start_member(box, i);
        }
    }
}

bool box_turn(struct box *box)
{
    bool moved;

    box->n_turns++;
    start_whoever_is_due(box);
    if (box->faults != NULL) {
        faults_tick(box);
    }
    moved = ent_link_mem_pump(box->net, PUMP_MAX) > 0;
    moved = step_members(box) || moved;
    if (box->engine != NULL && (box->lazy == 0 || ent_rng_below(&box->rng, box->lazy + 1) == 0)) {
        box_step_engine(box);
    } else {
        moved = moved || box->engine != NULL;
    }
    return moved;
}

void box_pass(struct box *box, uint64_t ms)
{
    box->time.mono_ms += ms;
    box->time.wall_ms += ms;
}

static void sooner(uint64_t *at, uint64_t ms)
{
    *at = ms < *at ? ms : *at;
}

uint64_t box_next_ms(const struct box *box)
{
    uint64_t at = ent_link_mem_next_ms(box->net);

    if (box->engine != NULL) {
        sooner(&at, ent_engine_due_ms(box->engine));
    }
    sooner(&at, box->engine_start_ms);
    for (uint32_t i = 0; i < box->n_members; i++) {
        if (box->members[i].agent != NULL) {
            sooner(&at, ent_agent_next_ms(box->members[i].agent));
        }
        sooner(&at, box->members[i].start_ms);
    }
    if (box->faults != NULL) {
        sooner(&at, faults_next_ms(box));
    }
    return at > box->time.mono_ms ? at : box->time.mono_ms;
}

bool box_run(struct box *box, bool (*done)(struct box *box), uint64_t max_ms)
{
    uint64_t until_ms = box->time.mono_ms + max_ms;

    while (!box->broken && !done(box)) {
        bool moved = box_turn(box);
        uint64_t next_ms = box_next_ms(box);

        if (box->time.mono_ms >= until_ms) {
            return false;
        }
        if (box->latency > 0) {
            box_pass(box, ent_rng_below(&box->rng, box->latency + 1));
        }
        if (!moved && next_ms > box->time.mono_ms) {
            box_pass(box, (next_ms < until_ms ? next_ms : until_ms) - box->time.mono_ms);
        }
    }
    return !box->broken;
}

/* ---- looking ---- */

enum ent_phase box_phase(const struct box *box)
{
    return box->engine != NULL ? ent_engine_round(box->engine)->phase : ENT_PHASE_IDLE;
}

uint32_t box_member_of_handle(const struct box *box, const uint8_t handle[ENT_HANDLE_BYTES])
{
    const struct enrolled *from = enrolled_template(box->n_members);

    for (uint32_t i = 0; i < box->n_members; i++) {
        if (memcmp(from->handles[i], handle, ENT_HANDLE_BYTES) == 0) {
            return i;
        }
    }
    return BOX_NOBODY;
}

bool box_run_over(struct box *box)
{
    if (box->engine == NULL || !record_run_ended(box)) {
        return false;
    }
    for (uint32_t i = 0; i < box->n_members; i++) {
        const struct box_member *m = &box->members[i];
        const struct ent_session *session = m->agent != NULL ? ent_agent_session(m->agent) : NULL;

        if (session == NULL ? m->start_ms != BOX_NEVER
                            : session->has_run || session->wants_best || session->n_fetches > 0) {
            return false;
        }
    }
    return true;
}
