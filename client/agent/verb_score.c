#include <math.h>
#include <stdio.h>
#include <string.h>

#include "client/agent/score.h"
#include "client/agent/verbs.h"
#include "client/agent/workplace.h"
#include "common/base/file.h"
#include "common/base/plural.h"
#include "common/json/json.h"

/* Counts go to standard error: standard output is for the metrics that were asked for. */
static void print_counts(const struct ent_score_result *r)
{
    (void)fprintf(stderr, "%llu %s scored", (unsigned long long)r->rows,
                  ent_plural(r->rows, "row", "rows"));
    if (r->bad > 0) {
        (void)fprintf(stderr, ", %llu dropped because they do not parse",
                      (unsigned long long)r->bad);
    }
    (void)fputc('\n', stderr);
    for (uint32_t i = 0; i < r->n_problems; i++) {
        (void)fprintf(stderr, "  line %llu: %s\n", (unsigned long long)r->problems[i].line,
                      r->problems[i].text);
    }
    if (r->n_events > 0) {
        (void)fprintf(stderr, "  of %llu %s, ",
                      (unsigned long long)r->events[ENT_EVENTS_PARSED].value,
                      r->events[ENT_EVENTS_PARSED].text);
        ent_events_print_units(r->events, stderr);
        (void)fputc('\n', stderr);
        ent_events_print_became(r->events, stderr);
    }
    for (uint32_t i = 0; i < r->n_counts; i++) {
        const struct ent_score_count *c = &r->counts[i];

        if (c->missing + c->clipped + c->unknown > 0) {
            (void)fprintf(stderr, "  %s: %llu missing, %llu out of range, %llu unknown\n",
                          c->feature, (unsigned long long)c->missing,
                          (unsigned long long)c->clipped, (unsigned long long)c->unknown);
        }
    }
}

static enum ent_err print_metrics(const struct ent_score_result *r, FILE *out)
{
    const struct ent_metrics *m = &r->metrics;
    char found[ENT_WORKPLACE_FOUND_TEXT];

    if (m->outputs != ENT_OUTPUTS_BINARY) {
        ent_workplace_print_values(m, out);
    } else if (isnan(m->auc)) {
        (void)fprintf(out, "auc=none log_loss=%.6f rows=%llu positives=%llu\n", m->log_loss,
                      (unsigned long long)m->rows, (unsigned long long)m->positives);
    } else {
        (void)fprintf(out, "auc=%.6f log_loss=%.6f rows=%llu positives=%llu\n", m->auc, m->log_loss,
                      (unsigned long long)m->rows, (unsigned long long)m->positives);
    }
    ent_workplace_found_text(m, found);
    if (found[0] != '\0') {
        (void)fprintf(out, "%s\n", found);
    }
    return ENT_E_OK;
}

static void put_counts(struct ent_json_writer *w, const struct ent_score_result *r)
{
    ent_json_put_key(w, "columns");
    ent_json_put_array(w);
    for (uint32_t i = 0; i < r->n_counts; i++) {
        ent_json_put_object(w, ENT_JSON_INSERTION);
        ent_json_put_key_string(w, "feature", r->counts[i].feature);
        ent_json_put_key_uint(w, "missing", r->counts[i].missing);
        ent_json_put_key_uint(w, "clipped", r->counts[i].clipped);
        ent_json_put_key_uint(w, "unknown", r->counts[i].unknown);
        ent_json_put_close(w);
    }
    ent_json_put_close(w);
}

static void put_events(struct ent_json_writer *w, const struct ent_score_result *r)
{
    if (r->n_events == 0) {
        return;
    }
    ent_json_put_key(w, "events");
    ent_json_put_object(w, ENT_JSON_INSERTION);
    for (uint32_t i = 0; i < r->n_events; i++) {
        ent_json_put_key_uint(w, r->events[i].name, r->events[i].value);
    }
    ent_json_put_close(w);
}

static void put_metrics(struct ent_json_writer *w, const struct ent_metrics *m)
{
    ent_json_put_key(w, "metrics");
    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_workplace_put_metrics(w, m);
    ent_json_put_close(w);
}

static enum ent_err print_json(const struct ent_score_verb *verb, const struct ent_score_result *r)
{
    struct ent_json_writer w;
    struct ent_buf text;
    enum ent_err err;

    ent_buf_init(&text, (size_t)16 * 1024 * 1024);
    ent_json_begin(&w, &text);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_json_put_key_uint(&w, "rows", r->rows);
    ent_json_put_key_uint(&w, "bad_rows", r->bad);
    if (verb->evaluate) {
        ent_json_put_key_uint(&w, "unlabelled_rows", r->unlabelled);
        put_metrics(&w, &r->metrics);
    }
    put_counts(&w, r);
    put_events(&w, r);
    if (r->explanation.of.n > 0) {
        ent_json_put_key(&w, "explanation");
        ent_json_put_object(&w, ENT_JSON_INSERTION);
        ent_explanation_put(&r->explanation, &w);
        ent_json_put_close(&w);
    }
    ent_json_put_close(&w);
    err = ent_json_end(&w);
    if (err == ENT_E_OK) {
        err = ent_workplace_print(&text);
    }
    ent_buf_release(&text);
    return err;
}

static enum ent_err write_explanation(const char *path, const struct ent_score_result *r)
{
    struct ent_buf text;
    enum ent_err err;

    ent_buf_init(&text, (size_t)16 * 1024 * 1024);
    err = ent_explanation_csv(&r->explanation, &text);
    if (err == ENT_E_OK) {
        err = ent_file_write_atomic(path, text.data, text.len, 0600);
    }
    ent_buf_release(&text);
    return err;
}

static enum ent_err print_text(const struct ent_score_verb *verb, const struct ent_score_result *r,
                               FILE *out)
{
    print_counts(r);
    if (verb->evaluate) {
        ENT_TRY(print_metrics(r, out));
    }
    if (r->explanation.of.n > 0) {
        ent_explanation_print(&r->explanation, out);
    }
    return ENT_E_OK;
}

static enum ent_err options_of(const struct ent_score_verb *verb, struct ent_score_options *out)
{
    bool to_stdout = verb->output != NULL && strcmp(verb->output, "-") == 0;
    bool explain = verb->explain || verb->explain_csv != NULL;

    ENT_REQUIRE(!to_stdout || !verb->json, ENT_E_USAGE,
                "--output - and --json both write to standard output: give one a file");
    ENT_REQUIRE(explain || (verb->explain_rows == 0 && verb->repeats == 0 && verb->seed == 0),
                ENT_E_USAGE, "--explain-rows, --repeats and --seed belong to --explain");
    ENT_REQUIRE(verb->explain_rows <= 100000000 && verb->repeats <= ENT_IMPORTANCE_REPEATS_MAX,
                ENT_E_USAGE, "--explain-rows is at most 100000000, --repeats at most %u",
                ENT_IMPORTANCE_REPEATS_MAX);
    *out = (struct ent_score_options){
        .model = verb->model,
        .input = verb->input,
        .output = verb->output,
        .id = verb->id,
        .rows_file = verb->rows,
        .evaluate = verb->evaluate,
        .explain = explain,
        .explanation = {.rows = (uint32_t)verb->explain_rows,
                        .repeats = (uint32_t)verb->repeats,
                        .seed = verb->seed != 0 ? verb->seed : 1},
    };
    return ENT_E_OK;
}

enum ent_err ent_verb_score(const void *options, const char *const *args, size_t n)
{
    const struct ent_score_verb *verb = options;
    struct ent_score_options score;
    struct ent_client_config *config = NULL;
    struct ent_score_result result = {0};
    enum ent_err err = ENT_E_OK;

    (void)args;
    (void)n;
    ENT_TRY(options_of(verb, &score));
    if (verb->dir != NULL || verb->config != NULL) {
        err = ent_workplace_config(verb->dir, verb->config, &config);
    }
    if (err == ENT_E_OK) {
        score.config = config;
        err = ent_score(&score, &result);
    }
    if (err == ENT_E_OK && verb->evaluate && result.metrics.rows == 0) {
        err = ent_err_note(ENT_E_DATA, "no row has a label%s: nothing can be evaluated",
                           result.n_events > 0 ? " that the model knows" : "");
    }
    if (err == ENT_E_OK && verb->explain_csv != NULL) {
        err = write_explanation(verb->explain_csv, &result);
    }
    if (err == ENT_E_OK && verb->json) {
        err = print_json(verb, &result);
    } else if (err == ENT_E_OK) {
        bool to_stdout = verb->output != NULL && strcmp(verb->output, "-") == 0;

        err = print_text(verb, &result, to_stdout ? stderr : stdout);
    }
    ent_score_result_release(&result);
    ent_client_config_free(config);
    return err;
}
