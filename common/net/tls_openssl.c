#include "common/net/tls_openssl.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "common/base/mem.h"
#include "common/net/tls_crl.h"

struct ent_tls {
    atomic_uint refs;
    pthread_mutex_t lock; /* server, client, crl, crls */
    SSL_CTX *server;      /* NULL without an own certificate */
    SSL_CTX *client;
    X509_CRL *crl; /* the newest; NULL: none yet */
    X509_STORE *trust;
    struct ent_tls_crls crls;
    bool crl_may_be_old;
    bool demand;
    bool pinned;
    uint8_t pin[32];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int store_index = -1; /* made once, then only read */

/* Why OpenSSL refused, as a note; its error queue is empty afterwards. */
static enum ent_err note_openssl(enum ent_err err, const char *what)
{
    unsigned long e = ERR_peek_error();
    const char *reason = e != 0 ? ERR_reason_error_string(e) : NULL;

    ERR_clear_error();
    return ent_err_note(err, "%s%s%s", what, reason != NULL ? ": " : "",
                        reason != NULL ? reason : "");
}

static void init_once(void)
{
    store_index = X509_STORE_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* --- verification: reads what is newest at the moment of each handshake --- */

/* Instead of the store's own list, where of two CRLs made in one second the older would win and
 * none ever goes. */
static STACK_OF(X509_CRL) * lookup_crls(const X509_STORE_CTX *ctx, const X509_NAME *issuer)
{
    struct ent_tls *tls = X509_STORE_get_ex_data(X509_STORE_CTX_get0_store(ctx), store_index);
    STACK_OF(X509_CRL) *found = sk_X509_CRL_new_null();

    (void)pthread_mutex_lock(&tls->lock);
    if (found != NULL && tls->crl != NULL &&
        X509_NAME_cmp(X509_CRL_get_issuer(tls->crl), issuer) == 0 &&
        X509_CRL_up_ref(tls->crl) == 1 && sk_X509_CRL_push(found, tls->crl) == 0) {
        X509_CRL_free(tls->crl);
    }
    (void)pthread_mutex_unlock(&tls->lock);
    return found;
}

static int forgive_old_crl(int ok, X509_STORE_CTX *ctx)
{
    if (ok == 0 && X509_STORE_CTX_get_error(ctx) == X509_V_ERR_CRL_HAS_EXPIRED) {
        X509_STORE_CTX_set_error(ctx, X509_V_OK);
        return 1;
    }
    return ok;
}

static int verify_peer(X509_STORE_CTX *ctx, void *arg)
{
    struct ent_tls *tls = arg;
    bool check_crl;

    if (tls->pinned) {
        uint8_t digest[32];

        if (X509_digest(X509_STORE_CTX_get0_cert(ctx), EVP_sha256(), digest, NULL) == 1 &&
            CRYPTO_memcmp(digest, tls->pin, sizeof digest) == 0) {
            X509_STORE_CTX_set_error(ctx, X509_V_OK);
            return 1;
        }
        X509_STORE_CTX_set_error(ctx, X509_V_ERR_APPLICATION_VERIFICATION);
        return 0;
    }
    (void)pthread_mutex_lock(&tls->lock);
    check_crl = tls->crl != NULL;
    (void)pthread_mutex_unlock(&tls->lock);
    if (check_crl) {
        X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_CRL_CHECK);
    }
    if (tls->crl_may_be_old) {
        X509_STORE_CTX_set_verify_cb(ctx, forgive_old_crl);
    }
    if (X509_verify_cert(ctx) == 1) {
        return 1;
    }
    ent_tls_conn_verified(ctx);
    return 0;
}

/* --- settings --- */

static enum ent_err read_certs(const uint8_t *pem, size_t len, STACK_OF(X509) * *out)
{
    BIO *bio = len <= INT32_MAX ? BIO_new_mem_buf(pem, (int)len) : NULL;
    STACK_OF(X509) *certs = sk_X509_new_null();
    X509 *cert = NULL;

    while (bio != NULL && certs != NULL &&
           (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        if (sk_X509_push(certs, cert) == 0) {
            X509_free(cert);
            break;
        }
    }
    BIO_free(bio);
    if (certs == NULL || sk_X509_num(certs) == 0) {
        sk_X509_pop_free(certs, X509_free);
        return note_openssl(ENT_E_CONFIG, "no certificate in the PEM text");
    }
    ERR_clear_error(); /* the end of the PEM text is an error there */
    *out = certs;
    return ENT_E_OK;
}

static int no_password(char *buf, int size, int rwflag, void *ctx)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)ctx;
    return -1;
}

static enum ent_err make_ctx(struct ent_tls *tls, bool server, SSL_CTX **out)
{
    SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    int mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;

    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                      "TLS_CHACHA20_POLY1305_SHA256") != 1 ||
        SSL_CTX_set_num_tickets(ctx, 0) != 1 || SSL_CTX_set_max_early_data(ctx, 0) != 1) {
        SSL_CTX_free(ctx);
        return note_openssl(ENT_E_NO_MEMORY, "OpenSSL cannot make a TLS context");
    }
    SSL_CTX_set1_cert_store(ctx, tls->trust);
    (void)SSL_CTX_set_options(ctx,
                              SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_cert_verify_callback(ctx, verify_peer, tls);
    SSL_CTX_set_verify(ctx, server && !tls->demand ? SSL_VERIFY_NONE : mode, NULL);
    *out = ctx;
    return ENT_E_OK;
}

/* The certificate, its chain and the key into a context. */
static enum ent_err use_identity(SSL_CTX *ctx, STACK_OF(X509) * certs, EVP_PKEY *key)
{
    bool ok = SSL_CTX_use_certificate(ctx, sk_X509_value(certs, 0)) == 1 &&
              SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;

    for (int i = 1; ok && i < sk_X509_num(certs); i++) {
        ok = SSL_CTX_add1_chain_cert(ctx, sk_X509_value(certs, i)) == 1;
    }
    return ok ? ENT_E_OK
              : note_openssl(ENT_E_CONFIG, "the certificate and the key do not belong together");
}

enum ent_err ent_tls_renew(struct ent_tls *tls, const uint8_t *cert_pem, size_t cert_pem_len,
                           const uint8_t *key_pem, size_t key_pem_len)
{
    STACK_OF(X509) *certs = NULL;
    EVP_PKEY *key = NULL;
    SSL_CTX *server = NULL;
    SSL_CTX *client = NULL;
    BIO *bio;
    enum ent_err err = read_certs(cert_pem, cert_pem_len, &certs);

    if (err == ENT_E_OK) {
        bio = key_pem_len <= INT32_MAX ? BIO_new_mem_buf(key_pem, (int)key_pem_len) : NULL;
        key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
        BIO_free(bio);
        err = key != NULL ? ENT_E_OK : note_openssl(ENT_E_CONFIG, "no private key in the PEM text");
    }
    if (err == ENT_E_OK && (err = make_ctx(tls, true, &server)) == ENT_E_OK &&
        (err = use_identity(server, certs, key)) == ENT_E_OK &&
        (err = make_ctx(tls, false, &client)) == ENT_E_OK) {
        err = use_identity(client, certs, key);
    }
    if (err == ENT_E_OK) {
        SSL_CTX *old;

        (void)pthread_mutex_lock(&tls->lock);
        old = tls->server, tls->server = server, server = old;
        old = tls->client, tls->client = client, client = old;
        (void)pthread_mutex_unlock(&tls->lock);
    }
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    EVP_PKEY_free(key);
    sk_X509_pop_free(certs, X509_free);
    return err;
}

enum ent_err ent_tls_add_crl(struct ent_tls *tls, const uint8_t *bytes, size_t len)
{
    struct ent_buf der;
    X509_CRL *crl = NULL;
    const uint8_t *p;
    enum ent_err err;

    ent_buf_init(&der, ENT_CRL_DER_MAX_BYTES);
    (void)pthread_mutex_lock(&tls->lock);
    err = ent_tls_crls_accept(&tls->crls, bytes, len, &der);
    if (err == ENT_E_OK) {
        p = der.data;
        crl = d2i_X509_CRL(NULL, &p, (long)der.len);
        err = crl != NULL ? ENT_E_OK : note_openssl(ENT_E_CORRUPT, "the CRL cannot be read");
    }
    if (err == ENT_E_OK) {
        X509_CRL_free(tls->crl);
        tls->crl = crl;
    }
    (void)pthread_mutex_unlock(&tls->lock);
    ent_buf_release(&der);
    return err;
}

static enum ent_err trust_cas(X509_STORE *trust, const uint8_t *pem, size_t len)
{
    STACK_OF(X509) *cas = NULL;
    bool ok = true;

    ENT_TRY(read_certs(pem, len, &cas));
    for (int i = 0; ok && i < sk_X509_num(cas); i++) {
        ok = X509_STORE_add_cert(trust, sk_X509_value(cas, i)) == 1;
    }
    sk_X509_pop_free(cas, X509_free);
    return ok ? ENT_E_OK : note_openssl(ENT_E_CONFIG, "the CA cannot be used");
}

static enum ent_err load_settings(struct ent_tls *tls, const struct ent_tls_settings *s)
{
    ENT_REQUIRE(s->ca_pem != NULL || s->server_pin != NULL || !s->demand_client_cert, ENT_E_CONFIG,
                "neither a CA nor a pinned certificate to trust");
    ENT_REQUIRE((s->cert_pem == NULL) == (s->key_pem == NULL), ENT_E_CONFIG,
                "a certificate needs its key, a key its certificate");
    if (s->ca_pem != NULL) {
        ENT_TRY(ent_tls_crls_init(&tls->crls, s->ca_pem, s->ca_pem_len));
        ENT_TRY(trust_cas(tls->trust, s->ca_pem, s->ca_pem_len));
    }
    if (s->crl != NULL) {
        ENT_TRY(ent_tls_add_crl(tls, s->crl, s->crl_len));
    }
    if (s->cert_pem != NULL) {
        return ent_tls_renew(tls, s->cert_pem, s->cert_pem_len, s->key_pem, s->key_pem_len);
    }
    return make_ctx(tls, false, &tls->client);
}

enum ent_err ent_tls_new(const struct ent_tls_settings *settings, struct ent_tls **out)
{
    struct ent_tls *tls;
    enum ent_err err;

    (void)pthread_once(&once, init_once);
    ENT_TRY(ent_calloc(1, sizeof *tls, &tls));
    atomic_init(&tls->refs, 1);
    (void)pthread_mutex_init(&tls->lock, NULL);
    tls->trust = X509_STORE_new();
    if (store_index < 0 || tls->trust == NULL ||
        X509_STORE_set_ex_data(tls->trust, store_index, tls) != 1) {
        ent_tls_unref(tls);
        return note_openssl(ENT_E_NO_MEMORY, "OpenSSL cannot start");
    }
    X509_STORE_set_lookup_crls(tls->trust, lookup_crls);
    tls->crl_may_be_old = settings->crl_may_be_old;
    tls->demand = settings->demand_client_cert;
    if (settings->server_pin != NULL) {
        tls->pinned = true;
        memcpy(tls->pin, settings->server_pin, sizeof tls->pin);
    }
    err = load_settings(tls, settings);
    if (err != ENT_E_OK) {
        ent_tls_unref(tls);
        return err;
    }
    *out = tls;
    return ENT_E_OK;
}

struct ent_tls *ent_tls_ref(struct ent_tls *tls)
{
    (void)atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
    return tls;
}

void ent_tls_unref(struct ent_tls *tls)
{
    if (tls == NULL || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    SSL_CTX_free(tls->server);
    SSL_CTX_free(tls->client);
    X509_CRL_free(tls->crl);
    X509_STORE_free(tls->trust);
    ent_tls_crls_release(&tls->crls);
    (void)pthread_mutex_destroy(&tls->lock);
    free(tls);
}

bool ent_tls_can_listen(const struct ent_tls *tls)
{
    return tls->server != NULL;
}

struct ssl_st *ent_tls_ssl_new(struct ent_tls *tls, bool server)
{
    SSL *ssl;

    (void)pthread_mutex_lock(&tls->lock);
    ssl = SSL_new(server ? tls->server : tls->client);
    (void)pthread_mutex_unlock(&tls->lock);
    return ssl;
}

const char *ent_tls_version(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}
