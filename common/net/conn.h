/* IN bytes of one stream, calls of link_nng.c · OUT events · OWNS stream, aios, queue, sink and
 * blob of a connection
 * THREADS see below · SOURCE transport.md (deadlines, shutdown, traps 1, 2)
 *
 * Who touches what. nng runs each callback on one of its task threads, and each aio's callbacks
 * one after the other: recv_* belong to the receiving callback (or the worker while it finishes
 * a file), everything else, TLS and its records included, to `lock`. now_aio has no callback: its
 * sends are begun, cancelled and over within one call. Three `*_busy` flags say that a callback is due or
 * running; a connection is torn down (by the timer thread, which alone may wait for nng) once it
 * is ended and none is set. So: end -> stream closed -> callbacks return -> torn down -> CLOSED.
 * Order of locks: link lock, connection lock, nng's. The handler runs under none of them but
 * `event_lock`. */
#ifndef ENT_COMMON_NET_CONN_H
#define ENT_COMMON_NET_CONN_H

#include <pthread.h>
#include <stdatomic.h>

#include <nng/nng.h>

#include "common/net/frame.h"
#include "common/net/tls_openssl.h"

struct ent_nng; /* the link: link_nng.h */

struct ent_conn_out; /* a control frame that waits to be sent */

enum ent_conn_sending {
    SENDING_NOTHING,
    SENDING_PING,
    SENDING_PONG,
    SENDING_FRAME,
    SENDING_DATA_HEADER,
    SENDING_DATA
};

/* Small frames, and the beginnings of larger ones, come through a buffer: one receive for all that
 * is there. */
#define AHEAD_BYTES ((size_t)16 * 1024)

/* Of the PING whose PONG says that everything before it arrived. */
#define FLUSH_REQUEST UINT64_MAX

enum ent_conn_step { STEP_HEADER, STEP_BODY, STEP_DATA };

struct ent_conn {
    ent_conn_id id;
    struct ent_nng *nng;
    atomic_uint refs;
    bool inbound;
    char address[64];
    uint64_t origin; /* inbound: the machine it comes from, as room.c counts */
    bool verified;   /* by a client certificate; with uri under the link's lock */
    char uri[ENT_PEER_URI_MAX];
    pthread_mutex_t event_lock; /* one event at a time */
    pthread_mutex_t lock;

    nng_stream_dialer *dialer;
    nng_aio *dial_aio;
    nng_stream *stream;
    nng_aio *recv_aio;
    nng_aio *send_aio;
    nng_aio *now_aio; /* without callback: for sends that are over when they return */
    bool dial_busy;
    bool recv_busy;
    bool send_busy;

    bool opened;
    atomic_bool admitted; /* read by the half-open count without the lock */
    bool
        flushing; /* ent_link_close with flush: what was queued, then PING, then its PONG ends it */
    bool flush_asked;
    bool ended; /* the stream is closed; why and text are set */
    enum ent_err why;
    char text[256];

    enum ent_conn_step recv_step;
    uint8_t *ahead;  /* [AHEAD_BYTES], from the first receive on: what came and was not looked at */
    size_t ahead_at; /* first byte of it */
    size_t ahead_end; /* behind its last */
    struct ent_frame recv_frame;
    struct ent_buf recv_body;
    uint32_t recv_left; /* bytes of this frame's body still to come */

    struct ent_sink *sink; /* granted; NULL: none */
    uint64_t sink_request;
    uint64_t sink_ms; /* when the transfer was granted or last moved */
    bool in_data;     /* within a DATA frame */

    enum ent_conn_sending sending;
    nng_iov send_iov; /* what is left of the piece being sent */
    uint8_t send_header[ENT_FRAME_HEADER_BYTES];
    bool held; /* frames wait for others */
    struct ent_conn_out *queue;
    struct ent_conn_out **queue_end;
    size_t n_queued;
    bool ping_due;
    bool pong_due;
    uint64_t pong_request;
    struct ent_blob *blob; /* being sent; NULL: none */
    uint64_t blob_request;
    uint64_t blob_at;
    uint32_t data_len; /* of the DATA frame whose header went last; 0: a header is next */

    struct ent_tls_conn tls;
    bool shaken; /* the handshake is over */
    uint8_t *in; /* records that came, [in_at, in_end) of them not looked at */
    size_t in_cap;
    size_t in_at;
    size_t in_end;
    uint8_t *out; /* records that are to go, [out_at, out_end) not gone yet */
    size_t out_cap;
    size_t out_at;
    size_t out_end;
    uint8_t
        *going; /* [going_at, going_end) is being sent: nng holds the address; NULL: nothing is */
    size_t going_at;
    size_t going_end;
    uint64_t born_ms;
    uint64_t rx_ms; /* when bytes last came */
    uint64_t tx_ms; /* when bytes last went, or a send was begun */
    uint64_t ping_ms;
    uint64_t failed_ms; /* when TLS was seen to have failed here; 0: not */
    uint64_t flush_ms;  /* when the flush must be over */
};

/* address is copied (dialer: "host:port"; accepted: the peer's). One reference for the caller. */
ENT_MUST enum ent_err ent_conn_new(struct ent_nng *nng, bool inbound, const char *address,
                                   struct ent_conn **out);
struct ent_conn *ent_conn_ref(struct ent_conn *c);
void ent_conn_unref(struct ent_conn *c);

/* An accepted stream: begin to receive. Takes it. (ent_conn_tls_start came before.) */
void ent_conn_start_accepted(struct ent_conn *c, nng_stream *stream_take);
/* Begin to dial; the dialer (with its options set) is taken. */
void ent_conn_start_dial(struct ent_conn *c, nng_stream_dialer *dialer_take);

/* The calls of link.h, on a connection. */
ENT_MUST enum ent_err ent_conn_send(struct ent_conn *c, const struct ent_frame *frame,
                                    const uint8_t *body);
void ent_conn_hold(struct ent_conn *c, bool on);
ENT_MUST enum ent_err ent_conn_send_blob(struct ent_conn *c, uint64_t request,
                                         struct ent_blob *blob, uint64_t offset);
ENT_MUST enum ent_err ent_conn_expect(struct ent_conn *c, uint64_t request,
                                      struct ent_sink *sink_take);
void ent_conn_admit(struct ent_conn *c);
void ent_conn_close(struct ent_conn *c, bool flush);

/* End it: closes the stream, once; the first reason stays. */
void ent_conn_end(struct ent_conn *c, enum ent_err why, const char *text);

/* Timer thread: deadlines, PING. True when the connection may be torn down. */
bool ent_conn_tick(struct ent_conn *c, uint64_t now_ms);
/* Timer thread, after tick said so, once: waits for nng, frees everything but the struct,
 * delivers CLOSED. */
void ent_conn_tear_down(struct ent_conn *c);

/* Between the files of the connection. `_locked`: the caller holds c->lock. */
void ent_conn_end_locked(struct ent_conn *c, enum ent_err why, const char *text);
void ent_conn_broke_locked(struct ent_conn *c, int rv); /* nng said rv */
void ent_conn_emit(struct ent_conn *c, struct ent_link_event *event_take);
void ent_conn_emit_opened(struct ent_conn *c);
void ent_conn_kick_locked(struct ent_conn *c); /* send what is due, if nothing is being sent */
void ent_conn_send_cb(void *arg);
void ent_conn_recv_cb(void *arg);
void ent_conn_recv_finish(struct ent_conn *c); /* worker: a file sink is complete */
void ent_conn_drop_frame(struct ent_conn *c);  /* the first of the queue */
uint64_t ent_conn_now(const struct ent_conn *c);

/* conn_tls.c; all under c->lock. */
ENT_MUST enum ent_err ent_conn_tls_start(struct ent_conn *c, const char *host);
void ent_conn_tls_release(struct ent_conn *c);
void ent_conn_tls_shake(struct ent_conn *c); /* the handshake, as far as what came allows */
void ent_conn_tls_post(struct ent_conn *c);  /* the next receive; what came before was used up */
/* What came, at most len bytes of it; 0: no more is there (or the connection ended). */
size_t ent_conn_tls_read(struct ent_conn *c, uint8_t *bytes, size_t len);
/* Into records, for the next flush: returns how many bytes; 0: it failed. */
size_t ent_conn_tls_write(struct ent_conn *c, const uint8_t *bytes, size_t len);
/* Send what is to go; false: send_cb comes when the socket took more of it. now: try without one. */
bool ent_conn_tls_flush(struct ent_conn *c, bool now);
bool ent_conn_tls_sent(struct ent_conn *c, size_t n); /* from send_cb: whether it is all out */
void ent_conn_tls_shutdown(struct ent_conn *c);       /* close_notify, if there is a session */
ENT_MUST enum ent_err ent_conn_tls_peer(struct ent_conn *c, struct ent_peer *out);

#endif
