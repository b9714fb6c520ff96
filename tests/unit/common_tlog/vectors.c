#include "tests/unit/common_tlog/vectors.h"

#include <string.h>

#include "common/base/file.h"
#include "tests/support/ent_test.h"

#define FILE_MAX_BYTES ((size_t)4 * 1024 * 1024)
#define HEX_MAX_BYTES 2048

struct ent_json *vectors_load(void)
{
    const char *path = ent_test_shared("reference/merkle_vectors.json");
    struct ent_json *root = NULL;
    struct ent_buf text;

    if (path == NULL) {
        return NULL;
    }
    ent_buf_init(&text, FILE_MAX_BYTES);
    ENT_OK(ent_file_read(path, &text));
    ENT_OK(ent_json_parse((const char *)text.data, text.len, FILE_MAX_BYTES, 16, &root));
    ent_buf_release(&text);
    return root;
}

struct ent_part vector_hex_of(const struct ent_json *value)
{
    static uint8_t room[32][HEX_MAX_BYTES];
    static size_t turn;
    uint8_t *to = room[turn++ % 32];
    const char *hex = NULL;
    size_t len;

    ENT_OK(ent_json_string(value, "hex", &hex));
    len = strlen(hex) / 2;
    CU_ASSERT_FATAL(len <= HEX_MAX_BYTES);
    ENT_OK(ent_unhex(hex, to, len));
    return (struct ent_part){to, len};
}

struct ent_part vector_hex(const struct ent_json *object, const char *key)
{
    return vector_hex_of(ent_json_get(object, key));
}

struct ent_part vector_text(const struct ent_json *object, const char *key)
{
    const char *text = NULL;

    ENT_OK(ent_json_string(ent_json_get(object, key), key, &text));
    return (struct ent_part){text, strlen(text)};
}

uint64_t vector_uint(const struct ent_json *object, const char *key)
{
    uint64_t v = 0;

    ENT_OK(ent_json_uint(ent_json_get(object, key), key, UINT64_MAX, &v));
    return v;
}

bool vector_is(const struct ent_json *object, const char *key, const char *text)
{
    return parts_equal(vector_text(object, key), (struct ent_part){text, strlen(text)});
}

bool parts_equal(struct ent_part a, struct ent_part b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.bytes, b.bytes, a.len) == 0);
}
