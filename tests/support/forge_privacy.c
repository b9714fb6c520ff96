/* What rounds of a plan with privacy book: as a coordinator does it, without its ledger. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/plan/plan.h"
#include "common/step/step.h"
#include "common/task/task.h"
#include "tests/support/forge_inside.h"

#define NANO 1e9

struct ent_forge_budget {
    struct ent_plan *plan;
    struct ent_plan_noise noise;
    uint32_t *booked; /* [n_members] */
    uint32_t *was;    /* [n_members] before the newest round */
};

static enum ent_err write_weights(const struct ent_forge *f, struct ent_buf *out)
{
    if (!f->options.fixed_weights) {
        return ent_buf_addf(out, "equal");
    }
    for (size_t i = 0; i < f->options.n_members; i++) {
        ENT_TRY(ent_buf_addf(out, "%sbrand-%zu: %u", i == 0 ? "{fixed: {" : ", ", i,
                             (unsigned)ent_forge_weight(f, i)));
    }
    return ent_buf_addf(out, "}}");
}

static enum ent_err write_promise(const struct ent_forge *f, struct ent_buf *out)
{
    if (f->options.central) {
        ENT_TRY(ent_buf_addf(out, "privacy: {unit: member, epsilon: 8, delta: 1e-5, clip: 1.0"));
    } else {
        ENT_TRY(ent_buf_addf(out,
                             "privacy: {unit: customer, epsilon: %s, clip: 1.0, "
                             "rate: %s, steps: %s, batch: 64",
                             f->options.hopeless ? "0.001, delta: 1e-12" : "2, delta: 1e-5",
                             f->options.whole_batches || f->options.hopeless ? "1" : "0.05",
                             f->options.hopeless ? "100000" : "2"));
    }
    if (f->options.person_members > 0) {
        ENT_TRY(ent_buf_addf(out, ", max_members_per_person: %u, persons: assumed",
                             (unsigned)f->options.person_members));
    }
    if (f->options.uncovered && !f->options.unsaid) {
        ENT_TRY(ent_buf_addf(out, ", statistics: uncovered, evaluate: uncovered"));
    }
    return ent_buf_addf(out, "}\n");
}

enum ent_err ent_forge_privacy_yaml(const struct ent_forge *f, struct ent_buf *out)
{
    ENT_TRY(ent_buf_addf(out,
                         "# A plan of a forged federation, with privacy.\n"
                         "features:\n"
                         "  - {name: visits, type: number, range: [0, 10]}\n"
                         "  - {name: spent, type: number, range: [-4, 4]}\n"
                         "label: {name: bought, positive: \"1\"}\n"
                         "split: {key: 42, validation: %s, test: %s}\n"
                         "model: {layers: [{dense: 3}, relu, {dense: 1}], loss: bce}\n"
                         "training: {rounds: %u, optimizer: {sgd: {rate: 0.1}}, seed: 9}\n"
                         "aggregation: {weights: ",
                         f->options.validate && !f->options.unsaid ? "0.1" : "0",
                         f->options.test && !f->options.unsaid ? "0.2" : "0",
                         f->options.train_rounds));
    ENT_TRY(write_weights(f, out));
    ENT_TRY(ent_buf_addf(out, ", min_members: %u}\n", f->quorum));
    return write_promise(f, out);
}

enum ent_err ent_forge_privacy_model(const struct ent_forge *f, struct ent_buf *out)
{
    struct ent_step_sink sink = ent_step_sink_buf(out);

    ENT_TRY(ent_step_initial_of_ranges(f->budget->plan, &sink));
    if (f->options.foreign_base) {
        out->data[out->len - 2] ^= 1; /* in the last parameter */
    }
    return ENT_E_OK;
}

uint64_t ent_forge_privacy_sigma2(const struct ent_forge *f)
{
    return f->budget->noise.round.sigma2;
}

void ent_forge_privacy_free(struct ent_forge *f)
{
    if (f->budget != NULL) {
        ent_plan_free(f->budget->plan);
        free(f->budget->booked);
        free(f->budget->was);
        free(f->budget);
        f->budget = NULL;
    }
}

enum ent_err ent_forge_privacy_plan(struct ent_forge *f)
{
    struct ent_buf yaml;
    enum ent_err err;

    ent_forge_privacy_free(f);
    ENT_TRY(ent_calloc(1, sizeof *f->budget, &f->budget));
    ENT_TRY(ent_calloc(f->options.n_members, sizeof(uint32_t), &f->budget->booked));
    ENT_TRY(ent_calloc(f->options.n_members, sizeof(uint32_t), &f->budget->was));
    ent_buf_init(&yaml, ENT_PLAN_MAX_BYTES);
    err = ent_forge_privacy_yaml(f, &yaml);
    if (err == ENT_E_OK) {
        err = ent_plan_parse("plan.yaml", yaml.data, yaml.len, &f->budget->plan);
    }
    if (err == ENT_E_OK && !f->options.hopeless) {
        err = ent_plan_privacy_derive(f->budget->plan, &f->budget->noise);
    }
    if (err == ENT_E_OK) {
        err = ent_forge_add_blob(f, yaml.data, yaml.len, f->run.plan);
    }
    ent_buf_release(&yaml);
    return err;
}

static enum ent_err cost(const struct ent_forge_budget *b, uint32_t rounds, uint64_t *nano,
                         uint32_t *accountant)
{
    struct ent_dp_event all = b->noise.round;
    struct ent_dp_spent spent = {0};

    if (rounds > 0) {
        all.steps *= rounds;
        ENT_TRY(ent_account_spent(&all, 1, b->plan->privacy.delta, &spent));
        *accountant = spent.accountant;
    }
    *nano = (uint64_t)ceil(spent.eps * NANO);
    if (spent.eps <= b->plan->privacy.epsilon && (double)*nano > b->plan->privacy.epsilon * NANO) {
        *nano = (uint64_t)(b->plan->privacy.epsilon * NANO);
    }
    return ENT_E_OK;
}

static enum ent_err fill_accounts(struct ent_forge *f, struct ent_leaf_dp_event *leaf)
{
    struct ent_forge_budget *b = f->budget;

    for (size_t i = 0; i < f->options.n_members; i++) {
        struct ent_leaf_dp_account *account = &leaf->accounts[leaf->n_accounts];

        b->was[i] = b->booked[i];
        if (ent_forge_fate_of(f, i) == ENT_FORGE_UNINVITED) {
            continue;
        }
        memcpy(account->member, f->members[i].handle, sizeof account->member);
        ENT_TRY(cost(b, b->booked[i], &account->before_nano, &leaf->accountant));
        ENT_TRY(cost(b, ++b->booked[i], &account->after_nano, &leaf->accountant));
        leaf->n_accounts++;
    }
    return ENT_E_OK;
}

enum ent_err ent_forge_privacy_event(struct ent_forge *f)
{
    struct ent_leaf_dp_event leaf = {
        .unit = f->options.central ? ENT_PRIVACY_MEMBER : ENT_PRIVACY_CUSTOMER,
        .trust = f->options.central ? ENT_LOG_TRUST_CENTRAL : ENT_LOG_TRUST_LOCAL,
        .members_per_person = f->options.person_members > 0 ? f->options.person_members : 1,
        .basis = f->options.person_members > 0 ? ENT_LOG_BASIS_ASSUMED : ENT_LOG_BASIS_NONE};
    const struct ent_dp_event *e;
    bool dropped;
    enum ent_err err;

    if (f->budget == NULL || f->run.task != ENT_TASK_TRAIN || f->options.hopeless) {
        return ENT_E_OK;
    }
    e = &f->budget->noise.round;
    leaf.mechanism = e->mechanism;
    leaf.rate = e->rate;
    leaf.sigma2 = e->sigma2;
    leaf.sensitivity = e->sensitivity;
    leaf.dimension = e->dimension;
    leaf.steps = e->steps;
    leaf.delta_e18 = (uint64_t)llround(f->budget->plan->privacy.delta * 1e18);
    leaf.limit_nano = (uint64_t)llround(f->budget->plan->privacy.epsilon * NANO);
    memcpy(leaf.round_open, f->run.open_hash, sizeof leaf.round_open);
    ENT_TRY(ent_calloc(f->options.n_members, sizeof *leaf.accounts, &leaf.accounts));
    err = fill_accounts(f, &leaf);
    if (err == ENT_E_OK) {
        err = ent_forge_write(f, ENT_LEAF_DP_EVENT, ENT_FORGE_NOBODY, &leaf, &dropped);
    }
    free(leaf.accounts);
    return err;
}

enum ent_err ent_forge_privacy_aborted(struct ent_forge *f, bool inputs)
{
    struct ent_leaf_dp_refund leaf;
    bool dropped;

    if (f->budget == NULL || f->run.task != ENT_TASK_TRAIN || inputs) {
        return ENT_E_OK;
    }
    memcpy(leaf.round_open, f->run.open_hash, sizeof leaf.round_open);
    memcpy(f->budget->booked, f->budget->was, f->options.n_members * sizeof(uint32_t));
    return ent_forge_write(f, ENT_LEAF_DP_REFUND, ENT_FORGE_NOBODY, &leaf, &dropped);
}
