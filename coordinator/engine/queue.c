#include "coordinator/engine/queue.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/mem.h"

#define FIRST_SHARES 64

enum ent_err ent_queue_init(struct ent_queue *queue, size_t frames_max, size_t bytes_max)
{
    pthread_condattr_t attr;
    bool ok;

    *queue = (struct ent_queue){.frames_max = frames_max, .bytes_max = bytes_max};
    queue->last = &queue->first;
    ok = pthread_condattr_init(&attr) == 0;
    /* Waiting must not depend on the wall clock, which an operator may set. */
    ok = ok && pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0;
    ok = ok && pthread_mutex_init(&queue->lock, NULL) == 0;
    ok = ok && pthread_cond_init(&queue->more, &attr) == 0;
    ok = ok && pthread_cond_init(&queue->done, NULL) == 0;
    (void)pthread_condattr_destroy(&attr);
    ENT_REQUIRE(ok, ENT_E_NO_MEMORY, "cannot make the engine's queue");
    return ENT_E_OK;
}

void ent_queue_item_free(struct ent_item *item)
{
    if (item == NULL) {
        return;
    }
    if (item->kind == ENT_ITEM_ENROL) {
        ent_buf_wipe(&item->event.body); /* it may hold a token's secret */
    }
    if (item->kind != ENT_ITEM_CALL) {
        ent_link_event_release(&item->event);
    }
    free(item);
}

void ent_queue_release(struct ent_queue *queue)
{
    struct ent_item *item = ent_queue_take(queue);

    while (item != NULL) {
        struct ent_item *next = item->next;

        if (item->kind == ENT_ITEM_CALL) {
            ent_queue_answer(queue, item->call, ENT_E_STOPPED);
        }
        ent_queue_item_free(item);
        item = next;
    }
    free(queue->shares);
    (void)pthread_cond_destroy(&queue->more);
    (void)pthread_cond_destroy(&queue->done);
    (void)pthread_mutex_destroy(&queue->lock);
}

static void append(struct ent_queue *queue, struct ent_item *item)
{
    *queue->last = item;
    queue->last = &item->next;
}

/* ---- shares ---- */

/* Its entry, or the free one where it belongs. Ids count up, so they spread by themselves. */
static struct ent_queue_share *find_share(const struct ent_queue *queue, ent_conn_id conn)
{
    size_t at = (size_t)conn & (queue->cap_shares - 1);

    while (queue->shares[at].conn != 0 && queue->shares[at].conn != conn) {
        at = (at + 1) & (queue->cap_shares - 1);
    }
    return &queue->shares[at];
}

/* At most half full, so that a search is short and ends. */
static enum ent_err grow_shares(struct ent_queue *queue)
{
    struct ent_queue_share *old = queue->shares;
    size_t n_old = queue->cap_shares;
    size_t cap = n_old == 0 ? FIRST_SHARES : 2 * n_old;
    struct ent_queue_share *table = NULL;

    if (n_old != 0 && 2 * (queue->n_shares + 1) <= n_old) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_calloc(cap, sizeof *table, &table));
    queue->shares = table;
    queue->cap_shares = cap;
    for (size_t i = 0; i < n_old; i++) {
        if (old[i].conn != 0) {
            *find_share(queue, old[i].conn) = old[i];
        }
    }
    free(old);
    return ENT_E_OK;
}

static enum ent_err check_share(const struct ent_queue *queue, size_t frames, size_t bytes,
                                size_t n_shares)
{
    bool all_full = queue->n_frames >= queue->frames_max || queue->n_bytes >= queue->bytes_max;

    ENT_REQUIRE(frames <= ENT_QUEUE_SHARE_FRAMES && bytes <= ENT_QUEUE_SHARE_BYTES, ENT_E_LIMIT,
                "more than %d messages or %zu bytes of one connection wait for the engine",
                ENT_QUEUE_SHARE_FRAMES, ENT_QUEUE_SHARE_BYTES);
    ENT_REQUIRE(!all_full || (frames <= queue->frames_max / n_shares &&
                              bytes <= queue->bytes_max / n_shares),
                ENT_E_LIMIT, "%zu messages of %zu connections wait for the engine", queue->n_frames,
                n_shares);
    return ENT_E_OK;
}

/* Counts a frame in, if it is within its connection's share. */
static enum ent_err take_share(struct ent_queue *queue, ent_conn_id conn, size_t bytes)
{
    struct ent_queue_share *share;
    size_t n_shares;

    ENT_TRY(grow_shares(queue));
    share = find_share(queue, conn);
    n_shares = queue->n_shares + (share->conn == 0 ? 1 : 0);
    ENT_TRY(check_share(queue, share->frames + 1, share->bytes + bytes, n_shares));
    *share = (struct ent_queue_share){
        .conn = conn, .frames = share->frames + 1, .bytes = share->bytes + bytes};
    queue->n_shares = n_shares;
    queue->n_frames++;
    queue->n_bytes += bytes;
    return ENT_E_OK;
}

static void forget_shares(struct ent_queue *queue)
{
    if (queue->n_shares > 0) {
        memset(queue->shares, 0, queue->cap_shares * sizeof *queue->shares);
    }
    queue->n_shares = 0;
    queue->n_frames = 0;
    queue->n_bytes = 0;
}

enum ent_err ent_queue_put_event(struct ent_queue *queue, enum ent_item_kind kind,
                                 struct ent_link_event *event_take)
{
    struct ent_item *item = NULL;
    enum ent_err err = ENT_E_OK;

    ENT_TRY(ent_calloc(1, sizeof *item, &item));
    item->kind = kind;
    (void)pthread_mutex_lock(&queue->lock);
    if (event_take->kind == ENT_LINK_FRAME) {
        err = take_share(queue, event_take->conn, event_take->body.cap + sizeof *item);
    }
    if (err == ENT_E_OK) {
        item->event = *event_take;
        append(queue, item);
    } else {
        queue->n_refused++;
    }
    (void)pthread_mutex_unlock(&queue->lock);
    (void)pthread_cond_signal(&queue->more); /* who wakes finds the lock free */
    if (err != ENT_E_OK) {
        free(item);
        return err;
    }
    *event_take = (struct ent_link_event){.kind = event_take->kind, .conn = event_take->conn};
    return ENT_E_OK;
}

enum ent_err ent_queue_call(struct ent_queue *queue, struct ent_call *call)
{
    struct ent_item *item = NULL;

    ENT_TRY(ent_calloc(1, sizeof *item, &item));
    item->kind = ENT_ITEM_CALL;
    item->call = call;
    (void)pthread_mutex_lock(&queue->lock);
    if (queue->closed) {
        (void)pthread_mutex_unlock(&queue->lock);
        free(item);
        return ent_err_note(ENT_E_STOPPED, "the coordinator is stopping");
    }
    append(queue, item);
    (void)pthread_cond_signal(&queue->more);
    while (!call->done) {
        (void)pthread_cond_wait(&queue->done, &queue->lock);
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return call->err;
}

struct ent_item *ent_queue_take(struct ent_queue *queue)
{
    struct ent_item *items;

    (void)pthread_mutex_lock(&queue->lock);
    items = queue->first;
    queue->first = NULL;
    queue->last = &queue->first;
    forget_shares(queue);
    queue->woken = false;
    (void)pthread_mutex_unlock(&queue->lock);
    return items;
}

size_t ent_queue_refused(struct ent_queue *queue)
{
    size_t n;

    (void)pthread_mutex_lock(&queue->lock);
    n = queue->n_refused;
    queue->n_refused = 0;
    (void)pthread_mutex_unlock(&queue->lock);
    return n;
}

void ent_queue_answer(struct ent_queue *queue, struct ent_call *call, enum ent_err err)
{
    (void)pthread_mutex_lock(&queue->lock);
    call->err = err;
    call->done = true;
    (void)pthread_cond_broadcast(&queue->done);
    (void)pthread_mutex_unlock(&queue->lock);
}

void ent_queue_wait(struct ent_queue *queue, uint64_t max_ms)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(max_ms / 1000);
    until.tv_nsec += (long)(max_ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    (void)pthread_mutex_lock(&queue->lock);
    while (queue->first == NULL && !queue->woken) {
        if (pthread_cond_timedwait(&queue->more, &queue->lock, &until) != 0) {
            break;
        }
    }
    queue->woken = false;
    (void)pthread_mutex_unlock(&queue->lock);
}

void ent_queue_wake(struct ent_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->woken = true;
    (void)pthread_cond_signal(&queue->more);
    (void)pthread_mutex_unlock(&queue->lock);
}

void ent_queue_close(struct ent_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    for (struct ent_item **at = &queue->first; *at != NULL;) {
        struct ent_item *item = *at;

        if (item->kind != ENT_ITEM_CALL) {
            at = &item->next;
            continue;
        }
        *at = item->next;
        item->call->err = ENT_E_STOPPED;
        item->call->done = true;
        free(item);
    }
    queue->last = &queue->first;
    while (*queue->last != NULL) {
        queue->last = &(*queue->last)->next;
    }
    (void)pthread_cond_broadcast(&queue->done);
    (void)pthread_mutex_unlock(&queue->lock);
}
