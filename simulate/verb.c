#include "simulate/verb.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/events/events.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/math/math.h"
#include "common/plan/client_config.h"
#include "simulate/arguments.h"
#include "simulate/print.h"

struct simulate {
    const struct ent_simulate_verb *verb;
    struct ent_plan *plan;
    struct ent_plan *pooled; /* NULL: the plan itself */
    struct ent_client_config *config;
    struct ent_population *population;
    struct ent_arguments arguments;
    struct ent_simulation sim;
    FILE *notes; /* what is said besides the result */
    bool interactive;
    uint32_t n_failed;   /* runs of a sweep without figures */
    enum ent_err failed; /* of the first of them */
};

/* ---- what is said meanwhile ---- */

/* On a terminal one line in place, otherwise a line a round. */
static void tell(void *ctx, const struct ent_simulated_round *r)
{
    const struct simulate *s = ctx;
    const char *start = s->interactive ? "\r\033[K" : "";
    const char *end = s->interactive ? "" : "\n";

    if (s->verb->quiet) {
        return;
    }
    (void)fprintf(s->notes, "%sround %llu (%s%s%s), %u of %u trained: %u members", start,
                  (unsigned long long)r->round, ent_round_task_name(r->task),
                  r->task == ENT_ROUND_EVALUATE ? " " : "",
                  r->task == ENT_ROUND_EVALUATE ? ent_round_split_name(r->split) : "",
                  (unsigned)r->train_done, (unsigned)r->train_rounds, (unsigned)r->accepted);
    if (r->rejected + r->dropped > 0) {
        (void)fprintf(s->notes, ", %u declined, %u dropped", (unsigned)r->rejected,
                      (unsigned)r->dropped);
    }
    if (r->task == ENT_ROUND_EVALUATE) {
        (void)fprintf(s->notes, "; ");
        ent_print_figures(&r->metrics, s->notes);
    }
    if (r->test.rows > 0) {
        (void)fprintf(s->notes, "; test ");
        ent_print_figures(&r->test, s->notes);
    }
    ent_print_spent(&r->privacy, s->notes);
    (void)fprintf(s->notes, "%s", end);
    (void)fflush(s->notes);
}

/* ---- loading ---- */

/* Without a configuration of the member's: the columns are called as in the plan. */
static enum ent_err plain_config(struct ent_client_config **out)
{
    static const char yaml[] = "data: {source: csv, path: data.csv}\n";

    ENT_TRY(ent_client_config_parse("data", ".", (const uint8_t *)yaml, sizeof yaml - 1, out));
    (*out)->memory_bytes = 0; /* the plan and the machine are of one person */
    return ENT_E_OK;
}

static bool same_features(const struct ent_plan *a, const struct ent_plan *b)
{
    bool same = a->n_features == b->n_features && strcmp(a->label_name, b->label_name) == 0 &&
                strcmp(a->label_positive, b->label_positive) == 0 &&
                a->label_kind == b->label_kind && a->n_classes == b->n_classes &&
                ent_sequence_same(&a->sequence, &b->sequence);

    for (uint32_t i = 0; same && i < a->n_features; i++) {
        same = ent_feature_same(&a->features[i], &b->features[i]);
    }
    return same;
}

/* Every combination before the first run: a value that the plan cannot have is not found out hours later. */
static enum ent_err check_sweep(const struct simulate *s)
{
    const struct ent_sweep *sweep = &s->arguments.sweep;

    for (uint64_t i = 0; i < ent_sweep_combinations(sweep); i++) {
        struct ent_plan plan = *s->plan;

        ENT_TRY(ent_sweep_apply(sweep, i, &plan));
    }
    return ENT_E_OK;
}

/* So is a place where the model cannot go. */
static enum ent_err check_output(const char *path)
{
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    char *dir = NULL;
    enum ent_err err = ENT_E_OK;

    if (path == NULL) {
        return ENT_E_OK;
    }
    ENT_TRY(slash == NULL   ? ent_strdup(".", &dir)
            : slash == path ? ent_strdup("/", &dir)
                            : ent_strndup(path, (size_t)(slash - path), &dir));
    if (access(dir, W_OK | X_OK) != 0) {
        (void)ent_io_error("make the file of --output in", dir);
        err = ENT_E_IO;
    }
    free(dir);
    return err;
}

static enum ent_err load(struct simulate *s, const char *plan)
{
    const struct ent_simulate_verb *v = s->verb;
    struct ent_population_options options = {
        .data = v->data, .more = v->more, .test_rows = v->test_rows};

    ENT_TRY(ent_plan_read(plan, &s->plan));
    s->plan->rounds = s->arguments.rounds > 0 ? s->arguments.rounds : s->plan->rounds;
    ENT_TRY(check_sweep(s));
    if (v->pooled != NULL) {
        ENT_TRY(ent_plan_read(v->pooled, &s->pooled));
        ENT_REQUIRE(same_features(s->plan, s->pooled), ENT_E_CONFIG,
                    "%s has other features or another label than %s", v->pooled, plan);
    }
    ENT_TRY(v->config != NULL ? ent_client_config_read(v->config, &s->config)
                              : plain_config(&s->config));
    options.division = s->arguments.division;
    options.division.seed = s->plan->seed;
    options.plan = s->plan;
    options.config = s->config;
    return ent_population_new(&options, &s->population);
}

static uint64_t columns_bytes(const struct ent_table *t)
{
    uint64_t a_row = sizeof *t->labels + sizeof *t->units + 2 * sizeof *t->source_rows;

    for (uint32_t f = 0; f < t->schema.n_features; f++) {
        const struct ent_column *c = &t->columns[f];

        a_row += c->numbers != NULL   ? sizeof *c->numbers
                 : c->codes != NULL   ? sizeof *c->codes
                 : c->buckets != NULL ? sizeof *c->buckets
                 : c->vectors != NULL ? t->schema.features[f].length * sizeof *c->vectors
                                      : sizeof *c->bools;
    }
    return a_row * t->cap_rows + t->ids.cap;
}

static uint64_t table_bytes(const struct ent_table *t)
{
    uint64_t a_sequence = 4 * sizeof *t->event_first + sizeof *t->units + sizeof *t->labels;

    return t->events == NULL ? columns_bytes(t)
                             : columns_bytes(t->events) + a_sequence * t->cap_rows + t->ids.cap;
}

/* ---- runs ---- */

static enum ent_err one_run(struct simulate *s, struct ent_simulated_run *run)
{
    struct ent_plan plan = *s->plan; /* what it points to stays the original's */
    struct ent_plan pooled;
    enum ent_err err;

    plan.seed = run->seed;
    ENT_TRY(ent_sweep_apply(&s->arguments.sweep, run->combination, &plan));
    ENT_TRY(ent_federation_run(&plan, s->population, &s->arguments.federation, &run->federated));
    if (s->interactive) {
        (void)fprintf(s->notes, "\r\033[K");
    }
    if (!s->verb->compare) {
        return ENT_E_OK;
    }
    pooled = s->pooled != NULL ? *s->pooled : plan;
    pooled.seed = run->seed;
    err = ent_compare(&plan, &pooled, s->population, &run->federated,
                      s->arguments.federation.threads, &run->comparison);
    if (err != ENT_E_OK) {
        ent_federation_result_release(&run->federated); /* of a run that is not counted */
    }
    return err;
}

static enum ent_err write_model(const struct simulate *s)
{
    const struct ent_blob *model = s->sim.runs[0].federated.model;

    if (s->verb->output == NULL) {
        return ENT_E_OK;
    }
    return ent_file_write_atomic(s->verb->output, ent_blob_bytes(model), ent_blob_len(model), 0644);
}

static void print_one(struct simulate *s, const struct ent_simulated_run *run)
{
    if (s->arguments.sweep.n > 0) {
        if (!s->verb->json) {
            ent_print_csv_row(&s->sim, run, stdout);
        }
    } else if (!s->verb->json) {
        ent_print_run(&s->sim, run, stdout);
        (void)fflush(stdout);
    }
}

/* The models of runs past are not needed; their figures are. */
static void shrink(struct ent_simulated_run *run, bool keep_model, bool keep_members)
{
    if (!keep_members) {
        free(run->federated.members);
        run->federated.members = NULL;
        ent_comparison_release(&run->comparison);
    }
    if (!keep_model) {
        ent_blob_unref(run->federated.model);
        run->federated.model = NULL;
    }
}

static void print_setting(const struct simulate *s, const struct ent_simulated_run *run, FILE *out)
{
    const struct ent_sweep *sweep = &s->arguments.sweep;

    for (uint32_t a = 0; a < sweep->n; a++) {
        (void)fprintf(out, " %s %.10g,", ent_sweep_name(sweep, a),
                      ent_sweep_value(sweep, run->combination, a));
    }
    (void)fprintf(out, " seed %llu", (unsigned long long)run->seed);
}

/* Which of many runs the rounds below belong to. */
static void announce(const struct simulate *s, const struct ent_simulated_run *run, uint64_t n)
{
    if (s->verb->quiet || n < 2) {
        return;
    }
    (void)fprintf(s->notes, "run %u of %llu:", (unsigned)s->sim.n_runs + 1, (unsigned long long)n);
    print_setting(s, run, s->notes);
    (void)fprintf(s->notes, "\n");
}

/* A setting that takes the model nowhere is a finding of a sweep, not its end. Other errors are ours or the machine's. */
static bool is_settings_own(enum ent_err err)
{
    return err == ENT_E_NONFINITE || err == ENT_E_RANGE || err == ENT_E_TOO_FEW ||
           err == ENT_E_DATA;
}

static enum ent_err take_failure(struct simulate *s, struct ent_simulated_run *run,
                                 enum ent_err err)
{
    if (s->arguments.sweep.n == 0 || !is_settings_own(err)) {
        return err;
    }
    (void)fprintf(stderr, "%sno figures:", s->interactive ? "\r\033[K" : "");
    print_setting(s, run, stderr);
    (void)fprintf(stderr, ": %s\n", ent_err_message());
    s->failed = s->n_failed++ == 0 ? err : s->failed;
    run->federated = (struct ent_federation_result){0};
    run->failed = err;
    return ENT_E_OK;
}

static enum ent_err say_failed(const struct simulate *s)
{
    ENT_REQUIRE(s->n_failed == 0, s->failed,
                "%u of %u runs have no figures (named above): the setting takes the model nowhere",
                (unsigned)s->n_failed, (unsigned)s->sim.n_runs);
    return ENT_E_OK;
}

static enum ent_err run_all(struct simulate *s)
{
    uint64_t n = ent_sweep_combinations(&s->arguments.sweep) * s->arguments.seeds;
    enum ent_err err;

    ENT_TRY(ent_calloc(n, sizeof *s->sim.runs, &s->sim.runs));
    for (uint64_t i = 0; i < n; i++) {
        struct ent_simulated_run *run = &s->sim.runs[i];

        run->combination = i / s->arguments.seeds;
        run->seed = s->plan->seed + i % s->arguments.seeds;
        announce(s, run, n);
        err = one_run(s, run);
        ENT_TRY(err == ENT_E_OK ? err : take_failure(s, run, err));
        s->sim.n_runs++;
        print_one(s, run);
        ENT_TRY(i == 0 && run->failed == ENT_E_OK ? write_model(s) : ENT_E_OK);
        shrink(run, i == 0, s->verb->json && s->arguments.sweep.n == 0);
    }
    return ENT_E_OK;
}

static enum ent_err simulate(struct simulate *s)
{
    ent_federation_memory(s->plan, s->population->n_members, s->arguments.federation.threads,
                          s->arguments.federation.state_memory, &s->sim.memory);
    s->sim.plan = s->plan;
    s->sim.population = s->population;
    s->sim.sweep = &s->arguments.sweep;
    s->sim.table_bytes = table_bytes(s->population->table);
    s->sim.threads = s->arguments.federation.threads;
    s->sim.division = s->arguments.division_text;
    s->sim.compare = s->verb->compare;
    s->sim.each = s->verb->each;
    s->sim.course = s->verb->course;
    ent_print_memory(&s->sim, s->notes);
    ent_print_population(&s->sim, s->notes);
    if (s->population->table->events != NULL) {
        ent_events_print(s->population->table, s->notes);
    }
    (void)fflush(s->notes);
    ENT_TRY(ent_population_check(s->population));
    if (s->arguments.sweep.n > 0 && !s->verb->json) {
        ent_print_csv_head(&s->sim, stdout);
    }
    ENT_TRY(run_all(s));
    if (s->verb->json) {
        ENT_TRY(ent_print_json(&s->sim, stdout));
    } else if (s->arguments.sweep.n == 0) {
        ent_print_mean(&s->sim, stdout);
    }
    return say_failed(s);
}

static void release(struct simulate *s)
{
    for (uint32_t i = 0; i < s->sim.n_runs; i++) {
        ent_federation_result_release(&s->sim.runs[i].federated);
        ent_comparison_release(&s->sim.runs[i].comparison);
    }
    free(s->sim.runs);
    ent_population_free(s->population);
    ent_client_config_free(s->config);
    ent_plan_free(s->pooled);
    ent_plan_free(s->plan);
}

enum ent_err ent_verb_simulate(const void *options, const char *const *args, size_t n_args)
{
    struct simulate s = {.verb = options};
    enum ent_err err;

    (void)n_args;
    s.notes = s.verb->json || s.verb->sweep != NULL ? stderr : stdout;
    s.interactive = isatty(fileno(s.notes)) == 1 && !s.verb->quiet;
    ent_math_init();
    err = ent_arguments_read(s.verb, &s.arguments);
    s.arguments.federation.progress = tell;
    s.arguments.federation.ctx = &s;
    if (err == ENT_E_OK) {
        err = check_output(s.verb->output);
    }
    if (err == ENT_E_OK) {
        err = load(&s, args[0]);
    }
    if (err == ENT_E_OK) {
        err = simulate(&s);
    }
    release(&s);
    return err;
}
