/* IN float32 arrays · OUT float32 arrays · OWNS nothing · THREADS any (one BLAS thread a call)
 * SOURCE performance.md 1 and 3 (own kernels for small products, OpenBLAS for large ones)
 *
 * The only room with <cblas.h>. Own kernels exist for AVX-512, for AVX2 with FMA and in portable C; which one is used is
 * decided at run time. Training gives the same bits with the same build, seed and kernel path; functions that promise
 * the same bits on every path say so. Nothing here allocates. */
#ifndef ENT_COMMON_MATH_MATH_H
#define ENT_COMMON_MATH_MATH_H

/* Before the first call into this room in a program: BLAS to one thread. Idempotent; ent_model_new
 * does it as well. */
void ent_math_init(void);

/* "avx512", "avx2-fma" or "portable": logged with a run, because training bits depend on it. Static. */
const char *ent_math_kernel_name(void);

/* One line about the linked BLAS, for --version. Static. */
const char *ent_math_blas_text(void);

#endif
