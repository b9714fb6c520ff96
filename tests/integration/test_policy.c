/* The member's policy has the last word: tasks, floors, one result per scope. */
#include <string.h>

#include "common/task/task.h"
#include "tests/integration/laws.h"
#include "tests/integration/oracle.h"
#include "tests/integration/record.h"
#include "tests/support/ent_test.h"

#define RUN_MAX_MS UINT64_C(600000)
#define PLAN(rounds_, test_)                                                                       \
    "features: [{name: age, type: number, range: [18, 95]}, {name: loan, type: boolean}]\n"        \
    "min_group: 1\n"                                                                               \
    "label: {name: y, positive: \"yes\"}\n"                                                        \
    "split: {validation: 0, test: " test_ "}\n"                                                    \
    "model: {layers: [{dense: 1}], loss: bce}\n"                                                   \
    "training: {rounds: " rounds_ ", epochs: 1, batch: 16, optimizer: {sgd: {rate: 0.1}}}\n"       \
    "aggregation: {min_members: 3, join: 3s, update: 10s, attempts: 2}\n"

static void start(struct box *box, uint32_t n_members)
{
    box_new(box, 5, n_members);
    for (uint32_t i = 0; i < n_members; i++) {
        box->members[i].start_ms = box->time.mono_ms;
    }
    box_start_engine(box);
}

static void finish(struct box *box)
{
    if (box->broken) {
        printf("\nlaw %c: %s\n", box->law, box->text);
    }
    CU_ASSERT(!box->broken);
    box_free(box);
}

/* Rows of the newest run: how the member ended in rounds of this task, with that code. */
static uint32_t count_rows(const struct box *box, enum ent_row_kind kind, enum ent_round_task task,
                           uint32_t member, enum ent_err code)
{
    const struct box_record *rec = box->record;
    uint32_t n = 0;

    for (size_t i = 0; i < rec->n_rows; i++) {
        const struct ent_row *row = &rec->rows[i];

        n += row->kind == kind && row->task == task && row->code == code &&
                     (member == BOX_NOBODY || row->member == member)
                 ? 1
                 : 0;
    }
    return n;
}

ENT_TEST(policy, a_forbidden_task_is_declined_and_named)
{
    struct box box;

    start(&box, 4);
    enrolled_config(box.members[1].dir, "tasks: [stats, evaluate], min_members: 2, plans: any");
    box_start_run(&box, PLAN("2", "0.2"), NULL);
    CU_ASSERT(box_run(&box, box_run_over, RUN_MAX_MS));
    laws_of_rows(&box, 3);
    CU_ASSERT_EQUAL(oracle_check(&box, PLAN("2", "0.2")), 2);
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_REJECT, ENT_ROUND_TRAIN, 1, ENT_E_POLICY), 2);
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_ACCEPT, ENT_ROUND_STATS, 1, ENT_E_OK), 1);
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_ACCEPT, ENT_ROUND_EVALUATE, 1, ENT_E_OK), 1);
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_ACCEPT, ENT_ROUND_TRAIN, 0, ENT_E_OK), 2);
    CU_ASSERT_EQUAL(box.n_declined, 1); /* said once a run */
    CU_ASSERT_PTR_NOT_NULL(strstr(box.declined, "brand-b declines: "));
    CU_ASSERT_PTR_NOT_NULL(strstr(box.declined, "policy.tasks does not list train"));
    finish(&box);
}

ENT_TEST(policy, a_members_floor_is_above_the_plans)
{
    struct box box;

    start(&box, 4);
    enrolled_config(box.members[2].dir,
                    "tasks: [stats, train, evaluate], min_members: 4, plans: any");
    box_start_run(&box, PLAN("1", "0"), NULL);
    CU_ASSERT(box_run(&box, box_run_over, RUN_MAX_MS));
    laws_of_rows(&box, 3);
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_REJECT, ENT_ROUND_STATS, 2, ENT_E_POLICY), 1);
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_REJECT, ENT_ROUND_TRAIN, 2, ENT_E_POLICY), 1);
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_ACCEPT, ENT_ROUND_TRAIN, BOX_NOBODY, ENT_E_OK), 3);
    CU_ASSERT_PTR_NOT_NULL(strstr(box.declined, "brand-c declines: "));
    CU_ASSERT_PTR_NOT_NULL(strstr(box.declined, "policy.min_members is 4"));
    finish(&box);
}

/* Fewer customers among the test rows than this member's floor, enough among those that train. */
ENT_TEST(policy, a_part_of_few_customers_gives_nothing)
{
    struct box box;

    start(&box, 4);
    enrolled_config(box.members[1].dir, "min_members: 2, min_customers: 25");
    box_start_run(&box, PLAN("2", "0.2"), NULL);
    CU_ASSERT(box_run(&box, box_run_over, RUN_MAX_MS));
    laws_of_rows(&box, 3);
    CU_ASSERT_EQUAL(oracle_check(&box, PLAN("2", "0.2")), 2);
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_ACCEPT, ENT_ROUND_STATS, 1, ENT_E_OK), 1);
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_ACCEPT, ENT_ROUND_TRAIN, 1, ENT_E_OK), 2);
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_ACCEPT, ENT_ROUND_EVALUATE, 1, ENT_E_OK), 0);
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_REJECT, ENT_ROUND_EVALUATE, 1, ENT_E_POLICY), 1);
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_ACCEPT, ENT_ROUND_EVALUATE, 0, ENT_E_OK), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(box.declined, "brand-b declines: the test rows are of fewer"));
    finish(&box);
}

/* Whether all integers that the member sent for this round are zeros. */
static bool sent_zeros(const struct box *box, uint64_t round, uint32_t member)
{
    const struct record_offer *offer = record_offer_of(box, member, 1, round, 1);
    const struct record_bytes *payload = offer != NULL ? record_payload(box, offer->digest) : NULL;
    uint8_t any = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(payload);
    CU_ASSERT_FATAL(payload->len > ENT_UPDATE_SALT_BYTES);
    for (size_t i = ENT_UPDATE_SALT_BYTES; i < payload->len; i++) {
        any |= payload->bytes[i];
    }
    return any == 0;
}

/* Below its own floor on groups a member takes part with zeros where rows are counted, and with its update where they
 * train; nothing of it is declined. Rounds: statistics, training, training, test. */
ENT_TEST(policy, below_the_floor_on_groups_sums_are_zeros)
{
    struct box box;

    start(&box, 4);
    enrolled_config(box.members[1].dir, "min_members: 2, min_group: 25"); /* of 52 customers */
    enrolled_config(box.members[2].dir, "min_members: 2, min_group: 1000");
    box_start_run(&box, PLAN("2", "0.2"), NULL);
    CU_ASSERT(box_run(&box, box_run_over, RUN_MAX_MS));
    laws_of_rows(&box, 4);
    CU_ASSERT_EQUAL(oracle_check(&box, PLAN("2", "0.2")), 2);
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_ACCEPT, ENT_ROUND_STATS, BOX_NOBODY, ENT_E_OK), 4);
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_ACCEPT, ENT_ROUND_TRAIN, BOX_NOBODY, ENT_E_OK), 8);
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_ACCEPT, ENT_ROUND_EVALUATE, BOX_NOBODY, ENT_E_OK), 4);
    CU_ASSERT_EQUAL(box.n_declined, 0);
    CU_ASSERT(!sent_zeros(&box, 1, 0) && !sent_zeros(&box, 1, 1) && sent_zeros(&box, 1, 2));
    for (uint32_t i = 0; i < 4; i++) {
        CU_ASSERT(!sent_zeros(&box, 2, i));
        CU_ASSERT_EQUAL(sent_zeros(&box, 4, i), i == 1 || i == 2);
    }
    finish(&box);
}

/* The plan's default floor, 50: no member has so many test rows, so nobody tells of any, and the run ends all the same. */
ENT_TEST(policy, a_test_of_nobody_ends_the_run)
{
    static const char plan[] =
        "features: [{name: age, type: number, range: [18, 95]}, {name: loan, type: boolean}]\n"
        "label: {name: y, positive: \"yes\"}\n"
        "split: {validation: 0.2, test: 0.2}\n"
        "model: {layers: [{dense: 1}], loss: bce}\n"
        "training: {rounds: 2, epochs: 1, batch: 16, optimizer: {sgd: {rate: 0.1}}}\n"
        "aggregation: {min_members: 3, join: 3s, update: 10s, attempts: 2}\n";
    struct box box;

    start(&box, 4);
    box_start_run(&box, plan, NULL);
    CU_ASSERT(box_run(&box, box_run_over, RUN_MAX_MS));
    laws_of_rows(&box, 3);
    CU_ASSERT_EQUAL(oracle_check(&box, plan), 2);
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_RELEASE, ENT_ROUND_EVALUATE, BOX_NOBODY, ENT_E_OK), 3);
    for (uint32_t i = 0; i < 4; i++) {
        CU_ASSERT(sent_zeros(&box, 3, i) && sent_zeros(&box, 5, i) && sent_zeros(&box, 6, i));
    }
    finish(&box);
}

/* Too few, because too many decline: nothing may come out. */
ENT_TEST(policy, nothing_is_released_when_most_decline)
{
    struct box box;

    start(&box, 4);
    for (uint32_t i = 0; i < 2; i++) {
        enrolled_config(box.members[i].dir, "tasks: [stats], min_members: 2, plans: any");
    }
    box_start_run(&box, PLAN("1", "0"), NULL);
    CU_ASSERT(!box_run(&box, box_run_over, 60000));
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_CLOSE, ENT_ROUND_TRAIN, BOX_NOBODY, ENT_E_OK), 0);
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_RELEASE, ENT_ROUND_TRAIN, BOX_NOBODY, ENT_E_OK), 0);
    CU_ASSERT(count_rows(&box, ENT_ROW_ABORT, ENT_ROUND_TRAIN, BOX_NOBODY, ENT_E_TOO_FEW) >= 2);
    CU_ASSERT(box.n_declined >= 2);
    finish(&box);
}

static void leave(struct box *box, uint32_t member)
{
    box_kill_member(box, member);
    box->members[member].start_ms = BOX_NEVER;
}

/* The coordinator's directory as it was before the run: an operator who put a backup back, or who wants to ask twice. */
static void put_back(struct box *box, const char *backup)
{
    box_kill_engine(box);
    record_free(box);
    enrolled_remove(box->fed);
    enrolled_copy_to(backup, box->fed);
    record_new(box);
    box_start_engine(box);
}

/* Statistics of one run, once more, from a directory that was put back: members have seen more of the log than it
 * holds, so nothing is asked of anybody again. (What a member gives twice to a coordinator that it cannot tell from an
 * honest one is the member's own book: tests/unit/client_state.) */
ENT_TEST(policy, a_directory_that_was_put_back_asks_for_nothing)
{
    char backup[ENROLLED_PATH_MAX];
    struct box box;

    start(&box, 4);
    box_kill_engine(&box);
    enrolled_copy(box.fed, backup);
    box_start_engine(&box);
    box_start_run(&box, PLAN("0", "0"), NULL);
    CU_ASSERT(box_run(&box, box_run_over, RUN_MAX_MS));
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_CLOSE, ENT_ROUND_STATS, BOX_NOBODY, ENT_E_OK), 1);
    put_back(&box, backup);
    box_start_run(&box, PLAN("0", "0"), NULL);
    (void)box_run(&box, box_run_over, 60000);
    CU_ASSERT(box.broken && box.law == 'x');
    CU_ASSERT_PTR_NOT_NULL(strstr(box.text, "entente-coordinator recover"));
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_OPEN, ENT_ROUND_STATS, BOX_NOBODY, ENT_E_OK), 0);
    box.broken = false;
    enrolled_remove(backup);
    finish(&box);
}

/* A second run asks for the test rows of the first one's model again, with `n_again` members. */
static void evaluate_twice(struct box *box, uint32_t n_again)
{
    char hex[65];
    char path[ENROLLED_PATH_MAX];
    char name[96];

    start(box, 4);
    box_start_run(box, PLAN("1", "0.2"), NULL);
    CU_ASSERT(box_run(box, box_run_over, RUN_MAX_MS));
    CU_ASSERT_FATAL(record_end(box) != NULL);
    ent_hex(record_end(box)->model, 32, hex);
    (void)snprintf(name, sizeof name, "models/%s.safetensors", hex);
    enrolled_path(path, box->fed, name);
    for (uint32_t i = n_again; i < 4; i++) {
        leave(box, i);
    }
    box_start_run(box, PLAN("0", "0.2"), path);
    (void)box_run(box, box_run_over, 60000);
    CU_ASSERT_EQUAL(count_rows(box, ENT_ROW_CLOSE, ENT_ROUND_STATS, BOX_NOBODY, ENT_E_OK), 1);
}

ENT_TEST(policy, second_evaluation_for_another_cohort_is_refused)
{
    struct box box;

    evaluate_twice(&box, 3);
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_CLOSE, ENT_ROUND_EVALUATE, BOX_NOBODY, ENT_E_OK), 0);
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_ACCEPT, ENT_ROUND_EVALUATE, BOX_NOBODY, ENT_E_OK), 0);
    CU_ASSERT(count_rows(&box, ENT_ROW_REJECT, ENT_ROUND_EVALUATE, 1, ENT_E_POLICY) >= 1);
    finish(&box);
}

ENT_TEST(policy, second_evaluation_of_the_same_cohort)
{
    struct box box;

    evaluate_twice(&box, 4);
    CU_ASSERT_EQUAL(count_rows(&box, ENT_ROW_CLOSE, ENT_ROUND_EVALUATE, BOX_NOBODY, ENT_E_OK), 1);
    finish(&box);
}
