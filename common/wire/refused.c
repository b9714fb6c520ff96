#include <entente/v1/messages.pb-c.h>

#include "common/wire/schemas.h"

static const struct ent_schema_field refused_fields[] = {
    ENT_SCHEMA_U32(ent_msg_refused, 1, code, 0, ENT_WIRE_CODE_MAX),
    ENT_SCHEMA_TEXT(ent_msg_refused, 2, text),
    ENT_SCHEMA_U64(ent_msg_refused, 3, sequence, 0, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_U64(ent_msg_refused, 4, time_ms, 0, UINT64_MAX),
};

ENT_WIRE_MESSAGE(refused, NULL)
