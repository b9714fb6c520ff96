/* The model that a run starts from: it must be one of the plan's, input by input, because members prepare their rows by
 * the plan and the result is scored by what stands in the model. */
#include <string.h>

#include "common/model/modelfile.h"
#include "common/step/step.h"
#include "coordinator/engine/state.h"

static bool same_values(const struct ent_feature *a, const struct ent_feature *b)
{
    bool same = a->n_values == b->n_values;

    for (uint32_t i = 0; same && i < a->n_values; i++) {
        same = strcmp(a->values[i], b->values[i]) == 0;
    }
    return same;
}

static bool same_bits(double a, double b)
{
    uint64_t bits_a;
    uint64_t bits_b;

    memcpy(&bits_a, &a, sizeof a);
    memcpy(&bits_b, &b, sizeof b);
    return bits_a == bits_b;
}

/* What differs first, in words; NULL: nothing. */
static const char *differs(const struct ent_feature *a, const struct ent_feature *b)
{
    if (strcmp(a->name, b->name) != 0) {
        return "name";
    }
    if (a->type != b->type) {
        return "type";
    }
    if (a->type == ENT_FEATURE_NUMBER && !(same_bits(a->lo, b->lo) && same_bits(a->hi, b->hi))) {
        return "range";
    }
    if (a->indicator != b->indicator) {
        return "indicator";
    }
    if (a->type == ENT_FEATURE_CATEGORY && !same_values(a, b)) {
        return "values";
    }
    return ent_feature_same(a, b) ? NULL : "encoding"; /* all that is left, salt and dates too */
}

static enum ent_err check_features(const struct ent_plan *plan, const struct ent_model_info *info,
                                   const char *path)
{
    ENT_REQUIRE(info->n_features == plan->n_features, ENT_E_SHAPE,
                "%s was trained on %u features, the plan has %u", path, (unsigned)info->n_features,
                (unsigned)plan->n_features);
    for (uint32_t i = 0; i < plan->n_features; i++) {
        const char *what = differs(&plan->features[i], &info->features[i]);

        ENT_REQUIRE(
            what == NULL, ENT_E_SHAPE,
            "%s was trained with another %s of feature %u: \"%s\" there, \"%s\" in the plan", path,
            what, (unsigned)i + 1, info->features[i].name, plan->features[i].name);
    }
    ENT_REQUIRE(strcmp(info->label_name, plan->label_name) == 0 &&
                    strcmp(info->label_positive, plan->label_positive) == 0,
                ENT_E_SHAPE, "%s was trained for another label: %s = %s there, %s = %s in the plan",
                path, info->label_name, info->label_positive, plan->label_name,
                plan->label_positive);
    ENT_REQUIRE(
        ent_plan_same_label(plan, info), ENT_E_SHAPE,
        "%s was trained for other classes, another range or other sequences than those of the "
        "plan",
        path);
    return ENT_E_OK;
}

static enum ent_err check_layers(const struct ent_plan *plan, const struct ent_modelfile *file,
                                 const char *path)
{
    struct ent_model_layer layers[ENT_PLAN_MAX_LAYERS];
    const struct ent_model_info *info = &file->info;
    struct ent_model_options options;

    ent_plan_model_options(plan, 1, layers, &options);
    ENT_REQUIRE(info->n_layers == plan->n_layers, ENT_E_SHAPE, "%s has %u layers, the plan %u",
                path, (unsigned)info->n_layers, (unsigned)plan->n_layers);
    for (uint32_t i = 0; i < plan->n_layers; i++) {
        const struct ent_model_layer *a = &layers[i];
        const struct ent_model_layer *b = &info->layers[i];

        ENT_REQUIRE(a->kind == b->kind && a->units == b->units &&
                        same_bits((double)a->rate, (double)b->rate),
                    ENT_E_SHAPE, "%s: layer %u is another than the plan's", path, (unsigned)i + 1);
    }
    ENT_REQUIRE(ent_modelfile_same(info, &options), ENT_E_SHAPE,
                "%s: its loss, ensemble or sequences are others than the plan's", path);
    ENT_REQUIRE(file->n_params == ent_plan_n_params(plan) && info->n_inputs == plan->n_inputs,
                ENT_E_SHAPE, "%s has %zu parameters and %u inputs, the plan %zu and %u", path,
                file->n_params, (unsigned)info->n_inputs, ent_plan_n_params(plan),
                (unsigned)plan->n_inputs);
    return ENT_E_OK;
}

/* Made of the plan alone, so that whoever has the plan makes the same bytes. */
enum ent_err ent_engine_make_base(struct ent_engine *e, const struct ent_plan *plan,
                                  uint8_t digest[32])
{
    struct ent_step_sink sink;
    struct ent_buf file;
    enum ent_err err;

    ent_buf_init(&file, ent_plan_n_params(plan) * sizeof(float) + ENT_MODELFILE_HEADER_MAX + 8);
    sink = ent_step_sink_buf(&file);
    err = ent_step_initial_of_ranges(plan, &sink);
    if (err == ENT_E_OK) {
        err = ent_store_model_put(e->store, file.data, file.len, digest);
    }
    ent_buf_release(&file);
    return err;
}

enum ent_err ent_engine_take_base(struct ent_engine *e, const struct ent_plan *plan,
                                  const char *path, uint8_t digest[32])
{
    struct ent_modelfile *file = NULL;
    enum ent_err err;

    ENT_TRY(ent_modelfile_open(path, &file));
    err = check_features(plan, &file->info, path);
    if (err == ENT_E_OK) {
        err = check_layers(plan, file, path);
    }
    if (err == ENT_E_OK) {
        err = ent_store_model_put(e->store, ent_blob_bytes(file->blob), ent_blob_len(file->blob),
                                  digest);
    }
    ent_modelfile_free(file);
    return err;
}
