/* Binary cross-entropy on logits. */
#ifndef ENT_COMMON_MODEL_LOSS_H
#define ENT_COMMON_MODEL_LOSS_H

#include <stddef.h>

/* loss(z, y) = max(z, 0) - z y + log(1 + e^-|z|); its derivative is sigmoid(z) - y.
 * logit, y, dlogit: [n]; dlogit = scale * (sigmoid(logit) - y); work: [n]. Returns the sum of the losses; not
 * finite when a logit is not. */
double ent_loss_bce(const float *logit, const float *y, float scale, float *work, float *dlogit,
                    size_t n);

#endif
