#include "client/data/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/data/load.h"
#include "common/base/mem.h"
#include "common/base/plural.h"

struct ent_schema ent_schema_of_plan(const struct ent_plan *plan)
{
    return (struct ent_schema){.features = plan->features,
                               .n_features = plan->n_features,
                               .n_inputs = plan->n_inputs,
                               .label_name = plan->sequence.unit == NULL ? plan->label_name : NULL,
                               .label_positive = plan->label_positive,
                               .label_values = plan->label_values,
                               .n_label_values = plan->label_values != NULL ? plan->n_classes : 0,
                               .label_lo = plan->label_lo,
                               .label_hi = plan->label_hi};
}

bool ent_schema_has_targets(const struct ent_schema *schema)
{
    return schema->label_name != NULL &&
           (schema->n_label_values > 0 || schema->label_lo < schema->label_hi);
}

bool ent_table_clips(const struct ent_feature *feature, float x)
{
    return x < (float)feature->lo || x > (float)feature->hi; /* false for NaN */
}

bool ent_table_clips_any(const struct ent_feature *feature, const float *x)
{
    bool any = false;

    for (uint32_t i = 0; i < feature->length; i++) {
        any = any || ent_table_clips(feature, x[i]);
    }
    return any;
}

double ent_table_clip(const struct ent_feature *feature, float x)
{
    if (x < (float)feature->lo) {
        return feature->lo;
    }
    if (x > (float)feature->hi) {
        return feature->hi;
    }
    /* a float32 that equals the rounded end may still lie a hair outside the double */
    return (double)x < feature->lo ? feature->lo
                                   : ((double)x > feature->hi ? feature->hi : (double)x);
}

struct ent_buf_view ent_table_id(const struct ent_table *table, uint32_t row)
{
    uint32_t begin;

    if (table->id_ends == NULL) {
        return (struct ent_buf_view){.text = "", .len = 0};
    }
    begin = row > 0 ? table->id_ends[row - 1] : 0;
    return (struct ent_buf_view){.text = table->ids.len > 0 ? (const char *)table->ids.data + begin
                                                            : "",
                                 .len = table->id_ends[row] - begin};
}

void ent_row_problem_text(const struct ent_row_problem *problem, char out[ENT_ROW_PROBLEM_BYTES])
{
    const struct ent_row_problem *p = problem;

    (void)snprintf(out, ENT_ROW_PROBLEM_BYTES, "%.60s%s%.60s%s%.24s%s",
                   p->feature != NULL ? p->feature : "", p->feature != NULL ? " is " : "",
                   p->reason, p->format != NULL ? " (" : "", p->format != NULL ? p->format : "",
                   p->format != NULL ? ")" : "");
}

static enum ent_err load_all(struct ent_loader *loader, struct ent_table *table)
{
    bool at_end;

    ENT_TRY(ent_loader_fill(loader, table, ENT_TABLE_MAX_ROWS, &at_end));
    ENT_TRY(ent_loader_check(loader, table));
    ENT_REQUIRE(table->n_source_rows > 0, ENT_E_DATA, "no rows below the header");
    ENT_REQUIRE(table->n_rows > 0, ENT_E_DATA,
                "no row is left: %llu rows read, %llu do not parse, %llu without label, %llu with "
                "outliers",
                (unsigned long long)table->n_source_rows, (unsigned long long)table->n_bad,
                (unsigned long long)table->n_unlabelled, (unsigned long long)table->n_outlier_rows);
    return ENT_E_OK;
}

enum ent_err ent_table_load(const struct ent_table_options *options, struct ent_table **out)
{
    struct ent_loader loader;
    struct ent_table *table = NULL;
    enum ent_err err;

    ENT_TRY(ent_loader_init(&loader, options));
    err = ent_loader_table(&loader, &table);
    if (err == ENT_E_OK) {
        err = load_all(&loader, table);
        if (err == ENT_E_DATA || err == ENT_E_LIMIT) {
            err = ent_err_prefix(
                err, "%s", options->path != NULL ? options->path : options->config->data.path);
        }
    }
    ent_loader_release(&loader);
    if (err != ENT_E_OK) {
        ent_table_free(table);
        return err;
    }
    *out = table;
    return ENT_E_OK;
}

enum ent_err ent_table_load_plan(const struct ent_plan *plan,
                                 const struct ent_client_config *config, struct ent_table **out)
{
    struct ent_table_options options = {.schema = ent_schema_of_plan(plan),
                                        .config = config,
                                        .split_key = plan->split_key,
                                        .clean = true,
                                        .drop_duplicates = plan->drop_duplicates};

    return ent_table_load(&options, out);
}

static void free_arrays(struct ent_table *table)
{
    for (uint32_t i = 0; table->columns != NULL && i < table->schema.n_features; i++) {
        free(table->columns[i].numbers);
        free(table->columns[i].codes);
        free(table->columns[i].buckets);
        free(table->columns[i].bools);
        free(table->columns[i].vectors);
    }
    free(table->columns);
    free(table->labels);
    free(table->units);
    free(table->keyed);
    free(table->source_rows);
    free(table->id_ends);
    free(table->targets);
    free(table->event_first);
    free(table->event_count);
    ent_buf_release(&table->ids);
    free(table);
}

void ent_table_free(struct ent_table *table)
{
    if (table == NULL) {
        return;
    }
    if (table->events != NULL) {
        free_arrays(table->events);
    }
    free_arrays(table);
}

const struct ent_table *ent_table_columns(const struct ent_table *table)
{
    return table->events != NULL ? table->events : table;
}

uint32_t ent_table_examples(const struct ent_table *table, const uint32_t *rows, uint32_t n)
{
    uint32_t examples = 0;
    uint32_t behind = 0; /* the events that are counted */

    if (table->events == NULL) {
        return n;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t first = table->event_first[rows[i]];
        uint32_t end = first + table->event_count[rows[i]];

        first =
            first > behind ? first : behind; /* one piece begins with the last event of another */
        examples += end > first ? end - first : 0;
        behind = end > behind ? end : behind;
    }
    return examples;
}

static void move_up(void *array, const struct ent_table *table, uint32_t from, uint32_t to,
                    size_t size)
{
    if (array != NULL) {
        memmove((char *)array + from * size, (char *)array + to * size,
                (size_t)(table->n_rows - to) * size);
    }
}

static void remove_ids(struct ent_table *table, uint32_t from, uint32_t to)
{
    uint32_t begin = from > 0 ? table->id_ends[from - 1] : 0;
    uint32_t end = to > 0 ? table->id_ends[to - 1] : 0;

    if (table->ids.len > end) {
        memmove(table->ids.data + begin, table->ids.data + end, table->ids.len - end);
    }
    table->ids.len -= end - begin;
    for (uint32_t i = to; i < table->n_rows; i++) {
        table->id_ends[i] -= end - begin;
    }
    move_up(table->id_ends, table, from, to, sizeof *table->id_ends);
}

void ent_table_remove(struct ent_table *table, uint32_t from, uint32_t to)
{
    ENT_BUG_ON(from > to || to > table->n_rows || table->events != NULL);
    for (uint32_t i = 0; i < table->schema.n_features; i++) {
        struct ent_column *c = &table->columns[i];

        move_up(c->numbers, table, from, to, sizeof *c->numbers);
        move_up(c->codes, table, from, to, sizeof *c->codes);
        move_up(c->buckets, table, from, to, sizeof *c->buckets);
        move_up(c->bools, table, from, to, sizeof *c->bools);
        move_up(c->vectors, table, from, to, table->schema.features[i].length * sizeof *c->vectors);
    }
    move_up(table->labels, table, from, to, sizeof *table->labels);
    move_up(table->targets, table, from, to, sizeof *table->targets);
    move_up(table->units, table, from, to, sizeof *table->units);
    move_up(table->keyed, table, from, to, sizeof *table->keyed);
    move_up(table->source_rows, table, from, to, sizeof *table->source_rows);
    if (table->id_ends != NULL) {
        remove_ids(table, from, to);
    }
    table->n_rows -= to - from;
}

enum ent_err ent_table_check_labels(const struct ent_table *table)
{
    return ent_table_check_some(table, table->n_rows, table->n_positive);
}

enum ent_err ent_table_check_some(const struct ent_table *table, uint32_t n_rows,
                                  uint64_t n_positive)
{
    const char *label = table->schema.label_name;
    const char *positive = table->schema.label_positive;

    if (table->events != NULL || table->targets != NULL) {
        return ENT_E_OK; /* no value of a column is the positive one */
    }
    ENT_REQUIRE(n_positive > 0, ENT_E_DATA,
                "none of the %u %s with a label has '%.60s', which the plan counts as positive for "
                "'%.60s': capitals count; map the own spelling in client.yaml, columns: {%.60s: "
                "{values: {OWN: %.60s}}}",
                (unsigned)n_rows, ent_plural(n_rows, "row", "rows"), positive, label, label,
                positive);
    ENT_REQUIRE(n_positive < n_rows, ENT_E_DATA,
                "all %u %s with a label have '%.60s', which the plan counts as positive for "
                "'%.60s': rows with another label are needed too",
                (unsigned)n_rows, ent_plural(n_rows, "row", "rows"), positive, label);
    return ENT_E_OK;
}

/* ---- block by block ---- */

struct ent_table_reader {
    struct ent_loader loader;
    struct ent_table *block;
    uint32_t block_rows;
    bool at_end;
};

enum ent_err ent_table_reader_open(const struct ent_table_options *options, uint32_t block_rows,
                                   struct ent_table_reader **out)
{
    struct ent_table_reader *reader;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *reader, &reader));
    reader->block_rows = block_rows > 0 ? block_rows : 1;
    err = ent_loader_init(&reader->loader, options);
    if (err == ENT_E_OK) {
        err = ent_loader_table(&reader->loader, &reader->block);
    }
    if (err != ENT_E_OK) {
        ent_table_reader_close(reader);
        return err;
    }
    *out = reader;
    return ENT_E_OK;
}

enum ent_err ent_table_reader_next(struct ent_table_reader *reader, const struct ent_table **out)
{
    struct ent_table *block = reader->block;

    block->n_rows = 0;
    ent_buf_clear(&block->ids);
    if (!reader->at_end) {
        ENT_TRY(ent_loader_fill(&reader->loader, block, reader->block_rows, &reader->at_end));
        ENT_TRY(ent_loader_check(&reader->loader, block));
    }
    *out = block->n_rows > 0 ? block : NULL;
    return ENT_E_OK;
}

const struct ent_table *ent_table_reader_table(const struct ent_table_reader *reader)
{
    return reader->block;
}

void ent_table_reader_close(struct ent_table_reader *reader)
{
    if (reader != NULL) {
        ent_loader_release(&reader->loader);
        ent_table_free(reader->block);
        free(reader);
    }
}

/* ---- for `check` ---- */

static void print_rows(const struct ent_table *table, FILE *out)
{
    char advice[128];

    if (table->n_outlier_rows > 0) {
        (void)fprintf(out, "%llu %s dropped because of outliers\n",
                      (unsigned long long)table->n_outlier_rows,
                      ent_plural(table->n_outlier_rows, "row was", "rows were"));
    }
    if (table->n_duplicates > 0) {
        (void)fprintf(out, "%llu %s an earlier one and %s dropped\n",
                      (unsigned long long)table->n_duplicates,
                      ent_plural(table->n_duplicates, "row equals", "rows equal"),
                      ent_plural(table->n_duplicates, "was", "were"));
    }
    if (table->n_without_unit > 0) {
        (void)fprintf(out, "%llu %s no unit_key: each counts as a customer of its own\n",
                      (unsigned long long)table->n_without_unit,
                      ent_plural(table->n_without_unit, "row has", "rows have"));
    }
    for (uint32_t i = 0; i < table->n_problems; i++) {
        const struct ent_row_problem *p = &table->problems[i];

        char text[ENT_ROW_PROBLEM_BYTES];

        ent_row_problem_text(p, text);
        (void)fprintf(out, "  line %llu: %s\n", (unsigned long long)p->line, text);
    }
    if (table->n_bad > table->n_problems) {
        (void)fprintf(out, "  and %llu more\n",
                      (unsigned long long)(table->n_bad - table->n_problems));
    }
    ent_loader_advice(table, advice, sizeof advice);
    if (advice[0] != '\0') {
        (void)fprintf(out, "  %s\n", advice);
    }
}

static void print_used(const struct ent_table *table, FILE *out)
{
    char positive[48] = "";

    if (table->events != NULL) {
        return; /* client/events tells what became of events */
    }
    if (table->targets == NULL) {
        (void)snprintf(positive, sizeof positive, " (%llu positive)",
                       (unsigned long long)table->n_positive);
    }
    (void)fprintf(out, "%u %s used%s of %llu; %llu do not parse, %llu without label\n",
                  table->n_rows, ent_plural(table->n_rows, "row", "rows"), positive,
                  (unsigned long long)table->n_source_rows, (unsigned long long)table->n_bad,
                  (unsigned long long)table->n_unlabelled);
    if (table->n_label_clipped > 0) {
        (void)fprintf(out, "%llu %s outside of the label's range and %s clipped\n",
                      (unsigned long long)table->n_label_clipped,
                      ent_plural(table->n_label_clipped, "label is", "labels are"),
                      ent_plural(table->n_label_clipped, "was", "were"));
    }
}

void ent_table_print(const struct ent_table *table, FILE *out)
{
    const struct ent_table *columns = ent_table_columns(table);

    print_used(table, out);
    print_rows(table, out);
    (void)fprintf(out, "  %-28s %10s %10s %10s %10s %10s\n", "feature", "missing", "clipped",
                  "outliers", "unknown", "unparsable");
    for (uint32_t i = 0; i < table->schema.n_features; i++) {
        const struct ent_column *c = &columns->columns[i];

        (void)fprintf(out, "  %-28s %10llu %10llu %10llu %10llu %10llu\n",
                      table->schema.features[i].name, (unsigned long long)c->missing,
                      (unsigned long long)c->clipped, (unsigned long long)c->outliers,
                      (unsigned long long)c->unknown, (unsigned long long)c->unparsable);
    }
}

void ent_table_print_inputs(const struct ent_table *table, FILE *out)
{
    char text[ENT_FEATURE_TEXT_BYTES];

    for (uint32_t i = 0; i < table->schema.n_features; i++) {
        const struct ent_feature *f = &table->schema.features[i];

        ent_feature_text(f, text);
        if (f->n_inputs == 0) {
            (void)fprintf(out, "  %-28s token: %s\n", f->name, text);
        } else {
            (void)fprintf(out, "  %-28s inputs %u to %u: %s\n", f->name, f->first_input,
                          f->first_input + f->n_inputs - 1, text);
        }
    }
}
