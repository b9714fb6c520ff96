/* Unpredictable randomness: keys, nonces, salts, masks, noise, and every sampling decision under
 * differential privacy. A type of its own, so that the compiler refuses a seeded `struct ent_rng`
 * in its place. */
#ifndef ENT_COMMON_CRYPTO_CSPRNG_H
#define ENT_COMMON_CRYPTO_CSPRNG_H

#include <stdint.h>

#include "common/base/err.h"

/* A value; carries no state of ours (the generator is the system's, OpenSSL's private DRBG seeded
 * by the kernel). */
struct ent_csprng {
    uint64_t n_bytes; /* handed out through this value; for tests and reports */
};

struct ent_csprng ent_csprng_system(void);
/* len unpredictable bytes. INTERNAL when the generator fails: never continue with what is in `out`
 * (it is zeroed). */
ENT_MUST enum ent_err ent_csprng_bytes(struct ent_csprng *csprng, void *out, size_t len);
/* Uniform in [0, bound), unbiased; bound > 0. Waits for sampling and noise under differential privacy. */
ENT_MUST enum ent_err ent_csprng_below(struct ent_csprng *csprng, uint64_t bound, uint64_t *out);

#ifdef ENT_TEST_LINK
/* Injected randomness, defined beside the other hooks of the test link (tests/support/hooks.c).
 * True when it filled `out`; false leaves the choice to the system. Ordinary programs contain no
 * such call. */
bool ent_hook_random(void *out, size_t len);
#endif

#endif
