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
        (void)fprintf(stderr, "expected: %s\nfound:    %s\n", message, ent_err_message());
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
    CU_ASSERT_EQUAL(p->layers[2].kind, ENT_MODEL_DROPOUT);
    CU_ASSERT_EQUAL(p->layers[2].rate, 0.5);
    CU_ASSERT_EQUAL(p->n_params, 9 * 128 + 128 + 128 + 1);
    CU_ASSERT_EQUAL(p->epochs, 2);
    CU_ASSERT_EQUAL(p->batch, 64);
    CU_ASSERT_EQUAL(p->optimizer.hyper.momentum, 0.9);
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
    CU_ASSERT_EQUAL(p->optimizer.hyper.rate, 0.1);
    CU_ASSERT_EQUAL(p->optimizer.hyper.momentum, 0.0);
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
            "plan.yaml:4:23: unknown optimizer 'adamm': did you mean 'adam'?");
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
            "plan.yaml:1:12: category 'a' has no values: the list of its values (or hashed, or "
            "vocabulary)");
    refused("features: [{name: a, type: category, values: [x, y, x]}]\n" LABEL MODEL,
            "plan.yaml:1:53: value 'x' of 'a' stands here a second time");
    refused("features: [{name: a, type: category, values: [\" x\"]}]\n" LABEL MODEL,
            "plan.yaml:1:47: a value of 'a' is blank or has blanks at its ends: members' values "
            "come without them");
    refused("features: [{name: a, type: boolean, range: [0, 1]}]\n" LABEL MODEL,
            "plan.yaml:1:44: range does not belong to a boolean; 'a' is one");
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
    struct ent_task_sizes sizes;
    struct ent_model_layer layers[4];
    struct ent_model_options options;
    struct ent_plan *p;
    size_t n;

    ENT_OK(parse(full, &p));
    sizes = ent_plan_task_sizes(p);
    CU_ASSERT_PTR_EQUAL(sizes.features, p->features);
    CU_ASSERT(sizes.n_features == 4 && sizes.n_params == p->n_params);
    CU_ASSERT(p->features[0].encode == ENT_ENCODE_STANDARD && p->features[0].hi == 95.0);
    CU_ASSERT_EQUAL(p->features[2].codes, ENT_CODES_DECLARED);
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

static char *account_of(const char *yaml)
{
    struct ent_plan *p = NULL;
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    ENT_OK(parse(yaml, &p));
    ent_plan_check_print(p, f);
    CU_ASSERT_EQUAL(fclose(f), 0);
    ent_plan_free(p);
    return text;
}

/* One number: statistics 32 + 8 * 7 bytes, an update 32 + 4 * 2, an evaluation 32 + 8 * 2054. */
ENT_TEST(plan, traffic_counts_the_evaluations_that_are_asked)
{
    char *text = account_of(FEATURES LABEL MODEL "training: {rounds: 10}\n");

    CU_ASSERT_PTR_NOT_NULL(strstr(text, "update 40 B and evaluation 16.5 kB, at the end another"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "in all: sends about 181.6 kB")); /* 11 evaluations */
    free(text);
    text = account_of(FEATURES LABEL MODEL "training: {rounds: 10}\nsplit: {validation: 0}\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "update 40 B, at the end an evaluation 16.5 kB;"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "in all: sends about 17.0 kB"));
    free(text);
    text = account_of(FEATURES LABEL MODEL
                      "training: {rounds: 10}\nsplit: {validation: 0, test: 0}\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "update 40 B; receives"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "in all: sends about 488 B"));
    free(text);
    text = account_of(FEATURES LABEL MODEL
                      "training: {rounds: 10}\nsplit: {validation: 0, test: file}\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "in all: sends about 17.0 kB"));
    free(text);
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

/* ---- what features become ---- */

static const char rich[] =
    "salt: pepper\n"
    "clean: {duplicates: drop}\n"
    "features:\n"
    "  - {name: a, type: number, range: [0, 9], encode: ple, bins: 8, scale: linear, heavy: false, "
    "outliers: drop_row, indicator: true}\n"
    "  - {name: b, type: number, range: [0, 9], encode: log, outliers: missing}\n"
    "  - {name: c, type: category, hashed: {bits: 3}}\n"
    "  - {name: d, type: category, vocabulary: {bits: 6, size: 10, min_customers: 5, min_members: "
    "4}}\n"
    "  - {name: e, type: category, vocabulary: {bits: 6}}\n"
    "  - {name: f, type: date, parts: [hour, age], reference: 1970-01-02, range: [0, 9], encode: "
    "ple}\n" LABEL MODEL;

ENT_TEST(features, every_option)
{
    struct ent_plan *p;
    char text[4096];

    ENT_OK(parse(rich, &p));
    CU_ASSERT_TRUE(p->drop_duplicates);
    CU_ASSERT_EQUAL_FATAL(p->n_features, 7);
    CU_ASSERT(p->features[0].encode == ENT_ENCODE_PLE && p->features[0].bins == 8 &&
              p->features[0].scale == ENT_SCALE_LINEAR && !p->features[0].heavy &&
              p->features[0].outliers == ENT_OUTLIERS_DROP_ROW && p->features[0].n_inputs == 9);
    CU_ASSERT(p->features[1].encode == ENT_ENCODE_LOG && p->features[1].bins == 0 &&
              p->features[1].outliers == ENT_OUTLIERS_MISSING && p->features[1].n_inputs == 1);
    CU_ASSERT(p->features[2].codes == ENT_CODES_HASHED && p->features[2].n_inputs == 9);
    CU_ASSERT(p->features[3].codes == ENT_CODES_VOCABULARY && p->features[3].size == 10 &&
              p->features[3].min_customers == 5 && p->features[3].min_members == 4 &&
              p->features[3].n_inputs == 11);
    CU_ASSERT(p->features[4].size == 64 && p->features[4].min_customers == 50 &&
              p->features[4].min_members == 2);
    CU_ASSERT_STRING_EQUAL(p->features[4].salt, "pepper");
    CU_ASSERT_STRING_EQUAL(p->features[5].name, "f.hour");
    CU_ASSERT_STRING_EQUAL(p->features[5].column, "f");
    CU_ASSERT_EQUAL(p->features[5].n_inputs, 25);
    CU_ASSERT(p->features[6].part == ENT_DATE_AGE && p->features[6].reference == 86400 &&
              p->features[6].bins == 16 && p->features[6].scale == ENT_SCALE_LOG &&
              p->features[6].heavy && p->features[6].n_inputs == 32);
    CU_ASSERT_EQUAL(p->n_inputs, 9 + 1 + 9 + 11 + 65 + 25 + 32);
    for (uint32_t i = 0; i < p->n_features; i++) {
        ENT_OK(ent_feature_check(&p->features[i]));
        ent_feature_text(&p->features[i], text);
        CU_ASSERT(strlen(text) > 5);
    }
    ent_plan_free(p);
}

ENT_TEST(features, options_that_are_wrong)
{
#define ONE(entry_) "features: [{name: a, " entry_ "}]\n" LABEL MODEL
    refused(ONE("type: number, range: [0, 1], values: [x]"),
            "plan.yaml:1:59: values does not belong to a number; 'a' is one");
    refused(ONE("type: number, range: [0, 1], bins: 8"),
            "plan.yaml:1:57: bins belongs to encode: ple, and 'a' has another");
    refused(ONE("type: number, range: [0, 1], encode: ple, bins: 65"),
            "plan.yaml:1:70: bins is '65': must be a whole number from 2 to 64");
    refused(ONE("type: category, hashed: {bits: 4}"),
            "plan.yaml:1:46: 'a' is hashed, and the plan has no salt: any text that is long and "
            "new, as salt: at the top");
    refused("salt: s\n" ONE("type: category, hashed: {bits: 17}"),
            "plan.yaml:2:53: bits is '17': must be a whole number from 1 to 16");
    refused("salt: s\n" ONE("type: category, values: [x], hashed: {bits: 4}"),
            "plan.yaml:2:12: category 'a' has more than one of values, ids, hashed and vocabulary");
    refused("salt: s\n" ONE("type: category, vocabulary: {bits: 4, size: 17}"),
            "plan.yaml:2:50: vocabulary of 'a': its size is more than its 16 buckets");
    refused("salt: s\n" ONE("type: category, vocabulary: {bits: 4, min_members: 1}"),
            "plan.yaml:2:73: min_members is '1': must be a whole number from 2 to 2000");
    refused(ONE("type: date"),
            "plan.yaml:1:12: date 'a' needs parts: a list out of month, weekday, hour, age");
    refused(ONE("type: date, parts: [month], range: [0, 1]"),
            "plan.yaml:1:57: range is of a date's age, and 'a' has no such part");
    refused(ONE("type: date, parts: [age], range: [0, 1]"),
            "plan.yaml:1:12: date 'a' has an age, and no reference: the day it is counted to, as "
            "2024-12-31");
    refused(ONE("type: date, parts: [month, month]"),
            "plan.yaml:1:11: two features are called 'a.month'");
    refused(ONE("type: date, parts: [month], format: \"%Y\""),
            "plan.yaml:1:58: format of 'a' has a letter that is not one of YYYY MM DD hh mm ss (or "
            "T)");
    refused("features: [{name: y, type: date, parts: [hour]}]\n" LABEL MODEL,
            "plan.yaml:2:15: 'y' is the label and a feature: the model would be told the answer");
#undef ONE
}

/* Rounds are statistics, then training and (with validation rows) an evaluation in turn. */
ENT_TEST(plan, training_round_of_a_round)
{
    struct ent_plan plan = {.rounds = 3, .split_validation = 0.1};

    CU_ASSERT_EQUAL(ent_plan_train_round(&plan, 0), 0);
    CU_ASSERT_EQUAL(ent_plan_train_round(&plan, 1), 0);
    for (uint32_t r = 2; r <= 7; r++) {
        CU_ASSERT_EQUAL(ent_plan_train_round(&plan, r), r / 2);
    }
    CU_ASSERT_EQUAL(ent_plan_train_round(&plan, UINT64_MAX), 3);
    plan.split_validation = 0.0;
    CU_ASSERT_EQUAL(ent_plan_train_round(&plan, 2), 1);
    CU_ASSERT_EQUAL(ent_plan_train_round(&plan, 4), 3);
    CU_ASSERT_EQUAL(ent_plan_train_round(&plan, 5), 3);
}

ENT_TEST(plan, patience_and_best_round)
{
    static const char text[] = FEATURES LABEL MODEL "training: {patience: 5, best_by: auc}\n";
    struct ent_plan *p = NULL;

    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)text, sizeof text - 1, &p));
    CU_ASSERT(p->patience == 5 && p->best_by == ENT_BEST_BY_AUC);
    ent_plan_free(p);
    refused(FEATURES LABEL MODEL "split: {validation: 0}\ntraining: {patience: 1}\n",
            "plan.yaml:5:22: patience looks at validation rows, but validation is 0");
}
