#include "client/agent/pipeline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/pipeline_internal.h"
#include "client/events/events.h"
#include "common/base/mem.h"

enum ent_err ent_pipeline_new(const struct ent_client_config *config, const char *member,
                              struct ent_pipeline **out)
{
    struct ent_pipeline *p;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *p, &p));
    p->config = config;
    err = ent_strdup(member, &p->member);
    if (err != ENT_E_OK) {
        free(p);
        return err;
    }
    *out = p;
    return ENT_E_OK;
}

void ent_pipeline_drop_rows(struct ent_pipeline *p)
{
    for (size_t i = 0; i < ENT_ARRAY_LEN(p->gathers); i++) {
        ent_gather_free(p->gathers[i]);
        ent_steps_free(p->steps[i]);
        p->gathers[i] = NULL;
        p->steps[i] = NULL;
    }
}

static void drop_prep(struct ent_pipeline *p)
{
    ent_pipeline_drop_rows(p);
    ent_prep_free(p->prep);
    ent_fits_free(p->fits);
    p->prep = NULL;
    p->fits = NULL;
}

static void drop_all(struct ent_pipeline *p)
{
    drop_prep(p);
    ent_modelfile_free(p->base);
    p->base = NULL;
    ent_model_free(p->model);
    ent_parts_free(p->parts);
    ent_table_free(p->table);
    ent_plan_free(p->plan);
    p->model = NULL;
    p->parts = NULL;
    p->table = NULL;
    p->plan = NULL;
    p->has_noise = false;
}

void ent_pipeline_free(struct ent_pipeline *pipeline)
{
    if (pipeline == NULL) {
        return;
    }
    drop_all(pipeline);
    free(pipeline->member);
    free(pipeline);
}

void ent_pipeline_use_take(struct ent_pipeline *pipeline, struct ent_plan *plan_take)
{
    drop_all(pipeline);
    pipeline->plan = plan_take;
}

const struct ent_plan *ent_pipeline_plan(const struct ent_pipeline *pipeline)
{
    return pipeline->plan;
}

const struct ent_table *ent_pipeline_table(const struct ent_pipeline *pipeline)
{
    return pipeline->table;
}

const struct ent_parts *ent_pipeline_parts(const struct ent_pipeline *pipeline)
{
    return pipeline->parts;
}

uint32_t ent_pipeline_rows(const struct ent_pipeline *pipeline, enum ent_split split)
{
    enum ent_split part = split == ENT_SPLIT_NONE ? ENT_SPLIT_TRAIN : split;

    return pipeline->parts == NULL ? 0 : pipeline->parts->part[part].n;
}

uint32_t ent_pipeline_examples(const struct ent_pipeline *pipeline)
{
    const struct ent_split_rows *train;

    if (pipeline->parts == NULL) {
        return 0;
    }
    train = &pipeline->parts->part[ENT_SPLIT_TRAIN];
    return ent_table_examples(pipeline->table, train->rows, train->n);
}

#define MIB ((size_t)1 << 20)

/* Before a row is read: what the plan's training takes must be within the member's limit. *rows: the settings with what
 * is left of it, for the rows. */
static enum ent_err check_memory(const struct ent_pipeline *p, struct ent_client_config *rows)
{
    uint64_t most = p->config->memory_bytes;
    size_t need;

    *rows = *p->config;
    ENT_TRY(ent_train_memory(p->plan, &need));
    if (most == 0) {
        return ENT_E_OK;
    }
    ENT_REQUIRE(
        need < most, ENT_E_LIMIT,
        "training this plan takes %zuMiB of memory beside the rows, and limits.memory of "
        "client.yaml "
        "allows %lluMiB for both: raise it if this machine has as much, or ask for a plan with a "
        "smaller model, batch, ensemble or sequence length",
        need / MIB + 1, (unsigned long long)(most / MIB));
    rows->memory_bytes = most - need;
    return ENT_E_OK;
}

enum ent_err ent_pipeline_load(struct ent_pipeline *p)
{
    struct ent_client_config config;
    struct ent_table *table = NULL;
    struct ent_parts *parts = NULL;
    enum ent_err err;

    if (p->table != NULL) {
        return ENT_E_OK;
    }
    ENT_TRY(check_memory(p, &config));
    if (p->plan->sequence.unit != NULL) {
        ENT_TRY(ent_events_load_plan(p->plan, &config, &table));
    } else {
        ENT_TRY(ent_table_load_plan(p->plan, &config, &table));
    }
    err = ent_split_table(p->plan, table, p->config->split_file, &parts);
    if (err != ENT_E_OK) {
        ent_parts_free(parts);
        ent_table_free(table);
        return err;
    }
    p->schema = ent_schema_of_plan(p->plan);
    p->table = table;
    p->parts = parts;
    return ENT_E_OK;
}

/* Batches under these statistics; kept while they stay the same. */
enum ent_err ent_pipeline_prepare(struct ent_pipeline *p, const struct ent_fit *fits)
{
    uint32_t n = p->plan->n_features;

    if (p->prep != NULL && ent_fits_same(fits, p->fits->fit, n)) {
        return ENT_E_OK;
    }
    drop_prep(p);
    ENT_TRY(ent_fits_copy(fits, n, &p->fits));
    return ent_prep_new(&p->schema, p->fits->fit, &p->prep);
}

/* Sequences, tokens, other labels than one positive value. */
static bool is_more_than_rows(const struct ent_pipeline *p)
{
    return p->table->events != NULL || p->plan->n_embeddings > 0 ||
           p->plan->label_kind != ENT_LABEL_POSITIVE;
}

enum ent_err ent_pipeline_gather(struct ent_pipeline *p, enum ent_split split,
                                 struct ent_rows *rows)
{
    const struct ent_split_rows *part = &p->parts->part[split];

    if (is_more_than_rows(p)) {
        if (p->steps[split] == NULL) {
            ENT_TRY(ent_steps_new(p->prep, p->table, part->rows, part->n, &p->steps[split]));
        }
        *rows = ent_steps_rows(p->steps[split]);
        return ENT_E_OK;
    }
    if (p->gathers[split] == NULL) {
        ENT_TRY(ent_gather_new(p->prep, p->table, part->rows, part->n, ENT_GATHER_DENSE_BYTES,
                               &p->gathers[split]));
    }
    *rows = (struct ent_rows){.ctx = p->gathers[split], .n = part->n, .gather = ent_gather_rows};
    return ENT_E_OK;
}

enum ent_err ent_pipeline_model(struct ent_pipeline *p)
{
    if (p->model != NULL) {
        return ENT_E_OK;
    }
    return ent_train_model_new(p->plan, true, &p->model);
}

/* The coordinator sends a model; whether it is one of this plan is not its word to take. */
static enum ent_err check_base(const struct ent_pipeline *p, const struct ent_modelfile *file)
{
    struct ent_model_layer *layers = NULL;
    struct ent_model_options options;
    bool fits;

    ENT_REQUIRE(file->info.n_features == p->plan->n_features &&
                    file->n_params == ent_plan_n_params(p->plan),
                ENT_E_SHAPE, "the base model is not one of this plan: its sizes differ");
    for (uint32_t i = 0; i < p->plan->n_features; i++) {
        ENT_REQUIRE(ent_feature_same(&p->plan->features[i], &file->info.features[i]), ENT_E_SHAPE,
                    "the base model is not one of this plan: feature %s differs",
                    p->plan->features[i].name);
    }
    ENT_TRY(ent_calloc(p->plan->n_layers, sizeof *layers, &layers));
    ent_plan_model_options(p->plan, 1, layers, &options);
    fits = ent_modelfile_same(&file->info, &options);
    free(layers);
    ENT_REQUIRE(fits, ENT_E_SHAPE, "the base model is not one of this plan: its layers differ");
    ENT_REQUIRE(ent_plan_same_label(p->plan, &file->info), ENT_E_SHAPE,
                "the base model is not one of this plan: its label or sequences differ");
    return ENT_E_OK;
}

size_t ent_pipeline_kept_floats(const struct ent_plan *plan)
{
    const struct ent_optim_spec *o = &plan->optimizer;

    return o->keep_state ? (size_t)o->optim->n_state(&o->hyper) * ent_plan_n_params(plan) : 0;
}

/* Optimizer state that outlives the round. */
enum ent_err ent_pipeline_keep(const struct ent_pipeline *p, struct ent_kept *kept,
                               struct ent_train_options *options)
{
    size_t n = ent_pipeline_kept_floats(p->plan);

    if (n == 0 || kept == NULL) {
        return ENT_E_OK;
    }
    if (kept->n == 0) {
        ENT_TRY(ent_calloc_aligned(n, sizeof *kept->state, &kept->state));
        kept->n = n;
        kept->steps = 0;
    }
    ENT_REQUIRE(kept->n == n, ENT_E_SHAPE,
                "the optimizer's kept state has %zu numbers; this plan's has %zu", kept->n, n);
    options->state = kept->state;
    options->state_steps = &kept->steps;
    return ENT_E_OK;
}

void ent_kept_release(struct ent_kept *kept)
{
    free(kept->state);
    *kept = (struct ent_kept){0};
}

static enum ent_err do_train(struct ent_pipeline *p, const struct ent_work *work, const float *base,
                             struct ent_payload *payload, struct ent_work_result *result)
{
    struct ent_clip_done clipped = {0};
    struct ent_fill fill = {
        .plan = p->plan, .table = p->table, .salt = work->salt, .clipped = &clipped};
    struct ent_train_options options = {0};
    struct ent_train_result trained = {0};
    struct ent_rows rows;

    ENT_REQUIRE(p->parts->part[ENT_SPLIT_TRAIN].n > 0, ENT_E_DATA,
                "there are no training rows left after the split");
    ENT_TRY(ent_pipeline_gather(p, ENT_SPLIT_TRAIN, &rows));
    ent_train_options_of(p->plan, &options);
    ENT_TRY(ent_fill_seed(p->plan->seed, work->round, p->member, &options.seed));
    options.stream = work->round;
    options.round = work->train_round;
    options.base = base;
    options.keep_going = work->keep_going;
    options.progress = work->progress;
    options.ctx = work->ctx;
    ENT_TRY(ent_pipeline_keep(p, work->kept, &options));
    ENT_REQUIRE(p->plan->privacy.unit == ENT_PRIVACY_NONE || work->booked, ENT_E_BUDGET,
                "what noise is to cover is not computed before it is booked");
    if (p->plan->privacy.unit == ENT_PRIVACY_CUSTOMER) {
        ENT_TRY(ent_pipeline_dp_train(p, &rows, &options));
    } else if (p->plan->privacy.unit == ENT_PRIVACY_MEMBER) {
        ENT_TRY(ent_pipeline_member_train(p, &rows, &options, work->kept, &trained));
    } else if (options.epochs > 0) { /* 0 measures the round itself: the update is zero */
        ENT_TRY(ent_train(p->model, &rows, &options, &trained));
    }
    ENT_TRY(ent_fill_train(&fill, p->model, base, payload));
    result->clipped = clipped;
    result->clipped.nonfinite = clipped.nonfinite || !isfinite(trained.mean_loss);
    result->rows = rows.n;
    result->mean_loss = trained.mean_loss;
    return ENT_E_OK;
}

static enum ent_err do_evaluate(struct ent_pipeline *p, const struct ent_work *work,
                                struct ent_payload *payload, struct ent_work_result *result)
{
    struct ent_fill fill = {
        .plan = p->plan, .table = p->table, .salt = work->salt, .floor = work->floor};
    struct ent_fill_evaluate what = {
        .model = p->model, .keep_going = work->keep_going, .ctx = work->ctx};
    struct ent_payload made = {0};
    struct ent_metrics metrics;
    struct ent_rows rows;
    bool withheld = false;
    enum ent_err err;

    ENT_TRY(ent_fill_withholds(&fill, &p->parts->part[work->split], &withheld));
    ENT_TRY(ent_pipeline_gather(p, work->split, &rows));
    what.rows = &rows;
    ENT_TRY(ent_fill_evaluate(&fill, &what, &made));
    err = ent_pipeline_metrics(p->plan, &made, &metrics);
    if (err != ENT_E_OK) {
        ent_payload_release(&made);
        return err;
    }
    if (withheld) {
        ent_payload_withhold(&made);
    }
    *payload = made;
    result->rows = rows.n;
    result->withheld = withheld;
    result->mean_loss = metrics.rows > 0 ? metrics.log_loss : 0.0;
    result->metrics = metrics;
    return ENT_E_OK;
}

enum ent_err ent_pipeline_metrics(const struct ent_plan *plan, const struct ent_payload *payload,
                                  struct ent_metrics *out)
{
    struct ent_task_sizes sizes = ent_plan_task_sizes(plan);
    int64_t *sum;
    enum ent_err err = ENT_E_OK;

    *out = (struct ent_metrics){0};
    ENT_TRY(ent_calloc(payload->dim, sizeof *sum, &sum));
    ent_payload_int64(payload, sum);
    if (sum[0] > 0) {
        err = ent_task_evaluate_finish_of(&sizes, sum, payload->dim, out);
    }
    free(sum);
    return err;
}

/* The task's model, read and checked; a pipeline of many members does so once for all of them. */
static enum ent_err take_base(struct ent_pipeline *p, struct ent_blob *blob,
                              struct ent_modelfile **out)
{
    struct ent_modelfile *file = NULL;
    enum ent_err err;

    if (p->base != NULL && p->base->blob == blob) { /* it holds a reference: the same content */
        *out = p->base;
        return ENT_E_OK;
    }
    ENT_TRY(ent_modelfile_read(blob, &file));
    err = check_base(p, file);
    if (err != ENT_E_OK) {
        ent_modelfile_free(file);
        return err;
    }
    if (p->keeps_base) {
        ent_modelfile_free(p->base);
        p->base = file;
    }
    *out = file;
    return ENT_E_OK;
}

static enum ent_err with_base(struct ent_pipeline *p, const struct ent_work *work,
                              struct ent_payload *payload, struct ent_work_result *result)
{
    struct ent_modelfile *file = NULL;
    enum ent_err err;

    ENT_REQUIRE(work->base != NULL, ENT_E_PROTOCOL,
                "this task starts from a model, and none is named");
    ENT_TRY(take_base(p, work->base, &file));
    err = ent_pipeline_prepare(p, file->info.fits);
    if (err == ENT_E_OK) {
        err = ent_pipeline_model(p);
    }
    if (err == ENT_E_OK) {
        memcpy(ent_model_params(p->model), ent_modelfile_params(file),
               file->n_params * sizeof(float));
        err = work->task == ENT_TASK_TRAIN
                  ? do_train(p, work, ent_modelfile_params(file), payload, result)
                  : do_evaluate(p, work, payload, result);
    }
    if (file != p->base) {
        ent_modelfile_free(file);
    }
    return err;
}

enum ent_err ent_pipeline_compute(struct ent_pipeline *pipeline, const struct ent_work *work,
                                  struct ent_payload *payload, struct ent_work_result *result)
{
    struct ent_fill fill = {
        .plan = pipeline->plan, .table = pipeline->table, .salt = work->salt, .floor = work->floor};
    struct ent_work_result made = {0};

    if (work->task == ENT_TASK_STATS) {
        made.rows = pipeline->parts->part[ENT_SPLIT_TRAIN].n;
        ENT_TRY(ent_fill_stats(&fill, &pipeline->parts->part[ENT_SPLIT_TRAIN], payload));
    } else {
        ENT_TRY(with_base(pipeline, work, payload, &made));
    }
    *result = made;
    return ENT_E_OK;
}
