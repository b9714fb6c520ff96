/* Exact metrics of arrays, for tests and for reports on local rows. (A federation's come from
 * histograms: common/task.) */
#ifndef ENT_COMMON_MODEL_METRICS_H
#define ENT_COMMON_MODEL_METRICS_H

#include <stdint.h>

#include "common/base/err.h"

#define ENT_METRICS_PROB_MIN                                                                       \
    0x1p-24 /* away from 0 and 1: one certain mistake is no infinite loss */

/* Area under the ROC curve, ties counted half: prob [n], y [n] in {0, 1}. DATA with one class only,
 * NONFINITE, NO_MEMORY. Sorts a copy: O(n log n), 8 n bytes. */
ENT_MUST enum ent_err ent_metrics_auc(const float *prob, const float *y, size_t n, double *out);
/* Mean of -log of the probability given to the true class, in nats; probabilities are kept
 * ENT_METRICS_PROB_MIN away from 0 and 1. 0 for n = 0. */
double ent_metrics_log_loss(const float *prob, const float *y, size_t n);

#endif
