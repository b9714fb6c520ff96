/* One field of one message between the generated struct and ours (inside of common/schema). */
#ifndef ENT_COMMON_SCHEMA_FIELD_H
#define ENT_COMMON_SCHEMA_FIELD_H

#include "common/schema/codec.h"
#include "common/schema/pbarena.h"

/* What is being worked on, for messages and errors. */
struct ent_field_ctx {
    const struct ent_schema *schema;
    const struct ent_schema_field *field;
    enum ent_err err;         /* what a broken bound is: PROTOCOL or RANGE */
    struct ent_arena *arena;  /* decode: where lists and bytes go */
    struct ent_pbarena *work; /* encode: where the generated structs go */
};

const ProtobufCFieldDescriptor *ent_field_pb(const struct ent_schema *schema,
                                             const struct ent_schema_field *field);
/* Fields that are not messages. */
ENT_MUST enum ent_err ent_field_decode(const struct ent_field_ctx *ctx, const void *pb, void *ours);
ENT_MUST enum ent_err ent_field_encode(const struct ent_field_ctx *ctx, const void *ours, void *pb);
/* List lengths of both kinds of lists. */
ENT_MUST enum ent_err ent_field_count(const struct ent_field_ctx *ctx, size_t n);
ENT_MUST enum ent_err ent_field_order(const struct ent_field_ctx *ctx, const uint8_t *first,
                                      const uint8_t *second, size_t size);
/* Zeroed memory in the work arena; LIMIT when it is full. */
ENT_MUST enum ent_err ent_field_work(const struct ent_field_ctx *ctx, size_t n, size_t size,
                                     void *out_ptr);

#endif
