#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/agent/agent.h"
#include "client/agent/verbs.h"
#include "common/base/log.h"
#include "common/base/plural.h"

/* ---- the terminal ---- */

struct terminal {
    bool interactive;
    bool status_shown;
};

static void say(void *ctx, enum ent_agent_say kind, const char *line)
{
    struct terminal *t = ctx;
    FILE *out = kind == ENT_SAY_WARN ? stderr : stdout;

    if (kind == ENT_SAY_STATUS && !t->interactive) {
        return; /* piped: what happened, not what is happening */
    }
    if (t->status_shown) {
        (void)fputs("\r\033[K", stdout);
        (void)fflush(stdout);
        t->status_shown = false;
    }
    if (kind == ENT_SAY_STATUS) {
        (void)fputs(line, out);
        t->status_shown = true;
    } else {
        (void)fprintf(out, "%s\n", line);
    }
    (void)fflush(out);
}

/* ---- signals ---- */

/* A signal handler has no argument of ours: the one mutable global of this program. */
static struct ent_agent *volatile running;

static void on_signal(int number)
{
    struct ent_agent *agent = running;

    (void)number;
    if (agent != NULL) {
        ent_agent_stop(agent);
    }
}

static enum ent_err catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    (void)sigemptyset(&action.sa_mask);
    (void)sigemptyset(&ignore.sa_mask);
    ENT_REQUIRE(sigaction(SIGINT, &action, NULL) == 0 && sigaction(SIGTERM, &action, NULL) == 0 &&
                    sigaction(SIGPIPE, &ignore, NULL) == 0,
                ENT_E_INTERNAL, "signals cannot be caught");
    return ENT_E_OK;
}

/* ---- the verb ---- */

enum ent_err ent_verb_run(const void *options, const char *const *args, size_t n)
{
    const struct ent_run_verb *verb = options;
    struct terminal terminal = {.interactive = isatty(STDOUT_FILENO) == 1};
    struct ent_agent_options agent_options = {.dir = verb->dir,
                                              .config_path = verb->config,
                                              .clock = ent_clock_system(),
                                              .say = say,
                                              .say_ctx = &terminal};
    struct ent_agent_status status;
    struct ent_agent *agent = NULL;
    enum ent_err err;

    (void)args;
    (void)n;
    ent_log_set(verb->verbose ? ENT_LOG_DEBUG : ENT_LOG_WARN, stderr);
    ENT_TRY(ent_agent_new(&agent_options, &agent));
    running = agent;
    err = catch_signals();
    if (err == ENT_E_OK) {
        err = ent_agent_run(agent, verb->once);
    }
    running = NULL;
    ent_agent_status(agent, &status);
    if (terminal.status_shown) {
        (void)fputs("\r\033[K", stdout);
    }
    printf("stopped: %llu %s accepted, %llu bytes sent\n", (unsigned long long)status.n_accepted,
           ent_plural(status.n_accepted, "update", "updates"),
           (unsigned long long)status.bytes_sent);
    ent_agent_free(agent);
    return err;
}
