/* Losses on a block of rows: their sum, and the derivative by the outputs. */
#ifndef ENT_COMMON_MODEL_LOSS_H
#define ENT_COMMON_MODEL_LOSS_H

#include <stddef.h>

#include "common/model/model.h"

/* loss(z, y) = max(z, 0) - z y + log(1 + e^-|z|); its derivative is sigmoid(z) - y.
 * logit, y, dlogit: [n]; dlogit = scale * (sigmoid(logit) - y); work: [n]. Returns the sum of the losses; not
 * finite when a logit is not. */
double ent_loss_bce(const float *logit, const float *y, float scale, float *work, float *dlogit,
                    size_t n);

/* One block for any loss. */
struct ent_loss_block {
    const float *out;     /* [n][n_outputs] */
    const float *y;       /* [n][n_targets] */
    const float *weights; /* of classes; NULL: all 1 */
    float scale;          /* of the derivative */
    float *work;          /* [n][n_outputs] */
    float *d;             /* [n][n_outputs] scale * derivative of the sum of the losses */
    size_t n;
    size_t n_outputs;
};

struct ent_loss {
    const char *name;
    /* Sum of the losses; not finite when an output is NaN, or infinite where it counts. */
    double (*block)(const struct ent_loss_block *block);
    /* Outputs to probabilities (or values), in place. */
    void (*predict)(float *out, size_t n, size_t n_outputs);
};

/* NULL for a number that is no kind. */
const struct ent_loss *ent_loss_of(enum ent_model_loss_kind kind);

#endif
