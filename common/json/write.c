#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/json/json.h"

void ent_json_begin(struct ent_json_writer *w, struct ent_buf *out)
{
    *w = (struct ent_json_writer){.out = out};
}

enum ent_err ent_json_end(struct ent_json_writer *w)
{
    enum ent_err err = w->err;

    ENT_BUG_ON(err == ENT_E_OK && (w->depth != 0 || w->key_open));
    free(w->offsets);
    w->offsets = NULL;
    return err;
}

static void put(struct ent_json_writer *w, const char *bytes, size_t len)
{
    if (w->err == ENT_E_OK) {
        w->err = ent_buf_add(w->out, bytes, len);
    }
}

/* Before a value or a key: the comma, and in an object where the member begins. */
static void separate(struct ent_json_writer *w)
{
    struct ent_json_frame *f;

    if (w->depth == 0 || w->err != ENT_E_OK) {
        return;
    }
    f = &w->frames[w->depth - 1];
    if (f->n > 0) {
        put(w, ",", 1);
    }
    f->n++;
    if (f->is_object && w->err == ENT_E_OK) {
        w->err = ent_grow(&w->offsets, &w->cap_offsets, w->n_offsets + 1, sizeof *w->offsets);
        if (w->err == ENT_E_OK) {
            w->offsets[w->n_offsets++] = w->out->len;
        }
    }
}

/* A value stands behind its key, as an element of an array, or alone at the top. */
static void before_value(struct ent_json_writer *w)
{
    if (w->err != ENT_E_OK) {
        return;
    }
    if (w->depth > 0 && w->frames[w->depth - 1].is_object) {
        ENT_BUG_ON(!w->key_open);
        w->key_open = false;
    } else {
        separate(w);
    }
}

static void open_frame(struct ent_json_writer *w, bool is_object, enum ent_json_order order)
{
    before_value(w);
    put(w, is_object ? "{" : "[", 1);
    if (w->err != ENT_E_OK) {
        return;
    }
    if (w->depth == ENT_JSON_WRITE_DEPTH) {
        w->err = ent_err_note(ENT_E_LIMIT, "JSON: nested deeper than %d", ENT_JSON_WRITE_DEPTH);
        return;
    }
    w->frames[w->depth++] = (struct ent_json_frame){
        .is_object = is_object, .order = order, .start = w->out->len, .members = w->n_offsets};
}

void ent_json_put_object(struct ent_json_writer *w, enum ent_json_order order)
{
    open_frame(w, true, order);
}

void ent_json_put_array(struct ent_json_writer *w)
{
    open_frame(w, false, ENT_JSON_INSERTION);
}

struct member {
    const uint8_t *text; /* "key":value */
    size_t len;
    size_t key_len; /* with its quotes */
};

/* Bytes of the key between its quotes. Escapes compare as they are written: one spelling a key, so equal keys are equal
 * here, and for keys of printable ASCII the order is that of their bytes. */
static int by_key(const void *pa, const void *pb)
{
    const struct member *a = pa;
    const struct member *b = pb;
    size_t na = a->key_len - 2;
    size_t nb = b->key_len - 2;
    int c = memcmp(a->text + 1, b->text + 1, na < nb ? na : nb);

    return c != 0 ? c : (na > nb) - (na < nb);
}

static size_t key_length(const uint8_t *text)
{
    size_t i = 1;

    while (text[i] != '"') {
        i += text[i] == '\\' ? 2 : 1;
    }
    return i + 1;
}

/* Put the members from `copy` (the object's inside) back in sorted order. */
static void rewrite(uint8_t *to, const struct member *members, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0) {
            *to++ = ',';
        }
        memcpy(to, members[i].text, members[i].len);
        to += members[i].len;
    }
}

static enum ent_err check_members(struct ent_json_writer *w, const struct ent_json_frame *f,
                                  uint8_t *copy, struct member *members)
{
    size_t len = w->out->len - f->start;

    memcpy(copy, w->out->data + f->start, len);
    for (size_t i = 0; i < f->n; i++) {
        size_t at = w->offsets[f->members + i] - f->start;
        size_t end = i + 1 < f->n ? w->offsets[f->members + i + 1] - f->start - 1 : len;

        members[i] =
            (struct member){.text = copy + at, .len = end - at, .key_len = key_length(copy + at)};
    }
    qsort(members, f->n, sizeof *members, by_key);
    for (size_t i = 1; i < f->n; i++) {
        ENT_REQUIRE(by_key(&members[i - 1], &members[i]) != 0, ENT_E_DATA,
                    "JSON: a key would stand twice");
    }
    if (f->order == ENT_JSON_SORTED) {
        rewrite(w->out->data + f->start, members, f->n);
    }
    return ENT_E_OK;
}

static enum ent_err close_object(struct ent_json_writer *w, const struct ent_json_frame *f)
{
    uint8_t *copy = NULL;
    struct member *members = NULL;
    enum ent_err err;

    if (f->n < 2) {
        return ENT_E_OK;
    }
    err = ent_calloc(w->out->len - f->start, 1, &copy);
    if (err == ENT_E_OK) {
        err = ent_calloc(f->n, sizeof *members, &members);
    }
    if (err == ENT_E_OK) {
        err = check_members(w, f, copy, members);
    }
    free(members);
    free(copy);
    return err;
}

void ent_json_put_close(struct ent_json_writer *w)
{
    const struct ent_json_frame *f;

    if (w->err != ENT_E_OK) {
        return;
    }
    ENT_BUG_ON(w->depth == 0 || w->key_open);
    f = &w->frames[--w->depth];
    if (f->is_object) {
        w->err = close_object(w, f);
        w->n_offsets = f->members;
    }
    put(w, f->is_object ? "}" : "]", 1);
}

/* Length of the UTF-8 sequence at s (RFC 3629: shortest form, no surrogates, up to U+10FFFF); 0 when it is none. The
 * terminating zero stops every comparison, so nothing behind it is read. */
static size_t utf8_length(const unsigned char *s)
{
    size_t n = s[0] < 0x80                   ? 1
               : s[0] >= 0xC2 && s[0] < 0xE0 ? 2
               : s[0] >= 0xE0 && s[0] < 0xF0 ? 3
                                             : 4;
    unsigned char lo = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char hi = s[0] == 0xED ? 0x9F : s[0] == 0xF4 ? 0x8F : 0xBF;

    if (n == 1) {
        return 1;
    }
    if (s[0] < 0xC2 || s[0] > 0xF4 || s[1] < lo || s[1] > hi) {
        return 0;
    }
    for (size_t i = 2; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return n;
}

static void put_escaped(struct ent_json_writer *w, unsigned char c)
{
    static const char short_for[] = "b\bf\fn\nr\rt\t\"\"\\\\";
    char text[8];

    for (size_t i = 0; i + 1 < sizeof short_for; i += 2) {
        if ((unsigned char)short_for[i + 1] == c) {
            text[0] = '\\';
            text[1] = short_for[i];
            put(w, text, 2);
            return;
        }
    }
    (void)snprintf(text, sizeof text, "\\u%04x", c);
    put(w, text, 6);
}

static void put_quoted(struct ent_json_writer *w, const char *s)
{
    const unsigned char *p = (const unsigned char *)s;

    put(w, "\"", 1);
    while (*p != 0 && w->err == ENT_E_OK) {
        const unsigned char *from = p;
        size_t n = 1;

        while (*p >= 0x20 && *p != '"' && *p != '\\' && n > 0) {
            n = utf8_length(p);
            p += n;
        }
        put(w, (const char *)from, (size_t)(p - from));
        if (n == 0) {
            w->err = ent_err_note(ENT_E_DATA, "JSON: a text is not UTF-8");
        } else if (*p != 0) {
            put_escaped(w, *p++);
        }
    }
    put(w, "\"", 1);
}

void ent_json_put_key(struct ent_json_writer *w, const char *key)
{
    if (w->err != ENT_E_OK) {
        return;
    }
    ENT_BUG_ON(w->depth == 0 || !w->frames[w->depth - 1].is_object || w->key_open);
    separate(w);
    put_quoted(w, key);
    put(w, ":", 1);
    w->key_open = true;
}

void ent_json_put_string(struct ent_json_writer *w, const char *s)
{
    before_value(w);
    put_quoted(w, s);
}

static void put_text(struct ent_json_writer *w, const char *text)
{
    before_value(w);
    put(w, text, strlen(text));
}

void ent_json_put_int(struct ent_json_writer *w, int64_t v)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRId64, v);
    put_text(w, text);
}

void ent_json_put_uint(struct ent_json_writer *w, uint64_t v)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRIu64, v);
    put_text(w, text);
}

void ent_json_put_double(struct ent_json_writer *w, double v)
{
    char text[32];

    if (!isfinite(v)) {
        put_text(w, "null");
        return;
    }
    /* %g drops trailing zeros, so 15 digits give the shortest decimal wherever 15 are enough. "-0" alone would be read
     * as the integer 0. */
    (void)snprintf(text, sizeof text, v == 0.0 && signbit(v) ? "%.1f" : "%.15g", v);
    for (int digits = 16; digits <= 17 && strtod(text, NULL) != v; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, v);
    }
    put_text(w, text);
}

void ent_json_put_bool(struct ent_json_writer *w, bool v)
{
    put_text(w, v ? "true" : "false");
}

void ent_json_put_null(struct ent_json_writer *w)
{
    put_text(w, "null");
}

void ent_json_put_key_string(struct ent_json_writer *w, const char *key, const char *s)
{
    ent_json_put_key(w, key);
    ent_json_put_string(w, s);
}

void ent_json_put_key_int(struct ent_json_writer *w, const char *key, int64_t v)
{
    ent_json_put_key(w, key);
    ent_json_put_int(w, v);
}

void ent_json_put_key_uint(struct ent_json_writer *w, const char *key, uint64_t v)
{
    ent_json_put_key(w, key);
    ent_json_put_uint(w, v);
}

void ent_json_put_key_double(struct ent_json_writer *w, const char *key, double v)
{
    ent_json_put_key(w, key);
    ent_json_put_double(w, v);
}

void ent_json_put_key_bool(struct ent_json_writer *w, const char *key, bool v)
{
    ent_json_put_key(w, key);
    ent_json_put_bool(w, v);
}

void ent_json_put_key_hex(struct ent_json_writer *w, const char *key, const uint8_t *bytes,
                          size_t len_bytes)
{
    char hex[2 * ENT_JSON_HEX_MAX_BYTES + 1];

    ENT_BUG_ON(len_bytes > ENT_JSON_HEX_MAX_BYTES);
    ent_hex(bytes, len_bytes, hex);
    ent_json_put_key_string(w, key, hex);
}
