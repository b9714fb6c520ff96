/* Labels that are one of several classes, or a number. */
#include <string.h>

#include "client/data/table.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_data/data_support.h"

#define FEATURES "features: [{name: a, type: number, range: [0, 9]}]\n"

static struct ent_table *load(const char *csv, const char *plan_text, const char *rest,
                              struct ent_plan **plan)
{
    const char *path = data_file(ent_test_tmpdir(), "d.csv", csv, strlen(csv));
    struct ent_client_config *config = data_config(path, rest, "drop");
    struct ent_table *table = NULL;

    *plan = data_plan(plan_text);
    ENT_OK(ent_table_load_plan(*plan, config, &table));
    ent_client_config_free(config);
    return table;
}

ENT_TEST(labels, classes_in_the_plan_s_order)
{
    struct ent_plan *plan;
    struct ent_table *t = load("a,y\n1,high\n2,Low\n3,\n4,strange\n5,mid\n",
                               FEATURES "label: {name: y, values: [low, mid, high]}\n"
                                        "model: {layers: [{dense: 3}]}\n",
                               "columns: {y: {values: {Low: low}}}\n", &plan);

    CU_ASSERT_EQUAL_FATAL(t->n_rows, 3);
    CU_ASSERT_EQUAL(t->targets[0], 2.0F);
    CU_ASSERT_EQUAL(t->targets[1], 0.0F);
    CU_ASSERT_EQUAL(t->targets[2], 1.0F);
    CU_ASSERT_EQUAL(t->n_unlabelled, 1);
    CU_ASSERT_EQUAL(t->n_bad, 1);
    CU_ASSERT_STRING_EQUAL(t->problems[0].reason, "none of the label's values");
    ent_table_free(t);
    ent_plan_free(plan);
}

ENT_TEST(labels, numbers_as_the_model_sees_them)
{
    struct ent_plan *plan;
    struct ent_table *t = load(
        "a,y\n1,0\n2,10\n3,5\n4,99\n5,x\n6,\n",
        FEATURES "label: {name: y, range: [0, 10]}\nmodel: {layers: [{dense: 1}]}\n", "", &plan);

    CU_ASSERT_EQUAL_FATAL(t->n_rows, 4);
    CU_ASSERT_EQUAL(t->targets[0], -1.0F);
    CU_ASSERT_EQUAL(t->targets[1], 1.0F);
    CU_ASSERT_EQUAL(t->targets[2], 0.0F);
    CU_ASSERT_EQUAL(t->targets[3], 1.0F);
    CU_ASSERT_EQUAL(t->n_label_clipped, 1);
    CU_ASSERT_EQUAL(t->n_bad, 1);
    CU_ASSERT_EQUAL(t->n_unlabelled, 1);
    ent_table_free(t);
    ent_plan_free(plan);
}
