#include "tests/unit/common_privacy/shared.h"

#include <string.h>

#include "common/base/file.h"
#include "tests/support/ent_test.h"

#define FILE_MAX_BYTES ((size_t)8 << 20)

/* The files were written by a program that spells infinity as a bare word, which JSON does not know: null, at the same length.
 * No column that these tests read holds one. */
static void spell_infinity(uint8_t *text, size_t len)
{
    static const char word[] = "Infinity";
    const size_t n = sizeof word - 1;
    bool quoted = false;

    for (size_t i = 0; i + n <= len; i++) {
        quoted = quoted != (text[i] == '"');
        if (!quoted && memcmp(text + i, word, n) == 0) {
            memcpy(text + i, "null    ", n);
            if (i > 0 && text[i - 1] == '-') {
                text[i - 1] = ' ';
            }
        }
    }
}

struct ent_json *shared_json(const char *relative)
{
    const char *path = ent_test_shared(relative);
    struct ent_buf text;
    struct ent_json *root = NULL;

    if (path == NULL) {
        return NULL;
    }
    ent_buf_init(&text, FILE_MAX_BYTES);
    ENT_OK(ent_file_read(path, &text));
    spell_infinity(text.data, text.len);
    ENT_OK(ent_json_parse((const char *)text.data, text.len, FILE_MAX_BYTES, 16, &root));
    ent_buf_release(&text);
    return root;
}

double shared_number(const struct ent_json *object, const char *key)
{
    double v = 0.0;

    ENT_OK(ent_json_double(ent_json_get(object, key), key, &v));
    return v;
}

uint64_t shared_uint(const struct ent_json *object, const char *key)
{
    uint64_t v = 0;

    ENT_OK(ent_json_uint(ent_json_get(object, key), key, UINT64_MAX, &v));
    return v;
}

const char *shared_text(const struct ent_json *object, const char *key)
{
    const char *v = "";

    ENT_OK(ent_json_string(ent_json_get(object, key), key, &v));
    return v;
}
