/* The public data sets: described, loaded, split, prepared. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/data/describe.h"
#include "client/data/leak.h"
#include "client/data/prep.h"
#include "client/data/split.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "tests/support/ent_test.h"

struct set {
    char path[512];
    char splits[5][512];
    unsigned n_splits;
    struct ent_plan *plan;
    struct ent_client_config *config;
    struct ent_table *table;
};

static bool open_set(const char *file, const char *split, unsigned n_splits, const char *label,
                     struct ent_describe_options options, struct set *s)
{
    struct ent_buf plan;
    struct ent_buf client;
    char relative[128];
    const char *path;

    memset(s, 0, sizeof *s);
    (void)snprintf(relative, sizeof relative, "data/%s", file);
    path = ent_test_shared(relative);
    if (path == NULL) {
        return false;
    }
    (void)snprintf(s->path, sizeof s->path, "%s", path);
    for (unsigned i = 0; i < n_splits; i++) {
        (void)snprintf(relative, sizeof relative, "data/splits/%s.s%u.test", split, 42 + i);
        path = ent_test_shared(relative);
        if (path == NULL) {
            return false;
        }
        (void)snprintf(s->splits[i], sizeof s->splits[i], "%s", path);
    }
    s->n_splits = n_splits;
    ent_buf_init(&plan, 1 << 20);
    ent_buf_init(&client, 1 << 20);
    options.input = s->path;
    options.label = label;
    options.split_file = s->splits[0];
    ENT_OK(ent_describe_text(&options, &plan, &client));
    ENT_OK(ent_plan_parse("plan.yaml", plan.data, plan.len, &s->plan));
    ENT_OK(ent_client_config_parse("client.yaml", "/", client.data, client.len, &s->config));
    ENT_OK(ent_table_load_plan(s->plan, s->config, &s->table));
    ent_buf_release(&plan);
    ent_buf_release(&client);
    return true;
}

static void drop(struct set *s)
{
    ent_table_free(s->table);
    ent_client_config_free(s->config);
    ent_plan_free(s->plan);
}

static const struct ent_column *column(const struct set *s, const char *name)
{
    for (uint32_t i = 0; i < s->plan->n_features; i++) {
        if (strcmp(s->plan->features[i].name, name) == 0) {
            return &s->table->columns[i];
        }
    }
    CU_FAIL_FATAL("no such feature");
    return NULL;
}

/* The test part is the file's rows, exactly; the parts are disjoint and cover the table. */
static void check_split(const struct set *s, const char *file)
{
    uint32_t *expected;
    uint32_t n;
    struct ent_parts *parts;
    const struct ent_split_rows *test;
    bool same = true;

    ENT_OK(ent_split_file_read(file, s->table->n_source_rows, &expected, &n));
    ENT_OK(ent_split_table(s->plan, s->table, file, &parts));
    test = &parts->part[ENT_SPLIT_TEST];
    CU_ASSERT_EQUAL_FATAL(test->n, n);
    CU_ASSERT_EQUAL(parts->n_file_absent, 0);
    for (uint32_t i = 0; i < n; i++) {
        same = same && s->table->source_rows[test->rows[i]] == expected[i];
    }
    CU_ASSERT_TRUE(same);
    CU_ASSERT_EQUAL(parts->part[1].n + parts->part[2].n + parts->part[3].n, s->table->n_rows);
    ent_parts_free(parts);
    free(expected);
}

ENT_TEST(real, bank_semicolons_quotes_and_five_splits)
{
    static const char *const without[] = {"duration"};
    struct set s;

    if (!open_set("bank-full-80.csv.gz", "bank-full-80", 5, "y=yes",
                  (struct ent_describe_options){.without = without, .n_without = 1}, &s)) {
        return;
    }
    CU_ASSERT_EQUAL(s.config->data.delimiter, ';');
    CU_ASSERT_EQUAL(s.table->n_rows, 36169);
    CU_ASSERT_EQUAL(s.table->n_positive, 4249);
    CU_ASSERT_EQUAL(s.table->n_bad + s.table->n_unlabelled, 0);
    CU_ASSERT_EQUAL(s.plan->n_features, 15);
    for (uint32_t i = 0; i < s.plan->n_features; i++) {
        CU_ASSERT_EQUAL(s.table->columns[i].missing, 0);
        CU_ASSERT_EQUAL(s.table->columns[i].clipped, 0);
        CU_ASSERT_EQUAL(s.table->columns[i].unknown, 0);
    }
    CU_ASSERT_EQUAL(column(&s, "balance")->numbers[0], 2143.0F);
    CU_ASSERT_EQUAL(column(&s, "pdays")->numbers[0], -1.0F);
    CU_ASSERT_EQUAL(column(&s, "housing")->bools[0], 1);
    for (unsigned i = 0; i < s.n_splits; i++) {
        check_split(&s, s.splits[i]);
    }
    drop(&s);
}

ENT_TEST(real, shoppers_true_and_false_and_codes)
{
    static const char *const codes[] = {"OperatingSystems", "Browser", "Region", "TrafficType"};
    struct set s;

    if (!open_set("online_shoppers_intention.csv.gz", "online-shoppers", 5, "Revenue=TRUE",
                  (struct ent_describe_options){.categories = codes, .n_categories = 4}, &s)) {
        return;
    }
    CU_ASSERT_EQUAL(s.table->n_rows, 12330);
    CU_ASSERT_EQUAL(s.table->n_positive, 1908);
    CU_ASSERT_EQUAL(column(&s, "BounceRates")->numbers[0], 0.2F);
    CU_ASSERT_EQUAL(column(&s, "Weekend")->bools[0], 0);
    CU_ASSERT_EQUAL(column(&s, "Region")->unknown, 0);
    CU_ASSERT_PTR_NOT_NULL(column(&s, "TrafficType")->codes);
    for (unsigned i = 0; i < s.n_splits; i++) {
        check_split(&s, s.splits[i]);
    }
    drop(&s);
}

ENT_TEST(real, telco_blank_total_charges_and_a_customer_id)
{
    struct set s;

    if (!open_set("telco-customer-churn.csv.gz", "telco-churn", 5, "Churn=Yes",
                  (struct ent_describe_options){0}, &s)) {
        return;
    }
    CU_ASSERT_EQUAL(s.table->n_rows, 7043);
    CU_ASSERT_EQUAL(s.table->n_positive, 1869);
    CU_ASSERT_EQUAL(column(&s, "TotalCharges")->missing, 11);
    CU_ASSERT_STRING_EQUAL(s.config->unit_key, "customerID");
    CU_ASSERT_EQUAL(s.table->n_without_unit, 0);
    for (unsigned i = 0; i < s.n_splits; i++) {
        check_split(&s, s.splits[i]);
    }
    drop(&s);
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;

    return *x < *y ? -1 : *x > *y;
}

ENT_TEST(real, eshop_names_with_brackets_and_sessions_that_stay_whole)
{
    struct set s;
    uint64_t *units;
    uint32_t n_units = 1;

    if (!open_set("e-shop-clothing-2008-80.csv.gz", "e-shop-clothing-2008-80", 1, "price 2=1",
                  (struct ent_describe_options){0}, &s)) {
        return;
    }
    CU_ASSERT_EQUAL(s.table->n_rows, 133115);
    CU_ASSERT_STRING_EQUAL(s.config->unit_key, "session ID");
    CU_ASSERT_EQUAL(column(&s, "page 1 (main category)")->numbers[0], 2.0F);
    check_split(&s, s.splits[0]); /* by session: the file tears none, or this would fail */
    units = malloc(s.table->n_rows * sizeof *units);
    CU_ASSERT_PTR_NOT_NULL_FATAL(units);
    memcpy(units, s.table->units, s.table->n_rows * sizeof *units);
    qsort(units, s.table->n_rows, sizeof *units, compare);
    for (uint32_t i = 1; i < s.table->n_rows; i++) {
        n_units += units[i] != units[i - 1] ? 1 : 0;
    }
    CU_ASSERT_EQUAL(n_units, 19221);
    free(units);
    drop(&s);
}

static struct ent_schema standardised(struct ent_plan *plan)
{
    for (uint32_t i = 0; i < plan->n_features; i++) {
        plan->features[i].encode = ENT_ENCODE_STANDARD;
    }
    plan->n_inputs = (uint32_t)ent_features_number(plan->features, plan->n_features);
    return ent_schema_of_plan(plan);
}

ENT_TEST(real, prepared_numbers_have_mean_0_and_deviation_1)
{
    struct set s;
    struct ent_schema schema;
    struct ent_prep *prep;
    struct ent_fit fits[32] = {{0}};
    double *sums;
    float *x;

    if (!open_set("telco-customer-churn.csv.gz", "telco-churn", 1, "Churn=Yes",
                  (struct ent_describe_options){0}, &s)) {
        return;
    }
    schema = standardised(s.plan);
    for (uint32_t i = 0; i < schema.n_features; i++) {
        const float *v = s.table->columns[i].numbers;
        double n = 0.0;
        double square = 0.0;

        for (uint32_t r = 0; v != NULL && r < s.table->n_rows; r++) {
            if (!isnan(v[r])) {
                n += 1.0;
                fits[i].mean += (double)v[r];
                square += (double)v[r] * (double)v[r];
            }
        }
        fits[i].mean = v != NULL ? fits[i].mean / n : 0.0;
        fits[i].sd = v != NULL ? sqrt(square / n - fits[i].mean * fits[i].mean) : 1.0;
    }
    ENT_OK(ent_prep_new(&schema, fits, &prep));
    x = malloc((size_t)s.table->n_rows * schema.n_inputs * sizeof *x + 1);
    sums = calloc(schema.n_inputs, 2 * sizeof *sums);
    CU_ASSERT_TRUE_FATAL(x != NULL && sums != NULL);
    ent_prep_encode_range(prep, s.table, 0, s.table->n_rows, x);
    for (uint32_t r = 0; r < s.table->n_rows; r++) {
        for (uint32_t i = 0; i < schema.n_inputs; i++) {
            double v = (double)x[(size_t)r * schema.n_inputs + i];

            sums[2 * i] += v;
            sums[2 * i + 1] += v * v;
        }
    }
    for (uint32_t i = 0; i < schema.n_features; i++) {
        const struct ent_feature *f = &schema.features[i];

        if (f->type == ENT_FEATURE_NUMBER) {
            CU_ASSERT_TRUE(fabs(sums[2 * f->first_input] / s.table->n_rows) < 1e-4);
            CU_ASSERT_TRUE(fabs(sums[2 * f->first_input + 1] / s.table->n_rows - 1.0) < 2e-3);
        } else { /* one of the inputs is 1 in every row: nothing is missing here */
            double ones = 0.0;

            for (uint32_t k = 0; k < f->n_inputs; k++) {
                ones += sums[2 * (f->first_input + k)];
            }
            CU_ASSERT_EQUAL(ones, (double)s.table->n_rows);
        }
    }
    free(x);
    free(sums);
    ent_prep_free(prep);
    drop(&s);
}

/* What `check` warns of on the three sets: `duration` in Bank, nothing without it, nothing in the others. */
static void check_leaks(const char *file, const char *split, const char *label, const char *without,
                        const char *expected)
{
    struct ent_describe_options options = {.without = &without, .n_without = without != NULL};
    struct ent_parts *parts = NULL;
    struct ent_leak leaks[32];
    struct set s;
    bool judged = false;

    if (!open_set(file, split, 1, label, options, &s)) {
        return;
    }
    CU_ASSERT_FATAL(s.plan->n_features <= 32);
    ENT_OK(ent_split_table(s.plan, s.table, s.splits[0], &parts));
    ENT_OK(ent_leak_find(s.table, &parts->part[ENT_SPLIT_TRAIN], leaks, &judged));
    CU_ASSERT_TRUE(judged);
    for (uint32_t i = 0; i < s.plan->n_features; i++) {
        bool named = expected != NULL && strcmp(s.plan->features[i].name, expected) == 0;

        CU_ASSERT_EQUAL(leaks[i].leaks, named);
    }
    ent_parts_free(parts);
    drop(&s);
}

ENT_TEST(real, leaks_are_named_and_nothing_else)
{
    check_leaks("bank-full-80.csv.gz", "bank-full-80", "y=yes", NULL, "duration");
    check_leaks("bank-full-80.csv.gz", "bank-full-80", "y=yes", "duration", NULL);
    check_leaks("online_shoppers_intention.csv.gz", "online-shoppers", "Revenue=TRUE", NULL, NULL);
    check_leaks("telco-customer-churn.csv.gz", "telco-churn", "Churn=Yes", NULL, NULL);
}
