/* The course of a run as its operator sees it. */
#include <stdlib.h>
#include <string.h>

#include "coordinator/engine/evaluation.h"
#include "coordinator/engine/report.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"

/* The members of this federation never learn: their validation figures stay the same. */
ENT_TEST(round, patience_is_shown)
{
    static const char plan[] = "features: [{name: age, type: number, range: [0, 100]}]\n"
                               "min_group: 1\n"
                               "label: {name: y, positive: \"yes\"}\n"
                               "split: {key: 42, validation: 0.1, test: 0.2}\n"
                               "model: {layers: [{dense: 1}], loss: bce}\n"
                               "training: {rounds: 9, patience: 2, best_by: auc}\n"
                               "aggregation: {weights: equal, scale_bits: 20, min_members: 3}\n";
    const struct ent_json *run;
    struct ent_json *status;
    uint64_t v = 0;
    bool early = false;
    struct fed fed;

    fed_new(&fed, 3);
    for (size_t i = 0; i < 3; i++) {
        fed_hello(&fed.members[i]);
    }
    fed_start_run(&fed, plan);
    fed_live(&fed, 3, 1000);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
    CU_ASSERT_EQUAL(fed.members[0].end.best_round, 1);
    for (int restarted = 0; restarted < 2; restarted++) {
        status = fed_ask(&fed, "{\"verb\": \"status\"}");
        run = ent_json_get(status, "run");
        ENT_OK(ent_json_uint(ent_json_get(run, "train_done"), "", 99, &v));
        CU_ASSERT_EQUAL(v, 3);
        ENT_OK(ent_json_uint(ent_json_get(run, "best_train_round"), "", 99, &v));
        CU_ASSERT_EQUAL(v, 1);
        ENT_OK(ent_json_uint(ent_json_get(run, "patience"), "", 99, &v));
        CU_ASSERT_EQUAL(v, 2);
        ENT_OK(ent_json_bool(ent_json_get(run, "stopped_early"), "", &early));
        CU_ASSERT(early);
        ent_json_free(status);
        fed_restart(&fed);
    }
    fed_free(&fed);
}

static const struct ent_json *test_round(const struct ent_json *run)
{
    const struct ent_json *rounds = ent_json_get(run, "rounds");

    return ent_json_at(rounds, ent_json_len(rounds) - 1);
}

static double figure(const struct ent_json *object, const char *key)
{
    double v = -1.0;

    ENT_OK(ent_json_double(ent_json_get(object, key), key, &v));
    return v;
}

/* What three members say of ten rows each: 6 of label no in cell 100, 4 of label yes in cell 900. */
static void check_evaluation(const struct ent_json *test)
{
    const struct ent_json *confusion = ent_json_get(test, "confusion");
    const struct ent_json *tops = ent_json_get(test, "top");
    const struct ent_json *tenths = ent_json_get(test, "tenths");

    CU_ASSERT_EQUAL(figure(test, "auc"), 1.0);
    CU_ASSERT_EQUAL(figure(test, "pr_auc"), 1.0);
    CU_ASSERT_EQUAL(figure(test, "accuracy"), 1.0);
    CU_ASSERT_DOUBLE_EQUAL(figure(test, "log_loss"), 0.5, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(figure(test, "brier"), 121608.0 / 10 / 1048576, 1e-12);
    CU_ASSERT_EQUAL(figure(confusion, "true_positives"), 12.0);
    CU_ASSERT_EQUAL(figure(confusion, "false_positives"), 0.0);
    CU_ASSERT_EQUAL(figure(confusion, "true_negatives"), 18.0);
    CU_ASSERT_EQUAL_FATAL(ent_json_len(tops), 3);
    CU_ASSERT_DOUBLE_EQUAL(figure(ent_json_at(tops, 1), "found"), 0.25, 1e-12); /* 3 of 12 */
    CU_ASSERT_DOUBLE_EQUAL(figure(ent_json_at(tops, 1), "lift"), 2.5, 1e-12);
    CU_ASSERT_EQUAL_FATAL(ent_json_len(tenths), 10);
    CU_ASSERT_DOUBLE_EQUAL(figure(ent_json_at(tenths, 3), "positives"), 3.0, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(figure(ent_json_at(tenths, 4), "positives"), 0.0, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(figure(ent_json_at(tenths, 0), "predicted"), 900.5 / 1024, 1e-9);
}

ENT_TEST(round, evaluation_is_shown)
{
    struct fed fed;

    fed_new(&fed, 3);
    for (size_t i = 0; i < 3; i++) {
        fed_hello(&fed.members[i]);
    }
    fed_start_run(&fed, fed_plan);
    fed_live(&fed, 3, 1000);
    for (int restarted = 0; restarted < 2; restarted++) {
        struct ent_json *status = fed_ask(&fed, "{\"verb\": \"status\"}");
        const struct ent_json *run = ent_json_get(status, "run");
        char text[8192] = "";
        FILE *out = fmemopen(text, sizeof text, "w");

        CU_ASSERT_PTR_NOT_NULL_FATAL(out);
        check_evaluation(test_round(run));
        ent_report_run(status, out);
        (void)fclose(out);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "of the 12 test rows with y = yes\n"));
        CU_ASSERT_PTR_NOT_NULL(
            strstr(text, "25 % are in the top 10 % of scores; random would find 10 % (lift 2.5)"));
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "PR-AUC 1.0000"));
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "100.0 %"));
        ent_json_free(status);
        fed_restart(&fed);
    }
    fed_free(&fed);
}
