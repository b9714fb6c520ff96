/* The course of a run as its operator sees it. */
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"

/* The members of this federation never learn: their validation figures stay the same. */
ENT_TEST(round, patience_is_shown)
{
    static const char plan[] = "features: [{name: age, type: number, range: [0, 100]}]\n"
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
