/* Fourier transform of power-of-two length, radix 2, in double. Inside of common/privacy. */
#ifndef ENT_COMMON_PRIVACY_FFT_H
#define ENT_COMMON_PRIVACY_FFT_H

#include <stdint.h>

#include "common/base/err.h"

struct ent_complex {
    double re;
    double im;
};

/* Roots of unity of one length; freed by its release. */
struct ent_fft {
    size_t len;
    struct ent_complex *roots; /* [len / 2]: e^(-2 pi i k / len) */
};

/* len: a power of two from 2 on. NO_MEMORY. */
ENT_MUST enum ent_err ent_fft_init(struct ent_fft *fft, size_t len);
void ent_fft_release(struct ent_fft *fft);
/* x: [len], in place: X[k] = sum x[n] e^(-2 pi i k n / len). */
void ent_fft_run(const struct ent_fft *fft, struct ent_complex *x);
/* The inverse, divided by len. */
void ent_fft_back(const struct ent_fft *fft, struct ent_complex *x);

#endif
