/* IN a seed, faults · OUT what the test link gives in place of the system's randomness, and plants · OWNS nothing
 * THREADS as hooks.h · SOURCE - */
#ifndef ENT_TESTS_PRIVACY_INJECT_H
#define ENT_TESTS_PRIVACY_INJECT_H

#include "common/base/rng.h"
#include "tests/support/hooks.h"

struct inject {
    struct ent_test_hooks hooks;
    struct ent_rng stream;
    const char *planted; /* a fault; NULL: none */
    const char *counted; /* a fault with a number; NULL: none */
    uint64_t number;
    bool same_seeds; /* whatever asks for 32 bytes gets the same ones */
};

/* Sets the hooks; borrowed until ent_test_hooks_set(NULL). */
void inject_begin(struct inject *inject, uint64_t seed);

#endif
