/* What the link costs over bare TLS: MEMBERS connections carry MB megabytes down from one shared
 * buffer and up again, hashed where they arrive; once through link_nng, once with the same TLS
 * settings on plain sockets and one thread an end.
 *
 *   bench_link [MB MEMBERS ROUNDS]      prints one line of JSON: MB/s of both, both directions
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "certs/test_certs.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/sha256.h"
#include "common/net/link_nng.h"
#include "common/net/tls_openssl.h"

#define PIECE ((size_t)256 * 1024)
#define MEMBERS_MAX 64
#define DOWN 1 /* request ids */
#define UP 2

static struct {
    size_t bytes;
    size_t members;
    struct ent_blob *blob;
    struct ent_tls_settings server;
    struct ent_tls_settings member;
    struct ent_buf files[5];
} run;

static void must(enum ent_err err, const char *what)
{
    if (err != ENT_E_OK) {
        (void)fprintf(stderr, "%s: %s\n", what, ent_err_message());
        _Exit(1);
    }
}

static void must_be(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        _Exit(1);
    }
}

static double now_s(void)
{
    const struct ent_clock clock = ent_clock_system();

    return (double)ent_clock_mono(&clock) / 1000.0;
}

/* --- plain sockets --- */

struct bare {
    int fd;
    bool server;
    struct ent_tls *tls;
    struct ent_tls_conn conn;
    pthread_t thread;
};

static enum ent_tls_io socket_send(void *ctx, const uint8_t *bytes, size_t *len)
{
    const struct bare *b = ctx;
    ssize_t n = send(b->fd, bytes, *len, MSG_NOSIGNAL);

    *len = n > 0 ? (size_t)n : 0;
    return n > 0 ? ENT_TLS_OK : ENT_TLS_FAILED;
}

static enum ent_tls_io socket_recv(void *ctx, uint8_t *bytes, size_t *len)
{
    const struct bare *b = ctx;
    ssize_t n = recv(b->fd, bytes, *len, 0);

    *len = n > 0 ? (size_t)n : 0;
    return n > 0 ? ENT_TLS_OK : ENT_TLS_FAILED;
}

static void bare_send(struct bare *b)
{
    for (size_t at = 0; at < run.bytes; at += PIECE) {
        size_t n = run.bytes - at < PIECE ? run.bytes - at : PIECE;

        must_be(ent_tls_conn_write(&b->conn, ent_blob_bytes(run.blob) + at, n) == ENT_TLS_OK,
                "write");
    }
}

static void bare_receive(struct bare *b)
{
    struct ent_sha256 hash = {NULL};
    uint8_t digest[ENT_SHA256_BYTES];
    uint8_t *to;

    must(ent_calloc(run.bytes, 1, &to), "memory");
    must(ent_sha256_init(&hash), "hash");
    for (size_t at = 0; at < run.bytes; at += PIECE) {
        size_t n = run.bytes - at < PIECE ? run.bytes - at : PIECE;

        must_be(ent_tls_conn_read(&b->conn, to + at, &n) == ENT_TLS_OK, "read");
        ent_sha256_add(&hash, to + at, n);
    }
    ent_sha256_finish(&hash, digest);
    ent_sha256_release(&hash);
    free(to);
}

static void *bare_main(void *arg)
{
    struct bare *b = arg;

    if (b->server) {
        bare_send(b);
        bare_receive(b);
    } else {
        bare_receive(b);
        bare_send(b);
    }
    return NULL;
}

static void bare_start(struct bare *b, int fd, struct ent_tls *tls, bool server)
{
    static const struct ent_tls_carrier carrier = {socket_send, socket_recv};
    int on = 1;

    memset(b, 0, sizeof *b);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    b->fd = fd;
    b->server = server;
    b->tls = tls;
    b->conn.carrier = &carrier;
    b->conn.carrier_ctx = b;
    must(ent_tls_conn_start(&b->conn, tls, server, "127.0.0.1"), "TLS");
    must_be(pthread_create(&b->thread, NULL, bare_main, b) == 0, "thread");
}

static void socket_pair(int listener, const struct sockaddr_in *sa, int pair[2])
{
    pair[1] = socket(AF_INET, SOCK_STREAM, 0);
    must_be(pair[1] >= 0 && connect(pair[1], (const struct sockaddr *)sa, sizeof *sa) == 0,
            "connect");
    pair[0] = accept(listener, NULL, NULL);
    must_be(pair[0] >= 0, "accept");
}

static double bare_round(void)
{
    static struct bare ends[2 * MEMBERS_MAX];
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct ent_tls *server;
    struct ent_tls *member;
    double begun;

    must_be(listener >= 0 && bind(listener, (const struct sockaddr *)&sa, len) == 0 &&
                listen(listener, 64) == 0 &&
                getsockname(listener, (struct sockaddr *)&sa, &len) == 0,
            "listen");
    must(ent_tls_new(&run.server, &server), "TLS");
    must(ent_tls_new(&run.member, &member), "TLS");
    begun = now_s();
    for (size_t i = 0; i < run.members; i++) {
        int pair[2];

        socket_pair(listener, &sa, pair);
        bare_start(&ends[2 * i], pair[0], server, true);
        bare_start(&ends[2 * i + 1], pair[1], member, false);
    }
    for (size_t i = 0; i < 2 * run.members; i++) {
        (void)pthread_join(ends[i].thread, NULL);
    }
    begun = now_s() - begun;
    for (size_t i = 0; i < 2 * run.members; i++) {
        ent_tls_conn_release(&ends[i].conn);
        (void)close(ends[i].fd);
    }
    ent_tls_unref(server);
    ent_tls_unref(member);
    (void)close(listener);
    return begun;
}

/* --- the link --- */

struct end {
    struct ent_link *link;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t n_up; /* transfers that came up whole */
};

static void expect(struct ent_link *link, ent_conn_id conn, uint64_t request)
{
    struct ent_sink *sink = NULL;

    must(ent_sink_new_memory(run.bytes, &sink), "memory");
    must(ent_link_expect(link, conn, request, sink), "expect");
}

static void member_event(void *ctx, struct ent_link_event *event_take)
{
    const struct end *end = ctx;

    if (event_take->kind == ENT_LINK_OPENED) {
        ent_link_admit(end->link, event_take->conn);
        expect(end->link, event_take->conn, DOWN);
        must(ent_link_send(end->link, event_take->conn, ENT_FRAME_FIRST_MESSAGE, 0, NULL, 0),
             "send");
    } else if (event_take->kind == ENT_LINK_RECEIVED) {
        must(ent_link_send_blob(end->link, event_take->conn, UP, run.blob, 0), "send");
    }
    ent_link_event_release(event_take);
}

static void server_event(void *ctx, struct ent_link_event *event_take)
{
    struct end *end = ctx;

    if (event_take->kind == ENT_LINK_OPENED) {
        ent_link_admit(end->link, event_take->conn);
    } else if (event_take->kind == ENT_LINK_FRAME) {
        expect(end->link, event_take->conn, UP);
        must(ent_link_send_blob(end->link, event_take->conn, DOWN, run.blob, 0), "send");
    } else if (event_take->kind == ENT_LINK_RECEIVED) {
        (void)pthread_mutex_lock(&end->lock);
        end->n_up++;
        (void)pthread_cond_signal(&end->changed);
        (void)pthread_mutex_unlock(&end->lock);
    } else if (event_take->kind == ENT_LINK_CLOSED && event_take->why != ENT_E_STOPPED &&
               end->n_up < run.members) {
        (void)fprintf(stderr, "closed: %s\n", event_take->text);
        _Exit(1);
    }
    ent_link_event_release(event_take);
}

static double link_round(void)
{
    struct end server = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct end member = {NULL};
    char bound[64];
    double begun;

    must(ent_link_nng_new(&run.server, NULL, server_event, &server, &server.link), "link");
    must(ent_link_nng_new(&run.member, NULL, member_event, &member, &member.link), "link");
    must(ent_link_listen(server.link, "127.0.0.1:0", bound, sizeof bound), "listen");
    begun = now_s();
    for (size_t i = 0; i < run.members; i++) {
        ent_conn_id conn;

        must(ent_link_dial(member.link, bound, &conn), "dial");
    }
    (void)pthread_mutex_lock(&server.lock);
    while (server.n_up < run.members) {
        (void)pthread_cond_wait(&server.changed, &server.lock);
    }
    (void)pthread_mutex_unlock(&server.lock);
    begun = now_s() - begun;
    ent_link_free(member.link);
    ent_link_free(server.link);
    return begun;
}

/* --- main --- */

static void load(const char *dir, const char *name, size_t slot, const uint8_t **out, size_t *len)
{
    char path[256];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    ent_buf_init(&run.files[slot], ENT_PEM_MAX_BYTES);
    must(ent_file_read(path, &run.files[slot]), path);
    *out = run.files[slot].data;
    *len = run.files[slot].len;
}

static void load_settings(void)
{
    const struct ent_clock clock = ent_clock_system();
    char dir[] = "/tmp/entente-bench.XXXXXX";
    char command[64];

    must_be(mkdtemp(dir) != NULL, "mkdtemp");
    must(ent_test_certs_make(dir, "127.0.0.1", ent_clock_wall(&clock)), "certificates");
    run.server.demand_client_cert = true;
    load(dir, "ca.pem", 0, &run.server.ca_pem, &run.server.ca_pem_len);
    run.member = run.server;
    load(dir, "server.pem", 1, &run.server.cert_pem, &run.server.cert_pem_len);
    load(dir, "server.key", 2, &run.server.key_pem, &run.server.key_pem_len);
    load(dir, "member.pem", 3, &run.member.cert_pem, &run.member.cert_pem_len);
    load(dir, "member.key", 4, &run.member.key_pem, &run.member.key_pem_len);
    (void)snprintf(command, sizeof command, "rm -r '%s'", dir);
    must_be(system(command) == 0, "rm"); /* NOLINT(concurrency-mt-unsafe): no thread runs yet */
}

static size_t argument(int argc, char **argv, int i, size_t fallback)
{
    return argc > i ? (size_t)strtoul(argv[i], NULL, 10) : fallback;
}

int main(int argc, char **argv)
{
    size_t mb = argument(argc, argv, 1, 40);
    size_t rounds = argument(argc, argv, 3, 3);
    uint8_t *bytes;
    double best_bare = 1e9;
    double best_link = 1e9;
    double total;
    struct rusage usage;

    run.bytes = mb * 1024 * 1024;
    run.members = argument(argc, argv, 2, 8);
    must_be(run.bytes > 0 && run.members > 0 && run.members <= MEMBERS_MAX, "arguments");
    load_settings();
    must(ent_calloc(run.bytes, 1, &bytes), "memory");
    must(ent_blob_new_take(bytes, run.bytes, &run.blob), "memory");
    for (size_t i = 0; i < rounds; i++) {
        double bare = bare_round();
        double link = link_round();

        best_bare = bare < best_bare ? bare : best_bare;
        best_link = link < best_link ? link : best_link;
    }
    total = 2.0 * (double)mb * (double)run.members;
    (void)getrusage(RUSAGE_SELF, &usage);
    (void)printf("{\"mb\": %zu, \"members\": %zu, \"openssl_mb_s\": %.0f, \"link_mb_s\": %.0f, "
                 "\"time_ratio\": %.2f, \"cpu_s\": %.2f}\n",
                 mb, run.members, total / best_bare, total / best_link, best_link / best_bare,
                 (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    ent_blob_unref(run.blob);
    for (size_t i = 0; i < sizeof run.files / sizeof run.files[0]; i++) {
        ent_buf_release(&run.files[i]);
    }
    return 0;
}
