/* The model that a run without statistics starts from: made again of the plan, or one that was released before. One that is
 * neither was brought along (`start --base`): the log names it, nothing here says what it was made of. */
#include <string.h>

#include "audit/replay_inside.h"
#include "common/base/mem.h"

static enum ent_err hash_piece(void *ctx, const void *bytes, size_t len)
{
    ent_sha256_add(ctx, bytes, len);
    return ENT_E_OK;
}

/* Parameters are allocated by the file that is there, not by what a plan says. */
static enum ent_err is_of_plan(struct ent_replaying *r, bool *here, bool *yes)
{
    struct ent_sha256 hash = {0};
    struct ent_step_sink sink = {.write = hash_piece, .ctx = &hash};
    uint8_t digest[32];
    uint64_t size = 0;
    enum ent_err err = ent_export_blob_size(r->export, r->run.base, &size);

    *here = err == ENT_E_OK;
    *yes = false;
    if (!*here || size / sizeof(float) < ent_plan_n_params(r->run.plan)) {
        return err == ENT_E_NOT_FOUND || err == ENT_E_OK ? ENT_E_OK : err;
    }
    ENT_TRY(ent_sha256_init(&hash));
    err = ent_step_initial_of_ranges(r->run.plan, &sink);
    if (err == ENT_E_OK) {
        ent_sha256_finish(&hash, digest);
        *yes = memcmp(digest, r->run.base, sizeof digest) == 0;
    }
    ent_sha256_release(&hash);
    return ent_replay_is_fatal(err) ? err : ENT_E_OK;
}

static bool was_released(const struct ent_replaying *r)
{
    for (size_t i = 0; i < r->n_released; i++) {
        if (memcmp(r->released[i], r->run.base, 32) == 0) {
            return true;
        }
    }
    return false;
}

enum ent_err ent_replay_base_released(struct ent_replaying *r, const uint8_t model[32])
{
    if (r->n_released >= ENT_AUDIT_LIST_MAX) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_grow(&r->released, &r->cap_released, r->n_released + 1, sizeof *r->released));
    memcpy(r->released[r->n_released++], model, 32);
    return ENT_E_OK;
}

static enum ent_err keep(struct ent_replaying *r, enum ent_audit_base is)
{
    struct ent_replay *out = r->out;
    struct ent_replay_base *base;

    if (out->n_bases >= ENT_AUDIT_RUNS_MAX) {
        out->lost_bases++;
        return ENT_E_OK;
    }
    ENT_TRY(ent_grow(&out->bases, &out->cap_bases, out->n_bases + 1, sizeof *out->bases));
    base = &out->bases[out->n_bases++];
    *base = (struct ent_replay_base){.seq = r->run.seq, .is = is};
    memcpy(base->model, r->run.base, sizeof base->model);
    return ENT_E_OK;
}

enum ent_err ent_replay_base(struct ent_replaying *r, bool no_stats)
{
    enum ent_audit_base is = ENT_AUDIT_BASE_OTHER;
    bool here = false;
    bool of_plan = false;

    if (no_stats && !r->run.has_base) {
        ent_replay_break(r, ENT_REPLAY_DIFFERS,
                         "it counts no statistics and names no model to start from");
        return ENT_E_OK;
    }
    if (!r->run.has_base) {
        return ENT_E_OK;
    }
    if (no_stats && r->run.plan != NULL) {
        ENT_TRY(is_of_plan(r, &here, &of_plan));
    }
    if (of_plan) {
        is = ENT_AUDIT_BASE_PLAN;
    } else if (was_released(r)) {
        is = ENT_AUDIT_BASE_RELEASED;
    } else if ((no_stats && !here) || r->n_released >= ENT_AUDIT_LIST_MAX) {
        is = ENT_AUDIT_BASE_UNKNOWN;
    }
    return keep(r, is);
}
