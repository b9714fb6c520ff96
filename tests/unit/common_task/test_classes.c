/* Evaluation of classes and of numbers: sums, what they give, and what contradicts itself. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/task/task.h"
#include "tests/support/ent_test.h"

#define UNIT ((int64_t)1 << ENT_LOSS_UNIT_BITS)

static const struct ent_task_sizes three = {.outputs = ENT_OUTPUTS_CLASSES, .n_classes = 3};
static const struct ent_task_sizes many = {.outputs = ENT_OUTPUTS_CLASSES, .n_classes = 1000};
static const struct ent_task_sizes number = {.outputs = ENT_OUTPUTS_NUMBER};

static int64_t *table_at(int64_t *v, uint32_t truth, uint32_t said)
{
    return &v[ENT_CLASSES_DETAIL_AT + (size_t)truth * 3 + said];
}

static int64_t *cell_at(int64_t *v, uint32_t k, bool own, uint32_t cell)
{
    return &v[ENT_CLASSES_DETAIL_AT + 9 + ((size_t)k * 2 + (own ? 1 : 0)) * ENT_EVAL_CELLS + cell];
}

/* Two rows of three classes: of class 0 with probabilities .5 .25 .25, of class 2 with .5 .375 .125. */
static int64_t *example(size_t *dim)
{
    int64_t *v = NULL;

    ENT_OK(ent_task_evaluate_dim_of(&three, dim));
    ENT_OK(ent_calloc(*dim, sizeof *v, &v));
    v[ENT_CLASSES_ROWS] = 2;
    v[ENT_CLASSES_UNKNOWN] = 5;
    v[ENT_CLASSES_LOSS] = 3 * UNIT;
    v[ENT_CLASSES_HIT1] = 1;
    v[ENT_CLASSES_HIT5] = 2;
    v[ENT_CLASSES_HIT10] = 2;
    v[ENT_CLASSES_RECIPROCAL] = UNIT + 349525;
    *table_at(v, 0, 0) = 1;
    *table_at(v, 2, 0) = 1;
    *cell_at(v, 0, true, 512) = 1;
    *cell_at(v, 0, false, 512) = 1;
    *cell_at(v, 1, false, 256) = 1;
    *cell_at(v, 1, false, 384) = 1;
    *cell_at(v, 2, false, 256) = 1;
    *cell_at(v, 2, true, 128) = 1;
    return v;
}

ENT_TEST(classes, what_a_sum_says)
{
    struct ent_metric_value values[ENT_METRIC_VALUES];
    struct ent_metrics m;
    size_t dim;
    int64_t *v = example(&dim);

    CU_ASSERT_EQUAL(dim, ENT_CLASSES_DETAIL_AT + 9 + 6 * 1024);
    ENT_OK(ent_task_evaluate_finish_of(&three, v, dim, &m));
    CU_ASSERT_EQUAL(m.rows, 2);
    CU_ASSERT_EQUAL(m.unknown, 5);
    CU_ASSERT_DOUBLE_EQUAL(m.log_loss, 1.5, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(m.accuracy, 0.5, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(m.hit5, 1.0, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(m.mrr, (1.0 + 1.0 / 3.0) / 2.0, 1e-6);
    /* class 0: a tie, 0.5; class 1 has no row of its own; class 2: the wrong way round, 0 */
    CU_ASSERT_DOUBLE_EQUAL(m.auc, 0.25, 1e-12);
    CU_ASSERT_TRUE(isnan(m.brier));
    CU_ASSERT_EQUAL(ent_metrics_values(&m, values), 9);
    free(v);
}

/* Each tamper is refused with DATA; what holds for one member holds for a sum of members. */
ENT_TEST(classes, what_contradicts_itself)
{
    const struct ent_task *task = ent_task_find(ENT_TASK_EVALUATE);
    size_t dim;
    int64_t *good = example(&dim);

    for (int tamper = 0; tamper < 9; tamper++) {
        int64_t *v = example(&dim);

        switch (tamper) {
        case 0:
            v[ENT_CLASSES_HIT1] = 2; /* not the table's diagonal */
            break;
        case 1:
            v[ENT_CLASSES_HIT5] = 0;
            break;
        case 2:
            v[ENT_CLASSES_HIT10] = 3;
            break;
        case 3:
            v[ENT_CLASSES_LOSS] = 2 * 64 * UNIT + 1;
            break;
        case 4:
            v[ENT_CLASSES_RECIPROCAL] = 2 * UNIT + 1;
            break;
        case 5:
            v[ENT_CLASSES_RECIPROCAL] = UNIT - 1;
            break;
        case 6:
            *table_at(v, 1, 1) = 1;
            break;
        case 7:
            *cell_at(v, 1, false, 384) = 0;
            break;
        default:
            *cell_at(v, 2, true, 128) = -1;
            break;
        }
        ENT_FAILS(task->check(&three, v, dim), ENT_E_DATA);
        free(v);
    }
    ENT_FAILS(task->check(&three, good, dim - 1), ENT_E_SHAPE);
    ENT_FAILS(task->check(&many, good, dim), ENT_E_SHAPE);
    for (size_t i = 0; i < dim; i++) {
        good[i] *= 3;
    }
    ENT_OK(task->check(&three, good, dim));
    free(good);
}

ENT_TEST(classes, too_many_for_a_table)
{
    int64_t v[ENT_CLASSES_DETAIL_AT] = {[ENT_CLASSES_ROWS] = 4,
                                        [ENT_CLASSES_LOSS] = 20 * UNIT,
                                        [ENT_CLASSES_HIT10] = 3,
                                        [ENT_CLASSES_HIT5] = 2,
                                        [ENT_CLASSES_RECIPROCAL] = UNIT};
    struct ent_metrics m;
    size_t dim;

    ENT_OK(ent_task_evaluate_dim_of(&many, &dim));
    CU_ASSERT_EQUAL_FATAL(dim, ENT_CLASSES_DETAIL_AT);
    ENT_OK(ent_task_evaluate_finish_of(&many, v, dim, &m));
    CU_ASSERT_DOUBLE_EQUAL(m.hit10, 0.75, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(m.mrr, 0.25, 1e-12);
    CU_ASSERT_TRUE(isnan(m.auc));
}

ENT_TEST(classes, a_dim_says_what_it_is)
{
    struct ent_task_sizes sizes;

    for (uint32_t n = 2; n <= 40; n++) {
        struct ent_task_sizes classes = {.outputs = ENT_OUTPUTS_CLASSES, .n_classes = n};
        size_t dim;

        ENT_OK(ent_task_evaluate_dim_of(&classes, &dim));
        ENT_OK(ent_task_evaluate_sizes(dim, &sizes));
        CU_ASSERT_EQUAL(sizes.outputs, ENT_OUTPUTS_CLASSES);
        CU_ASSERT_EQUAL(sizes.n_classes, n > ENT_CLASSES_DETAIL ? ENT_CLASSES_DETAIL + 1 : n);
    }
    ENT_OK(ent_task_evaluate_sizes(ent_task_evaluate_dim(), &sizes));
    CU_ASSERT_EQUAL(sizes.outputs, ENT_OUTPUTS_BINARY);
    ENT_OK(ent_task_evaluate_sizes(ENT_NUMBER_INTS, &sizes));
    CU_ASSERT_EQUAL(sizes.outputs, ENT_OUTPUTS_NUMBER);
    ENT_FAILS(ent_task_evaluate_sizes(2055, &sizes), ENT_E_SHAPE);
}

ENT_TEST(classes, numbers)
{
    /* targets at the ends of the range, each predicted as the middle */
    int64_t v[ENT_NUMBER_INTS] = {[ENT_NUMBER_ROWS] = 2,
                                  [ENT_NUMBER_LOSS] = 2 * UNIT,
                                  [ENT_NUMBER_PLACES] = UNIT,
                                  [ENT_NUMBER_SQUARES] = UNIT};
    struct ent_metric_value values[ENT_METRIC_VALUES];
    struct ent_metrics m;

    ENT_OK(ent_task_evaluate_finish_of(&number, v, ENT_NUMBER_INTS, &m));
    CU_ASSERT_DOUBLE_EQUAL(m.log_loss, 1.0, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(m.r2, 0.0, 1e-12);
    CU_ASSERT_EQUAL(ent_metrics_values(&m, values), 3);
    v[ENT_NUMBER_PLACES] = 2 * UNIT + 1;
    ENT_FAILS(ent_task_evaluate_finish_of(&number, v, ENT_NUMBER_INTS, &m), ENT_E_DATA);
}
