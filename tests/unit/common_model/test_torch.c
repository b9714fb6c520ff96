/* Networks against PyTorch's values, and each of them against central differences of its own loss. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/model/layer.h"
#include "tests/golden/torch_golden.inc"
#include "tests/support/ent_test.h"

static uint32_t longest(const struct torch_case *c)
{
    uint32_t most = 0;

    for (uint32_t i = 0; c->lengths != NULL && i < c->n; i++) {
        most = c->lengths[i] > most ? c->lengths[i] : most;
    }
    return most;
}

static struct ent_model *build(const struct torch_case *c, uint32_t block, bool training)
{
    struct ent_model_options options = {
        .n_inputs = c->n_inputs,
        .layers = c->layers,
        .n_layers = c->n_layers,
        .batch_max = block,
        .training = training,
        .loss = {.kind = c->loss, .class_weights = c->weights, .n_class_weights = c->n_weights},
        .ensemble = c->ensemble,
        .seq_max = longest(c),
        .truncate = c->truncate};
    struct ent_model *model = NULL;

    ENT_OK(ent_model_new(&options, &model));
    CU_ASSERT_EQUAL_FATAL(ent_model_n_params(model), c->n_params);
    memcpy(ent_model_params(model), c->params, c->n_params * sizeof(float));
    return model;
}

static double mean_loss(struct ent_model *model, const struct torch_case *c)
{
    struct ent_model_piece piece = {.x = c->x,
                                    .y = c->y,
                                    .tokens = c->tokens,
                                    .lengths = c->lengths,
                                    .n = c->n,
                                    .n_total = c->n_targets,
                                    .first = true};
    double sum;

    ent_model_step_piece(model, &piece, NULL, &sum);
    return sum / c->n_targets;
}

static void check_gradient(const struct torch_case *c, uint32_t block)
{
    struct ent_model *model = build(c, block, true);
    double worst = 0.0;

    CU_ASSERT_DOUBLE_EQUAL(mean_loss(model, c), c->mean_loss, 2e-6 * (1.0 + c->mean_loss));
    for (size_t i = 0; i < c->n_params; i++) {
        worst = fmax(worst, fabs((double)ent_model_gradient(model)[i] - c->gradient[i]));
    }
    if (worst >= 3e-6) {
        printf("%s, block %u: a gradient is off by %g\n", c->name, block, worst);
    }
    CU_ASSERT(worst < 3e-6);
    ent_model_free(model);
}

static void check_outputs(const struct torch_case *c, uint32_t block, bool training)
{
    struct ent_model *model = build(c, block, training);
    struct ent_model_batch batch = {
        .n = c->n, .lengths = c->lengths, .x = c->x, .tokens = c->tokens};
    float out[256];
    double worst = 0.0;

    CU_ASSERT_FATAL(c->n_out <= 256);
    CU_ASSERT_EQUAL_FATAL(c->n_out, (size_t)c->n_targets * ent_model_n_outputs(model));
    ent_model_predict_batch(model, &batch, out);
    for (size_t i = 0; i < c->n_out; i++) {
        worst = fmax(worst, fabs((double)out[i] - c->out[i]));
    }
    if (worst >= 1e-6) {
        printf("%s, block %u: a prediction is off by %g\n", c->name, block, worst);
    }
    CU_ASSERT(worst < 1e-6);
    ent_model_free(model);
}

/* In one pass, and in passes of two rows or sequences. */
ENT_TEST(torch, losses_gradients_predictions)
{
    for (size_t i = 0; i < ENT_ARRAY_LEN(torch_cases); i++) {
        check_gradient(&torch_cases[i], 32);
        check_gradient(&torch_cases[i], 2);
        check_outputs(&torch_cases[i], 32, true);
        check_outputs(&torch_cases[i], 32, false);
        check_outputs(&torch_cases[i], 2, false);
    }
}

/* In float32 with steps of 2^-9: an error of the loss of 1e-7 becomes 3e-5, and few steps cross a kink. Truncated ones are no derivative of anything. */
static double worst_difference(const struct torch_case *c)
{
    const float step = 0x1p-9f;
    struct ent_model *model = build(c, 32, true);
    float *params = ent_model_params(model);
    double worst = 0.0;
    float *gradient;

    (void)mean_loss(model, c);
    ENT_OK(ent_calloc(c->n_params, sizeof *gradient, &gradient));
    memcpy(gradient, ent_model_gradient(model), c->n_params * sizeof *gradient);
    for (size_t i = 0; i < c->n_params; i++) {
        float at = params[i];
        double up;
        double down;

        params[i] = at + step;
        up = mean_loss(model, c);
        params[i] = at - step;
        down = mean_loss(model, c);
        params[i] = at;
        worst = fmax(worst, fabs((up - down) / (2.0 * (double)step) - (double)gradient[i]));
    }
    free(gradient);
    ent_model_free(model);
    return worst;
}

ENT_TEST(gradient, central_differences_of_every_network)
{
    for (size_t i = 0; i < ENT_ARRAY_LEN(torch_cases); i++) {
        const struct torch_case *c = &torch_cases[i];
        double worst = c->truncate > 0 ? 0.0 : worst_difference(c);

        if (worst >= 2e-3) {
            printf("%s: central differences are off by %g\n", c->name, worst);
        }
        CU_ASSERT(worst < 2e-3);
    }
}

/* No kind of layer and no loss without a network above. (Dropout has its own tests: PyTorch's bits are others.) */
ENT_TEST(torch, every_kind_is_there)
{
    bool kinds[ENT_MODEL_LAYER_KINDS] = {false};
    bool losses[ENT_MODEL_LOSS_KINDS] = {false};

    kinds[ENT_MODEL_DROPOUT] = true;
    for (size_t i = 0; i < ENT_ARRAY_LEN(torch_cases); i++) {
        losses[torch_cases[i].loss] = true;
        for (uint32_t l = 0; l < torch_cases[i].n_layers; l++) {
            kinds[torch_cases[i].layers[l].kind] = true;
        }
    }
    for (int i = 0; i < ENT_MODEL_LAYER_KINDS; i++) {
        CU_ASSERT_TRUE(kinds[i]);
    }
    for (int i = 0; i < ENT_MODEL_LOSS_KINDS; i++) {
        CU_ASSERT_TRUE(losses[i]);
    }
}
