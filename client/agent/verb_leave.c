#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/agent/agent.h"
#include "client/agent/verbs.h"
#include "common/base/log.h"

static void say(void *ctx, enum ent_agent_say kind, const char *line)
{
    (void)ctx;
    if (kind != ENT_SAY_STATUS) {
        (void)fprintf(kind == ENT_SAY_WARN ? stderr : stdout, "%s\n", line);
        (void)fflush(kind == ENT_SAY_WARN ? stderr : stdout);
    }
}

static enum ent_err ask(const char *dir)
{
    char answer[16] = "";

    ENT_REQUIRE(isatty(STDIN_FILENO) == 1, ENT_E_USAGE,
                "leaving is for good: run it on a terminal, or with --yes");
    printf("%s leaves the federation for good: its updates stay in the models, its log stays here, "
           "and it cosigns no more.\nType leave to go on: ",
           dir);
    (void)fflush(stdout);
    ENT_REQUIRE(fgets(answer, sizeof answer, stdin) != NULL && strcmp(answer, "leave\n") == 0,
                ENT_E_STOPPED, "nothing was done");
    return ENT_E_OK;
}

enum ent_err ent_verb_leave(const void *options, const char *const *args, size_t n)
{
    const struct ent_leave_verb *verb = options;
    struct ent_agent_options agent_options = {
        .dir = verb->dir, .clock = ent_clock_system(), .say = say, .leave = true};
    struct ent_agent_status status;
    struct ent_agent *agent = NULL;
    enum ent_err err;

    (void)args;
    (void)n;
    ent_log_set(ENT_LOG_WARN, stderr);
    if (!verb->yes) {
        ENT_TRY(ask(verb->dir));
    }
    (void)signal(SIGPIPE, SIG_IGN);
    ENT_TRY(ent_agent_new(&agent_options, &agent));
    err = ent_agent_run(agent, false);
    ent_agent_status(agent, &status);
    ent_agent_free(agent);
    ENT_TRY(err);
    ENT_REQUIRE(status.left, ENT_E_STOPPED, "stopped before the log held it: nothing is certain");
    printf("left: the log holds it, and this member's last cosignature covers it (%s/head.note). "
           "Keep %s: it is this member's proof of what was done with its updates\n",
           verb->dir, verb->dir);
    return ENT_E_OK;
}
