/* IN optimizer states · OUT the same again · OWNS them, in memory or in a file without a name
 * THREADS any, one at a time a member · SOURCE -
 *
 * What the members keep between rounds. Up to a limit in memory; beyond it in a temporary file that is unlinked as soon
 * as it is open, so that nothing is left of it after any exit. */
#ifndef ENT_SIMULATE_KEPT_H
#define ENT_SIMULATE_KEPT_H

#include <stdint.h>

#include "client/agent/pipeline.h"

struct ent_kept_store;

/* n_floats of each member (0: nothing is kept). */
ENT_MUST enum ent_err ent_kept_store_new(uint32_t n_members, size_t n_floats, uint64_t memory_bytes,
                                         struct ent_kept_store **out);
void ent_kept_store_free(struct ent_kept_store *store);
bool ent_kept_store_in_file(const struct ent_kept_store *store);
/* kept: the caller's own, used again and again; its numbers are replaced, at first by zeros. */
ENT_MUST enum ent_err ent_kept_store_get(struct ent_kept_store *store, uint32_t member,
                                         struct ent_kept *kept);
ENT_MUST enum ent_err ent_kept_store_put(struct ent_kept_store *store, uint32_t member,
                                         const struct ent_kept *kept);

#endif
