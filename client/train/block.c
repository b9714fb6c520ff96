#include "client/train/block.h"

#include <stdlib.h>

#include "common/base/mem.h"

enum ent_err ent_train_block_init(struct ent_train_block *block, const struct ent_model *model,
                                  uint32_t rows_max)
{
    size_t n;

    *block = (struct ent_train_block){.model = model, .rows_max = rows_max, .steps_max = rows_max};
    if (ent_model_seq_max(model) > 0) {
        block->rows_max =
            rows_max < ent_model_block_rows(model) ? rows_max : ent_model_block_rows(model);
        block->steps_max = ent_model_block_steps(model);
        ENT_TRY(ent_calloc(block->rows_max, sizeof *block->lengths, &block->lengths));
    }
    ENT_TRY(ent_size_mul(block->steps_max, ent_model_n_inputs(model), &n));
    ENT_TRY(ent_calloc_aligned(n, sizeof *block->x, &block->x));
    ENT_TRY(ent_size_mul(block->steps_max, ent_model_n_targets(model), &n));
    ENT_TRY(ent_calloc_aligned(n, sizeof *block->y, &block->y));
    ENT_TRY(ent_size_mul(block->steps_max, ent_model_n_tokens(model), &n));
    return ent_calloc_aligned(n, sizeof *block->tokens, &block->tokens);
}

void ent_train_block_release(struct ent_train_block *block)
{
    free(block->x);
    free(block->y);
    free(block->tokens);
    free(block->lengths);
    *block = (struct ent_train_block){0};
}

/* How many sequences go into the piece, their lengths and steps. */
static enum ent_err measure(struct ent_train_block *block, const struct ent_rows *rows,
                            const uint32_t *order, uint32_t left, uint32_t *n_steps)
{
    uint32_t most = ent_model_seq_max(block->model);
    uint32_t steps = 0;
    uint32_t n;

    ENT_BUG_ON(rows->steps == NULL || rows->fill == NULL);
    for (n = 0; n < left && n < block->rows_max; n++) {
        uint32_t length = rows->steps(rows->ctx, order[n]);

        ENT_REQUIRE(length >= 1 && length <= most, ENT_E_DATA,
                    "a sequence has %u steps; 1 to %u are possible", length, most);
        if (steps + length > block->steps_max) {
            break;
        }
        block->lengths[n] = length;
        steps += length;
    }
    block->n = n;
    *n_steps = steps;
    return ENT_E_OK;
}

enum ent_err ent_train_block_fill(struct ent_train_block *block, const struct ent_rows *rows,
                                  const uint32_t *order, uint32_t left)
{
    struct ent_rows_block out = {.x = block->x, .tokens = block->tokens, .y = block->y};

    block->n = left < block->rows_max ? left : block->rows_max;
    out.n_steps = block->n;
    if (block->lengths != NULL) {
        ENT_TRY(measure(block, rows, order, left, &out.n_steps));
    }
    if (rows->fill != NULL) {
        rows->fill(rows->ctx, order, block->n, &out);
    } else {
        rows->gather(rows->ctx, order, block->n, block->x, block->y);
    }
    block->n_targets = ent_model_per_step(block->model) ? out.n_steps : block->n;
    return ENT_E_OK;
}

uint32_t ent_train_block_targets(const struct ent_train_block *block, const struct ent_rows *rows,
                                 const uint32_t *order, uint32_t n)
{
    uint32_t steps = 0;

    if (!ent_model_per_step(block->model)) {
        return n;
    }
    for (uint32_t i = 0; i < n; i++) {
        steps += rows->steps(rows->ctx, order[i]);
    }
    return steps;
}
