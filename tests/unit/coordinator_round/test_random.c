/* Thousands of seeded random schedules: whatever comes in whatever order, the laws hold, and once
 * the world is calm the run ends. A failing seed is printed and replays. */
#include "common/base/hooks.h"
#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_round/world.h"

static const char *planted = NULL;

void ent_hook_point(const char *name)
{
    (void)name;
}

bool ent_hook_planted(const char *bug)
{
    return planted != NULL && strcmp(planted, bug) == 0;
}

enum { SCHEDULES = 3000, EVENTS = 250 };

static struct ent_run_config random_config(struct ent_rng *rng, uint32_t n)
{
    struct ent_run_config c = world_config();

    c.min_members = 1 + ent_rng_below(rng, n < 5 ? n : 5);
    c.train_rounds = ent_rng_below(rng, 4);
    c.attempts = 1 + ent_rng_below(rng, 3);
    c.validate = ent_rng_below(rng, 2) != 0;
    c.test = ent_rng_below(rng, 2) != 0;
    c.gather_ms = (uint64_t)400 * ent_rng_below(rng, 2);
    c.join_ms = 1 + ent_rng_below(rng, 2000);
    c.update_ms = 1 + ent_rng_below(rng, 5000);
    c.retry_ms = 1 + ent_rng_below(rng, 1000);
    return c;
}

/* Any event, mostly of this attempt, mostly with the right digest. */
static void wild_event(struct world *w, struct ent_rng *rng)
{
    enum ent_event_kind kind = (enum ent_event_kind)ent_rng_below(rng, ENT_EV_COUNT);
    struct ent_event ev = world_make(w, kind, ent_rng_below(rng, w->r.n_members));

    if (ent_rng_below(rng, 6) == 0) {
        ev.round += ent_rng_below(rng, 3) - 1U;
        ev.attempt += ent_rng_below(rng, 3) - 1U;
    }
    if (ent_rng_below(rng, 8) == 0) {
        ev.digest[31] ^= 1;
    }
    ev.weight = ent_rng_below(rng, 16) == 0 ? 0 : 1 + ent_rng_below(rng, 9);
    ev.code = (enum ent_err)ent_rng_below(rng, ENT_E_COUNT);
    if (kind == ENT_EV_UPDATE_BAD && ent_rng_below(rng, 2) == 0) {
        ev.code = ENT_E_DROPPED;
    }
    /* These would end every schedule early or shrink it to nothing. */
    if ((kind == ENT_EV_STOP && ent_rng_below(rng, 30) != 0) ||
        (kind == ENT_EV_REVOKED && ent_rng_below(rng, 20) != 0)) {
        return;
    }
    /* The engine answers only what it was asked. */
    if ((kind == ENT_EV_RESULT && !w->want_result) || (kind == ENT_EV_GATE && !w->want_gate)) {
        return;
    }
    world_step(w, ev);
}

static void crash(struct world *w, struct ent_rng *rng)
{
    struct ent_round before = w->r;
    struct ent_round_member members[WORLD_MEMBERS];
    uint32_t n = w->r.n_members;

    if (w->n_rows == 0) {
        return;
    }
    memcpy(members, w->members, sizeof members);
    before.members = members;
    if (world_restart(w, w->n_rows) != ENT_E_OK) {
        w->broken = "the stored rows do not fit";
        return;
    }
    if (w->broken == NULL && before.phase != ENT_PHASE_IDLE && !laws_same(&before, &w->r)) {
        w->broken = "a restart changed the state";
    }
    for (uint32_t i = 0; i < n; i++) {
        if (w->r.members[i].standing == ENT_STANDING_ACCEPTED && ent_rng_below(rng, 6) == 0 &&
            w->r.phase == ENT_PHASE_UPDATE) {
            world_event(w, ENT_EV_DAMAGED, i);
        }
    }
}

/* Returns the law that was broken; NULL if none was. */
static const char *schedule(uint64_t seed, size_t *n_rows)
{
    struct ent_rng rng = ent_rng_init(seed, 3);
    uint32_t n = 1 + ent_rng_below(&rng, WORLD_MEMBERS);
    struct ent_run_config config = random_config(&rng, n);
    struct world w;
    const char *broken;

    world_init(&w, n, &config);
    if (ent_rng_below(&rng, 2) != 0) {
        world_all_up(&w);
    }
    world_event(&w, ENT_EV_RUN_START, 0);
    for (size_t i = 0; i < EVENTS && w.broken == NULL; i++) {
        uint32_t what = ent_rng_below(&rng, 100);

        w.now_ms += ent_rng_below(&rng, 4) == 0 ? ent_rng_below(&rng, 2500) : 0;
        if (what < 50) {
            wild_event(&w, &rng);
        } else if (what < 98) {
            if (!world_calm_step(&w)) {
                world_event(&w, ENT_EV_UP, ent_rng_below(&rng, n));
            }
        } else {
            crash(&w, &rng);
        }
    }
    if (w.broken == NULL) {
        world_settle(&w);
    }
    broken = w.broken;
    if (broken != NULL && planted == NULL) {
        (void)fprintf(stderr, "seed %llu: %s (round %llu, phase %s)\n", (unsigned long long)seed,
                      w.broken, (unsigned long long)w.r.round, ent_phase_name(w.r.phase));
    }
    *n_rows += w.n_rows;
    world_release(&w);
    return broken;
}

ENT_TEST(random, laws_hold_on_any_schedule)
{
    size_t n_rows = 0;
    size_t bad = 0;

    for (uint64_t seed = 1; seed <= SCHEDULES && bad < 5; seed++) {
        bad += schedule(seed, &n_rows) != NULL;
    }
    CU_ASSERT_EQUAL(bad, 0);
    CU_ASSERT(n_rows > (size_t)SCHEDULES * 20); /* the schedules do get somewhere */
}

/* Both planted bugs are found. */
ENT_TEST(random, planted_bugs_are_found)
{
    static const struct {
        const char *bug;
        const char *law;
    } bugs[] = {{"repeat-added-twice", "added what was not accepted, or twice"},
                {"old-attempt-added", "accepted another attempt's update"}};

    for (size_t i = 0; i < ENT_ARRAY_LEN(bugs); i++) {
        const char *law = NULL;
        size_t n_rows = 0;

        planted = bugs[i].bug;
        for (uint64_t seed = 1; seed <= SCHEDULES && law == NULL; seed++) {
            law = schedule(seed, &n_rows);
        }
        planted = NULL;
        CU_ASSERT_PTR_NOT_NULL_FATAL(law);
        CU_ASSERT_STRING_EQUAL(law, bugs[i].law);
    }
}

/* The laws see what they are there for: a machine with a row taken away or added twice. */
ENT_TEST(random, the_laws_find_what_breaks_them)
{
    static const enum ent_row_kind kinds[] = {ENT_ROW_ACCEPT, ENT_ROW_DROP, ENT_ROW_RELEASE,
                                              ENT_ROW_CLOSE};
    struct ent_run_config config = world_config();
    struct world w;

    world_init(&w, 3, &config);
    world_start(&w);
    while (w.r.phase != ENT_PHASE_UPDATE) {
        CU_ASSERT_FATAL(world_calm_step(&w));
    }
    world_event(&w, ENT_EV_LOST, 2);
    CU_ASSERT(world_calm(&w, 1000));
    CU_ASSERT_PTR_NULL(w.broken);
    for (size_t k = 0; k < ENT_ARRAY_LEN(kinds); k++) {
        for (int twice = 0; twice < 2; twice++) {
            struct laws laws = {0};
            const char *bad = NULL;
            bool met = false;

            for (size_t i = 0; i < w.n_rows && bad == NULL; i++) {
                bool here = !met && w.rows[i].kind == kinds[k];

                met = met || here;
                if (!here || twice != 0) {
                    bad = laws_row(&laws, &w.rows[i], 2);
                }
                if (here && twice != 0 && bad == NULL) {
                    bad = laws_row(&laws, &w.rows[i], 2);
                }
            }
            CU_ASSERT_PTR_NOT_NULL(bad);
        }
    }
    world_release(&w);
}
