/* Laws that every rule of aggregators.def obeys. */
#include <stdlib.h>
#include <string.h>

#include "common/aggregate/aggregate.h"
#include "common/base/buf.h"
#include "common/base/rng.h"
#include "common/fixed/grid.h"
#include "tests/support/ent_test.h"

#define DIM 37
#define INPUTS 23

static struct ent_agg_config config_of(const struct ent_agg_rule *rule)
{
    return (struct ent_agg_config){
        .dim = DIM,
        .int_bytes = 4,
        .inputs_min = 3,
        .inputs_max = INPUTS,
        .weight_max = (rule->flags & ENT_AGG_NEEDS_EQUAL_WEIGHTS) != 0 ? 1 : 1u << 20,
    };
}

static void inputs_of(uint8_t inputs[INPUTS][4 * DIM], uint32_t *weights, uint32_t weight_max)
{
    struct ent_rng rng = ent_rng_init(11, 0);

    for (size_t k = 0; k < INPUTS; k++) {
        for (size_t i = 0; i < DIM; i++) {
            int32_t q = (int32_t)ent_rng_below(&rng, 2u << 23) - ENT_GRID_Q_MAX;

            ent_grid_store32(&q, 1, inputs[k] + 4 * i);
        }
        weights[k] = 1 + ent_rng_below(&rng, weight_max);
    }
}

/* The order of adding, and how many in a call, do not change a bit. */
ENT_TEST(contract, order_and_grouping_do_not_matter)
{
    for (size_t r = 0; ent_agg_rule_at(r) != NULL; r++) {
        const struct ent_agg_rule *rule = ent_agg_rule_at(r);
        struct ent_agg_config config = config_of(rule);
        static uint8_t inputs[INPUTS][4 * DIM];
        uint32_t weights[INPUTS];
        int64_t first[DIM];
        struct ent_rng rng = ent_rng_init(5, r);

        inputs_of(inputs, weights, config.weight_max);
        for (unsigned turn = 0; turn < 20; turn++) {
            uint32_t order[INPUTS];
            const uint8_t *parts[INPUTS];
            uint32_t w[INPUTS];
            struct ent_agg *agg;
            struct ent_agg_result result;

            for (uint32_t k = 0; k < INPUTS; k++) {
                order[k] = k;
            }
            if (turn > 0) {
                ent_rng_shuffle(&rng, order, INPUTS);
            }
            for (size_t k = 0; k < INPUTS; k++) {
                parts[k] = inputs[order[k]];
                w[k] = weights[order[k]];
            }
            ENT_OK(ent_agg_new(rule->name, &config, &agg));
            for (size_t k = 0; k < INPUTS;) {
                size_t n = 1 + ent_rng_below(&rng, 9);

                n = n < INPUTS - k ? n : INPUTS - k;
                ENT_OK(ent_agg_add_many(agg, parts + k, sizeof inputs[0], w + k, n));
                k += n;
            }
            ENT_OK(ent_agg_finish(agg, &result));
            CU_ASSERT_EQUAL(result.n_inputs, INPUTS);
            if (turn == 0) {
                memcpy(first, result.sum, sizeof first);
            }
            CU_ASSERT_EQUAL(memcmp(first, result.sum, sizeof first), 0);
            ent_agg_free(agg);
        }
    }
}

/* n equal inputs give that input. */
ENT_TEST(contract, equal_inputs_give_that_input)
{
    for (size_t r = 0; ent_agg_rule_at(r) != NULL; r++) {
        const struct ent_agg_rule *rule = ent_agg_rule_at(r);
        struct ent_agg_config config = config_of(rule);
        static uint8_t inputs[INPUTS][4 * DIM];
        uint32_t weights[INPUTS];
        struct ent_agg *agg;
        struct ent_agg_result result;

        inputs_of(inputs, weights, config.weight_max);
        ENT_OK(ent_agg_new(rule->name, &config, &agg));
        for (size_t k = 0; k < INPUTS; k++) {
            ENT_OK(ent_agg_add(agg, inputs[0], sizeof inputs[0], weights[k]));
        }
        ENT_OK(ent_agg_finish(agg, &result));
        for (size_t i = 0; i < DIM; i++) {
            int32_t q = (int32_t)ent_get_le32(inputs[0] + 4 * i);

            CU_ASSERT_EQUAL(result.sum[i], (int64_t)q * (int64_t)result.sum_w);
        }
        ent_agg_free(agg);
    }
}

/* Numbered tampers: each refused with its own code, and the state as before. */
ENT_TEST(contract, refusals)
{
    for (size_t r = 0; ent_agg_rule_at(r) != NULL; r++) {
        const struct ent_agg_rule *rule = ent_agg_rule_at(r);
        struct ent_agg_config config = config_of(rule);
        static uint8_t inputs[INPUTS][4 * DIM];
        static uint8_t bad[4 * DIM];
        uint32_t weights[INPUTS];
        const uint8_t *many[INPUTS];
        struct ent_agg *agg;
        struct ent_agg_result before;
        struct ent_agg_result after;
        int64_t sum[DIM];

        inputs_of(inputs, weights, config.weight_max);
        ENT_OK(ent_agg_new(rule->name, &config, &agg));
        ENT_OK(ent_agg_add(agg, inputs[0], sizeof inputs[0], 1));
        ENT_OK(ent_agg_add(agg, inputs[1], sizeof inputs[0], 1));
        ENT_FAILS(ent_agg_finish(agg, &before), ENT_E_TOO_FEW);
        ENT_OK(ent_agg_add(agg, inputs[2], sizeof inputs[0], 1));
        ENT_OK(ent_agg_finish(agg, &before));
        memcpy(sum, before.sum, sizeof sum);

        ENT_FAILS(ent_agg_add(agg, inputs[3], sizeof inputs[0] - 4, 1), ENT_E_SHAPE);
        ENT_FAILS(ent_agg_add(agg, inputs[3], sizeof inputs[0] - 1, 1), ENT_E_SHAPE);
        ENT_FAILS(ent_agg_add(agg, inputs[3], 0, 1), ENT_E_SHAPE);
        ENT_FAILS(ent_agg_add(agg, inputs[3], sizeof inputs[0], 0), ENT_E_RANGE);
        ENT_FAILS(ent_agg_add(agg, inputs[3], sizeof inputs[0], config.weight_max + 1),
                  ENT_E_RANGE);
        memcpy(bad, inputs[3], sizeof bad);
        ent_grid_store32(&(int32_t){ENT_GRID_Q_MAX + 1}, 1, bad + sizeof bad - 4);
        ENT_FAILS(ent_agg_add(agg, bad, sizeof bad, 1), ENT_E_RANGE);
        for (size_t k = 0; k < INPUTS; k++) {
            many[k] = inputs[k];
            weights[k] = 1;
        }
        ENT_FAILS(ent_agg_add_many(agg, many, sizeof bad, weights, INPUTS - 2), ENT_E_LIMIT);
        many[6] = bad; /* all or none */
        ENT_FAILS(ent_agg_add_many(agg, many, sizeof bad, weights, 8), ENT_E_RANGE);

        ENT_OK(ent_agg_finish(agg, &after));
        CU_ASSERT_EQUAL(memcmp(sum, after.sum, sizeof sum), 0);
        CU_ASSERT(after.n_inputs == 3 && after.sum_w == 3);
        ent_agg_free(agg);
    }
}

ENT_TEST(contract, configs_that_cannot_work)
{
    for (size_t r = 0; ent_agg_rule_at(r) != NULL; r++) {
        const struct ent_agg_rule *rule = ent_agg_rule_at(r);
        const struct ent_agg_config good = config_of(rule);
        struct ent_agg_config c;
        struct ent_agg *agg;

        CU_ASSERT_PTR_EQUAL(ent_agg_rule_find(rule->name), rule);
        CU_ASSERT_PTR_NOT_NULL(rule->summary);
        c = good;
        c.dim = 0;
        ENT_FAILS(ent_agg_new(rule->name, &c, &agg), ENT_E_SHAPE);
        c = good;
        c.int_bytes = 2;
        ENT_FAILS(ent_agg_new(rule->name, &c, &agg), ENT_E_SHAPE);
        c = good;
        c.inputs_min = 0;
        ENT_FAILS(ent_agg_new(rule->name, &c, &agg), ENT_E_SHAPE);
        c = good;
        c.weight_max = 0;
        ENT_FAILS(ent_agg_new(rule->name, &c, &agg), ENT_E_RANGE);
        c = good;
        c.weight_max = 1u << 30;
        c.inputs_max = 1u << 20; /* 24 + 31 + 20 + 1 bits */
        ENT_FAILS(ent_agg_new(rule->name, &c, &agg), ENT_E_LIMIT);
    }
    CU_ASSERT_PTR_NULL(ent_agg_rule_find("nonsense"));
}

/* An elementwise rule run window by window gives what it gives on the whole. */
ENT_TEST(contract, windows)
{
    for (size_t r = 0; ent_agg_rule_at(r) != NULL; r++) {
        const struct ent_agg_rule *rule = ent_agg_rule_at(r);
        struct ent_agg_config config = config_of(rule);
        static uint8_t inputs[INPUTS][4 * DIM];
        uint32_t weights[INPUTS];
        struct ent_agg *whole;
        struct ent_agg *window;
        struct ent_agg_result a;
        struct ent_agg_result b;

        if ((rule->flags & ENT_AGG_GIVES_ELEMENTWISE) == 0) {
            continue;
        }
        inputs_of(inputs, weights, config.weight_max);
        ENT_OK(ent_agg_new(rule->name, &config, &whole));
        config.dim = 10;
        ENT_OK(ent_agg_new(rule->name, &config, &window));
        for (size_t k = 0; k < INPUTS; k++) {
            ENT_OK(ent_agg_add(whole, inputs[k], sizeof inputs[0], weights[k]));
        }
        ENT_OK(ent_agg_finish(whole, &a));
        for (size_t at = 0; at < DIM; at += 10) {
            size_t n = DIM - at < 10 ? DIM - at : 10;

            ENT_OK(ent_agg_reset(window, n));
            for (size_t k = 0; k < INPUTS; k++) {
                ENT_OK(ent_agg_add(window, inputs[k] + 4 * at, 4 * n, weights[k]));
            }
            ENT_OK(ent_agg_finish(window, &b));
            CU_ASSERT(b.dim == n && b.sum_w == a.sum_w);
            CU_ASSERT_EQUAL(memcmp(a.sum + at, b.sum, 8 * n), 0);
        }
        ENT_FAILS(ent_agg_reset(window, 11), ENT_E_SHAPE);
        ent_agg_free(whole);
        ent_agg_free(window);
    }
}

ENT_TEST(fedavg, adds_int64_with_weight_1)
{
    struct ent_agg_config config = {
        .dim = 2, .int_bytes = 8, .inputs_min = 1, .inputs_max = 2000, .weight_max = 1};
    int64_t v[2] = {ENT_GRID_VALUE_MAX, 7};
    uint8_t bytes[16];
    struct ent_agg *agg;
    struct ent_agg_result result;

    ent_grid_store64(v, 2, bytes);
    ENT_OK(ent_agg_new("fedavg", &config, &agg));
    for (int i = 0; i < 2000; i++) { /* the largest cohort, all at the limit */
        ENT_OK(ent_agg_add(agg, bytes, sizeof bytes, 1));
    }
    ENT_OK(ent_agg_finish(agg, &result));
    CU_ASSERT_EQUAL(result.sum[0], 2000 * ENT_GRID_VALUE_MAX);
    CU_ASSERT_EQUAL(result.sum[1], 14000);
    ent_agg_free(agg);
    config.weight_max = 2;
    ENT_FAILS(ent_agg_new("fedavg", &config, &agg), ENT_E_SHAPE);
}

/* Against the definition: sum of w * q in 128 bits would be the same; here in double where it is exact. */
ENT_TEST(fedavg, is_the_weighted_average)
{
    struct ent_agg_config config = {
        .dim = 2, .int_bytes = 4, .inputs_min = 1, .inputs_max = 3, .weight_max = 8};
    static const int32_t q[3][2] = {{100, -8}, {50, 4}, {-25, 1}};
    static const uint32_t w[3] = {1, 2, 8};
    struct ent_agg *agg;
    struct ent_agg_result result;

    ENT_OK(ent_agg_new("fedavg", &config, &agg));
    for (size_t k = 0; k < 3; k++) {
        uint8_t bytes[8];

        ent_grid_store32(q[k], 2, bytes);
        ENT_OK(ent_agg_add(agg, bytes, sizeof bytes, w[k]));
    }
    ENT_OK(ent_agg_finish(agg, &result));
    CU_ASSERT(result.sum[0] == 0 && result.sum[1] == 8 && result.sum_w == 11);
    ent_agg_free(agg);
}
