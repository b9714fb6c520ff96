/* Which rows a table holds already, exactly: a hash finds candidates, the values decide. */
#include <stdlib.h>
#include <string.h>

#include "client/data/load.h"
#include "common/base/mem.h"

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ (h >> 29);
}

/* Equal values, equal bits (-0 became 0 when it was read; every NaN is missing). */
static uint32_t bits_of_float(float v)
{
    uint32_t bits;

    memcpy(&bits, &v, sizeof bits);
    return v == v ? bits : 0x7fc00000U;
}

/* A value's bits; of a vector one of its numbers'. */
static uint32_t bits_of(const struct ent_column *column, size_t at)
{
    if (column->vectors != NULL) {
        return bits_of_float(column->vectors[at]);
    }
    if (column->numbers != NULL) {
        return bits_of_float(column->numbers[at]);
    }
    if (column->codes != NULL) {
        return column->codes[at];
    }
    return column->buckets != NULL ? column->buckets[at] : (uint32_t)(uint8_t)column->bools[at];
}

static size_t length_of(const struct ent_feature *feature)
{
    return feature->type == ENT_FEATURE_VECTOR ? feature->length : 1;
}

static uint32_t target_bits(const struct ent_table *table, uint32_t row)
{
    return table->targets != NULL ? bits_of_float(table->targets[row]) : table->labels[row];
}

static uint64_t hash_row(const struct ent_table *table, uint32_t row)
{
    uint64_t h = mix(table->units[row], target_bits(table, row));

    for (uint32_t i = 0; i < table->schema.n_features; i++) {
        size_t n = length_of(&table->schema.features[i]);

        for (size_t k = row * n; k < (row + 1) * n; k++) {
            h = mix(h, bits_of(&table->columns[i], k));
        }
    }
    return h;
}

static bool equal_rows(const struct ent_table *table, uint32_t a, uint32_t b)
{
    if (table->units[a] != table->units[b] || table->labels[a] != table->labels[b] ||
        (table->targets != NULL &&
         (table->targets[a] < table->targets[b] || table->targets[a] > table->targets[b]))) {
        return false;
    }
    for (uint32_t i = 0; i < table->schema.n_features; i++) {
        const struct ent_column *c = &table->columns[i];
        size_t n = length_of(&table->schema.features[i]);

        for (size_t k = 0; k < n; k++) {
            if (bits_of(c, a * n + k) != bits_of(c, b * n + k)) {
                return false;
            }
        }
    }
    return true;
}

static enum ent_err widen(struct ent_rowset *set, const struct ent_table *table)
{
    struct ent_rowset wide = {.n_slots = set->n_slots == 0 ? 1024 : set->n_slots * 2, .n = set->n};

    ENT_TRY(ent_calloc(wide.n_slots, sizeof *wide.slots, &wide.slots));
    for (size_t i = 0; i < set->n_slots; i++) {
        size_t at;

        if (set->slots[i] == 0) {
            continue;
        }
        at = hash_row(table, set->slots[i] - 1) & (wide.n_slots - 1);
        while (wide.slots[at] != 0) {
            at = (at + 1) & (wide.n_slots - 1);
        }
        wide.slots[at] = set->slots[i];
    }
    free(set->slots);
    *set = wide;
    return ENT_E_OK;
}

enum ent_err ent_rowset_add(struct ent_rowset *set, const struct ent_table *table, uint32_t row,
                            bool *found)
{
    size_t at;

    if (set->n * 2 >= set->n_slots) {
        ENT_TRY(widen(set, table));
    }
    at = hash_row(table, row) & (set->n_slots - 1);
    *found = false;
    while (set->slots[at] != 0) {
        if (equal_rows(table, set->slots[at] - 1, row)) {
            *found = true;
            return ENT_E_OK;
        }
        at = (at + 1) & (set->n_slots - 1);
    }
    set->slots[at] = row + 1;
    set->n++;
    return ENT_E_OK;
}

void ent_rowset_release(struct ent_rowset *set)
{
    free(set->slots);
    *set = (struct ent_rowset){0};
}
