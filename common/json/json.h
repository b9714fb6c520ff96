/* IN bytes from a file or a peer · OUT values, or compact JSON in a buffer · OWNS the parsed tree ·
 * THREADS one at a time SOURCE RFC 8259; safetensors (its header)
 *
 * The only room with <jansson.h>. Reading is strict: size and depth are bounded before anything is
 * built, duplicate keys, invalid UTF-8, NUL in strings and bytes behind the value are errors.
 * Writing is a stream of calls into a buffer: compact, one spelling for one content (shortest
 * decimals that read back to the same double). */
#ifndef ENT_COMMON_JSON_JSON_H
#define ENT_COMMON_JSON_JSON_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/* ---- reading ---- */

/* Values, array brackets and members in one text: what jansson allocates for a hostile text of a few MiB is bounded by
 * it (about 130 bytes each). */
#define ENT_JSON_VALUES_MAX 262144u

enum ent_json_kind {
    ENT_JSON_NULL,
    ENT_JSON_BOOL,
    ENT_JSON_INT, /* no fraction, no exponent; fits int64 */
    ENT_JSON_REAL,
    ENT_JSON_STRING,
    ENT_JSON_ARRAY,
    ENT_JSON_OBJECT
};

struct ent_json; /* a parsed value; children are borrowed from the root */

/* text: [len], need not end in a zero byte. max_depth: nested arrays and objects. CORRUPT (with
 * line and column, never with content), LIMIT when longer than max_bytes or deeper than max_depth,
 * NO_MEMORY. Caller frees the root. */
ENT_MUST enum ent_err ent_json_parse(const char *text, size_t len, size_t max_bytes,
                                     unsigned max_depth, struct ent_json **out);
void ent_json_free(struct ent_json *root); /* NULL is fine; only for what ent_json_parse returned */

enum ent_json_kind ent_json_kind(const struct ent_json *value);
/* Members of an object or elements of an array; 0 for anything else. */
size_t ent_json_len(const struct ent_json *value);
/* NULL: not an object, or no such key. */
const struct ent_json *ent_json_get(const struct ent_json *object, const char *key);
/* NULL: not an array, or beyond its end. */
const struct ent_json *ent_json_at(const struct ent_json *array, size_t i);
/* The members of an object in the order of the text: start with *iter = NULL; false at the end. */
bool ent_json_next(const struct ent_json *object, void **iter, const char **key,
                   const struct ent_json **value);

/* Values with their types checked; value may be NULL (absent). CORRUPT names `what`. Strings are
 * valid UTF-8 without NUL and live as long as the root. */
ENT_MUST enum ent_err ent_json_string(const struct ent_json *value, const char *what,
                                      const char **out);
ENT_MUST enum ent_err ent_json_int(const struct ent_json *value, const char *what, int64_t *out);
ENT_MUST enum ent_err ent_json_uint(const struct ent_json *value, const char *what, uint64_t max,
                                    uint64_t *out);
ENT_MUST enum ent_err ent_json_double(const struct ent_json *value, const char *what,
                                      double *out); /* INT or REAL */
ENT_MUST enum ent_err ent_json_bool(const struct ent_json *value, const char *what, bool *out);

/* ---- writing ---- */

/* INSERTION keeps the order of the calls, SORTED orders an object's members by the bytes of their
 * keys. */
enum ent_json_order { ENT_JSON_INSERTION, ENT_JSON_SORTED };

#define ENT_JSON_WRITE_DEPTH 16

struct ent_json_frame {
    bool is_object;
    enum ent_json_order order;
    size_t start;   /* in out: behind the opening bracket */
    size_t n;       /* members or elements so far */
    size_t members; /* index of its first entry in offsets */
};

/* Errors stick: the calls after the first error do nothing and ent_json_end returns it. */
struct ent_json_writer {
    struct ent_buf *out;
    enum ent_err err;
    unsigned depth;
    bool key_open; /* a key stands without its value */
    struct ent_json_frame frames[ENT_JSON_WRITE_DEPTH];
    size_t *offsets; /* where each member of the open objects begins */
    size_t n_offsets;
    size_t cap_offsets;
};

/* Appends to `out` (borrowed until ent_json_end). Exactly one value is written at the top. */
void ent_json_begin(struct ent_json_writer *w, struct ent_buf *out);
/* Releases the writer; the first error: LIMIT (buffer full, too deep), DATA (a string is not UTF-8
 * or a key stands twice). A call sequence that is no JSON is our bug. */
ENT_MUST enum ent_err ent_json_end(struct ent_json_writer *w);

void ent_json_put_object(struct ent_json_writer *w, enum ent_json_order order);
void ent_json_put_array(struct ent_json_writer *w);
void ent_json_put_close(struct ent_json_writer *w); /* the innermost object or array */
void ent_json_put_key(struct ent_json_writer *w, const char *key);
void ent_json_put_string(struct ent_json_writer *w, const char *s);
void ent_json_put_int(struct ent_json_writer *w, int64_t v);
void ent_json_put_uint(struct ent_json_writer *w, uint64_t v);
/* The shortest decimal that reads back to v; NaN and infinities are written as null. */
void ent_json_put_double(struct ent_json_writer *w, double v);
void ent_json_put_bool(struct ent_json_writer *w, bool v);
void ent_json_put_null(struct ent_json_writer *w);

/* key and value in one call. */
void ent_json_put_key_string(struct ent_json_writer *w, const char *key, const char *s);
void ent_json_put_key_int(struct ent_json_writer *w, const char *key, int64_t v);
void ent_json_put_key_uint(struct ent_json_writer *w, const char *key, uint64_t v);
void ent_json_put_key_double(struct ent_json_writer *w, const char *key, double v);
void ent_json_put_key_bool(struct ent_json_writer *w, const char *key, bool v);
/* A digest, a key or a handle as lower-case hex digits; len_bytes is at most ENT_JSON_HEX_MAX_BYTES. */
#define ENT_JSON_HEX_MAX_BYTES 64
void ent_json_put_key_hex(struct ent_json_writer *w, const char *key, const uint8_t *bytes,
                          size_t len_bytes);

#endif
