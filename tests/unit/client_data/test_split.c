#include <stdlib.h>
#include <string.h>

#include "client/data/split.h"
#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_data/data_support.h"

#define FEATURES "features: [{name: a, type: number, range: [0, 1000]}, {name: b, type: boolean}]\n"
#define REST "label: {name: l, positive: \"1\"}\nmodel: {layers: [{dense: 1}]}\n"

static const char by_hash[] = FEATURES REST "split: {key: 42, validation: 0.1, test: 0.2}\n";
static const char by_file[] = FEATURES REST "split: {key: 42, validation: 0.25, test: file}\n";

struct split {
    struct ent_plan *plan;
    struct ent_client_config *config;
    struct ent_table *table;
    struct ent_parts *parts;
    enum ent_err err;
};

static struct split split(const char *plan, const char *csv, const char *rest, const char *file)
{
    struct split s = {0};

    s.plan = data_plan(plan);
    s.config = data_config(data_file(ent_test_tmpdir(), "s.csv", csv, strlen(csv)), rest, "drop");
    ENT_OK(ent_table_load_plan(s.plan, s.config, &s.table));
    s.err = ent_split_table(s.plan, s.table, file, &s.parts);
    return s;
}

static void drop(struct split *s)
{
    ent_parts_free(s->parts);
    ent_table_free(s->table);
    ent_client_config_free(s->config);
    ent_plan_free(s->plan);
}

static enum ent_split part_of(const struct ent_parts *parts, uint32_t row)
{
    for (unsigned p = 0; p < 4; p++) {
        for (uint32_t i = 0; i < parts->part[p].n; i++) {
            if (parts->part[p].rows[i] == row) {
                return (enum ent_split)p;
            }
        }
    }
    return ENT_SPLIT_NONE;
}

/* Known answers: sha256sum of "entente/split/v1\0", the key as 8 bytes and the unit. */
ENT_TEST(split, the_hash_is_the_documented_one)
{
    uint64_t h;

    ENT_OK(ent_split_hash(42, "c-1", 3, &h));
    CU_ASSERT_EQUAL(h, UINT64_C(0x7f11ad9b519a5ea2));
    ENT_OK(ent_split_hash(1, "", 0, &h));
    CU_ASSERT_EQUAL(h, UINT64_C(0x312ea1007bf47127));
}

ENT_TEST(split, a_unit_stays_in_one_part_and_fractions_hold)
{
    struct ent_buf csv;
    struct split s;

    ent_buf_init(&csv, 1 << 20);
    ENT_OK(ent_buf_addf(&csv, "id,a,b,l\n"));
    for (unsigned i = 0; i < 8000; i++) {
        ENT_OK(ent_buf_addf(&csv, i % 2 ? "c-%u,%u,1,%u\n" : " c-%u ,%u,0,%u\n", i % 4000, i % 1000,
                            i % 2));
    }
    ENT_OK(ent_buf_add_u8(&csv, 0));
    s = split(by_hash, (const char *)csv.data, "unit_key: id\n", NULL);
    CU_ASSERT_EQUAL_FATAL(s.err, ENT_E_OK);
    CU_ASSERT_TRUE(s.table->has_unit_key);
    CU_ASSERT_EQUAL(s.parts->part[1].n + s.parts->part[2].n + s.parts->part[3].n, 8000);
    /* 4,000 units: 800 +- 25 and 400 +- 19 by the binomial; five deviations */
    CU_ASSERT_TRUE(s.parts->part[ENT_SPLIT_TEST].n > 1600 - 250 &&
                   s.parts->part[ENT_SPLIT_TEST].n < 1600 + 250);
    CU_ASSERT_TRUE(s.parts->part[ENT_SPLIT_VALIDATION].n > 800 - 190 &&
                   s.parts->part[ENT_SPLIT_VALIDATION].n < 800 + 190);
    for (uint32_t i = 0; i < 4000; i += 97) {
        CU_ASSERT_EQUAL(part_of(s.parts, i), part_of(s.parts, i + 4000));
        CU_ASSERT_EQUAL(s.table->units[i], s.table->units[i + 4000]);
    }
    drop(&s);
    ent_buf_release(&csv);
}

ENT_TEST(split, without_a_unit_key_the_mapped_row_decides)
{
    /* Rows 0, 1 and 2 are the same row in other spellings, with another label; row 3 is another one. */
    struct split s =
        split(by_hash, "x,l,b,a\n9,1,yes,5\n8,0,TRUE,5.0\n7,0,1,5e0\n6,1,0,5\n", "", NULL);

    CU_ASSERT_EQUAL_FATAL(s.err, ENT_E_OK);
    CU_ASSERT_FALSE(s.table->has_unit_key);
    CU_ASSERT_EQUAL(s.table->units[0], s.table->units[1]);
    CU_ASSERT_EQUAL(s.table->units[0], s.table->units[2]);
    CU_ASSERT_NOT_EQUAL(s.table->units[0], s.table->units[3]);
    {
        static const uint8_t row[] = {'n', 0x40, 0xa0, 0, 0, 'b', 1}; /* 5.0F, true */
        uint64_t h;

        ENT_OK(ent_split_hash(42, row, sizeof row, &h));
        CU_ASSERT_EQUAL(s.table->units[0], h);
    }
    drop(&s);
    s = split(by_hash, "id,a,b,l\n,5,1,1\n,6,1,1\nk,5,1,1\n", "unit_key: id\n", NULL);
    CU_ASSERT_EQUAL(s.table->n_without_unit, 2);
    CU_ASSERT_NOT_EQUAL(s.table->units[0], s.table->units[1]);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s.table->keyed);
    CU_ASSERT(!s.table->keyed[0] && !s.table->keyed[1] && s.table->keyed[2]);
    drop(&s);
    /* Two people with the same features and another label share the hash; that no key stands behind it is known. */
    s = split(by_hash, "id,a,b,l\n,5,1,1\nk,6,1,1\n,5,1,0\n", "unit_key: id\n", NULL);
    CU_ASSERT_EQUAL_FATAL(s.err, ENT_E_OK);
    CU_ASSERT_EQUAL(s.table->units[0], s.table->units[2]);
    CU_ASSERT(!s.table->keyed[0] && s.table->keyed[1] && !s.table->keyed[2]);
    ent_table_remove(s.table, 0, 1);
    CU_ASSERT(s.table->keyed[0] && !s.table->keyed[1]);
    drop(&s);
}

ENT_TEST(split, customers_are_counted_once_and_only_so_far)
{
    /* All train: neither validation nor test. */
    static const char plan[] = FEATURES REST "split: {key: 42, validation: 0, test: 0}\n";
    struct split s = split(plan, "id,a,b,l\nk,5,1,1\nk,6,1,0\nm,5,1,1\n,7,1,1\nk,8,1,1\n",
                           "unit_key: id\n", NULL);
    uint32_t n = 9;

    CU_ASSERT_EQUAL_FATAL(s.err, ENT_E_OK);
    CU_ASSERT_EQUAL_FATAL(s.parts->part[ENT_SPLIT_TRAIN].n, 5);
    ENT_OK(ent_split_customers(s.table, &s.parts->part[ENT_SPLIT_TRAIN], 100, &n));
    CU_ASSERT_EQUAL(n, 3); /* k, m, and the row without one */
    ENT_OK(ent_split_customers(s.table, &s.parts->part[ENT_SPLIT_TRAIN], 2, &n));
    CU_ASSERT_EQUAL(n, 2);
    ENT_OK(ent_split_customers(s.table, &s.parts->part[ENT_SPLIT_TEST], 100, &n));
    CU_ASSERT_EQUAL(n, 0);
    drop(&s);
    s = split(plan, "a,b,l\n5,1,1\n5,1,0\n6,1,1\n", "", NULL);
    ENT_OK(ent_split_customers(s.table, &s.parts->part[ENT_SPLIT_TRAIN], 100, &n));
    CU_ASSERT_EQUAL(n, 3); /* without a unit key: rows */
    drop(&s);
}

ENT_TEST(split, a_file_may_name_ranges)
{
    static const char csv[] = "a,b,l\n0,1,1\n1,1,1\n2,1,0\n3,1,1\n4,1,1\n5,1,0\n";
    static const char *const bad[] = {"2-1\n",   "1-\n",  "-3\n",
                                      "1-2-3\n", "2-6\n", "0-18446744073709551615\n"};
    struct split s =
        split(by_file, csv, "", data_file(ent_test_tmpdir(), "rows", "3-4\n0-0\n4\n1-3\n", 14));

    CU_ASSERT_EQUAL_FATAL(s.err, ENT_E_OK);
    CU_ASSERT_EQUAL(s.parts->part[ENT_SPLIT_TEST].n, 5);
    CU_ASSERT_EQUAL(part_of(s.parts, 0), ENT_SPLIT_TEST);
    CU_ASSERT_NOT_EQUAL(part_of(s.parts, 5), ENT_SPLIT_TEST);
    drop(&s);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        s = split(by_file, csv, "", data_file(ent_test_tmpdir(), "rows", bad[i], strlen(bad[i])));
        CU_ASSERT_EQUAL(s.err, ENT_E_DATA);
        drop(&s);
    }
}

ENT_TEST(split, a_file_of_rows_counts_rows_that_did_not_parse)
{
    static const char csv[] = "a,b,l\n0,1,1\nbad,1,1\n2,1,0\n3,1,\n4,1,1\n5,1,0\n";
    const char *file = data_file(ent_test_tmpdir(), "rows", "4\n1\r\n\n 3 \n2\n4\n", 14);
    struct split s = split(by_file, csv, "", file);

    CU_ASSERT_EQUAL_FATAL(s.err, ENT_E_OK);
    CU_ASSERT_EQUAL_FATAL(s.table->n_rows, 4); /* source rows 0, 2, 4, 5 */
    CU_ASSERT_EQUAL(s.parts->part[ENT_SPLIT_TEST].n, 2);
    CU_ASSERT_EQUAL(s.table->source_rows[s.parts->part[ENT_SPLIT_TEST].rows[0]], 2);
    CU_ASSERT_EQUAL(s.table->source_rows[s.parts->part[ENT_SPLIT_TEST].rows[1]], 4);
    CU_ASSERT_EQUAL(s.parts->n_file_absent, 2); /* 1 did not parse, 3 has no label */
    CU_ASSERT_EQUAL(s.parts->part[ENT_SPLIT_TRAIN].n + s.parts->part[ENT_SPLIT_VALIDATION].n, 2);
    drop(&s);
}

ENT_TEST(split, files_that_do_not_fit)
{
    static const char csv[] = "id,a,b,l\nk,0,1,1\nm,1,1,1\nk,2,1,0\n";
    const char *dir = ent_test_tmpdir();
    struct split s = split(by_file, csv, "", NULL);

    CU_ASSERT_EQUAL(s.err, ENT_E_CONFIG);
    drop(&s);
    s = split(by_file, csv, "", "/nowhere/rows");
    CU_ASSERT_EQUAL(s.err, ENT_E_NOT_FOUND);
    drop(&s);
    s = split(by_file, csv, "", data_file(dir, "a", "0\n3\n", 4));
    CU_ASSERT_EQUAL(s.err, ENT_E_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "line 2: row 3 is beyond the data's 3 rows"));
    drop(&s);
    s = split(by_file, csv, "", data_file(dir, "b", "0\nx\n", 4));
    CU_ASSERT_EQUAL(s.err, ENT_E_DATA);
    drop(&s);
    s = split(by_file, csv, "unit_key: id\n", data_file(dir, "c", "0\n", 2));
    CU_ASSERT_EQUAL(s.err, ENT_E_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "data rows 0 and 2 have the same unit_key"));
    drop(&s);
    s = split(by_file, csv, "unit_key: id\n", data_file(dir, "d", "0\n2\n", 4));
    CU_ASSERT_EQUAL(s.err, ENT_E_OK);
    drop(&s);
}
