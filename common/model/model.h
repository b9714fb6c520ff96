/* IN layer specs, batches · OUT predictions, gradients · OWNS parameters and workspace · THREADS
 * one model, one thread SOURCE performance.md (a step allocates nothing); He et al. 2015
 * (initialisation)
 *
 * A stack of layers out of layers.def over one flat parameter vector. The vector's order is the
 * order of the layers, each weight matrix before its bias, matrices row-major [inputs][outputs]; it
 * is also the order of the tensors in the model file, so a model file's data section IS the
 * parameter vector (float32 little-endian). */
#ifndef ENT_COMMON_MODEL_MODEL_H
#define ENT_COMMON_MODEL_MODEL_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/base/rng.h"

#define ENT_MODEL_LAYERS_MAX 64
#define ENT_MODEL_UNITS_MAX 1048576u /* inputs or units of one layer */
#define ENT_MODEL_BLOCK                                                                            \
    256u /* rows in one pass: activations stay in the cache, workspace stays small */

/* The model room's own description of a layer (the plan's spec is turned into it by common/plan's
 * callers). */
enum ent_model_layer_kind {
    ENT_MODEL_DENSE,
    ENT_MODEL_RELU,
    ENT_MODEL_DROPOUT,
    ENT_MODEL_LAYER_KINDS
};
struct ent_model_layer {
    enum ent_model_layer_kind kind;
    uint32_t units; /* DENSE */
    float rate; /* DROPOUT: probability of zero, [0, 1); used as the nearest multiple of 2^-16 */
};

struct ent_model;

struct ent_model_options {
    uint32_t n_inputs;
    const struct ent_model_layer *layers; /* copied */
    uint32_t n_layers;
    uint32_t batch_max; /* rows the workspace holds, cut to ENT_MODEL_BLOCK; longer batches go
                           through it in blocks */
    bool training;      /* false: no gradient buffers (scoring) */
};

/* CONFIG when the layers do not fit together (the last one must be dense with 1 unit for bce). */
ENT_MUST enum ent_err ent_model_new(const struct ent_model_options *options,
                                    struct ent_model **out);
void ent_model_free(struct ent_model *model);
size_t ent_model_n_params(const struct ent_model *model);
uint32_t ent_model_n_inputs(const struct ent_model *model);
float *ent_model_params(struct ent_model *model); /* [n_params], the model's own storage */
float *ent_model_gradient(
    struct ent_model *model); /* [n_params], mean over the batch; NULL when not training */
/* He-normal weights, zero biases. Same rng state, same bits (same build). */
void ent_model_init_params(struct ent_model *model, struct ent_rng *rng);
/* x: [n][n_inputs] float32 row-major, any n. prob: [n] probabilities. No allocation. No dropout. */
void ent_model_predict(struct ent_model *model, const float *x, uint32_t n, float *prob);
/* One forward and backward pass: gradient of the mean loss into ent_model_gradient; *loss_sum gets
 * the sum of the rows' losses (double). y: [n] in {0, 1}, n > 0. Dropout draws from rng (position:
 * counter-based, so same rng, same bits). No allocation. */
void ent_model_step(struct ent_model *model, const float *x, const float *y, uint32_t n,
                    struct ent_rng *rng, double *loss_sum);

/* The same in pieces, for batches that are gathered piece by piece (a full batch): the gradient of
 * sum over all pieces' rows of loss / n_total. Pieces give the same bits as one step only when cut
 * at the same rows. */
struct ent_model_piece {
    const float *x; /* [n][n_inputs] */
    const float *y; /* [n] */
    uint32_t n;
    uint32_t n_total; /* rows of the whole batch */
    bool first;       /* replaces the gradient; otherwise adds to it */
};
/* *loss_sum is set when piece->first, otherwise added to. */
void ent_model_step_piece(struct ent_model *model, const struct ent_model_piece *piece,
                          struct ent_rng *rng, double *loss_sum);

/* Parameters of such a stack without building it. CONFIG, LIMIT on overflow. */
ENT_MUST enum ent_err ent_model_count(const struct ent_model_options *options, size_t *n_params);
/* He-normal start of such a stack into params [n_params] without building it (no workspace). */
ENT_MUST enum ent_err ent_model_init_vector(const struct ent_model_options *options,
                                            struct ent_rng *rng, float *params);

/* "dense", "relu", "dropout"; the kind of a name, or ENT_MODEL_LAYER_KINDS. */
const char *ent_model_layer_name(enum ent_model_layer_kind kind);
enum ent_model_layer_kind ent_model_layer_find(const char *name);

#endif
