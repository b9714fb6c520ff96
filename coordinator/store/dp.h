/* IN leaves dp.event and dp.refund as they are appended · OUT what each account of a run has booked
 * OWNS the tables dp_event and dp_account of DIR/federation.db · THREADS as store.h
 * SOURCE audit.md 2.8; privacy.md 6
 *
 * The coordinator's ledger. An account is the data set of one member in one run. Nothing is booked but by a leaf: its
 * rows are made in the leaf's own transaction, so log and ledger cannot differ, and whoever brings lost leaves back
 * (recover.h) brings the ledger back with them. */
#ifndef ENT_COORDINATOR_STORE_DP_H
#define ENT_COORDINATOR_STORE_DP_H

#include "common/privacy/privacy.h"
#include "coordinator/store/store.h"

/* What one round of a run releases: the same in all of them. */
struct ent_store_dp_event {
    uint64_t leaf; /* dp.event */
    uint64_t round;
    struct ent_dp_event event;
    uint64_t delta_e18;
    uint64_t limit_nano;
    bool refunded;
};
/* The newest of a run. NOT_FOUND, without a recorded message. */
ENT_MUST enum ent_err ent_store_dp_newest(struct ent_store *store, uint32_t run,
                                          struct ent_store_dp_event *out);

struct ent_store_dp_account {
    uint8_t handle[ENT_STORE_ID_BYTES];
    uint32_t booked;     /* rounds, without those that were given back */
    uint64_t spent_nano; /* epsilon in 10^-9, as the leaf of the newest of them says */
    uint64_t limit_nano;
};
/* Accounts with a booked round, by handle. Caller frees *out. */
ENT_MUST enum ent_err ent_store_dp_accounts(struct ent_store *store, uint32_t run,
                                            struct ent_store_dp_account **out, size_t *n);

#endif
