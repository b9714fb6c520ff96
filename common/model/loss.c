#include "common/model/loss.h"

#include <math.h>

#include "common/math/vec.h"

/* Factors of at most 2 whose product is still far from overflow: one logarithm for 512 rows. */
#define ROWS_A_LOG 512

double ent_loss_bce(const float *logit, const float *y, float scale, float *work, float *dlogit,
                    size_t n)
{
    double sum = 0.0;
    double product = 1.0;

    for (size_t i = 0; i < n; i++) {
        work[i] = -fabsf(logit[i]);
    }
    ent_vec_exp(work, work, n);
    for (size_t i = 0; i < n; i++) {
        double z = (double)logit[i];
        double e = (double)work[i];
        double p = (z >= 0.0 ? 1.0 : e) / (1.0 + e); /* sigmoid(z) without cancellation */

        product *= 1.0 + e;
        sum += (z > 0.0 ? z : 0.0) - z * (double)y[i];
        dlogit[i] = scale * (float)(p - (double)y[i]);
        if (i % ROWS_A_LOG == ROWS_A_LOG - 1) {
            sum += log(product);
            product = 1.0;
        }
    }
    return sum + log(product);
}
