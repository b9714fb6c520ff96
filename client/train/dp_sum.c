#include "client/train/dp_sum.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/math/vec.h"

/* What rounding in float32 may add to a sum is taken off the bound (privacy.md 4.1.3): 2^-8, with rows a product times the
 * batch at most 2^14. */
#define MARGIN 0x1p-8
#define PRODUCT_BUDGET ((uint64_t)1 << 14)
/* No coordinate of a sum leaves this. */
#define GRID_MAX 8388608.0

enum ent_err ent_dp_sum_init(struct ent_dp_sum *sum, struct ent_model *model,
                             const struct ent_dp_settings *settings)
{
    *sum = (struct ent_dp_sum){.model = model, .settings = settings};
    ENT_TRY(ent_train_block_init(&sum->block, model, ent_model_clip_block(model)));
    return ent_calloc_aligned(settings->dim, sizeof *sum->sum, &sum->sum);
}

void ent_dp_sum_release(struct ent_dp_sum *sum)
{
    if (sum->sum != NULL) {
        explicit_bzero(sum->sum, sum->settings->dim * sizeof *sum->sum);
    }
    free(sum->sum);
    sum->sum = NULL;
    ent_train_block_release(&sum->block);
}

/* Rows of zeros in the place of what is not there, and of what holds NaN or Inf: those are not live. */
static void pad(struct ent_dp_sum *sum, uint32_t n_steps)
{
    struct ent_train_block *block = &sum->block;
    bool sequence = block->lengths != NULL;
    size_t width = ent_model_n_inputs(sum->model) * (size_t)(sequence ? n_steps : 1);
    size_t targets = ent_model_n_targets(sum->model) * (size_t)(sequence ? block->n_targets : 1);
    size_t tokens = ent_model_n_tokens(sum->model);

    for (uint32_t i = 0; i < block->rows_max; i++) {
        float *x = block->x + i * width;
        float *y = block->y + i * targets;
        bool here = i < block->n;

        sum->live[i] = here && ent_vec_finite(x, width) && ent_vec_finite(y, targets);
        if (!sum->live[i]) {
            memset(x, 0, width * sizeof *x);
            memset(y, 0, targets * sizeof *y);
        }
        if (!here) {
            memset(block->tokens + i * tokens, 0, tokens * sizeof *block->tokens);
        }
    }
}

static void count(const struct ent_dp_sum *sum, double bound, struct ent_dp_log *log)
{
    for (uint32_t i = 0; i < sum->block.n; i++) {
        if (!sum->live[i] || !isfinite(sum->norms[i])) {
            log->nonfinite++;
        } else if (sum->norms[i] > bound) {
            log->clipped++;
        }
    }
}

static uint32_t product_rows(uint32_t n_batch)
{
    uint32_t rows = ENT_MODEL_CLIP_ROWS;

    while (rows > 1 && (uint64_t)rows * n_batch > PRODUCT_BUDGET) {
        rows /= 2;
    }
    return rows;
}

enum ent_err ent_dp_sum_add_up(struct ent_dp_sum *sum, const struct ent_rows *rows,
                               const uint32_t *batch, uint32_t n, struct ent_dp_log *log)
{
    struct ent_train_block *block = &sum->block;
    struct ent_model_clip clip = {.x = block->x,
                                  .tokens = block->tokens,
                                  .lengths = block->lengths,
                                  .y = block->y,
                                  .live = sum->live,
                                  .bound = sum->settings->clip * (1.0 - MARGIN),
                                  .product_rows = product_rows(n),
                                  .sum = sum->sum,
                                  .norms = sum->norms};

    memset(sum->sum, 0, sum->settings->dim * sizeof *sum->sum);
    for (uint32_t from = 0; from < n; from += block->n) {
        ENT_TRY(ent_train_block_fill(block, rows, batch + from, n - from));
        pad(sum, block->lengths != NULL ? block->lengths[0] : 0);
        ent_model_step_clipped(sum->model, &clip);
        count(sum, clip.bound, log);
    }
    return ENT_E_OK;
}

/* Cutting a coordinate never makes two sums differ more. */
int64_t ent_dp_sum_grid(const struct ent_dp_sum *sum, size_t i, struct ent_dp_log *log)
{
    double q = rint(ldexp(sum->sum[i], (int)sum->settings->scale_bits)); /* half to even */

    if (q >= -GRID_MAX && q <= GRID_MAX) {
        return (int64_t)q;
    }
    log->clamped++;
    if (isnan(q)) {
        return 0;
    }
    return q > 0.0 ? (int64_t)GRID_MAX : -(int64_t)GRID_MAX;
}
