/* The fixed block of memory that one message is decoded or encoded in, as protobuf-c sees it. */
#ifndef ENT_COMMON_SCHEMA_PBARENA_H
#define ENT_COMMON_SCHEMA_PBARENA_H

#include <protobuf-c/protobuf-c.h>

#include "common/base/err.h"

/* Bump allocation; nothing is freed before release. When it is full, alloc returns NULL and protobuf-c
 * gives the message up. */
struct ent_pbarena {
    ProtobufCAllocator allocator; /* allocator_data points here: the struct must not move */
    unsigned char *block;
    size_t used;
};

ENT_MUST enum ent_err ent_pbarena_init(struct ent_pbarena *arena);
void ent_pbarena_release(struct ent_pbarena *arena);
/* Zeroed, aligned to 16; NULL when full. */
void *ent_pbarena_alloc(struct ent_pbarena *arena, size_t size);

#endif
