/* IN weighted integers · OUT their sum · OWNS dim int64 · THREADS one at a time
 * SOURCE McMahan et al. 2017, "Communication-Efficient Learning of Deep Networks from Decentralized Data", algorithm 1
 *
 * The weighted sum sum_k w_k q_k; the average and the step onto the model are the caller's (ent_grid_apply). Statistics
 * and histograms are the same sum over int64 with weight 1. */
#include <stdlib.h>
#include <string.h>

#include "common/aggregate/rules.h"
#include "common/base/mem.h"
#include "common/fixed/grid.h"

struct fedavg {
    uint32_t int_bytes;
    int64_t *sum;
};

static enum ent_err begin(const struct ent_agg_config *config, void **state)
{
    struct fedavg *st;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *st, &st));
    err = ent_calloc_aligned(config->dim, sizeof *st->sum, &st->sum);
    if (err != ENT_E_OK) {
        free(st);
        return err;
    }
    st->int_bytes = config->int_bytes;
    *state = st;
    return ENT_E_OK;
}

static void add(void *state, const uint8_t *const *updates, const uint32_t *weights, size_t k,
                size_t dim)
{
    struct fedavg *st = state;

    if (st->int_bytes == 4) {
        ent_grid_add32(st->sum, dim, updates, weights, k);
        return;
    }
    for (size_t i = 0; i < k; i++) {
        ent_grid_add64(st->sum, dim, updates[i]);
    }
}

static enum ent_err finish(void *state, size_t dim, const int64_t **sum)
{
    const struct fedavg *st = state;

    (void)dim;
    *sum = st->sum;
    return ENT_E_OK;
}

static void reset(void *state, size_t dim)
{
    struct fedavg *st = state;

    memset(st->sum, 0, dim * sizeof *st->sum);
}

static void release(void *state)
{
    struct fedavg *st = state;

    free(st->sum);
    free(st);
}

const struct ent_agg_rule ent_agg_rule_fedavg = {
    .name = "fedavg",
    .summary = "weighted average of the updates",
    .flags = ENT_AGG_GIVES_SUM | ENT_AGG_GIVES_ELEMENTWISE,
    .begin = begin,
    .add = add,
    .finish = finish,
    .reset = reset,
    .free = release,
};
