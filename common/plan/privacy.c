/* The plan's `privacy`: its option table, and what it cannot be combined with. */
#include "common/plan/privacy.h"

#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/model/clip.h"
#include "common/plan/plan_read.h"
#include "common/privacy/clip.h"

/* enum ent_log_basis, in whose terms the log states it */
#define ENT_PERSONS_ASSUMED 1
#define ENT_PERSONS_MATCHED 2

#define AT(member_) offsetof(struct ent_plan_read, member_)

static const struct ent_choice units[] = {
    {"customer", ENT_PRIVACY_CUSTOMER}, {"member", ENT_PRIVACY_MEMBER}, {NULL, 0}};
static const struct ent_choice uncovered[] = {{"no", false}, {"uncovered", true}, {NULL, 0}};
static const struct ent_choice persons[] = {
    {"assumed", ENT_PERSONS_ASSUMED}, {"matched", ENT_PERSONS_MATCHED}, {NULL, 0}};

const struct ent_field ent_plan_privacy_fields[] = {
    {.key = "unit",
     .kind = ENT_FIELD_CHOICE,
     .required = true,
     .offset = AT(privacy.unit),
     .choices = units,
     .help = "whose presence is hidden: each customer of a member (noise inside the client), or a "
             "member's update (noise at the coordinator)"},
    {.key = "epsilon",
     .kind = ENT_FIELD_DOUBLE,
     .required = true,
     .offset = AT(plan.privacy.epsilon),
     .lo = 1e-3,
     .hi = 100,
     .help = "the goal over the whole run; the noise is derived from it"},
    {.key = "delta",
     .kind = ENT_FIELD_DOUBLE,
     .required = true,
     .offset = AT(plan.privacy.delta),
     .lo = 1e-12,
     .hi = 1e-2,
     .help =
         "probability with which epsilon may be exceeded: well below 1 / customers of a member"},
    {.key = "clip",
     .kind = ENT_FIELD_DOUBLE,
     .required = true,
     .offset = AT(plan.privacy.clip),
     .lo = 1e-6,
     .hi = 1e6,
     .help = "largest norm of what one unit adds: a customer's gradient, a member's update"},
    {.key = "rate",
     .kind = ENT_FIELD_DOUBLE,
     .offset = AT(privacy.rate),
     .lo = 0,
     .hi = 1,
     .bounds = ENT_BOUNDS_OPEN_LO,
     .help = "unit customer: a customer is in a step with this probability"},
    {.key = "steps",
     .kind = ENT_FIELD_U32,
     .offset = AT(plan.privacy.steps),
     .lo = 1,
     .hi = 100000,
     .help = "unit customer: noised steps of a round, default 1"},
    {.key = "batch",
     .kind = ENT_FIELD_U32,
     .offset = AT(plan.privacy.batch),
     .lo = 1,
     .hi = 1000000,
     .help =
         "unit customer: about rate times the customers of a member, rounded: the noised sum is "
         "divided by it. It is public, so it must not be counted from the data"},
    {.key = "scale_bits",
     .kind = ENT_FIELD_U32,
     .offset = AT(privacy.scale_bits),
     .lo = 1,
     .hi = 43,
     .help =
         "unit customer: clipped sums are rounded to multiples of 2^-scale_bits; derived from clip "
         "and the model's size when absent"},
    {.key = "evaluate",
     .kind = ENT_FIELD_CHOICE,
     .offset = AT(privacy.evaluate),
     .choices = uncovered,
     .fallback = "no",
     .help = "no, or uncovered: validation and test rounds run, and are listed as releases that no "
             "noise covers"},
    {.key = "statistics",
     .kind = ENT_FIELD_CHOICE,
     .offset = AT(privacy.statistics),
     .choices = uncovered,
     .fallback = "no",
     .help = "no: features are scaled from their declared ranges; or uncovered: the members' "
             "statistics are counted first, and are listed as a release that no noise covers"},
    {.key = "max_members_per_person",
     .kind = ENT_FIELD_U32,
     .offset = AT(privacy.members_per_person),
     .lo = 1,
     .hi = ENT_PLAN_PRIVACY_PERSON_MAX,
     .help = "in so many members one person may be, default 1: its figure is printed and logged"},
    {.key = "persons",
     .kind = ENT_FIELD_CHOICE,
     .offset = AT(privacy.persons),
     .choices = persons,
     .help = "where that number comes from: assumed, or matched (somebody has compared the "
             "members' customers); nowhere when absent"},
    {0}};

/* The node of a key, or the map's, or the plan's. */
static const struct ent_node *place(const struct ent_plan_read *read, const char *map,
                                    const char *key)
{
    const struct ent_node *at = ent_node_get(read->root, map);
    const struct ent_node *inner =
        at != NULL && at->kind == ENT_NODE_MAP ? ent_node_get(at, key) : NULL;

    if (inner != NULL) {
        return inner;
    }
    return at != NULL ? at : read->root;
}

/* ---- unit customer ---- */

static enum ent_err need(const struct ent_plan_read *read, const char *key, bool there,
                         const char *why)
{
    if (there) {
        return ENT_E_OK;
    }
    return ent_node_error(read->privacy.node, "privacy of unit customer has no %s: %s", key, why);
}

static enum ent_err read_rate(struct ent_plan_read *read)
{
    struct ent_plan_privacy *p = &read->plan.privacy;
    const struct ent_node *at = place(read, "privacy", "rate");

    if (ent_dp_rate_of(read->privacy.rate, &p->rate) != ENT_E_OK) {
        return ent_node_bad(at, "rate", "must be a number in (0, 1]");
    }
    return ENT_E_OK;
}

/* One customer's gradient must be bounded from what the backward pass has (privacy.md 4.3). */
static enum ent_err check_layers(const struct ent_plan_read *read)
{
    const struct ent_plan *plan = &read->plan;
    const struct ent_node *at = place(read, "model", "layers");
    struct ent_model_layer layers[ENT_PLAN_MAX_LAYERS];
    struct ent_model_options options;
    const char *name = NULL;

    if (plan->ensemble > 1) {
        return ent_node_error(place(read, "model", "ensemble"),
                              "ensemble has no rule for the norm of one customer's gradient, so it "
                              "cannot be clipped: leave it out under privacy of unit customer");
    }
    for (uint32_t i = 0; i < plan->n_layers; i++) {
        if (plan->layers[i].kind == ENT_MODEL_DROPOUT) {
            return ent_node_error(
                at,
                "dropout (layer %u) draws its masks by a row's place in the batch, "
                "which depends on who else is in it: leave it out under privacy of "
                "unit customer (noise regularises, too)",
                (unsigned)i + 1);
        }
    }
    ent_plan_model_options(plan, 1, layers, &options);
    if (!ent_model_can_clip(&options, &name)) {
        return ent_node_error(
            at,
            "%s has no rule for the norm of one customer's gradient, so it cannot be "
            "clipped: leave it out under privacy of unit customer",
            name);
    }
    return ENT_E_OK;
}

/* The entry of `features` that made feature i; a date's makes several. */
static const struct ent_node *feature_node(const struct ent_plan_read *read,
                                           const struct ent_feature *f)
{
    const struct ent_node *entry = read->features != NULL ? read->features->first : NULL;

    for (; entry != NULL; entry = entry->next) {
        const struct ent_node *name =
            entry->kind == ENT_NODE_MAP ? ent_node_get(entry, "name") : NULL;

        if (name != NULL && name->kind == ENT_NODE_SCALAR && strcmp(name->text, f->column) == 0) {
            return entry;
        }
    }
    return read->root;
}

/* What only pooled statistics could fill. */
static enum ent_err check_features(const struct ent_plan_read *read)
{
    for (uint32_t i = 0; !read->plan.privacy.stats_uncovered && i < read->plan.n_features; i++) {
        const struct ent_feature *f = &read->plan.features[i];

        if (f->type == ENT_FEATURE_NUMBER && f->encode == ENT_ENCODE_PLE) {
            return ent_node_error(
                feature_node(read, f),
                "number '%.80s': ple takes its edges from all members' rows, a release "
                "that no noise covers; use encode: standard or log, which are scaled "
                "from the declared range, or say privacy.statistics: uncovered",
                f->name);
        }
        if (f->type == ENT_FEATURE_CATEGORY && f->codes == ENT_CODES_VOCABULARY) {
            return ent_node_error(feature_node(read, f),
                                  "category '%.80s': a vocabulary counts all members' customers, a "
                                  "release that no noise covers; declare values, use hashed, or "
                                  "say privacy.statistics: uncovered",
                                  f->name);
        }
    }
    return ENT_E_OK;
}

static enum ent_err check_training(const struct ent_plan_read *read)
{
    static const char *const replaced[][2] = {
        {"epochs", "a round is privacy.steps noised steps"},
        {"batch", "privacy.rate and privacy.batch say how many customers a step has"},
        {"clip", "privacy.clip is each customer's"},
    };
    const struct ent_node *training = ent_node_get(read->root, "training");

    for (size_t i = 0; training != NULL && i < ENT_ARRAY_LEN(replaced); i++) {
        const struct ent_node *at = ent_node_get(training, replaced[i][0]);

        if (at != NULL) {
            return ent_node_error(at,
                                  "training.%s has no meaning under privacy of unit customer: %s",
                                  replaced[i][0], replaced[i][1]);
        }
    }
    return ENT_E_OK;
}

static enum ent_err check_split(struct ent_plan_read *read)
{
    struct ent_plan *plan = &read->plan;
    const struct ent_node *split = ent_node_get(read->root, "split");

    if (plan->privacy.evaluate_uncovered) {
        return ENT_E_OK;
    }
    if (split == NULL || ent_node_get(split, "validation") == NULL) {
        plan->split_validation = 0.0; /* its default is for runs that choose a best round */
    }
    if (plan->split_validation > 0.0) {
        return ent_node_error(
            place(read, "split", "validation"),
            "validation rows choose the best round, a release that no noise covers: "
            "leave validation out, or say privacy.evaluate: uncovered");
    }
    return ENT_E_OK;
}

static enum ent_err read_customer(struct ent_plan_read *read)
{
    struct ent_plan_privacy *p = &read->plan.privacy;

    ENT_TRY(need(read, "rate", read->privacy.rate > 0.0,
                 "the probability with which a customer is in a step, in (0, 1]"));
    ENT_TRY(
        need(read, "batch", p->batch > 0, "about rate times the customers of a member, rounded"));
    ENT_TRY(read_rate(read));
    p->steps = p->steps > 0 ? p->steps : 1;
    ENT_TRY(check_training(read));
    return check_layers(read);
}

/* ---- unit member ---- */

static enum ent_err read_member(struct ent_plan_read *read)
{
    static const char *const others[] = {"rate", "steps", "batch", "scale_bits"};
    struct ent_plan_privacy *p = &read->plan.privacy;

    for (size_t i = 0; i < ENT_ARRAY_LEN(others); i++) {
        const struct ent_node *at = ent_node_get(read->privacy.node, others[i]);

        if (at != NULL) {
            return ent_node_error(
                at, "%s belongs to privacy of unit customer; under unit member %s", others[i],
                strcmp(others[i], "scale_bits") == 0
                    ? "aggregation.scale_bits is the grid"
                    : "every member's update of a round is one release");
        }
    }
    if (read->plan.epochs == 0) {
        return ent_node_error(place(read, "training", "epochs"),
                              "training.epochs is 0: every update would be zero, and each round "
                              "would cost epsilon for noise alone");
    }
    p->rate = ENT_DP_RATE_ALL;
    p->steps = 1;
    p->scale_bits = read->plan.scale_bits;
    return ENT_E_OK;
}

/* ---- both ---- */

/* Where the grid is said: scale_bits, or the clip that it comes from. */
static const struct ent_node *grid_node(const struct ent_plan_read *read)
{
    const struct ent_node *map = read->plan.privacy.unit == ENT_PRIVACY_MEMBER
                                     ? ent_node_get(read->root, "aggregation")
                                     : read->privacy.node;
    const struct ent_node *bits = map != NULL ? ent_node_get(map, "scale_bits") : NULL;

    return bits != NULL ? bits : place(read, "privacy", "clip");
}

static enum ent_err check_grid(struct ent_plan_read *read)
{
    struct ent_plan_privacy *p = &read->plan.privacy;
    bool given = p->unit == ENT_PRIVACY_MEMBER || read->privacy.scale_bits > 0;
    const struct ent_node *at = grid_node(read);
    uint64_t bound = 0;
    double reach;

    if (!given) {
        if (ent_clip_scale_bits(p->clip, read->plan.n_params, &p->scale_bits) != ENT_E_OK) {
            return ent_node_error(
                place(read, "privacy", "clip"),
                "clip %g fits no grid: clip times 2^scale_bits must be at most 2^23", p->clip);
        }
        /* A multiplier of 1/8, less than any goal takes, still gives noise on the safe grid. */
        while (ldexp(p->clip, (int)p->scale_bits) < 8.0 * (double)ENT_DP_GRID_SIGMA) {
            p->scale_bits++;
        }
        return ENT_E_OK;
    }
    if (p->unit == ENT_PRIVACY_CUSTOMER) {
        p->scale_bits = read->privacy.scale_bits;
    }
    reach = ldexp(p->clip, (int)p->scale_bits);
    if (ent_clip_bound(p->clip, p->scale_bits, &bound) != ENT_E_OK) {
        return ent_node_error(
            at,
            "scale_bits %u: clip %g is %.0f steps of the grid; it must be 1 to 2^23 "
            "(8388608)",
            (unsigned)p->scale_bits, p->clip, reach);
    }
    return ENT_E_OK;
}

/* Noise without clipping hides nothing, so it has a sentence of its own. */
static enum ent_err check_clip(const struct ent_plan_read *read)
{
    const struct ent_node *map = read->privacy.node;

    if (map->kind == ENT_NODE_MAP && ent_node_get(map, "clip") == NULL) {
        return ent_node_error(map, "privacy has no clip: noise hides nothing without a bound on "
                                   "what one unit adds (its largest norm)");
    }
    return ENT_E_OK;
}

/* Which number of members a person may be in, and who says so. */
static enum ent_err read_persons(struct ent_plan_read *read)
{
    struct ent_plan_privacy *p = &read->plan.privacy;

    if (read->privacy.persons != 0 && read->privacy.members_per_person == 0) {
        return ent_node_error(place(read, "privacy", "persons"),
                              "persons says where max_members_per_person comes from, and there is "
                              "none: say in how many members one person may be");
    }
    p->members_per_person =
        read->privacy.members_per_person > 0 ? read->privacy.members_per_person : 1;
    p->persons_basis = (uint32_t)read->privacy.persons;
    return ENT_E_OK;
}

/* The place that refusals of the noise point at. */
static enum ent_err keep_place(struct ent_plan_read *read)
{
    struct ent_plan_privacy *p = &read->plan.privacy;
    const struct ent_node *at = grid_node(read);
    char text[320];
    char *kept;

    (void)snprintf(text, sizeof text, "%.255s:%u:%u: ", at->file, at->line, at->column);
    ENT_TRY(ent_arena_strndup(&read->plan.arena, text, strlen(text), &kept));
    p->at = kept;
    return ENT_E_OK;
}

/* A run without training: nothing that noise covers, or no bound on what is released. */
static enum ent_err check_rounds(const struct ent_plan_read *read)
{
    if (read->plan.rounds == 0) {
        return ent_node_error(place(read, "training", "rounds"),
                              "training.rounds is 0: noise is derived from the number of rounds, "
                              "and nothing but training is covered by it");
    }
    return ENT_E_OK;
}

enum ent_err ent_plan_read_privacy(struct ent_plan_read *read)
{
    const struct ent_plan *plan = &read->plan;
    struct ent_plan_privacy *p = &read->plan.privacy;

    read->privacy.node = ent_node_get(read->root, "privacy");
    if (read->privacy.node == NULL) {
        p->unit = ENT_PRIVACY_NONE;
        return ENT_E_OK;
    }
    if (place(read, "privacy", "min_group") != read->privacy.node) {
        return ent_node_error(place(read, "privacy", "min_group"),
                              "min_group stands at the top of the plan, beside privacy: it holds "
                              "with and without noise");
    }
    ENT_TRY(check_clip(read));
    ENT_TRY(ent_config_take(read->privacy.node, "privacy", ent_plan_privacy_fields,
                            &read->plan.arena, read));
    p->unit = (enum ent_privacy_unit)read->privacy.unit;
    p->evaluate_uncovered = read->privacy.evaluate != 0;
    p->stats_uncovered = read->privacy.statistics != 0;
    ENT_TRY(read_persons(read));
    if (plan->weights == ENT_WEIGHTS_EXAMPLES_LOG2) {
        return ent_node_error(
            place(read, "aggregation", "weights"),
            "examples_log2 is what members report of their own rows: under privacy "
            "weights are equal, or fixed in the plan");
    }
    ENT_TRY(p->unit == ENT_PRIVACY_CUSTOMER ? read_customer(read) : read_member(read));
    ENT_TRY(check_features(read));
    ENT_TRY(check_split(read));
    ENT_TRY(check_rounds(read));
    ENT_TRY(keep_place(read));
    return check_grid(read);
}
