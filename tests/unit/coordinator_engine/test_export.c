/* An export out of the store, and how far behind a member may be. */
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/export/read.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"
#include "tests/unit/coordinator_engine/fed_log.h"

static bool is_refused(struct fed *fed, const char *request)
{
    struct ent_json *reply = fed_ask(fed, request);
    bool refused = ent_json_get(reply, "error") != NULL;

    ent_json_free(reply);
    return refused;
}

ENT_TEST(export, holds_every_leaf_below_its_note_and_what_they_name)
{
    struct ent_export *export = NULL;
    struct ent_export_leaves leaves;
    struct ent_bytes leaf;
    struct fed_log log;
    struct fed fed;
    char request[256];
    char to[160];
    bool more = true;
    size_t n = 0;
    size_t n_models = 0;
    uint8_t hash[32];

    fed_new(&fed, 3);
    for (size_t i = 0; i < 3; i++) {
        fed_hello(&fed.members[i]);
    }
    fed_start_run(&fed, fed_plan);
    fed_live(&fed, 3, 1000);
    (void)snprintf(to, sizeof to, "%s/x.export", ent_test_tmpdir());
    (void)snprintf(request, sizeof request, "{\"verb\":\"export\",\"to\":\"%s\"}", to);
    CU_ASSERT_FALSE(is_refused(&fed, request));
    CU_ASSERT(is_refused(&fed, request)); /* nothing is written over */
    fed_log_read(&fed, &log);
    CU_ASSERT_EQUAL(log.leaves[log.n - 1].any.operator_action.action, ENT_LOG_EXPORT);
    ENT_OK(ent_export_open(to, &export));
    CU_ASSERT_EQUAL(ent_export_claim(export)->size, fed.engine->audit.cosigned);
    CU_ASSERT_EQUAL(ent_export_claim(export)->size, log.n - 1);
    ENT_OK(ent_export_leaves_begin(export, 0, &leaves));
    ENT_OK(ent_export_leaves_next(&leaves, &leaf, &more));
    for (; more; n++) {
        ENT_OK(ent_sha256_leaf(leaf.data, leaf.len, hash));
        CU_ASSERT_EQUAL(memcmp(hash, log.leaves[n].hash, sizeof hash), 0);
        ENT_OK(ent_export_leaves_next(&leaves, &leaf, &more));
    }
    CU_ASSERT_EQUAL(n, ent_export_claim(export)->size);
    ent_export_leaves_release(&leaves);
    ENT_OK(ent_export_blob_check(export,
                                 fed_log_find(&log, ENT_LEAF_CONFIG_SET, 0)->any.config_set.plan));
    for (size_t i = 0; fed_log_find(&log, ENT_LEAF_MODEL_RELEASE, i) != NULL; i++) {
        ENT_OK(ent_export_blob_check(
            export, fed_log_find(&log, ENT_LEAF_MODEL_RELEASE, i)->any.model_release.model));
        n_models++;
    }
    CU_ASSERT_EQUAL(n_models, 3); /* the initial one, of one training round, the best */
    ent_export_close(export);
    fed_log_free(&log);
    fed_free(&fed);
}

/* Far more than a connection queues at once: it comes in parts, each cosigned. */
ENT_TEST(publish, a_member_far_behind_catches_up)
{
    struct ent_leaf_frame frame = {0};
    struct ent_leaf_operator_action action = {.action = ENT_LOG_CONFIGURE};
    uint64_t size = 0;
    struct fed fed;

    fed_new(&fed, 2);
    ENT_OK(ent_store_begin(fed.home->store));
    for (int i = 0; i < 40000; i++) {
        frame = (struct ent_leaf_frame){.type = ENT_LEAF_OPERATOR_ACTION};
        ENT_OK(
            ent_store_log_append(fed.home->store, &frame, &action, fed.time.wall_ms, NULL, NULL));
    }
    ENT_OK(ent_store_commit(fed.home->store));
    ent_trail_publish(fed.engine);
    fed.members[0].witness.n_checkpoints = 0;
    fed_hello(&fed.members[0]);
    fed_live(&fed, 1, 0);
    ENT_OK(ent_store_log_size(fed.home->store, &size));
    CU_ASSERT(size > 40000);
    CU_ASSERT_EQUAL(fed.members[0].witness.tree.size, size);
    CU_ASSERT(fed.members[0].witness.n_checkpoints > 1);
    CU_ASSERT_FALSE(fed.members[0].closed);
    CU_ASSERT_EQUAL(fed.engine->audit.note.n_cosigned, 1);
    fed_free(&fed);
}

/* Two that stand at different places of the log cosign one note. */
ENT_TEST(publish, who_comes_later_cosigns_the_note_that_is_under_way)
{
    uint64_t size;
    struct fed fed;

    fed_new(&fed, 3);
    fed_hello(&fed.members[0]);
    size = fed.engine->audit.note.size;
    CU_ASSERT_FALSE(fed.engine->audit.note.quorum);
    ent_json_free(fed_ask(&fed, "{\"verb\":\"invite\",\"name\":\"brand-x\"}")); /* one more leaf */
    fed_hello(&fed.members[1]);
    CU_ASSERT_EQUAL(fed.engine->audit.note.size, size);
    CU_ASSERT(fed.engine->audit.note.quorum);
    CU_ASSERT_EQUAL(fed.engine->audit.cosigned, size);
    fed_free(&fed);
}
