/* IN rows or sequences that are scored, the model · OUT how much each column matters to it · OWNS a bounded sample of them
 * THREADS one · SOURCE Vitter 1985, algorithm R (the sample); client/agent/importance.h (the figures)
 *
 * Of the rows that pass by a uniform sample is kept, at most ENT_EXPLAIN_ROWS of them and no more than fit into
 * ENT_EXPLAIN_BYTES: memory does not depend on the number of rows. Once a row with a label has come, only such rows are
 * kept. All parts of a date (and whatever else is made of one column) are disturbed together. Of sequences the events that
 * the model sees exchange their values, across sequences and steps; what comes next stays the target that it was.
 *
 * Base value of a column (rows without labels): a number's mean over all members' training rows, as the model file has
 * it; otherwise the most frequent value of the sample, missing included. */
#ifndef ENT_CLIENT_AGENT_EXPLAIN_H
#define ENT_CLIENT_AGENT_EXPLAIN_H

#include <stdint.h>

#include "client/agent/importance.h"
#include "client/data/prep.h"
#include "client/data/table.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/model/modelfile.h"

#define ENT_EXPLAIN_ROWS 10000U
#define ENT_EXPLAIN_BYTES ((size_t)64 << 20)
#define ENT_EXPLAIN_REPEATS 5U

struct ent_explain_options {
    uint32_t rows;    /* of the sample; 0 = ENT_EXPLAIN_ROWS */
    uint32_t repeats; /* 0 = ENT_EXPLAIN_REPEATS */
    uint64_t seed;    /* of sample and exchanges */
};

/* The model as it is scored with; borrowed until the explainer is freed. */
struct ent_explain_model {
    struct ent_model *model;
    const struct ent_model_info *info;
    const struct ent_prep *prep;
    struct ent_schema schema;
};

struct ent_explainer;

ENT_MUST enum ent_err ent_explainer_new(const struct ent_explain_model *model,
                                        const struct ent_explain_options *options,
                                        struct ent_explainer **out);
void ent_explainer_free(struct ent_explainer *explainer);
/* A row of a table of the model's schema passes by (or a sequence: a row of a table with events). */
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
    bool sequences;
};

uint32_t ent_explainer_rows(const struct ent_explainer *explainer); /* in the sample */
/* DATA when there are none. */
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
