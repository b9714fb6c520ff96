#include <entente/v1/messages.pb-c.h>

#include "common/wire/schemas.h"

/* Offer, grant and receipt of bytes. (A member's offer is UPDATE, whose statement stands in its header: envelope.c.) */
static const struct ent_schema_field offer_fields[] = {
    ENT_SCHEMA_FIXED(ent_msg_offer, 1, digest),
    ENT_SCHEMA_U32(ent_msg_offer, 2, kind, ENT_OFFER_PLAN, ENT_OFFER_BEST),
    ENT_SCHEMA_U64(ent_msg_offer, 3, bytes, 1, ENT_WIRE_TRANSFER_MAX_BYTES),
    ENT_SCHEMA_BYTES(ent_msg_offer, 4, content, 0, ENT_WIRE_INLINE_MAX_BYTES),
};

static const char *offer_rule(const void *message)
{
    const struct ent_msg_offer *m = message;

    return m->content.len == 0 || m->content.len == m->bytes
               ? NULL
               : "the content is not as long as it says";
}

ENT_WIRE_MESSAGE(offer, offer_rule)

static const struct ent_schema_field go_fields[] = {
    ENT_SCHEMA_U64(ent_msg_go, 1, offset, 0, ENT_WIRE_TRANSFER_MAX_BYTES),
};

ENT_WIRE_MESSAGE(go, NULL)

static const struct ent_schema_field ack_fields[] = {
    ENT_SCHEMA_FIXED(ent_msg_ack, 1, digest),
    ENT_SCHEMA_U32(ent_msg_ack, 2, code, 0, ENT_WIRE_CODE_MAX),
    ENT_SCHEMA_BOOL(ent_msg_ack, 3, repeat),
    ENT_SCHEMA_U64(ent_msg_ack, 4, sequence, 0, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_FIXED_OPT(ent_msg_ack, 5, round_open, has_round_open),
};

ENT_WIRE_MESSAGE(ack, NULL)
