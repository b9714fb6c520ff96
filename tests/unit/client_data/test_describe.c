#include <stdlib.h>
#include <string.h>

#include "client/data/describe.h"
#include "client/data/prep.h"
#include "client/data/split.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_data/data_support.h"

struct drafts {
    struct ent_buf plan_text;
    struct ent_buf client_text;
    struct ent_plan *plan;
    struct ent_client_config *client;
};

static struct drafts draft(const struct ent_describe_options *options)
{
    struct drafts d;

    ent_buf_init(&d.plan_text, 1 << 20);
    ent_buf_init(&d.client_text, 1 << 20);
    ENT_OK(ent_describe_text(options, &d.plan_text, &d.client_text));
    ENT_OK(ent_plan_parse("plan.yaml", d.plan_text.data, d.plan_text.len, &d.plan));
    ENT_OK(ent_client_config_parse("client.yaml", "/d", d.client_text.data, d.client_text.len,
                                   &d.client));
    return d;
}

static void drop(struct drafts *d)
{
    ent_buf_release(&d->plan_text);
    ent_buf_release(&d->client_text);
    ent_plan_free(d->plan);
    ent_client_config_free(d->client);
}

static const struct ent_feature *feature(const struct ent_plan *plan, const char *name)
{
    for (uint32_t i = 0; i < plan->n_features; i++) {
        if (strcmp(plan->features[i].name, name) == 0) {
            return &plan->features[i];
        }
    }
    return NULL;
}

/* 1,200 rows with one column of every kind. */
static const char *sample(const char *dir)
{
    struct ent_buf csv;
    const char *path;

    ent_buf_init(&csv, 1 << 20);
    ENT_OK(ent_buf_addf(
        &csv, "row;Customer ID;age;amount;gap;plz;grade;flag;city;note;same;empty;secret;a=b\n"));
    for (unsigned i = 0; i < 1200; i++) {
        ENT_OK(ent_buf_addf(
            &csv, "%u;K%u;%u;%u.%02u;%s;%05u;%u;%s;%s;text %u;x;;s;%s\n", i + 1, i % 500,
            18 + i % 78, i * 7 % 900, i % 100, i % 10 ? "5" : (i % 20 ? "8" : "NA"), 1000 + i % 3,
            i % 6, i % 2 ? "yes" : "no", i == 7 ? "Rareville" : (i % 3 ? "K\xc3\xb6ln" : "no"), i,
            i % 4 ? "no=1" : "yes=1"));
    }
    path = data_file(dir, "sample.csv", csv.data, csv.len);
    ent_buf_release(&csv);
    return path;
}

ENT_TEST(describe, every_kind_of_column)
{
    static const char *const without[] = {"secret"};
    struct ent_describe_options options = {
        .label = "a=b=yes=1", .without = without, .n_without = 1};
    struct drafts d;
    const struct ent_feature *f;

    options.input = sample(ent_test_tmpdir());
    d = draft(&options);
    CU_ASSERT_STRING_EQUAL(d.plan->label_name, "a=b");
    CU_ASSERT_STRING_EQUAL(d.plan->label_positive, "yes=1");
    CU_ASSERT_PTR_NULL(feature(d.plan, "row")); /* a running number */
    CU_ASSERT_PTR_NULL(feature(d.plan, "Customer ID"));
    CU_ASSERT_STRING_EQUAL(d.client->unit_key, "Customer ID"); /* the customer, not the row */
    f = feature(d.plan, "age");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_TRUE(f->type == ENT_FEATURE_NUMBER && f->lo == 15.0 && f->hi == 95.0 &&
                   f->encode == ENT_ENCODE_PLE && !f->indicator);
    f = feature(d.plan, "amount");
    CU_ASSERT_TRUE(f != NULL && f->type == ENT_FEATURE_NUMBER && f->lo == 0.0 && f->hi == 900.0);
    f = feature(d.plan, "gap");
    CU_ASSERT_TRUE(f != NULL && f->type == ENT_FEATURE_NUMBER && f->indicator);
    CU_ASSERT_EQUAL_FATAL(d.client->data.missing.n, 1);
    CU_ASSERT_STRING_EQUAL(d.client->data.missing.items[0], "NA");
    f = feature(d.plan, "plz");
    CU_ASSERT_TRUE(f != NULL && f->type == ENT_FEATURE_CATEGORY && f->n_values == 3);
    f = feature(d.plan, "grade");
    CU_ASSERT_TRUE(f != NULL && f->type == ENT_FEATURE_NUMBER);
    f = feature(d.plan, "flag");
    CU_ASSERT_TRUE(f != NULL && f->type == ENT_FEATURE_BOOLEAN);
    f = feature(d.plan, "city");
    CU_ASSERT_TRUE(f != NULL && f->type == ENT_FEATURE_CATEGORY && f->n_values == 2);
    CU_ASSERT_STRING_EQUAL(f->values[0], "K\xc3\xb6ln");
    CU_ASSERT_STRING_EQUAL(f->values[1], "no"); /* quoted in the file, so not a boolean */
    CU_ASSERT_PTR_NULL(feature(d.plan, "note"));
    CU_ASSERT_PTR_NULL(feature(d.plan, "same"));
    CU_ASSERT_PTR_NULL(feature(d.plan, "empty"));
    CU_ASSERT_PTR_NULL(feature(d.plan, "secret"));
    /* A plan goes to every member: no rare value, no count, not even in a comment. */
    ENT_OK(ent_buf_add_u8(&d.plan_text, 0));
    CU_ASSERT_PTR_NULL(strstr((const char *)d.plan_text.data, "Rareville"));
    CU_ASSERT_PTR_NULL(strstr((const char *)d.plan_text.data, "1200"));
    CU_ASSERT_PTR_NOT_NULL(strstr(
        (const char *)d.plan_text.data,
        "# - {name: grade, type: category, values: [\"0\", \"1\", \"2\", \"3\", \"4\", \"5\"]}"));
    drop(&d);
}

ENT_TEST(describe, options_of_the_drafts)
{
    static const char *const categories[] = {"grade"};
    struct ent_describe_options options = {.label = "a=b=yes=1",
                                           .categories = categories,
                                           .n_categories = 1,
                                           .coordinator = "fed.example:7443",
                                           .split_file = "my rows.txt",
                                           .rounds = 7,
                                           .min_members = 4};
    struct drafts d;

    options.input = sample(ent_test_tmpdir());
    d = draft(&options);
    CU_ASSERT_EQUAL(feature(d.plan, "grade")->type, ENT_FEATURE_CATEGORY);
    CU_ASSERT_EQUAL(feature(d.plan, "grade")->n_values, 6);
    CU_ASSERT_TRUE(d.plan->split_test_file);
    CU_ASSERT_EQUAL(d.plan->rounds, 7);
    CU_ASSERT_EQUAL(d.plan->min_members, 4);
    CU_ASSERT_STRING_EQUAL(d.client->coordinator, "fed.example:7443");
    CU_ASSERT_STRING_EQUAL(d.client->split_file, "/d/my rows.txt");
    drop(&d);
}

ENT_TEST(describe, both_files_or_none)
{
    const char *dir = ent_test_tmpdir();
    struct ent_describe_options options = {.input = sample(dir), .label = "a=b=yes=1"};
    struct ent_client_config *client;
    struct ent_plan *plan;
    struct ent_table *table;
    char plan_path[512];
    char client_path[512];

    (void)snprintf(plan_path, sizeof plan_path, "%s/plan.yaml", dir);
    (void)snprintf(client_path, sizeof client_path, "%s/client.yaml", dir);
    options.plan_path = plan_path;
    options.client_path = client_path;
    (void)data_file(dir, "client.yaml", "x", 1);
    ENT_FAILS(ent_describe(&options, NULL), ENT_E_EXISTS);
    CU_ASSERT_FALSE(ent_file_exists(plan_path));
    ENT_OK(ent_file_remove(client_path));
    ENT_OK(ent_describe(&options, NULL));
    ENT_FAILS(ent_describe(&options, NULL), ENT_E_EXISTS);
    /* usable as they are */
    ENT_OK(ent_plan_read(plan_path, &plan));
    ENT_OK(ent_client_config_read(client_path, &client));
    ENT_OK(ent_table_load_plan(plan, client, &table));
    CU_ASSERT_EQUAL(table->n_rows, 1200);
    CU_ASSERT_EQUAL(table->n_positive, 300);
    ent_table_free(table);
    ent_client_config_free(client);
    ent_plan_free(plan);
}

ENT_TEST(describe, labels_that_are_wrong)
{
    struct ent_buf plan;
    struct ent_buf client;
    struct ent_describe_options options = {0};
    static const char *const bad[] = {"", "city", "nowhere=x", "a=b=maybe"};

    ent_buf_init(&plan, 1 << 20);
    ent_buf_init(&client, 1 << 20);
    options.input = sample(ent_test_tmpdir());
    for (size_t i = 0; i < ENT_ARRAY_LEN(bad); i++) {
        options.label = bad[i];
        ENT_FAILS(ent_describe_text(&options, &plan, &client), ENT_E_USAGE);
    }
    options.label = "same=x";
    ENT_FAILS(ent_describe_text(&options, &plan, &client), ENT_E_DATA);
    ent_buf_release(&plan);
    ent_buf_release(&client);
}

ENT_TEST(describe, columns_that_are_not_there)
{
    static const char *const wrong[] = {"grade", "citty"};
    static const char *const strange[] = {"Telephone number"};
    struct ent_describe_options options = {
        .label = "a=b=yes=1", .without = wrong, .n_without = 2, .input = sample(ent_test_tmpdir())};
    struct ent_buf plan;
    struct ent_buf client;

    ent_buf_init(&plan, 1 << 20);
    ent_buf_init(&client, 1 << 20);
    ENT_FAILS(ent_describe_text(&options, &plan, &client), ENT_E_USAGE);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(ent_err_message(), "has no column 'citty'; did you mean 'city'?"));
    options.n_without = 1;
    options.categories = strange;
    options.n_categories = 1;
    ENT_FAILS(ent_describe_text(&options, &plan, &client), ENT_E_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "--category: "));
    ent_buf_release(&plan);
    ent_buf_release(&client);
}

ENT_TEST(describe, the_unit_column)
{
    struct ent_describe_options options = {.label = "a=b=yes=1"};
    char *unit = NULL;

    options.input = sample(ent_test_tmpdir());
    ENT_OK(ent_describe_unit(&options, &unit));
    CU_ASSERT_STRING_EQUAL(unit, "Customer ID");
    free(unit);
}

/* ---- what must not get into a plan, and what the report says ---- */

static const char *small_file(const char *dir, const char *text)
{
    return data_file(dir, "small.csv", text, strlen(text));
}

static void report_of(const struct ent_describe_options *options, char *out, size_t size)
{
    FILE *f = tmpfile();
    char plan[512];
    char client[512];
    struct ent_describe_options o = *options;
    size_t n;

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    (void)snprintf(plan, sizeof plan, "%s.plan", options->input);
    (void)snprintf(client, sizeof client, "%s.client", options->input);
    ENT_OK(ent_file_remove(plan));
    ENT_OK(ent_file_remove(client));
    o.plan_path = plan;
    o.client_path = client;
    ENT_OK(ent_describe(&o, f));
    rewind(f);
    n = fread(out, 1, size - 1, f);
    out[n] = '\0';
    (void)fclose(f);
}

ENT_TEST(describe, a_small_file_gives_away_no_value_of_few_rows)
{
    struct ent_describe_options options = {.label = "y=yes"};
    struct drafts d;

    options.input = small_file(ent_test_tmpdir(), "customer_id,email,city,visits,y\n"
                                                  "c-1,ann@a.example,Bonn,1,yes\n"
                                                  "c-2,bob@b.example,Bonn,2,no\n"
                                                  "c-3,cyd@c.example,Bonn,2,yes\n"
                                                  "c-4,dan@d.example,Ulm,3,no\n"
                                                  "c-5,eve@e.example,Jena,4,no\n"
                                                  "c-6,fay@f.example,Bonn,5,no\n");
    d = draft(&options);
    CU_ASSERT_STRING_EQUAL(d.client->unit_key,
                           "customer_id"); /* an id however few rows there are */
    CU_ASSERT_PTR_NULL(feature(d.plan, "customer_id"));
    CU_ASSERT_PTR_NULL(feature(d.plan, "email"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(feature(d.plan, "city"));
    CU_ASSERT_EQUAL(feature(d.plan, "city")->n_values, 1);
    CU_ASSERT_PTR_NOT_NULL(feature(d.plan, "visits"));
    ENT_OK(ent_buf_add_u8(&d.plan_text, 0));
    CU_ASSERT_PTR_NULL(strstr((const char *)d.plan_text.data, ".example"));
    CU_ASSERT_PTR_NULL(strstr((const char *)d.plan_text.data, "c-1"));
    CU_ASSERT_PTR_NULL(strstr((const char *)d.plan_text.data, "Ulm"));
    /* numbers that might be codes are offered as such only when some code comes often enough */
    CU_ASSERT_PTR_NULL(strstr((const char *)d.plan_text.data, "values: []"));
    drop(&d);
}

ENT_TEST(describe, a_column_of_different_texts_is_not_declared_even_when_asked_for)
{
    static const char *const categories[] = {"email"};
    struct ent_describe_options options = {
        .label = "y=1", .categories = categories, .n_categories = 1};
    struct drafts d;

    options.input =
        small_file(ent_test_tmpdir(), "email,n,y\na@x,1,1\nb@x,2,0\nc@x,2,1\nd@x,3,0\n");
    d = draft(&options);
    CU_ASSERT_PTR_NULL(feature(d.plan, "email"));
    drop(&d);
}

ENT_TEST(describe, reports_say_what_is_wrong_with_a_column)
{
    struct ent_describe_options options = {.label = "y=1"};
    char text[4096];

    options.input = small_file(ent_test_tmpdir(), "price;twice;twice;note;n;y\n"
                                                  "1,50;1;1;K\xf6ln;1;1\n"
                                                  "2,75;2;1;K\xf6ln;2;0\n"
                                                  "1,50;3;1;K\xf6ln;3;0\n"
                                                  "1,50;3;1;Bonn;3;0\n");
    report_of(&options, text, sizeof text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "decimal comma"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "its name stands twice in the header"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "3 values are not UTF-8"));
}

ENT_TEST(describe, files_without_rows_or_with_one_column)
{
    struct ent_describe_options options = {.label = "y=1"};
    struct ent_buf plan;
    struct ent_buf client;

    ent_buf_init(&plan, 1 << 20);
    ent_buf_init(&client, 1 << 20);
    options.input = small_file(ent_test_tmpdir(), "a,y\n");
    ENT_FAILS(ent_describe_text(&options, &plan, &client), ENT_E_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "no rows"));
    options.input = small_file(ent_test_tmpdir(), "a|y\n1|1\n2|0\n");
    ENT_FAILS(ent_describe_text(&options, &plan, &client), ENT_E_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "is the delimiter right?"));
    ent_buf_release(&plan);
    ent_buf_release(&client);
}
