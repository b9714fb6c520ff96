/* The verbs of entente-coordinator that are about the audit log. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "coordinator/engine/control.h"
#include "coordinator/engine/verbs.h"

#define WAIT_DEFAULT_S 60
#define WAIT_MAX_S 86400
#define SINCE_DIGITS 9
#define KEY_FILE_MAX ((size_t)16 * 1024)

/* ---- policy ---- */

static enum ent_err wait_seconds(const char *text, uint64_t *out)
{
    char *end = NULL;
    unsigned long v;

    *out = WAIT_DEFAULT_S;
    if (text == NULL) {
        return ENT_E_OK;
    }
    v = strtoul(text, &end, 10);
    ENT_REQUIRE(text[0] >= '0' && text[0] <= '9' && *end == '\0' && v <= WAIT_MAX_S, ENT_E_USAGE,
                "--wait must be a number of seconds, at most %d", WAIT_MAX_S);
    *out = v;
    return ENT_E_OK;
}

static void print_awaited(const struct ent_json *awaited)
{
    for (size_t i = 0; i < ent_json_len(awaited); i++) {
        const char *name = "";

        if (ent_json_string(ent_json_at(awaited, i), "name", &name) == ENT_E_OK) {
            (void)fprintf(stderr, "%s%s", i > 0 ? ", " : "", name);
        }
    }
}

/* What one asking brought. */
struct asked {
    bool frozen;
    bool serving;
    bool any_awaited;
};

static enum ent_err print_frozen(const struct ent_json *json)
{
    const char *policy = NULL;

    ENT_TRY(ent_json_string(ent_json_get(json, "policy"), "policy", &policy));
    printf("%s", policy);
    (void)fflush(stdout);
    (void)fprintf(stderr, "the witness set is frozen. This is the operator's copy of the policy: "
                          "an auditor pins the one that a member hands out (DIR/witness.policy)\n");
    return ENT_E_OK;
}

static enum ent_err ask_policy(const char *dir, bool last, struct asked *out)
{
    const struct ent_json *awaited;
    struct ent_json *json = NULL;
    struct ent_buf reply;
    enum ent_err err;

    ENT_TRY(ent_verb_ask(dir, "policy", NULL, &reply, &json));
    awaited = ent_json_get(json, "awaited");
    out->any_awaited = ent_json_len(awaited) > 0;
    err = ent_json_bool(ent_json_get(json, "frozen"), "frozen", &out->frozen);
    if (err == ENT_E_OK) {
        err = ent_json_bool(ent_json_get(json, "serving"), "serving", &out->serving);
    }
    if (err == ENT_E_OK && out->frozen) {
        err = print_frozen(json);
    } else if (err == ENT_E_OK && (last || !out->serving)) {
        (void)fprintf(stderr, "still waited for: ");
        print_awaited(awaited);
        (void)fprintf(stderr, "\n");
    }
    ent_verb_forget(&reply, json);
    return err;
}

enum ent_err ent_verb_policy(const void *options, const char *const *args, size_t n_args)
{
    const struct ent_verb_options *o = options;
    struct timespec half = {.tv_nsec = 500000000L};
    struct asked asked = {0};
    uint64_t seconds = 0;

    (void)args;
    (void)n_args;
    ent_verb_log(o);
    ENT_TRY(wait_seconds(o->wait, &seconds));
    for (uint64_t i = 0;; i++) {
        bool last = i >= 2 * seconds;

        ENT_TRY(ask_policy(o->dir, last, &asked));
        if (asked.frozen) {
            return ENT_E_OK;
        }
        if (!asked.serving) {
            (void)fprintf(stderr, "the proposal is stored: members are asked when serve runs\n");
            return ENT_E_OK;
        }
        if (last) {
            return ent_err_note(ENT_E_TIMEOUT,
                                "the witness set is not agreed yet; the proposal stands, and who "
                                "comes back is asked again");
        }
        (void)nanosleep(&half, NULL);
    }
}

/* ---- admit-auditor ---- */

struct auditor_file {
    char x25519[65];
    char ed25519[65];
    char name[65];
};

static enum ent_err take_line(const char *line, size_t len, struct auditor_file *out)
{
    const struct {
        const char *key;
        char *to;
    } keys[] = {{"x25519 ", out->x25519}, {"ed25519 ", out->ed25519}, {"name ", out->name}};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        size_t n = strlen(keys[i].key);

        if (len > n && strncmp(line, keys[i].key, n) == 0) {
            ENT_REQUIRE(len - n < sizeof out->name, ENT_E_DATA, "a line of %zu bytes", len);
            memcpy(keys[i].to, line + n, len - n);
            keys[i].to[len - n] = '\0';
            return ENT_E_OK;
        }
    }
    ENT_REQUIRE(len == 0 || line[0] == '#', ENT_E_DATA,
                "a line that is neither x25519, ed25519 nor name");
    return ENT_E_OK;
}

static enum ent_err read_auditor(const char *path, struct auditor_file *out)
{
    struct ent_buf file;
    const char *text = NULL;
    enum ent_err err;

    ent_buf_init(&file, KEY_FILE_MAX);
    err = ent_file_read(path, &file);
    if (err == ENT_E_OK) {
        err = ent_buf_str(&file, &text);
    }
    while (err == ENT_E_OK && *text != '\0') {
        size_t len = strcspn(text, "\r\n");

        err = take_line(text, len, out);
        text += len;
        text += strspn(text, "\r\n");
    }
    ent_buf_release(&file);
    if (err == ENT_E_OK && (out->x25519[0] == '\0' || out->ed25519[0] == '\0')) {
        err = ent_err_note(ENT_E_DATA, "it has no line x25519 or no line ed25519");
    }
    return err == ENT_E_OK
               ? ENT_E_OK
               : ent_err_prefix(err, "%s is no auditor.pub (entente-audit keygen makes one)", path);
}

enum ent_err ent_verb_admit_auditor(const void *options, const char *const *args, size_t n_args)
{
    const struct ent_verb_options *o = options;
    struct auditor_file file = {0};
    struct ent_json *json = NULL;
    struct ent_buf reply;
    const char *fingerprint = "";
    bool active = false;
    enum ent_err err;

    (void)n_args;
    ent_verb_log(o);
    ENT_TRY(read_auditor(args[0], &file));
    {
        const char *name = o->name != NULL ? o->name : file.name;
        const char *const pairs[][2] = {{"x25519", file.x25519},
                                        {"ed25519", file.ed25519},
                                        {"name", name[0] != '\0' ? name : NULL},
                                        {NULL, NULL}};

        ENT_TRY(ent_verb_ask(o->dir, "admit-auditor", pairs, &reply, &json));
    }
    err = ent_json_string(ent_json_get(json, "fingerprint"), "fingerprint", &fingerprint);
    if (err == ENT_E_OK) {
        err = ent_json_bool(ent_json_get(json, "run_active"), "run_active", &active);
    }
    if (err == ENT_E_OK) {
        printf("auditor %s is admitted: updates of %s are sealed to it.\n"
               "A member allows it in its client.yaml:\n  auditors: [%s]\n",
               fingerprint, active ? "the next run (not of the one that goes on)" : "the next run",
               fingerprint);
    }
    ent_verb_forget(&reply, json);
    return err;
}

/* ---- export ---- */

/* The program that serves has another working directory. */
static enum ent_err absolute(const char *path, char **out)
{
    char *here = NULL;
    enum ent_err err;

    if (path[0] == '/') {
        return ent_strdup(path, out);
    }
    here = realpath(".", NULL);
    ENT_REQUIRE(here != NULL, ENT_E_IO, "the working directory is not known; give --to as /...");
    err = ent_path_join(here, path, out);
    free(here);
    return err;
}

static enum ent_err print_exported(const struct ent_json *json, const char *to, const char *since)
{
    uint64_t size = 0;
    uint64_t cosigned = 0;

    ENT_TRY(ent_json_uint(ent_json_get(json, "size"), "size", INT64_MAX, &size));
    ENT_TRY(ent_json_uint(ent_json_get(json, "cosigned"), "cosigned", INT64_MAX, &cosigned));
    printf("%s: %llu leaves%s\ncheck it: entente-audit verify %s --policy FILE%s%s (a member's "
           "witness.policy)\n",
           to, (unsigned long long)size,
           size <= cosigned ? ", cosigned by the witnesses" : ", NOT cosigned by a quorum yet", to,
           since != NULL ? " --since " : "", since != NULL ? since : "");
    return ENT_E_OK;
}

enum ent_err ent_verb_export(const void *options, const char *const *args, size_t n_args)
{
    const struct ent_verb_options *o = options;
    struct ent_json *json = NULL;
    struct ent_buf reply;
    char *to = NULL;
    enum ent_err err;

    (void)args;
    (void)n_args;
    ent_verb_log(o);
    ENT_REQUIRE(o->since == NULL ||
                    (o->since[0] != '\0' && strspn(o->since, "0123456789") == strlen(o->since) &&
                     strlen(o->since) <= SINCE_DIGITS),
                ENT_E_USAGE, "--since must be the number of a round, not '%.40s'", o->since);
    ENT_TRY(absolute(o->to, &to));
    {
        const char *const pairs[][2] = {{"to", to}, {"since", o->since}, {NULL, NULL}};

        err = ent_verb_ask(o->dir, "export", pairs, &reply, &json);
    }
    if (err == ENT_E_OK) {
        err = print_exported(json, o->to, o->since);
        ent_verb_forget(&reply, json);
    }
    free(to);
    return err;
}
