#include "client/agent/predictor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

static enum ent_err open_schema(struct ent_predictor *p, const char *path)
{
    const struct ent_model_info *info = &p->file->info;

    ENT_REQUIRE(info->n_features > 0, ENT_E_UNSUPPORTED,
                "%s has no schema: it cannot be used on a CSV file", path);
    p->schema = (struct ent_schema){.features = info->features,
                                    .n_features = info->n_features,
                                    .n_inputs = info->n_inputs,
                                    .label_name = info->label_name,
                                    .label_positive = info->label_positive};
    return ent_prep_new(&p->schema, info->fits, &p->prep);
}

static enum ent_err open_all(struct ent_predictor *p, const char *path)
{
    struct ent_model_options options;
    size_t n;

    ENT_TRY(ent_modelfile_open(path, &p->file));
    ent_modelfile_options(&p->file->info, ENT_MODEL_BLOCK, &options);
    ENT_TRY(ent_model_new(&options, &p->model));
    ENT_REQUIRE(ent_model_seq_max(p->model) == 0 && ent_model_n_tokens(p->model) == 0,
                ENT_E_UNSUPPORTED,
                "%s is a model of sequences or embeddings, which score does not take", path);
    memcpy(ent_model_params(p->model), ent_modelfile_params(p->file),
           p->file->n_params * sizeof(float));
    p->kind = ent_model_loss_find(p->file->info.loss);
    p->n_outputs = ent_model_n_outputs(p->model);
    ENT_TRY(open_schema(p, path));
    ENT_TRY(ent_size_mul(ENT_MODEL_BLOCK, p->schema.n_inputs, &n));
    return ent_calloc_aligned(n, sizeof *p->x, &p->x);
}

enum ent_err ent_predictor_open(const char *path, struct ent_predictor *out)
{
    struct ent_predictor p = {0};
    enum ent_err err = open_all(&p, path);

    if (err != ENT_E_OK) {
        ent_predictor_close(&p);
        return err;
    }
    *out = p;
    return ENT_E_OK;
}

void ent_predictor_close(struct ent_predictor *predictor)
{
    ent_prep_free(predictor->prep);
    ent_model_free(predictor->model);
    ent_modelfile_free(predictor->file);
    free(predictor->x);
    *predictor = (struct ent_predictor){0};
}

/* The model sees a number's range as -1 .. 1. */
static void to_own_unit(const struct ent_model_info *info, float *out, size_t n)
{
    double half = 0.5 * (info->label_hi - info->label_lo);

    for (size_t i = 0; i < n && half > 0.0; i++) {
        out[i] = (float)(info->label_lo + half * ((double)out[i] + 1.0));
    }
}

static bool is_answer(const struct ent_predictor *p, const float *out)
{
    bool ok = true;

    for (uint32_t k = 0; k < p->n_outputs; k++) {
        ok = ok &&
             (p->kind == ENT_MODEL_MSE ? isfinite(out[k]) != 0 : out[k] >= 0.0F && out[k] <= 1.0F);
    }
    return ok;
}

static enum ent_err predict_block(struct ent_predictor *p, const struct ent_table *table,
                                  uint32_t first, uint32_t n, float *out)
{
    ent_prep_encode_range(p->prep, table, first, n, p->x);
    ent_model_predict(p->model, p->x, n, out);
    if (p->kind == ENT_MODEL_MSE) {
        to_own_unit(&p->file->info, out, (size_t)n * p->n_outputs);
    }
    for (uint32_t i = 0; i < n; i++) {
        ENT_REQUIRE(is_answer(p, out + (size_t)i * p->n_outputs), ENT_E_NONFINITE,
                    "the model gives no number for data row %u",
                    (unsigned)table->source_rows[first + i]);
    }
    return ENT_E_OK;
}

enum ent_err ent_predictor_rows(struct ent_predictor *predictor, const struct ent_table *table,
                                uint32_t first, uint32_t n, float *out)
{
    for (uint32_t done = 0; done < n;) {
        uint32_t block = n - done < ENT_MODEL_BLOCK ? n - done : ENT_MODEL_BLOCK;

        ENT_TRY(predict_block(predictor, table, first + done, block,
                              out + (size_t)done * predictor->n_outputs));
        done += block;
    }
    return ENT_E_OK;
}

bool ent_predictor_target(const struct ent_predictor *predictor, const struct ent_table *table,
                          uint32_t row, float *y)
{
    if (predictor->kind != ENT_MODEL_BCE || table->labels == NULL ||
        table->labels[row] == ENT_LABEL_ABSENT) {
        return false;
    }
    *y = table->labels[row] == 1 ? 1.0F : 0.0F;
    return true;
}

void ent_predictor_class(const struct ent_predictor *predictor, uint32_t k, char *out, size_t size)
{
    const struct ent_model_info *info = &predictor->file->info;

    if (k < info->n_label_values) {
        (void)snprintf(out, size, "%s", info->label_values[k]);
    } else {
        (void)snprintf(out, size, "%u", (unsigned)k);
    }
}
