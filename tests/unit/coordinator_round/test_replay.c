/* Restarts: the stored rows through the function that made them. */
#include <stdlib.h>

#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_round/world.h"

/* A run with an abort, a decline, a lost and a rejected update in it, all at set places. */
static void script(struct world *w)
{
    struct ent_event ev;

    if (w->r.round == 1 && w->r.attempt == 1 && w->r.phase == ENT_PHASE_JOIN) {
        for (uint32_t i = 0; i < 3; i++) {
            world_event(w, ENT_EV_DECLINE, i);
        }
    }
    if (w->r.round == 2 && w->r.phase == ENT_PHASE_UPDATE &&
        w->r.members[1].standing == ENT_STANDING_JOINED) {
        world_event(w, ENT_EV_LOST, 1);
    }
    if (w->r.round == 3 && w->r.phase == ENT_PHASE_UPDATE &&
        w->r.members[0].standing == ENT_STANDING_JOINED) {
        world_event(w, ENT_EV_OFFER, 0);
        ev = world_make(w, ENT_EV_UPDATE_BAD, 0);
        ev.code = ENT_E_SHAPE;
        world_step(w, ev);
    }
}

static bool run_script(struct world *w, size_t steps)
{
    for (size_t i = 0; i < steps && ent_round_active(&w->r); i++) {
        script(w);
        if (!world_calm_step(w)) {
            return false;
        }
    }
    return !ent_round_active(&w->r);
}

static void begin(struct world *w)
{
    struct ent_run_config config = world_config();

    config.gather_ms = 100; /* after a restart the cohort is again all four */
    world_init(w, 4, &config);
    world_start(w);
}

/* Rows as bytes would compare padding. */
static bool same_row(const struct ent_row *a, const struct ent_row *b)
{
    return a->kind == b->kind && a->run == b->run && a->round == b->round &&
           a->attempt == b->attempt && a->task == b->task && a->split == b->split &&
           a->member == b->member && a->code == b->code && a->weight == b->weight &&
           a->has_base == b->has_base && memcmp(a->digest, b->digest, 32) == 0 &&
           memcmp(a->model, b->model, 32) == 0 && a->sum_w == b->sum_w &&
           memcmp(a->state, b->state, 32) == 0 && a->loss_sum == b->loss_sum &&
           a->rows == b->rows && a->auc == b->auc && a->best_train == b->best_train;
}

static size_t first_difference(const struct world *a, const struct world *b)
{
    for (size_t i = 0; i < a->n_rows && i < b->n_rows; i++) {
        if (!same_row(&a->rows[i], &b->rows[i])) {
            (void)fprintf(stderr, "row %zu: %s of member %u (%s), not %s of member %u (%s)\n", i,
                          ent_row_name(a->rows[i].kind), a->rows[i].member,
                          ent_err_name(a->rows[i].code), ent_row_name(b->rows[i].kind),
                          b->rows[i].member, ent_err_name(b->rows[i].code));
            return i;
        }
    }
    return a->n_rows < b->n_rows ? a->n_rows : b->n_rows;
}

/* Crash at every row: the rest of the run keeps the laws and ends; where a transaction ends (the
 * only place where a store can be found), the machine stands where it stood and writes the very
 * same rows from there. */
ENT_TEST(replay, crash_at_every_row)
{
    struct world whole;
    size_t *ends = NULL; /* row counts at which a transaction ended */
    struct ent_round *states = NULL;
    struct ent_round_member(*members)[WORLD_MEMBERS] = NULL;
    size_t n_ends = 0;
    size_t n = 0;

    ENT_OK(ent_calloc(2000, sizeof *ends, &ends));
    ENT_OK(ent_calloc(2000, sizeof *states, &states));
    ENT_OK(ent_calloc(2000, sizeof *members, &members));
    begin(&whole);
    while (ent_round_active(&whole.r) && n_ends < 2000) {
        if (n_ends == 0 || ends[n_ends - 1] != whole.n_rows) {
            states[n_ends] = whole.r;
            memcpy(members[n_ends], whole.members, sizeof whole.members);
            ends[n_ends++] = whole.n_rows;
        }
        script(&whole);
        CU_ASSERT_FATAL(!ent_round_active(&whole.r) || world_calm_step(&whole));
    }
    CU_ASSERT_PTR_NULL(whole.broken);
    CU_ASSERT(n_ends > 40);
    for (size_t cut = 1; cut < whole.n_rows; cut++) {
        struct world w;
        bool clean;

        n += n + 1 < n_ends && ends[n + 1] == cut;
        clean = ends[n] == cut;

        begin(&w);
        memcpy(w.rows, whole.rows, cut * sizeof *w.rows);
        ENT_OK(world_restart(&w, cut));
        if (clean && cut > 1) {
            states[n].members = members[n];
            CU_ASSERT(laws_same(&states[n], &w.r));
        }
        world_all_up(&w);
        CU_ASSERT(run_script(&w, 4000));
        if (w.broken != NULL) {
            (void)fprintf(stderr, "cut at row %zu: %s\n", cut, w.broken);
        }
        CU_ASSERT_PTR_NULL_FATAL(w.broken);
        if (clean) {
            CU_ASSERT_EQUAL(w.n_rows, whole.n_rows);
            CU_ASSERT_EQUAL(first_difference(&w, &whole), whole.n_rows);
        }
        world_release(&w);
    }
    world_release(&whole);
    free(ends);
    free(states);
    free(members);
}

ENT_TEST(replay, adds_again_what_was_accepted_and_finishes)
{
    struct world w;

    begin(&w);
    while (w.r.phase != ENT_PHASE_CLOSE) {
        CU_ASSERT_FATAL(world_calm_step(&w)); /* no script: all four */
    }
    ENT_OK(world_restart(&w, w.n_rows));
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_UPDATE);
    CU_ASSERT_EQUAL(world_count(&w, ENT_ACT_ADD), 4);
    CU_ASSERT_EQUAL(world_count(&w, ENT_ACT_FINISH), 0);
    CU_ASSERT_EQUAL(world_find(&w, ENT_ACT_TIMER)->at_ms, w.now_ms);
    world_event(&w, ENT_EV_TICK, 0);
    CU_ASSERT_EQUAL(world_count(&w, ENT_ACT_FINISH), 1);
    world_all_up(&w);
    CU_ASSERT(world_calm(&w, 2000));
    CU_ASSERT_PTR_NULL(w.broken);
    world_release(&w);
}

ENT_TEST(replay, a_damaged_update_is_asked_for_again)
{
    struct world w;
    struct ent_event ev;
    size_t rows;

    begin(&w);
    while (w.r.phase != ENT_PHASE_CLOSE) {
        CU_ASSERT_FATAL(world_calm_step(&w));
    }
    ENT_OK(world_restart(&w, w.n_rows));
    rows = w.n_rows;
    world_event(&w, ENT_EV_DAMAGED, 2);
    world_event(&w, ENT_EV_TICK, 0);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_UPDATE);
    world_event(&w, ENT_EV_UP, 2);
    CU_ASSERT_EQUAL(world_count(&w, ENT_ACT_SEND_BEGIN), 1);
    ev = world_make(&w, ENT_EV_OFFER, 2);
    ev.digest[31] = 1;
    world_step(&w, ev);
    CU_ASSERT_EQUAL(world_find(&w, ENT_ACT_REFUSE)->code, ENT_E_DIGEST);
    world_event(&w, ENT_EV_OFFER, 2);
    CU_ASSERT_EQUAL(world_count(&w, ENT_ACT_GRANT), 1);
    world_event(&w, ENT_EV_UPDATE, 2);
    CU_ASSERT_EQUAL(world_count(&w, ENT_ACT_ADD), 1);
    CU_ASSERT_EQUAL(world_count(&w, ENT_ACT_FINISH), 1);
    CU_ASSERT_EQUAL(world_find(&w, ENT_ACT_ACK)->code, ENT_E_REPEAT);
    CU_ASSERT_EQUAL(w.n_rows, rows); /* it was accepted once, and that stands */
    world_all_up(&w);
    CU_ASSERT(world_calm(&w, 2000));
    CU_ASSERT_PTR_NULL(w.broken);
    world_release(&w);
}

ENT_TEST(replay, a_damaged_update_that_is_lost_costs_the_attempt)
{
    for (int how = 0; how < 3; how++) {
        struct world w;

        begin(&w);
        while (w.r.phase != ENT_PHASE_CLOSE) {
            CU_ASSERT_FATAL(world_calm_step(&w));
        }
        ENT_OK(world_restart(&w, w.n_rows));
        world_event(&w, ENT_EV_DAMAGED, 2);
        world_all_up(&w);
        if (how == 0) {
            world_event(&w, ENT_EV_LOST, 2);
        } else if (how == 1) {
            world_event(&w, ENT_EV_REVOKED, 2);
        } else {
            w.now_ms += w.config.update_ms;
            world_event(&w, ENT_EV_TICK, 0);
        }
        CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_WAIT);
        CU_ASSERT_EQUAL(w.r.abort_code, how == 1 ? ENT_E_REVOKED : ENT_E_LOST);
        CU_ASSERT(world_calm(&w, 2000));
        CU_ASSERT_PTR_NULL(w.broken);
        world_release(&w);
    }
}

/* A store that was tampered with or damaged is refused row by row. */
ENT_TEST(replay, rows_that_do_not_fit_are_corrupt)
{
    struct world w;
    size_t n;

    begin(&w);
    CU_ASSERT(run_script(&w, 2000));
    n = w.n_rows;
    for (size_t at = 0; at < n; at++) {
        struct ent_row keep = w.rows[at];

        w.rows[at].round += 7;
        ENT_FAILS(world_restart(&w, at + 1), ENT_E_CORRUPT);
        w.rows[at] = keep;
        w.rows[at].kind = (enum ent_row_kind)99;
        ENT_FAILS(world_restart(&w, at + 1), ENT_E_CORRUPT);
        w.rows[at] = keep;
        w.rows[at].run = 9;
        ENT_FAILS(world_restart(&w, at + 1), ENT_E_CORRUPT);
        w.rows[at] = keep;
        if (keep.member != ENT_ROUND_NO_MEMBER) {
            w.rows[at].member = 4;
            ENT_FAILS(world_restart(&w, at + 1), ENT_E_CORRUPT);
        }
        w.rows[at] = keep;
    }
    for (size_t at = 0; at + 1 < n; at++) { /* a row stored twice */
        enum ent_row_kind kind = w.rows[at].kind;
        struct ent_row keep = w.rows[at + 1];

        w.rows[at + 1] = w.rows[at];
        ENT_FAILS(world_restart(&w, at + 2), ENT_E_CORRUPT);
        CU_ASSERT(kind != 0);
        w.rows[at + 1] = keep;
    }
    world_release(&w);
}
