/* Every cell of phase x event, and of standing x message. */
#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_round/world.h"

enum { MEMBERS = 4 };

/* Brings a world with four members to a phase; member 0 is the one that the events come from. */
static void reach(struct world *w, enum ent_phase phase)
{
    struct ent_run_config config = world_config();

    world_init(w, MEMBERS, &config);
    if (phase == ENT_PHASE_IDLE) {
        world_all_up(w);
        return;
    }
    world_start(w);
    while (w->r.phase != phase && w->n_steps < 100) {
        CU_ASSERT_FATAL(world_calm_step(w));
    }
    CU_ASSERT_EQUAL_FATAL(w->r.phase, phase);
    CU_ASSERT_PTR_NULL(w->broken);
}

#define PH(name_) ENT_PHASE_##name_
#define ALLOWED ENT_E_OK
#define NO ENT_E_PHASE

/* What comes of an event from member 0: refused with a code, or taken and the phase after it. */
struct cell {
    enum ent_err refused;
    enum ent_phase after;
};

static const struct cell table[ENT_PHASE_COUNT][ENT_EV_COUNT] = {
    [PH(IDLE)] = {[ENT_EV_RUN_START] = {ALLOWED, PH(WAIT)},
                  [ENT_EV_STOP] = {NO, PH(IDLE)},
                  [ENT_EV_TICK] = {ALLOWED, PH(IDLE)},
                  [ENT_EV_UP] = {ALLOWED, PH(IDLE)},
                  [ENT_EV_DOWN] = {ALLOWED, PH(IDLE)},
                  [ENT_EV_REVOKED] = {ALLOWED, PH(IDLE)},
                  [ENT_EV_JOIN] = {NO, PH(IDLE)},
                  [ENT_EV_DECLINE] = {NO, PH(IDLE)},
                  [ENT_EV_LOST] = {NO, PH(IDLE)},
                  [ENT_EV_OFFER] = {NO, PH(IDLE)},
                  [ENT_EV_UPDATE] = {NO, PH(IDLE)},
                  [ENT_EV_UPDATE_BAD] = {NO, PH(IDLE)},
                  [ENT_EV_RESULT] = {NO, PH(IDLE)},
                  [ENT_EV_RESULT_FAILED] = {NO, PH(IDLE)},
                  [ENT_EV_GATE] = {NO, PH(IDLE)},
                  [ENT_EV_DAMAGED] = {NO, PH(IDLE)}},
    [PH(WAIT)] = {[ENT_EV_RUN_START] = {NO, PH(WAIT)},
                  [ENT_EV_STOP] = {ALLOWED, PH(IDLE)},
                  [ENT_EV_TICK] = {ALLOWED, PH(JOIN)},
                  [ENT_EV_UP] = {ALLOWED, PH(JOIN)},
                  [ENT_EV_DOWN] = {ALLOWED, PH(JOIN)},
                  [ENT_EV_REVOKED] = {ALLOWED, PH(JOIN)},
                  [ENT_EV_JOIN] = {NO, PH(WAIT)},
                  [ENT_EV_DECLINE] = {NO, PH(WAIT)},
                  [ENT_EV_LOST] = {NO, PH(WAIT)},
                  [ENT_EV_OFFER] = {NO, PH(WAIT)},
                  [ENT_EV_UPDATE] = {NO, PH(WAIT)},
                  [ENT_EV_UPDATE_BAD] = {NO, PH(WAIT)},
                  [ENT_EV_RESULT] = {NO, PH(WAIT)},
                  [ENT_EV_RESULT_FAILED] = {NO, PH(WAIT)},
                  [ENT_EV_GATE] = {NO, PH(WAIT)},
                  [ENT_EV_DAMAGED] = {NO, PH(WAIT)}},
    [PH(JOIN)] = {[ENT_EV_RUN_START] = {NO, PH(JOIN)},
                  [ENT_EV_STOP] = {ALLOWED, PH(IDLE)},
                  [ENT_EV_TICK] = {ALLOWED, PH(JOIN)},
                  [ENT_EV_UP] = {ALLOWED, PH(JOIN)},
                  [ENT_EV_DOWN] = {ALLOWED, PH(JOIN)},
                  [ENT_EV_REVOKED] = {ALLOWED, PH(JOIN)},
                  [ENT_EV_JOIN] = {ALLOWED, PH(JOIN)},
                  [ENT_EV_DECLINE] = {ALLOWED, PH(JOIN)},
                  [ENT_EV_LOST] = {ALLOWED, PH(JOIN)},
                  [ENT_EV_OFFER] = {NO, PH(JOIN)},
                  [ENT_EV_UPDATE] = {NO, PH(JOIN)},
                  [ENT_EV_UPDATE_BAD] = {NO, PH(JOIN)},
                  [ENT_EV_RESULT] = {NO, PH(JOIN)},
                  [ENT_EV_RESULT_FAILED] = {ALLOWED, PH(WAIT)},
                  [ENT_EV_GATE] = {ALLOWED, PH(JOIN)},
                  [ENT_EV_DAMAGED] = {NO, PH(JOIN)}},
    [PH(UPDATE)] = {[ENT_EV_RUN_START] = {NO, PH(UPDATE)},
                    [ENT_EV_STOP] = {ALLOWED, PH(UPDATE)},
                    [ENT_EV_TICK] = {ALLOWED, PH(UPDATE)},
                    [ENT_EV_UP] = {ALLOWED, PH(UPDATE)},
                    [ENT_EV_DOWN] = {ALLOWED, PH(UPDATE)},
                    [ENT_EV_REVOKED] = {ALLOWED, PH(UPDATE)},
                    [ENT_EV_JOIN] = {ALLOWED, PH(UPDATE)},
                    [ENT_EV_DECLINE] = {ALLOWED, PH(UPDATE)},
                    [ENT_EV_LOST] = {ALLOWED, PH(UPDATE)},
                    [ENT_EV_OFFER] = {ALLOWED, PH(UPDATE)},
                    [ENT_EV_UPDATE] = {NO, PH(UPDATE)}, /* without an offer */
                    [ENT_EV_UPDATE_BAD] = {ENT_E_DATA, PH(UPDATE)},
                    [ENT_EV_RESULT] = {NO, PH(UPDATE)},
                    [ENT_EV_RESULT_FAILED] = {ALLOWED, PH(WAIT)},
                    [ENT_EV_GATE] = {NO, PH(UPDATE)},
                    [ENT_EV_DAMAGED] = {NO, PH(UPDATE)}}, /* nothing of it was accepted */
    [PH(CLOSE)] = {[ENT_EV_RUN_START] = {NO, PH(CLOSE)},
                   [ENT_EV_STOP] = {ALLOWED, PH(CLOSE)},
                   [ENT_EV_TICK] = {ALLOWED, PH(CLOSE)},
                   [ENT_EV_UP] = {ALLOWED, PH(CLOSE)},
                   [ENT_EV_DOWN] = {ALLOWED, PH(CLOSE)},
                   [ENT_EV_REVOKED] = {ALLOWED, PH(CLOSE)},
                   [ENT_EV_JOIN] = {ALLOWED, PH(CLOSE)},
                   [ENT_EV_DECLINE] = {NO, PH(CLOSE)},
                   [ENT_EV_LOST] = {ALLOWED, PH(CLOSE)},
                   [ENT_EV_OFFER] = {ALLOWED, PH(CLOSE)},
                   [ENT_EV_UPDATE] = {ALLOWED, PH(CLOSE)},
                   [ENT_EV_UPDATE_BAD] = {NO, PH(CLOSE)},
                   [ENT_EV_RESULT] = {ALLOWED, PH(RELEASE)},
                   [ENT_EV_RESULT_FAILED] = {ALLOWED, PH(WAIT)},
                   [ENT_EV_GATE] = {NO, PH(CLOSE)},
                   [ENT_EV_DAMAGED] = {ALLOWED, PH(UPDATE)}},
    [PH(RELEASE)] = {[ENT_EV_RUN_START] = {NO, PH(RELEASE)},
                     [ENT_EV_STOP] = {ALLOWED, PH(RELEASE)},
                     [ENT_EV_TICK] = {ALLOWED, PH(RELEASE)},
                     [ENT_EV_UP] = {ALLOWED, PH(RELEASE)},
                     [ENT_EV_DOWN] = {ALLOWED, PH(RELEASE)},
                     [ENT_EV_REVOKED] = {ALLOWED, PH(RELEASE)},
                     [ENT_EV_JOIN] = {ALLOWED, PH(RELEASE)},
                     [ENT_EV_DECLINE] = {NO, PH(RELEASE)},
                     [ENT_EV_LOST] = {ALLOWED, PH(RELEASE)},
                     [ENT_EV_OFFER] = {ALLOWED, PH(RELEASE)},
                     [ENT_EV_UPDATE] = {ALLOWED, PH(RELEASE)},
                     [ENT_EV_UPDATE_BAD] = {NO, PH(RELEASE)},
                     [ENT_EV_RESULT] = {NO, PH(RELEASE)},
                     [ENT_EV_RESULT_FAILED] = {NO, PH(RELEASE)},
                     [ENT_EV_GATE] = {ALLOWED, PH(WAIT)},
                     [ENT_EV_DAMAGED] = {NO, PH(RELEASE)}},
};

static void check_cell(enum ent_phase phase, enum ent_event_kind kind)
{
    const struct cell *want = &table[phase][kind];
    struct world w;
    struct ent_event ev;
    const struct ent_action *refusal;
    enum ent_err got;

    reach(&w, phase);
    ev = world_make(&w, kind, 0);
    if (kind == ENT_EV_UPDATE_BAD) {
        ev.code = ENT_E_DATA;
    }
    world_step(&w, ev);
    refusal = world_find(&w, ENT_ACT_REFUSE);
    got = refusal == NULL ? ENT_E_OK : refusal->code;
    if (got != want->refused || w.r.phase != want->after || w.broken != NULL) {
        (void)fprintf(stderr, "%s in %s: refused %s, phase %s (%s)\n", ent_event_name(kind),
                      ent_phase_name(phase), ent_err_name(got), ent_phase_name(w.r.phase),
                      w.broken == NULL ? "laws kept" : w.broken);
        CU_FAIL("a cell of the table");
    }
    CU_ASSERT(world_calm(&w, 500) || phase == ENT_PHASE_IDLE);
    CU_ASSERT_PTR_NULL(w.broken);
    world_release(&w);
}

ENT_TEST(table, every_phase_and_event)
{
    for (size_t p = 0; p < ENT_PHASE_COUNT; p++) {
        for (size_t e = 0; e < ENT_EV_COUNT; e++) {
            check_cell((enum ent_phase)p, (enum ent_event_kind)e);
        }
    }
}

/* Member 0 of a world in UPDATE, brought to a standing. */
static void stand(struct world *w, enum ent_standing standing)
{
    struct ent_run_config config = world_config();
    struct ent_event ev;

    if (standing == ENT_STANDING_NONE) {
        world_init(w, MEMBERS + 1, &config);
        for (uint32_t i = 1; i <= MEMBERS; i++) {
            world_event(w, ENT_EV_UP, i);
        }
        world_event(w, ENT_EV_RUN_START, 0);
        while (w->r.phase != ENT_PHASE_UPDATE) {
            CU_ASSERT_FATAL(world_calm_step(w));
        }
        world_event(w, ENT_EV_UP, 0);
        return;
    }
    reach(w, ENT_PHASE_UPDATE);
    if (standing >= ENT_STANDING_OFFERED) {
        world_event(w, ENT_EV_OFFER, 0);
    }
    if (standing == ENT_STANDING_ACCEPTED) {
        world_event(w, ENT_EV_UPDATE, 0);
    } else if (standing == ENT_STANDING_REJECTED) {
        ev = world_make(w, ENT_EV_UPDATE_BAD, 0);
        ev.code = ENT_E_SHAPE;
        world_step(w, ev);
    } else if (standing == ENT_STANDING_DROPPED) {
        world_event(w, ENT_EV_LOST, 0);
    }
    CU_ASSERT_EQUAL_FATAL(w->r.members[0].standing, standing);
}

/* The one action (beside rows and timers) that answers a member, and the standing after it. */
static const struct {
    enum ent_standing standing;
    enum ent_event_kind kind;
    int answer; /* ent_action_kind; -1 = none */
    enum ent_err code;
    enum ent_standing after;
} standings[] = {
    {ENT_STANDING_NONE, ENT_EV_JOIN, ENT_ACT_REFUSE, ENT_E_PHASE, ENT_STANDING_NONE},
    {ENT_STANDING_NONE, ENT_EV_OFFER, ENT_ACT_REFUSE, ENT_E_PHASE, ENT_STANDING_NONE},
    {ENT_STANDING_NONE, ENT_EV_UPDATE, ENT_ACT_REFUSE, ENT_E_PHASE, ENT_STANDING_NONE},
    {ENT_STANDING_NONE, ENT_EV_DECLINE, ENT_ACT_REFUSE, ENT_E_PHASE, ENT_STANDING_NONE},
    {ENT_STANDING_NONE, ENT_EV_LOST, ENT_ACT_REFUSE, ENT_E_PHASE, ENT_STANDING_NONE},
    {ENT_STANDING_JOINED, ENT_EV_JOIN, ENT_ACT_SEND_BEGIN, ENT_E_OK, ENT_STANDING_JOINED},
    {ENT_STANDING_JOINED, ENT_EV_OFFER, ENT_ACT_GRANT, ENT_E_OK, ENT_STANDING_OFFERED},
    {ENT_STANDING_JOINED, ENT_EV_UPDATE, ENT_ACT_REFUSE, ENT_E_PHASE, ENT_STANDING_JOINED},
    {ENT_STANDING_JOINED, ENT_EV_DECLINE, -1, ENT_E_OK, ENT_STANDING_REJECTED},
    {ENT_STANDING_JOINED, ENT_EV_LOST, -1, ENT_E_OK, ENT_STANDING_DROPPED},
    {ENT_STANDING_JOINED, ENT_EV_DOWN, -1, ENT_E_OK, ENT_STANDING_JOINED},
    {ENT_STANDING_JOINED, ENT_EV_REVOKED, -1, ENT_E_OK, ENT_STANDING_DROPPED},
    {ENT_STANDING_JOINED, ENT_EV_UP, ENT_ACT_SEND_BEGIN, ENT_E_OK, ENT_STANDING_JOINED},
    {ENT_STANDING_OFFERED, ENT_EV_JOIN, ENT_ACT_SEND_BEGIN, ENT_E_OK, ENT_STANDING_OFFERED},
    {ENT_STANDING_OFFERED, ENT_EV_OFFER, ENT_ACT_GRANT, ENT_E_OK, ENT_STANDING_OFFERED},
    {ENT_STANDING_OFFERED, ENT_EV_UPDATE, ENT_ACT_ACK, ENT_E_OK, ENT_STANDING_ACCEPTED},
    {ENT_STANDING_OFFERED, ENT_EV_UPDATE_BAD, ENT_ACT_ACK, ENT_E_DATA, ENT_STANDING_REJECTED},
    {ENT_STANDING_OFFERED, ENT_EV_DECLINE, -1, ENT_E_OK, ENT_STANDING_REJECTED},
    {ENT_STANDING_OFFERED, ENT_EV_LOST, -1, ENT_E_OK, ENT_STANDING_DROPPED},
    {ENT_STANDING_OFFERED, ENT_EV_DOWN, -1, ENT_E_OK, ENT_STANDING_OFFERED},
    {ENT_STANDING_OFFERED, ENT_EV_REVOKED, -1, ENT_E_OK, ENT_STANDING_DROPPED},
    {ENT_STANDING_OFFERED, ENT_EV_UP, ENT_ACT_SEND_BEGIN, ENT_E_OK, ENT_STANDING_OFFERED},
    {ENT_STANDING_ACCEPTED, ENT_EV_JOIN, ENT_ACT_ACK, ENT_E_REPEAT, ENT_STANDING_ACCEPTED},
    {ENT_STANDING_ACCEPTED, ENT_EV_OFFER, ENT_ACT_ACK, ENT_E_REPEAT, ENT_STANDING_ACCEPTED},
    {ENT_STANDING_ACCEPTED, ENT_EV_UPDATE, ENT_ACT_ACK, ENT_E_REPEAT, ENT_STANDING_ACCEPTED},
    {ENT_STANDING_ACCEPTED, ENT_EV_UPDATE_BAD, ENT_ACT_REFUSE, ENT_E_DATA, ENT_STANDING_ACCEPTED},
    {ENT_STANDING_ACCEPTED, ENT_EV_DECLINE, ENT_ACT_ACK, ENT_E_REPEAT, ENT_STANDING_ACCEPTED},
    {ENT_STANDING_ACCEPTED, ENT_EV_LOST, ENT_ACT_ACK, ENT_E_REPEAT, ENT_STANDING_ACCEPTED},
    {ENT_STANDING_ACCEPTED, ENT_EV_DOWN, -1, ENT_E_OK, ENT_STANDING_ACCEPTED},
    {ENT_STANDING_ACCEPTED, ENT_EV_UP, -1, ENT_E_OK, ENT_STANDING_ACCEPTED},
    {ENT_STANDING_ACCEPTED, ENT_EV_REVOKED, -1, ENT_E_OK, ENT_STANDING_ACCEPTED},
    {ENT_STANDING_ACCEPTED, ENT_EV_DAMAGED, ENT_ACT_SEND_BEGIN, ENT_E_OK, ENT_STANDING_ACCEPTED},
    {ENT_STANDING_REJECTED, ENT_EV_JOIN, ENT_ACT_ACK, ENT_E_SHAPE, ENT_STANDING_REJECTED},
    {ENT_STANDING_REJECTED, ENT_EV_OFFER, ENT_ACT_ACK, ENT_E_SHAPE, ENT_STANDING_REJECTED},
    {ENT_STANDING_REJECTED, ENT_EV_UPDATE, ENT_ACT_ACK, ENT_E_SHAPE, ENT_STANDING_REJECTED},
    {ENT_STANDING_REJECTED, ENT_EV_UP, -1, ENT_E_OK, ENT_STANDING_REJECTED},
    {ENT_STANDING_DROPPED, ENT_EV_JOIN, ENT_ACT_REFUSE, ENT_E_PHASE, ENT_STANDING_DROPPED},
    {ENT_STANDING_DROPPED, ENT_EV_OFFER, ENT_ACT_REFUSE, ENT_E_PHASE, ENT_STANDING_DROPPED},
    {ENT_STANDING_DROPPED, ENT_EV_UPDATE, ENT_ACT_REFUSE, ENT_E_PHASE, ENT_STANDING_DROPPED},
    {ENT_STANDING_DROPPED, ENT_EV_UP, -1, ENT_E_OK, ENT_STANDING_DROPPED},
};

static bool is_answer(const struct ent_action *a)
{
    return a->kind == ENT_ACT_SEND_BEGIN || a->kind == ENT_ACT_GRANT || a->kind == ENT_ACT_ACK ||
           a->kind == ENT_ACT_REFUSE;
}

ENT_TEST(table, every_standing_and_message)
{
    for (size_t i = 0; i < ENT_ARRAY_LEN(standings); i++) {
        struct world w;
        struct ent_event ev;
        const struct ent_action *answer = NULL;
        bool right;

        stand(&w, standings[i].standing);
        ev = world_make(&w, standings[i].kind, 0);
        ev.code = standings[i].kind == ENT_EV_UPDATE_BAD ? ENT_E_DATA : ENT_E_OK;
        world_step(&w, ev);
        for (size_t k = 0; k < w.acts.n && answer == NULL; k++) {
            answer = is_answer(&w.acts.list[k]) ? &w.acts.list[k] : NULL;
        }
        right = answer == NULL ? standings[i].answer < 0
                               : (int)answer->kind == standings[i].answer &&
                                     answer->code == standings[i].code && answer->member == 0;
        if (!right || w.r.members[0].standing != standings[i].after || w.broken != NULL) {
            (void)fprintf(
                stderr, "%s of a member that is %s: answer %d, then %s (%s)\n",
                ent_event_name(standings[i].kind), ent_standing_name(standings[i].standing),
                answer == NULL ? -1 : (int)answer->kind, ent_standing_name(w.r.members[0].standing),
                w.broken ? w.broken : "laws kept");
            CU_FAIL("a cell of the table");
        }
        world_release(&w);
    }
}

ENT_TEST(table, another_round_or_attempt_is_stale)
{
    static const enum ent_event_kind kinds[] = {
        ENT_EV_JOIN,       ENT_EV_DECLINE, ENT_EV_LOST,          ENT_EV_OFFER, ENT_EV_UPDATE,
        ENT_EV_UPDATE_BAD, ENT_EV_RESULT,  ENT_EV_RESULT_FAILED, ENT_EV_GATE};

    for (size_t p = ENT_PHASE_WAIT; p < ENT_PHASE_COUNT; p++) {
        for (size_t k = 0; k < ENT_ARRAY_LEN(kinds); k++) {
            struct world w;
            struct ent_event ev;

            reach(&w, (enum ent_phase)p);
            for (int which = 0; which < 2; which++) {
                size_t rows = w.n_rows;

                ev = world_make(&w, kinds[k], 0);
                ev.round += which == 0;
                ev.attempt -= which != 0;
                world_step(&w, ev);
                CU_ASSERT_FATAL(world_count(&w, ENT_ACT_REFUSE) == 1);
                CU_ASSERT_EQUAL(world_find(&w, ENT_ACT_REFUSE)->code, ENT_E_STALE);
                CU_ASSERT_EQUAL(w.n_rows, rows);
            }
            CU_ASSERT_EQUAL(w.r.phase, p);
            world_release(&w);
        }
    }
}

ENT_TEST(table, unknown_and_revoked_senders)
{
    struct world w;

    reach(&w, ENT_PHASE_UPDATE);
    world_event(&w, ENT_EV_OFFER, MEMBERS);
    CU_ASSERT_EQUAL(world_find(&w, ENT_ACT_REFUSE)->code, ENT_E_UNKNOWN_MEMBER);
    world_event(&w, ENT_EV_UP, UINT32_MAX);
    CU_ASSERT_EQUAL(world_find(&w, ENT_ACT_REFUSE)->code, ENT_E_UNKNOWN_MEMBER);
    world_event(&w, ENT_EV_REVOKED, 3);
    CU_ASSERT_EQUAL(w.r.members[3].reason, ENT_E_REVOKED);
    world_event(&w, ENT_EV_OFFER, 3);
    CU_ASSERT_EQUAL(world_find(&w, ENT_ACT_REFUSE)->code, ENT_E_REVOKED);
    world_event(&w, ENT_EV_UP, 3);
    CU_ASSERT_EQUAL(world_find(&w, ENT_ACT_REFUSE)->code, ENT_E_REVOKED);
    CU_ASSERT_FALSE(w.r.members[3].up);
    CU_ASSERT(world_calm(&w, 500));
    CU_ASSERT_PTR_NULL(w.broken);
    world_release(&w);
}
