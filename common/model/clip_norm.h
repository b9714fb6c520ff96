/* What the layers' norm rules are made of (clip.h). Inside the model room only. */
#ifndef ENT_COMMON_MODEL_CLIP_NORM_H
#define ENT_COMMON_MODEL_CLIP_NORM_H

#include <stdbool.h>
#include <stddef.h>

/* An input of a layer whose norm is beyond 2^32, or a norm beyond 2^64 times the bound, counts as not finite: below them no
 * float32 product of a clipped example overflows, and none is lost among the smallest numbers. */
#define ENT_CLIP_INPUT 4294967296.0
#define ENT_CLIP_LARGE 18446744073709551616.0

/* Derivatives d of n sums whose inputs are a, and `biases` more inputs that are always 1: the gradient is sum_t a_t d_t^T
 * and, for each bias, sum_t d_t. */
struct ent_clip_outer {
    const float *a; /* [n][n_a] */
    size_t n_a;     /* 0: biases alone */
    const float *d; /* [n][n_d] */
    size_t n_d;
    double biases;
    size_t n;
    float *work; /* [n_a][n_d] */
};

/* sum of x[i]^2; the order of additions depends on n alone */
double ent_clip_square(const float *x, size_t n);
/* squares[t] += |d_t|^2 (|a_t|^2 + biases): each row an example. Infinite where |a_t| > ENT_CLIP_INPUT. */
void ent_clip_rows_add(const struct ent_clip_outer *outer, double *squares);
/* All rows one example: |gradient|^2, with slack for what cancels. From the Gram matrices, sum_tt' (a_t a_t' + biases)(d_t
 * d_t'), or, where that is less work (many steps), from the product itself. */
double ent_clip_outer_square(const struct ent_clip_outer *outer);
/* (sqrt(square) + n 2^-22 absolute)^2: a float32 sum of n terms, computed twice, of which the norms add up to `absolute`. */
double ent_clip_with_slack(double square, double absolute, size_t n);

/* Rows [n][width] times their factors; together: factors[0] is that of all. A factor of 0 gives 0 whatever stood there. */
void ent_clip_scale(float *d, size_t n, size_t width, const float *factors, bool together);
/* sum += gradient */
void ent_clip_add(const float *gradient, double *sum, size_t n);

#endif
