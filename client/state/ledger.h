/* The member's own ledger: every release that noise covers, as a typed event, booked before the noise is drawn.
 *
 * A hash chain (common/crypto/commit.h): entry 1, 2, ... each over the one before, its event and a random salt, so that
 * its digest can stand in the signed header of an update and tells nobody what it is of. Entries are never changed and
 * never removed: there is no refund. An event belongs to a data scope, the name of a set of rows that shares no customer
 * with any other set; what a scope has spent is the accountant's figure of all its events (common/privacy/account.h).
 *
 * An older copy of state.db would forget entries. The own statements that the audit log holds tell: one whose digest is
 * not the chain's at its number is kept as a gap (ent_ledger_saw), and nothing is booked until ent_ledger_rebook has
 * charged what is missing. */
#ifndef ENT_CLIENT_STATE_LEDGER_H
#define ENT_CLIENT_STATE_LEDGER_H

#include "client/state/state.h"
#include "common/privacy/privacy.h"

#define ENT_LEDGER_SCOPE_MAX_BYTES 64
#define ENT_LEDGER_SALT_BYTES 16
/* Different events of one scope (equal ones are merged): plans with noise of their own. */
#define ENT_LEDGER_EVENTS_MAX 4096
/* Entries that one repair charges: more rounds than any budget has. */
#define ENT_LEDGER_REBOOK_MAX 100000

/* Stored: never reuse a number. */
enum ent_ledger_kind {
    ENT_LEDGER_TRAIN = 1,  /* a round of training */
    ENT_LEDGER_REBOOK = 2, /* in place of an entry that an older copy of state.db lacks */
};

struct ent_ledger_entry {
    uint64_t seq; /* from 1 */
    uint8_t digest[ENT_SHA256_BYTES];
    enum ent_ledger_kind kind;
    char scope[ENT_LEDGER_SCOPE_MAX_BYTES + 1];
    struct ent_attempt at;
    uint8_t plan[ENT_SHA256_BYTES];
    struct ent_dp_event event;
    uint8_t salt[ENT_LEDGER_SALT_BYTES];
};

/* What is booked: scope, at, plan, event. */
struct ent_ledger_charge {
    const char *scope; /* 1 to ENT_LEDGER_SCOPE_MAX_BYTES bytes */
    struct ent_attempt at;
    const uint8_t *plan; /* [ENT_SHA256_BYTES] */
    struct ent_dp_event event;
};

/* The same attempt again is the same entry; with another scope, plan or event: EXISTS. Durable when it returns (one
 * commit), and before any noise is drawn. CORRUPT when the chain does not hold; BUDGET while there is a gap; RANGE when the
 * event is none. out: may be NULL. */
ENT_MUST enum ent_err ent_ledger_book(struct ent_state *state, struct ent_csprng *csprng,
                                      const struct ent_ledger_charge *charge,
                                      struct ent_ledger_entry *out);
/* Of that attempt; NOT_FOUND. */
ENT_MUST enum ent_err ent_ledger_get(struct ent_state *state, struct ent_attempt at,
                                     struct ent_ledger_entry *out);
/* The newest one; NOT_FOUND: nothing was booked yet. */
ENT_MUST enum ent_err ent_ledger_last(struct ent_state *state, struct ent_ledger_entry *out);
/* Every entry's digest follows from the one before: CORRUPT with its number. Cost: the whole ledger; once a process
 * ent_ledger_book asks by itself. */
ENT_MUST enum ent_err ent_ledger_check(struct ent_state *state);

/* The events of a scope, equal ones merged by adding their steps; of all runs when run is 0. *out: [*n], caller frees;
 * NULL when there is none. LIMIT beyond ENT_LEDGER_EVENTS_MAX. */
ENT_MUST enum ent_err ent_ledger_events(struct ent_state *state, const char *scope, uint32_t run,
                                        struct ent_dp_event **out, size_t *n);

/* ---- an older copy of state.db ---- */

/* What an own statement in the log says. Borrowed. */
struct ent_ledger_seen {
    struct ent_attempt at;
    uint64_t seq;
    const uint8_t *digest; /* [ENT_SHA256_BYTES] */
    const uint8_t *plan;   /* [ENT_SHA256_BYTES], of its run; NULL: not known */
};
/* Kept if the chain does not hold it. Waits for the next commit. */
ENT_MUST enum ent_err ent_ledger_saw(struct ent_state *state, const struct ent_ledger_seen *seen);

struct ent_ledger_gap {
    uint64_t missing;  /* entries to be charged; 0: the chain is the one that the log knows */
    uint64_t last_seq; /* of the chain here */
    uint64_t seen_seq; /* highest number that the log holds and the chain here does not */
    uint32_t run;      /* the run that all missing entries are of; 0: they may be of several */
    uint8_t plan[ENT_SHA256_BYTES]; /* the plan of that run, where run > 0 */
};
ENT_MUST enum ent_err ent_ledger_gap(struct ent_state *state, struct ent_ledger_gap *out);
/* Charges `missing` times charge->event (round and attempt are not used), closes the gap. POLICY unless run and plan are
 * the gap's: only then is the event what was lost. Nothing is missing: fine. */
ENT_MUST enum ent_err ent_ledger_rebook(struct ent_state *state, struct ent_csprng *csprng,
                                        const struct ent_ledger_charge *charge);

#endif
