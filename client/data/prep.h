/* IN a table, pooled means and deviations · OUT float32 batches [n][n_inputs] and labels · OWNS the
 * prepared matrix THREADS one at a time per gather; prep itself is immutable · SOURCE protocol.md 4
 * (Missing)
 *
 * Inputs of a row: common/feature/feature.h. The dense matrix and the way on the fly give the same
 * bits. */
#ifndef ENT_CLIENT_DATA_PREP_H
#define ENT_CLIENT_DATA_PREP_H

#include <stdint.h>

#include "client/data/table.h"
#include "common/base/err.h"

struct ent_prep;

/* What the statistics made of the schema's features: [n_features]. Schema and fits are borrowed for
 * the prep's life. NONFINITE, CONFIG when a fit cannot be one of its feature. */
ENT_MUST enum ent_err ent_prep_new(const struct ent_schema *schema, const struct ent_fit *fits,
                                   struct ent_prep **out);
void ent_prep_free(struct ent_prep *prep);
/* The model inputs of `n` table rows into x[n][n_inputs]. No allocation. */
void ent_prep_encode(const struct ent_prep *prep, const struct ent_table *table,
                     const uint32_t *rows, uint32_t n, float *x);
/* The same for the consecutive rows first .. first + n - 1. */
void ent_prep_encode_range(const struct ent_prep *prep, const struct ent_table *table,
                           uint32_t first, uint32_t n, float *x);

/* The codes of a CATEGORY feature, each below ent_feature_n_codes (the last: other or missing), as an
 * embedding takes them. */
void ent_prep_codes(const struct ent_prep *prep, const struct ent_table *table, uint32_t feature,
                    const uint32_t *rows, uint32_t n, uint32_t *codes);

/* Rows of one part, ready for the trainer's inner loop: gather(ctx, positions, n, x, y) as
 * trainer.h wants it. */
struct ent_gather;

#define ENT_GATHER_DENSE_BYTES ((size_t)4 << 20) /* a part whose matrix fits is prepared once */

/* rows: [n] table rows of the part (copied). dense_max_bytes: 0 = always on the fly. prep and table
 * are borrowed. */
ENT_MUST enum ent_err ent_gather_new(const struct ent_prep *prep, const struct ent_table *table,
                                     const uint32_t *rows, uint32_t n, size_t dense_max_bytes,
                                     struct ent_gather **out);
void ent_gather_free(struct ent_gather *gather);
bool ent_gather_is_dense(const struct ent_gather *gather);
/* positions: [n], each below the number of rows it was made of. x: [n][n_inputs], y: [n] in {0, 1} (may be NULL). No
 * allocation. */
void ent_gather_rows(void *gather, const uint32_t *positions, uint32_t n, float *x, float *y);

#endif
