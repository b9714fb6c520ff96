/* IN a plan, a CSV, how to divide it · OUT members, each with the rows of its parts · OWNS the one table and the row lists
 * THREADS one at a time (immutable after making: any) · SOURCE Hsu et al. 2019 (Dirichlet by label), McMahan
 * et al. 2017 (shards)
 *
 * All members share the table; a member is three lists of rows. Test, validation and training rows are chosen before the
 * division, so that every division of the same data is tested on the same rows. */
#ifndef ENT_SIMULATE_POPULATION_H
#define ENT_SIMULATE_POPULATION_H

#include <stdint.h>

#include "client/data/split.h"
#include "client/data/table.h"
#include "client/events/events.h"

#define ENT_POPULATION_MEMBERS_MAX 4096 /* of the round machine; twice what a real round has */

enum ent_division {
    ENT_DIVISION_BY_COLUMN, /* a member for each value; blank is a value too */
    ENT_DIVISION_IID,       /* rows dealt evenly */
    ENT_DIVISION_DIRICHLET, /* of each class, shares drawn from Dir(alpha) */
    ENT_DIVISION_QUANTITY,  /* of all rows, shares drawn from Dir(alpha) */
    ENT_DIVISION_SHARDS /* rows in order of class, members x shards equal pieces, shards for each member */
};
#define ENT_DIVISION_ALPHA_MIN 1e-3
#define ENT_DIVISION_ALPHA_MAX 1e6
#define ENT_DIVISION_SHARDS_MAX 1000

struct ent_division_spec {
    enum ent_division kind;
    const char *column; /* BY_COLUMN; DIRICHLET, SHARDS: its values are the classes, NULL: labels */
    uint32_t members;   /* all but BY_COLUMN */
    double alpha;       /* DIRICHLET, QUANTITY: > 0; the smaller, the more uneven */
    uint32_t shards;    /* SHARDS */
    uint64_t seed;
};

struct ent_simulated_member {
    char *name;                        /* the column's value, or m0001 ... */
    struct ent_parts parts;            /* lists in the population's storage */
    uint32_t train_examples;           /* what a weight counts: rows, or events */
    uint64_t train_positives;          /* of a label with a positive value */
    uint32_t n_rows;                   /* of all parts */
    uint64_t positives;                /* of them */
    struct ent_events_targets targets; /* of sequences */
    bool one_class;                    /* all its training rows have the same label */
};

/* What is odd about the members: counted, none of it is an error. */
struct ent_population_counts {
    uint32_t without_rows; /* declines every round: there is no data */
    uint32_t
        without_positive; /* declines every round, unless joins_always: no row has the positive label */
    uint32_t positive_only;  /* as that one: all rows have it */
    uint32_t without_target; /* declines every round: no event to predict has a declared value */
    uint32_t without_train_rows; /* declines training rounds; the others have nothing to train on */
    uint32_t one_class;          /* its training rows hold one class only */
    uint32_t lone_values;        /* category values that one member only has in its training rows */
    uint32_t lone_members;       /* members with such a value */
};

struct ent_population {
    struct ent_client_config config; /* a copy whose paths are those of the options */
    struct ent_table *table;
    struct ent_parts *all; /* the rows of everybody together */
    struct ent_simulated_member *members;
    uint32_t n_members;
    uint32_t *rows;
    bool joins_always; /* under privacy: labels do not decide who takes part (ent_advice_labels) */
    struct ent_population_counts counts;
};

struct ent_population_options {
    const struct ent_plan *plan;
    const struct ent_client_config *config; /* how the data spells what the plan says */
    const char *data;                       /* CSV, or what config says is there; NULL: its path */
    const char *more;                       /* with data: as data.more of config */
    const char *test_rows; /* file of row numbers; NULL: as the plan or the configuration says */
    struct ent_division_spec division;
};

/* DATA, CONFIG, NOT_FOUND, IO as loading and splitting give; LIMIT for too many members; DATA for a division that leaves
 * nothing to divide. config and plan are borrowed for the population's life. */
ENT_MUST enum ent_err ent_population_new(const struct ent_population_options *options,
                                         struct ent_population **out);
/* Whether a member can take part with its labels, as client/agent asks it: DATA, and the sentence that it would say. */
ENT_MUST enum ent_err ent_population_check_member(const struct ent_population *population,
                                                  uint32_t member);
/* DATA when every member declines, with the sentence of the first, or when all rows together have one label. */
ENT_MUST enum ent_err ent_population_check(const struct ent_population *population);
void ent_population_free(struct ent_population *population);

/* division.c: the member of every row, [n_rows], and how many members there are. names: NULL but for BY_COLUMN, where the
 * caller frees them. */
ENT_MUST enum ent_err ent_division_make(const struct ent_division_spec *spec,
                                        const struct ent_table *table, uint32_t *member_of,
                                        uint32_t *n_members, char ***names);

#endif
