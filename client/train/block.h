/* Rows or sequences on their way from where they lie to the model. Inside this room only. */
#ifndef ENT_CLIENT_TRAIN_BLOCK_H
#define ENT_CLIENT_TRAIN_BLOCK_H

#include "client/train/trainer.h"

struct ent_train_block {
    const struct ent_model *model;
    uint32_t rows_max; /* rows or sequences */
    uint32_t steps_max;
    float *x;           /* [steps_max][n_inputs] */
    int32_t *tokens;    /* [steps_max][n_tokens] */
    float *y;           /* [steps_max][n_targets] */
    uint32_t *lengths;  /* [rows_max]; sequences only */
    uint32_t n;         /* rows or sequences that lie in it */
    uint32_t n_targets; /* targets that lie in it */
};

/* Who takes predictions. */
struct ent_train_take {
    void (*take)(void *ctx, const float *prob, const float *y, uint32_t n);
    void *ctx;
};

/* For at most rows_max rows a piece; sequences: as many as the model takes in one pass. */
ENT_MUST enum ent_err ent_train_block_init(struct ent_train_block *block,
                                           const struct ent_model *model, uint32_t rows_max);
void ent_train_block_release(struct ent_train_block *block);
/* The next piece of order[0..left), left > 0: block->n of them. DATA for a sequence whose length is not 1 to the
 * model's longest. */
ENT_MUST enum ent_err ent_train_block_fill(struct ent_train_block *block,
                                           const struct ent_rows *rows, const uint32_t *order,
                                           uint32_t left);
/* Targets of the rows order[0..n): what a mean loss divides by. */
uint32_t ent_train_block_targets(const struct ent_train_block *block, const struct ent_rows *rows,
                                 const uint32_t *order, uint32_t n);

#endif
