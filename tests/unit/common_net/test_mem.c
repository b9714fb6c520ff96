/* The in-process link: delivery in order, and each fault does what it says. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/sha256.h"
#include "common/net/link_mem.h"
#include "tests/support/ent_test.h"

#define MB ((size_t)1024 * 1024)
#define LOG_EVENTS 256

struct end {
    struct ent_link *link;
    struct ent_link_event log[LOG_EVENTS];
    size_t n;
    bool admit;
};

struct wire {
    struct ent_clock_fake time;
    struct ent_link_mem_net *net;
    struct end server;
    struct end client;
    ent_conn_id at_server;
    ent_conn_id at_client;
    struct ent_link_mem_fault fault; /* for the frame with this request */
    uint64_t fault_request;
    uint8_t fault_type; /* 0: any of ours */
    size_t n_asked;
};

static void keep(void *ctx, struct ent_link_event *event_take)
{
    struct end *end = ctx;

    if (event_take->kind == ENT_LINK_OPENED && end->admit) {
        ent_link_admit(end->link, event_take->conn);
    }
    CU_ASSERT_FATAL(end->n < LOG_EVENTS);
    end->log[end->n++] = *event_take;
}

static struct ent_link_mem_fault faults(void *ctx, const struct ent_link_mem_frame *frame)
{
    struct wire *w = ctx;

    w->n_asked++;
    if (w->fault_type != 0 ? frame->type == w->fault_type
                           : frame->type >= 16 && frame->request == w->fault_request) {
        return w->fault;
    }
    return (struct ent_link_mem_fault){ENT_LINK_MEM_PASS, 0};
}

static struct wire *wire_open(enum ent_link_mem_fault_kind kind, uint64_t amount)
{
    static const struct ent_link_mem_identity server = {"urn:entente:fe:coordinator", {1}};
    static const struct ent_link_mem_identity client = {"urn:entente:fe:01", {2}};
    struct wire *w = calloc(1, sizeof *w);
    char bound[64];

    w->time.mono_ms = 1000;
    w->server.admit = w->client.admit = true;
    w->fault = (struct ent_link_mem_fault){kind, amount};
    w->fault_request = 3;
    ENT_OK(ent_link_mem_net_new(ent_clock_of_fake(&w->time), &w->net));
    ent_link_mem_set_hook(w->net, faults, w);
    ENT_OK(ent_link_mem_new(w->net, &server, NULL, keep, &w->server, &w->server.link));
    ENT_OK(ent_link_mem_new(w->net, &client, NULL, keep, &w->client, &w->client.link));
    ENT_OK(ent_link_listen(w->server.link, "coordinator:0", bound, sizeof bound));
    CU_ASSERT_STRING_EQUAL(bound, "coordinator:1");
    ENT_OK(ent_link_dial(w->client.link, bound, &w->at_client));
    CU_ASSERT_EQUAL(w->client.n, 0); /* nothing moves by itself */
    (void)ent_link_mem_pump(w->net, 100);
    CU_ASSERT_FATAL(w->server.n == 1 && w->client.n == 1);
    w->at_server = w->server.log[0].conn;
    return w;
}

static void wire_close(struct wire *w)
{
    ent_link_free(w->client.link);
    ent_link_free(w->server.link);
    for (size_t i = 0; i < w->client.n; i++) {
        ent_link_event_release(&w->client.log[i]);
    }
    for (size_t i = 0; i < w->server.n; i++) {
        ent_link_event_release(&w->server.log[i]);
    }
    ent_link_mem_net_free(w->net);
    free(w);
}

/* Sends 1 .. 5 from the client and pumps; the requests that arrived at the server, as text. */
static const char *send_five(struct wire *w)
{
    static char text[64];

    for (uint64_t i = 1; i <= 5; i++) {
        ENT_OK(ent_link_send(w->client.link, w->at_client, 16, i, (const uint8_t *)"body", 4));
    }
    (void)ent_link_mem_pump(w->net, 100);
    text[0] = '\0';
    for (size_t i = 0; i < w->server.n; i++) {
        if (w->server.log[i].kind == ENT_LINK_FRAME) {
            size_t at = strlen(text);

            (void)snprintf(text + at, sizeof text - at, "%u",
                           (unsigned)w->server.log[i].request % 10);
        }
    }
    return text;
}

ENT_TEST(mem, ends_know_each_other)
{
    struct wire *w = wire_open(ENT_LINK_MEM_PASS, 0);
    const struct ent_peer *a = w->client.log[0].peer;
    const struct ent_peer *b = w->server.log[0].peer;

    CU_ASSERT_STRING_EQUAL(a->uri, "urn:entente:fe:coordinator");
    CU_ASSERT_STRING_EQUAL(b->uri, "urn:entente:fe:01");
    CU_ASSERT_EQUAL(memcmp(a->exporter, b->exporter, ENT_EXPORTER_BYTES), 0);
    CU_ASSERT_TRUE(a->cert_sha256[0] == 1 && b->cert_sha256[0] == 2);
    CU_ASSERT_TRUE(w->server.log[0].inbound && !w->client.log[0].inbound);
    wire_close(w);
}

ENT_TEST(mem, passes_in_order)
{
    struct wire *w = wire_open(ENT_LINK_MEM_PASS, 0);

    CU_ASSERT_STRING_EQUAL(send_five(w), "12345");
    CU_ASSERT_EQUAL(w->server.log[1].body.len, 4);
    CU_ASSERT_EQUAL(w->n_asked, 2 + 5); /* PING, PONG, five */
    wire_close(w);
}

ENT_TEST(mem, drop)
{
    struct wire *w = wire_open(ENT_LINK_MEM_DROP, 0);

    CU_ASSERT_STRING_EQUAL(send_five(w), "1245");
    wire_close(w);
}

ENT_TEST(mem, repeat)
{
    struct wire *w = wire_open(ENT_LINK_MEM_REPEAT, 0);

    CU_ASSERT_STRING_EQUAL(send_five(w), "123345");
    wire_close(w);
}

ENT_TEST(mem, reorder)
{
    struct wire *w = wire_open(ENT_LINK_MEM_REORDER, 1);

    CU_ASSERT_STRING_EQUAL(send_five(w), "12435");
    wire_close(w);
    w = wire_open(ENT_LINK_MEM_REORDER, 2);
    CU_ASSERT_STRING_EQUAL(send_five(w), "12453");
    wire_close(w);
    w = wire_open(ENT_LINK_MEM_REORDER, 9); /* fewer follow: it comes last, not never */
    CU_ASSERT_STRING_EQUAL(send_five(w), "12453");
    wire_close(w);
}

ENT_TEST(mem, truncate)
{
    struct wire *w = wire_open(ENT_LINK_MEM_TRUNCATE, 2);

    CU_ASSERT_STRING_EQUAL(send_five(w), "12345");
    CU_ASSERT_EQUAL(w->server.log[3].body.len, 2);
    CU_ASSERT_EQUAL(w->server.log[4].body.len, 4);
    wire_close(w);
}

ENT_TEST(mem, delay_holds_what_is_behind)
{
    struct wire *w = wire_open(ENT_LINK_MEM_DELAY, 500);

    CU_ASSERT_STRING_EQUAL(send_five(w), "12");
    CU_ASSERT_EQUAL(ent_link_mem_next_ms(w->net), 1500);
    ENT_OK(ent_link_send(w->server.link, w->at_server, 16, 7, NULL, 0)); /* the other way is free */
    (void)ent_link_mem_pump(w->net, 100);
    CU_ASSERT_EQUAL(w->client.log[w->client.n - 1].request, 7);
    w->time.mono_ms = 1500;
    (void)ent_link_mem_pump(w->net, 100);
    CU_ASSERT_EQUAL(w->server.log[w->server.n - 1].request, 5);
    CU_ASSERT_EQUAL(w->server.n, 1 + 5);
    wire_close(w);
}

ENT_TEST(mem, cut)
{
    struct wire *w = wire_open(ENT_LINK_MEM_CUT, 0);

    for (uint64_t i = 1; i <= 2; i++) {
        ENT_OK(ent_link_send(w->client.link, w->at_client, 16, i, NULL, 0));
    }
    (void)ent_link_mem_pump(w->net, 100);
    ENT_OK(ent_link_send(w->client.link, w->at_client, 16, 3, NULL, 0));
    ENT_FAILS(ent_link_send(w->client.link, w->at_client, 16, 4, NULL, 0), ENT_E_NOT_FOUND);
    (void)ent_link_mem_pump(w->net, 100);
    CU_ASSERT_EQUAL(w->server.n, 1 + 2 + 1);
    CU_ASSERT_EQUAL(w->server.log[3].kind, ENT_LINK_CLOSED);
    CU_ASSERT_EQUAL(w->server.log[3].why, ENT_E_NET);
    CU_ASSERT_EQUAL(w->client.log[1].kind, ENT_LINK_CLOSED);
    wire_close(w);
}

ENT_TEST(mem, cut_from_outside)
{
    struct wire *w = wire_open(ENT_LINK_MEM_PASS, 0);

    ent_link_mem_cut(w->net, w->at_server);
    (void)ent_link_mem_pump(w->net, 100);
    CU_ASSERT_TRUE(w->server.n == 2 && w->client.n == 2);
    CU_ASSERT_EQUAL(w->client.log[1].why, ENT_E_NET);
    wire_close(w);
}

static struct ent_blob *zeros(size_t len)
{
    uint8_t *bytes = NULL;
    struct ent_blob *blob = NULL;

    ENT_OK(ent_calloc(len, 1, &bytes));
    bytes[len - 1] = 7;
    ENT_OK(ent_blob_new_take(bytes, len, &blob));
    return blob;
}

static void start_bulk(struct wire *w, size_t len)
{
    struct ent_blob *blob = zeros(len);
    struct ent_sink *sink = NULL;

    ENT_OK(ent_sink_new_memory(len, &sink));
    ENT_OK(ent_link_expect(w->server.link, w->at_server, 9, sink));
    ENT_OK(ent_link_send_blob(w->client.link, w->at_client, 9, blob, 0));
    ENT_FAILS(ent_link_send_blob(w->client.link, w->at_client, 9, blob, 0), ENT_E_BUSY);
    ent_blob_unref(blob);
}

ENT_TEST(mem, bulk)
{
    struct wire *w = wire_open(ENT_LINK_MEM_PASS, 0);
    struct ent_blob *blob = zeros(3 * MB + 5);
    uint8_t want[32];
    uint8_t got[32];

    ENT_OK(ent_sha256(ent_blob_bytes(blob), 3 * MB + 5, want));
    start_bulk(w, 3 * MB + 5);
    ENT_OK(ent_link_send(w->client.link, w->at_client, 16, 1, NULL, 0)); /* passes between */
    (void)ent_link_mem_pump(w->net, 100);
    CU_ASSERT_EQUAL(w->client.log[1].kind, ENT_LINK_SENT);
    CU_ASSERT_EQUAL(w->server.log[1].kind, ENT_LINK_FRAME);
    CU_ASSERT_EQUAL_FATAL(w->server.log[2].kind, ENT_LINK_RECEIVED);
    CU_ASSERT_EQUAL(w->server.log[2].request, 9);
    ent_sink_sha256(w->server.log[2].sink, got);
    CU_ASSERT_EQUAL(memcmp(want, got, 32), 0);
    ent_blob_unref(blob);
    wire_close(w);
}

ENT_TEST(mem, bulk_that_loses_data_stands_until_its_deadline)
{
    struct wire *w = wire_open(ENT_LINK_MEM_DROP, 0);

    start_bulk(w, 3 * MB);
    for (int i = 0; i < 2; i++) {
        (void)ent_link_mem_step(w->net); /* the first DATA frame passes */
    }
    w->fault_type = ENT_FRAME_DATA;
    (void)ent_link_mem_pump(w->net, 100);
    w->fault_type = 99;
    for (int i = 0; i < 20 && w->server.log[w->server.n - 1].kind != ENT_LINK_CLOSED; i++) {
        w->time.mono_ms = ent_link_mem_next_ms(w->net);
        (void)ent_link_mem_pump(w->net, 100);
    }
    CU_ASSERT_EQUAL(w->server.log[w->server.n - 1].kind, ENT_LINK_CLOSED);
    CU_ASSERT_EQUAL(w->server.log[w->server.n - 1].why, ENT_E_TIMEOUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(w->server.log[w->server.n - 1].text, "stood still"));
    CU_ASSERT_TRUE(w->time.mono_ms >= 31000 && w->time.mono_ms < 45000);
    wire_close(w);
}

/* A peer that asks for a grant and never uses it would hold its share of the budget for ever. */
ENT_TEST(mem, grant_that_is_never_used_ends)
{
    struct wire *w = wire_open(ENT_LINK_MEM_PASS, 0);
    struct ent_sink *sink = NULL;

    ENT_OK(ent_sink_new_memory(MB, &sink));
    ENT_OK(ent_link_expect(w->server.link, w->at_server, 9, sink));
    for (int i = 0; i < 20 && w->server.log[w->server.n - 1].kind != ENT_LINK_CLOSED; i++) {
        w->time.mono_ms = ent_link_mem_next_ms(w->net);
        (void)ent_link_mem_pump(w->net, 100);
    }
    CU_ASSERT_EQUAL(w->server.log[w->server.n - 1].kind, ENT_LINK_CLOSED);
    CU_ASSERT_EQUAL(w->server.log[w->server.n - 1].why, ENT_E_TIMEOUT);
    CU_ASSERT_TRUE(w->time.mono_ms >= 31000 && w->time.mono_ms < 45000);
    wire_close(w);
}

ENT_TEST(mem, repeated_data_is_more_than_was_granted)
{
    struct wire *w = wire_open(ENT_LINK_MEM_REPEAT, 0);

    w->fault_type = ENT_FRAME_DATA;
    start_bulk(w, MB);
    (void)ent_link_mem_pump(w->net, 100);
    CU_ASSERT_EQUAL(w->server.log[w->server.n - 1].kind, ENT_LINK_CLOSED);
    CU_ASSERT_EQUAL(w->server.log[w->server.n - 1].why, ENT_E_PROTOCOL);
    wire_close(w);
}

ENT_TEST(mem, data_without_a_grant)
{
    struct wire *w = wire_open(ENT_LINK_MEM_PASS, 0);
    struct ent_blob *blob = zeros(10);

    ENT_OK(ent_link_send_blob(w->client.link, w->at_client, 9, blob, 0));
    (void)ent_link_mem_pump(w->net, 100);
    CU_ASSERT_EQUAL(w->server.log[w->server.n - 1].why, ENT_E_PROTOCOL);
    ent_blob_unref(blob);
    wire_close(w);
}

ENT_TEST(mem, silence_is_noticed_and_talk_is_kept_alive)
{
    struct wire *w = wire_open(ENT_LINK_MEM_DROP, 0);

    for (int i = 0; i < 50; i++) {
        w->time.mono_ms = ent_link_mem_next_ms(w->net);
        (void)ent_link_mem_pump(w->net, 100);
    }
    CU_ASSERT_TRUE(w->server.n == 1 && w->client.n == 1); /* alive by PING */
    CU_ASSERT_TRUE(w->time.mono_ms > 200000);
    w->fault_type = ENT_FRAME_PING; /* nor a PONG then */
    for (int i = 0; i < 6 && w->server.n == 1; i++) {
        w->time.mono_ms = ent_link_mem_next_ms(w->net);
        (void)ent_link_mem_pump(w->net, 100);
    }
    CU_ASSERT_TRUE(w->server.n == 2 && w->client.n == 2);
    wire_close(w);
}

ENT_TEST(mem, handshake_deadline)
{
    struct wire *w = wire_open(ENT_LINK_MEM_PASS, 0);
    ent_conn_id id;

    w->server.admit = false;
    ENT_OK(ent_link_dial(w->client.link, "coordinator:1", &id));
    (void)ent_link_mem_pump(w->net, 100);
    w->time.mono_ms += 10000;
    (void)ent_link_mem_pump(w->net, 100);
    CU_ASSERT_EQUAL(w->server.log[2].kind, ENT_LINK_CLOSED);
    CU_ASSERT_EQUAL(w->server.log[2].why, ENT_E_TIMEOUT);
    wire_close(w);
}

ENT_TEST(mem, close_with_flush_and_without)
{
    struct wire *w = wire_open(ENT_LINK_MEM_PASS, 0);
    ent_conn_id id;
    size_t n;

    ENT_OK(ent_link_send(w->client.link, w->at_client, 16, 1, NULL, 0));
    ent_link_close(w->client.link, w->at_client, true);
    ENT_FAILS(ent_link_send(w->client.link, w->at_client, 16, 2, NULL, 0), ENT_E_NOT_FOUND);
    (void)ent_link_mem_pump(w->net, 100);
    CU_ASSERT_EQUAL(w->server.log[1].kind, ENT_LINK_FRAME);
    CU_ASSERT_EQUAL(w->server.log[2].kind, ENT_LINK_CLOSED);
    CU_ASSERT_EQUAL(w->client.log[1].why, ENT_E_STOPPED);
    ENT_OK(ent_link_dial(w->client.link, "coordinator:1", &id));
    (void)ent_link_mem_pump(w->net, 100);
    n = w->server.n;
    ENT_OK(ent_link_send(w->client.link, id, 16, 1, NULL, 0));
    ent_link_close(w->client.link, id, false);
    (void)ent_link_mem_pump(w->net, 100);
    CU_ASSERT_EQUAL(w->server.n, n + 1); /* only CLOSED: what was under way is lost */
    wire_close(w);
}

ENT_TEST(mem, dial_to_nobody_and_limits)
{
    struct wire *w = wire_open(ENT_LINK_MEM_PASS, 0);
    ent_conn_id id;
    enum ent_err err = ENT_E_OK;

    ENT_OK(ent_link_dial(w->client.link, "nobody:1", &id));
    (void)ent_link_mem_pump(w->net, 100);
    CU_ASSERT_EQUAL(w->client.log[1].kind, ENT_LINK_CLOSED);
    CU_ASSERT_EQUAL(w->client.log[1].why, ENT_E_NET);
    for (uint64_t i = 0; i < 100 && err == ENT_E_OK; i++) {
        err = ent_link_send(w->client.link, w->at_client, 16, i, NULL, 0);
    }
    CU_ASSERT_EQUAL(err, ENT_E_LIMIT);
    (void)ent_link_mem_pump(w->net, 100);
    CU_ASSERT_EQUAL(w->client.log[2].why, ENT_E_LIMIT);
    CU_ASSERT_EQUAL(w->server.log[1].kind, ENT_LINK_CLOSED);
    wire_close(w);
}
