/* Statistics of vectors: counts of rows. */
#include "common/task/task.h"
#include "tests/support/ent_test.h"

static const struct ent_feature columns[] = {
    {.type = ENT_FEATURE_VECTOR, .lo = 0.0, .hi = 255.0, .length = 784, .n_inputs = 784},
    {.type = ENT_FEATURE_BOOLEAN},
};

static enum ent_err finish(int64_t present, int64_t missing, int64_t clipped, struct ent_fits **out)
{
    int64_t v[2 + 3 + 3] = {10, 4, present, missing, clipped, 6, 4, 0};

    return ent_task_stats_finish(&(struct ent_task_sizes){.features = columns, .n_features = 2}, v,
                                 8, out);
}

ENT_TEST(vector, its_statistics)
{
    struct ent_fits *fits = NULL;
    size_t dim = 0;

    ENT_OK(ent_task_stats_dim(columns, 2, &dim));
    CU_ASSERT_EQUAL(dim, 8);
    ENT_OK(finish(8, 2, 8, &fits));
    CU_ASSERT_DOUBLE_EQUAL(fits->fit[0].mean, 0.0, 0.0);
    CU_ASSERT_DOUBLE_EQUAL(fits->fit[0].sd, 1.0, 0.0);
    ent_fits_free(fits);
    CU_ASSERT_EQUAL(finish(8, 1, 0, &fits), ENT_E_DATA);
    CU_ASSERT_EQUAL(finish(11, -1, 0, &fits), ENT_E_DATA);
    CU_ASSERT_EQUAL(finish(9, 2, 0, &fits), ENT_E_DATA);
    CU_ASSERT_EQUAL(finish(8, 2, 9, &fits), ENT_E_DATA);
}
