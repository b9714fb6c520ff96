#include <entente/v1/messages.pb-c.h>

#include "common/wire/schemas.h"

static const struct ent_schema_field welcome_fields[] = {
    ENT_SCHEMA_U64(ent_msg_welcome, 1, time_ms, 0, UINT64_MAX),
    ENT_SCHEMA_U32(ent_msg_welcome, 2, protocol, 1, ENT_WIRE_SMALL_MAX),
    ENT_SCHEMA_U64(ent_msg_welcome, 3, last_sequence, 0, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_U32(ent_msg_welcome, 4, run, 0, UINT32_MAX),
    ENT_SCHEMA_U64(ent_msg_welcome, 5, round, 0, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_U32(ent_msg_welcome, 6, attempt, 0, UINT32_MAX),
    ENT_SCHEMA_U32(ent_msg_welcome, 7, phase, 0, ENT_WIRE_SMALL_MAX),
    ENT_SCHEMA_U32(ent_msg_welcome, 8, outcome, 0, ENT_WIRE_SMALL_MAX),
    ENT_SCHEMA_FIXED_OPT(ent_msg_welcome, 9, plan, has_plan),
    ENT_SCHEMA_BYTES(ent_msg_welcome, 10, crl, 0, ENT_WIRE_CRL_MAX_BYTES),
    ENT_SCHEMA_U32(ent_msg_welcome, 11, idle_ms, 0, UINT32_MAX),
};

ENT_WIRE_MESSAGE(welcome, NULL)
