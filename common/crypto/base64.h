/* Base64 (RFC 4648 4, with padding) and base64url (RFC 4648 5, without). Decoding is strict: one
 * text for one value. */
#ifndef ENT_COMMON_CRYPTO_BASE64_H
#define ENT_COMMON_CRYPTO_BASE64_H

#include <stdint.h>

#include "common/base/err.h"

enum ent_base64 { ENT_BASE64, ENT_BASE64_URL };

/* Characters for n bytes, without the ending zero byte. */
size_t ent_base64_len(enum ent_base64 kind, size_t n_bytes);
/* out: [ent_base64_len + 1]; ends with a zero byte. */
void ent_base64_encode(enum ent_base64 kind, const uint8_t *bytes, size_t len, char *out);
/* DATA for a character outside the alphabet (its position is named), a length that cannot be, wrong
 * padding, or bits set behind the last byte; LIMIT when more than max_bytes. out: [max_bytes]. */
ENT_MUST enum ent_err ent_base64_decode(enum ent_base64 kind, const char *text, size_t len,
                                        uint8_t *out, size_t max_bytes, size_t *n_bytes);

#endif
