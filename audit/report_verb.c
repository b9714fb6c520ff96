/* entente-audit report: verify, then write down what was found. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/report.h"
#include "audit/verbs.h"
#include "audit/verify.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/sha256.h"

/* ---- where the page goes ---- */

static bool same_file(const char *a, const char *b)
{
    struct stat x;
    struct stat y;

    return a != NULL && b != NULL && stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

static bool is_input(const struct ent_audit_verb *verb)
{
    const char *const inputs[] = {verb->policy, verb->model, verb->key, verb->disclose};

    for (size_t i = 0; i < ENT_ARRAY_LEN(inputs); i++) {
        if (same_file(verb->out, inputs[i])) {
            return true;
        }
    }
    for (size_t i = 0; i < verb->heads.n; i++) {
        if (same_file(verb->out, verb->heads.values[i])) {
            return true;
        }
    }
    for (size_t i = 0; i < verb->receipts.n; i++) {
        if (same_file(verb->out, verb->receipts.values[i])) {
            return true;
        }
    }
    return false;
}

/* Whether the folder of `path` is `dir` or below it; what is not there is named where it is opened. */
static enum ent_err is_within(const char *path, const char *dir, bool *within)
{
    const char *slash = strrchr(path, '/');
    char *parent = NULL;
    char *a;
    char *b;

    ENT_TRY(ent_strndup(slash != NULL ? path : ".", slash != NULL ? (size_t)(slash - path) + 1 : 1,
                        &parent));
    a = realpath(parent, NULL);
    b = realpath(dir, NULL);
    *within = a != NULL && b != NULL && strncmp(a, b, strlen(b)) == 0 &&
              (a[strlen(b)] == '/' || a[strlen(b)] == '\0');
    free(parent);
    free(a);
    free(b);
    return ENT_E_OK;
}

/* The page replaces what stood under its name, but never what it is made of. Asked before anything is verified: that may
 * take minutes. */
static enum ent_err check_out(const struct ent_audit_verb *verb, const char *dir)
{
    bool within;

    ENT_REQUIRE(verb->out != NULL && verb->out[0] != '\0', ENT_E_USAGE,
                "report needs --out FILE: where the page goes");
    ENT_REQUIRE(!is_input(verb), ENT_E_USAGE,
                "--out %s is a file that the report reads: give another name", verb->out);
    ENT_TRY(is_within(verb->out, dir, &within));
    ENT_REQUIRE(!within, ENT_E_USAGE,
                "--out %s is inside the export, which stays as it is: give another place",
                verb->out);
    return ENT_E_OK;
}

/* ---- the page ---- */

static enum ent_err request_of(const struct ent_audit_verb *verb, struct ent_export *export,
                               const struct ent_report_names *names, struct ent_report_request *out)
{
    struct ent_bytes checkpoint = ent_export_checkpoint(export);

    *out = (struct ent_report_request){
        .export_dir = ent_export_dir(export),
        .policy = verb->policy,
        .model = verb->model,
        .key = verb->key,
        .disclose = verb->disclose,
        .out = verb->out,
        .heads = verb->heads.values,
        .n_heads = verb->heads.n,
        .receipts = verb->receipts.values,
        .n_receipts = verb->receipts.n,
        .since = verb->since,
        .max_age_hours = verb->max_age_hours,
        .has_checkpoint = true,
        .has_policy = verb->policy != NULL,
        .names = names,
    };
    ENT_TRY(ent_sha256(checkpoint.data, checkpoint.len, out->checkpoint_sha256));
    return verb->policy != NULL ? ent_sha256_file(verb->policy, out->policy_sha256) : ENT_E_OK;
}

static enum ent_err print(const struct ent_audit_verb *verb, const struct ent_audit_facts *facts,
                          const struct ent_report_request *request)
{
    struct ent_buf text;
    char words[ENT_AUDIT_TEXT_MAX];
    enum ent_err err;

    ent_buf_init(&text, ENT_REPORT_JSON_MAX_BYTES);
    if (verb->json) {
        err = ent_report_json(facts, request, &text);
    } else {
        ent_audit_verdict_text(facts, words);
        err = ent_buf_addf(&text, "report  %s\nVERDICT %s", verb->out, words);
    }
    if (err == ENT_E_OK) {
        err = ent_buf_add_u8(&text, '\n');
    }
    if (err == ENT_E_OK) {
        err = ent_audit_write(&text);
    }
    ent_buf_release(&text);
    return err;
}

/* That the page cannot be written is no fault of the export: the status of a command line that is not right. */
static enum ent_err write_file(const char *path, const struct ent_buf *page)
{
    enum ent_err err = ent_file_write_atomic(path, page->data, page->len, 0600);

    return err == ENT_E_IO || err == ENT_E_NOT_FOUND ? ENT_E_CONFIG : err;
}

static enum ent_err write_page(const struct ent_audit_verb *verb, struct ent_export *export,
                               const struct ent_audit_facts *facts,
                               const struct ent_report_names *names)
{
    struct ent_report_request request;
    struct ent_buf page;
    enum ent_err err;

    ENT_TRY(request_of(verb, export, names, &request));
    ent_buf_init(&page, ENT_REPORT_PAGE_MAX_BYTES);
    err = ent_report_html(facts, &request, &page);
    if (err == ENT_E_OK) {
        err = write_file(verb->out, &page);
    }
    ent_buf_release(&page);
    ENT_TRY(err);
    return print(verb, facts, &request);
}

static enum ent_err report(const struct ent_audit_verb *verb,
                           const struct ent_audit_options *options, struct ent_export *export,
                           struct ent_audit_facts *facts)
{
    struct ent_report_names names = {0};
    enum ent_err err;

    ENT_TRY(ent_audit_verify(export, options, facts));
    if (verb->disclose != NULL) {
        ENT_TRY(ent_report_names_read(facts, verb->disclose, &names));
    }
    err = write_page(verb, export, facts, &names);
    ent_report_names_release(&names);
    ENT_TRY(err);
    return ent_audit_outcome(facts);
}

enum ent_err ent_verb_audit_report(const void *options, const char *const *args, size_t n_args)
{
    const struct ent_audit_verb *verb = options;
    struct ent_audit_facts facts = {0};
    struct ent_audit_options how;
    struct ent_export *export = NULL;
    enum ent_err err;

    (void)n_args;
    ENT_TRY(ent_audit_options_of(verb, &how));
    ENT_TRY(check_out(verb, args[0]));
    err = ent_export_open(args[0], &export);
    if (err == ENT_E_OK) {
        err = report(verb, &how, export, &facts);
    }
    ent_audit_facts_release(&facts);
    ent_export_close(export);
    return err;
}
