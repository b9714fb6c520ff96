#include <string.h>

#include "client/agent/session.h"
#include "common/base/mem.h"
#include "tests/support/ent_test.h"

/* A session driven by hand: `go` steps it and keeps the actions. */
struct drive {
    struct ent_session s;
    struct ent_session_actions out;
    uint64_t now_ms;
};

static const uint8_t PLAN[32] = {1};
static const uint8_t BASE[32] = {2};
static const uint8_t UPDATE[32] = {3};
static const uint8_t BEST[32] = {4};

static struct ent_session_event event(enum ent_session_event_kind kind)
{
    struct ent_session_event ev = {.kind = kind, .id = {7, 3, 1}};

    return ev;
}

static void go(struct drive *d, struct ent_session_event ev)
{
    ev.now_ms = d->now_ms;
    ent_session_step(&d->s, &ev, &d->out);
}

static void send(struct drive *d, enum ent_session_event_kind kind)
{
    go(d, event(kind));
}

static const struct ent_session_action *find(const struct drive *d,
                                             enum ent_session_action_kind kind)
{
    for (size_t i = 0; i < d->out.n; i++) {
        if (d->out.list[i].kind == kind) {
            return &d->out.list[i];
        }
    }
    return NULL;
}

static bool did(const struct drive *d, enum ent_session_action_kind kind)
{
    return find(d, kind) != NULL;
}

static void begin(struct drive *d)
{
    *d = (struct drive){.now_ms = 1000};
    ent_session_init(&d->s, 5);
}

static void welcome(struct drive *d, uint64_t round, enum ent_session_standing standing,
                    enum ent_session_update update)
{
    struct ent_session_event ev = event(ENT_SEV_WELCOME);

    ev.id.round = round;
    ev.standing = standing;
    ev.update = update;
    ev.has_plan = true;
    memcpy(ev.digest, PLAN, 32);
    memcpy(ev.stored, UPDATE, 32);
    go(d, ev);
}

static void no_run(struct drive *d)
{
    struct ent_session_event ev = event(ENT_SEV_WELCOME);

    ev.id = (struct ent_session_round){0};
    go(d, ev);
}

static void open_round(struct drive *d, bool has_plan, bool has_base)
{
    struct ent_session_event ev = event(ENT_SEV_ROUND_OPEN);

    memcpy(ev.digest, PLAN, 32);
    memcpy(ev.base, BASE, 32);
    ev.has_plan = has_plan;
    ev.has_base = has_base;
    ev.needs_base = true;
    go(d, ev);
}

static void offer(struct drive *d, enum ent_session_bytes what, const uint8_t *digest,
                  uint64_t bytes)
{
    struct ent_session_event ev = event(ENT_SEV_OFFER);

    ev.offer = what;
    ev.bytes = bytes;
    ev.request = 9;
    memcpy(ev.digest, digest, 32);
    go(d, ev);
}

static void result(struct drive *d, enum ent_session_event_kind kind, enum ent_err code)
{
    struct ent_session_event ev = event(kind);

    ev.code = code;
    memcpy(ev.digest, UPDATE, 32);
    go(d, ev);
}

static void up(struct drive *d)
{
    begin(d);
    send(d, ENT_SEV_START);
    send(d, ENT_SEV_OPENED);
    no_run(d);
}

/* Bring the machine to a state by its ordinary way. */
static void bring(struct drive *d, enum ent_session_state state)
{
    begin(d);
    if (state == ENT_SESSION_STOPPED) {
        send(d, ENT_SEV_STOP);
    }
    if (state == ENT_SESSION_DOWN || state == ENT_SESSION_STOPPED) {
        return;
    }
    send(d, ENT_SEV_START);
    if (state == ENT_SESSION_DIALING) {
        return;
    }
    send(d, ENT_SEV_OPENED);
    if (state == ENT_SESSION_HELLO) {
        return;
    }
    no_run(d);
    if (state == ENT_SESSION_READY) {
        return;
    }
    open_round(d, state != ENT_SESSION_OPENED, state != ENT_SESSION_BASE);
    if (state == ENT_SESSION_OPENED) {
        return;
    }
    result(d, ENT_SEV_CHECKED, ENT_E_OK);
    if (state == ENT_SESSION_JOINED) {
        return;
    }
    send(d, ENT_SEV_BEGIN);
    if (state == ENT_SESSION_BASE || state == ENT_SESSION_COMPUTE) {
        return;
    }
    result(d, ENT_SEV_COMPUTED, ENT_E_OK);
    if (state == ENT_SESSION_OFFERED) {
        return;
    }
    send(d, ENT_SEV_GO);
    if (state == ENT_SESSION_SENDING) {
        return;
    }
    result(d, ENT_SEV_ACK, ENT_E_OK);
}

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

            bring(&d, (enum ent_session_state)state);
            CU_ASSERT_EQUAL(ent_session_state(&d.s), state);
            CU_ASSERT_EQUAL(ent_session_legal((enum ent_session_state)state, kind), expected);
            send(&d, kind);
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

            bring(&d, (enum ent_session_state)state);
            send(&d, kinds[k]);
            CU_ASSERT_EQUAL(d.s.n_illegal, 0);
        }
    }
}

ENT_TEST(session, a_whole_run)
{
    struct drive d;
    struct ent_session_event ev;

    begin(&d);
    send(&d, ENT_SEV_START);
    CU_ASSERT(did(&d, ENT_SACT_DIAL));
    send(&d, ENT_SEV_OPENED);
    CU_ASSERT(did(&d, ENT_SACT_SEND_HELLO));
    no_run(&d);
    CU_ASSERT(did(&d, ENT_SACT_ADMIT));
    ev = event(ENT_SEV_RUN_START);
    memcpy(ev.digest, PLAN, 32);
    go(&d, ev);
    CU_ASSERT_EQUAL(d.out.n, 0); /* the plan is offered next */
    offer(&d, ENT_BYTES_PLAN, PLAN, 500);
    CU_ASSERT_EQUAL(find(&d, ENT_SACT_FETCH)->request, 9);
    open_round(&d, false, false); /* comes while the plan is on its way */
    CU_ASSERT_EQUAL(ent_session_state(&d.s), ENT_SESSION_OPENED);
    CU_ASSERT_EQUAL(d.out.n, 0);
    result(&d, ENT_SEV_FETCHED, ENT_E_OK);
    CU_ASSERT(did(&d, ENT_SACT_CHECK));
    result(&d, ENT_SEV_CHECKED, ENT_E_OK);
    CU_ASSERT_FALSE(find(&d, ENT_SACT_SEND_JOIN)->has_base);
    send(&d, ENT_SEV_BEGIN);
    CU_ASSERT_EQUAL(ent_session_state(&d.s), ENT_SESSION_BASE);
    offer(&d, ENT_BYTES_MODEL, BASE, 5000);
    CU_ASSERT(did(&d, ENT_SACT_FETCH));
    result(&d, ENT_SEV_FETCHED, ENT_E_OK);
    CU_ASSERT(did(&d, ENT_SACT_COMPUTE));
    result(&d, ENT_SEV_COMPUTED, ENT_E_OK);
    CU_ASSERT(did(&d, ENT_SACT_SEND_OFFER));
    ev = event(ENT_SEV_GO);
    ev.request = 77;
    go(&d, ev);
    CU_ASSERT_EQUAL(find(&d, ENT_SACT_SEND_BYTES)->request, 77);
    result(&d, ENT_SEV_ACK, ENT_E_OK);
    CU_ASSERT(d.s.accepted);
    send(&d, ENT_SEV_ROUND_CLOSE);
    CU_ASSERT_EQUAL(find(&d, ENT_SACT_FORGET)->id.round, 3);
    CU_ASSERT_EQUAL(ent_session_state(&d.s), ENT_SESSION_READY);
    ev = event(ENT_SEV_RUN_END);
    memcpy(ev.digest, BEST, 32);
    go(&d, ev);
    CU_ASSERT_FALSE(did(&d, ENT_SACT_ENDED));
    offer(&d, ENT_BYTES_BEST, BEST, 5000);
    result(&d, ENT_SEV_FETCHED, ENT_E_OK);
    CU_ASSERT(did(&d, ENT_SACT_SAVE_BEST));
    CU_ASSERT(did(&d, ENT_SACT_ENDED));
    CU_ASSERT_EQUAL(d.s.n_illegal, 0);
}

ENT_TEST(session, backoff_is_random_below_a_doubling_bound)
{
    struct drive d;
    uint64_t bound = ENT_SESSION_BACKOFF_MIN_MS;
    uint64_t sum = 0;
    uint64_t first = 0;

    begin(&d);
    send(&d, ENT_SEV_START);
    for (int i = 0; i < 40; i++) {
        uint64_t delay;

        result(&d, ENT_SEV_CLOSED, ENT_E_NET);
        delay = find(&d, ENT_SACT_TIMER)->at_ms - d.now_ms;
        CU_ASSERT(delay >= 1 && delay <= bound);
        bound = bound * 2 < ENT_SESSION_BACKOFF_MAX_MS ? bound * 2 : ENT_SESSION_BACKOFF_MAX_MS;
        sum += i >= 6 ? delay : 0;
        first = i == 6 ? delay : first;
        send(&d, ENT_SEV_TICK);
        CU_ASSERT_FALSE(did(&d, ENT_SACT_DIAL)); /* too early */
        d.now_ms += delay;
        send(&d, ENT_SEV_TICK);
        CU_ASSERT(did(&d, ENT_SACT_DIAL));
    }
    CU_ASSERT(sum / 34 > 15000 && sum / 34 < 45000); /* uniform below 60 s, not always the same */
    CU_ASSERT_NOT_EQUAL(sum, first * 34);
    send(&d, ENT_SEV_OPENED);
    no_run(&d);
    result(&d, ENT_SEV_CLOSED, ENT_E_NET);
    CU_ASSERT(find(&d, ENT_SACT_TIMER)->at_ms - d.now_ms <= ENT_SESSION_BACKOFF_MIN_MS);
}

static void reconnect(struct drive *d)
{
    result(d, ENT_SEV_CLOSED, ENT_E_NET);
    d->now_ms += ENT_SESSION_BACKOFF_MAX_MS + 1;
    send(d, ENT_SEV_TICK);
    send(d, ENT_SEV_OPENED);
}

ENT_TEST(session, a_broken_line_in_mid_upload_offers_the_stored_update_again)
{
    struct drive d;

    bring(&d, ENT_SESSION_SENDING);
    reconnect(&d);
    welcome(&d, 3, ENT_SEEN_JOINED, ENT_UPDATE_STORED);
    CU_ASSERT(did(&d, ENT_SACT_SEND_OFFER));
    CU_ASSERT_FALSE(did(&d, ENT_SACT_COMPUTE));
    open_round(&d, true, true); /* the coordinator repeats both */
    send(&d, ENT_SEV_BEGIN);
    CU_ASSERT_EQUAL(d.out.n, 0);
    CU_ASSERT_EQUAL(ent_session_state(&d.s), ENT_SESSION_OFFERED);
}

ENT_TEST(session, a_broken_line_before_begin_joins_once)
{
    struct drive d;

    bring(&d, ENT_SESSION_JOINED);
    reconnect(&d);
    welcome(&d, 3, ENT_SEEN_INVITED, ENT_UPDATE_NONE); /* the JOIN was lost */
    open_round(&d, true, true);
    CU_ASSERT(did(&d, ENT_SACT_SEND_JOIN));
    bring(&d, ENT_SESSION_JOINED);
    reconnect(&d);
    welcome(&d, 3, ENT_SEEN_JOINED, ENT_UPDATE_NONE); /* it had arrived */
    open_round(&d, true, true);
    CU_ASSERT_EQUAL(d.out.n, 0);
    send(&d, ENT_SEV_BEGIN);
    CU_ASSERT(did(&d, ENT_SACT_COMPUTE));
}

ENT_TEST(session, killed_after_storing_offers_again)
{
    struct drive d;

    begin(&d);
    ent_session_resume(&d.s, 7, PLAN, true);
    send(&d, ENT_SEV_START);
    send(&d, ENT_SEV_OPENED);
    welcome(&d, 3, ENT_SEEN_JOINED, ENT_UPDATE_STORED);
    CU_ASSERT(did(&d, ENT_SACT_SEND_OFFER));
    send(&d, ENT_SEV_GO);
    CU_ASSERT(did(&d, ENT_SACT_SEND_BYTES));
    result(&d, ENT_SEV_ACK, ENT_E_REPEAT);
    CU_ASSERT(d.s.accepted);
}

ENT_TEST(session, killed_while_joined_computes_without_a_second_join)
{
    struct drive d;

    begin(&d);
    ent_session_resume(&d.s, 7, PLAN, true);
    send(&d, ENT_SEV_START);
    send(&d, ENT_SEV_OPENED);
    welcome(&d, 3, ENT_SEEN_JOINED, ENT_UPDATE_NONE);
    open_round(&d, true, true);
    CU_ASSERT(did(&d, ENT_SACT_CHECK));
    send(&d, ENT_SEV_BEGIN); /* may come before the check is done */
    result(&d, ENT_SEV_CHECKED, ENT_E_OK);
    CU_ASSERT_FALSE(did(&d, ENT_SACT_SEND_JOIN));
    CU_ASSERT(did(&d, ENT_SACT_COMPUTE));
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

        begin(&d);
        send(&d, ENT_SEV_START);
        send(&d, ENT_SEV_OPENED);
        welcome(&d, 3, cases[i].standing, cases[i].update);
        CU_ASSERT(did(&d, ENT_SACT_SEND_LOST));
        CU_ASSERT_EQUAL(ent_session_state(&d.s), ENT_SESSION_DONE);
        send(&d, ENT_SEV_BEGIN);
        CU_ASSERT_FALSE(did(&d, ENT_SACT_COMPUTE));
    }
}

ENT_TEST(session, a_damaged_copy_is_offered_again_on_begin)
{
    struct drive d;

    bring(&d, ENT_SESSION_DONE);
    send(&d, ENT_SEV_BEGIN);
    CU_ASSERT(did(&d, ENT_SACT_SEND_OFFER));
}

ENT_TEST(session, check_and_computation_that_fail_decline)
{
    struct drive d;

    up(&d);
    open_round(&d, true, true);
    result(&d, ENT_SEV_CHECKED, ENT_E_POLICY);
    CU_ASSERT_EQUAL(find(&d, ENT_SACT_SEND_DECLINE)->code, ENT_E_POLICY);
    bring(&d, ENT_SESSION_COMPUTE);
    result(&d, ENT_SEV_COMPUTED, ENT_E_RANGE);
    CU_ASSERT_EQUAL(find(&d, ENT_SACT_SEND_DECLINE)->code, ENT_E_RANGE);
    bring(&d, ENT_SESSION_COMPUTE);
    result(&d, ENT_SEV_COMPUTED, ENT_E_STOPPED); /* the round is over: nothing to say */
    CU_ASSERT_EQUAL(d.out.n, 0);
    bring(&d, ENT_SESSION_COMPUTE);
    result(&d, ENT_SEV_COMPUTED, ENT_E_LOST);
    CU_ASSERT(did(&d, ENT_SACT_SEND_LOST));
    bring(&d, ENT_SESSION_JOINED);
    result(&d, ENT_SEV_BEGIN,
           ENT_E_TOO_FEW); /* the cohort that came about is too small for this member */
    CU_ASSERT_EQUAL(find(&d, ENT_SACT_SEND_DECLINE)->code, ENT_E_TOO_FEW);
}

ENT_TEST(session, another_plan_in_the_same_run_is_declined)
{
    struct drive d;
    struct ent_session_event ev = event(ENT_SEV_RUN_START);

    up(&d);
    memcpy(ev.digest, BEST, 32);
    go(&d, ev);
    open_round(&d, true, true);
    CU_ASSERT_EQUAL(find(&d, ENT_SACT_SEND_DECLINE)->code, ENT_E_DIGEST);
}

ENT_TEST(session, old_rounds_are_stale_new_ones_replace)
{
    struct drive d;
    struct ent_session_event ev;

    bring(&d, ENT_SESSION_JOINED);
    ev = event(ENT_SEV_ROUND_OPEN);
    ev.id.round = 2;
    go(&d, ev);
    CU_ASSERT_EQUAL(d.out.list[0].code, ENT_E_STALE);
    CU_ASSERT_EQUAL(d.s.id.round, 3);
    ev = event(ENT_SEV_BEGIN);
    ev.id.attempt = 2;
    go(&d, ev);
    CU_ASSERT_EQUAL(d.out.list[0].code, ENT_E_STALE);
    ev = event(ENT_SEV_ROUND_OPEN);
    ev.id.attempt = 2;
    ev.has_plan = true;
    memcpy(ev.digest, PLAN, 32);
    go(&d, ev);
    CU_ASSERT_EQUAL(find(&d, ENT_SACT_FORGET)->id.attempt, 1);
    CU_ASSERT(did(&d, ENT_SACT_CHECK));
    CU_ASSERT_EQUAL(d.s.id.attempt, 2);
    ev = event(ENT_SEV_ACK);
    go(&d, ev);
    CU_ASSERT_EQUAL(d.out.list[0].code, ENT_E_PHASE);
}

ENT_TEST(session, messages_that_end_a_computation)
{
    struct drive d;
    struct ent_session_event ev;

    bring(&d, ENT_SESSION_COMPUTE);
    ev = event(ENT_SEV_ABORT);
    CU_ASSERT(ent_session_ends_compute(&d.s, &ev));
    ev.id.attempt = 2;
    CU_ASSERT_FALSE(ent_session_ends_compute(&d.s, &ev));
    ev = event(ENT_SEV_ROUND_CLOSE);
    CU_ASSERT(ent_session_ends_compute(&d.s, &ev));
    ev = event(ENT_SEV_ROUND_OPEN);
    CU_ASSERT_FALSE(ent_session_ends_compute(&d.s, &ev)); /* a repeat of this one */
    ev.id.round = 4;
    CU_ASSERT(ent_session_ends_compute(&d.s, &ev));
    ev = event(ENT_SEV_CLOSED);
    CU_ASSERT_FALSE(
        ent_session_ends_compute(&d.s, &ev)); /* goes on, offers when the line is back */
    ev.code = ENT_E_REVOKED;
    CU_ASSERT(ent_session_ends_compute(&d.s, &ev));
    ev = event(ENT_SEV_RUN_END);
    CU_ASSERT(ent_session_ends_compute(&d.s, &ev));
    ev = event(ENT_SEV_STOP);
    CU_ASSERT(ent_session_ends_compute(&d.s, &ev));
}

ENT_TEST(session, refusals)
{
    struct drive d;
    struct ent_session_event ev;

    bring(&d, ENT_SESSION_HELLO);
    result(&d, ENT_SEV_REFUSED, ENT_E_REVOKED);
    CU_ASSERT_EQUAL(find(&d, ENT_SACT_STOPPED)->code, ENT_E_REVOKED);
    bring(&d, ENT_SESSION_HELLO);
    result(&d, ENT_SEV_REFUSED, ENT_E_BUSY);
    CU_ASSERT(did(&d, ENT_SACT_CLOSE));
    CU_ASSERT_FALSE(did(&d, ENT_SACT_STOPPED));
    bring(&d, ENT_SESSION_JOINED);
    ev = event(ENT_SEV_REFUSED);
    ev.code = ENT_E_PHASE;
    ev.about = ENT_ABOUT_JOIN;
    go(&d, ev);
    CU_ASSERT_EQUAL(ent_session_state(&d.s), ENT_SESSION_DONE);
    bring(&d, ENT_SESSION_OFFERED);
    ev.about = ENT_ABOUT_OFFER;
    go(&d, ev);
    CU_ASSERT_EQUAL(ent_session_state(&d.s), ENT_SESSION_DONE);
    bring(&d, ENT_SESSION_READY);
    ev.code = ENT_E_REVOKED;
    go(&d, ev);
    CU_ASSERT_EQUAL(ent_session_state(&d.s), ENT_SESSION_STOPPED);
    bring(&d, ENT_SESSION_DIALING);
    result(&d, ENT_SEV_CLOSED, ENT_E_REVOKED);
    CU_ASSERT_EQUAL(ent_session_state(&d.s), ENT_SESSION_STOPPED);
}

ENT_TEST(session, downloads_one_at_a_time_and_only_what_is_wanted)
{
    struct drive d;
    struct ent_session_event ev = event(ENT_SEV_RUN_START);

    up(&d);
    offer(&d, ENT_BYTES_MODEL, BASE, 100); /* nobody asked */
    CU_ASSERT(did(&d, ENT_SACT_SKIP));
    memcpy(ev.digest, PLAN, 32);
    go(&d, ev);
    open_round(&d, false, false);
    offer(&d, ENT_BYTES_PLAN, PLAN, ENT_SESSION_PLAN_MAX_BYTES + 1);
    CU_ASSERT_EQUAL(d.out.list[0].code, ENT_E_LIMIT);
    offer(&d, ENT_BYTES_PLAN, PLAN, 100);
    CU_ASSERT(did(&d, ENT_SACT_FETCH));
    offer(&d, ENT_BYTES_PLAN, PLAN, 100); /* the same again */
    CU_ASSERT(did(&d, ENT_SACT_SKIP));
    offer(&d, ENT_BYTES_MODEL, BASE, 100); /* waits for the plan */
    CU_ASSERT_EQUAL(d.out.n, 0);
    result(&d, ENT_SEV_FETCHED, ENT_E_OK);
    CU_ASSERT_EQUAL(find(&d, ENT_SACT_FETCH)->offer, ENT_BYTES_MODEL);
    CU_ASSERT(did(&d, ENT_SACT_CHECK));
    result(&d, ENT_SEV_FETCHED, ENT_E_DIGEST); /* not what was announced: the connection ends */
    CU_ASSERT_EQUAL(find(&d, ENT_SACT_CLOSE)->code, ENT_E_DIGEST);
}

ENT_TEST(session, a_run_that_ended_while_away_is_finished_later)
{
    struct drive d;
    struct ent_session_event ev = event(ENT_SEV_RUN_END);

    memcpy(ev.digest, BEST, 32);
    bring(&d, ENT_SESSION_DONE);
    reconnect(&d);
    no_run(&d);
    CU_ASSERT(d.s.has_run);
    go(&d, ev);
    reconnect(&d); /* before the model came */
    no_run(&d);
    go(&d, ev); /* told again */
    CU_ASSERT_EQUAL(d.s.n_illegal, 0);
    offer(&d, ENT_BYTES_BEST, BEST, 100);
    result(&d, ENT_SEV_FETCHED, ENT_E_OK);
    CU_ASSERT(did(&d, ENT_SACT_ENDED));
    go(&d, ev);
    CU_ASSERT_EQUAL(d.out.list[0].kind, ENT_SACT_WARN);
}

ENT_TEST(session, renewal_is_asked_for_once_an_hour_while_due)
{
    struct drive d;
    struct ent_session_event ev = event(ENT_SEV_TICK);

    up(&d);
    ev.renew_due = true;
    go(&d, ev);
    CU_ASSERT_FALSE(did(&d, ENT_SACT_SEND_RENEW)); /* the hour is not over */
    d.now_ms += ENT_SESSION_RENEW_RETRY_MS;
    go(&d, ev);
    CU_ASSERT(did(&d, ENT_SACT_SEND_RENEW));
    send(&d, ENT_SEV_RENEWED);
    CU_ASSERT_EQUAL(d.s.n_illegal, 0);
    send(&d, ENT_SEV_RENEWED);
    CU_ASSERT_EQUAL(d.s.n_illegal, 1);
    bring(&d, ENT_SESSION_HELLO);
    ev = event(ENT_SEV_WELCOME);
    ev.id = (struct ent_session_round){0};
    ev.renew_due = true;
    go(&d, ev);
    CU_ASSERT(did(&d, ENT_SACT_SEND_RENEW));
}

ENT_TEST(session, stop_says_bye_and_nothing_follows)
{
    struct drive d;

    up(&d);
    send(&d, ENT_SEV_STOP);
    CU_ASSERT(did(&d, ENT_SACT_SEND_BYE));
    CU_ASSERT(did(&d, ENT_SACT_CLOSE));
    CU_ASSERT(did(&d, ENT_SACT_STOPPED));
    result(&d, ENT_SEV_CLOSED, ENT_E_OK);
    CU_ASSERT_EQUAL(d.out.n, 0);
}

/* Any events in any order: no crash, no overflow of the actions, never a computation without a round. */
ENT_TEST(session, random_events_keep_the_laws)
{
    struct ent_rng rng = ent_rng_init(11, 0);

    for (int run = 0; run < 200; run++) {
        struct drive d;

        begin(&d);
        for (int i = 0; i < 300; i++) {
            struct ent_session_event ev =
                event((enum ent_session_event_kind)ent_rng_below(&rng, ENT_SEV_EVENTS));

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
            memcpy(ev.digest, ent_rng_below(&rng, 2) == 0 ? PLAN : UPDATE, 32);
            memcpy(ev.base, BASE, 32);
            d.now_ms += ent_rng_below(&rng, 100000);
            go(&d, ev);
            if (did(&d, ENT_SACT_COMPUTE)) {
                CU_ASSERT(d.s.has_round);
                CU_ASSERT(d.s.begun);
                CU_ASSERT(!d.s.needs_base || d.s.has_base);
            }
            if (did(&d, ENT_SACT_SEND_BYTES)) {
                CU_ASSERT(d.s.stored);
            }
        }
    }
}
