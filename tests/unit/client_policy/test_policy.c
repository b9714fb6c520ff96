#include <stdlib.h>
#include <string.h>

#include "client/policy/policy.h"
#include "tests/support/ent_test.h"

static const uint8_t known[2][32] = {{1, 2, 3}, {4, 5, 6}};

static struct ent_policy_config policy(void)
{
    return (struct ent_policy_config){.tasks = (1U << ENT_TASK_STATS) | (1U << ENT_TASK_TRAIN),
                                      .min_members = 3,
                                      .min_customers = 10,
                                      .min_group = 50,
                                      .vocabulary_goes = true,
                                      .plans = known,
                                      .n_plans = 2};
}

static struct ent_policy_request request(void)
{
    struct ent_policy_request r = {
        .task = ENT_TASK_TRAIN, .split = ENT_SPLIT_TRAIN, .min_members = 3, .n_invited = 4};

    memcpy(r.plan, known[1], 32);
    return r;
}

static void refused(const struct ent_policy_config *p, const struct ent_policy_request *r,
                    const char *sentence)
{
    ENT_FAILS(ent_policy_check_round(p, r), ENT_E_POLICY);
    CU_ASSERT_STRING_EQUAL(ent_err_message(), sentence);
}

ENT_TEST(policy, what_it_allows)
{
    struct ent_policy_config p = policy();
    struct ent_policy_request r = request();

    ENT_OK(ent_policy_check_round(&p, &r));
    r.task = ENT_TASK_STATS;
    r.split = ENT_SPLIT_NONE;
    ENT_OK(ent_policy_check_round(&p, &r));
    p.any_plan = true;
    p.n_plans = 0;
    r.plan[0] = 99;
    ENT_OK(ent_policy_check_round(&p, &r));
}

ENT_TEST(policy, what_it_refuses_and_says)
{
    struct ent_policy_config p = policy();
    struct ent_policy_request r = request();

    r.plan[31] = 1;
    refused(&p, &r, "plan 0405060000000000... is not one of the 2 plans that policy.plans lists");
    ENT_FAILS(ent_policy_check_plan(&p, r.plan), ENT_E_POLICY);
    r = request();
    r.task = ENT_TASK_EVALUATE;
    refused(&p, &r, "policy.tasks does not list evaluate");
    r.task = (enum ent_task_kind)40; /* what a peer may send */
    refused(&p, &r, "task 40 is not known to this client");
    r = request();
    r.split = ENT_SPLIT_TEST;
    refused(&p, &r, "a training round asks for rows that are not training rows");
    r = request();
    r.min_members = 2;
    refused(&p, &r, "the round may be released with 2 members, policy.min_members is 3");
    r = request();
    r.n_invited = 2;
    refused(&p, &r, "the round has 2 members, policy.min_members is 3");
}

/* What leaves says which part it is, and nothing of how many. */
ENT_TEST(policy, few_customers)
{
    struct ent_policy_config p = policy();

    ENT_OK(ent_policy_check_customers(&p, ENT_SPLIT_TRAIN, 10));
    ENT_OK(ent_policy_check_customers(&p, ENT_SPLIT_TEST, 0));
    ENT_FAILS(ent_policy_check_customers(&p, ENT_SPLIT_NONE, 9), ENT_E_POLICY);
    CU_ASSERT_STRING_EQUAL(
        ent_err_message(),
        "the training rows are of fewer customers than this member's policy.min_customers");
    ENT_FAILS(ent_policy_check_customers(&p, ENT_SPLIT_VALIDATION, 1), ENT_E_POLICY);
    CU_ASSERT_EQUAL(strpbrk(ent_err_message(), "0123456789"), NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "the validation rows"));
    ENT_FAILS(ent_policy_check_customers(&p, ENT_SPLIT_TEST, 9), ENT_E_POLICY);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "the test rows"));
    p.min_customers = 1;
    ENT_OK(ent_policy_check_customers(&p, ENT_SPLIT_TEST, 1));
}

ENT_TEST(policy, vocabularies)
{
    struct ent_policy_config p = policy();

    ENT_OK(ent_policy_check_vocabulary(&p, true));
    p.vocabulary_goes = false;
    ENT_OK(ent_policy_check_vocabulary(&p, false));
    ENT_FAILS(ent_policy_check_vocabulary(&p, true), ENT_E_POLICY);
    CU_ASSERT_STRING_EQUAL(ent_err_message(),
                           "the plan has a vocabulary, and policy.vocabulary is stay");
}

/* The plan may ask for more than the policy, and the policy for more than the plan. */
ENT_TEST(policy, the_larger_floor_holds)
{
    struct ent_policy_config p = policy();
    struct ent_plan plan = {.min_group = 1};

    CU_ASSERT_EQUAL(ent_policy_floor(&p, &plan), 50);
    plan.min_group = 80;
    CU_ASSERT_EQUAL(ent_policy_floor(&p, &plan), 80);
    p.min_group = 100;
    CU_ASSERT_EQUAL(ent_policy_floor(&p, &plan), 100);
}

ENT_TEST(policy, printed)
{
    struct ent_policy_config p = policy();
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    ent_policy_print(&p, f);
    p.tasks = 0;
    p.any_plan = true;
    p.any_purpose = true;
    p.min_customers = 1;
    p.vocabulary_goes = false;
    ent_policy_print(&p, f);
    CU_ASSERT_EQUAL(fclose(f), 0);
    CU_ASSERT_STRING_EQUAL(
        text, "takes part in stats, train; at least 3 members; at least 10 customers in a "
              "part, sums of at least 50; 2 plans by digest; no purpose\n"
              "takes part in nothing; at least 3 members; at least 1 customer in a "
              "part, sums of at least 50; any plan; any purpose; no vocabulary\n");
    free(text);
}

ENT_TEST(policy, purposes)
{
    static const char *const codes[] = {"churn", "fraud"};
    struct ent_policy_config p = policy();

    p.any_purpose = true;
    ENT_OK(ent_policy_check_purpose(&p, NULL));
    ENT_OK(ent_policy_check_purpose(&p, "anything"));
    p.any_purpose = false;
    p.purposes = (struct ent_strings){codes, 2};
    ENT_OK(ent_policy_check_purpose(&p, "churn"));
    ENT_OK(ent_policy_check_purpose(&p, "fraud"));
    ENT_FAILS(ent_policy_check_purpose(&p, "churns"), ENT_E_POLICY);
    CU_ASSERT_STRING_EQUAL(ent_err_message(),
                           "the plan's purpose is churns, which policy.purposes does not list");
    ENT_FAILS(ent_policy_check_purpose(&p, NULL), ENT_E_POLICY);
    p.purposes.n = 0;
    ENT_FAILS(ent_policy_check_purpose(&p, "churn"), ENT_E_POLICY);
}

/* What check prints of limits, purposes and figures. */
ENT_TEST(policy, limits_are_printed)
{
    static const char *const codes[] = {"churn", "fraud"};
    static const char *const figures[] = {"auc"};
    struct ent_policy_config p = policy();
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    p.purposes = (struct ent_strings){codes, 2};
    p.epsilon_run = 2;
    p.delta = 1e-5;
    p.own_figures_go = true;
    ent_policy_print(&p, f);
    p.epsilon_life = 8;
    p.noise_of_coordinator = true;
    p.uncovered_goes = true;
    p.own_figures = (struct ent_strings){figures, 1};
    ent_policy_print(&p, f);
    CU_ASSERT_EQUAL(fclose(f), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(
        text, "; for churn, fraud; epsilon 2 a run (delta 1e-05; noise of its own; what no noise "
              "covers stays); its own test figures go\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(
        text, "; epsilon 2 a run; epsilon 8 in all runs (delta 1e-05; noise of its own or the "
              "coordinator's; what no noise covers goes); of its own test figures go auc\n"));
    free(text);
}

ENT_TEST(policy, figures_that_go)
{
    static const char *const figures[] = {"auc", "rows"};
    struct ent_policy_config p = policy();

    CU_ASSERT_FALSE(ent_policy_figure_goes(&p, "auc"));
    p.own_figures_go = true;
    CU_ASSERT_TRUE(ent_policy_figure_goes(&p, "brier"));
    p.own_figures = (struct ent_strings){figures, 2};
    CU_ASSERT_TRUE(ent_policy_figure_goes(&p, "rows"));
    CU_ASSERT_FALSE(ent_policy_figure_goes(&p, "brier"));
}
