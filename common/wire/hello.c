#include <entente/v1/messages.pb-c.h>

#include "common/wire/schemas.h"

static const char *rule(const void *message)
{
    const struct ent_msg_hello *m = message;

    if (m->has_seen_root != (m->seen_size > 0)) {
        return "log root without size, or the reverse";
    }
    return m->protocol_min <= m->protocol_max ? NULL : "protocol_min is above protocol_max";
}

static const struct ent_schema_field hello_fields[] = {
    ENT_SCHEMA_FIXED(ent_msg_hello, 1, exporter),
    ENT_SCHEMA_U32(ent_msg_hello, 2, protocol_min, 1, ENT_WIRE_SMALL_MAX),
    ENT_SCHEMA_U32(ent_msg_hello, 3, protocol_max, 1, ENT_WIRE_SMALL_MAX),
    ENT_SCHEMA_NAME(ent_msg_hello, 4, build, 1),
    ENT_SCHEMA_U64(ent_msg_hello, 5, time_ms, 0, UINT64_MAX),
    ENT_SCHEMA_FIXED_LIST(ent_msg_hello, 6, models_held, n_models_held, ENT_WIRE_MODELS_HELD_MAX,
                          false),
    ENT_SCHEMA_FIXED_OPT(ent_msg_hello, 7, run_plan, has_run_plan),
    ENT_SCHEMA_U64(ent_msg_hello, 8, seen_size, 0, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_FIXED_OPT(ent_msg_hello, 9, seen_root, has_seen_root),
};

ENT_WIRE_MESSAGE(hello, rule)
