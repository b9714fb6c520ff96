/* What the tests of the links share: a tap that keeps events, certificates, a bare TLS peer. */
#ifndef ENT_TESTS_NET_TEST_H
#define ENT_TESTS_NET_TEST_H

#include <pthread.h>

#include "certs/test_certs.h"
#include "common/net/link_nng.h"
#include "common/net/tls_openssl.h"
#include "tests/support/ent_test.h"

#define TAP_EVENTS 2048

/* Keeps what a link's handler was given, in order. */
struct tap {
    struct ent_link *link;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct ent_link_event events[TAP_EVENTS];
    bool seen[TAP_EVENTS];
    size_t n;
    bool admit;       /* admit at OPENED */
    unsigned slow_ms; /* the handler takes this long over a frame */
    size_t n_closed;
};

void tap_init(struct tap *tap);
void tap_release(struct tap *tap); /* frees the link and the events */
void tap_handler(void *ctx, struct ent_link_event *event_take);
/* The next event of this kind that was not returned yet; NULL after timeout_ms. */
struct ent_link_event *tap_wait(struct tap *tap, enum ent_link_event_kind kind,
                                unsigned timeout_ms);
/* The same, and the test ends where it does not come. */
struct ent_link_event *tap_need(struct tap *tap, enum ent_link_event_kind kind,
                                unsigned timeout_ms);
bool tap_closed(struct tap *tap); /* a connection has been closed */
/* One by one for a connection: whether its events are in order (OPENED first, CLOSED once and
 * last). */
bool tap_in_order(struct tap *tap);

/* The directory with certificates of certs/test_certs.h for 127.0.0.1, made once. */
const char *net_certs(void);
/* Its settings in static storage of this call's slot (8 of them): certificate `cert` and the CA. */
struct ent_tls_settings net_settings(enum ent_test_cert cert);
/* A file of that directory; freed at the end of the program's tests by the tap. */
void net_file(const char *name, const uint8_t **bytes, size_t *len);

struct ent_link_limits net_limits(uint32_t handshake_ms, uint32_t idle_ms);
/* A listening link in `tap` at 127.0.0.1; its address goes to bound. */
void net_listen(struct tap *tap, const struct ent_tls_settings *settings,
                const struct ent_link_limits *limits, char bound[64]);
void net_client(struct tap *tap, const struct ent_tls_settings *settings,
                const struct ent_link_limits *limits);
uint64_t net_now_ms(void);
void net_sleep_ms(unsigned ms);

/* A socket with TLS of ours on it and nothing of the link: says what a test wants. */
struct bare {
    int fd;
    struct ent_tls *tls;
    struct ent_tls_conn conn;
};
int bare_connect(const char *bound);                       /* TCP only */
int bare_connect_from(const char *bound, uint32_t source); /* from this IPv4 address of ours */
bool bare_start(struct bare *bare, const char *bound, const struct ent_tls_settings *settings);
/* Its socket takes little from the first byte on. A receive buffer that shrinks later is below the window that the kernel
 * has promised: what comes is dropped with the acknowledgements that it carries, and both directions stand still. */
#define NARROW_BYTES 4096
bool bare_start_narrow(struct bare *bare, const char *bound,
                       const struct ent_tls_settings *settings);
bool bare_write(struct bare *bare, const void *bytes, size_t len);
bool bare_read(struct bare *bare, void *bytes, size_t len); /* false: closed */
void bare_end(struct bare *bare);
/* A frame header with this type, length and request. */
void bare_header(uint8_t out[16], uint8_t type, uint32_t len, uint64_t request);
/* Reads until the other end closes; true if it did within timeout_ms. */
bool net_closed_within(int fd, unsigned timeout_ms);

/* A listener and whoever comes. */
struct scene {
    struct tap server;
    char bound[64];
};
struct scene *scene_open(const struct ent_link_limits *limits);
void scene_close(struct scene *s);
/* An honest member can still connect and be heard. */
void expect_alive(struct scene *s);
void bare_hello(struct bare *b); /* the first PING */
void net_reset(int fd);          /* closes with a reset */

#endif
