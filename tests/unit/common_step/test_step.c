#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "common/fixed/grid.h"
#include "common/step/step.h"
#include "tests/support/ent_test.h"

/* LARGE has two pieces, the second one shorter. */
#define HEAD                                                                                       \
    "features:\n"                                                                                  \
    "  - {name: a, type: number, range: [-4, 4]}\n"                                                \
    "  - {name: b, type: number, range: [0, 10]}\n"                                                \
    "label: {name: bought, positive: \"1\"}\n"                                                     \
    "split: {key: 42, validation: 0.1}\n"                                                          \
    "training: {rounds: 2, batch: 8, optimizer: {sgd: {rate: 0.1}}, seed: 9}\n"
#define LARGE                                                                                      \
    HEAD "model: {layers: [{dense: 600}, relu, {dense: 500}, relu, {dense: 1}], loss: bce}\n"
#define SMALL HEAD "model: {layers: [{dense: 4}, relu, {dense: 1}], loss: bce}\n"

static const struct ent_step_lineage lineage = {.federation = {1, 2, 3}, .run = 2, .round = 7};

static struct ent_plan *plan_of(const char *text, const char *aggregation)
{
    struct ent_plan *plan = NULL;
    struct ent_buf yaml;

    ent_buf_init(&yaml, 65536);
    ENT_OK(ent_buf_addf(&yaml, "%saggregation: {%s}\n", text, aggregation));
    ENT_OK(ent_plan_parse("plan.yaml", yaml.data, yaml.len, &plan));
    ent_buf_release(&yaml);
    return plan;
}

static int64_t *stats_of(const struct ent_plan *plan, size_t *dim)
{
    int64_t *v;

    ENT_OK(ent_task_stats_dim(plan->features, plan->n_features, dim));
    v = calloc(*dim, sizeof *v);
    CU_ASSERT_PTR_NOT_NULL_FATAL(v);
    v[0] = 100;
    v[1] = 40;
    for (size_t at = 2; at < *dim; at += 5) { /* present, missing, clipped, sum, squares */
        v[at] = 90;
        v[at + 1] = 10;
        v[at + 3] = 90 << 19;
        v[at + 4] = 90 << 18;
    }
    return v;
}

static void make_initial(const struct ent_plan *plan, struct ent_buf *file)
{
    struct ent_step_sink sink = ent_step_sink_buf(file);
    size_t dim = 0;
    int64_t *sum = stats_of(plan, &dim);

    ent_buf_init(file, (size_t)1 << 24);
    ENT_OK(ent_step_initial(plan, &lineage, sum, dim, &sink));
    free(sum);
}

static struct ent_modelfile *parse(const struct ent_buf *file)
{
    struct ent_modelfile *model = NULL;
    struct ent_blob *blob = NULL;

    ENT_OK(ent_blob_new_copy(file->data, file->len, &blob));
    ENT_OK(ent_modelfile_read(blob, &model));
    ent_blob_unref(blob);
    return model;
}

static int64_t *sums(size_t n, uint64_t seed)
{
    struct ent_rng rng = ent_rng_init(seed, 3);
    int64_t *sum = calloc(n, sizeof *sum);

    CU_ASSERT_PTR_NOT_NULL_FATAL(sum);
    for (size_t i = 0; i < n; i++) {
        sum[i] = (int64_t)ent_rng_below(&rng, 2000001) - 1000000;
    }
    return sum;
}

/* ---- the first model ---- */

ENT_TEST(step, initial_model_is_the_seed_and_the_statistics)
{
    struct ent_plan *plan = plan_of(SMALL, "weights: equal");
    struct ent_model_layer layers[ENT_PLAN_MAX_LAYERS];
    struct ent_rng rng = ent_rng_init(plan->seed, ENT_PLAN_INIT_STREAM);
    struct ent_model_options options;
    struct ent_modelfile *model;
    struct ent_buf one;
    struct ent_buf two;
    float *params = calloc(ent_plan_n_params(plan), sizeof *params);

    CU_ASSERT_PTR_NOT_NULL_FATAL(params);
    make_initial(plan, &one);
    make_initial(plan, &two);
    CU_ASSERT_TRUE(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
    model = parse(&one);
    ent_plan_model_options(plan, 1, layers, &options);
    ENT_OK(ent_model_init_vector(&options, &rng, params));
    CU_ASSERT_EQUAL_FATAL(model->n_params, ent_plan_n_params(plan));
    CU_ASSERT_EQUAL(memcmp(params, ent_modelfile_params(model), model->n_params * sizeof *params),
                    0);
    CU_ASSERT_EQUAL(model->info.run, 2);
    CU_ASSERT_EQUAL(model->info.round, 7);
    CU_ASSERT_EQUAL(memcmp(model->info.federation, lineage.federation, 16), 0);
    CU_ASSERT_EQUAL(memcmp(model->info.plan, plan->digest, 32), 0);
    CU_ASSERT_DOUBLE_EQUAL(model->info.fits[0].mean, 0.0, 1e-9); /* the middle of -4 .. 4 */
    ent_modelfile_free(model);
    ent_buf_release(&one);
    ent_buf_release(&two);
    free(params);
    ent_plan_free(plan);
}

ENT_TEST(step, initial_refuses_sums_that_contradict_themselves)
{
    struct ent_plan *plan = plan_of(SMALL, "weights: equal");
    struct ent_buf file;
    struct ent_step_sink sink = ent_step_sink_buf(&file);
    size_t dim = 0;
    int64_t *sum = stats_of(plan, &dim);

    ent_buf_init(&file, 1 << 20);
    ENT_FAILS(ent_step_initial(plan, &lineage, sum, dim - 1, &sink), ENT_E_SHAPE);
    sum[1] = 101;
    ENT_FAILS(ent_step_initial(plan, &lineage, sum, dim, &sink), ENT_E_DATA);
    CU_ASSERT_EQUAL(file.len, 0);
    free(sum);
    ent_buf_release(&file);
    ent_plan_free(plan);
}

/* ---- the next model ---- */

struct round {
    const struct ent_plan *plan;
    const struct ent_modelfile *base;
    const int64_t *sum;
    uint64_t sum_w;
    size_t window;
};

static const uint8_t base_digest[32] = {7};

/* before: the state before (NULL: none). */
static void run_round(const struct round *r, const struct ent_buf *before, struct ent_buf *model,
                      struct ent_buf *state)
{
    struct ent_step_reader reader = {0};
    struct ent_step_next next = {.plan = r->plan,
                                 .base = r->base,
                                 .base_digest = base_digest,
                                 .lineage = &lineage,
                                 .sum_w = r->sum_w,
                                 .model = ent_step_sink_buf(model),
                                 .state = ent_step_sink_buf(state)};
    struct ent_step_train *train = NULL;
    size_t n = r->base->n_params;

    ent_buf_init(model, (size_t)1 << 24);
    ent_buf_init(state, (size_t)1 << 24);
    if (before != NULL) {
        reader = (struct ent_step_reader){.at = before->data, .len = before->len};
        next.before = ent_step_source_of(&reader);
    }
    ENT_OK(ent_step_train_new(&next, &train));
    for (size_t at = 0; at < n; at += r->window) {
        CU_ASSERT_FALSE(ent_step_train_done(train));
        ENT_OK(ent_step_train_window(train, r->sum + at, n - at < r->window ? n - at : r->window));
    }
    CU_ASSERT_TRUE(ent_step_train_done(train));
    CU_ASSERT_EQUAL(reader.len, 0);
    CU_ASSERT_EQUAL(state->len, ent_step_state_bytes(r->plan));
    ent_step_train_free(train);
}

/* The optimizer over whole vectors: what pieces must come to as well. state[v]: [n]. */
static void naive(const struct round *r, float *const *state, float *out)
{
    struct ent_server_round round = {
        .model = ent_modelfile_params(r->base), .sum = r->sum, .out = out, .n = r->base->n_params};

    ENT_OK(ent_grid_factor(r->sum_w, r->plan->scale_bits, &round.c));
    for (uint32_t v = 0; v < r->plan->server.optim->n_state; v++) {
        round.state[v] = state[v];
    }
    ENT_OK(ent_server_optim_apply(r->plan->server.optim, &r->plan->server.hyper, &round));
}

/* Piece by piece, of each piece all vectors. */
static bool is_state(const struct ent_buf *state, float *const *vectors, uint32_t n_state, size_t n)
{
    const uint8_t *at = state->data;

    for (size_t first = 0; first < n; first += ENT_STEP_PIECE) {
        size_t k = n - first < ENT_STEP_PIECE ? n - first : ENT_STEP_PIECE;

        for (uint32_t v = 0; v < n_state; v++) {
            CU_ASSERT_PTR_NOT_NULL_FATAL(vectors[v]);
            if (memcmp(at, vectors[v] + first, k * sizeof(float)) != 0) {
                return false;
            }
            at += k * sizeof(float);
        }
    }
    return at == state->data + state->len;
}

static void same_as_naive(const char *aggregation)
{
    struct ent_plan *plan = plan_of(LARGE, aggregation);
    const struct ent_server_spec *server = &plan->server;
    size_t n = ent_plan_n_params(plan);
    float *vectors[ENT_SERVER_STATE_MAX] = {0};
    float *out = calloc(n, sizeof *out);
    struct ent_buf first;
    struct ent_buf state = {0};
    struct ent_modelfile *base;

    CU_ASSERT_TRUE_FATAL(n > ENT_STEP_PIECE && n % ENT_STEP_PIECE != 0 && out != NULL);
    for (uint32_t v = 0; v < server->optim->n_state; v++) {
        vectors[v] = calloc(n, sizeof(float));
        CU_ASSERT_PTR_NOT_NULL_FATAL(vectors[v]);
        for (size_t i = 0; i < n; i++) {
            vectors[v][i] = server->optim->start(&server->hyper, v);
        }
    }
    make_initial(plan, &first);
    base = parse(&first);
    for (unsigned k = 0; k < 3; k++) { /* state goes on from round to round */
        int64_t *sum = sums(n, k);
        struct round r = {plan, base, sum, 5, ENT_STEP_PIECE};
        struct round whole = {plan, base, sum, 5, n};
        struct ent_buf models[2];
        struct ent_buf states[2];
        struct ent_modelfile *next;

        run_round(&r, k > 0 && state.len > 0 ? &state : NULL, &models[0], &states[0]);
        run_round(&whole, k > 0 && state.len > 0 ? &state : NULL, &models[1], &states[1]);
        CU_ASSERT_TRUE(models[0].len == models[1].len &&
                       memcmp(models[0].data, models[1].data, models[0].len) == 0);
        CU_ASSERT_TRUE(
            states[0].len == states[1].len &&
            (states[0].len == 0 || memcmp(states[0].data, states[1].data, states[0].len) == 0));
        naive(&r, vectors, out);
        next = parse(&models[0]);
        CU_ASSERT_EQUAL(memcmp(out, ent_modelfile_params(next), n * sizeof *out), 0);
        CU_ASSERT_TRUE(is_state(&states[0], vectors, server->optim->n_state, n));
        CU_ASSERT_EQUAL(memcmp(next->info.base, base_digest, 32), 0);
        CU_ASSERT_EQUAL(next->info.round, lineage.round);
        ent_modelfile_free(base);
        base = next;
        ent_buf_release(&state);
        state = states[0];
        ent_buf_release(&states[1]);
        ent_buf_release(&models[0]);
        ent_buf_release(&models[1]);
        free(sum);
    }
    ent_modelfile_free(base);
    ent_buf_release(&state);
    ent_buf_release(&first);
    free(vectors[0]);
    free(vectors[1]);
    free(out);
    ent_plan_free(plan);
}

ENT_TEST(step, pieces_are_the_whole)
{
    same_as_naive("weights: equal");
    same_as_naive("weights: equal, optimizer: {momentum: {rate: 0.9, momentum: 0.8}}");
    same_as_naive("weights: equal, optimizer: {fedadam: {rate: 0.05, tau: 0.01}}");
}

static enum ent_err full(void *ctx, const void *bytes, size_t len)
{
    size_t *left = ctx;

    (void)bytes;
    ENT_REQUIRE(len <= *left, ENT_E_IO, "the disk is full");
    *left -= len;
    return ENT_E_OK;
}

ENT_TEST(step, refuses_what_is_no_step_of_this_plan)
{
    struct ent_plan *plan = plan_of(SMALL, "weights: equal, optimizer: {momentum: {rate: 1}}");
    struct ent_plan *other = plan_of(LARGE, "weights: equal");
    struct ent_step_train *train = NULL;
    struct ent_buf first;
    struct ent_buf out;
    struct ent_modelfile *base;
    uint8_t bytes[7] = {0};
    struct ent_step_reader reader = {.at = bytes, .len = sizeof bytes};
    struct ent_step_next next = {.plan = plan,
                                 .base_digest = base_digest,
                                 .lineage = &lineage,
                                 .sum_w = 3,
                                 .model = ent_step_sink_buf(&out),
                                 .state = ent_step_sink_buf(&out)};
    int64_t *sum = sums(ent_plan_n_params(plan), 1);
    size_t left = 0;

    ent_buf_init(&out, 1 << 20);
    make_initial(plan, &first);
    base = parse(&first);
    next.base = base;
    CU_ASSERT_TRUE(ent_step_has_state(plan));
    CU_ASSERT_FALSE(ent_step_has_state(other));
    next.plan = other;
    ENT_FAILS(ent_step_train_new(&next, &train), ENT_E_SHAPE);
    next.plan = plan;
    next.sum_w = 0;
    ENT_FAILS(ent_step_train_new(&next, &train), ENT_E_TOO_FEW);
    next.sum_w = 3;
    next.before = ent_step_source_of(&reader); /* shorter than a state of this plan */
    ENT_OK(ent_step_train_new(&next, &train));
    ENT_FAILS(ent_step_train_window(train, sum, base->n_params), ENT_E_CORRUPT);
    ent_step_train_free(train);
    next.before.read = NULL;
    sum[2] = (int64_t)1 << 53;
    ENT_OK(ent_step_train_new(&next, &train));
    ENT_FAILS(ent_step_train_window(train, sum, base->n_params), ENT_E_RANGE);
    CU_ASSERT_FALSE(ent_step_train_done(train));
    ent_step_train_free(train);
    next.model = (struct ent_step_sink){.write = full, .ctx = &left};
    ENT_FAILS(ent_step_train_new(&next, &train), ENT_E_IO);
    ent_step_train_free(NULL);
    free(sum);
    ent_modelfile_free(base);
    ent_buf_release(&first);
    ent_buf_release(&out);
    ent_plan_free(plan);
    ent_plan_free(other);
}

/* ---- sums, weights ---- */

ENT_TEST(step, digest_of_a_sum_is_that_of_its_bytes)
{
    enum { N = 2500 }; /* more than two chunks */
    int64_t *sum = sums(N, 5);
    uint8_t *le = calloc(N, 8);
    struct ent_sha256 hash = {0};
    uint8_t want[32];
    uint8_t found[32];

    CU_ASSERT_PTR_NOT_NULL_FATAL(le);
    ent_grid_store64(sum, N, le);
    ENT_OK(ent_sha256(le, N * sizeof *sum, want));
    ENT_OK(ent_step_sum_digest(sum, N, found));
    CU_ASSERT_EQUAL(memcmp(want, found, 32), 0);
    ENT_OK(ent_sha256_init(&hash));
    ent_step_sum_hash(&hash, sum, 1700);
    ent_step_sum_hash(&hash, sum + 1700, N - 1700);
    ent_sha256_finish(&hash, found);
    CU_ASSERT_EQUAL(memcmp(want, found, 32), 0);
    ent_sha256_release(&hash);
    free(sum);
    free(le);
}

ENT_TEST(step, weights_are_those_of_the_rule)
{
    struct ent_plan *equal = plan_of(SMALL, "weights: equal");
    struct ent_plan *log2 = plan_of(SMALL, "weights: examples_log2");
    struct ent_plan *fixed = plan_of(SMALL, "weights: {fixed: {a: 2, b: 3, c: 4}}");
    uint32_t w = 9;

    ENT_OK(ent_step_weight(equal, ENT_TASK_TRAIN, 0, &w));
    CU_ASSERT_EQUAL(w, 1);
    ENT_FAILS(ent_step_weight(equal, ENT_TASK_TRAIN, 3, &w), ENT_E_SHAPE);
    ENT_OK(ent_step_weight(log2, ENT_TASK_TRAIN, 6, &w));
    CU_ASSERT_EQUAL(w, 32);
    ENT_FAILS(ent_step_weight(log2, ENT_TASK_TRAIN, 0, &w), ENT_E_RANGE);
    ENT_OK(ent_step_weight(log2, ENT_TASK_STATS, 0, &w)); /* sums are not weighted */
    CU_ASSERT_EQUAL(w, 1);
    ENT_OK(ent_step_weight(fixed, ENT_TASK_TRAIN, 0, &w));
    CU_ASSERT_EQUAL(w, 0);
    ENT_OK(ent_step_weight(fixed, ENT_TASK_EVALUATE, 0, &w));
    CU_ASSERT_EQUAL(w, 1);
    ENT_FAILS(ent_step_weight(equal, 77, 0, &w), ENT_E_UNSUPPORTED);
    ent_plan_free(equal);
    ent_plan_free(log2);
    ent_plan_free(fixed);
}

ENT_TEST(step, sums_are_of_the_tasks_width)
{
    struct ent_plan *plan = plan_of(SMALL, "weights: equal");
    struct ent_step_sum sum = {
        .plan = plan, .window = 2, .inputs_min = 2, .inputs_max = 3, .weight_max = 1};
    uint8_t bytes[16] = {5, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
    struct ent_agg_result result;
    struct ent_agg *agg = NULL;

    sum.task = ENT_TASK_TRAIN;
    ENT_OK(ent_step_sum_new(&sum, &agg));
    ENT_FAILS(ent_agg_add(agg, bytes, 16, 1), ENT_E_SHAPE);
    ENT_OK(ent_agg_add(agg, bytes, 8, 1));
    ENT_FAILS(ent_agg_finish(agg, &result), ENT_E_TOO_FEW);
    ENT_OK(ent_agg_add(agg, bytes, 8, 1));
    ENT_OK(ent_agg_finish(agg, &result));
    CU_ASSERT_EQUAL(result.sum[0], 10);
    CU_ASSERT_EQUAL(result.sum[1], -2);
    ent_agg_free(agg);
    sum.task = ENT_TASK_STATS;
    ENT_OK(ent_step_sum_new(&sum, &agg));
    ENT_FAILS(ent_agg_add(agg, bytes, 8, 1), ENT_E_SHAPE);
    ent_agg_free(agg);
    ent_plan_free(plan);
}

/* ---- figures ---- */

ENT_TEST(step, figures_are_those_of_the_sum)
{
    struct ent_plan *plan = plan_of(SMALL, "weights: equal");
    size_t dim = ent_task_evaluate_dim();
    int64_t *v = calloc(dim, sizeof *v);
    struct ent_step_figures f;

    CU_ASSERT_PTR_NOT_NULL_FATAL(v);
    v[ENT_EVAL_ROWS] = 100;
    v[ENT_EVAL_POSITIVES] = 40;
    v[ENT_EVAL_LOSS] = (int64_t)100 << 19;
    v[ENT_EVAL_PREDICTED] = (60 * 200 + 40 * 700) * 1024 + 50 * 1024;
    v[ENT_EVAL_BRIER] = 60 * 200 * 200 + 40 * (1024 - 700) * (1024 - 700);
    v[ENT_EVAL_CELLS_AT + 200] = 60;
    v[ENT_EVAL_CELLS_AT + ENT_EVAL_CELLS + 700] = 40;
    ENT_OK(ent_step_evaluate(plan, v, dim, &f));
    CU_ASSERT_EQUAL(f.rows, 100);
    CU_ASSERT_EQUAL(f.loss_sum, (uint64_t)100 << 19);
    CU_ASSERT_EQUAL(f.auc, (uint64_t)1 << 32); /* every positive is above every negative */
    CU_ASSERT_DOUBLE_EQUAL(f.metrics.log_loss, 0.5, 1e-9);
    ENT_FAILS(ent_step_evaluate(plan, v, dim - 1, &f), ENT_E_SHAPE);
    v[ENT_EVAL_POSITIVES] = 41;
    ENT_FAILS(ent_step_evaluate(plan, v, dim, &f), ENT_E_DATA);
    memset(v, 0, dim * sizeof *v); /* nobody has rows: no AUC */
    ENT_OK(ent_step_evaluate(plan, v, dim, &f));
    CU_ASSERT_EQUAL(f.auc, 0);
    free(v);
    ent_plan_free(plan);
}

ENT_TEST(step, figures_in_billionths)
{
    CU_ASSERT_EQUAL(ent_step_nano(0.5), 500000000);
    CU_ASSERT_EQUAL(ent_step_nano(-0.25), -250000000);
    CU_ASSERT_EQUAL(ent_step_nano(1234567.0), INT64_C(1234567000000000));
    CU_ASSERT_EQUAL(ent_step_nano(1e-10), 0);
    CU_ASSERT_EQUAL(ent_step_nano(6e-10), 1);
    CU_ASSERT_EQUAL(ent_step_nano(9007199254.0), INT64_C(9007199254000000000)); /* exact */
    CU_ASSERT_EQUAL(ent_step_nano(1e300), INT64_MAX);
    CU_ASSERT_EQUAL(ent_step_nano(-1e300), -INT64_MAX);
    CU_ASSERT_EQUAL(ent_step_nano((double)NAN), 0);
}
