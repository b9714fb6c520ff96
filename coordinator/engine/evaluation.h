/* IN metrics of a round · OUT their JSON, and the table that a marketer reads · OWNS nothing · THREADS engine; any
 * SOURCE common/task/metrics.h */
#ifndef ENT_COORDINATOR_ENGINE_EVALUATION_H
#define ENT_COORDINATOR_ENGINE_EVALUATION_H

#include <stdio.h>

#include "common/json/json.h"
#include "common/task/metrics.h"

/* Keys of the open object: the figures by name; `whole`: the confusion matrix at one half and the tenths too, as far as
 * their cells hold the plan's min_group (null and fewer entries otherwise). */
void ent_evaluation_put(struct ent_json_writer *w, const struct ent_metrics *metrics, bool whole);
/* What the test rows say, out of the JSON of a run: how many of those that were looked for are among the highest scores, and
 * whether the scores can be taken as probabilities. Nothing when the run has no test round. */
void ent_evaluation_print(const struct ent_json *run, FILE *out);

/* What single members let go of their own test rows, a line each; nothing otherwise. run: of a status. */
void ent_evaluation_print_own(const struct ent_json *run, FILE *out);

#endif
