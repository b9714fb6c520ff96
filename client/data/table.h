/* IN rows of a source, a schema, the member's column mapping · OUT a compact columnar table,
 * counts, problems by line OWNS the table · THREADS one at a time (immutable after loading: any) ·
 * SOURCE protocol.md 4 and 5
 *
 * Numbers are float32 (NaN = missing) and not yet clipped: every comparison with the range is made
 * in float32, so that counts here and in the statistics agree. Errors and counts name lines,
 * columns and features, never a value. */
#ifndef ENT_CLIENT_DATA_TABLE_H
#define ENT_CLIENT_DATA_TABLE_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/plan/client_config.h"
#include "common/plan/plan.h"

#define ENT_CODE_MISSING 0xFFFFU /* category; an unknown value has code n_values (`other`) */
#define ENT_BUCKET_MISSING UINT32_MAX
#define ENT_LABEL_ABSENT 0xFFU
#define ENT_TABLE_MAX_PROBLEMS 20 /* kept with their lines; all are counted */
#define ENT_TABLE_MAX_ROWS 0xFFFFFFFEU

/* What a row must look like: the plan's schema, or that of a model file (built by the caller;
 * borrowed). */
struct ent_schema {
    const struct ent_feature *features;
    uint32_t n_features;
    uint32_t n_inputs;
    const char *label_name; /* NULL = there is no label to read */
    const char *label_positive;
    const char *const *label_values; /* one of these; [n_label_values], or none */
    uint32_t n_label_values;
    double label_lo; /* a number in this range; both 0: none */
    double label_hi;
};
struct ent_schema ent_schema_of_plan(const struct ent_plan *plan);
/* Whether rows have `targets`. */
bool ent_schema_has_targets(const struct ent_schema *schema);
/* One feature's values; the array of its type is set, the others are NULL. */
struct ent_column {
    float *numbers;  /* NUMBER [n_rows]: NaN = missing */
    uint16_t *codes; /* CATEGORY declared [n_rows]: value, n_values = other, ENT_CODE_MISSING */
    uint32_t
        *buckets; /* CATEGORY hashed, vocabulary [n_rows]: of the salted hash, ENT_BUCKET_MISSING */
    int8_t *bools;  /* BOOLEAN [n_rows]: 0, 1, -1 = missing */
    float *vectors; /* VECTOR [n_rows][length]: the first NaN = missing */
    /* Counts over the rows that were kept, but for `unparsable` and `outliers`. */
    uint64_t missing;
    uint64_t unparsable; /* values that made their row a bad one */
    uint64_t
        outliers; /* NUMBER outside the range that counts as missing, or whose row was dropped */
    uint64_t clipped; /* NUMBER outside the range; rows with such a number in their VECTOR */
    uint64_t unknown; /* CATEGORY not declared */
    uint64_t later;   /* AGE of a date: later than the reference, in all rows that parse */
};

struct ent_row_problem {
    uint64_t line;
    const char *reason;  /* static */
    const char *feature; /* NULL when the whole row is meant */
    const char *format;  /* of the date that is none; NULL */
};
#define ENT_ROW_PROBLEM_BYTES 160
/* "born is not a date in the plan's format (%Y-%m-%d)" */
void ent_row_problem_text(const struct ent_row_problem *problem, char out[ENT_ROW_PROBLEM_BYTES]);

/* What became of events and of what could have been sequences; counted, none of it is an error. */
struct ent_sequence_counts {
    uint64_t n_events; /* that parse */
    uint64_t n_units;
    uint64_t n_sessions;   /* stretches of events; the same as units without `gap` */
    uint64_t n_cut;        /* events beyond the longest sequence that are not used */
    uint64_t n_short;      /* sequences of one event: nothing comes next */
    uint64_t n_no_history; /* units without an event before the label's window */
    uint64_t n_in_window;  /* events that decide labels and are not seen */
    uint64_t n_after;      /* events at or after the window's end, not used */
    uint64_t n_future;     /* units whose label lies in the future: not used */
    uint64_t n_targets;    /* events that are to be predicted */
    uint64_t n_undeclared; /* of them: without a value that the plan declares, no target */
    uint64_t
        n_out_of_order; /* events that stood in front of an earlier one of their unit; they were sorted */
    bool sorted;        /* the rows of a unit were not together, or not in order */
    uint64_t spilled; /* bytes of temporary files that sorting took */
};

/* Rows; or, where `events` is set, sequences: then a row is a sequence without columns of its own, and the columns are
 * those of its events. */
struct ent_table {
    struct ent_schema schema;
    uint32_t n_rows;
    uint32_t cap_rows;
    struct ent_column *columns; /* [schema.n_features] */
    uint8_t *labels;            /* [n_rows] 0, 1 or ENT_LABEL_ABSENT */
    uint64_t *units;            /* [n_rows] keyed hash of the unit (split.h); equal = same unit */
    bool *keyed;                /* [n_rows] its unit_key is not blank; NULL: see has_unit_key */
    uint32_t *source_rows;      /* [n_rows] 0-based data row at the source */
    uint32_t *id_ends; /* [n_rows] ids: end of each in `ids`; NULL when no id column is read */
    struct ent_buf ids;
    float *
        targets; /* [n_rows] class, or number as the model sees it; NULL: labels, or the events' own values */
    struct ent_table *events;     /* in order of unit and time; NULL: this table is one of rows */
    uint32_t *event_first;        /* [n_rows] row of `events` */
    uint32_t *event_count;        /* [n_rows] */
    struct ent_sequence sequence; /* how they were made; strings are the plan's or model's */
    struct ent_sequence_counts counts;
    bool has_unit_key;       /* units come from a column */
    uint64_t n_source_rows;  /* rows seen at the source */
    uint64_t n_bad;          /* rows dropped because they do not parse */
    uint64_t n_unlabelled;   /* rows dropped because the label is missing */
    uint64_t n_outlier_rows; /* rows dropped because of an outlier */
    uint64_t n_duplicates;   /* rows dropped because they equal an earlier one */
    uint64_t n_positive;
    uint64_t n_label_clipped; /* labels outside of their range */
    uint64_t n_without_unit;  /* rows kept whose unit_key is blank: each is its own unit */
    struct ent_row_problem problems[ENT_TABLE_MAX_PROBLEMS]; /* the first ones */
    uint32_t n_problems;
};

enum ent_label_use { ENT_LABEL_REQUIRED, ENT_LABEL_IF_PRESENT, ENT_LABEL_UNUSED };

struct ent_table_options {
    struct ent_schema schema;               /* borrowed for the table's life */
    const struct ent_client_config *config; /* borrowed for the table's life */
    const char *path; /* other input than config->data.path; NULL = that; "-" = standard input */
    uint64_t split_key;
    enum ent_label_use label; /* IF_PRESENT, UNUSED: rows without one are kept */
    const char *id_column;    /* NULL: ids are not read */
    const char *id_option;    /* "--by": the option that named it; NULL: id in client.yaml */
    bool without_units;       /* units are not computed (score) */
    bool clean; /* rows with outliers are dropped where the schema says so; otherwise clipped */
    bool
        drop_duplicates; /* rows that equal an earlier one in unit, features and label; whole tables only */
    uint32_t max_rows; /* LIMIT beyond; 0 = ENT_TABLE_MAX_ROWS */
};

/* Read everything. DATA when a column is absent (names it, the feature and the nearest header
 * names), when a row does not parse and bad_rows is fail (names the line), when nothing is left.
 * About 4 bytes a value and 13 a row. */
ENT_MUST enum ent_err ent_table_load(const struct ent_table_options *options,
                                     struct ent_table **out);
void ent_table_free(struct ent_table *table);

/* For plan tasks: options from a plan and the member's configuration, label required, cleaned. */
ENT_MUST enum ent_err ent_table_load_plan(const struct ent_plan *plan,
                                          const struct ent_client_config *config,
                                          struct ent_table **out);

/* DATA when all rows kept have one label: then nothing can be learned, and most often it is a spelling. No value of the
 * data is in the message. */
ENT_MUST enum ent_err ent_table_check_labels(const struct ent_table *table);
/* The same of n_rows of its rows, of which n_positive are positive: those of a simulated member. */
ENT_MUST enum ent_err ent_table_check_some(const struct ent_table *table, uint32_t n_rows,
                                           uint64_t n_positive);

/* "1,203 rows (141 positive), 3 dropped: line 7 ..., ..." and a line per column: for `check`. */
void ent_table_print(const struct ent_table *table, FILE *out);
/* What each feature became: its inputs and its encoding, a line a feature. */
void ent_table_print_inputs(const struct ent_table *table, FILE *out);

/* A line for each column that is not what it looks like: missing everywhere, no value that is declared, dates later than
 * the reference, more values than buckets (notes.c). */
void ent_table_notes(const struct ent_table *table, void (*say)(void *ctx, const char *line),
                     void *ctx);
/* Of a hashed column: how many of its buckets hold a value. */
ENT_MUST enum ent_err ent_table_buckets(const struct ent_table *table, uint32_t column,
                                        uint32_t *used);

/* Takes the rows from .. to - 1 out; what has one value a row moves up. Counts stay. */
void ent_table_remove(struct ent_table *table, uint32_t from, uint32_t to);

/* ---- accessors for tasks ---- */

/* What weights count: the rows rows[0..n) (ascending), or the events of these sequences, each once. It is also how many
 * rows the statistics of them say. */
uint32_t ent_table_examples(const struct ent_table *table, const uint32_t *rows, uint32_t n);

/* Where the columns are: the events of sequences, or the table itself. */
const struct ent_table *ent_table_columns(const struct ent_table *table);

/* A number clipped to its range (not for missing ones). */
double ent_table_clip(const struct ent_feature *feature, float x);
/* Whether it lies outside: what `clipped` counts. */
bool ent_table_clips(const struct ent_feature *feature, float x);
/* Whether any number of a VECTOR does; x: [length]. */
bool ent_table_clips_any(const struct ent_feature *feature, const float *x);
/* The id of a row as read (not terminated); empty when ids are not read. */
struct ent_buf_view {
    const char *text;
    size_t len;
};
struct ent_buf_view ent_table_id(const struct ent_table *table, uint32_t row);

/* ---- block by block, for `score`: constant memory ---- */

struct ent_table_reader;
/* The same options; each block holds at most block_rows rows. */
ENT_MUST enum ent_err ent_table_reader_open(const struct ent_table_options *options,
                                            uint32_t block_rows, struct ent_table_reader **out);
/* The next block, owned by the reader and overwritten by the next call; *out = NULL at the end. Its
 * counts (missing, clipped, unknown, n_bad, ...) run over the whole input so far. */
ENT_MUST enum ent_err ent_table_reader_next(struct ent_table_reader *reader,
                                            const struct ent_table **out);
/* The table with the counts so far, whatever next gave. */
const struct ent_table *ent_table_reader_table(const struct ent_table_reader *reader);
void ent_table_reader_close(struct ent_table_reader *reader);

#endif
