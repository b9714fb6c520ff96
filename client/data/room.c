/* Room for rows of a table, within what the member allows. */
#include "client/data/load.h"
#include "common/base/mem.h"

/* Room that a table begins with. */
#define FIRST_ROWS 1024u
#define FIRST_BYTES ((size_t)1 << 20)

static size_t value_bytes(const struct ent_feature *feature)
{
    const struct ent_column *c = NULL; /* for the sizes alone */

    switch (feature->type) {
    case ENT_FEATURE_NUMBER:
        return sizeof *c->numbers;
    case ENT_FEATURE_CATEGORY:
        return feature->codes == ENT_CODES_DECLARED ? sizeof *c->codes : sizeof *c->buckets;
    case ENT_FEATURE_VECTOR:
        return feature->length * sizeof *c->vectors;
    case ENT_FEATURE_BOOLEAN:
        break;
    }
    return sizeof *c->bools;
}

static enum ent_err grow_column(struct ent_column *column, const struct ent_feature *feature,
                                size_t have, size_t want)
{
    size_t size = value_bytes(feature);

    switch (feature->type) {
    case ENT_FEATURE_NUMBER:
        return ent_enlarge(&column->numbers, have, want, size);
    case ENT_FEATURE_CATEGORY:
        return feature->codes == ENT_CODES_DECLARED
                   ? ent_enlarge(&column->codes, have, want, size)
                   : ent_enlarge(&column->buckets, have, want, size);
    case ENT_FEATURE_VECTOR:
        return ent_enlarge(&column->vectors, have, want, size);
    case ENT_FEATURE_BOOLEAN:
        break;
    }
    return ent_enlarge(&column->bools, have, want, size);
}

static bool has_keys(const struct ent_loader *loader)
{
    return !loader->options.without_units && loader->bindings->unit != ENT_BIND_NONE;
}

/* What a row takes in all arrays together. */
static size_t row_bytes(const struct ent_loader *loader, const struct ent_table *table)
{
    size_t sum = sizeof *table->labels + sizeof *table->source_rows;

    for (uint32_t i = 0; i < table->schema.n_features; i++) { /* 2^12 of 2^18 bytes: no overflow */
        sum += value_bytes(&table->schema.features[i]);
    }
    sum += ent_schema_has_targets(&table->schema) ? sizeof *table->targets : 0;
    sum += loader->options.without_units ? 0 : sizeof *table->units;
    sum += has_keys(loader) ? sizeof *table->keyed : 0;
    return sum + (loader->bindings->id != ENT_BIND_NONE ? sizeof *table->id_ends : 0);
}

/* Rows to have room for: the first ones by their bytes, then half as many again, and no more than the member allows. */
static enum ent_err plan_room(const struct ent_loader *loader, const struct ent_table *table,
                              uint64_t line, size_t *out)
{
    uint64_t most = loader->options.config->memory_bytes;
    size_t row = row_bytes(loader, table);
    size_t have = table->cap_rows;
    size_t want = have == 0 ? FIRST_BYTES / row : have + have / 2;

    want = have == 0 && want > FIRST_ROWS ? FIRST_ROWS : want;
    want = want <= have ? have + 1 : want;
    want = want > ENT_TABLE_MAX_ROWS ? ENT_TABLE_MAX_ROWS : want;
    if (most > 0 && want > most / row) {
        want = (size_t)(most / row);
    }
    ENT_REQUIRE(
        want > have, ENT_E_LIMIT,
        "line %llu: no memory is left for this row: %zu rows of %zu bytes each, and "
        "limits.memory of client.yaml leaves %llu bytes for rows: raise it, give fewer rows, "
        "or ask for a plan with shorter vectors or fewer features",
        (unsigned long long)line, have, row, (unsigned long long)most);
    *out = want;
    return ENT_E_OK;
}

/* All arrays grow together, so one capacity stands for all. */
enum ent_err ent_loader_room(const struct ent_loader *loader, struct ent_table *table,
                             uint64_t line)
{
    size_t have = table->cap_rows;
    size_t want;

    if (table->n_rows < table->cap_rows) {
        return ENT_E_OK;
    }
    ENT_TRY(plan_room(loader, table, line, &want));
    for (uint32_t i = 0; i < table->schema.n_features; i++) {
        ENT_TRY(grow_column(&table->columns[i], &table->schema.features[i], have, want));
    }
    ENT_TRY(ent_enlarge(&table->labels, have, want, sizeof *table->labels));
    if (ent_schema_has_targets(&table->schema)) {
        ENT_TRY(ent_enlarge(&table->targets, have, want, sizeof *table->targets));
    }
    ENT_TRY(ent_enlarge(&table->source_rows, have, want, sizeof *table->source_rows));
    if (!loader->options.without_units) {
        ENT_TRY(ent_enlarge(&table->units, have, want, sizeof *table->units));
    }
    if (has_keys(loader)) {
        ENT_TRY(ent_enlarge(&table->keyed, have, want, sizeof *table->keyed));
    }
    if (loader->bindings->id != ENT_BIND_NONE) {
        ENT_TRY(ent_enlarge(&table->id_ends, have, want, sizeof *table->id_ends));
    }
    table->cap_rows = (uint32_t)want;
    return ENT_E_OK;
}
