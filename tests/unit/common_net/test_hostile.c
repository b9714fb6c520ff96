/* Peers that mean harm or are broken: each ends alone, for the reason it is told, and the
 * listener goes on. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/common_net/net_test.h"

#define MB ((size_t)1024 * 1024)

struct scene {
    struct tap server;
    char bound[64];
};

static struct scene *scene_open(const struct ent_link_limits *limits)
{
    struct scene *s = calloc(1, sizeof *s);
    struct ent_tls_settings settings = net_settings(ENT_TEST_SERVER);

    net_listen(&s->server, &settings, limits, s->bound);
    return s;
}

static void scene_close(struct scene *s)
{
    CU_ASSERT_TRUE(tap_in_order(&s->server));
    tap_release(&s->server);
    free(s);
}

/* An honest member can still connect and be heard. */
static void expect_alive(struct scene *s)
{
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER_2);
    struct tap *c = calloc(1, sizeof *c);
    struct ent_link_event *e;
    ent_conn_id id;

    net_client(c, &member, NULL);
    ENT_OK(ent_link_dial(c->link, s->bound, &id));
    CU_ASSERT_PTR_NOT_NULL(tap_wait(c, ENT_LINK_OPENED, 5000));
    ENT_OK(ent_link_send(c->link, id, 77, 4242, NULL, 0));
    do {
        e = tap_wait(&s->server, ENT_LINK_FRAME, 5000);
    } while (e != NULL && e->type != 77);
    CU_ASSERT_PTR_NOT_NULL(e);
    tap_release(c);
    free(c);
}

static void hello(struct bare *b)
{
    uint8_t ping[16];

    bare_header(ping, ENT_FRAME_PING, 0, 0);
    CU_ASSERT_TRUE(bare_write(b, ping, sizeof ping));
}

static void reset(int fd)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    (void)close(fd);
}

ENT_TEST(hostile, garbage_bytes)
{
    struct scene *s = scene_open(NULL);
    struct ent_link_event *e;
    int fd = bare_connect(s->bound);

    CU_ASSERT_EQUAL(send(fd, "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL), 18);
    CU_ASSERT_TRUE(net_closed_within(fd, 2000));
    (void)close(fd);
    e = tap_need(&s->server, ENT_LINK_CLOSED, 2000);
    CU_ASSERT_EQUAL(e->why, ENT_E_TLS);
    CU_ASSERT_TRUE(strlen(e->text) > 5);
    expect_alive(s);
    scene_close(s);
}

/* Traps 1 and 2: neither a peer that says nothing nor one that stops in the middle of its hello
 * stays. */
ENT_TEST(hostile, half_open_connections_are_dropped_at_the_deadline)
{
    struct ent_link_limits limits = net_limits(700, 30000);
    struct scene *s = scene_open(&limits);
    int fds[20];
    uint64_t begun = net_now_ms();

    for (size_t i = 0; i < 20; i++) {
        fds[i] = bare_connect(s->bound);
        if (i % 2 == 0) {
            CU_ASSERT_EQUAL(send(fds[i], "\x16\x03\x01\x02", 4, MSG_NOSIGNAL), 4);
        }
    }
    for (size_t i = 0; i < 20; i++) {
        CU_ASSERT_TRUE(net_closed_within(fds[i], 3000));
        (void)close(fds[i]);
    }
    CU_ASSERT_TRUE(net_now_ms() - begun >= 600 && net_now_ms() - begun < 2500);
    for (size_t i = 0; i < 20; i++) {
        struct ent_link_event *e = tap_need(&s->server, ENT_LINK_CLOSED, 1000);
        CU_ASSERT_EQUAL(e->why, ENT_E_TIMEOUT);
        CU_ASSERT_PTR_NOT_NULL(strstr(e->text, "no TLS handshake within 700 ms"));
    }
    expect_alive(s);
    scene_close(s);
}

ENT_TEST(hostile, half_open_and_connection_limits)
{
    struct ent_link_limits limits = net_limits(1000, 30000);
    struct scene *s;
    int fds[8];

    limits.half_open_max = 5;
    s = scene_open(&limits);
    for (size_t i = 0; i < 8; i++) {
        fds[i] = bare_connect(s->bound);
        net_sleep_ms(20);
    }
    for (size_t i = 5; i < 8; i++) {
        CU_ASSERT_TRUE(net_closed_within(fds[i], 300)); /* at once, before any deadline */
    }
    CU_ASSERT_EQUAL(ent_link_nng_connections(s->server.link), 5);
    for (size_t i = 0; i < 8; i++) {
        (void)close(fds[i]);
    }
    for (size_t i = 0; i < 5; i++) {
        CU_ASSERT_PTR_NOT_NULL(tap_wait(&s->server, ENT_LINK_CLOSED, 2000));
    }
    expect_alive(s);
    scene_close(s);
}

ENT_TEST(hostile, a_thousand_resets_in_the_handshake)
{
    struct scene *s = scene_open(NULL);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    static const uint8_t part_of_a_hello[] = {0x16, 0x03, 0x01, 0x00, 0xf0, 0x01, 0x00, 0x00, 0xec};

    for (size_t i = 0; i < 1000; i++) {
        int fd = bare_connect(s->bound);

        (void)!send(fd, part_of_a_hello, sizeof part_of_a_hello, MSG_NOSIGNAL);
        reset(fd);
        if (i % 50 == 49) {
            net_sleep_ms(
                15); /* or the kernel's queue of 128 overflows, and connect waits a second */
        }
    }
    for (size_t i = 0; i < 30; i++) { /* and some that get as far as a finished handshake */
        struct bare b;

        (void)bare_start(&b, s->bound, &member);
        reset(dup(b.fd));
        bare_end(&b);
    }
    expect_alive(s);
    scene_close(s);
}

ENT_TEST(hostile, storms_do_not_leave_connections_behind)
{
    struct ent_link_limits limits = net_limits(1000, 1000);
    struct scene *s = scene_open(&limits);
    uint64_t until;

    for (size_t i = 0; i < 200; i++) {
        reset(bare_connect(s->bound));
        if (i % 50 == 49) {
            net_sleep_ms(15);
        }
    }
    until = net_now_ms() + 3000;
    while (ent_link_nng_connections(s->server.link) > 0 && net_now_ms() < until) {
        net_sleep_ms(20);
    }
    CU_ASSERT_EQUAL(ent_link_nng_connections(s->server.link), 0);
    scene_close(s);
}

ENT_TEST(hostile, silent_after_the_handshake)
{
    struct ent_link_limits limits = net_limits(3000, 600);
    struct scene *s = scene_open(&limits);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct ent_link_event *e;
    struct bare b;

    CU_ASSERT_TRUE(bare_start(&b, s->bound, &member));
    hello(&b);
    e = tap_need(&s->server, ENT_LINK_CLOSED, 3000);
    CU_ASSERT_EQUAL(e->why, ENT_E_TIMEOUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(e->text, "nothing came from the other end for 600 ms"));
    bare_end(&b);
    expect_alive(s);
    scene_close(s);
}

/* 30 bytes each 200 ms: far from a whole DATA frame within the idle deadline, but not idle. */
ENT_TEST(hostile, slow_peer_that_makes_progress_is_not_cut)
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
    hello(&b);
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
ENT_TEST(hostile, peer_that_never_reads_is_ended)
{
    struct ent_link_limits limits = net_limits(3000, 700);
    struct scene *s = scene_open(&limits);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct ent_blob *blob = NULL;
    struct ent_link_event *e;
    struct bare b;

    ENT_OK(ent_blob_new_take(calloc(1, 40 * MB), 40 * MB, &blob));
    CU_ASSERT_TRUE(bare_start(&b, s->bound, &member));
    hello(&b);
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
ENT_TEST(hostile, transfer_that_stands_still_is_ended)
{
    struct ent_link_limits limits = net_limits(3000, 700);
    struct scene *s = scene_open(&limits);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct ent_sink *sink = NULL;
    struct ent_link_event *e;
    struct bare b;
    uint8_t header[16];

    CU_ASSERT_TRUE(bare_start(&b, s->bound, &member));
    hello(&b);
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

/* What a bare peer sends after its first PING, and how it must end. */
static void expect_protocol(const void *bytes, size_t len, enum ent_err why, const char *text)
{
    struct scene *s = scene_open(NULL);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct ent_link_event *e;
    struct bare b;

    CU_ASSERT_TRUE(bare_start(&b, s->bound, &member));
    hello(&b);
    CU_ASSERT_TRUE(bare_write(&b, bytes, len));
    e = tap_need(&s->server, ENT_LINK_CLOSED, 3000);
    CU_ASSERT_EQUAL(e->why, why);
    CU_ASSERT_PTR_NOT_NULL(strstr(e->text, text));
    bare_end(&b);
    expect_alive(s);
    scene_close(s);
}

ENT_TEST(hostile, oversized_frame_announced)
{
    uint8_t header[16];

    bare_header(header, 16, UINT32_MAX, 1);
    expect_protocol(header, 16, ENT_E_PROTOCOL, "4294967295 bytes announced");
    bare_header(header, 16, 65537, 1);
    expect_protocol(header, 16, ENT_E_PROTOCOL, "65537 bytes announced");
}

ENT_TEST(hostile, unknown_frames)
{
    uint8_t header[16];

    bare_header(header, 9, 0, 1);
    expect_protocol(header, 16, ENT_E_PROTOCOL, "unknown frame type 9");
    bare_header(header, 16, 0, 1);
    header[0] = 2;
    expect_protocol(header, 16, ENT_E_VERSION, "frame version 2");
    bare_header(header, ENT_FRAME_DATA, 10, 1);
    expect_protocol(header, 16, ENT_E_PROTOCOL, "not asked for");
}

ENT_TEST(hostile, first_frame_must_be_ping)
{
    struct scene *s = scene_open(NULL);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct ent_link_event *e;
    struct bare b;
    uint8_t header[16];

    CU_ASSERT_TRUE(bare_start(&b, s->bound, &member));
    bare_header(header, 16, 0, 1);
    CU_ASSERT_TRUE(bare_write(&b, header, 16));
    e = tap_need(&s->server, ENT_LINK_CLOSED, 3000);
    CU_ASSERT_EQUAL(e->why, ENT_E_PROTOCOL);
    CU_ASSERT_PTR_NULL(tap_wait(&s->server, ENT_LINK_OPENED, 0));
    bare_end(&b);
    scene_close(s);
}

/* Nothing is allocated by a length that was only announced: 30 connections announce 64 KiB each
 * and send nothing. */
ENT_TEST(hostile, announced_bodies_cost_little)
{
    struct ent_link_limits limits = net_limits(5000, 5000);
    struct scene *s = scene_open(&limits);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct bare b[30];
    uint8_t header[16];

    bare_header(header, 16, 65536, 1);
    for (size_t i = 0; i < 30; i++) {
        CU_ASSERT_TRUE(bare_start(&b[i], s->bound, &member));
        hello(&b[i]);
        CU_ASSERT_TRUE(bare_write(&b[i], header, 16));
        CU_ASSERT_TRUE(bare_write(&b[i], "x", 1));
    }
    for (size_t i = 0; i < 30; i++) {
        CU_ASSERT_PTR_NOT_NULL(tap_wait(&s->server, ENT_LINK_OPENED, 3000));
    }
    expect_alive(s);
    for (size_t i = 0; i < 30; i++) {
        bare_end(&b[i]);
    }
    scene_close(s);
}

/* PINGs that nobody stops are answered, in no more memory than one PONG. */
ENT_TEST(hostile, ping_flood)
{
    struct scene *s = scene_open(NULL);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct bare b;
    uint8_t pings[16 * 1024];
    uint8_t pong[16];

    CU_ASSERT_TRUE(bare_start(&b, s->bound, &member));
    for (size_t i = 0; i < 1024; i++) {
        bare_header(pings + 16 * i, ENT_FRAME_PING, 0, i);
    }
    CU_ASSERT_TRUE(bare_write(&b, pings, sizeof pings));
    do {
        CU_ASSERT_TRUE_FATAL(bare_read(&b, pong, 16));
        CU_ASSERT_EQUAL(pong[1], ENT_FRAME_PONG);
    } while (pong[14] != 3 || pong[15] != 255); /* the last one, 1023, is always answered */
    bare_end(&b);
    scene_close(s);
}

/* Trap 12: a peer that is gone in the middle of its upload frees its sink and says so. */
ENT_TEST(hostile, killed_in_mid_upload)
{
    struct scene *s = scene_open(NULL);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct ent_sink *sink = NULL;
    struct ent_link_event *e;
    struct bare b;
    uint8_t header[16];
    uint8_t *bytes = calloc(1, MB);

    CU_ASSERT_TRUE(bare_start(&b, s->bound, &member));
    hello(&b);
    e = tap_need(&s->server, ENT_LINK_OPENED, 3000);
    ENT_OK(ent_sink_new_memory(4 * MB, &sink));
    ENT_OK(ent_link_expect(s->server.link, e->conn, 5, sink));
    bare_header(header, ENT_FRAME_DATA, (uint32_t)MB, 5);
    CU_ASSERT_TRUE(bare_write(&b, header, 16) && bare_write(&b, bytes, MB / 2));
    reset(dup(b.fd));
    bare_end(&b);
    e = tap_need(&s->server, ENT_LINK_CLOSED, 3000);
    CU_ASSERT_EQUAL(e->why, ENT_E_NET);
    free(bytes);
    expect_alive(s);
    scene_close(s);
}

/* Trap 2: the socket dies while no receive is posted, and nng never completes the next one. */
ENT_TEST(hostile, reset_while_the_handler_runs)
{
    struct scene *s = scene_open(NULL);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct ent_link_event *e;
    struct bare b;
    uint8_t header[16];

    s->server.slow_ms = 200;
    CU_ASSERT_TRUE(bare_start(&b, s->bound, &member));
    hello(&b);
    bare_header(header, 16, 0, 1);
    CU_ASSERT_TRUE(bare_write(&b, header, 16));
    net_sleep_ms(50);
    reset(dup(b.fd));
    bare_end(&b);
    e = tap_need(&s->server, ENT_LINK_CLOSED, 3000); /* the idle deadline would be 30 s */
    CU_ASSERT_EQUAL(e->why, ENT_E_NET);
    s->server.slow_ms = 0;
    expect_alive(s);
    scene_close(s);
}

/* Without descriptors accept fails; with some again, the listener goes on. */
ENT_TEST(hostile, out_of_descriptors)
{
    struct scene *s = scene_open(NULL);
    struct rlimit old;
    struct rlimit low;
    int first = dup(0);
    int fds[64];
    size_t n = 0;

    (void)close(first);
    (void)getrlimit(RLIMIT_NOFILE, &old);
    low = old;
    low.rlim_cur = (rlim_t)first + 3;
    (void)setrlimit(RLIMIT_NOFILE, &low);
    fds[n++] = bare_connect(s->bound);
    fds[n++] = dup(0);
    fds[n++] = dup(0); /* whatever is left */
    net_sleep_ms(300);
    (void)setrlimit(RLIMIT_NOFILE, &old);
    expect_alive(s);
    for (size_t i = 0; i < n; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
    scene_close(s);
}
