/* IN option values as typed · OUT numbers in their ranges · OWNS nothing · THREADS any · SOURCE - */
#ifndef ENT_SIMULATE_ARGUMENTS_H
#define ENT_SIMULATE_ARGUMENTS_H

#include "simulate/federation.h"
#include "simulate/sweep.h"
#include "simulate/verb.h"

#define ENT_ARGUMENTS_DIVISION_BYTES 256

/* What the command line says, checked before anything is read. */
struct ent_arguments {
    struct ent_division_spec division; /* seed: the caller's */
    char division_text[ENT_ARGUMENTS_DIVISION_BYTES];
    struct ent_federation_options federation; /* progress, ctx: the caller's */
    struct ent_sweep sweep;
    uint32_t rounds; /* 0: the plan's */
    uint32_t seeds;
};

/* USAGE names the option, what it takes and what was given. Strings of the division point into verb. */
ENT_MUST enum ent_err ent_arguments_read(const struct ent_simulate_verb *verb,
                                         struct ent_arguments *out);

#endif
