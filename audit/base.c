/* What the model is that a run starts from: the plan's own, one that this log released, or one that was brought along. */
#include <string.h>

#include "audit/inside.h"
#include "common/step/step.h"

static enum ent_err hash_piece(void *ctx, const void *bytes, size_t len)
{
    ent_sha256_add(ctx, bytes, len);
    return ENT_E_OK;
}

/* Only where the base could be it: parameters are allocated by the file that is there, not by what a plan says. */
static enum ent_err is_of_plan(struct ent_audit *a, const struct ent_plan *plan, bool *yes)
{
    struct ent_sha256 hash = {0};
    struct ent_step_sink sink = {.write = hash_piece, .ctx = &hash};
    uint8_t digest[32];
    uint64_t size = 0;
    enum ent_err err = ent_export_blob_size(a->export, a->run.leaf.base, &size);

    *yes = false;
    if (err != ENT_E_OK || size / sizeof(float) < ent_plan_n_params(plan)) {
        return err == ENT_E_NOT_FOUND || err == ENT_E_OK ? ENT_E_OK : err;
    }
    ENT_TRY(ent_sha256_init(&hash));
    err = ent_step_initial_of_ranges(plan, &sink);
    if (err == ENT_E_OK) {
        ent_sha256_finish(&hash, digest);
        *yes = memcmp(digest, a->run.leaf.base, sizeof digest) == 0;
    }
    ent_sha256_release(&hash);
    return err == ENT_E_NO_MEMORY ? err : ENT_E_OK; /* SHAPE: the plan makes none of ranges alone */
}

static bool was_released(const struct ent_audit *a, uint64_t *seq)
{
    for (size_t i = 0; i < a->facts->n_releases; i++) {
        const struct ent_audit_release *r = &a->facts->releases[i];

        if (memcmp(r->leaf.model, a->run.leaf.base, 32) == 0) {
            *seq = r->seq;
            return true;
        }
    }
    return false;
}

static bool is_here(const struct ent_audit *a)
{
    uint64_t size = 0;

    return ent_export_blob_size(a->export, a->run.leaf.base, &size) == ENT_E_OK;
}

enum ent_err ent_audit_base_of(struct ent_audit *a, const struct ent_plan *plan)
{
    struct ent_audit_run *run = &a->run;
    bool of_plan = false;

    if (!run->leaf.has_base) {
        return ENT_E_OK;
    }
    if (plan != NULL && run->leaf.no_stats) {
        ENT_TRY(is_of_plan(a, plan, &of_plan));
    }
    if (of_plan) {
        run->base_is = ENT_AUDIT_BASE_PLAN;
    } else if (was_released(a, &run->base_seq)) {
        run->base_is = ENT_AUDIT_BASE_RELEASED;
    } else if (a->facts->lost_releases > 0 ||
               (run->leaf.no_stats && (plan == NULL || !is_here(a)))) {
        run->base_is = ENT_AUDIT_BASE_UNKNOWN;
    } else {
        run->base_is = ENT_AUDIT_BASE_OTHER;
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
