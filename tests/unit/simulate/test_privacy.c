/* Runs whose plan has privacy: noise that is there and as large as it is derived, accounts, figures of members. */
#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/model/modelfile.h"
#include "common/step/step.h"
#include "simulate/sweep.h"
#include "tests/support/ent_test.h"
#include "tests/support/hooks.h"
#include "tests/unit/simulate/world.h"

#define MEMBERS 10
#define FEATURES                                                                                   \
    "features:\n"                                                                                  \
    "  - {name: a, type: number, range: [-4, 4]}\n"                                                \
    "  - {name: b, type: number, range: [-4, 4]}\n"                                                \
    "  - {name: c, type: category, values: [x, y, z]}\n"                                           \
    "label: {name: label, positive: \"1\"}\n"                                                      \
    "split: {key: 42, test: 0.2}\n"
#define CENTRAL                                                                                    \
    "aggregation: {weights: equal, scale_bits: 16, min_members: 6, attempts: 10}\n"                \
    "privacy: {unit: member, epsilon: 2, delta: 1e-5, clip: 0.5}\n"

/* Learns nothing: what moves its 4,097 parameters is noise. */
static const char still[] =
    FEATURES "model: {layers: [{dense: 585}, relu, {dense: 1}]}\n"
             "training: {rounds: 1, epochs: 1, batch: full, optimizer: {sgd: {rate: 1e-9}}, "
             "seed: 5}\n" CENTRAL;
static const char central[] =
    FEATURES "model: {layers: [{dense: 8}, relu, {dense: 1}]}\n"
             "training: {rounds: 6, epochs: 1, batch: full, optimizer: {sgd: {rate: 0.5}}, "
             "seed: 5}\n" CENTRAL;
static const char own[] = FEATURES
    "model: {layers: [{dense: 8}, relu, {dense: 1}]}\n"
    "training: {rounds: 6, optimizer: {sgd: {rate: 0.5}}, seed: 5}\n"
    "aggregation: {weights: equal, min_members: 6, attempts: 10}\n"
    "privacy: {unit: customer, epsilon: 2, delta: 1e-5, clip: 1.0, rate: 0.2, batch: 20}\n";

/* Of two models. */
static double distance(const struct ent_modelfile *a, const struct ent_modelfile *b)
{
    double square = 0.0;

    for (size_t i = 0; i < a->n_params; i++) {
        double d = (double)ent_modelfile_params(a)[i] - (double)ent_modelfile_params(b)[i];

        square += d * d;
    }
    return sqrt(square);
}

/* ---- how large the noise is ---- */

static void run_still(struct ent_federation_result *out)
{
    struct ent_federation_options options = ent_world_plain(2);
    struct world w;

    ent_world_open_plan(&w, 400, MEMBERS, still);
    ENT_OK(ent_federation_run(w.plan, w.population, &options, out));
    ent_world_close(&w);
}

/* Variance of what differs between two runs, over twice what the plan derives. Chi-square of 4,097 degrees: a standard deviation
 * of 0.022. */
static double noise_ratio(void)
{
    struct ent_federation_result run[2] = {0};
    struct ent_modelfile *file[2];
    struct ent_plan_noise noise;
    struct ent_plan *plan;
    double unit;
    double d;
    size_t n;

    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)still, strlen(still), &plan));
    ENT_OK(ent_plan_privacy_derive(plan, &noise));
    unit = ldexp(1.0, -16) / MEMBERS;
    for (int i = 0; i < 2; i++) {
        run_still(&run[i]);
        ENT_OK(ent_modelfile_read(run[i].model, &file[i]));
    }
    n = file[0]->n_params;
    CU_ASSERT_EQUAL(n, noise.dim);
    d = distance(file[0], file[1]);
    for (int i = 0; i < 2; i++) {
        ent_modelfile_free(file[i]);
        ent_federation_result_release(&run[i]);
    }
    ent_plan_free(plan);
    return d * d / (2.0 * (double)n * (double)noise.sigma2 * unit * unit);
}

static uint64_t divided(void *ctx, const char *bug)
{
    (void)ctx;
    return strcmp(bug, "noise-divided-by") == 0 ? MEMBERS : 0;
}

ENT_TEST(simulate_privacy, noise_of_a_sum_is_as_large_as_derived_and_fresh)
{
    static const struct ent_test_hooks fault = {.number = divided};
    double right = noise_ratio();
    double planted;

    CU_ASSERT_DOUBLE_EQUAL(right, 1.0, 0.15);
    ent_test_hooks_set(&fault);
    planted = noise_ratio();
    ent_test_hooks_set(NULL);
    CU_ASSERT(planted < 0.02); /* the figure would show a fault */
}

/* ---- what an update may be ---- */

static const char far[] =
    FEATURES "model: {layers: [{dense: 1}]}\n"
             "training: {rounds: 1, epochs: 20, batch: full, optimizer: {sgd: {rate: 10}}, "
             "seed: 5}\n"
             "aggregation: {weights: equal, scale_bits: 20, min_members: 6}\n"
             "privacy: {unit: member, epsilon: 100, delta: 0.01, clip: 0.0625}\n";

static void read_first(const struct ent_plan *plan, struct ent_modelfile **out)
{
    struct ent_step_sink sink;
    struct ent_blob *blob;
    struct ent_buf buf;

    ent_buf_init(&buf, (size_t)1 << 20);
    sink = ent_step_sink_buf(&buf);
    ENT_OK(ent_step_initial_of_ranges(plan, &sink));
    ENT_OK(ent_blob_new_take(buf.data, buf.len, &blob));
    ENT_OK(ent_modelfile_read(blob, out));
    ent_blob_unref(blob);
}

/* How far one round goes from the first model. */
static double reach(struct world *w, const struct ent_modelfile *first)
{
    struct ent_federation_options options = ent_world_plain(2);
    struct ent_federation_result result = {0};
    struct ent_modelfile *file;
    double d;

    ENT_OK(ent_federation_run(w->plan, w->population, &options, &result));
    ENT_OK(ent_modelfile_read(result.model, &file));
    d = distance(file, first);
    ent_modelfile_free(file);
    ent_federation_result_release(&result);
    return d;
}

/* The mean of updates of at most `clip` is no longer, but for noise; without the clip it is many times as long. */
ENT_TEST(simulate_privacy, updates_are_clipped)
{
    struct ent_modelfile *first;
    struct ent_plan_noise noise;
    struct world w;

    ent_world_open_plan(&w, 2000, MEMBERS, far);
    read_first(w.plan, &first);
    ENT_OK(ent_plan_privacy_derive(w.plan, &noise));
    CU_ASSERT(reach(&w, first) < 0.0625 + 5.0 * noise.noise_norm);
    w.plan->privacy.unit = ENT_PRIVACY_NONE;
    CU_ASSERT(reach(&w, first) > 10.0 * (0.0625 + 5.0 * noise.noise_norm));
    ent_modelfile_free(first);
    ent_world_close(&w);
}

/* ---- accounts ---- */

static void assert_account(const struct ent_federation_result *r, uint32_t rounds)
{
    const struct ent_simulated_privacy *p = &r->privacy;

    CU_ASSERT_EQUAL(p->booked, rounds);
    CU_ASSERT(p->epsilon <= 2.0 && p->epsilon > 1.98);
    CU_ASSERT_EQUAL(p->members_per_person, 1);
}

ENT_TEST(simulate_privacy, both_units_are_accounted_for)
{
    struct ent_federation_options options = ent_world_plain(2);
    struct ent_federation_result result = {0};
    struct world w;

    ent_world_open_plan(&w, 1000, MEMBERS, central);
    ENT_OK(ent_federation_run(w.plan, w.population, &options, &result));
    assert_account(&result, 6);
    CU_ASSERT(result.privacy.epsilon_person > 2.0 * result.privacy.epsilon);
    CU_ASSERT(!result.privacy.out_of_budget);
    ent_federation_result_release(&result);
    ent_world_close(&w);

    ent_world_open_plan(&w, 1000, MEMBERS, own);
    ENT_OK(ent_federation_run(w.plan, w.population, &options, &result));
    assert_account(&result, 6);
    CU_ASSERT_DOUBLE_EQUAL(result.privacy.epsilon_person, result.privacy.epsilon, 1e-9);
    ent_federation_result_release(&result);
    ent_world_close(&w);
}

/* Attempts that fail after updates have arrived are paid for, so that the run ends before its last round. */
ENT_TEST(simulate_privacy, failed_attempts_end_the_run_early)
{
    struct ent_federation_options options = ent_world_plain(2);
    const char *plans[] = {central, own};
    struct ent_federation_result result = {0};
    struct world w;

    options.dropout = 0.4; /* of 10 members 6 must answer: two attempts in three do */
    for (size_t i = 0; i < ENT_ARRAY_LEN(plans); i++) {
        ent_world_open_plan(&w, 1000, MEMBERS, plans[i]);
        ENT_OK(ent_federation_run(w.plan, w.population, &options, &result));
        CU_ASSERT(result.aborted > 0);
        CU_ASSERT(result.privacy.out_of_budget);
        CU_ASSERT_EQUAL(result.train_done, 6 - result.aborted);
        assert_account(&result, 6);
        ent_federation_result_release(&result);
        ent_world_close(&w);
    }
}

/* Nothing arrived, so nothing was released: the run fails for want of members, not of budget. */
ENT_TEST(simulate_privacy, attempts_without_an_update_are_given_back)
{
    struct ent_federation_options options = ent_world_plain(1);
    struct ent_federation_result result = {0};
    struct world w;

    ent_world_open_plan(&w, 400, MEMBERS, central);
    w.plan->rounds = 1;
    options.dropout = 0.9999;
    CU_ASSERT_EQUAL(ent_federation_run(w.plan, w.population, &options, &result), ENT_E_TOO_FEW);
    ent_world_close(&w);
}

/* Some updates in each attempt, never enough: one attempt is all that a plan of one round can pay. */
ENT_TEST(simulate_privacy, a_budget_that_is_gone_before_a_round_closed_is_said)
{
    struct ent_federation_options options = ent_world_plain(1);
    struct ent_federation_result result = {0};
    struct world w;

    ent_world_open_plan(&w, 400, MEMBERS, central);
    w.plan->rounds = 1;
    w.plan->min_members = 10;
    options.dropout = 0.5;
    CU_ASSERT_EQUAL(ent_federation_run(w.plan, w.population, &options, &result), ENT_E_BUDGET);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "--dropout"));
    ent_world_close(&w);
}

ENT_TEST(simulate_privacy, a_goal_that_no_noise_reaches_is_refused)
{
    struct ent_federation_options options = ent_world_plain(1);
    struct ent_federation_result result = {0};
    struct world w;

    ent_world_open_plan(&w, 400, MEMBERS, central);
    w.plan->privacy.epsilon = 1e-6;
    CU_ASSERT_EQUAL(ent_federation_run(w.plan, w.population, &options, &result), ENT_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "privacy"));
    ent_world_close(&w);
}

/* ---- figures ---- */

/* A run that releases no figures is judged outside of it: all rows, and each member's. */
ENT_TEST(simulate_privacy, members_are_judged_outside_of_the_federation)
{
    struct ent_federation_options options = ent_world_plain(2);
    struct ent_federation_result result = {0};
    uint64_t rows = 0;
    uint64_t positives = 0;
    struct world w;

    ent_world_open_plan(&w, 1000, MEMBERS, central);
    ENT_OK(ent_federation_run(w.plan, w.population, &options, &result));
    CU_ASSERT(result.test_outside);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        rows += result.members[i].rows;
        positives += result.members[i].positives;
    }
    CU_ASSERT_EQUAL(rows, w.population->all->part[ENT_SPLIT_TEST].n);
    CU_ASSERT_EQUAL(rows, result.test.rows);
    CU_ASSERT_EQUAL(positives, result.test.positives);
    ent_federation_result_release(&result);
    ent_world_close(&w);
}

ENT_TEST(simulate_privacy, sweeps_vary_goal_and_clip_and_nothing_that_privacy_replaces)
{
    static const char *const refused[] = {"train.epochs=2", "train.batch=8", "train.clip=1"};
    struct ent_sweep sweep;
    struct ent_plan_noise few;
    struct ent_plan_noise many;
    struct ent_plan *plan;

    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)own, strlen(own), &plan));
    ENT_OK(ent_sweep_parse("privacy.epsilon=1,4;privacy.clip=0.5", &sweep));
    ENT_OK(ent_sweep_apply(&sweep, 0, plan));
    ENT_OK(ent_plan_privacy_derive(plan, &many));
    ENT_OK(ent_sweep_apply(&sweep, 1, plan));
    ENT_OK(ent_plan_privacy_derive(plan, &few));
    CU_ASSERT_EQUAL(plan->privacy.clip, 0.5);
    CU_ASSERT(many.epsilon <= 1.0 && few.epsilon > 3.9 && few.epsilon <= 4.0);
    CU_ASSERT(many.z > few.z);
    ENT_OK(ent_sweep_parse("privacy.clip=1e-6", &sweep)); /* below one step of the plan's grid */
    CU_ASSERT_NOT_EQUAL(ent_sweep_apply(&sweep, 0, plan), ENT_E_OK);
    for (size_t i = 0; i < ENT_ARRAY_LEN(refused); i++) {
        ENT_OK(ent_sweep_parse(refused[i], &sweep));
        CU_ASSERT_EQUAL(ent_sweep_apply(&sweep, 0, plan), ENT_E_USAGE);
    }
    ent_plan_free(plan);
}
