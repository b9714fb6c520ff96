/* TLS keys (ECDSA P-256), signing requests, certificates and revocation lists; callers never see
 * OpenSSL's types. Mechanism only: what a certificate of ours contains is said in certs/. Time is
 * always an argument. */
#ifndef ENT_COMMON_CRYPTO_X509_H
#define ENT_COMMON_CRYPTO_X509_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/crypto/sha256.h"

#define ENT_SERIAL_BYTES 20
#define ENT_CERT_URI_MAX 256
#define ENT_CERT_DER_MAX_BYTES ((size_t)8 * 1024)
#define ENT_CSR_DER_MAX_BYTES ((size_t)4 * 1024)
/* A revocation list of 4,096 revoked members with 16 certificates each, about 37 bytes a certificate. */
#define ENT_CRL_DER_MAX_BYTES ((size_t)4096 * 16 * 40 + 4096)
#define ENT_PEM_MAX_BYTES ((size_t)4 * 1024 * 1024) /* files of certificates and lists */

struct ent_tls_key;
struct ent_cert;
struct ent_crl;

/* --- keys --- */
ENT_MUST enum ent_err ent_tls_key_generate(struct ent_tls_key **out);
/* PKCS#8 PEM, mode 0600; EXISTS when the file is there. */
ENT_MUST enum ent_err ent_tls_key_save(const struct ent_tls_key *key, const char *path);
/* PERMISSION when others can read it; CORRUPT when it holds no P-256 key. NOT_FOUND, IO. */
ENT_MUST enum ent_err ent_tls_key_load(const char *path, struct ent_tls_key **out);
void ent_tls_key_free(struct ent_tls_key *key);

/* --- signing requests (PKCS#10, DER) --- */
/* Appended to `der`. common_name is only decoration: an issuer takes nothing but the key. */
ENT_MUST enum ent_err ent_csr_make(const struct ent_tls_key *key, const char *common_name,
                                   struct ent_buf *der);
/* DATA when it is not exactly one request, LIMIT beyond ENT_CSR_DER_MAX_BYTES; SIGNATURE when it is
 * not signed by the key in it; UNSUPPORTED for any key but P-256. */
ENT_MUST enum ent_err ent_csr_check(const uint8_t *der, size_t len);

/* --- certificates --- */
struct ent_cert_spec {
    const char *common_name;
    const char *uri;  /* subjectAltName URI; NULL for none */
    const char *host; /* subjectAltName DNS or IP; NULL for none */
    bool ca;          /* may sign certificates and CRLs, nothing else; path length 0 */
    bool server_auth;
    bool client_auth;
    uint64_t not_before_ms;
    uint64_t not_after_ms;
};

/* A self-signed authority (spec->ca). */
ENT_MUST enum ent_err ent_cert_make_ca(const struct ent_cert_spec *spec,
                                       const struct ent_tls_key *key, struct ent_cert **out);
/* For the key of a request (checked as by ent_csr_check). Serial: 127 random bits. */
ENT_MUST enum ent_err ent_cert_issue_csr(const struct ent_cert_spec *spec,
                                         const struct ent_cert *ca,
                                         const struct ent_tls_key *ca_key, const uint8_t *csr,
                                         size_t csr_len, struct ent_cert **out);
/* For a key of our own. */
ENT_MUST enum ent_err ent_cert_issue_key(const struct ent_cert_spec *spec,
                                         const struct ent_cert *ca,
                                         const struct ent_tls_key *ca_key,
                                         const struct ent_tls_key *key, struct ent_cert **out);
/* Exactly one DER certificate, nothing behind it. DATA, LIMIT. */
ENT_MUST enum ent_err ent_cert_decode(const uint8_t *der, size_t len, struct ent_cert **out);
ENT_MUST enum ent_err ent_cert_encode(const struct ent_cert *cert,
                                      struct ent_buf *der); /* appended */
/* Its public key as a SubjectPublicKeyInfo (RFC 5280 4.1), DER, appended: what a roster registers. */
ENT_MUST enum ent_err ent_cert_public(const struct ent_cert *cert, struct ent_buf *der);
ENT_MUST enum ent_err ent_cert_encode_pem(const struct ent_cert *cert,
                                          struct ent_buf *pem); /* appended */
/* The first certificate of a PEM file. NOT_FOUND, IO, CORRUPT. */
ENT_MUST enum ent_err ent_cert_load(const char *path, struct ent_cert **out);
/* PEM file, replaced atomically; `chain` (may be NULL) follows in the same file. */
ENT_MUST enum ent_err ent_cert_save(const struct ent_cert *cert, const struct ent_cert *chain,
                                    const char *path);
void ent_cert_free(struct ent_cert *cert);

struct ent_cert_info {
    uint8_t sha256[ENT_SHA256_BYTES]; /* of the DER bytes: the fingerprint in tokens */
    uint8_t serial[ENT_SERIAL_BYTES]; /* big-endian, zeros in front */
    char uri[ENT_CERT_URI_MAX];       /* its one subjectAltName URI; "" for none or several */
    char common_name[128];
    uint64_t not_before_ms;
    uint64_t not_after_ms;
    bool ca;
    bool server_auth;
    bool client_auth;
};
ENT_MUST enum ent_err ent_cert_info(const struct ent_cert *cert, struct ent_cert_info *out);
/* Whether the certificate is for this key. DIGEST when not. */
ENT_MUST enum ent_err ent_cert_check_key(const struct ent_cert *cert,
                                         const struct ent_tls_key *key);
/* Whether it names this DNS name or IP address. TLS when not. */
ENT_MUST enum ent_err ent_cert_check_host(const struct ent_cert *cert, const char *host);

enum ent_cert_purpose { ENT_CERT_ANY, ENT_CERT_SERVER, ENT_CERT_CLIENT };
/* What a TLS peer would check, at wall_ms: signed by `ca`, in its time, for this purpose, not on
 * `crl` (NULL: not asked). EXPIRED (also not yet valid), REVOKED, TLS with OpenSSL's words. */
ENT_MUST enum ent_err ent_cert_verify(const struct ent_cert *cert, const struct ent_cert *ca,
                                      const struct ent_crl *crl, enum ent_cert_purpose purpose,
                                      uint64_t wall_ms);

/* --- revocation lists --- */
struct ent_crl_spec {
    const uint8_t (*serials)[ENT_SERIAL_BYTES];
    size_t n_serials;
    uint64_t number; /* never falls: newer list, higher number */
    uint64_t this_update_ms;
    uint64_t next_update_ms;
};
ENT_MUST enum ent_err ent_crl_make(const struct ent_crl_spec *spec, const struct ent_cert *ca,
                                   const struct ent_tls_key *ca_key, struct ent_crl **out);
ENT_MUST enum ent_err ent_crl_decode(const uint8_t *der, size_t len, struct ent_crl **out);
ENT_MUST enum ent_err ent_crl_encode(const struct ent_crl *crl, struct ent_buf *der); /* appended */
ENT_MUST enum ent_err ent_crl_load(const char *path, struct ent_crl **out);           /* PEM */
ENT_MUST enum ent_err ent_crl_save(const struct ent_crl *crl,
                                   const char *path); /* PEM, atomically */
void ent_crl_free(struct ent_crl *crl);

struct ent_crl_info {
    uint64_t number;
    uint64_t this_update_ms;
    uint64_t next_update_ms;
    size_t n_serials;
};
ENT_MUST enum ent_err ent_crl_info(const struct ent_crl *crl, struct ent_crl_info *out);
/* SIGNATURE when `ca` did not sign it. */
ENT_MUST enum ent_err ent_crl_verify(const struct ent_crl *crl, const struct ent_cert *ca);
bool ent_crl_has(const struct ent_crl *crl, const uint8_t serial[ENT_SERIAL_BYTES]);

/* --- PEM --- */
/* One block with this label ("CERTIFICATE", "X509 CRL"), appended. */
ENT_MUST enum ent_err ent_pem_encode(const char *label, const uint8_t *der, size_t len,
                                     struct ent_buf *pem);
/* The next block of a bundle with this label, from *pos on; its DER bytes are appended and *pos
 * moves behind it. NOT_FOUND after the last one; DATA when a block is damaged; LIMIT. */
ENT_MUST enum ent_err ent_pem_next(const char *label, const char *pem, size_t len, size_t *pos,
                                   struct ent_buf *der);

#endif
