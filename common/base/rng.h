/* IN a seed · OUT a reproducible stream · OWNS nothing · THREADS one at a time
 * SOURCE Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (Philox4x32-10); its
 * known answers are a test
 *
 * Seeded randomness for initial weights, shuffles and dropout. Never for keys, nonces, masks, noise
 * or sampling under differential privacy: those take `struct ent_csprng` (common/crypto), a type
 * that the compiler will not mix with this. */
#ifndef ENT_COMMON_BASE_RNG_H
#define ENT_COMMON_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct ent_rng {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t out[4];
    unsigned have; /* values of `out` not handed out yet */
};

/* One stream for each (seed, stream): same pair, same values, on every machine. */
struct ent_rng ent_rng_init(uint64_t seed, uint64_t stream);
uint32_t ent_rng_u32(struct ent_rng *rng);
uint64_t ent_rng_u64(struct ent_rng *rng);
/* Uniform in [0, bound), unbiased; bound > 0. */
uint32_t ent_rng_below(struct ent_rng *rng, uint32_t bound);
/* Uniform in [0, 1), 24 bits. */
float ent_rng_float(struct ent_rng *rng);
/* Standard normal (Box-Muller in double; libm, so same build, same bits). */
double ent_rng_normal(struct ent_rng *rng);
/* Fisher-Yates. */
void ent_rng_shuffle(struct ent_rng *rng, uint32_t *items, size_t n);
/* The bare block function, for kernels that fill vectors. */
void ent_philox4x32(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);

#endif
