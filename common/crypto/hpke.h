/* HPKE in base mode, single shot (RFC 9180: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
 * ChaCha20-Poly1305, sequence 0): seals bytes to the holder of an X25519 key. OpenSSL 3.0 has no
 * HPKE of its own.
 *
 * sealed = enc[32] || ciphertext (as long as the plain text) || tag[16]
 *
 * Each sealing draws a fresh ephemeral key from ent_csprng, which is gone when it has begun. Tests
 * of known answers inject it where all randomness is injected: ent_hook_random of the test link
 * (crypto/csprng.h). Base mode does not say who sealed. */
#ifndef ENT_COMMON_CRYPTO_HPKE_H
#define ENT_COMMON_CRYPTO_HPKE_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/crypto/x25519.h"

#define ENT_HPKE_ENC_BYTES 32
#define ENT_HPKE_TAG_BYTES 16
#define ENT_HPKE_EXTRA_BYTES (ENT_HPKE_ENC_BYTES + ENT_HPKE_TAG_BYTES)
#define ENT_HPKE_INFO_MAX_BYTES 256 /* a label of ours */
/* ChaCha20 counts 64-byte blocks in 32 bits, from 1. */
#define ENT_HPKE_PLAIN_MAX_BYTES ((UINT64_C(1) << 38) - 64)

/* What both sides must agree on. All of it is borrowed for the call. */
struct ent_hpke_context {
    struct ent_part info; /* what this is for; LIMIT beyond ENT_HPKE_INFO_MAX_BYTES */
    struct ent_part aad;  /* authenticated with the bytes, not stored in them */
};

struct ent_hpke_sealer;
struct ent_hpke_opener;

/* ---- sealing piece by piece, without a second copy ---- */

/* enc: the first 32 bytes of the sealed text. SIGNATURE when pk is no key to seal to (small order);
 * LIMIT, NO_MEMORY. */
ENT_MUST enum ent_err ent_hpke_seal_begin(const uint8_t pk[ENT_X25519_PUB_BYTES],
                                          const struct ent_hpke_context *context,
                                          uint8_t enc[ENT_HPKE_ENC_BYTES],
                                          struct ent_hpke_sealer **out);
/* out: [len], the next piece of the ciphertext; may be `bytes` itself, no other overlap. LIMIT
 * beyond ENT_HPKE_PLAIN_MAX_BYTES in all. */
ENT_MUST enum ent_err ent_hpke_seal_update(struct ent_hpke_sealer *sealer, const void *bytes,
                                           size_t len, uint8_t *out);
/* The last 16 bytes of the sealed text. Once; only freeing comes after it. */
ENT_MUST enum ent_err ent_hpke_seal_finish(struct ent_hpke_sealer *sealer,
                                           uint8_t tag[ENT_HPKE_TAG_BYTES]);
void ent_hpke_seal_free(struct ent_hpke_sealer *sealer); /* NULL is fine */

/* ---- opening piece by piece ---- */

/* SIGNATURE when enc is no public key. */
ENT_MUST enum ent_err ent_hpke_open_begin(const struct ent_x25519_key *key,
                                          const struct ent_hpke_context *context,
                                          const uint8_t enc[ENT_HPKE_ENC_BYTES],
                                          struct ent_hpke_opener **out);
/* out: [len], the next piece of the plain text; may be `bytes` itself, no other overlap. Nothing of
 * it is authentic, and nothing may be believed or acted on, before ent_hpke_open_finish is OK. */
ENT_MUST enum ent_err ent_hpke_open_update(struct ent_hpke_opener *opener, const void *bytes,
                                           size_t len, uint8_t *out);
/* SIGNATURE when the bytes were altered, or sealed to another key or for another context. Once. */
ENT_MUST enum ent_err ent_hpke_open_finish(struct ent_hpke_opener *opener,
                                           const uint8_t tag[ENT_HPKE_TAG_BYTES]);
void ent_hpke_open_free(struct ent_hpke_opener *opener); /* NULL is fine */

/* ---- in one call ---- */

/* Appends plain.len + ENT_HPKE_EXTRA_BYTES to `out`, which is as before on error. Errors of the
 * pieces; LIMIT when `out` has no room. */
ENT_MUST enum ent_err ent_hpke_seal(const uint8_t pk[ENT_X25519_PUB_BYTES],
                                    const struct ent_hpke_context *context, struct ent_part plain,
                                    struct ent_buf *out);
/* out: [sealed.len - ENT_HPKE_EXTRA_BYTES], zeroed on error; may be where the ciphertext stands
 * (sealed.bytes + ENT_HPKE_ENC_BYTES), no other overlap; `sealed` may be a mapped file. SIGNATURE
 * when it does not open, or is shorter than ENT_HPKE_EXTRA_BYTES. */
ENT_MUST enum ent_err ent_hpke_open(const struct ent_x25519_key *key,
                                    const struct ent_hpke_context *context, struct ent_part sealed,
                                    uint8_t *out);

#endif
