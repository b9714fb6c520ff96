/* Envelopes that were signed together (inside of common/wire). */
#ifndef ENT_COMMON_WIRE_BATCH_H
#define ENT_COMMON_WIRE_BATCH_H

#include "common/wire/wire.h"

/* ent_wire_verify_seen for an envelope with a path; seen may be NULL. */
ENT_MUST enum ent_err ent_wire_verify_path(const struct ent_envelope *envelope,
                                           const uint8_t public_key[ENT_WIRE_PUBLIC_BYTES],
                                           struct ent_wire_seen *seen);

#endif
