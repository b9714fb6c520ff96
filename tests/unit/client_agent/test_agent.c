#include <stdlib.h>
#include <string.h>

#include "client/agent/pipeline.h"
#include "client/state/state.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/support.h"

static void to_running(struct script *s)
{
    script_new(s, support_client_text());
    script_welcome(s, NULL);
    script_run_start(s);
}

/* What the member must have computed, by its salt: the same steps, by another pipeline. */
static void expect_payload(struct script *s, enum ent_task_kind task)
{
    struct ent_client_config *config = NULL;
    struct ent_pipeline *p = NULL;
    struct ent_plan *plan = NULL;
    struct ent_payload payload = {0};
    struct ent_work_result result;
    struct ent_blob *got = NULL;
    struct ent_work work = {.task = task,
                            .split = ENT_SPLIT_VALIDATION,
                            .round = s->round,
                            .base = task == ENT_TASK_STATS ? NULL : s->model};

    ENT_OK(ent_sink_blob(s->received, &got));
    work.salt = ent_blob_bytes(got);
    ENT_OK(ent_client_config_parse("client.yaml", s->dir, (const uint8_t *)support_client_text(),
                                   strlen(support_client_text()), &config));
    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)support_plan_text(),
                          strlen(support_plan_text()), &plan));
    ENT_OK(ent_pipeline_new(config, "brand-a", &p));
    ent_pipeline_use_take(p, plan);
    ENT_OK(ent_pipeline_load(p));
    ENT_OK(ent_pipeline_compute(p, &work, &payload, &result));
    CU_ASSERT_EQUAL_FATAL(payload.len, ent_blob_len(got));
    CU_ASSERT_EQUAL(memcmp(payload.bytes, ent_blob_bytes(got), payload.len), 0);
    ent_payload_release(&payload);
    ent_pipeline_free(p);
    ent_client_config_free(config);
    ent_blob_unref(got);
}

static void a_round(struct script *s, enum ent_task_kind task, bool push_model)
{
    struct ent_msg_round_open open = script_open_msg(s, task);
    struct ent_envelope envelope;
    struct ent_msg_join join;

    script_open(s, &open);
    (void)script_take(s, ENT_MSG_JOIN, &join, NULL);
    CU_ASSERT_EQUAL(memcmp(join.round_open, s->open_hash, 32), 0);
    CU_ASSERT_EQUAL(join.has_base, task == ENT_TASK_STATS || !push_model);
    CU_ASSERT(join.has_nonce);
    script_begin(s);
    if (push_model) {
        script_push(s, ENT_OFFER_MODEL, s->model_digest, s->model);
    }
    script_upload(s, &envelope);
    CU_ASSERT_EQUAL(envelope.header.round, s->round);
    CU_ASSERT_EQUAL(envelope.header.update.codec,
                    task == ENT_TASK_TRAIN ? ENT_CODEC_INT32 : ENT_CODEC_INT64);
    CU_ASSERT_EQUAL(envelope.header.update.rows_log2 != 0, task == ENT_TASK_TRAIN);
    expect_payload(s, task);
    script_ack(s, envelope.payload_sha256, 0);
    script_close(s);
}

ENT_TEST(agent, a_whole_run_with_the_payloads_that_the_plan_gives)
{
    struct script s;
    struct ent_msg_run_end end = {.has_best = true, .best_round = 1};
    struct ent_agent_status status;
    struct ent_buf saved;
    char path[512];

    to_running(&s);
    a_round(&s, ENT_TASK_STATS, false);
    a_round(&s, ENT_TASK_TRAIN, true);
    a_round(&s, ENT_TASK_EVALUATE, false);
    memcpy(end.best, s.model_digest, 32);
    end.best_bytes = ent_blob_len(s.model);
    script_say(&s, ENT_MSG_RUN_END, &end);
    ent_agent_status(s.agent, &status);
    CU_ASSERT_EQUAL(status.runs_ended, 1);
    CU_ASSERT_EQUAL(status.n_accepted, 3);
    (void)snprintf(path, sizeof path, "%s/global.safetensors", s.dir);
    ent_buf_init(&saved, (size_t)1024 * 1024);
    ENT_OK(ent_file_read(path, &saved));
    CU_ASSERT_EQUAL_FATAL(saved.len, ent_blob_len(s.model));
    CU_ASSERT_EQUAL(memcmp(saved.data, ent_blob_bytes(s.model), saved.len), 0);
    ent_buf_release(&saved);
    CU_ASSERT(script_nothing(&s));
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "run 1 is complete"));
    script_free(&s);
}

/* A member killed at any point between BEGIN and ACK sends the same bytes again, or computes for the first time. */
ENT_TEST(agent, killed_in_mid_round_the_same_bytes_again)
{
    struct script s;
    struct ent_msg_round_open open;
    struct ent_envelope first;
    struct ent_envelope second;
    struct ent_msg_welcome back = {
        .run = 1, .round = 1, .attempt = 1, .phase = 3, .outcome = 3, .has_plan = true};
    const struct script_frame *a;
    const struct script_frame *b;

    to_running(&s);
    open = script_open_msg(&s, ENT_TASK_STATS);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    script_begin(&s);
    a = script_take(&s, ENT_MSG_UPDATE, NULL, &first);
    script_kill(&s); /* offered, nothing granted yet */
    script_restart(&s);
    memcpy(back.plan, s.plan->digest, 32);
    back.last_sequence = first.header.sequence;
    script_welcome(&s, &back);
    b = script_take(&s, ENT_MSG_UPDATE, NULL, &second);
    CU_ASSERT_EQUAL_FATAL(a->body.len, b->body.len);
    CU_ASSERT_EQUAL(memcmp(a->body.data, b->body.data, a->body.len), 0);
    s.n_read--; /* the upload takes it again */
    script_open(&s, &open);
    script_begin(&s);
    script_upload(&s, &second);
    expect_payload(&s, ENT_TASK_STATS);
    script_ack(&s, second.payload_sha256, 0);
    script_close(&s);
    CU_ASSERT(script_nothing(&s));
    script_free(&s);
}

ENT_TEST(agent, a_lost_stored_update_sits_the_round_out)
{
    struct script s;
    struct ent_msg_round_open open;
    struct ent_msg_welcome back = {
        .run = 1, .round = 1, .attempt = 1, .phase = 3, .outcome = 3, .has_plan = true};
    char command[600];

    to_running(&s);
    open = script_open_msg(&s, ENT_TASK_STATS);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    script_begin(&s);
    (void)script_take(&s, ENT_MSG_UPDATE, NULL, NULL);
    script_kill(&s);
    (void)snprintf(command, sizeof command, "rm -f '%s'/updates/*", s.dir);
    CU_ASSERT_EQUAL(system(command), 0); /* NOLINT(cert-env33-c): a test's own directory */
    script_restart(&s);
    memcpy(back.plan, s.plan->digest, 32);
    back.last_sequence = 100;
    script_welcome(&s, &back);
    (void)script_take(&s, ENT_MSG_LOST, NULL, NULL);
    script_begin(&s);
    CU_ASSERT(script_nothing(&s));
    script_free(&s);
}

ENT_TEST(agent, a_line_that_breaks_in_mid_round_is_dialed_again)
{
    struct script s;
    struct ent_msg_round_open open;
    struct ent_envelope envelope;
    struct ent_msg_welcome back = {
        .run = 1, .round = 1, .attempt = 1, .phase = 3, .outcome = 2, .has_plan = true};

    to_running(&s);
    open = script_open_msg(&s, ENT_TASK_STATS);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    script_begin(&s);
    (void)script_take(&s, ENT_MSG_UPDATE, NULL, &envelope);
    ent_link_mem_cut(s.net, s.conn);
    script_pump(&s);
    CU_ASSERT_EQUAL(s.n_opened, 1);
    script_wait(&s, ENT_SESSION_BACKOFF_MIN_MS);
    CU_ASSERT_EQUAL(s.n_opened, 2);
    memcpy(back.plan, s.plan->digest, 32);
    back.last_sequence = envelope.header.sequence;
    script_welcome(&s, &back);
    script_upload(&s, &envelope);
    script_ack(&s, envelope.payload_sha256, 0);
    script_free(&s);
}

/* Tampers, each refused with nothing that leaves. */
ENT_TEST(agent, messages_that_are_not_the_coordinators_are_dropped)
{
    struct script s;
    struct ent_msg_round_open open;
    struct ent_sign_key *other = NULL;

    to_running(&s);
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

    to_running(&s);
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

    to_running(&s);
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

    to_running(&s);
    a_round(&s, ENT_TASK_STATS, false);
    open = script_open_msg(&s, ENT_TASK_STATS);
    memset(open.invited[2], 0x44, 16);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    script_begin(&s);
    (void)script_take(&s, ENT_MSG_DECLINE, &m, NULL);
    CU_ASSERT_EQUAL(m.code, ENT_E_POLICY);
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

    to_running(&s);
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

    to_running(&s);
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

/* A base model of another plan: the member says so instead of computing something else. */
ENT_TEST(agent, a_model_of_another_plan_is_declined)
{
    struct script s;
    struct ent_msg_decline m;
    struct ent_msg_round_open open;
    struct ent_plan *other = NULL;
    const char *text = support_plan_text();
    char *changed = NULL;

    to_running(&s);
    ENT_OK(ent_strdup(text, &changed));
    memcpy(strstr(changed, "[0, 100]"), "[0, 200]", 8);
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

static void renewed_msg(struct script *s, const struct ent_msg_renew *renew, struct ent_buf *cert,
                        const uint8_t *handle)
{
    struct ent_certs_issuer issuer = {.ca = s->ca, .ca_key = s->ca_key};
    struct ent_cert *made = NULL;

    memcpy(issuer.federation, s->federation, 16);
    ENT_OK(ent_certs_issue_member(&issuer, handle, renew->csr.data, renew->csr.len, s->time.wall_ms,
                                  &made));
    ENT_OK(ent_cert_encode(made, cert));
    ent_cert_free(made);
}

ENT_TEST(agent, renewal_from_day_sixty_swaps_key_and_certificate_at_once)
{
    struct script s;
    struct ent_msg_renew renew;
    struct ent_msg_renewed renewed = {0};
    struct ent_cert_info before;
    struct ent_cert_info after;
    struct ent_buf cert;

    script_new(&s, support_client_text());
    s.time.wall_ms += 61 * UINT64_C(86400000);
    ENT_OK(ent_identity_cert_info(s.dir, &before));
    {
        struct ent_msg_hello hello;
        struct ent_msg_welcome m = {.protocol = 1, .time_ms = s.time.wall_ms, .idle_ms = 30000};

        (void)script_take(&s, ENT_MSG_HELLO, &hello, NULL);
        ent_link_admit(s.link, s.conn);
        script_say(&s, ENT_MSG_WELCOME, &m);
    }
    (void)script_take(&s, ENT_MSG_RENEW, &renew, NULL);
    ent_buf_init(&cert, ENT_CERT_DER_MAX_BYTES);
    {
        uint8_t other[16] = {9}; /* a certificate of another member is not taken */

        renewed_msg(&s, &renew, &cert, other);
        renewed.cert = (struct ent_bytes){cert.data, cert.len};
        script_say(&s, ENT_MSG_RENEWED, &renewed);
        CU_ASSERT_EQUAL(s.renewed, 0);
        ENT_OK(ent_identity_cert_info(s.dir, &after));
        CU_ASSERT_EQUAL(memcmp(before.sha256, after.sha256, 32), 0);
    }
    script_wait(&s, ENT_SESSION_RENEW_RETRY_MS); /* asked again after an hour */
    while (s.conn == 0) {
        script_wait(&s, ENT_SESSION_BACKOFF_MAX_MS); /* the silent hour cost the connection */
    }
    if (s.inbox[s.n_read].type == ENT_MSG_HELLO) {
        script_welcome(&s, NULL);
    }
    (void)script_take(&s, ENT_MSG_RENEW, &renew, NULL);
    ent_buf_clear(&cert);
    renewed_msg(&s, &renew, &cert, s.handle);
    renewed.cert = (struct ent_bytes){cert.data, cert.len};
    script_say(&s, ENT_MSG_RENEWED, &renewed);
    CU_ASSERT_EQUAL(s.renewed, 1);
    ENT_OK(ent_identity_cert_info(s.dir, &after));
    CU_ASSERT_NOT_EQUAL(memcmp(before.sha256, after.sha256, 32), 0);
    ent_buf_release(&cert);
    script_free(&s);
}

ENT_TEST(agent, two_of_them_cannot_share_a_directory)
{
    struct script s;
    struct ent_agent_options options = {0};
    struct ent_agent *second = NULL;

    script_new(&s, support_client_text());
    options.dir = s.dir;
    options.clock = s.clock;
    ENT_FAILS(ent_agent_new(&options, &second), ENT_E_BUSY);
    options.dir = ent_test_tmpdir();
    ENT_FAILS(ent_agent_new(&options, &second), ENT_E_NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "enroll"));
    script_free(&s);
}
