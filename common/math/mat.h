/* Matrices, row-major and dense (leading dimension = row length). Sizes may be 0. Results must not
 * overlap inputs. */
#ifndef ENT_COMMON_MATH_MAT_H
#define ENT_COMMON_MATH_MAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* c [m][n] = a [m][k] * b [k][n] + bias [n] in every row (NULL: 0), then max(., 0) when relu. */
void ent_mat_mul_bias(const float *a, const float *b, const float *bias, bool relu, float *c,
                      size_t m, size_t n, size_t k);
/* c [m][n] += a [m][k] * b [k][n] */
void ent_mat_mul_add(const float *a, const float *b, float *c, size_t m, size_t n, size_t k);
/* out [cols][rows] = a [rows][cols] transposed */
void ent_mat_transpose(const float *a, float *out, size_t rows, size_t cols);
/* c [m][n] (+)= a^T * b with a [k][m], b [k][n]: the gradient of a weight matrix. */
void ent_mat_mul_tn(const float *a, const float *b, bool add, float *c, size_t m, size_t n,
                    size_t k);
/* c [m][n] = a [m][k] * b^T with b [n][k]: the gradient of a layer's input. work:
 * [ent_mat_nt_work(n, k)] floats, where a small b is transposed for our kernel; a larger one goes
 * to BLAS as it is. */
#define ENT_MAT_NT_WORK_MAX 65536u /* floats: the transpose stays in L2 */
size_t ent_mat_nt_work(size_t n, size_t k);
void ent_mat_mul_nt(const float *a, const float *b, float *work, float *c, size_t m, size_t n,
                    size_t k);
/* The same as ent_mat_mul_bias and ent_mat_mul_nt, and the bits of a row of c depend on that row of a alone: not on how many
 * rows there are, nor on where it stands. Our own kernel at any size, so large products are slower. work: [n * k] floats. */
void ent_mat_rows_mul_bias(const float *a, const float *b, const float *bias, bool relu, float *c,
                           size_t m, size_t n, size_t k);
void ent_mat_rows_mul_nt(const float *a, const float *b, float *work, float *c, size_t m, size_t n,
                         size_t k);
/* out [n] (+)= the sum of the rows of a [m][n] */
void ent_mat_col_sums(const float *a, bool add, float *out, size_t m, size_t n);

#endif
