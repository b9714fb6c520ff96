#include <entente/v1/messages.pb-c.h>

#include "common/crypto/sha256.h"
#include "common/wire/schemas.h"

static const char *rule(const void *message)
{
    const struct ent_msg_round_open *m = message;

    if (m->n_invited == 0) {
        return "nobody is invited";
    }
    return m->has_base == (m->base_bytes > 0) ? NULL
                                              : "base model without its size, or the reverse";
}

static const struct ent_schema_field round_open_fields[] = {
    ENT_SCHEMA_FIXED(ent_msg_round_open, 1, federation),
    ENT_SCHEMA_U32(ent_msg_round_open, 2, run, 1, UINT32_MAX),
    ENT_SCHEMA_U64(ent_msg_round_open, 3, round, 1, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_U32(ent_msg_round_open, 4, attempt, 1, UINT32_MAX),
    ENT_SCHEMA_U32(ent_msg_round_open, 5, task, 1, ENT_WIRE_SMALL_MAX),
    ENT_SCHEMA_U32(ent_msg_round_open, 6, split, 0, ENT_WIRE_SMALL_MAX),
    ENT_SCHEMA_FIXED(ent_msg_round_open, 7, plan),
    ENT_SCHEMA_FIXED_OPT(ent_msg_round_open, 8, base, has_base),
    ENT_SCHEMA_FIXED_LIST(ent_msg_round_open, 9, invited, n_invited, ENT_WIRE_COHORT_MAX, true),
    ENT_SCHEMA_U32(ent_msg_round_open, 10, min_members, 1, ENT_WIRE_COHORT_MAX),
    ENT_SCHEMA_U64(ent_msg_round_open, 11, join_ms, 1, ENT_WIRE_PHASE_MAX_MS),
    ENT_SCHEMA_U64(ent_msg_round_open, 12, update_ms, 1, ENT_WIRE_PHASE_MAX_MS),
    ENT_SCHEMA_U32(ent_msg_round_open, 13, weights, 0, ENT_WIRE_SMALL_MAX),
    ENT_SCHEMA_U32(ent_msg_round_open, 14, scale_bits, 0, 62),
    ENT_SCHEMA_U64(ent_msg_round_open, 15, base_bytes, 0, ENT_WIRE_TRANSFER_MAX_BYTES),
};

ENT_WIRE_MESSAGE(round_open, rule)

enum ent_err ent_wire_round_open_hash(const uint8_t *payload, size_t len,
                                      uint8_t out[ENT_WIRE_DIGEST_BYTES])
{
    return ent_sha256_leaf(payload, len, out);
}
