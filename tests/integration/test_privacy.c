/* A federation whose members hide their customers: no statistics, noise in every update, nothing else leaves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/crypto/sha256.h"
#include "common/step/step.h"
#include "tests/integration/laws.h"
#include "tests/integration/oracle.h"
#include "tests/integration/record.h"
#include "tests/support/ent_test.h"

#define MEMBERS 3
#define ROUNDS 3

static const char plan[] = "features:\n"
                           "  - {name: age, type: number, range: [18, 95]}\n"
                           "  - {name: loan, type: boolean}\n"
                           "label: {name: y, positive: \"yes\"}\n"
                           "split: {key: 42, test: 0.2}\n"
                           "model: {layers: [{dense: 4}, relu, {dense: 1}], loss: bce}\n"
                           "training: {rounds: 3, optimizer: {sgd: {rate: 0.1}}, seed: 3}\n"
                           "aggregation: {min_members: 3}\n"
                           "privacy: {unit: customer, epsilon: 4, delta: 1e-5, clip: 1, rate: "
                           "0.25, batch: 20, steps: 2}\n";

/* The first base is what anybody makes of the plan. */
static void check_base(const struct box *box)
{
    const struct ent_row *open = record_row(box, ENT_ROW_OPEN, 1, 1, ENT_ROUND_NO_MEMBER);
    struct ent_plan *p = NULL;
    struct ent_step_sink sink;
    struct ent_buf file;
    uint8_t digest[32];

    CU_ASSERT_PTR_NOT_NULL_FATAL(open);
    CU_ASSERT_EQUAL(open->task, ENT_ROUND_TRAIN);
    ent_buf_init(&file, (size_t)1 << 20);
    sink = ent_step_sink_buf(&file);
    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)plan, strlen(plan), &p));
    ENT_OK(ent_step_initial_of_ranges(p, &sink));
    ENT_OK(ent_sha256(file.data, file.len, digest));
    CU_ASSERT_EQUAL(memcmp(digest, open->model, sizeof digest), 0);
    ent_buf_release(&file);
    ent_plan_free(p);
}

static void check_course(const struct box *box)
{
    const struct ent_row *end = record_end(box);
    uint32_t n = 0;

    for (size_t i = 0; i < box->record->n_rows; i++) {
        const struct ent_row *row = &box->record->rows[i];

        if (row->kind == ENT_ROW_OPEN) {
            CU_ASSERT_EQUAL(row->task, ENT_ROUND_TRAIN);
            n++;
        }
    }
    CU_ASSERT_EQUAL(n, ROUNDS);
    CU_ASSERT_PTR_NOT_NULL_FATAL(end);
    CU_ASSERT_EQUAL(end->best_train, ROUNDS); /* the last is the best */
    CU_ASSERT_EQUAL(box->record->n_payloads, MEMBERS * ROUNDS);
}

/* seed: of what the test link gives in place of the system's generator. */
static void run_once(struct box *box, uint64_t seed, uint8_t first[32])
{
    box_new(box, seed, MEMBERS);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        box_start_member(box, i);
    }
    box_start_engine(box);
    box_start_run(box, plan, NULL);
    CU_ASSERT_TRUE(box_run(box, box_run_over, 600000));
    CU_ASSERT_EQUAL(oracle_check(box, plan), ROUNDS);
    laws_of_rows(box, MEMBERS);
    laws_of_members(box);
    if (box->broken) {
        printf("\nlaw %c: %s\n", box->law, box->text);
    }
    CU_ASSERT_FALSE_FATAL(box->broken);
    check_base(box);
    check_course(box);
    memcpy(first, record_end(box)->model, 32);
    box_free(box);
}

ENT_TEST(privacy, a_run_without_statistics)
{
    struct box box;
    uint8_t model[2][32];

    run_once(&box, 5, model[0]);
    run_once(&box, 6, model[1]);
    /* the same plan, rows and plan's seed: sample and noise come from elsewhere */
    CU_ASSERT_NOT_EQUAL(memcmp(model[0], model[1], 32), 0);
    run_once(&box, 5, model[1]);
    CU_ASSERT_EQUAL(memcmp(model[0], model[1], 32), 0);
}
