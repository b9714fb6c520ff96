/* Pictures as a source, and vectors as a feature: out of bytes and out of text. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/data/idx.h"
#include "client/data/prep.h"
#include "client/data/table.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_data/data_support.h"

#define HEAD "features: [{name: image, type: vector, length: 4, range: [0, 255]}]\n"
#define REST                                                                                       \
    "split: {validation: 0.2, test: 0.2}\nmodel: {layers: [{dense: 3}]}\nlabel: {name: label, "    \
    "values: [\"0\", \"1\", \"2\"]}\n"

/* 3 pictures of 2 x 2 */
static const char pictures[] = "\0\0\10\3\0\0\0\3\0\0\0\2\0\0\0\2"
                               "\0\1\2\3"
                               "\377\376\0\0"
                               "\7\7\7\7";
static const char labels[] = "\0\0\10\1\0\0\0\3\2\0\1";
#define PICTURES (sizeof pictures - 1)
#define LABELS (sizeof labels - 1)

/* One directory for all: labels are found beside their pictures. */
static const char *dir(void)
{
    static const char *made;

    made = made != NULL ? made : ent_test_tmpdir();
    return made;
}

static const char *file(const char *name, const char *bytes, size_t len)
{
    return data_file(dir(), name, bytes, len);
}

/* The whole file's rows; the first error. */
static enum ent_err read_all(const struct ent_data_config *config, uint32_t *n)
{
    const struct ent_source_row *row = NULL;
    struct ent_idx *idx;
    enum ent_err err = ent_idx_open(config, &idx);

    *n = 0;
    if (err != ENT_E_OK) {
        return err;
    }
    for (err = ent_idx_next(idx, &row); err == ENT_E_OK && row != NULL;
         err = ent_idx_next(idx, &row)) {
        (*n)++;
    }
    ent_idx_close(idx);
    return err;
}

ENT_TEST(idx, rows_are_pictures_and_labels)
{
    struct ent_data_config config = {.path = file("p-images-idx3-x", pictures, PICTURES)};
    const struct ent_source_row *row;
    const struct ent_text *header;
    struct ent_idx *idx;
    size_t n;

    (void)file("p-labels-idx1-x", labels, LABELS); /* found by its name */
    ENT_OK(ent_idx_open(&config, &idx));
    header = ent_idx_header(idx, &n);
    CU_ASSERT_EQUAL(n, 2);
    CU_ASSERT(memcmp(header[0].text, "image", 5) == 0 && memcmp(header[1].text, "label", 5) == 0);
    ENT_OK(ent_idx_next(idx, &row));
    ENT_OK(ent_idx_next(idx, &row));
    CU_ASSERT_EQUAL(row->number, 1);
    CU_ASSERT(row->fields[0].raw && row->fields[0].len == 4);
    CU_ASSERT(memcmp(row->fields[0].text, "\377\376\0\0", 4) == 0);
    CU_ASSERT(row->fields[1].len == 1 && row->fields[1].text[0] == '0');
    ENT_OK(ent_idx_next(idx, &row));
    ENT_OK(ent_idx_next(idx, &row));
    CU_ASSERT_PTR_NULL(row);
    ent_idx_close(idx);
}

ENT_TEST(idx, further_pictures_follow)
{
    struct ent_data_config config = {.path = file("m-images", pictures, PICTURES),
                                     .labels = file("m-labels", labels, LABELS)};
    uint32_t n;

    ENT_OK(read_all(&config, &n));
    CU_ASSERT_EQUAL(n, 3);
    config.more = data_gz_file(dir(), "more-images-idx3.gz", pictures, PICTURES);
    CU_ASSERT_EQUAL(read_all(&config, &n), ENT_E_DATA); /* without labels */
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "one has labels, the other has none"));
    (void)data_gz_file(dir(), "more-labels-idx1.gz", labels, LABELS);
    ENT_OK(read_all(&config, &n));
    CU_ASSERT_EQUAL(n, 6);
}

struct tamper {
    const char *what;
    const char *images;
    size_t n_images;
    const char *labels;
    size_t n_labels;
    enum ent_err err;
    const char *message;
};

#define TEXT(text_) text_, sizeof(text_) - 1

/* Each is refused with its own sentence; none makes room for what a header merely announces. */
ENT_TEST(idx, tampers)
{
    static const struct tamper tampers[] = {
        {"no idx", TEXT("a,b\n1,2\n"), TEXT(labels), ENT_E_DATA, "it does not begin as one"},
        {"empty", TEXT(""), TEXT(labels), ENT_E_DATA, "it does not begin as one"},
        {"floats", TEXT("\0\0\15\3\0\0\0\1\0\0\0\1\0\0\0\1abcd"), TEXT(labels), ENT_E_DATA,
         "not of type 0x0d"},
        {"labels as pictures", TEXT(labels), TEXT(labels), ENT_E_DATA, "no file of pictures"},
        {"five dimensions", TEXT("\0\0\10\5"), TEXT(labels), ENT_E_DATA, "no file of pictures"},
        {"cut header", TEXT("\0\0\10\3\0\0\0\3\0\0"), TEXT(labels), ENT_E_DATA,
         "cut off in its header"},
        {"huge picture", TEXT("\0\0\10\3\0\0\0\1\377\377\377\377\377\377\377\377x"), TEXT(labels),
         ENT_E_DATA, "not 1 to 65536 bytes"},
        {"picture whose size overflows", TEXT("\0\0\10\4\0\0\0\1\0\1\0\0\0\1\0\0\0\1\0\0x"),
         TEXT(labels), ENT_E_DATA, "not 1 to 65536 bytes"},
        {"empty picture", TEXT("\0\0\10\3\0\0\0\1\0\0\0\0\0\0\0\2"), TEXT(labels), ENT_E_DATA,
         "not 1 to 65536 bytes"},
        {"huge number", TEXT("\0\0\10\2\377\377\377\377\0\0\0\1ab"),
         TEXT("\0\0\10\1\377\377\377\377\0\0"), ENT_E_DATA, "ends in item 2"},
        {"cut", pictures, PICTURES - 1, TEXT(labels), ENT_E_DATA, "ends in item 2"},
        {"longer", pictures, PICTURES + 1, TEXT(labels), ENT_E_DATA, "goes on behind the 3 items"},
        {"labels longer", pictures, PICTURES, labels, LABELS + 1, ENT_E_DATA,
         "goes on behind the 3 items"},
        {"labels cut", pictures, PICTURES, labels, LABELS - 1, ENT_E_DATA, "ends in item 2"},
        {"more labels", pictures, PICTURES, TEXT("\0\0\10\1\0\0\0\4\0\0\0\0"), ENT_E_DATA,
         "has 4 labels and"},
        {"pictures as labels", pictures, PICTURES, pictures, PICTURES, ENT_E_DATA,
         "no file of labels"}};

    for (size_t i = 0; i < sizeof tampers / sizeof tampers[0]; i++) {
        const struct tamper *t = &tampers[i];
        struct ent_data_config config = {.path = file("t-images", t->images, t->n_images),
                                         .labels = file("t-labels", t->labels, t->n_labels)};
        uint32_t n;

        CU_ASSERT_EQUAL(read_all(&config, &n), t->err);
        if (strstr(ent_err_message(), t->message) == NULL) {
            printf("%s: %s\n", t->what, ent_err_message());
            CU_FAIL("another sentence");
        }
    }
}

ENT_TEST(idx, a_gzip_file_that_is_cut_off)
{
    struct ent_data_config config = {.labels = file("z-labels", labels, LABELS)};
    const char *whole = data_gz_file(dir(), "z-images", pictures, PICTURES);
    char bytes[256];
    FILE *f = fopen(whole, "re");
    size_t len;
    uint32_t n;

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    len = fread(bytes, 1, sizeof bytes, f);
    (void)fclose(f);
    config.path = file("z-cut", bytes, len - 10);
    CU_ASSERT_EQUAL(read_all(&config, &n), ENT_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "cut off"));
    config.path = "/nonexistent/images";
    CU_ASSERT_EQUAL(read_all(&config, &n), ENT_E_NOT_FOUND);
}

/* ---- vectors ---- */

static const float expected[3][4] = {
    {0.0F, 1.0F / 255.0F, 2.0F / 255.0F, 3.0F / 255.0F},
    {1.0F, 254.0F / 255.0F, 0.0F, 0.0F},
    {7.0F / 255.0F, 7.0F / 255.0F, 7.0F / 255.0F, 7.0F / 255.0F},
};

static void check_inputs(const struct ent_plan *plan, const struct ent_table *table,
                         const float want[][4], uint32_t n)
{
    struct ent_schema schema = ent_schema_of_plan(plan);
    struct ent_fit fit = {.sd = 1.0};
    struct ent_prep *prep;
    float x[4 * 8];

    ENT_OK(ent_prep_new(&schema, &fit, &prep));
    CU_ASSERT_EQUAL_FATAL(table->n_rows, n);
    ent_prep_encode_range(prep, table, 0, n, x);
    for (uint32_t i = 0; i < 4 * n; i++) {
        CU_ASSERT(fabsf(x[i] - want[i / 4][i % 4]) <= 1e-7F);
    }
    ent_prep_free(prep);
}

ENT_TEST(vector, out_of_bytes)
{
    struct ent_plan *plan = data_plan(HEAD REST);
    struct ent_client_config *config = data_config("x", "", "fail");
    struct ent_table *table;

    config->data.source = "idx";
    config->data.path = file("v-images", pictures, PICTURES);
    config->data.labels = file("v-labels", labels, LABELS);
    ENT_OK(ent_table_load_plan(plan, config, &table));
    check_inputs(plan, table, expected, 3);
    CU_ASSERT(table->targets[0] > 1.5F && table->targets[1] < 0.5F && table->targets[2] < 1.5F);
    ent_table_free(table);
    ent_client_config_free(config);
    ent_plan_free(plan);
}

ENT_TEST(vector, out_of_text)
{
    static const char csv[] = "image,label\n"
                              "0 1 2 3,2\n"
                              "\"[255, 254.0, 0, 0]\",0\n"
                              "7;7;7;7,1\n"
                              " ,1\n"
                              "-5 300 0 255,1\n"
                              "1 2 3,1\n"
                              "1 2 3 4 5,1\n"
                              "1 2 x 4,1\n"
                              "1 2 3 4,7\n";
    static const float more[5][4] = {{0.0F, 1.0F / 255.0F, 2.0F / 255.0F, 3.0F / 255.0F},
                                     {1.0F, 254.0F / 255.0F, 0.0F, 0.0F},
                                     {7.0F / 255.0F, 7.0F / 255.0F, 7.0F / 255.0F, 7.0F / 255.0F},
                                     {0.0F, 0.0F, 0.0F, 0.0F},
                                     {0.0F, 1.0F, 0.0F, 1.0F}};
    struct ent_plan *plan = data_plan(HEAD REST);
    struct ent_client_config *config = data_config(file("v.csv", TEXT(csv)), "", "drop");
    struct ent_table *table;

    ENT_OK(ent_table_load_plan(plan, config, &table));
    check_inputs(plan, table, more, 5);
    CU_ASSERT_EQUAL(table->n_bad, 4);
    CU_ASSERT_STRING_EQUAL(table->problems[0].reason, "not a vector of the plan's length");
    CU_ASSERT_STRING_EQUAL(table->problems[1].reason, "not a vector of the plan's length");
    CU_ASSERT_STRING_EQUAL(table->problems[2].reason, "not a vector of numbers");
    CU_ASSERT_EQUAL(table->columns[0].missing, 1);
    CU_ASSERT_EQUAL(table->columns[0].clipped, 1);
    ent_table_free(table);
    ent_client_config_free(config);
    ent_plan_free(plan);
}

ENT_TEST(vector, equal_ones_are_duplicates)
{
    static const char csv[] = "image,label,id\n"
                              "0 1 2 3,2,a\n0 1 2 3,2,a\n0 1 2 4,2,a\n0 1 2 3,1,a\n"
                              "[0;1;2;3],2,a\n0 1 2 3,2,b\n";
    struct ent_plan *plan = data_plan(HEAD "clean: {duplicates: drop}\n" REST);
    struct ent_client_config *config =
        data_config(file("d.csv", TEXT(csv)), "unit_key: id\n", "fail");
    struct ent_table *table;

    ENT_OK(ent_table_load_plan(plan, config, &table));
    CU_ASSERT_EQUAL(table->n_rows, 4);
    CU_ASSERT_EQUAL(table->n_duplicates, 2);
    ent_table_free(table);
    ent_client_config_free(config);
    ent_plan_free(plan);
}

ENT_TEST(idx, the_reference_digits)
{
    const char *path = ent_test_shared("data/mnist/train-images-idx3-ubyte.gz");
    struct ent_data_config config = {.path = path};
    const struct ent_source_row *row;
    struct ent_idx *idx;
    uint32_t of[10] = {0};
    uint32_t n = 0;

    if (path == NULL) {
        return;
    }
    ENT_OK(ent_idx_open(&config, &idx));
    for (;;) {
        ENT_OK(ent_idx_next(idx, &row));
        if (row == NULL) {
            break;
        }
        CU_ASSERT_EQUAL_FATAL(row->fields[0].len, 784);
        CU_ASSERT_EQUAL_FATAL(row->fields[1].len, 1);
        of[row->fields[1].text[0] - '0']++;
        n++;
    }
    ent_idx_close(idx);
    CU_ASSERT_EQUAL(n, 60000);
    CU_ASSERT_EQUAL(of[0], 5923); /* as published */
    CU_ASSERT_EQUAL(of[1], 6742);
    CU_ASSERT_EQUAL(of[9], 5949);
}

/* A blank field costs what a vector costs: the table has a bound in bytes, and begins small. */
ENT_TEST(vector, blank_cells_do_not_fill_the_memory)
{
    struct ent_plan *plan =
        data_plan("features: [{name: image, type: vector, length: 65536, range: [0, 255]}]\n" REST);
    struct ent_client_config *config;
    struct ent_table *table = NULL;
    struct ent_buf csv;

    ent_buf_init(&csv, 1 << 20);
    ENT_OK(ent_buf_addf(&csv, "image,label\n"));
    for (int i = 0; i < 100; i++) {
        ENT_OK(ent_buf_addf(&csv, ",%d\n", i % 3));
    }
    config = data_config(data_file(dir(), "blank.csv", csv.data, csv.len),
                         "limits: {memory: 8MiB}\n", "fail");
    ENT_FAILS(ent_table_load_plan(plan, config, &table),
              ENT_E_LIMIT); /* 31 rows of 262,161 bytes */
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "blank.csv: line 33: no memory is left"));
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "limits.memory of client.yaml leaves"));
    config->memory_bytes = (uint64_t)32 << 20;
    ENT_OK(ent_table_load_plan(plan, config, &table));
    CU_ASSERT_EQUAL(table->n_rows, 100);
    CU_ASSERT(table->cap_rows < 160);
    ent_table_free(table);
    ent_buf_release(&csv);
    ent_client_config_free(config);
    ent_plan_free(plan);
}
