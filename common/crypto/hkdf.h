/* HKDF with SHA-256 (RFC 5869): the keys of seals (hpke.h) and of noise (commit.h). */
#ifndef ENT_COMMON_CRYPTO_HKDF_H
#define ENT_COMMON_CRYPTO_HKDF_H

#include <stdint.h>

#include "common/crypto/sha256.h"

#define ENT_HKDF_MAX_BYTES ((size_t)255 * 32)

/* out_len bytes (1 to ENT_HKDF_MAX_BYTES; LIMIT otherwise). An empty salt is a string of 32 zeros
 * (RFC 5869 2.2). */
ENT_MUST enum ent_err ent_hkdf_sha256(struct ent_part ikm, struct ent_part salt,
                                      struct ent_part info, uint8_t *out, size_t out_len);

#endif
