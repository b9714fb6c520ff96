#include <stdlib.h>
#include <string.h>

#include "client/agent/advice.h"
#include "client/agent/verbs.h"
#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/support.h"

struct lines {
    char text[4096];
    unsigned n;
};

static void take_line(void *ctx, const char *line)
{
    struct lines *l = ctx;
    size_t used = strlen(l->text);

    (void)snprintf(l->text + used, sizeof l->text - used, "%s\n", line);
    l->n++;
}

static struct ent_plan *plan_of(void)
{
    struct ent_plan *plan = NULL;

    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)support_plan_text(),
                          strlen(support_plan_text()), &plan));
    return plan;
}

static struct ent_client_config *config_of(const char *dir, const char *columns)
{
    struct ent_client_config *config = NULL;
    char text[1000];

    (void)snprintf(text, sizeof text, "data: {path: data.csv, bad_rows: drop}\n%s", columns);
    ENT_OK(
        ent_client_config_parse("client.yaml", dir, (const uint8_t *)text, strlen(text), &config));
    return config;
}

static struct lines advice_of(const char *columns)
{
    struct ent_client_config *config = config_of("/", columns);
    struct ent_plan *plan = plan_of();
    struct lines l = {0};

    ent_advice_columns(plan, config, take_line, &l);
    ent_plan_free(plan);
    ent_client_config_free(config);
    return l;
}

ENT_TEST(advice, settings_that_the_plan_knows_nothing_of)
{
    struct lines l =
        advice_of("columns: {age: Age, job: {values: {A: a}}, y: {values: {J: \"yes\"}}}\n");

    CU_ASSERT_EQUAL(l.n, 0);
    l = advice_of("columns:\n  aeg: Age\n");
    CU_ASSERT_EQUAL(l.n, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(
        l.text,
        "client.yaml:3:3: columns: the plan has no 'aeg': it is not used; did you mean 'age'?"));
    l = advice_of("columns: {loan: {values: {J: ja}}, income: {values: {none: zero}}}\n");
    CU_ASSERT_EQUAL(l.n, 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(l.text, "loan: 'ja' is neither true nor false"));
    CU_ASSERT_PTR_NOT_NULL(strstr(l.text, "income: 'zero' is not a number"));
    l = advice_of("columns: {y: {values: {J: \"Yes\", N: \"no\"}}}\n");
    CU_ASSERT_EQUAL(l.n, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(l.text, "no value is mapped to 'yes'"));
}

/* Few rows, so few that no customer falls into validation or test. */
static const char few[] = "age,income,job,loan,y,id\n"
                          "30,100,a,yes,yes,k1\n"
                          "40,200,b,no,no,k1\n";

ENT_TEST(advice, parts_without_rows)
{
    const char *dir = ent_test_tmpdir();
    struct ent_client_config *config = config_of(dir, "unit_key: id\n");
    struct ent_pipeline *p = NULL;
    struct lines l = {0};
    char *csv = support_csv(500, 1);

    (void)support_file(dir, "data.csv", few, strlen(few));
    ENT_OK(ent_pipeline_new(config, "a", &p));
    ent_pipeline_use_take(p, plan_of());
    ENT_OK(ent_pipeline_load(p));
    CU_ASSERT_EQUAL_FATAL(ent_pipeline_rows(p, ENT_SPLIT_TRAIN), 2);
    ent_advice_parts(p, take_line, &l);
    CU_ASSERT_EQUAL(l.n, 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(l.text, "asks for validation rows, and this member has none"));
    CU_ASSERT_PTR_NOT_NULL(strstr(l.text, "asks for test rows, and this member has none"));
    (void)support_file(dir, "data.csv", csv, strlen(csv));
    ent_pipeline_use_take(p, plan_of());
    ENT_OK(ent_pipeline_load(p));
    l = (struct lines){0};
    ent_advice_parts(p, take_line, &l);
    CU_ASSERT_EQUAL(l.n, 0);
    free(csv);
    ent_pipeline_free(p);
    ent_client_config_free(config);
}

/* A promise that may fail for one of a hundred customers, where there are more. */
/* What a plan's numbers mean for this member's customers: a promise that fails for one, steps that shrink. */
ENT_TEST(advice, numbers_of_privacy_beside_the_customers)
{
    static const char text[] =
        "features:\n"
        "  - {name: age, type: number, range: [0, 100]}\n"
        "label: {name: y, positive: \"yes\"}\n"
        "split: {key: 1}\n"
        "model: {layers: [{dense: 1}], loss: bce}\n"
        "training: {rounds: 3, optimizer: {sgd: {rate: 0.1}}, seed: 7}\n"
        "aggregation: {weights: equal, min_members: 3}\n"
        "privacy: {unit: customer, epsilon: 6, delta: %s, clip: 1.0, rate: 0.2, batch: %s}\n";
    static const struct {
        const char *delta;
        const char *batch;
        bool of_delta;
        bool of_batch;
    } cases[] = {{"1e-2", "60", true, false},
                 {"1e-5", "60", false, false},
                 {"1e-5", "2000", false, true},
                 {"1e-5", "10", false, true}};
    const char *dir = ent_test_tmpdir();
    struct ent_client_config *config = config_of(dir, "unit_key: id\n");
    char *csv = support_csv(500, 1);

    (void)support_file(dir, "data.csv", csv, strlen(csv));
    for (size_t i = 0; i < ENT_ARRAY_LEN(cases); i++) {
        struct ent_pipeline *p = NULL;
        struct ent_plan *plan = NULL;
        struct lines l = {0};
        char yaml[sizeof text + 16];

        (void)snprintf(yaml, sizeof yaml, text, cases[i].delta, cases[i].batch);
        ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)yaml, strlen(yaml), &plan));
        ENT_OK(ent_pipeline_new(config, "a", &p));
        ent_pipeline_use_take(p, plan);
        ENT_OK(ent_pipeline_load(p));
        ent_advice_parts(p, take_line, &l);
        CU_ASSERT_EQUAL(strstr(l.text, "ask for a smaller privacy.delta") != NULL,
                        cases[i].of_delta);
        CU_ASSERT_EQUAL(strstr(l.text, "rate takes about") != NULL, cases[i].of_batch);
        ent_pipeline_free(p);
    }
    free(csv);
    ent_client_config_free(config);
}

static const char all_no[] = "age,income,job,loan,y,id\n"
                             "30,100,a,yes,Yes,k1\n"
                             "40,200,b,no,No,k2\n";

ENT_TEST(check, rows_of_one_label_cannot_take_part)
{
    const char *dir = ent_test_tmpdir();
    struct ent_check_verb verb = {.dir = dir};
    struct ent_train_verb train = {.dir = dir, .local = true};

    (void)support_file(dir, "data.csv", all_no, strlen(all_no));
    (void)support_file(dir, "client.yaml", support_client_text(), strlen(support_client_text()));
    verb.plan = support_file(dir, "plan.yaml", support_plan_text(), strlen(support_plan_text()));
    train.plan = verb.plan;
    ENT_FAILS(ent_verb_check(&verb, NULL, 0), ENT_E_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "none of the 2 rows with a label has 'yes'"));
    verb.json = true;
    ENT_FAILS(ent_verb_check(&verb, NULL, 0), ENT_E_DATA);
    ENT_FAILS(ent_verb_train(&train, NULL, 0), ENT_E_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "capitals count"));
}

/* "Not enrolled" would send somebody to the operator for a directory that only cannot be read. */
ENT_TEST(check, a_directory_that_cannot_be_read_is_not_one_without_member)
{
    const char *dir = ent_test_tmpdir();
    struct ent_check_verb verb = {.dir = support_file(dir, "file", "x", 1)};
    struct ent_agent_options options = {.dir = verb.dir, .clock = ent_clock_system()};
    struct ent_agent *agent = NULL;

    verb.plan = support_file(dir, "plan.yaml", support_plan_text(), strlen(support_plan_text()));
    ENT_FAILS(ent_verb_check(&verb, NULL, 0), ENT_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "file/client.yaml: Not a directory"));
    ENT_FAILS(ent_agent_new(&options, &agent), ENT_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "file/member.json: Not a directory"));
    options.dir = dir;
    ENT_FAILS(ent_agent_new(&options, &agent), ENT_E_NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "no member is enrolled here"));
}

static unsigned count(const char *text, const char *word)
{
    unsigned n = 0;

    for (const char *p = strstr(text, word); p != NULL; p = strstr(p + 1, word)) {
        n++;
    }
    return n;
}

/* The member's people read the reason once; the coordinator reads no more than that the data cannot be used. */
ENT_TEST(agent, the_same_reason_is_given_in_full_once)
{
    struct script s;
    struct ent_msg_decline m;
    struct ent_msg_round_open open;

    script_running(&s);
    (void)support_file(s.dir, "data.csv", all_no, strlen(all_no));
    for (uint32_t attempt = 1; attempt <= 3; attempt++) {
        s.round = 1;
        s.attempt = attempt;
        open = script_open_msg(&s, ENT_TASK_STATS);
        script_open(&s, &open);
        (void)script_take(&s, ENT_MSG_DECLINE, &m, NULL);
        CU_ASSERT_EQUAL(m.code, ENT_E_DATA);
        CU_ASSERT_STRING_EQUAL(m.text, ent_err_text(ENT_E_DATA));
    }
    CU_ASSERT_EQUAL(count(s.said, "none of the 2 rows"), 1);
    CU_ASSERT_EQUAL(count(s.said, "does not take part, as before"), 2);
    script_free(&s);
}

ENT_TEST(agent, parts_without_rows_are_said_once_a_run)
{
    struct script s;
    struct ent_msg_round_open open;

    script_new(&s, "coordinator: localhost:7443\n"
                   "data: {path: data.csv}\n"
                   "unit_key: id\n"
                   "policy: {min_customers: 1}\n");
    script_welcome(&s, NULL);
    script_run_start(&s);
    (void)support_file(s.dir, "data.csv", few, strlen(few));
    for (uint32_t attempt = 1; attempt <= 2; attempt++) {
        s.round = 1;
        s.attempt = attempt;
        open = script_open_msg(&s, ENT_TASK_STATS);
        script_open(&s, &open);
        (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    }
    CU_ASSERT_EQUAL(count(s.said, "asks for validation rows"), 1);
    script_free(&s);
}

ENT_TEST(agent, a_second_process_that_took_over_is_said_and_not_fought)
{
    struct ent_msg_bye bye = {.code = ENT_E_BUSY};
    struct script s;
    uint32_t n;

    script_running(&s);
    n = s.n_opened;
    script_bare(&s, ENT_MSG_BYE, 0, &bye);
    CU_ASSERT_EQUAL(count(s.said, "another connection of brand-a took over: is it running twice?"),
                    1);
    CU_ASSERT_EQUAL(ent_agent_session(s.agent)->backoff_ms, ENT_SESSION_BACKOFF_MAX_MS);
    script_wait(&s, ENT_SESSION_BACKOFF_MAX_MS + 1);
    CU_ASSERT(s.n_opened > n); /* but it does come back: the other one may have ended */
    script_free(&s);
}

/* The reason of the end is the program's last line; it does not stand there twice. */
ENT_TEST(agent, a_revoked_member_is_told_once)
{
    struct ent_msg_refused m = {.code = ENT_E_REVOKED};
    struct script s;
    enum ent_err err;

    script_new(&s, support_client_text());
    (void)script_take(&s, ENT_MSG_HELLO, NULL, NULL);
    m.time_ms = s.time.wall_ms;
    (void)snprintf(m.text, sizeof m.text, "this member was revoked; ask the operator");
    script_say(&s, ENT_MSG_REFUSED, &m);
    CU_ASSERT_EQUAL(count(s.said, "revoked"), 0);
    err = ent_agent_run(s.agent, false);
    CU_ASSERT_EQUAL(err, ENT_E_REVOKED);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "this member was revoked; ask the operator"));
    script_free(&s);
}
