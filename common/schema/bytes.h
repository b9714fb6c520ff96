/* A stretch of somebody else's bytes. */
#ifndef ENT_COMMON_SCHEMA_BYTES_H
#define ENT_COMMON_SCHEMA_BYTES_H

#include <stddef.h>
#include <stdint.h>

struct ent_bytes {
    const uint8_t *data; /* may be NULL when len is 0 */
    size_t len;
};

#endif
