/* Link events, from the link's threads to the agent's one. Not for other rooms.
 *
 * The coordinator decides how much comes while this member computes, so messages are bounded here, by number and by
 * bytes; what comes beyond is lost, and the agent gives the connection up. */
#ifndef ENT_CLIENT_AGENT_QUEUE_H
#define ENT_CLIENT_AGENT_QUEUE_H

#include <pthread.h>
#include <stdint.h>

#include "common/net/link.h"

/* An honest coordinator has a handful under way to one member: its offers hold at most 48 KiB each, and of the log's leaves
 * it sends 24 batches of 60 KiB ahead of a cosignature. */
#define ENT_AGENT_QUEUE_FRAMES_MAX 256
#define ENT_AGENT_QUEUE_MAX_BYTES ((size_t)4 * 1024 * 1024)

struct ent_queue_entry;

struct ent_agent_queue {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    struct ent_queue_entry *first;
    struct ent_queue_entry *last;
    size_t n_frames;
    size_t bytes;      /* of their bodies */
    enum ent_err lost; /* why an event was lost: LIMIT, NO_MEMORY; OK: none was */
};

ENT_MUST enum ent_err ent_agent_queue_init(struct ent_agent_queue *queue);
void ent_agent_queue_release(struct ent_agent_queue *queue);
/* Any thread; the event is moved out of *event_take. A message beyond the bounds is dropped, and so is each that follows
 * until ent_agent_queue_lost: no message is ever left out of the middle. */
void ent_agent_queue_push(struct ent_agent_queue *queue, struct ent_link_event *event_take);
/* Why an event was lost since this was asked last; OK: none was. */
enum ent_err ent_agent_queue_lost(struct ent_agent_queue *queue);
/* False when it is empty. */
bool ent_agent_queue_pop(struct ent_agent_queue *queue, struct ent_link_event *out);
/* Until something is there (true) or about timeout_ms went by. */
bool ent_agent_queue_wait(struct ent_agent_queue *queue, uint64_t timeout_ms);

#endif
