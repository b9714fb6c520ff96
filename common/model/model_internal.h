/* A model and its buffers. Inside the model room only. */
#ifndef ENT_COMMON_MODEL_MODEL_INTERNAL_H
#define ENT_COMMON_MODEL_MODEL_INTERNAL_H

#include "common/model/layer.h"
#include "common/model/loss.h"

struct ent_decay_range {
    size_t first;
    size_t n;
};

struct ent_model {
    uint32_t n_inputs;
    uint32_t n_tokens;
    uint32_t n_outputs;
    uint32_t n_targets;
    uint32_t n_layers;
    uint32_t members;
    uint32_t seq_max;
    bool per_step;  /* sequences, and nothing pools them */
    uint32_t block; /* rows or sequences the buffers hold */
    uint32_t block_steps;
    bool training;
    bool clips;
    bool counts;  /* nothing is allocated, only counted */
    size_t bytes; /* taken so far */
    size_t n_params;
    float *params;
    float *gradient;
    const struct ent_loss *loss;
    float *class_weights; /* or NULL */
    float *delta[2]; /* the largest rows x width: dy and dx change places from layer to layer */
    double *squares; /* [block] of a block that is clipped: squared norms, and the factors */
    float *factors;
    float *loss_work; /* [rows out of one member][n_outputs] */
    /* Sequences: the batch as it lies in the pass. */
    struct ent_pack pack;
    float *x;        /* [block_steps][n_inputs] */
    int32_t *tokens; /* [block_steps][n_tokens] */
    float *y;        /* [block_steps or block][n_targets] */
    size_t
        rows[ENT_MODEL_LAYERS_MAX + 1]; /* of each layer's input in this pass, and of the output */
    struct ent_layer layers[ENT_MODEL_LAYERS_MAX];
    struct ent_decay_range decay[ENT_MODEL_LAYERS_MAX * ENT_LAYER_TENSORS_MAX];
    uint32_t n_decay;
};

/* One block of the caller's rows or sequences. */
struct ent_block {
    const float *x;
    const int32_t *tokens;
    const uint32_t *lengths; /* NULL: rows */
    uint32_t n;
};

/* n * size zeroed bytes for the model, or only their count. NO_MEMORY, LIMIT. */
ENT_MUST enum ent_err ent_model_take(struct ent_model *model, size_t n, size_t size, void *out_ptr);
/* Buffers of the pack. */
ENT_MUST enum ent_err ent_pack_alloc(struct ent_model *model);
void ent_pack_release(struct ent_model *model);
/* How many of the n sequences from the first on fit one pass, at least 1; *n_steps of them. */
uint32_t ent_pack_fit(const struct ent_model *model, const uint32_t *lengths, uint32_t n,
                      uint32_t *n_steps);
/* Sorts the block's sequences and brings their steps into model->x and model->tokens. */
void ent_pack_fill(struct ent_model *model, const struct ent_block *block);
/* Targets of the block into model->y, and outputs [rows][width] back into the batch's order. */
void ent_pack_targets(struct ent_model *model, const float *y);
void ent_pack_outputs(const struct ent_model *model, const float *from, float *to);

/* One layer's pass over the block, without the buffers of the way back. */
struct ent_layer_pass ent_model_pass_of(const struct ent_model *model, uint32_t i,
                                        const struct ent_block *block);
/* The block through all layers; returns the outputs [members][rows][n_outputs]. rng: NULL when scoring. */
float *ent_model_forward(struct ent_model *model, const struct ent_block *block,
                         struct ent_rng *rng);

#endif
