/* IN a command line · OUT a simulation, printed · OWNS nothing · THREADS main · SOURCE - */
#ifndef ENT_SIMULATE_VERB_H
#define ENT_SIMULATE_VERB_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

struct ent_simulate_verb {
    const char *data;
    const char *more;
    const char *config;
    const char *by;
    const char *iid; /* numbers as typed: arguments.c knows their ranges */
    const char *members;
    const char *alpha;
    const char *shards;
    bool quantity;
    const char *test_rows;
    const char *fraction;
    const char *dropout;
    const char *rounds;
    const char *seeds;
    const char *threads;
    const char *state_memory;
    bool compare;
    bool each;
    bool course;
    const char *pooled;
    const char *sweep;
    const char *output;
    bool json;
    bool quiet;
};
/* args: the plan. */
ENT_MUST enum ent_err ent_verb_simulate(const void *options, const char *const *args,
                                        size_t n_args);

#endif
