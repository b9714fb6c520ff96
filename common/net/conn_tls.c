/* TLS between the stream and the frames: records come from and go to memory of the connection, so that one receive and
 * one send of the stream carry whatever there is. Everything here runs under c->lock. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/x509.h"
#include "common/net/nng_link.h"

/* Plain bytes that become records at a time: bounds what a connection holds of a large transfer. */
#define SLICE_BYTES ((size_t)64 * 1024)
#define IN_FIRST_BYTES ((size_t)16 * 1024)
#define OUT_KEEP_BYTES ((size_t)16 * 1024) /* of the way out, for a connection that rests */
/* For connections that were admitted and send much: a small update comes in one receive. */
#define IN_BYTES ((size_t)56 * 1024)

/* More than is ever put together here: what goes beyond is answers of TLS itself that the other end asks for (new keys)
 * and does not read. */
#define OUT_MAX_BYTES ((size_t)512 * 1024)

/* ---- carrier ---- */

static enum ent_tls_io carrier_send(void *ctx, const uint8_t *bytes, size_t *len)
{
    struct ent_conn *c = ctx;
    size_t need = c->out_end + *len;

    if (need > OUT_MAX_BYTES) {
        ent_conn_end_locked(c, ENT_E_LIMIT, "the other end asks for more of TLS than it reads");
        return ENT_TLS_FAILED;
    }
    if (need > c->out_cap) {
        size_t cap = need > c->out_cap * 2 ? need : c->out_cap * 2;
        uint8_t *grown = realloc(c->out, cap);

        if (grown == NULL) {
            return ENT_TLS_FAILED;
        }
        c->out = grown;
        c->out_cap = cap;
    }
    memcpy(c->out + c->out_end, bytes, *len);
    c->out_end += *len;
    return ENT_TLS_OK;
}

static enum ent_tls_io carrier_recv(void *ctx, uint8_t *bytes, size_t *len)
{
    struct ent_conn *c = ctx;
    size_t have = c->in_end - c->in_at;

    if (have == 0) {
        return ENT_TLS_AGAIN;
    }
    *len = *len < have ? *len : have;
    memcpy(bytes, c->in + c->in_at, *len);
    c->in_at += *len;
    return ENT_TLS_OK;
}

enum ent_err ent_conn_tls_start(struct ent_conn *c, const char *host)
{
    static const struct ent_tls_carrier carrier = {carrier_send, carrier_recv};

    c->tls.carrier = &carrier;
    c->tls.carrier_ctx = c;
    ENT_TRY(ent_calloc(IN_FIRST_BYTES, 1, &c->in));
    c->in_cap = IN_FIRST_BYTES;
    return ent_tls_conn_start(&c->tls, c->nng->tls, c->inbound, host);
}

void ent_conn_tls_release(struct ent_conn *c)
{
    ent_tls_conn_release(&c->tls);
    free(c->in);
    free(c->out);
    free(c->going);
    c->in = NULL;
    c->out = NULL;
    c->going = NULL;
}

/* The first failure: our alert still goes out, and what comes is read away until the timer ends it (conn.c), for a
 * close with unread bytes would overtake the alert by a reset. */
static void failed(struct ent_conn *c)
{
    if (c->failed_ms == 0) {
        c->failed_ms = ent_conn_now(c);
    }
    if (c->tls.refused) {
        ent_conn_broke_locked(c, NNG_ECRYPTO);
    }
}

/* ---- coming ---- */

void ent_conn_tls_post(struct ent_conn *c)
{
    nng_iov iov;

    if (c->in_end == c->in_cap && c->in_cap < IN_BYTES && atomic_load(&c->admitted)) {
        uint8_t *grown = realloc(c->in, IN_BYTES);

        c->in_cap = grown != NULL ? IN_BYTES : c->in_cap;
        c->in = grown != NULL ? grown : c->in;
    }
    c->in_at = 0;
    c->in_end = 0;
    iov = (nng_iov){.iov_buf = c->in, .iov_len = c->in_cap};
    (void)nng_aio_set_iov(c->recv_aio, 1, &iov);
    nng_stream_recv(c->stream, c->recv_aio);
}

void ent_conn_tls_shake(struct ent_conn *c)
{
    enum ent_tls_io io;

    if (c->shaken || c->ended || c->failed_ms != 0) {
        return;
    }
    io = ent_tls_conn_handshake(&c->tls);
    c->shaken = io == ENT_TLS_OK;
    if (io == ENT_TLS_CLOSED) {
        ent_conn_broke_locked(c, NNG_ECONNSHUT);
    } else if (io == ENT_TLS_FAILED) {
        failed(c);
    }
    ent_conn_kick_locked(c);
}

size_t ent_conn_tls_read(struct ent_conn *c, uint8_t *bytes, size_t len)
{
    enum ent_tls_io io;

    if (c->ended || c->failed_ms != 0 || !c->shaken) {
        return 0;
    }
    io = ent_tls_conn_read(&c->tls, bytes, &len);
    if (io == ENT_TLS_OK) {
        return len;
    }
    if (io == ENT_TLS_FAILED) {
        failed(c);
    } else if (io == ENT_TLS_CLOSED) {
        ent_conn_broke_locked(c, NNG_ECONNSHUT);
    }
    return 0;
}

/* ---- going ---- */

/* Most sends are over when the call returns: asking for that, instead of being told by another thread, saves waking it.
 * This aio has no callback; the cancellation finds nothing to cancel, or a full socket. */
static bool send_now(struct ent_conn *c)
{
    nng_iov iov = {.iov_buf = c->out + c->out_at, .iov_len = c->out_end - c->out_at};
    int rv;

    (void)nng_aio_set_iov(c->now_aio, 1, &iov);
    nng_stream_send(c->stream, c->now_aio);
    nng_aio_cancel(c->now_aio);
    nng_aio_wait(c->now_aio);
    rv = nng_aio_result(c->now_aio);
    if (rv == 0) {
        c->out_at += nng_aio_count(c->now_aio);
    } else if (rv != NNG_ECANCELED) {
        ent_conn_broke_locked(c, rv);
    }
    return c->out_at == c->out_end;
}

/* What nng sends meanwhile must stay where it is: TLS may answer (new keys, alerts) before it has gone, and puts that
 * into a buffer of its own. */
static void send_later(struct ent_conn *c)
{
    nng_iov iov;

    if (c->going == NULL) {
        c->going = c->out;
        c->going_at = c->out_at;
        c->going_end = c->out_end;
        c->out = NULL;
        c->out_cap = 0;
        c->out_at = 0;
        c->out_end = 0;
    }
    iov = (nng_iov){.iov_buf = c->going + c->going_at, .iov_len = c->going_end - c->going_at};
    c->send_busy = true;
    c->tx_ms = ent_conn_now(c);
    (void)nng_aio_set_iov(c->send_aio, 1, &iov);
    nng_stream_send(c->stream, c->send_aio);
}

static void all_out(struct ent_conn *c)
{
    c->out_at = 0;
    c->out_end = 0;
    if (c->out_cap > OUT_KEEP_BYTES) {
        free(c->out);
        c->out = NULL;
        c->out_cap = 0;
    }
}

bool ent_conn_tls_flush(struct ent_conn *c, bool now)
{
    if (c->out_end > 0 && now && send_now(c)) {
        all_out(c);
    }
    if (c->out_end > 0 && !c->ended) {
        send_later(c);
    }
    return !c->send_busy;
}

bool ent_conn_tls_sent(struct ent_conn *c, size_t n)
{
    c->going_at += n;
    if (c->going_at < c->going_end) {
        send_later(c);
        return false;
    }
    free(c->going);
    c->going = NULL;
    return true;
}

size_t ent_conn_tls_write(struct ent_conn *c, const uint8_t *bytes, size_t len)
{
    len = len < SLICE_BYTES ? len : SLICE_BYTES;
    if (ent_tls_conn_write(&c->tls, bytes, len) != ENT_TLS_OK) {
        failed(c);
        return 0;
    }
    return len;
}

void ent_conn_tls_shutdown(struct ent_conn *c)
{
    if (c->shaken && c->failed_ms == 0 && !c->send_busy && c->out_end == 0 && c->stream != NULL) {
        ent_tls_conn_shutdown(&c->tls);
        (void)send_now(c);
    }
}

/* ---- the other end ---- */

enum ent_err ent_conn_tls_peer(struct ent_conn *c, struct ent_peer *out)
{
    struct ent_buf der;
    struct ent_cert *cert = NULL;
    struct ent_cert_info info;
    struct ent_peer peer;
    enum ent_err err;

    ent_buf_init(&der, ENT_CERT_DER_MAX_BYTES);
    err = ent_tls_conn_peer(&c->tls, &peer, &der);
    if (err == ENT_E_OK && der.len > 0) {
        err = ent_cert_decode(der.data, der.len, &cert);
        if (err == ENT_E_OK) {
            err = ent_cert_info(cert, &info);
        }
        if (err == ENT_E_OK) {
            peer.has_cert = true;
            memcpy(peer.cert_sha256, info.sha256, sizeof info.sha256);
            (void)snprintf(peer.uri, sizeof peer.uri, "%s", info.uri);
        }
        ent_cert_free(cert);
    }
    ent_buf_release(&der);
    if (err == ENT_E_OK) {
        *out = peer;
    }
    return err;
}
