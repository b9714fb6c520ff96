#include "common/net/link_mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/sha256.h"
#include "common/net/mem.h"

static struct ent_mem_end *of(struct ent_link *link)
{
    return (struct ent_mem_end *)link;
}

static uint64_t now_of(const struct ent_link_mem_net *net)
{
    return ent_clock_mono(&net->clock);
}

enum ent_err ent_link_mem_net_new(struct ent_clock clock, struct ent_link_mem_net **out)
{
    struct ent_link_mem_net *net;

    ENT_TRY(ent_calloc(1, sizeof *net, &net));
    net->clock = clock;
    net->events_end = &net->events;
    (void)pthread_mutex_init(&net->lock, NULL);
    (void)pthread_cond_init(&net->changed, NULL);
    *out = net;
    return ENT_E_OK;
}

void ent_link_mem_net_free(struct ent_link_mem_net *net)
{
    if (net == NULL) {
        return;
    }
    ENT_BUG_ON(net->ends != NULL);
    while (net->conns != NULL) {
        struct ent_mem_conn *c = net->conns;

        net->conns = c->next;
        ent_mem_conn_free(c);
    }
    (void)pthread_mutex_destroy(&net->lock);
    (void)pthread_cond_destroy(&net->changed);
    free(net);
}

void ent_link_mem_set_hook(struct ent_link_mem_net *net, ent_link_mem_hook hook, void *ctx)
{
    (void)pthread_mutex_lock(&net->lock);
    net->hook = hook;
    net->hook_ctx = ctx;
    (void)pthread_mutex_unlock(&net->lock);
}

/* --- connections of the wire --- */

/* The open side with this id, of this end (NULL: any end). */
static struct ent_mem_conn *find(struct ent_link_mem_net *net, const struct ent_mem_end *end,
                                 ent_conn_id id, size_t *which)
{
    for (struct ent_mem_conn *c = net->conns; c != NULL; c = c->next) {
        for (size_t i = 0; i < 2; i++) {
            if (c->side[i].id == id && (end == NULL || c->side[i].end == end) &&
                !c->side[i].closed) {
                *which = i;
                return c;
            }
        }
    }
    return NULL;
}

void ent_link_mem_cut(struct ent_link_mem_net *net, ent_conn_id conn)
{
    struct ent_mem_conn *c;
    size_t which;

    (void)pthread_mutex_lock(&net->lock);
    c = find(net, NULL, conn, &which);
    if (c != NULL) {
        ent_mem_cut(net, c, "the connection broke: cut by the test");
    }
    (void)pthread_cond_broadcast(&net->changed);
    (void)pthread_mutex_unlock(&net->lock);
}

static void set_host(const char *address, char host[256])
{
    const char *colon = strrchr(address, ':');
    size_t len = colon != NULL ? (size_t)(colon - address) : strlen(address);

    (void)snprintf(host, 256, "%.*s", (int)len, address);
}

static enum ent_err mem_listen(struct ent_link *link, const char *address, char *bound,
                               size_t bound_bytes)
{
    struct ent_mem_end *end = of(link);
    char host[256];
    enum ent_err err = ENT_E_OK;

    set_host(address, host);
    ENT_REQUIRE(host[0] != '\0', ENT_E_CONFIG, "'%s' is not an address", address);
    (void)pthread_mutex_lock(&end->net->lock);
    for (const struct ent_mem_end *e = end->net->ends; e != NULL && err == ENT_E_OK; e = e->next) {
        if (strcmp(e->host, host) == 0) {
            err = ent_err_note(ENT_E_BUSY, "somebody listens at %s already", host);
        }
    }
    if (err == ENT_E_OK && end->host[0] != '\0') {
        err = ent_err_note(ENT_E_EXISTS, "this link listens already");
    }
    if (err == ENT_E_OK) {
        (void)snprintf(end->host, sizeof end->host, "%s", host);
        (void)snprintf(bound, bound_bytes, "%s:1", host);
    }
    (void)pthread_mutex_unlock(&end->net->lock);
    return err;
}

static size_t count(const struct ent_link_mem_net *net, const struct ent_mem_end *end,
                    bool half_open_only)
{
    size_t n = 0;

    for (const struct ent_mem_conn *c = net->conns; c != NULL; c = c->next) {
        for (size_t i = 0; i < 2; i++) {
            const struct ent_mem_side *s = &c->side[i];
            bool counts = !half_open_only || (i == 1 && !s->admitted);

            n += s->end == end && !s->closed && counts ? 1 : 0;
        }
    }
    return n;
}

static struct ent_mem_end *find_listener(struct ent_link_mem_net *net, const char *address)
{
    char host[256];
    struct ent_mem_end *e = net->ends;

    set_host(address, host);
    while (e != NULL && strcmp(e->host, host) != 0) {
        e = e->next;
    }
    if (e != NULL && (count(net, e, false) >= e->link.limits.connections_max ||
                      count(net, e, true) >= e->link.limits.half_open_max)) {
        return NULL;
    }
    return e;
}

static enum ent_err add_conn(struct ent_link_mem_net *net, struct ent_mem_conn **out)
{
    struct ent_mem_conn **last = &net->conns;
    struct ent_mem_conn *c;
    uint8_t number[8];
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *c, &c));
    c->side[0].id = ++net->last_id;
    c->side[1].id = ++net->last_id;
    c->born_ms = now_of(net);
    c->side[0].rx_ms = c->born_ms;
    c->side[1].rx_ms = c->born_ms;
    ent_put_be64(number, c->side[0].id);
    err = ent_sha256(number, sizeof number, c->exporter);
    if (err != ENT_E_OK) {
        free(c);
        return err;
    }
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = c;
    *out = c;
    return ENT_E_OK;
}

static enum ent_err mem_dial(struct ent_link *link, const char *address, ent_conn_id *out)
{
    struct ent_mem_end *end = of(link);
    struct ent_link_mem_net *net = end->net;
    const struct ent_frame ping = {.type = ENT_FRAME_PING};
    struct ent_mem_conn *c = NULL;
    enum ent_err err;

    (void)pthread_mutex_lock(&net->lock);
    err = add_conn(net, &c);
    if (err == ENT_E_OK) {
        c->side[0].end = end;
        c->side[1].end = find_listener(net, address);
        c->side[1].closed = c->side[1].end == NULL;
        *out = c->side[0].id;
        if (c->side[1].closed) {
            char text[160];

            (void)snprintf(text, sizeof text, "cannot connect to %.100s", address);
            ent_mem_close_side(net, &c->side[0], ENT_E_NET, text);
        } else {
            ent_mem_opened(net, c, 0);
            err = ent_mem_send(net, c, 0, &ping, NULL);
        }
    }
    (void)pthread_cond_broadcast(&net->changed);
    (void)pthread_mutex_unlock(&net->lock);
    return err;
}

/* --- calls on a connection --- */

/* Locks; the connection and which side of it this end is, if it is open. */
static enum ent_err need(struct ent_link *link, ent_conn_id id, struct ent_mem_conn **conn,
                         struct ent_mem_side **side)
{
    struct ent_link_mem_net *net = of(link)->net;
    size_t which = 0;

    (void)pthread_mutex_lock(&net->lock);
    *conn = find(net, of(link), id, &which);
    if (*conn == NULL || (*conn)->side[which].flushing) {
        return ent_err_note(ENT_E_NOT_FOUND, "the connection is gone");
    }
    *side = &(*conn)->side[which];
    return ENT_E_OK;
}

static enum ent_err done(struct ent_link *link, enum ent_err err)
{
    (void)pthread_cond_broadcast(&of(link)->net->changed);
    (void)pthread_mutex_unlock(&of(link)->net->lock);
    return err;
}

static enum ent_err mem_send(struct ent_link *link, ent_conn_id conn, uint8_t type,
                             uint64_t request, const uint8_t *body, size_t len)
{
    const struct ent_frame frame = {.type = type, .len = (uint32_t)len, .request = request};
    struct ent_mem_conn *c;
    struct ent_mem_side *s;
    enum ent_err err = need(link, conn, &c, &s);

    if (err == ENT_E_OK && s->n_queued >= link->limits.queue_max) {
        ent_mem_end_conn(
            of(link)->net, c, (size_t)(s - c->side), ENT_E_LIMIT,
            "too many control frames wait to be sent: the other end does not read them");
        err = ent_err_note(ENT_E_LIMIT, "too many control frames wait to be sent");
    }
    if (err == ENT_E_OK) {
        err = ent_mem_send(of(link)->net, c, (size_t)(s - c->side), &frame, body);
    }
    return done(link, err);
}

static enum ent_err mem_send_blob(struct ent_link *link, ent_conn_id conn, uint64_t request,
                                  struct ent_blob *blob, uint64_t offset)
{
    struct ent_mem_conn *c;
    struct ent_mem_side *s;
    enum ent_err err = need(link, conn, &c, &s);

    if (err == ENT_E_OK && s->blob != NULL) {
        err = ent_err_note(ENT_E_BUSY, "a transfer is being sent on this connection already");
    }
    if (err == ENT_E_OK) {
        s->blob = ent_blob_ref(blob);
        s->blob_request = request;
        s->blob_at = offset;
    }
    return done(link, err);
}

static enum ent_err mem_expect(struct ent_link *link, ent_conn_id conn, uint64_t request,
                               struct ent_sink *sink_take)
{
    struct ent_mem_conn *c;
    struct ent_mem_side *s;
    enum ent_err err = need(link, conn, &c, &s);

    if (err == ENT_E_OK && s->sink != NULL) {
        err = ent_err_note(ENT_E_BUSY, "a transfer is expected on this connection already");
    }
    if (err == ENT_E_OK) {
        s->sink = sink_take;
        s->sink_request = request;
        s->sink_ms = now_of(of(link)->net);
    }
    return done(link, err);
}

static void mem_admit(struct ent_link *link, ent_conn_id conn)
{
    struct ent_mem_conn *c;
    struct ent_mem_side *s;

    if (need(link, conn, &c, &s) == ENT_E_OK) {
        s->admitted = true;
        s->rx_ms = now_of(of(link)->net);
    }
    (void)done(link, ENT_E_OK);
}

static void mem_close(struct ent_link *link, ent_conn_id conn, bool flush)
{
    struct ent_mem_conn *c;
    struct ent_mem_side *s;

    if (need(link, conn, &c, &s) == ENT_E_OK) {
        if (flush && s->opened) {
            s->flushing = true;
        } else {
            ent_mem_end_conn(of(link)->net, c, (size_t)(s - c->side), ENT_E_STOPPED,
                             "closed by this end");
        }
    }
    (void)done(link, ENT_E_OK);
}

/* --- an end --- */

/* Takes the events of this end out of the queue: all but CLOSED are dropped, and the queue of
 * CLOSED is returned. */
static struct ent_mem_event *take_events(struct ent_link_mem_net *net,
                                         const struct ent_mem_end *end)
{
    struct ent_mem_event **at = &net->events;
    struct ent_mem_event *closed = NULL;
    struct ent_mem_event **closed_end = &closed;

    while (*at != NULL) {
        struct ent_mem_event *e = *at;

        if (e->end != end) {
            at = &e->next;
            continue;
        }
        *at = e->next;
        e->next = NULL;
        if (e->event.kind == ENT_LINK_CLOSED) {
            *closed_end = e;
            closed_end = &e->next;
        } else {
            ent_link_event_release(&e->event);
            free(e);
        }
    }
    net->events_end = at;
    return closed;
}

static void remove_end(struct ent_link_mem_net *net, const struct ent_mem_end *end)
{
    struct ent_mem_end **at = &net->ends;

    while (*at != end) {
        at = &(*at)->next;
    }
    *at = end->next;
    for (struct ent_mem_conn *c = net->conns; c != NULL; c = c->next) {
        for (size_t i = 0; i < 2; i++) {
            if (c->side[i].end == end) {
                c->side[i].end = NULL;
            }
        }
    }
}

static void mem_free(struct ent_link *link)
{
    struct ent_mem_end *end = of(link);
    struct ent_link_mem_net *net = end->net;
    struct ent_mem_event *closed;

    (void)pthread_mutex_lock(&net->lock);
    for (struct ent_mem_conn *c = net->conns; c != NULL; c = c->next) {
        for (size_t i = 0; i < 2; i++) {
            if (c->side[i].end == end && !c->side[i].closed) {
                ent_mem_end_conn(net, c, i, ENT_E_STOPPED, "closed by this end");
            }
        }
    }
    closed = take_events(net, end);
    remove_end(net, end);
    while (end->delivering > 0) {
        (void)pthread_cond_wait(&net->changed, &net->lock);
    }
    (void)pthread_cond_broadcast(&net->changed);
    (void)pthread_mutex_unlock(&net->lock);
    while (closed != NULL) {
        struct ent_mem_event *e = closed;

        closed = e->next;
        link->handler(link->handler_ctx, &e->event);
        free(e);
    }
    free(end);
}

static const struct ent_link_ops mem_ops = {
    .listen = mem_listen,
    .dial = mem_dial,
    .send = mem_send,
    .send_blob = mem_send_blob,
    .expect = mem_expect,
    .admit = mem_admit,
    .close = mem_close,
    .free = mem_free,
};

void ent_link_mem_identify(struct ent_link *link, const struct ent_link_mem_identity *identity)
{
    struct ent_mem_end *end = of(link);

    (void)pthread_mutex_lock(&end->net->lock);
    end->identity = *identity;
    (void)snprintf(end->uri, sizeof end->uri, "%s", identity->uri != NULL ? identity->uri : "");
    end->identity.uri = end->uri;
    (void)pthread_mutex_unlock(&end->net->lock);
}

enum ent_err ent_link_mem_new(struct ent_link_mem_net *net,
                              const struct ent_link_mem_identity *identity,
                              const struct ent_link_limits *limits, ent_link_handler handler,
                              void *ctx, struct ent_link **out)
{
    struct ent_mem_end *end;

    ENT_TRY(ent_calloc(1, sizeof *end, &end));
    end->link = (struct ent_link){.ops = &mem_ops,
                                  .handler = handler,
                                  .handler_ctx = ctx,
                                  .limits = limits != NULL ? *limits : ent_link_limits_default(),
                                  .clock = net->clock};
    end->net = net;
    ent_link_mem_identify(&end->link, identity);
    (void)pthread_mutex_lock(&net->lock);
    end->next = net->ends;
    net->ends = end;
    (void)pthread_mutex_unlock(&net->lock);
    *out = &end->link;
    return ENT_E_OK;
}
