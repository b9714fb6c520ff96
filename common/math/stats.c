#include "common/math/stats.h"

#include <math.h>
#include <stdlib.h>

void ent_stats_mean_sd(const double *x, size_t n, double *mean, double *sd)
{
    double m = 0.0;
    double squares = 0.0;

    for (size_t i = 0; i < n; i++) {
        double d = x[i] - m;

        m += d / (double)(i + 1);
        squares += d * (x[i] - m);
    }
    *mean = m;
    *sd = n > 1 ? sqrt(squares / (double)(n - 1)) : 0.0;
}

static int by_value(const void *pa, const void *pb)
{
    const double *a = pa;
    const double *b = pb;

    return (*a > *b) - (*a < *b);
}

double ent_stats_median(double *x, size_t n)
{
    if (n == 0) {
        return 0.0;
    }
    qsort(x, n, sizeof *x, by_value);
    return n % 2 == 1 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2.0;
}
