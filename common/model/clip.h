/* A step whose gradients are clipped example by example, without a gradient per example. For differential privacy.
 *
 * One way back gives every layer's derivatives by its sums; from them and the layer's inputs follow the norms, layer by
 * layer (ent_layer_vtable.norms). Then the derivatives of each example are scaled by f = min(1, bound / norm) and the
 * products that make a gradient are done once, on the scaled ones (ent_layer_vtable.clipped): no second way back.
 *
 * An example is a row, or a sequence. Its part of the sum is the same, bit for bit, whoever else is in the batch and
 * wherever it stands: rows go through in blocks of ent_model_clip_block, always full (the caller pads with zero rows that
 * are not live), sequences one by one, since the shape of a product decides how it is added up.
 *
 * Floating point: norms are float32 over short runs, then double (to 2^-18). Products over at most product_rows rows are
 * float32 and then added into double sums; where terms of one example may cancel (the steps of a sequence), its norm is
 * enlarged by what float32 can lose. An example whose norm is beyond 2^64 times the bound, or whose input to a layer is
 * beyond 2^32, counts as 0, as one that is not finite. */
#ifndef ENT_COMMON_MODEL_CLIP_H
#define ENT_COMMON_MODEL_CLIP_H

#include "common/model/model.h"

/* Examples of one block. */
#define ENT_MODEL_CLIP_ROWS 64u

/* Whether gradients of such a model can be clipped by example. Otherwise *name: the first layer that has no rule ("batch
 * ensemble", "dropout"); static. */
bool ent_model_can_clip(const struct ent_model_options *options, const char **name);

/* Whether the model was made with `clips`. */
bool ent_model_clips(const struct ent_model *model);

/* Examples that a block holds: rows: ENT_MODEL_CLIP_ROWS; sequences: 1. */
uint32_t ent_model_clip_block(const struct ent_model *model);

struct ent_model_clip {
    const float *x;        /* finite; [block][n_inputs], or [steps][n_inputs] of the one sequence */
    const int32_t *tokens; /* as in struct ent_model_batch */
    const uint32_t *lengths; /* as in struct ent_model_batch */
    const float *y;          /* targets as in struct ent_model_piece; all of the block */
    const bool *live;        /* [block]; others count as 0; NULL: all */
    double bound;            /* > 0 */
    uint32_t product_rows;   /* examples of one float32 product, >= 1 */
    double *sum;             /* [n_params], added to */
    double *norms;           /* [block] out, of the gradient of the mean loss over the example's
                              * targets, before it is clipped; not finite: it counted as 0 */
};

/* One block; the model must have been made with `clips`. Parameters are not changed. No allocation. */
void ent_model_step_clipped(struct ent_model *model, const struct ent_model_clip *clip);

#endif
