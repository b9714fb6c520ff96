/* The inside of link_mem: what link_mem.c (calls), mem_wire.c (sending, ending) and mem_step.c
 * (delivery) share. All of it under net->lock. */
#ifndef ENT_COMMON_NET_MEM_H
#define ENT_COMMON_NET_MEM_H

#include <pthread.h>

#include "common/net/frame.h"
#include "common/net/link_mem.h"

struct ent_mem_end {
    struct ent_link link; /* first: the link is this */
    struct ent_link_mem_net *net;
    struct ent_link_mem_identity identity;
    char uri[ENT_PEER_URI_MAX];
    char host[256];    /* where it listens; "" nowhere */
    size_t delivering; /* handlers of it that are running */
    struct ent_mem_end *next;
};

/* A frame on its way, or one that a test delays. */
struct ent_mem_item {
    struct ent_mem_item *next;
    struct ent_frame frame;
    uint8_t *body;         /* own copy; NULL for DATA */
    struct ent_blob *blob; /* DATA: its bytes lie here, from blob_at */
    uint64_t blob_at;
    uint64_t due_ms;
    uint64_t order;  /* of sending, on the whole wire */
    uint64_t behind; /* so many frames of this direction go first, while others come */
};

/* One end of a connection. */
struct ent_mem_side {
    struct ent_mem_end *end; /* NULL: freed */
    ent_conn_id id;
    bool opened;
    bool admitted;
    bool flushing;
    bool closed; /* CLOSED is delivered or queued; nothing else follows */
    struct ent_sink *sink;
    uint64_t sink_request;
    uint64_t sink_ms;
    struct ent_blob *blob;
    uint64_t blob_request;
    uint64_t blob_at;
    size_t n_queued; /* control frames of this side on their way */
    struct ent_mem_item *out;
    uint64_t rx_ms;
    uint64_t ping_ms; /* 0: no PING is unanswered */
};

struct ent_mem_conn {
    struct ent_mem_side side[2]; /* dialer, listener */
    uint8_t exporter[ENT_EXPORTER_BYTES];
    uint64_t born_ms;
    struct ent_mem_conn *next;
};

struct ent_mem_event {
    struct ent_mem_event *next;
    struct ent_mem_end *end;
    struct ent_link_event event;
};

struct ent_link_mem_net {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct ent_clock clock;
    ent_link_mem_hook hook;
    void *hook_ctx;
    struct ent_mem_end *ends;
    struct ent_mem_conn *conns; /* in the order of dialing */
    struct ent_mem_event *events;
    struct ent_mem_event **events_end;
    uint64_t n_frames;
    ent_conn_id last_id; /* of this wire: the same calls give the same ids */
};

/* An event for a side, behind those that wait. A wire that has no memory for one is a test's own
 * trouble: abort. */
void ent_mem_post(struct ent_link_mem_net *net, const struct ent_mem_side *side,
                  struct ent_link_event *event_take);
/* Send a frame from this side: asks the hook. bytes are copied, or blob (with blob_at)
 * referenced. */
ENT_MUST enum ent_err ent_mem_send(struct ent_link_mem_net *net, struct ent_mem_conn *conn,
                                   size_t from, const struct ent_frame *frame,
                                   const uint8_t *bytes);
/* CLOSED for one side with this reason; its frames under way are lost. */
void ent_mem_close_side(struct ent_link_mem_net *net, struct ent_mem_side *side, enum ent_err why,
                        const char *text);
/* The connection is lost for both. */
void ent_mem_cut(struct ent_link_mem_net *net, struct ent_mem_conn *conn, const char *text);
/* Side `which` ends it: STOPPED (or why) there, NET at the other. */
void ent_mem_end_conn(struct ent_link_mem_net *net, struct ent_mem_conn *conn, size_t which,
                      enum ent_err why, const char *text);
/* The next DATA frame of a blob that is being sent, when nothing else of this side waits: as in
 * link_nng, control frames go first. */
void ent_mem_make_data(struct ent_link_mem_net *net, struct ent_mem_conn *conn, size_t from);
void ent_mem_item_free(struct ent_mem_item *item);
void ent_mem_drop_items(struct ent_mem_side *side);
void ent_mem_conn_free(struct ent_mem_conn *conn);
void ent_mem_opened(struct ent_link_mem_net *net, struct ent_mem_conn *conn, size_t which);

#endif
