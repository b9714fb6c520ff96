#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/data/prep.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_data/data_support.h"

static const char plan_yaml[] = "features:\n"
                                "  - {name: a, type: number, range: [0, 10]}\n"
                                "  - {name: b, type: number, range: [0, 10], indicator: true}\n"
                                "  - {name: c, type: category, values: [x, \"y\"]}\n"
                                "  - {name: d, type: boolean}\n"
                                "label: {name: l, positive: \"1\"}\n"
                                "model: {layers: [{dense: 1}]}\n";

struct prepared {
    struct ent_plan *plan;
    struct ent_client_config *config;
    struct ent_table *table;
    struct ent_schema schema;
    struct ent_prep *prep;
};

static struct prepared prepare(const char *csv)
{
    static const struct ent_fit fits[] = {
        {.mean = 4.0, .sd = 2.0}, {.mean = 5.0, .sd = 4.0}, {.sd = 1.0}, {.sd = 1.0}};
    struct prepared p = {0};

    p.plan = data_plan(plan_yaml);
    p.config = data_config(data_file(ent_test_tmpdir(), "p.csv", csv, strlen(csv)), "", "fail");
    ENT_OK(ent_table_load_plan(p.plan, p.config, &p.table));
    p.schema = ent_schema_of_plan(p.plan);
    ENT_OK(ent_prep_new(&p.schema, fits, &p.prep));
    return p;
}

static void drop(struct prepared *p)
{
    ent_prep_free(p->prep);
    ent_table_free(p->table);
    ent_client_config_free(p->config);
    ent_plan_free(p->plan);
}

ENT_TEST(prep, every_kind_of_value)
{
    static const float expected[4][8] = {
        {1.0F, -1.0F, 0.0F, 1.0F, 0.0F, 0.0F, 0.0F, 1.0F},
        {3.0F, 0.0F, 1.0F, 0.0F, 1.0F, 0.0F, 1.0F, 0.0F}, /* a clipped, b missing */
        {0.0F, 0.0F, 0.0F, 0.0F, 0.0F, 1.0F, 0.0F, 0.0F}, /* unknown; no boolean */
        {-2.0F, 1.25F, 0.0F, 0.0F, 0.0F, 1.0F, 0.0F, 1.0F}};
    struct prepared p = prepare("a,b,c,d,l\n6,1,x,yes,1\n99,,y,no,0\n,5,zzz,,0\n-7,10,,true,1\n");
    float x[4][8];
    uint32_t rows[4] = {3, 2, 1, 0};
    float back[4][8];

    CU_ASSERT_EQUAL_FATAL(p.plan->n_inputs, 8);
    memset(x, 0x55, sizeof x);
    ent_prep_encode_range(p.prep, p.table, 0, 4, &x[0][0]);
    for (size_t r = 0; r < 4; r++) {
        for (size_t i = 0; i < 8; i++) {
            CU_ASSERT_EQUAL(x[r][i], expected[r][i]);
        }
    }
    ent_prep_encode(p.prep, p.table, rows, 4, &back[0][0]);
    for (size_t r = 0; r < 4; r++) {
        CU_ASSERT_EQUAL(memcmp(back[r], x[3 - r], sizeof x[0]), 0);
    }
    drop(&p);
}

ENT_TEST(prep, statistics_that_are_not_usable)
{
    struct ent_plan *plan = data_plan(plan_yaml);
    struct ent_schema schema = ent_schema_of_plan(plan);
    struct ent_fit fits[] = {
        {.mean = 4.0, .sd = 2.0}, {.mean = NAN, .sd = 4.0}, {.sd = 1.0}, {.sd = 1.0}};
    struct ent_prep *prep = NULL;

    ENT_FAILS(ent_prep_new(&schema, fits, &prep), ENT_E_NONFINITE);
    fits[1].mean = 0.0;
    fits[0].sd = 0.0;
    ENT_FAILS(ent_prep_new(&schema, fits, &prep), ENT_E_CONFIG);
    CU_ASSERT_PTR_NULL(prep);
    ent_plan_free(plan);
}

ENT_TEST(gather, dense_and_on_the_fly_give_the_same_bits)
{
    struct ent_buf csv;
    struct prepared p;
    struct ent_gather *dense;
    struct ent_gather *sparse;
    struct ent_rng rng = ent_rng_init(3, 0);
    uint32_t part[700];
    uint32_t positions[150];
    float *x[2];
    float y[2][150];

    ent_buf_init(&csv, 1 << 20);
    ENT_OK(ent_buf_addf(&csv, "a,b,c,d,l\n"));
    for (unsigned i = 0; i < 1000; i++) {
        ENT_OK(ent_buf_addf(&csv, "%u.%u,%s,%s,%s,%u\n", ent_rng_below(&rng, 14), i % 97,
                            i % 7 ? "3.3" : "", i % 3 ? "x" : "other",
                            i % 5 ? (i % 2 ? "t" : "f") : "", i % 2));
    }
    ENT_OK(ent_buf_add_u8(&csv, 0));
    p = prepare((const char *)csv.data);
    for (uint32_t i = 0; i < 700; i++) {
        part[i] = i + i / 3;
    }
    for (uint32_t i = 0; i < 150; i++) {
        positions[i] = ent_rng_below(&rng, 700);
    }
    ENT_OK(ent_gather_new(p.prep, p.table, part, 700, ENT_GATHER_DENSE_BYTES, &dense));
    ENT_OK(ent_gather_new(p.prep, p.table, part, 700, 700 * 8 * sizeof(float) - 1, &sparse));
    CU_ASSERT_TRUE(ent_gather_is_dense(dense));
    CU_ASSERT_FALSE(ent_gather_is_dense(sparse));
    ENT_OK(ent_calloc(150 * 8, sizeof(float), &x[0]));
    ENT_OK(ent_calloc(150 * 8, sizeof(float), &x[1]));
    ent_gather_rows(dense, positions, 150, x[0], y[0]);
    ent_gather_rows(sparse, positions, 150, x[1], y[1]);
    CU_ASSERT_EQUAL(memcmp(x[0], x[1], 150 * 8 * sizeof(float)), 0);
    CU_ASSERT_EQUAL(memcmp(y[0], y[1], sizeof y[0]), 0);
    for (uint32_t i = 0; i < 150; i++) {
        CU_ASSERT_EQUAL(y[0][i], (float)p.table->labels[part[positions[i]]]);
    }
    ent_gather_rows(sparse, positions, 3, x[1], NULL);
    free(x[0]);
    free(x[1]);
    ent_gather_free(dense);
    ent_gather_free(sparse);
    ent_buf_release(&csv);
    drop(&p);
}
