/* The floor of a round without training: OpenSSL over plain sockets, with the same bytes, digests,
 * sums and durable commits as a training round of Entente, in the order that they depend on each
 * other, and nothing else (no signatures, no state machine, no buffers between threads). One server
 * process with a thread a member, one process a member; each has its database, as a member has.
 *
 *   floor_round DIR P MEMBERS ROUNDS [signed]      prints one line of JSON: seconds a round (mean, median, best)
 *
 * A round: commit (open), 400 bytes to each member, which commits its nonce and answers with 400
 * bytes; commit (joins); to each member 400 bytes and the model, 4 P bytes, which it hashes; it
 * hashes its update of 32 + 4 P bytes, makes it durable and sends it behind 400 bytes; the server
 * hashes it, and adds all to int64 sums; the sum is hashed and applied, the new model hashed; commit
 * (accepted updates, close); 600 bytes to each member.
 * With `signed`, what is said is signed and verified as well, as the design demands of every message
 * (Ed25519; what goes to all in the same words once): open, join, begin, update, receipt, close.
 * Durable are: a small update (up to 64 KiB) or model in the commit of its row; a larger one as a
 * file (fsync) before that commit. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sqlite3.h>

#define CHUNK ((size_t)256 * 1024)
#define SMALL_BYTES ((size_t)64 * 1024) /* up to this, bytes stand in a row */
#define WORD_BYTES 400                  /* a signed message of no bulk */
#define CLOSE_BYTES 600
#define MEMBERS_MAX 64

struct member {
    pthread_t thread;
    SSL *ssl;
    int index;
    uint8_t *buffer;
};

static struct {
    size_t params;
    size_t members;
    size_t rounds;
    const char *dir;
    float *model;
    int64_t *sum;
    pthread_mutex_t lock;
    pthread_barrier_t barrier;
    struct member member[MEMBERS_MAX];
    EVP_PKEY *statement; /* signs; NULL: nothing is signed */
} run;

static void must(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1); // NOLINT(concurrency-mt-unsafe): the end of a bench
    }
}

/* Nagle's algorithm would add 40 ms to each small answer. */
static void no_delay(int fd)
{
    int one = 1;

    must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0, "TCP_NODELAY");
}

static double now_s(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void send_all(SSL *ssl, const uint8_t *bytes, size_t len)
{
    for (size_t done = 0; done < len;) {
        size_t n = 0;
        size_t want = len - done < CHUNK ? len - done : CHUNK;

        must(SSL_write_ex(ssl, bytes + done, want, &n) == 1, "SSL_write");
        done += n;
    }
}

static void receive_hashed(SSL *ssl, uint8_t *bytes, size_t len, uint8_t digest[32])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();

    must(EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1, "digest");
    for (size_t done = 0; done < len;) {
        size_t n = 0;

        must(SSL_read_ex(ssl, bytes + done, len - done, &n) == 1, "SSL_read");
        must(EVP_DigestUpdate(md, bytes + done, n) == 1, "digest");
        done += n;
    }
    must(EVP_DigestFinal_ex(md, digest, NULL) == 1, "digest");
    EVP_MD_CTX_free(md);
}

static void sha256(const void *bytes, size_t len, uint8_t digest[32])
{
    must(EVP_Digest(bytes, len, digest, NULL, EVP_sha256(), NULL) == 1, "digest");
}

/* Of a message of 300 bytes. */
static void sign(uint8_t sig[64])
{
    static const uint8_t word[300];
    EVP_MD_CTX *ctx;
    size_t len = 64;

    if (run.statement == NULL) {
        return;
    }
    ctx = EVP_MD_CTX_new();
    must(ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, run.statement) == 1 &&
             EVP_DigestSign(ctx, sig, &len, word, sizeof word) == 1,
         "sign");
    EVP_MD_CTX_free(ctx);
}

static void verify(size_t times)
{
    static const uint8_t word[300];
    static _Thread_local uint8_t sig[64]; /* all are of the same message by the same key */
    static _Thread_local int have;

    if (run.statement == NULL) {
        return;
    }
    if (!have) {
        sign(sig);
        have = 1;
    }
    while (times-- > 0) {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();

        must(ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, run.statement) == 1 &&
                 EVP_DigestVerify(ctx, sig, sizeof sig, word, sizeof word) == 1,
             "verify");
        EVP_MD_CTX_free(ctx);
    }
}

static void keep_file(const char *name, const void *bytes, size_t len)
{
    char path[4096];
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s", run.dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    must(fd >= 0, path);
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, (const char *)bytes + done, len - done);

        must(n > 0, path);
        done += (size_t)n;
    }
    must(fsync(fd) == 0, path);
    (void)close(fd);
}

static SSL_CTX *make_context(int server, EVP_PKEY *key, X509 *cert)
{
    SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());

    must(ctx != NULL, "SSL_CTX_new");
    must(SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1, "TLS 1.3");
    must(SSL_CTX_use_certificate(ctx, cert) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1,
         "certificate");
    must(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert) == 1, "trust");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    (void)SSL_CTX_set_num_tickets(ctx, 0);
    return ctx;
}

static void make_certificate(EVP_PKEY **key, X509 **cert)
{
    X509_NAME *name;

    *key = EVP_EC_gen("P-256");
    *cert = X509_new();
    must(*key != NULL && *cert != NULL, "key");
    (void)ASN1_INTEGER_set(X509_get_serialNumber(*cert), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(*cert), -60);
    (void)X509_gmtime_adj(X509_getm_notAfter(*cert), 3600);
    must(X509_set_pubkey(*cert, *key) == 1, "key");
    name = X509_get_subject_name(*cert);
    (void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"floor", -1,
                                     -1, 0);
    (void)X509_set_issuer_name(*cert, name);
    must(X509_sign(*cert, *key, EVP_sha256()) > 0, "sign");
}

static void commit(sqlite3 *db, size_t rows, const void *bytes, size_t len)
{
    static sqlite3_stmt *blob; /* one database a process, committed to by one thread */

    must(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK, "begin");
    for (size_t i = 0; i < rows; i++) {
        must(sqlite3_exec(db, "INSERT INTO row(body) VALUES(zeroblob(200))", NULL, NULL, NULL) ==
                 SQLITE_OK,
             "insert");
    }
    if (len > 0) {
        if (blob == NULL) {
            must(sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO small(id, body) VALUES(1, ?)", -1,
                                    &blob, NULL) == SQLITE_OK,
                 "prepare");
        }
        must(sqlite3_bind_blob(blob, 1, bytes, (int)len, SQLITE_STATIC) == SQLITE_OK &&
                 sqlite3_step(blob) == SQLITE_DONE && sqlite3_reset(blob) == SQLITE_OK,
             "insert");
    }
    must(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK, "commit");
}

static sqlite3 *open_db(const char *name)
{
    char path[4096];
    sqlite3 *db = NULL;

    (void)snprintf(path, sizeof path, "%s/%s.db", run.dir, name);
    must(sqlite3_open(path, &db) == SQLITE_OK, path);
    must(sqlite3_exec(db,
                      "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                      "CREATE TABLE IF NOT EXISTS row(id INTEGER PRIMARY KEY, body BLOB);"
                      "CREATE TABLE IF NOT EXISTS small(id INTEGER PRIMARY KEY, body BLOB)",
                      NULL, NULL, NULL) == SQLITE_OK,
         "database");
    return db;
}

/* Bytes with the commit of one row: within it, or as a file before it. */
static void commit_with(sqlite3 *db, size_t rows, const char *name, const void *bytes, size_t len)
{
    if (len > SMALL_BYTES) {
        keep_file(name, bytes, len);
        len = 0;
    }
    commit(db, rows, bytes, len);
}

/* A piece of a conversation that has no weight. */
static void read_word(SSL *ssl, size_t len)
{
    uint8_t word[CLOSE_BYTES];

    for (size_t done = 0; done < len;) {
        size_t n = 0;

        must(SSL_read_ex(ssl, word + done, len - done, &n) == 1, "SSL_read");
        done += n;
    }
}

static void send_word(SSL *ssl, size_t len)
{
    static const uint8_t word[CLOSE_BYTES];

    send_all(ssl, word, len);
}

/* The member's process: model in, update out. */
static void member_process(int port, EVP_PKEY *key, X509 *cert, size_t index)
{
    uint8_t signature[64];
    char name[32];
    sqlite3 *db;
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    size_t model_len = run.params * 4;
    uint8_t *model = malloc(model_len);
    uint8_t *update = calloc(model_len + 32, 1);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    SSL *ssl = SSL_new(make_context(0, key, cert));
    uint8_t digest[32];

    must(model != NULL && update != NULL && ssl != NULL, "memory");
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0, "connect");
    no_delay(fd);
    must(SSL_set_fd(ssl, fd) == 1 && SSL_connect(ssl) == 1, "handshake");
    (void)snprintf(name, sizeof name, "member-%zu", index);
    db = open_db(name);
    for (size_t r = 0; r < run.rounds; r++) {
        read_word(ssl, WORD_BYTES); /* open */
        verify(1);
        commit(db, 1, NULL, 0); /* nonce */
        sign(signature);
        send_word(ssl, WORD_BYTES); /* join */
        read_word(ssl, WORD_BYTES); /* begin */
        verify(1);
        receive_hashed(ssl, model, model_len, digest);
        memcpy(update, digest, 32);
        sha256(update, model_len + 32, digest);
        sign(signature);
        commit_with(db, 1, name, update, model_len + 32);
        send_word(ssl, WORD_BYTES - 32);
        send_all(ssl, digest, 32);
        send_all(ssl, update, model_len + 32);
        read_word(ssl, CLOSE_BYTES);
        verify(2); /* receipt, close */
    }
    (void)SSL_read(ssl, digest, 1);
    exit(0); // NOLINT(concurrency-mt-unsafe): its only thread
}

static void *member_thread(void *arg)
{
    struct member *m = arg;
    size_t len = run.params * 4 + 32;

    for (size_t r = 0; r < run.rounds; r++) {
        uint8_t said[32];
        uint8_t digest[32];
        uint8_t signature[64];
        size_t n = 0;
        char name[32];

        (void)pthread_barrier_wait(&run.barrier); /* the round is open */
        send_word(m->ssl, WORD_BYTES);
        read_word(m->ssl, WORD_BYTES);
        verify(1);
        (void)pthread_barrier_wait(&run.barrier); /* all have joined */
        (void)pthread_barrier_wait(&run.barrier); /* that is committed */
        send_word(m->ssl, WORD_BYTES);
        send_all(m->ssl, (const uint8_t *)run.model, run.params * 4);
        read_word(m->ssl, WORD_BYTES - 32);
        must(SSL_read_ex(m->ssl, said, 32, &n) == 1 && n == 32, "SSL_read");
        receive_hashed(m->ssl, m->buffer, len, digest);
        must(memcmp(said, digest, 32) == 0, "digest differs");
        verify(1);
        if (len > SMALL_BYTES) {
            (void)snprintf(name, sizeof name, "update-%d", m->index);
            keep_file(name, m->buffer, len);
        }
        (void)pthread_mutex_lock(&run.lock);
        for (size_t i = 0; i < run.params; i++) {
            int32_t q;

            memcpy(&q, m->buffer + 32 + 4 * i, 4);
            run.sum[i] += q;
        }
        (void)pthread_mutex_unlock(&run.lock);
        (void)pthread_barrier_wait(&run.barrier); /* all are in */
        (void)pthread_barrier_wait(&run.barrier); /* that is committed */
        sign(signature);                          /* the receipt */
        send_word(m->ssl, CLOSE_BYTES);
    }
    return NULL;
}

static void finish_round(void)
{
    uint8_t digest[32];
    double c = 1.0 / ((double)run.members * 1048576.0);

    sha256(run.sum, run.params * 8, digest);
    for (size_t i = 0; i < run.params; i++) {
        run.model[i] = (float)((double)run.model[i] + (double)run.sum[i] * c);
        run.sum[i] = 0;
    }
    sha256(run.model, run.params * 4, digest);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void serve(int listener, EVP_PKEY *key, X509 *cert)
{
    SSL_CTX *ctx = make_context(1, key, cert);
    sqlite3 *db = open_db("floor");
    uint8_t signature[64];
    double times[1024];
    double all = 0;

    for (size_t i = 0; i < run.members; i++) {
        struct member *m = &run.member[i];
        int fd = accept(listener, NULL, NULL);

        *m = (struct member){
            .ssl = SSL_new(ctx), .index = (int)i, .buffer = malloc(run.params * 4 + 32)};
        must(fd >= 0 && m->ssl != NULL && m->buffer != NULL, "accept");
        no_delay(fd);
        must(SSL_set_fd(m->ssl, fd) == 1 && SSL_accept(m->ssl) == 1, "handshake");
        must(pthread_create(&m->thread, NULL, member_thread, m) == 0, "thread");
    }
    for (size_t r = 0; r < run.rounds; r++) {
        double start = now_s();

        commit(db, 1 + run.members, NULL, 0); /* open */
        sign(signature);
        (void)pthread_barrier_wait(&run.barrier);
        (void)pthread_barrier_wait(&run.barrier);
        commit(db, run.members, NULL, 0); /* joins */
        sign(signature);                  /* begin */
        (void)pthread_barrier_wait(&run.barrier);
        (void)pthread_barrier_wait(&run.barrier);
        if (run.params * 4 > SMALL_BYTES) {
            commit(db, run.members, NULL, 0); /* accepted: their files stay until the close */
        }
        finish_round();
        commit_with(db, run.members + 1, "model", run.model, run.params * 4); /* close */
        sign(signature);
        (void)pthread_barrier_wait(&run.barrier);
        times[r % 1024] = now_s() - start;
    }
    for (size_t i = 0; i < run.members; i++) {
        (void)pthread_join(run.member[i].thread, NULL);
        (void)SSL_write(run.member[i].ssl, "x", 1);
    }
    for (size_t r = 0; r < run.rounds; r++) {
        all += times[r];
    }
    qsort(times, run.rounds, sizeof times[0], by_value);
    printf("{\"params\": %zu, \"members\": %zu, \"rounds\": %zu, \"mean_s\": %.6f, \"median_s\": "
           "%.6f, \"best_s\": %.6f}\n",
           run.params, run.members, run.rounds, all / (double)run.rounds, times[run.rounds / 2],
           times[0]);
    (void)sqlite3_close(db);
}

int main(int argc, char **argv)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof addr;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    EVP_PKEY *key;
    X509 *cert;

    if (argc != 5 && (argc != 6 || strcmp(argv[5], "signed") != 0)) {
        (void)fprintf(stderr, "usage: floor_round DIR P MEMBERS ROUNDS [signed]\n");
        return 2;
    }
    run.dir = argv[1];
    run.params = strtoull(argv[2], NULL, 10);
    run.members = strtoull(argv[3], NULL, 10);
    run.rounds = strtoull(argv[4], NULL, 10);
    must(run.members > 0 && run.members <= MEMBERS_MAX && run.rounds > 0 && run.rounds <= 1024,
         "arguments");
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(bind(listener, (struct sockaddr *)&addr, sizeof addr) == 0 &&
             listen(listener, MEMBERS_MAX) == 0,
         "listen");
    must(getsockname(listener, (struct sockaddr *)&addr, &len) == 0, "port");
    make_certificate(&key, &cert);
    if (argc == 6) {
        run.statement = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        must(run.statement != NULL, "key");
    }
    for (size_t i = 0; i < run.members; i++) {
        pid_t pid = fork();

        must(pid >= 0, "fork");
        if (pid == 0) {
            (void)close(listener);
            member_process(ntohs(addr.sin_port), key, cert, i);
        }
    }
    run.model = calloc(run.params, 4);
    run.sum = calloc(run.params, 8);
    must(run.model != NULL && run.sum != NULL, "memory");
    (void)pthread_mutex_init(&run.lock, NULL);
    (void)pthread_barrier_init(&run.barrier, NULL, (unsigned)run.members + 1);
    serve(listener, key, cert);
    while (wait(NULL) > 0) {
    }
    return 0;
}
