/* IN a federation whose run is over, an auditor's secret · OUT law m when its export does not stand up to the auditor
 * OWNS nothing · THREADS one · SOURCE docs/AUDIT.md */
#ifndef ENT_TESTS_INTEGRATION_AUDITED_H
#define ENT_TESTS_INTEGRATION_AUDITED_H

#include "tests/integration/harness.h"

/* Exports the log, verifies it with a member's policy, and replays it. secret: [32] of an auditor who was admitted before the run:
 * then nothing may be missing; NULL: no violation, and all that is not checkable is the noise that nobody can prove. */
void laws_of_audit(struct box *box, const uint8_t *secret);

#endif
