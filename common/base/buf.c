#include "common/base/buf.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

void ent_buf_init(struct ent_buf *buf, size_t max_bytes)
{
    *buf = (struct ent_buf){.max = max_bytes};
}

void ent_buf_release(struct ent_buf *buf)
{
    free(buf->data);
    ent_buf_init(buf, buf->max);
}

void ent_buf_clear(struct ent_buf *buf)
{
    buf->len = 0;
}

void ent_buf_wipe(struct ent_buf *buf)
{
    if (buf->data != NULL) {
        explicit_bzero(buf->data, buf->cap);
    }
    ent_buf_release(buf);
}

enum ent_err ent_buf_reserve(struct ent_buf *buf, size_t len)
{
    size_t had = buf->len;
    uint8_t *p;

    ENT_TRY(ent_buf_extend(buf, len, &p));
    buf->len = had;
    return ENT_E_OK;
}

enum ent_err ent_buf_extend(struct ent_buf *buf, size_t len, uint8_t **out)
{
    size_t need;
    size_t old_cap = buf->cap;

    ENT_TRY(ent_size_add(buf->len, len, &need));
    ENT_REQUIRE(need <= buf->max, ENT_E_LIMIT, "buffer limit of %zu bytes exceeded", buf->max);
    ENT_TRY(ent_grow(&buf->data, &buf->cap, need + 1, 1));
    if (buf->cap == old_cap) {
        memset(buf->data + buf->len, 0, len + 1);
    }
    *out = buf->data + buf->len;
    buf->len = need;
    return ENT_E_OK;
}

enum ent_err ent_buf_add(struct ent_buf *buf, const void *bytes, size_t len)
{
    uint8_t *p;

    ENT_TRY(ent_buf_extend(buf, len, &p));
    if (len > 0) {
        memcpy(p, bytes, len);
    }
    return ENT_E_OK;
}

enum ent_err ent_buf_add_u8(struct ent_buf *buf, uint8_t v)
{
    return ent_buf_add(buf, &v, 1);
}

enum ent_err ent_buf_add_be32(struct ent_buf *buf, uint32_t v)
{
    uint8_t b[4];

    ent_put_be32(b, v);
    return ent_buf_add(buf, b, sizeof b);
}

enum ent_err ent_buf_add_be64(struct ent_buf *buf, uint64_t v)
{
    uint8_t b[8];

    ent_put_be64(b, v);
    return ent_buf_add(buf, b, sizeof b);
}

enum ent_err ent_buf_addf(struct ent_buf *buf, const char *fmt, ...)
{
    va_list ap;
    va_list again;
    int len;
    uint8_t *p = NULL;
    enum ent_err err;

    va_start(ap, fmt);
    va_copy(again, ap);
    len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    err = len < 0 ? ENT_E_INTERNAL : ent_buf_extend(buf, (size_t)len, &p);
    if (err == ENT_E_OK) {
        (void)vsnprintf((char *)p, (size_t)len + 1, fmt, again);
    }
    va_end(again);
    return err;
}

enum ent_err ent_buf_str(struct ent_buf *buf, const char **out)
{
    ENT_TRY(ent_grow(&buf->data, &buf->cap, buf->len + 1, 1));
    buf->data[buf->len] = 0;
    *out = (const char *)buf->data;
    return ENT_E_OK;
}

uint16_t ent_get_be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t ent_get_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

uint64_t ent_get_be64(const uint8_t *p)
{
    return (uint64_t)ent_get_be32(p) << 32 | ent_get_be32(p + 4);
}

void ent_put_be16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

void ent_put_be32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (24 - 8 * i));
    }
}

void ent_put_be64(uint8_t *p, uint64_t v)
{
    ent_put_be32(p, (uint32_t)(v >> 32));
    ent_put_be32(p + 4, (uint32_t)v);
}

uint32_t ent_get_le32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

uint64_t ent_get_le64(const uint8_t *p)
{
    return (uint64_t)ent_get_le32(p + 4) << 32 | ent_get_le32(p);
}

void ent_put_le32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

void ent_put_le64(uint8_t *p, uint64_t v)
{
    ent_put_le32(p, (uint32_t)v);
    ent_put_le32(p + 4, (uint32_t)(v >> 32));
}

bool ent_all_zero(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;

    for (size_t i = 0; i < len; i++) {
        if (p[i] != 0) {
            return false;
        }
    }
    return true;
}

void ent_hex(const uint8_t *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = '\0';
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

enum ent_err ent_unhex(const char *hex, uint8_t *out, size_t len)
{
    ENT_REQUIRE(strlen(hex) == 2 * len, ENT_E_USAGE, "expected %zu hex digits", 2 * len);
    for (size_t i = 0; i < 2 * len; i++) {
        ENT_REQUIRE(nibble(hex[i]) >= 0, ENT_E_USAGE, "not a hex digit at position %zu", i + 1);
    }
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)((unsigned)nibble(hex[2 * i]) << 4 | (unsigned)nibble(hex[2 * i + 1]));
    }
    return ENT_E_OK;
}
