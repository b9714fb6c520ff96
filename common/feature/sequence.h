/* IN the plan's `sequence` and `label` · OUT how events become sequences and what is to be predicted · OWNS nothing
 * THREADS any (immutable) · SOURCE docs/SEQUENCES.md
 *
 * Plan, model file and the members' readers speak of sequences with these. A sequence is consecutive events of one unit in
 * the order of time; a session is such a stretch without a long pause. */
#ifndef ENT_COMMON_FEATURE_SEQUENCE_H
#define ENT_COMMON_FEATURE_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

#define ENT_SEQUENCE_TIMES_MAX 8

/* What is left of a stretch that is longer than `length` events. */
enum ent_sequence_keep {
    ENT_KEEP_LAST,  /* its last events */
    ENT_KEEP_FIRST, /* its first events */
    ENT_KEEP_ALL    /* all of them, as sequences one behind the other */
};

/* What the label of a sequence is. */
enum ent_sequence_label {
    ENT_SEQUENCE_UNLABELLED,
    ENT_SEQUENCE_NEXT, /* the value of a category at the next event, of each step or (pooled) of the last event only */
    ENT_SEQUENCE_LATER /* whether there is an event in [from, until); only events before `from` are seen */
};

struct ent_sequence {
    const char
        *unit; /* column that says which events belong together; NULL: there are no sequences */
    const char *const *times; /* columns, compared one after the other */
    uint32_t n_times;
    const char *format; /* of the one time column, see date.h; NULL: numbers */
    uint32_t length;    /* events of the longest sequence */
    enum ent_sequence_keep keep;
    uint64_t gap_s; /* a pause longer than this ends a session; 0: a unit is one stretch */
    enum ent_sequence_label label;
    uint32_t next;  /* NEXT: place of the category among the features */
    bool per_step;  /* NEXT: a target for each step */
    int64_t from_s; /* LATER: seconds since 1970 */
    int64_t until_s;
};

extern const char *const ent_sequence_keep_names[];  /* last first all */
extern const char *const ent_sequence_label_names[]; /* none next later */

/* Whether a table that was cut by one serves the other. */
bool ent_sequence_same(const struct ent_sequence *a, const struct ent_sequence *b);
/* Whether it is whole: CONFIG. */
ENT_MUST enum ent_err ent_sequence_check(const struct ent_sequence *sequence);

#endif
