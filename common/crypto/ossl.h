/* Shared inside this room only: OpenSSL's types and the one way to turn its errors into ours. */
#ifndef ENT_COMMON_CRYPTO_OSSL_H
#define ENT_COMMON_CRYPTO_OSSL_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "common/base/buf.h"
#include "common/crypto/secret.h"
#include "common/crypto/x509.h"

struct ent_tls_key {
    EVP_PKEY *pkey;
};

struct ent_cert {
    X509 *x509;
};

struct ent_crl {
    X509_CRL *crl;
};

/* Records "what: OpenSSL's reason", empties OpenSSL's queue of this thread and returns err. */
enum ent_err ent_ossl_error(enum ent_err err, const char *what);

/* A private key from or to a PKCS#8 PEM file (0600). `type` is EVP_PKEY_ED25519 or EVP_PKEY_EC;
 * `named` says what was expected in the message. */
ENT_MUST enum ent_err ent_ossl_key_load(const char *path, int type, const char *named,
                                        EVP_PKEY **out);
ENT_MUST enum ent_err ent_ossl_key_save(const EVP_PKEY *pkey, const char *path);

/* OK for an EC key on P-256 given by name; UNSUPPORTED otherwise. */
ENT_MUST enum ent_err ent_ossl_check_p256(const EVP_PKEY *pkey);

/* A parsed and verified request; caller frees with X509_REQ_free. Errors as ent_csr_check. */
ENT_MUST enum ent_err ent_ossl_csr_decode(const uint8_t *der, size_t len, X509_REQ **out);

/* Milliseconds since 1970, and back. CORRUPT when there is no such time. */
ENT_MUST enum ent_err ent_ossl_time_of(const ASN1_TIME *time, uint64_t *out_ms);
ENT_MUST enum ent_err ent_ossl_time_make(uint64_t ms, ASN1_TIME **out);

/* Appends len bytes that `write` produces (an i2d function's result). */
ENT_MUST enum ent_err ent_ossl_add_der(struct ent_buf *out, const unsigned char *der, int len,
                                       const char *what);

/* The first PEM block with this label of a file, as DER. */
ENT_MUST enum ent_err ent_ossl_pem_file(const char *path, const char *label, struct ent_buf *der);

#endif
