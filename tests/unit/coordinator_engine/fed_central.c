#include "tests/unit/coordinator_engine/fed_central.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/commit.h"
#include "common/privacy/dgauss.h"
#include "coordinator/store/noise.h"
#include "tests/support/ent_test.h"

static const char plan_format[] =
    "features: [{name: age, type: number, range: [0, 100]}]\n"
    "label: {name: y, positive: \"yes\"}\n"
    "split: {key: 42, validation: 0, test: 0}\n"
    "model: {layers: [%s{dense: 1}], loss: bce}\n"
    "training: {rounds: %u, epochs: 1, optimizer: {sgd: {rate: 0.1}}, seed: 1}\n"
    "aggregation: {rule: fedavg, weights: equal, scale_bits: 20, min_members: 3, join: 30s, "
    "update: 10min, attempts: 100}\n"
    "privacy: {unit: member, epsilon: 4, delta: 1e-5, clip: 1.0}\n";

const bool central_all[CENTRAL_N] = {true, true, true, true};

const char *central_plan(unsigned rounds, unsigned width)
{
    static char plan[1024];
    char layer[64] = "";

    if (width > 0) {
        (void)snprintf(layer, sizeof layer, "{dense: %u}, relu, %s", width,
                       width == CENTRAL_LARGE ? "{dense: 300}, relu, " : "");
    }
    (void)snprintf(plan, sizeof plan, plan_format, layer, rounds);
    return plan;
}

void central_start(struct fed *fed, unsigned rounds, unsigned width)
{
    for (size_t i = 0; i < CENTRAL_N; i++) {
        fed_hello(&fed->members[i]);
    }
    fed->n_params = width == CENTRAL_LARGE ? 302601 : 3 * width + 1;
    fed->n_params = width == 0 ? 2 : fed->n_params;
    fed_start_run(fed, central_plan(rounds, width));
}

bool central_seed(struct fed *fed, uint8_t seed[32])
{
    const struct ent_round *r = ent_engine_round(fed->engine);
    const struct ent_row row = {.run = r->config.run, .round = r->round, .attempt = r->attempt};
    enum ent_err err = ent_store_noise_get(fed->home->store, &row, seed);

    CU_ASSERT(err == ENT_E_OK || err == ENT_E_NOT_FOUND);
    return err == ENT_E_OK;
}

void central_join(struct fed *fed)
{
    for (size_t i = 0; i < CENTRAL_N; i++) {
        fed_hear(&fed->members[i]);
        fed_join(&fed->members[i]);
    }
    fed_pump(fed);
    CU_ASSERT_EQUAL(ent_engine_round(fed->engine)->phase, ENT_PHASE_UPDATE);
}

void central_send(struct fed *fed, size_t i, int32_t q)
{
    fed_hear(&fed->members[i]);
    fed_offer(&fed->members[i], q + (int32_t)i);
    fed_pump(fed);
    fed_answer(&fed->members[i], q);
    fed_pump(fed);
    fed_hear(&fed->members[i]);
}

/* ---- what it must be ---- */

static const struct fed_leaf *newest(const struct fed_log *log, enum ent_leaf_type type)
{
    for (size_t i = log->n; i > 0; i--) {
        if (log->leaves[i - 1].frame.type == type) {
            return &log->leaves[i - 1];
        }
    }
    return NULL;
}

static const struct fed_leaf *open_of(const struct fed_log *log, const struct fed_leaf *close)
{
    for (size_t i = 0; i < log->n; i++) {
        if (memcmp(log->leaves[i].hash, close->any.round_close.round_open, 32) == 0) {
            return &log->leaves[i];
        }
    }
    return NULL;
}

/* Of the joins that name this opening. */
static size_t nonces_of(struct fed *fed, const struct fed_log *log, const uint8_t *open,
                        struct ent_noise_nonce *out)
{
    size_t n = 0;

    for (size_t i = 0; i < log->n; i++) {
        const struct ent_leaf_round_join *leaf = &log->leaves[i].any.round_join;
        struct ent_header header;
        struct ent_msg_join join;

        if (log->leaves[i].frame.type != ENT_LEAF_ROUND_JOIN) {
            continue;
        }
        ENT_OK(ent_leaf_header(leaf->header, &fed->arena, &header));
        ENT_OK(ent_msg_join_decode(leaf->payload.data, leaf->payload.len, &fed->arena, &join));
        if (memcmp(join.round_open, open, 32) == 0 && join.has_nonce) {
            memcpy(out[n].handle, header.sender, 16);
            memcpy(out[n++].nonce, join.nonce, 32);
        }
    }
    return n;
}

static void draw(struct fed *fed, const struct fed_log *log, const uint8_t seed[32],
                 const struct fed_leaf *open, int64_t *sum)
{
    struct ent_noise_where at = {.run = open->frame.run,
                                 .round = open->frame.round,
                                 .attempt = open->any.round_open.attempt};
    struct ent_noise_nonce nonces[CENTRAL_N];
    uint8_t commit[32];
    uint8_t salt[32];
    uint8_t key[32];
    size_t n = nonces_of(fed, log, open->hash, nonces);

    CU_ASSERT(open->any.round_open.has_noise);
    ENT_OK(ent_noise_commit(open->frame.federation, &at, seed, commit));
    CU_ASSERT_EQUAL(memcmp(commit, open->any.round_open.noise_commit, 32), 0);
    CU_ASSERT(n >= 2);
    ENT_OK(ent_noise_salt(open->hash, nonces, n, salt));
    ENT_OK(ent_noise_key(seed, salt, &at, key));
    ENT_OK(ent_dgauss_fill(key, newest(log, ENT_LEAF_DP_EVENT)->any.dp_event.sigma2, 0, sum,
                           fed->n_params));
}

static void add_payload(const struct fed_member *m, int64_t *sum, size_t n)
{
    const uint8_t *at = ent_blob_bytes(m->payload) + ENT_UPDATE_SALT_BYTES;

    CU_ASSERT_EQUAL_FATAL(ent_blob_len(m->payload), ENT_UPDATE_SALT_BYTES + 4 * n);
    for (size_t i = 0; i < n; i++) {
        sum[i] += (int32_t)ent_get_le32(at + 4 * i);
    }
}

void central_check(struct fed *fed, const uint8_t seed[32], const bool in[CENTRAL_N])
{
    const struct fed_leaf *close;
    const struct fed_leaf *open;
    struct fed_log log;
    int64_t *sum = NULL;
    uint8_t *bytes = NULL;
    uint8_t digest[32];

    fed_log_read(fed, &log);
    close = newest(&log, ENT_LEAF_ROUND_CLOSE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(close);
    open = open_of(&log, close);
    CU_ASSERT_PTR_NOT_NULL_FATAL(open);
    ENT_OK(ent_calloc(fed->n_params, sizeof *sum, &sum));
    ENT_OK(ent_calloc(fed->n_params, 8, &bytes));
    draw(fed, &log, seed, open, sum);
    for (size_t i = 0; i < CENTRAL_N; i++) {
        if (in[i]) {
            add_payload(&fed->members[i], sum, fed->n_params);
        }
    }
    for (size_t i = 0; i < fed->n_params; i++) {
        ent_put_le64(bytes + 8 * i, (uint64_t)sum[i]);
    }
    ENT_OK(ent_sha256(bytes, (size_t)8 * fed->n_params, digest));
    CU_ASSERT_EQUAL(memcmp(digest, close->any.round_close.result, 32), 0);
    free(bytes);
    free(sum);
    fed_log_free(&log);
}

bool central_in_files(struct fed *fed, const uint8_t *bytes, size_t len)
{
    static const char *const names[] = {"federation.db", "federation.db-wal"};
    bool found = false;

    for (size_t i = 0; i < ENT_ARRAY_LEN(names); i++) {
        struct ent_buf file;
        char *path = NULL;

        ENT_OK(ent_path_join(fed->dir, names[i], &path));
        ent_buf_init(&file, (size_t)64 * 1024 * 1024);
        if (ent_file_exists(path)) {
            ENT_OK(ent_file_read(path, &file));
        }
        for (size_t at = 0; at + len <= file.len && !found; at++) {
            found = memcmp(file.data + at, bytes, len) == 0;
        }
        ent_buf_release(&file);
        free(path);
    }
    return found;
}

void central_rejected(struct fed *fed, uint32_t member, enum ent_err code)
{
    const struct fed_leaf *leaf;
    struct fed_log log;

    fed_log_read(fed, &log);
    leaf = fed_log_find(&log, ENT_LEAF_UPDATE_REJECT, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(leaf);
    CU_ASSERT_EQUAL(leaf->any.update_reject.code, code);
    CU_ASSERT_EQUAL(memcmp(leaf->any.update_reject.handle, fed->members[member].handle, 16), 0);
    CU_ASSERT_PTR_NULL(fed_log_find(&log, ENT_LEAF_UPDATE_REJECT, 1));
    fed_log_free(&log);
}

void central_send_all(struct fed *fed)
{
    for (size_t i = 0; i < CENTRAL_N; i++) {
        central_send(fed, i, 1000);
    }
}

void central_round(struct fed *fed)
{
    uint8_t seed[32];

    CU_ASSERT_FATAL(central_seed(fed, seed));
    central_join(fed);
    central_send_all(fed);
    central_check(fed, seed, central_all);
    fed_pass(fed, 10);
    CU_ASSERT_FALSE(central_in_files(fed, seed, sizeof seed));
}
