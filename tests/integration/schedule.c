#include "tests/integration/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "tests/integration/audited.h"
#include "tests/integration/laws.h"
#include "tests/integration/oracle.h"
#include "tests/integration/record.h"

/* As many as must witness each round: one of four or five may be away. */
#define MIN_MEMBERS(n_) ((n_)-1)
/* From the last fault on: a member's longest back-off (60 s), the run's longest (64 retries of 2 s), then all rounds
 * with full deadlines. */
#define OVER_MAX_MS UINT64_C(300000)

/* A model whose updates and files are small enough for an envelope, or one of 65 KB that takes a grant. */
static void make_plan(struct ent_rng *rng, uint32_t n_members, char *out, size_t size)
{
    static const char *const weights[] = {"equal", "examples_log2"};
    unsigned units = ent_rng_below(rng, 3) == 0 ? 1800 : 4;
    unsigned rounds = 2 + ent_rng_below(rng, 2);
    const char *rule = weights[ent_rng_below(rng, 2)];
    int n = snprintf(
        out, size,
        "features: [{name: age, type: number, range: [18, 95]},\n"
        "  {name: job, type: category, values: [admin, nurse, pilot]}, {name: loan, type: "
        "boolean}]\n"
        "min_group: 1\n"
        "label: {name: y, positive: \"yes\"}\n"
        "split: {key: 42, validation: 0.2, test: 0.2}\n"
        "model: {layers: [{dense: %u}, relu, {dense: 1}], loss: bce}\n"
        "training: {rounds: %u, epochs: 1, batch: 16, optimizer: {sgd: {rate: 0.1, momentum: 0.5}},"
        " seed: 3}\n"
        "aggregation: {rule: fedavg, weights: %s, scale_bits: 20, min_members: %u, join: 3s,"
        " update: 12s, attempts: 3}\n",
        units, rounds, rule, (unsigned)MIN_MEMBERS(n_members));

    ENT_BUG_ON(n < 0 || (size_t)n >= size);
}

/* Members come before the run starts, while it goes on, or late. */
static void plan_arrivals(struct box *box, struct ent_rng *rng)
{
    for (uint32_t i = 0; i < box->n_members; i++) {
        bool late = ent_rng_below(rng, 8) == 0;

        box->members[i].start_ms = box->time.mono_ms + ent_rng_below(rng, late ? 30000 : 3000);
    }
}

static bool time_to_start(struct box *box)
{
    return box->time.mono_ms >= box->faults->until_ms; /* box_run's own limit ends it before */
}

static void run(struct box *box, const char *plan, struct ent_rng *rng, struct schedule_result *out)
{
    struct box_faults *f = box->faults;
    uint64_t deadline_ms = f->until_ms + OVER_MAX_MS;

    box_start_engine(box);
    (void)box_run(box, time_to_start, 1 + ent_rng_below(rng, 4000));
    while (box->engine == NULL && !box->broken) { /* the operator tries again */
        (void)box_run(box, time_to_start, 100);
    }
    if (!box->broken) {
        box_start_run(box, plan, NULL);
    }
    if (!box_run(box, box_run_over, deadline_ms - box->time.mono_ms)) {
        box_break(box, 'f', "the run is not over %llu s after the last fault: phase %s, round %llu",
                  (unsigned long long)OVER_MAX_MS / 1000, ent_phase_name(box_phase(box)),
                  box->engine != NULL ? (unsigned long long)ent_engine_round(box->engine)->round
                                      : 0ULL);
    }
    out->over_ms = box->time.mono_ms > f->until_ms ? box->time.mono_ms - f->until_ms : 0;
}

/* Room for two attempts that failed once updates were there; after them the run ends for want of budget. */
static void make_central_plan(struct ent_rng *rng, uint32_t n_members, char *out, size_t size)
{
    bool uncovered = ent_rng_below(rng, 2) == 0;
    unsigned units = ent_rng_below(rng, 3) == 0 ? 1800 : 4;
    int n = snprintf(
        out, size,
        "features: [{name: age, type: number, range: [18, 95]}, {name: loan, type: boolean}]\n"
        "label: {name: y, positive: \"yes\"}\n"
        "min_group: 1\n"
        "split: {key: 42, validation: %s, test: 0.2}\n"
        "model: {layers: [{dense: %u}, relu, {dense: 1}], loss: bce}\n"
        "training: {rounds: %u, epochs: 1, batch: 16, optimizer: {sgd: {rate: 0.1}}, seed: 3}\n"
        "aggregation: {rule: fedavg, weights: equal, scale_bits: 20, min_members: %u, join: 3s,"
        " update: 12s, attempts: 3}\n"
        "privacy: {unit: member, epsilon: 8, delta: 1e-5, clip: 0.5%s}\n",
        uncovered ? "0.2" : "0", units, 2 + ent_rng_below(rng, 3), (unsigned)MIN_MEMBERS(n_members),
        uncovered ? ", evaluate: uncovered, statistics: uncovered" : "");

    ENT_BUG_ON(n < 0 || (size_t)n >= size);
}

typedef void plan_fn(struct ent_rng *rng, uint32_t n_members, char *out, size_t size);

static void run_of(uint64_t seed, const char *plant, plan_fn *plan_of, struct schedule_result *out)
{
    struct ent_rng rng = ent_rng_init(seed, 3);
    struct box_faults faults;
    struct box box;
    uint32_t n_members;
    char plan[1024];

    *out = (struct schedule_result){0};
    n_members = 4 + ent_rng_below(&rng, 2);
    plan_of(&rng, n_members, plan, sizeof plan);
    box_new(&box, seed, n_members);
    box.plant = plant;
    box.lazy = ent_rng_below(&rng, 4);
    box.latency = 10 + ent_rng_below(&rng, 90);
    faults_init(&faults, seed, box.time.mono_ms);
    box.faults = &faults;
    plan_arrivals(&box, &rng);
    run(&box, plan, &rng, out);
    if (!box.broken) {
        laws_of_rows(&box, MIN_MEMBERS(n_members));
        out->n_rounds = oracle_check(&box, plan);
        laws_of_members(&box);
    }
    if (!box.broken && plan_of == make_central_plan) {
        laws_of_audit(&box, NULL);
    }
    for (size_t i = 0; i < box.record->n_rows; i++) {
        out->n_aborts += box.record->rows[i].kind == ENT_ROW_ABORT ? 1 : 0;
    }
    out->ok = !box.broken;
    out->law = box.law;
    memcpy(out->text, box.text, sizeof out->text);
    memcpy(out->matrix, faults.matrix, sizeof out->matrix);
    box.faults = NULL;
    box_free(&box);
}

void schedule_run(uint64_t seed, const char *plant, struct schedule_result *out)
{
    run_of(seed, plant, make_plan, out);
}

void schedule_run_central(uint64_t seed, struct schedule_result *out)
{
    run_of(seed, NULL, make_central_plan, out);
}

bool schedule_only(uint64_t *seed)
{
    const char *text = enrolled_env("ENTENTE_SEED");

    if (text == NULL) {
        return false;
    }
    *seed = strtoull(text, NULL, 10);
    return true;
}

/* ---- the matrix ---- */

void schedule_add(struct schedule_result *sum, const struct schedule_result *one)
{
    sum->n_rounds += one->n_rounds;
    sum->n_aborts += one->n_aborts;
    sum->over_ms = one->over_ms > sum->over_ms ? one->over_ms : sum->over_ms;
    for (int k = 0; k < FAULT_KINDS; k++) {
        for (int p = 0; p < ENT_PHASE_COUNT; p++) {
            sum->matrix[k][p] += one->matrix[k][p];
        }
    }
}

uint32_t schedule_empty_cells(const struct schedule_result *sum)
{
    uint32_t n = 0;

    for (int k = 0; k < FAULT_KINDS; k++) {
        for (int p = 0; p < ENT_PHASE_COUNT; p++) {
            n += sum->matrix[k][p] == 0 ? 1 : 0;
        }
    }
    return n;
}

void schedule_print(const struct schedule_result *sum, uint32_t n_schedules)
{
    printf("\n%u schedules, %u training rounds, %u attempts called off, longest way to the end "
           "%.1f s\n"
           "%-12s",
           (unsigned)n_schedules, (unsigned)sum->n_rounds, (unsigned)sum->n_aborts,
           (double)sum->over_ms / 1000, "fault");
    for (int p = 0; p < ENT_PHASE_COUNT; p++) {
        printf("%9s", ent_phase_name((enum ent_phase)p));
    }
    printf("\n");
    for (int k = 0; k < FAULT_KINDS; k++) {
        printf("%-12s", fault_name((enum fault_kind)k));
        for (int p = 0; p < ENT_PHASE_COUNT; p++) {
            printf("%9u", (unsigned)sum->matrix[k][p]);
        }
        printf("\n");
    }
    printf("no cell is impossible: while the engine passes through close and release within one "
           "step, members come and\n"
           "go at its hook points\n");
    (void)fflush(stdout);
}
