/* A run whose privacy budget allows no further round. */
#include <string.h>

#include "tests/unit/coordinator_round/drive.h"

/* The next training round is not paid for: the run ends with what it has, and nobody stopped it. */
ENT_TEST(end, when_the_budget_allows_no_more)
{
    struct ent_run_config config = world_config();
    struct ent_event stop;
    uint8_t base[ENT_ROUND_DIGEST_BYTES];
    struct world w;

    config.validate = false;
    world_init(&w, 3, &config);
    world_event(&w, ENT_EV_RUN_START, 0);
    CU_ASSERT_FALSE(ent_round_trains_next(&w.r)); /* statistics */
    stop = world_make(&w, ENT_EV_STOP, 0);
    stop.code = ENT_E_BUDGET;
    world_step(&w, stop);
    CU_ASSERT_EQUAL(n_rows_of(&w, ENT_ROW_STOP), 1); /* not what is paid for: as anybody's */
    CU_ASSERT_EQUAL(row_of(&w, ENT_ROW_END, 0)->code, ENT_E_STOPPED);
    done(&w);

    world_init(&w, 3, &config);
    config.no_stats = true;
    memset(base, 9, sizeof base);
    ENT_OK(ent_round_begin(&w.r, &config, base));
    world_event(&w, ENT_EV_RUN_START, 0);
    CU_ASSERT(ent_round_trains_next(&w.r));
    stop = world_make(&w, ENT_EV_STOP, 0);
    stop.code = ENT_E_BUDGET;
    world_step(&w, stop);
    CU_ASSERT_EQUAL(w.r.phase, ENT_PHASE_IDLE);
    CU_ASSERT_EQUAL(n_rows_of(&w, ENT_ROW_STOP), 0);
    CU_ASSERT_EQUAL(row_of(&w, ENT_ROW_END, 0)->code, ENT_E_BUDGET);
    CU_ASSERT_EQUAL(world_find(&w, ENT_ACT_SEND_END)->code, ENT_E_BUDGET);
    done(&w);
}
