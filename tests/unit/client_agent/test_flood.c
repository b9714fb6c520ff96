#include <string.h>

#include "client/agent/queue.h"
#include "common/net/link_mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/support.h"

static void push(struct ent_agent_queue *queue, enum ent_link_event_kind kind, size_t bytes)
{
    static const uint8_t zeros[ENT_FRAME_CONTROL_MAX_BYTES];
    struct ent_link_event event = {.kind = kind, .conn = 1};

    ent_buf_init(&event.body, ENT_FRAME_CONTROL_MAX_BYTES);
    if (bytes > 0) {
        ENT_OK(ent_buf_add(&event.body, zeros, bytes));
    }
    ent_agent_queue_push(queue, &event);
}

static size_t empty(struct ent_agent_queue *queue)
{
    struct ent_link_event event;
    size_t n = 0;

    while (ent_agent_queue_pop(queue, &event)) {
        ent_link_event_release(&event);
        n++;
    }
    return n;
}

ENT_TEST(agent, the_queue_is_bounded_by_number_and_by_bytes)
{
    const size_t fit = ENT_AGENT_QUEUE_MAX_BYTES / ENT_FRAME_CONTROL_MAX_BYTES;
    struct ent_agent_queue queue;

    ENT_OK(ent_agent_queue_init(&queue));
    for (size_t i = 0; i < ENT_AGENT_QUEUE_FRAMES_MAX; i++) {
        push(&queue, ENT_LINK_FRAME, 1);
    }
    CU_ASSERT_EQUAL(ent_agent_queue_lost(&queue), ENT_E_OK);
    push(&queue, ENT_LINK_FRAME, 1);
    push(&queue, ENT_LINK_CLOSED, 0); /* always has room */
    CU_ASSERT(empty(&queue) == ENT_AGENT_QUEUE_FRAMES_MAX + 1);
    push(&queue, ENT_LINK_FRAME, 1); /* nothing is left out of the middle */
    CU_ASSERT(empty(&queue) == 0);
    CU_ASSERT_EQUAL(ent_agent_queue_lost(&queue), ENT_E_LIMIT);
    CU_ASSERT_EQUAL(ent_agent_queue_lost(&queue), ENT_E_OK);
    for (size_t i = 0; i < fit; i++) {
        push(&queue, ENT_LINK_FRAME, ENT_FRAME_CONTROL_MAX_BYTES);
    }
    CU_ASSERT_EQUAL(ent_agent_queue_lost(&queue), ENT_E_OK);
    push(&queue, ENT_LINK_FRAME, 1);
    CU_ASSERT_EQUAL(ent_agent_queue_lost(&queue), ENT_E_LIMIT);
    CU_ASSERT(empty(&queue) == fit);
    push(&queue, ENT_LINK_FRAME, 1);
    CU_ASSERT(empty(&queue) == 1);
    ent_agent_queue_release(&queue);
}

/* A coordinator that pours while the member is busy loses its connection; afterwards all is as before. */
ENT_TEST(agent, a_flood_of_messages_ends_the_connection)
{
    static const uint8_t junk[ENT_FRAME_CONTROL_MAX_BYTES];
    struct script s;

    script_running(&s);
    for (int i = 0; i < ENT_AGENT_QUEUE_FRAMES_MAX + 44; i++) {
        ENT_OK(ent_link_send(s.link, s.conn, ENT_MSG_ACK, 1, junk, 200));
        (void)ent_link_mem_pump(s.net, 1000);
    }
    script_pump(&s);
    CU_ASSERT_EQUAL(s.n_closed, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "more messages than this member keeps waiting"));
    script_wait(&s, ENT_SESSION_BACKOFF_MAX_MS);
    CU_ASSERT_EQUAL(s.n_opened, 2);
    script_welcome(&s, NULL);
    script_run_start(&s);
    script_round(&s, ENT_TASK_STATS, false);
    script_free(&s);
}
