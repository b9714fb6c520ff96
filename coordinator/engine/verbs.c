#include "coordinator/engine/verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "coordinator/engine/control.h"
#include "coordinator/engine/ops.h"
#include "coordinator/engine/report.h"
#include "coordinator/engine/serve.h"
#include "coordinator/engine/sysfail.h"

void ent_verb_log(const struct ent_verb_options *o)
{
    ent_log_set(o->verbose ? ENT_LOG_DEBUG : ENT_LOG_WARN, stderr);
}

/* ---- init ---- */

static void print_hex(const char *what, const uint8_t *bytes, size_t len, const char *note)
{
    char hex[2 * 32 + 1];

    ent_hex(bytes, len, hex);
    printf("%-14s %s  %s\n", what, hex, note);
}

enum ent_err ent_verb_init(const void *options, const char *const *args, size_t n_args)
{
    const struct ent_verb_options *o = options;
    struct ent_setup_options setup = {.dir = o->dir,
                                      .name = o->name,
                                      .host = o->host,
                                      .listen = o->listen,
                                      .enroll_listen = o->enroll_listen,
                                      .clock = ent_clock_system()};
    struct ent_setup_result result;

    (void)args;
    (void)n_args;
    ent_verb_log(o);
    ENT_TRY(ent_setup_init(&setup, &result));
    printf("%s holds federation %s\n\n", o->dir, o->name);
    print_hex("federation", result.federation, sizeof result.federation, "");
    print_hex("root key", result.root_pub, sizeof result.root_pub,
              "public half: write it into the contract");
    print_hex("log key", result.log_pub, sizeof result.log_pub, "public half");
    print_hex("CA", result.ca_sha256, sizeof result.ca_sha256, "SHA-256");
    print_hex("enrolment", result.enroll_sha256, sizeof result.enroll_sha256,
              "SHA-256, stands in each token");
    print_hex("audit log", result.genesis_sha256, sizeof result.genesis_sha256,
              "hash of its first leaf: write it into the contract");
    printf("%-14s %s\n", "log origin", result.origin);
    printf("\nMove %s/offline/root.key to a safe place off this machine: nothing here needs it in "
           "daily work.\n"
           "Look over %s/federation.yaml, then: entente-coordinator serve --dir %s\n",
           o->dir, o->dir, o->dir);
    return ENT_E_OK;
}

/* ---- requests ---- */

/* {"verb": verb, key: value, ...}; keys end with NULL. */
static enum ent_err request_text(const char *verb, const char *const (*pairs)[2],
                                 struct ent_buf *out, const char **text)
{
    struct ent_json_writer w;

    ent_json_begin(&w, out);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_json_put_key_string(&w, "verb", verb);
    for (size_t i = 0; pairs != NULL && pairs[i][0] != NULL; i++) {
        if (pairs[i][1] != NULL) {
            ent_json_put_key_string(&w, pairs[i][0], pairs[i][1]);
        }
    }
    ent_json_put_close(&w);
    ENT_TRY(ent_json_end(&w));
    return ent_buf_str(out, text);
}

enum ent_err ent_verb_ask(const char *dir, const char *verb, const char *const (*pairs)[2],
                          struct ent_buf *reply, struct ent_json **out)
{
    struct ent_buf request;
    const char *text = NULL;
    enum ent_err err;

    ent_buf_init(&request, ENT_CONTROL_REQUEST_MAX_BYTES);
    ent_buf_init(reply, ENT_CONTROL_REPLY_MAX_BYTES);
    err = request_text(verb, pairs, &request, &text);
    if (err == ENT_E_OK) {
        err = ent_ops_ask(dir, text, reply, out);
    }
    ent_buf_release(&request);
    if (err != ENT_E_OK) {
        ent_buf_wipe(reply);
    }
    return err;
}

void ent_verb_forget(struct ent_buf *reply, struct ent_json *json)
{
    ent_buf_wipe(reply); /* it may hold a token */
    ent_json_free(json);
}

enum ent_err ent_verb_invite(const void *options, const char *const *args, size_t n_args)
{
    const struct ent_verb_options *o = options;
    const char *const pairs[][2] = {{"name", args[0]}, {NULL, NULL}};
    struct ent_json *json = NULL;
    struct ent_buf reply;
    const char *token = "";
    uint64_t expires = 0;
    char until[ENT_TIME_TEXT_BYTES];
    enum ent_err err;

    (void)n_args;
    ent_verb_log(o);
    ENT_TRY(ent_verb_ask(o->dir, "invite", pairs, &reply, &json));
    err = ent_json_string(ent_json_get(json, "token"), "token", &token);
    if (err == ENT_E_OK) {
        err = ent_json_uint(ent_json_get(json, "expires_ms"), "expires_ms", INT64_MAX, &expires);
    }
    if (err == ENT_E_OK) {
        ent_time_text(expires, until);
        printf("%s\n", token);
        (void)fflush(stdout);
        (void)fprintf(stderr,
                      "token for %s, good for one use until %s; the member runs: entente-client "
                      "enroll --dir DIR\n",
                      args[0], until);
    }
    ent_verb_forget(&reply, json);
    return err;
}

enum ent_err ent_verb_revoke(const void *options, const char *const *args, size_t n_args)
{
    const struct ent_verb_options *o = options;
    const char *const pairs[][2] = {{"name", args[0]}, {NULL, NULL}};
    struct ent_json *json = NULL;
    struct ent_buf reply;

    (void)n_args;
    ent_verb_log(o);
    ENT_TRY(ent_verb_ask(o->dir, "revoke", pairs, &reply, &json));
    printf(
        "%s is revoked: no connection of it is let in any more; what it sent before stays in the "
        "sums\n",
        args[0]);
    ent_verb_forget(&reply, json);
    return ENT_E_OK;
}

enum ent_err ent_verb_stop(const void *options, const char *const *args, size_t n_args)
{
    const struct ent_verb_options *o = options;
    struct ent_json *json = NULL;
    struct ent_buf reply;
    uint64_t run = 0;
    bool ended = false;
    enum ent_err err;

    (void)args;
    (void)n_args;
    ent_verb_log(o);
    ENT_TRY(ent_verb_ask(o->dir, "stop", NULL, &reply, &json));
    err = ent_json_uint(ent_json_get(json, "run"), "run", UINT32_MAX, &run);
    if (err == ENT_E_OK) {
        err = ent_json_bool(ent_json_get(json, "ended"), "ended", &ended);
    }
    if (err == ENT_E_OK) {
        printf("run %llu %s\n", (unsigned long long)run,
               ended ? "is stopped" : "ends after its round");
    }
    ent_verb_forget(&reply, json);
    return err;
}

/* ---- plans ---- */

enum ent_err ent_verb_plan_check(const void *options, const char *const *args, size_t n_args)
{
    struct ent_plan *plan = NULL;
    struct ent_plan_noise noise;
    enum ent_err err = ENT_E_OK;

    (void)n_args;
    ent_verb_log(options);
    ENT_TRY(ent_plan_read(args[0], &plan));
    ent_plan_check_print(plan, stdout);
    if (plan->privacy.unit != ENT_PRIVACY_NONE) {
        err = ent_plan_privacy_derive(plan, &noise);
    }
    if (err == ENT_E_OK && plan->privacy.unit != ENT_PRIVACY_NONE) {
        ent_plan_noise_print(plan, &noise, stdout);
    }
    ent_plan_free(plan);
    return err;
}

enum ent_err ent_verb_plan_keys(const void *options, const char *const *args, size_t n_args)
{
    (void)args;
    (void)n_args;
    ent_verb_log(options);
    ent_plan_print_fields(stdout);
    return ENT_E_OK;
}

static enum ent_err absolute(const char *path, char **out)
{
    if (path == NULL) {
        *out = NULL;
        return ENT_E_OK;
    }
    *out = realpath(path, NULL);
    return *out != NULL ? ENT_E_OK : ent_sysfail(ENT_E_NOT_FOUND, path);
}

static void print_kept(uint64_t auditors, bool plain)
{
    if (auditors > 0) {
        printf("updates are kept, sealed to %llu %s\n", (unsigned long long)auditors,
               auditors == 1 ? "auditor" : "auditors");
    }
    if (plain) {
        printf("updates are kept unsealed as federation.yaml says (retention.plain)\n");
    }
    if (auditors == 0 && !plain) {
        printf("no auditor is admitted: updates are not kept, replay will be INCOMPLETE\n");
    }
}

static void print_noise(bool here, uint64_t auditors)
{
    if (here && auditors > 0) {
        printf("noise is added here, to the sum of each training round; its seeds are sealed to "
               "the auditors, who can prove it\n");
    } else if (here) {
        printf("warning: noise is added here, to the sum of each training round, and no auditor is "
               "admitted: nobody will be able to prove that it was really drawn and added\n");
    }
}

static enum ent_err print_started(const struct ent_json *json, const char *dir)
{
    uint64_t run = 0;
    uint64_t rounds = 0;
    uint64_t auditors = 0;
    bool serving = false;
    bool plain = false;
    bool noise_here = false;

    ENT_TRY(ent_json_uint(ent_json_get(json, "run"), "run", UINT32_MAX, &run));
    ENT_TRY(ent_json_uint(ent_json_get(json, "rounds"), "rounds", UINT32_MAX, &rounds));
    ENT_TRY(ent_json_bool(ent_json_get(json, "serving"), "serving", &serving));
    ENT_TRY(ent_json_uint(ent_json_get(json, "auditors"), "auditors", UINT32_MAX, &auditors));
    ENT_TRY(ent_json_bool(ent_json_get(json, "plain"), "plain", &plain));
    ENT_TRY(ent_json_bool(ent_json_get(json, "noise_here"), "noise_here", &noise_here));
    printf("run %llu, %llu rounds: %s\n", (unsigned long long)run, (unsigned long long)rounds,
           serving ? "started" : "starts when serve runs");
    print_kept(auditors, plain);
    print_noise(noise_here, auditors);
    if (serving) {
        printf("watch it: entente-coordinator status --dir %s --watch\n", dir);
    }
    return ENT_E_OK;
}

static enum ent_err start(const struct ent_verb_options *o, const char *path, const char *plan,
                          const char *base)
{
    const char *slash = strrchr(path, '/');
    const char *const pairs[][2] = {
        {"name", slash != NULL ? slash + 1 : path}, {"plan", plan}, {"base", base}, {NULL, NULL}};
    struct ent_json *json = NULL;
    struct ent_buf reply;
    enum ent_err err;

    ENT_TRY(ent_verb_ask(o->dir, "start", pairs, &reply, &json));
    err = print_started(json, o->dir);
    ent_verb_forget(&reply, json);
    return err;
}

enum ent_err ent_verb_start(const void *options, const char *const *args, size_t n_args)
{
    const struct ent_verb_options *o = options;
    struct ent_plan *plan = NULL;
    struct ent_buf file;
    const char *text = NULL;
    char *base = NULL;
    enum ent_err err;

    (void)n_args;
    ent_verb_log(o);
    ENT_TRY(ent_plan_read(args[0], &plan)); /* its mistakes are found before anybody is asked */
    ent_plan_free(plan);
    ent_buf_init(&file, ENT_PLAN_MAX_BYTES);
    err = ent_file_read(args[0], &file);
    if (err == ENT_E_OK) {
        err = ent_buf_str(&file, &text);
    }
    if (err == ENT_E_OK) {
        err = absolute(o->base, &base);
    }
    if (err == ENT_E_OK) {
        err = start(o, args[0], text, base);
    }
    free(base);
    ent_buf_release(&file);
    return err;
}

/* ---- looking ---- */

typedef void report_fn(const struct ent_json *status, size_t max_lines, FILE *out);

/* What `status` said of the run. */
struct sight {
    uint64_t run; /* 0: none yet */
    bool over;    /* or there is none */
};

static void print_reply(const struct ent_buf *reply)
{
    (void)fwrite(reply->data, 1, reply->len, stdout);
    (void)fputc('\n', stdout);
}

/* report NULL: only looked at. */
static enum ent_err show(const struct ent_verb_options *o, report_fn *report, size_t max_lines,
                         struct sight *sight)
{
    struct ent_json *json = NULL;
    const struct ent_json *run;
    struct ent_buf reply;
    const char *state = "";

    ENT_TRY(ent_verb_ask(o->dir, "status", NULL, &reply, &json));
    if (report != NULL && o->json) {
        print_reply(&reply);
    } else if (report != NULL) {
        report(json, max_lines, stdout);
    }
    (void)fflush(stdout);
    run = ent_json_get(json, "run");
    if (ent_json_string(ent_json_get(run, "state"), "state", &state) != ENT_E_OK ||
        ent_json_uint(ent_json_get(run, "number"), "number", UINT32_MAX, &sight->run) != ENT_E_OK) {
        sight->run = 0;
    }
    sight->over = strcmp(state, "active") != 0 && strcmp(state, "stored") != 0;
    ent_verb_forget(&reply, json);
    return ENT_E_OK;
}

enum ent_err ent_verb_roster(const void *options, const char *const *args, size_t n_args)
{
    const struct ent_verb_options *o = options;
    struct ent_json *json = NULL;
    struct ent_buf reply;

    (void)args;
    (void)n_args;
    ent_verb_log(o);
    ENT_TRY(ent_verb_ask(o->dir, "roster", NULL, &reply, &json));
    if (o->json) {
        print_reply(&reply);
    } else {
        ent_report_roster(json, 0, stdout);
    }
    ent_verb_forget(&reply, json);
    return ENT_E_OK;
}

/* Lines of the terminal, less the one that the cursor stands in; 0 when it does not say. */
static size_t terminal_lines(void)
{
    struct winsize size;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 1 ? size.ws_row - 1U : 0;
}

/* Every second until a run is over; when none is going on, until the next one is. */
static enum ent_err watch(const struct ent_verb_options *o, bool terminal)
{
    struct timespec second = {.tv_sec = 1};
    struct sight first = {0};
    struct sight now = {0};
    bool waiting = false;

    for (bool begun = false;; begun = true) {
        bool quiet = waiting && !terminal; /* a pipe gets what is new */

        if (terminal) {
            printf("\033[H\033[2J");
        }
        ENT_TRY(show(o, quiet ? NULL : ent_report_status, terminal ? terminal_lines() : 0, &now));
        first = begun ? first : now;
        if (ferror(stdout) != 0 || (now.over && (!first.over || now.run != first.run))) {
            return quiet ? show(o, ent_report_status, 0, &now) : ENT_E_OK;
        }
        if (now.over && !quiet) {
            (void)fprintf(o->json ? stderr : stdout,
                          "no run is active: waiting for one (Ctrl-C ends this)\n");
            (void)fflush(stdout);
        }
        waiting = now.over;
        first = now.over ? first : now;
        (void)nanosleep(&second, NULL);
    }
}

enum ent_err ent_verb_status(const void *options, const char *const *args, size_t n_args)
{
    const struct ent_verb_options *o = options;
    struct sight sight;

    (void)args;
    (void)n_args;
    ent_verb_log(o);
    return o->watch ? watch(o, isatty(STDOUT_FILENO) == 1 && !o->json)
                    : show(o, ent_report_status, 0, &sight);
}

enum ent_err ent_verb_serve(const void *options, const char *const *args, size_t n_args)
{
    const struct ent_verb_options *o = options;
    struct ent_serve_options serve = {.dir = o->dir, .once = o->once};

    (void)args;
    (void)n_args;
    ent_verb_log(o);
    return ent_serve(&serve);
}
