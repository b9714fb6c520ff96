/* Any bytes as a member's CSV file, plain or gzip: read as it is, read as a table and split, and its rows written anew
 * must read back as the same rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/data/csv.h"
#include "client/data/describe.h"
#include "client/data/split.h"
#include "client/data/table.h"
#include "common/base/buf.h"

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char plan_yaml[] =
    "salt: pepper\nclean: {duplicates: drop}\n"
    "features: [{name: a, type: number, range: [0, 10], encode: ple, outliers: missing}, {name: b, "
    "type: category, values: [x, \"y z\"]}, {name: c, type: boolean}, {name: b2, type: category, "
    "vocabulary: {bits: 4}}, {name: a2, type: date, format: unix, parts: [month, age], reference: "
    "2024-01-01, range: [0, 99]}, {name: v, type: vector, length: 2, range: [0, 9]}]\n"
    "label: {name: l, positive: \"1\"}\n"
    "split: {validation: 0.3, test: 0.3}\n"
    "model: {layers: [{dense: 1}]}\n";

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void put(const char *path, const void *bytes, size_t len)
{
    FILE *f = fopen(path, "we");

    require(f != NULL);
    require(fwrite(bytes, 1, len, f) == len);
    require(fclose(f) == 0);
}

static void add_row(struct ent_buf *out, const struct ent_text *fields, size_t n, char delimiter)
{
    for (size_t i = 0; i < n; i++) {
        require(i == 0 || ent_buf_add_u8(out, (uint8_t)delimiter) == ENT_E_OK);
        require(ent_csv_add_field(out, fields[i].text, fields[i].len, delimiter) == ENT_E_OK);
    }
    require(ent_buf_add_u8(out, '\n') == ENT_E_OK);
}

/* All good rows of the file, as text again. False: the file cannot be read to its end, or has one column only (where a
 * blank field is a blank line, which is no row). */
static bool rewrite(const char *path, struct ent_buf *out, char *delimiter)
{
    const struct ent_source_row *row = NULL;
    const struct ent_text *header;
    struct ent_csv *csv;
    enum ent_err err;
    size_t n;

    if (ent_csv_open(path, *delimiter, &csv) != ENT_E_OK) {
        return false;
    }
    header = ent_csv_header(csv, &n);
    *delimiter = ent_csv_delimiter(csv);
    add_row(out, header, n, *delimiter);
    for (err = ent_csv_next(csv, &row); err == ENT_E_OK && row != NULL;
         err = ent_csv_next(csv, &row)) {
        require(row->problem != NULL || row->n_fields == n);
        if (row->problem == NULL) {
            add_row(out, row->fields, row->n_fields, *delimiter);
        }
    }
    ent_csv_close(csv);
    return err == ENT_E_OK && n > 1;
}

static void check_rewrite(const char *path, const char *second)
{
    struct ent_buf first_text;
    struct ent_buf second_text;
    char delimiter = 0;

    ent_buf_init(&first_text, (size_t)64 << 20);
    ent_buf_init(&second_text, (size_t)64 << 20);
    if (rewrite(path, &first_text, &delimiter)) {
        put(second, first_text.data, first_text.len);
        require(rewrite(second, &second_text, &delimiter));
        require(first_text.len == second_text.len &&
                memcmp(first_text.data, second_text.data, first_text.len) == 0);
    }
    ent_buf_release(&first_text);
    ent_buf_release(&second_text);
}

static void check_table(const char *path)
{
    static const struct ent_column_map columns[] = {{.feature = "b2", .column = "b"},
                                                    {.feature = "a2", .column = "a"},
                                                    {.feature = "v", .column = "b"}};
    struct ent_client_config config = {
        .data = {.source = "csv", .path = path, .bad_rows = ENT_BAD_ROWS_DROP},
        .columns = columns,
        .n_columns = 3};
    struct ent_plan *plan;
    struct ent_table *table;
    struct ent_parts *parts;

    require(ent_plan_parse("p", (const uint8_t *)plan_yaml, sizeof plan_yaml - 1, &plan) ==
            ENT_E_OK);
    if (ent_table_load_plan(plan, &config, &table) == ENT_E_OK) {
        require(table->n_rows + table->n_bad + table->n_unlabelled + table->n_duplicates +
                    table->n_outlier_rows ==
                table->n_source_rows);
        require(ent_split_table(plan, table, NULL, &parts) == ENT_E_OK);
        require(parts->part[1].n + parts->part[2].n + parts->part[3].n == table->n_rows);
        ent_parts_free(parts);
        ent_table_free(table);
    }
    ent_plan_free(plan);
}

/* A draft of whatever this is must parse. */
static void check_describe(const char *path)
{
    struct ent_describe_options options = {.input = path, .label = "l=1"};
    struct ent_buf plan_text;
    struct ent_buf client_text;
    struct ent_client_config *config;
    struct ent_plan *plan;

    ent_buf_init(&plan_text, (size_t)4 << 20);
    ent_buf_init(&client_text, (size_t)4 << 20);
    if (ent_describe_text(&options, &plan_text, &client_text) == ENT_E_OK) {
        require(ent_plan_parse("plan.yaml", plan_text.data, plan_text.len, &plan) == ENT_E_OK);
        require(ent_client_config_parse("client.yaml", "/", client_text.data, client_text.len,
                                        &config) == ENT_E_OK);
        ent_plan_free(plan);
        ent_client_config_free(config);
    }
    ent_buf_release(&plan_text);
    ent_buf_release(&client_text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char first[64];
    char second[64];

    (void)snprintf(first, sizeof first, "/tmp/entente-fuzz-csv-%ld-1", (long)getpid());
    (void)snprintf(second, sizeof second, "/tmp/entente-fuzz-csv-%ld-2", (long)getpid());
    put(first, data, size);
    check_rewrite(first, second);
    check_table(first);
    check_describe(first);
    (void)unlink(first);
    (void)unlink(second);
    return 0;
}
