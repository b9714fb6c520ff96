/* Link events, from the link's threads to the agent's one. Bounded by the link's own limits. Not for other rooms. */
#ifndef ENT_CLIENT_AGENT_QUEUE_H
#define ENT_CLIENT_AGENT_QUEUE_H

#include <pthread.h>
#include <stdint.h>

#include "common/net/link.h"

struct ent_queue_entry;

struct ent_agent_queue {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    struct ent_queue_entry *first;
    struct ent_queue_entry *last;
    bool out_of_memory; /* an event was lost: the agent drops its connection */
};

ENT_MUST enum ent_err ent_agent_queue_init(struct ent_agent_queue *queue);
void ent_agent_queue_release(struct ent_agent_queue *queue);
/* Any thread; the event is moved out of *event_take. */
void ent_agent_queue_push(struct ent_agent_queue *queue, struct ent_link_event *event_take);
/* False when it is empty. */
bool ent_agent_queue_pop(struct ent_agent_queue *queue, struct ent_link_event *out);
/* Until something is there or about timeout_ms went by. */
void ent_agent_queue_wait(struct ent_agent_queue *queue, uint64_t timeout_ms);

#endif
