/* IN frames · OUT the same frames, in the order and with the faults that a test asks for · OWNS
 * their queue THREADS calls from any thread; events come on the thread that steps · SOURCE
 * protocol.md 6
 *
 * Links between any number of ends in one process. Nothing moves until ent_link_mem_step or _pump
 * is called: same calls, same order of events. An address is any name, the port is ignored: whoever
 * listens there is found. Deadlines and PING work as in link_nng, by the clock given (a fake one in
 * tests): the handshake's, the idle one, a transfer that stands. */
#ifndef ENT_COMMON_NET_LINK_MEM_H
#define ENT_COMMON_NET_LINK_MEM_H

#include "common/net/link.h"

/* The wire between the ends. */
struct ent_link_mem_net;

ENT_MUST enum ent_err ent_link_mem_net_new(struct ent_clock clock, struct ent_link_mem_net **out);
/* After all of its links were freed. */
void ent_link_mem_net_free(struct ent_link_mem_net *net);

/* What the other end will be told of this one, as if TLS had proved it. */
struct ent_link_mem_identity {
    const char *uri; /* NULL or "": no certificate */
    uint8_t cert_sha256[32];
};

/* One end. identity is copied; limits NULL: the defaults. */
ENT_MUST enum ent_err ent_link_mem_new(struct ent_link_mem_net *net,
                                       const struct ent_link_mem_identity *identity,
                                       const struct ent_link_limits *limits,
                                       ent_link_handler handler, void *ctx, struct ent_link **out);

/* A renewed identity for the connections dialed or accepted from now on. */
void ent_link_mem_identify(struct ent_link *link, const struct ent_link_mem_identity *identity);

enum ent_link_mem_fault_kind {
    ENT_LINK_MEM_PASS,
    ENT_LINK_MEM_DROP,
    ENT_LINK_MEM_REPEAT,   /* delivered twice */
    ENT_LINK_MEM_REORDER,  /* behind the next `amount` frames of its connection and direction */
    ENT_LINK_MEM_TRUNCATE, /* only its first `amount` body bytes */
    ENT_LINK_MEM_DELAY, /* `amount` ms later, and all behind it on this connection and direction too
                         */
    ENT_LINK_MEM_CUT /* the connection is lost at both ends, this frame and all under way with it */
};

struct ent_link_mem_fault {
    enum ent_link_mem_fault_kind kind;
    uint64_t amount;
};

/* A frame about to be delivered. */
struct ent_link_mem_frame {
    ent_conn_id dialer_conn;   /* the connection as the dialing end knows it */
    ent_conn_id listener_conn; /* and as the listening end knows it */
    bool to_listener;          /* direction */
    uint8_t type;
    uint16_t flags;
    uint64_t request;
    const uint8_t *body;
    size_t len;
    uint64_t number; /* of this frame on the whole wire: 1, 2, ... */
};

/* Asked once for each frame, when it is sent, in the order of sending. Must not call the link.
 * NULL: no faults. */
typedef struct ent_link_mem_fault (*ent_link_mem_hook)(void *ctx,
                                                       const struct ent_link_mem_frame *frame);
void ent_link_mem_set_hook(struct ent_link_mem_net *net, ent_link_mem_hook hook, void *ctx);

/* Deliver the next event that is due (a frame, OPENED, SENT, CLOSED, a deadline): false when there
 * is none. */
bool ent_link_mem_step(struct ent_link_mem_net *net);
/* Step until nothing is due, at most max_steps times; the number of steps. */
size_t ent_link_mem_pump(struct ent_link_mem_net *net, size_t max_steps);
/* The clock time (mono_ms) at which the next delayed frame, PING or deadline is due; UINT64_MAX:
 * none. */
uint64_t ent_link_mem_next_ms(struct ent_link_mem_net *net);

/* Cut a connection (either end's id) as a network failure does: CLOSED with NET at both ends. */
void ent_link_mem_cut(struct ent_link_mem_net *net, ent_conn_id conn);

#endif
