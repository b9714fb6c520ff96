/* IN certificates, trust, addresses · OUT a link over mutual TLS 1.3 · OWNS nng, its threads, one
 * timer thread a link THREADS as link.h; ent_link_free never from a handler · SOURCE transport.md
 *
 * OpenSSL over nng's byte streams (conn_tls.c). nng is one per process: it starts with the
 * first link and ends with the last. Start no link before a fork: nng aborts in a forked child. */
#ifndef ENT_COMMON_NET_LINK_NNG_H
#define ENT_COMMON_NET_LINK_NNG_H

#include "common/net/link.h"

/* What this end shows and what it trusts. All of it is copied; PEM needs no zero byte at its end.
 */
struct ent_tls_settings {
    const uint8_t
        *cert_pem; /* own certificate, then its intermediates; NULL: none (enrolment client) */
    size_t cert_pem_len;
    const uint8_t *key_pem; /* own private key, PKCS#8; NULL exactly when cert_pem is */
    size_t key_pem_len;
    const uint8_t *ca_pem; /* one or more; NULL only with server_pin, or for a listener that demands
                              no certificate */
    size_t ca_pem_len;
    const uint8_t
        *crl; /* DER or PEM. NULL: nothing is checked for revocation until ent_link_nng_add_crl */
    size_t crl_len;
    /* An outdated CRL still counts, but refuses nobody for its age: for a member, which gets the
     * newer one only after it has connected, and for a coordinator, which asks its store as well. */
    bool crl_may_be_old;
    const char *server_name; /* dialer: DNS name or IP address to find in the certificate; NULL: the
                                dialed host */
    const uint8_t
        *server_pin; /* dialer: SHA-256[32] of the server's certificate (DER), instead of ca_pem */
    bool demand_client_cert; /* listener: false only for enrolment */
};

/* CONFIG: a certificate, key or CRL that cannot be read or do not belong together; NO_MEMORY.
 * limits NULL: the defaults. */
ENT_MUST enum ent_err ent_link_nng_new(const struct ent_tls_settings *settings,
                                       const struct ent_link_limits *limits,
                                       ent_link_handler handler, void *ctx, struct ent_link **out);

/* From the next handshake on this CRL (DER or PEM) replaces the one before. Open connections stay:
 * whoever revokes closes them. CORRUPT: not a CRL of a trusted CA; STALE: older than the one in use
 * (which stays). */
ENT_MUST enum ent_err ent_link_nng_add_crl(struct ent_link *link, const uint8_t *crl, size_t len);

/* A renewed certificate and key for the connections made from now on (one accept that already waits
 * may still show the old one). CONFIG. */
ENT_MUST enum ent_err ent_link_nng_renew(struct ent_link *link, const uint8_t *cert_pem,
                                         size_t cert_pem_len, const uint8_t *key_pem,
                                         size_t key_pem_len);

/* Connections open now, admitted or not. For status and tests. */
size_t ent_link_nng_connections(struct ent_link *link);

#define ENT_LINK_NNG_VERSION_BYTES 128
/* "nng 1.5.2, OpenSSL 3.0.x ..." for ent_version_add. */
void ent_link_nng_version(char out[ENT_LINK_NNG_VERSION_BYTES]);

#endif
