/* Rounds whose noise is added in the member: asked for, booked, then computed; once an attempt, and never beyond a limit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/check_budget.h"
#include "client/agent/verbs.h"
#include "client/state/ledger.h"
#include "common/base/file.h"
#include "common/db/db.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/support.h"

#define CLIENT                                                                                     \
    "coordinator: localhost:7443\n"                                                                \
    "data: {source: csv, path: data.csv, bad_rows: drop}\n"                                        \
    "unit_key: id\n"                                                                               \
    "privacy: {scope: crm-de}\n"

/* Three rounds; the goal is what they cost, so a fourth does not fit. */
#define PLAN                                                                                       \
    "features:\n"                                                                                  \
    "  - {name: age, type: number, range: [0, 100]}\n"                                             \
    "  - {name: income, type: number, range: [0, 1000], indicator: true}\n"                        \
    "  - {name: job, type: category, values: [a, b, c]}\n"                                         \
    "  - {name: loan, type: boolean}\n"                                                            \
    "label: {name: y, positive: \"yes\"}\n"                                                        \
    "split: {key: 1}\n"                                                                            \
    "model: {layers: [{dense: 8}, relu, {dense: 1}], loss: bce}\n"                                 \
    "training: {rounds: 3, optimizer: {sgd: {rate: 0.1}}, seed: 7}\n"                              \
    "aggregation: {weights: equal, min_members: 3}\n"                                              \
    "privacy: {unit: customer, epsilon: 6, delta: 1e-5, clip: 1.0, rate: 0.2, batch: 60, "         \
    "scale_bits: 14}\n"

static void start(struct script *s, const char *client)
{
    script_new_of(s, client, PLAN);
    script_welcome(s, NULL);
    script_run_start(s);
}

/* Up to the update, which is computed when it returns. */
static void up_to_update(struct script *s, bool push_model)
{
    struct ent_msg_round_open open = script_open_msg(s, ENT_TASK_TRAIN);

    script_open(s, &open);
    (void)script_take(s, ENT_MSG_JOIN, NULL, NULL);
    script_begin(s);
    if (push_model) {
        script_push(s, ENT_OFFER_MODEL, s->model_digest, s->model);
    }
}

static struct ent_update_statement finish(struct script *s)
{
    struct ent_envelope envelope;

    script_upload(s, &envelope);
    script_ack(s, envelope.payload_sha256, 0);
    script_close(s);
    return envelope.header.update;
}

static void declined(struct script *s, uint32_t code, uint32_t kind, const char *why)
{
    struct ent_msg_round_open open = script_open_msg(s, ENT_TASK_TRAIN);
    struct ent_msg_decline m;

    script_open(s, &open);
    (void)script_take(s, ENT_MSG_DECLINE, &m, NULL);
    CU_ASSERT_EQUAL(m.code, code);
    CU_ASSERT_EQUAL(m.kind, kind);
    if (strstr(m.text, why) == NULL) {
        (void)fprintf(stderr, "said: %s\n", m.text);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(m.text, why));
}

/* What a reader of the directory sees; the agent may be running. */
static uint64_t booked(const struct script *s, struct ent_ledger_entry *last)
{
    struct ent_state *state = NULL;
    struct ent_ledger_entry e = {0};
    enum ent_err err;

    ENT_OK(ent_state_open_reader(s->dir, &state));
    ENT_OK(ent_ledger_check(state));
    err = ent_ledger_last(state, &e);
    CU_ASSERT(err == ENT_E_OK || err == ENT_E_NOT_FOUND);
    ent_state_close(state);
    if (last != NULL) {
        *last = e;
    }
    return e.seq;
}

ENT_TEST(private, a_run_is_booked_round_by_round_and_ends_at_the_limit)
{
    struct ent_update_statement said;
    struct ent_ledger_entry last;
    struct script s;

    start(&s, CLIENT);
    for (uint64_t round = 1; round <= 3; round++) {
        CU_ASSERT_EQUAL(booked(&s, NULL), round - 1);
        up_to_update(&s, round == 1);
        said = finish(&s);
        CU_ASSERT_EQUAL(booked(&s, &last), round);
        CU_ASSERT(said.has_ledger && said.ledger_seq == round && said.rows_log2 == 0);
        CU_ASSERT_EQUAL(memcmp(said.ledger_digest, last.digest, 32), 0);
        CU_ASSERT_STRING_EQUAL(last.scope, "crm-de");
        CU_ASSERT(last.at.run == 1 && last.at.round == round && last.at.attempt == 1);
        CU_ASSERT_EQUAL(last.event.rate, s.plan->privacy.rate);
        CU_ASSERT_EQUAL(last.event.dimension, s.plan->n_params);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "at 1e-05; 2 rounds of this plan left"));
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "of 6 at 1e-05; 0 rounds of this plan left"));
    /* whatever a coordinator says: one more does not fit, and nothing is booked for it */
    declined(&s, ENT_E_BUDGET, ENT_REFUSAL_BUDGET, "of 6 at delta 1e-05, ");
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "one round more would cost scope crm-de epsilon "));
    CU_ASSERT_EQUAL(booked(&s, NULL), 3);
    script_free(&s);
}

ENT_TEST(private, attempts_that_were_aborted_are_charged)
{
    struct ent_msg_abort abort_msg = {.code = ENT_E_TOO_FEW, .retry_ms = 1000};
    struct ent_envelope envelope;
    struct script s;

    start(&s, CLIENT);
    for (uint32_t attempt = 1; attempt <= 3; attempt++) {
        s.attempt = attempt;
        up_to_update(&s, attempt == 1);
        script_upload(&s, &envelope);
        CU_ASSERT_EQUAL(envelope.header.update.ledger_seq, attempt);
        abort_msg.round = s.round;
        abort_msg.attempt = attempt;
        script_bare(&s, ENT_MSG_ABORT, 0, &abort_msg);
    }
    s.attempt = 4;
    declined(&s, ENT_E_BUDGET, ENT_REFUSAL_BUDGET, "(the plan's epsilon)");
    script_free(&s);
}

ENT_TEST(private, the_members_own_limits)
{
    struct script s;

    start(&s,
          CLIENT "policy: {epsilon_run: 6, delta: 1e-6}\n"); /* 1: fewer than the plan's rounds */
    up_to_update(&s, true);
    (void)finish(&s);
    declined(&s, ENT_E_BUDGET, ENT_REFUSAL_BUDGET, "of 6 at delta 1e-06, ");
    script_free(&s);
    start(&s, CLIENT "policy: {epsilon_life: 0.01}\n"); /* 2: none */
    declined(&s, ENT_E_BUDGET, ENT_REFUSAL_BUDGET,
             "of 0.01 at delta 1e-05, 0.000 of it spent (policy.epsilon_life)");
    CU_ASSERT_EQUAL(booked(&s, NULL), 0);
    script_free(&s);
}

ENT_TEST(private, a_plan_without_noise_is_declined_where_there_is_a_limit)
{
    struct ent_msg_round_open open;
    struct ent_msg_decline m;
    struct script s;

    script_new(&s, CLIENT "policy: {epsilon_life: 8}\n");
    script_welcome(&s, NULL);
    script_run_start(&s);
    open = script_open_msg(&s, ENT_TASK_STATS);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_DECLINE, &m, NULL);
    CU_ASSERT(m.code == ENT_E_POLICY && m.kind == ENT_REFUSAL_DECLINED);
    CU_ASSERT_PTR_NOT_NULL(strstr(m.text, "the plan has no `privacy`"));
    script_free(&s);
}

/* ---- check ---- */

/* The verdict of check on this directory and the script's plan. */
static enum ent_err check(const struct script *s, const char *client)
{
    struct ent_check_verb verb = {.dir = s->dir, .json = true};

    (void)support_file(s->dir, "client.yaml", client, strlen(client));
    verb.plan = support_file(s->dir, "plan.yaml", PLAN, strlen(PLAN));
    return ent_verb_check(&verb, NULL, 0);
}

ENT_TEST(private, check_knows_what_was_spent_and_what_fits)
{
    struct ent_check_budget b = {0};
    struct ent_workplace w = {0};
    struct script s;

    start(&s, CLIENT);
    up_to_update(&s, true);
    (void)finish(&s);
    ENT_OK(
        ent_workplace_open(s.dir, NULL, support_file(s.dir, "plan.yaml", PLAN, strlen(PLAN)), &w));
    ENT_OK(ent_check_budget_read(&w, &b)); /* beside the running agent, in the run */
    CU_ASSERT(b.noised && b.budget.n == 1 && b.left == 2 && b.rounds == 3);
    CU_ASSERT(b.spent[0].eps > 1 && b.spent[0].eps < 6);
    ent_check_budget_release(&b);
    ent_workplace_close(&w);
    script_kill(&s);
    ENT_OK(check(&s, CLIENT));
    ENT_FAILS(check(&s, CLIENT "policy: {epsilon_life: 0.5}\n"), ENT_E_BUDGET);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "of it spent (policy.epsilon_life)"));
    script_free(&s);
}

/* ---- restarts ---- */

/* In mid-round, joined: its update comes by itself if it is stored, LOST if it is not. */
static void back_in_round(struct script *s)
{
    struct ent_msg_welcome welcome = {.run = 1,
                                      .round = s->round,
                                      .attempt = s->attempt,
                                      .phase = 3,
                                      .outcome = 2,
                                      .last_sequence = 100,
                                      .has_plan = true};

    script_kill(s);
    s->n_read = s->n_inbox; /* what was under way is lost */
    script_restart(s);
    memcpy(welcome.plan, s->plan->digest, 32);
    script_welcome(s, &welcome);
}

static void back(struct script *s)
{
    script_kill(s);
    s->n_read = s->n_inbox;
    script_restart(s);
    script_welcome(s, NULL);
    script_run_start(s);
}

ENT_TEST(private, a_resent_update_is_no_second_release)
{
    struct ent_envelope first;
    struct ent_envelope second;
    struct script s;

    start(&s, CLIENT);
    up_to_update(&s, true);
    script_upload(&s, &first);
    back_in_round(&s);
    script_upload(&s, &second);
    CU_ASSERT_EQUAL(memcmp(first.payload_sha256, second.payload_sha256, 32), 0);
    CU_ASSERT_EQUAL(memcmp(first.signature, second.signature, 64), 0);
    CU_ASSERT_EQUAL(booked(&s, NULL), 1);
    script_free(&s);
}

static void forget_update(const struct script *s)
{
    static const char *const migrations[] = {"", "", "", "", "", "", "", ""}; /* all are done */
    const struct ent_db_schema schema = {0x456e7443, migrations, 8};
    struct ent_db *db = NULL;
    char path[512];

    (void)snprintf(path, sizeof path, "%s/state.db", s->dir);
    ENT_OK(ent_db_open(path, &schema, &db));
    ENT_OK(ent_db_exec(db, "DELETE FROM stored_update"));
    CU_ASSERT_EQUAL(ent_db_changes(db), 1);
    ent_db_close(db);
}

/* Booked, and the process ended before the update was stored: nobody knows how far the noise came. */
ENT_TEST(private, what_was_booked_and_not_stored_is_lost)
{
    struct ent_msg_round_open open;
    struct script s;

    start(&s, CLIENT);
    up_to_update(&s, true);
    CU_ASSERT_EQUAL(booked(&s, NULL), 1);
    script_kill(&s);
    forget_update(&s);
    back_in_round(&s);
    open = script_open_msg(&s, ENT_TASK_TRAIN);
    script_open(&s, &open);
    script_begin(&s);
    (void)script_take(&s, ENT_MSG_LOST, NULL, NULL);
    CU_ASSERT(script_nothing(&s));
    CU_ASSERT_EQUAL(booked(&s, NULL), 1); /* no refund, and no second charge */
    s.attempt = 2;
    up_to_update(&s, false);
    CU_ASSERT_EQUAL(finish(&s).ledger_seq, 2);
    script_free(&s);
}

/* ---- an older copy ---- */

static void copy_state(const struct script *s, const char *from, const char *to)
{
    struct ent_buf bytes;
    char path[512];

    ent_buf_init(&bytes, (size_t)64 << 20);
    (void)snprintf(path, sizeof path, "%s/%s", s->dir, from);
    ENT_OK(ent_file_read(path, &bytes));
    (void)snprintf(path, sizeof path, "%s/%s", s->dir, to);
    ENT_OK(ent_file_write_atomic(path, bytes.data, bytes.len, 0600));
    ent_buf_release(&bytes);
}

ENT_TEST(private, an_older_copy_is_charged_again_before_it_goes_on)
{
    struct ent_ledger_entry last;
    struct script s;

    start(&s, CLIENT);
    up_to_update(&s, true);
    (void)finish(&s);
    script_publish(&s);
    script_kill(&s);
    s.n_read = s.n_inbox;
    copy_state(&s, "state.db", "copy.db");
    back(&s);
    up_to_update(&s, false);
    CU_ASSERT_EQUAL(finish(&s).ledger_seq, 2);
    script_publish(&s);
    script_kill(&s);
    s.n_read = s.n_inbox;
    copy_state(&s, "copy.db", "state.db");
    CU_ASSERT_EQUAL(booked(&s, NULL), 1);
    back(&s); /* the log that it lacks comes with the welcome */
    up_to_update(&s, false);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "an older copy of state.db was put back"));
    CU_ASSERT_EQUAL(finish(&s).ledger_seq, 3);
    CU_ASSERT_EQUAL(booked(&s, &last), 3);
    declined(&s, ENT_E_BUDGET, ENT_REFUSAL_BUDGET, "(the plan's epsilon)"); /* three were spent */
    script_free(&s);
}

/* The copy is of before a run that is over: that run's plan is known by the log, and its price by the plan. */
ENT_TEST(private, an_older_copy_of_another_run_is_charged_by_that_runs_plan)
{
    struct ent_msg_run_end end = {.code = ENT_E_OK};
    struct ent_ledger_entry last;
    struct script s;

    start(&s, CLIENT "policy: {epsilon_life: 6.05}\n");
    script_kill(&s);
    s.n_read = s.n_inbox;
    copy_state(&s, "state.db", "copy.db");
    back(&s);
    for (uint64_t round = 1; round <= 3; round++) {
        up_to_update(&s, round == 1);
        CU_ASSERT_EQUAL(finish(&s).ledger_seq, round);
    }
    script_say(&s, ENT_MSG_RUN_END, &end);
    script_publish(&s);
    script_kill(&s);
    s.n_read = s.n_inbox;
    copy_state(&s, "copy.db", "state.db");
    CU_ASSERT_EQUAL(booked(&s, NULL), 0);
    s.run = 2;
    s.round = 1;
    back(&s);
    declined(&s, ENT_E_BUDGET, ENT_REFUSAL_BUDGET, "(policy.epsilon_life)"); /* 6 of 9 are spent */
    CU_ASSERT_EQUAL(booked(&s, &last), 3);
    CU_ASSERT(last.kind == ENT_LEDGER_REBOOK && last.at.run == 1);
    script_free(&s);
}
