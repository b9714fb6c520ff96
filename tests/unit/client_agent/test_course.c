#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "client/agent/course.h"
#include "common/task/task.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/support.h"

static const uint8_t hash_a[32] = {1};
static const uint8_t hash_b[32] = {2};

static struct ent_msg_round_open opening(uint64_t round, uint32_t task, uint32_t split)
{
    struct ent_msg_round_open m = {.run = 1,
                                   .round = round,
                                   .attempt = 1,
                                   .task = task,
                                   .split = split,
                                   .has_base = task != ENT_TASK_STATS};

    m.base[0] = m.has_base ? 7 : 0;
    return m;
}

static enum ent_err ask(struct ent_state_course *c, const struct ent_msg_round_open *m)
{
    return ent_course_open(c, m, hash_a, 2);
}

/* A plan of two rounds: each thing as often as it says, and in its order. */
ENT_TEST(course, a_run_asks_what_the_plan_says_and_no_more)
{
    struct ent_state_course c = {0};
    struct ent_msg_round_open m = opening(1, ENT_TASK_STATS, ENT_SPLIT_NONE);
    uint64_t round = 2;

    ENT_OK(ask(&c, &m));
    m = opening(2, ENT_TASK_STATS, ENT_SPLIT_NONE);
    ENT_FAILS(ask(&c, &m), ENT_E_PROTOCOL);
    for (uint32_t i = 0; i < 2; i++) {
        m = opening(round++, ENT_TASK_TRAIN, ENT_SPLIT_TRAIN);
        ENT_OK(ask(&c, &m));
        m = opening(round++, ENT_TASK_EVALUATE, ENT_SPLIT_VALIDATION);
        ENT_OK(ask(&c, &m));
    }
    m = opening(round, ENT_TASK_TRAIN, ENT_SPLIT_TRAIN);
    ENT_FAILS(ask(&c, &m), ENT_E_PROTOCOL);
    m = opening(round, ENT_TASK_EVALUATE, ENT_SPLIT_VALIDATION);
    ENT_FAILS(ask(&c, &m), ENT_E_PROTOCOL);
    m = opening(round++, ENT_TASK_EVALUATE, ENT_SPLIT_TEST);
    ENT_OK(ask(&c, &m));
    m = opening(round, ENT_TASK_EVALUATE, ENT_SPLIT_TEST);
    ENT_FAILS(ask(&c, &m), ENT_E_PROTOCOL);
    m.run = 2; /* a new run starts over */
    ENT_OK(ask(&c, &m));
    m.run = 1;
    ENT_FAILS(ask(&c, &m), ENT_E_STALE);
}

ENT_TEST(course, rounds_and_attempts_do_not_go_back)
{
    struct ent_state_course c = {0};
    struct ent_msg_round_open m = opening(3, ENT_TASK_TRAIN, ENT_SPLIT_TRAIN);

    m.attempt = 2;
    ENT_OK(ask(&c, &m));
    ENT_OK(ask(&c, &m)); /* repeated: the same bytes */
    ENT_FAILS(ent_course_open(&c, &m, hash_b, 2), ENT_E_PROTOCOL);
    m.attempt = 1;
    ENT_FAILS(ask(&c, &m), ENT_E_STALE);
    m.attempt = 3;
    m.base[0] = 8; /* another model in the same round */
    ENT_FAILS(ask(&c, &m), ENT_E_PROTOCOL);
    m.base[0] = 7;
    m.task = ENT_TASK_EVALUATE;
    ENT_FAILS(ask(&c, &m), ENT_E_PROTOCOL);
    m.task = ENT_TASK_TRAIN;
    ENT_OK(ask(&c, &m));
    CU_ASSERT_EQUAL(c.trained, 1); /* attempts are one round */
    ent_course_close(&c, (struct ent_attempt){1, 3, 3}, NULL);
    ENT_FAILS(ask(&c, &m), ENT_E_STALE);
    m.round = 2;
    ENT_FAILS(ask(&c, &m), ENT_E_STALE);
}

ENT_TEST(course, a_round_starts_from_the_model_that_was_announced_just_before)
{
    static const uint8_t model[32] = {7};
    static const uint8_t newer[32] = {9};
    struct ent_state_course c = {0};
    struct ent_msg_round_open m = opening(1, ENT_TASK_STATS, ENT_SPLIT_NONE);

    ENT_OK(ask(&c, &m));
    ent_course_close(&c, (struct ent_attempt){1, 1, 1}, model);
    m = opening(2, ENT_TASK_TRAIN, ENT_SPLIT_TRAIN);
    m.base[0] = 8;
    ENT_FAILS(ask(&c, &m), ENT_E_PROTOCOL);
    m.base[0] = 7;
    ENT_OK(ask(&c, &m));
    ent_course_close(&c, (struct ent_attempt){1, 2, 1}, newer);
    m = opening(3, ENT_TASK_EVALUATE, ENT_SPLIT_VALIDATION);
    ENT_FAILS(ask(&c, &m), ENT_E_PROTOCOL);
    m.base[0] = 9;
    ENT_OK(ask(&c, &m));
    ent_course_close(&c, (struct ent_attempt){1, 3, 1}, NULL); /* evaluation makes no model */
    m = opening(4, ENT_TASK_TRAIN, ENT_SPLIT_TRAIN);
    ENT_FAILS(ask(&c, &m), ENT_E_PROTOCOL);
    m.round = 5; /* this member was away for one */
    ENT_OK(ask(&c, &m));
}

static struct script s;

/* Over a restart too. */
ENT_TEST(agent, an_attempt_that_was_closed_is_not_opened_again)
{
    struct ent_msg_decline m;
    struct ent_msg_round_open open;

    script_running(&s);
    script_round(&s, ENT_TASK_TRAIN, true);
    script_kill(&s);
    script_restart(&s);
    script_welcome(&s, NULL);
    script_run_start(&s);
    s.round = 1;
    open = script_open_msg(&s, ENT_TASK_TRAIN);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_DECLINE, &m, NULL);
    CU_ASSERT_EQUAL(m.code, ENT_E_STALE);
    script_free(&s);
}

/* An ABORT is not signed: the same attempt does not come to another cohort by it, not over a restart either. */
ENT_TEST(agent, an_abort_proves_no_new_attempt)
{
    struct ent_msg_abort abort_msg = {.round = 1, .attempt = 1, .code = ENT_E_TOO_FEW};
    struct ent_msg_decline m;
    struct ent_msg_join join;
    struct ent_msg_round_open open;
    uint8_t first[32];

    script_running(&s);
    open = script_open_msg(&s, ENT_TASK_TRAIN);
    script_open(&s, &open);
    memcpy(first, s.open_hash, 32);
    (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    script_bare(&s, ENT_MSG_ABORT, 0, &abort_msg);
    memset(open.invited[2], 0x44, 16);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_JOIN, &join, NULL);
    CU_ASSERT_EQUAL(memcmp(join.round_open, first, 32), 0);
    script_begin(&s); /* of the other opening: dropped */
    CU_ASSERT(script_nothing(&s));
    script_kill(&s);
    script_restart(&s);
    script_welcome(&s, NULL);
    script_run_start(&s);
    open = script_open_msg(&s, ENT_TASK_TRAIN);
    memset(open.invited[2], 0x44, 16);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_DECLINE, &m, NULL);
    CU_ASSERT_EQUAL(m.code, ENT_E_PROTOCOL);
    s.attempt = 2; /* signed, and higher */
    open = script_open_msg(&s, ENT_TASK_TRAIN);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    script_free(&s);
}

ENT_TEST(agent, runs_of_one_plan_are_counted)
{
    struct ent_msg_decline m;
    struct ent_msg_round_open open;

    script_new(&s, "coordinator: localhost:7443\n"
                   "data: {source: csv, path: data.csv, bad_rows: drop}\n"
                   "unit_key: id\n"
                   "policy: {min_members: 3, min_group: 1, runs_per_plan: 1}\n");
    script_welcome(&s, NULL);
    script_run_start(&s);
    script_round(&s, ENT_TASK_STATS, false);
    script_kill(&s);
    script_restart(&s);
    s.run = 2;
    s.round = 1;
    script_welcome(&s, NULL);
    script_run_start(&s);
    open = script_open_msg(&s, ENT_TASK_STATS);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_DECLINE, &m, NULL);
    CU_ASSERT_EQUAL(m.code, ENT_E_POLICY);
    CU_ASSERT_PTR_NOT_NULL(strstr(m.text, "runs_per_plan"));
    script_free(&s);
}

static size_t count_plans(void)
{
    const struct dirent *entry;
    char path[512];
    size_t n = 0;
    DIR *dir;

    (void)snprintf(path, sizeof path, "%s/plans", s.dir);
    dir = opendir(path);
    while (dir != NULL && (entry = readdir(dir)) != NULL) { // NOLINT(concurrency-mt-unsafe)
        n += strstr(entry->d_name, ".yaml") != NULL;
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return n;
}

/* Asked before it is fetched: by its content, and by grant. */
static void refused_plan(bool grants)
{
    static const char text[] =
        "coordinator: localhost:7443\n"
        "data: {source: csv, path: data.csv, bad_rows: drop}\n"
        "policy: {plans: [00000000000000000000000000000000000000000000000000000000000000ff]}\n";
    struct ent_msg_run_start start = {.plan_bytes = 100};
    struct ent_msg_offer offer = {.kind = ENT_OFFER_PLAN};
    struct ent_msg_round_open open;
    struct ent_msg_decline m;
    struct ent_msg_go go;

    (grants ? script_new_granting : script_new)(&s, text);
    script_welcome(&s, NULL);
    memcpy(start.plan, s.plan->digest, 32);
    script_say(&s, ENT_MSG_RUN_START, &start);
    if (grants) {
        memcpy(offer.digest, s.plan->digest, 32);
        offer.bytes = ent_blob_len(s.plan_blob);
        script_say(&s, ENT_MSG_OFFER, &offer);
        (void)script_take(&s, ENT_MSG_GO, &go, NULL);
        CU_ASSERT(go.offset == offer.bytes); /* none of it */
    } else {
        script_push(&s, ENT_OFFER_PLAN, s.plan->digest, s.plan_blob);
    }
    CU_ASSERT(count_plans() == 0);
    open = script_open_msg(&s, ENT_TASK_STATS);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_DECLINE, &m, NULL);
    CU_ASSERT_EQUAL(m.code, ENT_E_POLICY);
    CU_ASSERT_PTR_NOT_NULL(strstr(m.text, "policy.plans"));
    CU_ASSERT_EQUAL(s.n_closed, 0);
    script_free(&s);
}

ENT_TEST(agent, a_plan_that_the_policy_refuses_is_not_kept)
{
    refused_plan(false);
    refused_plan(true);
}

ENT_TEST(agent, only_a_few_plans_are_kept)
{
    script_running(&s);
    for (uint32_t i = 0; i < 12; i++) {
        struct ent_msg_run_start start = {.plan_bytes = 8};
        struct ent_blob *blob = NULL;
        char text[16];

        (void)snprintf(text, sizeof text, "plan %u", (unsigned)i);
        ENT_OK(ent_blob_new_copy(text, strlen(text), &blob));
        ENT_OK(ent_sha256(text, strlen(text), start.plan));
        s.run++;
        script_say(&s, ENT_MSG_RUN_START, &start);
        script_push(&s, ENT_OFFER_PLAN, start.plan, blob);
        ent_blob_unref(blob);
    }
    CU_ASSERT(count_plans() == 8);
    s.run++;
    script_run_start(&s); /* what was pruned is fetched again */
    CU_ASSERT(count_plans() == 8);
    script_round(&s, ENT_TASK_STATS, false);
    script_free(&s);
}

/* A plan of some dozen parameters has no model of a gigabyte, whatever is said or offered. */
ENT_TEST(agent, a_model_larger_than_its_plan_is_not_fetched)
{
    const uint64_t huge = (uint64_t)1024 * 1024 * 1024;
    struct ent_msg_offer offer = {.kind = ENT_OFFER_MODEL, .bytes = huge};
    struct ent_msg_round_open open;
    struct ent_msg_decline m;
    struct ent_msg_go go;

    script_running_granting(&s);
    open = script_open_msg(&s, ENT_TASK_TRAIN);
    open.base_bytes = huge;
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_DECLINE, &m, NULL);
    CU_ASSERT_EQUAL(m.code, ENT_E_PROTOCOL);
    s.round++;
    open = script_open_msg(&s, ENT_TASK_TRAIN);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    script_begin(&s);
    memcpy(offer.digest, s.model_digest, 32);
    script_say(&s, ENT_MSG_OFFER, &offer);
    (void)script_take(&s, ENT_MSG_GO, &go, NULL);
    CU_ASSERT(go.offset == huge);
    (void)script_take(&s, ENT_MSG_DECLINE, &m, NULL);
    CU_ASSERT_EQUAL(m.code, ENT_E_LIMIT);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "a model of 1073741824 bytes was offered"));
    script_free(&s);
}
