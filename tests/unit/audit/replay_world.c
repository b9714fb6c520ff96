#include "tests/unit/audit/replay_world.h"

#include <stdlib.h>
#include <string.h>

#include "common/fixed/selftest.h"
#include "tests/support/ent_test.h"

static const char head[] = "features:\n"
                           "  - {name: a, type: number, range: [-4, 4]}\n"
                           "  - {name: b, type: number, range: [0, 10]}\n"
                           "label: {name: bought, positive: \"1\"}\n"
                           "split: {key: 42, validation: 0.1, test: 0.2}\n"
                           "model: {layers: [{dense: 5}, relu, {dense: 1}], loss: bce}\n"
                           "training: {rounds: 2, epochs: 1, batch: 8, optimizer: {sgd: {rate: "
                           "0.1}}, seed: 9}\n";

static void make_keys(struct replay_world *w)
{
    uint8_t seed[32] = {0};

    ENT_OK(ent_sign_key_of_seed(seed, &w->log));
    for (uint8_t i = 0; i < 2; i++) {
        seed[0] = (uint8_t)(i + 1);
        ENT_OK(ent_sign_key_of_seed(seed, &w->witness[i]));
    }
    seed[0] = 9;
    ENT_OK(ent_sign_key_of_seed(seed, &w->statement));
    ENT_OK(ent_x25519_key_of_secret(seed, &w->auditor));
    for (uint8_t i = 0; i < REPLAY_MEMBERS; i++) {
        memset(w->handles[i], 0x30 + 0x11 * i, sizeof w->handles[i]);
        ent_audit_short(w->handles[i], sizeof w->handles[i], w->names[i]);
    }
    memset(w->federation, 0xfe, sizeof w->federation);
}

static void make_plan(struct replay_world *w)
{
    ent_buf_init(&w->yaml, 65536);
    ENT_OK(ent_buf_addf(&w->yaml, "%saggregation: {%s, min_members: 2}\n", head,
                        w->options->aggregation));
    ENT_OK(ent_plan_parse("plan.yaml", w->yaml.data, w->yaml.len, &w->plan));
}

void replay_add_blob(struct replay_world *w, const void *bytes, size_t len, uint8_t digest[32])
{
    struct replay_blob *blob = &w->blobs[w->n_blobs++];

    CU_ASSERT_FATAL(w->n_blobs <= 256);
    ent_buf_init(&blob->bytes, len + 1);
    ENT_OK(ent_buf_add(&blob->bytes, bytes, len));
    ENT_OK(ent_sha256(bytes, len, digest));
    memcpy(blob->digest, digest, 32);
}

/* ---- leaves ---- */

void replay_tell(struct replay_world *w, struct replay_event *event)
{
    event->run = w->run;
    event->round = w->round;
    if (w->options->hook != NULL) {
        w->options->hook(w->options->ctx, event);
    }
}

/* hash: of the leaf, or NULL. */
void replay_add_leaf(struct replay_world *w, uint16_t type, size_t member, union ent_leaf_any *any,
                     uint8_t hash[32])
{
    bool of_round = type >= ENT_LEAF_ROUND_OPEN && type <= ENT_LEAF_MODEL_RELEASE;
    struct ent_leaf_frame frame = {.type = type,
                                   .schema = ENT_LEAF_SCHEMA,
                                   .seq = w->n_leaves,
                                   .time_ms = 1700000000000 + w->n_leaves,
                                   .round = of_round ? w->round : 0,
                                   .run = of_round ? w->run : 0};
    struct replay_event event = {.type = type, .member = member, .any = any};
    struct ent_buf *leaf = &w->leaves[w->n_leaves++];
    uint8_t own[32];

    CU_ASSERT_FATAL(w->n_leaves <= 256);
    memcpy(frame.federation, w->federation, sizeof frame.federation);
    replay_tell(w, &event);
    if (type == ENT_LEAF_ROUND_OPEN) {
        any->round_open.leaf_index = frame.seq;
        any->round_open.leaf_ms = frame.time_ms;
    }
    ent_buf_init(leaf, ENT_LEAF_MAX_BYTES);
    ENT_OK(ent_leaf_encode(&frame, any, leaf));
    event.any = NULL;
    event.raw = leaf;
    replay_tell(w, &event);
    ENT_OK(ent_sha256_leaf(leaf->data, leaf->len, own));
    ENT_OK(ent_merkle_append(&w->tree, &w->hash, own, NULL, NULL));
    if (hash != NULL) {
        memcpy(hash, own, 32);
    }
}

static void add_start(struct replay_world *w)
{
    union ent_leaf_any any = {0};
    struct ent_leaf_software_start *s = &any.software_start;
    uint8_t bytes[ENT_SELFTEST_BYTES];

    (void)snprintf(s->version, sizeof s->version, "0.1");
    (void)snprintf(s->compiler, sizeof s->compiler, "gcc");
    ENT_OK(ent_fixed_selftest(bytes));
    ENT_OK(ent_sha256(bytes, sizeof bytes, s->selftest));
    replay_add_leaf(w, ENT_LEAF_SOFTWARE_START, 0, &any, NULL);
}

void replay_add_config(struct replay_world *w)
{
    union ent_leaf_any any = {0};
    struct ent_leaf_config_set *c = &any.config_set;
    uint8_t auditors[1][32];

    c->train_rounds = w->plan->rounds;
    c->min_members = w->plan->min_members;
    c->attempts = 3;
    c->validate = true;
    c->test = true;
    c->join_ms = c->update_ms = c->retry_ms = 1000;
    c->plain = w->options->keep == REPLAY_PLAIN || w->options->keep == REPLAY_BOTH;
    if (w->options->keep == REPLAY_SEALED || w->options->keep == REPLAY_BOTH) {
        ent_x25519_key_pub(w->auditor, auditors[0]);
        c->auditors = auditors;
        c->n_auditors = 1;
    }
    c->has_base = w->has_base;
    memcpy(c->base, w->base, sizeof c->base);
    replay_add_blob(w, w->yaml.data, w->yaml.len, c->plan);
    w->config = w->n_leaves;
    replay_add_leaf(w, ENT_LEAF_CONFIG_SET, 0, &any, NULL);
}

void replay_world_make(struct replay_world *w, const struct replay_options *options)
{
    memset(w, 0, sizeof *w);
    w->options = options;
    ent_merkle_init(&w->tree);
    make_keys(w);
    make_plan(w);
    add_start(w);
    for (unsigned i = 0; i == 0 || i < options->runs; i++) {
        replay_play_run(w);
    }
    replay_write_files(w);
}

void replay_world_release(struct replay_world *w)
{
    for (size_t i = 0; i < w->n_leaves; i++) {
        ent_buf_release(&w->leaves[i]);
    }
    for (size_t i = 0; i < w->n_blobs; i++) {
        ent_buf_release(&w->blobs[i].bytes);
    }
    ent_plan_free(w->plan);
    ent_buf_release(&w->yaml);
    ent_buf_release(&w->model);
    ent_buf_release(&w->state);
    ent_sha256_release(&w->hash);
    ent_sign_key_free(w->log);
    ent_sign_key_free(w->witness[0]);
    ent_sign_key_free(w->witness[1]);
    ent_sign_key_free(w->statement);
    ent_x25519_key_free(w->auditor);
}
