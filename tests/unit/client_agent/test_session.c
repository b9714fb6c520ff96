#include <string.h>

#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/drive.h"

/* What is legal where, written down a second time, independently of the machine's own table:
 * w welcome, r refused, s run start, o round open, b begin, f offer, g go, a ack, c close, x abort, e end, n renewed,
 * y bye */
static const char *const legal[ENT_SESSION_STATES] = {
    [ENT_SESSION_DOWN] = "",
    [ENT_SESSION_DIALING] = "",
    [ENT_SESSION_HELLO] = "wry",
    [ENT_SESSION_READY] = "rsofcxeny",
    [ENT_SESSION_OPENED] = "rsobfcxeny",
    [ENT_SESSION_JOINED] = "rsobfcxeny",
    [ENT_SESSION_BASE] = "rsobfcxeny",
    [ENT_SESSION_COMPUTE] = "rsobfcxeny",
    [ENT_SESSION_OFFERED] = "rsobfgacxeny",
    [ENT_SESSION_SENDING] = "rsobfgacxeny",
    [ENT_SESSION_DONE] = "rsobfgacxeny",
    [ENT_SESSION_STOPPED] = "",
};
static const char messages[] = "wrsobfgacxeny";

ENT_TEST(session, legal_and_illegal_messages_in_every_state)
{
    for (int state = 0; state < ENT_SESSION_STATES; state++) {
        for (int m = 0; messages[m] != '\0'; m++) {
            enum ent_session_event_kind kind = (enum ent_session_event_kind)(ENT_SEV_WELCOME + m);
            bool expected = strchr(legal[state], messages[m]) != NULL;
            struct drive d;

            drive_bring(&d, (enum ent_session_state)state);
            CU_ASSERT_EQUAL(ent_session_state(&d.s), state);
            CU_ASSERT_EQUAL(ent_session_legal((enum ent_session_state)state, kind), expected);
            drive_send(&d, kind);
            if (!expected && state != ENT_SESSION_STOPPED) {
                CU_ASSERT_EQUAL(ent_session_state(&d.s), state);
                CU_ASSERT_EQUAL(d.s.n_illegal, 1);
                CU_ASSERT_EQUAL(d.out.n, 1);
                CU_ASSERT_EQUAL(d.out.list[0].kind, ENT_SACT_WARN);
                CU_ASSERT_EQUAL(d.out.list[0].code, ENT_E_PHASE);
                CU_ASSERT_EQUAL(d.out.list[0].event, kind);
            }
            if (state == ENT_SESSION_STOPPED) {
                CU_ASSERT_EQUAL(d.out.n, 0);
            }
        }
    }
}

/* Results of actions and link events never count as messages of the coordinator, whenever they come. */
ENT_TEST(session, results_out_of_place_are_dropped_in_silence)
{
    static const enum ent_session_event_kind kinds[] = {ENT_SEV_FETCHED,  ENT_SEV_CHECKED,
                                                        ENT_SEV_COMPUTED, ENT_SEV_START,
                                                        ENT_SEV_OPENED,   ENT_SEV_TICK};

    for (int state = 0; state < ENT_SESSION_STATES; state++) {
        for (size_t k = 0; k < ENT_ARRAY_LEN(kinds); k++) {
            struct drive d;

            drive_bring(&d, (enum ent_session_state)state);
            drive_send(&d, kinds[k]);
            CU_ASSERT_EQUAL(d.s.n_illegal, 0);
        }
    }
}

ENT_TEST(session, a_whole_run)
{
    struct drive d;
    struct ent_session_event ev;

    drive_begin(&d);
    drive_send(&d, ENT_SEV_START);
    CU_ASSERT(drive_did(&d, ENT_SACT_DIAL));
    drive_send(&d, ENT_SEV_OPENED);
    CU_ASSERT(drive_did(&d, ENT_SACT_SEND_HELLO));
    drive_no_run(&d);
    CU_ASSERT(drive_did(&d, ENT_SACT_ADMIT));
    ev = drive_event(ENT_SEV_RUN_START);
    memcpy(ev.digest, plan_digest, 32);
    drive_go(&d, ev);
    CU_ASSERT_EQUAL(d.out.n, 0); /* the plan is offered next */
    drive_offer(&d, ENT_BYTES_PLAN, plan_digest, 500);
    CU_ASSERT_EQUAL(drive_find(&d, ENT_SACT_FETCH)->request, 9);
    drive_open_round(&d, false, false); /* comes while the plan is on its way */
    CU_ASSERT_EQUAL(ent_session_state(&d.s), ENT_SESSION_OPENED);
    CU_ASSERT_EQUAL(d.out.n, 0);
    drive_result(&d, ENT_SEV_FETCHED, ENT_E_OK);
    CU_ASSERT(drive_did(&d, ENT_SACT_CHECK));
    drive_result(&d, ENT_SEV_CHECKED, ENT_E_OK);
    CU_ASSERT_FALSE(drive_find(&d, ENT_SACT_SEND_JOIN)->has_base);
    drive_send(&d, ENT_SEV_BEGIN);
    CU_ASSERT_EQUAL(ent_session_state(&d.s), ENT_SESSION_BASE);
    drive_offer(&d, ENT_BYTES_MODEL, base_digest, 5000);
    CU_ASSERT(drive_did(&d, ENT_SACT_FETCH));
    drive_result(&d, ENT_SEV_FETCHED, ENT_E_OK);
    CU_ASSERT(drive_did(&d, ENT_SACT_COMPUTE));
    drive_result(&d, ENT_SEV_COMPUTED, ENT_E_OK);
    CU_ASSERT(drive_did(&d, ENT_SACT_SEND_OFFER));
    ev = drive_event(ENT_SEV_GO);
    ev.request = 77;
    drive_go(&d, ev);
    CU_ASSERT_EQUAL(drive_find(&d, ENT_SACT_SEND_BYTES)->request, 77);
    drive_result(&d, ENT_SEV_ACK, ENT_E_OK);
    CU_ASSERT(d.s.accepted);
    drive_send(&d, ENT_SEV_ROUND_CLOSE);
    CU_ASSERT_EQUAL(drive_find(&d, ENT_SACT_FORGET)->id.round, 3);
    CU_ASSERT_EQUAL(ent_session_state(&d.s), ENT_SESSION_READY);
    ev = drive_event(ENT_SEV_RUN_END);
    memcpy(ev.digest, best_digest, 32);
    drive_go(&d, ev);
    CU_ASSERT_FALSE(drive_did(&d, ENT_SACT_ENDED));
    drive_offer(&d, ENT_BYTES_BEST, best_digest, 5000);
    drive_result(&d, ENT_SEV_FETCHED, ENT_E_OK);
    CU_ASSERT(drive_did(&d, ENT_SACT_SAVE_BEST));
    CU_ASSERT(drive_did(&d, ENT_SACT_ENDED));
    CU_ASSERT_EQUAL(d.s.n_illegal, 0);
}
