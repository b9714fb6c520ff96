/* What training and evaluation of a plan take, before anything is taken. */
#include "client/train/dp.h"
#include "client/train/trainer.h"
#include "common/base/mem.h"
#include "common/plan/plan.h"
#include "common/task/task.h"

/* Vectors of the parameters' length beside the model's two and the optimizer's: the proximal term's start, the update,
 * the model file that comes, the best of the rounds (train --local). */
#define PARAM_COPIES 4u
/* An evaluation's integers are counted, written and read back. */
#define INTEGER_COPIES 3u
/* Allocations here, and what each costs beside its bytes at most. */
#define EXTRA ((size_t)32 * 128)

static enum ent_err add(size_t n, size_t size, size_t *sum)
{
    size_t bytes;

    ENT_TRY(ent_size_mul(n, size, &bytes));
    return ent_size_add(*sum, bytes, sum);
}

/* A piece of the batch as the trainer has it, another as predictions have it, and the predictions. */
static enum ent_err add_blocks(const struct ent_model_size *model, size_t *sum)
{
    size_t steps =
        model->block_steps > ENT_MODEL_BLOCK ? model->block_steps : (size_t)ENT_MODEL_BLOCK;
    size_t wide = (size_t)model->n_inputs + model->n_tokens +
                  model->n_targets; /* 32 bits each: no overflow */

    ENT_TRY(add(2 * (wide + 1), steps * sizeof(float), sum));
    return add(model->n_outputs, steps * sizeof(float), sum);
}

static enum ent_err add_params(const struct ent_plan *plan, const struct ent_model_size *model,
                               size_t *sum)
{
    size_t copies = PARAM_COPIES + plan->optimizer.optim->n_state(&plan->optimizer.hyper);

    ENT_TRY(ent_size_mul(copies, sizeof(float), &copies));
    return add(model->n_params, copies, sum);
}

static enum ent_err add_integers(const struct ent_plan *plan, size_t *sum)
{
    struct ent_task_sizes sizes = ent_plan_task_sizes(plan);
    const struct ent_task *task;
    uint64_t most = 0;

    for (size_t i = 0; (task = ent_task_at(i)) != NULL; i++) {
        uint64_t bytes;

        if (task->kind != ENT_TASK_TRAIN) {
            ENT_TRY(ent_task_payload_bytes(task, &sizes, &bytes));
            most = bytes > most ? bytes : most;
        }
    }
    return add((size_t)most, INTEGER_COPIES, sum);
}

enum ent_err ent_train_memory(const struct ent_plan *plan, size_t *bytes)
{
    struct ent_model_layer layers[ENT_MODEL_LAYERS_MAX];
    struct ent_model_options options;
    struct ent_model_size model;
    size_t noised = 0;
    size_t sum;

    ent_train_model_options(plan, true, layers, &options);
    ENT_TRY(ent_model_measure(&options, &model));
    ENT_TRY(ent_size_add(model.bytes, EXTRA, &sum));
    ENT_TRY(add_blocks(&model, &sum));
    ENT_TRY(add_params(plan, &model, &sum));
    ENT_TRY(add_integers(plan, &sum));
    if (options.clips) { /* noised steps: sums and noise beside all that */
        ENT_TRY(ent_dp_memory(&options, &noised));
        ENT_TRY(ent_size_add(sum, noised, &sum));
    }
    *bytes = sum;
    return ENT_E_OK;
}
