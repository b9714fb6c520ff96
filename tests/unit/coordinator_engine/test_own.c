/* Figures that single members let go: kept with the round, shown as their word, refused where they do not belong. */
#include <string.h>

#include "coordinator/engine/report.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"

static struct ent_msg_metric said[3];

/* The last one has a name that its peer chose. */
static void say(struct fed_member *m, const char *third)
{
    struct ent_header header = fed_header(m, ENT_MSG_FIGURES);
    struct ent_msg_figures figures = {.metrics = said, .n_metrics = 3};

    said[0] = (struct ent_msg_metric){.name = "auc", .nano = 812300000};
    said[1] = (struct ent_msg_metric){.name = "rows", .nano = INT64_C(10000000000)};
    said[2] = (struct ent_msg_metric){.nano = 500000000};
    (void)snprintf(said[2].name, sizeof said[2].name, "%s", third);
    memcpy(figures.round_open, m->open_hash, sizeof figures.round_open);
    header.run = m->run;
    header.round = m->round;
    header.attempt = m->attempt;
    fed_send(m, &header, &figures);
}

/* Beside the honest payload. */
static bool in_the_test_round(struct fed_member *m, struct ent_buf *payload)
{
    (void)payload;
    if (m->open.task == ENT_ROUND_EVALUATE && m->open.split == ENT_ROUND_ON_TEST) {
        say(m, "found_10");
    }
    return false;
}

static bool in_every_round(struct fed_member *m, struct ent_buf *payload)
{
    (void)payload;
    say(m, "found_10");
    return false;
}

static bool of_a_strange_name(struct fed_member *m, struct ent_buf *payload)
{
    (void)payload;
    if (m->open.task == ENT_ROUND_EVALUATE && m->open.split == ENT_ROUND_ON_TEST) {
        say(m, "auc"); /* stands twice */
    }
    return false;
}

static void run_with(struct fed *fed,
                     bool (*compute)(struct fed_member *m, struct ent_buf *payload))
{
    fed_new(fed, 3);
    fed->members[1].compute = compute;
    for (size_t i = 0; i < 3; i++) {
        fed_hello(&fed->members[i]);
    }
    fed_start_run(fed, fed_plan);
    fed_live(fed, 3, 1000);
}

ENT_TEST(own, shown_by_member_also_after_a_restart)
{
    struct fed fed;

    run_with(&fed, in_the_test_round);
    for (int restarted = 0; restarted < 2; restarted++) {
        struct ent_json *status = fed_ask(&fed, "{\"verb\": \"status\"}");
        const struct ent_json *run = ent_json_get(status, "run");
        const struct ent_json *own = ent_json_get(run, "own_figures");
        const char *name = NULL;
        double v = 0;
        char text[8192] = "";
        FILE *out = fmemopen(text, sizeof text, "w");

        CU_ASSERT_PTR_NOT_NULL_FATAL(out);
        CU_ASSERT_EQUAL_FATAL(ent_json_len(own), 1);
        ENT_OK(ent_json_string(ent_json_get(ent_json_at(own, 0), "member"), "member", &name));
        CU_ASSERT_STRING_EQUAL(name, fed.members[1].name);
        ENT_OK(ent_json_double(ent_json_get(ent_json_at(own, 0), "auc"), "auc", &v));
        CU_ASSERT_DOUBLE_EQUAL(v, 0.8123, 1e-12);
        ent_report_run(status, out);
        (void)fclose(out);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "as these members say (their policies let it go)"));
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "10     0.8123          -         50 %"));
        ent_json_free(status);
        fed_restart(&fed);
    }
    CU_ASSERT_EQUAL(fed_refusals(&fed, "phase"), 0);
    fed_free(&fed);
}

static void expect_none(struct fed *fed)
{
    struct ent_json *status = fed_ask(fed, "{\"verb\": \"status\"}");
    const struct ent_json *run = ent_json_get(status, "run");

    CU_ASSERT_EQUAL(ent_json_len(ent_json_get(run, "own_figures")), 0);
    ent_json_free(status);
}

ENT_TEST(own, nothing_where_nobody_lets_any_go)
{
    struct fed fed;

    run_with(&fed, NULL);
    expect_none(&fed);
    fed_free(&fed);
}

/* In another round: refused, the member goes on; what it says in the test round counts. */
ENT_TEST(own, of_no_other_round)
{
    struct fed fed;
    struct ent_json *status;

    run_with(&fed, in_every_round);
    CU_ASSERT(fed_refusals(&fed, "phase") > 0);
    status = fed_ask(&fed, "{\"verb\": \"status\"}");
    CU_ASSERT_EQUAL(ent_json_len(ent_json_get(ent_json_get(status, "run"), "own_figures")), 1);
    ent_json_free(status);
    fed_free(&fed);
}

ENT_TEST(own, figures_that_are_none)
{
    struct fed fed;

    run_with(&fed, of_a_strange_name);
    CU_ASSERT(fed_refusals(&fed, "protocol") > 0);
    expect_none(&fed);
    fed_free(&fed);
}
