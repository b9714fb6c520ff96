/* IN a table with labels, some of its rows · OUT how much each column says of the label by itself, and which one
 * tells it OWNS nothing · THREADS any · SOURCE BASELINES.md 3 (`duration`); docs/FEATURES.md
 *
 * A column that is recorded with the outcome and not before it (the length of the call in which the customer agreed)
 * makes a model that is of no use when it is needed. From the data alone that cannot be proved, and a strong honest
 * column (the pages a visitor looked at) must not be accused. What tells them apart here: the leak rules the outcome
 * out, or makes it certain, over a whole stretch of its values, and nothing else comes near it. A column is named when
 * at least 500 rows and 50 of each label are there and either
 *   auc >= 0.98                                   it is the label in other words, or
 *   auc >= 0.75, and (auc - 1/2) >= 1.4 times that of the next column, and
 *   at least 8 % of the rows have a value where one of the labels is at most a tenth as frequent as in all rows.
 * Numbers go in by 20 quantile bins, missing apart; values of fewer than 30 rows rule nothing out. The AUC is cross-
 * fitted: each half of the customers is ranked by the rates of the other, so that many values are no merit. Figures of
 * the member's own training rows; they stay with it. */
#ifndef ENT_CLIENT_DATA_LEAK_H
#define ENT_CLIENT_DATA_LEAK_H

#include <stdint.h>

#include "client/data/split.h"
#include "client/data/table.h"
#include "common/base/err.h"

#define ENT_LEAK_MIN_ROWS 500
#define ENT_LEAK_MIN_LABELS 50

struct ent_leak {
    double auc;     /* of this column alone, cross-fitted; 0.5 when it cannot be told */
    double certain; /* share of the rows where one label is all but ruled out */
    bool leaks;
};

/* out: [n_features]. *judged: false when there are too few rows or labels; then nothing leaks. */
ENT_MUST enum ent_err ent_leak_find(const struct ent_table *table,
                                    const struct ent_split_rows *rows, struct ent_leak *out,
                                    bool *judged);
/* A sentence for each column that leaks; nothing otherwise. */
void ent_leak_print(const struct ent_table *table, const struct ent_leak *found, FILE *out);

#endif
