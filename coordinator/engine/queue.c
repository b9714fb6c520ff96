#include "coordinator/engine/queue.h"

#include <stdlib.h>
#include <time.h>

#include "common/base/mem.h"

enum ent_err ent_queue_init(struct ent_queue *queue, size_t frames_max)
{
    pthread_condattr_t attr;
    bool ok;

    *queue = (struct ent_queue){.frames_max = frames_max};
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
    (void)pthread_cond_destroy(&queue->more);
    (void)pthread_cond_destroy(&queue->done);
    (void)pthread_mutex_destroy(&queue->lock);
}

static void append(struct ent_queue *queue, struct ent_item *item)
{
    *queue->last = item;
    queue->last = &item->next;
    (void)pthread_cond_signal(&queue->more);
}

enum ent_err ent_queue_put_event(struct ent_queue *queue, enum ent_item_kind kind,
                                 struct ent_link_event *event_take)
{
    struct ent_item *item = NULL;
    bool frame = event_take->kind == ENT_LINK_FRAME;
    bool full;

    ENT_TRY(ent_calloc(1, sizeof *item, &item));
    item->kind = kind;
    (void)pthread_mutex_lock(&queue->lock);
    full = frame && queue->n_frames >= queue->frames_max;
    if (!full) {
        item->event = *event_take;
        queue->n_frames += frame ? 1 : 0;
        append(queue, item);
    }
    (void)pthread_mutex_unlock(&queue->lock);
    if (full) {
        free(item);
        return ent_err_note(ENT_E_LIMIT, "more than %zu messages wait for the engine",
                            queue->frames_max);
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
    queue->n_frames = 0;
    queue->woken = false;
    (void)pthread_mutex_unlock(&queue->lock);
    return items;
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
