/* IN "train.lr=0.1,0.01" · OUT a plan with other numbers · OWNS the list · THREADS one · SOURCE -
 *
 * What a simulation may vary of a plan, by name, and every combination of the values given. */
#ifndef ENT_SIMULATE_SWEEP_H
#define ENT_SIMULATE_SWEEP_H

#include <stdint.h>

#include "common/plan/plan.h"

#define ENT_SWEEP_KEYS_MAX 8
#define ENT_SWEEP_VALUES_MAX 64
#define ENT_SWEEP_ROUNDS_MAX 100000 /* of a plan */

struct ent_sweep_axis {
    size_t setting; /* in the table of names */
    double values[ENT_SWEEP_VALUES_MAX];
    uint32_t n;
};
struct ent_sweep {
    struct ent_sweep_axis axes[ENT_SWEEP_KEYS_MAX];
    uint32_t n;
};

/* "key=v,v;key=v": several keys are divided by ';' or blanks. USAGE names what is wrong and what there is. */
ENT_MUST enum ent_err ent_sweep_parse(const char *text, struct ent_sweep *out);
uint64_t ent_sweep_combinations(const struct ent_sweep *sweep); /* 1 without axes */
const char *ent_sweep_name(const struct ent_sweep *sweep, uint32_t axis);
/* The value of an axis in the i-th combination; the last axis varies fastest. */
double ent_sweep_value(const struct ent_sweep *sweep, uint64_t i, uint32_t axis);
/* plan: a copy that may be changed. USAGE for a setting that the plan has no use for, CONFIG for a value that its optimizer
 * does not take. */
ENT_MUST enum ent_err ent_sweep_apply(const struct ent_sweep *sweep, uint64_t i,
                                      struct ent_plan *plan);

#endif
