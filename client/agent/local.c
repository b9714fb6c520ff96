#include <stdlib.h>
#include <string.h>

#include "client/agent/pipeline_internal.h"
#include "common/base/mem.h"

static const uint8_t no_salt[ENT_UPDATE_SALT_BYTES]; /* nothing of this leaves */

/* Means and deviations of the member's own training rows, by the code that the federation uses. */
static enum ent_err own_moments(struct ent_pipeline *p, struct ent_moments *moments)
{
    struct ent_fill fill = {.plan = p->plan, .table = p->table, .salt = no_salt};
    struct ent_payload payload = {0};
    struct ent_stat_column *columns = NULL;
    int64_t *sum = NULL;
    enum ent_err err;

    ENT_TRY(ent_fill_stats(&fill, &p->parts->part[ENT_SPLIT_TRAIN], &payload));
    err = ent_calloc(payload.dim, sizeof *sum, &sum);
    if (err == ENT_E_OK) {
        err = ent_calloc(p->plan->n_features, sizeof *columns, &columns);
    }
    if (err == ENT_E_OK) {
        ent_payload_int64(&payload, sum);
        ent_plan_stat_columns(p->plan, columns);
        err = ent_task_stats_finish(columns, p->plan->n_features, sum, payload.dim, moments);
    }
    free(columns);
    free(sum);
    ent_payload_release(&payload);
    return err;
}

static enum ent_err standardise(struct ent_pipeline *p)
{
    uint32_t n = p->plan->n_features;
    struct ent_moments *moments = NULL;
    double *values = NULL;
    enum ent_err err = ent_calloc(n, sizeof *moments, &moments);

    if (err == ENT_E_OK) {
        err = ent_calloc((size_t)n * 2, sizeof *values, &values);
    }
    if (err == ENT_E_OK) {
        err = own_moments(p, moments);
    }
    for (uint32_t i = 0; err == ENT_E_OK && i < n; i++) {
        bool number = p->plan->features[i].type == ENT_FEATURE_NUMBER;

        values[i] = number ? moments[i].mean : 0.0;
        values[n + i] = number ? moments[i].sd : 1.0;
    }
    if (err == ENT_E_OK) {
        err = ent_pipeline_prepare(p, values, values + n);
    }
    free(values);
    free(moments);
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
    err = ent_pipeline_metrics(&payload, out);
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

/* Best parameters so far by validation loss, as a federation keeps its best round; without validation rows the last. */
struct best {
    float *params;
    struct ent_metrics validation;
    bool set;
};

static enum ent_err note_best(struct ent_pipeline *p, struct best *best)
{
    struct ent_metrics now;

    ENT_TRY(evaluate(p, ENT_SPLIT_VALIDATION, &now));
    if (best->set && now.rows > 0 && now.log_loss >= best->validation.log_loss) {
        return ENT_E_OK;
    }
    best->set = true;
    best->validation = now;
    memcpy(best->params, ent_model_params(p->model),
           ent_model_n_params(p->model) * sizeof *best->params);
    return ENT_E_OK;
}

static enum ent_err train_all(struct ent_pipeline *p, const struct ent_local *local,
                              struct best *best, struct ent_train_result *trained)
{
    struct stretch stretch = {.local = local, .epochs = p->plan->epochs, .rounds = p->plan->rounds};
    struct ent_train_options options = {0};
    struct ent_trainer *trainer = NULL;
    struct ent_rows rows;
    enum ent_err err;

    ENT_TRY(ent_pipeline_gather(p, ENT_SPLIT_TRAIN, &rows));
    ent_train_options_of(p->plan, &options);
    options.progress = local->progress != NULL ? stretch_progress : NULL;
    options.ctx = &stretch;
    ENT_TRY(ent_trainer_new(p->model, &options, rows.n, &trainer));
    err = note_best(p, best);
    for (uint32_t r = 1; err == ENT_E_OK && r <= p->plan->rounds; r++) {
        stretch.round = r;
        options.stream = r;
        err = ent_fill_seed(p->plan->seed, r, p->member, &options.seed);
        if (err == ENT_E_OK) {
            err = ent_trainer_run(trainer, &rows, &options, trained);
        }
        if (err == ENT_E_OK) {
            err = note_best(p, best);
        }
    }
    ent_trainer_free(trainer);
    return err;
}

static void describe_features(const struct ent_pipeline *p, struct ent_model_feature *features)
{
    static const enum ent_model_feature_type types[] = {
        [ENT_FEATURE_NUMBER] = ENT_MODEL_NUMBER,
        [ENT_FEATURE_CATEGORY] = ENT_MODEL_CATEGORY,
        [ENT_FEATURE_BOOLEAN] = ENT_MODEL_BOOLEAN,
    };

    for (uint32_t i = 0; i < p->plan->n_features; i++) {
        const struct ent_feature *f = &p->plan->features[i];

        features[i] = (struct ent_model_feature){.name = f->name,
                                                 .type = types[f->type],
                                                 .lo = f->lo,
                                                 .hi = f->hi,
                                                 .mean = p->mean[i],
                                                 .sd = p->sd[i],
                                                 .indicator = f->indicator,
                                                 .values = f->values,
                                                 .n_values = f->n_values,
                                                 .first_input = f->first_input,
                                                 .n_inputs = f->n_inputs};
    }
}

static enum ent_err write_model(const struct ent_pipeline *p, const char *path)
{
    struct ent_model_feature *features = NULL;
    struct ent_model_layer *layers = NULL;
    struct ent_model_options options;
    struct ent_model_info info = {.n_features = p->plan->n_features,
                                  .n_inputs = p->plan->n_inputs,
                                  .n_layers = p->plan->n_layers,
                                  .loss = "bce",
                                  .label_name = p->plan->label_name,
                                  .label_positive = p->plan->label_positive};
    enum ent_err err = ent_calloc(p->plan->n_features, sizeof *features, &features);

    if (err == ENT_E_OK) {
        err = ent_calloc(p->plan->n_layers, sizeof *layers, &layers);
    }
    if (err == ENT_E_OK) {
        describe_features(p, features);
        ent_plan_model_options(p->plan, 1, layers, &options);
        info.features = features;
        info.layers = layers;
        memcpy(info.plan, p->plan->digest, sizeof info.plan);
        err = ent_modelfile_write(path, &info, ent_model_params(p->model),
                                  ent_model_n_params(p->model));
    }
    free(layers);
    free(features);
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
    ENT_TRY(train_all(p, local, best, &trained));
    memcpy(ent_model_params(p->model), best->params, n * sizeof *best->params);
    out->validation = best->validation;
    out->rows = p->parts->part[ENT_SPLIT_TRAIN].n;
    out->train_loss = trained.mean_loss;
    ENT_TRY(evaluate(p, ENT_SPLIT_TEST, &out->test));
    return write_model(p, local->model_path);
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
    ENT_TRY(standardise(pipeline));
    ENT_TRY(ent_pipeline_model(pipeline));
    err = run_local(pipeline, local, &best, &result);
    free(best.params);
    if (err == ENT_E_OK) {
        *out = result;
    }
    return err;
}
