/* V13: what each round of training books on the accounts of those it invites, computed again from the log and the plan
 * alone; that nothing is given back once an input was there; that no account goes beyond its limit. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "audit/budget_inside.h"
#include "common/base/mem.h"
#include "common/task/task.h"

/* Sampled figures come from a grid whose steps another machine may choose otherwise (privacy.md 5.1). */
#define SAMPLED_SHARE 0.997
#define SAMPLED_SLACK 2e-4
#define UNKNOWN UINT64_MAX

enum ent_err ent_audit_budget_init(struct ent_audit *a)
{
    ENT_TRY(ent_calloc(1, sizeof *a->budget, &a->budget));
    ENT_TRY(ent_calloc(ENT_AUDIT_MEMBERS_MAX, sizeof *a->budget->ledgers, &a->budget->ledgers));
    return ent_calloc(ENT_AUDIT_MEMBERS_MAX, sizeof *a->budget->accounts, &a->budget->accounts);
}

void ent_audit_budget_free(struct ent_audit *a)
{
    if (a->budget != NULL) {
        free(a->budget->accounts);
        free(a->budget->ledgers);
        free(a->budget->figures);
        free(a->budget);
        a->budget = NULL;
    }
}

/* ---- the run and its plan ---- */

static enum ent_err begin_run(struct ent_audit *a)
{
    struct ent_audit_budget *b = a->budget;

    b->config = a->run.seq + 1;
    b->place = 0;
    b->has_first = false;
    b->n_figures = 0;
    memset(b->accounts, 0, ENT_AUDIT_MEMBERS_MAX * sizeof *b->accounts);
    return ent_audit_budget_plan(a);
}

/* What no noise covers happens only where the plan says so. */
static enum ent_err check_task(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_audit_budget *b = a->budget;
    uint32_t task = leaf->any.round_open.task;

    if (b->promise != PROMISE_PRIVACY || task == ENT_TASK_TRAIN ||
        (task == ENT_TASK_STATS ? b->privacy.stats_uncovered : b->privacy.evaluate_uncovered)) {
        return ENT_E_OK;
    }
    return ent_audit_fail(a, 13, leaf->index,
                          "leaf %" PRIu64 ": round %" PRIu64 " asks for %s, which no noise covers "
                          "and its plan does not list as uncovered",
                          leaf->index, leaf->frame.round,
                          task == ENT_TASK_STATS ? "statistics" : "figures");
}

enum ent_err ent_audit_budget_open(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    struct ent_audit_budget *b = a->budget;

    if (a->has_run && b->config != a->run.seq + 1) {
        ENT_TRY(begin_run(a));
    }
    if (b->hopeless) {
        ENT_TRY(ent_audit_fail(a, 13, leaf->index,
                               "leaf %" PRIu64 ": round %" PRIu64
                               " opens; its plan has a privacy goal that no noise reaches, so no "
                               "round of it may",
                               leaf->index, leaf->frame.round));
    }
    ENT_TRY(check_task(a, leaf));
    b->booked = false;
    b->input = false;
    b->owed = leaf->any.round_open.task == ENT_TASK_TRAIN && b->promise == PROMISE_PRIVACY;
    return ENT_E_OK;
}

/* Every leaf: what a round owes comes right behind its opening. */
enum ent_err ent_audit_budget_leaf(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    struct ent_audit_budget *b = a->budget;
    unsigned type = leaf->frame.type;

    b->input = b->input || type == ENT_LEAF_UPDATE_ACCEPT ||
               (type == ENT_LEAF_UPDATE_REJECT && leaf->any.update_reject.has_digest);
    if (!b->owed || type == ENT_LEAF_DP_EVENT) {
        return ENT_E_OK;
    }
    b->owed = false;
    return ent_audit_fail(a, 13, a->round.open_seq,
                          "leaf %" PRIu64 " opens round %" PRIu64 " of a plan with privacy, and no "
                          "dp.event books it",
                          a->round.open_seq, a->round.round);
}

/* ---- dp.event: what it costs ---- */

static enum ent_err recompute(struct ent_audit_budget *b, const struct ent_leaf_dp_event *m,
                              uint32_t rounds, double *eps)
{
    struct ent_dp_event event = {.mechanism = ENT_DP_DISCRETE_GAUSSIAN,
                                 .rate = m->rate,
                                 .sigma2 = m->sigma2,
                                 .sensitivity = m->sensitivity,
                                 .dimension = m->dimension,
                                 .steps = m->steps * rounds,
                                 .n_members = 1};
    struct ent_dp_spent spent;

    ENT_TRY(ent_account_spent(&event, 1, (double)m->delta_e18 / E18, &spent));
    b->sampled = m->rate != ENT_DP_RATE_ALL;
    *eps = spent.eps;
    return ENT_E_OK;
}

/* Once for each number of rounds: all events of a run are the same, or were found to differ. */
static enum ent_err figure(struct ent_audit_budget *b, const struct ent_leaf_dp_event *m,
                           uint32_t rounds, uint64_t *nano)
{
    double eps = 0.0;

    ENT_TRY(ent_grow(&b->figures, &b->cap_figures, (size_t)rounds + 1, sizeof *b->figures));
    while (b->n_figures <= rounds) {
        b->figures[b->n_figures++] = UNKNOWN;
    }
    if (b->figures[rounds] == UNKNOWN) {
        ENT_TRY(recompute(b, m, rounds, &eps));
        b->figures[rounds] = eps * NANO < 1e18 ? (uint64_t)ceil(eps * NANO) : UNKNOWN - 1;
    }
    *nano = b->figures[rounds];
    return ENT_E_OK;
}

/* Exact where nothing is sampled: a unit in the last place for the rounding up. */
static bool is_enough(const struct ent_audit_budget *b, const struct ent_leaf_dp_event *m,
                      uint64_t logged, uint64_t due)
{
    uint64_t at_limit = due > m->limit_nano && due - m->limit_nano <= 1 ? m->limit_nano : due;

    if (!b->sampled) {
        return logged + 1 >= at_limit && logged <= at_limit + 1;
    }
    return (double)logged >= (double)due * SAMPLED_SHARE - SAMPLED_SLACK * NANO;
}

static enum ent_err check_figures(struct ent_audit *a, const struct ent_audit_leaf *leaf,
                                  const struct ent_leaf_dp_account *logged, uint32_t member)
{
    struct ent_audit_budget *b = a->budget;
    const struct ent_leaf_dp_event *m = &leaf->any.dp_event;
    struct account *account = &b->accounts[member];
    char name[ENT_AUDIT_SHORT_BYTES];
    uint64_t due = 0;
    enum ent_err err;

    ent_audit_short(logged->member, 16, name);
    if (logged->before_nano != account->spent_nano) {
        ENT_TRY(ent_audit_fail(a, 13, leaf->index,
                               "leaf %" PRIu64 ": account %s had spent epsilon %.9f, not %.9f",
                               leaf->index, name, (double)account->spent_nano / NANO,
                               (double)logged->before_nano / NANO));
    }
    if (logged->after_nano > m->limit_nano) {
        ENT_TRY(ent_audit_fail(
            a, 13, leaf->index,
            "leaf %" PRIu64 ": account %s goes to epsilon %.9f, beyond its limit "
            "of %.9f",
            leaf->index, name, (double)logged->after_nano / NANO, (double)m->limit_nano / NANO));
    }
    err = figure(b, m, account->booked + 1, &due);
    if (err == ENT_E_NO_MEMORY) {
        return err;
    }
    if (err != ENT_E_OK || !is_enough(b, m, logged->after_nano, due)) {
        ENT_TRY(ent_audit_fail(a, 13, leaf->index,
                               "leaf %" PRIu64 ": account %s is said to have spent epsilon %.9f; "
                               "its %" PRIu32 " rounds cost %.9f",
                               leaf->index, name, (double)logged->after_nano / NANO,
                               account->booked + 1, (double)due / NANO));
    }
    account->before_nano = account->spent_nano;
    account->spent_nano = logged->after_nano;
    account->booked++;
    account->newest_seq = leaf->index;
    return ENT_E_OK;
}

/* Everybody that was invited, nobody else, in the same order. */
static enum ent_err check_accounts(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_leaf_dp_event *m = &leaf->any.dp_event;
    bool same = m->n_accounts == a->n_invited;

    for (size_t i = 0; same && i < m->n_accounts; i++) {
        same = a->invited[i].member == ent_audit_member_find(a, m->accounts[i].member);
    }
    if (!same) {
        ENT_TRY(ent_audit_fail(a, 13, leaf->index,
                               "leaf %" PRIu64 " books on other accounts than those of the members "
                               "that round %" PRIu64 " invites",
                               leaf->index, leaf->frame.round));
    }
    for (size_t i = 0; i < m->n_accounts; i++) {
        uint32_t member = ent_audit_member_find(a, m->accounts[i].member);

        if (member != ENT_AUDIT_NOBODY && a->budget->accounts[member].newest_seq == leaf->index) {
            return ent_audit_fail(a, 13, leaf->index, "leaf %" PRIu64 " books twice on one account",
                                  leaf->index);
        }
        if (member != ENT_AUDIT_NOBODY) {
            ENT_TRY(check_figures(a, leaf, &m->accounts[i], member));
        }
    }
    return ENT_E_OK;
}

/* ---- for the report ---- */

static enum ent_err keep_run(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    struct ent_audit_budget *b = a->budget;
    struct ent_audit_spending *fact = NULL;

    if (b->has_first) {
        return ENT_E_OK;
    }
    b->has_first = true;
    memset(&b->first, 0, sizeof b->first);
    b->first = leaf->any.dp_event;
    b->first.accounts = NULL;
    b->first.n_accounts = 0;
    ENT_TRY(ENT_AUDIT_MORE(a->facts, spendings, ENT_AUDIT_RUNS_MAX, &fact));
    if (fact != NULL) {
        b->place = a->facts->n_spendings;
        fact->seq = leaf->index;
        fact->run = leaf->frame.run;
        fact->event = b->first;
    }
    return ENT_E_OK;
}

static enum ent_err person(const struct ent_leaf_dp_event *m, uint32_t rounds, uint32_t n,
                           double *eps)
{
    const struct ent_dp_event unit = {.mechanism = ENT_DP_DISCRETE_GAUSSIAN,
                                      .rate = m->rate,
                                      .sigma2 = m->sigma2,
                                      .sensitivity = m->sensitivity,
                                      .dimension = m->dimension,
                                      .steps = m->steps * rounds,
                                      .n_members = 1};
    struct ent_dp_event event;
    struct ent_dp_spent spent;

    ENT_TRY(ent_dp_event_of_person(
        &unit, m->unit == ENT_PRIVACY_CUSTOMER ? ENT_DP_LOCAL : ENT_DP_MEMBER_LEVEL, n, &event));
    ENT_TRY(ent_account_spent(&event, 1, (double)m->delta_e18 / E18, &spent));
    *eps = spent.eps;
    return ENT_E_OK;
}

/* How the run stands: after each change, so that a log that ends anywhere is told rightly. */
static enum ent_err note_accounts(struct ent_audit *a)
{
    struct ent_audit_budget *b = a->budget;
    struct ent_audit_spending *fact;

    if (b->place == 0) {
        return ENT_E_OK;
    }
    fact = &a->facts->spendings[b->place - 1];
    fact->n_accounts = 0;
    fact->spent_nano = 0;
    fact->rounds = 0;
    for (size_t i = 0; i < a->facts->n_members; i++) {
        const struct account *account = &b->accounts[i];

        fact->n_accounts += account->booked > 0;
        if (account->booked > fact->rounds) {
            fact->rounds = account->booked;
            fact->spent_nano = account->spent_nano;
            memcpy(fact->fullest, a->facts->members[i].handle, sizeof fact->fullest);
        }
    }
    return ENT_E_OK;
}

enum ent_err ent_audit_dp_event(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    struct ent_audit_budget *b = a->budget;
    const struct ent_leaf_dp_event *m = &leaf->any.dp_event;
    bool in_place = a->open && leaf->index == a->round.open_seq + 1 &&
                    leaf->frame.run == a->round.run && leaf->frame.round == a->round.round &&
                    a->round.task == ENT_TASK_TRAIN &&
                    memcmp(m->round_open, a->round.open_hash, 32) == 0;

    b->owed = false;
    if (!in_place) {
        return ent_audit_fail(a, 13, leaf->index,
                              "leaf %" PRIu64 " books for a round of training that the leaf before "
                              "it does not open",
                              leaf->index);
    }
    ENT_TRY(ent_audit_budget_event(a, leaf));
    ENT_TRY(keep_run(a, leaf));
    ENT_TRY(check_accounts(a, leaf));
    b->booked = true;
    b->event_seq = leaf->index;
    b->n_rounds++;
    return note_accounts(a);
}

/* ---- dp.refund ---- */

enum ent_err ent_audit_dp_refund(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    struct ent_audit_budget *b = a->budget;
    bool in_place = !a->open && a->last_aborted && b->booked &&
                    memcmp(leaf->any.dp_refund.round_open, a->round.open_hash, 32) == 0;

    if (!in_place) {
        return ent_audit_fail(a, 13, leaf->index,
                              "leaf %" PRIu64 " gives back what no round that was called off just "
                              "before had booked",
                              leaf->index);
    }
    b->booked = false;
    if (b->input) {
        ENT_TRY(ent_audit_fail(a, 13, leaf->index,
                               "leaf %" PRIu64 " gives back the cost of round %" PRIu64
                               ", attempt %" PRIu32 ", in which updates had arrived",
                               leaf->index, a->round.round, a->round.attempt));
        return ENT_E_OK;
    }
    for (size_t i = 0; i < a->facts->n_members; i++) {
        struct account *account = &b->accounts[i];

        if (account->newest_seq == b->event_seq && account->booked > 0) {
            account->spent_nano = account->before_nano;
            account->booked--;
            account->newest_seq = 0;
        }
    }
    if (b->place > 0) {
        a->facts->spendings[b->place - 1].refunds++;
    }
    return note_accounts(a);
}

/* ---- what members state ---- */

enum ent_err ent_audit_budget_update(struct ent_audit *a, const struct ent_audit_leaf *leaf,
                                     uint32_t member, const struct ent_update_statement *s)
{
    struct ent_audit_budget *b = a->budget;
    uint64_t newest = b->ledgers[member];
    bool owes = b->privacy.unit == ENT_PRIVACY_CUSTOMER; /* its own noise, so its own ledger */
    char name[ENT_AUDIT_SHORT_BYTES];

    if (b->promise != PROMISE_PRIVACY || a->round.task != ENT_TASK_TRAIN) {
        return ENT_E_OK;
    }
    ent_audit_short(a->facts->members[member].handle, 16, name);
    if (s->rows_log2 != 0) {
        ENT_TRY(ent_audit_fail(a, 13, leaf->index,
                               "leaf %" PRIu64
                               ": the update of %s states its number of rows, which "
                               "no noise covers",
                               leaf->index, name));
    }
    if (b->privacy.unit == ENT_PRIVACY_MEMBER && leaf->any.update_accept.weight > b->weight_max) {
        ENT_TRY(ent_audit_fail(a, 13, leaf->index,
                               "leaf %" PRIu64 ": the update of %s counts %" PRIu32
                               "; the sensitivity that is booked has room for %" PRIu32,
                               leaf->index, name, leaf->any.update_accept.weight, b->weight_max));
    }
    if (s->has_ledger ? s->ledger_seq > newest : !owes) {
        b->ledgers[member] = s->has_ledger ? s->ledger_seq : newest;
        return ENT_E_OK;
    }
    return ent_audit_fail(a, 13, leaf->index,
                          "leaf %" PRIu64
                          ": %s booked this update in its own ledger as entry %" PRIu64
                          " (0: not at all); its newest before was %" PRIu64,
                          leaf->index, name, s->has_ledger ? s->ledger_seq : 0, newest);
}

/* ---- what is said to be covered ---- */

/* NULL: it may be said to be covered. */
static const char *not_covered(const struct ent_audit *a, bool figures)
{
    if (figures) {
        return "no figures are noised in this version";
    } else if (a->budget->promise == PROMISE_NONE) {
        return "its plan has no privacy";
    } else if (a->budget->promise == PROMISE_PRIVACY && !a->run.leaf.no_stats) {
        return "statistics without noise went into it";
    }
    return NULL;
}

enum ent_err ent_audit_budget_claim(struct ent_audit *a, const struct ent_audit_leaf *leaf,
                                    bool covered, bool figures)
{
    const char *why = not_covered(a, figures);

    if (!covered || why == NULL) {
        return ENT_E_OK;
    }
    return ent_audit_fail(a, 13, leaf->index, "leaf %" PRIu64 " says that noise covers %s; %s",
                          leaf->index, figures ? "its figures" : "its model", why);
}

/* ---- the end ---- */

static enum ent_err persons_of(struct ent_audit_spending *s)
{
    for (uint32_t i = 0; i <= ENT_AUDIT_PERSONS && s->rounds > 0; i++) {
        uint32_t j = i < ENT_AUDIT_PERSONS ? i + 1 : s->event.members_per_person;
        enum ent_err err = person(&s->event, s->rounds, j, &s->person[i]);

        if (err == ENT_E_NO_MEMORY) {
            return err;
        }
        if (err != ENT_E_OK) {
            s->person[i] = (double)INFINITY;
        }
    }
    return ENT_E_OK;
}

enum ent_err ent_audit_budget_end(struct ent_audit *a)
{
    const struct ent_audit_budget *b = a->budget;
    const struct ent_audit_spending *s;
    char name[ENT_AUDIT_SHORT_BYTES];

    for (size_t i = 0; i < a->facts->n_spendings; i++) {
        ENT_TRY(persons_of(&a->facts->spendings[i]));
    }
    if (b->n_rounds == 0 || a->facts->n_spendings == 0) {
        ent_audit_say(a, 13, ENT_AUDIT_SKIP, "no round with differential privacy");
        return ENT_E_OK;
    }
    s = &a->facts->spendings[a->facts->n_spendings - 1];
    ent_audit_short(s->fullest, 16, name);
    ent_audit_say(a, 13, ENT_AUDIT_OK,
                  "%" PRIu64 " rounds booked in %zu runs, no account beyond its limit; run %" PRIu32
                  ": account %s (and %" PRIu32
                  " more) epsilon %.4f of %.4f at delta %.3g, rounded up",
                  b->n_rounds, a->facts->n_spendings, s->run, name,
                  s->n_accounts > 0 ? s->n_accounts - 1 : 0, (double)s->spent_nano / NANO,
                  (double)s->event.limit_nano / NANO, (double)s->event.delta_e18 / E18);
    return ENT_E_OK;
}
