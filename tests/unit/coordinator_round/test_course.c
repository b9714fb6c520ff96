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

/* AUCs of validation rounds 3, 5, 7 with losses that say the opposite. */
static uint32_t best_by_auc(uint64_t a, uint64_t b, uint64_t c)
{
    struct ent_run_config config = world_config();
    struct world w;
    uint32_t train;

    config.train_rounds = 3;
    config.best_by = ENT_ROUND_BEST_BY_AUC;
    world_init(&w, 3, &config);
    w.auc_of_round[3] = a;
    w.auc_of_round[5] = b;
    w.auc_of_round[7] = c;
    w.loss_of_round[3] = 900 + a;
    w.loss_of_round[5] = 900 + b;
    w.loss_of_round[7] = 899 + c;
    world_start(&w);
    CU_ASSERT(world_calm(&w, 2000));
    train = w.r.best_train;
    CU_ASSERT_EQUAL(row_of(&w, ENT_ROW_END, 0)->best_train, train);
    world_release(&w);
    return train;
}

ENT_TEST(course, best_model_by_validation_auc)
{
    CU_ASSERT_EQUAL(best_by_auc(10, 20, 30), 3);
    CU_ASSERT_EQUAL(best_by_auc(10, 30, 20), 2);
    CU_ASSERT_EQUAL(best_by_auc(30, 10, 20), 1);
    CU_ASSERT_EQUAL(best_by_auc(30, 30, 10), 1); /* the same in both: the earlier */
    CU_ASSERT_EQUAL(best_by_auc(30, 10, 30), 3); /* the same AUC, a lower loss */
    CU_ASSERT_EQUAL(best_by_auc(0, 0, 0), 3);    /* no AUC is defined: the loss */
}

/* Validation losses of as many training rounds -> the tasks of the run. */
static void course_with_patience(uint32_t patience, const uint64_t *losses, uint32_t n, char *tasks,
                                 uint32_t *best)
{
    struct ent_run_config config = world_config();
    struct world w;
    size_t at = 0;

    config.train_rounds = n;
    config.patience = patience;
    world_init(&w, 3, &config);
    for (uint32_t i = 0; i < n; i++) {
        w.loss_of_round[2 * i + 3] = losses[i];
    }
    world_start(&w);
    CU_ASSERT(world_calm(&w, 4000));
    CU_ASSERT_PTR_NULL(w.broken);
    for (size_t i = 0; i < w.n_rows; i++) {
        if (w.rows[i].kind == ENT_ROW_OPEN) {
            tasks[at++] = letter(&w.rows[i]);
        }
    }
    tasks[at] = '\0';
    *best = w.r.best_train;
    CU_ASSERT_EQUAL(row_of(&w, ENT_ROW_END, 0)->code, ENT_E_OK);
    CU_ASSERT_EQUAL(ent_round_out_of_patience(&w.r), w.r.train_done < n);
    /* the stored rows are those of a machine that stopped there for the same reason */
    ENT_OK(world_restart(&w, w.n_rows));
    CU_ASSERT_FALSE(ent_round_active(&w.r));
    world_release(&w);
}

ENT_TEST(course, patience_ends_training)
{
    static const uint64_t falls[] = {900, 800, 700, 600};
    static const uint64_t turns[] = {900, 800, 850, 840, 830, 100};
    char tasks[32];
    uint32_t best = 0;

    course_with_patience(1, falls, 4, tasks, &best);
    CU_ASSERT_STRING_EQUAL(tasks, "stvtvtvtve");
    CU_ASSERT_EQUAL(best, 4);
    course_with_patience(3, turns, 6, tasks, &best);
    CU_ASSERT_STRING_EQUAL(tasks, "stvtvtvtvtve"); /* rounds 3, 4, 5 are no better than 2 */
    CU_ASSERT_EQUAL(best, 2);
    course_with_patience(1, turns, 6, tasks, &best);
    CU_ASSERT_STRING_EQUAL(tasks, "stvtvtve");
    course_with_patience(4, turns, 6, tasks, &best);
    CU_ASSERT_STRING_EQUAL(tasks, "stvtvtvtvtvtve");
    CU_ASSERT_EQUAL(best, 6);
    course_with_patience(0, turns, 6, tasks, &best);
    CU_ASSERT_STRING_EQUAL(tasks, "stvtvtvtvtvtve");
}

/* Without validation rows there is nothing to be patient about. */
ENT_TEST(course, patience_without_validation_rows)
{
    struct ent_run_config config = world_config();
    struct world w;
    char tasks[32];

    config.validate = false;
    config.patience = 1;
    config.train_rounds = 3;
    course(&config, tasks, &w);
    CU_ASSERT_STRING_EQUAL(tasks, "sttte");
    world_release(&w);
}

/* The state of the server's optimizer is that of the newest training round, and a new run has none. */
ENT_TEST(course, the_server_s_state_follows_training)
{
    struct ent_run_config config = world_config();
    static const uint8_t none[32];
    struct world w;
    uint64_t round = 0;

    start(&w, 3, &config);
    until_round(&w, ENT_ROUND_TRAIN, ENT_PHASE_JOIN);
    CU_ASSERT_EQUAL(memcmp(w.r.state, none, 32), 0);
    until_round(&w, ENT_ROUND_EVALUATE, ENT_PHASE_JOIN);
    CU_ASSERT_EQUAL(w.r.state[0], 'S');
    CU_ASSERT(world_calm(&w, 2000));
    memcpy(&round, w.r.state + 1, sizeof round);
    CU_ASSERT_EQUAL(round, 4);
    config.run = 2;
    ENT_OK(ent_round_begin(&w.r, &config, none));
    CU_ASSERT_EQUAL(memcmp(w.r.state, none, 32), 0);
    CU_ASSERT_EQUAL(w.r.best_train, 0);
    config.best_by = (enum ent_round_best_by)2;
    ENT_FAILS(ent_round_begin(&w.r, &config, none), ENT_E_CONFIG);
    world_release(&w);
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

/* Without statistics training is the first round, and works on the base. */
ENT_TEST(course, without_statistics)
{
    static const struct {
        uint32_t train_rounds;
        bool validate;
        bool test;
        const char *tasks;
    } cases[] = {{3, false, false, "ttt"}, {2, true, true, "tvtve"}, {1, false, true, "te"}};
    uint8_t none[ENT_ROUND_DIGEST_BYTES] = {0};
    uint8_t base[ENT_ROUND_DIGEST_BYTES] = {7};

    for (size_t i = 0; i < ENT_ARRAY_LEN(cases); i++) {
        struct ent_run_config config = world_config();
        struct world w;
        struct ent_round_member members[3];
        struct ent_round again;
        char tasks[32];
        size_t n = 0;

        config.train_rounds = cases[i].train_rounds;
        config.validate = cases[i].validate;
        config.test = cases[i].test;
        world_init(&w, 3, &config);
        config.no_stats = true;
        ENT_FAILS(ent_round_begin(&w.r, &config, none), ENT_E_CONFIG);
        ENT_OK(ent_round_begin(&w.r, &config, base));
        world_start(&w);
        CU_ASSERT(world_calm(&w, 2000));
        CU_ASSERT_PTR_NULL(w.broken);
        for (size_t k = 0; k < w.n_rows; k++) {
            if (w.rows[k].kind == ENT_ROW_OPEN) {
                if (n == 0) {
                    CU_ASSERT_EQUAL(memcmp(w.rows[k].model, base, sizeof base), 0);
                }
                tasks[n++] = letter(&w.rows[k]);
            }
        }
        tasks[n] = '\0';
        CU_ASSERT_STRING_EQUAL(tasks, cases[i].tasks);
        CU_ASSERT_EQUAL(w.r.train_done, config.train_rounds);
        /* the stored rows lead a new machine there, too */
        ent_round_init(&again, members);
        for (uint32_t k = 0; k < 3; k++) {
            (void)ent_round_add_member(&again, false);
        }
        ENT_OK(ent_round_begin(&again, &config, base));
        for (size_t k = 0; k < w.n_rows; k++) {
            ENT_OK(ent_round_replay(&again, &w.rows[k]));
        }
        CU_ASSERT_FALSE(ent_round_active(&again));
        CU_ASSERT_EQUAL(memcmp(again.best, w.r.best, sizeof again.best), 0);
        world_release(&w);
    }
}
