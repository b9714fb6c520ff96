/* Training under privacy: with noise that is added here, before anything leaves (unit customer); without (unit member). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/pipeline_internal.h"
#include "client/train/dp.h"
#include "common/base/mem.h"

/* The noise of the plan's goal: the same numbers in every round, so derived once. */
enum ent_err ent_pipeline_noise(struct ent_pipeline *pipeline, const struct ent_plan_noise **out)
{
    if (!pipeline->has_noise) {
        ENT_TRY(ent_plan_privacy_derive(pipeline->plan, &pipeline->noise));
        pipeline->has_noise = true;
    }
    *out = &pipeline->noise;
    return ENT_E_OK;
}

/* Whose the training rows are. A row without a unit_key, or with a blank one, is a unit of its own: its entry in `units` is a
 * hash of its features, so two people could share it, and without one of them the other's label would be drawn. */
static enum ent_err make_units(const struct ent_pipeline *p, struct ent_dp_units *out)
{
    const struct ent_split_rows *part = &p->parts->part[ENT_SPLIT_TRAIN];
    uint64_t *keys = NULL;
    bool *keyed = NULL;
    enum ent_err err;

    if (!p->table->has_unit_key) {
        return ent_dp_units_init(NULL, NULL, part->n, out);
    }
    ENT_TRY(ent_calloc(part->n, sizeof *keys, &keys));
    err = ent_calloc(part->n, sizeof *keyed, &keyed);
    for (uint32_t i = 0; i < part->n && err == ENT_E_OK; i++) {
        keys[i] = p->table->units[part->rows[i]];
        keyed[i] = p->table->keyed == NULL || p->table->keyed[part->rows[i]];
    }
    if (err == ENT_E_OK) {
        err = ent_dp_units_init(keys, keyed, part->n, out);
    }
    free(keyed);
    free(keys);
    return err;
}

/* What would be drawn is what the ledger holds. */
static enum ent_err check_booked(const struct ent_dp_settings *settings,
                                 const struct ent_dp_event *booked)
{
    struct ent_dp_event drawn;

    ENT_TRY(ent_dp_settings_event(settings, &drawn));
    ENT_REQUIRE(drawn.rate == booked->rate && drawn.sigma2 == booked->sigma2 &&
                    drawn.sensitivity <= booked->sensitivity && drawn.steps == booked->steps &&
                    drawn.dimension == booked->dimension,
                ENT_E_BUDGET, "the noise of this round is not the one that was booked");
    return ENT_E_OK;
}

enum ent_err ent_pipeline_dp_train(struct ent_pipeline *p, const struct ent_rows *rows,
                                   const struct ent_train_options *options)
{
    const struct ent_plan_privacy *privacy = &p->plan->privacy;
    const struct ent_plan_noise *noise = NULL;
    struct ent_dp_settings settings;
    struct ent_dp_units units;
    enum ent_err err;

    ENT_TRY(ent_pipeline_noise(p, &noise));
    settings = (struct ent_dp_settings){.clip = privacy->clip,
                                        .rate = privacy->rate,
                                        .steps = privacy->steps,
                                        .batch = privacy->batch,
                                        .scale_bits = privacy->scale_bits,
                                        .sigma2 = noise->sigma2,
                                        .dim = noise->dim};
    ENT_TRY(check_booked(&settings, &noise->round));
    ENT_TRY(make_units(p, &units));
    err = ent_dp_train(p->model, rows, &units, options, &settings, NULL);
    ent_dp_units_release(&units);
    return err;
}

enum ent_err ent_pipeline_member_train(struct ent_pipeline *p, const struct ent_rows *rows,
                                       const struct ent_train_options *options,
                                       struct ent_kept *kept, struct ent_train_result *trained)
{
    enum ent_err err = ent_train(p->model, rows, options, trained);

    if (err != ENT_E_NONFINITE) {
        return err;
    }
    memcpy(ent_model_params(p->model), options->base,
           ent_model_n_params(p->model) * sizeof *options->base);
    if (kept != NULL) {
        ent_kept_release(kept);
    }
    *trained = (struct ent_train_result){.mean_loss = (double)NAN};
    return ENT_E_OK;
}
