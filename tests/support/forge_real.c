/* Rounds that are real arithmetic: a plan, integers that its tasks take, their sums, and the models and figures that the
 * sums give (common/step): what replay re-executes. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/fixed/grid.h"
#include "common/step/step.h"
#include "tests/support/forge_inside.h"

#define FILE_MAX_BYTES ((size_t)1 << 20)
#define STATS_HEAD 2    /* rows, positives */
#define STATS_NUMBER 5  /* present, missing, clipped, sum, squares */
#define OVERSIZE 600000 /* of each, where the norm may be 2^20 */
#define SPREAD 4096     /* of an update's integers, of 2^20 */

struct ent_forge_real {
    struct ent_plan *plan;
    struct ent_buf model; /* newest: the file */
    struct ent_buf state; /* of the server's optimizer */
    struct ent_agg *agg;  /* of the attempt */
    struct ent_step_figures figures;
};

/* ---- the plan ---- */

static enum ent_err write_plan(const struct ent_forge *f, struct ent_buf *out)
{
    return ent_buf_addf(
        out,
        "# A plan of a forged federation.\n"
        "features:\n"
        "  - {name: visits, type: number, range: [0, 10]}\n"
        "  - {name: spent, type: number, range: [-4, 4]}\n"
        "label: {name: bought, positive: \"1\"}\n"
        "split: {key: 42, validation: %s, test: %s}\n"
        "model: {layers: [{dense: 3}, relu, {dense: 1}], loss: bce}\n"
        "training: {rounds: %u, epochs: 1, batch: 8, optimizer: {sgd: {rate: 0.1}}, seed: 9}\n"
        "aggregation: {weights: examples_log2, min_members: %u}\n",
        f->options.validate ? "0.1" : "0", f->options.test ? "0.2" : "0", f->options.train_rounds,
        f->quorum);
}

void ent_forge_real_free(struct ent_forge *f)
{
    if (f->real != NULL) {
        ent_plan_free(f->real->plan);
        ent_agg_free(f->real->agg);
        ent_buf_release(&f->real->model);
        ent_buf_release(&f->real->state);
    }
    free(f->real);
    f->real = NULL;
}

enum ent_err ent_forge_real_plan(struct ent_forge *f)
{
    struct ent_buf model = {0}; /* that the run goes on from */
    struct ent_buf yaml;
    enum ent_err err;

    if (f->run.goes_on && f->real != NULL) {
        model = f->real->model;
        f->real->model = (struct ent_buf){0};
    }
    ent_forge_real_free(f);
    ENT_TRY(ent_calloc(1, sizeof *f->real, &f->real));
    f->real->model = model;
    ent_buf_init(&yaml, ENT_PLAN_MAX_BYTES);
    err = f->options.privacy ? ent_forge_privacy_yaml(f, &yaml) : write_plan(f, &yaml);
    if (err == ENT_E_OK) {
        err = ent_plan_parse("plan.yaml", yaml.data, yaml.len, &f->real->plan);
    }
    if (err == ENT_E_OK && !f->options.privacy) {
        err = ent_forge_add_blob(f, yaml.data, yaml.len, f->run.plan);
    }
    ent_buf_release(&yaml);
    return err;
}

/* ---- what members send ---- */

static int64_t rows_of(const struct ent_forge *f, size_t member)
{
    return INT64_C(1) << (f->members[member].rows_log2 - 1);
}

static void fill_stats(int64_t rows, size_t dim, int64_t *v)
{
    v[0] = rows;
    v[1] = rows / 4;
    for (size_t at = STATS_HEAD; at < dim; at += STATS_NUMBER) {
        v[at] = rows - 1;
        v[at + 1] = 1;
        v[at + 3] = (rows - 1) << 19; /* each at half of its range */
        v[at + 4] = (rows - 1) << 18;
    }
}

/* Three quarters of the rows are of label 0, in one cell, the others of label 1, in another; better from round to
 * round. */
static void fill_evaluate(const struct ent_forge *f, size_t member, int64_t *v)
{
    int64_t rows = rows_of(f, member);
    int64_t ones = rows / 4;
    int64_t low = 300 - 5 * (int64_t)(f->run.train_round % 32) + (int64_t)(member % 8);
    int64_t high = 600 + 5 * (int64_t)(f->run.train_round % 32) + (int64_t)(member % 8);

    v[ENT_EVAL_ROWS] = rows;
    v[ENT_EVAL_POSITIVES] = ones;
    v[ENT_EVAL_LOSS] = rows * ((1 << 20) / (2 + (int64_t)f->run.train_round));
    v[ENT_EVAL_PREDICTED] = ((rows - ones) * low + ones * high) * 1024 + rows * 512;
    v[ENT_EVAL_BRIER] = (rows - ones) * low * low + ones * (1024 - high) * (1024 - high);
    v[ENT_EVAL_CELLS_AT + low] = rows - ones;
    v[ENT_EVAL_CELLS_AT + ENT_EVAL_CELLS + high] = ones;
}

static enum ent_err dim_of(const struct ent_forge *f, size_t *dim)
{
    struct ent_task_sizes sizes = ent_plan_task_sizes(f->real->plan);

    return ent_task_find(f->run.task)->dim(&sizes, dim);
}

static enum ent_err add_int32(const struct ent_forge *f, size_t member, size_t dim,
                              struct ent_buf *out)
{
    struct ent_rng rng = ent_rng_init(f->options.seed * 1000003 + f->run.round, member);
    uint8_t *at = NULL;
    int32_t *q = NULL;

    ENT_TRY(ent_buf_extend(out, dim * sizeof *q, &at));
    ENT_TRY(ent_calloc(dim, sizeof *q, &q));
    for (size_t i = 0; i < dim; i++) {
        q[i] = (int32_t)ent_rng_below(&rng, 2 * SPREAD + 1) - SPREAD;
        if (ent_forge_fate_of(f, member) == ENT_FORGE_OVERSIZED) {
            q[i] = OVERSIZE;
        }
    }
    ent_grid_store32(q, dim, at);
    free(q);
    return ENT_E_OK;
}

static enum ent_err add_int64(const struct ent_forge *f, size_t member, size_t dim,
                              struct ent_buf *out)
{
    uint8_t *at = NULL;
    int64_t *v = NULL;

    ENT_TRY(ent_buf_extend(out, dim * sizeof *v, &at));
    ENT_TRY(ent_calloc(dim, sizeof *v, &v));
    if (f->run.task == ENT_TASK_STATS) {
        fill_stats(rows_of(f, member), dim, v);
    } else {
        fill_evaluate(f, member, v);
    }
    ent_grid_store64(v, dim, at);
    free(v);
    return ENT_E_OK;
}

enum ent_err ent_forge_real_ints(const struct ent_forge *f, size_t member, struct ent_buf *out)
{
    size_t dim = 0;

    ENT_TRY(dim_of(f, &dim));
    return f->run.task == ENT_TASK_TRAIN ? add_int32(f, member, dim, out)
                                         : add_int64(f, member, dim, out);
}

void ent_forge_real_open(const struct ent_forge *f, struct ent_leaf_round_open *out)
{
    out->weights = f->real->plan->weights;
    out->scale_bits = f->real->plan->scale_bits;
}

/* ---- the sum ---- */

enum ent_err ent_forge_real_begin(struct ent_forge *f)
{
    struct ent_step_sum sum = {.plan = f->real->plan,
                               .task = f->run.task,
                               .inputs_min = 1,
                               .inputs_max = (uint32_t)f->options.n_members,
                               .weight_max = f->run.task == ENT_TASK_TRAIN ? 1u << 14 : 1};

    ent_agg_free(f->real->agg);
    f->real->agg = NULL;
    ENT_TRY(dim_of(f, &sum.window));
    return ent_step_sum_new(&sum, &f->real->agg);
}

enum ent_err ent_forge_real_add(struct ent_forge *f, struct ent_bytes ints, uint32_t weight)
{
    return ent_agg_add(f->real->agg, ints.data, ints.len, weight);
}

/* ---- what it gives ---- */

static struct ent_step_lineage lineage_of(const struct ent_forge *f)
{
    struct ent_step_lineage lineage = {.run = f->run_number, .round = f->run.round};

    memcpy(lineage.federation, f->federation, sizeof lineage.federation);
    return lineage;
}

static enum ent_err take_model(struct ent_forge *f, struct ent_buf *file)
{
    ent_buf_release(&f->real->model);
    f->real->model = *file;
    f->run.has_model = true;
    f->run.model_bytes = file->len;
    return ent_forge_add_blob(f, file->data, file->len, f->run.model);
}

enum ent_err ent_forge_real_start(struct ent_forge *f, struct ent_buf *model)
{
    return take_model(f, model);
}

static enum ent_err first_model(struct ent_forge *f, const struct ent_agg_result *result)
{
    struct ent_step_lineage lineage = lineage_of(f);
    struct ent_buf file;
    struct ent_step_sink sink = ent_step_sink_buf(&file);
    enum ent_err err;

    ent_buf_init(&file, FILE_MAX_BYTES);
    err = ent_step_initial(f->real->plan, &lineage, result->sum, result->dim, &sink);
    if (err != ENT_E_OK) {
        ent_buf_release(&file);
        return err;
    }
    return take_model(f, &file);
}

static enum ent_err read_model(const struct ent_forge *f, struct ent_modelfile **out)
{
    struct ent_blob *blob = NULL;
    enum ent_err err;

    ENT_TRY(ent_blob_new_copy(f->real->model.data, f->real->model.len, &blob));
    err = ent_modelfile_read(blob, out);
    ent_blob_unref(blob);
    return err;
}

static enum ent_err step(struct ent_forge *f, const struct ent_agg_result *result,
                         const struct ent_modelfile *base, struct ent_buf *file,
                         struct ent_buf *state)
{
    struct ent_step_lineage lineage = lineage_of(f);
    struct ent_step_reader before = {f->real->state.data, f->real->state.len};
    struct ent_step_next next = {.plan = f->real->plan,
                                 .base = base,
                                 .base_digest = f->run.base,
                                 .lineage = &lineage,
                                 .sum_w = result->sum_w,
                                 .model = ent_step_sink_buf(file),
                                 .state = ent_step_sink_buf(state)};
    struct ent_step_train *train = NULL;
    enum ent_err err;

    if (before.len > 0) {
        next.before = ent_step_source_of(&before);
    }
    ENT_TRY(ent_step_train_new(&next, &train));
    err = ent_step_train_window(train, result->sum, result->dim);
    ent_step_train_free(train);
    return err;
}

static enum ent_err next_model(struct ent_forge *f, const struct ent_agg_result *result,
                               struct ent_forge_result *out)
{
    struct ent_modelfile *base = NULL;
    struct ent_buf file;
    struct ent_buf state;
    enum ent_err err = read_model(f, &base);

    ent_buf_init(&file, FILE_MAX_BYTES);
    ent_buf_init(&state, FILE_MAX_BYTES);
    if (err == ENT_E_OK) {
        err = step(f, result, base, &file, &state);
    }
    ent_modelfile_free(base);
    if (err != ENT_E_OK) {
        ent_buf_release(&file);
        ent_buf_release(&state);
        return err;
    }
    ent_buf_release(&f->real->state);
    f->real->state = state;
    out->has_state = ent_step_has_state(f->real->plan);
    if (out->has_state) {
        ENT_TRY(ent_sha256(state.data, state.len, out->state));
    }
    return take_model(f, &file);
}

/* The sum that is logged and steps on: with noise, where the round owes it. */
static enum ent_err close_with(struct ent_forge *f, const struct ent_agg_result *result,
                               struct ent_forge_result *out)
{
    struct ent_step_figures *figures = &f->real->figures;

    ENT_TRY(ent_step_sum_digest(result->sum, result->dim, out->sum));
    if (f->run.task == ENT_TASK_STATS) {
        return first_model(f, result);
    }
    if (f->run.task == ENT_TASK_TRAIN) {
        return next_model(f, result, out);
    }
    ENT_TRY(ent_step_evaluate(f->real->plan, result->sum, result->dim, figures));
    out->loss_sum = figures->loss_sum;
    out->rows = figures->rows;
    out->auc = figures->auc;
    return ENT_E_OK;
}

enum ent_err ent_forge_real_close(struct ent_forge *f, struct ent_forge_result *out)
{
    struct ent_agg_result result;
    int64_t *noised = NULL;
    enum ent_err err = ENT_E_OK;

    ENT_TRY(ent_agg_finish(f->real->agg, &result));
    if (ent_forge_noise_owed(f)) {
        ENT_TRY(ent_calloc(result.dim, sizeof *noised, &noised));
        memcpy(noised, result.sum, result.dim * sizeof *noised);
        err = ent_forge_noise_add(f, ent_forge_privacy_sigma2(f), noised, result.dim);
        result.sum = noised;
    }
    if (err == ENT_E_OK) {
        err = close_with(f, &result, out);
    }
    free(noised);
    return err;
}

size_t ent_forge_real_metrics(const struct ent_forge *f,
                              struct ent_msg_metric out[ENT_WIRE_METRICS_MAX])
{
    struct ent_metric_value values[ENT_METRIC_VALUES];
    size_t n = ent_metrics_values(&f->real->figures.metrics, values);

    for (size_t i = 0; i < n; i++) {
        (void)snprintf(out[i].name, sizeof out[i].name, "%s", values[i].name);
        out[i].nano = ent_step_nano(values[i].value);
    }
    return n;
}

enum ent_err ent_forge_real_swap_model(struct ent_forge *f)
{
    f->real->model.data[f->real->model.len - 2] ^= 1; /* in the last parameter */
    return ent_forge_add_blob(f, f->real->model.data, f->real->model.len, f->run.model);
}
