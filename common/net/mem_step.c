/* Delivery on the in-process wire: one step is one event, one frame or one deadline. */
#include <stdlib.h>
#include <string.h>

#include "common/net/mem.h"
#include "common/net/sink.h"

static uint64_t now_of(const struct ent_link_mem_net *net)
{
    return ent_clock_mono(&net->clock);
}

/* --- delivering --- */

static enum ent_err take_data(struct ent_link_mem_net *net, struct ent_mem_conn *conn, size_t to,
                              const struct ent_mem_item *item)
{
    struct ent_mem_side *side = &conn->side[to];
    struct ent_link_event event = {.kind = ENT_LINK_RECEIVED, .inbound = to == 1};

    ENT_TRY(
        ent_sink_write(side->sink, ent_blob_bytes(item->blob) + item->blob_at, item->frame.len));
    side->sink_ms = now_of(net);
    if (!ent_sink_complete(side->sink)) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_sink_finish(side->sink));
    event.request = side->sink_request;
    event.sink = side->sink;
    side->sink = NULL;
    if (side->flushing) {
        ent_link_event_release(&event);
    } else {
        ent_mem_post(net, side, &event);
    }
    return ENT_E_OK;
}

static enum ent_err take_control(struct ent_link_mem_net *net, const struct ent_mem_side *side,
                                 bool inbound, const struct ent_mem_item *item)
{
    struct ent_link_event event = {.kind = ENT_LINK_FRAME,
                                   .inbound = inbound,
                                   .type = item->frame.type,
                                   .flags = item->frame.flags,
                                   .request = item->frame.request};

    if (side->flushing) {
        return ENT_E_OK;
    }
    ent_buf_init(&event.body, ENT_FRAME_CONTROL_MAX_BYTES);
    ENT_TRY(ent_buf_add(&event.body, item->body, item->frame.len));
    ent_mem_post(net, side, &event);
    return ENT_E_OK;
}

static enum ent_err take(struct ent_link_mem_net *net, struct ent_mem_conn *conn, size_t to,
                         const struct ent_mem_item *item)
{
    struct ent_mem_side *side = &conn->side[to];
    const struct ent_frame_state state = {.opened = side->opened,
                                          .expecting = side->sink != NULL,
                                          .expect_request = side->sink_request,
                                          .expect_bytes =
                                              side->sink != NULL ? ent_sink_left(side->sink) : 0};
    const struct ent_frame pong = {.type = ENT_FRAME_PONG, .request = item->frame.request};
    uint8_t header[ENT_FRAME_HEADER_BYTES];
    struct ent_frame frame;

    side->rx_ms = now_of(net);
    side->ping_ms = 0;
    ent_frame_encode(&item->frame, header);
    ENT_TRY(ent_frame_decode(header, &state, &frame));
    switch (frame.type) {
    case ENT_FRAME_PING:
        if (!side->opened) {
            ent_mem_opened(net, conn, to);
        }
        return ent_mem_send(net, conn, to, &pong, NULL);
    case ENT_FRAME_PONG:
        return ENT_E_OK;
    case ENT_FRAME_DATA:
        return take_data(net, conn, to, item);
    default:
        return take_control(net, side, to == 1, item);
    }
}

/* The first frame of a direction that is not held behind others; with `held`, the first of all. */
static struct ent_mem_item **first_of(struct ent_mem_side *side, bool held)
{
    struct ent_mem_item **at = &side->out;

    while (!held && *at != NULL && (*at)->behind > 0) {
        at = &(*at)->next;
    }
    return at;
}

/* Of the first frames of all directions that are due, the one sent first. */
static struct ent_mem_item **next_due(struct ent_link_mem_net *net, bool held,
                                      struct ent_mem_conn **conn, size_t *from)
{
    struct ent_mem_item **best = NULL;
    uint64_t now_ms = now_of(net);

    for (struct ent_mem_conn *c = net->conns; c != NULL; c = c->next) {
        for (size_t i = 0; i < 2; i++) {
            struct ent_mem_item **at = first_of(&c->side[i], held);

            if (*at != NULL && (*at)->due_ms <= now_ms &&
                (best == NULL || (*at)->order < (*best)->order)) {
                best = at;
                *conn = c;
                *from = i;
            }
        }
    }
    return best;
}

static bool deliver_frame(struct ent_link_mem_net *net, bool held)
{
    struct ent_mem_conn *conn = NULL;
    size_t from = 0;
    struct ent_mem_item **at;
    struct ent_mem_item *item;
    enum ent_err err;

    for (struct ent_mem_conn *c = net->conns; c != NULL; c = c->next) {
        ent_mem_make_data(net, c, 0);
        ent_mem_make_data(net, c, 1);
    }
    at = next_due(net, held, &conn, &from);
    if (at == NULL) {
        return false;
    }
    item = *at;
    *at = item->next;
    conn->side[from].n_queued -= item->frame.type >= ENT_FRAME_FIRST_MESSAGE ? 1 : 0;
    if (!conn->side[1 - from].closed) {
        err = take(net, conn, 1 - from, item);
        if (err != ENT_E_OK) {
            ent_mem_end_conn(net, conn, 1 - from, err, ent_err_message());
        }
    }
    ent_mem_item_free(item);
    return true;
}

/* --- deadlines --- */

static bool past(uint64_t since_ms, uint64_t span_ms, uint64_t now_ms)
{
    return now_ms >= since_ms && now_ms - since_ms >= span_ms;
}

/* An end is idle when it has not answered a PING, however far the clock jumped meanwhile. */
static uint64_t answer_ms(const struct ent_link_limits *limits)
{
    return limits->idle_ms - limits->idle_ms / 3;
}

/* One deadline of a side; false: none is due. */
static bool side_tick(struct ent_link_mem_net *net, struct ent_mem_conn *conn, size_t which)
{
    static const struct ent_frame ping = {.type = ENT_FRAME_PING};
    struct ent_mem_side *side = &conn->side[which];
    const struct ent_link_limits *limits;
    uint64_t now_ms = now_of(net);
    enum ent_err err;

    if (side->closed || side->end == NULL) {
        return false;
    }
    limits = &side->end->link.limits;
    if (side->flushing && side->out == NULL && side->blob == NULL) {
        ent_mem_end_conn(net, conn, which, ENT_E_STOPPED, "closed by this end");
    } else if (!side->admitted && past(conn->born_ms, limits->handshake_ms, now_ms)) {
        ent_mem_end_conn(net, conn, which, ENT_E_TIMEOUT,
                         "no agreement with the other end in time");
    } else if (side->admitted && side->ping_ms != 0 &&
               past(side->ping_ms, answer_ms(limits), now_ms)) {
        ent_mem_end_conn(net, conn, which, ENT_E_TIMEOUT, "nothing came from the other end");
    } else if (side->admitted && side->sink_ms != 0 && side->sink != NULL &&
               past(side->sink_ms, limits->idle_ms, now_ms)) {
        ent_mem_end_conn(net, conn, which, ENT_E_TIMEOUT, "the transfer has stood still");
    } else if (side->admitted && side->ping_ms == 0 &&
               past(side->rx_ms, limits->idle_ms / 3, now_ms)) {
        side->ping_ms = now_ms;
        err = ent_mem_send(net, conn, which, &ping, NULL);
        ENT_BUG_ON(err != ENT_E_OK);
    } else {
        return false;
    }
    return true;
}

static bool tick(struct ent_link_mem_net *net)
{
    for (struct ent_mem_conn *c = net->conns; c != NULL; c = c->next) {
        if (side_tick(net, c, 0) || side_tick(net, c, 1)) {
            return true;
        }
    }
    return false;
}

/* Connections that both ends have closed. */
static void sweep(struct ent_link_mem_net *net)
{
    struct ent_mem_conn **at = &net->conns;

    while (*at != NULL) {
        struct ent_mem_conn *c = *at;

        if (c->side[0].closed && c->side[1].closed) {
            *at = c->next;
            ent_mem_conn_free(c);
        } else {
            at = &c->next;
        }
    }
}

/* --- stepping --- */

static bool deliver_event(struct ent_link_mem_net *net)
{
    struct ent_mem_event *e = net->events;

    if (e == NULL) {
        return false;
    }
    net->events = e->next;
    if (net->events == NULL) {
        net->events_end = &net->events;
    }
    e->end->delivering++;
    (void)pthread_mutex_unlock(&net->lock);
    e->end->link.handler(e->end->link.handler_ctx, &e->event);
    (void)pthread_mutex_lock(&net->lock);
    e->end->delivering--;
    (void)pthread_cond_broadcast(&net->changed);
    free(e);
    return true;
}

bool ent_link_mem_step(struct ent_link_mem_net *net)
{
    bool did;

    (void)pthread_mutex_lock(&net->lock);
    did = deliver_event(net) || deliver_frame(net, false) || tick(net) || deliver_frame(net, true);
    sweep(net);
    (void)pthread_mutex_unlock(&net->lock);
    return did;
}

size_t ent_link_mem_pump(struct ent_link_mem_net *net, size_t max_steps)
{
    size_t n = 0;

    while (n < max_steps && ent_link_mem_step(net)) {
        n++;
    }
    return n;
}

static void earlier(uint64_t *next_ms, uint64_t ms)
{
    *next_ms = ms < *next_ms ? ms : *next_ms;
}

static void side_next(const struct ent_mem_conn *conn, const struct ent_mem_side *side,
                      uint64_t *next_ms)
{
    const struct ent_link_limits *limits;

    if (side->out != NULL) {
        earlier(next_ms, side->out->due_ms);
    }
    if (side->blob != NULL && side->out == NULL) {
        earlier(next_ms, 0);
    }
    if (side->closed || side->end == NULL) {
        return;
    }
    limits = &side->end->link.limits;
    if (side->flushing && side->out == NULL && side->blob == NULL) {
        earlier(next_ms, 0);
    }
    if (!side->admitted) {
        earlier(next_ms, conn->born_ms + limits->handshake_ms);
        return;
    }
    earlier(next_ms, side->ping_ms != 0 ? side->ping_ms + answer_ms(limits)
                                        : side->rx_ms + limits->idle_ms / 3);
    if (side->sink != NULL && side->sink_ms != 0) {
        earlier(next_ms, side->sink_ms + limits->idle_ms);
    }
}

uint64_t ent_link_mem_next_ms(struct ent_link_mem_net *net)
{
    uint64_t next_ms = UINT64_MAX;

    (void)pthread_mutex_lock(&net->lock);
    for (const struct ent_mem_conn *c = net->conns; c != NULL; c = c->next) {
        side_next(c, &c->side[0], &next_ms);
        side_next(c, &c->side[1], &next_ms);
    }
    if (net->events != NULL) {
        next_ms = 0;
    }
    (void)pthread_mutex_unlock(&net->lock);
    return next_ms;
}
