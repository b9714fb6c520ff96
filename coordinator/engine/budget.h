/* IN a run's plan, the ledger · OUT whether its next round fits, leaves dp.event and dp.refund
 * OWNS what it remembers of the ledger · THREADS engine · SOURCE audit.md 2.8; privacy.md 6
 *
 * Each member's data set has an account in each run whose plan has `privacy`; its limit is the plan's epsilon. A round of
 * training is booked on the accounts of all that it invites, in the transaction that opens it, and stays booked whether it
 * closes or not; only a round that is called off before any input arrived gives it back. Before a round opens the accounts
 * of all that may be invited are asked: when one of them has no room, the run ends. */
#ifndef ENT_COORDINATOR_ENGINE_BUDGET_H
#define ENT_COORDINATOR_ENGINE_BUDGET_H

#include "common/json/json.h"
#include "common/plan/plan.h"
#include "common/privacy/account.h"
#include "coordinator/engine/leaves.h"

struct ent_engine;

struct ent_budget {
    bool on;                   /* the run's plan has `privacy` */
    uint32_t unit;             /* enum ent_privacy_unit */
    struct ent_dp_event round; /* what one round releases */
    struct ent_dp_limit limit;
    uint64_t limit_nano;
    uint64_t delta_e18;
    enum ent_dp_accountant accountant; /* of one round and more */
    uint64_t *
        spent; /* [n_spent] epsilon in 10^-9 by number of booked rounds; UINT64_MAX: beyond the limit */
    size_t n_spent;
    size_t cap_spent;
    uint32_t left_booked; /* what `left` was computed for */
    uint32_t left_most;
    uint32_t left;
    bool has_left;
};

/* Of e->run and e->plan; members are loaded. */
ENT_MUST enum ent_err ent_budget_load(struct ent_engine *e);
void ent_budget_release(struct ent_engine *e);

/* Before an event that may open a round: whether the next one is beyond the budget. */
ENT_MUST enum ent_err ent_budget_ends_run(struct ent_engine *e, bool *yes);
void ent_budget_say_end(struct ent_engine *e);

/* In the transaction, behind the leaf round.open: the leaf dp.event. BUDGET: an account has no room (never, unless
 * ent_budget_ends_run was not asked). */
ENT_MUST enum ent_err ent_budget_reserve(struct ent_engine *e, const struct ent_row *row,
                                         const struct ent_msg_round_open *open,
                                         const uint8_t round_open[32]);
/* In the transaction, behind the leaf round.abort: dp.refund, if no input can have arrived. */
ENT_MUST enum ent_err ent_budget_aborted(struct ent_engine *e, const struct ent_row *row,
                                         const struct ent_leaf_round_abort *abort);

/* Rounds of training that still open, as things stand: at most those that the plan has left, and no attempt that is open now. */
ENT_MUST enum ent_err ent_budget_left(struct ent_engine *e, uint32_t booked, uint32_t *left);
/* The fullest account of those that may be invited: ", epsilon 1.2 of 2"; "" without privacy. */
void ent_budget_text(const struct ent_engine *e, char *out, size_t cap);
/* Member "privacy" of a run in status. */
ENT_MUST enum ent_err ent_budget_put(struct ent_engine *e, struct ent_json_writer *w,
                                     const struct ent_plan *plan, uint32_t run);

#endif
