#include "common/model/clip_norm.h"

#include <math.h>
#include <string.h>

#include "common/math/mat.h"
#include "common/math/vec.h"

#define LANES 8
#define GRAM_COST ((size_t)16)
#define SQUARE_RUN ((size_t)256)

/* In float32 over short runs, then in double: relative error below 2^-18. Squares below 2^-149 are lost: they could only
 * count behind an input beyond ENT_CLIP_INPUT. Overflow gives infinity. */
double ent_clip_square(const float *x, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i += SQUARE_RUN) {
        size_t run = n - i < SQUARE_RUN ? n - i : SQUARE_RUN;

        sum += (double)ent_vec_dot(x + i, x + i, run);
    }
    return sum;
}

/* Lanes of their own, so that the compiler can use registers of several doubles. */
static double dot(const float *x, const float *y, size_t n)
{
    double lane[LANES] = {0};
    double sum = 0.0;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        for (size_t j = 0; j < LANES; j++) {
            lane[j] += (double)x[i + j] * (double)y[i + j];
        }
    }
    for (; i < n; i++) {
        sum += (double)x[i] * (double)y[i];
    }
    for (size_t j = 0; j < LANES; j++) {
        sum += lane[j];
    }
    return sum;
}

/* |a_t|^2 + biases; infinite when a_t is too large, NaN when it is. */
static double input_square(const struct ent_clip_outer *o, size_t t)
{
    double square = ent_clip_square(o->a + t * o->n_a, o->n_a);

    return square > ENT_CLIP_INPUT * ENT_CLIP_INPUT ? (double)INFINITY : square + o->biases;
}

void ent_clip_rows_add(const struct ent_clip_outer *outer, double *squares)
{
    for (size_t t = 0; t < outer->n; t++) {
        squares[t] +=
            ent_clip_square(outer->d + t * outer->n_d, outer->n_d) * input_square(outer, t);
    }
}

double ent_clip_with_slack(double square, double absolute, size_t n)
{
    double norm = sqrt(square);

    if (n > 1) {
        norm += (double)n * 0x1p-22 * absolute;
    }
    return norm * norm;
}

static double gram_square(const struct ent_clip_outer *o)
{
    double sum = 0.0;

    for (size_t t = 0; t < o->n; t++) {
        for (size_t s = 0; s < t; s++) {
            double a = dot(o->a + t * o->n_a, o->a + s * o->n_a, o->n_a) + o->biases;

            sum += 2.0 * a * dot(o->d + t * o->n_d, o->d + s * o->n_d, o->n_d);
        }
        sum += input_square(o, t) * ent_clip_square(o->d + t * o->n_d, o->n_d);
    }
    return sum > 0.0 || isnan(sum) ? sum : 0.0; /* what cancels may come out below 0 */
}

static double product_square(const struct ent_clip_outer *o)
{
    double sum;

    ent_mat_mul_tn(o->a, o->d, false, o->work, o->n_a, o->n_d, o->n);
    sum = ent_clip_square(o->work, o->n_a * o->n_d);
    for (size_t j = 0; j < o->n_d; j++) {
        double bias = 0.0;

        for (size_t t = 0; t < o->n; t++) {
            bias += (double)o->d[t * o->n_d + j];
        }
        sum += o->biases * bias * bias;
    }
    return sum;
}

double ent_clip_outer_square(const struct ent_clip_outer *outer)
{
    /* n^2 / 2 products of rows in double, or n in float32 of the whole gradient: those are GRAM_COST times as fast. */
    bool gram = GRAM_COST * outer->n * (outer->n_a + outer->n_d) <= 2 * outer->n_a * outer->n_d;
    double absolute = 0.0;

    for (size_t t = 0; t < outer->n; t++) {
        absolute +=
            sqrt(input_square(outer, t) * ent_clip_square(outer->d + t * outer->n_d, outer->n_d));
    }
    return ent_clip_with_slack(gram ? gram_square(outer) : product_square(outer), absolute,
                               outer->n);
}

static void scale_row(float *row, size_t width, float f)
{
    size_t j = 0;

    for (; j + LANES <= width; j += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            row[j + l] *= f;
        }
    }
    for (; j < width; j++) {
        row[j] *= f;
    }
}

void ent_clip_scale(float *d, size_t n, size_t width, const float *factors, bool together)
{
    for (size_t t = 0; t < n; t++) {
        float f = factors[together ? 0 : t];
        float *row = d + t * width;

        if (!(f > 0.0f)) {
            memset(row, 0, width * sizeof *row);
        } else if (f < 1.0f) {
            scale_row(row, width, f);
        }
    }
}

void ent_clip_add(const float *gradient, double *sum, size_t n)
{
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        for (size_t j = 0; j < LANES; j++) {
            sum[i + j] += (double)gradient[i + j];
        }
    }
    for (; i < n; i++) {
        sum[i] += (double)gradient[i];
    }
}
