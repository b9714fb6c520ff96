#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/config/scalar.h"
#include "tests/support/ent_test.h"

enum color { RED = 1, GREEN = 2 };

struct sample {
    const char *name;
    double rate;
    uint32_t count;
    uint64_t wait_ms;
    uint64_t bytes;
    int color;
    bool on;
    struct ent_strings items;
    const struct ent_node *raw;
    uint32_t inner;
};

static const struct ent_choice colors[] = {{"red", RED}, {"green", GREEN}, {NULL, 0}};
static const struct ent_field inner[] = {{.key = "depth",
                                          .kind = ENT_FIELD_U32,
                                          .offset = offsetof(struct sample, inner),
                                          .fallback = "7",
                                          .help = "how deep"},
                                         {0}};
static const struct ent_field fields[] = {
    {.key = "name",
     .kind = ENT_FIELD_STRING,
     .required = true,
     .offset = offsetof(struct sample, name),
     .help = "a name"},
    {.key = "rate",
     .kind = ENT_FIELD_DOUBLE,
     .offset = offsetof(struct sample, rate),
     .lo = 0,
     .hi = 10,
     .bounds = ENT_BOUNDS_OPEN_LO,
     .fallback = "0.5",
     .help = "a rate"},
    {.key = "count",
     .kind = ENT_FIELD_U32,
     .offset = offsetof(struct sample, count),
     .lo = 1,
     .hi = 100,
     .fallback = "3",
     .help = "a count"},
    {.key = "wait",
     .kind = ENT_FIELD_DURATION,
     .offset = offsetof(struct sample, wait_ms),
     .lo = 1000,
     .hi = 3600000,
     .fallback = "10s",
     .help = "a wait"},
    {.key = "size",
     .kind = ENT_FIELD_SIZE,
     .offset = offsetof(struct sample, bytes),
     .fallback = "64MiB",
     .help = "a size"},
    {.key = "color",
     .kind = ENT_FIELD_CHOICE,
     .offset = offsetof(struct sample, color),
     .choices = colors,
     .fallback = "green",
     .help = "a color"},
    {.key = "on",
     .kind = ENT_FIELD_BOOL,
     .offset = offsetof(struct sample, on),
     .fallback = "no",
     .help = "a switch"},
    {.key = "items",
     .kind = ENT_FIELD_STRINGS,
     .offset = offsetof(struct sample, items),
     .help = "a list"},
    {.key = "raw",
     .kind = ENT_FIELD_NODE,
     .offset = offsetof(struct sample, raw),
     .help = "a node"},
    {.key = "inner", .kind = ENT_FIELD_MAP, .fields = inner, .help = "a map"},
    {0}};

static enum ent_err take(const char *yaml, struct ent_arena *arena, struct sample *out)
{
    struct ent_config *config = NULL;
    enum ent_err err;

    memset(out, 0, sizeof *out);
    ent_arena_init(arena, 1 << 20);
    err = ent_config_parse("f.yaml", (const uint8_t *)yaml, strlen(yaml), &config);
    if (err == ENT_E_OK) {
        err = ent_config_take(ent_config_root(config), "sample", fields, arena, out);
    }
    ent_config_free(config);
    return err;
}

static void refused(const char *yaml, const char *message)
{
    struct ent_arena arena;
    struct sample s;

    CU_ASSERT_EQUAL(take(yaml, &arena, &s), ENT_E_CONFIG);
    if (strcmp(ent_err_message(), message) != 0) {
        (void)fprintf(stderr, "expected: %s\nfound:    %s\n", message, ent_err_message());
    }
    CU_ASSERT_STRING_EQUAL(ent_err_message(), message);
    ent_arena_release(&arena);
}

ENT_TEST(config, defaults_come_from_the_table)
{
    struct ent_arena arena;
    struct sample s;

    ENT_OK(take("name: a\n", &arena, &s));
    CU_ASSERT_STRING_EQUAL(s.name, "a");
    CU_ASSERT_EQUAL(s.rate, 0.5);
    CU_ASSERT_EQUAL(s.count, 3);
    CU_ASSERT_EQUAL(s.wait_ms, 10000);
    CU_ASSERT_EQUAL(s.bytes, 64U << 20);
    CU_ASSERT_EQUAL(s.color, GREEN);
    CU_ASSERT_FALSE(s.on);
    CU_ASSERT_EQUAL(s.inner, 7);
    CU_ASSERT_EQUAL(s.items.n, 0);
    ent_arena_release(&arena);
}

ENT_TEST(config, every_kind_is_read)
{
    struct ent_arena arena;
    struct sample s;

    ENT_OK(take(
        "name: \"x: y\"\nrate: 1e1\ncount: 100\nwait: 1.5min\nsize: 2KiB\ncolor: red\non: YES\n"
        "items: [a, \"b c\", \"\"]\ninner: {depth: 9}\n",
        &arena, &s));
    CU_ASSERT_STRING_EQUAL(s.name, "x: y");
    CU_ASSERT_EQUAL(s.rate, 10.0);
    CU_ASSERT_EQUAL(s.count, 100);
    CU_ASSERT_EQUAL(s.wait_ms, 90000);
    CU_ASSERT_EQUAL(s.bytes, 2048);
    CU_ASSERT_EQUAL(s.color, RED);
    CU_ASSERT_TRUE(s.on);
    CU_ASSERT_EQUAL_FATAL(s.items.n, 3);
    CU_ASSERT_STRING_EQUAL(s.items.items[1], "b c");
    CU_ASSERT_STRING_EQUAL(s.items.items[2], "");
    CU_ASSERT_EQUAL(s.inner, 9);
    ent_arena_release(&arena);
}

ENT_TEST(config, errors_name_place_value_and_what_is_allowed)
{
    refused("name: a\ninner:\n\tdepth: 1\n", "f.yaml:3:1: tabs cannot indent: use spaces");
    refused("name: a\nrate:   abc\n", "f.yaml:2:9: rate is 'abc': must be a number in (0, 10]");
    refused("name: a\nrate: 0\n", "f.yaml:2:7: rate is '0': must be a number in (0, 10]");
    refused("name: a\nrate: nan\n", "f.yaml:2:7: rate is 'nan': must be a number in (0, 10]");
    refused("name: a\ncount: 1.5\n",
            "f.yaml:2:8: count is '1.5': must be a whole number from 1 to 100");
    refused("name: a\nwait: 10\n",
            "f.yaml:2:7: wait is '10': must be a duration such as 30s or 10min from 1s to 1h");
    refused("name: a\nsize: -1\n", "f.yaml:2:7: size is '-1': must be a size such as 64MiB");
    refused("name: a\ncolor: gren\n", "f.yaml:2:8: unknown color 'gren': did you mean 'green'?");
    refused("name: a\ncolor: blue-ish\n",
            "f.yaml:2:8: unknown color 'blue-ish'; known are: red, green");
    refused("name: a\non: maybe\n", "f.yaml:2:5: on is 'maybe': must be true or false");
    refused("name: a\nitems: x\n", "f.yaml:2:8: items is 'x': must be a list of texts");
    refused("name: a\nitems: [[x]]\n", "f.yaml:2:9: items is a list: each entry must be a text");
    refused("name: [a]\n", "f.yaml:1:7: name is a list: must be a text");
    refused("name:\n", "f.yaml:1:6: name is empty: must be a text");
    refused("rate: 1\n", "f.yaml:1:1: sample has no 'name': a name");
    refused("name: a\ninner: {deph: 1}\n",
            "f.yaml:2:9: unknown key in inner 'deph': did you mean 'depth'?");
    refused("name: a\ninner: 3\n", "f.yaml:2:8: inner is '3': must be a map");
}

ENT_TEST(config, what_yaml_offers_beyond_plain_data_is_refused)
{
    refused("name: a\nname: b\n", "f.yaml:2:1: 'name' stands here a second time (line 1)");
    refused("name: &x a\n", "f.yaml:1:7: anchors (&) and tags (!) are not used here");
    refused("name: !!str a\n", "f.yaml:1:7: anchors (&) and tags (!) are not used here");
    refused("name: *x\n", "f.yaml:1:7: aliases (*) are not used here");
    refused("inner: &i {depth: 1}\n", "f.yaml:1:8: anchors (&) and tags (!) are not used here");
    refused("name: a\n---\nname: b\n", "f.yaml:2:1: one document a file: remove the line \"---\"");
    refused("", "f.yaml:1:1: the file is empty");
    refused("- a\n", "f.yaml:1:1: the file must be a map: lines of \"key: value\"");
    refused("{[a]: b}\n", "f.yaml:1:2: a key must be a plain text");
    refused("raw: [[[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]]]\n",
            "f.yaml:1:21: lists and maps are nested too deep");
    refused("name: \"a\\0b\"\n", "f.yaml:1:7: a zero byte cannot stand in a text");
}

ENT_TEST(config, limits_hold)
{
    struct ent_arena arena;
    struct sample s;
    char *text = calloc(1, ENT_CONFIG_MAX_BYTES + 16);

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    memset(text, 'a', 5000);
    memcpy(text, "name: ", 6);
    CU_ASSERT_EQUAL(take(text, &arena, &s), ENT_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "too long"));
    ent_arena_release(&arena);
    memset(text, '#', ENT_CONFIG_MAX_BYTES + 1);
    CU_ASSERT_EQUAL(take(text, &arena, &s), ENT_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "too many"));
    ent_arena_release(&arena);
    memset(text, ',', ENT_CONFIG_MAX_BYTES - 16);
    memcpy(text, "raw: [", 6);
    for (size_t i = 6; i + 2 < ENT_CONFIG_MAX_BYTES - 16; i += 2) {
        text[i] = 'a';
    }
    text[ENT_CONFIG_MAX_BYTES - 16] = '\0';
    CU_ASSERT_EQUAL(take(text, &arena, &s), ENT_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "too many entries"));
    ent_arena_release(&arena);
    free(text);
}

ENT_TEST(config, one_key_entries)
{
    static const char yaml[] = "list: [relu, {dense: 128}, {a: 1, b: 2}]\n";
    struct ent_config *config;
    const struct ent_node *e;
    const struct ent_node *value;
    const char *name;

    ENT_OK(ent_config_parse("f", (const uint8_t *)yaml, sizeof yaml - 1, &config));
    e = ent_node_get(ent_config_root(config), "list")->first;
    ENT_OK(ent_config_one_key(e, "a layer", &name, &value));
    CU_ASSERT_STRING_EQUAL(name, "relu");
    CU_ASSERT_PTR_NULL(value);
    e = e->next;
    ENT_OK(ent_config_one_key(e, "a layer", &name, &value));
    CU_ASSERT_STRING_EQUAL(name, "dense");
    CU_ASSERT_STRING_EQUAL(value->text, "128");
    ENT_FAILS(ent_config_one_key(e->next, "a layer", &name, &value), ENT_E_CONFIG);
    ent_config_free(config);
}

ENT_TEST(config, quoted_text_reads_back)
{
    static const char *const texts[] = {"plain",
                                        "two words",
                                        "",
                                        " lead",
                                        "trail ",
                                        "yes",
                                        "no",
                                        "null",
                                        "~",
                                        "1",
                                        "1e5",
                                        "0x10",
                                        "a: b",
                                        "a #b",
                                        "- a",
                                        "\"q\"",
                                        "back\\slash",
                                        "tab\there",
                                        "a,b",
                                        "[x]",
                                        "{y}",
                                        "&z",
                                        "*z",
                                        "!t",
                                        "%d",
                                        "@a",
                                        "`b",
                                        "admin.",
                                        "page 1 (main category)",
                                        "2008-04-01",
                                        "M\xc3\xbcnchen",
                                        "y",
                                        "Off",
                                        "key:",
                                        "'",
                                        "?",
                                        ":",
                                        "-",
                                        "true"};
    struct ent_buf buf;

    for (size_t i = 0; i < ENT_ARRAY_LEN(texts); i++) {
        struct ent_config *config = NULL;
        const struct ent_node *map;

        ent_buf_init(&buf, 4096);
        ENT_OK(ent_buf_addf(&buf, "{"));
        ENT_OK(ent_config_quote(&buf, texts[i]));
        ENT_OK(ent_buf_addf(&buf, ": ["));
        ENT_OK(ent_config_quote(&buf, texts[i]));
        ENT_OK(ent_buf_addf(&buf, "]}\n"));
        ENT_OK(ent_config_parse("q", buf.data, buf.len, &config));
        map = ent_config_root(config);
        CU_ASSERT_STRING_EQUAL(map->first->key, texts[i]);
        CU_ASSERT_STRING_EQUAL(map->first->first->text, texts[i]);
        ent_config_free(config);
        ent_buf_release(&buf);
    }
}

ENT_TEST(config, the_printed_table_names_every_key)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    ent_config_print_fields(fields, "", f);
    CU_ASSERT_EQUAL(fclose(f), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "inner.depth"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "a number in (0, 10], default 0.5"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "one of red, green, default green"));
    free(text);
}

ENT_TEST(scalar, doubles_are_strict_and_rounded_like_the_library)
{
    static const char *const good[] = {"0",
                                       "-0",
                                       "1",
                                       "+1",
                                       ".5",
                                       "5.",
                                       "1.25",
                                       "1e3",
                                       "1E-3",
                                       "-2.5e+2",
                                       "0.1",
                                       "123456789012345678",
                                       "9007199254740993",
                                       "1.7976931348623157e308",
                                       "4.9e-324",
                                       "0.000001234567890123456789",
                                       "3.14159265358979323846",
                                       "1e22",
                                       "1e23",
                                       "00012.50",
                                       "8.988465674311579e307"};
    static const char *const bad[] = {"",    "+",     "-",   ".",     "e5",    "1e",   "1e+",
                                      " 1",  "1 ",    "1x",  "0x10",  "inf",   "nan",  "infinity",
                                      "1,5", "1_000", "--1", "1e400", "1.2.3", "1e5.5"};
    double v;

    for (size_t i = 0; i < ENT_ARRAY_LEN(good); i++) {
        CU_ASSERT_TRUE(ent_scalar_double(good[i], strlen(good[i]), &v));
        CU_ASSERT_EQUAL(v, strtod(good[i], NULL));
    }
    for (size_t i = 0; i < ENT_ARRAY_LEN(bad); i++) {
        CU_ASSERT_FALSE(ent_scalar_double(bad[i], strlen(bad[i]), &v));
    }
    CU_ASSERT_TRUE(ent_scalar_double("-0", 2, &v));
    CU_ASSERT_TRUE(signbit(v));
}

ENT_TEST(scalar, integers_durations_sizes)
{
    uint64_t v;

    CU_ASSERT_TRUE(ent_scalar_u64("18446744073709551615", 20, &v));
    CU_ASSERT_EQUAL(v, UINT64_MAX);
    CU_ASSERT_FALSE(ent_scalar_u64("18446744073709551616", 20, &v));
    CU_ASSERT_FALSE(ent_scalar_u64("-1", 2, &v));
    CU_ASSERT_TRUE(ent_scalar_duration_ms("500ms", 5, &v) && v == 500);
    CU_ASSERT_TRUE(ent_scalar_duration_ms("10s", 3, &v) && v == 10000);
    CU_ASSERT_TRUE(ent_scalar_duration_ms("10 min", 6, &v) && v == 600000);
    CU_ASSERT_TRUE(ent_scalar_duration_ms("3h", 2, &v) && v == 10800000);
    CU_ASSERT_TRUE(ent_scalar_duration_ms("2d", 2, &v) && v == 172800000);
    CU_ASSERT_FALSE(ent_scalar_duration_ms("10", 2, &v));
    CU_ASSERT_FALSE(ent_scalar_duration_ms("1.5ms", 5, &v));
    CU_ASSERT_FALSE(ent_scalar_duration_ms("s", 1, &v));
    CU_ASSERT_TRUE(ent_scalar_size("64MiB", 5, &v) && v == 67108864);
    CU_ASSERT_TRUE(ent_scalar_size("1GB", 3, &v) && v == 1000000000);
    CU_ASSERT_FALSE(ent_scalar_size("1.5MiB", 6, &v));
    CU_ASSERT_FALSE(ent_scalar_size("99999999999999GiB", 17, &v));
}

ENT_TEST(scalar, double_text_reads_back)
{
    static const double values[] = {0.0, 1.0, -2.5, 0.1, 1.0 / 3.0, 1e300, 5e-324, 123456.789};
    char text[ENT_SCALAR_TEXT_BYTES];
    double back;

    for (size_t i = 0; i < ENT_ARRAY_LEN(values); i++) {
        ent_scalar_double_text(values[i], text);
        CU_ASSERT_TRUE(ent_scalar_double(text, strlen(text), &back));
        CU_ASSERT_EQUAL(back, values[i]);
    }
    ent_scalar_double_text(0.1, text);
    CU_ASSERT_STRING_EQUAL(text, "0.1");
}
