#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/base/mem.h"
#include "common/net/tls_openssl.h"

#define EXPORTER_LABEL "EXPORTER-entente-hello-v1"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static BIO_METHOD *carrier_method; /* made once, then only read */

/* --- the carrier as a BIO --- */

static int carrier_write(BIO *bio, const char *bytes, size_t len, size_t *written)
{
    struct ent_tls_conn *c = BIO_get_data(bio);
    enum ent_tls_io io;

    BIO_clear_retry_flags(bio);
    io = c->carrier->send(c->carrier_ctx, (const uint8_t *)bytes, &len);
    if (io != ENT_TLS_OK) {
        if (io == ENT_TLS_AGAIN) {
            BIO_set_retry_write(bio);
        }
        return 0;
    }
    *written = len;
    return 1;
}

static int carrier_read(BIO *bio, char *bytes, size_t len, size_t *n_read)
{
    struct ent_tls_conn *c = BIO_get_data(bio);
    enum ent_tls_io io;

    BIO_clear_retry_flags(bio);
    io = c->carrier->recv(c->carrier_ctx, (uint8_t *)bytes, &len);
    if (io != ENT_TLS_OK) {
        if (io == ENT_TLS_AGAIN) {
            BIO_set_retry_read(bio);
        }
        return 0;
    }
    *n_read = len;
    return 1;
}

static long carrier_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)bio;
    (void)num;
    (void)ptr;
    return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static void init_once(void)
{
    carrier_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "entente carrier");
    if (carrier_method != NULL) {
        (void)BIO_meth_set_write_ex(carrier_method, carrier_write);
        (void)BIO_meth_set_read_ex(carrier_method, carrier_read);
        (void)BIO_meth_set_ctrl(carrier_method, carrier_ctrl);
    }
}

static bool expect_host(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

    if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1) {
        return true;
    }
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

enum ent_err ent_tls_conn_start(struct ent_tls_conn *conn, struct ent_tls *tls, bool server,
                                const char *host)
{
    SSL *ssl = ent_tls_ssl_new(tls, server);
    BIO *bio;

    (void)pthread_once(&once, init_once);
    bio = carrier_method != NULL ? BIO_new(carrier_method) : NULL;
    if (ssl == NULL || bio == NULL || (!server && !expect_host(ssl, host))) {
        SSL_free(ssl);
        BIO_free(bio);
        ERR_clear_error();
        return ent_err_note(ENT_E_NO_MEMORY, "OpenSSL cannot make a connection");
    }
    BIO_set_data(bio, conn);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    if (server) {
        SSL_set_accept_state(ssl);
    } else {
        SSL_set_connect_state(ssl);
    }
    if (!server) {
        (void)snprintf(conn->host, sizeof conn->host, "%s", host);
    }
    conn->ssl = ssl;
    conn->server = server;
    conn->tls = ent_tls_ref(tls);
    return ENT_E_OK;
}

static bool is_other_host(long verify)
{
    return verify == X509_V_ERR_HOSTNAME_MISMATCH || verify == X509_V_ERR_IP_ADDRESS_MISMATCH;
}

/* One name behind the others. Nobody has vouched for the certificate yet: plain characters only, and not many. */
static void add_name(char names[ENT_TLS_NAME_BYTES], const GENERAL_NAME *name)
{
    size_t used = strlen(names);
    char text[ENT_TLS_NAME_BYTES] = "";
    const ASN1_STRING *value = NULL;
    int type;

    value = GENERAL_NAME_get0_value(name, &type);
    if (type == GEN_DNS) {
        (void)snprintf(text, sizeof text, "%.*s", ASN1_STRING_length(value),
                       (const char *)ASN1_STRING_get0_data(value));
    } else if (type == GEN_IPADD) {
        (void)inet_ntop(ASN1_STRING_length(value) == 4 ? AF_INET : AF_INET6,
                        ASN1_STRING_get0_data(value), text, sizeof text);
    }
    for (char *p = text; *p != '\0'; p++) {
        *p = (char)(*p <= ' ' || *p > '~' ? '?' : *p);
    }
    if (text[0] != '\0' && used + strlen(text) + 3 <= ENT_TLS_NAME_BYTES) { /* whole names only */
        (void)snprintf(names + used, ENT_TLS_NAME_BYTES - used, "%s%.*s", used > 0 ? ", " : "",
                       (int)(ENT_TLS_NAME_BYTES - used - 3), text);
    }
}

void ent_tls_conn_verified(X509_STORE_CTX *ctx)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
    BIO *bio = ssl != NULL ? SSL_get_rbio(ssl) : NULL;
    struct ent_tls_conn *conn = bio != NULL ? BIO_get_data(bio) : NULL;
    GENERAL_NAMES *names;

    if (conn == NULL || !is_other_host(X509_STORE_CTX_get_error(ctx))) {
        return;
    }
    names = X509_get_ext_d2i(X509_STORE_CTX_get0_cert(ctx), NID_subject_alt_name, NULL, NULL);
    for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        add_name(conn->names, sk_GENERAL_NAME_value(names, i));
    }
    GENERAL_NAMES_free(names);
}

static const struct {
    int verify; /* X509_V_ERR_... */
    int alert;  /* what the other end is told */
    enum ent_err why;
} causes[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, SSL_AD_CERTIFICATE_EXPIRED, ENT_E_EXPIRED},
    {X509_V_ERR_CRL_HAS_EXPIRED, SSL_AD_CERTIFICATE_EXPIRED, ENT_E_EXPIRED},
    {X509_V_ERR_CERT_REVOKED, SSL_AD_CERTIFICATE_REVOKED, ENT_E_REVOKED},
    {X509_V_ERR_CERT_NOT_YET_VALID, 0, ENT_E_CLOCK},
    {X509_V_ERR_CRL_NOT_YET_VALID, 0, ENT_E_CLOCK},
};

/* The first failure's words are kept; nng's code and what OpenSSL says later tell less. */
static enum ent_tls_io failed(struct ent_tls_conn *conn)
{
    unsigned long e = ERR_peek_error();
    long verify = SSL_get_verify_result(conn->ssl);
    int alert = ERR_GET_REASON(e) - SSL_AD_REASON_OFFSET;
    bool from_peer = ERR_GET_LIB(e) == ERR_LIB_SSL && alert > 0;
    const char *reason = ERR_reason_error_string(e);

    if (conn->why != ENT_E_OK) {
        return ENT_TLS_FAILED;
    }
    conn->why = ENT_E_TLS;
    conn->refused = from_peer;
    for (size_t i = 0; i < ENT_ARRAY_LEN(causes); i++) {
        if (verify != X509_V_OK ? verify == causes[i].verify
                                : from_peer && alert == causes[i].alert) {
            conn->why = causes[i].why;
            break;
        }
    }
    if (verify == X509_V_ERR_APPLICATION_VERIFICATION) {
        reason = "the server's certificate is not the one that was promised";
    } else if (verify != X509_V_OK) {
        reason = X509_verify_cert_error_string(verify);
    }
    (void)snprintf(
        conn->text, sizeof conn->text, "%s%s%s", from_peer ? "the other end refused: " : "",
        reason != NULL ? reason : "the TLS connection broke",
        conn->why == ENT_E_EXPIRED || conn->why == ENT_E_CLOCK ? " (is this machine's clock right?)"
                                                               : "");
    if (is_other_host(verify)) {
        (void)snprintf(conn->text, sizeof conn->text,
                       "%.30s: '%s' was dialled, the certificate is for '%s': correct the address "
                       "that is dialled",
                       reason, conn->host, conn->names);
    }
    ERR_clear_error();
    return ENT_TLS_FAILED;
}

static enum ent_tls_io outcome(struct ent_tls_conn *conn, int ret)
{
    switch (SSL_get_error(conn->ssl, ret)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return ENT_TLS_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return ENT_TLS_CLOSED;
    default:
        return failed(conn);
    }
}

enum ent_tls_io ent_tls_conn_handshake(struct ent_tls_conn *conn)
{
    int ret;

    ERR_clear_error();
    ret = SSL_do_handshake(conn->ssl);
    return ret == 1 ? ENT_TLS_OK : outcome(conn, ret);
}

enum ent_tls_io ent_tls_conn_read(struct ent_tls_conn *conn, uint8_t *bytes, size_t *len)
{
    size_t filled = 0;

    while (filled < *len) {
        size_t n;

        ERR_clear_error();
        if (SSL_read_ex(conn->ssl, bytes + filled, *len - filled, &n) != 1) {
            enum ent_tls_io io = outcome(conn, 0);

            if (filled == 0) {
                return io;
            }
            break; /* should this be the end, the next read says so again */
        }
        filled += n;
    }
    *len = filled;
    return ENT_TLS_OK;
}

/* Without partial writes OpenSSL remembers how far it is, and a repeated call goes on from
 * there. */
enum ent_tls_io ent_tls_conn_write(struct ent_tls_conn *conn, const uint8_t *bytes, size_t len)
{
    size_t n;

    ERR_clear_error();
    return SSL_write_ex(conn->ssl, bytes, len, &n) == 1 ? ENT_TLS_OK : outcome(conn, 0);
}

void ent_tls_conn_shutdown(struct ent_tls_conn *conn)
{
    if (conn->ssl != NULL && conn->why == ENT_E_OK && SSL_is_init_finished(conn->ssl)) {
        ERR_clear_error();
        (void)SSL_shutdown(conn->ssl);
        ERR_clear_error();
    }
}

void ent_tls_conn_release(struct ent_tls_conn *conn)
{
    SSL_free(conn->ssl);
    conn->ssl = NULL;
    ent_tls_unref(conn->tls);
    conn->tls = NULL;
}

bool ent_tls_conn_done(const struct ent_tls_conn *conn)
{
    return conn->ssl != NULL && conn->why == ENT_E_OK && SSL_is_init_finished(conn->ssl) &&
           SSL_get_verify_result(conn->ssl) == X509_V_OK;
}

enum ent_err ent_tls_conn_peer(const struct ent_tls_conn *conn, struct ent_peer *out,
                               struct ent_buf *cert_der)
{
    struct ent_peer peer = {.uri = ""};
    X509 *cert;
    uint8_t *der = NULL;
    int len;
    enum ent_err err = ENT_E_OK;

    ENT_REQUIRE(ent_tls_conn_done(conn), ENT_E_TLS, "the TLS handshake is not over");
    cert = SSL_get0_peer_certificate(conn->ssl);
    if (cert != NULL) {
        len = i2d_X509(cert, &der);
        err = len > 0 ? ent_buf_add(cert_der, der, (size_t)len) : ENT_E_TLS;
        OPENSSL_free(der);
        ENT_TRY(err);
    }
    ENT_REQUIRE(SSL_export_keying_material(conn->ssl, peer.exporter, sizeof peer.exporter,
                                           EXPORTER_LABEL, strlen(EXPORTER_LABEL), NULL, 0, 0) == 1,
                ENT_E_TLS, "no keying material could be exported");
    (void)snprintf(peer.protocol, sizeof peer.protocol, "%s", SSL_get_version(conn->ssl));
    *out = peer;
    return ENT_E_OK;
}
