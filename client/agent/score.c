#include "client/agent/score.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/agent/score_internal.h"
#include "client/data/csv.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/plural.h"

#define BLOCK_ROWS 4096
#define WRITE_AT ((size_t)256 * 1024)

/* ---- the model ---- */

static bool reads_labels(const struct ent_scorer *s)
{
    return s->options->evaluate || s->options->explain;
}

static enum ent_err open_schema(struct ent_scorer *s)
{
    const struct ent_model_info *info = &s->file->info;
    uint32_t n = info->n_features;

    ENT_REQUIRE(n > 0, ENT_E_UNSUPPORTED, "%s has no schema: it cannot be used on a CSV file",
                s->options->model);
    s->schema = (struct ent_schema){.features = info->features,
                                    .n_features = n,
                                    .n_inputs = info->n_inputs,
                                    .label_name = reads_labels(s) ? info->label_name : NULL,
                                    .label_positive = info->label_positive,
                                    .label_values = info->label_values,
                                    .n_label_values = info->n_label_values,
                                    .label_lo = info->label_lo,
                                    .label_hi = info->label_hi};
    return ent_prep_new(&s->schema, info->fits, &s->prep);
}

static struct ent_task_sizes sizes_of(const struct ent_scorer *s)
{
    enum ent_model_loss_kind loss = ent_model_loss_find(s->file->info.loss);

    return (struct ent_task_sizes){.outputs = loss == ENT_MODEL_SOFTMAX ? ENT_OUTPUTS_CLASSES
                                              : loss == ENT_MODEL_MSE   ? ENT_OUTPUTS_NUMBER
                                                                        : ENT_OUTPUTS_BINARY,
                                   .n_classes = ent_model_n_outputs(s->model)};
}

static enum ent_err open_model(struct ent_scorer *s)
{
    const struct ent_model_info *info;
    struct ent_model_options options;

    ENT_TRY(ent_modelfile_open(s->options->model, &s->file));
    info = &s->file->info;
    ent_modelfile_options(info, ENT_MODEL_BLOCK, &options);
    ENT_TRY(ent_model_new(&options, &s->model));
    memcpy(ent_model_params(s->model), ent_modelfile_params(s->file),
           s->file->n_params * sizeof(float));
    s->histogram.sizes = sizes_of(s);
    return open_schema(s);
}

static enum ent_err open_explainer(struct ent_scorer *s)
{
    struct ent_explain_model model = {
        .model = s->model, .info = &s->file->info, .prep = s->prep, .schema = s->schema};

    return s->options->explain ? ent_explainer_new(&model, &s->options->explanation, &s->explainer)
                               : ENT_E_OK;
}

static enum ent_err open_memory(struct ent_scorer *s)
{
    uint32_t n = s->schema.n_features;
    size_t dim;

    ENT_TRY(ent_calloc_aligned((size_t)BLOCK_ROWS * s->schema.n_inputs, sizeof *s->x, &s->x));
    ENT_TRY(ent_calloc_aligned(BLOCK_ROWS, sizeof *s->prob, &s->prob));
    ENT_TRY(ent_task_evaluate_dim_of(&s->histogram.sizes, &dim));
    ENT_TRY(ent_calloc(dim, sizeof *s->histogram.v, &s->histogram.v));
    ENT_TRY(ent_calloc(n, sizeof *s->result.counts, &s->result.counts));
    s->result.n_counts = n;
    for (uint32_t i = 0; i < n; i++) {
        ENT_TRY(ent_strdup(s->schema.features[i].name, &s->result.counts[i].feature));
    }
    return ENT_E_OK;
}

/* ---- input and output ---- */

static enum ent_err open_rows(struct ent_scorer *s)
{
    if (s->options->rows_file == NULL) {
        return ENT_E_OK;
    }
    return ent_split_file_read(s->options->rows_file, UINT32_MAX, &s->wanted, &s->n_wanted);
}

/* How the member calls a column of the plan. */
static const char *own_name(const struct ent_client_config *config, const char *name)
{
    for (uint32_t i = 0; i < config->n_columns; i++) {
        if (strcmp(config->columns[i].feature, name) == 0) {
            return config->columns[i].column;
        }
    }
    return name;
}

static void choose_config(struct ent_scorer *s)
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
    if (s->id == NULL && s->file->info.sequence.unit != NULL) {
        s->id = own_name(s->config, s->file->info.sequence.unit);
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

static enum ent_err open_output(struct ent_scorer *s)
{
    const char *name = s->id != NULL ? s->id : "row";

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
    ENT_TRY(ent_csv_add_field(&s->out, name, strlen(name), ','));
    return ent_score_is_rich(&s->file->info) ? ent_score_rich_header(s)
                                             : ent_buf_addf(&s->out, ",score\n");
}

enum ent_err ent_scorer_flush(struct ent_scorer *s, bool only_when_full)
{
    if (only_when_full && s->out.len < WRITE_AT) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_fd_write(s->fd, s->out.data, s->out.len));
    ent_buf_clear(&s->out);
    return ENT_E_OK;
}

enum ent_err ent_scorer_write_id(struct ent_scorer *s, const struct ent_table *table, uint32_t row)
{
    struct ent_buf_view id;

    if (s->id == NULL) {
        return ent_buf_addf(&s->out, "%u", (unsigned)table->source_rows[row]);
    }
    id = ent_table_id(table, row);
    return ent_csv_add_field(&s->out, id.text, id.len, ',');
}

static enum ent_err write_row(struct ent_scorer *s, const struct ent_table *table, uint32_t row,
                              float prob)
{
    if (s->fd < 0) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_scorer_write_id(s, table, row));
    ENT_TRY(ent_buf_addf(&s->out, ",%.9g\n", (double)prob)); /* 9 digits give the float back */
    return ent_scorer_flush(s, true);
}

/* ---- blocks ---- */

static int compare_rows(const void *a, const void *b)
{
    const uint32_t *x = a;
    const uint32_t *y = b;

    return *x < *y ? -1 : *x > *y;
}

bool ent_scorer_wants(const struct ent_scorer *s, uint32_t source_row)
{
    return s->options->rows_file == NULL ||
           (s->n_wanted > 0 &&
            bsearch(&source_row, s->wanted, s->n_wanted, sizeof *s->wanted, compare_rows) != NULL);
}

static void add_to_histogram(struct ent_scorer *s, const struct ent_table *table, uint32_t row,
                             float prob)
{
    float y;

    if (!s->options->evaluate) {
        return;
    }
    if (table->labels == NULL || table->labels[row] == ENT_LABEL_ABSENT) {
        s->result.unlabelled++;
        return;
    }
    y = table->labels[row] == 1 ? 1.0F : 0.0F;
    ent_histogram_add(&s->histogram, &prob, &y, 1);
}

static enum ent_err score_block(struct ent_scorer *s, const struct ent_table *table)
{
    ent_prep_encode_range(s->prep, table, 0, table->n_rows, s->x);
    ent_model_predict(s->model, s->x, table->n_rows, s->prob);
    for (uint32_t i = 0; i < table->n_rows; i++) {
        if (!ent_scorer_wants(s, table->source_rows[i])) {
            continue;
        }
        ENT_REQUIRE(s->prob[i] >= 0.0F && s->prob[i] <= 1.0F, ENT_E_NONFINITE,
                    "the model gives no number for data row %u", (unsigned)table->source_rows[i]);
        add_to_histogram(s, table, i, s->prob[i]);
        if (s->explainer != NULL) {
            ent_explainer_offer(s->explainer, table, i);
        }
        ENT_TRY(write_row(s, table, i, s->prob[i]));
        s->result.rows++;
    }
    return ENT_E_OK;
}

void ent_scorer_take_counts(struct ent_scorer *s, const struct ent_table *table)
{
    const struct ent_column *columns = ent_table_columns(table)->columns;

    for (uint32_t i = 0; i < s->result.n_counts; i++) {
        s->result.counts[i].missing = columns[i].missing;
        s->result.counts[i].clipped = columns[i].clipped;
        s->result.counts[i].unknown = columns[i].unknown;
    }
    s->n_source_rows = table->n_source_rows;
    s->result.bad = table->n_bad;
    s->result.n_problems = 0;
    for (uint32_t i = 0; i < table->n_problems && i < ENT_ARRAY_LEN(s->result.problems); i++) {
        s->result.problems[i].line = table->problems[i].line;
        ent_row_problem_text(&table->problems[i], s->result.problems[i].text);
        s->result.n_problems++;
    }
}

static enum ent_err score_all(struct ent_scorer *s)
{
    struct ent_table_options options = {.schema = s->schema,
                                        .config = s->config,
                                        .path = s->options->input,
                                        .label = reads_labels(s) ? ENT_LABEL_IF_PRESENT
                                                                 : ENT_LABEL_UNUSED,
                                        .without_units = true,
                                        .id_column = s->fd >= 0 ? s->id : NULL};
    struct ent_table_reader *reader = NULL;
    const struct ent_table *table = NULL;
    enum ent_err err;

    ENT_TRY(ent_table_reader_open(&options, BLOCK_ROWS, &reader));
    do {
        err = ent_table_reader_next(reader, &table);
        if (err == ENT_E_OK) { /* also of what came behind the last block */
            ent_scorer_take_counts(s, ent_table_reader_table(reader));
        }
        if (err == ENT_E_OK && table != NULL) {
            err = score_block(s, table);
        }
    } while (err == ENT_E_OK && table != NULL);
    ent_table_reader_close(reader);
    return err;
}

/* An output with a header alone would look like a result. */
static enum ent_err refuse_nothing(const struct ent_scorer *s)
{
    const struct ent_score_result *r = &s->result;

    ENT_REQUIRE(r->bad == 0 || r->bad < s->n_source_rows, ENT_E_DATA,
                "%s: none of the %llu %s parses: line %llu: %s", s->options->input,
                (unsigned long long)r->bad, ent_plural(r->bad, "row", "rows"),
                (unsigned long long)r->problems[0].line, r->problems[0].text);
    return ENT_E_OK;
}

static enum ent_err refuse_rows_beyond(const struct ent_scorer *s)
{
    if (s->n_wanted == 0 || s->wanted[s->n_wanted - 1] < s->n_source_rows) {
        return ENT_E_OK;
    }
    return ent_err_note(ENT_E_DATA, "%s: row %u is beyond the %llu rows of %s (from 0)",
                        s->options->rows_file, (unsigned)s->wanted[s->n_wanted - 1],
                        (unsigned long long)s->n_source_rows, s->options->input);
}

static enum ent_err finish(struct ent_scorer *s)
{
    char *tmp = s->tmp;
    int fd = s->fd;
    size_t dim;

    if (s->options->evaluate && s->histogram.v[0] > 0) {
        ENT_TRY(ent_task_evaluate_dim_of(&s->histogram.sizes, &dim));
        ENT_TRY(ent_task_evaluate_finish_of(&s->histogram.sizes, s->histogram.v, dim,
                                            &s->result.metrics));
    }
    if (s->explainer != NULL) {
        ENT_TRY(ent_explainer_finish(s->explainer, &s->result.explanation));
    }
    if (s->fd < 0) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_scorer_flush(s, false));
    s->tmp = NULL;
    s->fd = -1;
    if (tmp == NULL) {
        return ENT_E_OK;
    }
    return ent_file_commit(s->options->output, tmp, fd);
}

static enum ent_err run(struct ent_scorer *s)
{
    ENT_TRY(open_model(s));
    ENT_TRY(open_memory(s));
    ENT_TRY(open_explainer(s));
    ENT_TRY(open_rows(s));
    choose_config(s);
    ENT_TRY(open_output(s));
    ENT_TRY(ent_score_is_rich(&s->file->info) ? ent_score_rich(s) : score_all(s));
    ENT_TRY(refuse_nothing(s));
    ENT_TRY(refuse_rows_beyond(s));
    return finish(s);
}

static void release(struct ent_scorer *s)
{
    if (s->tmp != NULL) {
        ent_file_discard(s->tmp, s->fd);
    }
    ent_buf_release(&s->out);
    ent_explainer_free(s->explainer);
    ent_prep_free(s->prep);
    ent_model_free(s->model);
    ent_modelfile_free(s->file);
    free(s->x);
    free(s->prob);
    free(s->wanted);
    free(s->histogram.v);
    ent_score_result_release(&s->result);
}

enum ent_err ent_score(const struct ent_score_options *options, struct ent_score_result *out)
{
    struct ent_scorer s = {.options = options, .fd = -1};
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
