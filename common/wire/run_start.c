#include <entente/v1/messages.pb-c.h>

#include "common/wire/schemas.h"

static const struct ent_schema_field run_start_fields[] = {
    ENT_SCHEMA_FIXED(ent_msg_run_start, 1, plan),
    ENT_SCHEMA_U64(ent_msg_run_start, 2, plan_bytes, 1, ENT_WIRE_PLAN_MAX_BYTES),
    ENT_SCHEMA_FIXED_OPT(ent_msg_run_start, 3, base, has_base),
    ENT_SCHEMA_FIXED(ent_msg_run_start, 4, selftest),
};

ENT_WIRE_MESSAGE(run_start, NULL)
