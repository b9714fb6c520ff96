/* IN accepted rows, payloads as they passed over the wire, model files as they were committed
 * OUT whether each sum, digest and model is the right one · OWNS nothing · THREADS one
 * SOURCE protocol.md 2 and 6; ARCHITECTURE.md idea 2
 *
 * Every closed round of the newest run is recomputed by plain loops: int64 sums of w * q, one double division and one
 * double addition a parameter. Models must be the same bytes. */
#ifndef ENT_TESTS_INTEGRATION_ORACLE_H
#define ENT_TESTS_INTEGRATION_ORACLE_H

#include "tests/integration/harness.h"

/* Law b (and e: what is added twice shows in the sum). plan: its text. Returns the number of closed training rounds. */
uint32_t oracle_check(struct box *box, const char *plan);

#endif
