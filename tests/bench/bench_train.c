/* Training speed of MLP 64-128-64-1 (dropout 0.5, SGD with momentum) through the member's trainer, gather and shuffle
 * included: samples a second, one JSON object on standard output.
 *
 *   bench_train [BATCH [REPETITIONS]]      default 32, 7 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "client/train/trainer.h"
#include "common/base/mem.h"
#include "common/json/json.h"
#include "common/math/math.h"
#include "common/math/stats.h"

#define N_ROWS 16384u
#define N_INPUTS 64u
#define REPETITION_S 0.25
#define REPETITIONS_MAX 100

static double now_s(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fill(float *x, float *y)
{
    struct ent_rng rng = ent_rng_init(7, 0);

    for (size_t i = 0; i < N_ROWS; i++) {
        double z = 0.0;

        for (size_t j = 0; j < N_INPUTS; j++) {
            x[i * N_INPUTS + j] = (float)ent_rng_normal(&rng);
            z += (double)x[i * N_INPUTS + j] * (j % 3 == 0 ? 0.4 : -0.2);
        }
        y[i] = z + ent_rng_normal(&rng) > 0.0 ? 1.0f : 0.0f;
    }
}

static enum ent_err build(uint32_t batch, struct ent_model **model)
{
    static const struct ent_model_layer layers[] = {{.kind = ENT_MODEL_DENSE, .units = 128},
                                                    {.kind = ENT_MODEL_RELU},
                                                    {.kind = ENT_MODEL_DROPOUT, .rate = 0.5f},
                                                    {.kind = ENT_MODEL_DENSE, .units = 64},
                                                    {.kind = ENT_MODEL_RELU},
                                                    {.kind = ENT_MODEL_DROPOUT, .rate = 0.5f},
                                                    {.kind = ENT_MODEL_DENSE, .units = 1}};
    struct ent_model_options options = {.n_inputs = N_INPUTS,
                                        .layers = layers,
                                        .n_layers = ENT_ARRAY_LEN(layers),
                                        .batch_max = batch,
                                        .training = true};
    struct ent_rng rng = ent_rng_init(1, 0);

    ENT_TRY(ent_model_new(&options, model));
    ent_model_init_params(*model, &rng);
    return ENT_E_OK;
}

/* Whole epochs until the repetition is long enough. */
static enum ent_err repeat(struct ent_trainer *trainer, const struct ent_rows *rows,
                           const struct ent_train_options *options, double *rate, double *loss)
{
    struct ent_train_result result;
    double begin = now_s();
    double done = 0.0;

    do {
        ENT_TRY(ent_trainer_run(trainer, rows, options, &result));
        done += (double)result.rows_done;
    } while (now_s() - begin < REPETITION_S);
    *rate = done / (now_s() - begin);
    *loss = result.mean_loss;
    return ENT_E_OK;
}

static enum ent_err report(uint32_t batch, double *rates, size_t n, double loss)
{
    struct ent_buf out;
    struct ent_json_writer w;
    double median = ent_stats_median(rates, n); /* sorts: the last is the best */
    enum ent_err err;

    ent_buf_init(&out, 4096);
    ent_json_begin(&w, &out);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_json_put_key_string(&w, "bench", "train");
    ent_json_put_key_string(&w, "model", "64-128-64-1 dropout 0.5, sgd momentum 0.9");
    ent_json_put_key_string(&w, "kernel", ent_math_kernel_name());
    ent_json_put_key_uint(&w, "batch", batch);
    ent_json_put_key_double(&w, "samples_per_s", (double)(uint64_t)median);
    ent_json_put_key_double(&w, "best", (double)(uint64_t)rates[n - 1]);
    ent_json_put_key_double(&w, "loss", loss);
    ent_json_put_close(&w);
    err = ent_json_end(&w);
    if (err == ENT_E_OK) {
        printf("%.*s\n", (int)out.len, (const char *)out.data);
    }
    ent_buf_release(&out);
    return err;
}

static enum ent_err run(uint32_t batch, size_t repetitions)
{
    struct ent_rows_matrix matrix = {.n_inputs = N_INPUTS};
    struct ent_train_options options = {.epochs = 1,
                                        .batch = batch,
                                        .optim = ent_optim_find("sgd"),
                                        .hyper = {.rate = 0.01, .momentum = 0.9},
                                        .seed = 1};
    double rates[REPETITIONS_MAX];
    double loss = 0.0;
    struct ent_rows rows;
    struct ent_model *model;
    struct ent_trainer *trainer;
    float *x;
    float *y;

    ENT_TRY(ent_calloc_aligned((size_t)N_ROWS * N_INPUTS, sizeof *x, &x));
    ENT_TRY(ent_calloc_aligned(N_ROWS, sizeof *y, &y));
    fill(x, y);
    matrix.x = x;
    matrix.y = y;
    rows = ent_rows_of_matrix(&matrix, N_ROWS);
    ENT_TRY(build(batch, &model));
    ENT_TRY(ent_trainer_new(model, &options, N_ROWS, &trainer));
    for (size_t i = 0; i < repetitions; i++) {
        options.stream = i + 1;
        ENT_TRY(repeat(trainer, &rows, &options, &rates[i], &loss));
    }
    ENT_TRY(report(batch, rates, repetitions, loss));
    ent_trainer_free(trainer);
    ent_model_free(model);
    free(x);
    free(y);
    return ENT_E_OK;
}

int main(int argc, char **argv)
{
    unsigned long batch = argc > 1 ? strtoul(argv[1], NULL, 10) : 32;
    unsigned long repetitions = argc > 2 ? strtoul(argv[2], NULL, 10) : 7;
    enum ent_err err;

    if (batch > N_ROWS || repetitions < 1 || repetitions > REPETITIONS_MAX) {
        fprintf(stderr, "usage: bench_train [BATCH [REPETITIONS]]\n");
        return ent_err_exit(ENT_E_USAGE);
    }
    err = run((uint32_t)batch, repetitions);
    if (err != ENT_E_OK) {
        fprintf(stderr, "bench_train: %s\n", ent_err_message());
    }
    return ent_err_exit(err);
}
