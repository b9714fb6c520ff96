#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/pipeline_internal.h"
#include "common/base/mem.h"

static const uint8_t no_salt[ENT_UPDATE_SALT_BYTES]; /* nothing of this leaves */

/* As they are for one member alone: what it learns of its own data needs no other member to have it too. */
static enum ent_err alone(const struct ent_plan *plan, struct ent_feature **out)
{
    struct ent_feature *features;

    ENT_TRY(ent_calloc(plan->n_features, sizeof *features, &features));
    memcpy(features, plan->features, plan->n_features * sizeof *features);
    for (uint32_t i = 0; i < plan->n_features; i++) {
        features[i].min_members = features[i].min_members > 1 ? 1 : features[i].min_members;
    }
    *out = features;
    return ENT_E_OK;
}

/* The statistics of the member's own training rows, by the code that the federation uses. */
static enum ent_err own_fits(struct ent_pipeline *p, struct ent_fits **out)
{
    struct ent_fill fill = {.plan = p->plan, .table = p->table, .salt = no_salt};
    struct ent_payload payload = {0};
    struct ent_feature *features = NULL;
    struct ent_task_sizes sizes = ent_plan_task_sizes(p->plan);
    int64_t *sum = NULL;
    enum ent_err err;

    ENT_TRY(ent_fill_stats(&fill, &p->parts->part[ENT_SPLIT_TRAIN], &payload));
    err = ent_calloc(payload.dim, sizeof *sum, &sum);
    if (err == ENT_E_OK) {
        err = alone(p->plan, &features);
    }
    if (err == ENT_E_OK) {
        ent_payload_int64(&payload, sum);
        sizes.features = features;
        sizes.min_group = 0; /* nothing is told to anybody */
        err = ent_task_stats_finish(&sizes, sum, payload.dim, out);
    }
    free(features);
    free(sum);
    ent_payload_release(&payload);
    return err;
}

static enum ent_err standardise(struct ent_pipeline *p, bool as_planned)
{
    struct ent_fits *fits = NULL;
    enum ent_err err;

    if (as_planned && ent_plan_no_stats(p->plan)) {
        ENT_TRY(ent_fits_of_ranges(p->plan->features, p->plan->n_features, &fits));
    } else {
        ENT_TRY(own_fits(p, &fits));
    }
    err = ent_pipeline_prepare(p, fits->fit);
    ent_fits_free(fits);
    return err;
}

static enum ent_err evaluate(struct ent_pipeline *p, enum ent_split split, struct ent_metrics *out)
{
    struct ent_fill fill = {.plan = p->plan, .table = p->table, .salt = no_salt};
    struct ent_fill_evaluate what = {.model = p->model};
    struct ent_payload payload = {0};
    struct ent_rows rows;
    enum ent_err err;

    *out = (struct ent_metrics){0};
    if (p->parts->part[split].n == 0) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_pipeline_gather(p, split, &rows));
    what.rows = &rows;
    ENT_TRY(ent_fill_evaluate(&fill, &what, &payload));
    err = ent_pipeline_metrics(p->plan, &payload, out);
    ent_payload_release(&payload);
    return err;
}

/* One stretch of `epochs` passes stands for a round: that is when a federation restarts momentum and looks at the
 * validation rows. */
struct stretch {
    const struct ent_local *local;
    uint32_t round; /* from 1 */
    uint32_t epochs;
    uint32_t rounds;
};

static void stretch_progress(void *ctx, const struct ent_train_progress *progress)
{
    const struct stretch *s = ctx;
    struct ent_train_progress whole = *progress;

    whole.epoch += (s->round - 1) * s->epochs;
    whole.epochs = s->rounds * s->epochs;
    whole.rows_done += (uint64_t)(s->round - 1) * progress->rows_total;
    whole.rows_total *= s->rounds;
    s->local->progress(s->local->ctx, &whole);
}

/* Best parameters so far by the plan's validation figure, as a federation keeps its best round; without validation rows
 * the last. */
struct best {
    float *params;
    struct ent_metrics validation;
    uint32_t round; /* 0: what training started from */
    bool set;
};

/* On a tie the earlier one stays; where no AUC is defined the loss decides. */
static bool is_better(const struct ent_plan *plan, const struct ent_metrics *now,
                      const struct ent_metrics *best)
{
    double a = isfinite(now->auc) ? now->auc : 0.0;
    double b = isfinite(best->auc) ? best->auc : 0.0;

    if (plan->best_by == ENT_BEST_BY_AUC && (a > b || a < b)) {
        return a > b;
    }
    return now->log_loss < best->log_loss;
}

static enum ent_err note_best(struct ent_pipeline *p, struct best *best, uint32_t round)
{
    struct ent_metrics now;

    ENT_TRY(evaluate(p, ENT_SPLIT_VALIDATION, &now));
    if (best->set && now.rows > 0 && !is_better(p->plan, &now, &best->validation)) {
        return ENT_E_OK;
    }
    best->set = true;
    best->round = round;
    best->validation = now;
    memcpy(best->params, ent_model_params(p->model),
           ent_model_n_params(p->model) * sizeof *best->params);
    return ENT_E_OK;
}

/* Before round `next`, as the round machine counts: what training started from was no round. */
static bool out_of_patience(const struct ent_pipeline *p, const struct best *best, uint32_t next)
{
    uint32_t from = best->round > 0 ? best->round : 1;

    return p->plan->patience > 0 && best->validation.rows > 0 && next > from &&
           next - 1 - from >= p->plan->patience;
}

static bool has_own_noise(const struct ent_pipeline *p, const struct ent_local *local)
{
    return local->as_planned && p->plan->privacy.unit == ENT_PRIVACY_CUSTOMER;
}

/* Rounds of the plan's noised steps; the books are of what leaves, and nothing does. */
static enum ent_err train_noised(struct ent_pipeline *p, const struct ent_local *local,
                                 struct best *best, struct ent_train_result *trained)
{
    struct ent_train_progress progress = {.epochs = p->plan->rounds, .mean_loss = (double)NAN};
    struct ent_train_options options = {0};
    struct ent_kept kept = {0};
    struct ent_rows rows;
    enum ent_err err;

    ENT_TRY(ent_pipeline_gather(p, ENT_SPLIT_TRAIN, &rows));
    ent_train_options_of(p->plan, &options);
    ENT_TRY(ent_pipeline_keep(p, &kept, &options));
    progress.rows_total = (uint64_t)rows.n * p->plan->rounds;
    err = note_best(p, best, 0);
    for (uint32_t r = 1; err == ENT_E_OK && r <= p->plan->rounds && !out_of_patience(p, best, r);
         r++) {
        options.round = r;
        err = ent_pipeline_dp_train(p, &rows, &options);
        if (err == ENT_E_OK && local->progress != NULL) {
            progress.epoch = r;
            progress.rows_done = (uint64_t)rows.n * r;
            local->progress(local->ctx, &progress);
        }
        if (err == ENT_E_OK) {
            err = note_best(p, best, r);
        }
    }
    ent_kept_release(&kept);
    trained->mean_loss = (double)NAN;
    return err;
}

static enum ent_err train_all(struct ent_pipeline *p, const struct ent_local *local,
                              struct best *best, struct ent_train_result *trained)
{
    struct stretch stretch = {.local = local, .epochs = p->plan->epochs, .rounds = p->plan->rounds};
    struct ent_train_options options = {0};
    struct ent_trainer *trainer = NULL;
    struct ent_kept kept = {0};
    struct ent_rows rows;
    enum ent_err err;

    ENT_TRY(ent_pipeline_gather(p, ENT_SPLIT_TRAIN, &rows));
    ent_train_options_of(p->plan, &options);
    options.progress = local->progress != NULL ? stretch_progress : NULL;
    options.ctx = &stretch;
    ENT_TRY(ent_pipeline_keep(p, &kept, &options)); /* from stretch to stretch */
    err = ent_trainer_new(p->model, &options, rows.n, &trainer);
    if (err == ENT_E_OK) {
        err = note_best(p, best, 0);
    }
    for (uint32_t r = 1; err == ENT_E_OK && r <= p->plan->rounds && !out_of_patience(p, best, r);
         r++) {
        stretch.round = r;
        options.stream = r;
        options.round = r;
        err = ent_fill_seed(p->plan->seed, r, p->member, &options.seed);
        if (err == ENT_E_OK) {
            err = ent_trainer_run(trainer, &rows, &options, trained);
        }
        if (err == ENT_E_OK) {
            err = note_best(p, best, r);
        }
    }
    ent_trainer_free(trainer);
    ent_kept_release(&kept);
    return err;
}

/* The file's bytes, for whoever needs them once: no file that a killed process would leave. */
static enum ent_err keep_model(const struct ent_pipeline *p, const struct ent_model_info *info,
                               struct ent_blob **out)
{
    size_t bytes = ent_model_n_params(p->model) * sizeof(float);
    struct ent_buf header;
    uint8_t *file = NULL;
    size_t n = 0;
    enum ent_err err;

    ent_buf_init(&header, ENT_MODELFILE_HEADER_MAX + sizeof(uint64_t));
    err = ent_modelfile_header(info, &header, &n);
    if (err == ENT_E_OK) {
        err = ent_calloc_aligned(header.len + bytes, 1, &file);
    }
    if (err == ENT_E_OK) {
        memcpy(file, header.data, header.len);
        memcpy(file + header.len, ent_model_params(p->model), bytes);
        err = ent_blob_new_take(file, header.len + bytes, out);
    }
    if (err != ENT_E_OK) {
        free(file);
    }
    ent_buf_release(&header);
    return err;
}

static enum ent_err give_model(const struct ent_pipeline *p, const struct ent_local *local)
{
    struct ent_model_layer *layers = NULL;
    struct ent_model_options options;
    struct ent_model_info info = {.fits = p->fits->fit};
    enum ent_err err = ent_calloc(p->plan->n_layers, sizeof *layers, &layers);

    if (err == ENT_E_OK) {
        ent_plan_model_options(p->plan, 1, layers, &options);
        ent_plan_model_info(p->plan, &info);
        ent_modelfile_of_options(&options, &info);
        memcpy(info.plan, p->plan->digest, sizeof info.plan);
        err = local->model_path != NULL
                  ? ent_modelfile_write(local->model_path, &info, ent_model_params(p->model),
                                        ent_model_n_params(p->model))
                  : ENT_E_OK;
    }
    if (err == ENT_E_OK && local->model != NULL) {
        err = keep_model(p, &info, local->model);
    }
    free(layers);
    return err;
}

static enum ent_err run_local(struct ent_pipeline *p, const struct ent_local *local,
                              struct best *best, struct ent_local_result *out)
{
    size_t n = ent_model_n_params(p->model);
    struct ent_rng rng = ent_rng_init(p->plan->seed, 0);
    struct ent_train_result trained = {0};

    ENT_TRY(ent_calloc_aligned(n, sizeof *best->params, &best->params));
    ent_model_init_params(p->model, &rng);
    ENT_TRY(has_own_noise(p, local) ? train_noised(p, local, best, &trained)
                                    : train_all(p, local, best, &trained));
    memcpy(ent_model_params(p->model), best->params, n * sizeof *best->params);
    out->validation = best->validation;
    out->best_round = best->round;
    out->rows = p->parts->part[ENT_SPLIT_TRAIN].n;
    out->train_loss = trained.mean_loss;
    ENT_TRY(evaluate(p, ENT_SPLIT_TEST, &out->test));
    return local->model_path != NULL || local->model != NULL ? give_model(p, local) : ENT_E_OK;
}

enum ent_err ent_pipeline_local(struct ent_pipeline *pipeline, const struct ent_local *local,
                                struct ent_local_result *out)
{
    struct ent_local_result result = {0};
    struct best best = {0};
    enum ent_err err;

    ENT_TRY(ent_pipeline_load(pipeline));
    ENT_TRY(ent_table_check_labels(pipeline->table));
    ENT_REQUIRE(pipeline->parts->part[ENT_SPLIT_TRAIN].n > 0, ENT_E_DATA,
                "there are no training rows left after the split");
    ENT_TRY(standardise(pipeline, local->as_planned));
    ENT_TRY(ent_pipeline_model(pipeline));
    err = run_local(pipeline, local, &best, &result);
    free(best.params);
    if (err == ENT_E_OK) {
        *out = result;
    }
    return err;
}
