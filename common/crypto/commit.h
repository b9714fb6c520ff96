/* Commitments of the audit log that are hashing and nothing else (audit.md 2.2, 2.7, 2.8): names,
 * the budget ledger, and the seed of verifiable noise. A label is its text and one zero byte;
 * integers are big-endian. Every commitment to something that can be guessed is salted. */
#ifndef ENT_COMMON_CRYPTO_COMMIT_H
#define ENT_COMMON_CRYPTO_COMMIT_H

#include <stdint.h>

#include "common/crypto/sha256.h"

#define ENT_SALT_BYTES 32
#define ENT_COMMIT_HANDLE_BYTES 16
#define ENT_NOISE_SEED_BYTES 32
#define ENT_NOISE_NONCE_BYTES 32
#define ENT_NOISE_KEY_BYTES 32

/* SHA-256("entente/name/v1\0" || salt || name). */
ENT_MUST enum ent_err ent_name_commit(const uint8_t salt[ENT_SALT_BYTES], const char *name,
                                      uint8_t out[ENT_SHA256_BYTES]);

/* ---- ledger: a chain of digests, one a budget event of a scope ---- */

/* Digest 0 = SHA-256("entente/ledger/v1\0" || u64 0 || salt || scope). */
ENT_MUST enum ent_err ent_ledger_start(const uint8_t salt[ENT_SALT_BYTES], struct ent_part scope,
                                       uint8_t out[ENT_SHA256_BYTES]);
/* Digest seq (1, 2, ...) = SHA-256("entente/ledger/v1\0" || u64 seq || digest seq-1 || event). out
 * may be prev. */
ENT_MUST enum ent_err ent_ledger_next(uint64_t seq, const uint8_t prev[ENT_SHA256_BYTES],
                                      struct ent_part event, uint8_t out[ENT_SHA256_BYTES]);

/* ---- noise (the sampler is elsewhere) ---- */

struct ent_noise_where {
    uint32_t run;
    uint64_t round;
    uint32_t attempt;
};

/* Before inputs: SHA-256("entente/noise-commit/v1\0" || federation id || where || seed). */
ENT_MUST enum ent_err ent_noise_commit(const uint8_t federation_id[ENT_COMMIT_HANDLE_BYTES],
                                       const struct ent_noise_where *where,
                                       const uint8_t seed[ENT_NOISE_SEED_BYTES],
                                       uint8_t out[ENT_SHA256_BYTES]);

/* What a member commits to for its next join: SHA-256(nonce). */
ENT_MUST enum ent_err ent_noise_nonce_commit(const uint8_t nonce[ENT_NOISE_NONCE_BYTES],
                                             uint8_t out[ENT_SHA256_BYTES]);

enum ent_noise_join {
    ENT_NOISE_JOIN_COUNTED,     /* the nonce opens the standing commitment: it enters the salt */
    ENT_NOISE_JOIN_COMMIT_ONLY, /* no commitment stands and no nonce came */
    ENT_NOISE_JOIN_REJECT       /* anything else (bad_nonce) */
};

/* standing: the member's commitment from its last join or its admission; NULL when there is none. */
ENT_MUST enum ent_err ent_noise_join(const uint8_t standing[ENT_SHA256_BYTES],
                                     struct ent_part nonce, enum ent_noise_join *out);

struct ent_noise_nonce {
    uint8_t handle[ENT_COMMIT_HANDLE_BYTES];
    uint8_t nonce[ENT_NOISE_NONCE_BYTES];
};

/* SHA-256("entente/noise-salt/v1\0" || leaf hash of round.open || handle || nonce ...), ascending by
 * handle. nonces: [n] in any order, the counted ones only; not changed. SHAPE when a handle stands
 * twice. */
ENT_MUST enum ent_err ent_noise_salt(const uint8_t round_open[ENT_SHA256_BYTES],
                                     const struct ent_noise_nonce *nonces, size_t n,
                                     uint8_t out[ENT_SHA256_BYTES]);

/* HKDF-SHA256(ikm = seed, salt, info = "entente/noise-key/v1\0" || where). out is a secret: the
 * bytes of a struct ent_secret. */
ENT_MUST enum ent_err ent_noise_key(const uint8_t seed[ENT_NOISE_SEED_BYTES],
                                    const uint8_t salt[ENT_SHA256_BYTES],
                                    const struct ent_noise_where *where,
                                    uint8_t out[ENT_NOISE_KEY_BYTES]);

#endif
