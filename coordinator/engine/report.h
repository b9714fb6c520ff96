/* IN the reply to `status` · OUT text for people · OWNS nothing · THREADS any · SOURCE issue 3, part 10 */
#ifndef ENT_COORDINATOR_ENGINE_REPORT_H
#define ENT_COORDINATOR_ENGINE_REPORT_H

#include "common/json/json.h"

void ent_report_status(const struct ent_json *status, FILE *out);
void ent_report_roster(const struct ent_json *status, FILE *out);
/* The table at the end of a run: rounds, pooled AUC by round as a plot, members, bytes, time. */
void ent_report_run(const struct ent_json *status, FILE *out);

#endif
