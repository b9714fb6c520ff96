/* 200 seeded schedules, the planted bugs that they must find, and the long run. */
#include <string.h>

#include "tests/integration/schedule.h"
#include "tests/support/ent_test.h"

#define SCHEDULES 200
#define LONG_SCHEDULES 2000

/* False: that seed broke a law; it is printed. */
static bool one(uint64_t seed, struct schedule_result *sum)
{
    struct schedule_result result;

    schedule_run(seed, NULL, &result);
    schedule_add(sum, &result);
    if (!result.ok) {
        printf("\nseed %llu broke law %c: %s\n  replay: test_integration --seed %llu schedules\n",
               (unsigned long long)seed, result.law, result.text, (unsigned long long)seed);
        (void)fflush(stdout);
    }
    return result.ok;
}

static void many(uint64_t from, uint32_t n)
{
    struct schedule_result sum = {0};
    uint32_t failed = 0;
    uint64_t seed;

    if (schedule_only(&seed)) {
        CU_ASSERT(one(seed, &sum));
        schedule_print(&sum, 1);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        failed += one(from + i, &sum) ? 0 : 1;
    }
    schedule_print(&sum, n);
    CU_ASSERT_EQUAL(failed, 0);
    CU_ASSERT_EQUAL(schedule_empty_cells(&sum), 0);
    CU_ASSERT(sum.n_aborts > 0);
}

ENT_TEST(schedules, all_laws_hold)
{
    many(1, SCHEDULES);
}

ENT_TEST(longrun, all_laws_hold)
{
    many(10001, LONG_SCHEDULES);
}

/* ---- planted bugs ---- */

static void must_be_found(const char *bug, const char *laws)
{
    struct schedule_result result = {.ok = true};
    uint64_t seed = 0;

    while (result.ok && seed < SCHEDULES) {
        seed++;
        schedule_run(seed, bug, &result);
    }
    printf("\n%s: %s%llu (law %c: %s)\n", bug, result.ok ? "not found up to seed " : "seed ",
           (unsigned long long)seed, result.ok ? '-' : result.law, result.text);
    CU_ASSERT(!result.ok);
    CU_ASSERT_PTR_NOT_NULL(strchr(laws, result.law));
}

ENT_TEST(planted, send_before_commit_is_found)
{
    must_be_found("send-before-commit", "d");
}

ENT_TEST(planted, repeat_added_twice_is_found)
{
    must_be_found("repeat-added-twice", "be");
}

ENT_TEST(planted, old_attempt_added_is_found)
{
    must_be_found("old-attempt-added", "be");
}
