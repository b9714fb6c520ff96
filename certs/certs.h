/* IN keys, requests, times · OUT certificates of ours · OWNS nothing · THREADS any
 * SOURCE protocol.md 3
 *
 * What a certificate of ours looks like: one table, and the calls of init, enrolment and renewal.
 *
 *   kind         subjectAltName                         usage              valid
 *   authority    -                                      certificates, CRL  10 years
 *   coordinator  host (DNS or IP),                      server             10 years
 *                urn:entente:<federation>:coordinator
 *   member       urn:entente:<federation>:<handle>      client             90 days, renewed at 60
 *   CRL                                                                    7 days, made anew daily
 *
 * Federation and handle are 32 lower-case hex digits. notBefore lies 24 h back, so that a slow
 * clock at the member does no harm. The enrolment listener shows a coordinator certificate, whose
 * fingerprint stands in the token. */
#ifndef ENT_CERTS_CERTS_H
#define ENT_CERTS_CERTS_H

#include <stdint.h>

#include "common/crypto/x509.h"

#define ENT_HANDLE_BYTES 16
#define ENT_FEDERATION_BYTES 16

#define ENT_CERTS_DAY_MS UINT64_C(86400000)
#define ENT_CERTS_BACKDATE_MS ENT_CERTS_DAY_MS
#define ENT_CERTS_CA_DAYS 3650
#define ENT_CERTS_MEMBER_DAYS 90
#define ENT_CERTS_RENEW_AFTER_DAYS 60
#define ENT_CERTS_CRL_DAYS 7

enum ent_certs_kind {
    ENT_CERTS_AUTHORITY,
    ENT_CERTS_COORDINATOR,
    ENT_CERTS_MEMBER,
    ENT_CERTS_KINDS
};

/* The table above, for tests and documents. */
struct ent_certs_shape {
    const char *name;
    uint32_t days;
    bool ca;
    bool server_auth;
    bool client_auth;
    bool has_uri;
};
const struct ent_certs_shape *ent_certs_shape(enum ent_certs_kind kind);

/* The federation's authority. name: the federation's. */
ENT_MUST enum ent_err ent_certs_make_ca(const char *name, const struct ent_tls_key *ca_key,
                                        uint64_t wall_ms, struct ent_cert **out);

struct ent_certs_issuer {
    const struct ent_cert *ca;
    const struct ent_tls_key *ca_key;
    uint8_t federation[ENT_FEDERATION_BYTES];
};
/* Server certificate for `key`; host: DNS name or IP address that members dial. */
ENT_MUST enum ent_err ent_certs_issue_coordinator(const struct ent_certs_issuer *issuer,
                                                  const char *host, const struct ent_tls_key *key,
                                                  uint64_t wall_ms, struct ent_cert **out);
/* Member certificate for the key of its request (enrolment and renewal). */
ENT_MUST enum ent_err ent_certs_issue_member(const struct ent_certs_issuer *issuer,
                                             const uint8_t handle[ENT_HANDLE_BYTES],
                                             const uint8_t *csr, size_t csr_len, uint64_t wall_ms,
                                             struct ent_cert **out);
/* number: above that of every list before it. thisUpdate lies 24 h back, like notBefore. */
ENT_MUST enum ent_err ent_certs_make_crl(const struct ent_certs_issuer *issuer,
                                         const uint8_t (*serials)[ENT_SERIAL_BYTES],
                                         size_t n_serials, uint64_t number, uint64_t wall_ms,
                                         struct ent_crl **out);

/* "urn:entente:<federation hex>:<handle hex>" */
#define ENT_CERTS_URI_BYTES 80
void ent_certs_member_uri(const uint8_t federation[ENT_FEDERATION_BYTES],
                          const uint8_t handle[ENT_HANDLE_BYTES], char out[ENT_CERTS_URI_BYTES]);
void ent_certs_coordinator_uri(const uint8_t federation[ENT_FEDERATION_BYTES],
                               char out[ENT_CERTS_URI_BYTES]);
/* A member's URI of this federation, taken apart strictly. UNKNOWN_MEMBER otherwise. */
ENT_MUST enum ent_err ent_certs_member_of_uri(const char *uri,
                                              const uint8_t federation[ENT_FEDERATION_BYTES],
                                              uint8_t handle[ENT_HANDLE_BYTES]);
/* Whether it is time to ask for a new one (from day 60 of 90 on, also after the end). */
bool ent_certs_renew_due(const struct ent_cert_info *info, uint64_t wall_ms);

#endif
