/* The course of a run: rounds, best model, deadlines, retries, stop. */
#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_round/world.h"

static void until(struct world *w, enum ent_phase phase)
{
    for (size_t i = 0; w->r.phase != phase && i < 1000; i++) {
        CU_ASSERT_FATAL(world_calm_step(w));
    }
    CU_ASSERT_EQUAL_FATAL(w->r.phase, phase);
}

static void until_round(struct world *w, enum ent_round_task task, enum ent_phase phase)
{
    for (size_t i = 0; (w->r.task != task || w->r.phase != phase) && i < 1000; i++) {
        CU_ASSERT_FATAL(world_calm_step(w));
    }
    CU_ASSERT_FATAL(w->r.task == task && w->r.phase == phase);
}

static void start(struct world *w, uint32_t n, const struct ent_run_config *config)
{
    world_init(w, n, config);
    world_start(w);
}

static void done(struct world *w)
{
    CU_ASSERT(world_calm(w, 2000));
    if (w->broken != NULL) {
        fprintf(stderr, "law broken: %s\n", w->broken);
    }
    CU_ASSERT_PTR_NULL(w->broken);
    world_release(w);
}

static const struct ent_row *row_of(const struct world *w, enum ent_row_kind kind, size_t nth)
{
    for (size_t i = 0; i < w->n_rows; i++) {
        if (w->rows[i].kind == kind && nth-- == 0) {
            return &w->rows[i];
        }
    }
    return NULL;
}

static size_t n_rows_of(const struct world *w, enum ent_row_kind kind)
{
    size_t n = 0;

    while (row_of(w, kind, n) != NULL) {
        n++;
    }
    return n;
}

/* The tasks of a whole run as a string: s, t, v (validation), e (test). */
static void course(const struct ent_run_config *config, char *out, struct world *w)
{
    size_t n = 0;

    start(w, 3, config);
    CU_ASSERT(world_calm(w, 2000));
    CU_ASSERT_PTR_NULL(w->broken);
    for (size_t i = 0; i < w->n_rows; i++) {
        const struct ent_row *row = &w->rows[i];

        if (row->kind == ENT_ROW_OPEN) {
            out[n++] = row->task == ENT_ROUND_STATS      ? 's'
                       : row->task == ENT_ROUND_TRAIN    ? 't'
                       : row->split == ENT_ROUND_ON_TEST ? 'e'
                                                         : 'v';
        }
    }
    out[n] = '\0';
}

ENT_TEST(course, rounds_of_a_run)
{
    static const struct {
        uint32_t train_rounds;
        bool validate;
        bool test;
        const char *tasks;
    } cases[] = {
        {2, true, true, "stvtve"}, {2, false, true, "stte"}, {2, true, false, "stvtv"},
        {1, false, false, "st"},   {0, true, true, "se"},    {0, false, false, "s"},
    };

    for (size_t i = 0; i < ENT_ARRAY_LEN(cases); i++) {
        struct ent_run_config config = world_config();
        struct world w;
        char tasks[32];

        config.train_rounds = cases[i].train_rounds;
        config.validate = cases[i].validate;
        config.test = cases[i].test;
        course(&config, tasks, &w);
        CU_ASSERT_STRING_EQUAL(tasks, cases[i].tasks);
        CU_ASSERT_EQUAL(row_of(&w, ENT_ROW_END, 0)->code, ENT_E_OK);
        CU_ASSERT_EQUAL(w.r.round, strlen(tasks));
        CU_ASSERT_EQUAL(w.r.train_done, config.train_rounds);
        world_release(&w);
    }
}

/* Losses of validation rounds 3, 5, 7 -> which of the models of rounds 2, 4, 6 is the best. */
static uint64_t best_of(uint64_t a, uint64_t b, uint64_t c, uint32_t *train)
{
    struct ent_run_config config = world_config();
    struct world w;
    uint64_t round;
    struct ent_row end;

    config.train_rounds = 3;
    world_init(&w, 3, &config);
    w.loss_of_round[3] = a;
    w.loss_of_round[5] = b;
    w.loss_of_round[7] = c;
    world_start(&w);
    CU_ASSERT(world_calm(&w, 2000));
    end = *row_of(&w, ENT_ROW_END, 0);
    /* the test round evaluates it, and it does not change the newest model */
    CU_ASSERT_EQUAL(memcmp(row_of(&w, ENT_ROW_OPEN, 7)->model, end.model, 32), 0);
    CU_ASSERT_EQUAL(end.model[0], 'M');
    memcpy(&round, end.model + 1, sizeof round);
    *train = w.r.best_train;
    world_release(&w);
    return round;
}

ENT_TEST(course, best_model_by_validation_loss)
{
    uint32_t train = 0;

    CU_ASSERT_EQUAL(best_of(300, 200, 100, &train), 6);
    CU_ASSERT_EQUAL(train, 3);
    CU_ASSERT_EQUAL(best_of(300, 100, 200, &train), 4);
    CU_ASSERT_EQUAL(train, 2);
    CU_ASSERT_EQUAL(best_of(100, 100, 100, &train), 2); /* ties keep the earlier */
    CU_ASSERT_EQUAL(train, 1);
}

/* The comparison itself is exact: it is in the machine's private header, so it is tested through
 * losses whose products do not fit into 64 bits. */
ENT_TEST(course, best_model_with_huge_sums)
{
    struct ent_run_config config = world_config();
    struct world w;
    struct ent_event ev;
    const uint64_t big = UINT64_MAX - 10;

    start(&w, 3, &config);
    until_round(&w, ENT_ROUND_EVALUATE, ENT_PHASE_CLOSE);
    ev = world_make(&w, ENT_EV_RESULT, 0);
    ev.loss_sum = big;
    ev.rows = big - 1; /* a little more than 1 */
    world_step(&w, ev);
    CU_ASSERT_EQUAL(w.r.best_train, 1);
    world_event(&w, ENT_EV_GATE, 0);
    until(&w, ENT_PHASE_UPDATE);
    until_round(&w, ENT_ROUND_EVALUATE, ENT_PHASE_CLOSE);
    ev = world_make(&w, ENT_EV_RESULT, 0);
    ev.loss_sum = big - 1;
    ev.rows = big - 1; /* exactly 1 */
    world_step(&w, ev);
    CU_ASSERT_EQUAL(w.r.best_train, 2);
    world_event(&w, ENT_EV_GATE, 0);
    done(&w);
}

ENT_TEST(course, begin_refuses_nonsense_and_a_second_run)
{
    struct ent_run_config config = world_config();
    struct ent_run_config bad = config;
    static const uint8_t none[32];
    struct world w;

    start(&w, 3, &config);
    ENT_FAILS(ent_round_begin(&w.r, &config, none), ENT_E_EXISTS);
    CU_ASSERT(world_calm(&w, 2000));
    bad.min_members = 0;
    ENT_FAILS(ent_round_begin(&w.r, &bad, none), ENT_E_CONFIG);
    config.run = 2;
    ENT_OK(ent_round_begin(&w.r, &config, none));
    memset(&w.laws, 0, sizeof w.laws);
    world_event(&w, ENT_EV_RUN_START, 0);
    done(&w);
}

ENT_TEST(course, a_base_model_is_the_first_base)
{
    struct ent_run_config config = world_config();
    uint8_t base[32];
    struct world w;

    memset(base, 7, sizeof base);
    config.train_rounds = 0;
    world_init(&w, 3, &config);
    ENT_OK(ent_round_begin(&w.r, &config, base));
    world_start(&w);
    until(&w, ENT_PHASE_JOIN);
    CU_ASSERT_EQUAL(memcmp(w.r.base, base, 32), 0);
    CU_ASSERT_EQUAL(memcmp(row_of(&w, ENT_ROW_OPEN, 0)->model, base, 32), 0);
    done(&w);
}

ENT_TEST(wait, does_not_open_below_min_members)
{
    struct ent_run_config config = world_config();
    struct world w;

    world_init(&w, 3, &config);
    world_event(&w, ENT_EV_UP, 1);
    world_event(&w, ENT_EV_RUN_START, 0);
    world_event(&w, ENT_EV_TICK, 0);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_WAIT);
    CU_ASSERT(w.r.stalled);
    CU_ASSERT_EQUAL(world_count(&w, ENT_ACT_STALLED), 1);
    CU_ASSERT_FALSE(world_calm(&w, 10)); /* nothing moves by itself, and nothing is busy */
    world_event(&w, ENT_EV_UP, 2);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_JOIN);
    CU_ASSERT_EQUAL(w.r.members[0].standing, ENT_STANDING_NONE);
    CU_ASSERT_EQUAL(world_count(&w, ENT_ACT_SEND_OPEN), 2);
    done(&w);
}

ENT_TEST(wait, gathers_for_a_while)
{
    struct ent_run_config config = world_config();
    struct world w;

    config.gather_ms = 500;
    world_init(&w, 4, &config);
    world_event(&w, ENT_EV_RUN_START, 0);
    world_event(&w, ENT_EV_TICK, 0);
    world_event(&w, ENT_EV_UP, 0);
    world_event(&w, ENT_EV_UP, 1);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_WAIT);
    CU_ASSERT_EQUAL(w.r.timer_ms, w.now_ms + 500);
    w.now_ms += 499;
    world_event(&w, ENT_EV_UP, 2);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_WAIT);
    w.now_ms += 1;
    world_event(&w, ENT_EV_TICK, 0);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_JOIN);
    CU_ASSERT_EQUAL(ent_round_count(&w.r, ENT_STANDING_INVITED), 3);
    done(&w);

    world_init(&w, 3, &config); /* all are there: no reason to wait */
    world_event(&w, ENT_EV_RUN_START, 0);
    for (uint32_t i = 0; i < 3; i++) {
        world_event(&w, ENT_EV_UP, i);
    }
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_JOIN);
    done(&w);
}

ENT_TEST(join, deadline_leaves_the_silent_out)
{
    struct ent_run_config config = world_config();
    struct world w;

    start(&w, 4, &config);
    until(&w, ENT_PHASE_JOIN);
    CU_ASSERT_EQUAL(w.r.timer_ms, w.now_ms + config.join_ms);
    world_event(&w, ENT_EV_JOIN, 0);
    world_event(&w, ENT_EV_JOIN, 1);
    world_event(&w, ENT_EV_DOWN, 2);
    w.now_ms += config.join_ms;
    world_event(&w, ENT_EV_JOIN, 3); /* late, though the timer has not fired */
    CU_ASSERT_EQUAL(world_find(&w, ENT_ACT_REFUSE)->code, ENT_E_PHASE);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_UPDATE);
    CU_ASSERT_EQUAL(w.r.members[2].reason, ENT_E_DROPPED);
    CU_ASSERT_EQUAL(w.r.members[3].reason, ENT_E_TIMEOUT);
    CU_ASSERT_EQUAL(world_count(&w, ENT_ACT_SEND_BEGIN), 2);
    done(&w);
}

ENT_TEST(join, declines_below_min_members_abort_at_once)
{
    struct ent_run_config config = world_config();
    struct world w;
    struct ent_event ev;

    start(&w, 3, &config);
    until(&w, ENT_PHASE_JOIN);
    ev = world_make(&w, ENT_EV_DECLINE, 0);
    ev.code = ENT_E_DATA;
    world_step(&w, ev);
    CU_ASSERT_EQUAL(w.r.members[0].standing, ENT_STANDING_REJECTED);
    CU_ASSERT_EQUAL(w.r.members[0].reason, ENT_E_DATA);
    world_event(&w, ENT_EV_DECLINE, 1);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_WAIT);
    CU_ASSERT_EQUAL(w.r.abort_code, ENT_E_TOO_FEW);
    CU_ASSERT_EQUAL(world_find(&w, ENT_ACT_SEND_ABORT)->code, ENT_E_TOO_FEW);
    CU_ASSERT_EQUAL(w.r.timer_ms, w.now_ms + config.retry_ms);
    done(&w);
}

ENT_TEST(update, deadline_costs_the_late_their_place)
{
    struct ent_run_config config = world_config();
    struct world w;
    uint64_t begun;

    start(&w, 3, &config);
    until(&w, ENT_PHASE_UPDATE);
    begun = w.now_ms;
    for (uint32_t i = 0; i < 2; i++) {
        world_event(&w, ENT_EV_OFFER, i);
        world_event(&w, ENT_EV_UPDATE, i);
    }
    world_event(&w, ENT_EV_OFFER, 2); /* slow, but there: it has until the deadline */
    CU_ASSERT_EQUAL(w.r.timer_ms, begun + config.update_ms);
    w.now_ms = begun + config.update_ms;
    world_event(&w, ENT_EV_UPDATE, 2);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_CLOSE);
    CU_ASSERT_EQUAL(w.r.members[2].reason, ENT_E_TIMEOUT);
    CU_ASSERT_EQUAL(w.r.sum_w, 1 + 2);
    done(&w);
}

ENT_TEST(update, a_lost_member_costs_less_than_the_deadline)
{
    struct ent_run_config config = world_config();
    struct world w;
    uint64_t begun;

    start(&w, 3, &config);
    until(&w, ENT_PHASE_UPDATE);
    begun = w.now_ms;
    world_event(&w, ENT_EV_DOWN, 2);
    for (uint32_t i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(w.r.timer_ms, begun + config.update_ms);
        world_event(&w, ENT_EV_OFFER, i);
        world_event(&w, ENT_EV_UPDATE, i);
    }
    CU_ASSERT_EQUAL(w.r.timer_ms, begun + config.join_ms);
    w.now_ms += config.join_ms / 2;
    world_event(&w, ENT_EV_UP, 2); /* it came back in time: it has the whole deadline again */
    CU_ASSERT_EQUAL(world_count(&w, ENT_ACT_SEND_OPEN), 1);
    CU_ASSERT_EQUAL(world_count(&w, ENT_ACT_SEND_BEGIN), 1);
    CU_ASSERT_EQUAL(w.r.timer_ms, begun + config.update_ms);
    world_event(&w, ENT_EV_DOWN, 2);
    CU_ASSERT_EQUAL(w.r.timer_ms, w.now_ms + config.join_ms);
    w.now_ms += config.join_ms;
    world_event(&w, ENT_EV_TICK, 0);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_CLOSE);
    CU_ASSERT_EQUAL(w.r.members[2].reason, ENT_E_DROPPED);
    done(&w);
}

ENT_TEST(update, a_lost_member_that_is_needed_has_the_whole_deadline)
{
    struct ent_run_config config = world_config();
    struct world w;
    uint64_t begun;

    config.min_members = 3;
    start(&w, 3, &config);
    until(&w, ENT_PHASE_UPDATE);
    begun = w.now_ms;
    world_event(&w, ENT_EV_DOWN, 2);
    for (uint32_t i = 0; i < 2; i++) {
        world_event(&w, ENT_EV_OFFER, i);
        world_event(&w, ENT_EV_UPDATE, i);
    }
    CU_ASSERT_EQUAL(w.r.timer_ms, begun + config.update_ms);
    w.now_ms = w.r.timer_ms;
    world_event(&w, ENT_EV_TICK, 0);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_WAIT);
    CU_ASSERT_EQUAL(w.r.abort_code, ENT_E_TOO_FEW);
    CU_ASSERT_EQUAL(world_count(&w, ENT_ACT_DISCARD), 1);
    CU_ASSERT_EQUAL(world_count(&w, ENT_ACT_SEND_CLOSE), 0);
    world_event(&w, ENT_EV_UP, 2);
    done(&w);
}

ENT_TEST(update, a_broken_upload_may_be_offered_again_under_the_same_digest)
{
    struct ent_run_config config = world_config();
    struct world w;
    struct ent_event ev;

    start(&w, 3, &config);
    until(&w, ENT_PHASE_UPDATE);
    world_event(&w, ENT_EV_OFFER, 0);
    ev = world_make(&w, ENT_EV_UPDATE_BAD, 0);
    ev.code = ENT_E_DROPPED;
    world_step(&w, ev);
    CU_ASSERT_EQUAL(w.r.members[0].standing, ENT_STANDING_JOINED);
    ev = world_make(&w, ENT_EV_OFFER, 0);
    ev.digest[31] = 1;
    world_step(&w, ev);
    CU_ASSERT_EQUAL(world_find(&w, ENT_ACT_REFUSE)->code, ENT_E_DIGEST);
    world_event(&w, ENT_EV_OFFER, 0);
    CU_ASSERT_EQUAL(world_count(&w, ENT_ACT_GRANT), 1);
    ev = world_make(&w, ENT_EV_UPDATE, 0);
    ev.digest[31] = 1;
    world_step(&w, ev);
    CU_ASSERT_EQUAL(world_find(&w, ENT_ACT_REFUSE)->code, ENT_E_DIGEST);
    world_event(&w, ENT_EV_UPDATE, 0);
    CU_ASSERT_EQUAL(world_find(&w, ENT_ACT_ACK)->code, ENT_E_OK);
    ev.digest[31] = 1;
    ev.kind = ENT_EV_OFFER;
    world_step(&w, ev); /* another update after the accepted one */
    CU_ASSERT_EQUAL(world_find(&w, ENT_ACT_REFUSE)->code, ENT_E_DIGEST);
    CU_ASSERT_EQUAL(w.r.sum_w, 1);
    done(&w);
}

ENT_TEST(update, a_weight_of_zero_is_rejected)
{
    struct ent_run_config config = world_config();
    struct world w;
    struct ent_event ev;

    start(&w, 3, &config);
    until(&w, ENT_PHASE_UPDATE);
    world_event(&w, ENT_EV_OFFER, 0);
    ev = world_make(&w, ENT_EV_UPDATE, 0);
    ev.weight = 0;
    world_step(&w, ev);
    CU_ASSERT_EQUAL(w.r.members[0].standing, ENT_STANDING_REJECTED);
    CU_ASSERT_EQUAL(world_find(&w, ENT_ACT_ACK)->code, ENT_E_RANGE);
    done(&w);
}

ENT_TEST(close, a_failed_result_is_an_abort)
{
    struct ent_run_config config = world_config();
    struct world w;
    struct ent_event ev;

    start(&w, 3, &config);
    until(&w, ENT_PHASE_CLOSE);
    ev = world_make(&w, ENT_EV_RESULT_FAILED, 0);
    ev.code = ENT_E_NONFINITE;
    world_step(&w, ev);
    CU_ASSERT_EQUAL(w.r.abort_code, ENT_E_NONFINITE);
    CU_ASSERT_EQUAL(row_of(&w, ENT_ROW_ABORT, 0)->code, ENT_E_NONFINITE);
    until(&w, ENT_PHASE_JOIN);
    CU_ASSERT_EQUAL(w.r.round, 1);
    CU_ASSERT_EQUAL(w.r.attempt, 2);
    done(&w);
}

static void abort_attempt(struct world *w)
{
    until(w, ENT_PHASE_JOIN);
    world_event(w, ENT_EV_DECLINE, 0);
    world_event(w, ENT_EV_DECLINE, 1);
    CU_ASSERT_EQUAL_FATAL(w->r.phase, ENT_PHASE_WAIT);
}

ENT_TEST(attempts, stall_and_back_off)
{
    static const uint64_t waits[] = {10, 10, 20, 40, 80, 160, 320, 640, 640};
    struct ent_run_config config = world_config();
    struct world w;

    start(&w, 3, &config);
    for (size_t i = 0; i < ENT_ARRAY_LEN(waits); i++) {
        abort_attempt(&w);
        CU_ASSERT_EQUAL(w.r.stalled, i >= 2);
        CU_ASSERT_EQUAL(world_count(&w, ENT_ACT_STALLED), i >= 2);
        CU_ASSERT_EQUAL(w.r.timer_ms, w.now_ms + waits[i] * 1000);
    }
    CU_ASSERT_EQUAL(world_find(&w, ENT_ACT_STALLED)->code, ENT_E_TOO_FEW);
    /* somebody comes back: sooner, but not before retry_ms is over */
    world_event(&w, ENT_EV_DOWN, 2);
    world_event(&w, ENT_EV_UP, 2);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_WAIT);
    CU_ASSERT_EQUAL(w.r.timer_ms, w.now_ms + config.retry_ms);
    until(&w, ENT_PHASE_JOIN);
    CU_ASSERT_EQUAL(w.r.attempt, ENT_ARRAY_LEN(waits) + 1);
    until(&w, ENT_PHASE_RELEASE);
    CU_ASSERT_EQUAL(w.r.aborts, 0);
    done(&w);
}

ENT_TEST(attempts, an_update_of_an_old_attempt_is_stale)
{
    struct ent_run_config config = world_config();
    struct world w;
    struct ent_event old;

    start(&w, 3, &config);
    until(&w, ENT_PHASE_UPDATE);
    world_event(&w, ENT_EV_OFFER, 0);
    old = world_make(&w, ENT_EV_UPDATE, 0);
    world_event(&w, ENT_EV_DECLINE, 1);
    world_event(&w, ENT_EV_DECLINE, 2);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_WAIT);
    CU_ASSERT_EQUAL(w.r.members[0].reason, ENT_E_TOO_FEW);
    until(&w, ENT_PHASE_UPDATE);
    world_event(&w, ENT_EV_OFFER, 0);
    old.now_ms = w.now_ms;
    world_step(&w, old);
    CU_ASSERT_EQUAL(world_find(&w, ENT_ACT_REFUSE)->code, ENT_E_STALE);
    CU_ASSERT_EQUAL(w.r.sum_w, 0);
    done(&w);
}

ENT_TEST(stop, at_once_in_wait_and_join)
{
    struct ent_run_config config = world_config();
    struct world w;

    start(&w, 3, &config);
    world_event(&w, ENT_EV_STOP, 0);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_IDLE);
    CU_ASSERT_EQUAL(world_find(&w, ENT_ACT_SEND_END)->code, ENT_E_STOPPED);
    CU_ASSERT_EQUAL(world_find(&w, ENT_ACT_TIMER)->at_ms, 0);
    done(&w);

    start(&w, 3, &config);
    until_round(&w, ENT_ROUND_TRAIN, ENT_PHASE_JOIN);
    world_event(&w, ENT_EV_JOIN, 0);
    world_event(&w, ENT_EV_STOP, 0);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_IDLE);
    CU_ASSERT_EQUAL(w.r.members[0].reason, ENT_E_STOPPED);
    CU_ASSERT_EQUAL(row_of(&w, ENT_ROW_END, 0)->code, ENT_E_STOPPED);
    /* nothing was trained: what there is is the initial model */
    CU_ASSERT_EQUAL(memcmp(row_of(&w, ENT_ROW_END, 0)->model, w.r.model, 32), 0);
    done(&w);
}

ENT_TEST(stop, after_the_round_once_members_work)
{
    static const enum ent_phase phases[] = {ENT_PHASE_UPDATE, ENT_PHASE_CLOSE, ENT_PHASE_RELEASE};

    for (size_t i = 0; i < ENT_ARRAY_LEN(phases); i++) {
        struct ent_run_config config = world_config();
        struct world w;

        start(&w, 3, &config);
        until_round(&w, ENT_ROUND_TRAIN, phases[i]);
        world_event(&w, ENT_EV_STOP, 0);
        world_event(&w, ENT_EV_STOP, 0);
        CU_ASSERT_EQUAL(w.r.phase, phases[i]);
        CU_ASSERT_EQUAL(n_rows_of(&w, ENT_ROW_STOP), 1);
        CU_ASSERT(world_calm(&w, 1000));
        CU_ASSERT_EQUAL(n_rows_of(&w, ENT_ROW_CLOSE), 2); /* stats, and the round that was going */
        CU_ASSERT_EQUAL(row_of(&w, ENT_ROW_END, 0)->code, ENT_E_STOPPED);
        CU_ASSERT_EQUAL(memcmp(row_of(&w, ENT_ROW_END, 0)->model, w.r.model, 32), 0);
        done(&w);
    }
}

ENT_TEST(stop, an_abort_while_stopping_ends_the_run)
{
    struct ent_run_config config = world_config();
    struct world w;

    start(&w, 3, &config);
    until(&w, ENT_PHASE_UPDATE);
    world_event(&w, ENT_EV_STOP, 0);
    world_event(&w, ENT_EV_LOST, 0);
    world_event(&w, ENT_EV_LOST, 1);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_IDLE);
    done(&w);
}

ENT_TEST(actions, fit_their_bound_with_many_members)
{
    static struct ent_round_member members[ENT_ROUND_MEMBERS_MAX];
    static struct ent_action list[4 * ENT_ROUND_MEMBERS_MAX + 16];
    const uint32_t n = 1000;
    struct ent_run_config config = world_config();
    static const uint8_t none[32];
    struct ent_round r;
    struct ent_event ev = {.kind = ENT_EV_UP, .now_ms = 1};
    size_t most = 0;

    config.min_members = n;
    ent_round_init(&r, members);
    for (uint32_t i = 0; i < n; i++) {
        struct ent_actions acts = {.list = list, .cap = 4U * n + 16};

        ev.member = ent_round_add_member(&r, false);
        ent_round_step(&r, &ev, &acts);
    }
    ENT_OK(ent_round_begin(&r, &config, none));
    /* start, open, nobody answers: n drops and an abort; stop in the next JOIN */
    for (int i = 0; i < 6; i++) {
        struct ent_actions acts = {.list = list, .cap = 4U * n + 16};

        ev = (struct ent_event){.kind = i == 0   ? ENT_EV_RUN_START
                                        : i == 4 ? ENT_EV_STOP
                                                 : ENT_EV_TICK,
                                .now_ms = r.timer_ms == 0 ? r.now_ms : r.timer_ms};
        ent_round_step(&r, &ev, &acts);
        most = acts.n > most ? acts.n : most;
    }
    CU_ASSERT_EQUAL(r.phase, ENT_PHASE_IDLE);
    CU_ASSERT(most > 2 * n && most <= 4U * n + 16);
}
