#include <entente/v1/messages.pb-c.h>

#include "common/wire/schemas.h"

/* What the audit log says on the wire. */
static const struct ent_schema_field leaves_fields[] = {
    ENT_SCHEMA_U64(ent_msg_leaves, 1, first, 0, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_BYTES(ent_msg_leaves, 2, bundle, 1, ENT_WIRE_PAYLOAD_MAX_BYTES),
};

ENT_WIRE_MESSAGE(leaves, NULL)

static const struct ent_schema_field checkpoint_fields[] = {
    ENT_SCHEMA_BYTES(ent_msg_checkpoint, 1, note, 1, ENT_WIRE_NOTE_MAX_BYTES),
};

ENT_WIRE_MESSAGE(checkpoint, NULL)

static const struct ent_schema_field cosign_fields[] = {
    ENT_SCHEMA_U64(ent_msg_cosign, 1, size, 1, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_FIXED(ent_msg_cosign, 2, root),
    ENT_SCHEMA_U64(ent_msg_cosign, 3, time_s, 1, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_FIXED(ent_msg_cosign, 4, signature),
};

ENT_WIRE_MESSAGE(cosign, NULL)

static const struct ent_schema_field propose_fields[] = {
    ENT_SCHEMA_BYTES(ent_msg_propose, 1, set, 1, ENT_LOG_SET_MAX_BYTES),
};

ENT_WIRE_MESSAGE(propose, NULL)

static const struct ent_schema_field agree_fields[] = {
    ENT_SCHEMA_BYTES(ent_msg_agree, 1, set, 1, ENT_LOG_SET_MAX_BYTES),
};

ENT_WIRE_MESSAGE(agree, NULL)

static const struct ent_schema_field leave_fields[] = {
    ENT_SCHEMA_FIXED(ent_msg_leave, 1, salt),
};

ENT_WIRE_MESSAGE(leave, NULL)

static const struct ent_schema_field dispute_fields[] = {
    ENT_SCHEMA_FIXED(ent_msg_dispute, 1, round_open),
    ENT_SCHEMA_U32(ent_msg_dispute, 2, code, 0, ENT_WIRE_CODE_MAX),
    ENT_SCHEMA_BYTES(ent_msg_dispute, 3, receipt, 0, 1024),
    ENT_SCHEMA_FIXED(ent_msg_dispute, 4, salt),
};

ENT_WIRE_MESSAGE(dispute, NULL)

static const struct ent_schema_field pull_fields[] = {
    ENT_SCHEMA_U32(ent_msg_pull, 1, kind, ENT_PULL_LEAVES, ENT_PULL_NOTE),
    ENT_SCHEMA_U64(ent_msg_pull, 2, offset, 0, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_FIXED_OPT(ent_msg_pull, 3, digest, has_digest),
};

ENT_WIRE_MESSAGE(pull, NULL)

static const struct ent_schema_field piece_fields[] = {
    ENT_SCHEMA_U32(ent_msg_piece, 1, kind, ENT_PULL_LEAVES, ENT_PULL_NOTE),
    ENT_SCHEMA_FIXED_OPT(ent_msg_piece, 2, digest, has_digest),
    ENT_SCHEMA_U64(ent_msg_piece, 3, offset, 0, ENT_WIRE_TRANSFER_MAX_BYTES),
    ENT_SCHEMA_U64(ent_msg_piece, 4, total, 0, ENT_WIRE_TRANSFER_MAX_BYTES),
    ENT_SCHEMA_BYTES(ent_msg_piece, 5, bytes, 0, ENT_WIRE_INLINE_MAX_BYTES),
};

ENT_WIRE_MESSAGE(piece, NULL)
