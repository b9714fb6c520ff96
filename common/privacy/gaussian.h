/* The analytic Gaussian mechanism (Balle, Wang 2018, theorem 8): the exact trade-off of one release with noise of
 * standard deviation sigma * sensitivity. T releases are one of sigma / sqrt(T); phases add 1 / sigma^2.
 * Relative accuracy 1e-6 or better, for delta down to 1e-25; epsilon and sigma are rounded up. */
#ifndef ENT_COMMON_PRIVACY_GAUSSIAN_H
#define ENT_COMMON_PRIVACY_GAUSSIAN_H

#include "common/base/err.h"

/* sigma > 0, eps >= 0. */
double ent_gaussian_delta(double sigma, double eps);
/* 0 < delta < 1. The smallest epsilon; 0 when delta covers everything. RANGE for arguments outside. */
ENT_MUST enum ent_err ent_gaussian_epsilon(double sigma, double delta, double *eps);
/* eps >= 0 (0 is total variation). The smallest sigma. */
ENT_MUST enum ent_err ent_gaussian_sigma(double eps, double delta, double *sigma);

#endif
