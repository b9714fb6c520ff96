/* The tables behind the messages (inside of common/wire). */
#ifndef ENT_COMMON_WIRE_SCHEMAS_H
#define ENT_COMMON_WIRE_SCHEMAS_H

#include "common/schema/codec.h"
#include "common/wire/wire.h"

#define ENT_MESSAGE(name_, NAME_, number_, sender_, enveloped_, max_)                              \
    extern const struct ent_schema ent_msg_##name_##_schema;
#define ENT_MESSAGE_BARE(name_, NAME_, number_, sender_, enveloped_, max_)
#include "common/wire/messages.def"
#undef ENT_MESSAGE_BARE
#undef ENT_MESSAGE

extern const struct ent_schema ent_msg_outcome_schema;
extern const struct ent_schema ent_msg_metric_schema;
extern const struct ent_schema ent_wire_header_schema;
extern const struct ent_schema ent_wire_envelope_schema;
extern const struct ent_schema ent_wire_statement_schema;

/* The schema and the two functions of message x, from its table x_fields. */
#define ENT_WIRE_MESSAGE(x_, rule_)                                                                \
    const struct ent_schema ent_msg_##x_##_schema =                                                \
        ENT_SCHEMA_OF(ent_msg_##x_, #x_, entente__v1__##x_##__descriptor, x_##_fields, rule_);     \
    enum ent_err ent_msg_##x_##_encode(const struct ent_msg_##x_ *m, struct ent_buf *out)          \
    {                                                                                              \
        return ent_schema_encode(&ent_msg_##x_##_schema, m, out);                                  \
    }                                                                                              \
    enum ent_err ent_msg_##x_##_decode(const uint8_t *bytes, size_t len, struct ent_arena *arena,  \
                                       struct ent_msg_##x_ *out)                                   \
    {                                                                                              \
        return ent_schema_decode(&ent_msg_##x_##_schema, (struct ent_bytes){bytes, len}, arena,    \
                                 out);                                                             \
    }

#endif
