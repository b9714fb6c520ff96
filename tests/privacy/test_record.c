/* The empirical audit of unit customer, through the client's own pipeline: client.yaml, a CSV file, the plan, the model that
 * the round starts from; what is looked at is the payload that would leave. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/pipeline.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/step/step.h"
#include "tests/privacy/bound.h"
#include "tests/privacy/inject.h"
#include "tests/support/ent_test.h"

#define CHOOSE 500u
#define BOUND 2000u
#define OTHERS 40u /* customers beside the canary */
#define FEATURES 6u
#define OWN 2u /* features that nobody but the canary has: from this one on */
#define DELTA 1e-5
#define EPSILON 1.0
#define BATCH 20u

static const char plan_format[] =
    "features: [{name: f0, type: number, range: [-1, 1]}, {name: f1, type: number, range: [-1, "
    "1]}, {name: f2, type: number, range: [-1, 1]}, {name: f3, type: number, range: [-1, 1]}, "
    "{name: f4, type: number, range: [-1, 1]}, {name: f5, type: number, range: [-1, 1]}]\n"
    "label: {name: y, positive: \"yes\"}\n"
    "split: {key: 1, test: 0}\n"
    "model: {layers: [{dense: 1}], loss: bce}\n"
    "training: {rounds: 1, optimizer: {sgd: {rate: 1.0}}, seed: 1}\n"
    "aggregation: {weights: equal, scale_bits: 20, min_members: 3}\n"
    "privacy: {unit: customer, epsilon: 1, delta: 1e-5, clip: 0.1, rate: %g, batch: 20, steps: "
    "%u}\n";

/* A member, with or without the canary. */
struct member {
    struct ent_client_config *config;
    struct ent_pipeline *pipeline;
};

struct audit {
    struct member with;
    struct member without;
    struct ent_blob *base;
    const struct ent_plan_noise *noise;
    double scale; /* grid steps of the payload to one parameter unit */
    struct inject inject;
    uint64_t seed;
};

static void write_data(const char *dir, bool canary)
{
    struct ent_rng rng = ent_rng_init(77, 0);
    struct ent_buf text;
    char path[200];
    char line[200];

    ent_buf_init(&text, (size_t)64 * 1024);
    ENT_OK(ent_buf_add(&text, "id,f0,f1,f2,f3,f4,f5,y\n", 23));
    for (uint32_t i = 0; i < OTHERS; i++) {
        double a = 2.0 * (double)ent_rng_float(&rng) - 1.0;
        double b = 2.0 * (double)ent_rng_float(&rng) - 1.0;
        int n = snprintf(line, sizeof line, "c%u,%.3f,%.3f,0,0,0,0,%s\n", (unsigned)i, a, b,
                         a > b ? "yes" : "no");

        ENT_OK(ent_buf_add(&text, line, (size_t)n));
    }
    if (canary) {
        ENT_OK(ent_buf_add(&text, "canary,0,0,1,1,1,1,yes\n", 23));
    }
    (void)snprintf(path, sizeof path, "%s/data.csv", dir);
    ENT_OK(ent_file_write_atomic(path, text.data, text.len, 0600));
    ent_buf_release(&text);
}

static void member_new(struct member *m, const char *plan, bool canary)
{
    static const char yaml[] = "coordinator: localhost:7443\n"
                               "data: {source: csv, path: data.csv}\n"
                               "unit_key: id\n";
    const char *dir = ent_test_tmpdir();
    struct ent_plan *p = NULL;

    write_data(dir, canary);
    ENT_OK(ent_client_config_parse("client.yaml", dir, (const uint8_t *)yaml, strlen(yaml),
                                   &m->config));
    ENT_OK(ent_pipeline_new(m->config, "brand-a", &m->pipeline));
    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)plan, strlen(plan), &p));
    ent_pipeline_use_take(m->pipeline, p);
    ENT_OK(ent_pipeline_load(m->pipeline));
    CU_ASSERT_EQUAL(ent_pipeline_rows(m->pipeline, ENT_SPLIT_NONE), OTHERS + (canary ? 1 : 0));
}

static void member_free(struct member *m)
{
    ent_pipeline_free(m->pipeline);
    ent_client_config_free(m->config);
}

static void audit_new(struct audit *a, double rate, unsigned steps)
{
    const struct ent_plan *plan;
    struct ent_step_sink sink;
    struct ent_buf file;
    char text[2048];

    memset(a, 0, sizeof *a);
    (void)snprintf(text, sizeof text, plan_format, rate, steps);
    member_new(&a->with, text, true);
    member_new(&a->without, text, false);
    plan = ent_pipeline_plan(a->with.pipeline);
    ent_buf_init(&file, (size_t)1 << 20);
    sink = ent_step_sink_buf(&file);
    ENT_OK(ent_step_initial_of_ranges(plan, &sink));
    ENT_OK(ent_blob_new_copy(file.data, file.len, &a->base));
    ent_buf_release(&file);
    ENT_OK(ent_pipeline_noise(a->with.pipeline, &a->noise));
    CU_ASSERT_FATAL(a->noise->epsilon <= EPSILON && a->noise->epsilon > 0.99 * EPSILON);
    a->scale = ldexp(1.0, (int)plan->scale_bits);
}

static void audit_free(struct audit *a)
{
    ent_test_hooks_set(NULL);
    member_free(&a->with);
    member_free(&a->without);
    ent_blob_unref(a->base);
}

/* How far the update goes where only the canary pushes, in parameter units. */
static double score(struct audit *a, bool canary)
{
    const uint8_t salt[ENT_UPDATE_SALT_BYTES] = {1};
    struct ent_pipeline *pipeline = (canary ? &a->with : &a->without)->pipeline;
    struct ent_work work = {.task = ENT_TASK_TRAIN,
                            .round = 1,
                            .train_round = 1,
                            .base = a->base,
                            .salt = salt,
                            .booked = true};
    struct ent_work_result result;
    struct ent_payload payload = {0};
    double sum = 0.0;

    inject_begin(&a->inject, a->seed++);
    ENT_OK(ent_pipeline_compute(pipeline, &work, &payload, &result));
    CU_ASSERT_EQUAL_FATAL(payload.dim, FEATURES + 1);
    for (size_t i = OWN; i < FEATURES; i++) {
        sum += (double)(int32_t)ent_get_le32(payload.bytes + ENT_UPDATE_SALT_BYTES + 4 * i);
    }
    ent_payload_release(&payload);
    return sum / (a->scale * sqrt(FEATURES - OWN));
}

static double attack(struct audit *a, uint64_t seed, const char *planted)
{
    static double in[CHOOSE + BOUND];
    static double out[CHOOSE + BOUND];
    const struct bound_scores scores = {in, out, CHOOSE, BOUND};

    a->seed = seed;
    a->inject.planted = planted;
    for (uint32_t i = 0; i < CHOOSE + BOUND; i++) {
        in[i] = score(a, true);
        out[i] = score(a, false);
    }
    return bound_epsilon(&scores, DELTA);
}

static void check(double rate, unsigned steps, uint64_t seed)
{
    static struct audit a;
    double right;
    double faulty;

    audit_new(&a, rate, steps);
    right = attack(&a, seed, NULL);
    faulty = attack(&a, seed + 100000, "dp.no_clipping");
    printf("\n    %u steps at q %.2f: accountant %.4f; attack on the right build %.4f, without "
           "clipping %.4f ",
           steps, rate, a.noise->epsilon, right, faulty);
    CU_ASSERT(right < a.noise->epsilon);
    CU_ASSERT(faulty > a.noise->epsilon);
    audit_free(&a);
}

ENT_TEST(audit_record, everybody_in_one_step)
{
    check(1.0, 1, 1000);
}

ENT_TEST(audit_record, half_of_them_in_four_steps)
{
    check(0.5, 4, 500000);
}

/* A seed that comes twice: the difference of two releases is what the noise should have hidden. */
ENT_TEST(audit_record, a_reused_seed_shows_when_two_releases_are_subtracted)
{
    static struct audit a;
    double sigma;
    double canary = 0.1 / BATCH; /* its whole clipped gradient, in the mean of the batch */
    unsigned hidden = 0;

    audit_new(&a, 1.0, 1);
    sigma = ldexp(sqrt((double)a.noise->sigma2),
                  -(int)ent_pipeline_plan(a.with.pipeline)->privacy.scale_bits) /
            BATCH;
    CU_ASSERT(sigma > 3.0 * canary);
    for (uint64_t i = 0; i < 100; i++) {
        double first;
        double same;
        double fresh;

        a.seed = i;
        first = score(&a, true);
        a.seed = i;
        same = first - score(&a, false);
        a.seed = 1000 + i;
        fresh = first - score(&a, false);
        /* Exactly the canary's clipped gradient along its own features, whatever the noise was. */
        CU_ASSERT(same > 0.9 * canary && same <= canary);
        hidden += fabs(fresh - canary) > 0.5 * canary ? 1 : 0;
    }
    CU_ASSERT(hidden > 80); /* with fresh noise of sqrt(2) sigma nine in ten are further off */
    audit_free(&a);
}
