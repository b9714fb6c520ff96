#include "simulate/print.h"

#include <inttypes.h>
#include <math.h>

#include "common/base/buf.h"
#include "common/json/json.h"

#define MIB 1048576.0
#define JSON_MAX_BYTES ((size_t)64 << 20)
#define HEX_BYTES 65

/* ---- text ---- */

void ent_print_figures(const struct ent_metrics *m, FILE *out)
{
    if (m->outputs == ENT_OUTPUTS_NUMBER) {
        (void)fprintf(out, "squared error %.4f, R2 %.4f", m->log_loss, m->r2);
        return;
    }
    (void)fprintf(out, "log loss %.4f", m->log_loss);
    if (isfinite(m->auc)) {
        (void)fprintf(out, ", AUC %.4f", m->auc);
    }
    if (m->outputs == ENT_OUTPUTS_CLASSES) {
        (void)fprintf(out, ", accuracy %.4f, hit@5 %.4f, hit@10 %.4f, MRR %.4f", m->accuracy,
                      m->hit5, m->hit10, m->mrr);
    }
}

void ent_print_memory(const struct ent_simulation *sim, FILE *out)
{
    const struct ent_federation_memory *m = &sim->memory;
    uint64_t total = sim->table_bytes + m->workers + (m->state_in_file ? 0 : m->state);

    (void)fprintf(out, "memory: about %.0f MiB (data %.0f MiB, %u workers %.0f MiB",
                  ceil((double)total / MIB), ceil((double)sim->table_bytes / MIB),
                  (unsigned)sim->threads, ceil((double)m->workers / MIB));
    if (m->state > 0) {
        (void)fprintf(out, ", kept optimizer state %.0f MiB%s", ceil((double)m->state / MIB),
                      m->state_in_file ? " in a temporary file" : "");
    }
    (void)fprintf(out, ")\n");
}

static void rows_range(const struct ent_population *p, uint32_t *least, uint32_t *most)
{
    *least = UINT32_MAX;
    *most = 0;
    for (uint32_t i = 0; i < p->n_members; i++) {
        uint32_t n = p->members[i].parts.part[ENT_SPLIT_TRAIN].n;

        *least = n < *least ? n : *least;
        *most = n > *most ? n : *most;
    }
}

void ent_print_population(const struct ent_simulation *sim, FILE *out)
{
    const struct ent_population *p = sim->population;
    uint32_t least;
    uint32_t most;

    rows_range(p, &least, &most);
    (void)fprintf(out,
                  "%u members %s: %u %s (%u to train on, %u for validation, %u to test), %u to "
                  "%u training rows each\n",
                  (unsigned)p->n_members, sim->division, (unsigned)p->table->n_rows,
                  p->table->events != NULL ? "sequences" : "rows",
                  (unsigned)p->all->part[ENT_SPLIT_TRAIN].n,
                  (unsigned)p->all->part[ENT_SPLIT_VALIDATION].n,
                  (unsigned)p->all->part[ENT_SPLIT_TEST].n, (unsigned)least, (unsigned)most);
    ent_print_rows(p, out);
}

/* What a marketer asks: how many of the buyers are reached with a tenth of the mail. */
static void print_found(const struct ent_plan *plan, const struct ent_metrics *m, FILE *out)
{
    const struct ent_metrics_top *top = &m->top[1];
    bool named = plan->label_positive != NULL && plan->label_positive[0] != '\0';

    if (m->rows == 0 || m->outputs != ENT_OUTPUTS_BINARY || !isfinite(top->found)) {
        return;
    }
    (void)fprintf(out,
                  "  of the %" PRIu64 " test rows with %s%s%s, %.0f %% are in the top 10 %% of "
                  "scores; random would find 10 %% (lift %.1f)\n",
                  m->positives, plan->label_name, named ? " = " : "",
                  named ? plan->label_positive : "", 100.0 * top->found, top->lift);
}

void ent_print_run(const struct ent_simulation *sim, const struct ent_simulated_run *run, FILE *out)
{
    const struct ent_federation_result *r = &run->federated;
    char hex[HEX_BYTES];

    ent_hex(r->digest, sizeof r->digest, hex);
    (void)fprintf(out, "seed %" PRIu64 ": ", run->seed);
    if (r->test.rows > 0) {
        (void)fprintf(out,
                      r->test_outside ? "test (outside of the federation: no release) " : "test ");
        ent_print_figures(&r->test, out);
        (void)fprintf(out, "; ");
    }
    if (r->best_train > 0) {
        (void)fprintf(out, "best round %u of %u; ", (unsigned)r->best_train,
                      (unsigned)r->train_done);
    }
    (void)fprintf(out, "model %.16s\n", hex);
    print_found(sim->plan, &r->test, out);
    (void)fprintf(out,
                  "  %" PRIu64 " declined, %" PRIu64 " dropped, %" PRIu64
                  " attempts aborted; %" PRIu64 " samples in %.2f s (%.0f samples/s)\n",
                  r->declined, r->dropped, r->aborted, r->samples, r->train_seconds,
                  r->train_seconds > 0 ? (double)r->samples / r->train_seconds : 0.0);
    ent_print_privacy(sim, run, out);
    if (sim->compare) {
        ent_print_comparison(sim, run, out);
    }
}

/* ---- means ---- */

typedef double (*figure_fn)(const struct ent_simulated_run *run);

static double test_auc(const struct ent_simulated_run *run)
{
    return run->federated.test.rows > 0 ? run->federated.test.auc : (double)NAN;
}

static double test_loss(const struct ent_simulated_run *run)
{
    return run->federated.test.rows > 0 ? run->federated.test.log_loss : (double)NAN;
}

static double alone_members(const struct ent_simulated_run *run)
{
    return run->comparison.alone.members;
}

static double federated_members(const struct ent_simulated_run *run)
{
    return run->comparison.federated.members;
}

static double pooled_members(const struct ent_simulated_run *run)
{
    return run->comparison.pooled.members;
}

static double pooled_auc(const struct ent_simulated_run *run)
{
    return run->comparison.pooled.pooled;
}

struct figure {
    const char *key;
    const char *text;
    figure_fn of;
    bool compared;
    bool ranks; /* of an AUC: a number has none */
};
static const struct figure figures[] = {
    {"auc", "federated, test AUC", test_auc, false, true},
    {"log_loss", "federated, test log loss", test_loss, false, false},
    {"members_alone", "members alone, mean of members", alone_members, true, true},
    {"members_federated", "federated, mean of members", federated_members, true, true},
    {"members_pooled", "pooled, mean of members", pooled_members, true, true},
    {"pooled_auc", "pooled, test AUC", pooled_auc, true, true},
};
#define N_FIGURES (sizeof figures / sizeof figures[0])

static bool is_wanted(const struct ent_simulation *sim, const struct figure *f)
{
    return (!f->compared || sim->compare) &&
           (!f->ranks || sim->plan->label_kind != ENT_LABEL_NUMBER);
}

/* What the loss of such a label is called. */
static const char *key_of(const struct ent_simulation *sim, const struct figure *f)
{
    return f->of == test_loss && sim->plan->label_kind == ENT_LABEL_NUMBER ? "squared_error"
                                                                           : f->key;
}

/* Standard error: of the mean, from the sample's deviation; NaN for one run. */
static void mean_of(const struct ent_simulation *sim, figure_fn of, double *mean, double *error)
{
    double sum = 0.0;
    double squares = 0.0;
    double n = (double)sim->n_runs;

    for (uint32_t i = 0; i < sim->n_runs; i++) {
        sum += of(&sim->runs[i]);
    }
    *mean = sum / n;
    for (uint32_t i = 0; i < sim->n_runs; i++) {
        double d = of(&sim->runs[i]) - *mean;

        squares += d * d;
    }
    *error = sim->n_runs > 1 ? sqrt(squares / (n - 1) / n) : (double)NAN;
}

void ent_print_mean(const struct ent_simulation *sim, FILE *out)
{
    if (sim->n_runs < 2) {
        return;
    }
    (void)fprintf(out, "mean of %u seeds, with its standard error:\n", (unsigned)sim->n_runs);
    for (size_t i = 0; i < N_FIGURES; i++) {
        double mean;
        double error;

        if (!is_wanted(sim, &figures[i])) {
            continue;
        }
        mean_of(sim, figures[i].of, &mean, &error);
        (void)fprintf(out, "  %-32s %.4f +- %.4f\n",
                      key_of(sim, &figures[i]) == figures[i].key ? figures[i].text
                                                                 : "federated, test squared error",
                      mean, error);
    }
}

/* ---- CSV ---- */

static void put_csv(double v, FILE *out)
{
    if (isfinite(v)) {
        (void)fprintf(out, ",%.6f", v);
    } else {
        (void)fprintf(out, ",");
    }
}

void ent_print_csv_head(const struct ent_simulation *sim, FILE *out)
{
    for (uint32_t a = 0; a < sim->sweep->n; a++) {
        (void)fprintf(out, "%s,", ent_sweep_name(sim->sweep, a));
    }
    (void)fprintf(out, "seed,best_round,%s",
                  sim->plan->label_kind == ENT_LABEL_NUMBER ? "validation_squared_error"
                                                            : "validation_auc,validation_log_loss");
    for (size_t i = 0; i < N_FIGURES; i++) {
        if (is_wanted(sim, &figures[i])) {
            (void)fprintf(out, ",%s", key_of(sim, &figures[i]));
        }
    }
    (void)fprintf(out, "\n");
}

void ent_print_csv_row(const struct ent_simulation *sim, const struct ent_simulated_run *run,
                       FILE *out)
{
    const struct ent_metrics *v = &run->federated.validation;

    for (uint32_t a = 0; a < sim->sweep->n; a++) {
        (void)fprintf(out, "%.10g,", ent_sweep_value(sim->sweep, run->combination, a));
    }
    (void)fprintf(out, "%" PRIu64 ",", run->seed);
    if (run->failed == ENT_E_OK) {
        (void)fprintf(out, "%u", (unsigned)run->federated.best_train);
    }
    if (sim->plan->label_kind != ENT_LABEL_NUMBER) {
        put_csv(v->rows > 0 ? v->auc : (double)NAN, out);
    }
    put_csv(v->rows > 0 ? v->log_loss : (double)NAN, out);
    for (size_t i = 0; i < N_FIGURES; i++) {
        if (is_wanted(sim, &figures[i])) {
            put_csv(run->failed == ENT_E_OK ? figures[i].of(run) : (double)NAN, out);
        }
    }
    (void)fprintf(out, "\n");
    (void)fflush(out);
}

/* ---- JSON ---- */

static void put_population(struct ent_json_writer *w, const struct ent_simulation *sim)
{
    const struct ent_population *p = sim->population;
    uint32_t least;
    uint32_t most;

    rows_range(p, &least, &most);
    ent_json_put_key_string(w, "division", sim->division);
    ent_json_put_key_uint(w, "members", p->n_members);
    ent_json_put_key_uint(w, "rows", p->table->n_rows);
    ent_json_put_key_uint(w, "train_rows", p->all->part[ENT_SPLIT_TRAIN].n);
    ent_json_put_key_uint(w, "validation_rows", p->all->part[ENT_SPLIT_VALIDATION].n);
    ent_json_put_key_uint(w, "test_rows", p->all->part[ENT_SPLIT_TEST].n);
    ent_json_put_key_uint(w, "train_rows_least", least);
    ent_json_put_key_uint(w, "train_rows_most", most);
    ent_put_rows(p, w);
}

static void put_metrics(struct ent_json_writer *w, const char *key, const struct ent_metrics *m)
{
    struct ent_metric_value values[ENT_METRIC_VALUES];
    size_t n;

    ent_json_put_key(w, key);
    if (m->rows == 0) {
        ent_json_put_null(w);
        return;
    }
    ent_json_put_object(w, ENT_JSON_INSERTION);
    n = ent_metrics_values(m, values);
    for (size_t i = 0; i < n; i++) {
        ent_json_put_key_double(w, ent_metrics_name(m, values[i].name), values[i].value);
    }
    ent_json_put_close(w);
}

static void put_each(struct ent_json_writer *w, const struct ent_simulation *sim,
                     const struct ent_simulated_run *run)
{
    const struct ent_comparison *c = &run->comparison;

    ent_json_put_key(w, "each");
    ent_json_put_array(w);
    for (uint32_t i = 0; i < c->n_members; i++) {
        ent_json_put_object(w, ENT_JSON_INSERTION);
        ent_json_put_key_string(w, "member", sim->population->members[i].name);
        put_metrics(w, "alone", &c->alone_members[i]);
        put_metrics(w, "federated", &run->federated.members[i]);
        put_metrics(w, "pooled", &c->pooled_members[i]);
        ent_json_put_close(w);
    }
    ent_json_put_close(w);
}

static void put_run(struct ent_json_writer *w, const struct ent_simulation *sim,
                    const struct ent_simulated_run *run)
{
    const struct ent_federation_result *r = &run->federated;
    char hex[HEX_BYTES];

    ent_hex(r->digest, sizeof r->digest, hex);
    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_json_put_key_uint(w, "seed", run->seed);
    for (uint32_t a = 0; a < sim->sweep->n; a++) {
        ent_json_put_key_double(w, ent_sweep_name(sim->sweep, a),
                                ent_sweep_value(sim->sweep, run->combination, a));
    }
    if (run->failed != ENT_E_OK) {
        ent_json_put_key_string(w, "failed", ent_err_text(run->failed));
        ent_json_put_close(w);
        return;
    }
    ent_json_put_key_string(w, "model", hex);
    ent_json_put_key_uint(w, "best_round", r->best_train);
    ent_json_put_key_uint(w, "rounds", r->train_done);
    put_metrics(w, "validation", &r->validation);
    put_metrics(w, "test", &r->test);
    if (r->test.rows > 0 && sim->plan->label_kind != ENT_LABEL_NUMBER && r->members != NULL) {
        ent_json_put_key_double(w, "members_auc",
                                ent_compare_members(r->members, sim->population->n_members, NULL));
    }
    ent_put_privacy(w, &r->privacy);
    if (sim->course) {
        ent_print_course(w, r);
    }
    ent_json_put_key_uint(w, "declined", r->declined);
    ent_json_put_key_uint(w, "dropped", r->dropped);
    ent_json_put_key_uint(w, "aborted", r->aborted);
    ent_json_put_key_uint(w, "samples", r->samples);
    ent_json_put_key_double(w, "train_seconds", r->train_seconds);
    ent_json_put_key_double(w, "train_cpu_seconds", r->train_cpu_seconds);
    if (sim->compare) {
        ent_put_comparison(w, sim, &run->comparison);
        ent_json_put_key_uint(w, "members_compared", run->comparison.n_compared);
        ent_json_put_key_uint(w, "members_untrained", run->comparison.n_untrained);
        if (sim->each) {
            put_each(w, sim, run);
        }
    }
    ent_json_put_close(w);
}

static void put_means(struct ent_json_writer *w, const struct ent_simulation *sim)
{
    ent_json_put_key(w, "mean");
    ent_json_put_object(w, ENT_JSON_INSERTION);
    for (size_t i = 0; i < N_FIGURES; i++) {
        double mean;
        double error;

        if (!is_wanted(sim, &figures[i])) {
            continue;
        }
        mean_of(sim, figures[i].of, &mean, &error);
        ent_json_put_key(w, key_of(sim, &figures[i]));
        ent_json_put_object(w, ENT_JSON_INSERTION);
        ent_json_put_key_double(w, "mean", mean);
        ent_json_put_key_double(w, "standard_error", error);
        ent_json_put_close(w);
    }
    ent_json_put_close(w);
}

enum ent_err ent_print_json(const struct ent_simulation *sim, FILE *out)
{
    struct ent_json_writer w;
    struct ent_buf text;
    enum ent_err err;

    ent_buf_init(&text, JSON_MAX_BYTES);
    ent_json_begin(&w, &text);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    put_population(&w, sim);
    ent_json_put_key_uint(&w, "threads", sim->threads);
    ent_json_put_key_uint(&w, "state_bytes", sim->memory.state);
    ent_json_put_key_bool(&w, "state_in_file", sim->memory.state_in_file);
    ent_json_put_key(&w, "runs");
    ent_json_put_array(&w);
    for (uint32_t i = 0; i < sim->n_runs; i++) {
        put_run(&w, sim, &sim->runs[i]);
    }
    ent_json_put_close(&w);
    if (sim->sweep->n == 0) {
        put_means(&w, sim);
    }
    ent_json_put_close(&w);
    err = ent_json_end(&w);
    if (err == ENT_E_OK) {
        ENT_REQUIRE(fwrite(text.data, 1, text.len, out) == text.len && fputc('\n', out) != EOF,
                    ENT_E_IO, "standard output cannot be written");
    }
    ent_buf_release(&text);
    return err;
}
