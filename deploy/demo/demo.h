/* IN options of a verb · OUT CSV files of members · OWNS nothing · THREADS one · SOURCE deploy/demo/README.md
 *
 * Data to try Entente with: generated customers whose truth is known, or one CSV divided into members. */
#ifndef ENT_DEPLOY_DEMO_DEMO_H
#define ENT_DEPLOY_DEMO_DEMO_H

#include <stdint.h>

#include "common/base/err.h"

struct ent_demo_generate {
    const char *out; /* directory */
    uint64_t members;
    uint64_t rows; /* of all members together */
    uint64_t seed;
    bool pooled; /* pooled.csv as well, with the column `brand` */
};

struct ent_demo_split {
    const char *input;
    const char *by; /* column whose values are grouped into members */
    const char *out;
    const char *label;     /* COLUMN=VALUE; NULL = no label rates, no search for the unit column */
    const char *test_rows; /* 0-based data rows of the input; NULL = a fifth of the units by hash */
    const char *unit;      /* column of the customer's id; NULL = as describe would choose */
    uint64_t groups;       /* 0 = one a value */
    uint64_t seed;
};

ENT_MUST enum ent_err ent_demo_generate(const struct ent_demo_generate *options, FILE *report);
ENT_MUST enum ent_err ent_demo_split(const struct ent_demo_split *options, FILE *report);

/* OUT/NAME opened for writing; the directory is made. Caller closes with ent_demo_close. */
ENT_MUST enum ent_err ent_demo_create(const char *dir, const char *name, FILE **out);
/* IO when something could not be written. NULL is fine. */
ENT_MUST enum ent_err ent_demo_close(FILE *file, const char *name);

#endif
