/* IN bytes · OUT bytes · OWNS its storage · THREADS one at a time · SOURCE OpenSSH sshbuf.h
 *
 * A growable buffer with its hard maximum fixed at birth, and a bounds-checked reader. */
#ifndef ENT_COMMON_BASE_BUF_H
#define ENT_COMMON_BASE_BUF_H

#include <stdint.h>

#include "common/base/err.h"

struct ent_buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max; /* bytes; ENT_E_LIMIT beyond */
};

void ent_buf_init(struct ent_buf *buf, size_t max_bytes);
void ent_buf_release(struct ent_buf *buf); /* frees; the buffer is as after init */
void ent_buf_clear(struct ent_buf *buf);   /* len = 0, storage kept */
void ent_buf_wipe(struct ent_buf *buf);    /* overwrites, then releases */
/* Room for len bytes beforehand, so that growing leaves no copies of a secret behind. */
ENT_MUST enum ent_err ent_buf_reserve(struct ent_buf *buf, size_t len);

ENT_MUST enum ent_err ent_buf_add(struct ent_buf *buf, const void *bytes, size_t len);
ENT_MUST enum ent_err ent_buf_add_u8(struct ent_buf *buf, uint8_t v);
ENT_MUST enum ent_err ent_buf_add_be32(struct ent_buf *buf, uint32_t v);
ENT_MUST enum ent_err ent_buf_add_be64(struct ent_buf *buf, uint64_t v);
ENT_MUST enum ent_err ent_buf_addf(struct ent_buf *buf, const char *fmt, ...) ENT_PRINTF(2, 3);
/* len more zeroed bytes; *out points at them until the next add. */
ENT_MUST enum ent_err ent_buf_extend(struct ent_buf *buf, size_t len, uint8_t **out);
/* The content as a C string (a zero byte is kept behind it). */
ENT_MUST enum ent_err ent_buf_str(struct ent_buf *buf, const char **out);

/* Loads and stores at any alignment. */
uint16_t ent_get_be16(const uint8_t *p);
uint32_t ent_get_be32(const uint8_t *p);
uint64_t ent_get_be64(const uint8_t *p);
void ent_put_be16(uint8_t *p, uint16_t v);
void ent_put_be32(uint8_t *p, uint32_t v);
void ent_put_be64(uint8_t *p, uint64_t v);
uint32_t ent_get_le32(const uint8_t *p);
uint64_t ent_get_le64(const uint8_t *p);
void ent_put_le32(uint8_t *p, uint32_t v);
void ent_put_le64(uint8_t *p, uint64_t v);

/* Whether no bit is set: a digest that is none. Not for secrets. */
bool ent_all_zero(const void *bytes, size_t len);

/* Lower-case hex of len bytes into out[2 * len + 1]. */
void ent_hex(const uint8_t *bytes, size_t len, char *out);
/* Exactly 2 * len hex digits. USAGE otherwise. */
ENT_MUST enum ent_err ent_unhex(const char *hex, uint8_t *out, size_t len);

#endif
