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
                                    .label_positive = info->label_positive,
                                    .label_values = info->label_values,
                                    .n_label_values = info->n_label_values,
                                    .label_lo = info->label_lo,
                                    .label_hi = info->label_hi};
    return ent_prep_new(&p->schema, info->fits, &p->prep);
}

static enum ent_err open_memory(struct ent_predictor *p)
{
    size_t n;

    ENT_TRY(ent_size_mul(ENT_MODEL_BLOCK, p->schema.n_inputs, &n));
    ENT_TRY(ent_calloc_aligned(n, sizeof *p->x, &p->x));
    ENT_TRY(ent_calloc(p->schema.n_features, sizeof *p->embedded, &p->embedded));
    for (uint32_t i = 0; i < p->schema.n_features; i++) {
        if (p->schema.features[i].embed > 0) {
            p->embedded[p->n_tokens++] = i;
        }
    }
    return ent_calloc((size_t)ENT_MODEL_BLOCK * p->n_tokens, sizeof *p->tokens, &p->tokens);
}

static enum ent_err open_all(struct ent_predictor *p, const char *path)
{
    struct ent_model_options options;

    ENT_TRY(ent_modelfile_open(path, &p->file));
    ent_modelfile_options(&p->file->info, ENT_MODEL_BLOCK, &options);
    ENT_TRY(ent_model_new(&options, &p->model));
    ENT_REQUIRE(ent_model_seq_max(p->model) == 0, ENT_E_UNSUPPORTED,
                "%s is a model of sequences: it does not take rows", path);
    memcpy(ent_model_params(p->model), ent_modelfile_params(p->file),
           p->file->n_params * sizeof(float));
    p->kind = ent_model_loss_find(p->file->info.loss);
    p->n_outputs = ent_model_n_outputs(p->model);
    ENT_TRY(open_schema(p, path));
    ENT_TRY(open_memory(p));
    ENT_REQUIRE(p->n_tokens == ent_model_n_tokens(p->model), ENT_E_CORRUPT,
                "%s: %u embedded features, but %u embeddings", path, (unsigned)p->n_tokens,
                (unsigned)ent_model_n_tokens(p->model));
    return ENT_E_OK;
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
    free(predictor->embedded);
    free(predictor->tokens);
    *predictor = (struct ent_predictor){0};
}

void ent_predictor_to_unit(const struct ent_predictor *predictor, float *values, size_t n)
{
    const struct ent_model_info *info = &predictor->file->info;
    double half = 0.5 * (info->label_hi - info->label_lo);

    for (size_t i = 0; i < n && predictor->kind == ENT_MODEL_MSE && half > 0.0; i++) {
        values[i] = (float)(info->label_lo + half * ((double)values[i] + 1.0));
    }
}

struct ent_task_sizes ent_predictor_sizes(const struct ent_predictor *predictor)
{
    static const enum ent_outputs outputs[] = {[ENT_MODEL_BCE] = ENT_OUTPUTS_BINARY,
                                               [ENT_MODEL_SOFTMAX] = ENT_OUTPUTS_CLASSES,
                                               [ENT_MODEL_MSE] = ENT_OUTPUTS_NUMBER};

    return (struct ent_task_sizes){.outputs = outputs[predictor->kind],
                                   .n_classes = predictor->n_outputs};
}

/* Tokens of a row stand together, those of a feature apart. */
static void encode_tokens(struct ent_predictor *p, const struct ent_table *table, uint32_t first,
                          uint32_t n)
{
    uint32_t rows[ENT_MODEL_BLOCK];
    uint32_t codes[ENT_MODEL_BLOCK];

    for (uint32_t i = 0; i < n; i++) {
        rows[i] = first + i;
    }
    for (uint32_t j = 0; j < p->n_tokens; j++) {
        ent_prep_codes(p->prep, table, p->embedded[j], rows, n, codes);
        for (uint32_t i = 0; i < n; i++) {
            p->tokens[(size_t)i * p->n_tokens + j] = (int32_t)codes[i];
        }
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
    struct ent_model_batch batch = {.n = n, .x = p->x, .tokens = p->tokens};

    if (p->schema.n_inputs > 0) {
        ent_prep_encode_range(p->prep, table, first, n, p->x);
    }
    encode_tokens(p, table, first, n);
    ent_model_predict_batch(p->model, &batch, out);
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
    bool by_label = predictor->kind == ENT_MODEL_BCE;

    if (table->labels == NULL || table->labels[row] == ENT_LABEL_ABSENT ||
        (!by_label && table->targets == NULL)) {
        return false;
    }
    *y = by_label ? (table->labels[row] == 1 ? 1.0F : 0.0F) : table->targets[row];
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
