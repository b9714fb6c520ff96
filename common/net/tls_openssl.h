/* TLS 1.3 by OpenSSL over any byte carrier that may say "not now". Knows no nng: conn_tls.c
 * stands between them. */
#ifndef ENT_COMMON_NET_TLS_OPENSSL_H
#define ENT_COMMON_NET_TLS_OPENSSL_H

#include <stdatomic.h>

#include "common/net/link_nng.h"

struct x509_store_ctx_st;
struct ent_tls; /* settings made ready, shared by everything that uses them (counted references) */

ENT_MUST enum ent_err ent_tls_new(const struct ent_tls_settings *settings, struct ent_tls **out);
struct ent_tls *ent_tls_ref(struct ent_tls *tls);
void ent_tls_unref(struct ent_tls *tls); /* NULL is fine */
ENT_MUST enum ent_err ent_tls_add_crl(struct ent_tls *tls, const uint8_t *crl, size_t len);
ENT_MUST enum ent_err ent_tls_renew(struct ent_tls *tls, const uint8_t *cert_pem,
                                    size_t cert_pem_len, const uint8_t *key_pem,
                                    size_t key_pem_len);
/* A fresh SSL of the newest context; NULL without memory. For tls_openssl_conn.c. */
struct ssl_st *ent_tls_ssl_new(struct ent_tls *tls, bool server);
/* From the verification of a server's certificate that failed: its names, if it is for another host. */
void ent_tls_conn_verified(struct x509_store_ctx_st *ctx);
bool ent_tls_can_listen(const struct ent_tls *tls); /* it has a certificate of its own */

enum ent_tls_io { ENT_TLS_OK, ENT_TLS_AGAIN, ENT_TLS_CLOSED, ENT_TLS_FAILED };

/* What carries the records. *len: how much is offered, then how much was taken. */
struct ent_tls_carrier {
    enum ent_tls_io (*send)(void *carrier_ctx, const uint8_t *bytes, size_t *len);
    enum ent_tls_io (*recv)(void *carrier_ctx, uint8_t *bytes, size_t *len);
};

#define ENT_TLS_TEXT_BYTES 256
#define ENT_TLS_NAME_BYTES 64

/* One connection; all zero is legal for release. One thread at a time. */
struct ent_tls_conn {
    struct ssl_st *ssl;
    struct ent_tls *tls;
    const struct ent_tls_carrier *carrier;
    void *carrier_ctx;
    bool server;
    enum ent_err why;               /* of the first failure */
    bool refused;                   /* it was the other end that refused */
    char host[ENT_TLS_NAME_BYTES];  /* that was dialled */
    char names[ENT_TLS_NAME_BYTES]; /* of the certificate, when it is not for that host */
    char text[ENT_TLS_TEXT_BYTES];  /* OpenSSL's words for it */
};

/* host: the name or address that the server's certificate must have (dialer). */
ENT_MUST enum ent_err ent_tls_conn_start(struct ent_tls_conn *conn, struct ent_tls *tls,
                                         bool server, const char *host);
enum ent_tls_io ent_tls_conn_handshake(struct ent_tls_conn *conn);
/* OK: *len is how many bytes came, at least one, all that were there. */
enum ent_tls_io ent_tls_conn_read(struct ent_tls_conn *conn, uint8_t *bytes, size_t *len);
/* OK: all went; after AGAIN the same call must be made again. */
enum ent_tls_io ent_tls_conn_write(struct ent_tls_conn *conn, const uint8_t *bytes, size_t len);
void ent_tls_conn_shutdown(struct ent_tls_conn *conn); /* close_notify, if there is a session */
void ent_tls_conn_release(struct ent_tls_conn *conn);
bool ent_tls_conn_done(const struct ent_tls_conn *conn); /* handshake over, peer verified */
/* Exporter and protocol; the peer's certificate goes to cert_der (nothing where it showed none).
 * TLS before the handshake is over. */
ENT_MUST enum ent_err ent_tls_conn_peer(const struct ent_tls_conn *conn, struct ent_peer *out,
                                        struct ent_buf *cert_der);

const char *ent_tls_version(void); /* OpenSSL's, at run time */

#endif
