/* The 16-byte frame header: u8 version, u8 type, u16 flags, u32 length, u64 request, big-endian. */
#ifndef ENT_COMMON_NET_FRAME_H
#define ENT_COMMON_NET_FRAME_H

#include "common/net/link.h"

struct ent_frame {
    uint8_t type;
    uint16_t flags;
    uint32_t len; /* body bytes */
    uint64_t request;
};

/* What a connection may receive now. */
struct ent_frame_state {
    bool opened;             /* listener: the first PING came; dialer: always */
    bool expecting;          /* a transfer was granted (ent_link_expect) */
    uint64_t expect_request; /* its request */
    uint64_t expect_bytes;   /* and how many of its bytes may still come */
};

void ent_frame_encode(const struct ent_frame *frame, uint8_t out[ENT_FRAME_HEADER_BYTES]);

/* Header bytes -> frame, refused before anything is allocated for its body. VERSION: another frame
 * version; PROTOCOL: unknown type, wrong length for its type, not allowed in this state. */
ENT_MUST enum ent_err ent_frame_decode(const uint8_t header[ENT_FRAME_HEADER_BYTES],
                                       const struct ent_frame_state *state, struct ent_frame *out);

#endif
