#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/model/layer.h"
#include "common/model/loss.h"
#include "common/model/metrics.h"
#include "common/model/model.h"
#include "tests/golden/learn_golden.h"
#include "tests/support/ent_test.h"

#define N_INPUTS 7
#define N_ROWS 20

static struct ent_model *build(const struct ent_model_layer *layers, uint32_t n_layers,
                               uint32_t n_inputs, uint32_t block)
{
    struct ent_model_options options = {.n_inputs = n_inputs,
                                        .layers = layers,
                                        .n_layers = n_layers,
                                        .batch_max = block,
                                        .training = true};
    struct ent_model *model = NULL;

    ENT_OK(ent_model_new(&options, &model));
    return model;
}

static void fill(float *x, size_t n, uint64_t seed)
{
    struct ent_rng rng = ent_rng_init(seed, 0);

    for (size_t i = 0; i < n; i++) {
        x[i] = (float)ent_rng_normal(&rng);
    }
}

static double mean_loss(struct ent_model *model, const float *x, const float *y, uint32_t n)
{
    struct ent_rng rng = ent_rng_init(3, 9); /* the same dropout every time */
    double sum;

    ent_model_step(model, x, y, n, &rng, &sum);
    return sum / n;
}

/* Every parameter's gradient against central differences of the loss, in float32: steps of 2^-8, so an error of the loss
 * of 1e-7 becomes 3e-5. */
static double worst_gradient(const struct ent_model_layer *layers, uint32_t n_layers,
                             uint32_t block)
{
    const float step = 0x1p-8f;
    struct ent_model *model = build(layers, n_layers, N_INPUTS, block);
    float *params = ent_model_params(model);
    size_t n = ent_model_n_params(model);
    struct ent_rng rng = ent_rng_init(11, 0);
    float x[N_ROWS * N_INPUTS];
    float y[N_ROWS];
    float *gradient;
    double worst = 0.0;

    fill(x, N_ROWS * N_INPUTS, 5);
    for (int i = 0; i < N_ROWS; i++) {
        y[i] = (float)(i % 3 == 0);
    }
    ent_model_init_params(model, &rng);
    (void)mean_loss(model, x, y, N_ROWS);
    ENT_OK(ent_calloc(n, sizeof *gradient, &gradient));
    memcpy(gradient, ent_model_gradient(model), n * sizeof *gradient);
    for (size_t i = 0; i < n; i++) {
        float at = params[i];
        double up;
        double down;

        params[i] = at + step;
        up = mean_loss(model, x, y, N_ROWS);
        params[i] = at - step;
        down = mean_loss(model, x, y, N_ROWS);
        params[i] = at;
        worst = fmax(worst, fabs((up - down) / (2.0 * (double)step) - (double)gradient[i]));
    }
    free(gradient);
    ent_model_free(model);
    return worst;
}

/* Each kind of layer alone between dense ones, at the input, in the places where it is fused and where it is not. */
ENT_TEST(gradient, central_differences_of_every_layer)
{
    static const struct ent_model_layer dense[] = {{.kind = ENT_MODEL_DENSE, .units = 9},
                                                   {.kind = ENT_MODEL_DENSE, .units = 1}};
    static const struct ent_model_layer relu[] = {{.kind = ENT_MODEL_DENSE, .units = 9},
                                                  {.kind = ENT_MODEL_RELU},
                                                  {.kind = ENT_MODEL_DENSE, .units = 1}};
    static const struct ent_model_layer dropout[] = {{.kind = ENT_MODEL_DENSE, .units = 19},
                                                     {.kind = ENT_MODEL_DROPOUT, .rate = 0.4f},
                                                     {.kind = ENT_MODEL_DENSE, .units = 1}};
    static const struct ent_model_layer all[] = {
        {.kind = ENT_MODEL_DENSE, .units = 17},     {.kind = ENT_MODEL_RELU},
        {.kind = ENT_MODEL_DROPOUT, .rate = 0.25f}, {.kind = ENT_MODEL_DENSE, .units = 5},
        {.kind = ENT_MODEL_DROPOUT, .rate = 0.5f},  {.kind = ENT_MODEL_RELU},
        {.kind = ENT_MODEL_DENSE, .units = 1}};
    static const struct ent_model_layer inputs[] = {{.kind = ENT_MODEL_DROPOUT, .rate = 0.2f},
                                                    {.kind = ENT_MODEL_RELU},
                                                    {.kind = ENT_MODEL_DENSE, .units = 4},
                                                    {.kind = ENT_MODEL_DENSE, .units = 1}};
    static const struct ent_model_layer logistic[] = {{.kind = ENT_MODEL_DENSE, .units = 1}};

    CU_ASSERT(worst_gradient(dense, 2, N_ROWS) < 1e-3);
    CU_ASSERT(worst_gradient(relu, 3, N_ROWS) < 3e-3);
    CU_ASSERT(worst_gradient(dropout, 3, N_ROWS) < 1e-3);
    CU_ASSERT(worst_gradient(all, 7, N_ROWS) < 3e-3);
    CU_ASSERT(worst_gradient(inputs, 4, N_ROWS) < 1e-3);
    CU_ASSERT(worst_gradient(logistic, 1, N_ROWS) < 1e-3);
    CU_ASSERT(worst_gradient(all, 7, 8) <
              3e-3); /* a batch that goes through in blocks of 8, 8 and 4 */
}

ENT_TEST(gradient, golden_network)
{
    static const struct ent_model_layer layers[] = {{.kind = ENT_MODEL_DENSE, .units = 5},
                                                    {.kind = ENT_MODEL_RELU},
                                                    {.kind = ENT_MODEL_DENSE, .units = 4},
                                                    {.kind = ENT_MODEL_RELU},
                                                    {.kind = ENT_MODEL_DENSE, .units = 1}};
    struct ent_model *model = build(layers, 5, 3, GOLDEN_MLP_ROWS);
    double sum;

    CU_ASSERT_EQUAL_FATAL(ent_model_n_params(model), GOLDEN_MLP_N);
    memcpy(ent_model_params(model), golden_mlp_params, sizeof golden_mlp_params);
    ent_model_step(model, golden_mlp_x, golden_mlp_y, GOLDEN_MLP_ROWS, NULL, &sum);
    CU_ASSERT_DOUBLE_EQUAL(sum / GOLDEN_MLP_ROWS, golden_mlp_loss, 1e-6);
    for (size_t i = 0; i < GOLDEN_MLP_N; i++) {
        CU_ASSERT_DOUBLE_EQUAL(ent_model_gradient(model)[i], golden_mlp_gradient[i], 1e-6);
    }
    ent_model_free(model);
}

ENT_TEST(loss, values_and_derivatives)
{
    const float z[] = {0.0f, 2.0f, -3.0f, 50.0f, -50.0f, 12.0f, -90.0f};
    const float y[] = {1.0f, 0.0f, 1.0f, 1.0f, 1.0f, 0.0f, 0.0f};
    float work[7];
    float d[7];
    double want = 0.0;

    for (int i = 0; i < 7; i++) {
        double zi = (double)z[i];

        want += fmax(zi, 0.0) - zi * (double)y[i] + log1p(exp(-fabs(zi)));
    }
    CU_ASSERT_DOUBLE_EQUAL(ent_loss_bce(z, y, 2.0f, work, d, 7), want, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(d[0], -1.0, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(d[1], 2.0 / (1.0 + exp(-2.0)), 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(d[4], -2.0, 1e-6);
    CU_ASSERT_FALSE(isfinite(ent_loss_bce((const float[]){NAN}, y, 1.0f, work, d, 1)));
    CU_ASSERT_FALSE(isfinite(ent_loss_bce((const float[]){-INFINITY}, y, 1.0f, work, d, 1)));
}

/* More rows than one logarithm takes. */
ENT_TEST(loss, long_sums)
{
    static float z[2000];
    static float y[2000];
    static float work[2000];
    static float d[2000];

    CU_ASSERT_DOUBLE_EQUAL(ent_loss_bce(z, y, 1.0f, work, d, 2000), 2000.0 * log(2.0), 1e-9);
}

static const struct ent_model_layer mlp[] = {{.kind = ENT_MODEL_DENSE, .units = 40},
                                             {.kind = ENT_MODEL_RELU},
                                             {.kind = ENT_MODEL_DROPOUT, .rate = 0.5f},
                                             {.kind = ENT_MODEL_DENSE, .units = 1}};

ENT_TEST(model, he_start)
{
    struct ent_model *model = build(mlp, 4, 500, 4);
    struct ent_rng a = ent_rng_init(1, 2);
    struct ent_rng b = ent_rng_init(1, 2);
    struct ent_model_options options = {.n_inputs = 500, .layers = mlp, .n_layers = 4};
    const float *p = ent_model_params(model);
    float *again;
    size_t n;
    double squares = 0.0;

    ent_model_init_params(model, &a);
    for (size_t i = 0; i < 500 * 40; i++) {
        squares += (double)p[i] * (double)p[i];
    }
    CU_ASSERT_DOUBLE_EQUAL(squares / (500 * 40) * 500 / 2, 1.0,
                           0.05); /* variance 2 / n_in; 5 sd are 0.05 */
    for (size_t i = 500 * 40; i < 500 * 40 + 40; i++) {
        CU_ASSERT_EQUAL(p[i], 0.0f);
    }
    ENT_OK(ent_model_count(&options, &n));
    CU_ASSERT_EQUAL(n, 500 * 40 + 40 + 40 + 1);
    CU_ASSERT_EQUAL(n, ent_model_n_params(model));
    ENT_OK(ent_calloc(n, sizeof *again, &again));
    ENT_OK(ent_model_init_vector(&options, &b, again));
    CU_ASSERT_EQUAL(memcmp(again, p, n * sizeof *again), 0);
    free(again);
    ent_model_free(model);
}

/* Scoring: no dropout, any number of rows, the same bits as one row at a time through another model. */
ENT_TEST(model, predict_in_blocks)
{
    struct ent_model *model = build(mlp, 4, N_INPUTS, 8);
    struct ent_model_options options = {
        .n_inputs = N_INPUTS, .layers = mlp, .n_layers = 4, .batch_max = 5};
    struct ent_model *scorer;
    struct ent_rng rng = ent_rng_init(1, 2);
    float x[N_ROWS * N_INPUTS];
    float prob[N_ROWS];
    float other[N_ROWS];

    fill(x, N_ROWS * N_INPUTS, 8);
    ent_model_init_params(model, &rng);
    ENT_OK(ent_model_new(&options, &scorer));
    CU_ASSERT_PTR_NULL(ent_model_gradient(scorer));
    memcpy(ent_model_params(scorer), ent_model_params(model),
           ent_model_n_params(model) * sizeof(float));
    ent_model_predict(model, x, N_ROWS, prob);
    ent_model_predict(scorer, x, N_ROWS, other);
    for (int i = 0; i < N_ROWS; i++) {
        CU_ASSERT_DOUBLE_EQUAL(prob[i], other[i], 1e-6);
        CU_ASSERT(prob[i] > 0.0f && prob[i] < 1.0f);
    }
    ent_model_free(scorer);
    ent_model_free(model);
    ent_model_free(NULL);
}

ENT_TEST(model, pieces_add_up_to_the_step)
{
    struct ent_model *model = build(mlp, 4, N_INPUTS, 8);
    struct ent_rng rng = ent_rng_init(1, 2);
    struct ent_rng a = ent_rng_init(4, 4);
    struct ent_rng b = ent_rng_init(4, 4);
    size_t n = ent_model_n_params(model);
    float x[N_ROWS * N_INPUTS];
    float y[N_ROWS] = {1.0f, 0.0f, 1.0f};
    float *whole;
    double sum;
    double pieces = 0.0;

    fill(x, N_ROWS * N_INPUTS, 8);
    ent_model_init_params(model, &rng);
    ent_model_step(model, x, y, N_ROWS, &a, &sum);
    ENT_OK(ent_calloc(n, sizeof *whole, &whole));
    memcpy(whole, ent_model_gradient(model), n * sizeof *whole);
    for (uint32_t from = 0; from < N_ROWS; from += 8) {
        struct ent_model_piece piece = {.x = x + from * N_INPUTS,
                                        .y = y + from,
                                        .n = from + 8 < N_ROWS ? 8 : N_ROWS - from,
                                        .n_total = N_ROWS,
                                        .first = from == 0};

        ent_model_step_piece(model, &piece, &b, &pieces);
    }
    CU_ASSERT_EQUAL(memcmp(whole, ent_model_gradient(model), n * sizeof *whole), 0);
    CU_ASSERT_EQUAL(memcmp(&a, &b, sizeof a), 0);
    CU_ASSERT_DOUBLE_EQUAL(sum, pieces, 1e-9);
    free(whole);
    ent_model_free(model);
}

static enum ent_err try_layers(const struct ent_model_layer *layers, uint32_t n, uint32_t n_inputs)
{
    struct ent_model_options options = {
        .n_inputs = n_inputs, .layers = layers, .n_layers = n, .batch_max = 1};
    struct ent_model *model;
    size_t n_params;
    enum ent_err err = ent_model_count(&options, &n_params);

    if (err == ENT_E_OK) {
        err = ent_model_new(&options, &model);
        ent_model_free(err == ENT_E_OK ? model : NULL);
    }
    return err;
}

ENT_TEST(model, refuses_what_does_not_fit)
{
    static const struct ent_model_layer two[] = {{.kind = ENT_MODEL_DENSE, .units = 2}};
    static const struct ent_model_layer none[] = {{.kind = ENT_MODEL_DENSE, .units = 0}};
    static const struct ent_model_layer wide[] = {
        {.kind = ENT_MODEL_DENSE, .units = ENT_MODEL_UNITS_MAX + 1}};
    static const struct ent_model_layer relu_last[] = {{.kind = ENT_MODEL_DENSE, .units = 1},
                                                       {.kind = ENT_MODEL_RELU}};
    static const struct ent_model_layer nan_rate[] = {{.kind = ENT_MODEL_DROPOUT, .rate = NAN},
                                                      {.kind = ENT_MODEL_DENSE, .units = 1}};
    static const struct ent_model_layer unknown[] = {{.kind = (enum ent_model_layer_kind)77}};
    static const struct ent_model_layer good[] = {{.kind = ENT_MODEL_DENSE, .units = 1}};

    ENT_FAILS(try_layers(two, 1, 3), ENT_E_CONFIG);
    ENT_FAILS(try_layers(none, 1, 3), ENT_E_CONFIG);
    ENT_FAILS(try_layers(wide, 1, 3), ENT_E_CONFIG);
    ENT_FAILS(try_layers(relu_last, 2, 3), ENT_E_CONFIG);
    ENT_FAILS(try_layers(nan_rate, 2, 3), ENT_E_CONFIG);
    ENT_FAILS(try_layers(unknown, 1, 3), ENT_E_CONFIG);
    ENT_FAILS(try_layers(good, 0, 3), ENT_E_CONFIG);
    ENT_FAILS(try_layers(good, 1, 0), ENT_E_CONFIG);
    ENT_OK(try_layers(good, 1, 3));
}

ENT_TEST(layers, registry)
{
    for (int i = 0; i < ENT_MODEL_LAYER_KINDS; i++) {
        const struct ent_layer_vtable *vtable = ent_layer_vtable((enum ent_model_layer_kind)i);

        CU_ASSERT_PTR_NOT_NULL_FATAL(vtable);
        CU_ASSERT_EQUAL(ent_model_layer_find(vtable->name), i);
        CU_ASSERT_STRING_EQUAL(ent_model_layer_name((enum ent_model_layer_kind)i), vtable->name);
    }
    CU_ASSERT_EQUAL(ent_model_layer_find("conv"), ENT_MODEL_LAYER_KINDS);
    CU_ASSERT_PTR_NULL(ent_layer_vtable(ENT_MODEL_LAYER_KINDS));
}

ENT_TEST(metrics, golden)
{
    double auc;

    ENT_OK(ent_metrics_auc(golden_auc_prob, golden_auc_y, GOLDEN_AUC_N, &auc));
    CU_ASSERT_DOUBLE_EQUAL(auc, golden_auc, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(ent_metrics_log_loss(golden_auc_prob, golden_auc_y, GOLDEN_AUC_N),
                           golden_log_loss, 1e-12);
}

ENT_TEST(metrics, edges)
{
    const float prob[] = {0.9f, 0.1f, 1.0f, 0.0f};
    const float y[] = {1.0f, 0.0f, 1.0f, 1.0f};
    const float nan[] = {NAN, 0.5f};
    double auc;

    ENT_OK(ent_metrics_auc(prob, y, 2, &auc));
    CU_ASSERT_EQUAL(auc, 1.0);
    ENT_FAILS(ent_metrics_auc(prob, y, 1, &auc), ENT_E_DATA);
    ENT_FAILS(ent_metrics_auc(prob, y, 0, &auc), ENT_E_DATA);
    ENT_FAILS(ent_metrics_auc(nan, y, 2, &auc), ENT_E_NONFINITE);
    CU_ASSERT(isfinite(ent_metrics_log_loss(prob, y, 4)) &&
              ent_metrics_log_loss(prob, y, 0) == 0.0);
}
