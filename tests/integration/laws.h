/* IN frames as they are sent, the rows of a run · OUT the first law that is broken, in the box · OWNS nothing
 * THREADS as record.h · SOURCE protocol.md 6
 *
 *   a  each invited member ends exactly once an attempt
 *   b  every sum and every model is what the oracle computes from the accepted rows
 *   c  nothing is released below min_members
 *   d  nothing is sent before its commit
 *   e  a repeat is added once, and only the update of the attempt itself
 *   f  bounded fake time
 *   x  what should never happen at all: an engine or agent that fails */
#ifndef ENT_TESTS_INTEGRATION_LAWS_H
#define ENT_TESTS_INTEGRATION_LAWS_H

#include "tests/integration/harness.h"

/* d and c: of a frame of the coordinator to `member` (BOX_NOBODY: before its HELLO), at the moment it is sent. */
void laws_of_frame(struct box *box, uint32_t member, const struct ent_link_mem_frame *frame);
/* a, c and e: of all rows of the newest run, when it has ended. */
void laws_of_rows(struct box *box, uint32_t min_members);
/* Members hold the best model, byte for byte. */
void laws_of_members(struct box *box);

#endif
