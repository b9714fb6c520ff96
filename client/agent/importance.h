/* IN a model's answers with one column disturbed at a time · OUT how much each column matters · OWNS nothing after the
 * call · THREADS one · SOURCE Breiman 2001, section 10 (permutation); Fisher, Rudin, Dominici 2019 (model reliance)
 *
 * With labels: the rise of the mean loss when the rows exchange this column's values at random, the others as they
 * are; mean of several exchanges. Without labels: how far the answers move when every row gets the column's base
 * value. Neither says what causes what: columns that tell the same share their importance, and what a model does not
 * use may matter all the same.
 *
 * Knows nothing of where values lie: rows of a table and steps of sequences come through the same function. */
#ifndef ENT_CLIENT_AGENT_IMPORTANCE_H
#define ENT_CLIENT_AGENT_IMPORTANCE_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/model/model.h"

/* What is asked. */
struct ent_importance_input {
    enum ent_model_loss_kind kind;
    uint32_t n_values; /* of a column, that can be exchanged: rows, or all steps of all sequences */
    uint32_t n_answers; /* targets: rows, or steps, or sequences */
    uint32_t n_outputs; /* of an answer */
    uint32_t n_columns;
    const float *y; /* [n_answers] 0 or 1, class (below 0: none), number; NULL: no labels */
    /* The answers [n_answers][n_outputs] with column `column` disturbed: its value i becomes value from[i], or, where
     * from is NULL, its base value. column == n_columns: nothing is disturbed. */
    ENT_MUST enum ent_err (*answer)(void *ctx, uint32_t column, const uint32_t *from, float *out);
    void *ctx;
    uint32_t repeats; /* exchanges of each column; 1 .. ENT_IMPORTANCE_REPEATS_MAX */
    uint64_t seed;
};
#define ENT_IMPORTANCE_REPEATS_MAX 1000U

struct ent_importance {
    uint32_t column;
    double
        importance; /* what the list is sorted by: loss, or distance of answers (bce: |score - score|, softmax: half
                          the sum over classes, mse: |number - number|) */
    double deviation; /* of the exchanges; labels only */
    double auc;       /* bce with both labels: the AUC with the column exchanged; otherwise NaN */
    double
        shift; /* bce, mse without labels: mean of (disturbed - undisturbed) answer; otherwise NaN */
};

struct ent_importances {
    bool exchanged; /* labels were there */
    double
        loss; /* undisturbed mean loss: bce and softmax in nats, mse squared; NaN without labels */
    double auc;                     /* undisturbed; NaN where it is not defined */
    uint32_t n;                     /* columns */
    struct ent_importance *columns; /* [n] most important first; equal ones in the columns' order */
};

/* Memory: two answers and one order, about (8 n_outputs + 8) bytes an answer. DATA without rows, CONFIG for too many
 * repeats, errors of `answer`. Same input, same list. */
ENT_MUST enum ent_err ent_importance_measure(const struct ent_importance_input *input,
                                             struct ent_importances *out);
void ent_importances_release(struct ent_importances *importances);

#endif
