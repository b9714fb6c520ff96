/* IN a CSV file · OUT what each column looks like · OWNS bounded sets of values · THREADS one at a time · SOURCE -
 *
 * Inside this room only: what describe sees in its one pass. Memory a column: at most 2,048 values of 200 bytes, and
 * 1 MiB while no value has come twice. */
#ifndef ENT_CLIENT_DATA_PROFILE_H
#define ENT_CLIENT_DATA_PROFILE_H

#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/err.h"

#define ENT_PROFILE_WORDS 8 /* usual spellings of a missing value */
extern const char *const ent_profile_words[ENT_PROFILE_WORDS];

/* Usual ways to write a date: formats of common/feature/date.h. */
#define ENT_PROFILE_DATES 18
extern const char *const ent_profile_dates[ENT_PROFILE_DATES];
struct ent_profile_date {
    uint64_t n;  /* values that are such a date */
    int64_t min; /* seconds since 1970 */
    int64_t max;
    bool clock; /* some have a time of day */
};

struct ent_profile_value {
    const char *text; /* NULL = free slot */
    uint64_t count;
};

struct ent_profile {
    const char *name;
    uint64_t n_blank;
    uint64_t n_text; /* not blank */
    uint64_t n_number;
    uint64_t n_whole;        /* numbers without fraction */
    uint64_t n_leading_zero; /* "007": a code, whatever it looks like */
    uint64_t n_true;
    uint64_t n_false;
    uint64_t n_word[ENT_PROFILE_WORDS];
    uint64_t n_invalid; /* not UTF-8 */
    uint64_t n_comma;   /* numbers but for their decimal comma */
    double min;
    double max;
    struct ent_profile_date dates[ENT_PROFILE_DATES];
    struct ent_profile_value *values; /* open addressing */
    uint32_t n_values;
    bool many;   /* more values than are kept */
    bool unique; /* none of the first 65,536 came twice */
    uint64_t *seen;
    uint32_t n_seen;
    uint32_t cap_seen;
};

struct ent_profiles {
    struct ent_arena arena;
    struct ent_profile *columns;
    uint32_t n_columns;
    uint64_t n_rows;
    uint64_t n_bad; /* rows that do not parse */
    char delimiter;
};

ENT_MUST enum ent_err ent_profiles_scan(const char *path, char delimiter,
                                        struct ent_profiles **out);
void ent_profiles_free(struct ent_profiles *profiles);
/* profile_dates.c: one value, already counted in n_text. */
void ent_profile_count_dates(struct ent_profile *profile, const char *text, size_t len);
/* Kept values in alphabetical order: fills sorted[n_values]. */
void ent_profile_sorted(const struct ent_profile *profile, const struct ent_profile_value **sorted);
/* How often the value came; 0 when it did not or is not kept. */
uint64_t ent_profile_count(const struct ent_profile *profile, const char *text);

#endif
