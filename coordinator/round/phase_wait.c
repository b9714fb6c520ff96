#include <string.h>

#include "coordinator/round/phases.h"

#define BACKOFF_DOUBLINGS_MAX 6

static void end_run(struct ent_step *step, enum ent_err code)
{
    struct ent_round *r = step->round;
    struct ent_row row = ent_step_row_of(step, ENT_ROW_END, ENT_ROUND_NO_MEMBER);
    static const uint8_t zero[ENT_ROUND_DIGEST_BYTES];
    const uint8_t *best = memcmp(r->best, zero, sizeof zero) != 0 ? r->best : r->model;
    struct ent_action *act;

    row.code = code;
    /* What a run started from is no result of it. */
    if (r->train_done > 0) {
        memcpy(row.model, best, sizeof row.model);
        /* Without validation rows, and when stopped before they were asked: the newest one. */
        row.best_train = r->best_train > 0 ? r->best_train : r->train_done;
    }
    ent_step_row(step, &row);
    r->deadline_ms = 0;
    r->stalled = false;
    act = ent_step_act(step, ENT_ACT_SEND_END, ENT_ROUND_NO_MEMBER);
    act->code = code;
    memcpy(act->digest, row.model, sizeof act->digest);
}

static bool exhausted(const struct ent_round *r)
{
    return r->next == ENT_ROUND_NEXT_ATTEMPT && r->aborts >= r->config.attempts;
}

static void say_stalled(struct ent_step *step)
{
    step->round->stalled = true;
    ent_step_act(step, ENT_ACT_STALLED, ENT_ROUND_NO_MEMBER)->code =
        exhausted(step->round) ? step->round->abort_code : ENT_E_OK;
}

/* retry_ms, doubled for each abort from the last allowed attempt on. */
static uint64_t backoff_ms(const struct ent_round *r)
{
    uint64_t ms = r->config.retry_ms;
    uint32_t doublings = 0;

    if (exhausted(r)) {
        uint32_t over = r->aborts - r->config.attempts;

        doublings = over < BACKOFF_DOUBLINGS_MAX ? over + 1 : BACKOFF_DOUBLINGS_MAX;
    }
    for (uint32_t i = 0; i < doublings; i++) {
        ms = ms > UINT64_MAX / 2 ? UINT64_MAX : ms * 2;
    }
    return ms;
}

/* Never opens an attempt itself: the engine still reads the last one's standings. */
void ent_wait_enter(struct ent_step *step)
{
    struct ent_round *r = step->round;
    struct ent_row open = {0};

    r->grace_ms = 0;
    r->gather_at_ms = 0;
    r->gathering = false;
    r->stalled = false;
    if (!ent_select_next(r, &open)) {
        end_run(step, ENT_E_OK);
        return;
    }
    if (r->stopping) {
        end_run(step, ENT_E_STOPPED);
        return;
    }
    r->retry_at_ms = ent_round_at(step->now_ms, 0);
    if (r->next == ENT_ROUND_NEXT_ATTEMPT) {
        r->retry_at_ms = ent_round_at(step->now_ms, backoff_ms(r));
    }
    r->soonest_ms = ent_round_at(step->now_ms, r->config.retry_ms);
    r->deadline_ms = r->retry_at_ms;
    if (exhausted(r)) {
        say_stalled(step);
    }
}

/* True while it is worth waiting for members beyond the fewest: once, and for gather_ms at most. */
static bool gather(struct ent_step *step, uint32_t n_up)
{
    struct ent_round *r = step->round;
    uint32_t n_enrolled = 0;

    for (uint32_t i = 0; i < r->n_members; i++) {
        n_enrolled += r->members[i].enrolled;
    }
    if (!r->gathering || r->config.gather_ms == 0 || n_up >= n_enrolled) {
        return false;
    }
    if (r->gather_at_ms == 0) {
        r->gather_at_ms = ent_round_at(step->now_ms, r->config.gather_ms);
    }
    r->deadline_ms = r->gather_at_ms;
    return step->now_ms < r->gather_at_ms;
}

static void open_if_ready(struct ent_step *step)
{
    struct ent_round *r = step->round;
    struct ent_row open = {0};
    uint32_t n_up = ent_round_count_up(r);

    if (step->now_ms < r->retry_at_ms) {
        r->deadline_ms = r->retry_at_ms;
        return;
    }
    if (n_up < r->config.min_members) {
        r->deadline_ms = 0;
        r->gathering = true;
        r->gather_at_ms = 0;
        say_stalled(step);
        return;
    }
    r->stalled = false;
    if (gather(step, n_up)) {
        return;
    }
    ENT_BUG_ON(!ent_select_next(r, &open));
    ent_join_open(step, &open);
}

void ent_wait_timeout(struct ent_step *step)
{
    open_if_ready(step);
}

void ent_wait_handle(struct ent_step *step)
{
    struct ent_round *r = step->round;

    switch (step->event->kind) {
    case ENT_EV_STOP:
        if (step->event->code == ENT_E_BUDGET && ent_round_trains_next(r)) {
            end_run(step, ENT_E_BUDGET);
            break;
        }
        ent_step_row_code(step, ENT_ROW_STOP, ENT_ROUND_NO_MEMBER, ENT_E_OK);
        end_run(step, ENT_E_STOPPED);
        break;
    case ENT_EV_UP: /* something changed: worth an earlier attempt */
        if (r->soonest_ms < r->retry_at_ms) {
            r->retry_at_ms = r->soonest_ms;
        }
        open_if_ready(step);
        break;
    case ENT_EV_DOWN:
    case ENT_EV_REVOKED:
        open_if_ready(step);
        break;
    default:
        break;
    }
}
