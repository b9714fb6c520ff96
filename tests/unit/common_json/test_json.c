#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/json/json.h"
#include "tests/support/ent_test.h"

static enum ent_err parse(const char *text)
{
    struct ent_json *root;
    enum ent_err err = ent_json_parse(text, strlen(text), 1000, 3, &root);

    if (err == ENT_E_OK) {
        ent_json_free(root);
    }
    return err;
}

ENT_TEST(read, strict)
{
    static const char *const bad[] = {"",
                                      "{",
                                      "{\"a\":1,\"a\":2}",
                                      "[1] 2",
                                      "[01]",
                                      "nul",
                                      "[\"\\u0000\"]",
                                      "[\"\xff\"]",
                                      "[1e999]",
                                      "[99999999999999999999]",
                                      "{\"a\"}",
                                      "[1,]",
                                      "'a'",
                                      "[\"\xed\xa0\x80\"]",
                                      "[\"a\nb\"]"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ENT_FAILS(parse(bad[i]), ENT_E_CORRUPT);
    }
    ENT_OK(parse("[{\"[[[[\":\"\\\"]]{\"}]"));
    ENT_OK(parse(" 1 "));
}

ENT_TEST(read, bounded)
{
    static char many[600000];
    struct ent_json *root;

    ENT_OK(parse("[[[]]]"));
    ENT_FAILS(parse("[[[[]]]]"), ENT_E_LIMIT);
    ENT_FAILS(ent_json_parse("[1,2]", 5, 4, 3, &root), ENT_E_LIMIT);
    memset(many, ',', sizeof many);
    many[0] = '[';
    ENT_FAILS(ent_json_parse(many, sizeof many, sizeof many, 3, &root), ENT_E_LIMIT);
}

ENT_TEST(read, error_names_the_place_and_no_content)
{
    ENT_FAILS(parse("{\"x\": 1,\n \"secret\" 2}"), ENT_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "line 2"));
    CU_ASSERT_PTR_NULL(strstr(ent_err_message(), "secret"));
    ENT_FAILS(parse("{\"k\":1,\"k\":2}"), ENT_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "twice"));
}

ENT_TEST(read, values)
{
    const char *text = "{\"s\":\"\\u00e9\",\"i\":-7,\"d\":2.5,\"b\":true,\"a\":[1,2],\"n\":null}";
    struct ent_json *root;
    const struct ent_json *value;
    const char *keys[6];
    const char *s;
    int64_t i;
    uint64_t u;
    double d;
    bool b;
    void *iter = NULL;
    size_t n = 0;

    ENT_OK(ent_json_parse(text, strlen(text), 1000, 3, &root));
    ENT_OK(ent_json_string(ent_json_get(root, "s"), "s", &s));
    CU_ASSERT_STRING_EQUAL(s, "\xc3\xa9");
    ENT_OK(ent_json_int(ent_json_get(root, "i"), "i", &i));
    CU_ASSERT_EQUAL(i, -7);
    ENT_FAILS(ent_json_uint(ent_json_get(root, "i"), "i", 10, &u), ENT_E_CORRUPT);
    ENT_OK(ent_json_double(ent_json_get(root, "d"), "d", &d));
    CU_ASSERT_EQUAL(d, 2.5);
    ENT_OK(ent_json_double(ent_json_get(root, "i"), "i", &d));
    CU_ASSERT_EQUAL(d, -7.0);
    ENT_OK(ent_json_bool(ent_json_get(root, "b"), "b", &b));
    CU_ASSERT(b);
    ENT_OK(ent_json_uint(ent_json_at(ent_json_get(root, "a"), 1), "a", 2, &u));
    CU_ASSERT_EQUAL(u, 2);
    ENT_FAILS(ent_json_uint(ent_json_at(ent_json_get(root, "a"), 1), "a", 1, &u), ENT_E_CORRUPT);
    ENT_FAILS(ent_json_string(ent_json_get(root, "zz"), "zz", &s), ENT_E_CORRUPT);
    ENT_FAILS(ent_json_int(ent_json_get(root, "d"), "d", &i), ENT_E_CORRUPT);
    CU_ASSERT_PTR_NULL(ent_json_at(ent_json_get(root, "a"), 2));
    CU_ASSERT_PTR_NULL(ent_json_at(root, 0));
    CU_ASSERT_PTR_NULL(ent_json_get(ent_json_get(root, "a"), "s"));
    CU_ASSERT_EQUAL(ent_json_kind(ent_json_get(root, "n")), ENT_JSON_NULL);
    CU_ASSERT(ent_json_len(root) == 6 && ent_json_len(ent_json_get(root, "a")) == 2);
    while (ent_json_next(root, &iter, &keys[n < 6 ? n : 5], &value)) {
        n++;
    }
    CU_ASSERT(n == 6 && strcmp(keys[0], "s") == 0 && strcmp(keys[5], "n") == 0);
    ent_json_free(root);
    ent_json_free(NULL);
}

static void check_written(struct ent_buf *out, const char *want)
{
    const char *text;

    ENT_OK(ent_buf_str(out, &text));
    CU_ASSERT_STRING_EQUAL(text, want);
}

ENT_TEST(write, orders_and_escapes)
{
    struct ent_json_writer w;
    struct ent_buf out;

    ent_buf_init(&out, 1000);
    ent_json_begin(&w, &out);
    ent_json_put_object(&w, ENT_JSON_SORTED);
    ent_json_put_key_string(&w, "b", "q\"\\\n\x01\xc3\xa9");
    ent_json_put_key(&w, "aa");
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_json_put_key_bool(&w, "z", true);
    ent_json_put_key_int(&w, "y", -1);
    ent_json_put_close(&w);
    ent_json_put_key(&w, "a");
    ent_json_put_array(&w);
    ent_json_put_null(&w);
    ent_json_put_uint(&w, UINT64_MAX);
    ent_json_put_array(&w);
    ent_json_put_close(&w);
    ent_json_put_close(&w);
    ent_json_put_close(&w);
    ENT_OK(ent_json_end(&w));
    check_written(&out, "{\"a\":[null,18446744073709551615,[]],\"aa\":{\"z\":true,\"y\":-1},"
                        "\"b\":\"q\\\"\\\\\\n\\u0001\xc3\xa9\"}");
    ent_buf_release(&out);
}

ENT_TEST(write, doubles_read_back)
{
    static const double values[] = {0.0,
                                    -0.0,
                                    60.0,
                                    0.1,
                                    1.0 / 3.0,
                                    1e300,
                                    -2.5e-300,
                                    DBL_MIN,
                                    DBL_MAX,
                                    5e-324,
                                    123456,
                                    1e15 + 0.5,
                                    1e22,
                                    -1e-5,
                                    9007199254740993.0,
                                    0.30000000000000004};

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct ent_json_writer w;
        struct ent_buf out;
        struct ent_json *root;
        double back;

        ent_buf_init(&out, 100);
        ent_json_begin(&w, &out);
        ent_json_put_double(&w, values[i]);
        ENT_OK(ent_json_end(&w));
        ENT_OK(ent_json_parse((const char *)out.data, out.len, 100, 1, &root));
        ENT_OK(ent_json_double(root, "v", &back));
        CU_ASSERT_EQUAL(memcmp(&back, &values[i], sizeof back), 0);
        ent_json_free(root);
        ent_buf_release(&out);
    }
}

static void one_double(double v, const char *want)
{
    struct ent_json_writer w;
    struct ent_buf out;

    ent_buf_init(&out, 100);
    ent_json_begin(&w, &out);
    ent_json_put_double(&w, v);
    ENT_OK(ent_json_end(&w));
    check_written(&out, want);
    ent_buf_release(&out);
}

ENT_TEST(write, doubles_are_short)
{
    one_double(60.0, "60");
    one_double(0.1, "0.1");
    one_double(-0.0, "-0.0");
    one_double(NAN, "null");
    one_double(-INFINITY, "null");
}

static enum ent_err write_text(const char *text, size_t max)
{
    struct ent_json_writer w;
    struct ent_buf out;
    enum ent_err err;

    ent_buf_init(&out, max);
    ent_json_begin(&w, &out);
    ent_json_put_string(&w, text);
    err = ent_json_end(&w);
    ent_buf_release(&out);
    return err;
}

ENT_TEST(write, refuses_what_is_not_utf8)
{
    static const char *const bad[] = {
        "\xff", "a\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ENT_FAILS(write_text(bad[i], 100), ENT_E_DATA);
    }
    ENT_OK(write_text("\xf0\x9f\x98\x80\xe2\x82\xac\xc2\xa2", 100));
    ENT_FAILS(write_text("too long", 5), ENT_E_LIMIT);
}

static enum ent_err write_keys(enum ent_json_order order, const char *second)
{
    struct ent_json_writer w;
    struct ent_buf out;
    enum ent_err err;

    ent_buf_init(&out, 100);
    ent_json_begin(&w, &out);
    ent_json_put_object(&w, order);
    ent_json_put_key_int(&w, "k\"", 1);
    ent_json_put_key_int(&w, second, 2);
    ent_json_put_close(&w);
    err = ent_json_end(&w);
    ent_buf_release(&out);
    return err;
}

ENT_TEST(write, refuses_a_key_twice)
{
    ENT_FAILS(write_keys(ENT_JSON_SORTED, "k\""), ENT_E_DATA);
    ENT_FAILS(write_keys(ENT_JSON_INSERTION, "k\""), ENT_E_DATA);
    ENT_OK(write_keys(ENT_JSON_SORTED, "k"));
}

ENT_TEST(write, refuses_depth)
{
    struct ent_json_writer w;
    struct ent_buf out;

    ent_buf_init(&out, 100);
    ent_json_begin(&w, &out);
    for (int i = 0; i <= ENT_JSON_WRITE_DEPTH; i++) {
        ent_json_put_array(&w);
    }
    ENT_FAILS(ent_json_end(&w), ENT_E_LIMIT);
    ent_buf_release(&out);
}
