/* What a round of training costs this member's customers: asked before JOIN, booked before any noise is drawn. */
#include <stdlib.h>
#include <string.h>

#include "client/agent/agent_internal.h"
#include "client/policy/purse.h"
#include "client/state/ledger.h"
#include "common/base/hooks.h"

/* Noise covers it: of this member (unit customer), or of the coordinator (unit member), which costs this member's
 * customers more than it costs the member. */
static bool takes_noise(const struct ent_agent *agent)
{
    return agent->open->msg.task == ENT_TASK_TRAIN &&
           ent_pipeline_plan(agent->pipeline)->privacy.unit != ENT_PRIVACY_NONE;
}

static enum ent_err charge_of(struct ent_agent *agent, struct ent_ledger_charge *out)
{
    const struct ent_plan *plan = ent_pipeline_plan(agent->pipeline);
    const struct ent_plan_noise *noise = NULL;
    struct ent_dp_event event = {0};

    if (ent_pipeline_noise(agent->pipeline, &noise) != ENT_E_OK ||
        ent_purse_event(&plan->privacy, &noise->round, &event) != ENT_E_OK) {
        agent->refusal = ENT_REFUSAL_SPECIFICATION;
        return ent_err_note(ENT_E_POLICY, "%s", ent_err_message());
    }
    *out = (struct ent_ledger_charge){.scope = agent->config->scope,
                                      .at = ent_agent_attempt(agent),
                                      .plan = plan->digest,
                                      .event = event};
    return ENT_E_OK;
}

/* ---- an older copy of state.db ---- */

/* What a round of the gap's run costs: of the present plan, or of one that is kept here. */
static enum ent_err event_of_gap(struct ent_agent *agent, const struct ent_ledger_gap *gap,
                                 struct ent_ledger_charge *charge)
{
    struct ent_plan_noise noise;
    struct ent_plan *plan = NULL;
    char *path = NULL;
    enum ent_err err;

    charge->at = (struct ent_attempt){.run = gap->run};
    if (gap->run == 0 || memcmp(gap->plan, charge->plan, sizeof gap->plan) == 0) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_agent_plan_path(agent, gap->plan, &path));
    err = ent_plan_read(path, &plan);
    free(path);
    if (err == ENT_E_OK && memcmp(plan->digest, gap->plan, sizeof gap->plan) == 0) {
        err = ent_plan_privacy_derive(plan, &noise);
        charge->plan = gap->plan;
        if (err == ENT_E_OK) {
            err = ent_purse_event(&plan->privacy, &noise.round, &charge->event);
        }
    }
    ent_plan_free(plan);
    return err == ENT_E_NOT_FOUND ? ENT_E_OK : err; /* then the ledger refuses, and says why */
}

static enum ent_err close_gap(struct ent_agent *agent, const struct ent_ledger_charge *present)
{
    struct ent_ledger_charge charge = *present;
    struct ent_ledger_gap gap;

    ENT_TRY(ent_ledger_gap(agent->state, &gap));
    if (gap.missing == 0) {
        return ENT_E_OK;
    }
    ENT_TRY(event_of_gap(agent, &gap, &charge));
    ENT_TRY(ent_ledger_rebook(agent->state, &agent->csprng, &charge));
    ent_agent_sayf(agent, ENT_SAY_WARN,
                   "an older copy of state.db was put back: its ledger ended at entry %llu, and "
                   "the log holds this member's entry %llu; the %llu that were missing are charged "
                   "again, in full",
                   (unsigned long long)gap.last_seq, (unsigned long long)gap.seen_seq,
                   (unsigned long long)gap.missing);
    return ENT_E_OK;
}

/* ---- asking ---- */

/* What the limits say of the ledger as it is; events are owned. */
struct asked {
    struct ent_dp_event *life;
    struct ent_dp_event *run;
    struct ent_purse budget;
};

static enum ent_err read_asked(struct ent_agent *agent, const struct ent_ledger_charge *charge,
                               struct asked *out)
{
    struct ent_purse_books books = {.scope = charge->scope};

    ENT_TRY(ent_ledger_events(agent->state, charge->scope, 0, &out->life, &books.n_life));
    ENT_TRY(
        ent_ledger_events(agent->state, charge->scope, charge->at.run, &out->run, &books.n_run));
    books.life = out->life;
    books.run = out->run;
    ent_purse_of(&agent->config->policy, &ent_pipeline_plan(agent->pipeline)->privacy, &books,
                 &out->budget);
    return ENT_E_OK;
}

static void asked_release(struct asked *asked)
{
    free(asked->life);
    free(asked->run);
}

static enum ent_err ask(struct ent_agent *agent, const struct ent_ledger_charge *charge)
{
    struct asked asked = {0};
    enum ent_err err = read_asked(agent, charge, &asked);

    if (err == ENT_E_OK) {
        err = ent_purse_ask(&asked.budget, &charge->event);
    }
    asked_release(&asked);
    return err;
}

/* The answer for a ledger that has not changed since is the same: JOIN and COMPUTE of one round ask once. */
static enum ent_err ask_once(struct ent_agent *agent, const struct ent_ledger_charge *charge)
{
    struct ent_ledger_entry last = {0};
    enum ent_err err = ent_ledger_last(agent->state, &last);

    if (err != ENT_E_OK && err != ENT_E_NOT_FOUND) {
        return err;
    }
    if (agent->asked_run == charge->at.run && agent->asked_seq == last.seq) {
        return ENT_E_OK;
    }
    ENT_TRY(ask(agent, charge));
    agent->asked_run = charge->at.run;
    agent->asked_seq = last.seq;
    return ENT_E_OK;
}

static bool is_booked(struct ent_agent *agent)
{
    struct ent_ledger_entry entry;

    return ent_ledger_get(agent->state, ent_agent_attempt(agent), &entry) == ENT_E_OK;
}

enum ent_err ent_agent_may_spend(struct ent_agent *agent)
{
    const struct ent_plan *plan = ent_pipeline_plan(agent->pipeline);
    struct ent_ledger_charge charge;

    ENT_TRY(ent_policy_check_privacy(&agent->config->policy, &plan->privacy));
    ENT_TRY(ent_policy_check_covered(&agent->config->policy, &plan->privacy,
                                     (enum ent_task_kind)agent->open->msg.task));
    if (!takes_noise(agent)) {
        return ENT_E_OK;
    }
    ENT_TRY(charge_of(agent, &charge));
    ENT_TRY(close_gap(agent, &charge));
    return is_booked(agent) ? ENT_E_OK : ask_once(agent, &charge);
}

/* ---- booking ---- */

enum ent_err ent_agent_lost_booked(struct ent_agent *agent)
{
    ENT_REQUIRE(!is_booked(agent), ENT_E_LOST,
                "the noise of this attempt was booked before, and its update is not here: it is "
                "not computed again, and the charge stands");
    return ENT_E_OK;
}

/* Counted once; each booking takes one, for the accountant counts as many as then run. */
static enum ent_err rounds_left(struct ent_agent *agent, const struct asked *asked,
                                const struct ent_ledger_charge *charge, uint64_t seq)
{
    if (agent->fits_run == charge->at.run && agent->fits_seq + 1 == seq && agent->fits > 0) {
        agent->fits--;
    } else if (agent->fits_run != charge->at.run || agent->fits_seq != seq) {
        ENT_TRY(ent_purse_left(&asked->budget, &charge->event, UINT32_MAX, &agent->fits));
    }
    agent->fits_run = charge->at.run;
    agent->fits_seq = seq;
    return ENT_E_OK;
}

static enum ent_err say_spent(struct ent_agent *agent, const struct ent_ledger_charge *charge,
                              uint64_t seq)
{
    struct asked asked = {0};
    const struct ent_purse_account *nearest;
    double spent = 0.0;
    uint32_t at = 0;
    enum ent_err err = read_asked(agent, charge, &asked);

    if (err == ENT_E_OK && asked.budget.n > 0) {
        err = rounds_left(agent, &asked, charge, seq);
    }
    if (err == ENT_E_OK && asked.budget.n > 0) {
        err = ent_purse_nearest(&asked.budget, &at, &spent);
    }
    if (err == ENT_E_OK && asked.budget.n == 0) { /* unit member, and no limit of its own */
        ent_agent_sayf(agent, ENT_SAY_STATUS, "%s: the round is in the ledger; no limit is set",
                       charge->scope);
    } else if (err == ENT_E_OK) {
        nearest = &asked.budget.account[at];
        ent_agent_sayf(agent, ENT_SAY_STATUS,
                       "%s: epsilon %.3f of %g at %g; %llu rounds of this plan left", charge->scope,
                       spent, nearest->limit.eps, nearest->limit.delta,
                       (unsigned long long)agent->fits);
    }
    asked_release(&asked);
    return err;
}

enum ent_err ent_agent_book(struct ent_agent *agent, bool *booked)
{
    struct ent_ledger_charge charge;
    struct ent_ledger_entry entry;

    *booked = false;
    if (!takes_noise(agent)) {
        return ENT_E_OK;
    }
    ENT_TRY(charge_of(agent, &charge));
    ENT_TRY(ask_once(agent, &charge));
    ENT_TRY(ent_ledger_book(agent->state, &agent->csprng, &charge, &entry));
    ENT_HOOK_POINT("agent.booked");
    *booked = true;
    return say_spent(agent, &charge, entry.seq);
}

enum ent_err ent_agent_state_ledger(struct ent_agent *agent, struct ent_update_statement *out)
{
    struct ent_ledger_entry last;
    enum ent_err err;

    if (ent_pipeline_plan(agent->pipeline)->privacy.unit == ENT_PRIVACY_NONE) {
        return ENT_E_OK;
    }
    err = ent_ledger_last(agent->state, &last);
    if (err == ENT_E_OK) {
        out->ledger_seq = last.seq;
        out->has_ledger = true;
        memcpy(out->ledger_digest, last.digest, sizeof out->ledger_digest);
    }
    return err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
}
