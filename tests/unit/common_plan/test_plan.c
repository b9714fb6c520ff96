#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/sha256.h"
#include "common/plan/plan.h"
#include "tests/support/ent_test.h"

#define FEATURES "features: [{name: age, type: number, range: [18, 95]}]\n"
#define LABEL "label: {name: y, positive: \"yes\"}\n"
#define MODEL "model: {layers: [{dense: 1}]}\n"

static const char full[] =
    "features:\n"
    "  - {name: age, type: number, range: [18, 95]}\n"
    "  - {name: balance, type: number, range: [-1e3, 2.5e4], indicator: true}\n"
    "  - {name: job, type: category, values: [admin., blue-collar, \"no\"]}\n"
    "  - {name: loan, type: boolean}\n"
    "label: {name: y, positive: \"yes\"}\n"
    "split: {key: 42, validation: 0.1, test: 0.2}\n"
    "model:\n"
    "  layers:\n"
    "    - dense: 128\n"
    "    - relu\n"
    "    - dropout: 0.5\n"
    "    - dense: 1\n"
    "  loss: bce\n"
    "training: {rounds: 40, epochs: 2, batch: 64, optimizer: {sgd: {rate: 0.1, momentum: 0.9, "
    "keep_state: yes}}, "
    "seed: 7}\n"
    "aggregation: {rule: fedavg, weights: {fixed: {brand-a: 3, brand-b: 1}}, scale_bits: 18, "
    "min_members: 2, "
    "join: 30s, update: 10min, attempts: 5}\n";

static enum ent_err parse(const char *yaml, struct ent_plan **out)
{
    return ent_plan_parse("plan.yaml", (const uint8_t *)yaml, strlen(yaml), out);
}

static void refused(const char *yaml, const char *message)
{
    struct ent_plan *plan = NULL;

    CU_ASSERT_EQUAL(parse(yaml, &plan), ENT_E_CONFIG);
    CU_ASSERT_PTR_NULL(plan);
    if (strcmp(ent_err_message(), message) != 0) {
        fprintf(stderr, "expected: %s\nfound:    %s\n", message, ent_err_message());
    }
    CU_ASSERT_STRING_EQUAL(ent_err_message(), message);
}

ENT_TEST(plan, everything_is_read)
{
    struct ent_plan *p;
    uint8_t digest[32];

    ENT_OK(parse(full, &p));
    CU_ASSERT_EQUAL(p->n_features, 4);
    CU_ASSERT_EQUAL(p->n_inputs, 1 + 2 + 4 + 2);
    CU_ASSERT_EQUAL(p->features[0].first_input, 0);
    CU_ASSERT_EQUAL(p->features[1].first_input, 1);
    CU_ASSERT_EQUAL(p->features[1].lo, -1000.0);
    CU_ASSERT_TRUE(p->features[1].indicator);
    CU_ASSERT_EQUAL(p->features[2].first_input, 3);
    CU_ASSERT_EQUAL(p->features[2].n_values, 3);
    CU_ASSERT_STRING_EQUAL(p->features[2].values[2], "no");
    CU_ASSERT_EQUAL(p->features[3].first_input, 7);
    CU_ASSERT_EQUAL(p->features[3].type, ENT_FEATURE_BOOLEAN);
    CU_ASSERT_STRING_EQUAL(p->label_positive, "yes");
    CU_ASSERT_EQUAL(p->split_key, 42);
    CU_ASSERT_EQUAL(p->split_test, 0.2);
    CU_ASSERT_EQUAL(p->n_layers, 4);
    CU_ASSERT_EQUAL(p->layers[2].kind, ENT_LAYER_DROPOUT);
    CU_ASSERT_EQUAL(p->layers[2].rate, 0.5);
    CU_ASSERT_EQUAL(p->n_params, 9 * 128 + 128 + 128 + 1);
    CU_ASSERT_EQUAL(p->epochs, 2);
    CU_ASSERT_EQUAL(p->batch, 64);
    CU_ASSERT_EQUAL(p->optimizer.momentum, 0.9);
    CU_ASSERT_TRUE(p->optimizer.keep_state);
    CU_ASSERT_EQUAL(p->seed, 7);
    CU_ASSERT_STRING_EQUAL(p->rule, "fedavg");
    CU_ASSERT_EQUAL(p->weights, ENT_WEIGHTS_FIXED);
    CU_ASSERT_EQUAL(ent_plan_fixed_weight(p, "brand-a"), 3);
    CU_ASSERT_EQUAL(ent_plan_fixed_weight(p, "brand-z"), 0);
    CU_ASSERT_EQUAL(p->scale_bits, 18);
    CU_ASSERT_EQUAL(p->join_ms, 30000);
    CU_ASSERT_EQUAL(p->update_ms, 600000);
    CU_ASSERT_EQUAL(p->attempts, 5);
    ENT_OK(ent_sha256(full, strlen(full), digest));
    CU_ASSERT_EQUAL(memcmp(digest, p->digest, 32), 0);
    ent_plan_free(p);
}

ENT_TEST(plan, defaults)
{
    struct ent_plan *p;

    ENT_OK(parse(FEATURES LABEL MODEL, &p));
    CU_ASSERT_EQUAL(p->split_key, 1);
    CU_ASSERT_EQUAL(p->split_validation, 0.1);
    CU_ASSERT_EQUAL(p->split_test, 0.2);
    CU_ASSERT_FALSE(p->split_test_file);
    CU_ASSERT_EQUAL(p->rounds, 40);
    CU_ASSERT_EQUAL(p->batch, 32);
    CU_ASSERT_EQUAL(p->optimizer.rate, 0.1);
    CU_ASSERT_EQUAL(p->optimizer.momentum, 0.0);
    CU_ASSERT_EQUAL(p->weights, ENT_WEIGHTS_EQUAL);
    CU_ASSERT_EQUAL(p->scale_bits, 20);
    CU_ASSERT_EQUAL(p->min_members, 3);
    CU_ASSERT_EQUAL(p->attempts, 3);
    CU_ASSERT_EQUAL(p->join_ms, 30000);
    ent_plan_free(p);
    ENT_OK(parse(FEATURES LABEL MODEL "split: {test: file}\ntraining: {batch: full}\n"
                                      "aggregation: {weights: examples_log2}\n",
                 &p));
    CU_ASSERT_TRUE(p->split_test_file);
    CU_ASSERT_EQUAL(p->split_test, 0.0);
    CU_ASSERT_EQUAL(p->batch, 0);
    CU_ASSERT_EQUAL(p->weights, ENT_WEIGHTS_EXAMPLES_LOG2);
    ent_plan_free(p);
}

ENT_TEST(plan, values_that_are_wrong)
{
    refused(LABEL MODEL,
            "plan.yaml:1:1: the plan has no 'features': list of input columns, see below");
    refused(FEATURES LABEL, "plan.yaml:1:1: the plan has no 'model': the network");
    refused(FEATURES LABEL MODEL "trainin: {}\n",
            "plan.yaml:4:1: unknown key in the plan 'trainin': did you mean 'training'?");
    refused(FEATURES LABEL "model: {layers: [{densee: 1}]}\n",
            "plan.yaml:3:18: unknown layer 'densee': did you mean 'dense'?");
    refused(FEATURES LABEL "model: {layers: [{dense: 8}, relu]}\n",
            "plan.yaml:3:30: the last layer must be \"dense: 1\" for loss bce");
    refused(FEATURES LABEL "model: {layers: [{dense: 0}]}\n",
            "plan.yaml:3:26: dense is '0': must be a whole number from 1 to 65536");
    refused(FEATURES LABEL "model: {layers: [dense]}\n",
            "plan.yaml:3:18: dense needs a value: \"dense: UNITS\"");
    refused(FEATURES LABEL "model: {layers: [{dropout: 1}, {dense: 1}]}\n",
            "plan.yaml:3:28: dropout is '1': must be a number in [0, 1)");
    refused(FEATURES LABEL MODEL "training: {optimizer: {sgd: {rate: abc}}}\n",
            "plan.yaml:4:36: rate is 'abc': must be a number in (0, 10]");
    refused(FEATURES LABEL MODEL "training: {optimizer: adamm}\n",
            "plan.yaml:4:23: unknown optimizer 'adamm'; known are: sgd");
    refused(FEATURES LABEL MODEL "training: {batch: 0}\n",
            "plan.yaml:4:19: batch is '0': must be a whole number from 1 to 1000000");
    refused(FEATURES LABEL MODEL "split: {test: fil}\n",
            "plan.yaml:4:15: test is 'fil': must be a number in [0, 0.9], or file");
    refused(FEATURES LABEL MODEL "aggregation: {weights: fixed}\n",
            "plan.yaml:4:24: fixed must be a map of members and weights: {brand-a: 3, brand-b: 1}");
    refused(FEATURES LABEL MODEL "aggregation: {min_members: 1}\n",
            "plan.yaml:4:28: min_members is '1': must be a whole number from 2 to 2000");
    refused(FEATURES LABEL MODEL "aggregation: {rule: fedavgg}\n",
            "plan.yaml:4:21: unknown rule 'fedavgg': did you mean 'fedavg'?");
    refused(FEATURES LABEL MODEL "aggregation: {scale_bits: 31}\n",
            "plan.yaml:4:27: scale_bits is '31': must be a whole number from 4 to 30");
}

ENT_TEST(plan, features_that_are_wrong)
{
    refused("features: []\n" LABEL MODEL,
            "plan.yaml:1:11: features is a list: must be a list of 1 to 4096 features");
    refused("features: [{name: a, type: numbr}]\n" LABEL MODEL,
            "plan.yaml:1:28: unknown type 'numbr': did you mean 'number'?");
    refused("features: [{name: a, type: number}]\n" LABEL MODEL,
            "plan.yaml:1:12: number 'a' has no range: [LO, HI], the values it may have");
    refused("features: [{name: a, type: number, range: [15]}]\n" LABEL MODEL,
            "plan.yaml:1:43: range of 'a' has 1 number, needs two: [LO, HI]");
    refused("features: [{name: a, type: number, range: [5, 5]}]\n" LABEL MODEL,
            "plan.yaml:1:43: range of 'a': 5 is not below 5");
    refused("features: [{name: a, type: number, range: [1, x]}]\n" LABEL MODEL,
            "plan.yaml:1:47: range is 'x': each end must be a number between -1e30 and 1e30");
    refused("features: [{name: a, type: category}]\n" LABEL MODEL,
            "plan.yaml:1:12: category 'a' has no values: the list of its values");
    refused("features: [{name: a, type: category, values: [x, y, x]}]\n" LABEL MODEL,
            "plan.yaml:1:53: value 'x' of 'a' stands here a second time");
    refused("features: [{name: a, type: category, values: [\" x\"]}]\n" LABEL MODEL,
            "plan.yaml:1:47: a value of 'a' is blank or has blanks at its ends: members' values "
            "come without them");
    refused("features: [{name: a, type: boolean, range: [0, 1]}]\n" LABEL MODEL,
            "plan.yaml:1:12: boolean 'a' takes no range, values or indicator");
    refused("features: [{name: a, type: boolean}, {name: a, type: boolean}]\n" LABEL MODEL,
            "plan.yaml:1:38: feature 'a' stands here a second time");
}

ENT_TEST(plan, pairs_that_make_no_sense)
{
    refused("features: [{name: y, type: boolean}]\n" LABEL MODEL,
            "plan.yaml:2:15: 'y' is the label and a feature: the model would be told the answer");
    refused(FEATURES LABEL MODEL "split: {validation: 0.3, test: 0.7}\n",
            "plan.yaml:4:21: validation and test together are 1: no rows are left for training");
    refused(FEATURES LABEL MODEL "training: {optimizer: {sgd: {keep_state: true}}}\n",
            "plan.yaml:4:23: keep_state keeps the momentum between rounds, but momentum is 0");
    refused(FEATURES LABEL MODEL "aggregation: {weights: {fixed: {a: 1}}}\n",
            "plan.yaml:4:24: fixed weights name 1 members, but min_members is 3");
}

ENT_TEST(plan, what_others_derive_from_it)
{
    struct ent_stat_column columns[4];
    struct ent_model_layer layers[4];
    struct ent_model_options options;
    struct ent_plan *p;
    size_t n;

    ENT_OK(parse(full, &p));
    ent_plan_stat_columns(p, columns);
    CU_ASSERT_EQUAL(columns[0].kind, ENT_STAT_NUMBER);
    CU_ASSERT_EQUAL(columns[0].hi, 95.0);
    CU_ASSERT_EQUAL(columns[2].kind, ENT_STAT_CATEGORY);
    CU_ASSERT_EQUAL(columns[2].n_values, 3);
    CU_ASSERT_EQUAL(columns[3].kind, ENT_STAT_BOOLEAN);
    ent_plan_model_options(p, 32, layers, &options);
    CU_ASSERT_EQUAL(options.n_inputs, 9);
    CU_ASSERT_EQUAL(layers[0].units, 128);
    ENT_OK(ent_model_count(&options, &n));
    CU_ASSERT_EQUAL(n, ent_plan_n_params(p));
    ent_plan_free(p);
}

ENT_TEST(plan, the_account_for_plan_check)
{
    struct ent_plan *p;
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    ENT_OK(parse(full, &p));
    ent_plan_check_print(p, f);
    ent_plan_print_fields(f);
    CU_ASSERT_EQUAL(fclose(f), 0);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(text, "4: 2 numbers, 1 categories, 1 booleans -> 9 model inputs"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(text, "9 > dense 128 > relu > dropout 0.5 > dense 1: 1409 parameters"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "each round update 5668 B"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "training.rounds"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "a list of two numbers"));
    CU_ASSERT_PTR_NULL(strstr(text, "a map or a list")); /* each key says which */
    free(text);
    ent_plan_free(p);
}

ENT_TEST(plan, too_large_is_refused)
{
    struct ent_plan *p = NULL;
    char *text = malloc(ENT_PLAN_MAX_BYTES + 2);

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    memset(text, '#', ENT_PLAN_MAX_BYTES + 1);
    text[ENT_PLAN_MAX_BYTES + 1] = '\0';
    CU_ASSERT_EQUAL(parse(text, &p), ENT_E_CONFIG);
    free(text);
    refused(FEATURES LABEL "model: {layers: [{dense: 65536}, {dense: 65536}, {dense: 1}]}\n",
            "plan.yaml:3:17: 4295229441 parameters are too many (at most 100000000)");
}
