/* Envelopes that were signed together (inside of common/wire). */
#ifndef ENT_COMMON_WIRE_BATCH_H
#define ENT_COMMON_WIRE_BATCH_H

#include "common/wire/wire.h"

/* In front of what is signed of one envelope, with its zero byte. */
#define ENT_WIRE_SIGNED_LABEL "entente/envelope/v1"

/* ent_wire_verify_by for an envelope with a path. */
ENT_MUST enum ent_err ent_wire_verify_path(const struct ent_envelope *envelope,
                                           struct ent_wire_signer *signer);

#endif
