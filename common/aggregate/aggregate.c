#include "common/aggregate/aggregate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/aggregate/rules.h"
#include "common/base/mem.h"
#include "common/fixed/grid.h"
#include "common/fixed/weight.h"

struct ent_agg {
    const struct ent_agg_rule *rule;
    struct ent_agg_config config;
    size_t dim; /* of the current window */
    uint64_t sum_w;
    uint32_t n_inputs;
    void *state;
};

static const struct ent_agg_rule *const rules[] = {
#define ENT_PLUGIN(name_) &ent_agg_rule_##name_,
#include "common/aggregate/aggregators.def"
#undef ENT_PLUGIN
};

const struct ent_agg_rule *ent_agg_rule_at(size_t i)
{
    return i < ENT_ARRAY_LEN(rules) ? rules[i] : NULL;
}

const struct ent_agg_rule *ent_agg_rule_find(const char *name)
{
    for (size_t i = 0; i < ENT_ARRAY_LEN(rules); i++) {
        if (strcmp(rules[i]->name, name) == 0) {
            return rules[i];
        }
    }
    return NULL;
}

static enum ent_err check_config(const struct ent_agg_config *c)
{
    uint64_t value_max =
        c->int_bytes == 4 ? (uint64_t)ENT_GRID_Q_MAX : (uint64_t)ENT_GRID_VALUE_MAX;

    ENT_REQUIRE(c->int_bytes == 4 || c->int_bytes == 8, ENT_E_SHAPE,
                "integers of %" PRIu32 " bytes; 4 or 8 are known", c->int_bytes);
    ENT_REQUIRE(c->dim > 0, ENT_E_SHAPE, "an update without integers");
    ENT_REQUIRE(c->inputs_min >= 1 && c->inputs_min <= c->inputs_max, ENT_E_SHAPE,
                "%" PRIu32 " to %" PRIu32 " members", c->inputs_min, c->inputs_max);
    ENT_TRY(ent_weight_check(c->weight_max));
    ENT_REQUIRE(c->int_bytes == 4 || c->weight_max == 1, ENT_E_SHAPE,
                "statistics and histograms are added with weight 1");
    return ent_grid_check_bound(value_max, c->weight_max, c->inputs_max);
}

enum ent_err ent_agg_new(const char *rule, const struct ent_agg_config *config,
                         struct ent_agg **out)
{
    const struct ent_agg_rule *found = ent_agg_rule_find(rule);
    struct ent_agg *agg;
    enum ent_err err;

    ENT_REQUIRE(found != NULL, ENT_E_UNSUPPORTED, "aggregation rule \"%s\" is not in this build",
                rule);
    ENT_TRY(check_config(config));
    ENT_TRY(ent_calloc(1, sizeof *agg, &agg));
    agg->rule = found;
    agg->config = *config;
    agg->dim = config->dim;
    err = found->begin(config, &agg->state);
    if (err != ENT_E_OK) {
        free(agg);
        return err;
    }
    *out = agg;
    return ENT_E_OK;
}

void ent_agg_free(struct ent_agg *agg)
{
    if (agg != NULL) {
        agg->rule->free(agg->state);
        free(agg);
    }
}

enum ent_err ent_agg_reset(struct ent_agg *agg, size_t dim)
{
    ENT_REQUIRE(dim > 0 && dim <= agg->config.dim, ENT_E_SHAPE,
                "a window of %zu integers; there is room for %zu", dim, agg->config.dim);
    ENT_REQUIRE(dim == agg->config.dim || (agg->rule->flags & ENT_AGG_GIVES_ELEMENTWISE) != 0,
                ENT_E_UNSUPPORTED, "%s needs whole updates", agg->rule->name);
    agg->dim = dim;
    agg->sum_w = 0;
    agg->n_inputs = 0;
    agg->rule->reset(agg->state, dim);
    return ENT_E_OK;
}

static enum ent_err check_input(const struct ent_agg *agg, const uint8_t *update, size_t len_bytes,
                                uint32_t weight)
{
    ENT_REQUIRE(
        len_bytes % agg->config.int_bytes == 0 && len_bytes / agg->config.int_bytes == agg->dim,
        ENT_E_SHAPE, "an update of %zu bytes; %zu integers of %" PRIu32 " bytes are expected",
        len_bytes, agg->dim, agg->config.int_bytes);
    ENT_REQUIRE(weight >= 1 && weight <= agg->config.weight_max, ENT_E_RANGE,
                "weight %" PRIu32 " is outside 1..%" PRIu32, weight, agg->config.weight_max);
    return agg->config.int_bytes == 4 ? ent_grid_check32(update, agg->dim)
                                      : ent_grid_check64(update, agg->dim);
}

enum ent_err ent_agg_add_many(struct ent_agg *agg, const uint8_t *const *updates, size_t len_bytes,
                              const uint32_t *weights, size_t n)
{
    ENT_REQUIRE(n <= agg->config.inputs_max - agg->n_inputs, ENT_E_LIMIT,
                "more than %" PRIu32 " updates", agg->config.inputs_max);
    for (size_t i = 0; i < n; i++) {
        ENT_TRY(check_input(agg, updates[i], len_bytes, weights[i]));
    }
    for (size_t i = 0; i < n; i += ENT_GRID_MANY) {
        size_t k = n - i < ENT_GRID_MANY ? n - i : ENT_GRID_MANY;

        agg->rule->add(agg->state, updates + i, weights + i, k, agg->dim);
    }
    for (size_t i = 0; i < n; i++) {
        agg->sum_w += weights[i];
    }
    agg->n_inputs += (uint32_t)n;
    return ENT_E_OK;
}

enum ent_err ent_agg_add(struct ent_agg *agg, const uint8_t *update, size_t len_bytes,
                         uint32_t weight)
{
    return ent_agg_add_many(agg, &update, len_bytes, &weight, 1);
}

enum ent_err ent_agg_finish(struct ent_agg *agg, struct ent_agg_result *out)
{
    const int64_t *sum = NULL;

    ENT_REQUIRE(agg->n_inputs >= agg->config.inputs_min, ENT_E_TOO_FEW,
                "%" PRIu32 " updates; at least %" PRIu32 " are needed", agg->n_inputs,
                agg->config.inputs_min);
    ENT_TRY(agg->rule->finish(agg->state, agg->dim, &sum));
    *out = (struct ent_agg_result){
        .sum = sum, .dim = agg->dim, .sum_w = agg->sum_w, .n_inputs = agg->n_inputs};
    return ENT_E_OK;
}
