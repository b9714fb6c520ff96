#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/json/json.h"

/* struct ent_json is json_t under another name, so that jansson's type stays in this room. */
static const json_t *of(const struct ent_json *value)
{
    return (const json_t *)(const void *)value;
}

static const struct ent_json *as(const json_t *value)
{
    return (const struct ent_json *)(const void *)value;
}

/* Depth and number of values are checked on the text, before jansson recurses or allocates. */
static enum ent_err check_extent(const char *text, size_t len, unsigned max_depth)
{
    unsigned depth = 0;
    size_t values = 1;
    bool in_string = false;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            depth++;
            values++;
            ENT_REQUIRE(depth <= max_depth, ENT_E_LIMIT, "JSON: nested deeper than %u", max_depth);
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        } else if (c == ',') {
            values++;
        }
    }
    ENT_REQUIRE(values <= ENT_JSON_VALUES_MAX, ENT_E_LIMIT, "JSON: more than %u values",
                ENT_JSON_VALUES_MAX);
    return ENT_E_OK;
}

enum ent_err ent_json_parse(const char *text, size_t len, size_t max_bytes, unsigned max_depth,
                            struct ent_json **out)
{
    json_error_t error;
    json_t *root;

    ENT_REQUIRE(len <= max_bytes, ENT_E_LIMIT, "JSON: %zu bytes, at most %zu are allowed", len,
                max_bytes);
    ENT_TRY(check_extent(text, len, max_depth));
    root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (root == NULL) {
        ENT_REQUIRE(json_error_code(&error) != json_error_out_of_memory, ENT_E_NO_MEMORY,
                    "JSON: out of memory");
        /* jansson's own text quotes the input; ours does not. */
        return ent_err_note(ENT_E_CORRUPT, "JSON: line %d, column %d: %s", error.line, error.column,
                            json_error_code(&error) == json_error_duplicate_key
                                ? "a key stands twice"
                                : "not valid JSON");
    }
    *out = (struct ent_json *)(void *)root;
    return ENT_E_OK;
}

void ent_json_free(struct ent_json *root)
{
    json_decref((json_t *)(void *)root);
}

enum ent_json_kind ent_json_kind(const struct ent_json *value)
{
    switch (json_typeof(of(value))) {
    case JSON_OBJECT:
        return ENT_JSON_OBJECT;
    case JSON_ARRAY:
        return ENT_JSON_ARRAY;
    case JSON_STRING:
        return ENT_JSON_STRING;
    case JSON_INTEGER:
        return ENT_JSON_INT;
    case JSON_REAL:
        return ENT_JSON_REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return ENT_JSON_BOOL;
    default:
        return ENT_JSON_NULL;
    }
}

size_t ent_json_len(const struct ent_json *value)
{
    return json_is_array(of(value)) ? json_array_size(of(value)) : json_object_size(of(value));
}

const struct ent_json *ent_json_get(const struct ent_json *object, const char *key)
{
    return as(json_object_get(of(object), key));
}

const struct ent_json *ent_json_at(const struct ent_json *array, size_t i)
{
    return as(json_array_get(of(array), i));
}

bool ent_json_next(const struct ent_json *object, void **iter, const char **key,
                   const struct ent_json **value)
{
    /* jansson's iterator wants a non-const object and does not change it. */
    json_t *o = (json_t *)(uintptr_t)object;

    *iter = *iter == NULL ? json_object_iter(o) : json_object_iter_next(o, *iter);
    if (*iter == NULL) {
        return false;
    }
    *key = json_object_iter_key(*iter);
    *value = as(json_object_iter_value(*iter));
    return true;
}

enum ent_err ent_json_string(const struct ent_json *value, const char *what, const char **out)
{
    ENT_REQUIRE(value != NULL && json_is_string(of(value)), ENT_E_CORRUPT,
                "%s: a string is expected", what);
    *out = json_string_value(of(value));
    return ENT_E_OK;
}

enum ent_err ent_json_int(const struct ent_json *value, const char *what, int64_t *out)
{
    ENT_REQUIRE(value != NULL && json_is_integer(of(value)), ENT_E_CORRUPT,
                "%s: an integer is expected", what);
    *out = (int64_t)json_integer_value(of(value));
    return ENT_E_OK;
}

enum ent_err ent_json_uint(const struct ent_json *value, const char *what, uint64_t max,
                           uint64_t *out)
{
    int64_t v = 0;

    ENT_TRY(ent_json_int(value, what, &v));
    ENT_REQUIRE(v >= 0 && (uint64_t)v <= max, ENT_E_CORRUPT, "%s: %lld is not in 0 to %llu", what,
                (long long)v, (unsigned long long)max);
    *out = (uint64_t)v;
    return ENT_E_OK;
}

enum ent_err ent_json_double(const struct ent_json *value, const char *what, double *out)
{
    ENT_REQUIRE(value != NULL && json_is_number(of(value)), ENT_E_CORRUPT,
                "%s: a number is expected", what);
    *out = json_number_value(of(value));
    return ENT_E_OK;
}

enum ent_err ent_json_bool(const struct ent_json *value, const char *what, bool *out)
{
    ENT_REQUIRE(value != NULL && json_is_boolean(of(value)), ENT_E_CORRUPT,
                "%s: true or false is expected", what);
    *out = json_is_true(of(value));
    return ENT_E_OK;
}
