/* Scoring with whatever is more than plain rows and one probability. Evaluation and scores are two passes: to be evaluated a
 * sequence gives its last event (or its label's window) away, to be scored it is seen whole. */
#include <stdlib.h>
#include <string.h>

#include "client/agent/score_internal.h"
#include "client/data/csv.h"
#include "client/events/events.h"
#include "client/events/steps.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

#define BLOCK_ROWS 1024
#define COLUMNS_MAX 32 /* classes that have a column each */
#define TOP 10         /* of more classes: the most probable ones */

bool ent_score_is_rich(const struct ent_model_info *info)
{
    bool tokens = ent_features_n_tokens(info->features, info->n_features) > 0;

    return info->sequence.unit != NULL || tokens ||
           ent_model_loss_find(info->loss) != ENT_MODEL_BCE;
}

/* ---- output ---- */

static bool has_classes(const struct ent_scorer *s)
{
    return s->histogram.sizes.outputs == ENT_OUTPUTS_CLASSES;
}

/* What a class is called: its value, or the bucket of its hash. */
static enum ent_err write_class(struct ent_scorer *s, uint32_t k)
{
    const struct ent_model_info *info = &s->file->info;
    const struct ent_feature *f;
    const char *name;

    if (info->sequence.label != ENT_SEQUENCE_NEXT) {
        name = info->label_values[k];
        return ent_csv_add_field(&s->out, name, strlen(name), ',');
    }
    f = &info->features[info->sequence.next];
    if (f->codes == ENT_CODES_DECLARED) {
        return ent_csv_add_field(&s->out, f->values[k], strlen(f->values[k]), ',');
    }
    if (f->codes == ENT_CODES_VOCABULARY && k >= info->fits[info->sequence.next].n_buckets) {
        return ent_buf_addf(&s->out, "none"); /* a place that the vocabulary did not fill */
    }
    return ent_buf_addf(
        &s->out, "bucket %u",
        f->codes == ENT_CODES_VOCABULARY ? info->fits[info->sequence.next].buckets[k] : k);
}

enum ent_err ent_score_rich_header(struct ent_scorer *s)
{
    uint32_t n = s->histogram.sizes.n_classes;

    if (!has_classes(s)) {
        return ent_buf_addf(&s->out, s->histogram.sizes.outputs == ENT_OUTPUTS_NUMBER ? ",value\n"
                                                                                      : ",score\n");
    }
    for (uint32_t k = 0; n <= COLUMNS_MAX && k < n; k++) {
        ENT_TRY(ent_buf_addf(&s->out, ","));
        ENT_TRY(write_class(s, k));
    }
    for (uint32_t k = 1; n > COLUMNS_MAX && k <= TOP; k++) {
        ENT_TRY(ent_buf_addf(&s->out, ",top%u,score%u", (unsigned)k, (unsigned)k));
    }
    return ent_buf_addf(&s->out, "\n");
}

static bool comes_before(const float *prob, uint32_t a, uint32_t b)
{
    return prob[a] > prob[b] || (prob[a] >= prob[b] && a < b);
}

/* The TOP most probable classes, the most probable first; n >= TOP. */
static void choose_top(const float *prob, uint32_t n, uint32_t top[TOP])
{
    uint32_t used = 0;

    for (uint32_t k = 0; k < n; k++) {
        uint32_t at;

        if (used == TOP && !comes_before(prob, k, top[TOP - 1])) {
            continue;
        }
        at = used < TOP ? used++ : TOP - 1;
        for (; at > 0 && comes_before(prob, k, top[at - 1]); at--) {
            top[at] = top[at - 1];
        }
        top[at] = k;
    }
}

static enum ent_err write_classes(struct ent_scorer *s, const float *prob)
{
    uint32_t n = s->histogram.sizes.n_classes;
    uint32_t top[TOP];

    for (uint32_t k = 0; n <= COLUMNS_MAX && k < n; k++) {
        ENT_TRY(ent_buf_addf(&s->out, ",%.9g", (double)prob[k]));
    }
    if (n <= COLUMNS_MAX) {
        return ENT_E_OK;
    }
    choose_top(prob, n, top);
    for (uint32_t i = 0; i < TOP; i++) {
        ENT_TRY(ent_buf_addf(&s->out, ","));
        ENT_TRY(write_class(s, top[i]));
        ENT_TRY(ent_buf_addf(&s->out, ",%.9g", (double)prob[top[i]]));
    }
    return ENT_E_OK;
}

static enum ent_err write_outputs(struct ent_scorer *s, const float *out)
{
    const struct ent_model_info *info = &s->file->info;
    double half = 0.5 * (info->label_hi - info->label_lo);

    if (has_classes(s)) {
        ENT_TRY(write_classes(s, out));
    } else if (s->histogram.sizes.outputs == ENT_OUTPUTS_NUMBER) {
        ENT_TRY(ent_buf_addf(&s->out, ",%.9g", info->label_lo + ((double)out[0] + 1.0) * half));
    } else {
        ENT_TRY(ent_buf_addf(&s->out, ",%.9g", (double)out[0]));
    }
    return ent_buf_addf(&s->out, "\n");
}

/* ---- a block ---- */

/* What the input is read for. With a label, a sequence gives its last event (or its label's window) away. */
enum purpose { SCORES, FIGURES, REASONS, REASONS_WITHOUT_LABEL };

static bool with_label(enum purpose purpose)
{
    return purpose == FIGURES || purpose == REASONS;
}

struct block {
    struct ent_scorer *s;
    const struct ent_table *table;
    uint32_t *rows; /* of the table that are wanted */
    uint32_t n;
    uint32_t n_outputs;
    uint32_t at;   /* row whose outputs come next */
    uint32_t left; /* of its steps */
    bool per_step;
    enum ent_err err;
};

static bool is_finite(const float *out, uint32_t n)
{
    bool finite = true;

    for (uint32_t k = 0; k < n; k++) {
        finite = finite && out[k] - out[k] == 0.0F;
    }
    return finite;
}

static enum ent_err write_one(struct block *b, const float *out)
{
    uint32_t row = b->rows[b->at];

    ENT_REQUIRE(is_finite(out, b->n_outputs), ENT_E_NONFINITE,
                "the model gives no number for data row %u", (unsigned)b->table->source_rows[row]);
    b->s->result.rows++;
    ENT_TRY(ent_scorer_write_id(b->s, b->table, row));
    ENT_TRY(write_outputs(b->s, out));
    return ent_scorer_flush(b->s, true);
}

/* One output a row; of a step each only that of the last one counts: what comes next. */
static void take_scores(void *ctx, const float *prob, const float *y, uint32_t n)
{
    struct block *b = ctx;

    (void)y;
    for (uint32_t i = 0; i < n && b->err == ENT_E_OK; i++, prob += b->n_outputs) {
        if (b->left == 0) {
            b->left = b->per_step ? ent_steps_span(b->table, b->rows[b->at]).n : 1;
        }
        if (--b->left == 0) {
            b->err = write_one(b, prob);
            b->at++;
        }
    }
}

static void take_figures(void *ctx, const float *prob, const float *y, uint32_t n)
{
    struct block *b = ctx;

    ent_histogram_add(&b->s->histogram, prob, y, n);
}

static void choose_rows(struct block *b, enum purpose purpose)
{
    bool has_labels = b->table->events != NULL || b->table->labels != NULL;

    for (uint32_t i = 0; i < b->table->n_rows; i++) {
        bool unlabelled = !has_labels || b->table->labels[i] == ENT_LABEL_ABSENT;

        if (!ent_scorer_wants(b->s, b->table->source_rows[i])) {
            continue;
        }
        if (purpose == FIGURES && unlabelled) {
            b->s->result.unlabelled++;
        } else {
            b->rows[b->n++] = i;
        }
    }
}

static enum ent_err do_rows(struct block *b, enum purpose purpose)
{
    struct ent_steps *steps = NULL;
    struct ent_rows rows;
    enum ent_err err;

    choose_rows(b, purpose);
    for (uint32_t i = 0; purpose >= REASONS && i < b->n; i++) {
        ent_explainer_offer(b->s->explainer, b->table, b->rows[i]);
    }
    if (purpose != SCORES) {
        b->s->result.rows += b->n;
    }
    if (purpose >= REASONS) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_steps_new(b->s->prep, b->table, b->rows, b->n, &steps));
    rows = ent_steps_rows(steps);
    err = ent_train_predict(b->s->model, &rows, purpose == FIGURES ? take_figures : take_scores, b);
    ent_steps_free(steps);
    ENT_TRY(err);
    ENT_REQUIRE(!b->s->histogram.nonfinite, ENT_E_NONFINITE,
                "the model gives a prediction that is no number; it cannot be evaluated");
    return b->err;
}

static enum ent_err do_block(struct ent_scorer *s, const struct ent_table *table,
                             enum purpose purpose)
{
    struct block b = {.s = s,
                      .table = table,
                      .n_outputs = ent_model_n_outputs(s->model),
                      .per_step = ent_model_per_step(s->model)};
    enum ent_err err;

    ENT_TRY(ent_calloc(table->n_rows, sizeof *b.rows, &b.rows));
    err = do_rows(&b, purpose);
    free(b.rows);
    return err;
}

/* ---- passes ---- */

static struct ent_table_options options_of(const struct ent_scorer *s, enum purpose purpose)
{
    return (struct ent_table_options){.schema = s->schema,
                                      .config = s->config,
                                      .path = s->options->input,
                                      .label = with_label(purpose) ? ENT_LABEL_IF_PRESENT
                                                                   : ENT_LABEL_UNUSED,
                                      .without_units = true,
                                      .id_column = purpose == SCORES ? s->id : NULL};
}

static enum ent_err pass_over_rows(struct ent_scorer *s, enum purpose purpose)
{
    struct ent_table_options options = options_of(s, purpose);
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
            err = do_block(s, table, purpose);
        }
    } while (err == ENT_E_OK && table != NULL);
    ent_table_reader_close(reader);
    return err;
}

static void take_events(struct ent_scorer *s, const struct ent_table *table)
{
    ent_scorer_take_counts(s, table);
    s->n_source_rows = table->n_source_rows;
    ent_events_counts(table, s->result.events);
    s->result.n_events = ENT_EVENTS_COUNTS;
}

static enum ent_err pass_over_events(struct ent_scorer *s, enum purpose purpose)
{
    struct ent_clock clock = ent_clock_system();
    struct ent_events_options options = {.table = options_of(s, purpose),
                                         .sequence = &s->file->info.sequence,
                                         .to_score = !with_label(purpose),
                                         .now_s = (int64_t)(ent_clock_wall(&clock) / 1000)};
    struct ent_events_reader *reader = NULL;
    const struct ent_table *table = NULL;
    enum ent_err err;

    ENT_TRY(ent_events_reader_open(&options, BLOCK_ROWS, &reader));
    do {
        err = ent_events_reader_next(reader, &table);
        if (err == ENT_E_OK && table != NULL) {
            take_events(s, table);
            err = do_block(s, table, purpose);
        }
    } while (err == ENT_E_OK && table != NULL);
    if (err == ENT_E_OK) {
        take_events(s, ent_events_reader_table(reader)); /* what came behind the last block */
    }
    ent_events_reader_close(reader);
    return err;
}

static enum ent_err pass(struct ent_scorer *s, enum purpose purpose)
{
    s->result.rows = 0;
    return s->file->info.sequence.unit != NULL ? pass_over_events(s, purpose)
                                               : pass_over_rows(s, purpose);
}

/* Of sequences that are too new to have a label what the model goes by can still be told. */
static enum ent_err explain(struct ent_scorer *s)
{
    ENT_TRY(pass(s, REASONS));
    if (ent_explainer_rows(s->explainer) > 0 || strcmp(s->options->input, "-") == 0) {
        return ENT_E_OK;
    }
    return pass(s, REASONS_WITHOUT_LABEL);
}

enum ent_err ent_score_rich(struct ent_scorer *s)
{
    int passes =
        (s->options->evaluate ? 1 : 0) + (s->fd >= 0 ? 1 : 0) + (s->options->explain ? 1 : 0);

    ENT_REQUIRE(passes == 1 || strcmp(s->options->input, "-") != 0, ENT_E_USAGE,
                "of such a model --evaluate, --explain and --output each read the input, which "
                "standard input allows once: give a file, or one of them");
    if (s->options->explain) {
        ENT_TRY(explain(s));
    }
    if (s->options->evaluate) {
        ENT_TRY(pass(s, FIGURES));
    }
    return s->fd >= 0 ? pass(s, SCORES) : ENT_E_OK;
}
