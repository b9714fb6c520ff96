#include "coordinator/engine/serve.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/address.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/crypto/secret.h"
#include "common/net/link_nng.h"
#include "coordinator/engine/control.h"
#include "coordinator/engine/ops.h"
#include "coordinator/engine/progress.h"
#include "coordinator/engine/report.h"

#define LOCK_TRIES 20 /* two seconds in all */
#define LOCK_WAIT_NS 100000000L
#define COMMIT_MS 10       /* how long joins and updates may wait for a commit with others */
#define WAIT_MAX_MS 200    /* a step at least this often: progress, signals */
#define FETCH_MAX_MS 60000 /* --once: members may take this long to get the model */
#define LEAVE_MS 2000      /* then to hang up by themselves */
#define CLOSE_MS 3000      /* and after BYE */
#define KEY_MAX_BYTES ((size_t)16 * 1024)
#define SPARE_CONNECTIONS 16

struct serving {
    const struct ent_serve_options *options;
    struct ent_clock clock;
    struct ent_home *home;
    struct ent_engine *engine;
    struct ent_link *main;
    struct ent_link *enroll;
    struct ent_control *control;
    struct ent_progress progress;
    pthread_t signals;
    bool has_signals;
    uint32_t printed_run; /* whose table was shown */
    bool spent;           /* --once: that run ended because its budget did */
    atomic_bool stop;
    atomic_bool leaving; /* tells the signal thread that it may end */
};

/* ---- signals ---- */

/* A handler has no argument, so what it writes to must be a global. One thread waits for it: the handler does nothing that
 * is not allowed in one. (Blocking the signals and sigwait would not do: OpenBLAS starts a thread when it is loaded,
 * which does not inherit our mask.) */
static int signal_pipe[2] = {-1, -1};

static void on_signal(int number)
{
    int saved = errno;
    ssize_t n = write(signal_pipe[1], "s", 1);

    (void)number;
    (void)n; /* a full pipe: it is told already */
    errno = saved;
}

static void *wait_signals(void *arg)
{
    struct serving *s = arg;

    char byte;

    for (;;) {
        ssize_t n = read(signal_pipe[0], &byte, 1);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0 || atomic_load(&s->leaving)) {
            return NULL;
        }
        atomic_store(&s->stop, true);
        ent_engine_wake(s->engine);
    }
}

static enum ent_err begin_signals(struct serving *s)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    ENT_REQUIRE(pipe(signal_pipe) == 0, ENT_E_NO_MEMORY, "cannot make a pipe");
    ENT_REQUIRE(sigaction(SIGINT, &action, NULL) == 0 && sigaction(SIGTERM, &action, NULL) == 0,
                ENT_E_INTERNAL, "cannot handle signals");
    ENT_REQUIRE(pthread_create(&s->signals, NULL, wait_signals, s) == 0, ENT_E_NO_MEMORY,
                "cannot start the signal thread");
    s->has_signals = true;
    return ENT_E_OK;
}

static void end_signals(struct serving *s)
{
    struct sigaction action = {.sa_handler = SIG_DFL};

    if (s->has_signals) {
        atomic_store(&s->leaving, true);
        (void)sigaction(SIGINT, &action, NULL);
        (void)sigaction(SIGTERM, &action, NULL);
        (void)close(signal_pipe[1]); /* ends the read */
        (void)pthread_join(s->signals, NULL);
        (void)close(signal_pipe[0]);
    }
}

/* ---- links ---- */

struct tls_files {
    struct ent_buf cert;
    struct ent_secret key;
    struct ent_buf ca;
};

static enum ent_err read_files(const struct ent_home *home, const char *name, struct tls_files *out)
{
    char file[64];
    char *path = NULL;
    enum ent_err err;

    ent_buf_init(&out->cert, ENT_PEM_MAX_BYTES);
    ent_buf_init(&out->ca, ENT_PEM_MAX_BYTES);
    (void)snprintf(file, sizeof file, "%s.pem", name);
    ENT_TRY(ent_file_read_in(home->dir, file, &out->cert));
    ENT_TRY(ent_file_read_in(home->dir, "ca.pem", &out->ca));
    (void)snprintf(file, sizeof file, "keys/%s.key", name);
    ENT_TRY(ent_path_join(home->dir, file, &path));
    err = ent_secret_read_file(&out->key, path, KEY_MAX_BYTES);
    free(path);
    return err;
}

static enum ent_err make_link(struct serving *s, bool enroll, struct ent_link **out)
{
    struct ent_link_limits limits = ent_link_limits_default();
    struct tls_files files = {0};
    struct ent_tls_settings tls;
    enum ent_err err;

    limits.handshake_ms = (uint32_t)s->home->config->handshake_ms;
    limits.idle_ms = (uint32_t)s->home->config->idle_ms;
    limits.connections_max =
        enroll ? SPARE_CONNECTIONS * 2 : s->home->config->members + SPARE_CONNECTIONS;
    err = read_files(s->home, enroll ? "enroll" : "coordinator", &files);
    tls = (struct ent_tls_settings){.cert_pem = files.cert.data,
                                    .cert_pem_len = files.cert.len,
                                    .key_pem = files.key.bytes,
                                    .key_pem_len = files.key.len,
                                    .demand_client_cert = !enroll};
    if (!enroll) {
        tls.ca_pem = files.ca.data;
        tls.ca_pem_len = files.ca.len;
        tls.crl = s->home->crl.len > 0 ? s->home->crl.data : NULL;
        tls.crl_len = s->home->crl.len;
        tls.crl_may_be_old = true; /* HELLO asks the store; no list that is late shuts all out */
    }
    if (err == ENT_E_OK) {
        err = ent_link_nng_new(&tls, &limits, enroll ? ent_engine_on_enroll : ent_engine_on_main,
                               s->engine, out);
    }
    ent_secret_release(&files.key);
    ent_buf_release(&files.cert);
    ent_buf_release(&files.ca);
    return err;
}

/* Port 0 in federation.yaml: the port that was chosen the first time is taken again, so that members find it. */
static enum ent_err listen_address(const struct ent_home *home, const char *configured,
                                   const char *setting, char out[ENT_HOME_ADDRESS_MAX],
                                   bool *choose)
{
    char host[ENT_ADDRESS_HOST_BYTES];
    char port[16];
    uint16_t number = 0;
    enum ent_err err;

    ENT_REQUIRE(ent_address_split(configured, host, &number), ENT_E_CONFIG,
                "federation.yaml: %s is no address", configured);
    *choose = number == 0;
    (void)snprintf(port, sizeof port, "%u", (unsigned)number);
    if (number == 0) {
        err = ent_store_setting_get(home->store, setting, port, sizeof port);
        *choose = err == ENT_E_NOT_FOUND;
        ENT_TRY(*choose ? ENT_E_OK : err);
    }
    (void)snprintf(out, ENT_HOME_ADDRESS_MAX,
                   strchr(host, ':') != NULL ? "[%.200s]:%s" : "%.200s:%s", host, port);
    return ENT_E_OK;
}

static enum ent_err listen_on(struct serving *s, bool enroll, char bound[ENT_HOME_ADDRESS_MAX])
{
    const char *configured = enroll ? s->home->config->enroll_listen : s->home->config->listen;
    const char *setting = enroll ? ENT_HOME_ENROLL : ENT_HOME_LISTEN;
    char address[ENT_HOME_ADDRESS_MAX];
    char port[16];
    char host[ENT_ADDRESS_HOST_BYTES];
    uint16_t number = 0;
    bool choose = false;

    ENT_TRY(listen_address(s->home, configured, setting, address, &choose));
    ENT_TRY(ent_link_listen(enroll ? s->enroll : s->main, address, bound, ENT_HOME_ADDRESS_MAX));
    if (!choose) {
        return ENT_E_OK;
    }
    ENT_REQUIRE(ent_address_split(bound, host, &number), ENT_E_INTERNAL, "%s is no address", bound);
    (void)snprintf(port, sizeof port, "%u", (unsigned)number);
    return ent_store_setting_set(s->home->store, setting, port);
}

static void new_crl(void *ctx, const uint8_t *der, size_t len)
{
    struct serving *s = ctx;

    if (s->main != NULL && ent_link_nng_add_crl(s->main, der, len) != ENT_E_OK) {
        ent_log_error("the new revocation list is not in force: %s", ent_err_message());
    }
}

static void say(void *ctx, enum ent_say kind, const char *line)
{
    struct serving *s = ctx;

    ent_progress_say(&s->progress, kind, line);
}

/* ---- course ---- */

/* A verb that works without serve (status, invite) holds the lock for a moment: that must not keep serve from starting. */
static enum ent_err open_home(struct serving *s)
{
    struct timespec moment = {.tv_nsec = LOCK_WAIT_NS};
    enum ent_err err = ENT_E_BUSY;

    for (int i = 0; i < LOCK_TRIES && err == ENT_E_BUSY; i++) {
        if (i > 0) {
            (void)nanosleep(&moment, NULL);
        }
        err = ent_home_open(s->options->dir, &s->clock, &s->home);
    }
    return err;
}

static enum ent_err open_all(struct serving *s)
{
    struct ent_engine_options options = {
        .clock = s->clock, .commit_ms = COMMIT_MS, .say = say, .crl = new_crl, .ctx = s};
    char members[ENT_HOME_ADDRESS_MAX];
    char enrolment[ENT_HOME_ADDRESS_MAX];

    ENT_TRY(open_home(s));
    ENT_TRY(ent_home_renew_crl(s->home, ent_clock_wall(&s->clock), NULL));
    options.home = s->home;
    ENT_TRY(ent_engine_new(&options, &s->engine));
    s->progress.engine = s->engine;
    ENT_TRY(begin_signals(s));
    ENT_TRY(make_link(s, false, &s->main));
    ENT_TRY(make_link(s, true, &s->enroll));
    ent_engine_attach(s->engine, s->main, s->enroll);
    ENT_TRY(listen_on(s, false, members));
    ENT_TRY(listen_on(s, true, enrolment));
    ENT_TRY(ent_control_new(s->home->dir, ent_engine_call, s->engine, &s->control));
    (void)fprintf(s->progress.out, "federation %s: members on %s, enrolment on %s\n",
                  s->home->config->name, members, enrolment);
    (void)fflush(s->progress.out);
    return ent_engine_start(s->engine);
}

/* Step until done(s), a signal, or until_ms. */
static enum ent_err run_until(struct serving *s, bool (*done)(const struct serving *s),
                              uint64_t until_ms)
{
    while (!done(s) && ent_clock_mono(&s->clock) < until_ms) {
        ENT_TRY(ent_engine_step(s->engine));
        ent_progress_update(&s->progress);
        if (!done(s)) {
            ent_engine_wait(s->engine, WAIT_MAX_MS);
        }
    }
    return ENT_E_OK;
}

static void print_table(struct serving *s)
{
    struct ent_json *status = NULL;
    struct ent_buf reply;
    enum ent_err err;

    ent_buf_init(&reply, ENT_CONTROL_REPLY_MAX_BYTES);
    err = ent_engine_request(s->engine, "{\"verb\":\"status\"}", &reply);
    if (err == ENT_E_OK) {
        err = ent_json_parse((const char *)reply.data, reply.len, ENT_CONTROL_REPLY_MAX_BYTES, 16,
                             &status);
    }
    ent_progress_end(&s->progress);
    if (err == ENT_E_OK) {
        ent_report_run(status, s->progress.out);
        (void)fflush(s->progress.out);
    } else {
        ent_log_warn("%s", ent_err_message());
    }
    ent_json_free(status);
    ent_buf_release(&reply);
}

static bool stopped(const struct serving *s)
{
    return atomic_load(&s->stop);
}

static bool ended_or_stopped(const struct serving *s)
{
    return stopped(s) || ent_engine_ended_run(s->engine) != s->printed_run;
}

static bool all_fetched(const struct serving *s)
{
    return stopped(s) || ent_engine_pushes(s->engine) == 0;
}

static bool all_gone(const struct serving *s)
{
    return ent_engine_connections(s->engine) == 0;
}

static enum ent_err serve_runs(struct serving *s)
{
    while (!stopped(s)) {
        ENT_TRY(run_until(s, ended_or_stopped, UINT64_MAX));
        if (ent_engine_ended_run(s->engine) != s->printed_run) {
            s->printed_run = ent_engine_ended_run(s->engine);
            print_table(s);
            if (s->options->once) {
                s->spent = ent_engine_ended_code(s->engine) == ENT_E_BUDGET;
                uint64_t now = ent_clock_mono(&s->clock);

                ENT_TRY(run_until(s, all_fetched, now + FETCH_MAX_MS));
                return run_until(s, all_gone, ent_clock_mono(&s->clock) + LEAVE_MS);
            }
        }
    }
    ent_progress_end(&s->progress);
    (void)fprintf(s->progress.out, "stopping\n");
    (void)fflush(s->progress.out);
    return ENT_E_OK;
}

static enum ent_err take_leave(struct serving *s)
{
    ent_engine_shut(s->engine);
    ent_engine_bye(s->engine, ENT_E_STOPPED);
    return run_until(s, all_gone, ent_clock_mono(&s->clock) + CLOSE_MS);
}

enum ent_err ent_serve(const struct ent_serve_options *options)
{
    struct serving s = {.options = options, .clock = ent_clock_system()};
    enum ent_err err;

    ent_progress_init(&s.progress, stdout, &s.clock);
    err = open_all(&s);
    if (err == ENT_E_OK) {
        err = serve_runs(&s);
    }
    if (err == ENT_E_OK) {
        err = take_leave(&s);
    }
    if (s.engine != NULL) {
        ent_engine_shut(s.engine); /* frees the control thread, should it wait for an answer */
    }
    ent_control_free(s.control);
    ent_link_free(s.main);
    ent_link_free(s.enroll);
    if (s.engine != NULL) {
        ent_engine_attach(s.engine, NULL, NULL);
    }
    end_signals(&s);
    ent_engine_free(s.engine);
    ent_home_close(s.home);
    return err == ENT_E_OK && s.spent
               ? ent_err_note(ENT_E_BUDGET,
                              "run %u ended before its last round: its privacy budget allows no "
                              "more; its best model was released",
                              (unsigned)s.printed_run)
               : err;
}
