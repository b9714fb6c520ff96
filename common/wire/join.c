#include <entente/v1/messages.pb-c.h>

#include "common/wire/schemas.h"

/* A member's three answers to RoundOpen and Begin. */
static const char *rule(const void *message)
{
    const struct ent_msg_join *m = message;

    return m->has_seen_root == (m->seen_size > 0) ? NULL : "log root without size, or the reverse";
}

static const struct ent_schema_field join_fields[] = {
    ENT_SCHEMA_FIXED(ent_msg_join, 1, round_open),
    ENT_SCHEMA_FIXED_OPT(ent_msg_join, 2, nonce, has_nonce),
    ENT_SCHEMA_FIXED(ent_msg_join, 3, next_commit),
    ENT_SCHEMA_U64(ent_msg_join, 4, seen_size, 0, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_FIXED_OPT(ent_msg_join, 5, seen_root, has_seen_root),
    ENT_SCHEMA_BOOL(ent_msg_join, 6, has_base),
};

ENT_WIRE_MESSAGE(join, rule)

static const struct ent_schema_field decline_fields[] = {
    ENT_SCHEMA_FIXED(ent_msg_decline, 1, round_open),
    ENT_SCHEMA_U32(ent_msg_decline, 2, code, 1, ENT_WIRE_CODE_MAX),
    ENT_SCHEMA_TEXT(ent_msg_decline, 3, text),
    ENT_SCHEMA_FIXED_OPT(ent_msg_decline, 4, salt, has_salt),
    ENT_SCHEMA_U32(ent_msg_decline, 5, kind, ENT_REFUSAL_NOT_SAID, ENT_REFUSAL_DECLINED),
};

const char *ent_refusal_name(uint32_t kind)
{
    static const char *const names[] = {
        [ENT_REFUSAL_NOT_SAID] = "",
        [ENT_REFUSAL_NOT_ALLOWED] = "not_allowed",
        [ENT_REFUSAL_SPECIFICATION] = "specification_invalid",
        [ENT_REFUSAL_BUDGET] = "insufficient_budget",
        [ENT_REFUSAL_CANNOT] = "cannot_fulfil",
        [ENT_REFUSAL_DECLINED] = "declined",
    };

    return kind < sizeof names / sizeof *names ? names[kind] : "";
}

ENT_WIRE_MESSAGE(decline, NULL)

static const struct ent_schema_field lost_fields[] = {
    ENT_SCHEMA_FIXED(ent_msg_lost, 1, round_open),
};

ENT_WIRE_MESSAGE(lost, NULL)
