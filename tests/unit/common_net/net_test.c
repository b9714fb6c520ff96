#include "tests/unit/common_net/net_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/net/frame.h"

uint64_t net_now_ms(void)
{
    struct ent_clock clock = ent_clock_system();

    return ent_clock_mono(&clock);
}

void net_sleep_ms(unsigned ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000L};

    (void)nanosleep(&t, NULL);
}

void tap_init(struct tap *tap)
{
    memset(tap, 0, sizeof *tap);
    (void)pthread_mutex_init(&tap->lock, NULL);
    (void)pthread_cond_init(&tap->changed, NULL);
}

void tap_release(struct tap *tap)
{
    ent_link_free(tap->link);
    for (size_t i = 0; i < tap->n; i++) {
        ent_link_event_release(&tap->events[i]);
    }
    (void)pthread_mutex_destroy(&tap->lock);
    (void)pthread_cond_destroy(&tap->changed);
}

void tap_handler(void *ctx, struct ent_link_event *event_take)
{
    struct tap *tap = ctx;

    if (event_take->kind == ENT_LINK_OPENED && tap->admit) {
        ent_link_admit(tap->link, event_take->conn);
    }
    if (event_take->kind == ENT_LINK_FRAME && tap->slow_ms > 0) {
        net_sleep_ms(tap->slow_ms);
    }
    (void)pthread_mutex_lock(&tap->lock);
    tap->n_closed += event_take->kind == ENT_LINK_CLOSED ? 1 : 0;
    if (tap->n == TAP_EVENTS) {
        (void)fprintf(stderr, "TAP_EVENTS is too small for this test\n");
        abort();
    }
    tap->events[tap->n++] = *event_take;
    (void)pthread_cond_broadcast(&tap->changed);
    (void)pthread_mutex_unlock(&tap->lock);
}

static struct ent_link_event *find_event(struct tap *tap, enum ent_link_event_kind kind)
{
    for (size_t i = 0; i < tap->n; i++) {
        if (!tap->seen[i] && tap->events[i].kind == kind) {
            tap->seen[i] = true;
            return &tap->events[i];
        }
    }
    return NULL;
}

struct ent_link_event *tap_wait(struct tap *tap, enum ent_link_event_kind kind, unsigned timeout_ms)
{
    struct ent_link_event *found;
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    (void)pthread_mutex_lock(&tap->lock);
    while ((found = find_event(tap, kind)) == NULL &&
           pthread_cond_timedwait(&tap->changed, &tap->lock, &until) != ETIMEDOUT) {
    }
    (void)pthread_mutex_unlock(&tap->lock);
    return found;
}

struct ent_link_event *tap_need(struct tap *tap, enum ent_link_event_kind kind, unsigned timeout_ms)
{
    struct ent_link_event *event = tap_wait(tap, kind, timeout_ms);

    CU_ASSERT_PTR_NOT_NULL_FATAL(event);
    return event;
}

bool tap_closed(struct tap *tap)
{
    bool closed;

    (void)pthread_mutex_lock(&tap->lock);
    closed = tap->n_closed > 0;
    (void)pthread_mutex_unlock(&tap->lock);
    return closed;
}

bool tap_in_order(struct tap *tap)
{
    bool ok = true;

    (void)pthread_mutex_lock(&tap->lock);
    for (size_t i = 0; i < tap->n; i++) {
        for (size_t j = 0; j < i; j++) {
            if (tap->events[j].conn == tap->events[i].conn) {
                ok = ok && tap->events[j].kind != ENT_LINK_CLOSED &&
                     tap->events[i].kind != ENT_LINK_OPENED;
            }
        }
    }
    (void)pthread_mutex_unlock(&tap->lock);
    return ok;
}

const char *net_certs(void)
{
    static char dir[64];
    struct ent_clock clock = ent_clock_system();

    if (dir[0] == '\0') {
        (void)snprintf(dir, sizeof dir, "%s", ent_test_tmpdir());
        ENT_OK(ent_test_certs_make(dir, "127.0.0.1", ent_clock_wall(&clock)));
    }
    return dir;
}

void net_file(const char *name, const uint8_t **bytes, size_t *len)
{
    static struct ent_buf files[64]; /* kept until the program ends: reachable, so no leak */
    static char names[64][64];
    static size_t n;
    char path[256];

    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0) {
            *bytes = files[i].data;
            *len = files[i].len;
            return;
        }
    }
    (void)snprintf(path, sizeof path, "%s/%s", net_certs(), name);
    ent_buf_init(&files[n], (size_t)1024 * 1024);
    ENT_OK(ent_file_read(path, &files[n]));
    (void)snprintf(names[n], sizeof names[n], "%s", name);
    *bytes = files[n].data;
    *len = files[n].len;
    n++;
}

struct ent_tls_settings net_settings(enum ent_test_cert cert)
{
    struct ent_tls_settings s = {.demand_client_cert = true};
    char name[64];

    net_file("ca.pem", &s.ca_pem, &s.ca_pem_len);
    (void)snprintf(name, sizeof name, "%s.pem", ent_test_cert_name(cert));
    net_file(name, &s.cert_pem, &s.cert_pem_len);
    (void)snprintf(name, sizeof name, "%s.key", ent_test_cert_name(cert));
    net_file(name, &s.key_pem, &s.key_pem_len);
    return s;
}

struct ent_link_limits net_limits(uint32_t handshake_ms, uint32_t idle_ms)
{
    struct ent_link_limits limits = ent_link_limits_default();

    limits.handshake_ms = handshake_ms;
    limits.idle_ms = idle_ms;
    return limits;
}

void net_client(struct tap *tap, const struct ent_tls_settings *settings,
                const struct ent_link_limits *limits)
{
    tap_init(tap);
    ENT_OK(ent_link_nng_new(settings, limits, tap_handler, tap, &tap->link));
    tap->admit = true;
}

void net_listen(struct tap *tap, const struct ent_tls_settings *settings,
                const struct ent_link_limits *limits, char bound[64])
{
    net_client(tap, settings, limits);
    ENT_OK(ent_link_listen(tap->link, "127.0.0.1:0", bound, 64));
}

int bare_connect(const char *bound)
{
    return bare_connect_from(bound, INADDR_LOOPBACK);
}

static int connect_by(const char *bound, uint32_t source, int receive_bytes)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {htonl(source)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sa.sin_port = htons((uint16_t)strtoul(strrchr(bound, ':') + 1, NULL, 10));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (receive_bytes > 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    }
    if (fd < 0 || bind(fd, (const struct sockaddr *)&from, sizeof from) != 0 ||
        connect(fd, (const struct sockaddr *)&sa, sizeof sa) != 0) {
        perror("connect");
        abort();
    }
    return fd;
}

int bare_connect_from(const char *bound, uint32_t source)
{
    return connect_by(bound, source, 0);
}

static enum ent_tls_io bare_carrier_send(void *ctx, const uint8_t *bytes, size_t *len)
{
    const struct bare *bare = ctx;
    ssize_t n = send(bare->fd, bytes, *len, MSG_NOSIGNAL);

    if (n <= 0) {
        return ENT_TLS_FAILED;
    }
    *len = (size_t)n;
    return ENT_TLS_OK;
}

static enum ent_tls_io bare_carrier_recv(void *ctx, uint8_t *bytes, size_t *len)
{
    const struct bare *bare = ctx;
    ssize_t n = recv(bare->fd, bytes, *len, 0);

    if (n <= 0) {
        return ENT_TLS_FAILED;
    }
    *len = (size_t)n;
    return ENT_TLS_OK;
}

static bool start_on(struct bare *bare, int fd, const struct ent_tls_settings *settings)
{
    static const struct ent_tls_carrier carrier = {bare_carrier_send, bare_carrier_recv};

    memset(bare, 0, sizeof *bare);
    bare->fd = fd;
    bare->conn.carrier = &carrier;
    bare->conn.carrier_ctx = bare;
    ENT_OK(ent_tls_new(settings, &bare->tls));
    ENT_OK(ent_tls_conn_start(&bare->conn, bare->tls, false, "127.0.0.1"));
    return ent_tls_conn_handshake(&bare->conn) == ENT_TLS_OK;
}

bool bare_start(struct bare *bare, const char *bound, const struct ent_tls_settings *settings)
{
    return start_on(bare, bare_connect(bound), settings);
}

bool bare_start_narrow(struct bare *bare, const char *bound,
                       const struct ent_tls_settings *settings)
{
    return start_on(bare, connect_by(bound, INADDR_LOOPBACK, NARROW_BYTES), settings);
}

bool bare_write(struct bare *bare, const void *bytes, size_t len)
{
    return ent_tls_conn_write(&bare->conn, bytes, len) == ENT_TLS_OK;
}

bool bare_read(struct bare *bare, void *bytes, size_t len)
{
    return ent_tls_conn_read(&bare->conn, bytes, &len) == ENT_TLS_OK;
}

void bare_end(struct bare *bare)
{
    (void)close(bare->fd);
    ent_tls_conn_release(&bare->conn);
    ent_tls_unref(bare->tls);
}

void bare_header(uint8_t out[16], uint8_t type, uint32_t len, uint64_t request)
{
    const struct ent_frame frame = {.type = type, .len = len, .request = request};

    ent_frame_encode(&frame, out);
}

bool net_closed_within(int fd, unsigned timeout_ms)
{
    uint64_t until = net_now_ms() + timeout_ms;
    char scratch[4096];

    for (;;) {
        uint64_t now = net_now_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};

        if (now >= until || poll(&p, 1, (int)(until - now)) <= 0) {
            return false;
        }
        if (recv(fd, scratch, sizeof scratch, 0) <= 0) {
            return true;
        }
    }
}

struct scene *scene_open(const struct ent_link_limits *limits)
{
    struct scene *s = calloc(1, sizeof *s);
    struct ent_tls_settings settings = net_settings(ENT_TEST_SERVER);

    net_listen(&s->server, &settings, limits, s->bound);
    return s;
}

void scene_close(struct scene *s)
{
    CU_ASSERT_TRUE(tap_in_order(&s->server));
    tap_release(&s->server);
    free(s);
}

void expect_alive(struct scene *s)
{
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER_2);
    struct tap *c = calloc(1, sizeof *c);
    struct ent_link_event *e;
    ent_conn_id id;

    net_client(c, &member, NULL);
    ENT_OK(ent_link_dial(c->link, s->bound, &id));
    CU_ASSERT_PTR_NOT_NULL(tap_wait(c, ENT_LINK_OPENED, 30000));
    ENT_OK(ent_link_send(c->link, id, 77, 4242, NULL, 0));
    do {
        e = tap_wait(&s->server, ENT_LINK_FRAME, 30000);
    } while (e != NULL && e->type != 77);
    CU_ASSERT_PTR_NOT_NULL(e);
    tap_release(c);
    free(c);
}

void bare_hello(struct bare *b)
{
    uint8_t ping[16];

    bare_header(ping, ENT_FRAME_PING, 0, 0);
    CU_ASSERT_TRUE(bare_write(b, ping, sizeof ping));
}

void net_reset(int fd)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    (void)close(fd);
}
