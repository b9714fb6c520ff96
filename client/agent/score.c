#include "client/agent/score.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/agent/predictor.h"
#include "client/data/csv.h"
#include "client/data/split.h"
#include "client/data/table.h"
#include "client/task/fill.h"
#include "common/base/file.h"
#include "common/base/mem.h"

#define BLOCK_ROWS 4096
#define NAME_BYTES 512
#define WRITE_AT ((size_t)256 * 1024)

struct scorer {
    const struct ent_score_options *options;
    const struct ent_client_config *config;
    struct ent_client_config plain; /* without a client.yaml */
    const char *id;
    struct ent_predictor predictor;
    struct ent_explainer *explainer; /* NULL: not asked for */
    float *answers;                  /* [block_rows][n_outputs] */
    uint32_t block_rows;
    uint32_t *wanted; /* --rows: ascending */
    uint32_t n_wanted;
    uint32_t next_wanted;
    struct ent_histogram histogram;
    size_t dim; /* of it */
    struct ent_buf out;
    char *tmp; /* NULL: the output is standard output, or there is none */
    int fd;
    uint64_t n_source_rows;
    struct ent_score_result result;
};

/* ---- the model ---- */

static enum ent_err open_model(struct scorer *s)
{
    const struct ent_score_options *o = s->options;

    ENT_TRY(ent_predictor_open(o->model, &s->predictor));
    return o->explain ? ent_explainer_new(&s->predictor, &o->explanation, &s->explainer) : ENT_E_OK;
}

static enum ent_err open_memory(struct scorer *s)
{
    const struct ent_schema *schema = &s->predictor.schema;
    uint32_t n = schema->n_features;

    s->block_rows = s->predictor.n_outputs > ENT_SCORE_CLASSES ? ENT_MODEL_BLOCK : BLOCK_ROWS;
    ENT_TRY(ent_calloc_aligned((size_t)s->block_rows * s->predictor.n_outputs, sizeof *s->answers,
                               &s->answers));
    s->histogram.sizes = ent_predictor_sizes(&s->predictor);
    if (s->options->evaluate) {
        ENT_TRY(ent_task_evaluate_dim_of(&s->histogram.sizes, &s->dim));
    }
    ENT_TRY(ent_calloc(s->dim, sizeof *s->histogram.v, &s->histogram.v));
    ENT_TRY(ent_calloc(n, sizeof *s->result.counts, &s->result.counts));
    s->result.n_counts = n;
    for (uint32_t i = 0; i < n; i++) {
        ENT_TRY(ent_strdup(schema->features[i].name, &s->result.counts[i].feature));
    }
    return ENT_E_OK;
}

/* ---- input and output ---- */

static enum ent_err open_rows(struct scorer *s)
{
    if (s->options->rows_file == NULL) {
        return ENT_E_OK;
    }
    return ent_split_file_read(s->options->rows_file, UINT32_MAX, &s->wanted, &s->n_wanted);
}

static void choose_config(struct scorer *s)
{
    s->config = s->options->config;
    if (s->config == NULL) {
        s->plain.data = (struct ent_data_config){
            .source = "csv", .path = s->options->input, .bad_rows = ENT_BAD_ROWS_DROP};
        s->config = &s->plain;
    }
    s->id = s->options->id != NULL ? s->options->id : s->config->id;
    if (s->id == NULL) {
        s->id = s->config->unit_key;
    }
}

/* Scores over the rows that they belong to would cost the data. */
static enum ent_err refuse_same_file(const struct ent_score_options *o)
{
    struct stat in;
    struct stat out;

    if (stat(o->input, &in) == 0 && stat(o->output, &out) == 0) {
        ENT_REQUIRE(in.st_dev != out.st_dev || in.st_ino != out.st_ino, ENT_E_USAGE,
                    "--output %s is the file that --input reads: give another name", o->output);
    }
    return ENT_E_OK;
}

static enum ent_err add_text(struct scorer *s, const char *text)
{
    return ent_csv_add_field(&s->out, text, strlen(text), ',');
}

static bool lists_classes(const struct scorer *s)
{
    return s->predictor.n_outputs <= ENT_SCORE_CLASSES;
}

static enum ent_err write_head(struct scorer *s)
{
    static const char *const names[] = {[ENT_MODEL_BCE] = "score",
                                        [ENT_MODEL_SOFTMAX] = "prediction,probability",
                                        [ENT_MODEL_MSE] = "number"};
    const struct ent_predictor *p = &s->predictor;
    char name[NAME_BYTES];

    ENT_TRY(add_text(s, s->id != NULL ? s->id : "row"));
    if (p->kind == ENT_MODEL_MSE && p->n_outputs > 1) {
        for (uint32_t k = 0; k < p->n_outputs; k++) {
            ENT_TRY(ent_buf_addf(&s->out, ",number_%u", (unsigned)k));
        }
        return ent_buf_addf(&s->out, "\n");
    }
    ENT_TRY(ent_buf_addf(&s->out, ",%s", names[p->kind]));
    for (uint32_t k = 0; p->kind == ENT_MODEL_SOFTMAX && lists_classes(s) && k < p->n_outputs;
         k++) {
        ent_predictor_class(p, k, name, sizeof name);
        ENT_TRY(ent_buf_addf(&s->out, ","));
        ENT_TRY(add_text(s, name));
    }
    return ent_buf_addf(&s->out, "\n");
}

static enum ent_err open_output(struct scorer *s)
{
    s->fd = -1;
    ent_buf_init(&s->out, WRITE_AT + (size_t)64 * 1024 * 1024);
    if (s->options->output == NULL) {
        return ENT_E_OK;
    }
    if (strcmp(s->options->output, "-") == 0) {
        s->fd = STDOUT_FILENO;
    } else {
        ENT_TRY(refuse_same_file(s->options));
        ENT_TRY(ent_file_begin(s->options->output, 0600, &s->tmp, &s->fd));
    }
    return write_head(s);
}

static enum ent_err flush(struct scorer *s)
{
    ENT_TRY(ent_fd_write(s->fd, s->out.data, s->out.len));
    ent_buf_clear(&s->out);
    return ENT_E_OK;
}

/* 9 digits give the float back. */
static enum ent_err write_classes(struct scorer *s, const float *prob)
{
    char name[NAME_BYTES];
    uint32_t best = 0;

    for (uint32_t k = 1; k < s->predictor.n_outputs; k++) {
        best = prob[k] > prob[best] ? k : best;
    }
    ent_predictor_class(&s->predictor, best, name, sizeof name);
    ENT_TRY(ent_buf_addf(&s->out, ","));
    ENT_TRY(add_text(s, name));
    ENT_TRY(ent_buf_addf(&s->out, ",%.9g", (double)prob[best]));
    for (uint32_t k = 0; lists_classes(s) && k < s->predictor.n_outputs; k++) {
        ENT_TRY(ent_buf_addf(&s->out, ",%.9g", (double)prob[k]));
    }
    return ENT_E_OK;
}

static enum ent_err write_numbers(struct scorer *s, const float *answer)
{
    for (uint32_t k = 0; k < s->predictor.n_outputs; k++) {
        ENT_TRY(ent_buf_addf(&s->out, ",%.9g", (double)answer[k]));
    }
    return ENT_E_OK;
}

static enum ent_err write_row(struct scorer *s, const struct ent_table *table, uint32_t row,
                              const float *answer)
{
    if (s->fd < 0) {
        return ENT_E_OK;
    }
    if (s->id != NULL) {
        struct ent_buf_view id = ent_table_id(table, row);

        ENT_TRY(ent_csv_add_field(&s->out, id.text, id.len, ','));
    } else {
        ENT_TRY(ent_buf_addf(&s->out, "%u", (unsigned)table->source_rows[row]));
    }
    ENT_TRY(s->predictor.kind == ENT_MODEL_SOFTMAX ? write_classes(s, answer)
                                                   : write_numbers(s, answer));
    ENT_TRY(ent_buf_addf(&s->out, "\n"));
    return s->out.len >= WRITE_AT ? flush(s) : ENT_E_OK;
}

/* ---- blocks ---- */

/* Both lists ascend, over the whole input. */
static bool is_wanted(struct scorer *s, uint32_t source_row)
{
    if (s->options->rows_file == NULL) {
        return true;
    }
    while (s->next_wanted < s->n_wanted && s->wanted[s->next_wanted] < source_row) {
        s->next_wanted++;
    }
    return s->next_wanted < s->n_wanted && s->wanted[s->next_wanted] == source_row;
}

static void add_to_histogram(struct scorer *s, const struct ent_table *table, uint32_t row,
                             const float *answer)
{
    float y;

    if (!s->options->evaluate) {
        return;
    }
    if (!ent_predictor_target(&s->predictor, table, row, &y)) {
        s->result.unlabelled++;
        return;
    }
    ent_histogram_add(&s->histogram, answer, &y, 1);
}

static enum ent_err score_block(struct scorer *s, const struct ent_table *table)
{
    ENT_TRY(ent_predictor_rows(&s->predictor, table, 0, table->n_rows, s->answers));
    for (uint32_t i = 0; i < table->n_rows; i++) {
        float *answer = s->answers + (size_t)i * s->predictor.n_outputs;

        if (!is_wanted(s, table->source_rows[i])) {
            continue;
        }
        add_to_histogram(s, table, i, answer);
        if (s->explainer != NULL) {
            ent_explainer_offer(s->explainer, table, i);
        }
        ent_predictor_to_unit(&s->predictor, answer, s->predictor.n_outputs);
        ENT_TRY(write_row(s, table, i, answer));
        s->result.rows++;
    }
    return ENT_E_OK;
}

static void take_counts(struct scorer *s, const struct ent_table *table)
{
    for (uint32_t i = 0; i < s->result.n_counts; i++) {
        s->result.counts[i].missing = table->columns[i].missing;
        s->result.counts[i].clipped = table->columns[i].clipped;
        s->result.counts[i].unknown = table->columns[i].unknown;
    }
    s->result.bad = table->n_bad;
    s->result.n_problems = 0;
    for (uint32_t i = 0; i < table->n_problems && i < ENT_ARRAY_LEN(s->result.problems); i++) {
        s->result.problems[i].line = table->problems[i].line;
        s->result.problems[i].reason = table->problems[i].reason;
        s->result.n_problems++;
    }
}

static enum ent_err score_all(struct scorer *s)
{
    bool labels = s->options->evaluate || s->options->explain;
    struct ent_table_options options = {.schema = s->predictor.schema,
                                        .config = s->config,
                                        .path = s->options->input,
                                        .label = labels ? ENT_LABEL_IF_PRESENT : ENT_LABEL_UNUSED,
                                        .id_column = s->fd >= 0 ? s->id : NULL};
    struct ent_table_reader *reader = NULL;
    const struct ent_table *table = NULL;
    const struct ent_table *block = NULL; /* the reader's own, also behind the last row */
    enum ent_err err;

    if (!labels) {
        options.schema.label_name = NULL;
    }
    ENT_TRY(ent_table_reader_open(&options, s->block_rows, &reader));
    do {
        err = ent_table_reader_next(reader, &table);
        block = err == ENT_E_OK && table != NULL ? table : block;
        if (err == ENT_E_OK && table != NULL) {
            take_counts(s, table);
            err = score_block(s, table);
        }
    } while (err == ENT_E_OK && table != NULL);
    s->n_source_rows = block != NULL ? block->n_source_rows : 0;
    ent_table_reader_close(reader);
    return err;
}

static enum ent_err refuse_rows_beyond(const struct scorer *s)
{
    if (s->n_wanted == 0 || s->wanted[s->n_wanted - 1] < s->n_source_rows) {
        return ENT_E_OK;
    }
    return ent_err_note(ENT_E_DATA, "%s: row %u is beyond the %llu rows of %s (from 0)",
                        s->options->rows_file, (unsigned)s->wanted[s->n_wanted - 1],
                        (unsigned long long)s->n_source_rows, s->options->input);
}

static enum ent_err finish(struct scorer *s)
{
    char *tmp = s->tmp;
    int fd = s->fd;

    if (s->options->evaluate && s->histogram.v[0] > 0) {
        ENT_TRY(ent_task_evaluate_finish_of(&s->histogram.sizes, s->histogram.v, s->dim,
                                            &s->result.metrics));
    }
    if (s->explainer != NULL) {
        ENT_TRY(ent_explainer_finish(s->explainer, &s->result.explanation));
    }
    if (s->fd < 0) {
        return ENT_E_OK;
    }
    ENT_TRY(flush(s));
    s->tmp = NULL;
    s->fd = -1;
    if (tmp == NULL) {
        return ENT_E_OK;
    }
    return ent_file_commit(s->options->output, tmp, fd);
}

static enum ent_err run(struct scorer *s)
{
    ENT_TRY(open_model(s));
    ENT_TRY(open_memory(s));
    ENT_TRY(open_rows(s));
    choose_config(s);
    ENT_TRY(open_output(s));
    ENT_TRY(score_all(s));
    ENT_TRY(refuse_rows_beyond(s));
    return finish(s);
}

static void release(struct scorer *s)
{
    if (s->tmp != NULL) {
        ent_file_discard(s->tmp, s->fd);
    }
    ent_buf_release(&s->out);
    ent_explainer_free(s->explainer);
    ent_predictor_close(&s->predictor);
    free(s->answers);
    free(s->wanted);
    free(s->histogram.v);
    ent_score_result_release(&s->result);
}

enum ent_err ent_score(const struct ent_score_options *options, struct ent_score_result *out)
{
    struct scorer s = {.options = options, .fd = -1};
    enum ent_err err;

    ENT_REQUIRE(options->output != NULL || options->evaluate || options->explain, ENT_E_USAGE,
                "nothing to do: say --output FILE, --evaluate, --explain, or several of them");
    err = run(&s);
    if (err == ENT_E_OK) {
        *out = s.result;
        s.result = (struct ent_score_result){0};
    }
    release(&s);
    return err;
}

void ent_score_result_release(struct ent_score_result *result)
{
    for (uint32_t i = 0; i < result->n_counts && result->counts != NULL; i++) {
        free(result->counts[i].feature);
    }
    free(result->counts);
    ent_explanation_release(&result->explanation);
    *result = (struct ent_score_result){0};
}
