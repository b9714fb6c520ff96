/* IN the seed of an attempt as it was stored, the log · OUT the noise that its sum must have · OWNS nothing · THREADS one
 * SOURCE audit.md 2.7 */
#ifndef ENT_TESTS_INTEGRATION_NOISE_H
#define ENT_TESTS_INTEGRATION_NOISE_H

#include "common/plan/plan.h"
#include "coordinator/round/round.h"
#include "tests/integration/harness.h"

/* Adds it to sum[dim]; law b when what the log says of it does not fit. */
void noise_add(struct box *box, const struct ent_plan *plan, const struct ent_row *close,
               int64_t *sum, size_t dim);

#endif
