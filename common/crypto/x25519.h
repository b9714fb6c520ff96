/* X25519 key agreement (RFC 7748): the keys of auditors, to whom updates and round secrets are
 * sealed (hpke.h). */
#ifndef ENT_COMMON_CRYPTO_X25519_H
#define ENT_COMMON_CRYPTO_X25519_H

#include <stdint.h>

#include "common/crypto/sha256.h"

#define ENT_X25519_PUB_BYTES 32
#define ENT_X25519_SECRET_BYTES 32
#define ENT_X25519_SHARED_BYTES 32
/* The text that people compare: SHA-256 of the public key, all of it in lower-case hex. */
#define ENT_FINGERPRINT_CHARS (2 * ENT_SHA256_BYTES)

struct ent_x25519_key;

ENT_MUST enum ent_err ent_x25519_key_generate(struct ent_x25519_key **out);
/* The key with this private half (any 32 bytes). Copied; the caller cleanses its own. */
ENT_MUST enum ent_err ent_x25519_key_of_secret(const uint8_t secret[ENT_X25519_SECRET_BYTES],
                                               struct ent_x25519_key **out);
/* PKCS#8 PEM, mode 0600. EXISTS when the file is there: a key is never overwritten. */
ENT_MUST enum ent_err ent_x25519_key_save(const struct ent_x25519_key *key, const char *path);
/* PERMISSION when others can read the file; CORRUPT when it holds no X25519 key. NOT_FOUND, IO. */
ENT_MUST enum ent_err ent_x25519_key_load(const char *path, struct ent_x25519_key **out);
void ent_x25519_key_free(struct ent_x25519_key *key); /* NULL is fine */
void ent_x25519_key_pub(const struct ent_x25519_key *key, uint8_t out[ENT_X25519_PUB_BYTES]);

/* The secret that both sides come to. SIGNATURE when it is all zero: the other side's key is a
 * point of small order, and the "secret" would be known to everybody (RFC 7748 6.1). The caller
 * cleanses `out`. Any thread may use one key at the same time. */
ENT_MUST enum ent_err ent_x25519_agree(const struct ent_x25519_key *key,
                                       const uint8_t peer[ENT_X25519_PUB_BYTES],
                                       uint8_t out[ENT_X25519_SHARED_BYTES]);

/* Before a public key is admitted: SIGNATURE for a point of small order. */
ENT_MUST enum ent_err ent_x25519_pub_check(const uint8_t pub[ENT_X25519_PUB_BYTES]);

/* out: ENT_FINGERPRINT_CHARS hex digits and a zero byte. Also for 32-byte keys of other kinds. */
ENT_MUST enum ent_err ent_fingerprint(const uint8_t pub[ENT_X25519_PUB_BYTES],
                                      char out[ENT_FINGERPRINT_CHARS + 1]);

#endif
