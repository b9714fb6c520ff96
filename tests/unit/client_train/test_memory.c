/* What a plan takes is known before it is taken. */
#include <string.h>

#include "client/train/dp.h"
#include "client/train/trainer.h"
#include "common/plan/plan.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_train/count_alloc.h"

#define N_ROWS 300

#define ROWS                                                                                       \
    "features: [{name: a, type: number, range: [0, 1]}, {name: b, type: number, range: [0, 1]}]\n" \
    "label: {name: y, positive: \"1\"}\n"
#define EVENTS                                                                                     \
    "features: [{name: i, type: category, ids: [1, 9], embed: 16}, "                               \
    "{name: a, type: number, range: [0, 1]}]\nlabel: {next: i}\n"

static const char *const plans[] = {
    ROWS "model: {layers: [{dense: 512}, relu, {dropout: 0.2}, {dense: 256}, tanh, {dense: 1}]}\n"
         "training: {batch: 64, epochs: 1, optimizer: {adam: {rate: 0.001}}}\n",
    ROWS "model: {layers: [{dense: 300}, tanh, sigmoid, {dense: 200}, relu, {dense: 1}], "
         "ensemble: 16}\ntraining: {batch: full, epochs: 1}\n",
    EVENTS "sequence: {unit: u, time: t, length: 400}\n"
           "model: {layers: [{lstm: 64}, {gru: 64}, {rnn: 32}, {dense: 9}]}\n"
           "training: {batch: 32, epochs: 1, optimizer: {adam: {rate: 0.001}}}\n",
};

static struct ent_plan *plan_of(const char *yaml)
{
    struct ent_plan *plan = NULL;

    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)yaml, strlen(yaml), &plan));
    return plan;
}

static void fill(void *ctx, const uint32_t *rows, uint32_t n, const struct ent_rows_block *out)
{
    const struct ent_plan *plan = ctx;

    (void)rows;
    (void)n;
    for (uint32_t i = 0; i < out->n_steps * plan->n_inputs; i++) {
        out->x[i] = 0.1F;
    }
    for (uint32_t i = 0; i < out->n_steps * plan->n_embeddings; i++) {
        out->tokens[i] = 1;
    }
    for (uint32_t i = 0; i < out->n_steps; i++) {
        out->y[i] = 1.0F;
    }
}

static uint32_t steps(void *ctx, uint32_t row)
{
    (void)ctx;
    return 1 + row % 50;
}

static void ignore(void *ctx, const float *prob, const float *y, uint32_t n)
{
    (void)ctx;
    (void)prob;
    (void)y;
    (void)n;
}

ENT_TEST(memory, the_count_is_what_a_model_takes)
{
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        struct ent_plan *plan = plan_of(plans[i]);

        for (int training = 0; training < 2; training++) {
            struct ent_model_layer layers[ENT_MODEL_LAYERS_MAX];
            struct ent_model_options options;
            struct ent_model_size size;
            struct ent_model *model = NULL;
            unsigned long before;
            unsigned long taken;

            ent_train_model_options(plan, training == 1, layers, &options);
            ENT_OK(ent_model_measure(&options, &size));
            before = ent_count_alloc_bytes();
            ENT_OK(ent_model_new(&options, &model));
            taken = ent_count_alloc_bytes() - before;
            CU_ASSERT(taken <= size.bytes);
            CU_ASSERT(size.bytes <= taken + taken / 20 + 8192);
            CU_ASSERT_EQUAL(size.block_steps, ent_model_block_steps(model));
            CU_ASSERT_EQUAL(size.n_params, ent_model_n_params(model));
            ent_model_free(model);
        }
        ent_plan_free(plan);
    }
}

ENT_TEST(memory, training_and_looking_take_no_more_than_announced)
{
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        struct ent_plan *plan = plan_of(plans[i]);
        struct ent_rows rows = {.ctx = plan, .n = N_ROWS, .fill = fill};
        struct ent_train_options options;
        struct ent_train_result result;
        struct ent_model *model = NULL;
        struct ent_rng rng = ent_rng_init(1, 1);
        unsigned long before = ent_count_alloc_bytes();
        unsigned long taken;
        size_t announced;

        rows.steps = plan->seq_max > 0 ? steps : NULL;
        ENT_OK(ent_train_model_new(plan, true, &model));
        ent_model_init_params(model, &rng);
        ent_train_options_of(plan, &options);
        options.rounds = 0;
        ENT_OK(ent_train(model, &rows, &options, &result));
        ENT_OK(ent_train_predict(model, &rows, ignore, NULL));
        taken = ent_count_alloc_bytes() - before;
        ENT_OK(ent_train_memory(plan, &announced));
        CU_ASSERT(taken <= announced);
        CU_ASSERT(announced <= 3 * taken);
        ent_model_free(model);
        ent_plan_free(plan);
    }
}

#define PRIVATE                                                                                    \
    "privacy: {unit: customer, epsilon: 4, delta: 1e-5, clip: 1, rate: 0.1, batch: 30, steps: "    \
    "2}\n"

/* Noised steps take sums and noise beside the model: in the announced figure, too. */
ENT_TEST(memory, private_training_takes_no_more_than_announced)
{
    static const char *const private[] = {
        ROWS "model: {layers: [{dense: 128}, relu, {dense: 64}, relu, {dense: 1}]}\n"
             "training: {rounds: 2, optimizer: {adam: {rate: 0.001}}}\n" PRIVATE,
        EVENTS "sequence: {unit: u, time: t, length: 60}\n"
               "model: {layers: [{gru: 32}, {dense: 9}]}\n"
               "training: {rounds: 2, proximal: 0.1, optimizer: {sgd: {rate: 0.1}}}\n" PRIVATE,
    };

    for (size_t i = 0; i < sizeof private / sizeof private[0]; i++) {
        struct ent_plan *plan = plan_of(private[i]);
        struct ent_rows rows = {.ctx = plan, .n = N_ROWS, .fill = fill};
        struct ent_train_options options;
        struct ent_dp_settings settings = {.clip = plan->privacy.clip,
                                           .rate = plan->privacy.rate,
                                           .steps = plan->privacy.steps,
                                           .batch = plan->privacy.batch,
                                           .scale_bits = plan->privacy.scale_bits,
                                           .dim = plan->n_params};
        struct ent_plan_noise noise;
        struct ent_dp_units units;
        struct ent_model *model = NULL;
        struct ent_rng rng = ent_rng_init(1, 1);
        unsigned long before = ent_count_alloc_bytes();
        unsigned long taken;
        size_t announced;

        rows.steps = plan->seq_max > 0 ? steps : NULL;
        ENT_OK(ent_train_model_new(plan, true, &model));
        ent_model_init_params(model, &rng);
        ent_train_options_of(plan, &options);
        options.rounds = 0;
        taken = ent_count_alloc_bytes() - before;
        ENT_OK(ent_plan_privacy_derive(plan, &noise)); /* not counted: the accountant's own */
        settings.sigma2 = noise.sigma2;
        ENT_OK(ent_dp_units_init(NULL, NULL, rows.n, &units)); /* by row: of the rows' share */
        before = ent_count_alloc_bytes();
        ENT_OK(ent_dp_train(model, &rows, &units, &options, &settings, NULL));
        ENT_OK(ent_train_predict(model, &rows, ignore, NULL));
        taken += ent_count_alloc_bytes() - before - units.n * sizeof(uint32_t);
        ENT_OK(ent_train_memory(plan, &announced));
        CU_ASSERT(taken <= announced);
        CU_ASSERT(announced <= 3 * taken);
        ent_dp_units_release(&units);
        ent_model_free(model);
        ent_plan_free(plan);
    }
}

static size_t count_only(const char *yaml)
{
    struct ent_plan *plan = plan_of(yaml);
    unsigned long before = ent_count_alloc_bytes();
    size_t bytes = 0;

    ENT_OK(ent_train_memory(plan, &bytes));
    CU_ASSERT(ent_count_alloc_bytes() - before < 1UL << 20);
    ent_plan_free(plan);
    return bytes;
}

/* Plans below 1 KB that would fill a machine: counted, and nothing is allocated for it. */
ENT_TEST(memory, small_plans_that_take_much)
{
    char layers[62 * 6 + 1];
    char yaml[2048];

    for (size_t i = 0; i < 62; i++) {
        memcpy(layers + 6 * i, "tanh, ", 7);
    }
    (void)snprintf(yaml, sizeof yaml,
                   ROWS "model: {ensemble: 64, layers: [{dense: 32768}, %s{dense: 1}]}\n", layers);
    CU_ASSERT(count_only(yaml) > (size_t)14 << 30);
    CU_ASSERT(count_only(EVENTS "sequence: {unit: u, time: t, length: 65536}\n"
                                "model: {layers: [{lstm: 256}, {lstm: 256}, {lstm: 256}, "
                                "{lstm: 256}, {dense: 9}]}\n") > (size_t)3 << 30);
}
