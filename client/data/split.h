/* IN a table, the plan's split, perhaps the member's file of test rows · OUT row lists of the three
 * parts OWNS the lists · THREADS any (immutable) · SOURCE protocol.md 4 (Split)
 *
 * u = first 64 bits of SHA-256("entente/split/v1\0" || be64 split.key || unit) / 2^64. By hash: u <
 * test is a test row, u < test + validation a validation row, the rest trains. With `test: file`
 * the file's rows are the test rows and of the others u < validation is a validation row. A unit is
 * never in two parts: a file that tears one is refused.
 *
 * unit: the text of unit_key without surrounding blanks; rows without one (blank or missing), or
 * without a unit key, use the mapped row in plan order: per feature 'n' and the float32 in
 * big-endian (missing: 0x7fc00000; -0 as 0), 'c' and the code as be16, or 'b' and 0, 1 or 255. The
 * label is not in it: equal rows stay together whatever it says. */
#ifndef ENT_CLIENT_DATA_SPLIT_H
#define ENT_CLIENT_DATA_SPLIT_H

#include <stdint.h>

#include "client/data/table.h"
#include "common/base/err.h"
#include "common/crypto/sha256.h"
#include "common/plan/plan.h"
#include "common/task/task.h"

struct ent_split_rows {
    uint32_t *rows; /* table rows, ascending */
    uint32_t n;
};

struct ent_parts {
    struct ent_split_rows part[4]; /* by enum ent_split; [ENT_SPLIT_NONE] is empty */
    uint32_t n_file_absent; /* rows of the split file that the table does not have (dropped at
                                loading) */
};

/* Start the keyed hash above on one that was initialised; the unit's bytes follow. */
void ent_split_hash_begin(uint64_t key, struct ent_sha256 *hash);
/* First 64 bits of the keyed hash above. */
ENT_MUST enum ent_err ent_split_hash(uint64_t key, const void *unit, size_t len, uint64_t *out);
/* The part of a unit by its hash alone. */
enum ent_split ent_split_of_hash(const struct ent_plan *plan, uint64_t hash);

/* split_file: needed when the plan says `test: file` (CONFIG without one). DATA when it does not
 * fit the data. */
ENT_MUST enum ent_err ent_split_table(const struct ent_plan *plan, const struct ent_table *table,
                                      const char *split_file, struct ent_parts **out);
/* Different customers of a part (rows where the data has no unit key), counted up to `most`. */
ENT_MUST enum ent_err ent_split_customers(const struct ent_table *table,
                                          const struct ent_split_rows *part, uint32_t most,
                                          uint32_t *out);
void ent_parts_free(struct ent_parts *parts);

/* A file of 0-based data row numbers, one a line; blank lines are skipped. rows: ascending, without
 * repeats, caller frees. `n_source_rows`: rows that the data has; a number beyond is DATA. */
ENT_MUST enum ent_err ent_split_file_read(const char *path, uint64_t n_source_rows, uint32_t **rows,
                                          uint32_t *n);

#endif
