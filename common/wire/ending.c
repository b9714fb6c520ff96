#include <entente/v1/messages.pb-c.h>

#include "common/wire/schemas.h"

/* Ends that say nothing worth signing: of an attempt, of a connection. */
static const struct ent_schema_field abort_fields[] = {
    ENT_SCHEMA_U64(ent_msg_abort, 1, round, 0, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_U32(ent_msg_abort, 2, attempt, 0, UINT32_MAX),
    ENT_SCHEMA_U32(ent_msg_abort, 3, code, 0, ENT_WIRE_CODE_MAX),
    ENT_SCHEMA_U64(ent_msg_abort, 4, retry_ms, 0, ENT_WIRE_PHASE_MAX_MS),
};

ENT_WIRE_MESSAGE(abort, NULL)

static const struct ent_schema_field bye_fields[] = {
    ENT_SCHEMA_U32(ent_msg_bye, 1, code, 0, ENT_WIRE_CODE_MAX),
};

ENT_WIRE_MESSAGE(bye, NULL)
