#include <stdlib.h>

#include "client/train/block.h"
#include "common/base/mem.h"

#define BLOCK ENT_MODEL_BLOCK

static enum ent_err predict(struct ent_model *model, const struct ent_rows *rows,
                            struct ent_train_block *block, float *prob,
                            const struct ent_train_take *take)
{
    uint32_t order[BLOCK];

    for (uint32_t from = 0; from < rows->n; from += block->n) {
        uint32_t n = rows->n - from < BLOCK ? rows->n - from : BLOCK;
        struct ent_model_batch batch = {
            .lengths = block->lengths, .x = block->x, .tokens = block->tokens};

        for (uint32_t i = 0; i < n; i++) {
            order[i] = from + i;
        }
        ENT_TRY(ent_train_block_fill(block, rows, order, n));
        batch.n = block->n;
        ent_model_predict_batch(model, &batch, prob);
        take->take(take->ctx, prob, block->y, block->n_targets);
    }
    return ENT_E_OK;
}

enum ent_err
ent_train_predict(struct ent_model *model, const struct ent_rows *rows,
                  void (*take)(void *ctx, const float *prob, const float *y, uint32_t n), void *ctx)
{
    struct ent_train_take to = {.take = take, .ctx = ctx};
    struct ent_train_block block;
    float *prob = NULL;
    size_t n;
    enum ent_err err = ent_train_block_init(&block, model, BLOCK);

    if (err == ENT_E_OK) {
        err = ent_size_mul(block.steps_max, ent_model_n_outputs(model), &n);
    }
    if (err == ENT_E_OK) {
        err = ent_calloc_aligned(n, sizeof *prob, &prob);
    }
    if (err == ENT_E_OK) {
        err = predict(model, rows, &block, prob, &to);
    }
    free(prob);
    ent_train_block_release(&block);
    return err;
}
