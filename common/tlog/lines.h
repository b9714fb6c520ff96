/* What the text formats of this room share: lines, decimal numbers, hashes in base64. */
#ifndef ENT_COMMON_TLOG_LINES_H
#define ENT_COMMON_TLOG_LINES_H

#include "common/base/buf.h"
#include "common/tlog/merkle.h"

struct ent_lines {
    const char *at;
    const char *end;
};

/* The next line without its newline; false at the end, and at bytes that no newline ends (then
 * at != end). */
bool ent_lines_next(struct ent_lines *lines, const char **line, size_t *len);
/* Whether a line is these characters. */
bool ent_lines_is(const char *line, size_t len, const char *word);

/* Digits only, no leading zero but for "0" itself, at most max. DATA names `what`. */
ENT_MUST enum ent_err ent_lines_number(const char *text, size_t len, const char *what, uint64_t max,
                                       uint64_t *out);
/* Exactly 32 bytes in base64. DATA names `what`. */
ENT_MUST enum ent_err ent_lines_hash(const char *text, size_t len, const char *what,
                                     uint8_t out[ENT_MERKLE_BYTES]);
/* Appends the hash in base64 and a newline. */
ENT_MUST enum ent_err ent_lines_add_hash(struct ent_buf *out, const uint8_t hash[ENT_MERKLE_BYTES]);
/* A base64 text of any length: how many bytes it holds (at least 1), and its first four (zeros for what
 * is not there). DATA. */
ENT_MUST enum ent_err ent_lines_base64(const char *text, size_t len, size_t *n_bytes,
                                       uint8_t first[4]);

#endif
