/* A plan's split can be chosen so that a part is of one customer: the member's own floor stands against that. */
#include <stdlib.h>
#include <string.h>

#include "client/agent/pipeline.h"
#include "client/agent/verbs.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/support.h"

#define CLIENT                                                                                     \
    "coordinator: localhost:7443\n"                                                                \
    "data: {source: csv, path: data.csv, bad_rows: drop}\n"                                        \
    "unit_key: id\n"                                                                               \
    "policy: {min_members: 3, min_group: 1, "

/* Rows of one customer, who falls into the training rows. */
static const char one[] = "age,income,job,loan,y,id\n"
                          "30,100,a,yes,yes,k1\n"
                          "40,200,b,no,no,k1\n"
                          "50,300,b,no,no,k1\n";

/* Of two, both in the training rows. */
static const char two[] = "age,income,job,loan,y,id\n"
                          "30,100,a,yes,yes,k1\n"
                          "40,200,b,no,no,k2\n";

static const char vocabulary[] =
    "salt: 6c1f0e2b9d\n"
    "features:\n"
    "  - {name: age, type: number, range: [0, 100]}\n"
    "  - {name: job, type: category, vocabulary: {bits: 6, size: 4, min_customers: 3, "
    "min_members: 2}}\n"
    "min_group: 1\n"
    "label: {name: y, positive: \"yes\"}\n"
    "split: {key: 1, validation: 0.2, test: 0.2}\n"
    "model: {layers: [{dense: 1}], loss: bce}\n"
    "training: {rounds: 3, epochs: 2, batch: 16, optimizer: {sgd: {rate: 0.1}}, seed: 7}\n";

static struct ent_plan *plan_of(const char *text)
{
    struct ent_plan *plan = NULL;

    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)text, strlen(text), &plan));
    return plan;
}

struct loaded {
    struct ent_client_config *config;
    struct ent_pipeline *pipeline;
};

static struct loaded load(const char *client, const char *plan, const char *csv)
{
    const char *dir = ent_test_tmpdir();
    struct loaded l = {0};

    (void)support_file(dir, "data.csv", csv, strlen(csv));
    ENT_OK(ent_client_config_parse("client.yaml", dir, (const uint8_t *)client, strlen(client),
                                   &l.config));
    ENT_OK(ent_pipeline_new(l.config, "a", &l.pipeline));
    ent_pipeline_use_take(l.pipeline, plan_of(plan));
    ENT_OK(ent_pipeline_load(l.pipeline));
    return l;
}

static void drop(struct loaded *l)
{
    ent_pipeline_free(l->pipeline);
    ent_client_config_free(l->config);
}

ENT_TEST(floors, rows_of_one_customer_are_one)
{
    struct loaded l = load(CLIENT "min_customers: 2}\n", support_plan_text(), one);

    CU_ASSERT_EQUAL_FATAL(ent_pipeline_rows(l.pipeline, ENT_SPLIT_TRAIN), 3);
    ENT_FAILS(ent_pipeline_ask_policy(l.pipeline, ENT_TASK_STATS, ENT_SPLIT_NONE), ENT_E_POLICY);
    ENT_FAILS(ent_pipeline_ask_policy(l.pipeline, ENT_TASK_TRAIN, ENT_SPLIT_TRAIN), ENT_E_POLICY);
    ENT_FAILS(ent_pipeline_ask_policy(l.pipeline, ENT_TASK_EVALUATE, ENT_SPLIT_TRAIN),
              ENT_E_POLICY);
    /* a part without rows says no more than that */
    ENT_OK(ent_pipeline_ask_policy(l.pipeline, ENT_TASK_EVALUATE, ENT_SPLIT_VALIDATION));
    drop(&l);
    l = load(CLIENT "min_customers: 1}\n", support_plan_text(), one);
    ENT_OK(ent_pipeline_ask_policy(l.pipeline, ENT_TASK_STATS, ENT_SPLIT_NONE));
    drop(&l);
}

ENT_TEST(floors, a_vocabulary_stays)
{
    char *csv = support_csv(500, 1);
    struct loaded l = load(CLIENT "vocabulary: stay}\n", vocabulary, csv);

    ENT_FAILS(ent_pipeline_ask_policy(l.pipeline, ENT_TASK_STATS, ENT_SPLIT_NONE), ENT_E_POLICY);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "policy.vocabulary"));
    ENT_FAILS(ent_pipeline_ask_policy(l.pipeline, ENT_TASK_TRAIN, ENT_SPLIT_NONE), ENT_E_POLICY);
    drop(&l);
    l = load(CLIENT "vocabulary: stay}\n", support_plan_text(), csv); /* a plan without one */
    ENT_OK(ent_pipeline_ask_policy(l.pipeline, ENT_TASK_STATS, ENT_SPLIT_NONE));
    drop(&l);
    l = load(CLIENT "vocabulary: go}\n", vocabulary, csv);
    ENT_OK(ent_pipeline_ask_policy(l.pipeline, ENT_TASK_STATS, ENT_SPLIT_NONE));
    drop(&l);
    free(csv);
}

static void running(struct script *s, const char *client, uint32_t rows)
{
    char *csv = support_csv(rows, 1);

    script_new(s, client);
    script_welcome(s, NULL);
    script_run_start(s);
    (void)support_file(s->dir, "data.csv", csv, strlen(csv));
    free(csv);
}

static void declined(struct script *s, const struct ent_msg_round_open *open, const char *part)
{
    struct ent_msg_decline m;

    script_open(s, open);
    (void)script_take(s, ENT_MSG_DECLINE, &m, NULL);
    CU_ASSERT_EQUAL(m.code, ENT_E_POLICY);
    CU_ASSERT_PTR_NOT_NULL(strstr(m.text, part));
    CU_ASSERT_PTR_NOT_NULL(strstr(m.text, "policy.min_customers"));
    CU_ASSERT_PTR_NULL(strpbrk(m.text, "0123456789")); /* how many is nobody's business */
}

ENT_TEST(floors, nothing_leaves_of_few_training_rows)
{
    struct ent_msg_round_open open;
    struct script s;

    running(&s, CLIENT "min_customers: 300}\n", 100);
    open = script_open_msg(&s, ENT_TASK_STATS);
    declined(&s, &open, "training rows");
    CU_ASSERT(script_nothing(&s));
    script_free(&s);
}

/* The default floor of 10, 30 customers: some 6 are test rows, enough train. */
ENT_TEST(floors, neither_sums_nor_own_figures_of_few_test_rows)
{
    struct ent_msg_round_open open;
    struct script s;

    running(&s, CLIENT "own_figures: go}\n", 30);
    script_round(&s, ENT_TASK_STATS, false);
    open = script_open_msg(&s, ENT_TASK_EVALUATE);
    open.split = ENT_SPLIT_TEST;
    declined(&s, &open, "test rows");
    CU_ASSERT(script_nothing(&s));
    script_free(&s);
}

/* As before: a member without a test row adds zeros. */
ENT_TEST(floors, a_part_without_rows_is_joined)
{
    struct ent_msg_round_open open;
    struct script s;

    running(&s, CLIENT "min_customers: 2}\n", 1);
    open = script_open_msg(&s, ENT_TASK_EVALUATE);
    (void)support_file(s.dir, "data.csv", two, strlen(two));
    open.split = ENT_SPLIT_TEST;
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    script_free(&s);
}

ENT_TEST(floors, check_says_so)
{
    const char *dir = ent_test_tmpdir();
    struct ent_check_verb verb = {.dir = dir};
    char *csv = support_csv(30, 1);
    static const char train[] = CLIENT "min_customers: 29}\n";

    (void)support_file(dir, "data.csv", csv, strlen(csv));
    (void)support_file(dir, "client.yaml", support_client_text(), strlen(support_client_text()));
    verb.plan = support_file(dir, "plan.yaml", support_plan_text(), strlen(support_plan_text()));
    ENT_OK(ent_verb_check(&verb, NULL, 0)); /* but not in validation and test */
    verb.json = true;
    ENT_OK(ent_verb_check(&verb, NULL, 0));
    (void)support_file(dir, "client.yaml", train, strlen(train));
    ENT_FAILS(ent_verb_check(&verb, NULL, 0), ENT_E_POLICY);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "policy.min_customers"));
    verb.plan = support_file(dir, "plan.yaml", vocabulary, strlen(vocabulary));
    (void)support_file(dir, "client.yaml", CLIENT "vocabulary: stay}\n",
                       strlen(CLIENT "vocabulary: stay}\n"));
    ENT_FAILS(ent_verb_check(&verb, NULL, 0), ENT_E_POLICY);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "policy.vocabulary"));
    free(csv);
}
