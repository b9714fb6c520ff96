/* IN a model file, rows of a table · OUT what the model says of them · OWNS file, model, encoding, workspace
 * THREADS one at a time · SOURCE common/model/modelfile.h
 *
 * A model as `score` uses it: the file's own schema and preprocessing are all it needs. Whatever a model of another
 * kind needs beside floats goes in here, and scoring and its explanation have it. */
#ifndef ENT_CLIENT_AGENT_PREDICTOR_H
#define ENT_CLIENT_AGENT_PREDICTOR_H

#include <stdint.h>

#include "client/data/prep.h"
#include "client/data/table.h"
#include "common/base/err.h"
#include "common/model/modelfile.h"
#include "common/task/task.h"

struct ent_predictor {
    struct ent_modelfile *file;
    struct ent_model *model;
    struct ent_schema schema; /* with the label's name */
    struct ent_prep *prep;
    enum ent_model_loss_kind kind;
    uint32_t n_outputs;
    float *x;           /* [ENT_MODEL_BLOCK][n_inputs] */
    uint32_t *embedded; /* [n_tokens] features that are tokens */
    uint32_t n_tokens;
    int32_t *tokens; /* [ENT_MODEL_BLOCK][n_tokens] */
};

/* out: the caller's storage. UNSUPPORTED for a model without schema or one of sequences; the model file's errors. */
ENT_MUST enum ent_err ent_predictor_open(const char *path, struct ent_predictor *out);
void ent_predictor_close(struct ent_predictor *predictor);

/* Rows first .. first + n - 1 of a table of this schema. out: [n][n_outputs] probabilities (bce: of the label, softmax:
 * of each class), or numbers as the model sees them (mse). NONFINITE names the data row. */
ENT_MUST enum ent_err ent_predictor_rows(struct ent_predictor *predictor,
                                         const struct ent_table *table, uint32_t first, uint32_t n,
                                         float *out);

/* The model sees a number's range as -1 .. 1: into the label's own unit. Nothing to do for other kinds. */
void ent_predictor_to_unit(const struct ent_predictor *predictor, float *values, size_t n);
/* What a sum of EVALUATE of it is sized by. */
struct ent_task_sizes ent_predictor_sizes(const struct ent_predictor *predictor);

/* The target of a row as the loss sees it; false: it has none. */
bool ent_predictor_target(const struct ent_predictor *predictor, const struct ent_table *table,
                          uint32_t row, float *y);

/* What output k is called: a class by its value, or by its number where the file does not say. out: [size] */
void ent_predictor_class(const struct ent_predictor *predictor, uint32_t k, char *out, size_t size);

#endif
