/* IN items from any thread · OUT items in order · OWNS waiting items · THREADS any
 * SOURCE ARCHITECTURE.md idea 1 (network threads only enqueue)
 *
 * The one way into the engine. Bounded: a connection has a share of what may wait, beyond which its frames are refused
 * (the caller closes it); when all of them together are too much, who has more than an equal part of it is refused, so
 * that nobody pays for another's flood. A connection's first and last event and the operator's calls always fit, being
 * bounded themselves. */
#ifndef ENT_COORDINATOR_ENGINE_QUEUE_H
#define ENT_COORDINATOR_ENGINE_QUEUE_H

#include <pthread.h>

#include "common/base/buf.h"
#include "common/net/link.h"

enum ent_item_kind {
    ENT_ITEM_MAIN,  /* event of the main listener */
    ENT_ITEM_ENROL, /* event of the enrolment listener */
    ENT_ITEM_CALL   /* the operator's request */
};

/* A request that waits for its answer; lives in the caller, who waits for `done` under the queue's lock. */
struct ent_call {
    const char *request; /* JSON, borrowed until done */
    struct ent_buf *reply;
    enum ent_err err;
    bool done;
};

struct ent_item {
    enum ent_item_kind kind;
    struct ent_link_event event; /* MAIN, ENROL */
    struct ent_call *call;       /* CALL */
    struct ent_item *next;
};

#define ENT_QUEUE_SHARE_FRAMES 64
#define ENT_QUEUE_SHARE_BYTES ((size_t)1024 * 1024)

/* What waits of one connection. Forgotten when the engine takes all. */
struct ent_queue_share {
    ent_conn_id conn; /* 0: free */
    size_t frames;
    size_t bytes;
};

struct ent_queue {
    pthread_mutex_t lock;
    pthread_cond_t more; /* something was put in, or woken */
    pthread_cond_t done; /* a call was answered, or the queue closed */
    struct ent_item *first;
    struct ent_item **last;
    size_t n_refused; /* frames above a share, since they were asked for */
    size_t n_frames;  /* all together */
    size_t n_bytes;
    size_t frames_max;
    size_t bytes_max;
    struct ent_queue_share *shares; /* hash table by id, [cap_shares], a power of two */
    size_t n_shares;
    size_t cap_shares;
    bool woken;
    bool closed;
};

ENT_MUST enum ent_err ent_queue_init(struct ent_queue *queue, size_t frames_max, size_t bytes_max);
void ent_queue_release(struct ent_queue *queue);
/* Takes the event's content; LIMIT (content kept by the caller) when a FRAME is above its connection's share. */
ENT_MUST enum ent_err ent_queue_put_event(struct ent_queue *queue, enum ent_item_kind kind,
                                          struct ent_link_event *event_take);
/* Put the call in and wait for its answer. STOPPED when the queue is closed before. */
ENT_MUST enum ent_err ent_queue_call(struct ent_queue *queue, struct ent_call *call);
/* All that waits, as a list; the caller frees each with ent_queue_item_free. */
struct ent_item *ent_queue_take(struct ent_queue *queue);
size_t ent_queue_refused(struct ent_queue *queue); /* frames since it was asked last */
void ent_queue_item_free(struct ent_item *item);
void ent_queue_answer(struct ent_queue *queue, struct ent_call *call, enum ent_err err);
/* Wait until something is in, somebody wakes it, or max_ms have passed. */
void ent_queue_wait(struct ent_queue *queue, uint64_t max_ms);
void ent_queue_wake(struct ent_queue *queue);
/* No more calls: those that wait are answered STOPPED. */
void ent_queue_close(struct ent_queue *queue);

#endif
