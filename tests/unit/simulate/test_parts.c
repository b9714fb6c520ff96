#include "simulate/kept.h"
#include "simulate/pool.h"
#include "tests/support/ent_test.h"

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
