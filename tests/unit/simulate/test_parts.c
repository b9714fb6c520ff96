#include <string.h>

#include "common/base/mem.h"
#include "simulate/kept.h"
#include "simulate/pool.h"
#include "simulate/sweep.h"
#include "tests/support/ent_test.h"
#include "tests/unit/simulate/world.h"

static enum ent_err count_item(void *ctx, uint32_t worker, uint32_t item)
{
    uint32_t *done = ctx;

    ENT_REQUIRE(item != 70, ENT_E_DATA, "item 70 is bad");
    done[item] += 1 + worker * 0;
    return ENT_E_OK;
}

ENT_TEST(simulate, the_pool_does_every_item_once)
{
    uint32_t done[100] = {0};
    struct ent_pool_work work = {.item = count_item, .ctx = done, .n_items = 70, .threads = 3};

    ENT_OK(ent_pool_run(&work));
    for (uint32_t i = 0; i < 70; i++) {
        CU_ASSERT_EQUAL(done[i], 1);
    }
    work.n_items = 100;
    CU_ASSERT_EQUAL(ent_pool_run(&work), ENT_E_DATA);
    CU_ASSERT_STRING_EQUAL(ent_err_message(), "item 70 is bad");
    work.threads = 0;
    CU_ASSERT_EQUAL(ent_pool_run(&work), ENT_E_USAGE);
}

ENT_TEST(simulate, kept_state_comes_back)
{
    for (uint64_t limit = 0; limit <= 1 << 20; limit += 1 << 20) {
        struct ent_kept_store *store = NULL;
        struct ent_kept kept = {0};

        ENT_OK(ent_kept_store_new(3, 5, limit, &store));
        CU_ASSERT_EQUAL(ent_kept_store_in_file(store), limit == 0);
        for (uint32_t m = 0; m < 3; m++) {
            ENT_OK(ent_kept_store_get(store, m, &kept));
            for (uint32_t i = 0; i < 5; i++) {
                CU_ASSERT_EQUAL(kept.state[i], 0.0F);
                kept.state[i] = (float)(m * 10 + i);
            }
            CU_ASSERT_EQUAL(kept.steps, 0);
            kept.steps = m + 1;
            ENT_OK(ent_kept_store_put(store, m, &kept));
        }
        for (uint32_t m = 3; m-- > 0;) {
            ENT_OK(ent_kept_store_get(store, m, &kept));
            CU_ASSERT_EQUAL(kept.steps, m + 1);
            CU_ASSERT_EQUAL(kept.state[4], (float)(m * 10 + 4));
        }
        ent_kept_release(&kept);
        ent_kept_store_free(store);
    }
}

/* ---- sweeps ---- */

ENT_TEST(simulate, sweep_makes_every_combination)
{
    struct ent_sweep sweep;
    struct world w = {0};

    ent_world_read(&w);
    ENT_OK(ent_sweep_parse("train.lr=0.1,0.01;train.batch=16,32,64", &sweep));
    CU_ASSERT_EQUAL(ent_sweep_combinations(&sweep), 6);
    for (uint32_t i = 0; i < 6; i++) {
        static const uint32_t batches[] = {16, 32, 64};

        ENT_OK(ent_sweep_apply(&sweep, i, w.plan));
        CU_ASSERT_DOUBLE_EQUAL(w.plan->optimizer.hyper.rate, i < 3 ? 0.1 : 0.01, 0.0);
        CU_ASSERT_EQUAL(w.plan->batch, batches[i % 3]);
    }
    CU_ASSERT_EQUAL(ent_sweep_parse("train.rl=1", &sweep), ENT_E_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "did you mean train.lr"));
    CU_ASSERT_EQUAL(ent_sweep_parse("train.batch=1.5", &sweep), ENT_E_USAGE);
    CU_ASSERT_EQUAL(ent_sweep_parse("train.lr", &sweep), ENT_E_USAGE);
    CU_ASSERT_EQUAL(ent_sweep_parse("train.lr=", &sweep), ENT_E_USAGE);
    CU_ASSERT_EQUAL(ent_sweep_parse("", &sweep), ENT_E_USAGE);
    CU_ASSERT_EQUAL(ent_sweep_parse("train.lr=0.1;train.lr=0.2", &sweep), ENT_E_USAGE);
    CU_ASSERT_EQUAL(ent_sweep_parse("train.lr=0", &sweep), ENT_E_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "above 0 and at most 10"));
    CU_ASSERT_EQUAL(ent_sweep_parse("train.momentum=1", &sweep), ENT_E_USAGE);
    ent_client_config_free(w.config);
    ent_plan_free(w.plan);
}

ENT_TEST(simulate, sweep_refuses_what_the_plan_has_no_use_for)
{
    static const char *const texts[] = {"train.momentum=0.9", "train.weight_decay=0.1",
                                        "server.tau=0.1",     "server.momentum=0.5",
                                        "privacy.epsilon=1",  "privacy.clip=1"};
    struct ent_sweep sweep;
    struct world w = {0};

    ent_world_read(&w); /* adam; plain averaging */
    for (size_t i = 0; i < ENT_ARRAY_LEN(texts); i++) {
        ENT_OK(ent_sweep_parse(texts[i], &sweep));
        CU_ASSERT_EQUAL(ent_sweep_apply(&sweep, 0, w.plan), ENT_E_USAGE);
    }
    ENT_OK(ent_sweep_parse("train.beta1=0.5;train.patience=2;server.rate=0.5", &sweep));
    ENT_OK(ent_sweep_apply(&sweep, 0, w.plan));
    w.plan->split_validation = 0.0;
    CU_ASSERT_EQUAL(ent_sweep_apply(&sweep, 0, w.plan), ENT_E_USAGE);
    ent_client_config_free(w.config);
    ent_plan_free(w.plan);
}
