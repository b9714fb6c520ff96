#include "common/privacy/fft.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/mem.h"

enum ent_err ent_fft_init(struct ent_fft *fft, size_t len)
{
    const double turn = 6.283185307179586476925 / (double)len;
    struct ent_complex *roots = NULL;

    ENT_BUG_ON(len < 2 || (len & (len - 1)) != 0);
    ENT_TRY(ent_calloc(len / 2, sizeof *roots, &roots));
    for (size_t k = 0; k < len / 2; k++) {
        roots[k] = (struct ent_complex){cos(turn * (double)k), -sin(turn * (double)k)};
    }
    *fft = (struct ent_fft){.len = len, .roots = roots};
    return ENT_E_OK;
}

void ent_fft_release(struct ent_fft *fft)
{
    free(fft->roots);
    *fft = (struct ent_fft){0};
}

/* Puts x[k] where the bits of k, reversed, point. */
static void reverse_bits(struct ent_complex *x, size_t len)
{
    size_t j = 0;

    for (size_t i = 1; i < len; i++) {
        size_t bit = len >> 1;

        for (; (j & bit) != 0; bit >>= 1) {
            j ^= bit;
        }
        j |= bit;
        if (i < j) {
            struct ent_complex t = x[i];

            x[i] = x[j];
            x[j] = t;
        }
    }
}

static void butterflies(struct ent_complex *x, size_t half, const struct ent_complex *roots,
                        size_t stride)
{
    for (size_t k = 0; k < half; k++) {
        struct ent_complex w = roots[k * stride];
        struct ent_complex b = x[k + half];
        struct ent_complex t = {b.re * w.re - b.im * w.im, b.re * w.im + b.im * w.re};

        x[k + half] = (struct ent_complex){x[k].re - t.re, x[k].im - t.im};
        x[k] = (struct ent_complex){x[k].re + t.re, x[k].im + t.im};
    }
}

void ent_fft_run(const struct ent_fft *fft, struct ent_complex *x)
{
    reverse_bits(x, fft->len);
    for (size_t half = 1; half < fft->len; half *= 2) {
        for (size_t i = 0; i < fft->len; i += 2 * half) {
            butterflies(x + i, half, fft->roots, fft->len / (2 * half));
        }
    }
}

/* conj(F(conj x)) / len. */
void ent_fft_back(const struct ent_fft *fft, struct ent_complex *x)
{
    double scale = 1.0 / (double)fft->len;

    for (size_t i = 0; i < fft->len; i++) {
        x[i].im = -x[i].im;
    }
    ent_fft_run(fft, x);
    for (size_t i = 0; i < fft->len; i++) {
        x[i].re *= scale;
        x[i].im *= -scale;
    }
}
