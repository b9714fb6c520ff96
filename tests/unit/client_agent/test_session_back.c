#include <string.h>

#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/drive.h"

ENT_TEST(session, backoff_is_random_below_a_doubling_bound)
{
    struct drive d;
    uint64_t bound = ENT_SESSION_BACKOFF_MIN_MS;
    uint64_t sum = 0;
    uint64_t first = 0;

    drive_begin(&d);
    drive_send(&d, ENT_SEV_START);
    for (int i = 0; i < 40; i++) {
        uint64_t delay;

        drive_result(&d, ENT_SEV_CLOSED, ENT_E_NET);
        delay = drive_find(&d, ENT_SACT_TIMER)->at_ms - d.now_ms;
        CU_ASSERT(delay >= 1 && delay <= bound);
        bound = bound * 2 < ENT_SESSION_BACKOFF_MAX_MS ? bound * 2 : ENT_SESSION_BACKOFF_MAX_MS;
        sum += i >= 6 ? delay : 0;
        first = i == 6 ? delay : first;
        drive_send(&d, ENT_SEV_TICK);
        CU_ASSERT_FALSE(drive_did(&d, ENT_SACT_DIAL)); /* too early */
        d.now_ms += delay;
        drive_send(&d, ENT_SEV_TICK);
        CU_ASSERT(drive_did(&d, ENT_SACT_DIAL));
    }
    CU_ASSERT(sum / 34 > 15000 && sum / 34 < 45000); /* uniform below 60 s, not always the same */
    CU_ASSERT_NOT_EQUAL(sum, first * 34);
    drive_send(&d, ENT_SEV_OPENED);
    drive_no_run(&d);
    drive_result(&d, ENT_SEV_CLOSED, ENT_E_NET);
    CU_ASSERT(drive_find(&d, ENT_SACT_TIMER)->at_ms - d.now_ms <= ENT_SESSION_BACKOFF_MIN_MS);
}

ENT_TEST(session, a_broken_line_in_mid_upload_offers_the_stored_update_again)
{
    struct drive d;

    drive_bring(&d, ENT_SESSION_SENDING);
    drive_reconnect(&d);
    drive_welcome(&d, 3, ENT_SEEN_JOINED, ENT_UPDATE_STORED);
    CU_ASSERT(drive_did(&d, ENT_SACT_SEND_OFFER));
    CU_ASSERT_FALSE(drive_did(&d, ENT_SACT_COMPUTE));
    drive_open_round(&d, true, true); /* the coordinator repeats both */
    drive_send(&d, ENT_SEV_BEGIN);
    CU_ASSERT_EQUAL(d.out.n, 0);
    CU_ASSERT_EQUAL(ent_session_state(&d.s), ENT_SESSION_OFFERED);
}

ENT_TEST(session, a_broken_line_before_begin_joins_once)
{
    struct drive d;

    drive_bring(&d, ENT_SESSION_JOINED);
    drive_reconnect(&d);
    drive_welcome(&d, 3, ENT_SEEN_INVITED, ENT_UPDATE_NONE); /* the JOIN was lost */
    drive_open_round(&d, true, true);
    CU_ASSERT(drive_did(&d, ENT_SACT_SEND_JOIN));
    drive_bring(&d, ENT_SESSION_JOINED);
    drive_reconnect(&d);
    drive_welcome(&d, 3, ENT_SEEN_JOINED, ENT_UPDATE_NONE); /* it had arrived */
    drive_open_round(&d, true, true);
    CU_ASSERT_EQUAL(d.out.n, 0);
    drive_send(&d, ENT_SEV_BEGIN);
    CU_ASSERT(drive_did(&d, ENT_SACT_COMPUTE));
}

/* A coordinator that recovered what it lost: first it only asks, then it is where it was before the JOIN. */
ENT_TEST(session, a_lost_join_is_said_again_and_the_stored_update_offered)
{
    struct ent_session_event ev = drive_event(ENT_SEV_WELCOME);
    struct drive d;

    drive_bring(&d, ENT_SESSION_SENDING);
    drive_reconnect(&d);
    ev.recovering = true;
    ev.id = (struct ent_session_round){0};
    drive_go(&d, ev);
    CU_ASSERT(drive_did(&d, ENT_SACT_ADMIT));
    CU_ASSERT_FALSE(drive_did(&d, ENT_SACT_FORGET));
    drive_reconnect(&d);
    drive_welcome(&d, 3, ENT_SEEN_INVITED, ENT_UPDATE_STORED);
    CU_ASSERT_FALSE(drive_did(&d, ENT_SACT_SEND_OFFER));
    drive_open_round(&d, true, true);
    CU_ASSERT(drive_did(&d, ENT_SACT_SEND_JOIN));
    CU_ASSERT_FALSE(drive_did(&d, ENT_SACT_COMPUTE));
    drive_send(&d, ENT_SEV_BEGIN);
    CU_ASSERT(drive_did(&d, ENT_SACT_SEND_OFFER));
    CU_ASSERT_FALSE(drive_did(&d, ENT_SACT_COMPUTE));
}

ENT_TEST(session, killed_after_storing_offers_again)
{
    struct drive d;

    drive_begin(&d);
    ent_session_resume(&d.s, 7, plan_digest, true);
    drive_send(&d, ENT_SEV_START);
    drive_send(&d, ENT_SEV_OPENED);
    drive_welcome(&d, 3, ENT_SEEN_JOINED, ENT_UPDATE_STORED);
    CU_ASSERT(drive_did(&d, ENT_SACT_SEND_OFFER));
    drive_send(&d, ENT_SEV_GO);
    CU_ASSERT(drive_did(&d, ENT_SACT_SEND_BYTES));
    drive_result(&d, ENT_SEV_ACK, ENT_E_REPEAT);
    CU_ASSERT(d.s.accepted);
}

ENT_TEST(session, killed_while_joined_computes_without_a_second_join)
{
    struct drive d;

    drive_begin(&d);
    ent_session_resume(&d.s, 7, plan_digest, true);
    drive_send(&d, ENT_SEV_START);
    drive_send(&d, ENT_SEV_OPENED);
    drive_welcome(&d, 3, ENT_SEEN_JOINED, ENT_UPDATE_NONE);
    drive_open_round(&d, true, true);
    CU_ASSERT(drive_did(&d, ENT_SACT_CHECK));
    drive_send(&d, ENT_SEV_BEGIN); /* may come before the check is done */
    drive_result(&d, ENT_SEV_CHECKED, ENT_E_OK);
    CU_ASSERT_FALSE(drive_did(&d, ENT_SACT_SEND_JOIN));
    CU_ASSERT(drive_did(&d, ENT_SACT_COMPUTE));
}

ENT_TEST(session, what_cannot_be_sent_again_is_lost)
{
    static const struct {
        enum ent_session_standing standing;
        enum ent_session_update update;
    } cases[] = {{ENT_SEEN_JOINED, ENT_UPDATE_DAMAGED},
                 {ENT_SEEN_OFFERED, ENT_UPDATE_DAMAGED},
                 {ENT_SEEN_OFFERED, ENT_UPDATE_NONE}};

    for (size_t i = 0; i < ENT_ARRAY_LEN(cases); i++) {
        struct drive d;

        drive_begin(&d);
        drive_send(&d, ENT_SEV_START);
        drive_send(&d, ENT_SEV_OPENED);
        drive_welcome(&d, 3, cases[i].standing, cases[i].update);
        CU_ASSERT(drive_did(&d, ENT_SACT_SEND_LOST));
        CU_ASSERT_EQUAL(ent_session_state(&d.s), ENT_SESSION_DONE);
        drive_send(&d, ENT_SEV_BEGIN);
        CU_ASSERT_FALSE(drive_did(&d, ENT_SACT_COMPUTE));
    }
}

ENT_TEST(session, a_damaged_copy_is_offered_again_on_begin)
{
    struct drive d;

    drive_bring(&d, ENT_SESSION_DONE);
    drive_send(&d, ENT_SEV_BEGIN);
    CU_ASSERT(drive_did(&d, ENT_SACT_SEND_OFFER));
}

ENT_TEST(session, check_and_computation_that_fail_decline)
{
    struct drive d;

    drive_up(&d);
    drive_open_round(&d, true, true);
    drive_result(&d, ENT_SEV_CHECKED, ENT_E_POLICY);
    CU_ASSERT_EQUAL(drive_find(&d, ENT_SACT_SEND_DECLINE)->code, ENT_E_POLICY);
    drive_bring(&d, ENT_SESSION_COMPUTE);
    drive_result(&d, ENT_SEV_COMPUTED, ENT_E_RANGE);
    CU_ASSERT_EQUAL(drive_find(&d, ENT_SACT_SEND_DECLINE)->code, ENT_E_RANGE);
    drive_bring(&d, ENT_SESSION_COMPUTE);
    drive_result(&d, ENT_SEV_COMPUTED, ENT_E_STOPPED); /* the round is over: nothing to say */
    CU_ASSERT_EQUAL(d.out.n, 0);
    drive_bring(&d, ENT_SESSION_COMPUTE);
    drive_result(&d, ENT_SEV_COMPUTED, ENT_E_LOST);
    CU_ASSERT(drive_did(&d, ENT_SACT_SEND_LOST));
    drive_bring(&d, ENT_SESSION_JOINED);
    drive_result(&d, ENT_SEV_BEGIN,
                 ENT_E_TOO_FEW); /* the cohort that came about is too small for this member */
    CU_ASSERT_EQUAL(drive_find(&d, ENT_SACT_SEND_DECLINE)->code, ENT_E_TOO_FEW);
}

ENT_TEST(session, another_plan_in_the_same_run_is_declined)
{
    struct drive d;
    struct ent_session_event ev = drive_event(ENT_SEV_RUN_START);

    drive_up(&d);
    memcpy(ev.digest, best_digest, 32);
    drive_go(&d, ev);
    drive_open_round(&d, true, true);
    CU_ASSERT_EQUAL(drive_find(&d, ENT_SACT_SEND_DECLINE)->code, ENT_E_DIGEST);
}

ENT_TEST(session, old_rounds_are_stale_new_ones_replace)
{
    struct drive d;
    struct ent_session_event ev;

    drive_bring(&d, ENT_SESSION_JOINED);
    ev = drive_event(ENT_SEV_ROUND_OPEN);
    ev.id.round = 2;
    drive_go(&d, ev);
    CU_ASSERT_EQUAL(d.out.list[0].code, ENT_E_STALE);
    CU_ASSERT_EQUAL(d.s.id.round, 3);
    ev = drive_event(ENT_SEV_BEGIN);
    ev.id.attempt = 2;
    drive_go(&d, ev);
    CU_ASSERT_EQUAL(d.out.list[0].code, ENT_E_STALE);
    ev = drive_event(ENT_SEV_ROUND_OPEN);
    ev.id.attempt = 2;
    ev.has_plan = true;
    memcpy(ev.digest, plan_digest, 32);
    drive_go(&d, ev);
    CU_ASSERT_EQUAL(drive_find(&d, ENT_SACT_FORGET)->id.attempt, 1);
    CU_ASSERT(drive_did(&d, ENT_SACT_CHECK));
    CU_ASSERT_EQUAL(d.s.id.attempt, 2);
    ev = drive_event(ENT_SEV_ACK);
    drive_go(&d, ev);
    CU_ASSERT_EQUAL(d.out.list[0].code, ENT_E_PHASE);
}

ENT_TEST(session, messages_that_end_a_computation)
{
    struct drive d;
    struct ent_session_event ev;

    drive_bring(&d, ENT_SESSION_COMPUTE);
    ev = drive_event(ENT_SEV_ABORT);
    CU_ASSERT(ent_session_ends_compute(&d.s, &ev));
    ev.id.attempt = 2;
    CU_ASSERT_FALSE(ent_session_ends_compute(&d.s, &ev));
    ev = drive_event(ENT_SEV_ROUND_CLOSE);
    CU_ASSERT(ent_session_ends_compute(&d.s, &ev));
    ev = drive_event(ENT_SEV_ROUND_OPEN);
    CU_ASSERT_FALSE(ent_session_ends_compute(&d.s, &ev)); /* a repeat of this one */
    ev.id.round = 4;
    CU_ASSERT(ent_session_ends_compute(&d.s, &ev));
    ev = drive_event(ENT_SEV_CLOSED);
    CU_ASSERT_FALSE(
        ent_session_ends_compute(&d.s, &ev)); /* goes on, offers when the line is back */
    ev.code = ENT_E_REVOKED;
    CU_ASSERT(ent_session_ends_compute(&d.s, &ev));
    ev = drive_event(ENT_SEV_RUN_END);
    CU_ASSERT(ent_session_ends_compute(&d.s, &ev));
    ev = drive_event(ENT_SEV_STOP);
    CU_ASSERT(ent_session_ends_compute(&d.s, &ev));
}
