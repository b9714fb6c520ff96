/* The optimizers of both sides, and how the rate changes. */
#include <string.h>

#include "common/base/mem.h"
#include "common/plan/plan_read.h"

#define NUMBER(key_, at_, lo_, hi_, bounds_, fallback_, help_)                                     \
    {                                                                                              \
        .key = (key_), .kind = ENT_FIELD_DOUBLE, .offset = (at_), .lo = (lo_), .hi = (hi_),        \
        .bounds = ENT_BOUNDS_##bounds_, .fallback = (fallback_), .help = (help_)                   \
    }
#define LOCAL(member_) offsetof(struct ent_optim_spec, member_)
#define SERVER(member_) offsetof(struct ent_server_spec, hyper.member_)
#define KEEP(fallback_, help_)                                                                     \
    {                                                                                              \
        .key = "keep_state", .kind = ENT_FIELD_BOOL, .offset = LOCAL(keep_state),                  \
        .fallback = (fallback_), .help = (help_)                                                   \
    }

static const struct ent_field sgd_fields[] = {
    NUMBER("rate", LOCAL(hyper.rate), 0, 10, OPEN_LO, "0.1", "learning rate"),
    NUMBER("momentum", LOCAL(hyper.momentum), 0, 1, OPEN_HI, "0",
           "fraction of the last step that goes on"),
    NUMBER("weight_decay", LOCAL(hyper.weight_decay), 0, 10, CLOSED, "0",
           "of matrices, added to the gradient"),
    KEEP("false", "momentum is kept between rounds instead of starting at zero"),
    {0}};

/* What Adam and AdamW have in common. */
#define OF_ADAM                                                                                    \
    NUMBER("rate", LOCAL(hyper.rate), 0, 10, OPEN_LO, "0.001", "learning rate"),                   \
        NUMBER("beta1", LOCAL(hyper.beta1), 0, 1, OPEN_HI, "0.9",                                  \
               "how long the mean gradient remembers"),                                            \
        NUMBER("beta2", LOCAL(hyper.beta2), 0, 1, OPEN_HI, "0.999",                                \
               "how long the mean square remembers"),                                              \
        NUMBER("epsilon", LOCAL(hyper.epsilon), 1e-12, 1, CLOSED, "1e-8",                          \
               "added to the root of the mean square")
#define KEEP_MOMENTS KEEP("true", "moments are kept between rounds instead of starting at zero")

static const struct ent_field adam_fields[] = {OF_ADAM, KEEP_MOMENTS, {0}};

static const struct ent_field adamw_fields[] = {
    OF_ADAM,
    NUMBER("weight_decay", LOCAL(hyper.weight_decay), 0, 10, CLOSED, "0.01",
           "matrices shrink by rate times this of themselves in each step"),
    KEEP_MOMENTS,
    {0}};

static const struct ent_field server_sgd_fields[] = {
    NUMBER("rate", SERVER(rate), 0, 100, OPEN_LO, "1",
           "factor of the mean update; 1 = plain averaging"),
    {0}};

static const struct ent_field server_momentum_fields[] = {
    NUMBER("rate", SERVER(rate), 0, 100, OPEN_LO, "1", "factor of the step"),
    NUMBER("momentum", SERVER(momentum), 0, 1, OPEN_HI, "0.9",
           "fraction of the last step that goes on"),
    {0}};

static const struct ent_field server_fedadam_fields[] = {
    NUMBER("rate", SERVER(rate), 0, 100, OPEN_LO, "0.01", "of the step"),
    NUMBER("beta1", SERVER(beta1), 0, 1, OPEN_HI, "0.9", "how long the mean update remembers"),
    NUMBER("beta2", SERVER(beta2), 0, 1, OPEN_HI, "0.99", "how long the mean square remembers"),
    NUMBER("tau", SERVER(tau), 1e-9, 1, CLOSED, "0.001", "the smaller, the more adaptive"),
    {0}};

struct entry {
    const char *name; /* of an optimizer; checked by a test against the lists of common/optim */
    const struct ent_field *fields;
};

static const struct entry local[] = {
    {"sgd", sgd_fields}, {"adam", adam_fields}, {"adamw", adamw_fields}};
static const struct entry server[] = {{"sgd", server_sgd_fields},
                                      {"momentum", server_momentum_fields},
                                      {"fedadam", server_fedadam_fields}};

void ent_plan_print_optimizers(FILE *out)
{
    for (size_t i = 0; i < ENT_ARRAY_LEN(local); i++) {
        (void)fprintf(out, "training.optimizer: %s\n", local[i].name);
        ent_config_print_fields(local[i].fields, "", out);
    }
    for (size_t i = 0; i < ENT_ARRAY_LEN(server); i++) {
        (void)fprintf(out, "aggregation.optimizer: %s\n", server[i].name);
        ent_config_print_fields(server[i].fields, "", out);
    }
}

/* A name with options, or a name alone, out of a list. */
static enum ent_err read_choice(const struct ent_node *node, const struct entry *entries, size_t n,
                                struct ent_arena *arena, void *out, const char **name)
{
    const struct ent_node *value = NULL;
    const char *names[8];

    *name = "sgd";
    if (node != NULL) {
        ENT_TRY(ent_config_one_key(node, "optimizer", name, &value));
    }
    for (size_t i = 0; i < n; i++) {
        names[i] = entries[i].name;
        if (strcmp(*name, names[i]) == 0) {
            *name = names[i];
            return ent_config_take(value, names[i], entries[i].fields, arena, out);
        }
    }
    return ent_config_unknown(node, "optimizer", *name, names, n);
}

static enum ent_err told_at(const struct ent_node *node, enum ent_err err)
{
    char why[256];

    if (err == ENT_E_OK) {
        return ENT_E_OK;
    }
    (void)snprintf(why, sizeof why, "%s", ent_err_message());
    return ent_node_error(node, "%s", why);
}

static enum ent_err read_step(const struct ent_node *value, struct ent_plan *plan)
{
    static const struct ent_field fields[] = {{.key = "every",
                                               .kind = ENT_FIELD_U32,
                                               .required = true,
                                               .offset = offsetof(struct ent_schedule, every),
                                               .lo = 1,
                                               .hi = 100000,
                                               .help = "rounds between two changes"},
                                              {.key = "factor",
                                               .kind = ENT_FIELD_DOUBLE,
                                               .offset = offsetof(struct ent_schedule, factor),
                                               .lo = 0,
                                               .hi = 1,
                                               .bounds = ENT_BOUNDS_OPEN_LO,
                                               .fallback = "0.1",
                                               .help = "of each change"},
                                              {0}};

    return ent_config_take(value, "step", fields, &plan->arena, &plan->schedule);
}

static enum ent_err read_schedule(struct ent_plan_read *read)
{
    static const char *const names[] = {"constant", "cosine",
                                        "step"}; /* by enum ent_schedule_kind */
    struct ent_plan *plan = &read->plan;
    const struct ent_node *value;
    const char *name;

    if (read->schedule == NULL) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_config_one_key(read->schedule, "schedule", &name, &value));
    for (size_t i = 0; i < ENT_ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) != 0) {
            continue;
        }
        plan->schedule.kind = (enum ent_schedule_kind)i;
        if (plan->schedule.kind != ENT_SCHEDULE_STEP) {
            return value == NULL ? ENT_E_OK : ent_node_bad(value, name, "takes no value");
        }
        if (value == NULL) {
            return ent_node_error(read->schedule,
                                  "step needs options: \"step: {every: 10, factor: 0.5}\"");
        }
        return read_step(value, plan);
    }
    return ent_config_unknown(read->schedule, "schedule", name, names, ENT_ARRAY_LEN(names));
}

enum ent_err ent_plan_read_optimizers(struct ent_plan_read *read)
{
    struct ent_plan *plan = &read->plan;
    const char *name;

    ENT_TRY(read_choice(read->optimizer, local, ENT_ARRAY_LEN(local), &plan->arena,
                        &plan->optimizer, &name));
    plan->optimizer.optim = ent_optim_find(name);
    ENT_BUG_ON(plan->optimizer.optim == NULL);
    ENT_TRY(told_at(read->optimizer, plan->optimizer.optim->check(&plan->optimizer.hyper)));
    ENT_TRY(read_choice(read->server, server, ENT_ARRAY_LEN(server), &plan->arena, &plan->server,
                        &name));
    plan->server.optim = ent_server_optim_find(name);
    ENT_BUG_ON(plan->server.optim == NULL);
    ENT_TRY(told_at(read->server, plan->server.optim->check(&plan->server.hyper)));
    return read_schedule(read);
}
