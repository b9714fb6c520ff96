/* An explanation in words, as JSON, as CSV. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "client/agent/explain.h"
#include "client/data/csv.h"
#include "common/base/plural.h"
#include "common/json/json.h"

/* Two meanings by three kinds: what the first number is. */
static const char *unit_of(const struct ent_explanation *e)
{
    static const char *const exchanged[] = {[ENT_MODEL_BCE] = "log loss",
                                            [ENT_MODEL_SOFTMAX] = "log loss",
                                            [ENT_MODEL_MSE] = "squared error"};
    static const char *const levelled[] = {[ENT_MODEL_BCE] = "score",
                                           [ENT_MODEL_SOFTMAX] = "probability moved",
                                           [ENT_MODEL_MSE] = "number"};

    return e->of.exchanged ? exchanged[e->kind] : levelled[e->kind];
}

static void print_meaning(const struct ent_explanation *e, FILE *out)
{
    if (e->of.exchanged) {
        (void)fprintf(out,
                      "Importance: how much the model's mean %s rises on these rows when they "
                      "exchange this column's\nvalues at random (mean of %u %s, +- their "
                      "deviation). About 0 or below: the model does as well without it.\n",
                      unit_of(e), (unsigned)e->repeats,
                      ent_plural(e->repeats, "exchange", "exchanges"));
    } else {
        (void)fprintf(out,
                      "Importance: how far the model's answer moves on average (%s) when every row "
                      "gets this column's base\nvalue: the training rows' mean of a number, else "
                      "the most frequent value here. The rows have no label, so this\nsays what "
                      "the model uses, not whether it is right to.\n",
                      unit_of(e));
    }
    (void)fprintf(out, "Columns that tell the same share their importance. It does not say what "
                       "causes what, and it is of this member's\nrows alone; nothing of it leaves "
                       "this member.\n");
}

static void print_head(const struct ent_explanation *e, FILE *out)
{
    (void)fprintf(out, "\nwhat the model goes by: %u of %" PRIu64 " %s%s, seed %" PRIu64 "\n",
                  (unsigned)e->rows, e->of_rows,
                  e->sequences ? ent_plural(e->of_rows, "sequence", "sequences")
                               : ent_plural(e->of_rows, "row", "rows"),
                  e->of.exchanged ? " with a label" : "", e->seed);
    if (e->of.exchanged) {
        (void)fprintf(out, "undisturbed: %s %.4f", unit_of(e), e->of.loss);
        if (isfinite(e->of.auc)) {
            (void)fprintf(out, ", AUC %.4f", e->of.auc);
        }
        (void)fprintf(out, "\n");
    }
    (void)fprintf(out, "  %-28s %10s", "column", "importance");
    if (e->of.exchanged) {
        (void)fprintf(out, "  %10s%s", "+-", isfinite(e->of.auc) ? "    AUC then" : "");
    } else if (e->kind != ENT_MODEL_SOFTMAX) { /* one answer, which goes up or down */
        (void)fprintf(out, "  %10s", "shift");
    }
    (void)fprintf(out, "\n");
}

void ent_explanation_print(const struct ent_explanation *explanation, FILE *out)
{
    print_head(explanation, out);
    for (uint32_t i = 0; i < explanation->of.n; i++) {
        const struct ent_importance *one = &explanation->of.columns[i];

        (void)fprintf(out, "  %-28s %10.5f", explanation->names[one->column], one->importance);
        if (explanation->of.exchanged) {
            (void)fprintf(out, "  %10.5f", one->deviation);
        }
        if (isfinite(one->auc)) {
            (void)fprintf(out, "  %10.4f", one->auc);
        }
        if (isfinite(one->shift)) {
            (void)fprintf(out, "  %+10.5f", one->shift);
        }
        (void)fprintf(out, "\n");
    }
    print_meaning(explanation, out);
}

void ent_explanation_put(const struct ent_explanation *explanation, struct ent_json_writer *w)
{
    const struct ent_importances *of = &explanation->of;

    ent_json_put_key_string(w, "method", of->exchanged ? "permutation" : "ablation");
    ent_json_put_key_string(w, "unit", unit_of(explanation));
    ent_json_put_key_uint(w, "rows", explanation->rows);
    ent_json_put_key_uint(w, "of_rows", explanation->of_rows);
    ent_json_put_key_uint(w, "repeats", of->exchanged ? explanation->repeats : 1);
    ent_json_put_key_uint(w, "seed", explanation->seed);
    ent_json_put_key_double(w, "loss", of->loss);
    ent_json_put_key_double(w, "auc", of->auc);
    ent_json_put_key(w, "columns");
    ent_json_put_array(w);
    for (uint32_t i = 0; i < of->n; i++) {
        const struct ent_importance *one = &of->columns[i];

        ent_json_put_object(w, ENT_JSON_INSERTION);
        ent_json_put_key_string(w, "column", explanation->names[one->column]);
        ent_json_put_key_double(w, "importance", one->importance);
        ent_json_put_key_double(w, "deviation", one->deviation);
        ent_json_put_key_double(w, "auc", one->auc);
        ent_json_put_key_double(w, "shift", one->shift);
        ent_json_put_close(w);
    }
    ent_json_put_close(w);
}

static enum ent_err add_figure(struct ent_buf *out, double v)
{
    return isfinite(v) ? ent_buf_addf(out, ",%.9g", v) : ent_buf_addf(out, ",");
}

enum ent_err ent_explanation_csv(const struct ent_explanation *explanation, struct ent_buf *out)
{
    ENT_TRY(ent_buf_addf(out, "column,importance,deviation,auc,shift\n"));
    for (uint32_t i = 0; i < explanation->of.n; i++) {
        const struct ent_importance *one = &explanation->of.columns[i];
        const char *name = explanation->names[one->column];

        ENT_TRY(ent_csv_add_field(out, name, strlen(name), ','));
        ENT_TRY(add_figure(out, one->importance));
        ENT_TRY(add_figure(out, explanation->of.exchanged ? one->deviation : (double)NAN));
        ENT_TRY(add_figure(out, one->auc));
        ENT_TRY(add_figure(out, one->shift));
        ENT_TRY(ent_buf_addf(out, "\n"));
    }
    return ENT_E_OK;
}
