/* V13: what the plan of a run makes each of its rounds book. */
#include <inttypes.h>
#include <math.h>

#include "audit/budget_inside.h"

/* Noise for a goal comes from a grid whose steps another machine may choose otherwise. */
#define SIGMA2_SLACK 1e-3

static enum ent_err read_plan(struct ent_audit *a, struct ent_plan **out)
{
    struct ent_buf yaml;
    enum ent_err err;

    ent_buf_init(&yaml, ENT_PLAN_MAX_BYTES);
    err = ent_export_blob(a->export, a->run.leaf.plan, &yaml);
    if (err == ENT_E_OK) {
        err = ent_plan_parse("plan.yaml", yaml.data, yaml.len, out);
    }
    ent_buf_release(&yaml);
    return err;
}

static uint32_t largest_weight(const struct ent_plan *plan)
{
    uint32_t largest = 1;

    for (uint32_t i = 0; plan->weights == ENT_WEIGHTS_FIXED && i < plan->n_fixed_weights; i++) {
        largest = plan->fixed_weights[i].weight > largest ? plan->fixed_weights[i].weight : largest;
    }
    return largest;
}

enum ent_err ent_audit_budget_plan(struct ent_audit *a)
{
    struct ent_audit_budget *b = a->budget;
    struct ent_plan *plan = NULL;
    enum ent_err err = read_plan(a, &plan);

    b->promise = PROMISE_UNKNOWN;
    b->hopeless = false;
    b->has_plan = err == ENT_E_OK;
    if (err == ENT_E_OK) {
        b->privacy = plan->privacy;
        b->weight_max = largest_weight(plan);
        b->promise = plan->privacy.unit == ENT_PRIVACY_NONE ? PROMISE_NONE : PROMISE_PRIVACY;
    }
    if (b->promise == PROMISE_PRIVACY) {
        err = ent_plan_privacy_derive(plan, &b->noise);
        b->promise = err == ENT_E_OK ? PROMISE_PRIVACY : PROMISE_UNKNOWN;
        b->hopeless = err == ENT_E_CONFIG;
    }
    if (err != ENT_E_NO_MEMORY) { /* no plan of ours: V16, or nothing to hold it to */
        err = ent_audit_base_of(a, plan);
    }
    ent_plan_free(plan);
    return err;
}

bool ent_audit_budget_unit(const struct ent_audit *a, uint32_t *unit)
{
    *unit = a->budget->has_plan ? (uint32_t)a->budget->privacy.unit : ENT_PRIVACY_NONE;
    return a->budget->has_plan && a->budget->config == a->run.seq + 1;
}

/* Where the noise is that this unit takes. */
static uint32_t trust_of(const struct ent_audit_budget *b)
{
    return b->privacy.unit == ENT_PRIVACY_MEMBER ? ENT_LOG_TRUST_CENTRAL : ENT_LOG_TRUST_LOCAL;
}

static const char *differs(const struct ent_audit_budget *b, const struct ent_leaf_dp_event *m)
{
    const struct ent_dp_event *due = &b->noise.round;
    double sigma2 = (double)m->sigma2;

    if (m->unit != (uint32_t)b->privacy.unit) {
        return "another unit";
    } else if (m->mechanism != ENT_DP_DISCRETE_GAUSSIAN) {
        return "another mechanism";
    } else if (m->trust != trust_of(b)) {
        return "noise at another place";
    } else if (m->sensitivity != due->sensitivity) {
        return "another sensitivity";
    } else if (m->rate != due->rate) {
        return "another sampling rate";
    } else if (m->steps != due->steps) {
        return "another number of steps";
    } else if (m->dimension != due->dimension) {
        return "another number of parameters";
    } else if (m->limit_nano != (uint64_t)llround(b->privacy.epsilon * NANO)) {
        return "another limit";
    } else if (fabs((double)m->delta_e18 / E18 / b->privacy.delta - 1.0) > 1e-9) {
        return "another delta";
    } else if (m->members_per_person != b->privacy.members_per_person) {
        return "another number of members that know one person";
    } else if (m->basis != b->privacy.persons_basis) {
        return "another basis of the members that know one person";
    } else if (sigma2 < (double)due->sigma2 * (1.0 - SIGMA2_SLACK)) {
        return "less noise";
    } else if (sigma2 > (double)due->sigma2 * (1.0 + SIGMA2_SLACK)) {
        return "more noise";
    }
    return NULL;
}

static bool is_same(const struct ent_leaf_dp_event *m, const struct ent_leaf_dp_event *first)
{
    return m->unit == first->unit && m->mechanism == first->mechanism && m->rate == first->rate &&
           m->sigma2 == first->sigma2 && m->sensitivity == first->sensitivity &&
           m->dimension == first->dimension && m->steps == first->steps &&
           m->delta_e18 == first->delta_e18 && m->limit_nano == first->limit_nano &&
           m->trust == first->trust && m->members_per_person == first->members_per_person &&
           m->basis == first->basis;
}

enum ent_err ent_audit_budget_event(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    struct ent_audit_budget *b = a->budget;
    const struct ent_leaf_dp_event *m = &leaf->any.dp_event;
    const char *what = NULL;

    if (b->promise == PROMISE_UNKNOWN) {
        return ent_audit_find(a, 13, ENT_AUDIT_INCOMPLETE, leaf->index,
                              "leaf %" PRIu64
                              ": what it should book cannot be derived: the plan of "
                              "run %" PRIu32 " is not here, or no plan of this build",
                              leaf->index, leaf->frame.run);
    }
    what = b->promise == PROMISE_NONE ? "privacy" : differs(b, m);
    if (what != NULL) {
        return ent_audit_fail(
            a, 13, leaf->index, "leaf %" PRIu64 ": round %" PRIu64 " books %s than its plan has",
            leaf->index, leaf->frame.round, b->promise == PROMISE_NONE ? "more privacy" : what);
    }
    if (b->has_first && !is_same(m, &b->first)) {
        return ent_audit_fail(a, 13, leaf->index,
                              "leaf %" PRIu64 ": round %" PRIu64
                              " books otherwise than the rounds of its run before",
                              leaf->index, leaf->frame.round);
    }
    return ENT_E_OK;
}
