/* How runs end: what RunEnd says of the run itself, and of nothing else; what is refused on the way. */
#include <stdlib.h>
#include <string.h>

#include "coordinator/engine/state.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"

#define LINES 64

struct lines {
    char text[LINES][256];
    size_t n;
};

static void keep(void *ctx, enum ent_say kind, const char *line)
{
    struct lines *l = ctx;

    (void)kind;
    if (l->n < LINES) {
        (void)snprintf(l->text[l->n++], sizeof l->text[0], "%s", line);
    }
}

static bool said(const struct lines *l, const char *what)
{
    for (size_t i = 0; i < l->n; i++) {
        if (strstr(l->text[i], what) != NULL) {
            return true;
        }
    }
    return false;
}

static size_t count_said(const struct lines *l, const char *what)
{
    size_t n = 0;

    for (size_t i = 0; i < l->n; i++) {
        n += strstr(l->text[i], what) != NULL ? 1 : 0;
    }
    return n;
}

static void hello_all(struct fed *fed, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fed_hello(&fed->members[i]);
    }
}

static const struct ent_round *round_of(struct fed *fed)
{
    return ent_engine_round(fed->engine);
}

static void live_until(struct fed *fed, size_t n, uint64_t round, enum ent_phase phase)
{
    for (int turn = 0; turn < 200; turn++) {
        fed_pump(fed);
        if (round_of(fed)->round == round && round_of(fed)->phase == phase) {
            for (size_t i = 0; i < n; i++) {
                fed_hear(&fed->members[i]);
            }
            return;
        }
        for (size_t i = 0; i < n; i++) {
            fed_answer(&fed->members[i], 1000);
        }
    }
    CU_FAIL_FATAL("the round does not come");
}

static void stop(struct fed *fed, bool at_once)
{
    struct ent_json *reply = fed_ask(fed, "{\"verb\":\"stop\"}");
    bool ended = !at_once;

    ENT_OK(ent_json_bool(ent_json_get(reply, "ended"), "ended", &ended));
    CU_ASSERT_EQUAL(ended, at_once);
    ent_json_free(reply);
}

ENT_TEST(end, a_run_that_was_stopped_untrained_has_no_model_and_no_metrics)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];

    fed_new(&fed, 3);
    hello_all(&fed, 3);
    fed_start_run(&fed, fed_plan);
    fed_live(&fed, 3, 1000);
    CU_ASSERT(m->ended && m->end.has_best);
    CU_ASSERT_EQUAL(m->end.best_round, 1);
    CU_ASSERT_EQUAL(m->end.n_metrics, ENT_METRIC_VALUES);
    m->ended = false;
    fed_start_run(&fed, fed_plan);
    live_until(&fed, 3, 2, ENT_PHASE_JOIN); /* there is an initial model, and nothing was trained */
    stop(&fed, true);
    fed_hear(m);
    CU_ASSERT(m->ended);
    CU_ASSERT_EQUAL(m->end.code, ENT_E_STOPPED);
    CU_ASSERT_FALSE(m->end.has_best);
    CU_ASSERT_EQUAL(m->end.best_round, 0);
    CU_ASSERT_EQUAL(m->end.n_metrics, 0); /* run 1 had some */
    fed_restart(&fed);
    CU_ASSERT_EQUAL(fed.engine->last_end.run, 2);
    CU_ASSERT(ent_all_zero(fed.engine->last_end.best, 32));
    CU_ASSERT_FALSE(fed.engine->last_end.test.known);
    fed_free(&fed);
}

ENT_TEST(end, a_run_that_was_stopped_later_has_its_best_model)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];

    fed_new(&fed, 3);
    hello_all(&fed, 3);
    fed_start_run(&fed, fed_plan);
    live_until(&fed, 3, 3, ENT_PHASE_JOIN);
    stop(&fed, true);
    fed_hear(m);
    CU_ASSERT(m->ended);
    CU_ASSERT_EQUAL(m->end.code, ENT_E_STOPPED);
    CU_ASSERT(m->end.has_best);
    CU_ASSERT_EQUAL(m->end.best_round, 1);
    CU_ASSERT_EQUAL(m->end.n_metrics, 0);
    fed_restart(&fed);
    CU_ASSERT_EQUAL(memcmp(fed.engine->last_end.best, m->end.best, 32), 0);
    CU_ASSERT_EQUAL(fed.engine->last_end.best_round, 1);
    fed_free(&fed);
}

/* ---- integers that contradict each other ---- */

static void contradiction(bool inlined, uint64_t round, size_t at)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];

    (inlined ? fed_new_inline : fed_new)(&fed, 4);
    hello_all(&fed, 4);
    fed_start_run(&fed, fed_plan);
    live_until(&fed, 4, round, ENT_PHASE_UPDATE);
    fed_offer_int(m, at, 11); /* of ten rows */
    fed_pump(&fed);
    fed_answer(m, 0); /* the bytes, when they are asked for */
    fed_pump(&fed);
    fed_hear(m);
    CU_ASSERT(m->has_ack);
    CU_ASSERT_EQUAL(m->ack.code, ENT_E_DATA);
    CU_ASSERT_EQUAL(round_of(&fed)->members[0].standing, ENT_STANDING_REJECTED);
    CU_ASSERT_EQUAL(round_of(&fed)->members[0].reason, ENT_E_DATA);
    for (size_t i = 1; i < 4; i++) {
        fed_offer(&fed.members[i], 9);
    }
    fed_live(&fed, 4, 9);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1); /* without another attempt */
    CU_ASSERT_EQUAL(round_of(&fed)->attempt, 1);
    fed_free(&fed);
}

ENT_TEST(end, statistics_that_contradict_themselves_are_rejected)
{
    contradiction(false, 1, 1); /* more positives than rows */
    contradiction(true, 1, 1);
}

ENT_TEST(end, evaluations_that_contradict_themselves_are_rejected)
{
    contradiction(false, 3, 1);
    contradiction(true, 3, 1);
}

/* ---- who is named ---- */

static void decline(struct fed_member *m, const char *text)
{
    struct ent_header header = fed_header(m, ENT_MSG_DECLINE);
    struct ent_msg_decline msg = {.code = ENT_E_POLICY};

    ent_wire_text(msg.text, text);
    memcpy(msg.round_open, m->open_hash, 32);
    fed_send(m, &header, &msg);
}

ENT_TEST(end, only_who_declined_is_named)
{
    struct lines lines = {.n = 0};
    struct fed fed;

    fed_new(&fed, 3);
    hello_all(&fed, 3);
    fed.engine->options.say = keep;
    fed.engine->options.ctx = &lines;
    fed_start_run(&fed, fed_plan);
    live_until(&fed, 3, 1, ENT_PHASE_JOIN);
    fed_join(&fed.members[0]);
    fed_pump(&fed);
    decline(&fed.members[1], "no statistics here");
    fed_pump(&fed);
    fed_join(&fed.members[2]); /* it could not know yet */
    fed_pump(&fed);
    CU_ASSERT_EQUAL(round_of(&fed)->phase, ENT_PHASE_WAIT);
    CU_ASSERT(said(&lines, "round 1, attempt 1: brand-b is out"));
    CU_ASSERT(said(&lines, "attempt 1 failed: too few members"));
    CU_ASSERT_FALSE(said(&lines, "brand-a: "));
    CU_ASSERT_FALSE(said(&lines, "goes on without"));
    CU_ASSERT_FALSE(said(&lines, "brand-c: refused"));
    CU_ASSERT_EQUAL(fed_refusals(&fed, "phase"), 0);
    for (int attempt = 2; attempt <= 3; attempt++) { /* the last one that the plan allows */
        fed_pass(&fed, 20000);
        fed_pump(&fed);
        for (size_t i = 0; i < 3; i++) {
            fed_hear(&fed.members[i]);
        }
        decline(&fed.members[1], "no statistics here");
        fed_pump(&fed);
    }
    CU_ASSERT_EQUAL(count_said(&lines, "brand-b declines: no statistics here"), 1);
    CU_ASSERT(said(&lines, "failed 3 times"));
    CU_ASSERT(said(&lines, "; look at brand-b"));
    CU_ASSERT_FALSE(said(&lines, "look at brand-a"));
    fed_free(&fed);
}

/* ---- time ---- */

ENT_TEST(end, a_round_s_duration_counts_across_a_restart)
{
    struct ent_store_figures *figures = NULL;
    struct fed fed;
    size_t n = 0;

    fed_new(&fed, 3);
    fed.time.mono_ms = 900000000; /* the machine has been up for days */
    hello_all(&fed, 3);
    fed_start_run(&fed, fed_plan);
    live_until(&fed, 3, 1, ENT_PHASE_UPDATE);
    fed_pass(&fed, 3000);
    fed.time.wall_ms += 4000; /* down; and the machine's own clock starts anew */
    fed.time.mono_ms = 50000;
    fed_restart(&fed);
    fed_pass(&fed, 2000);
    hello_all(&fed, 3);
    fed_live(&fed, 3, 1000);
    ENT_OK(ent_store_figures(fed.home->store, 1, &figures, &n));
    CU_ASSERT_FATAL(n > 0);
    CU_ASSERT_EQUAL(figures[0].round, 1);
    CU_ASSERT_EQUAL(figures[0].duration_ms, 9000);
    free(figures);
    fed_free(&fed);
}

ENT_TEST(end, a_second_process_of_a_member_is_said_on_both_sides)
{
    struct lines lines = {.n = 0};
    const struct fed_frame *frame;
    struct fed_member *m;
    struct ent_msg_bye bye;
    struct ent_arena arena;
    struct fed fed;

    fed_new(&fed, 1);
    fed.engine->options.say = keep;
    fed.engine->options.ctx = &lines;
    m = &fed.members[0];
    fed_hello(m);
    CU_ASSERT_FALSE(said(&lines, "took over"));
    CU_ASSERT_PTR_NULL(fed_next(m, ENT_MSG_BYE));
    fed_hello(m); /* the older connection is still open */
    CU_ASSERT(said(&lines, "another connection of brand-a took over: is it running twice?"));
    frame = fed_next(m, ENT_MSG_BYE); /* on the older one: what both receive is in one inbox */
    CU_ASSERT_PTR_NOT_NULL_FATAL(frame);
    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    ENT_OK(ent_msg_bye_decode(frame->body.data, frame->body.len, &arena, &bye));
    CU_ASSERT_EQUAL(bye.code, ENT_E_BUSY);
    CU_ASSERT_FALSE(m->closed);
    CU_ASSERT_EQUAL(ent_engine_connections(fed.engine), 1);
    ent_arena_release(&arena);
    fed_free(&fed);
}
