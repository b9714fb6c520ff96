#include <string.h>

#include "client/train/trainer.h"

static void gather(void *ctx, const uint32_t *rows, uint32_t n, float *x, float *y)
{
    const struct ent_rows_matrix *m = ctx;
    size_t width = m->n_inputs;

    for (uint32_t i = 0; i < n; i++) {
        /* Shuffled rows of a large matrix come from memory: ask for the one after next. */
        if (i + 2 < n) {
            __builtin_prefetch(m->x + rows[i + 2] * width);
        }
        memcpy(x + i * width, m->x + rows[i] * width, width * sizeof *x);
        y[i] = m->y[rows[i]];
    }
}

struct ent_rows ent_rows_of_matrix(struct ent_rows_matrix *matrix, uint32_t n)
{
    return (struct ent_rows){.ctx = matrix, .n = n, .gather = gather};
}
