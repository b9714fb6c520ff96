/* The empirical audit of unit member, through the coordinator's own path: ten members, runs of one round, each with its seed,
 * joins, updates, sum, noise, log and released model; what is looked at is that model. The canary is the first member: its
 * update is as long as the plan lets it be, or zero. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/model/modelfile.h"
#include "common/privacy/account.h"
#include "common/task/task.h"
#include "coordinator/store/dp.h"
#include "tests/privacy/bound.h"
#include "tests/privacy/inject.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"

#define MEMBERS 10u
#define SCALE_BITS 14
#define LENGTH (1 << SCALE_BITS) /* of the canary's update: clip 1 on the grid */
#define CHUNK 200u               /* runs of one federation */
#define DELTA 1e-5
#define EPSILON 1.0
#define ARENA_BYTES ((size_t)16 * 1024 * 1024)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CHOOSE 8u /* a sanitizer looks at the way; the bounds take the numbers below */
#define BOUND 8u
#define BOUNDS_HOLD false
#else
#define CHOOSE 100u
#define BOUND 500u
#define BOUNDS_HOLD true
#endif

static const char plan[] =
    "features: [{name: age, type: number, range: [0, 100]}]\n"
    "label: {name: y, positive: \"yes\"}\n"
    "split: {key: 42, validation: 0, test: 0}\n"
    "model: {layers: [{dense: 1}], loss: bce}\n"
    "training: {rounds: 1, optimizer: {sgd: {rate: 0.1}}, seed: 1}\n"
    "aggregation: {rule: fedavg, weights: equal, scale_bits: 14, min_members: 10, join: 30s, "
    "update: 10min}\n"
    "privacy: {unit: member, epsilon: 1, delta: 1e-5, clip: 1.0}\n";

struct audit {
    struct fed fed;
    uint32_t runs;
    bool canary; /* of the run that goes on */
    struct inject inject;
};
static struct audit *playing; /* the members' callback has no other way to it */

/* Salt and two integers: the canary's, zeros, or what any other member says. */
static bool compute(struct fed_member *m, struct ent_buf *payload)
{
    bool first = m == &playing->fed.members[0];
    int32_t q = !first ? 100 : playing->canary ? LENGTH : 0;
    uint8_t bytes[ENT_UPDATE_SALT_BYTES + 8] = {1};

    ent_put_le32(bytes + ENT_UPDATE_SALT_BYTES, (uint32_t)q);
    ENT_OK(ent_buf_add(payload, bytes, sizeof bytes));
    return true;
}

static void audit_begin(struct audit *a)
{
    a->runs = 0;
    fed_new_inline(&a->fed, MEMBERS);
    a->fed.trusting = true;
    for (size_t i = 0; i < MEMBERS; i++) {
        a->fed.members[i].compute = compute;
        fed_hello(&a->fed.members[i]);
    }
    playing = a;
}

static void audit_end(struct audit *a)
{
    fed_free(&a->fed);
    playing = NULL;
}

/* The first parameter of the model that the run released, as a sum of updates on the grid. */
static double released(struct audit *a)
{
    const struct ent_msg_run_end *end = &a->fed.members[1].end;
    struct ent_modelfile *file = NULL;
    struct ent_blob *blob = NULL;
    char *path = NULL;
    double value;

    CU_ASSERT_FATAL(end->has_best && end->best_round == 1);
    ENT_OK(ent_store_model_path(a->fed.home->store, end->best, &path));
    ENT_OK(ent_blob_new_file(path, &blob));
    ENT_OK(ent_modelfile_read(blob, &file));
    value = ldexp((double)ent_modelfile_params(file)[0] * MEMBERS, SCALE_BITS);
    ent_modelfile_free(file);
    ent_blob_unref(blob);
    free(path);
    return value;
}

/* A run of one round, all ten in it. */
static double score(struct audit *a, bool canary)
{
    double value;

    if (a->runs > 0 && a->runs % CHUNK == 0) {
        audit_end(a);
        audit_begin(a);
    }
    a->runs++;
    a->canary = canary;
    ent_arena_release(&a->fed.arena);
    ent_arena_init(&a->fed.arena, ARENA_BYTES);
    for (size_t i = 0; i < MEMBERS; i++) {
        a->fed.members[i].ended = false;
    }
    fed_start_run(&a->fed, plan);
    fed_live(&a->fed, MEMBERS, 0);
    CU_ASSERT_EQUAL_FATAL(ent_engine_round(a->fed.engine)->phase, ENT_PHASE_IDLE);
    CU_ASSERT_FATAL(a->fed.members[1].ended);
    value = released(a);
    for (size_t i = 0; i < MEMBERS; i++) {
        fed_clear_inbox(&a->fed.members[i]);
    }
    return value;
}

/* What the coordinator booked of the run that came last. */
static double accountant(struct audit *a, double *sigma)
{
    struct ent_store_dp_event booked;
    struct ent_dp_spent spent;

    ENT_OK(ent_store_dp_newest(a->fed.home->store, a->runs % CHUNK == 0 ? CHUNK : a->runs % CHUNK,
                               &booked));
    ENT_OK(ent_account_spent(&booked.event, 1, DELTA, &spent));
    CU_ASSERT(spent.eps <= EPSILON && spent.eps > 0.99 * EPSILON);
    CU_ASSERT_EQUAL(booked.event.sensitivity, LENGTH);
    *sigma = sqrt((double)booked.event.sigma2);
    return spent.eps;
}

static double attack(uint64_t seed, uint64_t divided_by, double *claimed)
{
    static double in[CHOOSE + BOUND];
    static double out[CHOOSE + BOUND];
    const struct bound_scores scores = {in, out, CHOOSE, BOUND};
    struct audit a = {.inject = {.counted = "noise-divided-by", .number = divided_by}};
    double sigma;

    inject_begin(&a.inject, seed);
    audit_begin(&a);
    for (uint32_t i = 0; i < CHOOSE + BOUND; i++) {
        in[i] = score(&a, true);
        out[i] = score(&a, false);
    }
    *claimed = accountant(&a, &sigma);
    audit_end(&a);
    ent_test_hooks_set(NULL);
    return bound_epsilon(&scores, DELTA);
}

ENT_TEST(audit_member_right, the_bound_stays_below_the_accountants)
{
    double claimed = 0.0;
    double bound = attack(11, 0, &claimed);

    printf("\n    accountant %.4f; attack on the right build %.4f ", claimed, bound);
    CU_ASSERT(bound < claimed);
}

ENT_TEST(audit_member_faulty, noise_divided_by_the_members_twice_is_found)
{
    double claimed = 0.0;
    double bound = attack(12, MEMBERS, &claimed);

    printf("\n    accountant %.4f; attack on noise divided by the members twice %.4f ", claimed,
           bound);
    CU_ASSERT(bound > claimed || !BOUNDS_HOLD);
}

/* The same seed in two rounds, and nothing that tells them apart in the key (the planted fault): the difference of the two
 * models is the canary's update. A seed that repeats alone is no such fault: joins and the round's place are in the key. */
ENT_TEST(audit_member_right, a_reused_seed_shows_when_two_releases_are_subtracted)
{
    struct audit a = {.inject = {.same_seeds = true}};
    double sigma = 0.0;
    unsigned shown[2] = {0, 0};

    inject_begin(&a.inject, 13);
    audit_begin(&a);
    for (unsigned planted = 0; planted < 2; planted++) {
        a.inject.planted = planted > 0 ? "noise-key-is-seed" : NULL;
        for (uint32_t i = 0; i < 12; i++) {
            double difference = score(&a, true) - score(&a, false);

            shown[planted] += fabs(difference - LENGTH) < 1.0 ? 1 : 0;
        }
    }
    (void)accountant(&a, &sigma);
    CU_ASSERT(sigma > 3.0 * LENGTH);
    CU_ASSERT_EQUAL(shown[0], 0);
    CU_ASSERT_EQUAL(shown[1], 12);
    audit_end(&a);
    ent_test_hooks_set(NULL);
}
