/* Sequences, embeddings and classes in a model file: written, read back, and refused when they do not fit. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/model/modelfile.h"
#include "tests/support/ent_test.h"

static const char *const values[] = {"a", "b"};
static const char *const times[] = {"day", "order"};
static const char *const classes[] = {"low", "high"};

struct example {
    struct ent_feature feature;
    struct ent_fit fit;
    struct ent_model_layer layers[3];
    struct ent_model_info info;
};

static void make(struct example *e)
{
    *e = (struct example){.feature = {.name = "item",
                                      .column = "item",
                                      .type = ENT_FEATURE_CATEGORY,
                                      .values = values,
                                      .n_values = 2,
                                      .embed = 4},
                          .fit = {.sd = 1.0},
                          .layers = {{.kind = ENT_MODEL_EMBEDDING, .units = 4, .values = 3},
                                     {.kind = ENT_MODEL_GRU, .units = 3},
                                     {.kind = ENT_MODEL_DENSE, .units = 2}}};
    e->info = (struct ent_model_info){.features = &e->feature,
                                      .fits = &e->fit,
                                      .n_features = 1,
                                      .layers = e->layers,
                                      .n_layers = 3,
                                      .loss = "softmax",
                                      .seq_max = 9,
                                      .label_name = "next item",
                                      .label_positive = "",
                                      .sequence = {.unit = "who",
                                                   .times = times,
                                                   .n_times = 2,
                                                   .length = 9,
                                                   .keep = ENT_KEEP_ALL,
                                                   .label = ENT_SEQUENCE_NEXT,
                                                   .per_step = true}};
}

static enum ent_err write_and_read(const struct ent_model_info *info, struct ent_modelfile **out)
{
    struct ent_blob *blob = NULL;
    struct ent_buf bytes;
    size_t n_params = 0;
    uint8_t *zeros;
    enum ent_err err;

    ent_buf_init(&bytes, 1 << 20);
    err = ent_modelfile_header(info, &bytes, &n_params);
    if (err == ENT_E_OK) {
        ENT_OK(ent_buf_extend(&bytes, n_params * sizeof(float), &zeros));
        memset(zeros, 0, n_params * sizeof(float));
        ENT_OK(ent_blob_new_copy(bytes.data, bytes.len, &blob));
        err = ent_modelfile_read(blob, out);
        ent_blob_unref(blob);
    }
    ent_buf_release(&bytes);
    return err;
}

ENT_TEST(modelfile, sequences_come_back)
{
    struct ent_modelfile *file = NULL;
    struct example e;

    make(&e);
    ENT_OK(write_and_read(&e.info, &file));
    CU_ASSERT_TRUE(ent_sequence_same(&file->info.sequence, &e.info.sequence));
    CU_ASSERT_EQUAL(file->info.features[0].embed, 4);
    CU_ASSERT_EQUAL(file->info.features[0].n_inputs, 0);
    ent_modelfile_free(file);
    e.info.sequence = (struct ent_sequence){.unit = "who",
                                            .times = times,
                                            .n_times = 1,
                                            .format = "iso",
                                            .length = 9,
                                            .gap_s = 60,
                                            .label = ENT_SEQUENCE_LATER,
                                            .from_s = -5,
                                            .until_s = 7};
    ENT_OK(write_and_read(&e.info, &file));
    CU_ASSERT_TRUE(ent_sequence_same(&file->info.sequence, &e.info.sequence));
    ent_modelfile_free(file);
}

ENT_TEST(modelfile, classes_and_numbers_come_back)
{
    struct ent_modelfile *file = NULL;
    struct example e;

    make(&e);
    e.info.sequence = (struct ent_sequence){0};
    e.info.label_values = classes;
    e.info.n_label_values = 2;
    e.layers[1] = (struct ent_model_layer){.kind = ENT_MODEL_RELU};
    e.info.seq_max = 0;
    ENT_OK(write_and_read(&e.info, &file));
    CU_ASSERT_EQUAL_FATAL(file->info.n_label_values, 2);
    CU_ASSERT_STRING_EQUAL(file->info.label_values[1], "high");
    CU_ASSERT_PTR_NULL(file->info.sequence.unit);
    ent_modelfile_free(file);
    e.info.n_label_values = 0;
    e.info.loss = "mse";
    e.layers[2].units = 1;
    e.info.label_lo = -2.5;
    e.info.label_hi = 7;
    ENT_OK(write_and_read(&e.info, &file));
    CU_ASSERT_EQUAL(file->info.label_lo, -2.5);
    CU_ASSERT_EQUAL(file->info.label_hi, 7.0);
    ent_modelfile_free(file);
}

ENT_TEST(modelfile, sequences_that_do_not_fit_are_refused)
{
    struct ent_modelfile *file = NULL;
    struct example e;

    for (int tamper = 0; tamper < 8; tamper++) {
        make(&e);
        switch (tamper) {
        case 0:
            e.info.sequence.length = 8;
            break;
        case 1:
            e.info.sequence.next = 1;
            break;
        case 2:
            e.layers[2].units = 3;
            break;
        case 3:
            e.layers[0].values = 4;
            break;
        case 4:
            e.feature.embed = 5;
            break;
        case 5:
            e.info.sequence.n_times = 0;
            break;
        case 6:
            e.info.sequence.length = 1; /* nothing comes next */
            e.info.seq_max = 1;
            break;
        default:
            e.info.sequence.gap_s = 5; /* without a format */
            break;
        }
        ENT_FAILS(write_and_read(&e.info, &file), ENT_E_CONFIG);
    }
}
