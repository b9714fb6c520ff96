#include "common/privacy/zcdp.h"

#include <inttypes.h>
#include <math.h>

#include "common/privacy/privacy.h"

#define ROUND_UP (1.0 + 1e-10)
#define TERNARY 200

__extension__ typedef unsigned __int128 u128;

enum ent_err ent_zcdp_rho(uint64_t sensitivity, uint64_t sigma2, uint64_t steps, uint64_t *rho_e12)
{
    u128 num;
    u128 den = (u128)2 * sigma2;
    u128 rho;

    ENT_REQUIRE(sigma2 >= 1 && sigma2 <= ENT_DP_SIGMA2_MAX, ENT_E_RANGE,
                "sigma2 = %" PRIu64 ": it must be a whole number from 1 to 2^52 - 1", sigma2);
    ENT_REQUIRE(sensitivity <= ENT_DP_SENSITIVITY_MAX, ENT_E_RANGE,
                "a sensitivity of %" PRIu64 " grid units", sensitivity);
    num = (u128)sensitivity * sensitivity * ENT_ZCDP_UNIT; /* below 2^126 */
    rho = (num + den - 1) / den;
    ENT_REQUIRE(steps == 0 || rho <= UINT64_MAX / steps, ENT_E_LIMIT,
                "%" PRIu64 " releases with noise %g times the sensitivity: nothing is private",
                steps, sqrt((double)sigma2) / (double)sensitivity);
    *rho_e12 = (uint64_t)rho * steps;
    return ENT_E_OK;
}

/* epsilon of order a = 1 + e^u. */
static double at_order(double rho, double ln_delta, double u)
{
    double above = exp(u);
    double a = 1.0 + above;

    /* ln(1 - 1/a) = u - ln a */
    return rho * a + u - log(a) - (ln_delta + log(a)) / above;
}

/* One minimum in u: ternary search over orders 1 + 1e-9 .. 1 + 1e15. Any order is valid, so an inexact minimum is an upper
 * bound. */
enum ent_err ent_zcdp_epsilon(double rho, double delta, double *eps)
{
    double low = -20.0;
    double high = 35.0;
    double best;

    ENT_REQUIRE(delta > 0.0 && delta < 1.0, ENT_E_RANGE,
                "a delta of %g: it must be above 0 and below 1", delta);
    ENT_REQUIRE(rho >= 0.0 && isfinite(rho), ENT_E_RANGE, "a rho of %g", rho);
    if (rho == 0.0) {
        *eps = 0.0;
        return ENT_E_OK;
    }
    for (int i = 0; i < TERNARY; i++) {
        double a = low + (high - low) / 3.0;
        double b = high - (high - low) / 3.0;

        if (at_order(rho, log(delta), a) > at_order(rho, log(delta), b)) {
            low = a;
        } else {
            high = b;
        }
    }
    best = at_order(rho, log(delta), (low + high) / 2.0);
    *eps = best > 0.0 ? best * ROUND_UP : 0.0;
    return ENT_E_OK;
}
