#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/train/trainer.h"
#include "common/base/mem.h"
#include "common/model/metrics.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_train/count_alloc.h"

#define N_INPUTS 6
#define N_ROWS 1000

static const struct ent_model_layer mlp[] = {{.kind = ENT_MODEL_DENSE, .units = 16},
                                             {.kind = ENT_MODEL_RELU},
                                             {.kind = ENT_MODEL_DROPOUT, .rate = 0.25f},
                                             {.kind = ENT_MODEL_DENSE, .units = 1}};
static const struct ent_model_layer logistic[] = {{.kind = ENT_MODEL_DENSE, .units = 1}};

struct fixture {
    float x[N_ROWS * N_INPUTS];
    float y[N_ROWS];
    struct ent_rows_matrix matrix;
    struct ent_rows rows;
    struct ent_model *model;
};

/* A XOR-like truth that a linear model cannot learn, with noise. */
static void set_up(struct fixture *f, const struct ent_model_layer *layers, uint32_t n_layers,
                   uint32_t batch)
{
    struct ent_rng rng = ent_rng_init(21, 0);
    struct ent_model_options options = {.n_inputs = N_INPUTS,
                                        .layers = layers,
                                        .n_layers = n_layers,
                                        .batch_max = batch,
                                        .training = true};

    for (size_t i = 0; i < N_ROWS; i++) {
        for (size_t j = 0; j < N_INPUTS; j++) {
            f->x[i * N_INPUTS + j] = (float)ent_rng_normal(&rng);
        }
        f->y[i] =
            f->x[i * N_INPUTS] * f->x[i * N_INPUTS + 1] + 0.3f * (float)ent_rng_normal(&rng) > 0.0f
                ? 1.0f
                : 0.0f;
    }
    f->matrix = (struct ent_rows_matrix){.x = f->x, .y = f->y, .n_inputs = N_INPUTS};
    f->rows = ent_rows_of_matrix(&f->matrix, N_ROWS);
    ENT_OK(ent_model_new(&options, &f->model));
    rng = ent_rng_init(1, 1);
    ent_model_init_params(f->model, &rng);
}

static struct ent_train_options options_of(uint32_t epochs, uint32_t batch)
{
    return (struct ent_train_options){.epochs = epochs,
                                      .batch = batch,
                                      .optim = ent_optim_find("sgd"),
                                      .hyper = {.rate = 0.05, .momentum = 0.9},
                                      .seed = 5,
                                      .stream = 3};
}

struct scores {
    float prob[N_ROWS];
    float y[N_ROWS];
    uint32_t n;
};

static void take_scores(void *ctx, const float *prob, const float *y, uint32_t n)
{
    struct scores *s = ctx;

    memcpy(s->prob + s->n, prob, n * sizeof *prob);
    memcpy(s->y + s->n, y, n * sizeof *y);
    s->n += n;
}

ENT_TEST(trainer, learns)
{
    static struct fixture f;
    static struct scores s;
    struct ent_train_options options = options_of(30, 32);
    struct ent_train_result result;
    double auc;

    set_up(&f, mlp, 4, 32);
    s.n = 0;
    ENT_OK(ent_train(f.model, &f.rows, &options, &result));
    CU_ASSERT(result.rows_done == 30 * N_ROWS &&
              result.steps == 30 * 32); /* 31 full batches and one of 8 */
    ENT_OK(ent_train_predict(f.model, &f.rows, take_scores, &s));
    CU_ASSERT_EQUAL_FATAL(s.n, N_ROWS);
    CU_ASSERT_EQUAL(memcmp(s.y, f.y, sizeof f.y), 0);
    ENT_OK(ent_metrics_auc(s.prob, s.y, N_ROWS, &auc));
    CU_ASSERT(auc > 0.88); /* a linear model has 0.5 */
    CU_ASSERT(result.mean_loss < 0.45 &&
              result.mean_loss > ent_metrics_log_loss(s.prob, s.y, N_ROWS));
    ent_model_free(f.model);
}

static void trained(const struct ent_train_options *options, float *params)
{
    static struct fixture f;
    struct ent_train_result result;

    set_up(&f, mlp, 4, options->batch == 0 ? 256 : options->batch);
    ENT_OK(ent_train(f.model, &f.rows, options, &result));
    memcpy(params, ent_model_params(f.model), ent_model_n_params(f.model) * sizeof *params);
    ent_model_free(f.model);
}

#define N_PARAMS (N_INPUTS * 16 + 16 + 16 + 1)

ENT_TEST(trainer, same_seed_same_bits)
{
    float a[N_PARAMS];
    float b[N_PARAMS];
    struct ent_train_options options = options_of(2, 32);

    trained(&options, a);
    trained(&options, b);
    CU_ASSERT_EQUAL(memcmp(a, b, sizeof a), 0);
    options.stream = 4;
    trained(&options, b);
    CU_ASSERT_NOT_EQUAL(memcmp(a, b, sizeof a), 0);
    options.stream = 3;
    options.seed = 6;
    trained(&options, b);
    CU_ASSERT_NOT_EQUAL(memcmp(a, b, sizeof a), 0);
}

/* One full batch, gathered in four pieces, is one step of plain gradient descent over all rows. */
ENT_TEST(trainer, full_batch_is_gradient_descent)
{
    static struct fixture f;
    struct ent_train_options options = options_of(1, 0);
    struct ent_train_result result;
    float want[N_INPUTS + 1];
    double loss;

    options.hyper.momentum = 0.0;
    set_up(&f, logistic, 1, 256);
    ent_model_step(f.model, f.x, f.y, N_ROWS, NULL, &loss);
    for (int i = 0; i <= N_INPUTS; i++) {
        want[i] = ent_model_params(f.model)[i] - 0.05f * ent_model_gradient(f.model)[i];
    }
    ENT_OK(ent_train(f.model, &f.rows, &options, &result));
    CU_ASSERT_EQUAL(result.steps, 1);
    CU_ASSERT_DOUBLE_EQUAL(result.mean_loss, loss / N_ROWS, 1e-6);
    for (int i = 0; i <= N_INPUTS; i++) {
        CU_ASSERT_DOUBLE_EQUAL(ent_model_params(f.model)[i], want[i], 1e-7);
    }
    ent_model_free(f.model);
}

/* Two calls that keep the state are not two calls that start anew; and the state is what the next call goes on with. */
ENT_TEST(trainer, optimizer_state)
{
    static struct fixture f;
    struct ent_train_options options = options_of(1, 32);
    struct ent_train_result result;
    float kept[N_PARAMS];
    float state[N_PARAMS] = {0};
    uint64_t steps = 0;

    set_up(&f, mlp, 4, 32);
    options.state = state;
    options.state_steps = &steps;
    ENT_OK(ent_train(f.model, &f.rows, &options, &result));
    CU_ASSERT_EQUAL(steps, 32);
    CU_ASSERT(state[0] != 0.0f);
    ENT_OK(ent_train(f.model, &f.rows, &options, &result));
    CU_ASSERT_EQUAL(steps, 64);
    memcpy(kept, ent_model_params(f.model), sizeof kept);
    ent_model_free(f.model);

    set_up(&f, mlp, 4, 32);
    options.state = NULL;
    options.state_steps = NULL;
    ENT_OK(ent_train(f.model, &f.rows, &options, &result));
    ENT_OK(ent_train(f.model, &f.rows, &options, &result));
    CU_ASSERT_NOT_EQUAL(memcmp(kept, ent_model_params(f.model), sizeof kept), 0);
    ent_model_free(f.model);
}

ENT_TEST(trainer, nothing_is_allocated_while_it_trains)
{
    static struct fixture f;
    struct ent_train_options options = options_of(3, 32);
    struct ent_train_result result;
    struct ent_trainer *trainer;
    unsigned long before;

    set_up(&f, mlp, 4, 32);
    ENT_OK(ent_trainer_new(f.model, &options, N_ROWS, &trainer));
    before = ent_count_alloc();
    CU_ASSERT(before > 0); /* the counter counts */
    ENT_OK(ent_trainer_run(trainer, &f.rows, &options, &result));
    CU_ASSERT_EQUAL(ent_count_alloc() - before, 0);
    options.epochs = 1;
    options.batch = 17;
    ENT_OK(ent_trainer_run(trainer, &f.rows, &options, &result));
    CU_ASSERT_EQUAL(ent_count_alloc() - before, 0);
    ent_trainer_free(trainer);
    ent_model_free(f.model);
}

struct watch {
    unsigned asked;
    unsigned allowed;
    unsigned said;
    struct ent_train_progress last;
};

static bool keep_going(void *ctx)
{
    struct watch *w = ctx;

    return w->asked++ < w->allowed;
}

static void progress(void *ctx, const struct ent_train_progress *p)
{
    struct watch *w = ctx;

    w->said++;
    w->last = *p;
}

ENT_TEST(trainer, stops_when_told_and_says_how_far)
{
    static struct fixture f;
    struct watch w = {.allowed = 5};
    struct ent_train_options options = options_of(2, 32);
    struct ent_train_result result;

    set_up(&f, mlp, 4, 32);
    options.keep_going = keep_going;
    options.progress = progress;
    options.ctx = &w;
    ENT_FAILS(ent_train(f.model, &f.rows, &options, &result), ENT_E_STOPPED);
    CU_ASSERT_EQUAL(w.asked, 6);
    w = (struct watch){.allowed = 1000};
    ENT_OK(ent_train(f.model, &f.rows, &options, &result));
    CU_ASSERT(w.said == 2 && w.last.epoch == 2 && w.last.rows_done == 2 * N_ROWS &&
              w.last.rows_total == 2 * N_ROWS);
    CU_ASSERT_DOUBLE_EQUAL(w.last.mean_loss, result.mean_loss, 1e-12);
    ent_model_free(f.model);
}

ENT_TEST(trainer, nan_stops_with_advice)
{
    static struct fixture f;
    struct ent_train_options options = options_of(5, 32);
    struct ent_train_result result;

    set_up(&f, mlp, 4, 32);
    f.x[17] = NAN;
    ENT_FAILS(ent_train(f.model, &f.rows, &options, &result), ENT_E_NONFINITE);
    ent_model_free(f.model);
    set_up(&f, mlp, 4, 32);
    options.hyper.rate = 1000.0;
    for (size_t i = 0; i < (size_t)N_ROWS * N_INPUTS; i++) {
        f.x[i] *= 1e12f;
    }
    ENT_FAILS(ent_train(f.model, &f.rows, &options, &result), ENT_E_NONFINITE);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "lower the rate"));
    ent_model_free(f.model);
}

ENT_TEST(trainer, refuses)
{
    static struct fixture f;
    struct ent_train_options options = options_of(1, 32);
    struct ent_train_result result;
    struct ent_trainer *trainer;

    set_up(&f, mlp, 4, 32);
    f.rows.n = 0;
    ENT_FAILS(ent_train(f.model, &f.rows, &options, &result), ENT_E_DATA);
    f.rows.n = N_ROWS;
    options.epochs = 0;
    ENT_FAILS(ent_train(f.model, &f.rows, &options, &result), ENT_E_CONFIG);
    options.epochs = 1;
    options.hyper.rate = NAN;
    ENT_FAILS(ent_train(f.model, &f.rows, &options, &result), ENT_E_CONFIG);
    options.hyper.rate = 0.1;
    ENT_OK(ent_trainer_new(f.model, &options, N_ROWS - 1, &trainer));
    ENT_FAILS(ent_trainer_run(trainer, &f.rows, &options, &result), ENT_E_SHAPE);
    ent_trainer_free(trainer);
    ent_trainer_free(NULL);
    ent_model_free(f.model);
}

ENT_TEST(trainer, delta_in_place)
{
    float after[3] = {1.5f, 2.0f, -1.0f};
    const float before[3] = {1.0f, 2.5f, -1.0f};

    ent_train_delta(after, before, 3, after);
    CU_ASSERT(after[0] == 0.5f && after[1] == -0.5f && after[2] == 0.0f);
}
