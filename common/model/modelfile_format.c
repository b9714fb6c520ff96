#include "common/model/modelfile_format.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

static enum ent_err check_feature(const struct ent_feature *f, const struct ent_fit *fit,
                                  uint64_t first_input)
{
    ENT_TRY(ent_feature_check(f));
    ENT_REQUIRE(f->first_input == first_input && f->n_inputs == ent_feature_inputs(f), ENT_E_CONFIG,
                "feature %s: its inputs do not fit its type and place", f->name);
    return ent_fit_check(f, fit);
}

static int by_text(const void *pa, const void *pb)
{
    const char *const *a = pa;
    const char *const *b = pb;

    return strcmp(*a, *b);
}

static enum ent_err check_names(const struct ent_model_info *info)
{
    const char **names;
    enum ent_err err = ENT_E_OK;

    ENT_TRY(ent_calloc(info->n_features, sizeof *names, &names));
    for (uint32_t i = 0; i < info->n_features; i++) {
        names[i] = info->features[i].name;
    }
    qsort(names, info->n_features, sizeof *names, by_text);
    for (uint32_t i = 1; i < info->n_features && err == ENT_E_OK; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            err = ent_err_note(ENT_E_CONFIG, "feature %s stands twice", names[i]);
        }
    }
    free(names);
    return err;
}

void ent_modelfile_of_options(const struct ent_model_options *options, struct ent_model_info *info)
{
    info->n_inputs = options->n_inputs;
    info->layers = options->layers;
    info->n_layers = options->n_layers;
    info->loss = ent_model_loss_name(options->loss.kind);
    info->ensemble = options->ensemble > 1 ? options->ensemble : 0;
    info->seq_max = options->seq_max;
}

void ent_modelfile_options(const struct ent_model_info *info, uint32_t batch_max,
                           struct ent_model_options *options)
{
    *options = (struct ent_model_options){.n_inputs = info->n_inputs,
                                          .layers = info->layers,
                                          .n_layers = info->n_layers,
                                          .batch_max = batch_max,
                                          .loss = {.kind = ent_model_loss_find(info->loss)},
                                          .ensemble = info->ensemble,
                                          .seq_max = info->seq_max};
}

bool ent_modelfile_same(const struct ent_model_info *info, const struct ent_model_options *options)
{
    uint32_t ensemble = options->ensemble > 1 ? options->ensemble : 0;

    if (info->n_inputs != options->n_inputs || info->n_layers != options->n_layers ||
        (info->ensemble > 1 ? info->ensemble : 0) != ensemble ||
        info->seq_max != options->seq_max ||
        ent_model_loss_find(info->loss) != options->loss.kind) {
        return false;
    }
    for (uint32_t i = 0; i < info->n_layers; i++) {
        const struct ent_model_layer *a = &info->layers[i];
        const struct ent_model_layer *b = &options->layers[i];

        if (a->kind != b->kind || a->units != b->units || a->values != b->values ||
            a->rate < b->rate || a->rate > b->rate) {
            return false;
        }
    }
    return true;
}

enum ent_err ent_modelfile_check(const struct ent_model_info *info, struct ent_layer *layers,
                                 size_t *n_params)
{
    struct ent_model_options options;
    uint64_t first_input = 0;
    size_t n;

    ent_modelfile_options(info, 1, &options);
    ENT_TRY(ent_layers_shape(&options, layers, &n));
    ENT_REQUIRE(n <= ENT_MODELFILE_PARAMS_MAX, ENT_E_LIMIT,
                "%zu parameters; at most %u are possible", n, ENT_MODELFILE_PARAMS_MAX);
    ENT_REQUIRE(info->n_features <= ENT_MODELFILE_FEATURES_MAX, ENT_E_LIMIT,
                "%u features; at most %u are possible", info->n_features,
                ENT_MODELFILE_FEATURES_MAX);
    ENT_REQUIRE(info->round <= INT64_MAX, ENT_E_CONFIG, "the round's number is too large");
    for (uint32_t i = 0; i < info->n_features; i++) {
        ENT_TRY(check_feature(&info->features[i], &info->fits[i], first_input));
        first_input += info->features[i].n_inputs;
    }
    ENT_REQUIRE(info->n_features == 0 || first_input == info->n_inputs, ENT_E_CONFIG,
                "the features make %llu inputs, the model takes %u",
                (unsigned long long)first_input, info->n_inputs);
    ENT_TRY(check_names(info));
    ENT_TRY(ent_modelfile_check_label(info));
    *n_params = n;
    return ENT_E_OK;
}

enum ent_err ent_modelfile_tensors(const struct ent_layer *layers, uint32_t n_layers,
                                   enum ent_err (*each)(void *ctx,
                                                        const struct ent_modelfile_tensor *tensor),
                                   void *ctx)
{
    size_t at = 0;

    for (uint32_t i = 0; i < n_layers; i++) {
        const struct ent_layer *layer = &layers[i];
        struct ent_layer_tensor tensors[ENT_LAYER_TENSORS_MAX];
        uint32_t n = layer->vtable->tensors == NULL ? 0 : layer->vtable->tensors(layer, tensors);

        for (uint32_t t = 0; t < n; t++) {
            struct ent_modelfile_tensor out = {.tensor = tensors[t], .begin = at};
            size_t size = sizeof(float);

            for (uint32_t d = 0; d < tensors[t].n_dims;
                 d++) { /* small enough: n_params was counted before */
                size *= tensors[t].dims[d];
            }
            at += size;
            out.end = at;
            (void)snprintf(out.name, sizeof out.name, "layer.%03u.%u.%s", i, t, tensors[t].name);
            ENT_TRY(each(ctx, &out));
        }
    }
    return ENT_E_OK;
}
