#include "client/agent/check_floor.h"

#include <stdlib.h>

#include "client/policy/policy.h"
#include "common/base/mem.h"
#include "common/base/plural.h"

static const char *const part_names[3] = {"training", "validation", "test"};
static const char *const vector_names[ENT_N_OUTGOING] = {"statistics", "training", "validation",
                                                         "test"};
static const uint8_t no_salt[ENT_UPDATE_SALT_BYTES]; /* nothing of this leaves */

/* ---- parts ---- */

static enum ent_split part_of(const struct ent_outgoing *o)
{
    return o->task == ENT_TASK_EVALUATE ? o->split : ENT_SPLIT_TRAIN;
}

static enum ent_err read_parts(const struct ent_workplace *w, const struct ent_fill *fill,
                               const struct ent_outgoing *list, struct ent_check_floor *out)
{
    const struct ent_parts *parts = ent_pipeline_parts(w->pipeline);

    for (size_t i = 0; i < ENT_N_OUTGOING; i++) {
        const struct ent_outgoing *o = &list[i];
        const struct ent_split_rows *part = &parts->part[part_of(o)];
        bool zeros = false;

        if (o->task != ENT_TASK_TRAIN) {
            ENT_TRY(ent_fill_withholds(fill, part, &zeros));
        }
        out->zeros[i] = zeros && o->times > 0 && part->n > 0;
        if (i > 0) {
            bool goes = ent_pipeline_ask_policy(w->pipeline, o->task, o->split) == ENT_E_OK;

            out->parts[i - 1] = part->n == 0 ? "empty" : !goes ? "no" : zeros ? "zeros" : "yes";
        }
    }
    return ENT_E_OK;
}

/* ---- categories ---- */

/* v: the feature's counts without a floor. */
static struct ent_check_group count(const struct ent_feature *f, const int64_t *v, uint32_t floor)
{
    bool vocabulary = f->codes == ENT_CODES_VOCABULARY;
    uint32_t n = vocabulary ? UINT32_C(1) << f->bits : f->n_values;
    struct ent_check_group group = {0};

    for (uint32_t k = 0; k < n; k++) {
        int64_t have = v[vocabulary ? k + 1 : k];

        group.n += have > 0 ? 1 : 0;
        group.below += have > 0 && have < (int64_t)floor ? 1 : 0;
    }
    return group;
}

static void count_all(const struct ent_plan *plan, const int64_t *v, struct ent_check_floor *out)
{
    const int64_t *at = v + 2;

    for (uint32_t i = 0; i < plan->n_features; i++) {
        const struct ent_feature *f = &plan->features[i];

        if (f->type == ENT_FEATURE_CATEGORY && f->codes != ENT_CODES_HASHED) {
            struct ent_check_group group = count(f, at, out->floor);

            group.feature = i;
            if (group.below > 0) {
                out->groups[out->n_groups++] = group;
            }
        }
        at += ent_task_stats_ints(f);
    }
}

static enum ent_err read_groups(const struct ent_workplace *w, struct ent_fill *fill,
                                struct ent_check_floor *out)
{
    struct ent_payload payload = {0};
    int64_t *v = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(fill->plan->n_features, sizeof *out->groups, &out->groups));
    fill->floor = 0;
    ENT_TRY(
        ent_fill_stats(fill, &ent_pipeline_parts(w->pipeline)->part[ENT_SPLIT_TRAIN], &payload));
    err = ent_calloc(payload.dim, sizeof *v, &v);
    if (err == ENT_E_OK) {
        ent_payload_int64(&payload, v);
        count_all(fill->plan, v, out);
    }
    free(v);
    ent_payload_release(&payload);
    return err;
}

enum ent_err ent_check_floor_read(const struct ent_workplace *w,
                                  const struct ent_outgoing list[ENT_N_OUTGOING],
                                  struct ent_check_floor *out)
{
    const struct ent_plan *plan = ent_pipeline_plan(w->pipeline);
    struct ent_fill fill = {.plan = plan,
                            .table = ent_pipeline_table(w->pipeline),
                            .salt = no_salt,
                            .floor = ent_policy_floor(&w->config->policy, plan)};

    out->floor = fill.floor;
    ENT_TRY(read_parts(w, &fill, list, out));
    if (list[0].times == 0 || out->zeros[0]) {
        return ENT_E_OK;
    }
    return read_groups(w, &fill, out);
}

void ent_check_floor_release(struct ent_check_floor *floor)
{
    free(floor->groups);
    *floor = (struct ent_check_floor){0};
}

/* ---- shown ---- */

static const char *kind(const struct ent_feature *f)
{
    return f->codes == ENT_CODES_VOCABULARY ? "buckets" : "values";
}

/* No noise covers a no that depends on rows. */
static bool rows_decide(const struct ent_workplace *w)
{
    return ent_pipeline_plan(w->pipeline)->privacy.unit != ENT_PRIVACY_NONE &&
           (w->config->policy.min_customers > 1 || w->config->data.bad_rows == ENT_BAD_ROWS_FAIL);
}

void ent_check_floor_print(const struct ent_workplace *w, const struct ent_check_floor *floor,
                           FILE *out)
{
    const struct ent_plan *plan = ent_pipeline_plan(w->pipeline);
    const char *separator = "";

    (void)fprintf(out, "parts that take part (policy.min_customers: %u): ",
                  (unsigned)w->config->policy.min_customers);
    for (size_t i = 0; i < 3; i++) {
        (void)fprintf(out, "%s%s %s", i > 0 ? ", " : "", part_names[i], floor->parts[i]);
    }
    if (rows_decide(w)) {
        (void)fprintf(out,
                      "\n  whether it takes part depends on its rows here and is NOT covered by "
                      "noise (policy.min_customers: 1 and data.bad_rows: drop decide nothing)");
    }
    (void)fprintf(out, "\nfloor on groups: %u %s (the plan's min_group %u, policy.min_group %u)",
                  (unsigned)floor->floor, ent_plural(floor->floor, "customer", "customers"),
                  (unsigned)plan->min_group, (unsigned)w->config->policy.min_group);
    for (size_t i = 0; i < ENT_N_OUTGOING; i++) {
        if (floor->zeros[i]) {
            (void)fprintf(out, "%s%s",
                          separator[0] == '\0' ? "; of fewer, so sent as zeros: " : separator,
                          vector_names[i]);
            separator = ", ";
        }
    }
    (void)fprintf(out, "\n");
    for (uint32_t i = 0; i < floor->n_groups; i++) {
        const struct ent_check_group *g = &floor->groups[i];
        const struct ent_feature *f = &plan->features[g->feature];

        (void)fprintf(out,
                      "  %s: of %u %s that occur here %u have fewer; they count as other ones\n",
                      f->name, (unsigned)g->n, kind(f), (unsigned)g->below);
    }
}

void ent_check_floor_put(const struct ent_workplace *w, const struct ent_check_floor *floor,
                         struct ent_json_writer *json)
{
    const struct ent_plan *plan = ent_pipeline_plan(w->pipeline);

    ent_json_put_key_uint(json, "min_customers", w->config->policy.min_customers);
    ent_json_put_key_bool(json, "rows_decide_uncovered", rows_decide(w));
    ent_json_put_key_uint(json, "min_group", floor->floor);
    ent_json_put_key(json, "sent_as_zeros");
    ent_json_put_array(json);
    for (size_t i = 0; i < ENT_N_OUTGOING; i++) {
        if (floor->zeros[i]) {
            ent_json_put_string(json, vector_names[i]);
        }
    }
    ent_json_put_close(json);
    ent_json_put_key(json, "below_min_group");
    ent_json_put_array(json);
    for (uint32_t i = 0; i < floor->n_groups; i++) {
        const struct ent_check_group *g = &floor->groups[i];
        const struct ent_feature *f = &plan->features[g->feature];

        ent_json_put_object(json, ENT_JSON_INSERTION);
        ent_json_put_key_string(json, "feature", f->name);
        ent_json_put_key_uint(json, kind(f), g->n);
        ent_json_put_key_uint(json, "below", g->below);
        ent_json_put_close(json);
    }
    ent_json_put_close(json);
}
