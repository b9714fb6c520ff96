/* The base of a run, as replay says it. */
#include <string.h>

#include "audit/base.h"
#include "audit/replay_inside.h"
#include "common/base/mem.h"

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
        r->lost_released = true;
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
    enum ent_audit_base is = ENT_AUDIT_BASE_NONE;

    if (no_stats && !r->run.has_base) {
        ent_replay_break(r, ENT_REPLAY_DIFFERS,
                         "it counts no statistics and names no model to start from");
    }
    if (!r->run.has_base) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_audit_base_is(&(struct ent_audit_base_asked){.export = r->export,
                                                             .plan = r->run.plan,
                                                             .base = r->run.base,
                                                             .no_stats = no_stats,
                                                             .released = was_released(r),
                                                             .releases_lost = r->lost_released},
                              &is));
    return keep(r, is);
}
