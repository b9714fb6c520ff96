#include <entente/v1/messages.pb-c.h>

#include "common/wire/schemas.h"

static const struct ent_schema_field begin_fields[] = {
    ENT_SCHEMA_FIXED(ent_msg_begin, 1, round_open),
    ENT_SCHEMA_FIXED_LIST(ent_msg_begin, 2, joined, n_joined, ENT_WIRE_COHORT_MAX, true),
};

ENT_WIRE_MESSAGE(begin, NULL)
