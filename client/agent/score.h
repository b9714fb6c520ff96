/* IN a model file, rows · OUT scores, counts, metrics, an explanation · OWNS nothing after the call · THREADS one
 * SOURCE protocol.md 4 (Missing); issue 3 part 9
 *
 * Scores any number of rows in constant memory: the model file's own schema and preprocessing are all it needs; a
 * client.yaml adds this member's column names and spellings. The output has the id and: the probability (score); of up to
 * 32 classes one column each; of more the 10 most probable ones with their probabilities; of a number its value. Of a model
 * of sequences a row is a unit (or session), and what is predicted comes after its last event. */
#ifndef ENT_CLIENT_AGENT_SCORE_H
#define ENT_CLIENT_AGENT_SCORE_H

#include <stdint.h>

#include "client/agent/explain.h"
#include "client/data/table.h"
#include "client/events/events.h"
#include "common/base/err.h"
#include "common/plan/client_config.h"
#include "common/task/task.h"

struct ent_score_options {
    const char *model;
    const char *input;                      /* "-" = standard input */
    const char *output;                     /* "-" = standard output; NULL: no scores are written */
    const struct ent_client_config *config; /* NULL: the columns have the schema's names */
    const char *id; /* column to pass through; NULL: config's id or unit_key, else the row number */
    const char *rows_file; /* only these rows; NULL: all */
    bool evaluate;         /* labels are read */
    bool explain;          /* labels are read where they are */
    struct ent_explain_options explanation;
};

struct ent_score_count {
    char *feature;
    uint64_t missing;
    uint64_t clipped; /* numbers outside the range */
    uint64_t unknown; /* values of a category that the model does not know */
};

struct ent_score_result {
    uint64_t rows;       /* scored */
    uint64_t bad;        /* dropped: they do not parse */
    uint64_t unlabelled; /* left out of the evaluation */
    uint32_t n_problems;
    struct {
        uint64_t line;
        char text[ENT_ROW_PROBLEM_BYTES]; /* the column, and what is wrong with it */
    } problems[20];
    struct ent_score_count *counts; /* [n_counts], over all rows read */
    uint32_t n_counts;
    struct ent_metrics metrics;         /* evaluate; rows = 0: nothing had a label */
    struct ent_explanation explanation; /* explain; of.n = 0: none */
    struct ent_events_count events
        [ENT_EVENTS_COUNTS]; /* what became of events; n_events = 0: the model is one of rows */
    uint32_t n_events;
};

/* An output file appears whole or not at all (standard output as it comes), for its owner alone (0600); it cannot be the
 * input (USAGE). A row of rows_file beyond the input is DATA, and so is
 * an input of which no row parses. Errors as ent_table_reader_* and the model file's. */
ENT_MUST enum ent_err ent_score(const struct ent_score_options *options,
                                struct ent_score_result *out);
void ent_score_result_release(struct ent_score_result *result);

#endif
