#include <stdlib.h>

#include "client/train/trainer.h"
#include "common/base/mem.h"

#define BLOCK ENT_MODEL_BLOCK

enum ent_err
ent_train_predict(struct ent_model *model, const struct ent_rows *rows,
                  void (*take)(void *ctx, const float *prob, const float *y, uint32_t n), void *ctx)
{
    uint32_t n_inputs = ent_model_n_inputs(model);
    uint32_t order[BLOCK];
    float *x; /* rows, then labels, then probabilities */
    float *y;
    float *prob;

    ENT_TRY(ent_calloc_aligned((size_t)BLOCK * ((size_t)n_inputs + 2), sizeof *x, &x));
    y = x + (size_t)BLOCK * n_inputs;
    prob = y + BLOCK;
    for (uint32_t from = 0; from < rows->n; from += BLOCK) {
        uint32_t n = rows->n - from < BLOCK ? rows->n - from : BLOCK;

        for (uint32_t i = 0; i < n; i++) {
            order[i] = from + i;
        }
        rows->gather(rows->ctx, order, n, x, y);
        ent_model_predict(model, x, n, prob);
        take(ctx, prob, y, n);
    }
    free(x);
    return ENT_E_OK;
}
