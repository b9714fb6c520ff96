#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/model/layer.h"
#include "common/model/model.h"
#include "tests/support/ent_test.h"

#define N 40
#define STEPS_MAX 12
#define WIDTH 3

struct batch {
    uint32_t lengths[N];
    float x[N * STEPS_MAX * WIDTH];
    float y[N * STEPS_MAX];
    uint32_t n_steps;
};

static void set_up(struct batch *b)
{
    struct ent_rng rng = ent_rng_init(5, 5);

    b->n_steps = 0;
    for (uint32_t i = 0; i < N; i++) {
        b->lengths[i] = 1 + (uint32_t)(ent_rng_float(&rng) * STEPS_MAX);
        b->n_steps += b->lengths[i];
        b->y[i] = (float)(i % 2);
    }
    for (size_t i = 0; i < (size_t)b->n_steps * WIDTH; i++) {
        b->x[i] = (float)ent_rng_normal(&rng);
    }
}

static struct ent_model *build(const struct ent_model_layer *layers, uint32_t n_layers,
                               uint32_t block, bool training)
{
    struct ent_model_options options = {.n_inputs = WIDTH,
                                        .layers = layers,
                                        .n_layers = n_layers,
                                        .batch_max = block,
                                        .seq_max = STEPS_MAX,
                                        .training = training};
    struct ent_rng rng = ent_rng_init(1, 1);
    struct ent_model *model = NULL;

    ENT_OK(ent_model_new(&options, &model));
    ent_model_init_params(model, &rng);
    return model;
}

static const struct ent_model_layer pooled[] = {{.kind = ENT_MODEL_GRU, .units = 9},
                                                {.kind = ENT_MODEL_DROPOUT, .rate = 0.2f},
                                                {.kind = ENT_MODEL_LSTM, .units = 5},
                                                {.kind = ENT_MODEL_MEAN_POOL},
                                                {.kind = ENT_MODEL_DENSE, .units = 1}};
static const struct ent_model_layer stepwise[] = {{.kind = ENT_MODEL_RNN, .units = 9},
                                                  {.kind = ENT_MODEL_DENSE, .units = 1}};

/* A sequence's output is its own affair: not of the batch, of its place or of the block. */
static void check_alone(const struct ent_model_layer *layers, uint32_t n_layers)
{
    static struct batch b;
    struct ent_model *model = build(layers, n_layers, N, true);
    struct ent_model *scorer = build(layers, n_layers, 3, false);
    struct ent_model_batch batch = {.n = N, .lengths = b.lengths, .x = b.x};
    float out[N * STEPS_MAX];
    float other[N * STEPS_MAX];
    float one[STEPS_MAX];
    double worst = 0.0;
    uint32_t at = 0;

    set_up(&b);
    ent_model_predict_batch(model, &batch, out);
    ent_model_predict_batch(scorer, &batch, other);
    for (uint32_t i = 0; i < N; i++) {
        struct ent_model_batch single = {
            .n = 1, .lengths = &b.lengths[i], .x = b.x + (size_t)at * WIDTH};
        uint32_t n = ent_model_per_step(model) ? b.lengths[i] : 1;
        uint32_t from = ent_model_per_step(model) ? at : i;

        ent_model_predict_batch(scorer, &single, one);
        for (uint32_t j = 0; j < n; j++) {
            worst = fmax(worst, fabs((double)out[from + j] - (double)one[j]));
            worst = fmax(worst, fabs((double)other[from + j] - (double)one[j]));
        }
        at += b.lengths[i];
    }
    CU_ASSERT(worst < 1e-6);
    ent_model_free(scorer);
    ent_model_free(model);
}

ENT_TEST(sequences, outputs_do_not_depend_on_company)
{
    check_alone(pooled, 5);
    check_alone(stepwise, 2);
}

/* Dropout behind a recurrent layer must not touch the states that the way back reads: with the same bits in every call, the
 * gradient is that of the loss. */
ENT_TEST(sequences, dropout_between_recurrent_layers)
{
    static struct batch b;
    struct ent_model *model = build(pooled, 5, N, true);
    float *params = ent_model_params(model);
    size_t n = ent_model_n_params(model);
    struct ent_model_piece piece = {
        .x = b.x, .y = b.y, .lengths = b.lengths, .n = 30, .n_total = 30, .first = true};
    float *gradient;
    double worst = 0.0;

    set_up(&b);
    ENT_OK(ent_calloc(n, sizeof *gradient, &gradient));
    for (size_t i = 0; i <= n; i++) { /* the first turn only takes the gradient */
        double loss[2];

        for (int side = 0; side < 2; side++) {
            struct ent_rng rng = ent_rng_init(3, 9);
            float at = i > 0 ? params[i - 1] : 0.0f;

            if (i > 0) {
                params[i - 1] = at + (side == 0 ? 0x1p-7f : -0x1p-7f);
            }
            ent_model_step_piece(model, &piece, &rng, &loss[side]);
            if (i > 0) {
                params[i - 1] = at;
            }
        }
        if (i == 0) {
            memcpy(gradient, ent_model_gradient(model), n * sizeof *gradient);
        } else {
            worst =
                fmax(worst, fabs((loss[0] - loss[1]) / 30.0 / 0x1p-6 - (double)gradient[i - 1]));
        }
    }
    CU_ASSERT(worst < 2e-3);
    free(gradient);
    ent_model_free(model);
}

ENT_TEST(sequences, pieces_add_up)
{
    static struct batch b;
    struct ent_model *model = build(stepwise, 2, 8, true);
    size_t n = ent_model_n_params(model);
    struct ent_model_piece piece = {
        .x = b.x, .y = b.y, .lengths = b.lengths, .n = N, .first = true};
    double whole_loss;
    double loss = 0.0;
    uint32_t at = 0;
    float *whole;

    set_up(&b);
    memset(b.y, 0, sizeof b.y);
    piece.n_total = b.n_steps;
    ent_model_step_piece(model, &piece, NULL, &whole_loss);
    ENT_OK(ent_calloc(n, sizeof *whole, &whole));
    memcpy(whole, ent_model_gradient(model), n * sizeof *whole);
    for (uint32_t i = 0; i < N; i += 8) {
        struct ent_model_piece part = {.x = b.x + (size_t)at * WIDTH,
                                       .y = b.y + at,
                                       .lengths = b.lengths + i,
                                       .n = 8,
                                       .n_total = b.n_steps,
                                       .first = i == 0};

        ent_model_step_piece(model, &part, NULL, &loss);
        for (uint32_t j = i; j < i + 8; j++) {
            at += b.lengths[j];
        }
    }
    CU_ASSERT_EQUAL(memcmp(whole, ent_model_gradient(model), n * sizeof *whole), 0);
    CU_ASSERT_DOUBLE_EQUAL(whole_loss, loss, 1e-9);
    free(whole);
    ent_model_free(model);
}

/* Long sequences go through one by one: the workspace stays bounded. */
ENT_TEST(sequences, long_ones_fill_a_pass_alone)
{
    static const struct ent_model_layer layers[] = {{.kind = ENT_MODEL_GRU, .units = 4},
                                                    {.kind = ENT_MODEL_LAST},
                                                    {.kind = ENT_MODEL_DENSE, .units = 1}};
    struct ent_model_options options = {.n_inputs = 1,
                                        .layers = layers,
                                        .n_layers = 3,
                                        .batch_max = 32,
                                        .seq_max = 5000,
                                        .training = true};
    uint32_t lengths[3] = {5000, 1, 4999};
    struct ent_model_piece piece = {.lengths = lengths, .n = 3, .n_total = 3, .first = true};
    float y[3] = {1.0f, 0.0f, 1.0f};
    struct ent_model *model = NULL;
    double loss;
    float *x;

    ENT_OK(ent_calloc(10000, sizeof *x, &x));
    ENT_OK(ent_model_new(&options, &model));
    CU_ASSERT_EQUAL(ent_model_block_steps(model), 5000);
    piece.x = x;
    piece.y = y;
    ent_model_step_piece(model, &piece, NULL, &loss);
    CU_ASSERT_DOUBLE_EQUAL(loss, 3.0 * log(2.0), 1e-6); /* all parameters are zero */
    ent_model_free(model);
    free(x);
}

static enum ent_err count(const struct ent_model_layer *layers, uint32_t n, uint32_t n_inputs,
                          uint32_t seq_max, uint32_t ensemble)
{
    struct ent_model_options options = {.n_inputs = n_inputs,
                                        .layers = layers,
                                        .n_layers = n,
                                        .seq_max = seq_max,
                                        .ensemble = ensemble};
    size_t n_params;

    return ent_model_count(&options, &n_params);
}

ENT_TEST(sequences, refuses_what_does_not_fit)
{
    static const struct ent_model_layer twice[] = {{.kind = ENT_MODEL_LAST},
                                                   {.kind = ENT_MODEL_MEAN_POOL},
                                                   {.kind = ENT_MODEL_DENSE, .units = 1}};
    static const struct ent_model_layer late[] = {{.kind = ENT_MODEL_LAST},
                                                  {.kind = ENT_MODEL_GRU, .units = 3},
                                                  {.kind = ENT_MODEL_DENSE, .units = 1}};
    static const struct ent_model_layer behind[] = {{.kind = ENT_MODEL_DENSE, .units = 2},
                                                    {.kind = ENT_MODEL_GRU, .units = 3},
                                                    {.kind = ENT_MODEL_LAST},
                                                    {.kind = ENT_MODEL_DENSE, .units = 1}};
    static const struct ent_model_layer embedding[] = {
        {.kind = ENT_MODEL_RELU},
        {.kind = ENT_MODEL_EMBEDDING, .units = 2, .values = 3},
        {.kind = ENT_MODEL_DENSE, .units = 1}};

    ENT_OK(count(twice + 1, 2, 3, 9, 0));
    ENT_FAILS(count(twice + 1, 2, 3, 0, 0), ENT_E_CONFIG); /* no sequences */
    ENT_FAILS(count(twice, 3, 3, 9, 0), ENT_E_CONFIG);
    ENT_FAILS(count(late, 3, 3, 9, 0), ENT_E_CONFIG);
    ENT_OK(count(behind, 4, 3, 9, 0));
    ENT_FAILS(count(behind, 4, 3, 9, 2), ENT_E_CONFIG);
    ENT_FAILS(count(embedding, 3, 3, 0, 0), ENT_E_CONFIG);
    ENT_OK(count(embedding + 1, 2, 0, 0, 0));
    ENT_FAILS(count(twice + 1, 2, 3, ENT_MODEL_SEQ_MAX + 1, 0), ENT_E_CONFIG);
    ENT_FAILS(count(twice + 2, 1, 3, 0, ENT_MODEL_ENSEMBLE_MAX + 1), ENT_E_CONFIG);
}

ENT_TEST(losses, refuse_what_does_not_fit)
{
    static const struct ent_model_layer two[] = {{.kind = ENT_MODEL_DENSE, .units = 2}};
    static const float weights[] = {1.0f, -1.0f};
    struct ent_model_options options = {.n_inputs = 3, .layers = two, .n_layers = 1};
    size_t n;

    ENT_FAILS(ent_model_count(&options, &n), ENT_E_CONFIG); /* bce with two outputs */
    options.loss.kind = ENT_MODEL_SOFTMAX;
    ENT_OK(ent_model_count(&options, &n));
    options.loss.class_weights = weights;
    options.loss.n_class_weights = 2;
    ENT_FAILS(ent_model_count(&options, &n), ENT_E_CONFIG); /* below 0 */
    options.loss.n_class_weights = 1;
    ENT_FAILS(ent_model_count(&options, &n), ENT_E_CONFIG); /* one for two classes */
    options.loss.kind = ENT_MODEL_MSE;
    ENT_FAILS(ent_model_count(&options, &n), ENT_E_CONFIG); /* weights of what? */
    options.loss.n_class_weights = 0;
    ENT_OK(ent_model_count(&options, &n));
    CU_ASSERT_EQUAL(ent_model_loss_find("mse"), ENT_MODEL_MSE);
    CU_ASSERT_EQUAL(ent_model_loss_find("hinge"), ENT_MODEL_LOSS_KINDS);
}

/* A step without a target has no loss and no gradient. */
ENT_TEST(losses, softmax_leaves_out_what_has_no_target)
{
    static const struct ent_model_layer layers[] = {{.kind = ENT_MODEL_DENSE, .units = 3}};
    struct ent_model_options options = {.n_inputs = 2,
                                        .layers = layers,
                                        .n_layers = 1,
                                        .batch_max = 4,
                                        .training = true,
                                        .loss = {.kind = ENT_MODEL_SOFTMAX}};
    const float x[4] = {1.0f, 2.0f, 3.0f, 4.0f};
    const float y[2] = {-1.0f, 2.0f};
    struct ent_model *model = NULL;
    double loss;

    ENT_OK(ent_model_new(&options, &model));
    ent_model_step(model, x, y, 2, NULL, &loss);
    CU_ASSERT_DOUBLE_EQUAL(loss, log(3.0), 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(ent_model_gradient(model)[0], 3.0 / 3.0 / 2.0, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(ent_model_gradient(model)[2], -3.0 * 2.0 / 3.0 / 2.0, 1e-6);
    ent_model_free(model);
}

/* The members start apart, and what decays is matrices. */
ENT_TEST(ensemble, start_and_decay)
{
    static const struct ent_model_layer layers[] = {{.kind = ENT_MODEL_DENSE, .units = 16},
                                                    {.kind = ENT_MODEL_RELU},
                                                    {.kind = ENT_MODEL_DENSE, .units = 8},
                                                    {.kind = ENT_MODEL_RELU},
                                                    {.kind = ENT_MODEL_DENSE, .units = 1}};
    struct ent_model_options options = {.n_inputs = 20,
                                        .layers = layers,
                                        .n_layers = 5,
                                        .batch_max = 4,
                                        .training = true,
                                        .ensemble = 4};
    struct ent_rng rng = ent_rng_init(1, 1);
    struct ent_model *model = NULL;
    size_t first;
    size_t n;
    size_t minus = 0;
    const float *p;

    ENT_OK(ent_model_new(&options, &model));
    ent_model_init_params(model, &rng);
    p = ent_model_params(model) + 20 * 16; /* input scales */
    for (size_t i = 0; i < 80; i++) {
        CU_ASSERT(p[i] == 1.0f || p[i] == -1.0f);
        minus += p[i] < 0.0f;
    }
    CU_ASSERT(minus > 20 && minus < 60);
    for (size_t i = 80; i < 80 + 64; i++) { /* output scales */
        CU_ASSERT_EQUAL(p[i], 1.0f);
    }
    CU_ASSERT_TRUE(ent_model_decay_range(model, 0, &first, &n));
    CU_ASSERT(first == 0 && n == 20 * 16);
    CU_ASSERT_TRUE(ent_model_decay_range(model, 1, &first, &n));
    CU_ASSERT(first == 20 * 16 + 80 + 64 + 64 && n == 16 * 8);
    CU_ASSERT_TRUE(ent_model_decay_range(model, 2, &first, &n));
    CU_ASSERT_EQUAL(n, 4 * 8);
    CU_ASSERT_FALSE(ent_model_decay_range(model, 3, &first, &n));
    ent_model_free(model);
}
