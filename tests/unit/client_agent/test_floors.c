/* A plan's split can be chosen so that a part is of one customer: the member's own floor stands against that. */
#include <stdlib.h>
#include <string.h>

#include "client/agent/check_floor.h"
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

/* One round of this task; returns whether all integers that left are zeros. */
static bool leaves_zeros(struct script *s, enum ent_task_kind task, enum ent_split split, bool push)
{
    struct ent_msg_round_open open = script_open_msg(s, task);
    struct ent_envelope update;
    uint8_t any = 0;

    open.split = task == ENT_TASK_EVALUATE ? split : open.split;
    script_open(s, &open);
    (void)script_take(s, ENT_MSG_JOIN, NULL, NULL);
    script_begin(s);
    if (push) {
        script_push(s, ENT_OFFER_MODEL, s->model_digest, s->model);
    }
    script_upload(s, &update); /* the next message: no figures before it */
    for (size_t i = ENT_UPDATE_SALT_BYTES; i < ent_blob_len(s->received); i++) {
        any |= ent_blob_bytes(s->received)[i];
    }
    script_ack(s, update.payload_sha256, 0);
    script_close(s);
    return any == 0;
}

/* Zeros instead of a decline: nothing tells that there are customers. Neither do figures of its own, be they allowed to
 * go; the member itself sees them. */
ENT_TEST(floors, below_the_floor_on_groups_zeros_leave)
{
    static const char client[] = "coordinator: localhost:7443\n"
                                 "data: {source: csv, path: data.csv, bad_rows: drop}\n"
                                 "unit_key: id\n"
                                 "policy: {min_members: 3, own_figures: go}\n";
    struct script s;

    running(&s, client, 120); /* its floor is 50: some 72 train, 24 validate, 24 test */
    CU_ASSERT(!leaves_zeros(&s, ENT_TASK_STATS, ENT_SPLIT_NONE, false));
    CU_ASSERT(!leaves_zeros(&s, ENT_TASK_TRAIN, ENT_SPLIT_NONE, true));
    CU_ASSERT(leaves_zeros(&s, ENT_TASK_EVALUATE, ENT_SPLIT_VALIDATION, false));
    CU_ASSERT(leaves_zeros(&s, ENT_TASK_EVALUATE, ENT_SPLIT_TEST, false));
    CU_ASSERT(script_nothing(&s));
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "this member's own test rows"));
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "(these figures stay here)"));
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

ENT_TEST(floors, check_names_what_is_sent_as_zeros)
{
    static const char client[] = "data: {source: csv, path: data.csv, bad_rows: drop}\n"
                                 "unit_key: id\npolicy: {min_group: 30}\n";
    const char *dir = ent_test_tmpdir();
    struct ent_check_verb verb = {.dir = dir};
    char text[16384] = "";
    char *csv = support_csv(80, 1);
    FILE *out = fmemopen(text, sizeof text, "w");
    struct ent_workplace w = {0};
    struct ent_outgoing list[ENT_N_OUTGOING];
    struct ent_check_floor floor = {0};

    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    (void)support_file(dir, "data.csv", csv, strlen(csv));
    (void)support_file(dir, "client.yaml", client, strlen(client));
    verb.plan = support_file(dir, "plan.yaml", support_plan_text(), strlen(support_plan_text()));
    ENT_OK(ent_workplace_open(verb.dir, NULL, verb.plan, &w));
    ENT_OK(ent_pipeline_load(w.pipeline));
    ent_outgoing_list(ent_pipeline_plan(w.pipeline), list);
    ENT_OK(ent_check_floor_read(&w, list, &floor));
    CU_ASSERT_EQUAL(floor.floor, 30);
    CU_ASSERT(!floor.zeros[0] && !floor.zeros[1] && floor.zeros[2] && floor.zeros[3]);
    CU_ASSERT_STRING_EQUAL(floor.parts[0], "yes");
    CU_ASSERT_STRING_EQUAL(floor.parts[2], "zeros");
    ent_check_floor_print(&w, &floor, out);
    (void)fclose(out);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "floor on groups: 30 customers (the plan's min_group 1, "
                                        "policy.min_group 30); of fewer, so sent as zeros: "
                                        "validation, test\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "job: of 3 values that occur here "));
    ent_check_floor_release(&floor);
    ent_workplace_close(&w);
    verb.json = true;
    ENT_OK(ent_verb_check(&verb, NULL, 0));
    free(csv);
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
