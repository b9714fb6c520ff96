#include <stdio.h>

#include "audit/verbs.h"
#include "audit/verify.h"
#include "common/base/clock.h"

#define OUTPUT_MAX_BYTES ((size_t)8 * 1024 * 1024)

enum ent_err ent_audit_write(const struct ent_buf *text)
{
    if (fwrite(text->data, 1, text->len, stdout) != text->len || fflush(stdout) != 0) {
        return ent_err_note(ENT_E_IO, "standard output could not be written");
    }
    return ENT_E_OK;
}

static enum ent_err print(const struct ent_audit_verb *verb, const struct ent_audit_facts *facts)
{
    struct ent_buf out;
    enum ent_err err;

    ent_buf_init(&out, OUTPUT_MAX_BYTES);
    err = verb->json ? ent_audit_print_json(facts, &out) : ent_audit_print(facts, &out);
    if (err == ENT_E_OK) {
        err = ent_audit_write(&out);
    }
    ent_buf_release(&out);
    return err;
}

enum ent_err ent_audit_options_of(const struct ent_audit_verb *verb, struct ent_audit_options *out)
{
    struct ent_clock clock = ent_clock_system();

    ENT_REQUIRE(verb->threads <= 64, ENT_E_USAGE, "--threads takes at most 64");
    ENT_REQUIRE(verb->max_age_hours <= 1000000, ENT_E_USAGE, "--max-age takes at most 1000000");
    *out = (struct ent_audit_options){.policy = verb->policy,
                                      .model = verb->model,
                                      .key = verb->key,
                                      .heads = verb->heads.values,
                                      .n_heads = verb->heads.n,
                                      .receipts = verb->receipts.values,
                                      .n_receipts = verb->receipts.n,
                                      .since = verb->since,
                                      .max_age_s = verb->max_age_hours * 3600,
                                      .now_s = ent_clock_wall(&clock) / 1000,
                                      .threads = (unsigned)verb->threads};
    return ENT_E_OK;
}

enum ent_err ent_verb_audit_verify(const void *options, const char *const *args, size_t n_args)
{
    const struct ent_audit_verb *verb = options;
    struct ent_audit_facts facts = {0};
    struct ent_audit_options how;
    struct ent_export *export = NULL;
    enum ent_err err;

    (void)n_args;
    ENT_TRY(ent_audit_options_of(verb, &how));
    err = ent_export_open(args[0], &export);
    if (err == ENT_E_OK) {
        err = ent_audit_verify(export, &how, &facts);
    }
    if (err == ENT_E_OK) {
        err = print(verb, &facts);
    }
    if (err == ENT_E_OK) {
        err = ent_audit_outcome(&facts);
    }
    ent_export_close(export);
    ent_audit_facts_release(&facts);
    return err;
}
