#include "coordinator/engine/evaluation.h"

#include <math.h>
#include <string.h>

static void put_half(struct ent_json_writer *w, const struct ent_metrics *m)
{
    const struct ent_confusion *c = &m->half;

    ent_json_put_key(w, "confusion");
    if (!m->has_half) {
        ent_json_put_null(w);
        return;
    }
    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_json_put_key_double(w, "threshold", c->threshold);
    ent_json_put_key_uint(w, "true_positives", c->true_positives);
    ent_json_put_key_uint(w, "false_positives", c->false_positives);
    ent_json_put_key_uint(w, "true_negatives", c->true_negatives);
    ent_json_put_key_uint(w, "false_negatives", c->false_negatives);
    ent_json_put_close(w);
}

static void put_tops(struct ent_json_writer *w, const struct ent_metrics *m)
{
    ent_json_put_key(w, "top");
    ent_json_put_array(w);
    for (size_t i = 0; i < ENT_METRIC_TOPS; i++) {
        ent_json_put_object(w, ENT_JSON_INSERTION);
        ent_json_put_key_double(w, "share", m->top[i].share);
        ent_json_put_key_double(w, "found", m->top[i].found);
        ent_json_put_key_double(w, "found_error", m->top[i].found_error);
        ent_json_put_key_double(w, "lift", m->top[i].lift);
        ent_json_put_close(w);
    }
    ent_json_put_close(w);
}

static void put_tenths(struct ent_json_writer *w, const struct ent_metrics *m)
{
    ent_json_put_key(w, "tenths");
    ent_json_put_array(w);
    for (size_t i = 0; i < m->n_tenths; i++) {
        const struct ent_metrics_tenth *t = &m->tenths[i];

        ent_json_put_object(w, ENT_JSON_INSERTION);
        ent_json_put_key_uint(w, "first", t->first);
        ent_json_put_key_uint(w, "last", t->last);
        ent_json_put_key_double(w, "rows", t->rows);
        ent_json_put_key_double(w, "positives", t->positives);
        ent_json_put_key_double(w, "predicted", t->predicted);
        ent_json_put_key_double(w, "lowest", t->lowest);
        ent_json_put_close(w);
    }
    ent_json_put_close(w);
}

/* These are always there, null where they are not defined. */
static bool is_put(const char *name)
{
    return strcmp(name, "rows") == 0 || strcmp(name, "positives") == 0 ||
           strcmp(name, "auc") == 0 || strcmp(name, "log_loss") == 0;
}

void ent_evaluation_put(struct ent_json_writer *w, const struct ent_metrics *metrics, bool whole)
{
    struct ent_metric_value values[ENT_METRIC_VALUES];
    size_t n = ent_metrics_values(metrics, values);

    ent_json_put_key_double(w, "auc", metrics->auc);
    ent_json_put_key_double(w, "log_loss", metrics->log_loss);
    ent_json_put_key_uint(w, "rows", metrics->rows);
    ent_json_put_key_uint(w, "positives", metrics->positives);
    for (size_t i = 0; i < n; i++) {
        if (!is_put(values[i].name)) {
            ent_json_put_key_double(w, values[i].name, values[i].value);
        }
    }
    if (whole && metrics->rows > 0 && metrics->outputs == ENT_OUTPUTS_BINARY) {
        put_half(w, metrics);
        put_tops(w, metrics);
        put_tenths(w, metrics);
    }
}

/* ---- the table ---- */

static double real(const struct ent_json *object, const char *key)
{
    double v = 0;

    return ent_json_double(ent_json_get(object, key), key, &v) == ENT_E_OK ? v : (double)NAN;
}

static const char *text(const struct ent_json *object, const char *key, const char *otherwise)
{
    const char *s = otherwise;

    return ent_json_string(ent_json_get(object, key), key, &s) == ENT_E_OK ? s : otherwise;
}

static const struct ent_json *test_of(const struct ent_json *run)
{
    const struct ent_json *rounds = ent_json_get(run, "rounds");

    for (size_t i = ent_json_len(rounds); i > 0; i--) {
        if (strcmp(text(ent_json_at(rounds, i - 1), "split", ""), "test") == 0) {
            return ent_json_at(rounds, i - 1);
        }
    }
    return NULL;
}

/* "of the 412 test rows with y = yes, 38 % are in the top 10 % of scores; random would find 10 % (lift 3.8)" */
static void print_tops(const struct ent_json *test, const char *what, FILE *out)
{
    const struct ent_json *tops = ent_json_get(test, "top");

    if (!isfinite(real(ent_json_at(tops, 0), "found"))) {
        return; /* nothing was to be found, or no test rows */
    }
    (void)fprintf(out, "of the %.0f test rows with %s\n", real(test, "positives"), what);
    for (size_t i = 0; i < ent_json_len(tops); i++) {
        const struct ent_json *t = ent_json_at(tops, i);

        (void)fprintf(
            out,
            "  %3.0f %% are in the top %2.0f %% of scores; random would find %2.0f %% (lift "
            "%.1f)\n",
            100.0 * real(t, "found"), 100.0 * real(t, "share"), 100.0 * real(t, "share"),
            real(t, "lift"));
    }
}

/* "3", or "3-5" of tenths that were merged; out: [24] */
static const char *which_tenths(const struct ent_json *t, char out[24])
{
    double first = real(t, "first");
    double last = real(t, "last");

    (void)snprintf(out, 24, last > first ? "%.0f-%.0f" : "%.0f", first, last);
    return out;
}

static void print_tenths(const struct ent_json *test, double min_group, const char *what, FILE *out)
{
    const struct ent_json *tenths = ent_json_get(test, "tenths");
    double positives = real(test, "positives");
    double found = 0.0;
    char which[24];

    if (ent_json_len(tenths) < 2) {
        (void)fprintf(out,
                      "no table by tenths: it takes %.0f test rows of either label in each line "
                      "(min_group)\n",
                      min_group);
        return;
    }
    (void)fprintf(out, "\nby tenths of the test rows, highest scores first (%s)", what);
    if (ent_json_len(tenths) < ENT_METRIC_TENTHS) {
        (void)fprintf(out, "; with fewer than %.0f rows of either label merged", min_group);
    }
    (void)fprintf(out, "\n");
    (void)fprintf(out, "%5s  %8s  %8s  %10s  %8s  %8s\n", "tenth", "score", "rows", "model said",
                  "it was", "found");
    for (size_t i = 0; i < ent_json_len(tenths); i++) {
        const struct ent_json *t = ent_json_at(tenths, i);

        found += real(t, "positives");
        (void)fprintf(out, "%5s  %8.3f  %8.0f  %8.1f %%  %6.1f %%", which_tenths(t, which),
                      real(t, "lowest"), real(t, "rows"), 100.0 * real(t, "predicted"),
                      100.0 * real(t, "positives") / real(t, "rows"));
        if (positives > 0.0) {
            (void)fprintf(out, "  %6.1f %%", 100.0 * found / positives);
        }
        (void)fprintf(out, "\n");
    }
}

static void print_classes(const struct ent_json *test, const char *what, FILE *out)
{
    (void)fprintf(out,
                  "of the %.0f test targets (%s)\n"
                  "  %.1f %% are the class that the model holds most probable\n"
                  "  %.1f %% are among its 5, %.1f %% among its 10 most probable ones\n"
                  "mean of 1 / rank %.4f",
                  real(test, "rows"), what, 100.0 * real(test, "accuracy"),
                  100.0 * real(test, "hit_5"), 100.0 * real(test, "hit_10"), real(test, "mrr"));
    if (isfinite(real(test, "auc"))) {
        (void)fprintf(out, ", AUC of one class against the rest, mean of the classes, %.4f",
                      real(test, "auc"));
    }
    if (real(test, "unknown") > 0.0) {
        (void)fprintf(out, "; %.0f targets are no class of the model", real(test, "unknown"));
    }
    (void)fprintf(out, "\n\n");
}

static void print_number(const struct ent_json *test, const char *what, FILE *out)
{
    (void)fprintf(out,
                  "of the %.0f test rows (%s)\n"
                  "  R2 %.4f: the share of the variance that the model explains\n"
                  "  mean squared error %.5f where the range is -1 to 1\n\n",
                  real(test, "rows"), what, real(test, "r2"), real(test, "log_loss"));
}

static void print_half(const struct ent_json *test, const char *what, FILE *out)
{
    const struct ent_json *c = ent_json_get(test, "confusion");

    (void)fprintf(out, "at a threshold of 0.50: %.1f %% of the rows are right",
                  100.0 * real(test, "accuracy"));
    if (ent_json_kind(c) == ENT_JSON_OBJECT) {
        (void)fprintf(out, "; %.0f rightly and %.0f wrongly taken for %s, %.0f missed",
                      real(c, "true_positives"), real(c, "false_positives"), what,
                      real(c, "false_negatives"));
    }
    (void)fprintf(out, "\n");
}

void ent_evaluation_print(const struct ent_json *run, FILE *out)
{
    const struct ent_json *test = test_of(run);
    const struct ent_json *label = ent_json_get(run, "label");
    char what[160];

    if (test != NULL && ent_json_get(test, "hit_10") != NULL) {
        print_classes(test, text(label, "name", "label"), out);
        return;
    }
    if (test != NULL && ent_json_get(test, "r2") != NULL) {
        print_number(test, text(label, "name", "label"), out);
        return;
    }
    if (test == NULL || ent_json_get(test, "tenths") == NULL) {
        return;
    }
    if (ent_json_get(label, "positive") != NULL) {
        (void)snprintf(what, sizeof what, "%.70s = %.70s", text(label, "name", "label"),
                       text(label, "positive", "1"));
    } else {
        (void)snprintf(what, sizeof what, "%.150s", text(label, "name", "label"));
    }
    print_tops(test, what, out);
    print_half(test, what, out);
    (void)fprintf(out, "PR-AUC %.4f, Brier score %.4f\n", real(test, "pr_auc"),
                  real(test, "brier"));
    print_tenths(test, real(run, "min_group"), what, out);
    (void)fprintf(out, "\n");
}

static void print_cell(const struct ent_json *own, const char *key, double factor, const char *unit,
                       FILE *out)
{
    double v = 0;
    const struct ent_json *value = ent_json_get(own, key);

    if (value == NULL || ent_json_double(value, key, &v) != ENT_E_OK) {
        (void)fprintf(out, "  %9s%*s", "-", (int)strlen(unit), "");
    } else {
        (void)fprintf(out, "  %9.*f%s", factor > 1.0 ? 0 : 4, factor * v, unit);
    }
}

void ent_evaluation_print_own(const struct ent_json *run, FILE *out)
{
    const struct ent_json *list = ent_json_get(run, "own_figures");
    bool classes = ent_json_get(ent_json_at(list, 0), "hit_10") != NULL;
    bool number = ent_json_get(ent_json_at(list, 0), "r2") != NULL;

    if (ent_json_len(list) == 0) {
        return;
    }
    (void)fprintf(out,
                  "of their own test rows, as these members say (their policies let it go)\n"
                  "%-20s  %9s  %9s  %9s  %11s\n",
                  "member", "rows", "AUC", "log loss",
                  classes  ? "hit@10"
                  : number ? "R2"
                           : "in top 10 %");
    for (size_t i = 0; i < ent_json_len(list); i++) {
        const struct ent_json *own = ent_json_at(list, i);

        (void)fprintf(out, "%-20s  %9.0f", text(own, "member", ""), real(own, "rows"));
        print_cell(own, "auc", 1.0, "", out);
        print_cell(own, "log_loss", 1.0, "", out);
        print_cell(own,
                   classes  ? "hit_10"
                   : number ? "r2"
                            : "found_10",
                   classes || number ? 1.0 : 100.0, classes || number ? "" : " %", out);
        (void)fprintf(out, "\n");
    }
    (void)fprintf(out, "\n");
}
