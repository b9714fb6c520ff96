#include <stdlib.h>
#include <string.h>

#include "coordinator/engine/report.h"
#include "tests/support/ent_test.h"

/* A status with n training rounds, three members (one revoked, away), as status.c writes it. */
static struct ent_json *status_of(unsigned rounds)
{
    struct ent_json *json = NULL;
    struct ent_buf text;
    const char *str = NULL;

    ent_buf_init(&text, (size_t)1 << 20);
    ENT_OK(ent_buf_addf(&text,
                        "{\"federation\":{\"name\":\"f\",\"serving\":true,\"address\":\"h:1\"},"
                        "\"run\":{\"number\":1,\"state\":\"active\",\"phase\":\"update\","
                        "\"round\":2,\"rounds_total\":9,\"accepted\":1,"
                        "\"deadline_left_ms\":400,\"rounds\":["));
    for (unsigned i = 0; i < rounds; i++) {
        ENT_OK(ent_buf_addf(&text,
                            "%s{\"round\":%u,\"attempt\":1,\"task\":\"train\",\"train_round\":%u,"
                            "\"invited\":3,\"accepted\":3}",
                            i > 0 ? "," : "", i + 1, i + 1));
    }
    ENT_OK(ent_buf_addf(&text, "],\"traffic\":[{\"member\":\"stays\",\"rounds\":3,\"bytes_in\":9},"
                               "{\"member\":\"left\",\"rounds\":2,\"bytes_in\":9},"
                               "{\"member\":\"never\",\"rounds\":0,\"bytes_in\":0}]},"
                               "\"members\":[{\"name\":\"stays\",\"state\":\"enrolled\"},"
                               "{\"name\":\"left\",\"state\":\"revoked\"},"
                               "{\"name\":\"never\",\"state\":\"revoked\"}],\"refusals\":[]}"));
    ENT_OK(ent_buf_str(&text, &str));
    ENT_OK(ent_json_parse(str, strlen(str), (size_t)1 << 20, 8, &json));
    ent_buf_release(&text);
    return json;
}

static void text_of(FILE *f, char *out, size_t size)
{
    size_t n;

    rewind(f);
    n = fread(out, 1, size - 1, f);
    out[n] = '\0';
    (void)fclose(f);
}

static size_t lines_of(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++) {
        n += *text == '\n' ? 1 : 0;
    }
    return n;
}

ENT_TEST(report, the_end_leaves_out_who_was_revoked_and_took_no_part)
{
    struct ent_json *status = status_of(3);
    FILE *f = tmpfile();
    char text[8192];

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    ent_report_run(status, f);
    text_of(f, text, sizeof text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "stays"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "left"));
    CU_ASSERT_PTR_NULL(strstr(text, "never"));
    ent_json_free(status);
}

ENT_TEST(report, a_status_fits_the_terminal)
{
    struct ent_json *status = status_of(100);
    char text[16384];

    for (size_t lines = 20; lines <= 60; lines += 10) {
        FILE *f = tmpfile();

        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        ent_report_status(status, lines, f);
        text_of(f, text, sizeof text);
        CU_ASSERT_TRUE(lines_of(text) <= lines);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n  100  train"));
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "more rounds"));
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "1 update in, less than 1 s left"));
    }
    ent_json_free(status);
}
