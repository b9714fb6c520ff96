/* A run: its plan, and the models that its sums make, one out of the other. */
#include <stdlib.h>
#include <string.h>

#include "audit/replay_inside.h"
#include "common/base/mem.h"

#define HEADER_USUAL 65536 /* bytes: most headers are shorter */

void ent_replay_end_run(struct ent_replay_run *run)
{
    ent_plan_free(run->plan);
    ent_modelfile_free(run->model);
    ent_buf_release(&run->state);
    free(run->trained);
    *run = (struct ent_replay_run){.place = -1};
}

/* Of a blob that the log names. *found = false: models of this run cannot be replayed, and a finding says why. */
static enum ent_err read_named(struct ent_replaying *r, const char *what, const uint8_t digest[32],
                               struct ent_buf *out, bool *found)
{
    enum ent_err err = ent_export_blob(r->export, digest, out);

    *found = err == ENT_E_OK;
    if (err == ENT_E_NOT_FOUND) {
        ent_replay_break(r, ENT_REPLAY_INCOMPLETE, "the %s of its run is not in this export", what);
        return ENT_E_OK;
    }
    if (err == ENT_E_DIGEST || err == ENT_E_LIMIT) {
        ent_replay_break(r, ENT_REPLAY_DIFFERS, "the %s in this export is not the logged one",
                         what);
        return ENT_E_OK;
    }
    return err;
}

static enum ent_err read_plan(struct ent_replaying *r, const uint8_t digest[32])
{
    struct ent_buf yaml;
    bool found = false;
    enum ent_err err;

    ent_buf_init(&yaml, ENT_PLAN_MAX_BYTES);
    err = read_named(r, "plan", digest, &yaml, &found);
    if (err == ENT_E_OK && found) {
        err = ent_plan_parse("plan.yaml", yaml.data, yaml.len, &r->run.plan);
        if (err != ENT_E_OK && !ent_replay_is_fatal(err)) {
            ent_replay_break(r, ENT_REPLAY_INCOMPLETE, "this build does not read its plan: %s",
                             ent_err_message());
            err = ENT_E_OK;
        }
    }
    ent_buf_release(&yaml);
    return err;
}

enum ent_err ent_replay_begin_run(struct ent_replaying *r, uint64_t seq,
                                  const struct ent_leaf_config_set *config)
{
    struct ent_replay_run *run = &r->run;

    ent_replay_end_run(run);
    run->there = true;
    run->seq = seq;
    run->min_members = config->min_members;
    run->n_auditors = (uint32_t)config->n_auditors;
    run->plain = config->plain;
    run->has_base = config->has_base;
    memcpy(run->base, config->base, sizeof run->base);
    for (size_t i = 0; r->key != NULL && i < config->n_auditors; i++) {
        if (memcmp(config->auditors[i], r->pub, sizeof r->pub) == 0) {
            run->place = (int)i;
        }
    }
    if (run->has_base) {
        run->has_model = true;
        memcpy(run->model_digest, run->base, sizeof run->model_digest);
    }
    ENT_TRY(read_plan(r, config->plan));
    return ent_replay_base(r, config->no_stats);
}

/* ---- models ---- */

static size_t model_max(const struct ent_replaying *r)
{
    return ent_plan_n_params(r->run.plan) * sizeof(float) + ENT_MODELFILE_HEADER_MAX + 8;
}

static enum ent_err begin_file(const struct ent_replaying *r, struct ent_buf *file)
{
    ent_buf_init(file, model_max(r));
    return ent_buf_reserve(file, ent_plan_n_params(r->run.plan) * sizeof(float) + HEADER_USUAL);
}

/* Takes the bytes: they are the newest model now. */
static enum ent_err take_model(struct ent_replaying *r, struct ent_buf *file)
{
    struct ent_replay_run *run = &r->run;
    struct ent_modelfile *model = NULL;
    struct ent_blob *blob = NULL;
    enum ent_err err;

    ENT_TRY(ent_sha256(file->data, file->len, run->model_digest));
    run->has_model = true;
    ENT_TRY(ent_blob_new_take(file->data, file->len, &blob));
    ent_buf_init(file, file->max); /* its bytes are the blob's */
    err = ent_modelfile_read(blob, &model);
    ent_blob_unref(blob);
    ENT_TRY(err);
    ent_modelfile_free(run->model);
    run->model = model;
    return ENT_E_OK;
}

/* The model that the run started from, when it comes to it. */
static enum ent_err need_model(struct ent_replaying *r, bool *there)
{
    struct ent_buf file;
    enum ent_err err;

    *there = r->run.model != NULL;
    if (*there) {
        return ENT_E_OK;
    }
    ent_buf_init(&file, model_max(r));
    err = read_named(r, "base model", r->run.model_digest, &file, there);
    if (err == ENT_E_OK && *there) {
        err = take_model(r, &file);
        if (err != ENT_E_OK && !ent_replay_is_fatal(err)) {
            ent_replay_break(r, ENT_REPLAY_DIFFERS, "its base model: %s", ent_err_message());
            *there = false;
            err = ENT_E_OK;
        }
    }
    ent_buf_release(&file);
    return err;
}

static struct ent_step_lineage lineage_of(const struct ent_replay_attempt *at)
{
    struct ent_step_lineage lineage = {.run = at->run, .round = at->round};

    memcpy(lineage.federation, at->federation, sizeof lineage.federation);
    return lineage;
}

/* An error of the step itself is the log's: such a round could not have been closed. */
static enum ent_err stepped(struct ent_replaying *r, enum ent_err err, bool *good)
{
    *good = err == ENT_E_OK;
    if (err == ENT_E_OK || ent_replay_is_fatal(err)) {
        return err;
    }
    ent_replay_break(r, ENT_REPLAY_DIFFERS, "no model comes of its sum: %s", ent_err_message());
    return ENT_E_OK;
}

static void compare_model(struct ent_replaying *r, const struct ent_leaf_round_close *close)
{
    char logged[ENT_AUDIT_SHORT_BYTES];
    char found[ENT_AUDIT_SHORT_BYTES];

    if (close->has_model && memcmp(close->model, r->run.model_digest, sizeof close->model) == 0) {
        return;
    }
    ent_audit_short(close->model, sizeof close->model, logged);
    ent_audit_short(r->run.model_digest, sizeof r->run.model_digest, found);
    ent_replay_break(r, ENT_REPLAY_DIFFERS,
                     "its released model differs: the log says %s, its sum gives %s",
                     close->has_model ? logged : "none", found);
}

static enum ent_err step_stats(struct ent_replaying *r, const struct ent_leaf_round_close *close,
                               const int64_t *sum, size_t dim)
{
    struct ent_step_lineage lineage = lineage_of(&r->at);
    struct ent_step_sink sink;
    struct ent_buf file;
    bool good = true;
    enum ent_err err;

    if (r->run.has_base) { /* the run goes on from a model, with that model's preprocessing */
        compare_model(r, close);
        return ENT_E_OK;
    }
    err = begin_file(r, &file);
    sink = ent_step_sink_buf(&file);
    if (err == ENT_E_OK) {
        err = stepped(r, ent_step_initial(r->run.plan, &lineage, sum, dim, &sink), &good);
    }
    if (err == ENT_E_OK && good) {
        err = stepped(r, take_model(r, &file), &good);
    }
    if (err == ENT_E_OK && good) {
        r->run.has_initial = true;
        memcpy(r->run.initial, r->run.model_digest, sizeof r->run.initial);
        compare_model(r, close);
    }
    ent_buf_release(&file);
    return err;
}

static enum ent_err apply(struct ent_replaying *r, uint64_t sum_w, const int64_t *sum, size_t dim,
                          struct ent_buf *file, struct ent_buf *state)
{
    struct ent_replay_run *run = &r->run;
    struct ent_step_reader before = {.at = run->state.data, .len = run->state.len};
    struct ent_step_lineage lineage = lineage_of(&r->at);
    struct ent_step_next next = {.plan = run->plan,
                                 .base = run->model,
                                 .base_digest = run->model_digest,
                                 .lineage = &lineage,
                                 .sum_w = sum_w,
                                 .model = ent_step_sink_buf(file),
                                 .state = ent_step_sink_buf(state)};
    struct ent_step_train *train = NULL;
    enum ent_err err;

    if (before.len > 0) {
        next.before = ent_step_source_of(&before);
    }
    ENT_TRY(ent_step_train_new(&next, &train));
    err = ent_step_train_window(train, sum, dim);
    ent_step_train_free(train);
    return err;
}

static enum ent_err take_state(struct ent_replaying *r, const struct ent_leaf_round_close *close,
                               struct ent_buf *state)
{
    bool has_state = ent_step_has_state(r->run.plan);
    uint8_t digest[32] = {0};

    if (has_state) {
        ENT_TRY(ent_sha256(state->data, state->len, digest));
    }
    if (close->has_state != has_state || memcmp(close->state, digest, sizeof digest) != 0) {
        ent_replay_break(r, ENT_REPLAY_DIFFERS,
                         "the state of the server's optimizer behind it is not the logged one");
    }
    ent_buf_release(&r->run.state);
    r->run.state = *state;
    ent_buf_init(state, state->max);
    return ENT_E_OK;
}

static enum ent_err keep_trained(struct ent_replay_run *run)
{
    ENT_TRY(ent_grow(&run->trained, &run->cap_trained, run->n_trained + 1, sizeof *run->trained));
    memcpy(run->trained[run->n_trained++], run->model_digest, sizeof *run->trained);
    return ENT_E_OK;
}

static enum ent_err make_next(struct ent_replaying *r, const struct ent_leaf_round_close *close,
                              const int64_t *sum, size_t dim)
{
    struct ent_buf file;
    struct ent_buf state;
    bool good = false;
    enum ent_err err = begin_file(r, &file);

    ent_buf_init(&state, ent_step_state_bytes(r->run.plan));
    if (err == ENT_E_OK) {
        err = stepped(r, apply(r, close->sum_w, sum, dim, &file, &state), &good);
    }
    if (err == ENT_E_OK && good) {
        err = stepped(r, take_model(r, &file), &good);
    }
    if (err == ENT_E_OK && good) {
        compare_model(r, close);
        err = take_state(r, close, &state);
    }
    if (err == ENT_E_OK && good) {
        err = keep_trained(&r->run);
    }
    ent_buf_release(&state);
    ent_buf_release(&file);
    return err;
}

static enum ent_err step_train(struct ent_replaying *r, const struct ent_leaf_round_close *close,
                               const int64_t *sum, size_t dim)
{
    bool there = false;

    if (!r->run.has_model || !r->at.has_base ||
        memcmp(r->at.base, r->run.model_digest, sizeof r->at.base) != 0) {
        ent_replay_break(r, ENT_REPLAY_DIFFERS,
                         "its members trained on another model than the one before it");
        return ENT_E_OK;
    }
    ENT_TRY(need_model(r, &there));
    return there ? make_next(r, close, sum, dim) : ENT_E_OK;
}

static bool is_of_run(const struct ent_replay_run *run, const uint8_t digest[32])
{
    bool found = (run->has_model && memcmp(digest, run->model_digest, 32) == 0) ||
                 (run->has_initial && memcmp(digest, run->initial, 32) == 0) ||
                 (run->has_base && memcmp(digest, run->base, 32) == 0);

    for (size_t i = 0; i < run->n_trained && !found; i++) {
        found = memcmp(digest, run->trained[i], 32) == 0;
    }
    return found;
}

static enum ent_err step_evaluate(struct ent_replaying *r, const struct ent_leaf_round_close *close,
                                  const int64_t *sum, size_t dim)
{
    const struct ent_step_figures *f = &r->at.figures;
    enum ent_err err = ent_step_evaluate(r->run.plan, sum, dim, &r->at.figures);

    if (err != ENT_E_OK && !ent_replay_is_fatal(err)) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true, "no figures come of its sum: %s",
                       ent_err_message());
        return ENT_E_OK;
    }
    ENT_TRY(err);
    r->at.evaluated = true;
    if (f->loss_sum != close->loss_sum || f->rows != close->rows || f->auc != close->auc) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true, "its logged %s is not that of its sum",
                       f->loss_sum != close->loss_sum ? "loss"
                       : f->rows != close->rows       ? "number of rows"
                                                      : "AUC");
    }
    return ENT_E_OK;
}

/* Evaluation makes no model: what it looks at and leaves is one that the run has. */
static void check_evaluated(struct ent_replaying *r, const struct ent_leaf_round_close *close)
{
    if (r->run.broken[0] != '\0') {
        return;
    }
    if (!r->at.has_base || !is_of_run(&r->run, r->at.base)) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                       "it evaluates a model that this run did not make");
    }
    compare_model(r, close);
}

enum ent_err ent_replay_step(struct ent_replaying *r, const struct ent_leaf_round_close *close,
                             const int64_t *sum, size_t dim)
{
    if (r->at.task == ENT_TASK_EVALUATE) {
        check_evaluated(r, close);
        return sum != NULL ? step_evaluate(r, close, sum, dim) : ENT_E_OK;
    }
    if (sum == NULL) {
        ent_replay_break(r, ENT_REPLAY_INCOMPLETE,
                         "without its sum no model of this run can be replayed from here on");
    }
    if (r->run.broken[0] != '\0') {
        return ENT_E_OK;
    }
    return r->at.task == ENT_TASK_STATS ? step_stats(r, close, sum, dim)
                                        : step_train(r, close, sum, dim);
}
