#include "common/net/conn.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/net/nng_link.h"

/* Ids are unique in the process, so that a coordinator may keep those of both its links in one
 * table. */
static atomic_uint_least64_t last_id;

uint64_t ent_conn_now(const struct ent_conn *c)
{
    return ent_clock_mono(&c->nng->link.clock);
}

enum ent_err ent_conn_new(struct ent_nng *nng, bool inbound, const char *address,
                          struct ent_conn **out)
{
    struct ent_conn *c;

    ENT_TRY(ent_calloc(1, sizeof *c, &c));
    c->nng = nng;
    c->inbound = inbound;
    c->id = atomic_fetch_add(&last_id, 1) + 1;
    atomic_init(&c->refs, 1);
    (void)snprintf(c->address, sizeof c->address, "%s", address);
    (void)pthread_mutex_init(&c->lock, NULL);
    (void)pthread_mutex_init(&c->event_lock, NULL);
    ent_buf_init(&c->recv_body, ENT_FRAME_CONTROL_MAX_BYTES);
    c->queue_end = &c->queue;
    c->born_ms = ent_conn_now(c);
    c->rx_ms = c->born_ms;
    if (nng_aio_alloc(&c->recv_aio, ent_conn_recv_cb, c) != 0 ||
        nng_aio_alloc(&c->send_aio, ent_conn_send_cb, c) != 0 ||
        nng_aio_alloc(&c->now_aio, NULL, NULL) != 0) {
        ent_conn_unref(c);
        return ent_err_note(ENT_E_NO_MEMORY, "nng has no memory for a connection");
    }
    *out = c;
    return ENT_E_OK;
}

struct ent_conn *ent_conn_ref(struct ent_conn *c)
{
    (void)atomic_fetch_add(&c->refs, 1);
    return c;
}

void ent_conn_unref(struct ent_conn *c)
{
    if (atomic_fetch_sub(&c->refs, 1) != 1) {
        return;
    }
    nng_aio_free(c->recv_aio);
    nng_aio_free(c->send_aio);
    nng_aio_free(c->now_aio);
    nng_aio_free(c->dial_aio);
    ent_conn_tls_release(c);
    (void)pthread_mutex_destroy(&c->lock);
    (void)pthread_mutex_destroy(&c->event_lock);
    free(c);
}

void ent_conn_emit(struct ent_conn *c, struct ent_link_event *event_take)
{
    event_take->conn = c->id;
    event_take->inbound = c->inbound;
    (void)pthread_mutex_lock(&c->event_lock);
    c->nng->link.handler(c->nng->link.handler_ctx, event_take);
    (void)pthread_mutex_unlock(&c->event_lock);
}

void ent_conn_emit_opened(struct ent_conn *c)
{
    struct ent_link_event event = {.kind = ENT_LINK_OPENED};
    enum ent_err err = ent_calloc(1, sizeof *event.peer, &event.peer);

    (void)pthread_mutex_lock(&c->lock);
    if (err == ENT_E_OK) {
        err = ent_conn_tls_peer(c, event.peer);
    }
    if (err != ENT_E_OK) {
        ent_conn_end_locked(c, err, "the other end was not verified");
    }
    (void)pthread_mutex_unlock(&c->lock);
    if (err != ENT_E_OK) {
        free(event.peer);
        return;
    }
    event.peer->origin = c->origin;
    if (c->inbound && event.peer->has_cert) {
        ent_room_verified(c->nng, c, event.peer->uri);
    }
    (void)snprintf(event.peer->address, sizeof event.peer->address, "%s", c->address);
    ent_conn_emit(c, &event);
}

/* --- ending --- */

/* The stream is closed at the first error and nothing is posted again: nng would not complete it
 * (trap 2). */
void ent_conn_end_locked(struct ent_conn *c, enum ent_err why, const char *text)
{
    if (c->ended) {
        return;
    }
    c->ended = true;
    c->why = why;
    (void)snprintf(c->text, sizeof c->text, "%s", text);
    if (c->dialer != NULL) {
        nng_stream_dialer_close(c->dialer);
    }
    if (c->stream != NULL) {
        ent_conn_tls_shutdown(c);
        nng_stream_close(c->stream);
    }
    ent_timer_wake(c->nng);
}

void ent_conn_end(struct ent_conn *c, enum ent_err why, const char *text)
{
    (void)pthread_mutex_lock(&c->lock);
    ent_conn_end_locked(c, why, text);
    (void)pthread_mutex_unlock(&c->lock);
}

/* OpenSSL's words where it has some; nng's code otherwise. */
void ent_conn_broke_locked(struct ent_conn *c, int rv)
{
    char text[sizeof c->text];
    const char *what = nng_strerror(rv);

    if (c->ended) {
        return;
    }
    if (c->tls.why != ENT_E_OK) {
        ent_conn_end_locked(c, c->tls.why, c->tls.text);
        return;
    }
    if (c->stream == NULL) {
        (void)snprintf(text, sizeof text, "cannot connect to %s: %s", c->address,
                       rv == NNG_EADDRINVAL ? "its host name cannot be resolved" : what);
    } else if (rv == NNG_ECONNSHUT) {
        (void)snprintf(text, sizeof text, "the other end closed the connection%s",
                       c->admitted ? "" : " before it had agreed to it");
    } else {
        (void)snprintf(text, sizeof text, "the connection broke: %s", what);
    }
    ent_conn_end_locked(c, ENT_E_NET, text);
}

/* --- starting --- */

void ent_conn_start_accepted(struct ent_conn *c, nng_stream *stream_take)
{
    (void)pthread_mutex_lock(&c->lock);
    c->stream = stream_take;
    if (c->ended) {
        nng_stream_close(c->stream);
    } else {
        c->recv_busy = true;
        ent_conn_tls_post(c);
    }
    (void)pthread_mutex_unlock(&c->lock);
}

/* The first PING goes as soon as the handshake is over (conn_recv.c). */
static void dial_cb(void *arg)
{
    struct ent_conn *c = arg;
    int rv = nng_aio_result(c->dial_aio);

    (void)pthread_mutex_lock(&c->lock);
    if (rv == 0) {
        c->stream = nng_aio_get_output(c->dial_aio, 0);
        c->ping_due = true;
        if (c->ended) {
            nng_stream_close(c->stream);
        } else {
            ent_conn_tls_shake(c);
            c->recv_busy = true;
            ent_conn_tls_post(c);
        }
    } else {
        ent_conn_broke_locked(c, rv);
    }
    c->dial_busy = false;
    (void)pthread_mutex_unlock(&c->lock);
    ent_timer_wake(c->nng);
}

void ent_conn_start_dial(struct ent_conn *c, nng_stream_dialer *dialer_take)
{
    (void)pthread_mutex_lock(&c->lock);
    c->dialer = dialer_take;
    if (nng_aio_alloc(&c->dial_aio, dial_cb, c) != 0) {
        ent_conn_end_locked(c, ENT_E_NO_MEMORY, "nng has no memory for a connection");
    } else {
        c->dial_busy = true;
        nng_stream_dialer_dial(c->dialer, c->dial_aio);
    }
    (void)pthread_mutex_unlock(&c->lock);
}

/* --- calls of link.h --- */

enum ent_err ent_conn_expect(struct ent_conn *c, uint64_t request, struct ent_sink *sink_take)
{
    enum ent_err err = ENT_E_OK;

    (void)pthread_mutex_lock(&c->lock);
    if (c->ended || c->flushing) {
        err = ent_err_note(ENT_E_NOT_FOUND, "the connection is gone");
    } else if (c->sink != NULL) {
        err = ent_err_note(ENT_E_BUSY, "a transfer is expected on this connection already");
    } else {
        c->sink = sink_take;
        c->sink_request = request;
        c->sink_ms =
            ent_conn_now(c); /* a grant that is never used ends like a transfer that stands */
    }
    (void)pthread_mutex_unlock(&c->lock);
    return err;
}

void ent_conn_admit(struct ent_conn *c)
{
    (void)pthread_mutex_lock(&c->lock);
    c->admitted = true;
    c->rx_ms = ent_conn_now(c);
    (void)pthread_mutex_unlock(&c->lock);
}

void ent_conn_close(struct ent_conn *c, bool flush)
{
    (void)pthread_mutex_lock(&c->lock);
    if (!flush || !c->opened) {
        ent_conn_end_locked(c, ENT_E_STOPPED, "closed by this end");
    } else if (!c->flushing) {
        c->flushing = true;
        c->flush_ms = ent_conn_now(c) + c->nng->link.limits.idle_ms;
        ent_conn_kick_locked(c);
    }
    (void)pthread_mutex_unlock(&c->lock);
}

/* --- timer --- */

#define LINGER_MS 200 /* from a failed handshake to the close: time for the alert to arrive */

static bool past(uint64_t since_ms, uint64_t span_ms, uint64_t now_ms)
{
    return now_ms >= since_ms && now_ms - since_ms >= span_ms;
}

#define QUIET_MS 1000 /* after that long without a byte, is there still a socket? */

/* A receive that is posted just after the socket died is never completed (trap 2): rather than
 * wait for the idle deadline, ask. The address of the peer is gone with the connection. */
static bool socket_is_dead(const struct ent_conn *c, uint64_t now_ms)
{
    nng_sockaddr sa;

    return c->stream != NULL && past(c->rx_ms, QUIET_MS, now_ms) &&
           nng_stream_get_addr(c->stream, NNG_OPT_REMADDR, &sa) != 0;
}

static void timed_out(struct ent_conn *c, const char *what, uint32_t ms)
{
    char span[ENT_TIME_TEXT_BYTES];
    char text[sizeof c->text];

    ent_duration_text(ms, span);
    (void)snprintf(text, sizeof text, "%s %s", what, span);
    ent_conn_end_locked(c, ENT_E_TIMEOUT, text);
}

/* A granted transfer stands: since the grant or its last DATA frame only other frames came. Within a
 * frame rx_ms tells. */
static bool transfer_stands(const struct ent_conn *c, uint64_t span_ms, uint64_t now_ms)
{
    return c->sink != NULL && c->sink_ms != 0 && !c->in_data && past(c->sink_ms, span_ms, now_ms);
}

static void check_deadlines(struct ent_conn *c, uint64_t now_ms)
{
    const struct ent_link_limits *limits = &c->nng->link.limits;
    uint64_t quiet_since = c->rx_ms > c->ping_ms ? c->rx_ms : c->ping_ms;

    if (c->failed_ms != 0 && past(c->failed_ms, LINGER_MS, now_ms)) {
        ent_conn_broke_locked(c, NNG_ECRYPTO);
    } else if (socket_is_dead(c, now_ms)) {
        ent_conn_broke_locked(c, NNG_ECONNRESET);
    } else if (c->flushing && past(c->flush_ms, 0, now_ms)) {
        timed_out(c, "what was left to send could not be delivered in", limits->idle_ms);
    } else if (!c->admitted && past(c->born_ms, limits->handshake_ms, now_ms)) {
        timed_out(c,
                  c->opened ? "no agreement with the other end within" : "no TLS handshake within",
                  limits->handshake_ms);
    } else if (!c->admitted) {
        return;
    } else if (past(c->rx_ms, limits->idle_ms, now_ms)) {
        timed_out(c, "nothing came from the other end for", limits->idle_ms);
    } else if (c->send_busy && past(c->tx_ms, limits->idle_ms, now_ms)) {
        timed_out(c, "the other end has read nothing for", limits->idle_ms);
    } else if (transfer_stands(c, limits->idle_ms, now_ms)) {
        timed_out(c, "the transfer has stood still for", limits->idle_ms);
    } else if (past(quiet_since, limits->idle_ms / 3, now_ms)) {
        c->ping_ms = now_ms;
        c->ping_due = true;
        ent_conn_kick_locked(c);
    }
}

bool ent_conn_tick(struct ent_conn *c, uint64_t now_ms)
{
    bool quiet;

    (void)pthread_mutex_lock(&c->lock);
    if (!c->ended) {
        check_deadlines(c, now_ms);
    }
    quiet = c->ended && !c->dial_busy && !c->recv_busy && !c->send_busy;
    (void)pthread_mutex_unlock(&c->lock);
    return quiet;
}

static void free_stream(struct ent_conn *c)
{
    /* The callbacks have returned or are about to: stop waits for the last instructions of
     * theirs. */
    nng_aio_stop(c->dial_aio);
    nng_aio_stop(c->recv_aio);
    nng_aio_stop(c->send_aio);
    nng_aio_stop(c->now_aio);
    (void)pthread_mutex_lock(&c->lock);
    if (c->stream != NULL) {
        nng_stream_free(c->stream);
        c->stream = NULL;
    }
    (void)pthread_mutex_unlock(&c->lock);
    if (c->dialer != NULL) {
        nng_stream_dialer_free(c->dialer);
        c->dialer = NULL;
    }
}

void ent_conn_tear_down(struct ent_conn *c)
{
    struct ent_link_event event = {.kind = ENT_LINK_CLOSED, .why = c->why};

    free_stream(c);
    while (c->queue != NULL) {
        ent_conn_drop_frame(c);
    }
    ent_sink_free(c->sink);
    c->sink = NULL;
    ent_blob_unref(c->blob);
    c->blob = NULL;
    ent_buf_release(&c->recv_body);
    if (c->ahead != NULL) {
        explicit_bzero(c->ahead, AHEAD_BYTES); /* what came last: an enrolment's secret */
    }
    free(c->ahead);
    c->ahead = NULL;
    if (c->inbound && !c->opened) { /* nobody was told yet from where it came */
        (void)snprintf(event.text, sizeof event.text, "%s: %.180s", c->address, c->text);
    } else {
        (void)snprintf(event.text, sizeof event.text, "%s", c->text);
    }
    ent_conn_emit(c, &event);
}
