#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/pipeline.h"
#include "client/state/state.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/support.h"

/* Tampers, each refused with nothing that leaves. */
ENT_TEST(agent, messages_that_are_not_the_coordinators_are_dropped)
{
    struct script s;
    struct ent_msg_round_open open;
    struct ent_sign_key *other = NULL;

    script_running(&s);
    ENT_OK(ent_sign_key_generate(&other));
    open = script_open_msg(&s, ENT_TASK_STATS);
    script_say_as(&s, other, ENT_MSG_ROUND_OPEN, &open); /* 1: another key */
    CU_ASSERT(script_nothing(&s));
    s.federation[0] ^= 1;
    script_say(&s, ENT_MSG_ROUND_OPEN, &open); /* 2: another federation in the header */
    s.federation[0] ^= 1;
    CU_ASSERT(script_nothing(&s));
    open.federation[0] ^= 1;
    script_say(&s, ENT_MSG_ROUND_OPEN, &open); /* 3: and in the content */
    open.federation[0] ^= 1;
    CU_ASSERT(script_nothing(&s));
    open.round = 9;
    script_say(&s, ENT_MSG_ROUND_OPEN, &open); /* 4: header and content name different rounds */
    CU_ASSERT(script_nothing(&s));
    open = script_open_msg(&s, ENT_TASK_STATS);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    s.open_hash[0] ^= 1;
    script_begin(&s); /* 5: begins another opening of this round */
    s.open_hash[0] ^= 1;
    CU_ASSERT(script_nothing(&s));
    script_begin(&s);
    (void)script_take(&s, ENT_MSG_UPDATE, NULL, NULL);
    ent_sign_key_free(other);
    script_free(&s);
}

static uint32_t declined(struct script *s, const struct ent_msg_round_open *open,
                         struct ent_msg_decline *m)
{
    script_open(s, open);
    (void)script_take(s, ENT_MSG_DECLINE, m, NULL);
    CU_ASSERT_EQUAL(memcmp(m->round_open, s->open_hash, 32), 0);
    CU_ASSERT_PTR_NULL(strstr(m->text, s->dir)); /* paths stay here */
    s->round++;
    return m->code;
}

ENT_TEST(agent, rounds_that_are_not_what_plan_and_policy_say_are_declined)
{
    struct script s;
    struct ent_msg_decline m;
    struct ent_msg_round_open open;

    script_running(&s);
    open = script_open_msg(&s, ENT_TASK_STATS);
    open.min_members = 2; /* below this member's floor */
    CU_ASSERT_EQUAL(declined(&s, &open, &m), ENT_E_POLICY);
    CU_ASSERT_PTR_NOT_NULL(strstr(m.text, "min_members"));
    open = script_open_msg(&s, ENT_TASK_STATS);
    open.plan[0] ^= 1; /* not the run's plan */
    CU_ASSERT_EQUAL(declined(&s, &open, &m), ENT_E_DIGEST);
    open = script_open_msg(&s, ENT_TASK_TRAIN);
    open.scale_bits++;
    CU_ASSERT_EQUAL(declined(&s, &open, &m), ENT_E_PROTOCOL);
    open = script_open_msg(&s, ENT_TASK_TRAIN);
    open.weights = ENT_WEIGHTS_EQUAL;
    CU_ASSERT_EQUAL(declined(&s, &open, &m), ENT_E_PROTOCOL);
    open = script_open_msg(&s, ENT_TASK_STATS);
    open.invited++;
    open.n_invited = 2; /* without this member */
    CU_ASSERT_EQUAL(declined(&s, &open, &m), ENT_E_PROTOCOL);
    script_free(&s);
}

ENT_TEST(agent, a_policy_without_training_trains_nothing)
{
    struct script s;
    struct ent_msg_decline m;
    struct ent_msg_round_open open;

    script_new(&s, "coordinator: localhost:7443\n"
                   "data: {source: csv, path: data.csv, bad_rows: drop}\n"
                   "policy: {tasks: [stats], min_members: 3, plans: any}\n");
    script_welcome(&s, NULL);
    script_run_start(&s);
    open = script_open_msg(&s, ENT_TASK_TRAIN);
    CU_ASSERT_EQUAL(declined(&s, &open, &m), ENT_E_POLICY);
    script_free(&s);
}

/* Data that cannot be used: the reason that leaves names no file, no column, no value. */
ENT_TEST(agent, data_that_cannot_be_used_declines_without_details)
{
    struct script s;
    struct ent_msg_decline m;
    struct ent_msg_round_open open;

    script_running(&s);
    (void)support_file(s.dir, "data.csv", "secret,y\n4711,yes\n", 18);
    open = script_open_msg(&s, ENT_TASK_STATS);
    CU_ASSERT_EQUAL(declined(&s, &open, &m), ENT_E_DATA);
    CU_ASSERT_STRING_EQUAL(m.text, ent_err_text(ENT_E_DATA));
    CU_ASSERT_PTR_NULL(strstr(s.said, "4711"));
    script_free(&s);
}

/* A second result for another cohort could be subtracted from the first. */
ENT_TEST(agent, statistics_are_given_to_one_cohort_only)
{
    struct script s;
    struct ent_msg_decline m;
    struct ent_msg_round_open open;

    script_running(&s);
    script_round(&s, ENT_TASK_STATS, false);
    s.round = 1;
    s.attempt = 2; /* a later attempt of what was closed: its claim is settled */
    open = script_open_msg(&s, ENT_TASK_STATS);
    memset(open.invited[2], 0x44, 16);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    script_begin(&s);
    (void)script_take(&s, ENT_MSG_DECLINE, &m, NULL);
    CU_ASSERT_EQUAL(m.code, ENT_E_POLICY);
    s.round = 2;
    s.attempt = 1;
    open = script_open_msg(&s, ENT_TASK_STATS);
    memset(open.invited[2], 0x44, 16);
    CU_ASSERT_EQUAL(declined(&s, &open, &m), ENT_E_PROTOCOL); /* a second one of the run */
    CU_ASSERT(script_nothing(&s));
    script_free(&s);
}

/* After a restart too, and in a later attempt of the same round. */
ENT_TEST(agent, a_restart_does_not_forget_that_a_result_came_out)
{
    struct script s;
    struct ent_msg_decline m;
    struct ent_msg_round_open open;
    struct ent_envelope envelope;
    struct ent_msg_welcome back = {
        .run = 1, .round = 1, .attempt = 1, .phase = 3, .outcome = 4, .has_plan = true};

    script_running(&s);
    open = script_open_msg(&s, ENT_TASK_STATS);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    script_begin(&s);
    script_upload(&s, &envelope);
    script_ack(&s, envelope.payload_sha256, 0);
    script_kill(&s);
    script_restart(&s);
    memcpy(back.plan, s.plan->digest, 32);
    back.last_sequence = envelope.header.sequence;
    script_welcome(&s, &back);
    script_close(&s); /* the new process never saw the RoundOpen */
    s.round = 1;
    s.attempt = 2;
    open = script_open_msg(&s, ENT_TASK_STATS);
    memset(open.invited[2], 0x44, 16);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    script_begin(&s);
    (void)script_take(&s, ENT_MSG_DECLINE, &m, NULL);
    CU_ASSERT_EQUAL(m.code, ENT_E_POLICY);
    script_free(&s);
}

ENT_TEST(agent, a_cohort_smaller_than_promised_gets_nothing)
{
    struct script s;
    struct ent_msg_round_open open;
    struct ent_msg_begin begin = {0};
    struct ent_msg_decline m;
    uint8_t joined[2][16];

    script_running(&s);
    open = script_open_msg(&s, ENT_TASK_STATS);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    memcpy(joined[0], s.handle, 16);
    memset(joined[1], 0x22, 16);
    begin.joined = joined;
    begin.n_joined = 2;
    memcpy(begin.round_open, s.open_hash, 32);
    script_say(&s, ENT_MSG_BEGIN, &begin);
    (void)script_take(&s, ENT_MSG_DECLINE, &m, NULL);
    CU_ASSERT_EQUAL(m.code, ENT_E_TOO_FEW);
    script_free(&s);
}

ENT_TEST(agent, bytes_that_are_not_what_was_announced_end_the_connection)
{
    struct script s;
    struct ent_msg_run_start start = {.plan_bytes = 100};
    struct ent_msg_offer offer = {.kind = ENT_OFFER_PLAN};
    struct ent_blob *other = NULL;
    const struct script_frame *frame;

    script_new(&s, support_client_text());
    script_welcome(&s, NULL);
    memcpy(start.plan, s.plan->digest, 32);
    script_say(&s, ENT_MSG_RUN_START, &start);
    ENT_OK(ent_blob_new_copy("features: []\n", 13, &other));
    memcpy(offer.digest, s.plan->digest, 32);
    offer.bytes = 13;
    script_say(&s, ENT_MSG_OFFER, &offer);
    frame = script_take(&s, ENT_MSG_GO, NULL, NULL);
    ENT_OK(ent_link_send_blob(s.link, s.conn, frame->request, other, 0));
    script_pump(&s);
    CU_ASSERT_EQUAL(s.n_closed, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "not what the coordinator announced"));
    ent_blob_unref(other);
    script_free(&s);
}

/* The same of bytes that come with their offer: they are not kept, and what is right is taken afterwards. */
ENT_TEST(agent, content_that_is_not_what_was_offered_is_dropped)
{
    struct script s;
    struct ent_msg_run_start start = {.plan_bytes = 100};
    struct ent_msg_offer offer = {.kind = ENT_OFFER_PLAN, .bytes = 13};
    struct ent_msg_round_open open;

    script_new(&s, support_client_text());
    script_welcome(&s, NULL);
    memcpy(start.plan, s.plan->digest, 32);
    script_say(&s, ENT_MSG_RUN_START, &start);
    memcpy(offer.digest, s.plan->digest, 32);
    offer.content = (struct ent_bytes){(const uint8_t *)"features: []\n", 13};
    script_say(&s, ENT_MSG_OFFER, &offer);
    open = script_open_msg(&s, ENT_TASK_STATS);
    script_open(&s, &open);
    CU_ASSERT(script_nothing(&s)); /* it waits for its plan */
    script_push(&s, ENT_OFFER_PLAN, s.plan->digest, s.plan_blob);
    (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    script_push(&s, ENT_OFFER_PLAN, s.plan->digest, s.plan_blob); /* once more: nothing to do */
    script_push(&s, ENT_OFFER_MODEL, s.model_digest, s.model); /* a model that no round asks for */
    CU_ASSERT(script_nothing(&s));
    script_free(&s);
}

/* A base model of another plan: the member says so instead of computing something else. */
ENT_TEST(agent, a_model_of_another_plan_is_declined)
{
    struct script s;
    struct ent_msg_decline m;
    struct ent_msg_round_open open;
    struct ent_plan *other = NULL;
    const char *text = support_plan_text();
    char *changed = NULL;

    script_running(&s);
    ENT_OK(ent_strdup(text, &changed));
    strstr(changed, "[0, 100]")[4] = '2';
    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)changed, strlen(changed), &other));
    ent_blob_unref(s.model);
    s.model = support_model(other, ent_test_tmpdir(), 5);
    ENT_OK(ent_sha256(ent_blob_bytes(s.model), ent_blob_len(s.model), s.model_digest));
    open = script_open_msg(&s, ENT_TASK_TRAIN);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    script_begin(&s);
    script_push(&s, ENT_OFFER_MODEL, s.model_digest, s.model);
    (void)script_take(&s, ENT_MSG_DECLINE, &m, NULL);
    CU_ASSERT_EQUAL(m.code, ENT_E_SHAPE);
    CU_ASSERT_PTR_NOT_NULL(strstr(m.text, "age"));
    ent_plan_free(other);
    free(changed);
    script_free(&s);
}

ENT_TEST(agent, refusals_of_hello)
{
    struct script s;
    struct ent_msg_refused m = {.code = ENT_E_REVOKED};
    struct ent_agent_status status;

    script_new(&s, support_client_text());
    (void)script_take(&s, ENT_MSG_HELLO, NULL, NULL);
    m.time_ms = s.time.wall_ms + UINT64_C(3) * 3600 * 1000;
    (void)snprintf(m.text, sizeof m.text, "revoked");
    script_say(&s, ENT_MSG_REFUSED, &m);
    ent_agent_status(s.agent, &status);
    CU_ASSERT(status.stopped);
    CU_ASSERT_EQUAL(status.code, ENT_E_REVOKED);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "your clock is 3 h 0 min behind"));
    script_free(&s);
}

/* A model that cannot be trained: where in the member's data training failed stays here. */
ENT_TEST(agent, training_that_is_not_finite_declines_without_details)
{
    struct script s;
    struct ent_msg_decline m;
    struct ent_msg_round_open open;
    struct ent_blob *blob = NULL;
    uint8_t *bytes = NULL;
    const char *path;
    size_t len;
    size_t n;

    script_running(&s);
    n = ent_plan_n_params(s.plan);
    len = ent_blob_len(s.model);
    ENT_OK(ent_calloc(len, 1, &bytes));
    memcpy(bytes, ent_blob_bytes(s.model), len);
    for (size_t i = 0; i < n; i++) {
        const float large = 3e38F;

        memcpy(bytes + len - (n - i) * sizeof large, &large, sizeof large);
    }
    path = support_file(ent_test_tmpdir(), "large.safetensors", (const char *)bytes, len);
    ENT_OK(ent_blob_new_file(path, &blob));
    ent_blob_unref(s.model);
    s.model = blob;
    ENT_OK(ent_sha256(ent_blob_bytes(blob), len, s.model_digest));
    script_round(&s, ENT_TASK_STATS, false);
    open = script_open_msg(&s, ENT_TASK_TRAIN);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    script_begin(&s);
    script_push(&s, ENT_OFFER_MODEL, s.model_digest, s.model);
    (void)script_take(&s, ENT_MSG_DECLINE, &m, NULL);
    CU_ASSERT_EQUAL(m.code, ENT_E_NONFINITE);
    CU_ASSERT_STRING_EQUAL(m.text, ent_err_text(ENT_E_NONFINITE));
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "epoch 1, step 1"));
    free(bytes);
    script_free(&s);
}

/* What a plan's training takes is compared with the member's limit before a row is read. */
ENT_TEST(agent, a_plan_that_takes_too_much_memory_is_declined)
{
    static const char yaml[] =
        "features: [{name: age, type: number, range: [0, 100]}]\n"
        "label: {name: y, positive: \"yes\"}\n"
        "model: {layers: [{dense: 32768}, tanh, tanh, tanh, tanh, {dense: 1}], ensemble: 64}\n";
    static const char settings[] = "data: {path: nowhere.csv}\nlimits: {memory: 1GiB}\n";
    struct ent_client_config *config = NULL;
    struct ent_pipeline *p = NULL;
    struct ent_plan *plan = NULL;

    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)yaml, sizeof yaml - 1, &plan));
    ENT_OK(ent_client_config_parse("client.yaml", "/", (const uint8_t *)settings,
                                   sizeof settings - 1, &config));
    ENT_OK(ent_pipeline_new(config, "a", &p));
    ent_pipeline_use_take(p, plan);
    ENT_FAILS(ent_pipeline_load(p), ENT_E_LIMIT);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(ent_err_message(), "limits.memory of client.yaml allows 1024MiB"));
    config->memory_bytes = UINT64_C(64) << 30;
    ENT_FAILS(ent_pipeline_load(p), ENT_E_NOT_FOUND); /* now for the data */
    ent_pipeline_free(p);
    ent_client_config_free(config);
}

/* In a round: declined with the bare reason; what the machine has stays here. */
ENT_TEST(agent, rows_that_take_too_much_memory_are_declined_without_details)
{
    struct script s;
    struct ent_msg_decline m;
    struct ent_msg_round_open open;
    char *csv = support_csv(80000, 3);

    script_new(&s, "coordinator: localhost:7443\n"
                   "data: {path: data.csv, bad_rows: drop}\nlimits: {memory: 1MiB}\n");
    (void)support_file(s.dir, "data.csv", csv, strlen(csv));
    script_welcome(&s, NULL);
    script_run_start(&s);
    open = script_open_msg(&s, ENT_TASK_STATS);
    CU_ASSERT_EQUAL(declined(&s, &open, &m), ENT_E_LIMIT);
    CU_ASSERT_STRING_EQUAL(m.text, ent_err_text(ENT_E_LIMIT));
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "limits.memory of client.yaml leaves"));
    free(csv);
    script_free(&s);
}
