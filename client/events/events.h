/* IN a CSV of events, a schema, how events become sequences · OUT a table of sequences over a table of their events
 * OWNS source, sort, both tables · THREADS one at a time (immutable after loading: any) · SOURCE docs/SEQUENCES.md
 *
 * One row of the file is one event of one unit. Events are read in the order of unit and time (sorted.h), mapped and
 * checked as rows are (client/data), and cut into sequences: a table whose rows are sequences (struct ent_table with
 * `events`). Unit, label, source row and id of a sequence are those of its first event; what is kept of an event is what
 * the table of rows keeps. While reading, at most twice the longest sequence is held of one unit, but with `keep: all`. */
#ifndef ENT_CLIENT_EVENTS_EVENTS_H
#define ENT_CLIENT_EVENTS_EVENTS_H

#include <stdint.h>

#include "client/data/table.h"
#include "client/events/sorted.h"

struct ent_events_options {
    struct ent_table_options table;      /* as for rows; its label options are not used */
    const struct ent_sequence *sequence; /* borrowed for the table's life */
    /* What sequences are for: to learn from and be tested on (each has a label), or to be scored (all of them, whole; no
     * label and no window: what is to come is not in the file). */
    bool to_score;
    size_t memory_bytes; /* of the sort; 0: ENT_SORTED_MEMORY */
    int64_t now_s;       /* what is later lies in the future; 0: nothing does */
};

/* Read everything. Errors as ent_table_load; DATA when no sequence is left (says what became of them), or of what comes
 * next no target. */
ENT_MUST enum ent_err ent_events_load(const struct ent_events_options *options,
                                      struct ent_table **out);
/* For plan tasks, at the present time: of a plan with sequences. */
struct ent_plan;
ENT_MUST enum ent_err ent_events_load_plan(const struct ent_plan *plan,
                                           const struct ent_client_config *config,
                                           struct ent_table **out);

/* Of sequences whose next event is predicted: how many targets one has, and how many of them have a value that the plan
 * declares; 0 and 0 of any other. */
struct ent_events_targets {
    uint64_t n;
    uint64_t known;
};
struct ent_events_targets ent_events_targets_of(const struct ent_table *table, uint32_t sequence);
/* DATA when there are targets and none is known. */
ENT_MUST enum ent_err ent_events_check_targets(const struct ent_table *table,
                                               const struct ent_events_targets *targets);

/* ---- block by block, for `score`: memory does not grow with the file ---- */

struct ent_events_reader;
/* Each block holds at least n_sequences, but for the last, and whole units (with a gap: whole sessions, so a unit's may
 * lie in two blocks). */
ENT_MUST enum ent_err ent_events_reader_open(const struct ent_events_options *options,
                                             uint32_t n_sequences, struct ent_events_reader **out);
/* The next block, owned by the reader and overwritten by the next call; *out = NULL at the end. Counts run over the whole
 * input so far. */
ENT_MUST enum ent_err ent_events_reader_next(struct ent_events_reader *reader,
                                             const struct ent_table **out);
/* The table with the counts so far, whatever next gave. */
const struct ent_table *ent_events_reader_table(const struct ent_events_reader *reader);
void ent_events_reader_close(struct ent_events_reader *reader);

/* "1,203 sequences of 12,001 events ...": a line for each thing that happened; for `check`, score and simulations. */
void ent_events_print(const struct ent_table *table, FILE *out);
/* The counts by name, those that are 0 too. */
struct ent_events_count {
    const char *name;
    const char *text; /* what it counts, in words */
    uint64_t value;
};
/* Places among them: how many there were comes first, what became of them from ENT_EVENTS_BECAME on. */
enum ent_events_at { ENT_EVENTS_PARSED, ENT_EVENTS_UNITS, ENT_EVENTS_SESSIONS, ENT_EVENTS_BECAME };
#define ENT_EVENTS_COUNTS 12
void ent_events_counts(const struct ent_table *table,
                       struct ent_events_count out[ENT_EVENTS_COUNTS]);
/* "3 units", or "3 units, 7 sessions" where they differ; no line end. */
void ent_events_print_units(const struct ent_events_count counts[ENT_EVENTS_COUNTS], FILE *out);
/* A line for each thing that became of some. */
void ent_events_print_became(const struct ent_events_count counts[ENT_EVENTS_COUNTS], FILE *out);

#endif
