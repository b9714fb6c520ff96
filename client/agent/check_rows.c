#include "client/agent/check_rows.h"

#include "client/events/events.h"

static void put_columns(struct ent_json_writer *w, const struct ent_check_rows *r)
{
    const struct ent_table *table = ent_pipeline_table(r->pipeline);
    char text[ENT_FEATURE_TEXT_BYTES];

    ent_json_put_key(w, "columns");
    ent_json_put_array(w);
    for (uint32_t i = 0; i < table->schema.n_features; i++) {
        const struct ent_column *c = &ent_table_columns(table)->columns[i];

        ent_json_put_object(w, ENT_JSON_INSERTION);
        ent_json_put_key_string(w, "feature", table->schema.features[i].name);
        ent_json_put_key_uint(w, "missing", c->missing);
        ent_json_put_key_uint(w, "clipped", c->clipped);
        ent_json_put_key_uint(w, "unknown", c->unknown);
        ent_json_put_key_uint(w, "unparsable", c->unparsable);
        ent_json_put_key_uint(w, "outliers", c->outliers);
        ent_json_put_key_uint(w, "later_than_reference", c->later);
        ent_feature_text(&table->schema.features[i], text);
        ent_json_put_key_string(w, "becomes", text);
        ent_json_put_key_uint(w, "first_input", table->schema.features[i].first_input);
        ent_json_put_key_uint(w, "inputs", table->schema.features[i].n_inputs);
        if (r->leaks != NULL) {
            ent_json_put_key_double(w, "auc", r->leaks[i].auc);
            ent_json_put_key_double(w, "settled", r->leaks[i].certain);
            ent_json_put_key_bool(w, "leaks", r->leaks[i].leaks);
        }
        ent_json_put_close(w);
    }
    ent_json_put_close(w);
}

static void put_problems(struct ent_json_writer *w, const struct ent_table *table)
{
    ent_json_put_key(w, "problems");
    ent_json_put_array(w);
    for (uint32_t i = 0; i < table->n_problems; i++) {
        const struct ent_row_problem *p = &table->problems[i];

        ent_json_put_object(w, ENT_JSON_INSERTION);
        ent_json_put_key_uint(w, "line", p->line);
        ent_json_put_key_string(w, "reason", p->reason);
        if (p->feature != NULL) {
            ent_json_put_key_string(w, "feature", p->feature);
        }
        ent_json_put_close(w);
    }
    ent_json_put_close(w);
}

static void put_events(struct ent_json_writer *w, const struct ent_table *table)
{
    struct ent_events_count counts[ENT_EVENTS_COUNTS];

    if (table->events == NULL) {
        return;
    }
    ent_events_counts(table, counts);
    ent_json_put_key(w, "events");
    ent_json_put_object(w, ENT_JSON_INSERTION);
    for (size_t i = 0; i < ENT_EVENTS_COUNTS; i++) {
        ent_json_put_key_uint(w, counts[i].name, counts[i].value);
    }
    ent_json_put_close(w);
}

void ent_check_rows_put(const struct ent_check_rows *r, struct ent_json_writer *w)
{
    const struct ent_table *table = ent_pipeline_table(r->pipeline);

    ent_json_put_key_uint(w, "rows", table->n_rows);
    ent_json_put_key_uint(w, "positives", table->n_positive);
    ent_json_put_key_uint(w, "bad_rows", table->n_bad);
    ent_json_put_key_uint(w, "unlabelled_rows", table->n_unlabelled);
    ent_json_put_key_uint(w, "outlier_rows", table->n_outlier_rows);
    ent_json_put_key_uint(w, "duplicate_rows", table->n_duplicates);
    ent_json_put_key_uint(w, "train_rows", ent_pipeline_rows(r->pipeline, ENT_SPLIT_TRAIN));
    ent_json_put_key_uint(w, "validation_rows",
                          ent_pipeline_rows(r->pipeline, ENT_SPLIT_VALIDATION));
    ent_json_put_key_uint(w, "test_rows", ent_pipeline_rows(r->pipeline, ENT_SPLIT_TEST));
    put_problems(w, table);
    put_events(w, table);
    put_columns(w, r);
}
