/* Small statistics in double, for reports and benches. */
#ifndef ENT_COMMON_MATH_STATS_H
#define ENT_COMMON_MATH_STATS_H

#include <stddef.h>

/* Mean and standard deviation (n - 1 in the denominator; 0 for n < 2), in one pass (Welford 1962).
 * Both 0 for n = 0. */
void ent_stats_mean_sd(const double *x, size_t n, double *mean, double *sd);
/* Median; sorts x. 0 for n = 0. NaN has no place in x. */
double ent_stats_median(double *x, size_t n);

#endif
