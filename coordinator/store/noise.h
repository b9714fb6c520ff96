/* IN the seed of an attempt's noise · OUT the same, until the attempt is over · OWNS the table noise_seed of DIR/federation.db
 * THREADS as store.h · SOURCE audit.md 2.7
 *
 * Noise that the coordinator adds comes from a seed that it committed to before any input came. The seed has to outlive a
 * crash, so that the same attempt gives the same sum, and must not outlive the attempt: sum and seed together are the sum
 * without noise. What is forgotten is overwritten, in the database and (ent_store_noise_scrub) in its write-ahead log. */
#ifndef ENT_COORDINATOR_STORE_NOISE_H
#define ENT_COORDINATOR_STORE_NOISE_H

#include "coordinator/store/store.h"

#define ENT_STORE_SEED_BYTES 32

/* Of the attempt that `row` names, in the transaction of its OPEN row. EXISTS: it has one. */
ENT_MUST enum ent_err ent_store_noise_put(struct ent_store *store, const struct ent_row *row,
                                          const uint8_t seed[ENT_STORE_SEED_BYTES]);
/* NOT_FOUND, without a recorded message. The caller wipes the seed. */
ENT_MUST enum ent_err ent_store_noise_get(struct ent_store *store, const struct ent_row *row,
                                          uint8_t seed[ENT_STORE_SEED_BYTES]);
/* All seeds but that of the attempt that `but` names (NULL: all). *any: there were some. In the transaction of a CLOSE or
 * ABORT row, or alone. */
ENT_MUST enum ent_err ent_store_noise_forget(struct ent_store *store, const struct ent_row *but,
                                             bool *any);
/* After the commit: nothing of it stays in the files. *done = false: somebody reads the database just now, try again. */
ENT_MUST enum ent_err ent_store_noise_scrub(struct ent_store *store, bool *done);

#endif
