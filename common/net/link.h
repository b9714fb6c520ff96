/* IN frames to send, addresses · OUT events · OWNS connections, their buffers and deadlines
 * THREADS calls from any thread; events come on the link's threads, which the handler must not
 * block SOURCE transport.md (recommended design)
 *
 * A link carries 16-byte-headed frames between a coordinator and its members: link_nng over mutual
 * TLS 1.3, link_mem between two ends in one process for tests and simulation. It knows frames,
 * lengths and deadlines, not messages.
 *
 * A connection's life: the dialer connects; when the handshake is over it gets OPENED and sends PING,
 * with which the listener gets it. Until ent_link_admit() the
 * handshake deadline runs and only control frames pass. PING is answered by the link itself; an
 * idle connection is closed by it.
 *
 * Bulk: the receiver calls ent_link_expect() with a sink (the grant), and tells its peer GO by a
 * control frame; the sender calls ent_link_send_blob(). DATA without an expectation, or more than
 * was granted, ends the connection. At most one bulk transfer per direction and connection; control
 * frames pass between its DATA frames. */
#ifndef ENT_COMMON_NET_LINK_H
#define ENT_COMMON_NET_LINK_H

#include <stdint.h>

#include "common/base/blob.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/err.h"

#define ENT_FRAME_HEADER_BYTES 16
#define ENT_FRAME_VERSION 1
#define ENT_FRAME_CONTROL_MAX_BYTES ((size_t)64 * 1024)
#define ENT_FRAME_DATA_MAX_BYTES ((size_t)1024 * 1024)

/* Frame types. On the wire: never reuse. The link handles PING, PONG and DATA itself; all others
 * are the caller's (message numbers of common/wire, 16 and above). */
enum ent_frame_type {
    ENT_FRAME_PING = 1,
    ENT_FRAME_PONG = 2,
    ENT_FRAME_DATA = 3,
    ENT_FRAME_FIRST_MESSAGE = 16
};

typedef uint64_t ent_conn_id; /* never reused in a process; 0 = none */

#define ENT_PEER_URI_MAX 256
#define ENT_EXPORTER_BYTES 32

/* What TLS proved of the other end. */
struct ent_peer {
    char address[64]; /* remote address and port, for logs */
    uint64_t
        origin; /* of an accepted one: its IPv4 address, or the /64 of its IPv6 address; 0: not known */
    char uri[ENT_PEER_URI_MAX]; /* subjectAltName URI of its certificate; "" without one */
    uint8_t cert_sha256[32];    /* of its certificate (DER); zero without one */
    uint8_t exporter[ENT_EXPORTER_BYTES]; /* label EXPORTER-entente-hello-v1; equal on both ends */
    bool has_cert;
    char protocol[16]; /* "TLSv1.3", "mem" */
};

enum ent_link_event_kind {
    ENT_LINK_OPENED,   /* peer is set */
    ENT_LINK_FRAME,    /* a control frame: type, flags, request, body */
    ENT_LINK_RECEIVED, /* the bulk transfer `request` is complete: sink */
    ENT_LINK_SENT,  /* the bulk transfer `request` was handed to the kernel whole (not: received) */
    ENT_LINK_CLOSED /* the last event of a connection: why, text; an unfinished sink was freed */
};

struct ent_sink;

/* The handler takes the event: ent_link_event_release() when done with it, after setting to NULL
 * (peer, sink) or emptying (body: ent_buf_init) what it keeps. SENT may come after the frame by
 * which the peer answers the transfer; all else is in order. */
struct ent_link_event {
    enum ent_link_event_kind kind;
    ent_conn_id conn;
    bool inbound; /* accepted by a listener (not dialed) */
    uint8_t type;
    uint16_t flags;
    uint64_t request;
    struct ent_buf body;   /* FRAME */
    struct ent_peer *peer; /* OPENED; from malloc */
    struct ent_sink *sink; /* RECEIVED */
    enum ent_err why;      /* CLOSED */
    char text[256];        /* CLOSED: one sentence, the TLS library's words where it has some */
};
void ent_link_event_release(struct ent_link_event *event);

typedef void (*ent_link_handler)(void *ctx, struct ent_link_event *event_take);

/* Where an expected transfer goes: memory of exactly n bytes, or a file written as it arrives (and
 * fsynced at the end). SHA-256 is computed on the way. Nothing is allocated before ent_link_expect.
 */
ENT_MUST enum ent_err ent_sink_new_memory(uint64_t n_bytes, struct ent_sink **out);
/* fd: taken, closed by ent_sink_free; path (copied) is unlinked by ent_sink_free unless
 * ent_sink_keep was called. */
ENT_MUST enum ent_err ent_sink_new_file(int fd_take, const char *path, uint64_t n_bytes,
                                        struct ent_sink **out);
void ent_sink_free(struct ent_sink *sink);
void ent_sink_keep(struct ent_sink *sink);
/* The file need not survive a power failure: no fsync at its end. */
void ent_sink_no_sync(struct ent_sink *sink);
void ent_sink_sha256(const struct ent_sink *sink,
                     uint8_t out[32]); /* of all bytes; valid once complete */
/* The bytes of a memory sink, taken out of it as a blob (a file sink: the file, mapped). */
ENT_MUST enum ent_err ent_sink_blob(struct ent_sink *sink, struct ent_blob **out);
const char *ent_sink_path(const struct ent_sink *sink); /* NULL for memory */
/* For links: append; PROTOCOL beyond n_bytes, IO when the file cannot be written (full disk). */
ENT_MUST enum ent_err ent_sink_write(struct ent_sink *sink, const uint8_t *bytes, size_t len);
bool ent_sink_complete(const struct ent_sink *sink);
ENT_MUST enum ent_err ent_sink_finish(struct ent_sink *sink); /* digest, fsync of a file */

struct ent_link_limits {
    uint32_t handshake_ms;    /* from accept or dial to ent_link_admit; 10,000 */
    uint32_t idle_ms;         /* nothing received; 30,000 (PING goes out after a third of it) */
    uint32_t half_open_max;   /* accepted, no certificate shown yet; one more ends the oldest; 32 */
    uint32_t connections_max; /* with a certificate, and dialed; members + 16 */
    uint32_t queue_max;       /* control frames waiting to be sent on one connection; 64 */
};
struct ent_link_limits ent_link_limits_default(void);

struct ent_link; /* a vtable inside: link_nng or link_mem */

struct ent_link_ops {
    enum ent_err (*listen)(struct ent_link *link, const char *address, char *bound,
                           size_t bound_bytes);
    enum ent_err (*dial)(struct ent_link *link, const char *address, ent_conn_id *out);
    enum ent_err (*send)(struct ent_link *link, ent_conn_id conn, uint8_t type, uint64_t request,
                         const uint8_t *body, size_t len);
    enum ent_err (*send_blob)(struct ent_link *link, ent_conn_id conn, uint64_t request,
                              struct ent_blob *blob, uint64_t offset);
    enum ent_err (*expect)(struct ent_link *link, ent_conn_id conn, uint64_t request,
                           struct ent_sink *sink_take);
    void (*hold)(struct ent_link *link, ent_conn_id conn, bool on); /* NULL: does nothing */
    void (*admit)(struct ent_link *link, ent_conn_id conn);
    void (*close)(struct ent_link *link, ent_conn_id conn, bool flush);
    void (*free)(struct ent_link *link);
};

struct ent_link {
    const struct ent_link_ops *ops;
    ent_link_handler handler;
    void *handler_ctx;
    struct ent_link_limits limits;
    struct ent_clock clock;
};

/* Accept connections at "host:port" (port 0: any; `bound` gets the real "host:port"). */
ENT_MUST enum ent_err ent_link_listen(struct ent_link *link, const char *address, char *bound,
                                      size_t bound_bytes);
/* Start connecting to "host:port"; OPENED or CLOSED follows. */
ENT_MUST enum ent_err ent_link_dial(struct ent_link *link, const char *address, ent_conn_id *out);
/* Copies body (at most ENT_FRAME_CONTROL_MAX_BYTES). NOT_FOUND when the connection is gone; LIMIT
 * (and the connection is closed) when its queue is full. */
ENT_MUST enum ent_err ent_link_send(struct ent_link *link, ent_conn_id conn, uint8_t type,
                                    uint64_t request, const uint8_t *body, size_t len);
/* While on, what is sent on the connection is only queued; then it goes out together: several frames
 * in one piece. Turn it off soon. */
void ent_link_hold(struct ent_link *link, ent_conn_id conn, bool on);
/* Send blob[offset..] as DATA frames of `request`; keeps a reference until SENT or CLOSED. BUSY
 * while one is going. */
ENT_MUST enum ent_err ent_link_send_blob(struct ent_link *link, ent_conn_id conn, uint64_t request,
                                         struct ent_blob *blob, uint64_t offset);
/* Grant: exactly the n_bytes of `sink` of DATA under `request` may arrive now. BUSY while one is
 * expected. The sink is taken on success only. */
ENT_MUST enum ent_err ent_link_expect(struct ent_link *link, ent_conn_id conn, uint64_t request,
                                      struct ent_sink *sink_take);
/* HELLO was accepted: lifts the handshake deadline, starts the idle one. */
void ent_link_admit(struct ent_link *link, ent_conn_id conn);
/* Close; with flush, after what was queued has arrived (the peer's link says so; bounded by the
 * idle deadline). No other event than CLOSED and SENT follows. A connection that is not opened
 * yet is closed at once. */
void ent_link_close(struct ent_link *link, ent_conn_id conn, bool flush);
/* Closes everything, waits for it, frees. No event after it returns. */
void ent_link_free(struct ent_link *link);

#endif
