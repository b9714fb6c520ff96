/* Any bytes as the files of a member's pictures and labels, plain or gzip: read as they are, and as a table. The first two
 * bytes say how many of the rest are the pictures' file; the others are the labels'. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/data/idx.h"
#include "client/data/split.h"
#include "client/data/table.h"
#include "common/base/buf.h"

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char plan_yaml[] =
    "features: [{name: image, type: vector, length: 4, range: [0, 255]}]\n"
    "label: {name: label, values: [\"0\", \"1\", \"2\"]}\n"
    "clean: {duplicates: drop}\n"
    "split: {validation: 0.3, test: 0.3}\n"
    "model: {layers: [{dense: 3}]}\n";

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

/* Every row is whole, and rows are numbered from 0 on. */
static void check_rows(const struct ent_data_config *config)
{
    const struct ent_source_row *row = NULL;
    struct ent_idx *idx;
    uint64_t n = 0;
    size_t n_header;
    enum ent_err err;

    if (ent_idx_open(config, &idx) != ENT_E_OK) {
        return;
    }
    (void)ent_idx_header(idx, &n_header);
    require(n_header == 1 || n_header == 2);
    for (err = ent_idx_next(idx, &row); err == ENT_E_OK && row != NULL;
         err = ent_idx_next(idx, &row)) {
        uint32_t sum = 0;

        require(row->n_fields == n_header && row->number == n++ && row->fields[0].raw);
        require(row->fields[0].len >= 1 && row->fields[0].len <= ENT_IDX_MAX_BYTES);
        for (size_t i = 0; i < row->fields[0].len; i++) { /* every byte can be read */
            sum += (unsigned char)row->fields[0].text[i];
        }
        require(sum <= 255U * ENT_IDX_MAX_BYTES);
        require(n_header == 1 || (row->fields[1].len >= 1 && row->fields[1].len <= 3));
    }
    ent_idx_close(idx);
}

static void check_table(const struct ent_data_config *data)
{
    struct ent_client_config config = {.data = *data};
    struct ent_plan *plan;
    struct ent_table *table;
    struct ent_parts *parts;

    config.data.source = "idx";
    config.data.bad_rows = ENT_BAD_ROWS_DROP;
    require(ent_plan_parse("p", (const uint8_t *)plan_yaml, sizeof plan_yaml - 1, &plan) ==
            ENT_E_OK);
    if (ent_table_load_plan(plan, &config, &table) == ENT_E_OK) {
        require(table->n_rows + table->n_bad + table->n_unlabelled + table->n_duplicates ==
                table->n_source_rows);
        for (uint32_t i = 0; i < table->n_rows; i++) {
            require(table->targets[i] >= 0.0F && table->targets[i] <= 2.0F);
        }
        require(ent_split_table(plan, table, NULL, &parts) == ENT_E_OK);
        ent_parts_free(parts);
        ent_table_free(table);
    }
    ent_plan_free(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ent_data_config config = {0};
    char images[64];
    char labels[64];
    size_t n;

    if (size < 2) {
        return 0;
    }
    n = ((size_t)data[0] << 8) | data[1];
    data += 2;
    size -= 2;
    n = n < size ? n : size;
    (void)snprintf(images, sizeof images, "/tmp/entente-fuzz-idx-%ld-1", (long)getpid());
    (void)snprintf(labels, sizeof labels, "/tmp/entente-fuzz-idx-%ld-2", (long)getpid());
    put(images, data, n);
    put(labels, data + n, size - n);
    config.path = images;
    check_rows(&config);
    config.more = images;
    check_rows(&config);
    config.more = NULL;
    config.labels = labels;
    check_rows(&config);
    check_table(&config);
    (void)unlink(images);
    (void)unlink(labels);
    return 0;
}
