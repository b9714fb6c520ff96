#include "client/train/dp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/train/dp_noise.h"
#include "client/train/dp_sum.h"
#include "common/base/mem.h"
#include "common/math/vec.h"
#include "common/privacy/clip.h"
#include "common/privacy/privacy.h"

/* Words of the sample drawn in one call. */
#define WORDS 1024u
/* Allocations of a call, and what each costs beside its bytes at most. */
#define EXTRA ((size_t)16 * 128)

/* One call of ent_dp_train while it runs. */
struct dp_run {
    struct ent_model *model;
    const struct ent_rows *rows;
    const struct ent_dp_units *units;
    const struct ent_train_options *options;
    const struct ent_dp_settings *settings;
    struct ent_dp_log *log;
    struct ent_csprng csprng;
    struct ent_dp_sum sum;
    struct ent_dp_noise noise[2]; /* of this step and of the next */
    uint32_t words[WORDS];
    uint32_t *batch; /* [units->n] a row of each unit that is in */
    uint32_t n_batch;
    float *mean; /* [dim] of the noised sum: what the optimizer gets */
    float *own_state;
    float *own_base;
    float *state;
    uint64_t state_steps;
    struct ent_optim_hyper hyper;
};

static enum ent_err check_plan(const struct ent_dp_settings *settings)
{
    struct ent_clip_plan plan = {.clip = settings->clip,
                                 .scale_bits = settings->scale_bits,
                                 .dimension = settings->dim,
                                 .sigma2 = settings->sigma2};

    ENT_TRY(ent_clip_record_sensitivity(settings->clip, settings->scale_bits, settings->dim,
                                        &plan.sensitivity));
    return ent_clip_plan_check(&plan);
}

enum ent_err ent_dp_check(const struct ent_model *model, const struct ent_train_options *options,
                          const struct ent_dp_settings *settings)
{
    ENT_REQUIRE(ent_model_clips(model), ENT_E_CONFIG,
                "private training: the model was not made for clipping by example");
    ENT_REQUIRE(settings->dim == ent_model_n_params(model), ENT_E_CONFIG,
                "private training: the noise is for %llu parameters and the model has %zu",
                (unsigned long long)settings->dim, ent_model_n_params(model));
    ENT_REQUIRE(settings->rate >= 1 && settings->rate <= ENT_DP_RATE_ALL, ENT_E_CONFIG,
                "private training: the sampling rate %llu / 2^32 is not in (0, 1]",
                (unsigned long long)settings->rate);
    ENT_REQUIRE(settings->steps >= 1, ENT_E_CONFIG, "private training: 0 steps");
    ENT_REQUIRE(settings->batch >= 1, ENT_E_CONFIG,
                "private training: a declared batch of 0 units");
    ENT_REQUIRE(options->optim != NULL, ENT_E_CONFIG, "private training: no optimizer");
    ENT_TRY(check_plan(settings));
    return options->optim->check(&options->hyper);
}

enum ent_err ent_dp_settings_event(const struct ent_dp_settings *settings, struct ent_dp_event *out)
{
    struct ent_dp_event event = {.mechanism = ENT_DP_DISCRETE_GAUSSIAN,
                                 .rate = settings->rate,
                                 .sigma2 = settings->sigma2,
                                 .dimension = settings->dim,
                                 .steps = settings->steps,
                                 .n_members = 1};

    ENT_TRY(ent_clip_record_sensitivity(settings->clip, settings->scale_bits, settings->dim,
                                        &event.sensitivity));
    ENT_TRY(ent_dp_event_check(&event));
    *out = event;
    return ENT_E_OK;
}

/* The sum, two vectors of noise, their mean, a base of the proximal term; one block of rows. */
enum ent_err ent_dp_memory(const struct ent_model_options *options, size_t *bytes)
{
    struct ent_model_size size;
    size_t vectors;
    size_t block;

    ENT_TRY(ent_model_measure(options, &size));
    ENT_TRY(ent_size_mul(size.n_params, 3 * sizeof(int64_t) + 2 * sizeof(float), &vectors));
    ENT_TRY(ent_size_mul(
        size.block_steps,
        ((size_t)size.n_inputs + size.n_tokens + size.n_targets + 1) * sizeof(float), &block));
    ENT_TRY(ent_size_add(vectors, block, &vectors));
    return ent_size_add(vectors, sizeof(struct dp_run) + EXTRA, bytes);
}

static enum ent_err take_state(struct dp_run *run)
{
    const struct ent_train_options *options = run->options;
    uint32_t n_state = options->optim->n_state(&options->hyper);
    size_t dim = run->settings->dim;
    size_t n;

    run->hyper = options->hyper;
    run->hyper.rate =
        ent_schedule_rate(&options->schedule, options->hyper.rate, options->round, options->rounds);
    run->state = options->state;
    run->state_steps = options->state_steps != NULL ? *options->state_steps : 0;
    if (options->state == NULL && n_state > 0) {
        ENT_TRY(ent_size_mul(n_state, dim, &n));
        ENT_TRY(ent_calloc_aligned(n, sizeof *run->own_state, &run->own_state));
        run->state = run->own_state;
        run->state_steps = 0;
    }
    if (options->proximal > 0.0 && options->base == NULL) {
        ENT_TRY(ent_calloc_aligned(dim, sizeof *run->own_base, &run->own_base));
        memcpy(run->own_base, ent_model_params(run->model), dim * sizeof *run->own_base);
    }
    return ENT_E_OK;
}

static enum ent_err begin(struct dp_run *run)
{
    size_t dim = run->settings->dim;

    ENT_TRY(ent_dp_sum_init(&run->sum, run->model, run->settings));
    ENT_TRY(ent_calloc(run->units->n, sizeof *run->batch, &run->batch));
    ENT_TRY(ent_calloc_aligned(dim, sizeof *run->mean, &run->mean));
    for (int i = 0; i < 2; i++) {
        ENT_TRY(ent_dp_noise_init(&run->noise[i], run->settings->sigma2, dim));
    }
    return take_state(run);
}

static void end(struct dp_run *run)
{
    for (int i = 0; i < 2; i++) {
        ent_dp_noise_release(&run->noise[i]);
    }
    ent_dp_sum_release(&run->sum);
    explicit_bzero(run->words, sizeof run->words);
    free(run->batch);
    free(run->mean);
    free(run->own_state);
    free(run->own_base);
}

/* A row of the unit, each with the same probability. */
static enum ent_err draw_row(struct dp_run *run, uint32_t unit, uint32_t *row)
{
    uint32_t first = run->units->first[unit];
    uint32_t n = run->units->first[unit + 1] - first;
    uint64_t which = 0;

    if (n > 1) {
        ENT_TRY(ent_csprng_below(&run->csprng, n, &which));
    }
    *row = run->units->rows[first + which];
    return ENT_E_OK;
}

/* Poisson: each unit by a word of its own, so that the number of them has no bound but all. */
static enum ent_err sample(struct dp_run *run)
{
    run->n_batch = 0;
    for (uint32_t from = 0; from < run->units->n; from += WORDS) {
        uint32_t left = run->units->n - from;
        uint32_t n = left < WORDS ? left : WORDS;

        ENT_TRY(ent_csprng_bytes(&run->csprng, run->words, n * sizeof *run->words));
        for (uint32_t i = 0; i < n; i++) {
            if (run->words[i] < run->settings->rate) {
                ENT_TRY(draw_row(run, from + i, &run->batch[run->n_batch]));
                run->n_batch++;
            }
        }
    }
    return ENT_E_OK;
}

/* From here on nothing looks at the rows' sum any more, only at what leaves the noise. */
static void release(struct dp_run *run, const struct ent_dp_noise *noise)
{
    double unit = ldexp(1.0, -(int)run->settings->scale_bits) / (double)run->settings->batch;

    for (size_t i = 0; i < run->settings->dim; i++) {
        int64_t q = ent_dp_sum_grid(&run->sum, i, run->log) + noise->values[i];

        run->mean[i] = (float)((double)q * unit);
    }
}

static void optimizer_step(struct dp_run *run)
{
    const struct ent_train_options *options = run->options;
    const float *base = options->base != NULL ? options->base : run->own_base;
    float *params = ent_model_params(run->model);
    size_t dim = run->settings->dim;
    size_t first;
    size_t n;

    if (options->proximal > 0.0) {
        ent_optim_proximal(options->proximal, params, base, run->mean, dim);
    }
    if (options->clip_norm > 0.0) {
        (void)ent_optim_clip(run->mean, dim, options->clip_norm);
    }
    for (uint32_t i = 0; run->hyper.weight_decay > 0.0 && options->optim->decay != NULL &&
                         ent_model_decay_range(run->model, i, &first, &n);
         i++) {
        options->optim->decay(&run->hyper, params + first, run->mean + first, n);
    }
    run->state_steps++;
    options->optim->step(&run->hyper, run->state_steps, params, run->mean, run->state, dim);
}

static void count_batch(struct dp_run *run)
{
    struct ent_dp_log *log = run->log;
    uint32_t n = run->n_batch;

    log->batch_least = log->steps == 0 || n < log->batch_least ? n : log->batch_least;
    log->batch_most = n > log->batch_most ? n : log->batch_most;
    log->empty += n == 0 ? 1 : 0;
    log->units += n;
    log->steps++;
}

static enum ent_err run_step(struct dp_run *run, uint32_t step)
{
    struct ent_dp_noise *noise = &run->noise[step % 2];

    if (run->options->keep_going != NULL && !run->options->keep_going(run->options->ctx)) {
        return ent_err_note(ENT_E_STOPPED, "training was stopped");
    }
    ENT_TRY(ent_dp_noise_take(noise));
    if (step + 1 < run->settings->steps) {
        ENT_TRY(ent_dp_noise_begin(&run->noise[(step + 1) % 2], &run->csprng));
    }
    ENT_TRY(sample(run));
    count_batch(run);
    ENT_TRY(ent_dp_sum_add_up(&run->sum, run->rows, run->batch, run->n_batch, run->log));
    release(run, noise);
    optimizer_step(run);
    return ENT_E_OK;
}

static enum ent_err train(struct dp_run *run)
{
    ENT_TRY(begin(run));
    ENT_TRY(ent_dp_noise_begin(&run->noise[0], &run->csprng));
    for (uint32_t step = 0; step < run->settings->steps; step++) {
        ENT_TRY(run_step(run, step));
    }
    ENT_REQUIRE(ent_vec_finite(ent_model_params(run->model), run->settings->dim), ENT_E_NONFINITE,
                "private training: a parameter became NaN or infinite: lower the rate (it is %g)",
                run->hyper.rate);
    if (run->options->state != NULL && run->options->state_steps != NULL) {
        *run->options->state_steps = run->state_steps;
    }
    return ENT_E_OK;
}

enum ent_err ent_dp_train(struct ent_model *model, const struct ent_rows *rows,
                          const struct ent_dp_units *units, const struct ent_train_options *options,
                          const struct ent_dp_settings *settings, struct ent_dp_log *log)
{
    struct ent_dp_log unused;
    struct dp_run *run = NULL;
    enum ent_err err;

    ENT_TRY(ent_dp_check(model, options, settings));
    ENT_TRY(ent_calloc(1, sizeof *run, &run));
    run->model = model;
    run->rows = rows;
    run->units = units;
    run->options = options;
    run->settings = settings;
    run->log = log != NULL ? log : &unused;
    run->csprng = ent_csprng_system();
    *run->log = (struct ent_dp_log){0};
    err = train(run);
    end(run);
    free(run);
    return err;
}
