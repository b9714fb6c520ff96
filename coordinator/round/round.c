#include "coordinator/round/round.h"

#include <string.h>

#include "common/base/buf.h"
#include "common/base/hooks.h"
#include "coordinator/round/phases.h"

#define BIT(kind_) (1U << ENT_EV_##kind_)
#define ANY_TIME (BIT(TICK) | BIT(UP) | BIT(DOWN) | BIT(REVOKED))
#define REPEATS (BIT(JOIN) | BIT(LOST) | BIT(OFFER) | BIT(UPDATE))

uint64_t ent_round_at(uint64_t now_ms, uint64_t after_ms)
{
    uint64_t at = now_ms > UINT64_MAX - after_ms ? UINT64_MAX : now_ms + after_ms;

    return at == 0 ? 1 : at;
}

static void idle_handle(struct ent_step *step)
{
    if (step->event->kind != ENT_EV_RUN_START) {
        return;
    }
    if (!step->round->begun) {
        ent_step_refuse(step, ENT_E_PHASE);
        return;
    }
    ent_step_row_code(step, ENT_ROW_RUN_START, ENT_ROUND_NO_MEMBER, ENT_E_OK);
    ent_wait_enter(step);
    step->round->gathering = true;
}

/* What is legal when. Whatever is not listed is refused with PHASE, counted, never fatal. */
static const struct ent_phase_rule rules[ENT_PHASE_COUNT] = {
    [ENT_PHASE_IDLE] = {ANY_TIME | BIT(RUN_START), idle_handle, NULL, NULL},
    [ENT_PHASE_WAIT] = {ANY_TIME | BIT(STOP), ent_wait_handle, ent_wait_timeout, NULL},
    [ENT_PHASE_JOIN] = {ANY_TIME | BIT(STOP) | BIT(JOIN) | BIT(DECLINE) | BIT(LOST) | BIT(GATE) |
                            BIT(RESULT_FAILED),
                        ent_join_handle, ent_join_timeout, ent_join_next},
    [ENT_PHASE_UPDATE] = {ANY_TIME | BIT(STOP) | REPEATS | BIT(DECLINE) | BIT(UPDATE_BAD) |
                              BIT(DAMAGED) | BIT(RESULT_FAILED),
                          ent_update_handle, ent_update_timeout, ent_update_next},
    [ENT_PHASE_CLOSE] = {ANY_TIME | BIT(STOP) | REPEATS | BIT(RESULT) | BIT(RESULT_FAILED) |
                             BIT(DAMAGED),
                         ent_close_handle, NULL, NULL},
    [ENT_PHASE_RELEASE] = {ANY_TIME | BIT(STOP) | REPEATS | BIT(GATE), ent_release_handle, NULL,
                           NULL},
};

/* What an event must say about itself. */
#define OF_MEMBER                                                                                  \
    (BIT(UP) | BIT(DOWN) | BIT(REVOKED) | BIT(JOIN) | BIT(DECLINE) | BIT(LOST) | BIT(OFFER) |      \
     BIT(UPDATE) | BIT(UPDATE_BAD) | BIT(DAMAGED))
#define MESSAGES (BIT(JOIN) | BIT(DECLINE) | BIT(LOST) | BIT(OFFER) | BIT(UPDATE) | BIT(UPDATE_BAD))
#define OF_ATTEMPT (MESSAGES | BIT(RESULT) | BIT(RESULT_FAILED) | BIT(GATE))

static bool is_stale(const struct ent_round *r, const struct ent_event *ev, uint32_t bit)
{
    if (r->phase == ENT_PHASE_IDLE || (bit & OF_ATTEMPT) == 0) {
        return false;
    }
    if (ENT_HOOK_PLANTED("old-attempt-added") && (bit & (BIT(OFFER) | BIT(UPDATE))) != 0) {
        return ev->round != r->round;
    }
    return ev->round != r->round || ev->attempt != r->attempt;
}

/* Sender, then round and attempt, then phase. */
static enum ent_err admit(const struct ent_round *r, const struct ent_event *ev)
{
    uint32_t bit = 1U << ev->kind;

    if ((bit & OF_MEMBER) != 0 && ev->member >= r->n_members) {
        return ENT_E_UNKNOWN_MEMBER;
    }
    if ((bit & (MESSAGES | BIT(UP))) != 0 && !r->members[ev->member].enrolled) {
        return ENT_E_REVOKED;
    }
    if (is_stale(r, ev, bit)) {
        return ENT_E_STALE;
    }
    return (rules[r->phase].accepts & bit) != 0 ? ENT_E_OK : ENT_E_PHASE;
}

static void note_presence(struct ent_round *r, const struct ent_event *ev)
{
    struct ent_round_member *m = &r->members[ev->member];

    if (ev->kind == ENT_EV_UP) {
        m->up = true;
    } else if (ev->kind == ENT_EV_DOWN) {
        m->up = false;
    } else if (ev->kind == ENT_EV_REVOKED) {
        m->enrolled = false;
        m->up = false;
    }
}

/* The deadline that comes first; 0 = none. */
static uint64_t due_at(const struct ent_round *r)
{
    return r->grace_ms != 0 && r->grace_ms < r->deadline_ms ? r->grace_ms : r->deadline_ms;
}

static void leave_phases(struct ent_step *step)
{
    enum ent_phase before;

    do {
        before = step->round->phase;
        if (rules[before].next != NULL) {
            rules[before].next(step);
        }
    } while (step->round->phase != before);
}

/* A message that comes after the deadline is late even when the timer is later still. */
static void pass_deadline(struct ent_step *step)
{
    struct ent_round *r = step->round;
    uint32_t bit = 1U << step->event->kind;
    uint32_t passes = r->phase == ENT_PHASE_WAIT ? BIT(TICK) : MESSAGES | BIT(TICK);
    uint64_t due = due_at(r);

    if ((bit & passes) == 0 || due == 0 || step->now_ms < due ||
        rules[r->phase].on_timeout == NULL) {
        return;
    }
    rules[r->phase].on_timeout(step);
    leave_phases(step);
}

static void set_timer(struct ent_step *step)
{
    struct ent_round *r = step->round;
    uint64_t due = due_at(r);

    if (due != r->timer_ms) {
        r->timer_ms = due;
        ent_step_act(step, ENT_ACT_TIMER, ENT_ROUND_NO_MEMBER)->at_ms = due;
    }
}

void ent_round_step(struct ent_round *round, const struct ent_event *event,
                    struct ent_actions *actions)
{
    struct ent_event ev = *event;
    struct ent_step step = {.round = round, .event = &ev, .out = actions};
    enum ent_err err;

    ENT_BUG_ON(ev.kind >= ENT_EV_COUNT);
    if (((1U << ev.kind) & OF_MEMBER) == 0) {
        ev.member = ENT_ROUND_NO_MEMBER;
    }
    if (ev.now_ms > round->now_ms) {
        round->now_ms = ev.now_ms;
    }
    step.now_ms = round->now_ms;
    if (ev.kind == ENT_EV_TICK && step.now_ms >= round->timer_ms) {
        round->timer_ms = 0; /* it has fired */
    }
    pass_deadline(&step);
    err = admit(round, &ev);
    if (err != ENT_E_OK) {
        ent_step_refuse(&step, err);
    } else {
        if (ev.member != ENT_ROUND_NO_MEMBER) {
            note_presence(round, &ev);
        }
        rules[round->phase].handle(&step);
        leave_phases(&step);
    }
    set_timer(&step);
}

void ent_round_init(struct ent_round *round, struct ent_round_member *members)
{
    *round = (struct ent_round){.members = members};
}

uint32_t ent_round_add_member(struct ent_round *round, bool revoked)
{
    ENT_BUG_ON(round->n_members >= ENT_ROUND_MEMBERS_MAX);
    round->members[round->n_members] = (struct ent_round_member){.enrolled = !revoked};
    return round->n_members++;
}

enum ent_err ent_round_begin(struct ent_round *round, const struct ent_run_config *config,
                             const uint8_t base[ENT_ROUND_DIGEST_BYTES])
{
    struct ent_round fresh = {.config = *config,
                              .begun = true,
                              .timer_ms = round->timer_ms,
                              .now_ms = round->now_ms,
                              .members = round->members,
                              .n_members = round->n_members};

    ENT_REQUIRE(!ent_round_active(round), ENT_E_EXISTS,
                "run %lu is going on: wait for its end or stop it",
                (unsigned long)round->config.run);
    ENT_REQUIRE(config->run > 0 && config->min_members > 0 && config->attempts > 0 &&
                    config->join_ms > 0 && config->update_ms > 0 && config->retry_ms > 0,
                ENT_E_CONFIG,
                "a run needs a number, and min_members, attempts and deadlines of at least 1");
    ENT_REQUIRE(config->best_by <= ENT_ROUND_BEST_BY_AUC, ENT_E_CONFIG,
                "a run chooses its best model by loss or AUC, not by %u",
                (unsigned)config->best_by);
    ENT_REQUIRE(!config->no_stats || !ent_all_zero(base, ENT_ROUND_DIGEST_BYTES), ENT_E_CONFIG,
                "a run without statistics begins with training and needs a model to start from");
    memcpy(fresh.model, base, sizeof fresh.model);
    *round = fresh;
    for (uint32_t i = 0; i < round->n_members; i++) {
        round->members[i] = (struct ent_round_member){.enrolled = round->members[i].enrolled,
                                                      .up = round->members[i].up};
    }
    return ENT_E_OK;
}

bool ent_round_active(const struct ent_round *round)
{
    return round->phase != ENT_PHASE_IDLE;
}

uint32_t ent_round_count(const struct ent_round *round, enum ent_standing standing)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < round->n_members; i++) {
        n += round->members[i].standing == standing;
    }
    return n;
}

uint32_t ent_round_count_up(const struct ent_round *round)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < round->n_members; i++) {
        n += round->members[i].enrolled && round->members[i].up;
    }
    return n;
}
