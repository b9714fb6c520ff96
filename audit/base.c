#include "audit/base.h"

#include <string.h>

#include "audit/inside.h"
#include "common/step/step.h"

static enum ent_err hash_piece(void *ctx, const void *bytes, size_t len)
{
    ent_sha256_add(ctx, bytes, len);
    return ENT_E_OK;
}

/* Only where the base could be it: parameters are allocated by the file that is there, not by what a plan says. */
static enum ent_err is_of_plan(const struct ent_audit_base_asked *q, bool *here, bool *yes)
{
    struct ent_sha256 hash = {0};
    struct ent_step_sink sink = {.write = hash_piece, .ctx = &hash};
    uint8_t digest[32];
    uint64_t size = 0;
    enum ent_err err = ent_export_blob_size(q->export, q->base, &size);

    *yes = false;
    *here = err == ENT_E_OK;
    if (err != ENT_E_OK || size / sizeof(float) < ent_plan_n_params(q->plan)) {
        return err == ENT_E_NOT_FOUND || err == ENT_E_OK ? ENT_E_OK : err;
    }
    ENT_TRY(ent_sha256_init(&hash));
    err = ent_step_initial_of_ranges(q->plan, &sink);
    if (err == ENT_E_OK) {
        ent_sha256_finish(&hash, digest);
        *yes = memcmp(digest, q->base, sizeof digest) == 0;
    }
    ent_sha256_release(&hash);
    return err == ENT_E_NO_MEMORY ? err : ENT_E_OK; /* SHAPE: the plan makes none of ranges alone */
}

enum ent_err ent_audit_base_is(const struct ent_audit_base_asked *q, enum ent_audit_base *is)
{
    bool here = false;
    bool of_plan = false;

    if (q->no_stats && q->plan != NULL) {
        ENT_TRY(is_of_plan(q, &here, &of_plan));
    }
    if (of_plan) {
        *is = ENT_AUDIT_BASE_PLAN;
    } else if (q->released) {
        *is = ENT_AUDIT_BASE_RELEASED;
    } else if (q->releases_lost || (q->no_stats && !here)) {
        *is = ENT_AUDIT_BASE_UNKNOWN;
    } else {
        *is = ENT_AUDIT_BASE_OTHER;
    }
    return ENT_E_OK;
}

/* ---- verify ---- */

static const struct ent_audit_release *release_of(const struct ent_audit *a)
{
    for (size_t i = 0; i < a->facts->n_releases; i++) {
        if (memcmp(a->facts->releases[i].leaf.model, a->run.leaf.base, 32) == 0) {
            return &a->facts->releases[i];
        }
    }
    return NULL;
}

enum ent_err ent_audit_base_of(struct ent_audit *a, const struct ent_plan *plan)
{
    struct ent_audit_run *run = &a->run;
    const struct ent_audit_release *release;

    if (!run->leaf.has_base) {
        return ENT_E_OK;
    }
    release = release_of(a);
    ENT_TRY(ent_audit_base_is(
        &(struct ent_audit_base_asked){.export = a->export,
                                       .plan = plan,
                                       .base = run->leaf.base,
                                       .no_stats = run->leaf.no_stats,
                                       .released = release != NULL,
                                       .releases_lost = a->facts->lost_releases > 0},
        &run->base_is));
    if (run->base_is == ENT_AUDIT_BASE_RELEASED) {
        run->base_seq = release->seq;
    }
    for (size_t i = a->facts->n_runs; i > 0; i--) {
        if (a->facts->runs[i - 1].seq == run->seq) {
            a->facts->runs[i - 1].base_is = run->base_is;
            a->facts->runs[i - 1].base_seq = run->base_seq;
            break;
        }
    }
    return ENT_E_OK;
}
