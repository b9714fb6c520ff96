#include "audit/verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/inside.h"
#include "common/base/mem.h"

static enum ent_err done(void *ctx, struct ent_audit_job *job)
{
    struct ent_audit *a = ctx;
    char name[ENT_AUDIT_SHORT_BYTES];

    if (job->kind == ENT_AUDIT_JOB_NOTE) {
        return ent_audit_note_done(a, job->note, job->err);
    }
    a->facts->n_signatures++;
    if (job->err == ENT_E_OK && job->copy_differs) {
        return ent_audit_fail(a, 15, job->seq,
                              "leaf %" PRIu64 ": the kept copy is not the update that was signed",
                              job->seq);
    }
    if (job->err == ENT_E_OK) {
        return ENT_E_OK;
    }
    ent_audit_short(a->facts->members[job->member].handle, 16, name);
    return ent_audit_fail(a, 8, job->seq, "leaf %" PRIu64 ": the %s of %s is not signed by its key",
                          job->seq, job->what, name);
}

static enum ent_err load_policy(struct ent_audit *a)
{
    if (a->options->policy == NULL) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_audit_policy_read(a->options->policy, &a->policy));
    /* A policy that came with the export pins nothing. */
    a->facts->pinned = !ent_export_holds(a->export, a->options->policy);
    return ENT_E_OK;
}

static enum ent_err load_key(struct ent_audit *a)
{
    if (a->options->key == NULL) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_x25519_key_load(a->options->key, &a->key));
    ent_x25519_key_pub(a->key, a->key_pub);
    return ENT_E_OK;
}

static enum ent_err prepare(struct ent_audit *a)
{
    ENT_TRY(load_policy(a));
    if (a->options->key != NULL && load_key(a) != ENT_E_OK) {
        return ENT_E_CONFIG; /* the auditor's own file: the message names it */
    }
    ENT_TRY(ent_audit_models_init(a));
    ENT_TRY(ent_audit_members_init(a));
    ENT_TRY(ent_audit_budget_init(a));
    ENT_TRY(ent_audit_noise_init(a));
    ENT_TRY(ent_audit_notes_init(a));
    return ent_audit_pool_start(a->options->threads, done, a, &a->pool);
}

static enum ent_err run(struct ent_audit *a)
{
    ENT_TRY(prepare(a));
    ENT_TRY(ent_audit_container(a));
    ENT_TRY(ent_audit_notes_end(a));
    ENT_TRY(ent_audit_heads(a));
    ENT_TRY(ent_audit_seen_end(a));
    ENT_TRY(ent_audit_receipts(a));
    ENT_TRY(ent_audit_rounds_end(a));
    ENT_TRY(ent_audit_claims_end(a));
    ENT_TRY(ent_audit_models_end(a));
    ENT_TRY(ent_audit_quorum_end(a));
    ENT_TRY(ent_audit_blobs_end(a));
    ENT_TRY(ent_audit_seals_end(a));
    ENT_TRY(ent_audit_budget_end(a));
    ent_audit_say(a, 8, ENT_AUDIT_OK,
                  "%" PRIu64 " signatures verified, each under a key that was valid at its place",
                  a->facts->n_signatures);
    ent_audit_say(a, 14, ENT_AUDIT_SKIP, "not built: masking");
    return ENT_E_OK;
}

enum ent_err ent_audit_verify(struct ent_export *export, const struct ent_audit_options *options,
                              struct ent_audit_facts *facts)
{
    struct ent_audit *a = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *a, &a));
    a->export = export;
    a->options = options;
    a->facts = facts;
    err = run(a);
    ent_audit_pool_stop(a->pool); /* before what its jobs point to */
    ent_audit_members_release(a);
    ent_audit_budget_free(a);
    ent_audit_noise_free(a);
    ent_audit_container_release(a);
    ent_x25519_key_free(a->key);
    free(a->keys);
    free(a->stored);
    free(a->invited);
    free(a->seen_heads);
    free(a->claims);
    free(a->missing);
    free(a->erased);
    free(a);
    return err;
}

enum ent_err ent_audit_outcome(const struct ent_audit_facts *facts)
{
    char text[ENT_AUDIT_TEXT_MAX];

    ent_audit_verdict_text(facts, text);
    switch (ent_audit_verdict(facts)) {
    case ENT_AUDIT_VIOLATED:
        return ent_err_note(ENT_E_VIOLATION, "%s", text);
    case ENT_AUDIT_NOT_COMPLETE:
        return ent_err_note(ENT_E_INCOMPLETE, "%s", text);
    case ENT_AUDIT_PASS:
        break;
    }
    return ENT_E_OK;
}

int ent_audit_exit(enum ent_err err)
{
    switch (err) {
    case ENT_E_OK:
        return 0;
    case ENT_E_VIOLATION:
        return 1;
    case ENT_E_USAGE:
    case ENT_E_CONFIG:
    case ENT_E_EXISTS:
    case ENT_E_PERMISSION:
        return 2;
    case ENT_E_INCOMPLETE:
        return 3;
    case ENT_E_INTERNAL:
    case ENT_E_NO_MEMORY:
        return 5;
    default:
        return 4;
    }
}
