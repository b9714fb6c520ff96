/* The verb that opens the names of the log to whom the operator gives them. */
#include <stdio.h>
#include <string.h>

#include "common/base/plural.h"
#include "coordinator/engine/control.h"
#include "coordinator/engine/ops.h"
#include "coordinator/engine/verbs.h"

#define REQUEST_MAX_BYTES ((size_t)64 * 1024)

/* A line of the reply. */
struct line {
    const char *who;
    const char *salt;
    const char *name;
};

static enum ent_err line_of(const struct ent_json *json, struct line *out)
{
    ENT_TRY(ent_json_string(ent_json_get(json, "who"), "who", &out->who));
    ENT_TRY(ent_json_string(ent_json_get(json, "salt"), "salt", &out->salt));
    return ent_json_string(ent_json_get(json, "name"), "name", &out->name);
}

static enum ent_err request_text(const char *const *names, size_t n, struct ent_buf *out,
                                 const char **text)
{
    struct ent_json_writer w;

    ent_json_begin(&w, out);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_json_put_key_string(&w, "verb", "disclose");
    if (n > 0) {
        ent_json_put_key(&w, "names");
        ent_json_put_array(&w);
        for (size_t i = 0; i < n; i++) {
            ent_json_put_string(&w, names[i]);
        }
        ent_json_put_close(&w);
    }
    ent_json_put_close(&w);
    ENT_TRY(ent_json_end(&w));
    return ent_buf_str(out, text);
}

/* All names or none: a file that lacks one that was asked for would go unnoticed. */
static enum ent_err check_all_there(const struct ent_json *lines, const char *const *names,
                                    size_t n)
{
    for (size_t k = 0; k < n; k++) {
        bool there = false;

        for (size_t i = 0; i < ent_json_len(lines) && !there; i++) {
            struct line line;

            ENT_TRY(line_of(ent_json_at(lines, i), &line));
            there = strcmp(line.name, names[k]) == 0;
        }
        ENT_REQUIRE(there, ENT_E_NOT_FOUND,
                    "nobody of the name %.64s stands in the log: entente-coordinator roster lists "
                    "the members",
                    names[k]);
    }
    return ENT_E_OK;
}

static enum ent_err print_lines(const struct ent_json *lines)
{
    for (size_t i = 0; i < ent_json_len(lines); i++) {
        struct line line;

        ENT_TRY(line_of(ent_json_at(lines, i), &line));
        printf("%s %s %s\n", line.who, line.salt, line.name);
    }
    ENT_REQUIRE(fflush(stdout) == 0, ENT_E_IO, "cannot write to standard output");
    (void)fprintf(stderr,
                  "%zu %s: for entente-audit report --disclose FILE. Who has this file can name "
                  "these in the log: keep it apart from the export\n",
                  ent_json_len(lines), ent_plural(ent_json_len(lines), "name", "names"));
    return ENT_E_OK;
}

enum ent_err ent_verb_disclose(const void *options, const char *const *args, size_t n_args)
{
    const struct ent_verb_options *o = options;
    const struct ent_json *lines;
    struct ent_json *json = NULL;
    struct ent_buf request;
    struct ent_buf reply;
    const char *text = NULL;
    uint64_t unknown = 0;
    enum ent_err err;

    ent_verb_log(o);
    ent_buf_init(&request, REQUEST_MAX_BYTES);
    ent_buf_init(&reply, ENT_CONTROL_REPLY_MAX_BYTES);
    err = request_text(args, n_args, &request, &text);
    if (err == ENT_E_OK) {
        err = ent_ops_ask(o->dir, text, &reply, &json);
    }
    ent_buf_release(&request);
    lines = ent_json_get(json, "lines");
    if (err == ENT_E_OK) {
        err = ent_json_uint(ent_json_get(json, "unknown"), "unknown", UINT32_MAX, &unknown);
    }
    if (err == ENT_E_OK && unknown > 0) {
        (void)fprintf(stderr,
                      "of %llu %s the name is not known here: recover brought them back without\n",
                      (unsigned long long)unknown, ent_plural(unknown, "member", "members"));
    }
    if (err == ENT_E_OK) {
        err = check_all_there(lines, args, n_args);
    }
    if (err == ENT_E_OK) {
        err = print_lines(lines);
    }
    ent_verb_forget(&reply, json);
    return err;
}
