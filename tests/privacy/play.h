/* IN a case · OUT whether what coordinator and member announce is what then runs · OWNS a federation, a member's state
 * THREADS one · SOURCE privacy.md 6
 *
 * A real engine over a real store, a real ledger of one of its members; the others are made by hand. Attempts fail, with
 * and without inputs, updates are lost or sent again, both sides are restarted. Beside it stands an accountant that starts
 * from nothing for each booking. */
#ifndef ENT_TESTS_PRIVACY_PLAY_H
#define ENT_TESTS_PRIVACY_PLAY_H

#include "client/policy/purse.h"
#include "client/state/ledger.h"
#include "tests/privacy/cases.h"
#include "tests/unit/coordinator_engine/fed.h"

/* What was seen of what. */
struct play_tally {
    uint32_t pld; /* cases whose coordinator counts by PLD */
    uint32_t out_of_budget;
    uint32_t purse_empty; /* cases in which the member's limit came before the plan's end */
    uint32_t kept;        /* attempts that were aborted and stay booked */
    uint32_t refunded;
    uint32_t lost; /* updates of the watched member */
    uint32_t restarts;
    uint32_t rounds; /* booked in all */
};

struct play {
    struct fed fed;
    char dir[160];
    struct ent_state *state; /* of the watched member: its ledger */
    struct ent_csprng csprng;
    uint64_t ledgers[CASE_MEMBERS]; /* next entry that each states */
    uint32_t run;
    struct play_tally *tally;

    const struct privacy_case *c;
    struct ent_rng rng;
    uint32_t to_close; /* rounds that the plan still wants */
    uint32_t booked;   /* at the coordinator, and not given back */
    uint32_t most;     /* that a fresh accountant lets be booked; 0: not counted yet */
    struct ent_ledger_charge charge;
    uint32_t spent;     /* entries of this run in the member's ledger */
    uint32_t announced; /* how many it said at the beginning */
    bool refused;       /* it has none left */
};

void play_new(struct play *p, struct play_tally *tally);
void play_case(struct play *p, const struct privacy_case *c);
void play_free(struct play *p);

/* play_purse.c: the member. unit: what a round costs the plan's unit. */
void play_purse_begin(struct play *p, const struct ent_dp_event *unit);
/* Whether one round more fits, asked of the ledger as it is on disk. */
bool play_purse_fits(struct play *p);
/* Books this attempt, now and then twice. */
void play_purse_book(struct play *p);
/* What it announces now is what it said at first without what it booked since. */
void play_purse_check(struct play *p);
/* On with the ledger alone, until it refuses. */
void play_purse_end(struct play *p);

#endif
