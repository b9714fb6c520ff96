/* IN a table of sequences (or of rows with tokens or other labels), a prep, a list · OUT rows as the trainer takes them
 * OWNS the list · THREADS one at a time · SOURCE common/model/model.h (struct ent_model_batch)
 *
 * Where ent_gather makes inputs and labels of plain rows, this makes inputs, tokens and targets of whatever a plan may have.
 * Nothing is prepared ahead: a block is encoded when it is asked for. */
#ifndef ENT_CLIENT_EVENTS_STEPS_H
#define ENT_CLIENT_EVENTS_STEPS_H

#include <stdint.h>

#include "client/data/prep.h"
#include "client/train/trainer.h"

struct ent_steps;

/* rows: [n] rows of the table (copied). prep and table are borrowed. */
ENT_MUST enum ent_err ent_steps_new(const struct ent_prep *prep, const struct ent_table *table,
                                    const uint32_t *rows, uint32_t n, struct ent_steps **out);
void ent_steps_free(struct ent_steps *steps);
/* Valid as long as the steps are. */
struct ent_rows ent_steps_rows(struct ent_steps *steps);

/* What a model sees of a row of the table without its target: events, from `first` on in ent_table_columns. A sequence
 * that is to be learned from gives its last event away as target. */
struct ent_span {
    uint32_t first;
    uint32_t n;
};
struct ent_span ent_steps_span(const struct ent_table *table, uint32_t row);

#endif
