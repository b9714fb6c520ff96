/* Members' statistics of histograms and vocabularies: their sum says what the pooled rows say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/task/fill.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/plan/client_config.h"
#include "tests/support/ent_test.h"

#define MEMBERS 3
#define ROWS 900

static const char plan_text[] =
    "salt: pepper 3\n" /* under which none of the words share a bucket */
    "features:\n"
    "  - {name: a, type: number, range: [-1000, 1000], encode: ple}\n"
    "  - {name: b, type: number, range: [0, 20], encode: ple, scale: linear, bins: 5}\n"
    "  - {name: v, type: category, vocabulary: {bits: 8, size: 20, min_customers: 12}}\n"
    "  - {name: h, type: category, hashed: {bits: 4}}\n"
    "  - {name: since, type: date, parts: [month, age], reference: 2024-01-01, range: [0, 900], "
    "encode: ple}\n"
    "min_group: 1\n"
    "label: {name: y, positive: \"1\"}\n"
    "split: {key: 1, validation: 0, test: 0}\n"
    "model: {layers: [{dense: 1}], loss: bce}\n";

/* Where each feature's integers begin. */
enum {
    A = 2,
    B = A + 517,
    V = B + 517,
    H = V + 1 + 512,
    MONTH = H + 2,
    AGE = MONTH + 14,
    DIM = AGE + 517
};

static void add_rows(struct ent_rng *rng, struct ent_buf *pooled, struct ent_buf member[MEMBERS])
{
    for (uint32_t i = 0; i < ROWS; i++) {
        char row[128];
        /* the last word is one member's own, the one before comes from one customer only */
        uint32_t m = ent_rng_below(rng, MEMBERS);
        uint32_t word = ent_rng_below(rng, 12);
        uint32_t customer = word == 10 ? 7 : m * 1000 + ent_rng_below(rng, 120);
        int len;

        m = word == 11 ? 0 : m;
        len = snprintf(row, sizeof row, "c%u,%s%.2f,%u,%s%u,t%u,2023-%02u-11,%u\n", customer,
                       i % 3 == 0 ? "-" : "", (double)(ent_rng_float(rng) * 900.0F),
                       i % 5 == 0 ? 3 : ent_rng_below(rng, 25), i % 50 == 0 ? "" : "w", word,
                       ent_rng_below(rng, 9), 1 + ent_rng_below(rng, 12), i % 2);
        ENT_OK(ent_buf_add(pooled, row, (size_t)len));
        ENT_OK(ent_buf_add(&member[m], row, (size_t)len));
    }
}

static void stats_above(const struct ent_plan *plan, const struct ent_buf *csv, uint32_t floor,
                        int64_t v[DIM])
{
    static const char yaml[] = "data: {source: csv, path: d.csv}\nunit_key: u\n";
    static const uint8_t salt[ENT_UPDATE_SALT_BYTES] = {1};
    const char *dir = ent_test_tmpdir();
    struct ent_client_config *config = NULL;
    struct ent_table *table = NULL;
    struct ent_parts *parts = NULL;
    struct ent_payload payload = {0};
    struct ent_fill fill;
    char *path = NULL;

    ENT_OK(ent_path_join(dir, "d.csv", &path));
    ENT_OK(ent_file_write_new(path, csv->data, csv->len, 0600));
    ENT_OK(
        ent_client_config_parse("client.yaml", dir, (const uint8_t *)yaml, strlen(yaml), &config));
    ENT_OK(ent_table_load_plan(plan, config, &table));
    ENT_OK(ent_split_table(plan, table, NULL, &parts));
    fill = (struct ent_fill){.plan = plan, .table = table, .salt = salt, .floor = floor};
    ENT_OK(ent_fill_stats(&fill, &parts->part[ENT_SPLIT_TRAIN], &payload));
    CU_ASSERT_EQUAL_FATAL(payload.dim, DIM);
    ent_payload_int64(&payload, v);
    ent_payload_release(&payload);
    ent_parts_free(parts);
    ent_table_free(table);
    ent_client_config_free(config);
    free(path);
}

static void stats_of(const struct ent_plan *plan, const struct ent_buf *csv, int64_t v[DIM])
{
    stats_above(plan, csv, 0, v);
}

/* Everything but the squares (cut once a member) and the members themselves. */
static bool is_plain_sum(size_t i)
{
    return i != A + 4 && i != B + 4 && i != AGE + 4 && !(i >= V + 1 + 256 && i < H);
}

static void check_vocabulary(const int64_t *sum, const struct ent_fit *fit)
{
    uint32_t kept = 0;
    bool has_lonely = false; /* enough customers, one member */

    for (uint32_t b = 0; b < 256; b++) {
        bool in = false;

        for (uint32_t k = 0; k < fit->n_buckets; k++) {
            in = in || fit->buckets[k] == b;
        }
        CU_ASSERT_EQUAL(in, sum[V + 1 + b] >= 12 && sum[V + 257 + b] >= 2);
        CU_ASSERT(sum[V + 257 + b] <= MEMBERS);
        kept += in ? 1 : 0;
        has_lonely = has_lonely || (sum[V + 1 + b] >= 12 && sum[V + 257 + b] == 1);
    }
    CU_ASSERT_EQUAL(kept, 10); /* of twelve words: not the customer's, not the member's */
    CU_ASSERT_TRUE(has_lonely);
}

ENT_TEST(features, summed_members_are_the_pooled_rows)
{
    struct ent_rng rng = ent_rng_init(77, 0);
    struct ent_fits *federated = NULL;
    struct ent_task_sizes sizes;
    struct ent_fits *together = NULL;
    struct ent_plan *plan = NULL;
    struct ent_buf pooled;
    struct ent_buf member[MEMBERS];
    int64_t all[DIM];
    int64_t one[DIM];
    int64_t sum[DIM] = {0};

    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)plan_text, strlen(plan_text), &plan));
    ent_buf_init(&pooled, 1 << 20);
    ENT_OK(ent_buf_addf(&pooled, "u,a,b,v,h,since,y\n"));
    for (size_t m = 0; m < MEMBERS; m++) {
        ent_buf_init(&member[m], 1 << 20);
        ENT_OK(ent_buf_addf(&member[m], "u,a,b,v,h,since,y\n"));
    }
    add_rows(&rng, &pooled, member);
    stats_of(plan, &pooled, all);
    for (size_t m = 0; m < MEMBERS; m++) {
        stats_of(plan, &member[m], one);
        for (size_t i = 0; i < DIM; i++) {
            sum[i] += one[i];
        }
        for (size_t b = 0; b < 256; b++) {
            CU_ASSERT_EQUAL(one[V + 257 + b], one[V + 1 + b] > 0 ? 1 : 0);
        }
        ent_buf_release(&member[m]);
    }
    for (size_t i = 0; i < DIM; i++) {
        if (is_plain_sum(i) && !(i > V && i < H)) {
            CU_ASSERT_EQUAL(sum[i], all[i]);
        }
    }
    sizes = ent_plan_task_sizes(plan);
    ENT_OK(ent_task_stats_finish(&sizes, sum, DIM, &federated));
    ENT_OK(ent_task_stats_finish(&sizes, all, DIM, &together));
    for (uint32_t f = 0; f < plan->n_features; f++) {
        const struct ent_fit *a = &federated->fit[f];
        const struct ent_fit *b = &together->fit[f];

        CU_ASSERT_EQUAL_FATAL(a->n_edges, b->n_edges);
        CU_ASSERT(a->n_edges == 0 || memcmp(a->edges, b->edges, a->n_edges * sizeof(double)) == 0);
        ENT_OK(ent_fit_check(&plan->features[f], a));
    }
    CU_ASSERT(federated->fit[0].n_edges == 17 && federated->fit[1].n_edges > 2);
    check_vocabulary(sum, &federated->fit[2]);
    ent_fits_free(federated);
    ent_fits_free(together);
    ent_buf_release(&pooled);
    ent_plan_free(plan);
}

/* One customer with many rows is one customer; rows of nobody are each their own. */
ENT_TEST(features, customers_are_counted_once)
{
    struct ent_plan *plan = NULL;
    struct ent_buf csv;
    int64_t v[DIM];
    int64_t customers = 0;

    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)plan_text, strlen(plan_text), &plan));
    ent_buf_init(&csv, 1 << 16);
    ENT_OK(ent_buf_addf(&csv, "u,a,b,v,h,since,y\n"));
    for (int i = 0; i < 20; i++) {
        ENT_OK(ent_buf_addf(&csv, "one,%d,1,word,x,2023-01-01,0\n", i));
        ENT_OK(ent_buf_addf(&csv, ",%d,1,word,x,2023-01-01,0\n", i % 4));
        ENT_OK(ent_buf_addf(&csv, "two,1,1,,x,,1\n"));
    }
    stats_of(plan, &csv, v);
    for (size_t b = 0; b < 256; b++) {
        customers += v[V + 1 + b];
    }
    CU_ASSERT_EQUAL(customers, 1 + 4);
    CU_ASSERT_EQUAL(v[V], 20);
    CU_ASSERT(v[H] == 60 && v[H + 1] == 0 && v[MONTH + 13] == 20 && v[AGE + 1] == 20);
    ent_buf_release(&csv);
    ent_plan_free(plan);
}

/* Of a bucket that too few customers have nothing is told, however many rows they have of it. */
ENT_TEST(features, buckets_of_few_customers_are_not_told)
{
    struct ent_plan *plan = NULL;
    struct ent_buf csv;
    int64_t all[DIM];
    int64_t v[DIM];

    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)plan_text, strlen(plan_text), &plan));
    ent_buf_init(&csv, 1 << 16);
    ENT_OK(ent_buf_addf(&csv, "u,a,b,v,h,since,y\n"));
    for (int i = 0; i < 60; i++) {
        ENT_OK(ent_buf_addf(&csv, "k%d,1,1,often,x,2023-01-01,0\n", i % 12));
        ENT_OK(ent_buf_addf(&csv, "k%d,1,1,seldom,x,2023-01-01,0\n", i % 5));
    }
    stats_of(plan, &csv, all);
    stats_above(plan, &csv, 6, v);
    for (size_t b = 0; b < 256; b++) {
        int64_t told = all[V + 1 + b] < 6 ? 0 : all[V + 1 + b];

        CU_ASSERT(all[V + 1 + b] == 0 || all[V + 1 + b] == 5 || all[V + 1 + b] == 12);
        CU_ASSERT(v[V + 1 + b] == told && v[V + 257 + b] == (told > 0 ? 1 : 0));
    }
    CU_ASSERT(v[0] == 120 && v[V] == 0 && v[H] == all[H]);
    stats_above(plan, &csv, 13, v); /* twelve customers in all */
    for (size_t i = 0; i < DIM; i++) {
        CU_ASSERT_EQUAL(v[i], 0);
    }
    ent_buf_release(&csv);
    ent_plan_free(plan);
}
