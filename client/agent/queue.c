#include "client/agent/queue.h"

#include <stdlib.h>
#include <time.h>

#include "common/base/mem.h"

struct ent_queue_entry {
    struct ent_queue_entry *next;
    struct ent_link_event event;
};

enum ent_err ent_agent_queue_init(struct ent_agent_queue *queue)
{
    pthread_condattr_t attr;

    *queue = (struct ent_agent_queue){0};
    ENT_REQUIRE(pthread_condattr_init(&attr) == 0, ENT_E_NO_MEMORY, "no condition variable");
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (pthread_mutex_init(&queue->mutex, NULL) != 0) {
        (void)pthread_condattr_destroy(&attr);
        return ent_err_note(ENT_E_NO_MEMORY, "no mutex");
    }
    if (pthread_cond_init(&queue->filled, &attr) != 0) {
        (void)pthread_condattr_destroy(&attr);
        (void)pthread_mutex_destroy(&queue->mutex);
        return ent_err_note(ENT_E_NO_MEMORY, "no condition variable");
    }
    (void)pthread_condattr_destroy(&attr);
    return ENT_E_OK;
}

void ent_agent_queue_release(struct ent_agent_queue *queue)
{
    struct ent_link_event event;

    while (ent_agent_queue_pop(queue, &event)) {
        ent_link_event_release(&event);
    }
    (void)pthread_cond_destroy(&queue->filled);
    (void)pthread_mutex_destroy(&queue->mutex);
}

/* What the connection's own life is made of is few, and always has room. */
static enum ent_err room_for(const struct ent_agent_queue *queue,
                             const struct ent_link_event *event)
{
    if (event->kind != ENT_LINK_FRAME) {
        return ENT_E_OK;
    }
    if (queue->lost != ENT_E_OK) {
        return queue->lost;
    }
    return queue->n_frames >= ENT_AGENT_QUEUE_FRAMES_MAX ||
                   event->body.len > ENT_AGENT_QUEUE_MAX_BYTES - queue->bytes
               ? ENT_E_LIMIT
               : ENT_E_OK;
}

static void append(struct ent_agent_queue *queue, struct ent_queue_entry *entry)
{
    if (queue->last == NULL) {
        queue->first = entry;
    } else {
        queue->last->next = entry;
    }
    queue->last = entry;
    if (entry->event.kind == ENT_LINK_FRAME) {
        queue->n_frames++;
        queue->bytes += entry->event.body.len;
    }
}

void ent_agent_queue_push(struct ent_agent_queue *queue, struct ent_link_event *event_take)
{
    struct ent_queue_entry *entry = NULL;
    enum ent_err err = ent_calloc(1, sizeof *entry, &entry);

    (void)pthread_mutex_lock(&queue->mutex);
    if (err == ENT_E_OK) {
        err = room_for(queue, event_take);
    }
    if (err == ENT_E_OK) {
        entry->event = *event_take;
        *event_take = (struct ent_link_event){0};
        append(queue, entry);
    } else {
        queue->lost = err;
    }
    (void)pthread_mutex_unlock(&queue->mutex);
    (void)pthread_cond_signal(&queue->filled); /* who wakes finds the lock free */
    if (err != ENT_E_OK) {
        free(entry);
        ent_link_event_release(event_take);
    }
}

enum ent_err ent_agent_queue_lost(struct ent_agent_queue *queue)
{
    enum ent_err lost;

    (void)pthread_mutex_lock(&queue->mutex);
    lost = queue->lost;
    queue->lost = ENT_E_OK;
    (void)pthread_mutex_unlock(&queue->mutex);
    return lost;
}

bool ent_agent_queue_pop(struct ent_agent_queue *queue, struct ent_link_event *out)
{
    struct ent_queue_entry *entry;

    (void)pthread_mutex_lock(&queue->mutex);
    entry = queue->first;
    if (entry != NULL) {
        queue->first = entry->next;
        queue->last = queue->first == NULL ? NULL : queue->last;
        if (entry->event.kind == ENT_LINK_FRAME) {
            queue->n_frames--;
            queue->bytes -= entry->event.body.len;
        }
    }
    (void)pthread_mutex_unlock(&queue->mutex);
    if (entry == NULL) {
        return false;
    }
    *out = entry->event;
    free(entry);
    return true;
}

bool ent_agent_queue_wait(struct ent_agent_queue *queue, uint64_t timeout_ms)
{
    struct timespec until;
    bool any;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(timeout_ms / 1000);
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    (void)pthread_mutex_lock(&queue->mutex);
    if (queue->first == NULL && queue->lost == ENT_E_OK) {
        (void)pthread_cond_timedwait(&queue->filled, &queue->mutex, &until);
    }
    any = queue->first != NULL || queue->lost != ENT_E_OK;
    (void)pthread_mutex_unlock(&queue->mutex);
    return any;
}
