#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "common/crypto/hpke.h"
#include "common/fixed/grid.h"
#include "common/fixed/weight.h"
#include "tests/support/ent_test.h"
#include "tests/unit/audit/replay_world.h"

#define ROWS 100

/* ---- updates ---- */

static void fill_stats(int64_t *v, size_t dim, unsigned member)
{
    v[0] = ROWS;
    v[1] = 40;
    for (size_t at = 2; at < dim; at += 5) { /* present, missing, clipped, sum, squares */
        v[at] = ROWS - member;
        v[at + 1] = member;
        v[at + 3] = (ROWS - (int64_t)member) << 19;
        v[at + 4] = (ROWS - (int64_t)member) << 18;
    }
}

/* 60 rows of label 0 in one cell, 40 of label 1 in another. */
static void fill_evaluate(int64_t *v, unsigned member)
{
    int64_t low = 200 + 10 * (int64_t)member;
    int64_t high = 700 - 10 * (int64_t)member;

    v[ENT_EVAL_ROWS] = ROWS;
    v[ENT_EVAL_POSITIVES] = 40;
    v[ENT_EVAL_LOSS] = (int64_t)ROWS << 19;
    v[ENT_EVAL_PREDICTED] = (60 * low + 40 * high) * 1024 + 50 * 1024;
    v[ENT_EVAL_BRIER] = 60 * low * low + 40 * (1024 - high) * (1024 - high);
    v[ENT_EVAL_CELLS_AT + low] = 60;
    v[ENT_EVAL_CELLS_AT + ENT_EVAL_CELLS + high] = 40;
}

/* salt and integers */
static void make_payload(const struct replay_world *w, uint32_t task, unsigned member,
                         struct ent_buf *out)
{
    struct ent_rng rng = ent_rng_init(100 * w->run + w->round, member);
    struct ent_task_sizes sizes = ent_plan_task_sizes(w->plan);
    uint8_t *at = NULL;
    int64_t *v = NULL;
    int32_t *q = NULL;
    size_t dim = 0;

    ENT_OK(ent_task_find(task)->dim(&sizes, &dim));
    v = calloc(dim, sizeof *v);
    q = calloc(dim, sizeof *q);
    CU_ASSERT_FATAL(v != NULL && q != NULL);
    ent_buf_init(out, 65536);
    ENT_OK(ent_buf_extend(out, ENT_UPDATE_SALT_BYTES, &at));
    for (size_t i = 0; i < ENT_UPDATE_SALT_BYTES; i++) {
        at[i] = (uint8_t)ent_rng_below(&rng, 256);
    }
    ENT_OK(ent_buf_extend(out, dim * ent_task_int_bytes((enum ent_task_kind)task), &at));
    if (task == ENT_TASK_TRAIN) {
        for (size_t i = 0; i < dim; i++) {
            q[i] = (int32_t)ent_rng_below(&rng, 20001) - 10000;
        }
        ent_grid_store32(q, dim, at);
    } else {
        if (task == ENT_TASK_STATS) {
            fill_stats(v, dim, member);
        } else {
            fill_evaluate(v, member);
        }
        ent_grid_store64(v, dim, at);
    }
    free(v);
    free(q);
}

struct attempt {
    uint32_t task;
    uint32_t split;
    uint8_t hash[32];
    struct ent_buf payloads[REPLAY_MEMBERS];
    uint32_t weights[REPLAY_MEMBERS];
    uint64_t sum_w;
};

/* digests: of the copies, the auditor's first. How many. */
static size_t keep_update(struct replay_world *w, const struct attempt *a, size_t member,
                          uint8_t digests[2][32])
{
    size_t n = 0;
    static const char info[] = "entente/seal/v1";
    uint8_t aad[48];
    uint8_t pub[32];
    struct ent_hpke_context context = {{info, sizeof info}, {aad, sizeof aad}};
    struct ent_buf plain;
    struct ent_buf sealed;
    struct replay_event event = {.member = member, .kept = &plain};

    ent_buf_init(&plain, 65536);
    ent_buf_init(&sealed, 65536 + ENT_HPKE_EXTRA_BYTES);
    ENT_OK(ent_buf_add(&plain, a->payloads[member].data, a->payloads[member].len));
    replay_tell(w, &event);
    memcpy(aad, a->hash, 32);
    memcpy(aad + 32, w->handles[member], 16);
    ent_x25519_key_pub(w->auditor, pub);
    if (w->options->keep != REPLAY_PLAIN) {
        ENT_OK(ent_hpke_seal(pub, &context, (struct ent_part){plain.data, plain.len}, &sealed));
        replay_add_blob(w, sealed.data, sealed.len, digests[n++]);
    }
    if (w->options->keep != REPLAY_SEALED) {
        replay_add_blob(w, plain.data, plain.len, digests[n++]);
    }
    memcpy(w->kept[w->run][w->round][member], digests[n - 1], 32);
    ent_buf_release(&plain);
    ent_buf_release(&sealed);
    return n;
}

static void say_update(struct replay_world *w, const struct attempt *a, size_t member,
                       struct ent_arena *arena, struct ent_leaf_statement *out)
{
    struct ent_header header = {.from_member = true,
                                .type = ENT_MSG_UPDATE,
                                .run = w->run,
                                .round = w->round,
                                .attempt = 1,
                                .sequence = w->n_leaves,
                                .has_update = true};
    struct ent_update_statement *u = &header.update;
    struct ent_envelope envelope;
    struct ent_buf sealed;
    uint8_t digest[32];
    char *copy = NULL;
    bool buckets = a->task == ENT_TASK_TRAIN && w->plan->weights == ENT_WEIGHTS_EXAMPLES_LOG2;

    memcpy(header.federation, w->federation, sizeof header.federation);
    memcpy(header.sender, w->handles[member], sizeof header.sender);
    memcpy(u->round_open, a->hash, sizeof u->round_open);
    u->has_base = a->task != ENT_TASK_STATS;
    memcpy(u->base, w->digest, sizeof u->base);
    if (!u->has_base) {
        memset(u->base, 0, sizeof u->base);
    }
    u->payload_bytes = a->payloads[member].len;
    u->codec = a->task == ENT_TASK_TRAIN ? ENT_CODEC_INT32 : ENT_CODEC_INT64;
    u->rows_log2 = buckets ? ent_weight_bucket((uint64_t)ROWS << member) : 0;
    ENT_OK(ent_sha256(a->payloads[member].data, a->payloads[member].len, digest));
    ent_buf_init(&sealed, ENT_WIRE_ENVELOPE_MAX_BYTES);
    ENT_OK(ent_wire_seal_update(w->statement, &header, digest, &sealed));
    ENT_OK(ent_wire_open(ENT_MSG_UPDATE, ENT_SENDER_MEMBER,
                         (struct ent_bytes){sealed.data, sealed.len}, arena, &envelope));
    ENT_OK(ent_arena_strndup(arena, (const char *)envelope.header_bytes, 0, &copy));
    ENT_OK(ent_arena_alloc(arena, envelope.header_len, 1, &copy));
    memcpy(copy, envelope.header_bytes, envelope.header_len);
    out->header = (struct ent_bytes){(const uint8_t *)copy, envelope.header_len};
    memcpy(out->payload_sha256, digest, sizeof digest);
    memcpy(out->signature, envelope.signature, sizeof out->signature);
    ent_buf_release(&sealed);
}

static void accept(struct replay_world *w, struct attempt *a, size_t member)
{
    union ent_leaf_any any = {0};
    struct ent_leaf_update_accept *u = &any.update_accept;
    struct ent_arena arena;
    uint8_t sealed[2][32];
    uint32_t bucket = ent_weight_bucket((uint64_t)ROWS << member);
    uint32_t weight = 0;

    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    make_payload(w, a->task, (unsigned)member, &a->payloads[member]);
    u->has_update = true;
    say_update(w, a, member, &arena, &u->update);
    ENT_OK(ent_step_weight(
        w->plan, a->task,
        a->task == ENT_TASK_TRAIN && w->plan->weights == ENT_WEIGHTS_EXAMPLES_LOG2 ? bucket : 0,
        &weight));
    u->weight = weight > 0 ? weight : 2 + (uint32_t)member; /* fixed */
    if (w->options->keep != REPLAY_NOTHING) {
        u->n_sealed = keep_update(w, a, member, sealed);
        u->sealed = sealed;
    }
    a->weights[member] = u->weight;
    a->sum_w += u->weight;
    replay_add_leaf(w, ENT_LEAF_UPDATE_ACCEPT, member, &any, NULL);
    ent_arena_release(&arena);
}

/* ---- the round ---- */

static void open_round(struct replay_world *w, struct attempt *a)
{
    union ent_leaf_any any = {0};
    struct ent_leaf_round_open *o = &any.round_open;

    memcpy(o->federation, w->federation, sizeof o->federation);
    o->run = w->run;
    o->round = w->round;
    o->attempt = 1;
    o->task = a->task;
    o->split = a->split;
    memcpy(o->plan, w->plan->digest, sizeof o->plan);
    o->has_base = a->task != ENT_TASK_STATS;
    if (o->has_base) {
        memcpy(o->base, w->digest, sizeof o->base);
        o->base_bytes = w->model.len;
    }
    o->invited = w->handles;
    o->n_invited = REPLAY_MEMBERS;
    o->min_members = w->plan->min_members;
    o->join_ms = o->update_ms = 1000;
    o->weights = w->plan->weights;
    o->scale_bits = w->plan->scale_bits;
    o->config = w->config;
    replay_add_leaf(w, ENT_LEAF_ROUND_OPEN, 0, &any, a->hash);
}

static void release_model(struct replay_world *w, uint32_t kind)
{
    union ent_leaf_any any = {0};
    struct ent_leaf_model_release *m = &any.model_release;

    memcpy(m->model, w->digest, sizeof m->model);
    m->kind = kind;
    m->train_round = kind == ENT_LOG_INITIAL ? 0 : w->train_round;
    memcpy(w->released, m->model, sizeof m->model);
    replay_add_leaf(w, ENT_LEAF_MODEL_RELEASE, 0, &any, NULL);
}

static void take_model(struct replay_world *w, struct ent_buf *file)
{
    struct replay_event event = {.model = file};

    replay_tell(w, &event);
    ent_buf_release(&w->model);
    w->model = *file;
    replay_add_blob(w, file->data, file->len, w->digest);
}

static void step_stats(struct replay_world *w, const struct attempt *a, const int64_t *sum,
                       size_t dim)
{
    struct ent_step_lineage lineage = {.run = w->run, .round = w->round};
    struct ent_buf file;
    struct ent_step_sink sink = ent_step_sink_buf(&file);

    (void)a;
    memcpy(lineage.federation, w->federation, sizeof lineage.federation);
    if (!w->has_base) {
        ent_buf_init(&file, 1 << 20);
        ENT_OK(ent_step_initial(w->plan, &lineage, sum, dim, &sink));
        take_model(w, &file);
    }
}

static void step_train(struct replay_world *w, const struct attempt *a, const int64_t *sum,
                       size_t dim, uint8_t state_digest[32])
{
    struct ent_step_lineage lineage = {.run = w->run, .round = w->round};
    struct ent_step_reader before = {.at = w->state.data, .len = w->state.len};
    struct ent_buf file;
    struct ent_buf state;
    struct ent_step_next next = {.plan = w->plan,
                                 .base_digest = w->digest,
                                 .lineage = &lineage,
                                 .sum_w = a->sum_w,
                                 .model = ent_step_sink_buf(&file),
                                 .state = ent_step_sink_buf(&state)};
    struct ent_step_train *train = NULL;
    struct ent_modelfile *base = NULL;
    struct ent_blob *blob = NULL;

    memcpy(lineage.federation, w->federation, sizeof lineage.federation);
    ent_buf_init(&file, 1 << 20);
    ent_buf_init(&state, 1 << 20);
    ENT_OK(ent_blob_new_copy(w->model.data, w->model.len, &blob));
    ENT_OK(ent_modelfile_read(blob, &base));
    next.base = base;
    if (before.len > 0) {
        next.before = ent_step_source_of(&before);
    }
    ENT_OK(ent_step_train_new(&next, &train));
    ENT_OK(ent_step_train_window(train, sum, dim));
    CU_ASSERT(ent_step_train_done(train));
    ent_step_train_free(train);
    ent_modelfile_free(base);
    ent_blob_unref(blob);
    ent_buf_release(&w->state);
    w->state = state;
    if (ent_step_has_state(w->plan)) {
        ENT_OK(ent_sha256(state.data, state.len, state_digest));
    }
    w->train_round++;
    take_model(w, &file);
}

static void release_figures(struct replay_world *w, const struct attempt *a,
                            const struct ent_step_figures *figures)
{
    struct ent_metric_value values[ENT_METRIC_VALUES];
    struct ent_msg_metric metrics[ENT_METRIC_VALUES];
    union ent_leaf_any any = {0};
    struct ent_leaf_eval_result *e = &any.eval_result;

    e->split = a->split;
    memcpy(e->model, w->digest, sizeof e->model);
    e->members = REPLAY_MEMBERS;
    e->metrics = metrics;
    e->n_metrics = ent_metrics_values(&figures->metrics, values);
    for (size_t i = 0; i < e->n_metrics; i++) {
        (void)snprintf(metrics[i].name, sizeof metrics[i].name, "%s", values[i].name);
        metrics[i].nano = ent_step_nano(values[i].value);
    }
    replay_add_leaf(w, ENT_LEAF_EVAL_RESULT, 0, &any, NULL);
}

static struct ent_agg *sum_up(struct replay_world *w, const struct attempt *a,
                              struct ent_agg_result *result)
{
    struct ent_task_sizes sizes = ent_plan_task_sizes(w->plan);
    struct ent_step_sum sum = {.plan = w->plan,
                               .task = a->task,
                               .inputs_min = w->plan->min_members,
                               .inputs_max = REPLAY_MEMBERS,
                               .weight_max = 1 << 20};
    struct ent_agg *agg = NULL;

    if (a->task != ENT_TASK_TRAIN) {
        sum.weight_max = 1;
    }
    ENT_OK(ent_task_find(a->task)->dim(&sizes, &sum.window));
    ENT_OK(ent_step_sum_new(&sum, &agg));
    for (size_t i = 0; i < REPLAY_MEMBERS; i++) {
        ENT_OK(ent_agg_add(agg, a->payloads[i].data + ENT_UPDATE_SALT_BYTES,
                           a->payloads[i].len - ENT_UPDATE_SALT_BYTES, a->weights[i]));
    }
    ENT_OK(ent_agg_finish(agg, result));
    return agg;
}

static void close_round(struct replay_world *w, const struct attempt *a)
{
    union ent_leaf_any any = {0};
    struct ent_leaf_round_close *c = &any.round_close;
    struct ent_step_figures figures = {0};
    struct ent_agg_result result;
    struct ent_agg *agg = sum_up(w, a, &result);
    uint8_t survivors[1] = {7};

    memcpy(c->round_open, a->hash, sizeof c->round_open);
    c->attempt = 1;
    c->survivors = (struct ent_bytes){survivors, 1};
    c->sum_w = result.sum_w;
    ENT_OK(ent_step_sum_digest(result.sum, result.dim, c->result));
    if (a->task == ENT_TASK_STATS) {
        step_stats(w, a, result.sum, result.dim);
    } else if (a->task == ENT_TASK_TRAIN) {
        step_train(w, a, result.sum, result.dim, c->state);
        c->has_state = ent_step_has_state(w->plan);
    } else {
        ENT_OK(ent_step_evaluate(w->plan, result.sum, result.dim, &figures));
        c->loss_sum = figures.loss_sum;
        c->rows = figures.rows;
        c->auc = figures.auc;
    }
    c->has_model = true;
    memcpy(c->model, w->digest, sizeof c->model);
    replay_add_leaf(w, ENT_LEAF_ROUND_CLOSE, 0, &any, NULL);
    if (a->task == ENT_TASK_EVALUATE) {
        release_figures(w, a, &figures);
    } else {
        release_model(w, a->task == ENT_TASK_TRAIN ? ENT_LOG_TRAINED : ENT_LOG_INITIAL);
    }
    ent_agg_free(agg);
}

static void play_round(struct replay_world *w, uint32_t task, uint32_t split)
{
    struct attempt a = {.task = task, .split = split};

    w->round++;
    open_round(w, &a);
    for (size_t i = 0; i < REPLAY_MEMBERS; i++) {
        accept(w, &a, i);
    }
    close_round(w, &a);
    for (size_t i = 0; i < REPLAY_MEMBERS; i++) {
        ent_buf_release(&a.payloads[i]);
    }
}

void replay_play_run(struct replay_world *w)
{
    w->run++;
    w->round = 0;
    w->train_round = 0;
    ent_buf_release(&w->state);
    replay_add_config(w);
    play_round(w, ENT_TASK_STATS, ENT_SPLIT_TRAIN);
    for (int i = 0; i < 2; i++) {
        play_round(w, ENT_TASK_TRAIN, ENT_SPLIT_TRAIN);
        play_round(w, ENT_TASK_EVALUATE, ENT_SPLIT_VALIDATION);
    }
    play_round(w, ENT_TASK_EVALUATE, ENT_SPLIT_TEST);
    release_model(w, ENT_LOG_BEST);
    w->has_base = true;
    memcpy(w->base, w->digest, sizeof w->base);
}
