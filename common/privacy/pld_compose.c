#include "common/privacy/pld_compose.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/mem.h"

/* A power of a number below e^-POWER_LOST is 0. */
#define POWER_LOST 200.0

struct spectrum {
    struct ent_complex *remove; /* [len / 2 + 1] */
    struct ent_complex *add;
};

static struct ent_complex times(struct ent_complex a, struct ent_complex b)
{
    return (struct ent_complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/* acc *= x^n. */
static void times_power(struct ent_complex *acc, struct ent_complex x, uint64_t n)
{
    double norm = x.re * x.re + x.im * x.im;

    if (norm == 0.0 || (double)n * log(norm) < -2.0 * POWER_LOST) {
        *acc = (struct ent_complex){0.0, 0.0};
        return;
    }
    for (; n > 0; n >>= 1) {
        if ((n & 1) != 0) {
            *acc = times(*acc, x);
        }
        x = times(x, x);
    }
}

/* Two real sequences travelled as the real and the imaginary part of one: x = a + i b. */
static void multiply(const struct spectrum *acc, const struct ent_complex *x, size_t len,
                     uint64_t steps)
{
    for (size_t k = 0; k <= len / 2; k++) {
        struct ent_complex p = x[k];
        struct ent_complex m = x[(len - k) & (len - 1)];
        struct ent_complex a = {(p.re + m.re) / 2.0, (p.im - m.im) / 2.0};
        struct ent_complex b = {(p.im + m.im) / 2.0, (m.re - p.re) / 2.0};

        times_power(&acc->remove[k], a, steps);
        times_power(&acc->add[k], b, steps);
    }
}

static void join(const struct spectrum *acc, struct ent_complex *x, size_t len)
{
    for (size_t k = 0; k <= len / 2; k++) {
        struct ent_complex a = acc->remove[k];
        struct ent_complex b = acc->add[k];

        x[k] = (struct ent_complex){a.re - b.im, a.im + b.re};
        if (k > 0 && k < len / 2) {
            x[len - k] = (struct ent_complex){a.re + b.im, b.re - a.im};
        }
    }
}

enum ent_err ent_pld_compose(const struct ent_pld_nodes *nodes, const struct ent_pld_phase *phases,
                             size_t n, struct ent_complex *x, size_t len)
{
    struct spectrum acc = {0};
    struct ent_fft fft = {0};
    enum ent_err err = ent_fft_init(&fft, len);

    if (err == ENT_E_OK) {
        err = ent_calloc(len / 2 + 1, sizeof *acc.remove, &acc.remove);
    }
    if (err == ENT_E_OK) {
        err = ent_calloc(len / 2 + 1, sizeof *acc.add, &acc.add);
    }
    if (err == ENT_E_OK) {
        for (size_t k = 0; k <= len / 2; k++) {
            acc.remove[k] = acc.add[k] = (struct ent_complex){1.0, 0.0};
        }
        for (size_t i = 0; i < n; i++) {
            for (size_t k = 0; k < len; k++) {
                x[k] = (struct ent_complex){0.0, 0.0};
            }
            ent_pld_nodes_place(&nodes[2 * i], ENT_PLD_REMOVE, x, len);
            ent_pld_nodes_place(&nodes[2 * i + 1], ENT_PLD_ADD, x, len);
            ent_fft_run(&fft, x);
            multiply(&acc, x, len, phases[i].steps);
        }
        join(&acc, x, len);
        ent_fft_back(&fft, x);
    }
    free(acc.remove);
    free(acc.add);
    ent_fft_release(&fft);
    return err;
}
