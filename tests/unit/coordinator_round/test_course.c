/* The course of a run: rounds, best model, stop; and how many actions a step can have. */
#include "common/base/mem.h"
#include "tests/unit/coordinator_round/drive.h"

static char letter(const struct ent_row *row)
{
    static const char evaluate[] = {'?', '?', 'v', 'e'};

    switch (row->task) {
    case ENT_ROUND_STATS:
        return 's';
    case ENT_ROUND_TRAIN:
        return 't';
    default:
        return evaluate[row->split];
    }
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
            out[n++] = letter(row);
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

ENT_TEST(stop, at_once_in_wait_and_join)
{
    static const uint8_t none[32];
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
    /* nothing was trained: the initial model is no result */
    CU_ASSERT_EQUAL(memcmp(row_of(&w, ENT_ROW_END, 0)->model, none, 32), 0);
    CU_ASSERT_EQUAL(memcmp(world_find(&w, ENT_ACT_SEND_END)->digest, none, 32), 0);
    done(&w);
}

/* The engine says that what the round needs is lost: no update can save it. */
ENT_TEST(stop, at_once_when_the_round_cannot_be_closed)
{
    struct ent_run_config config = world_config();
    struct ent_event stop;
    struct world w;

    start(&w, 3, &config);
    until_round(&w, ENT_ROUND_TRAIN, ENT_PHASE_UPDATE);
    world_event(&w, ENT_EV_STOP, 0); /* ordinary: waits for the round */
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_UPDATE);
    stop = world_make(&w, ENT_EV_STOP, 0);
    stop.code = ENT_E_LOST;
    world_step(&w, stop);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_IDLE);
    CU_ASSERT_EQUAL(n_rows_of(&w, ENT_ROW_STOP), 1);
    CU_ASSERT_EQUAL(n_rows_of(&w, ENT_ROW_ABORT), 1);
    CU_ASSERT_EQUAL(row_of(&w, ENT_ROW_END, 0)->code, ENT_E_STOPPED);
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
        struct ent_actions acts = {.list = list, .cap = (size_t)4 * n + 16};

        ev.member = ent_round_add_member(&r, false);
        ent_round_step(&r, &ev, &acts);
    }
    ENT_OK(ent_round_begin(&r, &config, none));
    /* start, open, nobody answers: n drops and an abort; stop in the next JOIN */
    for (int i = 0; i < 6; i++) {
        struct ent_actions acts = {.list = list, .cap = (size_t)4 * n + 16};

        ev = (struct ent_event){.kind = i == 0   ? ENT_EV_RUN_START
                                        : i == 4 ? ENT_EV_STOP
                                                 : ENT_EV_TICK,
                                .now_ms = r.timer_ms == 0 ? r.now_ms : r.timer_ms};
        ent_round_step(&r, &ev, &acts);
        most = acts.n > most ? acts.n : most;
    }
    CU_ASSERT_EQUAL(r.phase, ENT_PHASE_IDLE);
    CU_ASSERT(most > (size_t)2 * n && most <= (size_t)4 * n + 16);
}
