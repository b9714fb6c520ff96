#include "client/data/load.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/data/split.h"
#include "common/base/mem.h"
#include "common/base/plural.h"

enum ent_err ent_loader_init_from(struct ent_loader *loader,
                                  const struct ent_table_options *options,
                                  struct ent_source *source_take)
{
    struct ent_data_config data = options->config->data;
    const struct ent_text *header;
    size_t n;
    enum ent_err err;

    *loader = (struct ent_loader){.options = *options, .source = source_take};
    loader->max_rows = options->max_rows != 0 ? options->max_rows : ENT_TABLE_MAX_ROWS;
    if (options->path != NULL) { /* what belongs to the other path is not of this one */
        data.path = options->path;
        data.labels = NULL;
        data.more = NULL;
    }
    if (source_take == NULL) {
        ENT_TRY(ent_source_open(&data, &loader->source));
    }
    header = ent_source_header(loader->source, &n);
    err = ent_bindings_new(options, header, n, &loader->bindings);
    if (err == ENT_E_OK) {
        err = ent_sha256_init(&loader->hash);
    }
    if (err == ENT_E_DATA) {
        err = ent_err_prefix(err, "%s", data.path);
    }
    if (err != ENT_E_OK) {
        ent_loader_release(loader);
    }
    return err;
}

enum ent_err ent_loader_init(struct ent_loader *loader, const struct ent_table_options *options)
{
    return ent_loader_init_from(loader, options, NULL);
}

void ent_loader_release(struct ent_loader *loader)
{
    ent_source_close(loader->source);
    ent_bindings_free(loader->bindings);
    ent_sha256_release(&loader->hash);
    ent_rowset_release(&loader->rows);
    *loader = (struct ent_loader){0};
}

enum ent_err ent_loader_table(const struct ent_loader *loader, struct ent_table **out)
{
    struct ent_table *table;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *table, &table));
    table->schema = loader->options.schema;
    table->has_unit_key = loader->bindings->unit != ENT_BIND_NONE;
    ent_buf_init(&table->ids, ENT_LOADER_MAX_ID_BYTES);
    err = ent_calloc(table->schema.n_features, sizeof *table->columns, &table->columns);
    if (err != ENT_E_OK) {
        ent_table_free(table);
        return err;
    }
    *out = table;
    return ENT_E_OK;
}

/* ---- one row ---- */

struct label {
    uint8_t code; /* 0, 1 or ENT_LABEL_ABSENT */
    bool clipped;
    float target; /* where the schema has targets */
};

static void note_problem(struct ent_table *table, struct ent_row_problem problem)
{
    table->n_bad++;
    if (table->n_problems < ENT_TABLE_MAX_PROBLEMS) {
        table->problems[table->n_problems++] = problem;
    }
}

static const char *read_value(struct ent_bindings *b, const struct ent_bound *bound,
                              const struct ent_text *field, struct ent_column *column, uint32_t at)
{
    switch (bound->feature->type) {
    case ENT_FEATURE_NUMBER:
        return ent_bind_number(b, bound, field, &column->numbers[at]);
    case ENT_FEATURE_CATEGORY:
        return bound->feature->codes == ENT_CODES_DECLARED
                   ? ent_bind_category(b, bound, field, &column->codes[at])
                   : ent_bind_bucket(b, bound, field, &column->buckets[at]);
    case ENT_FEATURE_VECTOR:
        return ent_bind_vector(b, bound, field,
                               column->vectors + (size_t)at * bound->feature->length);
    case ENT_FEATURE_BOOLEAN:
        break;
    }
    return ent_bind_boolean(b, bound, field, &column->bools[at]);
}

/* The row's values into the place behind the last row; NULL, or why not. */
static const char *read_values(struct ent_bindings *b, const struct ent_source_row *row,
                               struct ent_table *table, uint32_t *bad_column)
{
    for (uint32_t i = 0; i < b->n_columns; i++) {
        const struct ent_bound *bound = &b->columns[i];
        const char *why =
            read_value(b, bound, &row->fields[bound->field], &table->columns[i], table->n_rows);

        if (why != NULL) {
            *bad_column = i;
            return why;
        }
    }
    return NULL;
}

/* What the schema says of outliers, on the row behind the last one; false: the row is to be dropped. */
static bool settle_outliers(const struct ent_loader *loader, struct ent_table *table)
{
    bool keep = true;

    for (uint32_t i = 0; i < table->schema.n_features; i++) {
        const struct ent_feature *f = &table->schema.features[i];
        struct ent_column *c = &table->columns[i];
        bool drops = f->outliers == ENT_OUTLIERS_DROP_ROW && loader->options.clean;

        c->later += f->part == ENT_DATE_AGE && c->numbers[table->n_rows] < 0.0F ? 1 : 0;
        if (f->type != ENT_FEATURE_NUMBER || !ent_table_clips(f, c->numbers[table->n_rows]) ||
            (f->outliers != ENT_OUTLIERS_MISSING && !drops)) {
            continue;
        }
        c->outliers++;
        if (drops) {
            keep = false;
        } else {
            c->numbers[table->n_rows] = NAN;
        }
    }
    return keep;
}

static void count_values(struct ent_table *table)
{
    uint32_t at = table->n_rows;

    for (uint32_t i = 0; i < table->schema.n_features; i++) {
        const struct ent_feature *f = &table->schema.features[i];
        struct ent_column *c = &table->columns[i];

        switch (f->type) {
        case ENT_FEATURE_NUMBER:
            c->missing += isnan(c->numbers[at]) ? 1 : 0;
            c->clipped += ent_table_clips(f, c->numbers[at]) ? 1 : 0;
            break;
        case ENT_FEATURE_CATEGORY:
            if (f->codes != ENT_CODES_DECLARED) {
                c->missing += c->buckets[at] == ENT_BUCKET_MISSING ? 1 : 0;
                break;
            }
            c->missing += c->codes[at] == ENT_CODE_MISSING ? 1 : 0;
            c->unknown += c->codes[at] == f->n_values ? 1 : 0;
            break;
        case ENT_FEATURE_BOOLEAN:
            c->missing += c->bools[at] < 0 ? 1 : 0;
            break;
        case ENT_FEATURE_VECTOR: {
            const float *x = c->vectors + (size_t)at * f->length;

            c->missing += isnan(x[0]) ? 1 : 0;
            c->clipped += ent_table_clips_any(f, x) ? 1 : 0;
            break;
        }
        }
    }
}

static void hash_vector(const struct ent_feature *f, const float *vectors, uint32_t at,
                        struct ent_sha256 *hash)
{
    const float *x = vectors + (size_t)at * f->length;
    uint8_t bytes[4];
    uint32_t bits;

    ent_sha256_add(hash, "v", 1);
    for (uint32_t i = 0; i < f->length; i++) {
        memcpy(&bits, &x[i], sizeof bits);
        ent_put_be32(bytes, isnan(x[i]) ? 0x7fc00000U : bits);
        ent_sha256_add(hash, bytes, sizeof bytes);
    }
}

/* The mapped row in plan order, as split.h describes it, straight into the hash. */
static void hash_row(const struct ent_table *table, struct ent_sha256 *hash)
{
    uint32_t at = table->n_rows;

    for (uint32_t i = 0; i < table->schema.n_features; i++) {
        const struct ent_column *c = &table->columns[i];
        uint8_t bytes[5];
        uint32_t bits;
        size_t n = 0;

        switch (table->schema.features[i].type) {
        case ENT_FEATURE_NUMBER:
            memcpy(&bits, &c->numbers[at], sizeof bits);
            bytes[n++] = 'n';
            ent_put_be32(bytes + n, isnan(c->numbers[at]) ? 0x7fc00000U : bits);
            n += 4;
            break;
        case ENT_FEATURE_CATEGORY:
            if (c->codes == NULL) {
                bytes[n++] = 'h';
                ent_put_be32(bytes + n, c->buckets[at]);
                n += 4;
                break;
            }
            bytes[n++] = 'c';
            ent_put_be16(bytes + n, c->codes[at]);
            n += 2;
            break;
        case ENT_FEATURE_BOOLEAN:
            bytes[n++] = 'b';
            bytes[n++] = (uint8_t)c->bools[at];
            break;
        case ENT_FEATURE_VECTOR:
            hash_vector(&table->schema.features[i], c->vectors, at, hash);
            break;
        }
        ent_sha256_add(hash, bytes, n);
    }
}

static enum ent_err hash_unit(struct ent_loader *loader, const struct ent_source_row *row,
                              struct ent_table *table)
{
    struct ent_text unit = {0};
    uint8_t digest[ENT_SHA256_BYTES];

    if (loader->bindings->unit != ENT_BIND_NONE) {
        bool is_missing;

        unit = ent_bind_text(&loader->bindings->missing, NULL, &row->fields[loader->bindings->unit],
                             &is_missing);
        unit.len = is_missing ? 0 : unit.len;
        table->n_without_unit += unit.len == 0 ? 1 : 0;
        table->keyed[table->n_rows] = unit.len > 0;
    }
    ENT_TRY(ent_sha256_init(&loader->hash));
    ent_split_hash_begin(loader->options.split_key, &loader->hash);
    if (unit.len > 0) {
        ent_sha256_add(&loader->hash, unit.text, unit.len);
    } else {
        hash_row(table, &loader->hash);
    }
    ent_sha256_finish(&loader->hash, digest);
    table->units[table->n_rows] = ent_get_be64(digest);
    return ENT_E_OK;
}

static enum ent_err keep_id(const struct ent_bindings *b, const struct ent_source_row *row,
                            struct ent_table *table)
{
    struct ent_text id;

    if (b->id == ENT_BIND_NONE) {
        return ENT_E_OK;
    }
    id = ent_text_trim(row->fields[b->id].text, row->fields[b->id].len);
    ENT_TRY(ent_buf_add(&table->ids, id.text, id.len));
    table->id_ends[table->n_rows] = (uint32_t)table->ids.len;
    return ENT_E_OK;
}

static enum ent_err commit_row(struct ent_loader *loader, const struct ent_source_row *row,
                               const struct label *label, struct ent_table *table)
{
    ENT_REQUIRE(table->n_rows < loader->max_rows, ENT_E_LIMIT, "more than %u rows",
                loader->max_rows);
    table->labels[table->n_rows] = label->code;
    if (table->targets != NULL) {
        table->targets[table->n_rows] = label->target;
        table->n_label_clipped += label->clipped ? 1 : 0;
    }
    if (!loader->options.without_units) {
        ENT_TRY(hash_unit(loader, row, table));
    }
    if (loader->options.drop_duplicates && !loader->options.without_units) {
        bool found;

        ENT_TRY(ent_rowset_add(&loader->rows, table, table->n_rows, &found));
        if (found) {
            table->n_duplicates++;
            return ENT_E_OK;
        }
    }
    ENT_TRY(keep_id(loader->bindings, row, table));
    count_values(table);
    table->source_rows[table->n_rows] = (uint32_t)row->number;
    table->n_positive += label->code == 1 ? 1 : 0;
    table->n_rows++;
    return ENT_E_OK;
}

static const char *read_label(const struct ent_table *table, const struct ent_bindings *b,
                              const struct ent_text *field, struct label *out)
{
    const char *why;

    if (!ent_schema_has_targets(&table->schema)) {
        return ent_bind_label(b, field, &out->code);
    }
    why = ent_bind_target(b, &table->schema, field, &out->target, &out->clipped);
    out->code = why == NULL && !isnan(out->target) ? 0 : ENT_LABEL_ABSENT;
    return why;
}

static enum ent_err take_row(struct ent_loader *loader, const struct ent_source_row *row,
                             struct ent_table *table)
{
    struct ent_bindings *b = loader->bindings;
    const char *why = row->problem;
    struct label label = {.code = ENT_LABEL_ABSENT};
    uint32_t bad_column = 0;

    if (why == NULL && b->label.field != ENT_BIND_NONE) {
        why = read_label(table, b, &row->fields[b->label.field], &label);
        if (why != NULL) {
            note_problem(table,
                         (struct ent_row_problem){row->line, why, table->schema.label_name, NULL});
            return ENT_E_OK;
        }
        if (label.code == ENT_LABEL_ABSENT && loader->options.label == ENT_LABEL_REQUIRED) {
            table->n_unlabelled++;
            return ENT_E_OK;
        }
    }
    if (why != NULL) {
        note_problem(table, (struct ent_row_problem){row->line, why, row->column, row->format});
        return ENT_E_OK;
    }
    ENT_TRY(ent_loader_room(loader, table, row->line));
    why = read_values(b, row, table, &bad_column);
    if (why != NULL) {
        const struct ent_feature *f = &table->schema.features[bad_column];

        table->columns[bad_column].unparsable++;
        note_problem(table, (struct ent_row_problem){row->line, why, f->name, f->format});
        return ENT_E_OK;
    }
    ENT_TRY(b->err);
    if (!settle_outliers(loader, table)) {
        table->n_outlier_rows++;
        return ENT_E_OK;
    }
    return commit_row(loader, row, &label, table);
}

enum ent_err ent_loader_fill(struct ent_loader *loader, struct ent_table *table, uint32_t until,
                             bool *at_end)
{
    *at_end = false;
    while (table->n_rows < until) {
        const struct ent_source_row *row;

        ENT_TRY(ent_source_next(loader->source, &row));
        if (row == NULL) {
            *at_end = true;
            break;
        }
        ENT_REQUIRE(row->number < ENT_TABLE_MAX_ROWS, ENT_E_LIMIT, "more than %u rows",
                    ENT_TABLE_MAX_ROWS);
        table->n_source_rows =
            row->number >= table->n_source_rows ? row->number + 1 : table->n_source_rows;
        ENT_TRY(take_row(loader, row, table));
    }
    return ENT_E_OK;
}

void ent_loader_advice(const struct ent_table *table, char *out, size_t size)
{
    out[0] = '\0';
    for (uint32_t i = 0; i < table->n_problems && out[0] == '\0'; i++) {
        const struct ent_row_problem *p = &table->problems[i];

        if (p->reason == ent_bind_comma) {
            (void)snprintf(out, size, "write numbers with a point (1.5)");
        } else if (p->reason == ent_bind_not_boolean) {
            (void)snprintf(out, size,
                           "map spellings: columns: {%.40s: {values: {OWN: true, "
                           "OTHER: false}}}",
                           p->feature);
        }
    }
}

enum ent_err ent_loader_check(const struct ent_loader *loader, const struct ent_table *table)
{
    char list[260] = "";
    char advice[128];
    size_t used = 0;

    if (table->n_bad == 0 || loader->options.config->data.bad_rows == ENT_BAD_ROWS_DROP) {
        return ENT_E_OK;
    }
    for (uint32_t i = 0; i < table->n_problems && i < 3 && used < sizeof list; i++) {
        const struct ent_row_problem *p = &table->problems[i];
        const char *format = p->format != NULL ? p->format : "";
        int n = snprintf(list + used, sizeof list - used, "%sline %llu (%.60s%s%s%s%.24s)",
                         i > 0 ? ", " : "", (unsigned long long)p->line,
                         p->feature != NULL ? p->feature : "", p->feature != NULL ? ": " : "",
                         p->reason, format[0] != '\0' ? " " : "", format);

        used += n > 0 ? (size_t)n : 0;
    }
    ent_loader_advice(table, advice, sizeof advice);
    return ent_err_note(
        ENT_E_DATA, "%llu %s not parse: %s%s; %s%scorrect them, or set data.bad_rows: drop",
        (unsigned long long)table->n_bad, ent_plural(table->n_bad, "row does", "rows do"), list,
        table->n_bad > 3 ? ", ..." : "", advice, advice[0] != '\0' ? "; or " : "");
}
