/* One well-formed body for each type of leaf, for the tests and seeds of the decoder. */
#ifndef ENT_TESTS_FUZZ_LEAF_SAMPLES_H
#define ENT_TESTS_FUZZ_LEAF_SAMPLES_H

#include "common/tlog/leaf.h"

/* Numbers of all types, ending with 0. */
extern const unsigned ent_sample_leaf_types[];
/* Fills frame and body; what they point to is static. */
void ent_sample_leaf(unsigned type, struct ent_leaf_frame *frame, union ent_leaf_any *out);

#endif
