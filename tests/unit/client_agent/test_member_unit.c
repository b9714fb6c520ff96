/* Rounds whose noise the coordinator adds: the update is clipped here, booked for this member's customers, and sent
 * whatever the training made of it; and the refusals of a member's policy, each with its code. */
#include <stdlib.h>
#include <string.h>

#include "client/agent/check_budget.h"
#include "client/policy/purse.h"
#include "client/state/ledger.h"
#include "common/base/mem.h"
#include "common/privacy/clip.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/support.h"

#define CLIENT                                                                                     \
    "coordinator: localhost:7443\n"                                                                \
    "data: {source: csv, path: data.csv, bad_rows: drop}\n"                                        \
    "unit_key: id\n"                                                                               \
    "privacy: {scope: crm-de}\n"

#define FEATURES                                                                                   \
    "features:\n"                                                                                  \
    "  - {name: age, type: number, range: [0, 100]}\n"                                             \
    "  - {name: income, type: number, range: [0, 1000], indicator: true}\n"                        \
    "  - {name: job, type: category, values: [a, b, c]}\n"                                         \
    "  - {name: loan, type: boolean}\n"
#define MODEL                                                                                      \
    "label: {name: y, positive: \"yes\"}\n"                                                        \
    "split: {key: 1}\n"                                                                            \
    "model: {layers: [{dense: 8}, relu, {dense: 1}], loss: bce}\n"                                 \
    "training: {rounds: 3, epochs: 2, batch: 16, optimizer: {sgd: {rate: 0.1}}, seed: 7}\n"        \
    "aggregation: {weights: equal, min_members: 3}\n"
#define PRIVACY(more_) "privacy: {unit: member, epsilon: 4, delta: 1e-5, clip: 0.05" more_ "}\n"
#define PLAN FEATURES MODEL PRIVACY("")

static void start(struct script *s, const char *client, const char *plan)
{
    script_new_of(s, client, plan);
    script_welcome(s, NULL);
    script_run_start(s);
}

static struct ent_update_statement round_as(struct script *s, enum ent_task_kind task,
                                            bool push_model)
{
    struct ent_msg_round_open open = script_open_msg(s, task);
    struct ent_envelope envelope;

    script_open(s, &open);
    (void)script_take(s, ENT_MSG_JOIN, NULL, NULL);
    script_begin(s);
    if (push_model) {
        script_push(s, ENT_OFFER_MODEL, s->model_digest, s->model);
    }
    script_upload(s, &envelope);
    script_ack(s, envelope.payload_sha256, 0);
    script_close(s);
    return envelope.header.update;
}

static struct ent_update_statement round_of(struct script *s, bool push_model)
{
    return round_as(s, ENT_TASK_TRAIN, push_model);
}

static void refused(struct script *s, const struct ent_msg_round_open *open, uint32_t kind,
                    const char *why)
{
    struct ent_msg_decline m;

    script_open(s, open);
    (void)script_take(s, ENT_MSG_DECLINE, &m, NULL);
    CU_ASSERT_EQUAL(m.kind, kind);
    if (strstr(m.text, why) == NULL) {
        (void)fprintf(stderr, "said: %s\n", m.text);
        CU_FAIL("another reason");
    }
}

static void declined(struct script *s, enum ent_task_kind task, uint32_t kind, const char *why)
{
    struct ent_msg_round_open open = script_open_msg(s, task);

    refused(s, &open, kind, why);
}

static struct ent_ledger_entry newest(const struct script *s)
{
    struct ent_state *state = NULL;
    struct ent_ledger_entry e = {0};
    enum ent_err err;

    ENT_OK(ent_state_open_reader(s->dir, &state));
    ENT_OK(ent_ledger_check(state));
    err = ent_ledger_last(state, &e);
    CU_ASSERT(err == ENT_E_OK || err == ENT_E_NOT_FOUND);
    ent_state_close(state);
    return e;
}

/* The integers that arrived: within the bound, and whether they are all zero. */
static bool all_zero(const struct script *s)
{
    const uint8_t *q = ent_blob_bytes(s->received) + ENT_UPDATE_SALT_BYTES;
    size_t n = (ent_blob_len(s->received) - ENT_UPDATE_SALT_BYTES) / 4;
    uint64_t bound = 0;
    bool zero = true;

    CU_ASSERT_EQUAL(n, s->plan->n_params);
    ENT_OK(ent_clip_bound(s->plan->privacy.clip, s->plan->privacy.scale_bits, &bound));
    ENT_OK(ent_clip_check(q, n, bound));
    for (size_t i = 0; i < 4 * n; i++) {
        zero = zero && q[i] == 0;
    }
    return zero;
}

ENT_TEST(member_unit, updates_are_clipped_and_booked_for_the_customers)
{
    struct ent_plan_noise noise;
    struct ent_ledger_entry e;
    struct script s;

    start(&s, CLIENT, PLAN);
    ENT_OK(ent_plan_privacy_derive(s.plan, &noise));
    for (uint64_t round = 1; round <= 3; round++) {
        struct ent_update_statement said = round_of(&s, round == 1);

        CU_ASSERT_FALSE(all_zero(&s));
        e = newest(&s);
        CU_ASSERT(e.seq == round && said.has_ledger && said.ledger_seq == round);
        CU_ASSERT_EQUAL(memcmp(said.ledger_digest, e.digest, 32), 0);
        CU_ASSERT_STRING_EQUAL(e.scope, "crm-de");
        /* one customer moves the update from one clipped vector to another */
        CU_ASSERT_EQUAL(e.event.sensitivity, 2 * noise.d2);
        CU_ASSERT(e.event.sigma2 == noise.sigma2 && e.event.steps == 1);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "the round is in the ledger; no limit is set"));
    /* what clipping did is said here, and nowhere else */
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "longer than privacy.clip and is cut"));
    script_free(&s);
}

/* Nothing that the rows hold decides whether a member answers. */
ENT_TEST(member_unit, an_update_that_is_not_finite_is_sent_as_zeros)
{
    static const char diverges[] = FEATURES
        "label: {name: y, positive: \"yes\"}\n"
        "split: {key: 1}\n"
        "model: {layers: [{dense: 8}, {dense: 8}, {dense: 1}], loss: bce, class_weights: [1e6, "
        "1e6]}\n"
        "training: {rounds: 3, epochs: 60, batch: 4, seed: 7, optimizer: {sgd: {rate: 10, "
        "momentum: 0.9, keep_state: true}}}\n"
        "aggregation: {weights: equal, min_members: 3}\n" PRIVACY("");
    struct script s;

    start(&s, CLIENT, diverges);
    for (uint64_t round = 1; round <= 2; round++) { /* the momentum that was kept is gone */
        CU_ASSERT_TRUE(round_of(&s, round == 1).has_ledger);
        CU_ASSERT_TRUE(all_zero(&s));
        CU_ASSERT_EQUAL(newest(&s).seq, round);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "is not finite, so zeros are sent"));
    script_free(&s);
}

/* A limit of the member's own counts this noise only where the coordinator is trusted to add it. */
ENT_TEST(member_unit, the_members_own_limits)
{
    struct script s;

    start(&s, CLIENT "policy: {epsilon_life: 100}\n", PLAN);
    declined(&s, ENT_TASK_TRAIN, ENT_REFUSAL_DECLINED, "unless policy.noise is coordinator");
    CU_ASSERT_EQUAL(newest(&s).seq, 0);
    script_free(&s);

    start(&s, CLIENT "policy: {epsilon_life: 100, noise: coordinator}\n", PLAN);
    CU_ASSERT_EQUAL(round_of(&s, true).ledger_seq, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "of 100 at 1e-05; "));
    script_free(&s);

    /* a member's epsilon 4 costs a customer 9.08 in three rounds: two fit 8 */
    start(&s, CLIENT "policy: {epsilon_run: 8, noise: coordinator}\n", PLAN);
    (void)round_of(&s, true);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "of 8 at 1e-05; 1 rounds of this plan left"));
    (void)round_of(&s, false);
    declined(&s, ENT_TASK_TRAIN, ENT_REFUSAL_BUDGET, "(policy.epsilon_run)");
    CU_ASSERT_EQUAL(newest(&s).seq, 2);
    script_free(&s);
}

/* What no noise covers, beside a limit that does not see it. */
ENT_TEST(member_unit, uncovered_rounds_are_declined_where_there_is_a_limit)
{
    static const char plan[] = FEATURES
        "label: {name: y, positive: \"yes\"}\n"
        "split: {key: 1, validation: 0.2, test: 0.2}\n"
        "model: {layers: [{dense: 8}, relu, {dense: 1}], loss: bce}\n"
        "training: {rounds: 3, epochs: 2, batch: 16, optimizer: {sgd: {rate: 0.1}}, seed: 7}\n"
        "aggregation: {weights: equal, min_members: 3}\n" PRIVACY(
            ", statistics: uncovered, evaluate: uncovered");
    struct script s;

    start(&s, CLIENT "policy: {epsilon_life: 100, noise: coordinator}\n", plan);
    declined(&s, ENT_TASK_STATS, ENT_REFUSAL_DECLINED,
             "no noise covers the plan's statistics (uncovered), so policy.epsilon_life");
    script_free(&s);
    start(&s, CLIENT "policy: {epsilon_run: 100, noise: coordinator, uncovered: allow}\n", plan);
    (void)round_as(&s, ENT_TASK_STATS, false);
    (void)round_of(&s, true);
    (void)round_as(&s, ENT_TASK_EVALUATE, false);
    script_free(&s);
    start(&s, CLIENT, plan); /* no limit: nothing to protect */
    (void)round_as(&s, ENT_TASK_STATS, false);
    script_free(&s);
}

/* The five codes, each with its sentence. */
ENT_TEST(member_unit, each_refusal_has_its_code)
{
    struct ent_msg_round_open open;
    struct script s;

    start(&s, CLIENT "policy: {purposes: [churn, fraud]}\n", PLAN); /* 1 */
    declined(&s, ENT_TASK_TRAIN, ENT_REFUSAL_NOT_ALLOWED, "the plan states no purpose");
    script_free(&s);
    start(&s, CLIENT "policy: {purposes: [churn, fraud]}\n", PLAN "purpose: advertising\n");
    declined(&s, ENT_TASK_TRAIN, ENT_REFUSAL_NOT_ALLOWED,
             "the plan's purpose is advertising, which policy.purposes does not list");
    script_free(&s);
    start(&s, CLIENT "policy: {purposes: [churn, fraud]}\n", PLAN "purpose: fraud\n");
    CU_ASSERT_TRUE(round_of(&s, true).has_ledger);
    script_free(&s);

    start(&s, CLIENT, PLAN); /* 2 */
    open = script_open_msg(&s, ENT_TASK_TRAIN);
    open.scale_bits++;
    refused(&s, &open, ENT_REFUSAL_SPECIFICATION, "scale_bits");
    script_free(&s);

    start(&s, CLIENT "policy: {epsilon_life: 0.1, noise: coordinator}\n", PLAN); /* 3 */
    declined(&s, ENT_TASK_TRAIN, ENT_REFUSAL_BUDGET, "(policy.epsilon_life)");
    script_free(&s);

    start(&s, CLIENT "policy: {min_customers: 1000}\n", PLAN); /* 4 */
    declined(&s, ENT_TASK_TRAIN, ENT_REFUSAL_CANNOT, "policy.min_customers");
    script_free(&s);

    start(&s, CLIENT "policy: {tasks: [stats]}\n", PLAN); /* 5 */
    declined(&s, ENT_TASK_TRAIN, ENT_REFUSAL_DECLINED, "policy.tasks does not list train");
    script_free(&s);
}

/* What no plan asks for: nothing is computed of it. */
static void declined_open(struct script *s, const struct ent_msg_round_open *open, const char *why)
{
    refused(s, open, ENT_REFUSAL_SPECIFICATION, why);
    CU_ASSERT_EQUAL(newest(s).seq, 0);
}

/* A coordinator that has not committed to its noise, or would keep copies without it, gets no update. */
ENT_TEST(member_unit, no_update_without_a_commitment_to_noise)
{
    struct ent_msg_round_open open;
    struct script s;

    start(&s, CLIENT, PLAN);
    open = script_open_msg(&s, ENT_TASK_TRAIN);
    open.has_noise = false;
    declined_open(&s, &open, "opens without its commitment");
    script_free(&s);

    start(&s, CLIENT "auditors: [plain]\n", PLAN);
    open = script_open_msg(&s, ENT_TASK_TRAIN);
    open.plain = true;
    declined_open(&s, &open, "updates unsealed");
    script_free(&s);

    start(&s, CLIENT, FEATURES MODEL);
    open = script_open_msg(&s, ENT_TASK_TRAIN);
    open.has_noise = true;
    memset(open.noise_commit, 0x77, sizeof open.noise_commit);
    declined_open(&s, &open, "which the plan does not have");
    script_free(&s);
}

/* Exact sums that the plan's privacy leaves out: no coordinator gets them by asking, limit or not. */
ENT_TEST(member_unit, no_rounds_that_the_privacy_leaves_out)
{
    static const char *const clients[] = {
        CLIENT, CLIENT "policy: {epsilon_life: 100, noise: coordinator, uncovered: allow}\n"};
    static const char tested[] = FEATURES
        "label: {name: y, positive: \"yes\"}\n"
        "split: {key: 1, test: 0.2}\n"
        "model: {layers: [{dense: 8}, relu, {dense: 1}], loss: bce}\n"
        "training: {rounds: 3, epochs: 2, batch: 16, optimizer: {sgd: {rate: 0.1}}, seed: 7}\n"
        "aggregation: {weights: equal, min_members: 3}\n" PRIVACY("");
    struct ent_msg_round_open open;
    struct script s;

    for (size_t i = 0; i < ENT_ARRAY_LEN(clients); i++) {
        start(&s, clients[i], tested);
        open = script_open_msg(&s, ENT_TASK_STATS);
        declined_open(&s, &open, "asks for statistics");
        script_free(&s);
        for (enum ent_split split = ENT_SPLIT_VALIDATION; split <= ENT_SPLIT_TEST; split++) {
            start(&s, clients[i], tested);
            open = script_open_msg(&s, ENT_TASK_EVALUATE);
            open.split = split;
            declined_open(&s, &open, "asks for figures");
            script_free(&s);
        }
    }
}

/* Whether any customer has the label that a plan names is a fact about one customer: joining does not tell it. */
ENT_TEST(member_unit, labels_do_not_decide_who_takes_part)
{
    static const char plan[] = FEATURES
        "label: {name: y, positive: nobody}\n"
        "split: {key: 1}\n"
        "model: {layers: [{dense: 8}, relu, {dense: 1}], loss: bce}\n"
        "training: {rounds: 3, epochs: 2, batch: 16, optimizer: {sgd: {rate: 0.1}}, seed: 7}\n"
        "aggregation: {weights: equal, min_members: 3}\n";
    static const char with[] = PRIVACY("");
    char *both = NULL;
    struct script s;

    start(&s, CLIENT, plan);
    declined(&s, ENT_TASK_STATS, ENT_REFUSAL_CANNOT, "");
    script_free(&s);

    both = malloc(sizeof plan + sizeof with);
    CU_ASSERT_PTR_NOT_NULL_FATAL(both);
    (void)snprintf(both, sizeof plan + sizeof with, "%s%s", plan, with);
    start(&s, CLIENT, both);
    CU_ASSERT_EQUAL(round_of(&s, true).ledger_seq, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "which the plan counts as positive")); /* said at home */
    script_free(&s);
    free(both);
}

/* check: what a customer of this member pays, and that no goal of the plan is a limit here. */
ENT_TEST(member_unit, check_counts_for_the_customers)
{
    struct ent_plan_noise noise;
    struct ent_check_budget b = {0};
    struct ent_workplace w = {0};
    struct script s;

    start(&s, CLIENT "policy: {epsilon_life: 20, noise: coordinator}\n", PLAN);
    (void)round_of(&s, true);
    ENT_OK(ent_plan_privacy_derive(s.plan, &noise));
    ENT_OK(
        ent_workplace_open(s.dir, NULL, support_file(s.dir, "plan.yaml", PLAN, strlen(PLAN)), &w));
    ENT_OK(ent_check_budget_read(&w, &b));
    CU_ASSERT(b.noised && b.budget.n == 1 && b.rounds == 3 && b.left == 3);
    CU_ASSERT_EQUAL(b.round.sensitivity, 2 * noise.d2);
    CU_ASSERT_DOUBLE_EQUAL(b.run_epsilon, noise.epsilon_person[0], 0.0);
    CU_ASSERT(b.spent[0].eps > 3 && b.spent[0].eps < b.run_epsilon);
    ENT_OK(ent_check_budget_ask(&w, &b));
    ent_check_budget_release(&b);
    ent_workplace_close(&w);
    script_free(&s);
}
