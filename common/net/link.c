#include "common/net/link.h"

#include <stdlib.h>

struct ent_link_limits ent_link_limits_default(void)
{
    return (struct ent_link_limits){.handshake_ms = 10000,
                                    .idle_ms = 30000,
                                    .half_open_max = 32,
                                    .connections_max = 64,
                                    .queue_max = 64};
}

void ent_link_event_release(struct ent_link_event *event)
{
    ent_buf_release(&event->body);
    free(event->peer);
    event->peer = NULL;
    ent_sink_free(event->sink);
    event->sink = NULL;
}

enum ent_err ent_link_listen(struct ent_link *link, const char *address, char *bound,
                             size_t bound_bytes)
{
    return link->ops->listen(link, address, bound, bound_bytes);
}

enum ent_err ent_link_dial(struct ent_link *link, const char *address, ent_conn_id *out)
{
    return link->ops->dial(link, address, out);
}

enum ent_err ent_link_send(struct ent_link *link, ent_conn_id conn, uint8_t type, uint64_t request,
                           const uint8_t *body, size_t len)
{
    /* What a caller may not send is our own mistake, not a peer's. */
    ENT_BUG_ON(type < ENT_FRAME_FIRST_MESSAGE);
    ENT_REQUIRE(len <= ENT_FRAME_CONTROL_MAX_BYTES, ENT_E_LIMIT,
                "a control frame of %zu bytes, at most %zu fit", len, ENT_FRAME_CONTROL_MAX_BYTES);
    return link->ops->send(link, conn, type, request, body, len);
}

enum ent_err ent_link_send_blob(struct ent_link *link, ent_conn_id conn, uint64_t request,
                                struct ent_blob *blob, uint64_t offset)
{
    ENT_REQUIRE(offset < ent_blob_len(blob), ENT_E_SHAPE, "nothing to send behind byte %llu",
                (unsigned long long)offset);
    return link->ops->send_blob(link, conn, request, blob, offset);
}

enum ent_err ent_link_expect(struct ent_link *link, ent_conn_id conn, uint64_t request,
                             struct ent_sink *sink_take)
{
    ENT_REQUIRE(!ent_sink_complete(sink_take), ENT_E_SHAPE,
                "a transfer of no bytes is no transfer");
    return link->ops->expect(link, conn, request, sink_take);
}

void ent_link_hold(struct ent_link *link, ent_conn_id conn, bool on)
{
    if (link->ops->hold != NULL) {
        link->ops->hold(link, conn, on);
    }
}

void ent_link_admit(struct ent_link *link, ent_conn_id conn)
{
    link->ops->admit(link, conn);
}

void ent_link_close(struct ent_link *link, ent_conn_id conn, bool flush)
{
    link->ops->close(link, conn, flush);
}

void ent_link_free(struct ent_link *link)
{
    if (link != NULL) {
        link->ops->free(link);
    }
}
