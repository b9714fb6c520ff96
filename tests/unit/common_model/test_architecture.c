/* Model files of everything that layers can be: written, read, the same; and scored the same. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/model/modelfile.h"
#include "tests/support/ent_test.h"

static const struct ent_model_layer sequence[] = {
    {.kind = ENT_MODEL_EMBEDDING, .units = 4, .values = 11},
    {.kind = ENT_MODEL_EMBEDDING, .units = 2, .values = 3},
    {.kind = ENT_MODEL_RNN, .units = 5},
    {.kind = ENT_MODEL_GRU, .units = 6},
    {.kind = ENT_MODEL_TANH},
    {.kind = ENT_MODEL_LSTM, .units = 4},
    {.kind = ENT_MODEL_MAX_POOL},
    {.kind = ENT_MODEL_DENSE, .units = 7},
    {.kind = ENT_MODEL_SIGMOID},
    {.kind = ENT_MODEL_DROPOUT, .rate = 0.2f},
    {.kind = ENT_MODEL_DENSE, .units = 3}};

static void check(const struct ent_model_options *some)
{
    struct ent_model_options options = *some;
    struct ent_model_options back;
    struct ent_model_info info = {.features = NULL};
    struct ent_rng rng = ent_rng_init(3, 3);
    struct ent_model *model = NULL;
    struct ent_model *again = NULL;
    struct ent_modelfile *file = NULL;
    char path[] = "/tmp/ent-architecture-XXXXXX";
    size_t n;

    options.batch_max = 8;
    ENT_OK(ent_model_new(&options, &model));
    ent_model_init_params(model, &rng);
    n = ent_model_n_params(model);
    ent_modelfile_of_options(&options, &info);
    CU_ASSERT_FATAL(close(mkstemp(path)) == 0);
    ENT_OK(ent_modelfile_write(path, &info, ent_model_params(model), n));
    ENT_OK(ent_modelfile_open(path, &file));
    CU_ASSERT_TRUE(ent_modelfile_same(&file->info, &options));
    CU_ASSERT_EQUAL(file->n_params, n);
    CU_ASSERT_EQUAL(memcmp(ent_modelfile_params(file), ent_model_params(model), n * sizeof(float)),
                    0);
    ent_modelfile_options(&file->info, 8, &back);
    ENT_OK(ent_model_new(&back, &again));
    CU_ASSERT(ent_model_n_outputs(again) == ent_model_n_outputs(model) &&
              ent_model_n_tokens(again) == ent_model_n_tokens(model) &&
              ent_model_per_step(again) == ent_model_per_step(model));
    back.ensemble = back.ensemble > 1 ? 0 : 2;
    CU_ASSERT_FALSE(ent_modelfile_same(&file->info, &back));
    ent_model_free(again);
    ent_model_free(model);
    ent_modelfile_free(file);
    (void)unlink(path);
}

ENT_TEST(architecture, files_of_everything)
{
    check(&(struct ent_model_options){.n_inputs = 2,
                                      .layers = sequence,
                                      .n_layers = ENT_ARRAY_LEN(sequence),
                                      .seq_max = 50,
                                      .loss = {.kind = ENT_MODEL_SOFTMAX}});
    check(&(struct ent_model_options){.n_inputs = 0,
                                      .layers = sequence,
                                      .n_layers = ENT_ARRAY_LEN(sequence),
                                      .seq_max = 50,
                                      .ensemble = 3,
                                      .loss = {.kind = ENT_MODEL_MSE}});
    check(&(struct ent_model_options){.n_inputs = 9,
                                      .layers = sequence + 7,
                                      .n_layers = 4,
                                      .ensemble = 4,
                                      .loss = {.kind = ENT_MODEL_SOFTMAX}});
}
