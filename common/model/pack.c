/* Variable-length sequences without padding: sorted by length (stable, so the order depends on the lengths alone), time by
 * time, so that each step of time is one product over the sequences that still live. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/model/model_internal.h"

enum ent_err ent_pack_alloc(struct ent_model *model)
{
    struct ent_pack *pack = &model->pack;
    size_t n;

    ENT_TRY(ent_model_take(model, model->block, sizeof *pack->order, &pack->order));
    ENT_TRY(ent_model_take(model, model->block, sizeof *pack->lengths, &pack->lengths));
    ENT_TRY(ent_model_take(model, model->block, sizeof *pack->starts, &pack->starts));
    ENT_TRY(ent_model_take(model, (size_t)model->seq_max + 1, sizeof *pack->first, &pack->first));
    ENT_TRY(ent_size_mul(model->block_steps, model->n_inputs, &n));
    ENT_TRY(ent_model_take(model, n, sizeof *model->x, &model->x));
    n = (size_t)model->block_steps * model->n_tokens; /* 64 columns at most */
    ENT_TRY(ent_model_take(model, n, sizeof *model->tokens, &model->tokens));
    ENT_TRY(ent_size_mul(model->block_steps, model->n_targets, &n));
    return ent_model_take(model, n, sizeof *model->y, &model->y);
}

void ent_pack_release(struct ent_model *model)
{
    free(model->pack.order);
    free(model->pack.lengths);
    free(model->pack.starts);
    free(model->pack.first);
    free(model->x);
    free(model->tokens);
    free(model->y);
}

uint32_t ent_pack_fit(const struct ent_model *model, const uint32_t *lengths, uint32_t n,
                      uint32_t *n_steps)
{
    uint32_t steps = 0;
    uint32_t i;

    for (i = 0; i < n && i < model->block; i++) {
        ENT_BUG_ON(lengths[i] == 0 || lengths[i] > model->seq_max);
        if (steps + lengths[i] > model->block_steps) {
            break;
        }
        steps += lengths[i];
    }
    *n_steps = steps;
    return i;
}

/* Insertion: a pass has few sequences, and equal lengths keep their order. */
static void sort(struct ent_pack *pack, const uint32_t *lengths)
{
    uint32_t start = 0;

    for (uint32_t i = 0; i < pack->n; i++) {
        uint32_t at = i;

        for (; at > 0 && pack->lengths[at - 1] < lengths[i]; at--) {
            pack->lengths[at] = pack->lengths[at - 1];
            pack->order[at] = pack->order[at - 1];
            pack->starts[at] = pack->starts[at - 1];
        }
        pack->lengths[at] = lengths[i];
        pack->order[at] = i;
        pack->starts[at] = start;
        start += lengths[i];
    }
    pack->n_steps = start;
}

/* Calls for each row of the pass in order: rows of `size` bytes from the batch's places. */
static void gather(const struct ent_pack *pack, const void *from, size_t size, void *to)
{
    const char *in = from;
    char *out = to;

    for (uint32_t t = 0; t < pack->n_times; t++) {
        for (uint32_t s = 0; s < pack->first[t + 1] - pack->first[t]; s++, out += size) {
            memcpy(out, in + ((size_t)pack->starts[s] + t) * size, size);
        }
    }
}

void ent_pack_fill(struct ent_model *model, const struct ent_block *block)
{
    struct ent_pack *pack = &model->pack;
    uint32_t live = block->n;

    pack->n = block->n;
    sort(pack, block->lengths);
    pack->n_times = pack->lengths[0];
    pack->first[0] = 0;
    for (uint32_t t = 0; t < pack->n_times; t++) {
        while (pack->lengths[live - 1] <= t) {
            live--;
        }
        pack->first[t + 1] = pack->first[t] + live;
    }
    if (model->n_inputs > 0) {
        gather(pack, block->x, model->n_inputs * sizeof *block->x, model->x);
    }
    if (model->n_tokens > 0) {
        gather(pack, block->tokens, model->n_tokens * sizeof *block->tokens, model->tokens);
    }
}

void ent_pack_targets(struct ent_model *model, const float *y)
{
    const struct ent_pack *pack = &model->pack;
    size_t n = model->n_targets;

    if (model->per_step) {
        gather(pack, y, n * sizeof *y, model->y);
        return;
    }
    for (uint32_t s = 0; s < pack->n; s++) {
        memcpy(model->y + s * n, y + pack->order[s] * n, n * sizeof *y);
    }
}

void ent_pack_outputs(const struct ent_model *model, const float *from, float *to)
{
    const struct ent_pack *pack = &model->pack;
    size_t n = model->n_outputs;

    if (!model->per_step) {
        for (uint32_t s = 0; s < pack->n; s++) {
            memcpy(to + pack->order[s] * n, from + s * n, n * sizeof *to);
        }
        return;
    }
    for (uint32_t t = 0; t < pack->n_times; t++) {
        for (uint32_t s = 0; s < pack->first[t + 1] - pack->first[t]; s++, from += n) {
            memcpy(to + ((size_t)pack->starts[s] + t) * n, from, n * sizeof *to);
        }
    }
}
