#include "coordinator/engine/budget.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/hooks.h"
#include "common/base/mem.h"
#include "coordinator/engine/state.h"
#include "coordinator/store/dp.h"

#define NANO 1e9
#define E18 1e18
#define UNKNOWN (UINT64_MAX - 1) /* not asked yet */
#define BEYOND UINT64_MAX        /* more than the limit */

/* ---- what so many rounds cost ---- */

/* A figure that is within the limit stays so when it is rounded up. */
static uint64_t nano_of(const struct ent_budget *b, double eps)
{
    double nano = ceil(eps * NANO);

    return nano < (double)b->limit_nano ? (uint64_t)nano : b->limit_nano;
}

static enum ent_err spent_of(const struct ent_budget *b, uint32_t rounds, struct ent_dp_spent *out)
{
    struct ent_dp_event all = b->round;

    if (rounds == 0) {
        *out = (struct ent_dp_spent){.accountant = ENT_DP_BY_NOTHING};
        return ENT_E_OK;
    }
    all.steps *= rounds;
    return ent_account_spent(&all, 1, b->limit.delta, out);
}

static enum ent_err ask(struct ent_budget *b, uint32_t rounds, uint64_t *nano)
{
    struct ent_dp_spent spent;

    ENT_TRY(spent_of(b, rounds, &spent));
    *nano = spent.eps <= b->limit.eps ? nano_of(b, spent.eps) : BEYOND;
    b->accountant = rounds > 0 ? spent.accountant : b->accountant;
    return ENT_E_OK;
}

/* Asked of the accountant once for each number of rounds. */
static enum ent_err cost(struct ent_budget *b, uint32_t rounds, uint64_t *nano)
{
    ENT_TRY(ent_grow(&b->spent, &b->cap_spent, (size_t)rounds + 1, sizeof *b->spent));
    while (b->n_spent <= rounds) {
        b->spent[b->n_spent++] = UNKNOWN;
    }
    if (b->spent[rounds] == UNKNOWN) {
        ENT_TRY(ask(b, rounds, &b->spent[rounds]));
    }
    *nano = b->spent[rounds];
    return ENT_E_OK;
}

/* Of all that may be invited, here or not: so what is announced does not depend on who is connected. */
static uint32_t most_booked(const struct ent_engine *e)
{
    uint32_t most = 0;

    for (size_t i = 0; i < e->n_members; i++) {
        if (e->round.members[i].enrolled && e->members[i].dp_booked > most) {
            most = e->members[i].dp_booked;
        }
    }
    return most;
}

/* ---- the run ---- */

void ent_budget_release(struct ent_engine *e)
{
    free(e->budget.spent);
    e->budget = (struct ent_budget){0};
}

static enum ent_err load_accounts(struct ent_engine *e)
{
    struct ent_store_dp_account *accounts = NULL;
    size_t n = 0;

    ENT_TRY(ent_store_dp_accounts(e->store, e->run.config.run, &accounts, &n));
    for (size_t i = 0; i < n; i++) {
        uint32_t member = ent_members_find(e, accounts[i].handle);

        if (member != ENT_NO_MEMBER) {
            e->members[member].dp_booked = accounts[i].booked;
        }
    }
    free(accounts);
    return ENT_E_OK;
}

/* What the run's first round booked holds for all of them; before it, what the plan derives. */
static enum ent_err load_round(struct ent_engine *e)
{
    struct ent_budget *b = &e->budget;
    struct ent_store_dp_event booked;
    struct ent_plan_noise noise;
    enum ent_err err = ent_store_dp_newest(e->store, e->run.config.run, &booked);

    if (err == ENT_E_NOT_FOUND) {
        ENT_TRY(ent_plan_privacy_derive(e->plan, &noise));
        b->round = noise.round;
        return ENT_E_OK;
    }
    ENT_TRY(err);
    b->round = booked.event;
    return load_accounts(e);
}

enum ent_err ent_budget_load(struct ent_engine *e)
{
    const struct ent_plan_privacy *p = &e->plan->privacy;
    struct ent_budget *b = &e->budget;
    uint64_t nano = 0;

    ent_budget_release(e);
    for (size_t i = 0; i < e->n_members; i++) {
        e->members[i].dp_booked = 0;
    }
    if (p->unit == ENT_PRIVACY_NONE) {
        return ENT_E_OK;
    }
    b->unit = p->unit;
    b->limit = (struct ent_dp_limit){.eps = p->epsilon, .delta = p->delta};
    b->limit_nano = (uint64_t)llround(p->epsilon * NANO);
    b->delta_e18 = p->delta * E18 < 1.0 ? 1 : (uint64_t)llround(p->delta * E18);
    ENT_TRY(load_round(e));
    b->on = true;
    return cost(b, most_booked(e), &nano);
}

/* ---- before a round opens ---- */

static bool aborts_now(const struct ent_engine *e)
{
    for (size_t i = 0; i < e->actions.n; i++) {
        if (e->actions.list[i].kind == ENT_ACT_ROW &&
            e->actions.list[i].row.kind == ENT_ROW_ABORT) {
            return true;
        }
    }
    return false;
}

enum ent_err ent_budget_ends_run(struct ent_engine *e, bool *yes)
{
    uint64_t nano = 0;

    *yes = false;
    /* An abort that is not committed yet may still be given back; its next attempt opens later. */
    if (!e->budget.on || !ent_round_trains_next(&e->round) || aborts_now(e)) {
        return ENT_E_OK;
    }
    ENT_TRY(cost(&e->budget, most_booked(e) + 1, &nano));
    *yes = nano == BEYOND;
    return ENT_E_OK;
}

void ent_budget_say_end(struct ent_engine *e)
{
    const struct ent_budget *b = &e->budget;
    uint32_t booked = most_booked(e);
    struct ent_dp_spent now;
    struct ent_dp_spent more;

    if (spent_of(b, booked, &now) != ENT_E_OK || spent_of(b, booked + 1, &more) != ENT_E_OK) {
        return;
    }
    ent_engine_say(e, ENT_SAY_TROUBLE,
                   "the privacy budget allows no further round: epsilon %.4g of %g at delta %g is "
                   "spent by %u rounds (attempts that failed count), one more would make it %.4g; "
                   "the run ends after %u of %u training rounds",
                   now.eps, b->limit.eps, b->limit.delta, (unsigned)booked, more.eps,
                   (unsigned)e->round.train_done, (unsigned)e->run.config.train_rounds);
}

/* ---- in the transaction ---- */

static enum ent_err charge(struct ent_engine *e, const uint8_t *handle,
                           struct ent_leaf_dp_account *out)
{
    struct ent_budget *b = &e->budget;
    uint32_t member = ent_members_find(e, handle);

    ENT_BUG_ON(member == ENT_NO_MEMBER);
    memcpy(out->member, handle, sizeof out->member);
    ENT_TRY(cost(b, e->members[member].dp_booked, &out->before_nano));
    ENT_TRY(cost(b, e->members[member].dp_booked + 1, &out->after_nano));
    ENT_REQUIRE(out->after_nano != BEYOND, ENT_E_BUDGET,
                "the account of %s holds epsilon %g and has room for no further round",
                e->members[member].name, b->limit.eps);
    e->members[member].dp_booked++; /* a commit that fails ends the engine */
    return ENT_E_OK;
}

enum ent_err ent_budget_reserve(struct ent_engine *e, const struct ent_row *row,
                                const struct ent_msg_round_open *open, const uint8_t round_open[32])
{
    struct ent_budget *b = &e->budget;
    struct ent_leaf_frame frame = {.type = ENT_LEAF_DP_EVENT, .round = row->round, .run = row->run};
    struct ent_leaf_dp_event m = {.unit = b->unit,
                                  .mechanism = b->round.mechanism,
                                  .rate = b->round.rate,
                                  .sigma2 = b->round.sigma2,
                                  .sensitivity = b->round.sensitivity,
                                  .dimension = b->round.dimension,
                                  .steps = b->round.steps,
                                  .delta_e18 = b->delta_e18,
                                  .limit_nano = b->limit_nano,
                                  .trust = b->unit == ENT_PRIVACY_MEMBER ? ENT_LOG_TRUST_CENTRAL
                                                                         : ENT_LOG_TRUST_LOCAL,
                                  .members_per_person = e->plan->privacy.members_per_person,
                                  .basis = e->plan->privacy.persons_basis,
                                  .n_accounts = open->n_invited};
    enum ent_err err = ENT_E_OK;

    if (!b->on || row->task != ENT_ROUND_TRAIN) {
        return ENT_E_OK;
    }
    memcpy(m.round_open, round_open, sizeof m.round_open);
    ENT_TRY(ent_calloc(open->n_invited, sizeof *m.accounts, &m.accounts));
    for (size_t i = 0; i < open->n_invited && err == ENT_E_OK; i++) {
        err = charge(e, open->invited[i], &m.accounts[i]);
    }
    m.accountant = b->accountant;
    if (err == ENT_E_OK) {
        err = ent_store_log_append(e->store, &frame, &m, e->wall_ms, NULL, NULL);
    }
    free(m.accounts);
    ENT_HOOK_POINT("engine.budget-reserved");
    return err;
}

/* Half an update is one; what had arrived before a restart is not remembered. */
static bool input_may_be_here(const struct ent_engine *e, const struct ent_row *row)
{
    bool restored = e->restored_run == row->run && e->restored_round == row->round &&
                    e->restored_attempt == row->attempt;

    for (uint32_t i = 0; i < e->round.n_members; i++) {
        const struct ent_round_member *m = &e->round.members[i];

        if (m->offered || m->standing == ENT_STANDING_ACCEPTED) {
            return true;
        }
    }
    return restored && e->begun;
}

enum ent_err ent_budget_aborted(struct ent_engine *e, const struct ent_row *row,
                                const struct ent_leaf_round_abort *abort)
{
    struct ent_leaf_frame frame = {
        .type = ENT_LEAF_DP_REFUND, .round = row->round, .run = row->run};
    struct ent_leaf_dp_refund m;

    if (!e->budget.on || row->task != ENT_ROUND_TRAIN || abort->inputs_arrived ||
        input_may_be_here(e, row)) {
        return ENT_E_OK;
    }
    memcpy(m.round_open, abort->round_open, sizeof m.round_open);
    for (uint32_t i = 0; i < e->round.n_members; i++) {
        if (e->round.members[i].standing != ENT_STANDING_NONE) {
            ENT_BUG_ON(e->members[i].dp_booked == 0);
            e->members[i].dp_booked--;
        }
    }
    ENT_TRY(ent_store_log_append(e->store, &frame, &m, e->wall_ms, NULL, NULL));
    ENT_HOOK_POINT("engine.budget-refunded");
    return ENT_E_OK;
}

/* ---- what is shown ---- */

static uint32_t rounds_not_opened(const struct ent_engine *e)
{
    const struct ent_round *r = &e->round;
    bool open =
        r->round > 0 && r->task == ENT_ROUND_TRAIN &&
        (r->phase == ENT_PHASE_JOIN || r->phase == ENT_PHASE_UPDATE || r->phase == ENT_PHASE_CLOSE);
    uint32_t left = e->run.config.train_rounds - r->train_done;

    if (r->phase == ENT_PHASE_IDLE && r->round > 0) {
        return 0;
    }
    return open && left > 0 ? left - 1 : left;
}

enum ent_err ent_budget_left(struct ent_engine *e, uint32_t booked, uint32_t *left)
{
    struct ent_budget *b = &e->budget;
    struct ent_dp_round round = {.events = &b->round, .n = 1};
    struct ent_dp_event all = b->round;
    uint32_t most = rounds_not_opened(e);
    uint64_t fit = 0;

    if (!b->has_left || b->left_booked != booked || b->left_most != most) {
        all.steps *= booked;
        ENT_TRY(ent_account_rounds_left(&all, booked > 0 ? 1 : 0, &round, &b->limit, most, &fit));
        b->left = (uint32_t)fit;
        b->left_booked = booked;
        b->left_most = most;
        b->has_left = true;
    }
    *left = b->left;
    return ENT_E_OK;
}

/* Whatever is booked was asked for. */
void ent_budget_text(const struct ent_engine *e, char *out, size_t cap)
{
    const struct ent_budget *b = &e->budget;
    uint32_t booked = most_booked(e);

    out[0] = '\0';
    if (b->on && booked < b->n_spent && b->spent[booked] < UNKNOWN) {
        (void)snprintf(out, cap, "epsilon %.3g of %g", (double)b->spent[booked] / NANO,
                       b->limit.eps);
    }
}

static enum ent_err put_account(struct ent_engine *e, struct ent_json_writer *w,
                                const struct ent_store_dp_account *a, bool goes_on)
{
    uint32_t member = ent_members_find(e, a->handle);
    uint32_t left = 0;
    char hex[2 * ENT_STORE_ID_BYTES + 1];

    ent_hex(a->handle, sizeof a->handle, hex);
    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_json_put_key_string(w, "member", member < e->n_members ? e->members[member].name : hex);
    ent_json_put_key_double(w, "epsilon", (double)a->spent_nano / NANO);
    ent_json_put_key_double(w, "limit", (double)a->limit_nano / NANO);
    ent_json_put_key_uint(w, "rounds_booked", a->booked);
    if (goes_on) {
        ENT_TRY(ent_budget_left(e, a->booked, &left));
        ent_json_put_key_uint(w, "rounds_left", left);
    }
    ent_json_put_close(w);
    return ENT_E_OK;
}

static enum ent_err put_accounts(struct ent_engine *e, struct ent_json_writer *w, uint32_t run,
                                 bool goes_on)
{
    struct ent_store_dp_account *accounts = NULL;
    size_t n = 0;
    enum ent_err err = ENT_E_OK;

    ENT_TRY(ent_store_dp_accounts(e->store, run, &accounts, &n));
    ent_json_put_key(w, "accounts");
    ent_json_put_array(w);
    for (size_t i = 0; i < n && err == ENT_E_OK; i++) {
        err = put_account(e, w, &accounts[i], goes_on);
    }
    ent_json_put_close(w);
    free(accounts);
    return err;
}

static void put_releases(struct ent_json_writer *w, const struct ent_plan *plan)
{
    struct ent_plan_release list[ENT_PLAN_RELEASES_MAX];
    uint32_t n = ent_plan_releases(plan, list);

    ent_json_put_key(w, "not_covered");
    ent_json_put_array(w);
    for (uint32_t i = 0; i < n; i++) {
        if (!list[i].covered) {
            ent_json_put_string(w, list[i].what);
        }
    }
    ent_json_put_close(w);
}

/* Where it is added; at the coordinator: how many can prove it. */
static enum ent_err put_noise(struct ent_engine *e, struct ent_json_writer *w,
                              const struct ent_plan *plan, bool goes_on)
{
    bool here = plan->privacy.unit == ENT_PRIVACY_MEMBER;
    size_t auditors = 0;

    ent_json_put_key_string(w, "noise_at", ent_plan_noise_at_name(plan->privacy.unit));
    if (here && goes_on) {
        ENT_TRY(ent_central_auditors(e, &auditors));
        ent_json_put_key_uint(w, "seed_sealed_to", auditors);
    }
    return ENT_E_OK;
}

enum ent_err ent_budget_put(struct ent_engine *e, struct ent_json_writer *w,
                            const struct ent_plan *plan, uint32_t run)
{
    const struct ent_plan_privacy *p = &plan->privacy;
    bool goes_on = e->budget.on && run == e->run.config.run;
    uint32_t left = 0;

    if (p->unit == ENT_PRIVACY_NONE) {
        return ENT_E_OK;
    }
    ent_json_put_key(w, "privacy");
    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_json_put_key_string(w, "unit", ent_plan_unit_name(p->unit));
    ent_json_put_key_double(w, "epsilon", p->epsilon);
    ent_json_put_key_double(w, "delta", p->delta);
    if (goes_on) {
        ENT_TRY(ent_budget_left(e, most_booked(e), &left));
        ent_json_put_key_uint(w, "rounds_left", left);
    }
    ENT_TRY(put_accounts(e, w, run, goes_on));
    put_releases(w, plan);
    ENT_TRY(put_noise(e, w, plan, goes_on));
    ent_json_put_close(w);
    return ENT_E_OK;
}
