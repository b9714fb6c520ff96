#include "common/model/metrics.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/mem.h"

struct scored {
    float prob;
    float y;
};

static int by_prob(const void *pa, const void *pb)
{
    const struct scored *a = pa;
    const struct scored *b = pb;

    return (a->prob > b->prob) - (a->prob < b->prob);
}

/* Mann-Whitney: every positive counts the negatives below it, and half of those it ties with. All counts are integers
 * and halves, exact in double up to 2^52 pairs. */
static double rank_pairs(const struct scored *rows, size_t n)
{
    double below = 0.0;
    double pairs = 0.0;
    size_t i = 0;

    while (i < n) {
        double positives = 0.0;
        double negatives = 0.0;
        size_t from = i;

        for (; i < n && by_prob(&rows[i], &rows[from]) == 0; i++) {
            positives += rows[i].y > 0.5f ? 1.0 : 0.0;
            negatives += rows[i].y > 0.5f ? 0.0 : 1.0;
        }
        pairs += positives * (below + 0.5 * negatives);
        below += negatives;
    }
    return pairs;
}

enum ent_err ent_metrics_auc(const float *prob, const float *y, size_t n, double *out)
{
    struct scored *rows;
    double positives = 0.0;

    for (size_t i = 0; i < n; i++) {
        ENT_REQUIRE(isfinite(prob[i]), ENT_E_NONFINITE, "AUC: the score of row %zu is not finite",
                    i);
        positives += y[i] > 0.5f ? 1.0 : 0.0;
    }
    ENT_REQUIRE(positives > 0.0 && positives < (double)n, ENT_E_DATA,
                "AUC: the rows hold one class only");
    ENT_TRY(ent_calloc(n, sizeof *rows, &rows));
    for (size_t i = 0; i < n; i++) {
        rows[i] = (struct scored){.prob = prob[i], .y = y[i]};
    }
    qsort(rows, n, sizeof *rows, by_prob);
    *out = rank_pairs(rows, n) / (positives * ((double)n - positives));
    free(rows);
    return ENT_E_OK;
}

double ent_metrics_log_loss(const float *prob, const float *y, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++) {
        double p = y[i] > 0.5f ? (double)prob[i] : 1.0 - (double)prob[i];

        p = p < ENT_METRICS_PROB_MIN ? ENT_METRICS_PROB_MIN : p;
        sum -= log(p > 1.0 - ENT_METRICS_PROB_MIN ? 1.0 - ENT_METRICS_PROB_MIN : p);
    }
    return n > 0 ? sum / (double)n : 0.0;
}
