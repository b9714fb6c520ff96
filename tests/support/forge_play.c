/* The course of a federation: how it is founded, and one run from start to end. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/commit.h"
#include "common/crypto/sign.h"
#include "common/fixed/selftest.h"
#include "common/task/task.h"
#include "tests/support/forge_inside.h"

#define ARENA_BYTES ((size_t)1 << 20)

static enum ent_err put(struct ent_forge *f, unsigned type, size_t member, const void *message)
{
    bool dropped;

    return ent_forge_write(f, type, member, message, &dropped);
}

static enum ent_err act(struct ent_forge *f, uint32_t action, const void *subject, size_t len)
{
    struct ent_leaf_operator_action leaf = {.action = action, .subject = {subject, len}};

    return put(f, ENT_LEAF_OPERATOR_ACTION, ENT_FORGE_NOBODY, &leaf);
}

/* ---- founding ---- */

static enum ent_err genesis(struct ent_forge *f)
{
    struct ent_leaf_genesis leaf = {.name = "Acme"};

    (void)snprintf(leaf.origin, sizeof leaf.origin, "%s", f->origin);
    memcpy(leaf.log_pub, f->log_pub, sizeof leaf.log_pub);
    ent_sign_key_pub(f->root, leaf.root_pub);
    ENT_TRY(ent_forge_derive(f, "ca", 0, 0, leaf.ca_sha256));
    return put(f, ENT_LEAF_GENESIS, ENT_FORGE_NOBODY, &leaf);
}

static enum ent_err software(struct ent_forge *f)
{
    struct ent_leaf_software_start leaf = {.build_id = "0123456789abcdef",
                                           .version = "0.1.0",
                                           .commit = "unknown",
                                           .compiler = "gcc 12.2.0",
                                           .flags = "-O2 -ffp-contract-off",
                                           .openssl = "3.0.17",
                                           .sqlite = "3.40.1"};
    uint8_t bytes[ENT_SELFTEST_BYTES];

    ENT_TRY(ent_forge_derive(f, "elf", 0, 0, leaf.elf));
    ENT_TRY(ent_fixed_selftest(bytes));
    ENT_TRY(ent_sha256(bytes, sizeof bytes, leaf.selftest));
    return put(f, ENT_LEAF_SOFTWARE_START, ENT_FORGE_NOBODY, &leaf);
}

static enum ent_err admit(struct ent_forge *f, size_t member, struct ent_arena *arena)
{
    const struct ent_forge_member *m = &f->members[member];
    struct ent_leaf_member_admit leaf = {.has_request = true};
    struct ent_header header = ent_forge_header(f, member, ENT_MSG_ENROLL_REQUEST);
    uint8_t bytes[32];
    char name[32];

    memcpy(leaf.handle, m->handle, sizeof leaf.handle);
    memcpy(leaf.statement_pub, m->statement_pub, sizeof leaf.statement_pub);
    memcpy(leaf.witness_pub, m->witness_pub, sizeof leaf.witness_pub);
    ENT_TRY(ent_forge_derive(f, "tls", member, 0, leaf.tls_sha256));
    ENT_TRY(ent_forge_derive(f, "nonce", member, 0, bytes));
    ENT_TRY(ent_sha256(bytes, sizeof bytes, leaf.nonce_commit));
    ENT_TRY(ent_forge_derive(f, "name", member, 0, bytes));
    (void)snprintf(name, sizeof name, "brand-%zu", member);
    ENT_TRY(ent_name_commit(bytes, name, leaf.name_commit));
    /* its payload holds a token and a certificate request: only the digest is logged */
    ENT_TRY(ent_forge_derive(f, "enroll", member, 0, bytes));
    ENT_TRY(ent_forge_say(f, member, &header, (struct ent_bytes){bytes, sizeof bytes}, arena,
                          &leaf.request));
    ENT_TRY(act(f, ENT_LOG_INVITE, m->handle, sizeof m->handle));
    return put(f, ENT_LEAF_MEMBER_ADMIT, member, &leaf);
}

static enum ent_err admit_auditors(struct ent_forge *f)
{
    for (size_t i = 0; i < f->options.n_auditors; i++) {
        struct ent_leaf_auditor_admit leaf = {0};
        struct ent_sign_key *key = NULL;
        uint8_t bytes[32];

        memcpy(leaf.seal_pub, f->seal_pub[i], sizeof leaf.seal_pub);
        ENT_TRY(ent_forge_derive(f, "auditor", i, 0, bytes));
        ENT_TRY(ent_sign_key_of_seed(bytes, &key));
        ent_sign_key_pub(key, leaf.sign_pub);
        ent_sign_key_free(key);
        ENT_TRY(ent_name_commit(bytes, "dpo", leaf.name_commit));
        ENT_TRY(act(f, ENT_LOG_ADMIT_AUDITOR, leaf.seal_pub, sizeof leaf.seal_pub));
        ENT_TRY(put(f, ENT_LEAF_AUDITOR_ADMIT, ENT_FORGE_NOBODY, &leaf));
    }
    return ENT_E_OK;
}

enum ent_err ent_forge_set(struct ent_forge *f, uint32_t version, struct ent_arena *arena,
                           struct ent_bytes *out)
{
    struct ent_leaf_witness_body body = {
        .version = version, .bad = f->bad, .quorum = f->quorum, .n_witnesses = f->n_witnesses};
    struct ent_buf bytes;
    uint8_t *copy = NULL;
    enum ent_err err;

    memcpy(body.federation, f->federation, sizeof body.federation);
    ENT_TRY(ent_arena_alloc(arena, f->n_witnesses, sizeof *body.witnesses, &body.witnesses));
    for (size_t i = 0; i < f->n_witnesses; i++) {
        memcpy(body.witnesses[i].handle, f->members[i].handle, 16);
        memcpy(body.witnesses[i].witness_pub, f->members[i].witness_pub, 32);
    }
    ent_buf_init(&bytes, ENT_LOG_SET_MAX_BYTES);
    err = ent_leaf_set_encode(&body, &bytes);
    if (err == ENT_E_OK) {
        err = ent_arena_alloc(arena, bytes.len, 1, &copy);
    }
    if (err == ENT_E_OK) {
        memcpy(copy, bytes.data, bytes.len);
        *out = (struct ent_bytes){copy, bytes.len};
    }
    ent_buf_release(&bytes);
    return err;
}

static enum ent_err agree(struct ent_forge *f, struct ent_arena *arena)
{
    struct ent_leaf_witness_set leaf = {.n_agreed = f->n_witnesses};

    ENT_TRY(ent_forge_set(f, 1, arena, &leaf.set));
    ENT_TRY(ent_arena_alloc(arena, f->n_witnesses, sizeof *leaf.agreed, &leaf.agreed));
    for (size_t i = 0; i < f->n_witnesses; i++) {
        struct ent_msg_agree message = {.set = leaf.set};
        struct ent_forge_said said;

        ENT_TRY(ent_forge_say_message(f, i, ENT_MSG_AGREE, &message, arena, &said));
        leaf.agreed[i] = said.statement;
    }
    ENT_TRY(act(f, ENT_LOG_POLICY, NULL, 0));
    f->has_set = true;
    return put(f, ENT_LEAF_WITNESS_SET, ENT_FORGE_NOBODY, &leaf);
}

enum ent_err ent_forge_found(struct ent_forge *f)
{
    struct ent_arena arena;
    enum ent_err err;

    ent_arena_init(&arena, (size_t)16 << 20);
    err = genesis(f);
    if (err == ENT_E_OK) {
        err = software(f);
    }
    for (size_t i = 0; err == ENT_E_OK && i < f->options.n_members; i++) {
        err = admit(f, i, &arena);
    }
    if (err == ENT_E_OK) {
        err = admit_auditors(f);
    }
    if (err == ENT_E_OK) {
        err = agree(f, &arena);
    }
    if (err == ENT_E_OK) {
        err = ent_forge_publish(f);
    }
    ent_arena_release(&arena);
    return err;
}

/* ---- a run ---- */

static const char lean_plan[] = "# The plan of a log whose rounds compute nothing.\n";

/* A run without statistics starts from a model of its plan. */
static enum ent_err first_model(struct ent_forge *f)
{
    struct ent_buf model;
    enum ent_err err;

    ent_buf_init(&model, (size_t)1 << 20);
    err = ent_forge_privacy_model(f, &model);
    if (err == ENT_E_OK && !f->options.lean) {
        err = ent_forge_real_start(f, &model);
        return err; /* its bytes are the run's now */
    }
    if (err == ENT_E_OK) {
        f->run.has_model = true;
        f->run.model_bytes = model.len;
        err = ent_forge_add_blob(f, model.data, model.len, f->run.model);
    }
    ent_buf_release(&model);
    return err;
}

static enum ent_err begin_private(struct ent_forge *f)
{
    ENT_TRY(ent_forge_privacy_plan(f));
    if (!f->options.lean) {
        ENT_TRY(ent_forge_real_plan(f));
    }
    if (f->run.goes_on) {
        return ENT_E_OK; /* the file is there still */
    }
    return f->options.uncovered ? ENT_E_OK : first_model(f);
}

static enum ent_err configure(struct ent_forge *f)
{
    struct ent_leaf_config_set leaf = {.train_rounds = f->options.train_rounds,
                                       .min_members = f->quorum,
                                       .attempts = 3,
                                       .validate = f->options.validate,
                                       .test = f->options.test,
                                       .n_auditors = f->options.n_auditors,
                                       .plain = f->options.plain,
                                       .join_ms = 60000,
                                       .update_ms = 600000,
                                       .retry_ms = 30000};

    if (f->options.privacy) {
        ENT_TRY(begin_private(f));
        leaf.no_stats = !f->options.uncovered;
        leaf.has_base = leaf.no_stats;
        memcpy(leaf.base, f->run.model, sizeof leaf.base);
    } else {
        ENT_TRY(f->options.lean
                    ? ent_forge_add_blob(f, lean_plan, sizeof lean_plan - 1, f->run.plan)
                    : ent_forge_real_plan(f));
    }
    memcpy(leaf.plan, f->run.plan, sizeof leaf.plan);
    ENT_TRY(ent_forge_derive(f, "federation.yaml", 0, 0, leaf.federation_yaml));
    leaf.auditors = f->seal_pub;
    ENT_TRY(act(f, ENT_LOG_START, f->run.plan, sizeof f->run.plan));
    ENT_TRY(put(f, ENT_LEAF_CONFIG_SET, ENT_FORGE_NOBODY, &leaf));
    f->run.config = f->n_leaves - 1;
    return ENT_E_OK;
}

static enum ent_err release(struct ent_forge *f, uint32_t kind, const uint8_t model[32],
                            uint32_t train_round)
{
    struct ent_leaf_model_release leaf = {.kind = kind,
                                          .train_round = train_round,
                                          .dp_covered =
                                              f->options.privacy && !f->options.uncovered};

    memcpy(leaf.model, model, sizeof leaf.model);
    return put(f, ENT_LEAF_MODEL_RELEASE, ENT_FORGE_NOBODY, &leaf);
}

static enum ent_err evaluated(struct ent_forge *f)
{
    struct ent_msg_metric metrics[ENT_WIRE_METRICS_MAX] = {{.name = "log_loss"}, {.name = "rows"}};
    struct ent_leaf_eval_result leaf = {
        .split = f->run.split, .members = f->run.n_accepted, .metrics = metrics, .n_metrics = 2};

    metrics[0].nano = INT64_C(1000000000) / (2 + f->run.train_round);
    metrics[1].nano = INT64_C(10000) * 1000000000;
    if (!f->options.lean) {
        leaf.n_metrics = ent_forge_real_metrics(f, metrics);
    }
    memcpy(leaf.model, f->run.base, sizeof leaf.model);
    return put(f, ENT_LEAF_EVAL_RESULT, ENT_FORGE_NOBODY, &leaf);
}

/* What follows a round.close. */
static enum ent_err after_close(struct ent_forge *f)
{
    switch (f->run.task) {
    case ENT_TASK_STATS:
        return release(f, ENT_LOG_INITIAL, f->run.model, 0);
    case ENT_TASK_TRAIN:
        if (!f->options.validate) {
            memcpy(f->run.best, f->run.model, 32);
            f->run.best_round = f->run.train_round;
            f->run.has_best = true;
        }
        return release(f, ENT_LOG_TRAINED, f->run.model, f->run.train_round);
    default:
        if (f->run.split == ENT_SPLIT_VALIDATION) { /* better each time, see forge_round.c */
            memcpy(f->run.best, f->run.model, 32);
            f->run.best_round = f->run.train_round;
            f->run.has_best = true;
        }
        return evaluated(f);
    }
}

/* What comes next; false: the run is over. */
static bool select_next(struct ent_forge *f)
{
    struct ent_forge_run *run = &f->run;
    uint32_t was = run->task;
    uint32_t split = run->split;

    run->attempt = 1;
    run->split = ENT_SPLIT_TRAIN;
    if (was == 0 && (!f->options.privacy || f->options.uncovered)) {
        run->task = ENT_TASK_STATS;
    } else if (was == ENT_TASK_TRAIN && f->options.validate) {
        run->task = ENT_TASK_EVALUATE;
        run->split = ENT_SPLIT_VALIDATION;
    } else if (split != ENT_SPLIT_TEST && run->train_round < f->options.train_rounds) {
        run->task = ENT_TASK_TRAIN;
        run->train_round++;
    } else if (split != ENT_SPLIT_TEST && f->options.test && run->has_best) {
        run->task = ENT_TASK_EVALUATE;
        run->split = ENT_SPLIT_TEST;
    } else {
        return false;
    }
    run->round++;
    memcpy(run->base, run->split == ENT_SPLIT_TEST ? run->best : run->model, 32);
    run->base_bytes = run->model_bytes;
    return true;
}

static enum ent_err play_round(struct ent_forge *f)
{
    bool closed = false;

    for (;;) {
        ENT_TRY(ent_forge_open_round(f));
        ENT_TRY(ent_forge_privacy_event(f));
        ENT_TRY(ent_forge_publish(f));
        ENT_TRY(ent_forge_attempt(f, &closed));
        if (closed) {
            return after_close(f);
        }
        f->run.attempt++;
    }
}

enum ent_err ent_forge_play_run(struct ent_forge *f)
{
    struct ent_forge_run before = f->run;

    f->run = (struct ent_forge_run){0};
    if (f->options.from_best && f->run_number > 0) {
        f->run.goes_on = true;
        f->run.has_model = true;
        f->run.model_bytes = before.model_bytes;
        memcpy(f->run.model, before.model, sizeof f->run.model);
    }
    f->run_number++;
    ENT_TRY(configure(f));
    while (select_next(f)) {
        ENT_TRY(play_round(f));
    }
    if (f->run.has_best) {
        ENT_TRY(release(f, ENT_LOG_BEST, f->run.best, f->run.best_round));
    }
    return ent_forge_publish(f);
}
