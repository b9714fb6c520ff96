#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/data/csv.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_data/data_support.h"

/* All rows as one text: fields in <>, problems in (), line and number before. */
static char *dump(const char *path, char delimiter)
{
    static char out[8192];
    const struct ent_source_row *row;
    const struct ent_text *header;
    struct ent_csv *csv;
    size_t n;
    int used = 0;

    ENT_OK(ent_csv_open(path, delimiter, &csv));
    header = ent_csv_header(csv, &n);
    for (size_t i = 0; i < n; i++) {
        used += snprintf(out + used, sizeof out - (size_t)used, "<%.*s>", (int)header[i].len,
                         header[i].text);
    }
    for (;;) {
        ENT_OK(ent_csv_next(csv, &row));
        if (row == NULL) {
            break;
        }
        used += snprintf(out + used, sizeof out - (size_t)used, "\n%llu:%llu",
                         (unsigned long long)row->line, (unsigned long long)row->number);
        for (size_t i = 0; i < row->n_fields; i++) {
            used += snprintf(out + used, sizeof out - (size_t)used, "<%.*s>",
                             (int)row->fields[i].len, row->fields[i].text);
        }
        if (row->problem != NULL) {
            used += snprintf(out + used, sizeof out - (size_t)used, "(%s)", row->problem);
        }
    }
    ent_csv_close(csv);
    return out;
}

static void gives(const char *text, const char *expected)
{
    const char *dir = ent_test_tmpdir();
    char *found = dump(data_file(dir, "a.csv", text, strlen(text)), 0);

    if (strcmp(found, expected) != 0) {
        (void)fprintf(stderr, "expected: %s\nfound:    %s\n", expected, found);
    }
    CU_ASSERT_STRING_EQUAL(found, expected);
    found = dump(data_gz_file(dir, "a.bin", text, strlen(text)),
                 0); /* known by its content, not its name */
    CU_ASSERT_STRING_EQUAL(found, expected);
}

ENT_TEST(csv, delimiters_are_detected)
{
    gives("a,b\n1,2\n", "<a><b>\n2:0<1><2>");
    gives("a;b\n1,5;2\n", "<a><b>\n2:0<1,5><2>");
    gives("a\tb;c\td\n1\t2\t3\n", "<a><b;c><d>\n2:0<1><2><3>");
    gives("\"x,y,z\";b\n1;2\n", "<x,y,z><b>\n2:0<1><2>");
    gives("only\n7\n", "<only>\n2:0<7>");
}

ENT_TEST(csv, quotes)
{
    gives("a,b\n\"x,1\",\"he said \"\"no\"\"\"\n", "<a><b>\n2:0<x,1><he said \"no\">");
    gives("a,b\n\"two\nlines\",2\n3,4\n", "<a><b>\n2:0<two\nlines><2>\n4:1<3><4>");
    gives("a,b\n\"\",\"\"\n", "<a><b>\n2:0<><>");
    gives("a,b\n5\" pipe,2\n", "<a><b>\n2:0<5\" pipe><2>");
    gives("a,b\n\"x\" ,2\n", "<a><b>\n2:0<x><2>");
    gives("\"a\n(1)\";b\n1;2\n", "<a\n(1)><b>\n3:0<1><2>");
}

ENT_TEST(csv, line_ends_marks_and_blank_lines)
{
    gives("a,b\r\n1,2\r\n3,4", "<a><b>\n2:0<1><2>\n3:1<3><4>");
    gives("\xEF\xBB\xBF"
          "a,b\n1,2\n",
          "<a><b>\n2:0<1><2>");
    gives("\n\na,b\n\n1,2\n\n\n3,4\n\n", "<a><b>\n5:0<1><2>\n8:1<3><4>");
    gives("a,b\n1,\n,\n", "<a><b>\n2:0<1><>\n3:1<><>");
    gives("a,b\n1\rx,2\n", "<a><b>\n2:0<1\rx><2>");
    gives(" session ID ;page 1 (main category)\n1;2\n",
          "<session ID><page 1 (main category)>\n2:0<1><2>");
}

ENT_TEST(csv, rows_that_do_not_parse_are_counted_and_named)
{
    gives("a,b\n1\n1,2,3\n4,5\n", "<a><b>\n2:0<1>(it has fewer fields than the header)\n"
                                  "3:1<1><2><3>(it has more fields than the header)\n4:2<4><5>");
    gives("a,b\n\"x\"y,2\n3,4\n",
          "<a><b>\n2:0<xy><2>(there is text behind a closing quote)\n3:1<3><4>");
    gives("a,b\n1,\"open\n", "<a><b>\n2:0<1><open\n>(a quote is not closed)");
}

ENT_TEST(csv, sources_that_cannot_be_read)
{
    const char *dir = ent_test_tmpdir();
    struct ent_csv *csv = NULL;
    const char *path;

    ENT_FAILS(ent_csv_open("/nowhere/x.csv", 0, &csv), ENT_E_NOT_FOUND);
    ENT_FAILS(ent_csv_open(data_file(dir, "e", "", 0), 0, &csv), ENT_E_DATA);
    ENT_FAILS(ent_csv_open(data_file(dir, "b", "\n\n", 2), 0, &csv), ENT_E_DATA);
    ENT_FAILS(ent_csv_open(data_file(dir, "l", "K\xf6ln,b\n", 8), 0, &csv), ENT_E_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "column 1 is not UTF-8"));
    ENT_FAILS(ent_csv_open(data_file(dir, "u",
                                     "\xff\xfe"
                                     "a\0,\0",
                                     6),
                           0, &csv),
              ENT_E_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "UTF-16"));
    path = data_file(dir, "d", "x\n", 2);
    CU_ASSERT_EQUAL(unlink(path), 0);
    ENT_FAILS(ent_csv_open(dir, 0, &csv), ENT_E_IO);
    CU_ASSERT_PTR_NULL(csv);
}

ENT_TEST(csv, a_gz_file_that_is_cut_off_is_an_error_not_the_end)
{
    const char *dir = ent_test_tmpdir();
    const struct ent_source_row *row;
    struct ent_csv *csv = NULL;
    struct ent_buf gz;
    char *text = malloc(400000);
    const char *path;
    enum ent_err err;
    size_t len = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    len = (size_t)snprintf(text, 16, "a,b\n");
    for (unsigned i = 0; len < 390000; i++) {
        len += (size_t)snprintf(text + len, 32, "%u,%u\n", i * 2654435761U, i);
    }
    ent_buf_init(&gz, 1 << 20);
    ENT_OK(ent_file_read(data_gz_file(dir, "a.gz", text, len), &gz));
    path = data_file(dir, "cut.gz", gz.data, gz.len / 2);
    ENT_OK(ent_csv_open(path, 0, &csv));
    do {
        err = ent_csv_next(csv, &row);
    } while (err == ENT_E_OK && row != NULL);
    CU_ASSERT_EQUAL(err, ENT_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "cut off"));
    ent_csv_close(csv);
    ent_buf_release(&gz);
    free(text);
}

ENT_TEST(csv, limits)
{
    const char *dir = ent_test_tmpdir();
    const struct ent_source_row *row;
    struct ent_csv *csv;
    size_t len = ENT_CSV_MAX_ROW + 4096;
    char *text = malloc(len);

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    memset(text, 'x', len);
    memcpy(text, "a,b\n\"", 5); /* a quote that is never closed */
    ENT_OK(ent_csv_open(data_file(dir, "q", text, len), 0, &csv));
    ENT_FAILS(ent_csv_next(csv, &row), ENT_E_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "line 2"));
    ent_csv_close(csv);

    memset(text, 'x', ENT_CSV_MAX_FIELD + 100);
    memcpy(text, "a,b\n1,", 6);
    memcpy(text + ENT_CSV_MAX_FIELD + 90, "\n1,2\n", 5);
    ENT_OK(ent_csv_open(data_file(dir, "f", text, ENT_CSV_MAX_FIELD + 95), 0, &csv));
    ENT_OK(ent_csv_next(csv, &row));
    CU_ASSERT_STRING_EQUAL(row->problem, "a field is too long");
    ENT_OK(ent_csv_next(csv, &row));
    CU_ASSERT_PTR_NULL(row->problem);
    ent_csv_close(csv);

    memset(text, ',', 60000);
    memcpy(text, "a,b\n", 4);
    text[59999] = '\n';
    ENT_OK(ent_csv_open(data_file(dir, "m", text, 60000), 0, &csv));
    ENT_OK(ent_csv_next(csv, &row));
    CU_ASSERT_STRING_EQUAL(row->problem, "too many fields");
    CU_ASSERT_EQUAL(row->n_fields, ENT_CSV_MAX_FIELDS);
    ent_csv_close(csv);
    free(text);
}

ENT_TEST(csv, fields_are_written_as_they_can_be_read)
{
    static const char *const fields[] = {"plain",      "",     "a;b",    "say \"x\"",
                                         "two\nlines", "cr\r", " blank "};
    const char *dir = ent_test_tmpdir();
    const struct ent_source_row *row;
    struct ent_csv *csv;
    struct ent_buf out;

    ent_buf_init(&out, 4096);
    ENT_OK(ent_buf_addf(&out, "a;b;c;d;e;f;g\n"));
    for (size_t i = 0; i < ENT_ARRAY_LEN(fields); i++) {
        ENT_OK(ent_csv_add_field(&out, fields[i], strlen(fields[i]), ';'));
        ENT_OK(ent_buf_addf(&out, i + 1 < ENT_ARRAY_LEN(fields) ? ";" : "\n"));
    }
    ENT_OK(ent_csv_open(data_file(dir, "w", out.data, out.len), 0, &csv));
    ENT_OK(ent_csv_next(csv, &row));
    CU_ASSERT_EQUAL_FATAL(row->n_fields, ENT_ARRAY_LEN(fields));
    for (size_t i = 0; i < ENT_ARRAY_LEN(fields); i++) {
        CU_ASSERT_EQUAL(row->fields[i].len, strlen(fields[i]));
        CU_ASSERT_EQUAL(memcmp(row->fields[i].text, fields[i], row->fields[i].len), 0);
    }
    ent_csv_close(csv);
    ent_buf_release(&out);
}

ENT_TEST(csv, utf8)
{
    static const char *const good[] = {
        "", "abc", "M\xc3\xbcnchen", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf"};
    static const char *const bad[] = {"\xff",         "\xc0\x80",     "\xc3",
                                      "\xe2\x82",     "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "\xe0\x80\x80", "a\x80"};

    for (size_t i = 0; i < ENT_ARRAY_LEN(good); i++) {
        CU_ASSERT_TRUE(ent_text_valid(good[i], strlen(good[i])));
    }
    for (size_t i = 0; i < ENT_ARRAY_LEN(bad); i++) {
        CU_ASSERT_FALSE(ent_text_valid(bad[i], strlen(bad[i])));
    }
    CU_ASSERT_FALSE(ent_text_valid("a\0b", 3));
}
