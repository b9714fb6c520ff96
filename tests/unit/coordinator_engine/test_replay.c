/* Rounds that this coordinator ran, replayed by the auditor from the sealed copies that it kept: with each server
 * optimizer every sum, model, state and figure of its log comes out again. */
#include <stdlib.h>
#include <string.h>

#include "audit/replay.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/x25519.h"
#include "common/export/write.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"
#include "tests/unit/coordinator_engine/fed_log.h"

#define BLOBS 64

/* Two hidden layers, of more parameters than one piece of the apply step. */
#define LARGE "[{dense: 512}, relu, {dense: 512}, {dense: 1}]"
#define LARGE_PARAMS 264193

struct course {
    struct fed fed;
    struct ent_x25519_key *key;
    struct ent_buf leaves[FED_LEAVES];
    size_t n_leaves;
    struct ent_buf note;
    uint64_t size;
    char *paths[BLOBS];
    struct ent_export_blob blobs[BLOBS];
    size_t n_blobs;
    char plan[1024];
    char dir[200];
    char export[240];
    char key_path[240];
};

static void admit(struct course *c)
{
    struct ent_json *reply;
    struct ent_sign_key *sign = NULL;
    uint8_t pub[32];
    char seal[65];
    char signs[65];
    char request[512];

    ENT_OK(ent_x25519_key_generate(&c->key));
    ENT_OK(ent_sign_key_generate(&sign));
    ent_x25519_key_pub(c->key, pub);
    ent_hex(pub, 32, seal);
    ent_sign_key_pub(sign, pub);
    ent_hex(pub, 32, signs);
    ent_sign_key_free(sign);
    (void)snprintf(request, sizeof request,
                   "{\"verb\":\"admit-auditor\",\"x25519\":\"%s\",\"ed25519\":\"%s\",\"name\":"
                   "\"dpo\"}",
                   seal, signs);
    reply = fed_ask(&c->fed, request);
    ent_json_free(reply);
}

static void run(struct course *c, const char *layers, uint32_t n_params, const char *optimizer)
{
    (void)snprintf(
        c->plan, sizeof c->plan,
        "features: [{name: age, type: number, range: [0, 100]}]\n"
        "label: {name: y, positive: \"yes\"}\n"
        "split: {key: 42, validation: 0.1, test: 0.2}\n"
        "model: {layers: %s, loss: bce}\n"
        "training: {rounds: 3, epochs: 1, batch: 32, optimizer: {sgd: {rate: 0.1}}, seed: 1}\n"
        "aggregation: {rule: fedavg, weights: equal, scale_bits: 20, min_members: 3, join: 30s, "
        "update: 10min, attempts: 3, optimizer: {%s}}\n",
        layers, optimizer);
    fed_new(&c->fed, 3);
    c->fed.n_params = n_params;
    admit(c);
    for (size_t i = 0; i < 3; i++) {
        fed_hello(&c->fed.members[i]);
    }
    fed_start_run(&c->fed, c->plan);
    fed_live(&c->fed, 3, 1000);
    CU_ASSERT_EQUAL_FATAL(ent_engine_ended_run(c->fed.engine), 1);
    fed_pass(&c->fed, 2000);
}

/* ---- its export ---- */

static enum ent_err take_leaf(void *ctx, uint64_t idx, struct ent_bytes leaf)
{
    struct course *c = ctx;

    CU_ASSERT_FATAL(idx < FED_LEAVES);
    ent_buf_init(&c->leaves[idx], ENT_LEAF_MAX_BYTES);
    c->n_leaves++;
    return ent_buf_add(&c->leaves[idx], leaf.data, leaf.len);
}

static void add_file(struct course *c, const uint8_t digest[32], char *path_take)
{
    CU_ASSERT_FATAL(c->n_blobs < BLOBS);
    memcpy(c->blobs[c->n_blobs].digest, digest, 32);
    c->blobs[c->n_blobs].path = path_take;
    c->paths[c->n_blobs++] = path_take;
}

static void collect(struct course *c)
{
    struct ent_store *store = c->fed.home->store;
    struct ent_store_ckpt ckpt;
    struct fed_log log;

    ENT_OK(ent_store_log_each(store, 0, 0, UINT64_MAX, take_leaf, c));
    ent_buf_init(&c->note, ENT_NOTE_MAX_BYTES);
    ENT_OK(ent_store_ckpt_newest(store, ENT_STORE_CKPT_QUORUM, UINT64_MAX, &ckpt, &c->note));
    c->size = ckpt.size;
    CU_ASSERT_EQUAL(ckpt.size, c->n_leaves);
    fed_log_read(&c->fed, &log);
    for (size_t i = 0; i < log.n; i++) {
        const struct fed_leaf *leaf = &log.leaves[i];
        char *path = NULL;

        if (leaf->frame.type == ENT_LEAF_UPDATE_ACCEPT) {
            CU_ASSERT_EQUAL_FATAL(leaf->any.update_accept.n_sealed, 1);
            ENT_OK(ent_store_sealed_path(store, leaf->any.update_accept.sealed[0], &path));
            add_file(c, leaf->any.update_accept.sealed[0], path);
        }
    }
    fed_log_free(&log);
    c->blobs[c->n_blobs].bytes = (struct ent_bytes){(const uint8_t *)c->plan, strlen(c->plan)};
    ENT_OK(ent_sha256(c->plan, strlen(c->plan), c->blobs[c->n_blobs++].digest));
}

static enum ent_err source_leaf(void *ctx, uint64_t index, struct ent_bytes *out)
{
    const struct course *c = ctx;

    *out = (struct ent_bytes){c->leaves[index].data, c->leaves[index].len};
    return ENT_E_OK;
}

static enum ent_err source_note(void *ctx, size_t i, struct ent_export_note *out)
{
    const struct course *c = ctx;

    (void)i;
    *out = (struct ent_export_note){c->size, {c->note.data, c->note.len}};
    return ENT_E_OK;
}

static enum ent_err source_blob(void *ctx, size_t i, struct ent_export_blob *out)
{
    *out = ((const struct course *)ctx)->blobs[i];
    return ENT_E_OK;
}

static void write_export(struct course *c)
{
    struct ent_export_source source = {
        .ctx = c, .leaf = source_leaf, .n_notes = 1, .note = source_note, .blob = source_blob};

    collect(c);
    source.size = c->size;
    source.n_blobs = c->n_blobs;
    source.checkpoint = (struct ent_bytes){c->note.data, c->note.len};
    (void)snprintf(c->dir, sizeof c->dir, "%s", ent_test_tmpdir());
    (void)snprintf(c->export, sizeof c->export, "%s/export", c->dir);
    (void)snprintf(c->key_path, sizeof c->key_path, "%s/auditor.x25519", c->dir);
    ENT_OK(ent_export_write(&source, c->export));
    ENT_OK(ent_x25519_key_save(c->key, c->key_path));
}

static void release(struct course *c)
{
    for (size_t i = 0; i < c->n_leaves; i++) {
        ent_buf_release(&c->leaves[i]);
    }
    for (size_t i = 0; i < BLOBS; i++) {
        free(c->paths[i]);
    }
    ent_buf_release(&c->note);
    ent_x25519_key_free(c->key);
    fed_free(&c->fed);
}

/* ---- replayed ---- */

static void replay(const struct course *c, struct ent_replay *out)
{
    struct ent_replay_options options = {.key = c->key_path};
    struct ent_export *export = NULL;

    memset(out, 0, sizeof *out);
    ENT_OK(ent_export_open(c->export, &export));
    ENT_OK(ent_replay_export(export, &options, out));
    ent_export_close(export);
}

static void is_identical(const char *layers, uint32_t n_params, const char *optimizer)
{
    struct course *c = NULL;
    struct ent_replay found;

    ENT_OK(ent_calloc(1, sizeof *c, &c));
    run(c, layers, n_params, optimizer);
    write_export(c);
    replay(c, &found);
    CU_ASSERT_EQUAL(found.n_closed, 8); /* stats, three of training and validation each, test */
    CU_ASSERT_EQUAL(found.n_identical, 8);
    CU_ASSERT_EQUAL(found.n_released, 9); /* and the best model */
    CU_ASSERT_EQUAL(found.n_starts_differ, 0);
    /* No policy was given, and nothing else is to be said. */
    CU_ASSERT_EQUAL(found.n_findings, 1);
    CU_ASSERT_EQUAL(found.verdict, ENT_REPLAY_INCOMPLETE);
    ent_replay_release(&found);
    release(c);
    free(c);
}

ENT_TEST(replay, of_a_coordinators_run_with_each_server_optimizer)
{
    is_identical("[{dense: 1}]", 2, "sgd: {rate: 1}");
    is_identical("[{dense: 1}]", 2, "momentum: {rate: 0.9, momentum: 0.8}");
    is_identical("[{dense: 1}]", 2, "fedadam: {rate: 0.05}");
    is_identical(LARGE, LARGE_PARAMS, "fedadam: {rate: 0.05}");
}

/* One bit of a copy that was kept. */
ENT_TEST(replay, of_a_coordinators_run_names_a_changed_copy)
{
    struct course *c = NULL;
    struct ent_replay found;
    char hex[65];
    char path[400];
    struct ent_buf copy;
    bool named = false;

    ENT_OK(ent_calloc(1, sizeof *c, &c));
    run(c, "[{dense: 1}]", 2, "momentum: {rate: 1}");
    write_export(c);
    ent_hex(c->blobs[4].digest, 32, hex); /* of round 2 */
    (void)snprintf(path, sizeof path, "%s/blob/%.2s/%s", c->export, hex, hex);
    ent_buf_init(&copy, 65536);
    ENT_OK(ent_file_read(path, &copy));
    copy.data[copy.len - 20] ^= 1;
    ENT_OK(ent_file_write_atomic(path, copy.data, copy.len, 0600));
    ent_buf_release(&copy);
    replay(c, &found);
    CU_ASSERT_EQUAL(found.verdict, ENT_REPLAY_DIFFERS);
    for (size_t i = 0; i < found.n_findings; i++) {
        named = named || strstr(found.findings[i].text, "round 2: the retained update of member") ==
                             found.findings[i].text;
    }
    CU_ASSERT_TRUE(named);
    ent_replay_release(&found);
    release(c);
    free(c);
}
