/* Which revocation lists a link takes: signed by a CA it trusts, not older than the one it has. */
#ifndef ENT_COMMON_NET_TLS_CRL_H
#define ENT_COMMON_NET_TLS_CRL_H

#include "common/base/buf.h"
#include "common/crypto/x509.h"

#define ENT_TLS_CAS_MAX 8

struct ent_tls_crls {
    struct ent_cert *cas[ENT_TLS_CAS_MAX];
    size_t n_cas;
    struct ent_crl_info newest;
    bool any; /* newest is set */
};

/* All zero is legal for release. CONFIG: no usable CA in the PEM text. */
ENT_MUST enum ent_err ent_tls_crls_init(struct ent_tls_crls *crls, const uint8_t *ca_pem,
                                        size_t len);
void ent_tls_crls_release(struct ent_tls_crls *crls);
/* DER or PEM in, DER out (appended). CORRUPT, STALE as ent_link_nng_add_crl. */
ENT_MUST enum ent_err ent_tls_crls_accept(struct ent_tls_crls *crls, const uint8_t *crl, size_t len,
                                          struct ent_buf *der);

#endif
