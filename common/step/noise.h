/* Noise of one vector, added once to an integer sum: the one place where coordinator, simulator and auditor do it.
 *
 * The mechanism is common/privacy/dgauss.h (exact discrete Gaussian of a 32-byte key, 4,096 coordinates a chunk): y is
 * added to the sum of w * q, whose L2 sensitivity is the plan's D2, before the sum is hashed or becomes a model. The same
 * key gives the same integers whatever the windows, their order and the threads are.
 *
 * What is kept: after `start` the whole vector as int32, 4 bytes a coordinate as one member's update has them (40 MB at 10
 * million), so that a window costs one addition a coordinate; an int64 would double that for values that do not occur: a
 * draw beyond 31 bits is more than 32 sigma away at the largest sigma there is. A chunk that holds one nevertheless, and
 * what lies behind ENT_STEP_NOISE_KEPT, is drawn again for its window: memory stays bounded, the result is the same. */
#ifndef ENT_COMMON_STEP_NOISE_H
#define ENT_COMMON_STEP_NOISE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define ENT_STEP_NOISE_KEY_BYTES 32
/* Coordinates that are kept at most: 64 MiB. */
#define ENT_STEP_NOISE_KEPT ((uint64_t)16 * 1024 * 1024)

/* A secret: who has it and the released model has the sum without noise. */
struct ent_step_noise;

/* Of dim coordinates (at least 1). key: copied; one key serves one vector. RANGE (sigma2, dim), NO_MEMORY. */
ENT_MUST enum ent_err ent_step_noise_new(uint64_t sigma2,
                                         const uint8_t key[ENT_STEP_NOISE_KEY_BYTES], uint64_t dim,
                                         struct ent_step_noise **out);
/* Begins to draw on a thread of its own; without it each window draws what it needs. A second call does nothing.
 * NO_MEMORY, INTERNAL (no thread). */
ENT_MUST enum ent_err ent_step_noise_start(struct ent_step_noise *n);
/* Waits for the thread. What it failed with, so that nothing is summed without noise. OK when none was started. */
ENT_MUST enum ent_err ent_step_noise_wait(struct ent_step_noise *n);
/* sum[i] += noise of coordinate first + i, for len of them. Waits for the thread first: the vector is complete before it
 * meets a sum (the sampler is not constant-time). Any thread, several at a time. RANGE: outside the vector, or a sum leaves
 * int64; what the thread failed with; INTERNAL from the cipher. After an error the window is not to be used. */
ENT_MUST enum ent_err ent_step_noise_window(struct ent_step_noise *n, uint64_t first, int64_t *sum,
                                            size_t len);
/* Stops the thread, wipes key and noise. NULL is fine. */
void ent_step_noise_free(struct ent_step_noise *n);

#endif
