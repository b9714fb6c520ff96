/* IN what models with and without a canary score · OUT a lower bound on epsilon · OWNS nothing · THREADS any
 * SOURCE Jagielski et al. 2020, Nasr et al. 2021
 *
 * An attack on what was promised: a rule tells models with one unit from models without it, and from how often it is right
 * follows a lower bound on epsilon. The rule's threshold is chosen on other models than those that give the bound; each
 * rate is bounded by Clopper-Pearson at 99.9 %. */
#ifndef ENT_TESTS_PRIVACY_BOUND_H
#define ENT_TESTS_PRIVACY_BOUND_H

#include <stdint.h>

struct bound_scores {
    double *
        in; /* [n_choose + n_bound] of models with the canary; the first n_choose choose the threshold */
    double *out; /* the same without */
    uint32_t n_choose;
    uint32_t n_bound;
};

/* The smallest and the largest rate under which at least (at most) k of n are seen with probability 0.001. */
double bound_lower(uint32_t k, uint32_t n);
double bound_upper(uint32_t k, uint32_t n);
/* "In" is what scores above the threshold. */
double bound_epsilon(const struct bound_scores *s, double delta);

#endif
