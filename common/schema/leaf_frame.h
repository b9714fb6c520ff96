/* The fixed head of a leaf of the audit log (audit.md 2.2): 56 bytes, big-endian.
 *
 *   0 magic "ENT1" | 4 u16 type | 6 u16 schema | 8 federation[16] | 24 u64 seq (= index of the leaf)
 *   32 u64 time_ms | 40 u64 round (0 none) | 48 u32 run (0 none) | 52 u32 body_len | 56 body */
#ifndef ENT_COMMON_SCHEMA_LEAF_FRAME_H
#define ENT_COMMON_SCHEMA_LEAF_FRAME_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/schema/bytes.h"
#include "common/schema/limits.h"

#define ENT_LEAF_SCHEMA 1 /* of all bodies so far */

struct ent_leaf_frame {
    uint16_t type;
    uint16_t schema;
    uint8_t federation[ENT_WIRE_FEDERATION_BYTES];
    uint64_t seq; /* at most ENT_WIRE_COUNTER_MAX, as time_ms and round */
    uint64_t time_ms;
    uint64_t round;
    uint32_t run;
};

/* Appends frame and body. LIMIT above ENT_LEAF_MAX_BYTES. */
ENT_MUST enum ent_err ent_leaf_frame_encode(const struct ent_leaf_frame *frame,
                                            struct ent_bytes body, struct ent_buf *out);
/* Of exactly these bytes; *body points into them. PROTOCOL: magic, lengths, numbers above their
 * bounds, schema 0. */
ENT_MUST enum ent_err ent_leaf_frame_decode(struct ent_bytes leaf, struct ent_leaf_frame *frame,
                                            struct ent_bytes *body);

#endif
