#include "common/schema/text.h"

#include <string.h>

bool ent_text_is_name(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = s[i];
        bool alnum = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

        if (!alnum && (c == '\0' || strchr(" ._:/@+-", c) == NULL)) {
            return false;
        }
    }
    return true;
}

/* Length of the sequence that a first byte announces; 0 for a byte that cannot be first. */
static size_t sequence_len(uint8_t first)
{
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        return 2;
    }
    if (first >= 0xE0 && first <= 0xEF) {
        return 3;
    }
    return first >= 0xF0 && first <= 0xF4 ? 4 : 0;
}

/* One character at s (len > 0 bytes left): its length and code point; 0 when it is not valid UTF-8. */
static size_t decode_one(const char *s, size_t len, uint32_t *code)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = (uint8_t)s[0];
    size_t n = sequence_len(first);
    uint32_t c;

    if (n == 0 || n > len) {
        return 0;
    }
    c = n == 1 ? first : first & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        uint8_t b = (uint8_t)s[i];

        if ((b & 0xC0) != 0x80) {
            return 0;
        }
        c = c << 6 | (b & 0x3F);
    }
    if (c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) {
        return 0;
    }
    *code = c;
    return n;
}

static bool printable(uint32_t c)
{
    static const uint32_t refused[][2] = {
        {0x00, 0x1F},     {0x7F, 0x9F},     {0x061C, 0x061C}, {0x200B, 0x200F}, {0x2028, 0x202E},
        {0x2060, 0x206F}, {0xFDD0, 0xFDEF}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB},
    };

    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (c >= refused[i][0] && c <= refused[i][1]) {
            return false;
        }
    }
    return (c & 0xFFFE) != 0xFFFE;
}

bool ent_text_is_printable(const char *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint32_t code = 0;
        size_t n = decode_one(s + i, len - i, &code);

        if (n == 0 || !printable(code)) {
            return false;
        }
        i += n;
    }
    return true;
}

void ent_text_fit(const char *s, char *out, size_t max_bytes)
{
    size_t len = strlen(s);
    size_t used = 0;

    for (size_t i = 0; i < len;) {
        uint32_t code = 0;
        size_t n = decode_one(s + i, len - i, &code);
        bool good = n > 0 && printable(code);
        size_t need = good ? n : 1;

        if (need > max_bytes - used) {
            break;
        }
        if (good) {
            memcpy(out + used, s + i, n);
        } else {
            out[used] = '?';
        }
        used += need;
        i += n > 0 ? n : 1;
    }
    out[used] = '\0';
}
