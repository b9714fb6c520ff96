#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/agent.h"
#include "client/agent/pipeline.h"
#include "client/state/state.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/db/db.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/support.h"

static void whole_run(bool granting)
{
    struct script s;
    struct ent_msg_metric metrics[] = {{.name = "found_10", .nano = 384000000}};
    struct ent_msg_run_end end = {
        .has_best = true, .best_round = 1, .metrics = metrics, .n_metrics = 1};
    struct ent_agent_status status;
    struct ent_buf saved;
    char path[512];

    if (granting) {
        script_running_granting(&s);
    } else {
        script_running(&s);
    }
    script_round(&s, ENT_TASK_STATS, false);
    script_round(&s, ENT_TASK_TRAIN, true);
    script_round(&s, ENT_TASK_EVALUATE, false);
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
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "; of those with y = yes, 38 % are in the top 10 % of "
                                          "scores; random would find 10 %"));
    script_free(&s);
}

/* Small bytes within their messages, or each after its grant. */
ENT_TEST(agent, a_whole_run_with_the_payloads_that_the_plan_gives)
{
    whole_run(false);
    whole_run(true);
}

static void keep_old_global(const struct script *s, char path[512])
{
    (void)snprintf(path, 512, "%s/global.safetensors", s->dir);
    (void)support_file(s->dir, "global.safetensors", "of an earlier run", 17);
}

static bool is_old_global(const char *path)
{
    struct ent_buf saved;
    bool same;

    ent_buf_init(&saved, (size_t)1024 * 1024);
    ENT_OK(ent_file_read(path, &saved));
    same = saved.len == 17 && memcmp(saved.data, "of an earlier run", 17) == 0;
    ent_buf_release(&saved);
    return same;
}

/* Whether none is named, or the one that the run started from. */
ENT_TEST(agent, a_run_that_trained_nothing_leaves_the_last_model_alone)
{
    for (int named = 0; named < 2; named++) {
        struct script s;
        struct ent_msg_run_end end = {.code = ENT_E_STOPPED, .has_best = named == 1};
        struct ent_agent_status status;
        char path[512];

        script_running(&s);
        keep_old_global(&s, path);
        script_round(&s, ENT_TASK_STATS, false);
        if (named == 1) {
            memcpy(end.best, s.model_digest, 32);
            end.best_bytes = ent_blob_len(s.model);
        }
        script_say(&s, ENT_MSG_RUN_END, &end);
        ent_agent_status(s.agent, &status);
        CU_ASSERT_EQUAL(status.runs_ended, 1);
        CU_ASSERT(is_old_global(path));
        CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "run 1 was stopped; no model was trained"));
        CU_ASSERT_PTR_NULL(strstr(s.said, "round 0"));
        script_free(&s);
    }
}

ENT_TEST(agent, a_run_that_was_stopped_leaves_its_best_model)
{
    struct script s;
    struct ent_msg_run_end end = {.code = ENT_E_STOPPED, .has_best = true, .best_round = 1};
    char path[512];

    script_running(&s);
    keep_old_global(&s, path);
    script_round(&s, ENT_TASK_STATS, false);
    script_round(&s, ENT_TASK_TRAIN, true);
    memcpy(end.best, s.model_digest, 32);
    end.best_bytes = ent_blob_len(s.model);
    script_say(&s, ENT_MSG_RUN_END, &end);
    CU_ASSERT_FALSE(is_old_global(path));
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "run 1 was stopped; best model of training round 1"));
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "the stopped run's best model is in"));
    script_free(&s);
}

ENT_TEST(agent, a_missing_or_damaged_file_is_named)
{
    struct ent_agent_options options = {.jitter_seed = 3};
    struct ent_agent *agent = NULL;
    struct script s;
    char path[512];

    script_running(&s);
    script_kill(&s);
    options.dir = s.dir;
    options.clock = s.clock;
    (void)snprintf(path, sizeof path, "%s/client.yaml", s.dir);
    CU_ASSERT_EQUAL(remove(path), 0);
    ENT_FAILS(ent_agent_new(&options, &agent), ENT_E_NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "describe drafts one"));
    (void)snprintf(path, sizeof path, "%s/member.json", s.dir);
    CU_ASSERT_EQUAL(remove(path), 0);
    (void)support_file(s.dir, "member.json", "{\"version\": 1", 13);
    CU_ASSERT_NOT_EQUAL(ent_agent_new(&options, &agent), ENT_E_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), path));
    script_free(&s);
}

/* A member killed at any point between BEGIN and ACK sends the same bytes again, or computes for the first time. */
static void killed_in_mid_round(bool granting)
{
    struct script s;
    struct ent_msg_round_open open;
    struct ent_envelope first;
    struct ent_envelope second;
    struct ent_msg_welcome back = {
        .run = 1, .round = 1, .attempt = 1, .phase = 3, .outcome = 3, .has_plan = true};
    const struct script_frame *a;
    const struct script_frame *b;

    if (granting) {
        script_running_granting(&s);
    } else {
        script_running(&s);
    }
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
    script_expect_payload(&s, ENT_TASK_STATS);
    script_ack(&s, second.payload_sha256, 0);
    script_close(&s);
    CU_ASSERT(script_nothing(&s));
    script_free(&s);
}

ENT_TEST(agent, killed_in_mid_round_the_same_bytes_again)
{
    killed_in_mid_round(false);
    killed_in_mid_round(true);
}

/* What a disk may do to a stored update. */
static void damage_updates(const char *dir)
{
    static const char *const migrations[] = {"", "", "", "", "", "", "", ""}; /* all are done */
    const struct ent_db_schema schema = {0x456e7443, migrations, 8};
    struct ent_db *db = NULL;
    char *path = NULL;

    ENT_OK(ent_path_join(dir, "state.db", &path));
    ENT_OK(ent_db_open(path, &schema, &db));
    ENT_OK(ent_db_exec(db, "UPDATE stored_update SET payload = x'00'"));
    CU_ASSERT_EQUAL(ent_db_changes(db), 1);
    ent_db_close(db);
    free(path);
}

ENT_TEST(agent, a_lost_stored_update_sits_the_round_out)
{
    struct script s;
    struct ent_msg_round_open open;
    struct ent_msg_welcome back = {
        .run = 1, .round = 1, .attempt = 1, .phase = 3, .outcome = 3, .has_plan = true};

    script_running(&s);
    open = script_open_msg(&s, ENT_TASK_STATS);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    script_begin(&s);
    (void)script_take(&s, ENT_MSG_UPDATE, NULL, NULL);
    script_kill(&s);
    damage_updates(s.dir);
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

    script_running(&s);
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
