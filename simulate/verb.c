#include "simulate/verb.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/events/events.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/config/scalar.h"
#include "common/math/math.h"
#include "common/plan/client_config.h"
#include "simulate/pool.h"
#include "simulate/print.h"

#define STATE_MEMORY ((uint64_t)1 << 30)
#define ALPHA 0.5
#define SEEDS_MAX 1000
#define RUNS_MAX 100000
#define DIVISION_BYTES 256
#define CONFIG_BYTES 65536

struct simulate {
    const struct ent_simulate_verb *verb;
    struct ent_plan *plan;
    struct ent_plan *pooled; /* NULL: the plan itself */
    struct ent_client_config *config;
    struct ent_population *population;
    struct ent_sweep sweep;
    struct ent_federation_options options;
    uint32_t seeds;
    struct ent_simulation sim;
    char division[DIVISION_BYTES];
    FILE *notes; /* what is said besides the result */
    bool interactive;
};

/* ---- the command line ---- */

static enum ent_err number(const char *option, const char *text, double fallback, double *out)
{
    *out = fallback;
    ENT_REQUIRE(text == NULL || ent_scalar_double(text, strlen(text), out), ENT_E_USAGE,
                "--%s: '%s' is not a number", option, text);
    return ENT_E_OK;
}

static enum ent_err read_division(const struct ent_simulate_verb *v, uint64_t seed,
                                  struct ent_division_spec *out, char text[DIVISION_BYTES])
{
    int ways = (v->by != NULL) + (v->iid > 0) + (v->members > 0);

    ENT_REQUIRE(ways == 1, ENT_E_USAGE,
                "say how the rows are divided, in one way: --by COLUMN, --iid N, --members N "
                "--alpha A (by label) or --members N --quantity");
    ENT_REQUIRE(v->members > 0 || (v->alpha == NULL && !v->quantity), ENT_E_USAGE,
                "--alpha and --quantity belong to --members N");
    ENT_REQUIRE(v->iid <= ENT_POPULATION_MEMBERS_MAX && v->members <= ENT_POPULATION_MEMBERS_MAX,
                ENT_E_USAGE, "at most %d members", ENT_POPULATION_MEMBERS_MAX);
    *out = (struct ent_division_spec){
        .column = v->by, .members = (uint32_t)(v->iid + v->members), .seed = seed};
    ENT_TRY(number("alpha", v->alpha, ALPHA, &out->alpha));
    if (v->by != NULL) {
        out->kind = ENT_DIVISION_BY_COLUMN;
        (void)snprintf(text, DIVISION_BYTES, "by %s", v->by);
    } else if (v->iid > 0) {
        out->kind = ENT_DIVISION_IID;
        (void)snprintf(text, DIVISION_BYTES, "with rows dealt evenly");
    } else if (v->quantity) {
        out->kind = ENT_DIVISION_QUANTITY;
        (void)snprintf(text, DIVISION_BYTES, "by quantity, alpha %g", out->alpha);
    } else {
        out->kind = ENT_DIVISION_DIRICHLET;
        (void)snprintf(text, DIVISION_BYTES, "by label, alpha %g", out->alpha);
    }
    return ENT_E_OK;
}

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
    (void)fprintf(s->notes, "%s", end);
    (void)fflush(s->notes);
}

static enum ent_err read_options(struct simulate *s)
{
    const struct ent_simulate_verb *v = s->verb;
    struct ent_federation_options *o = &s->options;

    ENT_REQUIRE(v->threads <= ENT_POOL_THREADS_MAX, ENT_E_USAGE, "--threads must be 1 to %d",
                ENT_POOL_THREADS_MAX);
    ENT_REQUIRE(v->seeds <= SEEDS_MAX, ENT_E_USAGE, "--seeds must be 1 to %d", SEEDS_MAX);
    ENT_REQUIRE(v->pooled == NULL || v->compare, ENT_E_USAGE, "--pooled belongs to --compare");
    s->seeds = v->seeds == 0 ? 1 : (uint32_t)v->seeds;
    *o = (struct ent_federation_options){.threads = v->threads == 0 ? ent_pool_cores()
                                                                    : (uint32_t)v->threads,
                                         .state_memory = STATE_MEMORY,
                                         .progress = tell,
                                         .ctx = s};
    ENT_REQUIRE(v->state_memory == NULL ||
                    ent_scalar_size(v->state_memory, strlen(v->state_memory), &o->state_memory),
                ENT_E_USAGE, "--state-memory: '%s' is not a size such as 512MiB", v->state_memory);
    ENT_TRY(number("fraction", v->fraction, 1.0, &o->fraction));
    ENT_TRY(number("dropout", v->dropout, 0.0, &o->dropout));
    if (v->sweep != NULL) {
        ENT_TRY(ent_sweep_parse(v->sweep, &s->sweep));
    }
    ENT_REQUIRE(ent_sweep_combinations(&s->sweep) <= RUNS_MAX / s->seeds, ENT_E_USAGE,
                "--sweep: more than %d runs", RUNS_MAX);
    return ENT_E_OK;
}

/* ---- loading ---- */

/* Without a configuration of the member's: the columns are called as in the plan. */
static enum ent_err plain_config(struct ent_client_config **out)
{
    static const char yaml[] = "data: {source: csv, path: data.csv}\n";

    return ent_client_config_parse("data", ".", (const uint8_t *)yaml, sizeof yaml - 1, out);
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

static enum ent_err load(struct simulate *s, const char *plan)
{
    const struct ent_simulate_verb *v = s->verb;
    struct ent_population_options options = {.data = v->data, .test_rows = v->test_rows};

    ENT_TRY(ent_plan_read(plan, &s->plan));
    if (v->rounds > 0) {
        ENT_REQUIRE(v->rounds <= UINT32_MAX, ENT_E_USAGE, "--rounds is too large");
        s->plan->rounds = (uint32_t)v->rounds;
    }
    if (v->pooled != NULL) {
        ENT_TRY(ent_plan_read(v->pooled, &s->pooled));
        ENT_REQUIRE(same_features(s->plan, s->pooled), ENT_E_CONFIG,
                    "%s has other features or another label than %s", v->pooled, plan);
    }
    ENT_TRY(v->config != NULL ? ent_client_config_read(v->config, &s->config)
                              : plain_config(&s->config));
    ENT_TRY(read_division(v, s->plan->seed, &options.division, s->division));
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

    plan.seed = run->seed;
    ENT_TRY(ent_sweep_apply(&s->sweep, run->combination, &plan));
    ENT_TRY(ent_federation_run(&plan, s->population, &s->options, &run->federated));
    if (s->interactive) {
        (void)fprintf(s->notes, "\r\033[K");
    }
    if (!s->verb->compare) {
        return ENT_E_OK;
    }
    pooled = s->pooled != NULL ? *s->pooled : plan;
    pooled.seed = run->seed;
    return ent_compare(&plan, &pooled, s->population, &run->federated, s->options.threads,
                       &run->comparison);
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
    if (s->sweep.n > 0) {
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
    if (keep_members) {
        return;
    }
    free(run->federated.members);
    run->federated.members = NULL;
    ent_comparison_release(&run->comparison);
    if (!keep_model) {
        ent_blob_unref(run->federated.model);
        run->federated.model = NULL;
    }
}

static enum ent_err run_all(struct simulate *s)
{
    uint64_t n = ent_sweep_combinations(&s->sweep) * s->seeds;

    ENT_TRY(ent_calloc(n, sizeof *s->sim.runs, &s->sim.runs));
    for (uint64_t i = 0; i < n; i++) {
        struct ent_simulated_run *run = &s->sim.runs[i];

        run->combination = i / s->seeds;
        run->seed = s->plan->seed + i % s->seeds;
        ENT_TRY(one_run(s, run));
        s->sim.n_runs++;
        print_one(s, run);
        shrink(run, i == 0, s->verb->json && s->sweep.n == 0);
    }
    return ENT_E_OK;
}

static enum ent_err simulate(struct simulate *s)
{
    ent_federation_memory(s->plan, s->population->n_members, s->options.threads,
                          s->options.state_memory, &s->sim.memory);
    s->sim.plan = s->plan;
    s->sim.population = s->population;
    s->sim.sweep = &s->sweep;
    s->sim.table_bytes = table_bytes(s->population->table);
    s->sim.threads = s->options.threads;
    s->sim.division = s->division;
    s->sim.compare = s->verb->compare;
    s->sim.each = s->verb->each;
    ent_print_memory(&s->sim, s->notes);
    ent_print_population(&s->sim, s->notes);
    if (s->population->table->events != NULL) {
        ent_events_print(s->population->table, s->notes);
    }
    (void)fflush(s->notes);
    if (s->sweep.n > 0 && !s->verb->json) {
        ent_print_csv_head(&s->sim, stdout);
    }
    ENT_TRY(run_all(s));
    ENT_TRY(write_model(s));
    if (s->verb->json) {
        return ent_print_json(&s->sim, stdout);
    }
    if (s->sweep.n == 0) {
        ent_print_mean(&s->sim, stdout);
    }
    return ENT_E_OK;
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
    err = read_options(&s);
    if (err == ENT_E_OK) {
        err = load(&s, args[0]);
    }
    if (err == ENT_E_OK) {
        err = simulate(&s);
    }
    release(&s);
    return err;
}
