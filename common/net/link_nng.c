#include "common/net/link_nng.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/net/address.h"
#include "common/net/nng_link.h"

/* nng is one per process and has to be ended after its last user: this is the one place that
 * knows how many there are. */
static pthread_mutex_t nng_lock = PTHREAD_MUTEX_INITIALIZER;
static size_t nng_users;

static void nng_begin(void)
{
    (void)pthread_mutex_lock(&nng_lock);
    nng_users++;
    (void)pthread_mutex_unlock(&nng_lock);
}

static void nng_end(void)
{
    (void)pthread_mutex_lock(&nng_lock);
    if (--nng_users == 0) {
        nng_fini();
    }
    (void)pthread_mutex_unlock(&nng_lock);
}

void ent_link_nng_version(char out[ENT_LINK_NNG_VERSION_BYTES])
{
    (void)snprintf(out, ENT_LINK_NNG_VERSION_BYTES, "nng %s, %s", nng_version(), ent_tls_version());
}

static struct ent_nng *of(struct ent_link *link)
{
    return (struct ent_nng *)link;
}

/* --- the table --- */

/* The connection with one more reference, or NULL. */
static struct ent_conn *find(struct ent_nng *nng, ent_conn_id id)
{
    struct ent_conn *found = NULL;

    (void)pthread_mutex_lock(&nng->lock);
    for (size_t i = 0; i < nng->n_conns && found == NULL; i++) {
        if (nng->conns[i]->id == id) {
            found = ent_conn_ref(nng->conns[i]);
        }
    }
    (void)pthread_mutex_unlock(&nng->lock);
    return found;
}

/* Into the table, with a reference of its own. */
static enum ent_err add(struct ent_nng *nng, struct ent_conn *c)
{
    enum ent_err err;

    (void)pthread_mutex_lock(&nng->lock);
    err =
        nng->stopping ? ent_err_note(ENT_E_STOPPED, "the link is closing") : ent_room_take(nng, c);
    if (err == ENT_E_OK) {
        err = ent_grow(&nng->conns, &nng->cap_conns, nng->n_conns + 1, sizeof(struct ent_conn *));
    }
    if (err == ENT_E_OK) {
        nng->conns[nng->n_conns++] = ent_conn_ref(c);
    }
    (void)pthread_mutex_unlock(&nng->lock);
    return err;
}

/* --- listening --- */

static void accepted(struct ent_nng *nng, nng_stream *stream)
{
    nng_sockaddr sa = {.s_family = NNG_AF_UNSPEC};
    char address[64] = "?";
    struct ent_conn *c = NULL;
    enum ent_err err;

    if (nng_stream_get_addr(stream, NNG_OPT_REMADDR, &sa) == 0) {
        ent_address_text(&sa, address, sizeof address);
    }
    err = ent_conn_new(nng, true, address, &c);
    if (err == ENT_E_OK) {
        c->origin = ent_address_origin(&sa);
        err = ent_conn_tls_start(c, "");
    }
    if (err == ENT_E_OK) {
        err = add(nng, c);
    }
    if (err != ENT_E_OK) {
        ent_log_debug("connection from %s closed at once: %s", address, ent_err_message());
        nng_stream_close(stream);
        nng_stream_free(stream);
    } else {
        ent_conn_start_accepted(c, stream);
    }
    if (c != NULL) {
        ent_conn_unref(c);
    }
}

/* Whatever accept returns, the listener goes on: only our own flag says that it was closed,
 * never nng's code (a peer's reset can look like one). After an error the timer tries again, so
 * that a lack of descriptors does not spin. */
static void accept_cb(void *arg)
{
    struct ent_nng *nng = arg;
    int rv = nng_aio_result(nng->accept_aio);

    if (rv == 0) {
        accepted(nng, nng_aio_get_output(nng->accept_aio, 0));
        ent_nng_accept(nng);
        return;
    }
    (void)pthread_mutex_lock(&nng->lock);
    nng->accept_again = true;
    (void)pthread_mutex_unlock(&nng->lock);
}

/* Under the lock, so that nothing is posted once link_free has said `stopping`: nng would not
 * complete it. */
void ent_nng_accept(struct ent_nng *nng)
{
    (void)pthread_mutex_lock(&nng->lock);
    if (!nng->stopping) {
        nng_stream_listener_accept(nng->listener, nng->accept_aio);
    }
    (void)pthread_mutex_unlock(&nng->lock);
}

static enum ent_err open_listener(const char *url, nng_stream_listener **out)
{
    nng_stream_listener *listener = NULL;
    int rv = nng_stream_listener_alloc(&listener, url);

    /* No delay: with Nagle's algorithm, on in nng 1.5.2 whatever its manual says, header and
     * body cost 88 ms (trap 3). */
    if (rv == 0) {
        rv = nng_stream_listener_set_bool(listener, NNG_OPT_TCP_NODELAY, true);
    }
    if (rv == 0) {
        rv = nng_stream_listener_listen(listener);
    }
    if (rv != 0) {
        if (listener != NULL) {
            nng_stream_listener_free(listener);
        }
        return ent_err_note(rv == NNG_EADDRINUSE ? ENT_E_BUSY : ENT_E_NET, "%s", nng_strerror(rv));
    }
    *out = listener;
    return ENT_E_OK;
}

static enum ent_err link_listen(struct ent_link *link, const char *address, char *bound,
                                size_t bound_bytes)
{
    struct ent_nng *nng = of(link);
    struct ent_address a;
    nng_sockaddr sa;
    char text[64];
    enum ent_err err;

    ENT_REQUIRE(nng->listener == NULL, ENT_E_EXISTS, "this link listens already");
    ENT_REQUIRE(ent_tls_can_listen(nng->tls), ENT_E_CONFIG, "a listener needs a certificate");
    ENT_TRY(ent_address_parse(address, &a));
    err = open_listener(a.url, &nng->listener);
    if (err != ENT_E_OK) {
        return ent_err_prefix(err, "cannot listen at %s", address);
    }
    if (nng_stream_listener_get_addr(nng->listener, NNG_OPT_LOCADDR, &sa) == 0) {
        ent_address_text(&sa, text, sizeof text);
        (void)snprintf(bound, bound_bytes, "%s", text);
    }
    ent_nng_accept(nng);
    return ENT_E_OK;
}

/* --- dialing --- */

static enum ent_err open_dialer(const struct ent_address *a, nng_stream_dialer **out)
{
    nng_stream_dialer *dialer = NULL;
    int rv = nng_stream_dialer_alloc(&dialer, a->url);

    if (rv == 0) {
        rv = nng_stream_dialer_set_bool(dialer, NNG_OPT_TCP_NODELAY, true);
    }
    if (rv != 0) {
        if (dialer != NULL) {
            nng_stream_dialer_free(dialer);
        }
        return ent_err_note(ENT_E_NET, "cannot dial %s:%s: %s", a->host, a->port, nng_strerror(rv));
    }
    *out = dialer;
    return ENT_E_OK;
}

static enum ent_err link_dial(struct ent_link *link, const char *address, ent_conn_id *out)
{
    struct ent_nng *nng = of(link);
    struct ent_address a;
    struct ent_conn *c = NULL;
    nng_stream_dialer *dialer;
    enum ent_err err;

    ENT_TRY(ent_address_parse(address, &a));
    ENT_TRY(open_dialer(&a, &dialer));
    err = ent_conn_new(nng, false, address, &c);
    if (err == ENT_E_OK) {
        err = ent_conn_tls_start(c, nng->server_name != NULL ? nng->server_name : a.host);
    }
    if (err == ENT_E_OK) {
        err = add(nng, c);
    }
    if (err == ENT_E_OK) {
        *out = c->id; /* before any event of it */
        ent_conn_start_dial(c, dialer);
    } else {
        nng_stream_dialer_free(dialer);
    }
    if (c != NULL) {
        ent_conn_unref(c);
    }
    return err;
}

/* --- the other calls --- */

static enum ent_err need(struct ent_link *link, ent_conn_id conn, struct ent_conn **out)
{
    *out = find(of(link), conn);
    ENT_REQUIRE(*out != NULL, ENT_E_NOT_FOUND, "the connection is gone");
    return ENT_E_OK;
}

static enum ent_err link_send_frame(struct ent_link *link, ent_conn_id conn, uint8_t type,
                                    uint64_t request, const uint8_t *body, size_t len)
{
    const struct ent_frame frame = {.type = type, .len = (uint32_t)len, .request = request};
    struct ent_conn *c;
    enum ent_err err;

    ENT_TRY(need(link, conn, &c));
    err = ent_conn_send(c, &frame, body);
    ent_conn_unref(c);
    return err;
}

static enum ent_err link_send_blob(struct ent_link *link, ent_conn_id conn, uint64_t request,
                                   struct ent_blob *blob, uint64_t offset)
{
    struct ent_conn *c;
    enum ent_err err;

    ENT_TRY(need(link, conn, &c));
    err = ent_conn_send_blob(c, request, blob, offset);
    ent_conn_unref(c);
    return err;
}

static enum ent_err link_expect(struct ent_link *link, ent_conn_id conn, uint64_t request,
                                struct ent_sink *sink_take)
{
    struct ent_conn *c;
    enum ent_err err;

    ENT_TRY(need(link, conn, &c));
    err = ent_conn_expect(c, request, sink_take);
    ent_conn_unref(c);
    return err;
}

static void link_hold(struct ent_link *link, ent_conn_id conn, bool on)
{
    struct ent_conn *c = find(of(link), conn);

    if (c != NULL) {
        ent_conn_hold(c, on);
        ent_conn_unref(c);
    }
}

static void link_admit(struct ent_link *link, ent_conn_id conn)
{
    struct ent_conn *c = find(of(link), conn);

    if (c != NULL) {
        ent_conn_admit(c);
        ent_conn_unref(c);
    }
}

static void link_close_conn(struct ent_link *link, ent_conn_id conn, bool flush)
{
    struct ent_conn *c = find(of(link), conn);

    if (c != NULL) {
        ent_conn_close(c, flush);
        ent_conn_unref(c);
    }
}

size_t ent_link_nng_connections(struct ent_link *link)
{
    struct ent_nng *nng = of(link);
    size_t n;

    (void)pthread_mutex_lock(&nng->lock);
    n = nng->n_conns;
    (void)pthread_mutex_unlock(&nng->lock);
    return n;
}

enum ent_err ent_link_nng_add_crl(struct ent_link *link, const uint8_t *crl, size_t len)
{
    return ent_tls_add_crl(of(link)->tls, crl, len);
}

enum ent_err ent_link_nng_renew(struct ent_link *link, const uint8_t *cert_pem, size_t cert_pem_len,
                                const uint8_t *key_pem, size_t key_pem_len)
{
    return ent_tls_renew(of(link)->tls, cert_pem, cert_pem_len, key_pem, key_pem_len);
}

/* --- beginning and end --- */

static void release(struct ent_nng *nng)
{
    nng_aio_free(nng->accept_aio);
    ent_tls_unref(nng->tls);
    free(nng->server_name);
    free(nng->conns);
    (void)pthread_mutex_destroy(&nng->lock);
    (void)pthread_cond_destroy(&nng->gone);
    ent_timer_release(nng);
    free(nng);
}

/* The order of transport.md: listener, accept, connections, timer thread, listener's memory,
 * nng. */
static void link_free(struct ent_link *link)
{
    struct ent_nng *nng = of(link);

    (void)pthread_mutex_lock(&nng->lock);
    nng->stopping = true;
    (void)pthread_mutex_unlock(&nng->lock);
    if (nng->listener != NULL) {
        nng_stream_listener_close(nng->listener);
    }
    nng_aio_stop(nng->accept_aio);
    (void)pthread_mutex_lock(&nng->lock);
    for (size_t i = 0; i < nng->n_conns; i++) {
        ent_conn_end(nng->conns[i], ENT_E_STOPPED, "closed by this end");
    }
    while (nng->n_conns > 0) {
        (void)pthread_cond_wait(&nng->gone, &nng->lock);
    }
    (void)pthread_mutex_unlock(&nng->lock);
    ent_timer_stop(nng);
    if (nng->listener != NULL) {
        nng_stream_listener_free(nng->listener);
    }
    release(nng);
    nng_end();
}

static const struct ent_link_ops nng_ops = {
    .listen = link_listen,
    .dial = link_dial,
    .send = link_send_frame,
    .send_blob = link_send_blob,
    .expect = link_expect,
    .hold = link_hold,
    .admit = link_admit,
    .close = link_close_conn,
    .free = link_free,
};

static enum ent_err set_up(struct ent_nng *nng, const struct ent_tls_settings *settings)
{
    ENT_TRY(ent_tls_new(settings, &nng->tls));
    if (settings->server_name != NULL) {
        ENT_TRY(ent_strdup(settings->server_name, &nng->server_name));
    }
    ENT_REQUIRE(nng_aio_alloc(&nng->accept_aio, accept_cb, nng) == 0, ENT_E_NO_MEMORY,
                "nng has no memory for a link");
    return ent_timer_start(nng);
}

enum ent_err ent_link_nng_new(const struct ent_tls_settings *settings,
                              const struct ent_link_limits *limits, ent_link_handler handler,
                              void *ctx, struct ent_link **out)
{
    struct ent_nng *nng;
    enum ent_err err;

    nng_begin();
    err = ent_calloc(1, sizeof *nng, &nng);
    if (err != ENT_E_OK) {
        nng_end();
        return err;
    }
    nng->link = (struct ent_link){.ops = &nng_ops,
                                  .handler = handler,
                                  .handler_ctx = ctx,
                                  .limits = limits != NULL ? *limits : ent_link_limits_default(),
                                  .clock = ent_clock_system()};
    (void)pthread_mutex_init(&nng->lock, NULL);
    (void)pthread_cond_init(&nng->gone, NULL);
    ent_timer_init(nng);
    err = set_up(nng, settings);
    if (err != ENT_E_OK) {
        release(nng);
        nng_end();
        return err;
    }
    *out = &nng->link;
    return ENT_E_OK;
}
