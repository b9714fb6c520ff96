/* IN the reply to `status` · OUT text for people · OWNS nothing · THREADS any · SOURCE issue 3, part 10 */
#ifndef ENT_COORDINATOR_ENGINE_REPORT_H
#define ENT_COORDINATOR_ENGINE_REPORT_H

#include "common/json/json.h"

/* max_lines: fewer rounds are shown so that the whole takes no more (as far as possible); 0 = all of them. */
/* Accounts of a run whose plan has `privacy`; nothing otherwise. */
void ent_report_privacy(const struct ent_json *run, FILE *out);
void ent_report_status(const struct ent_json *status, size_t max_lines, FILE *out);
void ent_report_roster(const struct ent_json *status, size_t max_lines, FILE *out);
/* The table at the end of a run: rounds, pooled AUC by round as a plot, members, bytes, time. */
void ent_report_run(const struct ent_json *status, FILE *out);

#endif
