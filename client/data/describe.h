/* IN a CSV file and its label · OUT drafts of plan.yaml and client.yaml · OWNS nothing · THREADS
 * one at a time SOURCE protocol.md 5
 *
 * One pass over the file in bounded memory: types, ranges rounded outward, category values (rare
 * ones stay out), booleans, ids (-> unit_key), constant columns. Every choice has its comment; both
 * files can be used as they are. */
#ifndef ENT_CLIENT_DATA_DESCRIBE_H
#define ENT_CLIENT_DATA_DESCRIBE_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

struct ent_describe_options {
    const char *input;
    const char *label;          /* COLUMN=VALUE: the value that counts as positive */
    char delimiter;             /* 0 = detected */
    const char *plan_path;      /* NULL = plan.yaml */
    const char *client_path;    /* NULL = client.yaml */
    const char *coordinator;    /* HOST:PORT for client.yaml; NULL = localhost:7443, to edit */
    const char *const *without; /* columns to leave out of the features */
    uint32_t n_without;
    /* Columns that are codes, not amounts, though they look like numbers. */
    const char *const *categories;
    uint32_t n_categories;
    /* The plan says test: file, and client.yaml names this one; NULL = split by hash. */
    const char *split_file;
    uint32_t rounds;      /* 0 = 100 */
    uint32_t max_values;  /* of a category; 0 = 30 */
    uint32_t min_members; /* of the drafted plan; 0 = 3 */
};

/* Write both files; neither is written when one of them is there (EXISTS). A short account goes to
 * `report` (may be NULL). DATA, NOT_FOUND, USAGE (label). */
ENT_MUST enum ent_err ent_describe(const struct ent_describe_options *options, FILE *report);
/* The two texts only. */
ENT_MUST enum ent_err ent_describe_text(const struct ent_describe_options *options,
                                        struct ent_buf *plan, struct ent_buf *client);

/* The column that describe would take as unit_key; *out is NULL when there is none. Caller frees. */
ENT_MUST enum ent_err ent_describe_unit(const struct ent_describe_options *options, char **out);

#endif
