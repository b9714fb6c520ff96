#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/data/split.h"
#include "client/data/table.h"
#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_data/data_support.h"

static const char plan_yaml[] = "features:\n"
                                "  - {name: age, type: number, range: [18, 90]}\n"
                                "  - {name: job, type: category, values: [admin., worker]}\n"
                                "  - {name: loan, type: boolean}\n"
                                "label: {name: y, positive: \"yes\"}\n"
                                "model: {layers: [{dense: 1}]}\n";

struct loaded {
    struct ent_plan *plan;
    struct ent_client_config *config;
    struct ent_table *table;
    enum ent_err err;
};

static struct loaded load(const char *csv, const char *rest, const char *bad_rows)
{
    struct loaded l = {0};
    const char *path = data_file(ent_test_tmpdir(), "d.csv", csv, strlen(csv));

    l.plan = data_plan(plan_yaml);
    l.config = data_config(path, rest, bad_rows);
    l.err = ent_table_load_plan(l.plan, l.config, &l.table);
    return l;
}

static void drop(struct loaded *l)
{
    ent_table_free(l->table);
    ent_client_config_free(l->config);
    ent_plan_free(l->plan);
}

ENT_TEST(table, values_and_counts)
{
    struct loaded l = load("y;age;job;loan\n"
                           "yes;18;admin.;yes\n"
                           "no;17.5;worker;No\n"
                           " yes ; 90.5 ; teacher ;1\n"
                           "no;;;\n"
                           ";30;admin.;f\n"
                           "YES;30;\"worker\";T\n",
                           "", "fail");
    const struct ent_table *t = l.table;

    CU_ASSERT_EQUAL_FATAL(l.err, ENT_E_OK);
    CU_ASSERT_EQUAL(t->n_rows, 5);
    CU_ASSERT_EQUAL(t->n_source_rows, 6);
    CU_ASSERT_EQUAL(t->n_unlabelled, 1);
    CU_ASSERT_EQUAL(t->n_positive, 2); /* "YES" is not "yes" */
    CU_ASSERT_EQUAL(t->columns[0].numbers[0], 18.0F);
    CU_ASSERT_EQUAL(t->columns[0].numbers[1], 17.5F); /* not clipped in the table */
    CU_ASSERT_TRUE(isnan(t->columns[0].numbers[3]));
    CU_ASSERT_EQUAL(t->columns[0].clipped, 2);
    CU_ASSERT_EQUAL(t->columns[0].missing, 1);
    CU_ASSERT_EQUAL(t->columns[1].codes[0], 0);
    CU_ASSERT_EQUAL(t->columns[1].codes[2], 2);
    CU_ASSERT_EQUAL(t->columns[1].codes[3], ENT_CODE_MISSING);
    CU_ASSERT_EQUAL(t->columns[1].codes[4], 1);
    CU_ASSERT_EQUAL(t->columns[1].unknown, 1);
    CU_ASSERT_EQUAL(t->columns[1].missing, 1);
    CU_ASSERT_EQUAL(t->columns[2].bools[0], 1);
    CU_ASSERT_EQUAL(t->columns[2].bools[1], 0);
    CU_ASSERT_EQUAL(t->columns[2].bools[3], -1);
    CU_ASSERT_EQUAL(t->columns[2].bools[4], 1);
    CU_ASSERT_EQUAL(t->source_rows[4], 5);
    CU_ASSERT_EQUAL(ent_table_clip(&l.plan->features[0], 17.5F), 18.0);
    CU_ASSERT_EQUAL(ent_table_clip(&l.plan->features[0], 90.5F), 90.0);
    CU_ASSERT_EQUAL(ent_table_clip(&l.plan->features[0], 50.0F), 50.0);
    drop(&l);
}

ENT_TEST(table, the_members_own_names_and_spellings)
{
    struct loaded l = load("Age (years),Job Title,Kredit,Abo\n"
                           "unbekannt,Admin,ja,1\n"
                           "31,worker,nein,0\n"
                           "32,Arbeiter,NA,1\n",
                           "columns: {age: {column: Age (years), values: {unbekannt: 40}}, "
                           "job: {column: Job Title, values: {Admin: admin., Arbeiter: worker}}, "
                           "loan: {column: Kredit, values: {ja: true, nein: false}}, "
                           "y: {column: Abo, values: {\"1\": \"yes\"}}}\n",
                           "fail");

    CU_ASSERT_EQUAL(l.err, ENT_E_DATA); /* NA is not a boolean, and not declared missing */
    CU_ASSERT_PTR_NOT_NULL(
        strstr(ent_err_message(), "1 row does not parse: line 4 (loan: neither true nor false)"));
    drop(&l);
    l = load("Age (years),Job Title,Kredit,Abo\n"
             "unbekannt,Admin,ja,1\n"
             "31,worker,nein,0\n"
             "32,Arbeiter,ja,1\n",
             "columns: {age: {column: Age (years), values: {unbekannt: 40}}, "
             "job: {column: Job Title, values: {Admin: admin., Arbeiter: worker}}, "
             "loan: {column: Kredit, values: {ja: true, nein: false}}, "
             "y: {column: Abo, values: {\"1\": \"yes\"}}}\n",
             "fail");
    CU_ASSERT_EQUAL_FATAL(l.err, ENT_E_OK);
    CU_ASSERT_EQUAL(l.table->columns[0].numbers[0], 40.0F);
    CU_ASSERT_EQUAL(l.table->columns[1].codes[0], 0);
    CU_ASSERT_EQUAL(l.table->columns[1].codes[1], 1);
    CU_ASSERT_EQUAL(l.table->columns[1].codes[2], 1);
    CU_ASSERT_EQUAL(l.table->columns[2].bools[1], 0);
    CU_ASSERT_EQUAL(l.table->n_positive, 2);
    drop(&l);
}

ENT_TEST(table, missing_spellings)
{
    static const char csv[] = "age,job,loan,y\nNA,n/a,NA,yes\n40,admin.,yes,NA\n";
    struct ent_client_config *config = NULL;
    struct ent_plan *plan = data_plan(plan_yaml);
    struct ent_table *t = NULL;
    char yaml[600];

    (void)snprintf(yaml, sizeof yaml, "data: {path: \"%s\", missing: [NA, n/a]}\n",
                   data_file(ent_test_tmpdir(), "d.csv", csv, sizeof csv - 1));
    ENT_OK(
        ent_client_config_parse("client.yaml", "/", (const uint8_t *)yaml, strlen(yaml), &config));
    ENT_OK(ent_table_load_plan(plan, config, &t));
    CU_ASSERT_EQUAL(t->n_rows, 1);
    CU_ASSERT_EQUAL(t->n_unlabelled, 1);
    CU_ASSERT_EQUAL(t->columns[0].missing, 1);
    CU_ASSERT_EQUAL(t->columns[1].missing, 1);
    CU_ASSERT_EQUAL(t->columns[2].missing, 1);
    ent_table_free(t);
    ent_client_config_free(config);
    ent_plan_free(plan);
}

ENT_TEST(table, bad_rows_fail_or_are_dropped_and_named_by_line)
{
    static const char csv[] = "age,job,loan,y\n"
                              "abc,admin.,yes,yes\n"
                              "40,admin.,yes\n"
                              "41,admin.,yes,no\n"
                              "0x10,admin.,yes,no\n"
                              "42,\xff,no,no\n"
                              "43,admin.,perhaps,no\n";
    struct loaded l = load(csv, "", "fail");
    char *text = NULL;
    size_t len = 0;
    FILE *f;

    CU_ASSERT_EQUAL(l.err, ENT_E_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(
        ent_err_message(), "5 rows do not parse: line 2 (age: not a number), line 3 (it has "
                           "fewer fields than the header), line 5 (age: not a number), ..."));
    CU_ASSERT_PTR_NULL(strstr(ent_err_message(), "abc")); /* never a value */
    drop(&l);

    l = load(csv, "", "drop");
    CU_ASSERT_EQUAL_FATAL(l.err, ENT_E_OK);
    CU_ASSERT_EQUAL(l.table->n_rows, 1);
    CU_ASSERT_EQUAL(l.table->n_bad, 5);
    CU_ASSERT_EQUAL(l.table->n_problems, 5);
    CU_ASSERT_EQUAL(l.table->problems[3].line, 6);
    CU_ASSERT_STRING_EQUAL(l.table->problems[3].feature, "job");
    CU_ASSERT_EQUAL(l.table->columns[0].unparsable, 2);
    CU_ASSERT_EQUAL(l.table->source_rows[0], 2);
    f = open_memstream(&text, &len);
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    ent_table_print(l.table, f);
    CU_ASSERT_EQUAL(fclose(f), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "line 7: loan is neither true nor false"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "line 7"));
    CU_ASSERT_PTR_NULL(strstr(text, "perhaps"));
    free(text);
    drop(&l);

    l = load("age,job,loan,y\nabc,admin.,yes,yes\n", "", "drop");
    CU_ASSERT_EQUAL(l.err, ENT_E_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "no row is left"));
    drop(&l);
}

ENT_TEST(table, absent_columns_are_named_with_what_is_near)
{
    struct loaded l = load("Age,job,loan,y\n40,admin.,yes,yes\n", "", "fail");

    CU_ASSERT_EQUAL(l.err, ENT_E_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(),
                                  "no column 'age' (feature age; is it 'Age'?) in the data; map it "
                                  "in client.yaml, columns: {PLAN_NAME: OWN_NAME}"));
    drop(&l);
    l = load("age,jobb,loan,y\n40,admin.,yes,yes\n", "", "fail");
    CU_ASSERT_PTR_NOT_NULL(
        strstr(ent_err_message(), "no column 'job' (feature job; is it 'jobb'?) in the data"));
    drop(&l);
    l = load("age,job,loan,outcome\n40,admin.,yes,yes\n", "", "fail");
    CU_ASSERT_PTR_NOT_NULL(
        strstr(ent_err_message(),
               "no column 'y' (the label) in the data; map it in client.yaml, "
               "columns: {PLAN_NAME: OWN_NAME}; the data has: age, job, loan, outcome"));
    drop(&l);
    l = load("age,job,loan,y,age\n40,admin.,yes,yes,1\n", "", "fail");
    CU_ASSERT_PTR_NOT_NULL(
        strstr(ent_err_message(), "column 'age' (feature age) stands in the header twice"));
    drop(&l);
    l = load("age,job,loan,y\n40,admin.,yes,yes\n", "unit_key: customer\n", "fail");
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "no column 'customer' (unit_key)"));
    CU_ASSERT_PTR_NULL(strstr(ent_err_message(), "columns:"));
    drop(&l);
    l = load("age,job,loan,y,customer_id\n40,admin.,yes,yes,1\n", "unit_key: custmer_id\n", "fail");
    CU_ASSERT_PTR_NOT_NULL(
        strstr(ent_err_message(), "is it 'customer_id'? Correct unit_key in client.yaml"));
    drop(&l);
    l = load("Age,work,loan,outcome\n40,admin.,yes,yes\n", "", "fail");
    CU_ASSERT_PTR_NOT_NULL(strstr(
        ent_err_message(), "3 columns are not in the data: 'age' (feature age; is it 'Age'?), "
                           "'job' (feature job), 'y' (the label); map them"));
    drop(&l);
}

ENT_TEST(table, what_to_do_is_said_with_the_problem)
{
    struct loaded l = load("age|job|loan|y\n40|admin.|yes|yes\n", "", "fail");

    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "is data.delimiter right?"));
    drop(&l);
    l = load("age,job,loan,y\n", "", "fail");
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "no rows below the header"));
    drop(&l);
    l = load("age;job;loan;y\n40,5;admin.;yes;yes\n", "", "fail");
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "age: not a number: it has a decimal comma"));
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "write numbers with a point"));
    CU_ASSERT_PTR_NULL(strstr(ent_err_message(), "40,5"));
    drop(&l);
    l = load("age,job,loan,y\n40,admin.,J,yes\n", "", "fail");
    CU_ASSERT_PTR_NOT_NULL(
        strstr(ent_err_message(), "columns: {loan: {values: {OWN: true, OTHER: false}}}"));
    drop(&l);
    l = load("age,job,loan,y\n40,admin.,yes,yes\n", "", "fail");
    l.config->data.source = "csvv";
    l.config->data.source_at = "client.yaml:3:11: ";
    ent_table_free(l.table);
    l.table = NULL;
    ENT_FAILS(ent_table_load_plan(l.plan, l.config, &l.table), ENT_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "client.yaml:3:11: data.source: unknown"));
    drop(&l);
    l = load("age,job,loan,y\n40,admin.,yes,yes\n", "columns: {job: {values: {A: admin}}}\n",
             "fail");
    CU_ASSERT_EQUAL(l.err, ENT_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(),
                                  "client.yaml:2:29: columns: job: 'admin' is not a value that is "
                                  "declared: did you mean 'admin.'?"));
    drop(&l);
}

ENT_TEST(table, block_by_block_gives_the_same_rows)
{
    struct ent_table_options options = {
        .label = ENT_LABEL_IF_PRESENT, .without_units = true, .id_column = "id"};
    struct ent_client_config *config;
    struct ent_plan *plan = data_plan(plan_yaml);
    struct ent_table_reader *reader;
    const struct ent_table *block;
    struct ent_buf csv;
    uint32_t n_blocks = 0;
    uint32_t n_rows = 0;

    ent_buf_init(&csv, 1 << 20);
    ENT_OK(ent_buf_addf(&csv, "id,age,job,loan\n"));
    for (int i = 0; i < 2500; i++) {
        ENT_OK(ent_buf_addf(&csv, "c-%d,%d,%s,%s\n", i, i % 100, i % 3 == 0 ? "admin." : "nobody",
                            i % 2 ? "1" : "0"));
    }
    config = data_config("/nowhere", "", "fail");
    options.schema = ent_schema_of_plan(plan);
    options.config = config;
    options.path = data_gz_file(ent_test_tmpdir(), "in.gz", csv.data, csv.len);
    ENT_OK(ent_table_reader_open(&options, 1000, &reader));
    for (;;) {
        ENT_OK(ent_table_reader_next(reader, &block));
        if (block == NULL) {
            break;
        }
        n_blocks++;
        for (uint32_t i = 0; i < block->n_rows; i++, n_rows++) {
            struct ent_buf_view id = ent_table_id(block, i);
            char expected[16];

            (void)snprintf(expected, sizeof expected, "c-%u", n_rows);
            CU_ASSERT_TRUE(id.len == strlen(expected) && memcmp(id.text, expected, id.len) == 0);
            CU_ASSERT_EQUAL(block->columns[0].numbers[i], (float)(n_rows % 100));
            CU_ASSERT_EQUAL(block->labels[i], ENT_LABEL_ABSENT);
            CU_ASSERT_EQUAL(block->source_rows[i], n_rows);
        }
        if (n_rows == 2500) {
            CU_ASSERT_EQUAL(block->columns[1].unknown, 1666);
            CU_ASSERT_EQUAL(block->columns[0].clipped, 25 * (18 + 9));
        }
    }
    CU_ASSERT_EQUAL(n_rows, 2500);
    CU_ASSERT_EQUAL(n_blocks, 3);
    ent_table_reader_close(reader);
    ent_buf_release(&csv);
    ent_client_config_free(config);
    ent_plan_free(plan);
}

ENT_TEST(table, a_limit_of_rows)
{
    static const char csv[] = "age,job,loan,y\n40,admin.,yes,yes\n41,admin.,yes,yes\n";
    struct ent_plan *plan = data_plan(plan_yaml);
    struct ent_client_config *config =
        data_config(data_file(ent_test_tmpdir(), "d.csv", csv, sizeof csv - 1), "", "fail");
    struct ent_table_options options = {
        .schema = ent_schema_of_plan(plan), .config = config, .max_rows = 1};
    struct ent_table *t = NULL;

    ENT_FAILS(ent_table_load(&options, &t), ENT_E_LIMIT);
    CU_ASSERT_PTR_NULL(t);
    ent_client_config_free(config);
    ent_plan_free(plan);
}

ENT_TEST(schema, inputs_are_numbered_as_in_a_plan)
{
    struct ent_plan *plan = data_plan(plan_yaml);
    struct ent_feature copy[3];

    memcpy(copy, plan->features, sizeof copy);
    for (size_t i = 0; i < 3; i++) {
        copy[i].first_input = 0;
        copy[i].n_inputs = 0;
    }
    CU_ASSERT_EQUAL(ent_features_number(copy, 3), plan->n_inputs);
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(copy[i].first_input, plan->features[i].first_input);
        CU_ASSERT_EQUAL(copy[i].n_inputs, plan->features[i].n_inputs);
    }
    ent_plan_free(plan);
}

ENT_TEST(table, rows_of_one_label_only_are_told_without_their_values)
{
    struct loaded l = load("age,job,loan,y\n40,admin.,yes,Yes\n41,admin.,no,No\n", "", "fail");

    CU_ASSERT_EQUAL_FATAL(l.err, ENT_E_OK);
    ENT_FAILS(ent_table_check_labels(l.table), ENT_E_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "none of the 2 rows with a label"));
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "'yes'"));
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "capitals count"));
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "columns: {y: {values: {OWN: yes}}}"));
    CU_ASSERT_PTR_NULL(strstr(ent_err_message(), "Yes"));
    drop(&l);
    l = load("age,job,loan,y\n40,admin.,yes,yes\n41,admin.,no,yes\n", "", "fail");
    ENT_FAILS(ent_table_check_labels(l.table), ENT_E_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "all 2 rows with a label"));
    drop(&l);
    l = load("age,job,loan,y\n40,admin.,yes,yes\n41,admin.,no,no\n", "", "fail");
    ENT_OK(ent_table_check_labels(l.table));
    drop(&l);
}
