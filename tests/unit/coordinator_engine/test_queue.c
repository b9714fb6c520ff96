/* The one way into the engine: what one connection may have waiting, and all of them together. */
#include <stdlib.h>
#include <string.h>

#include "coordinator/engine/queue.h"
#include "tests/support/ent_test.h"

static enum ent_err put(struct ent_queue *queue, ent_conn_id conn, size_t bytes)
{
    struct ent_link_event event = {.kind = ENT_LINK_FRAME, .conn = conn};
    uint8_t *p = NULL;
    enum ent_err err;

    ent_buf_init(&event.body, bytes);
    ENT_OK(ent_buf_extend(&event.body, bytes, &p));
    err = ent_queue_put_event(queue, ENT_ITEM_MAIN, &event);
    ent_link_event_release(&event);
    return err;
}

static size_t take_all(struct ent_queue *queue)
{
    struct ent_item *item = ent_queue_take(queue);
    size_t n = 0;

    while (item != NULL) {
        struct ent_item *next = item->next;

        ent_queue_item_free(item);
        item = next;
        n++;
    }
    return n;
}

ENT_TEST(queue, each_connection_has_its_share)
{
    struct ent_queue queue;

    ENT_OK(ent_queue_init(&queue, 4096, (size_t)64 * 1024 * 1024));
    for (size_t i = 0; i < ENT_QUEUE_SHARE_FRAMES; i++) {
        ENT_OK(put(&queue, 7, 10));
    }
    ENT_FAILS(put(&queue, 7, 10), ENT_E_LIMIT);
    for (ent_conn_id id = 100; id < 400; id++) { /* the table grows */
        ENT_OK(put(&queue, id, 10));
    }
    ENT_FAILS(put(&queue, 7, 10), ENT_E_LIMIT);
    CU_ASSERT_EQUAL(ent_queue_refused(&queue), 2);
    CU_ASSERT_EQUAL(ent_queue_refused(&queue), 0);
    CU_ASSERT_EQUAL(take_all(&queue), ENT_QUEUE_SHARE_FRAMES + 300);
    ENT_OK(put(&queue, 7, 10)); /* what was taken is forgotten */
    ent_queue_release(&queue);
}

ENT_TEST(queue, bytes_count_as_well)
{
    struct ent_queue queue;
    size_t n = 0;

    ENT_OK(ent_queue_init(&queue, 4096, (size_t)64 * 1024 * 1024));
    while (put(&queue, 1, 60000) == ENT_E_OK) {
        n++;
    }
    CU_ASSERT(n >= 8 && n * 60000 <= ENT_QUEUE_SHARE_BYTES);
    ENT_OK(put(&queue, 2, 60000));
    ent_queue_release(&queue);
}

/* When all together are too much, the floods give way, not whoever comes next. */
ENT_TEST(queue, a_full_queue_refuses_floods)
{
    struct ent_queue queue;

    ENT_OK(ent_queue_init(&queue, 100, (size_t)64 * 1024 * 1024));
    for (size_t i = 0; i < 50; i++) {
        ENT_OK(put(&queue, 1, 10));
        ENT_OK(put(&queue, 2, 10));
    }
    ENT_FAILS(put(&queue, 1, 10), ENT_E_LIMIT);
    ENT_FAILS(put(&queue, 2, 10), ENT_E_LIMIT);
    for (ent_conn_id id = 3; id < 20; id++) {
        ENT_OK(put(&queue, id, 10));
        ENT_FAILS(put(&queue, 1, 10), ENT_E_LIMIT);
    }
    CU_ASSERT_EQUAL(take_all(&queue), 117);
    ent_queue_release(&queue);
}
