#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/train/block.h"
#include "common/base/mem.h"
#include "common/math/vec.h"

#define PROGRESS_ROWS 4096u

struct ent_trainer {
    struct ent_model *model;
    uint32_t n_rows_max;
    struct ent_train_block block; /* one piece */
    uint32_t n_state_max;
    uint32_t *order; /* [n_rows_max] */
    float *state;    /* [n_state_max * n_params]; used when the caller keeps none */
    float *base;     /* [n_params]; the proximal term's, when the caller has none */
};

/* One call of ent_trainer_run while it runs. */
struct run {
    struct ent_trainer *trainer;
    const struct ent_rows *rows;
    const struct ent_train_options *options;
    struct ent_rng dropout;
    float *state;
    uint64_t state_steps;
    struct ent_optim_hyper hyper; /* with the round's rate */
    const float *base;
    uint32_t epoch;
    uint64_t rows_done;
    uint64_t rows_said; /* at the last progress call */
    uint64_t steps;
    double epoch_loss;
    uint64_t epoch_targets;
};

static enum ent_err check_options(const struct ent_train_options *options)
{
    ENT_REQUIRE(options->optim != NULL, ENT_E_CONFIG, "training: no optimizer");
    ENT_REQUIRE(options->epochs >= 1, ENT_E_CONFIG, "training: 0 epochs");
    ENT_REQUIRE(options->stream >> 63 == 0, ENT_E_CONFIG,
                "training: the stream's number is too large");
    /* Written so that NaN fails too. */
    ENT_REQUIRE(options->clip_norm >= 0.0 && options->clip_norm <= 1e30, ENT_E_CONFIG,
                "training: the gradient's norm %g is not in [0, 1e30]", options->clip_norm);
    ENT_REQUIRE(options->proximal >= 0.0 && options->proximal <= 1000.0, ENT_E_CONFIG,
                "training: proximal %g is not in [0, 1000]", options->proximal);
    ENT_REQUIRE(options->schedule.kind != ENT_SCHEDULE_STEP ||
                    (options->schedule.every >= 1 && options->schedule.factor > 0.0 &&
                     options->schedule.factor <= 1.0),
                ENT_E_CONFIG, "training: a step schedule needs rounds >= 1 and a factor in (0, 1]");
    return options->optim->check(&options->hyper);
}

static uint32_t block_of(const struct ent_train_options *options, uint32_t n_rows)
{
    uint32_t block =
        options->batch == 0 || options->batch > ENT_MODEL_BLOCK ? ENT_MODEL_BLOCK : options->batch;

    return block < n_rows ? block : n_rows;
}

static enum ent_err alloc(struct ent_trainer *trainer, const struct ent_train_options *options)
{
    bool own_state = options->state == NULL;
    bool own_base = options->proximal > 0.0 && options->base == NULL;
    size_t n;

    ENT_TRY(ent_calloc(trainer->n_rows_max, sizeof *trainer->order, &trainer->order));
    ENT_TRY(ent_train_block_init(&trainer->block, trainer->model,
                                 block_of(options, trainer->n_rows_max)));
    if (own_state && trainer->n_state_max > 0) {
        ENT_TRY(ent_size_mul(trainer->n_state_max, ent_model_n_params(trainer->model), &n));
        ENT_TRY(ent_calloc_aligned(n, sizeof *trainer->state, &trainer->state));
    }
    if (own_base) {
        n = ent_model_n_params(trainer->model);
        ENT_TRY(ent_calloc_aligned(n, sizeof *trainer->base, &trainer->base));
    }
    return ENT_E_OK;
}

enum ent_err ent_trainer_new(struct ent_model *model, const struct ent_train_options *options,
                             uint32_t n_rows, struct ent_trainer **out)
{
    struct ent_trainer *trainer;
    enum ent_err err;

    ENT_BUG_ON(ent_model_gradient(model) == NULL);
    ENT_TRY(check_options(options));
    ENT_REQUIRE(n_rows > 0, ENT_E_DATA, "training: no rows");
    ENT_TRY(ent_calloc(1, sizeof *trainer, &trainer));
    trainer->model = model;
    trainer->n_rows_max = n_rows;
    trainer->n_state_max = options->optim->n_state(&options->hyper);
    err = alloc(trainer, options);
    if (err != ENT_E_OK) {
        ent_trainer_free(trainer);
        return err;
    }
    *out = trainer;
    return ENT_E_OK;
}

void ent_trainer_free(struct ent_trainer *trainer)
{
    if (trainer != NULL) {
        free(trainer->order);
        ent_train_block_release(&trainer->block);
        free(trainer->state);
        free(trainer->base);
        free(trainer);
    }
}

static void say_progress(struct run *run, uint32_t epoch_rows)
{
    const struct ent_train_options *options = run->options;
    struct ent_train_progress progress = {
        .epoch = run->epoch,
        .epochs = options->epochs,
        .rows_done = run->rows_done,
        .rows_total = (uint64_t)options->epochs * run->rows->n,
        .mean_loss = run->epoch_loss / (double)run->epoch_targets,
    };

    if (options->progress == NULL ||
        (epoch_rows < run->rows->n && run->rows_done - run->rows_said < PROGRESS_ROWS)) {
        return;
    }
    run->rows_said = run->rows_done;
    options->progress(options->ctx, &progress);
}

/* The gradient lies in the model: what is done to it, and the step. */
static void optimizer_step(struct run *run)
{
    struct ent_model *model = run->trainer->model;
    const struct ent_train_options *options = run->options;
    float *params = ent_model_params(model);
    float *gradient = ent_model_gradient(model);
    size_t n_params = ent_model_n_params(model);
    size_t first;
    size_t n;

    if (options->proximal > 0.0) {
        ent_optim_proximal(options->proximal, params, run->base, gradient, n_params);
    }
    if (options->clip_norm > 0.0) {
        (void)ent_optim_clip(gradient, n_params, options->clip_norm);
    }
    for (uint32_t i = 0; run->hyper.weight_decay > 0.0 && options->optim->decay != NULL &&
                         ent_model_decay_range(model, i, &first, &n);
         i++) {
        options->optim->decay(&run->hyper, params + first, gradient + first, n);
    }
    run->steps++;
    run->state_steps++;
    options->optim->step(&run->hyper, run->state_steps, params, gradient, run->state, n_params);
}

/* One optimizer step on the rows order[0..n), gathered and differentiated piece by piece. */
static enum ent_err run_batch(struct run *run, const uint32_t *order, uint32_t n)
{
    struct ent_trainer *trainer = run->trainer;
    const struct ent_train_options *options = run->options;
    struct ent_train_block *block = &trainer->block;
    uint32_t n_total = ent_train_block_targets(block, run->rows, order, n);
    struct ent_model_piece piece = {.x = block->x,
                                    .y = block->y,
                                    .tokens = block->tokens,
                                    .lengths = block->lengths,
                                    .n_total = n_total};
    double loss = 0.0;

    for (uint32_t from = 0; from < n; from += piece.n) {
        if (options->keep_going != NULL && !options->keep_going(options->ctx)) {
            return ent_err_note(ENT_E_STOPPED, "training was stopped");
        }
        piece.first = from == 0;
        ENT_TRY(ent_train_block_fill(block, run->rows, order + from, n - from));
        piece.n = block->n;
        ent_model_step_piece(trainer->model, &piece, &run->dropout, &loss);
    }
    ENT_REQUIRE(
        isfinite(loss), ENT_E_NONFINITE,
        "training: the loss is NaN or infinite in epoch %u, step %llu: lower the rate (it is %g)",
        run->epoch, (unsigned long long)(run->steps + 1), run->hyper.rate);
    optimizer_step(run);
    run->epoch_loss += loss;
    run->epoch_targets += n_total;
    return ENT_E_OK;
}

static enum ent_err run_epoch(struct run *run)
{
    uint32_t n = run->rows->n;
    uint32_t batch = run->options->batch == 0 ? n : run->options->batch;

    run->epoch_loss = 0.0;
    run->epoch_targets = 0;
    for (uint32_t from = 0; from < n;) {
        uint32_t rows = n - from < batch ? n - from : batch;

        ENT_TRY(run_batch(run, run->trainer->order + from, rows));
        from += rows;
        run->rows_done += rows;
        say_progress(run, from);
    }
    return ENT_E_OK;
}

static enum ent_err check_fit(const struct ent_trainer *trainer, const struct ent_rows *rows,
                              const struct ent_train_options *options)
{
    ENT_TRY(check_options(options));
    ENT_REQUIRE(rows->n > 0, ENT_E_DATA, "training: no rows");
    ENT_REQUIRE(rows->n <= trainer->n_rows_max, ENT_E_SHAPE, "training: %u rows, room for %u",
                rows->n, trainer->n_rows_max);
    ENT_BUG_ON(options->state == NULL && options->optim->n_state(&options->hyper) > 0 &&
               trainer->state == NULL);
    ENT_BUG_ON(options->optim->n_state(&options->hyper) > trainer->n_state_max);
    ENT_BUG_ON(options->proximal > 0.0 && options->base == NULL && trainer->base == NULL);
    return ENT_E_OK;
}

static void take_state(struct run *run, size_t n_params)
{
    const struct ent_train_options *options = run->options;
    uint32_t n_state = options->optim->n_state(&options->hyper);

    if (options->state != NULL) {
        run->state = options->state;
        run->state_steps = options->state_steps != NULL ? *options->state_steps : 0;
    } else if (n_state > 0) {
        run->state = run->trainer->state;
        memset(run->state, 0, n_state * n_params * sizeof *run->state);
    }
    run->hyper = options->hyper;
    run->hyper.rate =
        ent_schedule_rate(&options->schedule, options->hyper.rate, options->round, options->rounds);
    run->base = options->base;
    if (options->proximal > 0.0 && options->base == NULL) {
        memcpy(run->trainer->base, ent_model_params(run->trainer->model),
               n_params * sizeof *run->trainer->base);
        run->base = run->trainer->base;
    }
}

enum ent_err ent_trainer_run(struct ent_trainer *trainer, const struct ent_rows *rows,
                             const struct ent_train_options *options, struct ent_train_result *out)
{
    struct run run = {.trainer = trainer, .rows = rows, .options = options};
    size_t n_params = ent_model_n_params(trainer->model);
    struct ent_rng shuffle = ent_rng_init(options->seed, 2 * options->stream);

    ENT_TRY(check_fit(trainer, rows, options));
    run.dropout = ent_rng_init(options->seed, 2 * options->stream + 1);
    take_state(&run, n_params);
    for (uint32_t i = 0; i < rows->n; i++) {
        trainer->order[i] = i;
    }
    for (run.epoch = 1; run.epoch <= options->epochs; run.epoch++) {
        ent_rng_shuffle(&shuffle, trainer->order, rows->n);
        ENT_TRY(run_epoch(&run));
    }
    ENT_REQUIRE(ent_vec_finite(ent_model_params(trainer->model), n_params), ENT_E_NONFINITE,
                "training: a parameter became NaN or infinite: lower the rate (it is %g)",
                run.hyper.rate);
    if (options->state != NULL && options->state_steps != NULL) {
        *options->state_steps = run.state_steps;
    }
    *out = (struct ent_train_result){.mean_loss = run.epoch_loss / (double)run.epoch_targets,
                                     .rows_done = run.rows_done,
                                     .steps = run.steps};
    return ENT_E_OK;
}

enum ent_err ent_train(struct ent_model *model, const struct ent_rows *rows,
                       const struct ent_train_options *options, struct ent_train_result *out)
{
    struct ent_trainer *trainer;
    enum ent_err err;

    ENT_TRY(ent_trainer_new(model, options, rows->n, &trainer));
    err = ent_trainer_run(trainer, rows, options, out);
    ent_trainer_free(trainer);
    return err;
}

void ent_train_delta(const float *after, const float *before, size_t n, float *out)
{
    ent_vec_sub(after, before, out, n);
}
