/* Byte identity: the same members and plan give the same models, whatever the order of things. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/integration/faults.h"
#include "tests/integration/laws.h"
#include "tests/integration/oracle.h"
#include "tests/integration/record.h"
#include "tests/support/ent_test.h"

#define ROUNDS_MAX 16
#define RUN_MAX_MS UINT64_C(1800000)

/* All members in every round: who takes part is part of what is computed. */
#define HEAD                                                                                       \
    "features: [{name: age, type: number, range: [18, 95]},\n"                                     \
    "  {name: job, type: category, values: [admin, nurse, pilot]}, {name: loan, type: boolean}]\n" \
    "min_group: 1\n"                                                                               \
    "label: {name: y, positive: \"yes\"}\n"                                                        \
    "split: {key: 42, validation: 0.2, test: 0.2}\n"                                               \
    "model: {layers: [{dense: 6}, relu, {dropout: 0.2}, {dense: 1}], loss: bce}\n"
#define TAIL_WITH(more_)                                                                           \
    " seed: 5}\n"                                                                                  \
    "aggregation: {rule: fedavg, weights: examples_log2, scale_bits: 20, min_members: 5,"          \
    " join: 60s, update: 10min, attempts: 3" more_ "}\n"
#define TAIL TAIL_WITH("")

static const char plain[] = HEAD
    "training: {rounds: 3, epochs: 2, batch: 8, optimizer: {sgd: {rate: 0.1, momentum: 0.9}}," TAIL;
/* Members keep the moments from round to round, and the rate falls. */
static const char kept[] =
    HEAD "training: {rounds: 3, epochs: 2, batch: 8, optimizer: {adam: {rate: 0.02}},"
         " schedule: cosine," TAIL;

#define SGD "training: {rounds: 3, epochs: 2, batch: 8, optimizer: {sgd: {rate: 0.1}},"
/* The coordinator keeps moments too; the best round is the one with the best AUC. */
static const char fedadam[] =
    HEAD SGD " best_by: auc," TAIL_WITH(", optimizer: {fedadam: {rate: 0.05}}");
static const char server_momentum[] =
    HEAD SGD TAIL_WITH(", optimizer: {momentum: {rate: 0.8, momentum: 0.5}}");

struct course {
    const char *plan; /* NULL: plain */
    uint64_t seed;
    uint32_t order[BOX_MEMBERS]; /* in which they come */
    uint32_t threads;
    uint32_t kill_engine_every; /* commits; 0: never */
    uint32_t kill_member_every; /* turns; 0: never */
};

struct models {
    uint8_t digests[ROUNDS_MAX][32];
    uint32_t n;
    uint8_t *last;
    size_t last_len;
    uint32_t restarts;
};

static uint32_t
    engine_every; /* of the course that is running: box_run's callback has no argument of its own */
static uint32_t member_every;
static uint32_t restarts;

/* Done, and on the way there whoever is to be killed now. */
static bool course_over(struct box *box)
{
    if (box->faults != NULL && engine_every > 0 && box->faults->kill_at == 0) {
        box->faults->kill_at = box->n_commits + engine_every;
        box->faults->kill_before = !box->faults->kill_before;
        restarts++;
    }
    if (member_every > 0 && box->n_turns % member_every == member_every - 1) {
        uint32_t member = (uint32_t)(box->n_turns / member_every) % box->n_members;

        if (box->members[member].agent != NULL) {
            box_kill_member(box, member);
            box->members[member].start_ms = box->time.mono_ms + 50;
            restarts++;
        }
    }
    return box_run_over(box);
}

static void take_models(const struct box *box, struct models *out)
{
    const struct box_record *rec = box->record;

    for (size_t i = 0; i < rec->n_rows; i++) {
        if (rec->rows[i].kind == ENT_ROW_CLOSE) {
            const struct record_bytes *model = record_model(box, rec->rows[i].model);

            CU_ASSERT_FATAL(model != NULL && out->n < ROUNDS_MAX);
            memcpy(out->digests[out->n++], rec->rows[i].model, 32);
            free(out->last);
            ENT_BUG_ON(ent_calloc(model->len, 1, &out->last) != ENT_E_OK);
            memcpy(out->last, model->bytes, model->len);
            out->last_len = model->len;
        }
    }
}

static struct models run(const struct course *c)
{
    struct box_faults faults = {.until_ms = BOX_NEVER, .healed = true, .compute_max_ms = 100};
    const char *plan = c->plan != NULL ? c->plan : plain;
    struct models models = {0};
    struct box box;

    box_new(&box, c->seed, BOX_MEMBERS);
    faults.rng = ent_rng_init(c->seed, 2);
    box.faults = c->kill_engine_every > 0 ? &faults : NULL;
    box.threads = c->threads;
    box.lazy = (uint32_t)(c->seed % 4);
    box.latency = 20;
    for (uint32_t i = 0; i < BOX_MEMBERS; i++) {
        box.members[c->order[i]].start_ms = box.time.mono_ms + 100 + 300 * (uint64_t)i;
    }
    engine_every = c->kill_engine_every;
    member_every = c->kill_member_every;
    restarts = 0;
    box_start_engine(&box);
    box_start_run(&box, plan, NULL);
    if (!box_run(&box, course_over, RUN_MAX_MS)) {
        box_break(&box, 'f', "not over in time");
    }
    CU_ASSERT_EQUAL(oracle_check(&box, plan), 3);
    laws_of_rows(&box, 5);
    laws_of_members(&box);
    if (box.broken) {
        printf("\nlaw %c: %s\n", box.law, box.text);
    }
    CU_ASSERT(!box.broken);
    take_models(&box, &models);
    models.restarts = restarts;
    box.faults = NULL;
    box_free(&box);
    return models;
}

static void same_as_first(const struct course *c)
{
    const struct course first = {
        .plan = c->plan, .seed = 4, .order = {0, 1, 2, 3, 4}, .threads = 1};
    struct models a = run(&first);
    struct models b = run(c);

    CU_ASSERT_EQUAL(a.n, 8);
    CU_ASSERT_EQUAL_FATAL(a.n, b.n);
    for (uint32_t i = 0; i < a.n; i++) {
        CU_ASSERT_EQUAL(memcmp(a.digests[i], b.digests[i], 32), 0);
    }
    CU_ASSERT(a.last_len == b.last_len && memcmp(a.last, b.last, a.last_len) == 0);
    CU_ASSERT(memcmp(a.digests[0], a.digests[1], 32) != 0); /* it learned something */
    CU_ASSERT((c->kill_engine_every == 0 && c->kill_member_every == 0) || b.restarts >= 3);
    free(a.last);
    free(b.last);
}

ENT_TEST(identity, another_order_of_joining)
{
    same_as_first(&(struct course){.seed = 7, .order = {4, 2, 0, 3, 1}, .threads = 1});
}

ENT_TEST(identity, members_in_two_threads)
{
    same_as_first(&(struct course){.seed = 8, .order = {1, 0, 4, 3, 2}, .threads = 2});
}

ENT_TEST(identity, coordinator_restarts)
{
    same_as_first(&(struct course){
        .seed = 9, .order = {3, 4, 0, 1, 2}, .threads = 1, .kill_engine_every = 5});
}

ENT_TEST(identity, members_restart)
{
    same_as_first(&(struct course){
        .seed = 10, .order = {2, 1, 0, 4, 3}, .threads = 1, .kill_member_every = 13});
}

/* The coordinator's own moments are files that its rows name: a restart goes on from them. The oracle recomputes every
 * step. */
ENT_TEST(identity, coordinator_restarts_with_its_moments)
{
    same_as_first(&(struct course){.plan = fedadam,
                                   .seed = 12,
                                   .order = {3, 4, 0, 1, 2},
                                   .threads = 1,
                                   .kill_engine_every = 5});
    same_as_first(&(struct course){.plan = server_momentum,
                                   .seed = 13,
                                   .order = {0, 4, 3, 1, 2},
                                   .threads = 1,
                                   .kill_engine_every = 7});
}

/* What the optimizer kept outlives the process that kept it: the same bytes as undisturbed. */
ENT_TEST(identity, members_restart_with_kept_moments)
{
    same_as_first(&(struct course){
        .plan = kept, .seed = 11, .order = {2, 1, 0, 4, 3}, .threads = 1, .kill_member_every = 13});
}

/* Forgetting it would have given other bytes: the plans differ in nothing but keep_state. */
ENT_TEST(identity, kept_moments_count)
{
    static const char fresh[] = HEAD "training: {rounds: 3, epochs: 2, batch: 8, optimizer: {adam: "
                                     "{rate: 0.02, keep_state: false}},"
                                     " schedule: cosine," TAIL;
    struct models a =
        run(&(struct course){.plan = kept, .seed = 4, .order = {0, 1, 2, 3, 4}, .threads = 1});
    struct models b =
        run(&(struct course){.plan = fresh, .seed = 4, .order = {0, 1, 2, 3, 4}, .threads = 1});

    /* The plan's digest is in the file, so files always differ: the parameters are what counts. */
    CU_ASSERT_EQUAL_FATAL(a.last_len, b.last_len);
    CU_ASSERT(memcmp(a.last + a.last_len - 4, b.last + b.last_len - 4, 4) != 0);
    free(a.last);
    free(b.last);
}
