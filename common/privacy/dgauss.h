/* Exact discrete Gaussian noise N_Z(0, sigma2): P(y) proportional to exp(-y^2 / (2 sigma2)), y an integer.
 *
 * Canonne, Kamath, Steinke 2020, algorithms 1-3, in unsigned 128-bit integers: no floating point, and the reader of a
 * committed key draws the same numbers on any machine. Mechanism: y is added to an integer sum of L2 sensitivity D2;
 * one release is D2^2 / (2 sigma2) zero-concentrated private (their theorem 4), which is what zcdp.h books.
 *
 * Not constant time (arXiv 2112.05307): draw the whole vector before the sum exists. */
#ifndef ENT_COMMON_PRIVACY_DGAUSS_H
#define ENT_COMMON_PRIVACY_DGAUSS_H

#include <stdint.h>

#include "common/base/err.h"

#define ENT_DGAUSS_KEY_BYTES 32
/* Coordinates of one chunk: each chunk has a stream of its own, so chunks may be drawn in any order and in parallel. */
#define ENT_DGAUSS_CHUNK 4096u

/* sigma2 in 1..2^52-1; RANGE otherwise. */
ENT_MUST enum ent_err ent_dgauss_check(uint64_t sigma2);

/* Coordinates first .. first + n - 1 of the noise of `key`.
 *   key     32 unpredictable bytes, used for one vector only; the caller wipes it
 *   first   a multiple of ENT_DGAUSS_CHUNK
 *   out     [n]
 * Chunk c reads the ChaCha20 stream with the IV 8 zero bytes || u64be c; the order of draws is part of the format. RANGE (sigma2,
 * first), INTERNAL or NO_MEMORY from the cipher: `out` is then not to be used. About 0.1 us a coordinate. */
ENT_MUST enum ent_err ent_dgauss_fill(const uint8_t key[ENT_DGAUSS_KEY_BYTES], uint64_t sigma2,
                                      uint64_t first, int64_t *out, size_t n);

/* ---- facts about the distribution, in double, for tests and reports ---- */

/* Sum over the integers of exp(-k^2 / (2 sigma2)), sigma2 > 0 (any real). */
double ent_dgauss_norm(double sigma2);
/* P(Y = k). */
double ent_dgauss_pmf(double sigma2, int64_t k);
/* P(Y > k). */
double ent_dgauss_above(double sigma2, int64_t k);
/* E Y^2. */
double ent_dgauss_variance(double sigma2);
/* The smallest delta for which adding Y to a query of integer sensitivity is (eps, delta) private; CKS20 theorem 7. One dimension. */
double ent_dgauss_delta(double sigma2, uint64_t sensitivity, double eps);

#endif
