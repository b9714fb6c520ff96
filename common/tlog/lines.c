#include "common/tlog/lines.h"

#include <string.h>

#include "common/crypto/base64.h"

#define HASH_CHARS 44    /* 32 bytes in base64 */
#define STEP_CHARS 1024u /* a multiple of 4 */
#define STEP_BYTES 768u

bool ent_lines_next(struct ent_lines *lines, const char **line, size_t *len)
{
    size_t left = (size_t)(lines->end - lines->at);
    const char *newline = left > 0 ? memchr(lines->at, '\n', left) : NULL;

    if (newline == NULL) {
        return false;
    }
    *line = lines->at;
    *len = (size_t)(newline - lines->at);
    lines->at = newline + 1;
    return true;
}

bool ent_lines_is(const char *line, size_t len, const char *word)
{
    return len == strlen(word) && memcmp(line, word, len) == 0;
}

enum ent_err ent_lines_number(const char *text, size_t len, const char *what, uint64_t max,
                              uint64_t *out)
{
    uint64_t v = 0;

    ENT_REQUIRE(len > 0 && (len == 1 || text[0] != '0'), ENT_E_DATA,
                "%s is empty or has a leading zero", what);
    for (size_t i = 0; i < len; i++) {
        uint64_t digit = (uint64_t)(unsigned char)text[i] - '0';

        ENT_REQUIRE(text[i] >= '0' && text[i] <= '9', ENT_E_DATA, "%s is no decimal number", what);
        ENT_REQUIRE(digit <= max && v <= (max - digit) / 10, ENT_E_DATA,
                    "%s is above the largest allowed", what);
        v = v * 10 + digit;
    }
    *out = v;
    return ENT_E_OK;
}

enum ent_err ent_lines_hash(const char *text, size_t len, const char *what,
                            uint8_t out[ENT_MERKLE_BYTES])
{
    uint8_t hash[ENT_MERKLE_BYTES + 1];
    size_t n = 0;

    ENT_REQUIRE(len == HASH_CHARS, ENT_E_DATA, "%s is no hash of 32 bytes in base64", what);
    ENT_TRY(ent_base64_decode(ENT_BASE64, text, len, hash, sizeof hash, &n));
    ENT_REQUIRE(n == ENT_MERKLE_BYTES, ENT_E_DATA, "%s has %zu bytes, a hash has 32", what, n);
    memcpy(out, hash, ENT_MERKLE_BYTES);
    return ENT_E_OK;
}

enum ent_err ent_lines_add_hash(struct ent_buf *out, const uint8_t hash[ENT_MERKLE_BYTES])
{
    char text[HASH_CHARS + 1];

    ent_base64_encode(ENT_BASE64, hash, ENT_MERKLE_BYTES, text);
    return ent_buf_addf(out, "%s\n", text);
}

/* In steps, because a stranger's signature may be of any length and nobody keeps it. Only the last
 * step may be padded, so each one before it must be full. */
enum ent_err ent_lines_base64(const char *text, size_t len, size_t *n_bytes, uint8_t first[4])
{
    uint8_t step[STEP_BYTES];
    uint8_t head[4] = {0};
    size_t total = 0;

    ENT_REQUIRE(len > 0, ENT_E_DATA, "an empty base64 text");
    for (size_t at = 0; at < len; at += STEP_CHARS) {
        size_t chars = len - at < STEP_CHARS ? len - at : STEP_CHARS;
        size_t n = 0;

        ENT_TRY(ent_base64_decode(ENT_BASE64, text + at, chars, step, sizeof step, &n));
        ENT_REQUIRE(n == STEP_BYTES || at + chars == len, ENT_E_DATA,
                    "padding within a base64 text");
        if (at == 0) {
            memcpy(head, step, n < sizeof head ? n : sizeof head);
        }
        total += n;
    }
    *n_bytes = total;
    memcpy(first, head, sizeof head);
    return ENT_E_OK;
}
