/* Driving a world to where a test begins, and what it wrote. */
#ifndef ENT_TESTS_COORDINATOR_ROUND_DRIVE_H
#define ENT_TESTS_COORDINATOR_ROUND_DRIVE_H

#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_round/world.h"

/* Goes on calmly to a phase; to a phase of a round of a task. */
void until(struct world *w, enum ent_phase phase);
void until_round(struct world *w, enum ent_round_task task, enum ent_phase phase);
void start(struct world *w, uint32_t n, const struct ent_run_config *config);
/* The run ends, no law was broken; releases the world. */
void done(struct world *w);
const struct ent_row *row_of(const struct world *w, enum ent_row_kind kind, size_t nth);
size_t n_rows_of(const struct world *w, enum ent_row_kind kind);

#endif
