#include <string.h>

#include "common/base/mem.h"
#include "common/net/nng_link.h"
#include "common/net/sink.h"

/* The rest of a body is asked of a stranger in pieces that at most double what has come: a length
 * that was only announced costs nothing. */
#define BODY_PIECE_BYTES ((size_t)4096)

/* Where what comes next belongs. Between frames: into the buffer, behind the part of a header that is there. */
static enum ent_err target(struct ent_conn *c, uint8_t **to, size_t *len)
{
    size_t have = c->ahead_end - c->ahead_at;

    switch (c->recv_step) {
    case STEP_BODY:
        *len = c->recv_body.len > BODY_PIECE_BYTES ? c->recv_body.len : BODY_PIECE_BYTES;
        *len = *len < c->recv_left && !atomic_load(&c->admitted) ? *len : c->recv_left;
        return ent_buf_extend(&c->recv_body, *len, to);
    case STEP_DATA:
        ENT_TRY(ent_sink_window(c->sink, to, len));
        *len = *len < c->recv_left ? *len : c->recv_left;
        return ENT_E_OK;
    default:
        if (c->ahead == NULL) {
            ENT_TRY(ent_calloc(AHEAD_BYTES, 1, &c->ahead));
        }
        memmove(c->ahead, c->ahead + c->ahead_at, have);
        c->ahead_at = 0;
        c->ahead_end = have;
        *to = c->ahead + have;
        *len = AHEAD_BYTES - have;
        return ENT_E_OK;
    }
}

static void emit_frame(struct ent_conn *c)
{
    struct ent_link_event event = {.kind = ENT_LINK_FRAME,
                                   .type = c->recv_frame.type,
                                   .flags = c->recv_frame.flags,
                                   .request = c->recv_frame.request,
                                   .body = c->recv_body};
    bool muted;

    ent_buf_init(&c->recv_body, ENT_FRAME_CONTROL_MAX_BYTES);
    (void)pthread_mutex_lock(&c->lock);
    muted = c->flushing || c->ended;
    (void)pthread_mutex_unlock(&c->lock);
    if (muted) {
        ent_link_event_release(&event);
        return;
    }
    ent_conn_emit(c, &event);
}

/* PONGs are not queued: the newest says all, so PINGs cannot fill memory. */
static void got_ping(struct ent_conn *c)
{
    bool first;

    (void)pthread_mutex_lock(&c->lock);
    first = c->inbound && !c->opened;
    c->opened = true;
    c->pong_due = true;
    c->pong_request = c->recv_frame.request;
    ent_conn_kick_locked(c);
    (void)pthread_mutex_unlock(&c->lock);
    if (first) {
        ent_conn_emit_opened(c);
    }
}

static void got_pong(struct ent_conn *c)
{
    (void)pthread_mutex_lock(&c->lock);
    if (c->flush_asked && c->recv_frame.request == FLUSH_REQUEST) {
        ent_conn_end_locked(c, ENT_E_STOPPED, "closed by this end");
    }
    (void)pthread_mutex_unlock(&c->lock);
}

static enum ent_err got_header(struct ent_conn *c, const uint8_t *header)
{
    struct ent_frame_state state;
    struct ent_frame *f = &c->recv_frame;

    (void)pthread_mutex_lock(&c->lock);
    state = (struct ent_frame_state){.opened = c->opened,
                                     .expecting = c->sink != NULL,
                                     .expect_request = c->sink_request,
                                     .expect_bytes = c->sink != NULL ? ent_sink_left(c->sink) : 0};
    (void)pthread_mutex_unlock(&c->lock);
    ENT_TRY(ent_frame_decode(header, &state, f));
    if (f->type == ENT_FRAME_PING) {
        got_ping(c);
    } else if (f->type == ENT_FRAME_PONG) {
        got_pong(c);
    } else if (f->type == ENT_FRAME_DATA) {
        c->recv_left = f->len;
        c->recv_step = STEP_DATA;
        (void)pthread_mutex_lock(&c->lock);
        c->in_data = true;
        (void)pthread_mutex_unlock(&c->lock);
    } else if (f->len > 0) {
        c->recv_left = f->len;
        c->recv_step = STEP_BODY;
    } else {
        emit_frame(c);
    }
    return ENT_E_OK;
}

static void emit_received(struct ent_conn *c)
{
    struct ent_link_event event = {.kind = ENT_LINK_RECEIVED};
    bool muted;

    (void)pthread_mutex_lock(&c->lock);
    muted = c->flushing || c->ended;
    event.request = c->sink_request;
    event.sink = c->sink;
    c->sink = NULL;
    (void)pthread_mutex_unlock(&c->lock);
    if (muted) {
        ent_link_event_release(&event);
        return;
    }
    ent_conn_emit(c, &event);
}

/* n bytes of DATA lie in the sink's window. *handed_over: the worker goes on with this connection. */
static enum ent_err got_data(struct ent_conn *c, size_t n, bool *handed_over)
{
    ENT_TRY(ent_sink_advance(c->sink, n));
    c->recv_left -= (uint32_t)n;
    if (c->recv_left == 0) {
        c->recv_step = STEP_HEADER;
    }
    (void)pthread_mutex_lock(&c->lock);
    c->sink_ms = ent_conn_now(c);
    c->in_data = c->recv_left > 0;
    (void)pthread_mutex_unlock(&c->lock);
    if (!ent_sink_complete(c->sink)) {
        return ENT_E_OK;
    }
    if (ent_sink_is_file(c->sink)) {
        *handed_over = true;
        ent_timer_finish_file(c->nng, c);
        return ENT_E_OK;
    }
    ENT_TRY(ent_sink_finish(c->sink));
    emit_received(c);
    return ENT_E_OK;
}

static void got_body(struct ent_conn *c, size_t n)
{
    c->recv_left -= (uint32_t)n;
    if (c->recv_left == 0) {
        c->recv_step = STEP_HEADER;
        emit_frame(c);
    }
}

/* One step with what is in the buffer. *more: it may have another. */
static enum ent_err use_ahead(struct ent_conn *c, bool *handed_over, bool *more)
{
    const uint8_t *from = c->ahead + c->ahead_at;
    size_t n = c->ahead_end - c->ahead_at;
    uint8_t *to;
    size_t room;

    if (c->recv_step == STEP_HEADER) {
        *more = n >= ENT_FRAME_HEADER_BYTES;
        if (!*more) {
            return ENT_E_OK;
        }
        c->ahead_at += ENT_FRAME_HEADER_BYTES;
        return got_header(c, from);
    }
    n = n < c->recv_left ? n : c->recv_left;
    *more = n > 0;
    if (n == 0) {
        return ENT_E_OK;
    }
    if (c->recv_step == STEP_BODY) {
        ENT_TRY(ent_buf_add(&c->recv_body, from, n));
        c->ahead_at += n;
        got_body(c, n);
        return ENT_E_OK;
    }
    ENT_TRY(ent_sink_window(c->sink, &to, &room));
    n = n < room ? n : room;
    memcpy(to, from, n);
    c->ahead_at += n;
    return got_data(c, n, handed_over);
}

static bool is_ended(struct ent_conn *c)
{
    bool ended;

    (void)pthread_mutex_lock(&c->lock);
    ended = c->ended;
    (void)pthread_mutex_unlock(&c->lock);
    return ended;
}

static enum ent_err use_all(struct ent_conn *c, bool *handed_over)
{
    bool more = true;

    while (more && !*handed_over && !is_ended(c)) {
        ENT_TRY(use_ahead(c, handed_over, &more));
    }
    return ENT_E_OK;
}

/* n bytes came where target() wanted them. */
static enum ent_err got_piece(struct ent_conn *c, size_t n, bool *handed_over)
{
    switch (c->recv_step) {
    case STEP_BODY:
        got_body(c, n);
        break;
    case STEP_DATA:
        ENT_TRY(got_data(c, n, handed_over));
        break;
    default:
        c->ahead_end += n;
        break;
    }
    return *handed_over ? ENT_E_OK : use_all(c, handed_over);
}

/* The handshake goes on. A dialer is told of its end before anything that came behind it is looked at. */
static void shake(struct ent_conn *c)
{
    bool first;

    (void)pthread_mutex_lock(&c->lock);
    ent_conn_tls_shake(c);
    first = c->shaken && !c->opened && !c->inbound && !c->ended;
    c->opened = c->opened || first;
    (void)pthread_mutex_unlock(&c->lock);
    if (first) {
        ent_conn_emit_opened(c);
    }
}

/* A piece of what came, decrypted. *more: there may be another. */
static enum ent_err read_piece(struct ent_conn *c, bool *handed_over, bool *more)
{
    uint8_t *to;
    size_t len;
    size_t n;

    ENT_TRY(target(c, &to, &len));
    (void)pthread_mutex_lock(&c->lock);
    n = ent_conn_tls_read(c, to, len);
    (void)pthread_mutex_unlock(&c->lock);
    if (c->recv_step == STEP_BODY) {
        c->recv_body.len -= len - n;
    }
    *more = n > 0;
    return n > 0 ? got_piece(c, n, handed_over) : ENT_E_OK;
}

/* All that came; then the next receive, unless that was the end: an error, or the connection was ended meanwhile. */
static void go_on(struct ent_conn *c)
{
    bool handed_over = false;
    bool more = true;
    enum ent_err err = ENT_E_OK;

    while (err == ENT_E_OK && more && !handed_over) {
        shake(c);
        err = read_piece(c, &handed_over, &more);
    }
    if (handed_over) {
        return; /* the worker goes on */
    }
    (void)pthread_mutex_lock(&c->lock);
    if (err != ENT_E_OK) {
        ent_conn_end_locked(c, err, ent_err_message());
    }
    ent_conn_kick_locked(c); /* an alert of ours */
    c->recv_busy = !c->ended;
    if (c->ended) {
        ent_timer_wake(c->nng);
    } else {
        ent_conn_tls_post(c);
    }
    (void)pthread_mutex_unlock(&c->lock);
}

void ent_conn_recv_cb(void *arg)
{
    struct ent_conn *c = arg;
    int rv = nng_aio_result(c->recv_aio);

    (void)pthread_mutex_lock(&c->lock);
    if (rv != 0) {
        ent_conn_broke_locked(c, rv);
    } else {
        c->in_end = nng_aio_count(c->recv_aio);
        c->rx_ms = ent_conn_now(c);
    }
    (void)pthread_mutex_unlock(&c->lock);
    go_on(c);
}

void ent_conn_recv_finish(struct ent_conn *c)
{
    bool handed_over = false;
    enum ent_err err = ent_sink_finish(c->sink);

    if (err == ENT_E_OK) {
        emit_received(c);
        err = use_all(c, &handed_over);
    }
    if (err != ENT_E_OK) {
        ent_conn_end(c, err, ent_err_message());
    }
    if (!handed_over) {
        go_on(c);
    }
}
