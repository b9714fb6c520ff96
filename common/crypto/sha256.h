/* IN bytes · OUT digests, keys, certificates · OWNS the handles it returns
 * THREADS any, one handle on one thread at a time unless it says const · SOURCE OpenSSL 3.0 EVP
 *
 * The only room (with net/tls_openssl.c) that knows OpenSSL. This header: SHA-256 (FIPS 180-4). */
#ifndef ENT_COMMON_CRYPTO_SHA256_H
#define ENT_COMMON_CRYPTO_SHA256_H

#include <stdint.h>

#include "common/base/err.h"

#define ENT_SHA256_BYTES 32

/* One piece of a message that is hashed or signed without being copied together by the caller. */
struct ent_part {
    const void *bytes; /* may be NULL when len is 0 */
    size_t len;
};

/* A digest being computed; lives in its owner's struct. All zero is a legal, unused state. */
struct ent_sha256 {
    struct evp_md_ctx_st *ctx;
};

/* Starts (or, on one in use, starts again). NO_MEMORY. */
ENT_MUST enum ent_err ent_sha256_init(struct ent_sha256 *hash);
void ent_sha256_add(struct ent_sha256 *hash, const void *bytes, size_t len);
/* The digest of what was added. The hash must be started again before more is added. */
void ent_sha256_finish(struct ent_sha256 *hash, uint8_t out[ENT_SHA256_BYTES]);
void ent_sha256_release(struct ent_sha256 *hash);

/* One-shot forms. NO_MEMORY is the only error. */
ENT_MUST enum ent_err ent_sha256(const void *bytes, size_t len, uint8_t out[ENT_SHA256_BYTES]);
ENT_MUST enum ent_err ent_sha256_parts(const struct ent_part *parts, size_t n_parts,
                                       uint8_t out[ENT_SHA256_BYTES]);
/* RFC 6962 leaf hash: SHA-256(0x00 || bytes). */
ENT_MUST enum ent_err ent_sha256_leaf(const void *bytes, size_t len, uint8_t out[ENT_SHA256_BYTES]);
/* RFC 6962 inner node: SHA-256(0x01 || left || right). */
ENT_MUST enum ent_err ent_sha256_node(const uint8_t left[ENT_SHA256_BYTES],
                                      const uint8_t right[ENT_SHA256_BYTES],
                                      uint8_t out[ENT_SHA256_BYTES]);
/* The same with a context to work with, reused from call to call (all zero at first use, released by
 * the caller): no allocation after the first. For trees, where these are called a million times. */
ENT_MUST enum ent_err ent_sha256_leaf_with(struct ent_sha256 *hash, const void *bytes, size_t len,
                                           uint8_t out[ENT_SHA256_BYTES]);
ENT_MUST enum ent_err ent_sha256_node_with(struct ent_sha256 *hash,
                                           const uint8_t left[ENT_SHA256_BYTES],
                                           const uint8_t right[ENT_SHA256_BYTES],
                                           uint8_t out[ENT_SHA256_BYTES]);
/* Digest of a whole file, in constant memory. NOT_FOUND, IO. */
ENT_MUST enum ent_err ent_sha256_file(const char *path, uint8_t out[ENT_SHA256_BYTES]);

/* "OpenSSL 3.0.x ...", for ent_version_add. */
const char *ent_crypto_library(void);

#endif
