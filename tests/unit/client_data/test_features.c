/* What columns become: piecewise-linear, logarithms, hashes, vocabularies, dates; cleaning; leaks. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/data/bind.h"
#include "client/data/leak.h"
#include "client/data/prep.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#pragma GCC diagnostic ignored "-Wunused-const-variable"
#include "tests/golden/features_golden.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_data/data_support.h"

#define TAIL "label: {name: l, positive: \"1\"}\nmodel: {layers: [{dense: 1}]}\n"

struct loaded {
    struct ent_plan *plan;
    struct ent_client_config *config;
    struct ent_table *table;
    struct ent_schema schema;
};

static struct loaded load_with(const char *yaml, const char *csv, const char *rest)
{
    struct loaded l = {0};

    l.plan = data_plan(yaml);
    l.config = data_config(data_file(ent_test_tmpdir(), "f.csv", csv, strlen(csv)), rest, "drop");
    ENT_OK(ent_table_load_plan(l.plan, l.config, &l.table));
    l.schema = ent_schema_of_plan(l.plan);
    return l;
}

static struct loaded load(const char *yaml, const char *csv)
{
    return load_with(yaml, csv, "");
}

static void drop(struct loaded *l)
{
    ent_table_free(l->table);
    ent_client_config_free(l->config);
    ent_plan_free(l->plan);
}

/* ---- piecewise linear ---- */

static void check_inputs(const char *range, double *edges, uint32_t n_edges, const float *probes,
                         size_t n_probes, const double *expected)
{
    struct ent_fit fit = {.mean = 0.0, .sd = 1.0, .edges = edges, .n_edges = n_edges};
    uint32_t n_bins = n_edges - 1;
    struct ent_prep *prep = NULL;
    struct ent_buf text;
    struct loaded l;
    char yaml[256];
    float *x;

    ent_buf_init(&text, 1 << 20);
    ENT_OK(ent_buf_addf(&text, "a,l\n"));
    for (size_t i = 0; i < n_probes; i++) {
        ENT_OK(ent_buf_addf(&text, "%.9g,1\n", (double)probes[i]));
    }
    ENT_OK(ent_buf_add_u8(&text, 0));
    (void)snprintf(yaml, sizeof yaml,
                   "features: [{name: a, type: number, range: %s, encode: ple}]\n" TAIL, range);
    l = load(yaml, (const char *)text.data);
    ENT_OK(ent_prep_new(&l.schema, &fit, &prep));
    x = calloc(n_probes, l.schema.n_inputs * sizeof *x);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    ent_prep_encode_range(prep, l.table, 0, (uint32_t)n_probes, x);
    for (size_t i = 0; i < n_probes; i++) {
        const float *row = x + i * l.schema.n_inputs;

        for (uint32_t k = 0; k < l.schema.n_inputs; k++) {
            double want = k < n_bins ? expected[i * n_bins + k] : 0.0; /* unused inputs stay 0 */

            CU_ASSERT_DOUBLE_EQUAL((double)row[k], want, 1e-6);
        }
    }
    free(x);
    ent_prep_free(prep);
    ent_buf_release(&text);
    drop(&l);
}

ENT_TEST(ple, inputs_by_their_definition)
{
    double spread[ENT_ARRAY_LEN(golden_spread_edges)];
    double heavy[ENT_ARRAY_LEN(golden_heavy_edges)];
    double few[ENT_ARRAY_LEN(golden_few_edges)];

    memcpy(spread, golden_spread_edges, sizeof spread);
    memcpy(heavy, golden_heavy_edges, sizeof heavy);
    memcpy(few, golden_few_edges, sizeof few);
    check_inputs("[-5000, 10000]", spread, ENT_ARRAY_LEN(spread), golden_spread_probes,
                 ENT_ARRAY_LEN(golden_spread_probes), golden_spread_inputs);
    check_inputs("[-50, 900]", heavy, ENT_ARRAY_LEN(heavy), golden_heavy_probes,
                 ENT_ARRAY_LEN(golden_heavy_probes), golden_heavy_inputs);
    check_inputs("[0, 5]", few, ENT_ARRAY_LEN(few), golden_few_probes,
                 ENT_ARRAY_LEN(golden_few_probes), golden_few_inputs);
}

/* No input falls when the value rises, and somewhere one rises, between the ends that the clipping leaves. */
ENT_TEST(ple, monotone_missing_and_nothing)
{
    double edges[] = {1.0, 2.0, 4.0, 7.0};
    struct ent_fit fit = {.mean = 3.0, .sd = 1.0, .edges = edges, .n_edges = 4};
    struct ent_fit none = {.mean = 5.0, .sd = 1.0};
    struct loaded l = load("features: [{name: a, type: number, range: [0, 10], encode: ple, bins: "
                           "4, heavy: false, indicator: true}]\n" TAIL,
                           "a,l\n0,1\n1,1\n1.5,1\n3,1\n4,1\n6.9,1\n7,1\n9.5,1\n,1\n3,1\n");
    struct ent_prep *prep = NULL;
    float x[10][5];

    CU_ASSERT_EQUAL_FATAL(l.schema.n_inputs, 5);
    ENT_OK(ent_prep_new(&l.schema, &fit, &prep));
    ent_prep_encode_range(prep, l.table, 0, 10, &x[0][0]);
    for (size_t r = 1; r < 8; r++) {
        float rise = 0.0F;

        for (size_t k = 0; k < 5; k++) {
            CU_ASSERT(x[r][k] >= x[r - 1][k]);
            rise += x[r][k] - x[r - 1][k];
        }
        CU_ASSERT(rise > 0.0F);
    }
    CU_ASSERT_EQUAL(x[0][0], -1.0F); /* goes on below the first edge */
    CU_ASSERT(x[7][2] > 1.8F && x[7][2] < 1.9F);
    for (size_t k = 0; k < 4; k++) {
        CU_ASSERT_EQUAL(x[8][k], x[9][k]); /* missing: as the mean, 3 */
    }
    CU_ASSERT(x[8][4] == 1.0F && x[9][4] == 0.0F);
    ent_prep_free(prep);
    ENT_OK(ent_prep_new(&l.schema, &none, &prep)); /* nobody had a value */
    ent_prep_encode_range(prep, l.table, 0, 10, &x[0][0]);
    for (size_t k = 0; k < 4; k++) {
        CU_ASSERT(x[0][k] == 0.0F && x[8][k] == 0.0F);
    }
    ent_prep_free(prep);
    drop(&l);
}

ENT_TEST(log, standardised_signed_log)
{
    struct ent_fit fit = {.mean = 0.5, .sd = 2.0};
    struct loaded l =
        load("features: [{name: a, type: number, range: [-100, 1000], encode: log}]\n" TAIL,
             "a,l\n-9,1\n0,1\n99,1\n5000,1\n,1\n");
    static const double values[] = {-9.0, 0.0, 99.0, 1000.0};
    struct ent_prep *prep = NULL;
    float x[5];

    ENT_OK(ent_prep_new(&l.schema, &fit, &prep));
    ent_prep_encode_range(prep, l.table, 0, 5, x);
    for (size_t i = 0; i < 4; i++) {
        double want = (copysign(log1p(fabs(values[i])), values[i]) - 0.5) / 2.0;

        CU_ASSERT_DOUBLE_EQUAL((double)x[i], want, 1e-6);
    }
    CU_ASSERT_EQUAL(x[4], 0.0F);
    ent_prep_free(prep);
    drop(&l);
}

/* ---- hashes ---- */

#define HASHED(salt_)                                                                              \
    "salt: " salt_ "\nfeatures:\n  - {name: h, type: category, hashed: {bits: 6}}\n"               \
    "  - {name: v, type: category, vocabulary: {bits: 12, size: 2}}\n" TAIL

ENT_TEST(hash, of_another_library)
{
    static const char *const values[] = {"home", "", "caf\xc3\xa9", NULL};
    struct ent_feature page = {
        .name = "page", .codes = ENT_CODES_VOCABULARY, .bits = 12, .salt = "pepper 2026"};
    struct ent_sha256 hash = {0};
    char longer[300];

    memset(longer, 'x', sizeof longer);
    for (size_t i = 0; i < ENT_ARRAY_LEN(values); i++) {
        const char *v = values[i] != NULL ? values[i] : longer;
        uint32_t bucket = 0;

        ENT_OK(
            ent_bind_hash(&hash, &page, v, values[i] != NULL ? strlen(v) : sizeof longer, &bucket));
        CU_ASSERT_EQUAL(bucket, golden_hash_buckets[i]);
    }
    ent_sha256_release(&hash);
}

/* Another salt, other buckets; another column, other buckets; the same text, however it is spaced, the same. */
ENT_TEST(hash, salt_and_column_change_the_buckets)
{
    static const char csv[] = "h,v,l\na,a,1\n  a ,b,1\nb,a,1\n,,1\n";
    struct loaded one = load(HASHED("first"), csv);
    struct loaded two = load(HASHED("second"), csv);
    const uint32_t *h = one.table->columns[0].buckets;
    const uint32_t *v = one.table->columns[1].buckets;

    CU_ASSERT(h[0] == h[1] && h[0] != h[2] && h[0] < 64 && v[0] == v[2] && v[0] < 4096);
    CU_ASSERT(h[3] == ENT_BUCKET_MISSING && v[3] == ENT_BUCKET_MISSING);
    CU_ASSERT_NOT_EQUAL(h[0], v[0] >> 6); /* not the same bits of the same hash */
    CU_ASSERT_NOT_EQUAL(v[0], two.table->columns[1].buckets[0]);
    CU_ASSERT_NOT_EQUAL(v[1], two.table->columns[1].buckets[1]);
    CU_ASSERT(one.table->columns[0].missing == 1 && one.table->columns[1].missing == 1);
    drop(&one);
    drop(&two);
}

ENT_TEST(hash, inputs_and_codes)
{
    struct loaded l = load(HASHED("first"), "h,v,l\na,x,1\nb,y,1\n,,1\nc,z,1\n");
    const uint32_t *v = l.table->columns[1].buckets;
    uint32_t kept[2] = {v[0] < v[1] ? v[0] : v[1], v[0] < v[1] ? v[1] : v[0]};
    struct ent_fit fits[2] = {{.sd = 1.0}, {.sd = 1.0, .buckets = kept, .n_buckets = 2}};
    static const uint32_t rows[] = {0, 1, 2, 3};
    struct ent_prep *prep = NULL;
    uint32_t codes[4];
    float x[4][65 + 3];

    CU_ASSERT_EQUAL_FATAL(l.schema.n_inputs, 68);
    ENT_OK(ent_prep_new(&l.schema, fits, &prep));
    ent_prep_codes(prep, l.table, 1, rows, 4, codes);
    CU_ASSERT(codes[0] == (v[0] < v[1] ? 0 : 1) && codes[1] == 1 - codes[0]);
    CU_ASSERT(codes[2] == 2 && codes[3] == 2); /* missing; not kept */
    ent_prep_encode_range(prep, l.table, 0, 4, &x[0][0]);
    for (size_t r = 0; r < 4; r++) {
        uint32_t bucket = l.table->columns[0].buckets[r];
        float ones = 0.0F;

        for (size_t k = 0; k < 68; k++) {
            ones += x[r][k];
        }
        CU_ASSERT_EQUAL(ones, 2.0F);
        CU_ASSERT_EQUAL(x[r][bucket == ENT_BUCKET_MISSING ? 64 : bucket], 1.0F);
        CU_ASSERT_EQUAL(x[r][65 + codes[r]], 1.0F);
    }
    ent_prep_free(prep);
    drop(&l);
}

/* ---- dates ---- */

ENT_TEST(dates, parts_of_one_column)
{
    struct loaded l = load_with(
        "features:\n  - {name: since, type: date, format: \"DD.MM.YYYY hh:mm\", parts: [month, "
        "weekday, hour, age], reference: 2024-12-31, range: [0, 400], encode: log, "
        "indicator: true}\n" TAIL,
        "d,l\n30.12.2024 12:00,1\n01.03.2020 00:59,1\n,1\nyesterday,1\n", "columns: {since: d}\n");
    const struct ent_column *c = l.table->columns;

    CU_ASSERT_EQUAL_FATAL(l.plan->n_features, 4);
    CU_ASSERT_STRING_EQUAL(l.plan->features[3].name, "since.age");
    CU_ASSERT_EQUAL(l.plan->n_inputs, 13 + 8 + 25 + 2);
    CU_ASSERT_EQUAL_FATAL(l.table->n_rows, 3);
    CU_ASSERT_EQUAL(l.table->n_bad, 1);
    CU_ASSERT_STRING_EQUAL(l.table->problems[0].reason, "not a date in the plan's format");
    CU_ASSERT(c[0].codes[0] == 11 && c[1].codes[0] == 0 && c[2].codes[0] == 12);
    CU_ASSERT(c[0].codes[1] == 2 && c[1].codes[1] == 6 && c[2].codes[1] == 0);
    CU_ASSERT_EQUAL(c[3].numbers[0], 0.5F);
    CU_ASSERT_EQUAL(c[3].clipped, 1); /* more than 400 days */
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(c[i].codes[2], ENT_CODE_MISSING);
        CU_ASSERT_EQUAL(c[i].missing, 1);
    }
    CU_ASSERT(isnan(c[3].numbers[2]));
    drop(&l);
}

/* ---- cleaning ---- */

ENT_TEST(clean, outliers_each_way)
{
    static const char yaml[] =
        "features:\n"
        "  - {name: a, type: number, range: [0, 10]}\n"
        "  - {name: b, type: number, range: [0, 10], outliers: missing}\n"
        "  - {name: c, type: number, range: [0, 10], outliers: drop_row}\n" TAIL;
    static const char csv[] = "a,b,c,l\n11,11,1,1\n1,1,11,1\n-1,2,2,1\n5,,3,1\n";
    struct loaded l = load(yaml, csv);
    struct ent_table_options options = {
        .schema = l.schema, .config = l.config, .label = ENT_LABEL_IF_PRESENT};
    struct ent_table *kept = NULL;

    CU_ASSERT_EQUAL_FATAL(l.table->n_rows, 3);
    CU_ASSERT(l.table->n_outlier_rows == 1 && l.table->n_bad == 0);
    CU_ASSERT(l.table->columns[0].clipped == 2 && l.table->columns[0].outliers == 0);
    CU_ASSERT(isnan(l.table->columns[1].numbers[0]) && l.table->columns[1].numbers[1] == 2.0F);
    CU_ASSERT(l.table->columns[1].outliers == 1 && l.table->columns[1].missing == 2 &&
              l.table->columns[1].clipped == 0);
    CU_ASSERT_EQUAL(l.table->columns[2].outliers, 1);
    ENT_OK(ent_table_load(&options, &kept)); /* a row that is scored is never dropped */
    CU_ASSERT(kept->n_rows == 4 && kept->n_outlier_rows == 0 && kept->columns[2].clipped == 1);
    ent_table_free(kept);
    drop(&l);
}

ENT_TEST(clean, duplicates_only_where_all_is_equal)
{
    static const char features[] =
        "features: [{name: a, type: number, range: [0, 9]}, {name: b, type: category, values: "
        "[x]}]\n" TAIL;
    static const char csv[] = "u,a,b,l\n1,1,x,1\n1,1,x,1\n2,1,x,1\n1,2,x,1\n1,1,,1\n1,1,x,0\n"
                              "1,1.0, x ,1\n1,,x,1\n1,,x,1\n";
    char yaml[512];
    struct loaded l;

    (void)snprintf(yaml, sizeof yaml, "clean: {duplicates: drop}\n%s", features);
    l = load_with(yaml, csv, "unit_key: u\n");
    CU_ASSERT(l.table->n_rows == 6 && l.table->n_duplicates == 3);
    CU_ASSERT_EQUAL(l.table->source_rows[5], 7);
    CU_ASSERT_EQUAL(l.table->columns[0].missing, 1);
    drop(&l);
    l = load_with(features, csv, "unit_key: u\n");
    CU_ASSERT(l.table->n_rows == 9 && l.table->n_duplicates == 0);
    drop(&l);
}

/* Many rows: the set grows, and says what a sorted list says. */
ENT_TEST(clean, duplicates_of_many_rows)
{
    struct ent_rng rng = ent_rng_init(4, 0);
    bool seen[2000] = {false};
    struct ent_buf csv;
    uint32_t different = 0;
    struct loaded l;

    ent_buf_init(&csv, 1 << 20);
    ENT_OK(ent_buf_addf(&csv, "a,l\n"));
    for (int i = 0; i < 5000; i++) {
        uint32_t v = ent_rng_below(&rng, 2000);

        different += seen[v] ? 0 : 1;
        seen[v] = true;
        ENT_OK(ent_buf_addf(&csv, "%u,1\n", v));
    }
    ENT_OK(ent_buf_add_u8(&csv, 0));
    l = load(
        "clean: {duplicates: drop}\nfeatures: [{name: a, type: number, range: [0, 1999]}]\n" TAIL,
        (const char *)csv.data);
    CU_ASSERT(l.table->n_rows == different && l.table->n_duplicates == 5000 - different);
    ent_buf_release(&csv);
    drop(&l);
}

/* ---- leaks ---- */

/* Rows with a plain predictor and one that rules the outcome out below its middle. */
static struct loaded leaky(uint32_t n, bool with)
{
    struct ent_rng rng = ent_rng_init(9, 0);
    struct ent_buf csv;
    struct loaded l;

    ent_buf_init(&csv, 1 << 22);
    ENT_OK(ent_buf_addf(&csv, "a,b,c,l\n"));
    for (uint32_t i = 0; i < n; i++) {
        float a = ent_rng_float(&rng);
        float b = ent_rng_float(&rng);
        bool label = ent_rng_float(&rng) < (with && b < 0.5F ? 0.0F : 0.1F + 0.4F * a);

        ENT_OK(ent_buf_addf(&csv, "%.4f,%.4f,v%u,%d\n", (double)a, (double)b,
                            ent_rng_below(&rng, n), label ? 1 : 0));
    }
    ENT_OK(ent_buf_add_u8(&csv, 0));
    l = load(
        "salt: pepper\nfeatures:\n  - {name: a, type: number, range: [0, 1]}\n  - {name: b, type: "
        "number, range: [0, 1]}\n  - {name: c, type: category, hashed: {bits: 12}}\n" TAIL,
        (const char *)csv.data);
    ent_buf_release(&csv);
    return l;
}

static struct ent_split_rows every_row(const struct ent_table *table)
{
    struct ent_split_rows rows = {.n = table->n_rows};

    rows.rows = calloc(table->n_rows, sizeof *rows.rows);
    CU_ASSERT_PTR_NOT_NULL_FATAL(rows.rows);
    for (uint32_t i = 0; rows.rows != NULL && i < rows.n; i++) {
        rows.rows[i] = i;
    }
    return rows;
}

ENT_TEST(leak, a_column_that_rules_the_label_out)
{
    static const struct {
        uint32_t n;
        bool with;
        bool judged;
    } cases[] = {{4000, true, true}, {4000, false, true}, {400, true, false}};

    for (size_t i = 0; i < ENT_ARRAY_LEN(cases); i++) {
        struct loaded l = leaky(cases[i].n, cases[i].with);
        struct ent_split_rows rows = every_row(l.table);
        struct ent_leak leaks[3];
        bool judged;

        ENT_OK(ent_leak_find(l.table, &rows, leaks, &judged));
        CU_ASSERT_EQUAL(judged, cases[i].judged);
        CU_ASSERT(!leaks[0].leaks && !leaks[2].leaks);
        CU_ASSERT_EQUAL(leaks[1].leaks, cases[i].with && cases[i].judged);
        CU_ASSERT(fabs(leaks[2].auc - 0.5) < 0.05); /* thousands of values are no merit */
        free(rows.rows);
        drop(&l);
    }
}

ENT_TEST(leak, the_label_in_other_words)
{
    struct ent_buf csv;
    struct ent_split_rows rows;
    struct ent_leak leaks[2];
    struct loaded l;
    bool judged;

    ent_buf_init(&csv, 1 << 20);
    ENT_OK(ent_buf_addf(&csv, "a,b,l\n"));
    for (unsigned i = 0; i < 1000; i++) {
        ENT_OK(
            ent_buf_addf(&csv, "%u,%s,%d\n", i % 10, i % 3 == 0 ? "gone" : "", i % 3 == 0 ? 1 : 0));
    }
    ENT_OK(ent_buf_add_u8(&csv, 0));
    l = load("features:\n  - {name: a, type: number, range: [0, 9]}\n  - {name: b, type: category, "
             "values: [gone]}\n" TAIL,
             (const char *)csv.data);
    rows = every_row(l.table);
    ENT_OK(ent_leak_find(l.table, &rows, leaks, &judged));
    CU_ASSERT(judged && leaks[1].leaks && leaks[1].auc == 1.0 && leaks[1].certain == 1.0);
    CU_ASSERT_FALSE(leaks[0].leaks);
    free(rows.rows);
    ent_buf_release(&csv);
    drop(&l);
}
