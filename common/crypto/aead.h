/* Authenticated encryption: ChaCha20-Poly1305 (RFC 8439) and AES-256-GCM (SP 800-38D). Waits for secure aggregation, whose
 * shares travel sealed: nothing uses it yet. */
#ifndef ENT_COMMON_CRYPTO_AEAD_H
#define ENT_COMMON_CRYPTO_AEAD_H

#include <stdint.h>

#include "common/crypto/sha256.h"

#define ENT_AEAD_KEY_BYTES 32
#define ENT_AEAD_NONCE_BYTES 12 /* never twice under one key */
#define ENT_AEAD_TAG_BYTES 16

enum ent_aead { ENT_AEAD_CHACHA20_POLY1305, ENT_AEAD_AES_256_GCM };

struct ent_aead_input {
    enum ent_aead aead;
    const uint8_t *key;    /* [ENT_AEAD_KEY_BYTES] */
    const uint8_t *nonce;  /* [ENT_AEAD_NONCE_BYTES] */
    struct ent_part aad;   /* authenticated, not encrypted */
    struct ent_part bytes; /* seal: plain text; open: ciphertext and tag */
};

/* out: [bytes.len + ENT_AEAD_TAG_BYTES]. May not overlap the input. LIMIT beyond 2^31 - 1 bytes. */
ENT_MUST enum ent_err ent_aead_seal(const struct ent_aead_input *in, uint8_t *out);
/* out: [bytes.len - ENT_AEAD_TAG_BYTES], zeroed on error. SIGNATURE when it was altered (or is
 * shorter than a tag). */
ENT_MUST enum ent_err ent_aead_open(const struct ent_aead_input *in, uint8_t *out);

#endif
