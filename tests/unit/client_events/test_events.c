/* What becomes of events: windows, sessions, labels, and everything that is odd, counted. */
#include <stdlib.h>
#include <string.h>

#include "client/data/split.h"
#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_events/events_support.h"

#define DAY 86400

static const char plain[] = "unit,time,item\n"
                            "x,1,a\nx,2,b\nx,3,c\nx,4,d\nx,5,e\n"
                            "y,1,f\n"
                            "z,7,g\nz,7,h\n";

ENT_TEST(events, last_first_and_all)
{
    struct events_loaded last = events_load(
        &(struct events_case){.csv = plain, .sequence = ", length: 3", .label = "next: item"});
    struct events_loaded first = events_load(&(struct events_case){
        .csv = plain, .sequence = ", length: 3, keep: first", .label = "next: item"});
    struct events_loaded all = events_load(&(struct events_case){
        .csv = plain, .sequence = ", length: 3, keep: all", .label = "next: item"});

    ENT_OK(last.err);
    CU_ASSERT_EQUAL_FATAL(last.table->n_rows, 2);
    CU_ASSERT_STRING_EQUAL(events_items(last.table, 0), "cde");
    CU_ASSERT_STRING_EQUAL(events_items(last.table, 1), "gh"); /* equal times: as in the file */
    CU_ASSERT_EQUAL(last.table->counts.n_cut, 2);
    CU_ASSERT_EQUAL(last.table->counts.n_short, 1);
    CU_ASSERT_EQUAL(last.table->counts.n_units, 3);
    CU_ASSERT_EQUAL(last.table->counts.n_events, 8);
    CU_ASSERT_FALSE(last.table->counts.sorted);
    CU_ASSERT_EQUAL(last.table->source_rows[1], 6);
    ENT_OK(first.err);
    CU_ASSERT_STRING_EQUAL(events_items(first.table, 0), "abc");
    CU_ASSERT_EQUAL(first.table->counts.n_cut, 2);
    ENT_OK(all.err);
    CU_ASSERT_EQUAL_FATAL(all.table->n_rows, 3); /* every transition once: ab bc, cd de */
    CU_ASSERT_STRING_EQUAL(events_items(all.table, 0), "abc");
    CU_ASSERT_STRING_EQUAL(events_items(all.table, 1), "cde");
    CU_ASSERT_EQUAL(all.table->counts.n_cut, 0);
    events_drop(&last);
    events_drop(&first);
    events_drop(&all);
}

ENT_TEST(events, to_score_all_units_and_their_last_events)
{
    struct events_loaded l =
        events_load(&(struct events_case){.csv = plain,
                                          .sequence = ", length: 3, keep: first",
                                          .label = "next: item",
                                          .to_score = true,
                                          .id_column = "unit"});
    struct ent_buf_view id;

    ENT_OK(l.err);
    CU_ASSERT_EQUAL_FATAL(l.table->n_rows, 3);
    CU_ASSERT_STRING_EQUAL(events_items(l.table, 0), "cde");
    CU_ASSERT_STRING_EQUAL(events_items(l.table, 1), "f");
    CU_ASSERT_EQUAL(l.table->labels[0], ENT_LABEL_ABSENT);
    id = ent_table_id(l.table, 1);
    CU_ASSERT_TRUE(id.len == 1 && id.text[0] == 'y');
    events_drop(&l);
}

ENT_TEST(events, rows_apart_or_out_of_order_are_sorted)
{
    struct events_loaded apart =
        events_load(&(struct events_case){.csv = "unit,time,item\nx,1,a\ny,1,b\nx,2,c\ny,0.5,d\n",
                                          .sequence = "",
                                          .label = "next: item"});
    struct events_loaded order = events_load(&(struct events_case){
        .csv = "unit,time,item\nx,10,b\nx,9,a\nx,-1,c\n", .sequence = "", .label = "next: item"});

    ENT_OK(apart.err);
    CU_ASSERT_STRING_EQUAL(events_items(apart.table, 0), "ac");
    CU_ASSERT_STRING_EQUAL(events_items(apart.table, 1), "db");
    CU_ASSERT_TRUE(apart.table->counts.sorted);
    ENT_OK(order.err);
    CU_ASSERT_STRING_EQUAL(events_items(order.table, 0), "cab");
    CU_ASSERT_EQUAL(order.table->counts.n_out_of_order, 2);
    CU_ASSERT_EQUAL(order.table->n_source_rows, 3);
    events_drop(&apart);
    events_drop(&order);
}

ENT_TEST(events, several_columns_of_time)
{
    static const char yaml[] =
        "features: [{name: item, type: category, values: [a, b, c], embed: 2}]\n"
        "sequence: {unit: unit, time: [day, order]}\nlabel: {next: item}\n"
        "model: {layers: [{rnn: 2}, {dense: 3}]}\n";
    struct events_case c = {.csv = "order,day,unit,item\n2,1,x,b\n1,2,x,c\n1,1,x,a\n",
                            .sequence = "",
                            .label = "next: item"};
    struct events_loaded l = events_prepare(&c);
    struct ent_events_options options;

    ent_plan_free(l.plan);
    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)yaml, sizeof yaml - 1, &l.plan));
    options = events_options(&c, &l);
    ENT_OK(ent_events_load(&options, &l.table));
    CU_ASSERT_STRING_EQUAL(events_items(l.table, 0), "abc");
    events_drop(&l);
}

static void printed(const struct ent_table *table, const char *words)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    ent_events_print(table, f);
    CU_ASSERT_EQUAL(fclose(f), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, words));
    free(text);
}

ENT_TEST(events, a_pause_begins_a_session)
{
    struct events_loaded l =
        events_load(&(struct events_case){.csv = "unit,time,item\n"
                                                 "x,0,a\nx,60,b\nx,3661,c\nx,7000,d\nx,7001,e\n",
                                          .sequence = ", format: unix, gap: 1h",
                                          .label = "next: item"});

    ENT_OK(l.err); /* 3601 s is a pause; 3339 s is none */
    CU_ASSERT_EQUAL_FATAL(l.table->n_rows, 2);
    CU_ASSERT_STRING_EQUAL(events_items(l.table, 0), "ab");
    CU_ASSERT_STRING_EQUAL(events_items(l.table, 1), "cde");
    CU_ASSERT_EQUAL(l.table->counts.n_units, 1);
    CU_ASSERT_EQUAL(l.table->counts.n_sessions, 2);
    CU_ASSERT_EQUAL(l.table->units[0], l.table->units[1]); /* one customer, so one part */
    printed(l.table, "5 rows read, 0 do not parse, 1 unit, 2 sessions\n");
    events_drop(&l);
    l = events_load(&(struct events_case){.csv = "unit,time,item\nx,0,a\nx,60,b\ny,1,a\ny,2,c\n",
                                          .sequence = ", format: unix, gap: 1h",
                                          .label = "next: item"});
    ENT_OK(l.err);
    printed(l.table, "4 rows read, 0 do not parse, 2 units\n");
    events_drop(&l);
}

ENT_TEST(events, bad_units_and_times_are_bad_rows)
{
    static const char csv[] = "unit,time,item\n"
                              "x,1970-01-02,a\nx,,b\nx,soon,c\n,1970-01-03,d\nx,1970-01-09,e\n"
                              "x,1970-01-04,f\nx,1970-01-05\n";
    struct events_case c = {
        .csv = csv, .sequence = ", format: iso", .label = "next: item", .now_s = 5 * DAY};
    struct events_loaded fails = events_load(&c);
    struct events_loaded l;
    char text[ENT_ROW_PROBLEM_BYTES];

    ENT_FAILS(fails.err, ENT_E_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "5 rows do not parse"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(ent_err_message(), "(time: not a date in the plan's format iso)"));
    c.bad_rows = "drop";
    l = events_load(&c);
    ENT_OK(l.err);
    CU_ASSERT_STRING_EQUAL(events_items(l.table, 0), "af");
    CU_ASSERT_EQUAL(l.table->n_bad, 5);
    CU_ASSERT_EQUAL_FATAL(l.table->n_problems, 5);
    CU_ASSERT_STRING_EQUAL(l.table->problems[0].reason, "missing");
    CU_ASSERT_STRING_EQUAL(l.table->problems[1].reason, "not a date in the plan's format");
    CU_ASSERT_STRING_EQUAL(l.table->problems[2].reason, "missing");
    CU_ASSERT_STRING_EQUAL(l.table->problems[3].reason, "in the future");
    CU_ASSERT_EQUAL(l.table->problems[3].line, 6);
    ent_row_problem_text(&l.table->problems[1], text);
    CU_ASSERT_STRING_EQUAL(text, "time is not a date in the plan's format (iso)");
    ent_row_problem_text(&l.table->problems[2], text);
    CU_ASSERT_STRING_EQUAL(text, "unit is missing");
    events_drop(&fails);
    events_drop(&l);
}

ENT_TEST(events, nothing_is_left)
{
    struct events_loaded none = events_load(&(struct events_case){
        .csv = "unit,time,item\nx,1,a\ny,2,b\n", .sequence = "", .label = "next: item"});
    struct events_loaded empty = events_load(
        &(struct events_case){.csv = "unit,time,item\n", .sequence = "", .label = "next: item"});

    ENT_FAILS(none.err, ENT_E_DATA);
    ENT_FAILS(empty.err, ENT_E_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "0 sequences of one event"));
    events_drop(&none);
    events_drop(&empty);
}

ENT_TEST(events, columns_of_the_member_s_own)
{
    struct events_loaded l = events_load(
        &(struct events_case){.csv = "who,when,what\nx,2,Bee\nx,1,a\n",
                              .sequence = "",
                              .label = "next: item",
                              .config = "columns: {unit: {column: who}, time: {column: when}, "
                                        "item: {column: what, values: {Bee: b}}}\n"});
    struct events_loaded absent = events_load(
        &(struct events_case){.csv = "unit,item\nx,a\n", .sequence = "", .label = "next: item"});

    ENT_OK(l.err);
    CU_ASSERT_STRING_EQUAL(events_items(l.table, 0), "ab");
    ENT_FAILS(absent.err, ENT_E_DATA);
    events_drop(&l);
    events_drop(&absent);
}

/* ---- a label of a later window ---- */

#define LATER "later: {from: 1970-01-11, until: 1970-01-21}" /* days 10 to 19 */

ENT_TEST(events, later_labels_see_nothing_beyond_the_cut)
{
    struct events_loaded l = events_load(
        &(struct events_case){.csv = "unit,time,item\n"
                                     "x,1,a\nx,863999,b\nx,864000,c\nx,1727999,d\nx,1728000,e\n"
                                     "y,5,f\ny,1728000,g\n"
                                     "z,864001,h\n",
                              .sequence = ", format: unix",
                              .label = LATER,
                              .now_s = 100 * DAY});

    ENT_OK(l.err);
    CU_ASSERT_EQUAL_FATAL(l.table->n_rows, 2);
    CU_ASSERT_STRING_EQUAL(events_items(l.table, 0), "ab");
    CU_ASSERT_EQUAL(l.table->labels[0], 1);
    CU_ASSERT_STRING_EQUAL(events_items(l.table, 1), "f");
    CU_ASSERT_EQUAL(l.table->labels[1], 0);
    CU_ASSERT_EQUAL(l.table->n_positive, 1);
    CU_ASSERT_EQUAL(l.table->counts.n_in_window, 3);
    CU_ASSERT_EQUAL(l.table->counts.n_after, 2);
    CU_ASSERT_EQUAL(l.table->counts.n_no_history, 1);
    events_drop(&l);
}

ENT_TEST(events, a_label_in_the_future_is_counted_and_not_used)
{
    struct events_loaded l =
        events_load(&(struct events_case){.csv = "unit,time,item\nx,1,a\ny,2,b\n",
                                          .sequence = ", format: unix",
                                          .label = LATER,
                                          .now_s = 15 * DAY});

    ENT_FAILS(l.err, ENT_E_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "2 whose label lies in the future"));
    events_drop(&l);
}

/* ---- properties ---- */

#define UNITS 40
#define EVENTS 900

/* Random events in random order: "u17,123,c". */
static void random_csv(struct ent_buf *out, uint64_t seed, uint32_t n)
{
    struct ent_rng rng = ent_rng_init(seed, 3);

    ent_buf_clear(out);
    ENT_OK(ent_buf_addf(out, "unit,time,item\n"));
    for (uint32_t i = 0; i < n; i++) {
        ENT_OK(ent_buf_addf(out, "u%u,%u,%c\n", (unsigned)(ent_rng_u64(&rng) % UNITS),
                            (unsigned)(ent_rng_u64(&rng) % 2000000),
                            'a' + (char)(ent_rng_u64(&rng) % 10)));
    }
}

static void check_same(const struct ent_table *a, const struct ent_table *b)
{
    CU_ASSERT_EQUAL_FATAL(a->n_rows, b->n_rows);
    for (uint32_t i = 0; i < a->n_rows; i++) {
        CU_ASSERT_STRING_EQUAL_FATAL(events_items(a, i), events_items(b, i));
        CU_ASSERT_EQUAL_FATAL(a->source_rows[i], b->source_rows[i]);
        CU_ASSERT_EQUAL_FATAL(a->units[i], b->units[i]);
        CU_ASSERT_EQUAL_FATAL(a->labels[i], b->labels[i]);
    }
}

ENT_TEST(events, any_buffer_gives_the_same_sequences)
{
    static const size_t memories[] = {1, 500, 4000, 20000};
    struct ent_buf csv;
    const char *text;

    ent_buf_init(&csv, (size_t)1 << 20);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct events_case c = {.sequence = ", format: unix, length: 9, keep: all, gap: 1d",
                                .label = "next: item"};
        struct events_loaded whole;

        random_csv(&csv, seed, EVENTS);
        ENT_OK(ent_buf_str(&csv, &text));
        c.csv = text;
        whole = events_load(&c);
        ENT_OK(whole.err);
        CU_ASSERT_EQUAL(whole.table->counts.spilled, 0);
        for (size_t i = 0; i < ENT_ARRAY_LEN(memories); i++) {
            struct events_loaded l;

            c.memory_bytes = memories[i];
            l = events_load(&c);
            ENT_OK(l.err);
            CU_ASSERT_TRUE(l.table->counts.spilled > 0);
            check_same(whole.table, l.table);
            events_drop(&l);
        }
        events_drop(&whole);
    }
    ent_buf_release(&csv);
}

/* Every event is in a sequence or in one of the counts. */
static void check_accounted(const struct ent_table *t)
{
    uint64_t held = 0;

    for (uint32_t i = 0; i < t->n_rows; i++) {
        held += t->event_count[i];
    }
    CU_ASSERT_EQUAL(held + t->counts.n_cut + t->counts.n_short + t->counts.n_in_window +
                        t->counts.n_after,
                    t->counts.n_events);
    CU_ASSERT_EQUAL(t->counts.n_events + t->n_bad, t->n_source_rows);
}

ENT_TEST(events, no_leakage_and_no_event_lost)
{
    static const char *const keeps[] = {", format: unix, length: 5, keep: last",
                                        ", format: unix, length: 5, keep: first"};
    struct ent_buf csv;
    const char *text;

    ent_buf_init(&csv, (size_t)1 << 20);
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct events_case c = {.sequence = keeps[seed % 2], .label = LATER, .now_s = 100 * DAY};
        struct events_loaded l;

        random_csv(&csv, seed, 30 * (uint32_t)seed);
        ENT_OK(ent_buf_str(&csv, &text));
        c.csv = text;
        l = events_load(&c);
        ENT_OK(l.err);
        check_accounted(l.table);
        events_drop(&l);
        c.label = "next: item";
        l = events_load(&c);
        ENT_OK(l.err);
        check_accounted(l.table);
        events_drop(&l);
    }
    ent_buf_release(&csv);
}

/* What comes at or behind the cut may change as it likes: inputs stay, and only the label knows. */
ENT_TEST(events, sequences_do_not_depend_on_what_comes_later)
{
    struct events_case c = {
        .sequence = ", format: unix, length: 4", .label = LATER, .now_s = 100 * DAY};
    struct events_loaded a;
    struct events_loaded b;

    c.csv = "unit,time,item\nx,1,a\nx,5,b\ny,7,c\nx,900000,d\ny,1800000,e\n";
    a = events_load(&c);
    c.csv = "unit,time,item\nx,1,a\nx,5,b\ny,7,c\ny,864000,j\ny,864000,j\ny,864000,j\ny,864000,"
            "j\ny,864000,j\n";
    b = events_load(&c);
    ENT_OK(a.err);
    ENT_OK(b.err);
    for (uint32_t i = 0; i < 2; i++) {
        CU_ASSERT_STRING_EQUAL(events_items(a.table, i), events_items(b.table, i));
    }
    CU_ASSERT_TRUE(a.table->labels[0] == 1 && a.table->labels[1] == 0);
    CU_ASSERT_TRUE(b.table->labels[0] == 0 && b.table->labels[1] == 1);
    events_drop(&a);
    events_drop(&b);
}

/* Block by block the same sequences as at once. */
ENT_TEST(events, blocks_give_what_loading_gives)
{
    struct events_case c = {
        .sequence = ", length: 6, keep: all", .label = "next: item", .id_column = "unit"};
    struct events_loaded whole;
    struct ent_events_options options;
    struct ent_buf csv;
    const char *text;

    ent_buf_init(&csv, (size_t)1 << 20);
    random_csv(&csv, 9, EVENTS);
    ENT_OK(ent_buf_str(&csv, &text));
    c.csv = text;
    whole = events_load(&c);
    ENT_OK(whole.err);
    options = events_options(&c, &whole);
    for (uint32_t block = 1; block < 200; block = block * 3 + 1) {
        struct ent_events_reader *reader = NULL;
        const struct ent_table *t = NULL;
        uint32_t at = 0;

        ENT_OK(ent_events_reader_open(&options, block, &reader));
        for (;;) {
            ENT_OK(ent_events_reader_next(reader, &t));
            if (t == NULL) {
                break;
            }
            for (uint32_t i = 0; i < t->n_rows; i++, at++) {
                struct ent_buf_view x = ent_table_id(t, i);
                struct ent_buf_view y = ent_table_id(whole.table, at);

                CU_ASSERT_TRUE_FATAL(at < whole.table->n_rows);
                CU_ASSERT_STRING_EQUAL_FATAL(events_items(t, i), events_items(whole.table, at));
                CU_ASSERT_TRUE(x.len == y.len && memcmp(x.text, y.text, x.len) == 0);
            }
        }
        CU_ASSERT_EQUAL(at, whole.table->n_rows);
        ent_events_reader_close(reader);
    }
    events_drop(&whole);
    ent_buf_release(&csv);
}

/* ---- parts ---- */

ENT_TEST(events, a_unit_is_in_one_part)
{
    struct events_case c = {.sequence = ", length: 4, keep: all", .label = "next: item"};
    struct ent_parts *parts = NULL;
    struct events_loaded l;
    struct ent_buf csv;
    const char *text;
    uint64_t of_unit[UNITS + 1][2];
    uint32_t n_units = 0;

    ent_buf_init(&csv, (size_t)1 << 20);
    random_csv(&csv, 5, EVENTS);
    ENT_OK(ent_buf_str(&csv, &text));
    c.csv = text;
    l = events_load(&c);
    ENT_OK(l.err);
    ENT_OK(ent_split_table(l.plan, l.table, NULL, &parts));
    CU_ASSERT_EQUAL(parts->part[1].n + parts->part[2].n + parts->part[3].n, l.table->n_rows);
    for (uint32_t p = 1; p < 4; p++) {
        CU_ASSERT_TRUE(parts->part[p].n > 0);
        for (uint32_t i = 0; i < parts->part[p].n; i++) {
            uint64_t unit = l.table->units[parts->part[p].rows[i]];
            uint32_t k = 0;

            while (k < n_units && of_unit[k][0] != unit) {
                k++;
            }
            if (k == n_units) {
                CU_ASSERT_TRUE_FATAL(n_units < UNITS);
                of_unit[n_units][0] = unit;
                of_unit[n_units++][1] = p;
            }
            CU_ASSERT_EQUAL(of_unit[k][1], p);
        }
    }
    ent_parts_free(parts);
    events_drop(&l);
    ent_buf_release(&csv);
}
