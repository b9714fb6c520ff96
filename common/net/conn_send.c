#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/net/nng_link.h"

/* Short enough for control frames to pass soon. */
#define DATA_BYTES ((uint64_t)256 * 1024)
/* So much of what waits goes into records before they are sent. */
#define TOGETHER_BYTES ((size_t)64 * 1024)

struct ent_conn_out {
    struct ent_conn_out *next;
    size_t len;
    uint8_t bytes[]; /* header, body */
};

void ent_conn_drop_frame(struct ent_conn *c)
{
    struct ent_conn_out *out = c->queue;

    c->queue = out->next;
    if (c->queue == NULL) {
        c->queue_end = &c->queue;
    }
    c->n_queued--;
    free(out);
}

static void set_piece(struct ent_conn *c, enum ent_conn_sending what, const uint8_t *bytes,
                      size_t len)
{
    c->sending = what;
    c->send_iov.iov_buf = (void *)(uintptr_t)bytes; /* only read */
    c->send_iov.iov_len = len;
}

static void set_header(struct ent_conn *c, enum ent_conn_sending what, uint8_t type, uint32_t len,
                       uint64_t request)
{
    const struct ent_frame frame = {.type = type, .len = len, .request = request};

    ent_frame_encode(&frame, c->send_header);
    set_piece(c, what, c->send_header, sizeof c->send_header);
}

/* What goes next; false: nothing. */
static bool pick(struct ent_conn *c)
{
    if (c->data_len > 0) {
        set_piece(c, SENDING_DATA, ent_blob_bytes(c->blob) + c->blob_at, c->data_len);
    } else if (c->ping_due) {
        c->ping_due = false;
        set_header(c, SENDING_PING, ENT_FRAME_PING, 0, 0);
    } else if (c->pong_due) {
        c->pong_due = false;
        set_header(c, SENDING_PONG, ENT_FRAME_PONG, 0, c->pong_request);
    } else if (c->queue != NULL) {
        set_piece(c, SENDING_FRAME, c->queue->bytes, c->queue->len);
    } else if (c->blob != NULL) {
        uint64_t left = ent_blob_len(c->blob) - c->blob_at;

        c->data_len = (uint32_t)(left < DATA_BYTES ? left : DATA_BYTES);
        set_header(c, SENDING_DATA_HEADER, ENT_FRAME_DATA, c->data_len, c->blob_request);
    } else if (c->flushing && !c->flush_asked) {
        c->flush_asked = true;
        set_header(c, SENDING_PING, ENT_FRAME_PING, 0, FLUSH_REQUEST);
    } else {
        return false;
    }
    return true;
}

/* The piece is in records, of DATA: in the kernel. What it means. Returns whether *event is to be delivered. */
static bool piece_sent(struct ent_conn *c, struct ent_link_event *event)
{
    enum ent_conn_sending what = c->sending;

    c->sending = SENDING_NOTHING;
    switch (what) {
    case SENDING_FRAME:
        ent_conn_drop_frame(c);
        return false;
    case SENDING_DATA:
        c->blob_at += c->data_len;
        c->data_len = 0;
        if (c->blob_at < ent_blob_len(c->blob)) {
            return false;
        }
        ent_blob_unref(c->blob);
        c->blob = NULL;
        event->kind = ENT_LINK_SENT;
        event->request = c->blob_request;
        return true;
    default:
        return false;
    }
}

/* Into records, what goes out together: whole frames, and one slice of DATA behind them. */
static void fill_records(struct ent_conn *c)
{
    struct ent_link_event none;

    while (c->out_end < TOGETHER_BYTES) {
        size_t n;

        if (c->send_iov.iov_len == 0 && (c->held || !pick(c))) {
            return;
        }
        n = ent_conn_tls_write(c, c->send_iov.iov_buf, c->send_iov.iov_len);
        c->send_iov.iov_buf = (uint8_t *)c->send_iov.iov_buf + n;
        c->send_iov.iov_len -= n;
        if (n == 0 || c->sending == SENDING_DATA) {
            return;
        }
        if (c->send_iov.iov_len == 0) {
            (void)piece_sent(c, &none);
        }
    }
}

/* DATA is not tried at once: it is long, and its end is an event. */
void ent_conn_kick_locked(struct ent_conn *c)
{
    while (!c->send_busy && !c->ended && c->stream != NULL) {
        if (c->out_end == 0 && c->shaken && c->failed_ms == 0) {
            fill_records(c);
        }
        if (c->out_end == 0) {
            return;
        }
        c->tx_ms = ent_conn_now(c);
        (void)ent_conn_tls_flush(c, c->sending != SENDING_DATA);
    }
}

void ent_conn_send_cb(void *arg)
{
    struct ent_conn *c = arg;
    struct ent_link_event event = {.kind = ENT_LINK_SENT};
    bool sent = false;
    int rv = nng_aio_result(c->send_aio);

    (void)pthread_mutex_lock(&c->lock);
    if (rv != 0) {
        ent_conn_broke_locked(c, rv);
    } else if (!c->ended) {
        c->tx_ms = ent_conn_now(c);
        if (!ent_conn_tls_sent(c, nng_aio_count(c->send_aio))) {
            (void)pthread_mutex_unlock(&c->lock);
            return;
        }
        sent = c->sending == SENDING_DATA && c->send_iov.iov_len == 0 && piece_sent(c, &event);
    }
    (void)pthread_mutex_unlock(&c->lock);
    if (sent) {
        ent_conn_emit(c, &event);
    }
    (void)pthread_mutex_lock(&c->lock);
    c->send_busy = false;
    ent_conn_kick_locked(c);
    if (c->ended) {
        ent_timer_wake(c->nng);
    }
    (void)pthread_mutex_unlock(&c->lock);
}

static enum ent_err check_open(const struct ent_conn *c)
{
    ENT_REQUIRE(!c->ended && !c->flushing, ENT_E_NOT_FOUND, "the connection is gone");
    return ENT_E_OK;
}

static enum ent_err enqueue(struct ent_conn *c, const struct ent_frame *frame, const uint8_t *body)
{
    struct ent_conn_out *out;

    ENT_TRY(check_open(c));
    if (c->n_queued >= c->nng->link.limits.queue_max) {
        ent_conn_end_locked(c, ENT_E_LIMIT,
                            "too many control frames wait to be sent: the other end "
                            "does not read them");
        return ent_err_note(ENT_E_LIMIT, "too many control frames wait to be sent");
    }
    ENT_TRY(ent_calloc(1, sizeof *out + ENT_FRAME_HEADER_BYTES + frame->len, &out));
    ent_frame_encode(frame, out->bytes);
    if (frame->len > 0) {
        memcpy(out->bytes + ENT_FRAME_HEADER_BYTES, body, frame->len);
    }
    out->len = ENT_FRAME_HEADER_BYTES + frame->len;
    *c->queue_end = out;
    c->queue_end = &out->next;
    c->n_queued++;
    ent_conn_kick_locked(c);
    return ENT_E_OK;
}

enum ent_err ent_conn_send(struct ent_conn *c, const struct ent_frame *frame, const uint8_t *body)
{
    enum ent_err err;

    (void)pthread_mutex_lock(&c->lock);
    err = enqueue(c, frame, body);
    (void)pthread_mutex_unlock(&c->lock);
    return err;
}

void ent_conn_hold(struct ent_conn *c, bool on)
{
    (void)pthread_mutex_lock(&c->lock);
    c->held = on;
    if (!on) {
        ent_conn_kick_locked(c);
    }
    (void)pthread_mutex_unlock(&c->lock);
}

enum ent_err ent_conn_send_blob(struct ent_conn *c, uint64_t request, struct ent_blob *blob,
                                uint64_t offset)
{
    enum ent_err err;

    (void)pthread_mutex_lock(&c->lock);
    err = check_open(c);
    if (err == ENT_E_OK && c->blob != NULL) {
        err = ent_err_note(ENT_E_BUSY, "a transfer is being sent on this connection already");
    }
    if (err == ENT_E_OK) {
        c->blob = ent_blob_ref(blob);
        c->blob_request = request;
        c->blob_at = offset;
        ent_conn_kick_locked(c);
    }
    (void)pthread_mutex_unlock(&c->lock);
    return err;
}
