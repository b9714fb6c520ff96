/* The first model of a run: what the members' pooled statistics make of the features, and parameters out of the seed. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/step/header.h"

struct initial {
    struct ent_fits *fits;
    struct ent_model_layer layers[ENT_PLAN_MAX_LAYERS];
    struct ent_model_options options;
    struct ent_model_info info;
    float *params;
};

static enum ent_err describe(struct initial *in, const struct ent_plan *plan,
                             const struct ent_step_lineage *lineage)
{
    ent_plan_model_options(plan, 1, in->layers, &in->options);
    in->info = (struct ent_model_info){
        .fits = in->fits->fit, .run = lineage->run, .round = lineage->round};
    ent_plan_model_info(plan, &in->info);
    ent_modelfile_of_options(&in->options, &in->info);
    memcpy(in->info.federation, lineage->federation, sizeof in->info.federation);
    memcpy(in->info.plan, plan->digest, sizeof in->info.plan);
    return ENT_E_OK;
}

static enum ent_err write_all(struct initial *in, uint64_t seed, const struct ent_step_sink *model)
{
    struct ent_rng rng = ent_rng_init(seed, ENT_PLAN_INIT_STREAM);
    size_t n = 0;

    ENT_TRY(ent_step_header(model, &in->info, &n));
    ENT_TRY(ent_calloc_aligned(n, sizeof *in->params, &in->params));
    ENT_TRY(ent_model_init_vector(&in->options, &rng, in->params));
    for (size_t at = 0; at < n; at += ENT_STEP_PIECE) {
        ENT_TRY(model->write(model->ctx, in->params + at,
                             (n - at < ENT_STEP_PIECE ? n - at : ENT_STEP_PIECE) * sizeof(float)));
    }
    return ENT_E_OK;
}

enum ent_err ent_step_initial(const struct ent_plan *plan, const struct ent_step_lineage *lineage,
                              const int64_t *sum, size_t dim, const struct ent_step_sink *model)
{
    struct ent_task_sizes sizes = ent_plan_task_sizes(plan);
    struct initial in = {0};
    enum ent_err err = ent_task_stats_finish(&sizes, sum, dim, &in.fits);

    if (err == ENT_E_OK) {
        err = describe(&in, plan, lineage);
    }
    if (err == ENT_E_OK) {
        err = write_all(&in, plan->seed, model);
    }
    free(in.params);
    ent_fits_free(in.fits);
    return err;
}

enum ent_err ent_step_initial_of_ranges(const struct ent_plan *plan,
                                        const struct ent_step_sink *model)
{
    static const struct ent_step_lineage none;
    struct initial in = {0};
    enum ent_err err = ent_fits_of_ranges(plan->features, plan->n_features, &in.fits);

    if (err == ENT_E_OK) {
        err = describe(&in, plan, &none);
    }
    if (err == ENT_E_OK) {
        err = write_all(&in, plan->seed, model);
    }
    free(in.params);
    ent_fits_free(in.fits);
    return err;
}
