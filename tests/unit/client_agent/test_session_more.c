#include <string.h>

#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/drive.h"

ENT_TEST(session, refusals)
{
    struct drive d;
    struct ent_session_event ev;

    drive_bring(&d, ENT_SESSION_HELLO);
    drive_result(&d, ENT_SEV_REFUSED, ENT_E_REVOKED);
    CU_ASSERT_EQUAL(drive_find(&d, ENT_SACT_STOPPED)->code, ENT_E_REVOKED);
    drive_bring(&d, ENT_SESSION_HELLO);
    drive_result(&d, ENT_SEV_REFUSED, ENT_E_BUSY);
    CU_ASSERT(drive_did(&d, ENT_SACT_CLOSE));
    CU_ASSERT_FALSE(drive_did(&d, ENT_SACT_STOPPED));
    drive_bring(&d, ENT_SESSION_JOINED);
    ev = drive_event(ENT_SEV_REFUSED);
    ev.code = ENT_E_PHASE;
    ev.about = ENT_ABOUT_JOIN;
    drive_go(&d, ev);
    CU_ASSERT_EQUAL(ent_session_state(&d.s), ENT_SESSION_DONE);
    drive_bring(&d, ENT_SESSION_OFFERED);
    ev.about = ENT_ABOUT_OFFER;
    drive_go(&d, ev);
    CU_ASSERT_EQUAL(ent_session_state(&d.s), ENT_SESSION_DONE);
    drive_bring(&d, ENT_SESSION_READY);
    ev.code = ENT_E_REVOKED;
    drive_go(&d, ev);
    CU_ASSERT_EQUAL(ent_session_state(&d.s), ENT_SESSION_STOPPED);
    drive_bring(&d, ENT_SESSION_DIALING);
    drive_result(&d, ENT_SEV_CLOSED, ENT_E_REVOKED);
    CU_ASSERT_EQUAL(ent_session_state(&d.s), ENT_SESSION_STOPPED);
}

ENT_TEST(session, downloads_one_at_a_time_and_only_what_is_wanted)
{
    struct drive d;
    struct ent_session_event ev = drive_event(ENT_SEV_RUN_START);

    drive_up(&d);
    drive_offer(&d, ENT_BYTES_MODEL, base_digest, 100); /* nobody asked */
    CU_ASSERT(drive_did(&d, ENT_SACT_SKIP));
    memcpy(ev.digest, plan_digest, 32);
    drive_go(&d, ev);
    drive_open_round(&d, false, false);
    drive_offer(&d, ENT_BYTES_PLAN, plan_digest, ENT_SESSION_PLAN_MAX_BYTES + 1);
    CU_ASSERT_EQUAL(d.out.list[0].code, ENT_E_LIMIT);
    drive_offer(&d, ENT_BYTES_PLAN, plan_digest, 100);
    CU_ASSERT(drive_did(&d, ENT_SACT_FETCH));
    drive_offer(&d, ENT_BYTES_PLAN, plan_digest, 100); /* the same again */
    CU_ASSERT(drive_did(&d, ENT_SACT_SKIP));
    drive_offer(&d, ENT_BYTES_MODEL, base_digest, 100); /* waits for the plan */
    CU_ASSERT_EQUAL(d.out.n, 0);
    drive_result(&d, ENT_SEV_FETCHED, ENT_E_OK);
    CU_ASSERT_EQUAL(drive_find(&d, ENT_SACT_FETCH)->offer, ENT_BYTES_MODEL);
    CU_ASSERT(drive_did(&d, ENT_SACT_CHECK));
    drive_result(&d, ENT_SEV_FETCHED,
                 ENT_E_DIGEST); /* not what was announced: the connection ends */
    CU_ASSERT_EQUAL(drive_find(&d, ENT_SACT_CLOSE)->code, ENT_E_DIGEST);
}

ENT_TEST(session, a_run_that_ended_while_away_is_finished_later)
{
    struct drive d;
    struct ent_session_event ev = drive_event(ENT_SEV_RUN_END);

    memcpy(ev.digest, best_digest, 32);
    drive_bring(&d, ENT_SESSION_DONE);
    drive_reconnect(&d);
    drive_no_run(&d);
    CU_ASSERT(d.s.has_run);
    drive_go(&d, ev);
    drive_reconnect(&d); /* before the model came */
    drive_no_run(&d);
    drive_go(&d, ev); /* told again */
    CU_ASSERT_EQUAL(d.s.n_illegal, 0);
    drive_offer(&d, ENT_BYTES_BEST, best_digest, 100);
    drive_result(&d, ENT_SEV_FETCHED, ENT_E_OK);
    CU_ASSERT(drive_did(&d, ENT_SACT_ENDED));
    drive_go(&d, ev);
    CU_ASSERT_EQUAL(d.out.list[0].kind, ENT_SACT_WARN);
}

/* Nobody will tell it of the end: RunEnd goes to members that had the plan. */
ENT_TEST(session, a_run_that_ended_before_its_plan_came_is_not_waited_for)
{
    struct drive d;
    struct ent_session_event ev = drive_event(ENT_SEV_RUN_END);

    memcpy(ev.digest, best_digest, 32);
    drive_bring(&d, ENT_SESSION_OPENED);
    CU_ASSERT(d.s.has_run && !d.s.has_plan);
    drive_reconnect(&d);
    drive_no_run(&d);
    CU_ASSERT(!d.s.has_run && !d.s.has_round);
    drive_bring(&d, ENT_SESSION_OPENED);
    drive_go(&d, ev);
    CU_ASSERT(d.s.wants_best);
    drive_reconnect(&d); /* before the model came */
    drive_no_run(&d);
    CU_ASSERT(!d.s.wants_best);
}

ENT_TEST(session, renewal_is_asked_for_once_an_hour_while_due)
{
    struct drive d;
    struct ent_session_event ev = drive_event(ENT_SEV_TICK);

    drive_up(&d);
    ev.renew_due = true;
    drive_go(&d, ev);
    CU_ASSERT_FALSE(drive_did(&d, ENT_SACT_SEND_RENEW)); /* the hour is not over */
    d.now_ms += ENT_SESSION_RENEW_RETRY_MS;
    drive_go(&d, ev);
    CU_ASSERT(drive_did(&d, ENT_SACT_SEND_RENEW));
    drive_send(&d, ENT_SEV_RENEWED);
    CU_ASSERT_EQUAL(d.s.n_illegal, 0);
    drive_send(&d, ENT_SEV_RENEWED);
    CU_ASSERT_EQUAL(d.s.n_illegal, 1);
    drive_bring(&d, ENT_SESSION_HELLO);
    ev = drive_event(ENT_SEV_WELCOME);
    ev.id = (struct ent_session_round){0};
    ev.renew_due = true;
    drive_go(&d, ev);
    CU_ASSERT(drive_did(&d, ENT_SACT_SEND_RENEW));
}

ENT_TEST(session, stop_says_bye_and_nothing_follows)
{
    struct drive d;

    drive_up(&d);
    drive_send(&d, ENT_SEV_STOP);
    CU_ASSERT(drive_did(&d, ENT_SACT_SEND_BYE));
    CU_ASSERT(drive_did(&d, ENT_SACT_CLOSE));
    CU_ASSERT(drive_did(&d, ENT_SACT_STOPPED));
    drive_result(&d, ENT_SEV_CLOSED, ENT_E_OK);
    CU_ASSERT_EQUAL(d.out.n, 0);
}

/* Any events in any order: no crash, no overflow of the actions, never a computation without a round. */
ENT_TEST(session, random_events_keep_the_laws)
{
    struct ent_rng rng = ent_rng_init(11, 0);

    for (int run = 0; run < 200; run++) {
        struct drive d;

        drive_begin(&d);
        for (int i = 0; i < 300; i++) {
            struct ent_session_event ev =
                drive_event((enum ent_session_event_kind)ent_rng_below(&rng, ENT_SEV_EVENTS));

            if (ev.kind == ENT_SEV_STOP && ent_rng_below(&rng, 50) != 0) {
                continue;
            }
            ev.id.round = 1 + ent_rng_below(&rng, 4);
            ev.id.attempt = 1 + ent_rng_below(&rng, 2);
            ev.has_plan = ent_rng_below(&rng, 2) == 0;
            ev.has_base = ent_rng_below(&rng, 2) == 0;
            ev.needs_base = ent_rng_below(&rng, 2) == 0;
            ev.has_it = ent_rng_below(&rng, 2) == 0;
            ev.renew_due = ent_rng_below(&rng, 8) == 0;
            ev.standing = (enum ent_session_standing)ent_rng_below(&rng, 7);
            ev.update = (enum ent_session_update)ent_rng_below(&rng, 3);
            ev.offer = (enum ent_session_bytes)(1 + ent_rng_below(&rng, 3));
            ev.code = ent_rng_below(&rng, 3) == 0 ? ENT_E_NET : ENT_E_OK;
            memcpy(ev.digest, ent_rng_below(&rng, 2) == 0 ? plan_digest : update_digest, 32);
            memcpy(ev.base, base_digest, 32);
            d.now_ms += ent_rng_below(&rng, 100000);
            drive_go(&d, ev);
            if (drive_did(&d, ENT_SACT_COMPUTE)) {
                CU_ASSERT(d.s.has_round);
                CU_ASSERT(d.s.begun);
                CU_ASSERT(!d.s.needs_base || d.s.has_base);
            }
            if (drive_did(&d, ENT_SACT_SEND_BYTES)) {
                CU_ASSERT(d.s.stored);
            }
        }
    }
}
