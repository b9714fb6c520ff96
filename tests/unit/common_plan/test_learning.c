/* model and the optimizers of both sides. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/plan/plan.h"
#include "tests/support/ent_test.h"

#define HEAD                                                                                       \
    "features: [{name: age, type: number, range: [18, 95]}]\n"                                     \
    "label: {name: y, positive: \"yes\"}\n"
#define MODEL "model: {layers: [{dense: 1}]}\n"

static enum ent_err parse(const char *yaml, struct ent_plan **out)
{
    return ent_plan_parse("plan.yaml", (const uint8_t *)yaml, strlen(yaml), out);
}

static void refused(const char *yaml, const char *message)
{
    struct ent_plan *plan = NULL;

    CU_ASSERT_EQUAL(parse(yaml, &plan), ENT_E_CONFIG);
    CU_ASSERT_PTR_NULL(plan);
    if (strstr(ent_err_message(), message) == NULL) {
        (void)fprintf(stderr, "expected: %s\nfound:    %s\n", message, ent_err_message());
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), message));
}

ENT_TEST(learning, recipe)
{
    struct ent_model_layer layers[ENT_PLAN_MAX_LAYERS];
    struct ent_model_options options;
    struct ent_plan *p;
    size_t n;

    ENT_OK(parse(HEAD "model:\n"
                      "  ensemble: 8\n"
                      "  layers: [{dense: 16}, relu, {dropout: 0.2}, {dense: 1}]\n"
                      "  class_weights: [1, 3.5]\n"
                      "training:\n"
                      "  optimizer: {adam: {rate: 0.004, keep_state: true}}\n"
                      "  schedule: cosine\n"
                      "  clip: 5\n"
                      "  proximal: 0.01\n"
                      "aggregation:\n"
                      "  optimizer: {fedadam: {rate: 0.02, tau: 0.01}}\n",
                 &p));
    CU_ASSERT_EQUAL(p->ensemble, 8);
    CU_ASSERT_STRING_EQUAL(p->optimizer.optim->name, "adam");
    CU_ASSERT_EQUAL(p->optimizer.hyper.rate, 0.004);
    CU_ASSERT_EQUAL(p->optimizer.hyper.beta2, 0.999);
    CU_ASSERT_TRUE(p->optimizer.keep_state);
    CU_ASSERT_EQUAL(p->schedule.kind, ENT_SCHEDULE_COSINE);
    CU_ASSERT(p->clip_norm == 5.0 && p->proximal == 0.01);
    CU_ASSERT_STRING_EQUAL(p->server.optim->name, "fedadam");
    CU_ASSERT(p->server.hyper.rate == 0.02 && p->server.hyper.beta1 == 0.9 &&
              p->server.hyper.tau == 0.01);
    CU_ASSERT(p->n_class_weights == 2 && p->class_weights[1] == 3.5f);
    ent_plan_model_options(p, 64, layers, &options);
    CU_ASSERT(options.ensemble == 8 && options.loss.n_class_weights == 2 && options.seq_max == 0);
    ENT_OK(ent_model_count(&options, &n));
    CU_ASSERT_EQUAL(n, 16 + 8 + 8 * 16 + 8 * 16 + 8 * 16 + 8);
    CU_ASSERT_EQUAL(n, ent_plan_n_params(p));
    ent_plan_free(p);
}

/* What a plan of the first release said is what it still says. */
ENT_TEST(learning, defaults)
{
    struct ent_plan *p;

    ENT_OK(parse(HEAD MODEL, &p));
    CU_ASSERT(p->ensemble == 1 && p->loss == ENT_MODEL_BCE && p->n_class_weights == 0);
    CU_ASSERT(p->schedule.kind == ENT_SCHEDULE_CONSTANT && p->clip_norm == 0.0 &&
              p->proximal == 0.0);
    CU_ASSERT_STRING_EQUAL(p->optimizer.optim->name, "sgd");
    CU_ASSERT_FALSE(p->optimizer.keep_state);
    CU_ASSERT_STRING_EQUAL(p->server.optim->name, "sgd");
    CU_ASSERT_EQUAL(p->server.hyper.rate, 1.0);
    ent_plan_free(p);
    ENT_OK(parse(HEAD MODEL "training: {optimizer: adamw, schedule: {step: {every: 5}}}\n", &p));
    CU_ASSERT_TRUE(p->optimizer.keep_state);
    CU_ASSERT_EQUAL(p->optimizer.hyper.weight_decay, 0.01);
    CU_ASSERT(p->schedule.every == 5 && p->schedule.factor == 0.1);
    ent_plan_free(p);
}

/* Every optimizer of both lists can be asked for by its name alone. */
ENT_TEST(learning, every_optimizer_has_a_grammar)
{
    char yaml[512];
    struct ent_plan *p;

    for (size_t i = 0; ent_optim_at(i) != NULL; i++) {
        (void)snprintf(yaml, sizeof yaml, HEAD MODEL "training: {optimizer: %s}\n",
                       ent_optim_at(i)->name);
        ENT_OK(parse(yaml, &p));
        CU_ASSERT_PTR_EQUAL(p->optimizer.optim, ent_optim_at(i));
        ent_plan_free(p);
    }
    for (size_t i = 0; ent_server_optim_at(i) != NULL; i++) {
        (void)snprintf(yaml, sizeof yaml, HEAD MODEL "aggregation: {optimizer: %s}\n",
                       ent_server_optim_at(i)->name);
        ENT_OK(parse(yaml, &p));
        CU_ASSERT_PTR_EQUAL(p->server.optim, ent_server_optim_at(i));
        ent_plan_free(p);
    }
}

ENT_TEST(learning, layers_and_losses_that_do_not_fit)
{
    refused(HEAD "model: {layers: [{gru: 8}, last, {dense: 1}]}\n",
            "gru: it needs sequences, and here are rows without a time");
    refused(HEAD "model: {layers: [{gru: 0}, {dense: 1}]}\n", "gru is '0'");
    refused(HEAD "model: {layers: [{tanh: 3}, {dense: 1}]}\n", "takes no value");
    refused(HEAD "model: {layers: [lstm, {dense: 1}]}\n", "lstm needs a value: \"lstm: UNITS\"");
    refused(HEAD "model: {layers: [{dense: 2}], loss: softmax}\n",
            "loss softmax does not fit the label, which needs loss bce");
    refused(HEAD "model: {layers: [{dense: 1}], loss: mse}\n",
            "loss mse does not fit the label, which needs loss bce");
    refused(HEAD "model: {layers: [{dense: 2}]}\n",
            "the last layer must be \"dense: 1\" for loss bce");
    refused(HEAD "model: {layers: [{dense: 1}], class_weights: [1]}\n", "1 class weights for 2");
    refused(HEAD "model: {layers: [{dense: 1}], class_weights: [1, -1]}\n",
            "class_weights is '-1'");
    refused(HEAD "model: {layers: [{dense: 1}], class_weights: 3}\n",
            "must be a list with a factor for each class");
    refused(HEAD "model: {layers: [{dense: 1}], ensemble: 65}\n", "ensemble is '65'");
    refused(HEAD "model: {layers: [{embedding: 3}, {dense: 1}]}\n", "unknown layer 'embedding'");
}

ENT_TEST(learning, optimizers_that_do_not_fit)
{
    refused(HEAD MODEL "training: {optimizer: {adam: {rate: 0}}}\n", "rate is '0'");
    refused(HEAD MODEL "training: {optimizer: {adam: {momentum: 0.9}}}\n", "momentum");
    refused(HEAD MODEL "training: {optimizer: {adam: {weight_decay: 0.1}}}\n", "weight_decay");
    refused(HEAD MODEL "training: {optimizer: {sgd: {keep_state: true}}}\n", "keep_state");
    refused(HEAD MODEL "training: {schedule: cosin}\n", "did you mean 'cosine'?");
    refused(HEAD MODEL "training: {schedule: step}\n", "step needs options");
    refused(HEAD MODEL "training: {schedule: {step: {factor: 0.5}}}\n", "every");
    refused(HEAD MODEL "training: {schedule: {cosine: 3}}\n", "takes no value");
    refused(HEAD MODEL "aggregation: {optimizer: {fedadam: {tau: 0}}}\n", "tau is '0'");
    refused(HEAD MODEL "aggregation: {optimizer: adam}\n", "unknown optimizer 'adam'");
}
