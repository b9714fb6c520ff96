#include "client/train/trainer.h"
#include "common/plan/plan.h"

void ent_train_model_options(const struct ent_plan *plan, bool training,
                             struct ent_model_layer *layers, struct ent_model_options *out)
{
    bool clips = training && plan->privacy.unit == ENT_PRIVACY_CUSTOMER;
    uint32_t batch = !training || clips || plan->batch == 0 ? ENT_MODEL_BLOCK : plan->batch;

    ENT_BUG_ON(plan->n_layers > ENT_MODEL_LAYERS_MAX); /* the parser allows no more */
    ent_plan_model_options(plan, batch, layers, out);
    out->training = training;
    out->clips = clips;
}

enum ent_err ent_train_model_new(const struct ent_plan *plan, bool training, struct ent_model **out)
{
    struct ent_model_layer layers[ENT_MODEL_LAYERS_MAX];
    struct ent_model_options options;

    ent_train_model_options(plan, training, layers, &options);
    return ent_model_new(&options, out);
}

void ent_train_options_of(const struct ent_plan *plan, struct ent_train_options *out)
{
    *out = (struct ent_train_options){
        .epochs = plan->epochs,
        .batch = plan->batch,
        .optim = plan->optimizer.optim,
        .hyper = plan->optimizer.hyper,
        .schedule = plan->schedule,
        .rounds = plan->rounds,
        .clip_norm = plan->clip_norm,
        .proximal = plan->proximal,
        .seed = plan->seed,
    };
}
