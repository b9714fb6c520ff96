/* Training and scoring speed of one model through the member's trainer, gather and shuffle included: samples (rows or
 * sequences) a second, one JSON object on standard output. All with dropout and Adam.
 *
 *   bench_train [MODEL [BATCH [REPETITIONS]]]      default mlp 32 7
 *
 *   mlp       64 inputs, 128-64-1, dropout 0.5         ensemble  the same, 8-fold, dropout 0.2
 *   gru lstm  20 steps of 32 inputs, 64 units, last state, dropout 0.5, 1
 *   score     mlp without training, BATCH rows a call */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/train/trainer.h"
#include "common/base/mem.h"
#include "common/json/json.h"
#include "common/math/math.h"
#include "common/math/stats.h"

#define N_ROWS 16384u
#define N_SEQS 2048u
#define N_STEPS 20u
#define REPETITION_S 0.25
#define REPETITIONS_MAX 100

static const struct ent_model_layer mlp[] = {{.kind = ENT_MODEL_DENSE, .units = 128},
                                             {.kind = ENT_MODEL_RELU},
                                             {.kind = ENT_MODEL_DROPOUT, .rate = 0.5f},
                                             {.kind = ENT_MODEL_DENSE, .units = 64},
                                             {.kind = ENT_MODEL_RELU},
                                             {.kind = ENT_MODEL_DROPOUT, .rate = 0.5f},
                                             {.kind = ENT_MODEL_DENSE, .units = 1}};
static const struct ent_model_layer ensemble[] = {{.kind = ENT_MODEL_DENSE, .units = 128},
                                                  {.kind = ENT_MODEL_RELU},
                                                  {.kind = ENT_MODEL_DROPOUT, .rate = 0.2f},
                                                  {.kind = ENT_MODEL_DENSE, .units = 128},
                                                  {.kind = ENT_MODEL_RELU},
                                                  {.kind = ENT_MODEL_DROPOUT, .rate = 0.2f},
                                                  {.kind = ENT_MODEL_DENSE, .units = 1}};
static const struct ent_model_layer gru[] = {{.kind = ENT_MODEL_GRU, .units = 64},
                                             {.kind = ENT_MODEL_LAST},
                                             {.kind = ENT_MODEL_DROPOUT, .rate = 0.5f},
                                             {.kind = ENT_MODEL_DENSE, .units = 1}};
static const struct ent_model_layer lstm[] = {{.kind = ENT_MODEL_LSTM, .units = 64},
                                              {.kind = ENT_MODEL_LAST},
                                              {.kind = ENT_MODEL_DROPOUT, .rate = 0.5f},
                                              {.kind = ENT_MODEL_DENSE, .units = 1}};

struct subject {
    const char *name;
    const char *text;
    const struct ent_model_layer *layers;
    uint32_t n_layers;
    uint32_t n_inputs; /* of a row or step */
    uint32_t n_steps;  /* 0: rows */
    uint32_t n_rows;
    uint32_t members;
    bool scores;
};

static const struct subject subjects[] = {
    {"mlp", "64-128-64-1 dropout 0.5, adam", mlp, 7, 64, 0, N_ROWS, 0, false},
    {"ensemble", "64-128-128-1 8-fold dropout 0.2, adam", ensemble, 7, 64, 0, N_ROWS, 8, false},
    {"gru", "gru 64 of 20 x 32, dropout 0.5, adam", gru, 4, 32, N_STEPS, N_SEQS, 0, false},
    {"lstm", "lstm 64 of 20 x 32, dropout 0.5, adam", lstm, 4, 32, N_STEPS, N_SEQS, 0, false},
    {"score", "64-128-64-1 scored", mlp, 7, 64, 0, N_ROWS, 0, true},
};

/* What is measured, with everything it needs. */
struct bench {
    const struct subject *subject;
    uint32_t batch;
    float *x; /* [n_rows][steps][n_inputs] */
    float *y;
    float *prob;
    struct ent_rows_matrix matrix;
    struct ent_rows rows;
    struct ent_train_options options;
    struct ent_model *model;
    struct ent_trainer *trainer;
    double loss;
};

static double now_s(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static size_t row_floats(const struct subject *s)
{
    return (size_t)s->n_inputs * (s->n_steps > 0 ? s->n_steps : 1);
}

static void fill_data(struct bench *b)
{
    struct ent_rng rng = ent_rng_init(7, 0);
    size_t width = row_floats(b->subject);

    for (size_t i = 0; i < b->subject->n_rows; i++) {
        double z = 0.0;

        for (size_t j = 0; j < width; j++) {
            b->x[i * width + j] = (float)ent_rng_normal(&rng);
            z += (double)b->x[i * width + j] * (j % 3 == 0 ? 0.4 : -0.2);
        }
        b->y[i] = z + ent_rng_normal(&rng) > 0.0 ? 1.0f : 0.0f;
    }
}

static uint32_t steps(void *ctx, uint32_t row)
{
    (void)row;
    return ((const struct bench *)ctx)->subject->n_steps;
}

static void fill_sequences(void *ctx, const uint32_t *rows, uint32_t n,
                           const struct ent_rows_block *out)
{
    const struct bench *b = ctx;
    size_t width = row_floats(b->subject);

    for (uint32_t i = 0; i < n; i++) {
        memcpy(out->x + i * width, b->x + rows[i] * width, width * sizeof *out->x);
        out->y[i] = b->y[rows[i]];
    }
}

static enum ent_err build(struct bench *b)
{
    const struct subject *s = b->subject;
    struct ent_model_options options = {.n_inputs = s->n_inputs,
                                        .layers = s->layers,
                                        .n_layers = s->n_layers,
                                        .batch_max = b->batch,
                                        .ensemble = s->members,
                                        .seq_max = s->n_steps,
                                        .training = !s->scores};
    struct ent_rng rng = ent_rng_init(1, 0);

    ENT_TRY(ent_calloc_aligned(s->n_rows * row_floats(s), sizeof *b->x, &b->x));
    ENT_TRY(ent_calloc_aligned(s->n_rows, sizeof *b->y, &b->y));
    ENT_TRY(ent_calloc_aligned(s->n_rows, sizeof *b->prob, &b->prob));
    fill_data(b);
    b->matrix = (struct ent_rows_matrix){.x = b->x, .y = b->y, .n_inputs = s->n_inputs};
    b->rows = ent_rows_of_matrix(&b->matrix, s->n_rows);
    if (s->n_steps > 0) {
        b->rows =
            (struct ent_rows){.ctx = b, .n = s->n_rows, .fill = fill_sequences, .steps = steps};
    }
    b->options = (struct ent_train_options){.epochs = 1,
                                            .batch = b->batch,
                                            .optim = ent_optim_find("adam"),
                                            .hyper = {.rate = 0.001},
                                            .seed = 1};
    ENT_TRY(ent_model_new(&options, &b->model));
    ent_model_init_params(b->model, &rng);
    return s->scores ? ENT_E_OK : ent_trainer_new(b->model, &b->options, s->n_rows, &b->trainer);
}

/* Whole passes over the rows until the repetition is long enough. */
static enum ent_err repeat(struct bench *b, double *rate)
{
    uint32_t n_rows = b->subject->n_rows;
    double begin = now_s();
    double done = 0.0;

    do {
        struct ent_train_result result = {0};

        if (b->subject->scores) {
            for (uint32_t at = 0; at < n_rows; at += b->batch) {
                ent_model_predict(b->model, b->x + at * row_floats(b->subject),
                                  n_rows - at < b->batch ? n_rows - at : b->batch, b->prob + at);
            }
        } else {
            ENT_TRY(ent_trainer_run(b->trainer, &b->rows, &b->options, &result));
        }
        b->loss = result.mean_loss;
        done += n_rows;
    } while (now_s() - begin < REPETITION_S);
    *rate = done / (now_s() - begin);
    return ENT_E_OK;
}

static enum ent_err report(const struct bench *b, double *rates, size_t n)
{
    struct ent_buf out;
    struct ent_json_writer w;
    double median = ent_stats_median(rates, n); /* sorts: the last is the best */
    enum ent_err err;

    ent_buf_init(&out, 4096);
    ent_json_begin(&w, &out);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_json_put_key_string(&w, "bench", "train");
    ent_json_put_key_string(&w, "subject", b->subject->name);
    ent_json_put_key_string(&w, "model", b->subject->text);
    ent_json_put_key_string(&w, "kernel", ent_math_kernel_name());
    ent_json_put_key_uint(&w, "batch", b->batch);
    ent_json_put_key_double(&w, "samples_per_s", (double)(uint64_t)median);
    ent_json_put_key_double(&w, "best", (double)(uint64_t)rates[n - 1]);
    ent_json_put_key_double(&w, "loss", b->loss);
    ent_json_put_close(&w);
    err = ent_json_end(&w);
    if (err == ENT_E_OK) {
        printf("%.*s\n", (int)out.len, (const char *)out.data);
    }
    ent_buf_release(&out);
    return err;
}

static enum ent_err run(struct bench *b, size_t repetitions)
{
    double rates[REPETITIONS_MAX];

    ENT_TRY(build(b));
    for (size_t i = 0; i < repetitions; i++) {
        b->options.stream = i + 1;
        ENT_TRY(repeat(b, &rates[i]));
    }
    return report(b, rates, repetitions);
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    const char *name = argc > 1 ? argv[1] : "mlp";
    unsigned long batch = argc > 2 ? strtoul(argv[2], NULL, 10) : 32;
    unsigned long repetitions = argc > 3 ? strtoul(argv[3], NULL, 10) : 7;
    enum ent_err err;

    for (size_t i = 0; i < ENT_ARRAY_LEN(subjects); i++) {
        b.subject = strcmp(subjects[i].name, name) == 0 ? &subjects[i] : b.subject;
    }
    if (b.subject == NULL || batch < 1 || batch > b.subject->n_rows || repetitions < 1 ||
        repetitions > REPETITIONS_MAX) {
        (void)fprintf(stderr,
                      "usage: bench_train [mlp|ensemble|gru|lstm|score [BATCH [REPETITIONS]]]\n");
        return ent_err_exit(ENT_E_USAGE);
    }
    b.batch = (uint32_t)batch;
    err = run(&b, repetitions);
    if (err != ENT_E_OK) {
        (void)fprintf(stderr, "bench_train: %s\n", ent_err_message());
    }
    ent_trainer_free(b.trainer);
    ent_model_free(b.model);
    free(b.x);
    free(b.y);
    free(b.prob);
    return ent_err_exit(err);
}
