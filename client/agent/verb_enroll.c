#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "client/agent/enroll.h"
#include "client/agent/io.h"
#include "client/agent/verbs.h"
#include "common/base/file.h"
#include "common/crypto/secret.h"

/* The token is a secret: it comes from a terminal (not shown), a pipe or a file, never from the command line, where
 * every process of the machine could read it. */

static enum ent_err read_line(const char *what, char *out, size_t size, size_t *len)
{
    size_t n = 0;
    ssize_t got = 0;

    /* byte by byte: what follows the line in a pipe belongs to somebody else */
    while (n < size && (got = read(STDIN_FILENO, out + n, 1)) == 1 && out[n] != '\n') {
        n++;
    }
    if (got < 0) {
        return ent_agent_io(what);
    }
    ENT_REQUIRE(n < size, ENT_E_TOKEN, "%s: longer than any token", what);
    ENT_REQUIRE(n > 0, ENT_E_TOKEN, "%s: no token", what);
    *len = n;
    return ENT_E_OK;
}

static enum ent_err read_hidden(char *out, size_t size, size_t *len)
{
    struct termios shown;
    struct termios hidden;
    enum ent_err err;

    if (tcgetattr(STDIN_FILENO, &shown) != 0) {
        return ent_agent_io("terminal");
    }
    hidden = shown;
    hidden.c_lflag &= (tcflag_t)~ECHO;
    (void)fputs("Token (it is not shown): ", stderr);
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) != 0) {
        return ent_agent_io("terminal");
    }
    err = read_line("token", out, size, len);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    (void)fputc('\n', stderr);
    return err;
}

static enum ent_err read_token(const char *path, struct ent_token *out)
{
    char text[ENT_TOKEN_TEXT_MAX + 64];
    struct ent_buf file;
    size_t len = 0;
    enum ent_err err;

    if (path != NULL) {
        ent_buf_init(&file, sizeof text);
        err = ent_file_read(path, &file);
        if (err == ENT_E_OK) {
            err = ent_token_decode((const char *)file.data, file.len, out);
        }
        ent_buf_wipe(&file);
        return err;
    }
    err = isatty(STDIN_FILENO) ? read_hidden(text, sizeof text, &len)
                               : read_line("standard input", text, sizeof text, &len);
    if (err == ENT_E_OK) {
        err = ent_token_decode(text, len, out);
    }
    ent_cleanse(text, sizeof text);
    return err;
}

static void print_result(const struct ent_enroll_verb *verb, const struct ent_enroll_result *r)
{
    printf("enrolled as %s in %s (%s)\n", r->name, r->federation_name, r->address);
    printf("keys are in %s/keys; keep them there\n", verb->dir);
    printf("%s %s/client.yaml: where the data is, which columns, what this member takes part in\n",
           r->config_written ? "edit" : "kept the present", verb->dir);
    printf("then:  entente-client check --dir %s --plan plan.yaml\n"
           "       entente-client run --dir %s\n",
           verb->dir, verb->dir);
}

enum ent_err ent_verb_enroll(const void *options, const char *const *args, size_t n)
{
    const struct ent_enroll_verb *verb = options;
    struct ent_enroll_options enroll = {
        .dir = verb->dir, .name = verb->name, .clock = ent_clock_system()};
    struct ent_enroll_result result;
    enum ent_err err;

    (void)args;
    (void)n;
    ENT_TRY(read_token(verb->token_file, &enroll.token));
    err = ent_enroll_run(&enroll, &result);
    ent_token_release(&enroll.token);
    if (err == ENT_E_OK) {
        print_result(verb, &result);
    }
    return err;
}
