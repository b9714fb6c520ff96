/* Figures of a member's own test rows: they stay with it unless its policy lets them go. */
#include <string.h>

#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/support.h"

#define POLICY                                                                                     \
    "coordinator: localhost:7443\n"                                                                \
    "data: {source: csv, path: data.csv, bad_rows: drop}\n"                                        \
    "unit_key: id\n"                                                                               \
    "policy: {min_members: 3, min_group: 1, own_figures: "

static const struct ent_msg_metric *find(const struct ent_msg_figures *m, const char *name)
{
    for (size_t i = 0; i < m->n_metrics; i++) {
        if (strcmp(m->metrics[i].name, name) == 0) {
            return &m->metrics[i];
        }
    }
    return NULL;
}

/* Up to the test round's Begin. */
static void up_to_test(struct script *s, const char *client)
{
    struct ent_msg_round_open open;

    script_new(s, client);
    script_welcome(s, NULL);
    script_run_start(s);
    script_round(s, ENT_TASK_STATS, false);
    script_round(s, ENT_TASK_TRAIN, true);
    script_round(s, ENT_TASK_EVALUATE, false);
    open = script_open_msg(s, ENT_TASK_EVALUATE);
    open.split = ENT_SPLIT_TEST;
    script_open(s, &open);
    (void)script_take(s, ENT_MSG_JOIN, NULL, NULL);
    script_begin(s);
}

ENT_TEST(figures, go_before_the_update_where_the_policy_lets_them)
{
    struct ent_msg_figures figures;
    struct ent_envelope said;
    struct ent_envelope update;
    struct script s;

    up_to_test(&s, POLICY "go}\n");
    (void)script_take(&s, ENT_MSG_FIGURES, &figures, &said);
    CU_ASSERT_EQUAL(memcmp(figures.round_open, s.open_hash, 32), 0);
    CU_ASSERT_EQUAL(said.header.round, s.round);
    CU_ASSERT_PTR_NOT_NULL_FATAL(find(&figures, "rows"));
    CU_ASSERT(find(&figures, "rows")->nano > INT64_C(1000000000));
    CU_ASSERT_PTR_NOT_NULL_FATAL(find(&figures, "auc"));
    CU_ASSERT(find(&figures, "auc")->nano > 0 && find(&figures, "auc")->nano <= 1000000000);
    script_upload(&s, &update);
    CU_ASSERT(update.header.sequence > said.header.sequence); /* numbers ascend */
    script_ack(&s, update.payload_sha256, 0);
    script_close(&s);
    CU_ASSERT(script_nothing(&s));
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "these figures go to the operator"));
    script_free(&s);
}

ENT_TEST(figures, only_those_that_the_policy_names)
{
    struct ent_msg_figures figures;
    struct ent_envelope update;
    struct script s;

    up_to_test(&s, POLICY "[auc, log_loss]}\n");
    (void)script_take(&s, ENT_MSG_FIGURES, &figures, NULL);
    CU_ASSERT_EQUAL(figures.n_metrics, 2);
    CU_ASSERT(find(&figures, "auc") != NULL && find(&figures, "log_loss") != NULL);
    script_upload(&s, &update);
    script_free(&s);

    up_to_test(&s, POLICY "[hit_10]}\n"); /* of another kind of label: nothing to say */
    script_upload(&s, &update);
    script_free(&s);
}

ENT_TEST(figures, stay_otherwise)
{
    struct ent_envelope update;
    struct script s;

    up_to_test(&s, support_client_text());
    script_upload(&s, &update); /* the next message is the update */
    script_ack(&s, update.payload_sha256, 0);
    CU_ASSERT(script_nothing(&s));
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "these figures stay here"));
    script_free(&s);
}
