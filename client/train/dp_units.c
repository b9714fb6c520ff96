/* Which rows belong together. */
#include <stdlib.h>
#include <string.h>

#include "client/train/dp.h"
#include "common/base/mem.h"

struct keyed {
    uint64_t key;
    uint32_t row;
    uint32_t lead; /* the first row of its unit */
    bool alone;
};

/* Rows without a key behind all others; equal keys in the order of their rows. */
static int by_key(const void *a, const void *b)
{
    const struct keyed *x = a;
    const struct keyed *y = b;

    if (x->alone != y->alone) {
        return x->alone ? 1 : -1;
    }
    if (x->key != y->key && !x->alone) {
        return x->key < y->key ? -1 : 1;
    }
    return x->row < y->row ? -1 : 1;
}

static int by_lead(const void *a, const void *b)
{
    const struct keyed *x = a;
    const struct keyed *y = b;

    if (x->lead != y->lead) {
        return x->lead < y->lead ? -1 : 1;
    }
    return x->row < y->row ? -1 : (x->row > y->row ? 1 : 0);
}

static void find_leads(struct keyed *list, uint32_t n)
{
    qsort(list, n, sizeof *list, by_key);
    for (uint32_t i = 0; i < n; i++) {
        bool same = i > 0 && !list[i].alone && !list[i - 1].alone && list[i].key == list[i - 1].key;

        list[i].lead = same ? list[i - 1].lead : list[i].row;
    }
    qsort(list, n, sizeof *list, by_lead);
}

enum ent_err ent_dp_units_init(const uint64_t *keys, const bool *has_key, uint32_t n_rows,
                               struct ent_dp_units *out)
{
    struct ent_dp_units units = {0};
    struct keyed *list = NULL;
    enum ent_err err = ent_calloc(n_rows, sizeof *list, &list);

    if (err == ENT_E_OK) {
        err = ent_calloc(n_rows, sizeof *units.rows, &units.rows);
    }
    if (err == ENT_E_OK) {
        err = ent_calloc((size_t)n_rows + 1, sizeof *units.first, &units.first);
    }
    if (err != ENT_E_OK) {
        free(list);
        ent_dp_units_release(&units);
        return err;
    }
    for (uint32_t i = 0; i < n_rows; i++) {
        list[i] = (struct keyed){.row = i, .alone = keys == NULL || (has_key && !has_key[i])};
        list[i].key = keys != NULL ? keys[i] : 0;
    }
    find_leads(list, n_rows);
    for (uint32_t i = 0; i < n_rows; i++) {
        if (i == 0 || list[i].lead != list[i - 1].lead) {
            units.first[units.n++] = i;
        }
        units.rows[i] = list[i].row;
    }
    units.first[units.n] = n_rows;
    free(list);
    *out = units;
    return ENT_E_OK;
}

void ent_dp_units_release(struct ent_dp_units *units)
{
    free(units->first);
    free(units->rows);
    *units = (struct ent_dp_units){0};
}
