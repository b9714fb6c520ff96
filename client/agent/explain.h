/* IN rows that are scored, the model · OUT how much each column matters to it · OWNS a bounded sample of the rows
 * THREADS one · SOURCE Vitter 1985, algorithm R (the sample); client/agent/importance.h (the figures)
 *
 * Of the rows that pass by a uniform sample is kept, at most ENT_EXPLAIN_ROWS of them and no more than fit into
 * ENT_EXPLAIN_BYTES: memory does not depend on the number of rows. Once a row with a label has come, only such rows are
 * kept. All parts of a date (and whatever else is made of one column) are disturbed together.
 *
 * Base value of a column (rows without labels): a number's mean over all members' training rows, as the model file has
 * it; otherwise the most frequent value of the sample, missing included. */
#ifndef ENT_CLIENT_AGENT_EXPLAIN_H
#define ENT_CLIENT_AGENT_EXPLAIN_H

#include <stdint.h>

#include "client/agent/importance.h"
#include "client/agent/predictor.h"

#define ENT_EXPLAIN_ROWS 10000U
#define ENT_EXPLAIN_BYTES ((size_t)64 << 20)
#define ENT_EXPLAIN_REPEATS 5U

struct ent_explain_options {
    uint32_t rows;    /* of the sample; 0 = ENT_EXPLAIN_ROWS */
    uint32_t repeats; /* 0 = ENT_EXPLAIN_REPEATS */
    uint64_t seed;    /* of sample and exchanges */
};

struct ent_explainer;

/* The predictor is borrowed until free. */
ENT_MUST enum ent_err ent_explainer_new(struct ent_predictor *predictor,
                                        const struct ent_explain_options *options,
                                        struct ent_explainer **out);
void ent_explainer_free(struct ent_explainer *explainer);
/* A row of a table of the predictor's schema passes by. */
void ent_explainer_offer(struct ent_explainer *explainer, const struct ent_table *table,
                         uint32_t row);

struct ent_explanation {
    struct ent_importances of;
    char **names;     /* [of.n] by ent_importance.column; owned */
    uint32_t rows;    /* in the sample */
    uint64_t of_rows; /* it was taken out of */
    uint32_t repeats;
    uint64_t seed;
    enum ent_model_loss_kind kind;
};

ENT_MUST enum ent_err ent_explainer_finish(struct ent_explainer *explainer,
                                           struct ent_explanation *out);
void ent_explanation_release(struct ent_explanation *explanation);

struct ent_json_writer;
/* The table, most important first, and what its numbers mean. */
void ent_explanation_print(const struct ent_explanation *explanation, FILE *out);
/* The same as the members of an object that is open. */
void ent_explanation_put(const struct ent_explanation *explanation, struct ent_json_writer *w);
/* "column,importance,deviation,auc,shift", appended; blank where a figure is not defined. */
ENT_MUST enum ent_err ent_explanation_csv(const struct ent_explanation *explanation,
                                          struct ent_buf *out);

#endif
