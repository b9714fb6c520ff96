/* Randomness of this test's choice (test_keys.c has the hook). */
#ifndef ENT_TESTS_UNIT_COMMON_CRYPTO_INJECT_H
#define ENT_TESTS_UNIT_COMMON_CRYPTO_INJECT_H

#include <stddef.h>
#include <stdint.h>

/* The next draw, which must be of this length, gets these bytes (borrowed); those after it are the system's. */
void inject_next(const uint8_t *bytes, size_t len);

#endif
