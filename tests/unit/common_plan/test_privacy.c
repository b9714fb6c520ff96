/* The plan's privacy: what is read, what is refused, which noise it takes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/plan/plan.h"
#include "tests/support/ent_test.h"

#define FEATURES "features: [{name: age, type: number, range: [18, 95]}]\n"
#define LABEL "label: {name: y, positive: \"yes\"}\n"
#define MODEL "model: {layers: [{dense: 8}, relu, {dense: 1}]}\n"
#define TRAINING "training: {rounds: 20}\n"
#define HEAD FEATURES LABEL MODEL TRAINING
#define CUSTOMER                                                                                   \
    "privacy: {unit: customer, epsilon: 2, delta: 1e-5, clip: 1, rate: 0.05, batch: 50}\n"

static enum ent_err parse(const char *yaml, struct ent_plan **out)
{
    return ent_plan_parse("plan.yaml", (const uint8_t *)yaml, strlen(yaml), out);
}

/* The place, and words of the sentence. */
static void refused(const char *yaml, const char *at, const char *words)
{
    struct ent_plan *plan = NULL;
    const char *message;

    CU_ASSERT_EQUAL(parse(yaml, &plan), ENT_E_CONFIG);
    CU_ASSERT_PTR_NULL(plan);
    message = ent_err_message();
    if (strncmp(message, at, strlen(at)) != 0 || strstr(message, words) == NULL) {
        (void)fprintf(stderr, "expected: %s ... %s\nfound:    %s\n", at, words, message);
        CU_FAIL("another refusal");
    }
    ent_plan_free(plan);
}

ENT_TEST(privacy, is_read)
{
    struct ent_plan *p = NULL;

    ENT_OK(parse(HEAD CUSTOMER, &p));
    CU_ASSERT(p->privacy.unit == ENT_PRIVACY_CUSTOMER && p->privacy.steps == 1);
    CU_ASSERT_EQUAL(p->privacy.rate, 214748365); /* the smallest R with R / 2^32 >= 0.05 */
    CU_ASSERT(p->privacy.batch == 50 && p->min_group == 50);
    CU_ASSERT(p->privacy.scale_bits > 0 && !p->privacy.evaluate_uncovered);
    CU_ASSERT(ent_plan_no_stats(p) && !ent_plan_validates(p) && !ent_plan_tests(p));
    CU_ASSERT_EQUAL(ent_plan_train_round(p, 1), 1);
    CU_ASSERT_EQUAL(ent_plan_train_round(p, 7), 7);
    ent_plan_free(p);

    ENT_OK(parse(HEAD, &p));
    CU_ASSERT_EQUAL(p->privacy.unit, ENT_PRIVACY_NONE);
    CU_ASSERT(p->min_group == 50 && ent_plan_task_sizes(p).min_group == 50);
    CU_ASSERT(!ent_plan_no_stats(p) && ent_plan_validates(p) && ent_plan_tests(p));
    ent_plan_free(p);
}

/* It holds with and without noise, so it has one place. */
ENT_TEST(privacy, the_floor_on_groups_stands_beside_it)
{
    struct ent_plan *p = NULL;

    ENT_OK(parse(HEAD "min_group: 7\n", &p));
    CU_ASSERT_EQUAL(p->min_group, 7);
    ent_plan_free(p);
    refused(HEAD "privacy: {unit: customer, epsilon: 1, delta: 1e-5, clip: 1, min_group: 50}\n",
            "plan.yaml:5:", "min_group stands at the top of the plan");
    refused(HEAD "min_group: 0\n", "plan.yaml:5:12: min_group is '0'", "from 1 to 1000000");
}

ENT_TEST(privacy, uncovered_evaluation_is_asked_for)
{
    struct ent_plan_release list[ENT_PLAN_RELEASES_MAX];
    struct ent_plan *p = NULL;
    uint32_t n;

    ENT_OK(parse(HEAD "privacy: {unit: customer, epsilon: 2, delta: 1e-5, clip: 1, rate: 0.05, "
                      "batch: 50, steps: 3, evaluate: uncovered}\n",
                 &p));
    CU_ASSERT(ent_plan_validates(p) && ent_plan_tests(p) && ent_plan_no_stats(p));
    CU_ASSERT_EQUAL(ent_plan_train_round(p, 3), 2);
    n = ent_plan_releases(p, list);
    CU_ASSERT_EQUAL_FATAL(n, 3);
    CU_ASSERT(list[0].covered && list[0].times == 20);
    CU_ASSERT(!list[1].covered && list[1].times == 20);
    CU_ASSERT(!list[2].covered && list[2].times == 1);
    ent_plan_free(p);
}

ENT_TEST(privacy, refusals)
{
#define P(more_)                                                                                   \
    "privacy: {unit: customer, epsilon: 2, delta: 1e-5, clip: 1, " more_ "rate: 0.05, batch: "     \
    "50}\n"
    refused(HEAD "privacy: {unit: customer, epsilon: 2, delta: 1e-5, rate: 0.05, batch: 50}\n",
            "plan.yaml:5:", "clip");
    refused(HEAD "privacy: {unit: customer, epsilon: 0, delta: 1e-5, clip: 1, rate: 1, batch: 5}\n",
            "plan.yaml:5:36: epsilon", "must be");
    refused(HEAD "privacy: {unit: customer, epsilon: 1, delta: 0.5, clip: 1, rate: 1, batch: 5}\n",
            "plan.yaml:5:46: delta", "must be");
    refused(HEAD "privacy: {unit: customer, epsilon: 1, delta: 1e-5, clip: 1, rate: 1.5, batch: "
                 "5}\n",
            "plan.yaml:5:67: rate", "(0, 1]");
    refused(HEAD "privacy: {unit: customer, epsilon: 1, delta: 1e-5, clip: 1, batch: 5}\n",
            "plan.yaml:5:10: ", "no rate");
    refused(HEAD "privacy: {unit: customer, epsilon: 1, delta: 1e-5, clip: 1, rate: 0.1}\n",
            "plan.yaml:5:10: ", "no batch");
    refused(HEAD "privacy: {unit: shop, epsilon: 1, delta: 1e-5, clip: 1}\n",
            "plan.yaml:5:17: ", "customer");
    refused(HEAD P("scale_bits: 24, "), "plan.yaml:5:73: scale_bits 24", "2^23");
    refused(FEATURES LABEL "model: {layers: [{dense: 8}, {dropout: 0.1}, {dense: 1}]}\n" P(""),
            "plan.yaml:3:17: ", "dropout (layer 2)");
    refused(FEATURES LABEL "model: {ensemble: 4, layers: [{dense: 8}, relu, {dense: 1}]}\n" P(""),
            "plan.yaml:3:19: ", "ensemble");
    refused(
        "features: [{name: age, type: number, range: [18, 95], encode: ple}]\n" LABEL MODEL P(""),
        "plan.yaml:1:12: ", "ple");
    refused(HEAD P("") "aggregation: {weights: examples_log2}\n",
            "plan.yaml:6:24: ", "examples_log2");
    refused(FEATURES LABEL MODEL "training: {epochs: 2}\n" P(""),
            "plan.yaml:4:20: ", "privacy.steps");
    refused(FEATURES LABEL MODEL "training: {batch: 32}\n" P(""),
            "plan.yaml:4:19: ", "privacy.batch");
    refused(FEATURES LABEL MODEL "training: {clip: 2}\n" P(""), "plan.yaml:4:18: ", "privacy.clip");
    refused(HEAD "split: {validation: 0.1}\n" P(""), "plan.yaml:5:21: ", "uncovered");
    refused(HEAD "privacy: {unit: member, epsilon: 1, delta: 1e-5, clip: 1, rate: 0.1}\n",
            "plan.yaml:5:65: rate", "unit customer");
    refused(FEATURES LABEL MODEL "training: {rounds: 0}\n" P(""),
            "plan.yaml:4:20: ", "training.rounds is 0");
    refused(HEAD P("persons: assumed, "), "plan.yaml:5:70: ", "max_members_per_person");
    refused(HEAD P("max_members_per_person: 65, "), "plan.yaml:5:85: ", "64");
    refused(HEAD P("max_members_per_person: 2, persons: guessed, "), "plan.yaml:5:97: ", "assumed");
    refused(HEAD P("statistics: yes, "), "plan.yaml:5:73: ", "uncovered");
    refused(HEAD "split: {validation: 0.1}\n" P("statistics: uncovered, "),
            "plan.yaml:5:21: ", "uncovered");
#undef P
}

ENT_TEST(privacy, refusals_under_unit_member)
{
#define M(more_) "privacy: {unit: member, epsilon: 4, delta: 1e-5" more_ "}\n"
    refused(HEAD M(""), "plan.yaml:5:10: ", "no clip");
    refused(HEAD M(", clip: 1") "aggregation: {weights: examples_log2}\n",
            "plan.yaml:6:24: ", "examples_log2");
    refused(HEAD M(", clip: 1, scale_bits: 12"), "plan.yaml:5:71: ", "aggregation.scale_bits");
    refused(HEAD M(", clip: 1, steps: 2"), "plan.yaml:5:66: ", "one release");
    refused(HEAD M(", clip: 1, batch: 2"), "plan.yaml:5:66: ", "one release");
    refused(FEATURES LABEL MODEL "training: {rounds: 0}\n" M(", clip: 1"),
            "plan.yaml:4:20: ", "training.rounds is 0");
    refused(FEATURES LABEL MODEL "training: {epochs: 0}\n" M(", clip: 1"),
            "plan.yaml:4:20: ", "training.epochs is 0");
    refused(HEAD "split: {validation: 0.2}\n" M(", clip: 1"), "plan.yaml:5:21: ", "uncovered");
    refused("features: [{name: age, type: number, range: [18, 95], encode: ple}]\n" LABEL MODEL M(
                ", clip: 1"),
            "plan.yaml:1:12: ", "ple");
    refused(HEAD M(", clip: 9"), "plan.yaml:5:56: scale_bits 20", "2^23");
#undef M
}

/* Both units, and what brings the rounds back that no noise covers. */
ENT_TEST(privacy, every_combination_of_releases)
{
    static const char *const units[] = {"unit: member", "unit: customer, rate: 0.05, batch: 50"};
    static const char *const statistics[] = {"no", "uncovered"};
    static const char *const evaluates[] = {"no", "uncovered"};

    for (size_t i = 0; i < 8; i++) {
        struct ent_plan_release list[ENT_PLAN_RELEASES_MAX];
        bool stats = (i & 2) != 0;
        bool evaluate = (i & 4) != 0;
        struct ent_plan *p = NULL;
        char yaml[1024];
        uint32_t n;
        uint32_t at = 0;

        (void)snprintf(yaml, sizeof yaml,
                       "features: [{name: age, type: number, range: [18, 95]%s}]\n" LABEL MODEL
                       "training: {rounds: 20}\nprivacy: {%s, epsilon: 2, delta: 1e-5, clip: 1, "
                       "statistics: %s, evaluate: %s}\n",
                       stats ? ", encode: ple" : "", units[i & 1], statistics[stats],
                       evaluates[evaluate]);
        ENT_OK(parse(yaml, &p));
        CU_ASSERT_EQUAL(ent_plan_no_stats(p), !stats);
        CU_ASSERT(ent_plan_validates(p) == evaluate && ent_plan_tests(p) == evaluate);
        CU_ASSERT_EQUAL(ent_plan_train_round(p, 1), stats ? 0 : 1);
        n = ent_plan_releases(p, list);
        CU_ASSERT_EQUAL_FATAL(n, 1 + (stats ? 1 : 0) + (evaluate ? 2 : 0));
        if (stats) {
            CU_ASSERT(!list[0].covered && list[0].times == 1);
            at = 1;
        }
        CU_ASSERT(list[at].covered && list[at].times == 20);
        CU_ASSERT((strstr(list[at].what, "coordinator sees it") != NULL) == ((i & 1) == 0));
        for (at++; at < n; at++) {
            CU_ASSERT_FALSE(list[at].covered);
        }
        ent_plan_free(p);
    }
}

static char *printed(const char *yaml)
{
    struct ent_plan_noise noise;
    struct ent_plan *p = NULL;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    ENT_OK(parse(yaml, &p));
    ENT_OK(ent_plan_privacy_derive(p, &noise));
    ent_plan_noise_print(p, &noise, out);
    ent_plan_releases_print(p, out);
    (void)fclose(out);
    ent_plan_free(p);
    return text;
}

ENT_TEST(privacy, persons_trust_and_grid_are_printed)
{
    static const char *const member[] = {
        "unit member: epsilon",
        "a person in 1 member:",
        "a person in 2 members:",
        "a person in 3 members:",
        "at most 3 members (assumed)",
        "sees every update without it",
        "S 2^20, clip 0.5 = B 524288 steps",
        "unusable with few members: with 3 of them",
        "unit customer is useful with few members",
        "nothing is released that no noise covers",
    };
    char *text = printed(HEAD "privacy: {unit: member, epsilon: 1, delta: 1e-5, clip: 0.5, "
                              "max_members_per_person: 3, persons: assumed}\n");

    for (size_t i = 0; i < ENT_ARRAY_LEN(member); i++) {
        if (strstr(text, member[i]) == NULL) {
            (void)fprintf(stderr, "missing: %s\nin: %s\n", member[i], text);
            CU_FAIL("a line is missing");
        }
    }
    free(text);
    text = printed(HEAD CUSTOMER);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "at most 1 member (without a basis)"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "need not be trusted"));
    free(text);
}

/* In as many members as can be said; a person there has more than in two. */
ENT_TEST(privacy, a_person_in_many_members)
{
    static const char *const units[] = {"unit: member", "unit: customer, rate: 0.05, batch: 50"};

    for (size_t i = 0; i < 2; i++) {
        struct ent_plan_noise noise;
        struct ent_plan *p = NULL;
        char yaml[1024];

        (void)snprintf(yaml, sizeof yaml,
                       HEAD "privacy: {%s, epsilon: 2, delta: 1e-5, clip: 1, "
                            "max_members_per_person: 64, persons: matched}\n",
                       units[i]);
        ENT_OK(parse(yaml, &p));
        CU_ASSERT(p->privacy.members_per_person == 64 && p->privacy.persons_basis == 2);
        ENT_OK(ent_plan_privacy_derive(p, &noise));
        CU_ASSERT(noise.epsilon_declared > noise.epsilon_person[1] &&
                  isfinite(noise.epsilon_declared));
        ent_plan_free(p);
    }
}

/* The place stands in refusals of the noise, too, with what to change. */
ENT_TEST(privacy, a_fine_grid_is_refused_with_the_bits_that_fit)
{
    struct ent_plan_noise noise;
    struct ent_plan *p = NULL;
    const char *message;

    ENT_OK(parse(HEAD "privacy: {unit: member, epsilon: 2, delta: 1e-5, clip: 4}\n"
                      "aggregation: {weights: {fixed: {a: 30, b: 70, c: 10}}, scale_bits: 20}\n",
                 &p));
    ENT_FAILS(ent_plan_privacy_derive(p, &noise), ENT_E_CONFIG);
    message = ent_err_message();
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "plan.yaml:6:68: "));
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "too fine"));
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "6 bits less"));
    ent_plan_free(p);
    ENT_OK(parse(HEAD "privacy: {unit: member, epsilon: 2, delta: 1e-5, clip: 4}\n"
                      "aggregation: {weights: {fixed: {a: 30, b: 70, c: 10}}, scale_bits: 14}\n",
                 &p));
    ENT_OK(ent_plan_privacy_derive(p, &noise));
    ent_plan_free(p);
}

ENT_TEST(privacy, a_purpose_is_a_code)
{
    struct ent_plan *p = NULL;

    ENT_OK(parse(HEAD "purpose: churn_2-b\n", &p));
    CU_ASSERT_STRING_EQUAL(p->purpose, "churn_2-b");
    ent_plan_free(p);
    ENT_OK(parse(HEAD, &p));
    CU_ASSERT_PTR_NULL(p->purpose);
    ent_plan_free(p);
    refused(HEAD "purpose: Churn\n", "plan.yaml:5:10: purpose", "a code");
    refused(HEAD "purpose: \"\"\n", "plan.yaml:5:10: purpose", "empty");
    refused(HEAD "purpose: a b\n", "plan.yaml:5:10: purpose", "a code");
    refused(HEAD "purpose: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
            "plan.yaml:5:10: purpose", "a code");
}

ENT_TEST(privacy, a_member_as_unit_is_read)
{
    struct ent_plan_noise noise;
    struct ent_plan *p = NULL;

    ENT_OK(parse(HEAD "privacy: {unit: member, epsilon: 4, delta: 1e-5, clip: 0.5}\n"
                      "aggregation: {weights: {fixed: {a: 3, b: 7, c: 1}}}\n",
                 &p));
    CU_ASSERT(p->privacy.members_per_person == 1 && p->privacy.persons_basis == 0);
    ENT_OK(ent_plan_privacy_derive(p, &noise));
    /* the largest weight stands in the sensitivity: B = floor(2^20 / 2) */
    CU_ASSERT_EQUAL(noise.d2, 7 * (uint64_t)524288);
    CU_ASSERT(noise.epsilon <= 4.0 && noise.epsilon > 3.9);
    CU_ASSERT(noise.epsilon_person[0] > noise.epsilon);
    CU_ASSERT(noise.epsilon_person[1] > noise.epsilon_person[0]);
    CU_ASSERT_DOUBLE_EQUAL(noise.epsilon_declared, noise.epsilon_person[0], 0.0);
    ent_plan_free(p);
}

ENT_TEST(privacy, the_goal_gives_the_noise)
{
    struct ent_plan_noise noise;
    struct ent_plan_noise back;
    struct ent_plan_noise less;
    struct ent_plan *p = NULL;
    double s;

    ENT_OK(parse(HEAD CUSTOMER, &p));
    ENT_OK(ent_plan_privacy_derive(p, &noise));
    s = ldexp(p->privacy.clip, (int)p->privacy.scale_bits);
    CU_ASSERT_EQUAL(noise.dim, 8 * 2 + 8 + 1);
    CU_ASSERT_EQUAL(noise.steps_total, 20);
    CU_ASSERT_EQUAL(noise.round.steps, 1);
    CU_ASSERT_EQUAL(noise.d2, (uint64_t)s + 5); /* ceil(sqrt(25)) */
    CU_ASSERT(noise.epsilon <= 2.0 && noise.epsilon > 1.98);
    CU_ASSERT(noise.sigma2 >= (uint64_t)1024 * 1024);
    CU_ASSERT(fabs(noise.z * (double)noise.d2 - sqrt((double)noise.sigma2)) < 1e-6 * noise.z * s);
    CU_ASSERT(noise.epsilon_person[0] <= noise.epsilon && noise.epsilon_person[0] >= noise.epsilon);
    CU_ASSERT(noise.epsilon_person[1] > noise.epsilon);
    /* there and back */
    ENT_OK(ent_plan_privacy_of_noise(p, noise.z, &back));
    CU_ASSERT(fabs(back.epsilon - noise.epsilon) < 1e-3);
    /* less epsilon or more rounds: more noise */
    ENT_OK(ent_plan_privacy_goal(p, 1.0, 20, &less));
    CU_ASSERT(less.z > noise.z);
    ENT_OK(ent_plan_privacy_goal(p, 2.0, 200, &less));
    CU_ASSERT(less.z > noise.z && less.steps_total == 200);
    ent_plan_free(p);
}

/* Noise below the safe grid is not given out. */
ENT_TEST(privacy, a_coarse_grid_is_refused)
{
    struct ent_plan_noise noise;
    struct ent_plan *p = NULL;

    ENT_OK(parse(HEAD "privacy: {unit: customer, epsilon: 8, delta: 1e-5, clip: 1, rate: 0.05, "
                      "batch: 50, scale_bits: 6}\n",
                 &p));
    ENT_FAILS(ent_plan_privacy_derive(p, &noise), ENT_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "1024"));
    ent_plan_free(p);

    ENT_OK(parse(HEAD, &p));
    ENT_FAILS(ent_plan_privacy_derive(p, &noise), ENT_E_CONFIG);
    ent_plan_free(p);
}

ENT_TEST(privacy, a_large_model_and_a_small_batch_are_warned_of)
{
    char text[ENT_PLAN_PRIVACY_TEXT_BYTES];
    struct ent_plan_noise noise;
    struct ent_plan *p = NULL;

    ENT_OK(parse(HEAD CUSTOMER, &p));
    ENT_OK(ent_plan_privacy_derive(p, &noise));
    CU_ASSERT_FALSE(ent_plan_noise_warning(p, &noise, text));
    ent_plan_free(p);
    ENT_OK(parse(
        FEATURES LABEL
        "model: {layers: [{dense: 256}, relu, {dense: 256}, relu, {dense: 1}]}\n" TRAINING CUSTOMER,
        &p));
    ENT_OK(ent_plan_privacy_derive(p, &noise));
    CU_ASSERT_TRUE(ent_plan_noise_warning(p, &noise, text));
    ent_plan_free(p);
}
