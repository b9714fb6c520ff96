/* IN one column of a plan's schema, pooled statistics · OUT how many model inputs it is, what the statistics made of
 * it OWNS the arrays of ent_fits · THREADS any (immutable) · SOURCE BASELINES.md "Better tabular recipes"; protocol.md 4
 *
 * What a column is (struct ent_feature: the plan says so, before anything is known of the data) and what the pooled
 * statistics made of it (struct ent_fit: means, edges, kept buckets). Plan, statistics task, model file and the
 * members' tables all speak of these two. The number of inputs is fixed by the plan alone: where the statistics need
 * fewer (bins that fell together, a small vocabulary), the inputs behind are always zero, so their weights never get a
 * gradient.
 *
 * Model inputs of a feature, in this order:
 *   NUMBER    standard, log   1: (map(clip(x)) - mean) / sd; missing: 0
 *             ple             2 * bins (bins when not `heavy`): one for each bin between two edges, the rest zero:
 *                             0 below the bin, 1 above it, linear inside; the first bin goes on below (to -1) and the
 *                             last above (to 2); missing: as the pooled mean
 *             indicator       one more, the last: 1 where the value is missing
 *   CATEGORY  declared        n_values + 1, one-hot, the last is `other` (unknown or missing)
 *             hashed          2^bits + 1, one-hot over the buckets of the salted hash; the last: missing
 *             vocabulary      size + 1, one-hot over the buckets that passed both floors; the last: other or missing
 *   BOOLEAN                   2: false, true; missing: neither
 *   VECTOR                    `length` numbers of one column, each (clip(x) - lo) / (hi - lo); missing: all 0
 * A category with an embedding has no inputs: its code is a token, of which the model looks up a vector that it learns.
 * A date of the plan is several features of one column: categories for month, weekday and hour, a number for its age
 * in days before the plan's reference. */
#ifndef ENT_COMMON_FEATURE_FEATURE_H
#define ENT_COMMON_FEATURE_FEATURE_H

#include <stdint.h>

#include "common/base/err.h"

enum ent_feature_type {
    ENT_FEATURE_NUMBER,
    ENT_FEATURE_CATEGORY,
    ENT_FEATURE_BOOLEAN,
    ENT_FEATURE_VECTOR
};
#define ENT_FEATURE_TYPES 4

/* NUMBER: how it becomes inputs. */
enum ent_encode { ENT_ENCODE_STANDARD, ENT_ENCODE_LOG, ENT_ENCODE_PLE };
/* PLE: where the cells of the histogram are equally wide. */
enum ent_scale { ENT_SCALE_LOG, ENT_SCALE_LINEAR };
/* NUMBER outside its range (training and evaluation rows; score never drops a row: it clips then). */
enum ent_outliers { ENT_OUTLIERS_CLIP, ENT_OUTLIERS_MISSING, ENT_OUTLIERS_DROP_ROW };
/* CATEGORY: where its codes come from. */
enum ent_codes { ENT_CODES_DECLARED, ENT_CODES_HASHED, ENT_CODES_VOCABULARY };
/* Which part of a date this feature is. MONTH, WEEKDAY, HOUR: declared categories; AGE: a number. */
enum ent_date_part {
    ENT_DATE_NONE,
    ENT_DATE_MONTH,   /* "1" to "12" */
    ENT_DATE_WEEKDAY, /* "mon" to "sun" */
    ENT_DATE_HOUR,    /* "0" to "23" */
    ENT_DATE_AGE      /* days from the value to the reference, with fraction */
};

#define ENT_FEATURE_CELLS 512     /* of a PLE number's histogram */
#define ENT_FEATURE_BINS_MIN 2    /* PLE */
#define ENT_FEATURE_BINS_MAX 64   /* so at most 129 edges */
#define ENT_FEATURE_HASH_BITS 16  /* most, of hashed: each bucket is an input */
#define ENT_FEATURE_VOCAB_BITS 20 /* most, of vocabulary: two integers a bucket in the statistics */
#define ENT_FEATURE_SALT_MAX 64   /* bytes */
#define ENT_FEATURE_VECTOR_MAX 65536 /* numbers of a VECTOR */
#define ENT_FEATURE_EDGES_MAX (2U * ENT_FEATURE_BINS_MAX + 1U)
#define ENT_FEATURE_EVEN_SD                                                                        \
    0.28867513459481288 /* 1 / sqrt(12): of values that lie evenly in [0, 1] */

struct ent_feature {
    const char *name;   /* stands once in a schema */
    const char *column; /* what members map: = name but for parts of a date */
    enum ent_feature_type type;
    /* NUMBER, VECTOR */
    double lo; /* range, in x: values are clipped to it and counted */
    double hi;
    uint32_t length; /* VECTOR: numbers in it */
    /* NUMBER */
    bool indicator;
    enum ent_encode encode;
    enum ent_outliers outliers;
    enum ent_scale scale; /* PLE */
    uint32_t bins;        /* PLE: quantile bins */
    bool heavy;           /* PLE: also quantiles of the rows outside of heavy cells */
    /* CATEGORY */
    enum ent_codes codes;
    const char *const *values; /* DECLARED: in the plan's order */
    uint32_t n_values;
    uint32_t bits;    /* HASHED, VOCABULARY: 2^bits buckets */
    const char *salt; /* HASHED, VOCABULARY: of the plan */
    uint32_t size;    /* VOCABULARY: at most so many buckets have a code */
    uint32_t min_customers;
    uint32_t min_members;
    uint32_t embed; /* length of a code's learned vector: no inputs but a token; 0: one-hot */
    /* part of a date */
    enum ent_date_part part;
    const char *format; /* see date.h; NULL unless part of a date */
    int64_t reference;  /* AGE: seconds since 1970 */

    uint32_t first_input; /* inputs of the features are consecutive */
    uint32_t n_inputs;
};

/* Their names, in plans and model files. */
extern const char *const ent_encode_names[];    /* standard log ple */
extern const char *const ent_scale_names[];     /* log linear */
extern const char *const ent_outliers_names[];  /* clip missing drop_row */
extern const char *const ent_codes_names[];     /* declared hashed vocabulary */
extern const char *const ent_date_part_names[]; /* none month weekday hour age */

/* Inputs by the table above (not those stored in the struct). */
uint32_t ent_feature_inputs(const struct ent_feature *feature);
/* Codes of a CATEGORY: its inputs. The last is `other`. An embedding has as many rows. */
uint32_t ent_feature_n_codes(const struct ent_feature *feature);
/* How many categories have an embedding. */
uint32_t ent_features_n_tokens(const struct ent_feature *features, uint32_t n);
/* Fills first_input and n_inputs of each; returns their sum (64 bits: the caller bounds it). */
uint64_t ent_features_number(struct ent_feature *features, uint32_t n);
/* Whether it is whole: limits, a range that is one, inputs that fit. CONFIG, NONFINITE. */
ENT_MUST enum ent_err ent_feature_check(const struct ent_feature *feature);
/* Whether both say the same of a column (a model's schema against the plan's); places included. */
bool ent_feature_same(const struct ent_feature *a, const struct ent_feature *b);
/* "number, 16 quantile bins on the log scale -> 33 inputs": for plan-check and check. out: [160] */
#define ENT_FEATURE_TEXT_BYTES 160
void ent_feature_text(const struct ent_feature *feature, char out[ENT_FEATURE_TEXT_BYTES]);
/* The only value of each part, for features that come out of a date: "1".."12" and so on. */
const char *const *ent_date_part_values(enum ent_date_part part, uint32_t *n);

/* ---- scales; IEEE arithmetic only, no libm: the same bits on every machine ---- */

/* sign(x) ln(1 + |x|), and back; relative error below 1e-14. */
double ent_slog(double x);
double ent_sexp(double y);
/* x as statistics and encoding see it: itself, or its signed log (LOG; PLE on the log scale). */
bool ent_feature_logs(const struct ent_feature *feature);
double ent_feature_map(const struct ent_feature *feature, double x);
double ent_feature_unmap(const struct ent_feature *feature, double y);
/* The mapped range of a NUMBER, computed once for many values. */
struct ent_place {
    bool log;
    double lo; /* mapped */
    double span;
};
struct ent_place ent_place_of(const struct ent_feature *feature);
/* Where the clipped x lies in the mapped range, [0, 1]. */
double ent_place_unit(const struct ent_place *place, double clipped);
/* Its cell, below ENT_FEATURE_CELLS. */
uint32_t ent_place_cell(const struct ent_place *place, double clipped);
/* The lower end of a cell in x; of cell ENT_FEATURE_CELLS: hi. */
double ent_feature_cell_edge(const struct ent_feature *feature, uint32_t cell);

/* ---- what the pooled statistics made of it ---- */

struct ent_fit {
    double mean;   /* NUMBER: of map(x); PLE: the x that stands for a missing one */
    double sd;     /* NUMBER standard, log: of map(x), > 0; otherwise 1 */
    double *edges; /* PLE: in x, strictly increasing; none (no value present) or at least 2 */
    uint32_t n_edges;
    uint32_t *buckets; /* VOCABULARY: strictly increasing; code = place */
    uint32_t n_buckets;
};

/* Fits and the arrays they point into, one allocation each. */
struct ent_fits {
    uint32_t n;
    struct ent_fit *fit;
    double *edges;
    uint32_t *buckets;
};
/* n fits {0, 1, none} and room for so many edges and buckets, which the caller hands out. NO_MEMORY, LIMIT. */
ENT_MUST enum ent_err ent_fits_new(uint32_t n, size_t n_edges, size_t n_buckets,
                                   struct ent_fits **out);
/* Fits of declared ranges alone, without a look at any row: a number's mean is the middle of its mapped range, its sd
 * that of values that lie evenly in it. SHAPE for a feature that takes counts (ple, vocabulary). */
ENT_MUST enum ent_err ent_fits_of_ranges(const struct ent_feature *features, uint32_t n,
                                         struct ent_fits **out);
void ent_fits_free(struct ent_fits *fits);
/* A copy that outlives the original. */
ENT_MUST enum ent_err ent_fits_copy(const struct ent_fit *fits, uint32_t n, struct ent_fits **out);
bool ent_fits_same(const struct ent_fit *a, const struct ent_fit *b, uint32_t n);
/* Whether a fit can be one of this feature (a model file's). CONFIG, NONFINITE. */
ENT_MUST enum ent_err ent_fit_check(const struct ent_feature *feature, const struct ent_fit *fit);

/* PLE edges as cells, out of a histogram. With n rows in all and B bins: for t = 0 .. B-1 the cell
 * that holds the row of rank floor(t n / B), and the end of the last cell that is not empty. Where
 * cells hold more than a fifth of the rows each (`heavy`): also, for t = 0 .. B-1, the cell that
 * holds rank floor(t m / B) of the m rows outside of them. Repeats dropped, ascending. Integers
 * only, so summed histograms give what the pooled one gives.
 * edges: [2 B + 1]; returns how many (0 without rows). */
uint32_t ent_ple_cells(const int64_t cells[ENT_FEATURE_CELLS], uint32_t bins, bool heavy,
                       uint32_t *edges);
/* The buckets that have at least min_customers customers in at least min_members members; when
 * there are more than `size`, those with most customers (equal: the lower bucket). buckets: [size],
 * ascending; *n: how many. */
ENT_MUST enum ent_err ent_vocabulary_keep(const struct ent_feature *feature,
                                          const int64_t *customers, const int64_t *members,
                                          uint32_t *buckets, uint32_t *n);

#endif
