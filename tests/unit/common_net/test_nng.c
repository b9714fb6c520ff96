#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/crypto/sha256.h"
#include "tests/unit/common_net/net_test.h"

#define MB ((size_t)1024 * 1024)

struct pair {
    struct tap server;
    struct tap client;
    char bound[64];
    ent_conn_id at_client;
    ent_conn_id at_server;
};

static struct pair *pair_open(const struct ent_link_limits *limits)
{
    struct pair *p = calloc(1, sizeof *p);
    struct ent_tls_settings server = net_settings(ENT_TEST_SERVER);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct ent_link_event *e;

    net_listen(&p->server, &server, limits, p->bound);
    net_client(&p->client, &member, limits);
    ENT_OK(ent_link_dial(p->client.link, p->bound, &p->at_client));
    (void)tap_need(&p->client, ENT_LINK_OPENED, 5000);
    e = tap_need(&p->server, ENT_LINK_OPENED, 5000);
    p->at_server = e->conn;
    return p;
}

static void pair_close(struct pair *p)
{
    CU_ASSERT_TRUE(tap_in_order(&p->client));
    CU_ASSERT_TRUE(tap_in_order(&p->server));
    tap_release(&p->client);
    tap_release(&p->server);
    free(p);
}

static struct ent_blob *pattern(size_t len, uint8_t digest[32])
{
    uint8_t *bytes = malloc(len);
    struct ent_blob *blob;
    uint32_t x = 12345;

    for (size_t i = 0; i < len; i++) {
        x = x * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(x >> 24);
    }
    ENT_OK(ent_sha256(bytes, len, digest));
    ENT_OK(ent_blob_new_take(bytes, len, &blob));
    return blob;
}

ENT_TEST(nng, version_is_checked_and_told)
{
    char line[ENT_LINK_NNG_VERSION_BYTES];

    ent_link_nng_version(line);
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "nng 1."));
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "OpenSSL 3."));
}

ENT_TEST(nng, both_ends_know_each_other)
{
    struct pair *p = pair_open(NULL);
    struct ent_peer *at_client = p->client.events[0].peer;
    struct ent_peer *at_server = p->server.events[0].peer;

    CU_ASSERT_STRING_EQUAL(at_client->protocol, "TLSv1.3");
    CU_ASSERT_EQUAL(strncmp(at_server->uri, "urn:entente:fefefefe", 20), 0);
    CU_ASSERT_TRUE(at_server->has_cert && at_client->has_cert);
    CU_ASSERT_EQUAL(memcmp(at_client->exporter, at_server->exporter, ENT_EXPORTER_BYTES), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(at_client->cert_sha256, at_server->cert_sha256, 32), 0);
    CU_ASSERT_EQUAL(strncmp(at_server->address, "127.0.0.1:", 10), 0);
    CU_ASSERT_TRUE(p->server.events[0].inbound);
    CU_ASSERT_FALSE(p->client.events[0].inbound);
    pair_close(p);
}

ENT_TEST(nng, control_frames_round_trip_in_order)
{
    struct pair *p = pair_open(NULL);
    uint8_t *body = malloc(ENT_FRAME_CONTROL_MAX_BYTES);

    for (size_t i = 0; i < ENT_FRAME_CONTROL_MAX_BYTES; i++) {
        body[i] = (uint8_t)i;
    }
    for (size_t i = 0; i < 30; i++) {
        size_t len = i == 0 ? 0 : ENT_FRAME_CONTROL_MAX_BYTES >> (i % 17);

        ENT_OK(ent_link_send(p->client.link, p->at_client, 16, 100 + i, body, len));
        ENT_OK(ent_link_send(p->server.link, p->at_server, 17, 200 + i, body, len));
    }
    for (size_t i = 0; i < 30; i++) {
        struct ent_link_event *up = tap_wait(&p->server, ENT_LINK_FRAME, 5000);
        struct ent_link_event *down = tap_wait(&p->client, ENT_LINK_FRAME, 5000);
        size_t len = i == 0 ? 0 : ENT_FRAME_CONTROL_MAX_BYTES >> (i % 17);

        CU_ASSERT_FATAL(up != NULL && down != NULL);
        CU_ASSERT_TRUE(up->request == 100 + i && up->type == 16 && up->body.len == len);
        CU_ASSERT_TRUE(down->request == 200 + i && down->type == 17 && down->body.len == len);
        CU_ASSERT_TRUE(len == 0 || memcmp(up->body.data, body, len) == 0);
    }
    free(body);
    pair_close(p);
}

ENT_TEST(nng, too_large_a_control_frame_is_refused_here)
{
    struct pair *p = pair_open(NULL);
    uint8_t *body = calloc(1, ENT_FRAME_CONTROL_MAX_BYTES + 1);

    ENT_FAILS(
        ent_link_send(p->client.link, p->at_client, 16, 1, body, ENT_FRAME_CONTROL_MAX_BYTES + 1),
        ENT_E_LIMIT);
    ENT_FAILS(ent_link_send(p->client.link, 999999, 16, 1, body, 1), ENT_E_NOT_FOUND);
    free(body);
    pair_close(p);
}

/* 40 MB up into a file and down into memory at the same time, control frames between. */
ENT_TEST(nng, bulk_both_ways_with_digest)
{
    struct pair *p = pair_open(NULL);
    uint8_t digest[32];
    uint8_t got[32];
    struct ent_blob *blob = pattern(40 * MB, digest);
    struct ent_blob *back = NULL;
    struct ent_sink *file = NULL;
    struct ent_sink *memory = NULL;
    struct ent_link_event *up;
    struct ent_link_event *down;
    char path[128];
    int fd;

    (void)snprintf(path, sizeof path, "%s/upload", ent_test_tmpdir());
    fd = open(path, O_CREAT | O_RDWR | O_EXCL, 0600);
    CU_ASSERT_FATAL(fd >= 0);
    ENT_OK(ent_sink_new_file(fd, path, 40 * MB, &file));
    ENT_OK(ent_sink_new_memory(40 * MB, &memory));
    ENT_OK(ent_link_expect(p->server.link, p->at_server, 7, file));
    ENT_OK(ent_link_expect(p->client.link, p->at_client, 8, memory));
    ENT_OK(ent_link_send_blob(p->client.link, p->at_client, 7, blob, 0));
    ENT_OK(ent_link_send_blob(p->server.link, p->at_server, 8, blob, 0));
    ENT_FAILS(ent_link_send_blob(p->server.link, p->at_server, 9, blob, 0), ENT_E_BUSY);
    for (uint64_t i = 0; i < 20; i++) {
        ENT_OK(ent_link_send(p->client.link, p->at_client, 16, i, (const uint8_t *)"x", 1));
    }
    up = tap_wait(&p->server, ENT_LINK_RECEIVED, 20000);
    down = tap_wait(&p->client, ENT_LINK_RECEIVED, 20000);
    CU_ASSERT_FATAL(up != NULL && down != NULL);
    CU_ASSERT_TRUE(up->request == 7 && down->request == 8);
    ent_sink_sha256(up->sink, got);
    CU_ASSERT_EQUAL(memcmp(got, digest, 32), 0);
    ent_sink_sha256(down->sink, got);
    CU_ASSERT_EQUAL(memcmp(got, digest, 32), 0);
    ENT_OK(ent_sink_blob(down->sink, &back));
    CU_ASSERT_EQUAL(memcmp(ent_blob_bytes(back), ent_blob_bytes(blob), 40 * MB), 0);
    ent_blob_unref(back);
    ENT_OK(ent_sink_blob(up->sink, &back));
    CU_ASSERT_EQUAL(memcmp(ent_blob_bytes(back), ent_blob_bytes(blob), 40 * MB), 0);
    ent_blob_unref(back);
    CU_ASSERT_PTR_NOT_NULL(tap_wait(&p->client, ENT_LINK_SENT, 5000));
    CU_ASSERT_PTR_NOT_NULL(tap_wait(&p->server, ENT_LINK_SENT, 5000));
    ent_blob_unref(blob);
    pair_close(p);
    CU_ASSERT_FALSE(ent_file_exists(path)); /* nobody kept it */
}

ENT_TEST(nng, blob_from_an_offset)
{
    struct pair *p = pair_open(NULL);
    uint8_t digest[32];
    struct ent_blob *blob = pattern(MB, digest);
    struct ent_sink *sink = NULL;
    struct ent_blob *back = NULL;
    struct ent_link_event *e;

    ENT_OK(ent_sink_new_memory(1000, &sink));
    ENT_OK(ent_link_expect(p->server.link, p->at_server, 1, sink));
    ENT_OK(ent_link_send_blob(p->client.link, p->at_client, 1, blob, MB - 1000));
    e = tap_need(&p->server, ENT_LINK_RECEIVED, 5000);
    ENT_OK(ent_sink_blob(e->sink, &back));
    CU_ASSERT_EQUAL(memcmp(ent_blob_bytes(back), ent_blob_bytes(blob) + MB - 1000, 1000), 0);
    ENT_FAILS(ent_link_send_blob(p->client.link, p->at_client, 2, blob, MB), ENT_E_SHAPE);
    ent_blob_unref(back);
    ent_blob_unref(blob);
    pair_close(p);
}

ENT_TEST(nng, data_without_a_grant_ends_the_connection)
{
    struct pair *p = pair_open(NULL);
    uint8_t digest[32];
    struct ent_blob *blob = pattern(1000, digest);
    struct ent_link_event *e;

    ENT_OK(ent_link_send_blob(p->client.link, p->at_client, 1, blob, 0));
    e = tap_need(&p->server, ENT_LINK_CLOSED, 5000);
    CU_ASSERT_EQUAL(e->why, ENT_E_PROTOCOL);
    CU_ASSERT_PTR_NOT_NULL(strstr(e->text, "not asked for"));
    CU_ASSERT_PTR_NOT_NULL(tap_wait(&p->client, ENT_LINK_CLOSED, 5000));
    ent_blob_unref(blob);
    pair_close(p);
}

ENT_TEST(nng, data_beyond_the_grant_ends_the_connection)
{
    struct pair *p = pair_open(NULL);
    uint8_t digest[32];
    struct ent_blob *blob = pattern(1001, digest);
    struct ent_sink *sink = NULL;
    struct ent_link_event *e;

    ENT_OK(ent_sink_new_memory(1000, &sink));
    ENT_OK(ent_link_expect(p->server.link, p->at_server, 1, sink));
    ENT_OK(ent_link_send_blob(p->client.link, p->at_client, 1, blob, 0));
    e = tap_need(&p->server, ENT_LINK_CLOSED, 5000);
    CU_ASSERT_EQUAL(e->why, ENT_E_PROTOCOL);
    ent_blob_unref(blob);
    pair_close(p);
}

ENT_TEST(nng, close_with_flush_delivers)
{
    struct pair *p = pair_open(NULL);
    uint8_t digest[32];
    struct ent_blob *blob = pattern(4 * MB, digest);
    struct ent_sink *sink = NULL;
    struct ent_link_event *e;

    ENT_OK(ent_sink_new_memory(4 * MB, &sink));
    ENT_OK(ent_link_expect(p->client.link, p->at_client, 1, sink));
    ENT_OK(ent_link_send_blob(p->server.link, p->at_server, 1, blob, 0));
    for (uint64_t i = 0; i < 40; i++) {
        ENT_OK(ent_link_send(p->server.link, p->at_server, 16, i, (const uint8_t *)"bye", 3));
    }
    ent_link_close(p->server.link, p->at_server, true);
    ENT_FAILS(ent_link_send(p->server.link, p->at_server, 16, 99, NULL, 0), ENT_E_NOT_FOUND);
    e = tap_need(&p->server, ENT_LINK_CLOSED, 5000);
    CU_ASSERT_EQUAL(e->why, ENT_E_STOPPED);
    CU_ASSERT_PTR_NOT_NULL(tap_wait(&p->client, ENT_LINK_CLOSED, 5000));
    for (uint64_t i = 0; i < 40; i++) {
        e = tap_need(&p->client, ENT_LINK_FRAME, 0);
        CU_ASSERT_EQUAL(e->request, i);
    }
    e = tap_wait(&p->client, ENT_LINK_RECEIVED, 0);
    CU_ASSERT_PTR_NOT_NULL(e);
    ent_blob_unref(blob);
    pair_close(p);
}

ENT_TEST(nng, both_ends_flush_at_once)
{
    struct pair *p = pair_open(NULL);

    ENT_OK(ent_link_send(p->server.link, p->at_server, 16, 1, NULL, 0));
    ENT_OK(ent_link_send(p->client.link, p->at_client, 16, 1, NULL, 0));
    ent_link_close(p->server.link, p->at_server, true);
    ent_link_close(p->client.link, p->at_client, true);
    CU_ASSERT_PTR_NOT_NULL(tap_wait(&p->client, ENT_LINK_CLOSED, 3000));
    CU_ASSERT_PTR_NOT_NULL(tap_wait(&p->server, ENT_LINK_CLOSED, 3000));
    pair_close(p);
}

ENT_TEST(nng, an_idle_connection_is_kept_alive_by_ping)
{
    struct ent_link_limits limits = net_limits(2000, 600);
    struct pair *p = pair_open(&limits);

    net_sleep_ms(1500);
    CU_ASSERT_PTR_NULL(tap_wait(&p->client, ENT_LINK_CLOSED, 0));
    CU_ASSERT_PTR_NULL(tap_wait(&p->server, ENT_LINK_CLOSED, 0));
    ENT_OK(ent_link_send(p->client.link, p->at_client, 16, 1, NULL, 0));
    CU_ASSERT_PTR_NOT_NULL(tap_wait(&p->server, ENT_LINK_FRAME, 2000));
    pair_close(p);
}

ENT_TEST(nng, who_is_not_admitted_is_closed)
{
    struct ent_link_limits limits = net_limits(500, 10000);
    struct ent_tls_settings server = net_settings(ENT_TEST_SERVER);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct tap s;
    struct tap c;
    char bound[64];
    ent_conn_id id;
    struct ent_link_event *e;

    net_listen(&s, &server, &limits, bound);
    s.admit = false;
    net_client(&c, &member, NULL);
    ENT_OK(ent_link_dial(c.link, bound, &id));
    e = tap_need(&s, ENT_LINK_CLOSED, 3000);
    CU_ASSERT_EQUAL(e->why, ENT_E_TIMEOUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(e->text, "agreement"));
    CU_ASSERT_PTR_NOT_NULL(tap_wait(&c, ENT_LINK_CLOSED, 3000));
    tap_release(&c);
    tap_release(&s);
}

ENT_TEST(nng, dial_to_nobody)
{
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct tap c;
    ent_conn_id id;
    struct ent_link_event *e;

    net_client(&c, &member, NULL);
    ENT_OK(ent_link_dial(c.link, "127.0.0.1:1", &id));
    e = tap_need(&c, ENT_LINK_CLOSED, 3000);
    CU_ASSERT_EQUAL(e->why, ENT_E_NET);
    CU_ASSERT_PTR_NOT_NULL(strstr(e->text, "cannot connect to 127.0.0.1:1"));
    ENT_FAILS(ent_link_dial(c.link, "no port", &id), ENT_E_CONFIG);
    ENT_FAILS(ent_link_dial(c.link, "host/x:1", &id), ENT_E_CONFIG);
    tap_release(&c);
}

ENT_TEST(nng, too_many_control_frames_end_the_connection)
{
    struct ent_link_limits limits = net_limits(5000, 5000);
    struct pair *p;
    uint8_t *body = calloc(1, ENT_FRAME_CONTROL_MAX_BYTES);
    enum ent_err err = ENT_E_OK;
    struct ent_link_event *e;

    limits.queue_max = 8;
    p = pair_open(&limits);
    for (uint64_t i = 0; i < 5000 && err == ENT_E_OK; i++) {
        err = ent_link_send(p->client.link, p->at_client, 16, i, body, ENT_FRAME_CONTROL_MAX_BYTES);
    }
    CU_ASSERT_EQUAL(err, ENT_E_LIMIT);
    e = tap_need(&p->client, ENT_LINK_CLOSED, 5000);
    CU_ASSERT_EQUAL(e->why, ENT_E_LIMIT);
    free(body);
    pair_close(p);
}

ENT_TEST(nng, port_is_told_and_cannot_be_taken_twice)
{
    struct ent_tls_settings server = net_settings(ENT_TEST_SERVER);
    struct tap a;
    struct tap b;
    char bound[64];
    char other[64];

    net_listen(&a, &server, NULL, bound);
    CU_ASSERT_EQUAL(strncmp(bound, "127.0.0.1:", 10), 0);
    CU_ASSERT_STRING_NOT_EQUAL(bound, "127.0.0.1:0");
    net_client(&b, &server, NULL);
    ENT_FAILS(ent_link_listen(b.link, bound, other, sizeof other), ENT_E_BUSY);
    ENT_FAILS(ent_link_listen(a.link, "127.0.0.1:0", other, sizeof other), ENT_E_EXISTS);
    tap_release(&b);
    tap_release(&a);
}

/* 100 open connections, transfers running on some, stop in a moment. */
ENT_TEST(nng, many_connections_stop_quickly)
{
    struct ent_tls_settings server = net_settings(ENT_TEST_SERVER);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct ent_link_limits limits = net_limits(10000, 30000);
    struct tap *s = calloc(1, sizeof *s);
    struct tap *c = calloc(1, sizeof *c);
    char bound[64];
    ent_conn_id ids[100];
    uint64_t begun;
    uint8_t digest[32];
    struct ent_blob *blob = pattern(4 * MB, digest);

    limits.connections_max = 128;
    limits.half_open_max = 128;
    net_listen(s, &server, &limits, bound);
    net_client(c, &member, &limits);
    for (size_t i = 0; i < 100; i++) {
        ENT_OK(ent_link_dial(c->link, bound, &ids[i]));
    }
    for (size_t i = 0; i < 100; i++) {
        struct ent_link_event *e = tap_wait(s, ENT_LINK_OPENED, 10000);
        struct ent_sink *sink = NULL;

        CU_ASSERT_PTR_NOT_NULL_FATAL(e);
        if (i % 10 == 0) {
            ENT_OK(ent_sink_new_memory(4 * MB, &sink));
            ENT_OK(ent_link_expect(s->link, e->conn, 1, sink));
            ENT_OK(ent_link_send(s->link, e->conn, 21, 1, NULL, 0));
        }
    }
    CU_ASSERT_EQUAL(ent_link_nng_connections(s->link), 100);
    for (size_t i = 0; i < 10; i++) {
        struct ent_link_event *e = tap_need(c, ENT_LINK_FRAME, 5000);
        ENT_OK(ent_link_send_blob(c->link, e->conn, 1, blob, 0));
    }
    begun = net_now_ms();
    tap_release(s);
    CU_ASSERT_TRUE(net_now_ms() - begun < 1500);
    CU_ASSERT_EQUAL(s->n_closed, 100);
    tap_release(c);
    CU_ASSERT_EQUAL(c->n_closed, 100);
    ent_blob_unref(blob);
    free(s);
    free(c);
}
