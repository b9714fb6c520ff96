/* Ed25519 signatures (RFC 8032): statement keys, witness keys, the log key, the root key. */
#ifndef ENT_COMMON_CRYPTO_SIGN_H
#define ENT_COMMON_CRYPTO_SIGN_H

#include <stdint.h>

#include "common/crypto/sha256.h"

#define ENT_SIGN_PUB_BYTES 32
#define ENT_SIGN_SEED_BYTES 32
#define ENT_SIGN_BYTES 64

struct ent_sign_key;
/* A public key made ready: what OpenSSL looks up and converts at each use is done once. */
struct ent_sign_pub;

ENT_MUST enum ent_err ent_sign_key_generate(struct ent_sign_key **out);
/* The key of an RFC 8032 seed (tests, derived keys). */
ENT_MUST enum ent_err ent_sign_key_of_seed(const uint8_t seed[ENT_SIGN_SEED_BYTES],
                                           struct ent_sign_key **out);
/* PKCS#8 PEM, mode 0600. EXISTS when the file is there: a key is never overwritten. */
ENT_MUST enum ent_err ent_sign_key_save(const struct ent_sign_key *key, const char *path);
/* PERMISSION when others can read the file; CORRUPT when it holds no Ed25519 key. NOT_FOUND, IO. */
ENT_MUST enum ent_err ent_sign_key_load(const char *path, struct ent_sign_key **out);
void ent_sign_key_free(struct ent_sign_key *key);
void ent_sign_key_pub(const struct ent_sign_key *key, uint8_t out[ENT_SIGN_PUB_BYTES]);

/* Signs the concatenation of the parts. Any thread may use one key at the same time. */
ENT_MUST enum ent_err ent_sign(const struct ent_sign_key *key, const struct ent_part *parts,
                               size_t n_parts, uint8_t out[ENT_SIGN_BYTES]);
/* SIGNATURE when it does not verify. `pub` passed ent_sign_pub_check when it was admitted. */
ENT_MUST enum ent_err ent_sign_verify(const uint8_t pub[ENT_SIGN_PUB_BYTES],
                                      const struct ent_part *parts, size_t n_parts,
                                      const uint8_t sig[ENT_SIGN_BYTES]);

/* SIGNATURE: not a key. */
ENT_MUST enum ent_err ent_sign_pub_new(const uint8_t pub[ENT_SIGN_PUB_BYTES],
                                       struct ent_sign_pub **out);
void ent_sign_pub_free(struct ent_sign_pub *pub); /* NULL is fine */
/* As ent_sign_verify. Any thread may use one key at the same time. */
ENT_MUST enum ent_err ent_sign_pub_verify(const struct ent_sign_pub *pub,
                                          const struct ent_part *parts, size_t n_parts,
                                          const uint8_t sig[ENT_SIGN_BYTES]);

/* Before a public key is admitted to a roster: a canonical encoding of a point on the curve that is
 * not of small order (under such a key one signature fits many messages). SIGNATURE otherwise.
 * Source: RFC 8032 5.1.3; Chalkias et al. 2020, "Taming the many EdDSAs". */
ENT_MUST enum ent_err ent_sign_pub_check(const uint8_t pub[ENT_SIGN_PUB_BYTES]);

#endif
