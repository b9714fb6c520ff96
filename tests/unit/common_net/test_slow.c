/* Peers that are slow, silent or gone: the deadlines, and what must not count as idle. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/common_net/net_test.h"

#define MB ((size_t)1024 * 1024)

ENT_TEST(slow, silent_after_the_handshake)
{
    struct ent_link_limits limits = net_limits(3000, 600);
    struct scene *s = scene_open(&limits);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct ent_link_event *e;
    struct bare b;

    CU_ASSERT_TRUE(bare_start(&b, s->bound, &member));
    bare_hello(&b);
    e = tap_need(&s->server, ENT_LINK_CLOSED, 3000);
    CU_ASSERT_EQUAL(e->why, ENT_E_TIMEOUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(e->text, "nothing came from the other end for 600 ms"));
    bare_end(&b);
    expect_alive(s);
    scene_close(s);
}

/* 30 bytes each 200 ms: far from a whole DATA frame within the idle deadline, but not idle. */
ENT_TEST(slow, slow_peer_that_makes_progress_is_not_cut)
{
    struct ent_link_limits limits = net_limits(3000, 500);
    struct scene *s = scene_open(&limits);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct ent_sink *sink = NULL;
    struct ent_link_event *e;
    struct bare b;
    uint8_t header[16];
    uint8_t bytes[300] = {1, 2, 3};

    CU_ASSERT_TRUE(bare_start(&b, s->bound, &member));
    bare_hello(&b);
    e = tap_need(&s->server, ENT_LINK_OPENED, 3000);
    ENT_OK(ent_sink_new_memory(300, &sink));
    ENT_OK(ent_link_expect(s->server.link, e->conn, 5, sink));
    bare_header(header, ENT_FRAME_DATA, 300, 5);
    CU_ASSERT_TRUE(bare_write(&b, header, 16));
    for (size_t i = 0; i < 10; i++) {
        net_sleep_ms(200);
        CU_ASSERT_TRUE(bare_write(&b, bytes + 30 * i, 30));
    }
    e = tap_wait(&s->server, ENT_LINK_RECEIVED, 1000);
    CU_ASSERT_PTR_NOT_NULL(e);
    CU_ASSERT_PTR_NULL(tap_wait(&s->server, ENT_LINK_CLOSED, 0));
    bare_end(&b);
    scene_close(s);
}

/* It answers nothing, but sends PING after PING: only the sending side can tell that it does not
 * read. */
ENT_TEST(slow, peer_that_never_reads_is_ended)
{
    struct ent_link_limits limits = net_limits(3000, 700);
    struct scene *s = scene_open(&limits);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct ent_blob *blob = NULL;
    struct ent_link_event *e;
    struct bare b;

    ENT_OK(ent_blob_new_take(calloc(1, 40 * MB), 40 * MB, &blob));
    CU_ASSERT_TRUE(bare_start(&b, s->bound, &member));
    bare_hello(&b);
    e = tap_need(&s->server, ENT_LINK_OPENED, 3000);
    ENT_OK(ent_link_send_blob(s->server.link, e->conn, 5, blob, 0));
    for (size_t i = 0; i < 40 && !tap_closed(&s->server); i++) {
        uint8_t ping[16];

        net_sleep_ms(100);
        bare_header(ping, ENT_FRAME_PING, 0, i);
        (void)bare_write(&b, ping, sizeof ping);
    }
    e = tap_need(&s->server, ENT_LINK_CLOSED, 1000);
    CU_ASSERT_EQUAL(e->why, ENT_E_TIMEOUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(e->text, "has read nothing"));
    bare_end(&b);
    ent_blob_unref(blob);
    expect_alive(s);
    scene_close(s);
}

/* A transfer that was begun and then only PINGs. */
ENT_TEST(slow, transfer_that_stands_still_is_ended)
{
    struct ent_link_limits limits = net_limits(3000, 700);
    struct scene *s = scene_open(&limits);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct ent_sink *sink = NULL;
    struct ent_link_event *e;
    struct bare b;
    uint8_t header[16];

    CU_ASSERT_TRUE(bare_start(&b, s->bound, &member));
    bare_hello(&b);
    e = tap_need(&s->server, ENT_LINK_OPENED, 3000);
    ENT_OK(ent_sink_new_memory(300, &sink));
    ENT_OK(ent_link_expect(s->server.link, e->conn, 5, sink));
    bare_header(header, ENT_FRAME_DATA, 16, 5);
    CU_ASSERT_TRUE(bare_write(&b, header, 16) && bare_write(&b, header, 16));
    for (size_t i = 0; i < 40 && !tap_closed(&s->server); i++) {
        net_sleep_ms(100);
        bare_header(header, ENT_FRAME_PING, 0, i);
        (void)bare_write(&b, header, 16);
    }
    e = tap_need(&s->server, ENT_LINK_CLOSED, 1000);
    CU_ASSERT_EQUAL(e->why, ENT_E_TIMEOUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(e->text, "transfer has stood still"));
    bare_end(&b);
    scene_close(s);
}

/* Trap 12: a peer that is gone in the middle of its upload frees its sink and says so. */
ENT_TEST(slow, killed_in_mid_upload)
{
    struct scene *s = scene_open(NULL);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct ent_sink *sink = NULL;
    struct ent_link_event *e;
    struct bare b;
    uint8_t header[16];
    uint8_t *bytes = calloc(1, MB);

    CU_ASSERT_TRUE(bare_start(&b, s->bound, &member));
    bare_hello(&b);
    e = tap_need(&s->server, ENT_LINK_OPENED, 3000);
    ENT_OK(ent_sink_new_memory(4 * MB, &sink));
    ENT_OK(ent_link_expect(s->server.link, e->conn, 5, sink));
    bare_header(header, ENT_FRAME_DATA, (uint32_t)MB, 5);
    CU_ASSERT_TRUE(bare_write(&b, header, 16) && bare_write(&b, bytes, MB / 2));
    net_reset(dup(b.fd));
    bare_end(&b);
    e = tap_need(&s->server, ENT_LINK_CLOSED, 3000);
    CU_ASSERT_EQUAL(e->why, ENT_E_NET);
    free(bytes);
    expect_alive(s);
    scene_close(s);
}

/* Trap 2: the socket dies while no receive is posted, and nng never completes the next one. */
ENT_TEST(slow, reset_while_the_handler_runs)
{
    struct scene *s = scene_open(NULL);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct ent_link_event *e;
    struct bare b;
    uint8_t header[16];

    s->server.slow_ms = 200;
    CU_ASSERT_TRUE(bare_start(&b, s->bound, &member));
    bare_hello(&b);
    bare_header(header, 16, 0, 1);
    CU_ASSERT_TRUE(bare_write(&b, header, 16));
    net_sleep_ms(50);
    net_reset(dup(b.fd));
    bare_end(&b);
    e = tap_need(&s->server, ENT_LINK_CLOSED, 3000); /* the idle deadline would be 30 s */
    CU_ASSERT_EQUAL(e->why, ENT_E_NET);
    s->server.slow_ms = 0;
    expect_alive(s);
    scene_close(s);
}

/* It reads nothing and answers no PING: a close with flush still ends, at the idle deadline. */
ENT_TEST(slow, flush_to_a_peer_that_does_not_answer)
{
    struct ent_link_limits limits = net_limits(3000, 500);
    struct scene *s = scene_open(&limits);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct ent_link_event *e;
    struct bare b;

    CU_ASSERT_TRUE(bare_start(&b, s->bound, &member));
    bare_hello(&b);
    e = tap_need(&s->server, ENT_LINK_OPENED, 3000);
    ent_link_close(s->server.link, e->conn, true);
    e = tap_need(&s->server, ENT_LINK_CLOSED, 3000);
    CU_ASSERT_EQUAL(e->why, ENT_E_TIMEOUT);
    bare_end(&b);
    scene_close(s);
}

/* A server that takes the connection and says nothing: the dialer's own deadline (trap 1). */
ENT_TEST(slow, silent_server)
{
    struct ent_link_limits limits = net_limits(400, 30000);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct tap *c = calloc(1, sizeof *c);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct ent_link_event *e;
    ent_conn_id id;
    char address[32];

    CU_ASSERT_EQUAL_FATAL(bind(fd, (const struct sockaddr *)&sa, len), 0);
    CU_ASSERT_EQUAL_FATAL(listen(fd, 4), 0);
    (void)getsockname(fd, (struct sockaddr *)&sa, &len);
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", ntohs(sa.sin_port));
    net_client(c, &member, &limits);
    ENT_OK(ent_link_dial(c->link, address, &id));
    e = tap_need(c, ENT_LINK_CLOSED, 2000);
    CU_ASSERT_EQUAL(e->why, ENT_E_TIMEOUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(e->text, "no TLS handshake within 400 ms"));
    tap_release(c);
    free(c);
    (void)close(fd);
}
