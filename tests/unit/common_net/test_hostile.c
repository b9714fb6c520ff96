/* Peers that mean harm: each ends alone, for the reason it is told, and the listener goes on. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "tests/unit/common_net/net_test.h"

#define KEY_UPDATES                                                                                \
    ((size_t)12000) /* their answers: more than the sockets take, less than is too much */

/* Twenty thousand answers are half a second of work, which a busy machine spreads over as long as it likes. */
#define SLOW_MS 120000u

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

/* Whoever opens more than there is room for pushes out his own oldest ones, not a newcomer. */
ENT_TEST(hostile, the_oldest_stranger_gives_way)
{
    struct ent_link_limits limits = net_limits(5000, 30000);
    struct scene *s;
    int fds[8];

    limits.half_open_max = 5;
    s = scene_open(&limits);
    for (size_t i = 0; i < 8; i++) {
        fds[i] = bare_connect(s->bound);
        net_sleep_ms(20);
    }
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_TRUE(net_closed_within(fds[i], 300)); /* at once, before any deadline */
    }
    for (size_t i = 0; i < 3; i++) {
        struct ent_link_event *e = tap_need(&s->server, ENT_LINK_CLOSED, 2000);

        CU_ASSERT_EQUAL(e->why, ENT_E_LIMIT);
        CU_ASSERT_PTR_NOT_NULL(strstr(e->text, "127.0.0.1:"));
    }
    for (size_t i = 3; i < 8; i++) {
        CU_ASSERT_FALSE(net_closed_within(fds[i], 20));
    }
    CU_ASSERT_EQUAL(ent_link_nng_connections(s->server.link), 5);
    expect_alive(s); /* all places are taken, and all the same */
    for (size_t i = 0; i < 8; i++) {
        (void)close(fds[i]);
    }
    scene_close(s);
}

/* A crowd from one address does not push out the one from elsewhere, though that one is older. */
ENT_TEST(hostile, a_crowd_gives_way_before_others)
{
    struct ent_link_limits limits = net_limits(5000, 30000);
    struct scene *s;
    int other;
    int crowd[12];

    limits.half_open_max = 5;
    s = scene_open(&limits);
    other = bare_connect_from(s->bound, INADDR_LOOPBACK + 1);
    net_sleep_ms(20);
    for (size_t i = 0; i < 12; i++) {
        crowd[i] = bare_connect(s->bound);
        net_sleep_ms(20);
    }
    CU_ASSERT_FALSE(net_closed_within(other, 50));
    for (size_t i = 0; i < 8; i++) {
        CU_ASSERT_TRUE(net_closed_within(crowd[i], 300));
    }
    for (size_t i = 0; i < 12; i++) {
        (void)close(crowd[i]);
    }
    (void)close(other);
    scene_close(s);
}

static void start_waiting(struct bare *b, const struct scene *s, enum ent_test_cert cert)
{
    struct ent_tls_settings member = net_settings(cert);

    CU_ASSERT_TRUE(bare_start(b, s->bound, &member));
    bare_hello(b);
}

/* Members whose certificate was seen are no strangers: neither do they use up strangers' places, nor are they pushed out
 * by them. */
ENT_TEST(hostile, a_certificate_counts_apart)
{
    struct ent_link_limits limits = net_limits(5000, 30000);
    struct scene *s;
    struct bare b[4];
    int fds[6];

    limits.half_open_max = 2;
    s = scene_open(&limits);
    s->server.admit = false;
    for (size_t i = 0; i < 4; i++) {
        start_waiting(&b[i], s, ENT_TEST_MEMBER);
        CU_ASSERT_PTR_NOT_NULL(tap_wait(&s->server, ENT_LINK_OPENED, 2000));
    }
    for (size_t i = 0; i < 6; i++) {
        fds[i] = bare_connect(s->bound);
        net_sleep_ms(20);
    }
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_TRUE(net_closed_within(fds[i], 300));
        CU_ASSERT_EQUAL(tap_need(&s->server, ENT_LINK_CLOSED, 2000)->why, ENT_E_LIMIT);
    }
    CU_ASSERT_EQUAL(ent_link_nng_connections(s->server.link), 6);
    for (size_t i = 0; i < 4; i++) {
        bare_end(&b[i]);
    }
    for (size_t i = 0; i < 6; i++) {
        (void)close(fds[i]);
    }
    scene_close(s);
}

/* A member that connects again and again without a HELLO uses up its own places only. */
ENT_TEST(hostile, one_certificate_cannot_take_all_places)
{
    struct ent_link_limits limits = net_limits(5000, 30000);
    struct scene *s;
    struct bare b[12];

    limits.connections_max = 6;
    s = scene_open(&limits);
    s->server.admit = false;
    for (size_t i = 0; i < 12; i++) {
        start_waiting(&b[i], s, ENT_TEST_MEMBER);
        CU_ASSERT_PTR_NOT_NULL(tap_wait(&s->server, ENT_LINK_OPENED, 2000));
    }
    for (size_t i = 0; i < 8; i++) {
        CU_ASSERT_EQUAL(tap_need(&s->server, ENT_LINK_CLOSED, 2000)->why, ENT_E_LIMIT);
    }
    CU_ASSERT_EQUAL(ent_link_nng_connections(s->server.link), 4);
    s->server.admit = true;
    expect_alive(s);
    for (size_t i = 0; i < 12; i++) {
        bare_end(&b[i]);
    }
    scene_close(s);
}

/* Places are for whoever was admitted: a newcomer is told that there are no more. */
ENT_TEST(hostile, no_more_than_the_limit_are_admitted)
{
    struct ent_link_limits limits = net_limits(5000, 30000);
    struct scene *s;
    struct bare b[4];

    limits.connections_max = 3;
    s = scene_open(&limits);
    for (size_t i = 0; i < 4; i++) {
        start_waiting(&b[i], s, ENT_TEST_MEMBER);
        CU_ASSERT_PTR_NOT_NULL(tap_wait(&s->server, ENT_LINK_OPENED, 2000));
    }
    CU_ASSERT_EQUAL(tap_need(&s->server, ENT_LINK_CLOSED, 2000)->why, ENT_E_LIMIT);
    CU_ASSERT_TRUE(net_closed_within(b[3].fd, 1000));
    CU_ASSERT_EQUAL(ent_link_nng_connections(s->server.link), 3);
    for (size_t i = 0; i < 4; i++) {
        bare_end(&b[i]);
    }
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
        net_reset(fd);
        if (i % 50 == 49) {
            net_sleep_ms(
                15); /* or the kernel's queue of 128 overflows, and connect waits a second */
        }
    }
    for (size_t i = 0; i < 30; i++) { /* and some that get as far as a finished handshake */
        struct bare b;

        (void)bare_start(&b, s->bound, &member);
        net_reset(dup(b.fd));
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
        net_reset(bare_connect(s->bound));
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

/* What a bare peer sends after its first PING, and how it must end. */
static void expect_protocol(const void *bytes, size_t len, enum ent_err why, const char *text)
{
    struct scene *s = scene_open(NULL);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct ent_link_event *e;
    struct bare b;

    CU_ASSERT_TRUE(bare_start(&b, s->bound, &member));
    bare_hello(&b);
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
        bare_hello(&b[i]);
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

/* Between the two ends goes little: what the listener says soon waits in its memory. */
static void narrow(const struct bare *b)
{
    const int bytes = NARROW_BYTES;
    struct sockaddr_in own;
    struct sockaddr_in peer;
    socklen_t len = sizeof own;

    CU_ASSERT_EQUAL_FATAL(getsockname(b->fd, (struct sockaddr *)&own, &len), 0);
    for (int fd = 3; fd < 1024; fd++) { /* the listener is in this process */
        len = sizeof peer;
        if (fd != b->fd && getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
            peer.sin_port == own.sin_port) {
            CU_ASSERT_EQUAL(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
            return;
        }
    }
    CU_FAIL_FATAL("the listener's end of the connection is not found");
}

/* TLS answers each request for new keys by a record; a peer that asks without reading must not make us keep them all. */
ENT_TEST(hostile, key_update_flood)
{
    struct ent_link_limits limits = net_limits(SLOW_MS, SLOW_MS);
    struct scene *s = scene_open(&limits);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct ent_link_event *e;
    struct bare b;

    CU_ASSERT_TRUE(bare_start_narrow(&b, s->bound, &member));
    bare_hello(&b);
    narrow(&b);
    for (size_t i = 0; i < 100000 && !tap_closed(&s->server); i++) {
        if (SSL_key_update(b.conn.ssl, SSL_KEY_UPDATE_REQUESTED) != 1 ||
            SSL_do_handshake(b.conn.ssl) != 1) {
            break;
        }
    }
    e = tap_need(&s->server, ENT_LINK_CLOSED, SLOW_MS);
    CU_ASSERT_EQUAL(e->why, ENT_E_LIMIT);
    bare_end(&b);
    expect_alive(s);
    scene_close(s);
}

/* The same peer reads after all: what went while answers came behind it is what was meant, in one piece. */
ENT_TEST(hostile, key_updates_behind_a_send)
{
    struct scene *s = scene_open(NULL);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct bare b;
    uint8_t ping[16];
    uint8_t pong[16];

    CU_ASSERT_TRUE(bare_start_narrow(&b, s->bound, &member));
    bare_hello(&b);
    narrow(&b);
    CU_ASSERT_TRUE_FATAL(bare_read(&b, pong, sizeof pong));
    for (size_t i = 0; i < KEY_UPDATES; i++) {
        CU_ASSERT_TRUE_FATAL(SSL_key_update(b.conn.ssl, SSL_KEY_UPDATE_REQUESTED) == 1 &&
                             SSL_do_handshake(b.conn.ssl) == 1);
    }
    bare_header(ping, ENT_FRAME_PING, 0, 77);
    CU_ASSERT_TRUE(bare_write(&b, ping, sizeof ping));
    CU_ASSERT_TRUE_FATAL(bare_read(&b, pong, sizeof pong));
    CU_ASSERT_EQUAL(pong[1], ENT_FRAME_PONG);
    CU_ASSERT_EQUAL(pong[15], 77);
    CU_ASSERT_PTR_NULL(tap_wait(&s->server, ENT_LINK_CLOSED, 0));
    bare_end(&b);
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
