/* IN a source of events, the columns of unit and time · OUT the same rows, those of a unit together and in order of time
 * OWNS the source, the sort · THREADS one at a time · SOURCE docs/SEQUENCES.md
 *
 * A source in front of a source. The file is read once to see whether each unit's rows stand together and in order; then
 * they are used as they come, otherwise they go through an external sort (sort.h). Standard input cannot be read twice and
 * is always sorted. Rows whose unit or time cannot be read come out with their problem, as rows that do not parse.
 * Memory: the sort's, and 8 bytes a unit while looking (above ENT_SORTED_UNITS_MAX units the rows are sorted unseen). */
#ifndef ENT_CLIENT_EVENTS_SORTED_H
#define ENT_CLIENT_EVENTS_SORTED_H

#include <stdint.h>

#include "client/data/source.h"
#include "common/feature/sequence.h"

#define ENT_SORTED_MEMORY ((size_t)64 << 20)
#define ENT_SORTED_UNITS_MAX ((size_t)1 << 22)

struct ent_sorted_options {
    const struct ent_client_config *config; /* borrowed */
    const struct ent_sequence *sequence;    /* borrowed */
    const char *path;                       /* NULL: config's; "-": standard input */
    size_t memory_bytes;                    /* 0: ENT_SORTED_MEMORY */
    int64_t now_s; /* a time more than a day later is a bad one; 0: any time may be */
};

struct ent_sorted;

/* *source is to be closed with ent_source_close; *out is valid until then. Errors of the source; DATA for a column that is
 * not there. */
ENT_MUST enum ent_err ent_sorted_open(const struct ent_sorted_options *options,
                                      struct ent_source **source, struct ent_sorted **out);

/* Of the row that the source gave last, if it has no problem. */
uint64_t ent_sorted_group(const struct ent_sorted *sorted);  /* counts up with each other unit */
int64_t ent_sorted_seconds(const struct ent_sorted *sorted); /* 0 when the time has no format */
/* Whether rows had to be sorted, how many of those given so far stood in front of an earlier one of their unit, bytes of
 * temporary files. */
bool ent_sorted_was_needed(const struct ent_sorted *sorted);
uint64_t ent_sorted_out_of_order(const struct ent_sorted *sorted);
uint64_t ent_sorted_spilled(const struct ent_sorted *sorted);

#endif
