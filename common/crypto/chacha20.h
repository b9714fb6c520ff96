/* The ChaCha20 key stream (RFC 8439 block function, 64-bit counter form), for exact noise: not for encrypting. */
#ifndef ENT_COMMON_CRYPTO_CHACHA20_H
#define ENT_COMMON_CRYPTO_CHACHA20_H

#include <stdint.h>

#include "common/base/err.h"

#define ENT_CHACHA20_KEY_BYTES 32
/* Block counter (8 bytes, little-endian), then nonce. */
#define ENT_CHACHA20_IV_BYTES 16

/* A stream being read; all zero is a legal, unused state. */
struct ent_chacha20 {
    struct evp_cipher_ctx_st *ctx;
};

/* Starts the stream (or starts another with the same struct, without allocating again). NO_MEMORY, INTERNAL. */
ENT_MUST enum ent_err ent_chacha20_init(struct ent_chacha20 *stream,
                                        const uint8_t key[ENT_CHACHA20_KEY_BYTES],
                                        const uint8_t iv[ENT_CHACHA20_IV_BYTES]);
/* The next len bytes of the stream, len <= 2^30. */
ENT_MUST enum ent_err ent_chacha20_read(struct ent_chacha20 *stream, uint8_t *out, size_t len);
/* Cleanses and frees. */
void ent_chacha20_release(struct ent_chacha20 *stream);

#endif
