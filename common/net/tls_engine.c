#include "common/net/tls_engine.h"

#include <string.h>

#include <nng/supplemental/tls/engine.h>

#include "common/crypto/x509.h"

#define ENGINE_NAME "entente-openssl"
#define HOST_BYTES 256

/* nng allocates both, zeroed, and runs every connection call under that connection's lock. */
struct nng_tls_engine_config {
    struct ent_tls *tls; /* NULL: one of nng's default configs, which nothing may use (trap 18) */
    bool server;
    char host[HOST_BYTES];
};

struct nng_tls_engine_conn {
    struct ent_tls_conn tls;
    void *lower; /* nng's side, for nng_tls_engine_send and _recv */
    bool closed;
    atomic_bool failed;
};

/* Connections are freed by nng on a thread of its own, some time after nng_stream_free: how many
 * are left is the one thing that must be known across links before nng ends. Counted from the
 * accept or dial that makes them, not from conn_init: an accept that was waiting when its
 * listener closed is freed late too, and nng_fini meanwhile destroys the locks that this needs
 * (nng then panics). */
static atomic_size_t live;

struct look {
    struct ent_tls_report *report;
    struct ent_tls_progress *progress;
};

static _Thread_local const struct nng_tls_engine_config *tl_settings;
static _Thread_local const struct look *tl_look;

/* --- carrier --- */

static enum ent_tls_io io_of(int rv)
{
    return rv == 0 ? ENT_TLS_OK : rv == NNG_EAGAIN ? ENT_TLS_AGAIN : ENT_TLS_FAILED;
}

static enum ent_tls_io lower_send(void *ctx, const uint8_t *bytes, size_t *len)
{
    return io_of(nng_tls_engine_send(ctx, bytes, len));
}

static enum ent_tls_io lower_recv(void *ctx, uint8_t *bytes, size_t *len)
{
    return io_of(nng_tls_engine_recv(ctx, bytes, len));
}

static const struct ent_tls_carrier nng_carrier = {lower_send, lower_recv};

/* --- connections --- */

static int conn_init(nng_tls_engine_conn *c, void *lower, nng_tls_engine_config *cfg)
{
    if (cfg->tls == NULL) {
        return NNG_EINVAL;
    }
    c->lower = lower;
    c->tls.carrier = &nng_carrier;
    c->tls.carrier_ctx = lower;
    if (ent_tls_conn_start(&c->tls, cfg->tls, cfg->server, cfg->host) != ENT_E_OK) {
        return NNG_ENOMEM;
    }
    return 0;
}

static void conn_fini(nng_tls_engine_conn *c)
{
    ent_tls_conn_release(&c->tls); /* all zero where the connection was never begun (trap 7) */
    (void)atomic_fetch_sub(&live, 1);
}

static void conn_close(nng_tls_engine_conn *c)
{
    if (!c->closed) {
        ent_tls_conn_shutdown(&c->tls);
        c->closed = true;
    }
}

/* An end that closed at once after its alert could overtake it, by a reset (bytes of the peer
 * are still unread) or because nng sees the hang-up before it has read: the peer would learn
 * "closed" instead of "certificate expired". So what still comes is read away, nng is told
 * nothing, and the link closes when it sees `failed`. */
static int linger(nng_tls_engine_conn *c)
{
    uint8_t scratch[1024];
    size_t len;
    int rv;

    do {
        len = sizeof scratch;
        rv = nng_tls_engine_recv(c->lower, scratch, &len);
    } while (rv == 0);
    return rv;
}

static int conn_result(nng_tls_engine_conn *c, enum ent_tls_io io)
{
    switch (io) {
    case ENT_TLS_OK:
        return 0;
    case ENT_TLS_AGAIN:
        return NNG_EAGAIN;
    case ENT_TLS_CLOSED:
        return NNG_ECONNSHUT;
    default:
        atomic_store(&c->failed, true);
        return c->tls.refused ? NNG_ECRYPTO : linger(c);
    }
}

static int conn_handshake(nng_tls_engine_conn *c)
{
    if (c->closed) {
        return NNG_ECLOSED;
    }
    return atomic_load(&c->failed) ? conn_result(c, ENT_TLS_FAILED)
                                   : conn_result(c, ent_tls_conn_handshake(&c->tls));
}

/* Completes when recv_min bytes are there: one callback for a whole piece instead of one for each
 * record, and, where less is enough, for all that came. */
static int conn_recv(nng_tls_engine_conn *c, uint8_t *bytes, size_t *len)
{
    if (c->closed) {
        return NNG_ECLOSED;
    }
    return atomic_load(&c->failed) ? conn_result(c, ENT_TLS_FAILED)
                                   : conn_result(c, ent_tls_conn_read(&c->tls, bytes, len));
}

static int conn_send(nng_tls_engine_conn *c, const uint8_t *bytes, size_t *len)
{
    if (c->closed) {
        return NNG_ECLOSED;
    }
    return atomic_load(&c->failed) ? conn_result(c, ENT_TLS_FAILED)
                                   : conn_result(c, ent_tls_conn_write(&c->tls, bytes, *len));
}

static void fill_report(const struct nng_tls_engine_conn *c, struct ent_tls_report *report)
{
    struct ent_buf der;
    struct ent_cert *cert = NULL;
    struct ent_cert_info info;
    enum ent_err err;

    ent_buf_init(&der, ENT_CERT_DER_MAX_BYTES);
    err = ent_tls_conn_peer(&c->tls, &report->peer, &der);
    if (err == ENT_E_OK && der.len > 0) {
        err = ent_cert_decode(der.data, der.len, &cert);
        if (err == ENT_E_OK) {
            err = ent_cert_info(cert, &info);
        }
        if (err == ENT_E_OK) {
            report->peer.has_cert = true;
            memcpy(report->peer.cert_sha256, info.sha256, sizeof info.sha256);
            (void)snprintf(report->peer.uri, sizeof report->peer.uri, "%s", info.uri);
        }
        ent_cert_free(cert);
    }
    ent_buf_release(&der);
    report->done = err == ENT_E_OK;
}

/* Runs on the thread of ent_tls_engine_look, under the connection's lock. */
static bool conn_verified(nng_tls_engine_conn *c)
{
    const struct look *look = tl_look;

    if (look != NULL && look->report != NULL) {
        look->report->why = c->tls.why;
        memcpy(look->report->text, c->tls.text, sizeof c->tls.text);
        if (ent_tls_conn_done(&c->tls)) {
            fill_report(c, look->report);
        }
    }
    if (look != NULL && look->progress != NULL) {
        *look->progress = (struct ent_tls_progress){&c->tls.rx, &c->tls.tx, &c->failed, &c->tls};
    }
    return ent_tls_conn_done(&c->tls);
}

static nng_tls_engine_conn_ops conn_ops = {
    .size = sizeof(struct nng_tls_engine_conn),
    .init = conn_init,
    .fini = conn_fini,
    .close = conn_close,
    .handshake = conn_handshake,
    .recv = conn_recv,
    .send = conn_send,
    .verified = conn_verified,
};

/* --- configs: everything comes through tl_settings; nng's own calls change nothing --- */

static int config_init(nng_tls_engine_config *cfg, nng_tls_mode mode)
{
    (void)mode;
    if (tl_settings != NULL) {
        *cfg = *tl_settings;
        (void)ent_tls_ref(cfg->tls);
    }
    return 0;
}

static void config_fini(nng_tls_engine_config *cfg)
{
    ent_tls_unref(cfg->tls);
    cfg->tls = NULL;
}

static int config_server(nng_tls_engine_config *cfg, const char *name)
{
    (void)cfg;
    (void)name;
    return 0; /* nng tells the default config of each dialer its host */
}

static int config_auth(nng_tls_engine_config *cfg, nng_tls_auth_mode mode)
{
    (void)cfg;
    (void)mode;
    return NNG_ENOTSUP;
}

static int config_ca_chain(nng_tls_engine_config *cfg, const char *certs, const char *crl)
{
    (void)cfg;
    (void)certs;
    (void)crl;
    return NNG_ENOTSUP;
}

static int config_own_cert(nng_tls_engine_config *cfg, const char *cert, const char *key,
                           const char *pass)
{
    (void)cfg;
    (void)cert;
    (void)key;
    (void)pass;
    return NNG_ENOTSUP;
}

static int config_version(nng_tls_engine_config *cfg, nng_tls_version min, nng_tls_version max)
{
    (void)cfg;
    return min <= NNG_TLS_1_3 && max >= NNG_TLS_1_3 ? 0 : NNG_ENOTSUP;
}

static nng_tls_engine_config_ops config_ops = {
    .size = sizeof(struct nng_tls_engine_config),
    .init = config_init,
    .fini = config_fini,
    .server = config_server,
    .auth = config_auth,
    .ca_chain = config_ca_chain,
    .own_cert = config_own_cert,
    .version = config_version,
};

static const nng_tls_engine engine = {
    .version = NNG_TLS_ENGINE_VERSION,
    .config_ops = &config_ops,
    .conn_ops = &conn_ops,
    .name = ENGINE_NAME,
    .description = "OpenSSL, TLS 1.3 only",
    .fips_mode = false,
};

enum ent_err ent_tls_engine_register(void)
{
    (void)nng_tls_engine_name(); /* starts nng, which sets its own engine */
    ENT_REQUIRE(nng_tls_engine_register(&engine) == 0 &&
                    strcmp(nng_tls_engine_name(), ENGINE_NAME) == 0,
                ENT_E_INTERNAL, "nng does not take the TLS engine");
    return ENT_E_OK;
}

enum ent_err ent_tls_engine_config(struct ent_tls *tls, bool server, const char *host,
                                   nng_tls_config **out)
{
    struct nng_tls_engine_config settings = {.tls = tls, .server = server};
    int rv;

    ENT_REQUIRE(strlen(host) < HOST_BYTES, ENT_E_CONFIG, "the host name is too long");
    (void)snprintf(settings.host, sizeof settings.host, "%s", host);
    tl_settings = &settings;
    rv = nng_tls_config_alloc(out, server ? NNG_TLS_MODE_SERVER : NNG_TLS_MODE_CLIENT);
    tl_settings = NULL;
    ENT_REQUIRE(rv == 0, ENT_E_NO_MEMORY, "nng cannot make a TLS config: %s", nng_strerror(rv));
    return ENT_E_OK;
}

void ent_tls_engine_posted(void)
{
    (void)atomic_fetch_add(&live, 1);
}

size_t ent_tls_engine_live(void)
{
    return atomic_load(&live);
}

static void look_at(nng_stream *stream, const struct look *look)
{
    bool verified;

    tl_look = look;
    (void)nng_stream_get_bool(stream, NNG_OPT_TLS_VERIFIED, &verified);
    tl_look = NULL;
}

void ent_tls_engine_look(nng_stream *stream, struct ent_tls_report *out)
{
    memset(out, 0, sizeof *out);
    look_at(stream, &(struct look){.report = out});
}

struct ent_tls_progress ent_tls_engine_progress(nng_stream *stream)
{
    struct ent_tls_progress progress = {NULL, NULL, NULL, NULL};

    look_at(stream, &(struct look){.progress = &progress});
    return progress;
}
