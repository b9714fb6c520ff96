/* What each phase does about deadlines, absent members, repeats; retries. */
#include "common/base/mem.h"
#include "tests/unit/coordinator_round/drive.h"

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
    CU_ASSERT_EQUAL(w.r.members[2].reason, ENT_E_DROPPED);
    CU_ASSERT_EQUAL(w.r.members[3].reason, ENT_E_TIMEOUT);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_JOIN); /* now only the gate is waited for, and named */
    CU_ASSERT_EQUAL(world_count(&w, ENT_ACT_WITNESSES), 1);
    CU_ASSERT_EQUAL(w.r.deadline_ms, 0);
    w.now_ms += 100 * config.join_ms;
    world_event(&w, ENT_EV_TICK, 0);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_JOIN);
    CU_ASSERT_EQUAL(world_count(&w, ENT_ACT_WITNESSES), 0);
    world_event(&w, ENT_EV_GATE, 0);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_UPDATE);
    CU_ASSERT_EQUAL(world_count(&w, ENT_ACT_SEND_BEGIN), 2);
    done(&w);
}

ENT_TEST(join, waits_for_its_gate_and_asks_again_after_a_restart)
{
    struct ent_run_config config = world_config();
    struct ent_event ev;
    struct world w;

    start(&w, 3, &config);
    until(&w, ENT_PHASE_JOIN);
    CU_ASSERT(world_find(&w, ENT_ACT_GATE) != NULL && world_find(&w, ENT_ACT_GATE)->witnessed);
    ev = world_make(&w, ENT_EV_GATE, 0);
    ev.attempt++;
    world_step(&w, ev);
    CU_ASSERT_EQUAL(world_find(&w, ENT_ACT_REFUSE)->code, ENT_E_STALE);
    for (uint32_t i = 0; i < 3; i++) {
        world_event(&w, ENT_EV_JOIN, i);
    }
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_JOIN); /* all are in; the gate is not open */
    ENT_OK(world_restart(&w, w.n_rows));
    CU_ASSERT(world_find(&w, ENT_ACT_GATE) != NULL && world_find(&w, ENT_ACT_GATE)->witnessed);
    CU_ASSERT(!w.r.gate_open);
    world_event(&w, ENT_EV_GATE, 0);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_UPDATE);
    CU_ASSERT(w.r.gate_open);
    world_all_up(&w);
    done(&w);
}

ENT_TEST(join, a_stop_does_not_wait_for_the_gate)
{
    struct ent_run_config config = world_config();
    struct world w;

    start(&w, 2, &config);
    until(&w, ENT_PHASE_JOIN);
    world_event(&w, ENT_EV_STOP, 0);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_IDLE);
    done(&w);
}

/* Only behind the last round is there nothing that would cover it. */
ENT_TEST(release, only_the_last_round_waits_for_witnesses)
{
    struct ent_run_config config = world_config();
    struct world w;

    start(&w, 2, &config);
    until_round(&w, ENT_ROUND_TRAIN, ENT_PHASE_RELEASE);
    CU_ASSERT(world_find(&w, ENT_ACT_GATE) != NULL && !world_find(&w, ENT_ACT_GATE)->witnessed);
    ENT_OK(world_restart(&w, w.n_rows));
    CU_ASSERT(world_find(&w, ENT_ACT_GATE) != NULL && !world_find(&w, ENT_ACT_GATE)->witnessed);
    world_all_up(&w);
    while (w.r.split != ENT_ROUND_ON_TEST || w.r.phase != ENT_PHASE_RELEASE) {
        CU_ASSERT_FATAL(world_calm_step(&w));
    }
    CU_ASSERT(world_find(&w, ENT_ACT_GATE) != NULL && world_find(&w, ENT_ACT_GATE)->witnessed);
    ENT_OK(world_restart(&w, w.n_rows));
    CU_ASSERT(world_find(&w, ENT_ACT_GATE) != NULL && world_find(&w, ENT_ACT_GATE)->witnessed);
    done(&w);

    start(&w, 2, &config); /* and one in which the operator stops */
    until_round(&w, ENT_ROUND_TRAIN, ENT_PHASE_UPDATE);
    world_event(&w, ENT_EV_STOP, 0);
    until(&w, ENT_PHASE_RELEASE);
    CU_ASSERT(world_find(&w, ENT_ACT_GATE) != NULL && world_find(&w, ENT_ACT_GATE)->witnessed);
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

/* Known before CLOSE that it cannot be done: the attempt ends where it is. */
ENT_TEST(close, a_result_that_fails_early_is_an_abort)
{
    static const enum ent_phase phases[] = {ENT_PHASE_JOIN, ENT_PHASE_UPDATE};

    for (size_t i = 0; i < 2; i++) {
        struct ent_run_config config = world_config();
        struct world w;
        struct ent_event ev;

        start(&w, 3, &config);
        until(&w, phases[i]);
        ev = world_make(&w, ENT_EV_RESULT_FAILED, 0);
        ev.code = ENT_E_LOST;
        world_step(&w, ev);
        CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_WAIT);
        CU_ASSERT_EQUAL(row_of(&w, ENT_ROW_ABORT, 0)->code, ENT_E_LOST);
        until(&w, ENT_PHASE_JOIN);
        CU_ASSERT_EQUAL(w.r.attempt, 2);
        done(&w);
    }
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
