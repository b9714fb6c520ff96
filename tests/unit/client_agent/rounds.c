#include <stdlib.h>
#include <string.h>

#include "client/agent/pipeline.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/support.h"

void script_running(struct script *s)
{
    script_new(s, support_client_text());
    script_welcome(s, NULL);
    script_run_start(s);
}

void script_running_granting(struct script *s)
{
    script_new_granting(s, support_client_text());
    script_welcome(s, NULL);
    script_run_start(s);
}

/* What the member must have computed, by its salt: the same steps, by another pipeline. */
void script_expect_payload(struct script *s, enum ent_task_kind task)
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

    got = ent_blob_ref(s->received);
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

void script_round(struct script *s, enum ent_task_kind task, bool push_model)
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
    script_expect_payload(s, task);
    script_ack(s, envelope.payload_sha256, 0);
    script_close(s);
}
