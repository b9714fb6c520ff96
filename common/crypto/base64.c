#include "common/crypto/base64.h"

#include <string.h>

static const char alphabets[2][65] = {
    [ENT_BASE64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    [ENT_BASE64_URL] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

size_t ent_base64_len(enum ent_base64 kind, size_t n_bytes)
{
    size_t rest = n_bytes % 3;

    if (kind == ENT_BASE64) {
        return (n_bytes / 3 + (rest != 0 ? 1 : 0)) * 4;
    }
    return n_bytes / 3 * 4 + (rest != 0 ? rest + 1 : 0);
}

void ent_base64_encode(enum ent_base64 kind, const uint8_t *bytes, size_t len, char *out)
{
    const char *alphabet = alphabets[kind];
    size_t o = 0;

    for (size_t i = 0; i < len; i += 3) {
        size_t have = len - i < 3 ? len - i : 3;
        uint32_t v = (uint32_t)bytes[i] << 16;

        v |= have > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        v |= have > 2 ? (uint32_t)bytes[i + 2] : 0;
        for (size_t j = 0; j < have + 1; j++) {
            out[o++] = alphabet[(v >> (18 - 6 * j)) & 63];
        }
        for (size_t j = have; kind == ENT_BASE64 && j < 3; j++) {
            out[o++] = '=';
        }
    }
    out[o] = '\0';
}

static int value_of(const char *alphabet, char c)
{
    const char *at = c != '\0' ? strchr(alphabet, c) : NULL;

    return at != NULL ? (int)(at - alphabet) : -1;
}

/* Characters that carry bits: the text without its padding, which must be exactly what its length
 * asks for. */
static enum ent_err strip_padding(enum ent_base64 kind, const char *text, size_t *len)
{
    size_t pad = 0;

    if (kind == ENT_BASE64_URL) {
        ENT_REQUIRE(*len % 4 != 1, ENT_E_DATA, "a base64 text cannot have %zu characters", *len);
        return ENT_E_OK;
    }
    ENT_REQUIRE(*len % 4 == 0, ENT_E_DATA, "a base64 text cannot have %zu characters", *len);
    while (pad < 2 && pad < *len && text[*len - 1 - pad] == '=') {
        pad++;
    }
    *len -= pad;
    return ENT_E_OK;
}

enum ent_err ent_base64_decode(enum ent_base64 kind, const char *text, size_t len, uint8_t *out,
                               size_t max_bytes, size_t *n_bytes)
{
    uint32_t bits = 0;
    unsigned n_bits = 0;
    size_t o = 0;

    ENT_TRY(strip_padding(kind, text, &len));
    ENT_REQUIRE(len / 4 * 3 + len % 4 * 3 / 4 <= max_bytes, ENT_E_LIMIT,
                "more than %zu bytes of base64", max_bytes);
    for (size_t i = 0; i < len; i++) {
        int v = value_of(alphabets[kind], text[i]);

        ENT_REQUIRE(v >= 0, ENT_E_DATA, "character %zu cannot stand in a base64 text", i + 1);
        bits = (bits << 6 | (uint32_t)v) & 0xffff;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            out[o++] = (uint8_t)(bits >> n_bits);
        }
    }
    ENT_REQUIRE((bits & ((1u << n_bits) - 1)) == 0, ENT_E_DATA,
                "the last character of a base64 text has bits too many");
    *n_bytes = o;
    return ENT_E_OK;
}
