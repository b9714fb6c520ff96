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

#define ENT_MODEL_LAYERS_MAX 128       /* 64 of a plan and its embeddings */
#define ENT_MODEL_UNITS_MAX 1048576u   /* inputs or units of one layer */
#define ENT_MODEL_VALUES_MAX 16777216u /* values of one embedding */
#define ENT_MODEL_ENSEMBLE_MAX 64u
#define ENT_MODEL_BLOCK                                                                            \
    256u /* rows in one pass: activations stay in the cache, workspace stays small */
#define ENT_MODEL_SEQ_BLOCK 32u  /* sequences in one pass (performance.md 3, item 8) */
#define ENT_MODEL_SEQ_MAX 65536u /* steps of one sequence */

/* The model room's own description of a layer (ent_plan_model_options turns the plan's into it). */
enum ent_model_layer_kind {
    ENT_MODEL_DENSE,
    ENT_MODEL_RELU,
    ENT_MODEL_DROPOUT,
    ENT_MODEL_TANH,
    ENT_MODEL_SIGMOID,
    ENT_MODEL_EMBEDDING, /* first layers only: the j-th takes the j-th token of a row or step and
                            puts its vector behind the row's floats */
    ENT_MODEL_RNN,       /* h = tanh(x Wx + bx + h Wh + bh) */
    ENT_MODEL_GRU,       /* gates r, z, n as PyTorch has them */
    ENT_MODEL_LSTM,      /* gates i, f, g, o as PyTorch has them */
    ENT_MODEL_LAST,      /* of a sequence's steps: the last */
    ENT_MODEL_MAX_POOL,  /* the largest of each unit over time */
    ENT_MODEL_MEAN_POOL, /* the mean of each unit over time */
    ENT_MODEL_LAYER_KINDS
};
struct ent_model_layer {
    enum ent_model_layer_kind kind;
    uint32_t units; /* DENSE, RNN, GRU, LSTM; EMBEDDING: length of a vector */
    float rate; /* DROPOUT: probability of zero, [0, 1); used as the nearest multiple of 2^-16 */
    uint32_t values; /* EMBEDDING: tokens are 0 .. values - 1 */
};

/* What the outputs mean. All zero: bce without weights. */
enum ent_model_loss_kind {
    ENT_MODEL_BCE,     /* one output, the logit of the label; targets 0 or 1 */
    ENT_MODEL_SOFTMAX, /* n outputs, the logits of n classes; targets 0 .. n - 1 (a whole float) */
    ENT_MODEL_MSE,     /* n outputs; n targets a row; loss = mean over outputs of (out - y)^2 */
    ENT_MODEL_LOSS_KINDS
};
struct ent_model_loss {
    enum ent_model_loss_kind kind;
    /* Factors of the loss of each class, [n_class_weights]: 2 for bce (0, 1), n for softmax; NULL
     * and 0: all 1. The mean is over rows, not over weights. */
    const float *class_weights; /* copied */
    uint32_t n_class_weights;
};

struct ent_model;

struct ent_model_options {
    uint32_t n_inputs;                    /* floats of a row or step; 0 only with embeddings */
    const struct ent_model_layer *layers; /* copied */
    uint32_t n_layers;
    uint32_t batch_max; /* rows the workspace holds, cut to ENT_MODEL_BLOCK; longer batches go
                           through it in blocks */
    bool training;      /* false: no gradient buffers (scoring) */
    bool clips; /* with training: for ent_model_step_clipped (clip.h), in blocks of its size */
    struct ent_model_loss loss;
    uint32_t ensemble; /* 0 or 1: none; k: the dense layers are k sub-networks (layer_ensemble.c) */
    /* Sequences: the longest, in steps; 0: rows without a time. Without a pooling layer there is
     * one output (and one target) a step, with one there is one a sequence. */
    uint32_t seq_max;
    uint32_t truncate; /* back-propagation stops after every so many steps; 0: never */
};

/* CONFIG when the layers do not fit together (the last one must be dense; with 1 unit for bce). */
ENT_MUST enum ent_err ent_model_new(const struct ent_model_options *options,
                                    struct ent_model **out);
void ent_model_free(struct ent_model *model);
size_t ent_model_n_params(const struct ent_model *model);
uint32_t ent_model_n_inputs(const struct ent_model *model);  /* floats of a row or step */
uint32_t ent_model_n_tokens(const struct ent_model *model);  /* tokens of a row or step */
uint32_t ent_model_n_outputs(const struct ent_model *model); /* 1 for bce */
uint32_t
ent_model_n_targets(const struct ent_model *model);        /* floats of one target; 1 but for mse */
uint32_t ent_model_seq_max(const struct ent_model *model); /* 0: rows */
bool ent_model_per_step(const struct ent_model *model);    /* one output a step of a sequence */
/* What one pass holds: longer batches go through in blocks, pieces should fit. Steps: all
 * sequences of a piece together; the same as rows where there are no sequences. */
uint32_t ent_model_block_rows(const struct ent_model *model);
uint32_t ent_model_block_steps(const struct ent_model *model);
float *ent_model_params(struct ent_model *model); /* [n_params], the model's own storage */
float *ent_model_gradient(
    struct ent_model *model); /* [n_params], mean over the batch; NULL when not training */
/* Consecutive ranges of the parameter vector that weight decay shrinks (matrices, not biases and
 * scales): the i-th; false beyond the last. */
bool ent_model_decay_range(const struct ent_model *model, uint32_t i, size_t *first, size_t *n);
/* He-normal dense weights, zero biases; recurrent layers uniform in +-1/sqrt(units); embeddings
 * standard normal; scales of an ensemble +-1 and 1. Same rng state, same bits (same build). */
void ent_model_init_params(struct ent_model *model, struct ent_rng *rng);
/* x: [n][n_inputs] float32 row-major, any n. prob: [n] probabilities. No allocation. No dropout.
 * Rows only, without tokens; prob [n][n_outputs] for losses other than bce. */
void ent_model_predict(struct ent_model *model, const float *x, uint32_t n, float *prob);
/* One forward and backward pass: gradient of the mean loss into ent_model_gradient; *loss_sum gets
 * the sum of the rows' losses (double). y: [n] in {0, 1}, n > 0. Dropout draws from rng (position:
 * counter-based, so same rng, same bits). No allocation. */
void ent_model_step(struct ent_model *model, const float *x, const float *y, uint32_t n,
                    struct ent_rng *rng, double *loss_sum);

/* Rows or sequences. A sequence's steps stand one behind the other, without padding, in the order
 * of time; sequences in any order (the model sorts and packs them itself). */
struct ent_model_batch {
    uint32_t n;              /* rows, or sequences */
    const uint32_t *lengths; /* [n] steps, each 1 .. seq_max; NULL for rows */
    const float *x;          /* [rows or all steps][n_inputs] */
    const int32_t *tokens; /* [rows or all steps][n_tokens], each 0 .. values - 1; NULL for none */
};
/* out: [n][n_outputs], or [all steps][n_outputs] when ent_model_per_step, in the batch's order:
 * probabilities (bce: of the label, softmax: of each class; of an ensemble the mean of its
 * members'), or values (mse). Any n. No allocation. No dropout. */
void ent_model_predict_batch(struct ent_model *model, const struct ent_model_batch *batch,
                             float *out);

/* A step in pieces, for batches that are gathered piece by piece (a full batch): the gradient of
 * sum over all pieces' targets of loss / n_total. Pieces give the same bits as one step only when
 * cut at the same rows. */
struct ent_model_piece {
    const float *x; /* [n][n_inputs]; sequences: [all steps][n_inputs] */
    const float *y; /* [n][n_targets], or [all steps][n_targets] when ent_model_per_step; softmax: a
                       target below 0 has no loss */
    uint32_t n;
    uint32_t n_total;        /* targets of the whole batch: rows, sequences, or all steps */
    bool first;              /* replaces the gradient; otherwise adds to it */
    const uint32_t *lengths; /* as in struct ent_model_batch */
    const int32_t *tokens;
};
/* *loss_sum is set when piece->first, otherwise added to. */
void ent_model_step_piece(struct ent_model *model, const struct ent_model_piece *piece,
                          struct ent_rng *rng, double *loss_sum);

/* Parameters of such a stack without building it. CONFIG, LIMIT on overflow. */
ENT_MUST enum ent_err ent_model_count(const struct ent_model_options *options, size_t *n_params);
/* Bytes that such a model takes (ent_model_new counts with the same code), and the sizes that
 * callers need to count what they take beside it. Nothing of that is allocated. CONFIG, LIMIT. */
struct ent_model_size {
    size_t bytes;
    size_t n_params;
    uint32_t n_inputs;
    uint32_t n_tokens;
    uint32_t n_outputs;
    uint32_t n_targets;
    uint32_t block_rows;  /* ent_model_block_rows */
    uint32_t block_steps; /* ent_model_block_steps */
};
ENT_MUST enum ent_err ent_model_measure(const struct ent_model_options *options,
                                        struct ent_model_size *out);
/* Start of such a stack into params [n_params] without building it (no workspace). */
ENT_MUST enum ent_err ent_model_init_vector(const struct ent_model_options *options,
                                            struct ent_rng *rng, float *params);

/* "dense", "relu", ...; the kind of a name, or ENT_MODEL_LAYER_KINDS. */
const char *ent_model_layer_name(enum ent_model_layer_kind kind);
enum ent_model_layer_kind ent_model_layer_find(const char *name);
/* "bce", "softmax", "mse"; the kind of a name, or ENT_MODEL_LOSS_KINDS. */
const char *ent_model_loss_name(enum ent_model_loss_kind kind);
enum ent_model_loss_kind ent_model_loss_find(const char *name);

#endif
