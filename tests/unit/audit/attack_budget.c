/* Row 13, and what belongs to it: a coordinator whose log does not book what its rounds cost. All of it is done in time, so
 * that everybody cosigned it. Once with noise inside the members (unit customer, in lean logs), once with noise of the
 * coordinator (unit member, real rounds, the auditor's key is there). Rows 11 and 12: attack_noise.c. */
#include <string.h>

#include "common/base/mem.h"
#include "tests/unit/audit/attack.h"

static const struct ent_forge_fault called_off[] = {
    {2, 1, 0, ENT_FORGE_NO_JOIN}, {2, 1, 1, ENT_FORGE_NO_JOIN},
    {2, 1, 2, ENT_FORGE_NO_JOIN}, {2, 1, 3, ENT_FORGE_NO_JOIN},
    {2, 1, 4, ENT_FORGE_NO_JOIN}, {2, 1, ENT_FORGE_NOBODY, ENT_FORGE_ABORT}};
static const struct ent_forge_fault late[] = {{2, 1, 1, ENT_FORGE_TIMEOUT},
                                              {2, 1, ENT_FORGE_NOBODY, ENT_FORGE_ABORT}};
static const struct ent_forge_fault rejected[] = {
    {2, 1, 0, ENT_FORGE_REJECTED}, {2, 1, 1, ENT_FORGE_NO_JOIN},
    {2, 1, 2, ENT_FORGE_NO_JOIN},  {2, 1, 3, ENT_FORGE_NO_JOIN},
    {2, 1, 4, ENT_FORGE_NO_JOIN},  {2, 1, ENT_FORGE_NOBODY, ENT_FORGE_ABORT}};

static void play(struct scene *s, ent_forge_hook hook)
{
    s->options.lean = !s->central;
    s->options.central = s->central;
    s->options.n_auditors = s->central ? 1 : 0;
    s->options.plain = false;
    s->options.privacy = true;
    s->options.validate = s->options.uncovered;
    s->options.test = s->options.uncovered;
    s->options.train_rounds = 4;
    scene_play(s, hook);
    if (s->central) {
        scene_key(s);
    }
    scene_export(s, false);
}

/* ---- controls ---- */

#define HOPELESS 5

static void honest(struct scene *s)
{
    s->options.whole_batches = s->variant == 1;
    s->options.fixed_weights = s->variant == 2;
    s->options.person_members = s->variant == 3 ? 4 : 0;
    s->options.own_ledgers = s->variant == 4;
    s->options.hopeless = s->variant == HOPELESS;
    play(s, NULL);
}

/* The plan has four rounds: the one that is called off leaves room for all of them only if it gives back. */
static void honest_refund(struct scene *s)
{
    s->options.faults = called_off;
    s->options.n_faults = ENT_ARRAY_LEN(called_off);
    play(s, NULL);
}

/* Statistics and evaluations run, without noise, and everything says so. */
static void honest_uncovered(struct scene *s)
{
    s->options.uncovered = true;
    play(s, NULL);
}

/* They run, and the plan does not say so. */
static void unsaid(struct scene *s)
{
    s->options.unsaid = true;
    honest_uncovered(s);
}

/* ---- false parameters ---- */

enum {
    LESS_NOISE,
    SENSITIVITY,
    RATE,
    STEPS,
    DELTA,
    LIMIT,
    TRUST,
    UNIT,
    PERSONS,
    BASIS,
    MORE_NOISE
};

static enum ent_err falsify(void *ctx, struct ent_forge_leaf_event *event)
{
    const struct scene *s = ctx;
    struct ent_leaf_dp_event *m = &event->any->dp_event;

    if (event->frame->type != ENT_LEAF_DP_EVENT) {
        return ENT_E_OK;
    }
    switch (s->variant) {
    case LESS_NOISE:
        m->sigma2 = m->sigma2 / 10 * 9;
        break;
    case SENSITIVITY:
        m->sensitivity /= 2;
        break;
    case RATE:
        m->rate /= 2;
        break;
    case STEPS:
        m->steps = m->steps == 1 ? 2 : 1;
        break;
    case DELTA:
        m->delta_e18 *= 10;
        break;
    case LIMIT:
        m->limit_nano *= 2;
        break;
    case TRUST:
        m->trust = 3 - m->trust;
        break;
    case UNIT:
        m->unit = 3 - m->unit;
        break;
    case PERSONS:
        m->members_per_person++;
        break;
    case BASIS:
        m->basis = ENT_LOG_BASIS_MATCHED;
        break;
    default:
        m->sigma2 += m->sigma2 / 10;
        break;
    }
    return ENT_E_OK;
}

static void false_parameters(struct scene *s)
{
    s->options.fixed_weights = s->central; /* the largest weight stands in the sensitivity */
    play(s, falsify);
}

/* ---- false books ---- */

enum { OVER_SPENT, UNDER_BOOKED, FORGOTTEN, LEFT_OUT, BEFORE, TWICE, COVERED };

static enum ent_err cook(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;
    struct ent_leaf_dp_event *m = &event->any->dp_event;

    if (s->variant == COVERED && event->frame->type == ENT_LEAF_MODEL_RELEASE) {
        event->any->model_release.dp_covered = true;
    }
    if (event->frame->type != ENT_LEAF_DP_EVENT || event->frame->round != 3) {
        return ENT_E_OK;
    }
    switch (s->variant) {
    case OVER_SPENT:
        m->accounts[1].after_nano = m->limit_nano + 2;
        break;
    case UNDER_BOOKED:
        m->accounts[1].after_nano = m->accounts[1].before_nano;
        break;
    case FORGOTTEN:
        event->drop = true;
        break;
    case LEFT_OUT:
        m->n_accounts--;
        break;
    case BEFORE:
        m->accounts[1].before_nano /= 2;
        break;
    case TWICE:
        m->accounts[1] = m->accounts[0];
        break;
    default:
        break;
    }
    return ENT_E_OK;
}

static void false_books(struct scene *s)
{
    play(s, cook);
}

/* Six rounds of a plan that has four: the budget has room for four. */
static enum ent_err again(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;
    struct ent_leaf_dp_refund leaf;

    if (event->frame->type == ENT_LEAF_ROUND_OPEN && event->frame->round == 3 && !s->done) {
        s->done = true;
        memcpy(leaf.round_open, event->forge->run.open_hash, sizeof leaf.round_open);
        return ent_forge_append(event->forge, ENT_LEAF_DP_REFUND, ENT_FORGE_NOBODY, &leaf);
    }
    return ENT_E_OK;
}

/* Behind a round that closed; behind one whose updates had come; behind one where an update was refused. */
static void refunded(struct scene *s)
{
    play(s, again);
}

static enum ent_err after_abort(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;
    struct ent_leaf_dp_refund leaf;

    if (event->frame->type == ENT_LEAF_ROUND_OPEN && event->frame->round == 2 &&
        event->any->round_open.attempt == 2 && !s->done) {
        s->done = true;
        memcpy(leaf.round_open, event->forge->run.open_hash, sizeof leaf.round_open);
        return ent_forge_append(event->forge, ENT_LEAF_DP_REFUND, ENT_FORGE_NOBODY, &leaf);
    }
    return ENT_E_OK;
}

static void refunded_late(struct scene *s)
{
    s->options.faults = late;
    s->options.n_faults = ENT_ARRAY_LEN(late);
    play(s, after_abort);
}

static void refunded_rejected(struct scene *s)
{
    s->options.faults = rejected;
    s->options.n_faults = ENT_ARRAY_LEN(rejected);
    play(s, NULL);
}

/* ---- what a member states ---- */

enum { ROLLED_BACK, NO_LEDGER, ROWS };

static void other_ledger(struct scene *s, struct ent_header *header)
{
    if (s->variant == ROLLED_BACK) {
        header->update.ledger_seq = 1;
    } else if (s->variant == NO_LEDGER) {
        header->update.ledger_seq = 0;
        header->update.has_ledger = false;
        memset(header->update.ledger_digest, 0, sizeof header->update.ledger_digest);
    } else {
        header->update.rows_log2 = 12;
    }
}

static enum ent_err restate(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;

    if (scene_is(s, event, ENT_LEAF_UPDATE_ACCEPT)) {
        scene_restate(s, &event->any->update_accept.update, other_ledger,
                      event->forge->members[s->member].statement);
    }
    return ENT_E_OK;
}

static void rolled_back(struct scene *s)
{
    s->options.own_ledgers = s->central && s->variant == ROLLED_BACK;
    s->round = 3;
    s->member = 1;
    play(s, restate);
}

/* One member counts more than the sensitivity has room for, in every round; sums and all are what comes of it. */
static enum ent_err weigh(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;
    struct ent_leaf_update_accept *accept = &event->any->update_accept;

    if (event->frame->type == ENT_LEAF_UPDATE_ACCEPT && event->member == 1) {
        s->weight = accept->weight;
        accept->weight = 9;
    } else if (event->frame->type == ENT_LEAF_ROUND_CLOSE) {
        event->any->round_close.sum_w += 9 - s->weight;
    }
    return ENT_E_OK;
}

static void too_heavy(struct scene *s)
{
    s->options.fixed_weights = true;
    play(s, weigh);
}

/* A federation that promises nothing says that its models are covered. */
static void claimed(struct scene *s)
{
    s->variant = COVERED;
    scene_play(s, cook);
    scene_export(s, false);
}

/* What came of statistics is said to be covered; figures are. */
static enum ent_err say_covered(void *ctx, struct ent_forge_leaf_event *event)
{
    const struct scene *s = ctx;

    if (s->variant == 0 && event->frame->type == ENT_LEAF_MODEL_RELEASE) {
        event->any->model_release.dp_covered = true;
    } else if (s->variant == 1 && event->frame->type == ENT_LEAF_EVAL_RESULT) {
        event->any->eval_result.dp_covered = true;
    }
    return ENT_E_OK;
}

static void claimed_uncovered(struct scene *s)
{
    s->options.uncovered = true;
    play(s, say_covered);
}

const struct attack attacks_budget[] = {
    {0, "control: a run with privacy, sampled", honest, 0, "", "", 0, ""},
    {0, "control: a run with privacy, nothing sampled", honest, 1, "", "", 0, ""},
    {0, "control: a person in four members is counted on", honest, 3, "", "", 0, ""},
    {0, "control: a round called off before any update gives back", honest_refund, 0, "", "", 0,
     ""},
    {13, "rounds of a plan whose goal no noise reaches", honest, HOPELESS, "V13", "", 1, ""},
    {13, "less noise than the plan derives", false_parameters, LESS_NOISE, "V13", "", 1, ""},
    {13, "more noise is logged than members add", false_parameters, MORE_NOISE, "V13", "", 1, ""},
    {13, "a smaller sensitivity", false_parameters, SENSITIVITY, "V13", "", 1, ""},
    {13, "a smaller sampling rate", false_parameters, RATE, "V13", "", 1, ""},
    {13, "another number of steps than the members make", false_parameters, STEPS, "V13", "", 1,
     ""},
    {13, "a larger delta", false_parameters, DELTA, "V13", "", 1, ""},
    {13, "a larger limit", false_parameters, LIMIT, "V13", "", 1, ""},
    {13, "another trust model", false_parameters, TRUST, "V13", "", 1, ""},
    {13, "another unit", false_parameters, UNIT, "V13", "", 1, ""},
    {13, "another number of members that know a person", false_parameters, PERSONS, "V13", "", 1,
     ""},
    {13, "a basis for that number that the plan does not have", false_parameters, BASIS, "V13", "",
     1, ""},
    {13, "an account beyond its limit", false_books, OVER_SPENT, "V13", "", 1, ""},
    {13, "a round that costs nothing", false_books, UNDER_BOOKED, "V13", "", 1, ""},
    {13, "a round that is not booked", false_books, FORGOTTEN, "V13", "", 1, ""},
    {13, "an invited member is not charged", false_books, LEFT_OUT, "V13", "", 1, ""},
    {13, "an account forgets what it had spent", false_books, BEFORE, "V13", "", 1, ""},
    {13, "one account stands for another", false_books, TWICE, "V13", "", 1, ""},
    {13, "refund after the release", refunded, 0, "V13", "", 1, ""},
    {13, "refund when updates had arrived", refunded_late, 0, "V13", "", 1, ""},
    {13, "refund when an update had arrived and was refused", refunded_rejected, 0, "V13", "", 1,
     ""},
    {13, "a member's ledger is an older copy", rolled_back, ROLLED_BACK, "V13", "", 1, ""},
    {13, "a member's update is not in its ledger", rolled_back, NO_LEDGER, "V13", "", 1, ""},
    {13, "a member states its rows beside its noise", rolled_back, ROWS, "V10 V13", "", 1, ""},
    {0, "said to be covered, without privacy", claimed, 0, "V13", "", 1, ""},
    {0, "control: a run with noise at the coordinator", honest, ATTACK_CENTRAL + 0, "", "", 0,
     "PASS"},
    {0, "control: fixed weights, the largest stands in the sensitivity", honest, ATTACK_CENTRAL + 2,
     "", "", 0, "PASS"},
    {0, "control: a person in four members is counted on", honest, ATTACK_CENTRAL + 3, "", "", 0,
     "PASS"},
    {0, "control: a round called off before any update gives back", honest_refund,
     ATTACK_CENTRAL + 0, "", "", 0, "PASS"},
    {13, "less noise than the plan derives", false_parameters, ATTACK_CENTRAL + LESS_NOISE, "V13",
     "", 1, "FAIL"},
    {13, "more noise is logged than members add", false_parameters, ATTACK_CENTRAL + MORE_NOISE,
     "V13", "", 1, "FAIL"},
    {13, "a smaller sensitivity", false_parameters, ATTACK_CENTRAL + SENSITIVITY, "V13", "", 1,
     "PASS"},
    {13, "a smaller sampling rate", false_parameters, ATTACK_CENTRAL + RATE, "V13", "", 1, "PASS"},
    {13, "another number of steps than the members make", false_parameters, ATTACK_CENTRAL + STEPS,
     "V13", "", 1, "PASS"},
    {13, "a larger delta", false_parameters, ATTACK_CENTRAL + DELTA, "V13", "", 1, "PASS"},
    {13, "a larger limit", false_parameters, ATTACK_CENTRAL + LIMIT, "V13", "", 1, "PASS"},
    {13, "another trust model", false_parameters, ATTACK_CENTRAL + TRUST, "V13", "", 1, "PASS"},
    {13, "another unit", false_parameters, ATTACK_CENTRAL + UNIT, "V13", "", 1, "PASS"},
    {13, "another number of members that know a person", false_parameters, ATTACK_CENTRAL + PERSONS,
     "V13", "", 1, "PASS"},
    {13, "a basis for that number that the plan does not have", false_parameters,
     ATTACK_CENTRAL + BASIS, "V13", "", 1, "PASS"},
    {13, "an account beyond its limit", false_books, ATTACK_CENTRAL + OVER_SPENT, "V13", "", 1,
     "PASS"},
    {13, "a round that costs nothing", false_books, ATTACK_CENTRAL + UNDER_BOOKED, "V13", "", 1,
     "PASS"},
    {13, "a round that is not booked", false_books, ATTACK_CENTRAL + FORGOTTEN, "V13", "", 1,
     "FAIL"},
    {13, "an invited member is not charged", false_books, ATTACK_CENTRAL + LEFT_OUT, "V13", "", 1,
     "PASS"},
    {13, "an account forgets what it had spent", false_books, ATTACK_CENTRAL + BEFORE, "V13", "", 1,
     "PASS"},
    {13, "one account stands for another", false_books, ATTACK_CENTRAL + TWICE, "V13", "", 1,
     "PASS"},
    {13, "refund after the release", refunded, ATTACK_CENTRAL + 0, "V13", "", 1, "PASS"},
    {13, "refund when updates had arrived", refunded_late, ATTACK_CENTRAL + 0, "V13", "", 1,
     "PASS"},
    {13, "refund when an update had arrived and was refused", refunded_rejected, ATTACK_CENTRAL + 0,
     "V13", "", 1, "PASS"},
    {13, "a member states its rows beside its noise", rolled_back, ATTACK_CENTRAL + ROWS, "V10 V13",
     "", 1, "FAIL"},
    {0, "control: statistics and figures without noise", honest_uncovered, ATTACK_CENTRAL + 0, "",
     "", 0, "PASS"},
    {13, "statistics without noise that the plan does not have", unsaid, ATTACK_CENTRAL + 0, "V13",
     "", 1, "PASS"},
    {13, "a model of statistics is said to be covered", claimed_uncovered, ATTACK_CENTRAL + 0,
     "V13", "", 1, "PASS"},
    {13, "figures are said to be covered", claimed_uncovered, ATTACK_CENTRAL + 1, "V13", "", 1,
     "PASS"},
    {13, "a member counts more than the largest weight", too_heavy, ATTACK_CENTRAL + 0, "V13", "",
     1, "FAIL"},
    {0, "control: members book in ledgers of their own, too", honest, ATTACK_CENTRAL + 4, "", "", 0,
     "PASS"},
    {13, "a member's ledger is an older copy", rolled_back, ATTACK_CENTRAL + ROLLED_BACK, "V13", "",
     1, "PASS"},
};
const size_t n_attacks_budget = ENT_ARRAY_LEN(attacks_budget);

const char *const attacks_budget_say[] = {
    "",
    "",
    "",
    "",
    "no noise reaches",
    "books less noise than",
    "books more noise than",
    "books another sensitivity",
    "books another sampling rate",
    "books another number of steps",
    "books another delta",
    "books another limit",
    "books noise at another place",
    "books another unit",
    "books another number of members",
    "books another basis",
    "beyond its limit",
    "is said to have spent",
    "no dp.event books it",
    "on other accounts",
    "had spent epsilon",
    "on other accounts",
    "gives back what no round",
    "in which updates had arrived",
    "in which updates had arrived",
    "its newest before was",
    "(0: not at all)",
    "states its number of rows",
    "its plan has no privacy",
    "",
    "",
    "",
    "",
    "books less noise than",
    "books more noise than",
    "books another sensitivity",
    "books another sampling rate",
    "books another number of steps",
    "books another delta",
    "books another limit",
    "books noise at another place",
    "books another unit",
    "books another number of members",
    "books another basis",
    "beyond its limit",
    "is said to have spent",
    "no dp.event books it",
    "on other accounts",
    "had spent epsilon",
    "on other accounts",
    "gives back what no round",
    "in which updates had arrived",
    "in which updates had arrived",
    "states its number of rows",
    "",
    "which no noise covers",
    "statistics without noise went",
    "no figures are noised",
    "has room for 3",
    "",
    "its newest before was",
};
_Static_assert(ENT_ARRAY_LEN(attacks_budget) == ENT_ARRAY_LEN(attacks_budget_say), "one for each");
