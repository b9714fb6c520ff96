/* IN a seed · OUT whether all laws held, and which faults hit in which phases · OWNS nothing that lasts
 * THREADS one · SOURCE protocol.md 6 */
#ifndef ENT_TESTS_INTEGRATION_SCHEDULE_H
#define ENT_TESTS_INTEGRATION_SCHEDULE_H

#include "tests/integration/faults.h"

struct schedule_result {
    bool ok;
    char law;
    char text[BOX_TEXT];
    uint64_t over_ms; /* fake time from the last possible fault to the end of the run */
    uint32_t n_rounds;
    uint32_t n_aborts;
    uint32_t matrix[FAULT_KINDS][ENT_PHASE_COUNT];
};

/* One run of a plan of that seed, with its faults, and all laws. plant: a bug, or NULL. */
void schedule_run(uint64_t seed, const char *plant, struct schedule_result *out);
/* The same of a plan whose noise is added by the coordinator. */
void schedule_run_central(uint64_t seed, struct schedule_result *out);
/* Ends the program's interest in anything but this seed: ENTENTE_SEED. False: not set. */
bool schedule_only(uint64_t *seed);

/* The matrix so far, and what may never be in it: NULL when the cell can be. */
void schedule_add(struct schedule_result *sum, const struct schedule_result *one);
void schedule_print(const struct schedule_result *sum, uint32_t n_schedules);
uint32_t schedule_empty_cells(const struct schedule_result *sum);

#endif
