#include <string.h>

#include "client/data/describe.h"
#include "client/data/table.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_data/data_support.h"

struct drafted {
    struct ent_buf plan_text;
    struct ent_buf client_text;
    struct ent_plan *plan;
    struct ent_client_config *client;
    struct ent_table *table; /* of the file by its own drafts */
};

static void draft(const char *csv, struct drafted *d)
{
    struct ent_describe_options options = {.label = "y=yes"};

    options.input = data_file(ent_test_tmpdir(), "dates.csv", csv, strlen(csv));
    *d = (struct drafted){0};
    ent_buf_init(&d->plan_text, 1 << 20);
    ent_buf_init(&d->client_text, 1 << 20);
    ENT_OK(ent_describe_text(&options, &d->plan_text, &d->client_text));
    ENT_OK(ent_plan_parse("plan.yaml", d->plan_text.data, d->plan_text.len, &d->plan));
    ENT_OK(ent_client_config_parse("client.yaml", "/d", d->client_text.data, d->client_text.len,
                                   &d->client));
    ENT_OK(ent_table_load_plan(d->plan, d->client, &d->table));
    ENT_OK(ent_buf_add_u8(&d->plan_text, 0)); /* to be searched */
    ENT_OK(ent_buf_add_u8(&d->client_text, 0));
}

static void drop(struct drafted *d)
{
    ent_table_free(d->table);
    ent_plan_free(d->plan);
    ent_client_config_free(d->client);
    ent_buf_release(&d->plan_text);
    ent_buf_release(&d->client_text);
}

static bool says(const struct ent_buf *text, const char *what)
{
    return strstr((const char *)text->data, what) != NULL;
}

/* 400 rows, the i-th of which has these texts; `line` writes one row's dates. */
static void rows_of(const char *header, int (*line)(unsigned i, char *out, size_t size),
                    struct ent_buf *csv)
{
    ent_buf_init(csv, 1 << 20);
    ENT_OK(ent_buf_addf(csv, "n;%s;y\n", header));
    for (unsigned i = 0; i < 400; i++) {
        char text[160];

        CU_ASSERT_FATAL(line(i, text, sizeof text) > 0);
        ENT_OK(ent_buf_addf(csv, "%u.5;%s;%s\n", i % 97, text, i % 3 == 0 ? "yes" : "no"));
    }
    ENT_OK(ent_buf_add_u8(csv, 0));
}

static int every_way(unsigned i, char *out, size_t size)
{
    unsigned day = 1 + i % 28;
    unsigned month = 1 + i % 12;
    unsigned year = 2019 + i % 5;

    return snprintf(out, size,
                    "%04u-%02u-%02uT%02u:30:00Z;%02u.%02u.%04u;%u/%u/%04u;%04u%02u%02u;"
                    "%u;%u",
                    year, month, day, i % 24, day, month, year - 40 - i % 30, month, day, year,
                    year, month, day, 1600000000U + i * 7000U, 1600000000U + i * 7000U);
}

ENT_TEST(dates, every_way_to_write_them_is_drafted)
{
    struct ent_buf csv;
    struct drafted d;

    rows_of("seen;born;us;stamp;created_at;turnover", every_way, &csv);
    draft((const char *)csv.data, &d);
    CU_ASSERT(says(&d.plan_text, "{name: seen, type: date, format: iso, parts: [month, weekday, "
                                 "hour, age], reference: 2023-12-31, range: [0, 2000], "
                                 "encode: ple}"));
    /* dates of birth: only the age */
    CU_ASSERT(says(&d.plan_text, "{name: born, type: date, format: DD.MM.YYYY, parts: [age], "
                                 "reference: 1979-12-31, range: [0, 9500], encode: ple}"));
    CU_ASSERT(says(&d.plan_text, "{name: us, type: date, format: MM/DD/YYYY, parts: [month, "
                                 "weekday, age]"));
    CU_ASSERT(says(&d.plan_text, "{name: stamp, type: date, format: YYYYMMDD, parts: [month, "
                                 "weekday, age]"));
    CU_ASSERT(says(&d.plan_text, "{name: created_at, type: date, format: unix, parts: [weekday, "
                                 "hour, age]"));
    CU_ASSERT(says(&d.plan_text, "{name: turnover, type: number")); /* ten digits, no time */
    CU_ASSERT_FALSE(says(&d.plan_text, "no day above 12"));
    CU_ASSERT_EQUAL(d.table->n_rows, 400);
    CU_ASSERT_EQUAL(d.table->n_bad, 0);
    for (uint32_t i = 0; i < d.plan->n_features; i++) { /* every value lies within its range */
        CU_ASSERT_EQUAL(d.table->columns[i].clipped, 0);
    }
    drop(&d);
    ent_buf_release(&csv);
}

static int twelve_days(unsigned i, char *out, size_t size)
{
    bool other = i == 17;
    bool none = i == 200 || i == 300;

    return snprintf(out, size, "%s%02u/%02u/2022;%u.%u", other ? "never " : "", 1 + i % 12,
                    1 + i % 11, 1 + i % 12, none ? 0 : i % 31);
}

ENT_TEST(dates, what_cannot_be_told_is_said)
{
    struct ent_buf csv;
    struct drafted d;

    rows_of("when;version", twelve_days, &csv);
    draft((const char *)csv.data, &d);
    CU_ASSERT(says(&d.plan_text, "# no day above 12 tells whether it is MM/DD/YYYY or DD/MM/YYYY"));
    CU_ASSERT(says(&d.plan_text, "{name: when, type: date, format: MM/DD/YYYY"));
    CU_ASSERT(says(&d.plan_text, "{name: version, type: number")); /* 3.14 is no date */
    CU_ASSERT(says(&d.client_text, "bad_rows: drop")); /* or the member could not take part */
    CU_ASSERT_EQUAL(d.table->n_rows, 399);
    CU_ASSERT_EQUAL(d.table->n_bad, 1);
    CU_ASSERT_EQUAL(d.table->columns[1].unparsable, 1);
    CU_ASSERT_STRING_EQUAL(d.table->problems[0].reason, "not a date in the plan's format");
    drop(&d);
    ent_buf_release(&csv);
}

static int often_none(unsigned i, char *out, size_t size)
{
    return i % 4 == 0 ? snprintf(out, size, "%s;", i % 8 == 0 ? "NA" : "")
                      : snprintf(out, size, "2021-%02u-01;2021-01-%02u", 1 + i % 12, 1 + i % 5);
}

ENT_TEST(dates, missing_ones_and_short_spans)
{
    struct ent_buf csv;
    struct drafted d;

    rows_of("last;first", often_none, &csv);
    draft((const char *)csv.data, &d);
    CU_ASSERT(says(&d.plan_text, "{name: last, type: date, format: iso, parts: [month, weekday, "
                                 "age], reference: 2021-12-31, range: [0, 350], encode: ple, "
                                 "indicator: true}"));
    CU_ASSERT(says(&d.plan_text, "{name: first, type: date, format: iso, parts: [weekday, age]"));
    CU_ASSERT(says(&d.client_text, "missing: [\"NA\"]"));
    CU_ASSERT_EQUAL(d.table->n_rows, 400);
    CU_ASSERT_EQUAL(d.table->columns[1].missing, 100);
    drop(&d);
    ent_buf_release(&csv);
}
