/* Zero-concentrated differential privacy of unsampled releases, in whole numbers: rho = D2^2 / (2 sigma2) in units of
 * 10^-12, rounded up a release, composed by integer addition. Two programs that agree on the events agree to the last digit.
 * Exact for the discrete Gaussian at every sigma (Canonne, Kamath, Steinke 2020, theorem 4). */
#ifndef ENT_COMMON_PRIVACY_ZCDP_H
#define ENT_COMMON_PRIVACY_ZCDP_H

#include <stdint.h>

#include "common/base/err.h"

#define ENT_ZCDP_UNIT 1000000000000ull /* rho = 1 */

/* rho of `steps` releases. LIMIT when it does not fit; RANGE for sigma2 or sensitivity outside privacy.h's bounds. */
ENT_MUST enum ent_err ent_zcdp_rho(uint64_t sensitivity, uint64_t sigma2, uint64_t steps,
                                   uint64_t *rho_e12);
/* The smallest epsilon that rho gives at delta over all real orders (their proposition 12), rounded up. rho >= 0, 0 < delta
 * < 1; RANGE otherwise. */
ENT_MUST enum ent_err ent_zcdp_epsilon(double rho, double delta, double *eps);

#endif
