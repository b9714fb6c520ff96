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

struct ent_predictor {
    struct ent_modelfile *file;
    struct ent_model *model;
    struct ent_schema schema; /* with the label's name */
    struct ent_prep *prep;
    enum ent_model_loss_kind kind;
    uint32_t n_outputs;
    float *x; /* [ENT_MODEL_BLOCK][n_inputs] */
};

/* out: the caller's storage. UNSUPPORTED for a model without schema or one that takes more than rows of floats; the
 * model file's errors. */
ENT_MUST enum ent_err ent_predictor_open(const char *path, struct ent_predictor *out);
void ent_predictor_close(struct ent_predictor *predictor);

/* Rows first .. first + n - 1 of a table of this schema. out: [n][n_outputs] probabilities (bce: of the label, softmax:
 * of each class), or the number in its own unit (mse). NONFINITE names the data row. */
ENT_MUST enum ent_err ent_predictor_rows(struct ent_predictor *predictor,
                                         const struct ent_table *table, uint32_t first, uint32_t n,
                                         float *out);

/* The target of a row as the loss sees it (mse: in its own unit); false: it has none. */
bool ent_predictor_target(const struct ent_predictor *predictor, const struct ent_table *table,
                          uint32_t row, float *y);

/* What output k is called: a class by its value, or by its number where the file does not say. out: [size] */
void ent_predictor_class(const struct ent_predictor *predictor, uint32_t k, char *out, size_t size);

#endif
