#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/net/mem.h"

#define DATA_BYTES ENT_FRAME_DATA_MAX_BYTES

static uint64_t now_of(const struct ent_link_mem_net *net)
{
    return ent_clock_mono(&net->clock);
}

/* --- events --- */

void ent_mem_post(struct ent_link_mem_net *net, const struct ent_mem_side *side,
                  struct ent_link_event *event_take)
{
    struct ent_mem_event *e;

    if (side->end == NULL) {
        ent_link_event_release(event_take);
        return;
    }
    ENT_BUG_ON(ent_calloc(1, sizeof *e, &e) != ENT_E_OK);
    event_take->conn = side->id;
    e->end = side->end;
    e->event = *event_take;
    *net->events_end = e;
    net->events_end = &e->next;
}

void ent_mem_opened(struct ent_link_mem_net *net, struct ent_mem_conn *conn, size_t which)
{
    struct ent_link_event event = {.kind = ENT_LINK_OPENED, .inbound = which == 1};
    const struct ent_mem_end *other = conn->side[1 - which].end;

    ENT_BUG_ON(ent_calloc(1, sizeof *event.peer, &event.peer) != ENT_E_OK);
    if (other != NULL) {
        (void)snprintf(event.peer->address, sizeof event.peer->address, "mem:%llu",
                       (unsigned long long)conn->side[1 - which].id);
        (void)snprintf(event.peer->uri, sizeof event.peer->uri, "%s", other->uri);
        memcpy(event.peer->cert_sha256, other->identity.cert_sha256,
               sizeof event.peer->cert_sha256);
        event.peer->has_cert = other->uri[0] != '\0';
    }
    memcpy(event.peer->exporter, conn->exporter, sizeof conn->exporter);
    (void)snprintf(event.peer->protocol, sizeof event.peer->protocol, "mem");
    conn->side[which].opened = true;
    ent_mem_post(net, &conn->side[which], &event);
}

/* --- ending --- */

void ent_mem_item_free(struct ent_mem_item *item)
{
    free(item->body);
    ent_blob_unref(item->blob);
    free(item);
}

void ent_mem_drop_items(struct ent_mem_side *side)
{
    while (side->out != NULL) {
        struct ent_mem_item *item = side->out;

        side->out = item->next;
        ent_mem_item_free(item);
    }
    side->n_queued = 0;
}

static void empty_side(struct ent_mem_side *side)
{
    ent_mem_drop_items(side);
    ent_sink_free(side->sink);
    side->sink = NULL;
    ent_blob_unref(side->blob);
    side->blob = NULL;
}

void ent_mem_conn_free(struct ent_mem_conn *conn)
{
    empty_side(&conn->side[0]);
    empty_side(&conn->side[1]);
    free(conn);
}

void ent_mem_close_side(struct ent_link_mem_net *net, struct ent_mem_side *side, enum ent_err why,
                        const char *text)
{
    struct ent_link_event event = {.kind = ENT_LINK_CLOSED, .why = why};

    if (side->closed) {
        return;
    }
    side->closed = true;
    empty_side(side);
    (void)snprintf(event.text, sizeof event.text, "%s", text);
    ent_mem_post(net, side, &event);
}

void ent_mem_end_conn(struct ent_link_mem_net *net, struct ent_mem_conn *conn, size_t which,
                      enum ent_err why, const char *text)
{
    ent_mem_close_side(net, &conn->side[which], why, text);
    ent_mem_close_side(net, &conn->side[1 - which], ENT_E_NET,
                       "the other end closed the connection");
}

void ent_mem_cut(struct ent_link_mem_net *net, struct ent_mem_conn *conn, const char *text)
{
    ent_mem_close_side(net, &conn->side[0], ENT_E_NET, text);
    ent_mem_close_side(net, &conn->side[1], ENT_E_NET, text);
}

/* --- sending --- */

static struct ent_link_mem_fault ask_hook(struct ent_link_mem_net *net,
                                          const struct ent_mem_conn *conn, size_t from,
                                          const struct ent_mem_item *item)
{
    const struct ent_link_mem_frame frame = {
        .dialer_conn = conn->side[0].id,
        .listener_conn = conn->side[1].id,
        .to_listener = from == 0,
        .type = item->frame.type,
        .flags = item->frame.flags,
        .request = item->frame.request,
        .body = item->blob != NULL ? ent_blob_bytes(item->blob) + item->blob_at : item->body,
        .len = item->frame.len,
        .number = item->order,
    };

    return net->hook != NULL ? net->hook(net->hook_ctx, &frame)
                             : (struct ent_link_mem_fault){ENT_LINK_MEM_PASS, 0};
}

/* Behind the last one, but before those that a fault put behind frames still to come. */
static void append(struct ent_mem_side *side, struct ent_mem_item *item)
{
    struct ent_mem_item **at = &side->out;

    while (*at != NULL && (*at)->behind == 0) {
        at = &(*at)->next;
    }
    item->next = *at;
    *at = item;
    for (struct ent_mem_item *held = item->next; held != NULL; held = held->next) {
        held->behind -= held->behind > 0 ? 1 : 0;
    }
}

static enum ent_err copy_item(const struct ent_mem_item *item, struct ent_mem_item **out)
{
    struct ent_mem_item *copy;
    enum ent_err err = ENT_E_OK;

    ENT_TRY(ent_calloc(1, sizeof *copy, &copy));
    *copy = *item;
    copy->body = NULL;
    if (item->blob != NULL) {
        (void)ent_blob_ref(item->blob);
    } else if (item->frame.len > 0) {
        err = ent_calloc(item->frame.len, 1, &copy->body);
    }
    if (err != ENT_E_OK) {
        free(copy);
        return err;
    }
    if (copy->body != NULL) {
        memcpy(copy->body, item->body, item->frame.len);
    }
    *out = copy;
    return ENT_E_OK;
}

/* Takes the item (also on error). */
static enum ent_err put(struct ent_link_mem_net *net, struct ent_mem_conn *conn, size_t from,
                        struct ent_mem_item *item)
{
    struct ent_mem_side *side = &conn->side[from];
    struct ent_link_mem_fault fault;
    struct ent_mem_item *copy = NULL;

    item->order = ++net->n_frames;
    item->due_ms = now_of(net);
    fault = ask_hook(net, conn, from, item);
    switch (fault.kind) {
    case ENT_LINK_MEM_DROP:
        ent_mem_item_free(item);
        return ENT_E_OK;
    case ENT_LINK_MEM_CUT:
        ent_mem_item_free(item);
        ent_mem_cut(net, conn, "the connection broke: cut by the test");
        return ENT_E_OK;
    case ENT_LINK_MEM_REPEAT:
        if (copy_item(item, &copy) != ENT_E_OK) {
            ent_mem_item_free(item);
            return ENT_E_NO_MEMORY;
        }
        break;
    case ENT_LINK_MEM_TRUNCATE:
        item->frame.len = fault.amount < item->frame.len ? (uint32_t)fault.amount : item->frame.len;
        break;
    case ENT_LINK_MEM_DELAY:
        item->due_ms += fault.amount;
        break;
    default:
        break;
    }
    append(side, item);
    item->behind = fault.kind == ENT_LINK_MEM_REORDER ? fault.amount : 0;
    side->n_queued += item->frame.type >= ENT_FRAME_FIRST_MESSAGE ? 1 : 0;
    if (copy != NULL) {
        append(side, copy);
        side->n_queued += copy->frame.type >= ENT_FRAME_FIRST_MESSAGE ? 1 : 0;
    }
    return ENT_E_OK;
}

enum ent_err ent_mem_send(struct ent_link_mem_net *net, struct ent_mem_conn *conn, size_t from,
                          const struct ent_frame *frame, const uint8_t *bytes)
{
    const struct ent_mem_side *side = &conn->side[from];
    struct ent_mem_item *item;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *item, &item));
    item->frame = *frame;
    if (frame->type == ENT_FRAME_DATA) {
        item->blob = ent_blob_ref(side->blob);
        item->blob_at = side->blob_at;
    } else if (frame->len > 0) {
        err = ent_calloc(frame->len, 1, &item->body);
        if (err != ENT_E_OK) {
            free(item);
            return err;
        }
        memcpy(item->body, bytes, frame->len);
    }
    return put(net, conn, from, item);
}

void ent_mem_make_data(struct ent_link_mem_net *net, struct ent_mem_conn *conn, size_t from)
{
    struct ent_mem_side *side = &conn->side[from];
    struct ent_frame frame = {.type = ENT_FRAME_DATA};
    uint64_t left;
    enum ent_err err;

    if (side->closed || side->blob == NULL || side->out != NULL) {
        return;
    }
    left = ent_blob_len(side->blob) - side->blob_at;
    frame.len = (uint32_t)(left < DATA_BYTES ? left : DATA_BYTES);
    frame.request = side->blob_request;
    err = ent_mem_send(net, conn, from, &frame, NULL);
    ENT_BUG_ON(err != ENT_E_OK);
    if (side->blob == NULL) {
        return; /* the frame was cut */
    }
    side->blob_at += frame.len;
    if (side->blob_at == ent_blob_len(side->blob)) {
        struct ent_link_event sent = {
            .kind = ENT_LINK_SENT, .inbound = from == 1, .request = side->blob_request};

        ent_blob_unref(side->blob);
        side->blob = NULL;
        ent_mem_post(net, side, &sent);
    }
}
