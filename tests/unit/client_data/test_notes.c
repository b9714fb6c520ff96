#include <string.h>

#include "client/data/table.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_data/data_support.h"

struct said {
    char text[2048];
    uint32_t n;
};

static void say(void *ctx, const char *line)
{
    struct said *s = ctx;
    size_t used = strlen(s->text);

    (void)snprintf(s->text + used, sizeof s->text - used, "%s\n", line);
    s->n++;
}

static struct said notes_of(const char *csv, const char *outliers)
{
    static const char client[] = "data: {source: csv, path: n.csv, bad_rows: drop}\n";
    const char *dir = ent_test_tmpdir();
    struct ent_client_config *config;
    struct ent_table *table;
    struct ent_plan *plan;
    struct said said = {0};
    char yaml[1024];

    (void)snprintf(yaml, sizeof yaml,
                   "salt: some\n"
                   "features:\n"
                   "  - {name: n, type: number, range: [0, 100]}\n"
                   "  - {name: d, type: date, format: iso, parts: [month, age], reference: "
                   "2020-12-31, range: [0, 400], outliers: %s}\n"
                   "  - {name: c, type: category, values: [x]}\n"
                   "  - {name: h, type: category, hashed: {bits: 4}}\n"
                   "label: {name: y, positive: \"1\"}\n"
                   "model: {layers: [{dense: 1}]}\n",
                   outliers);
    (void)data_file(dir, "n.csv", csv, strlen(csv));
    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)yaml, strlen(yaml), &plan));
    ENT_OK(ent_client_config_parse("client.yaml", dir, (const uint8_t *)client, strlen(client),
                                   &config));
    ENT_OK(ent_table_load_plan(plan, config, &table));
    ent_table_notes(table, say, &said);
    ent_table_free(table);
    ent_client_config_free(config);
    ent_plan_free(plan);
    return said;
}

ENT_TEST(notes, only_what_is_not_as_it_looks)
{
    struct said s = notes_of("n,d,c,h,y\n1,2020-05-01,x,a,1\n2,2020-06-01,x,b,0\n,,,,0\n", "clip");

    CU_ASSERT_EQUAL(s.n, 0);
    s = notes_of("n,d,c,h,y\n,2020-05-01,own,a,1\n,2020-06-01,,b,0\n", "clip");
    CU_ASSERT_EQUAL(s.n, 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.text, "n: missing in every row"));
    CU_ASSERT_PTR_NOT_NULL(strstr(s.text, "c: no row has a value that the plan declares"));
}

ENT_TEST(notes, dates_later_than_the_reference_each_way)
{
    static const char csv[] =
        "n,d,c,h,y\n1,2020-05-01,x,a,1\n2,2020-06-01,x,b,0\n3,2021-01-02,x,b,0\n";
    struct said s = notes_of(csv, "clip");

    CU_ASSERT_EQUAL(s.n, 1);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(s.text, "d: 1 date is later than the plan's reference: they count as no age"));
    s = notes_of(csv, "missing");
    CU_ASSERT_PTR_NOT_NULL(strstr(s.text, "they count as missing"));
    s = notes_of(csv, "drop_row");
    CU_ASSERT_PTR_NOT_NULL(strstr(s.text, "their rows are dropped"));
}

/* 16 buckets: 5 values are fine, 200 are not. */
ENT_TEST(notes, more_values_than_buckets)
{
    struct ent_buf csv;
    const char *text;
    struct said s;

    for (unsigned values = 5; values <= 200; values += 195) {
        ent_buf_init(&csv, 1 << 20);
        ENT_OK(ent_buf_addf(&csv, "n,d,c,h,y\n"));
        for (unsigned i = 0; i < 400; i++) {
            ENT_OK(ent_buf_addf(&csv, "%u,2020-05-01,x,v%u,%u\n", i % 90, i % values, i % 2));
        }
        ENT_OK(ent_buf_str(&csv, &text));
        s = notes_of(text, "clip");
        CU_ASSERT_EQUAL(s.n, values == 5 ? 0 : 1);
        CU_ASSERT(values == 5 || strstr(s.text, "different values in 16 buckets") != NULL);
        ent_buf_release(&csv);
    }
}
