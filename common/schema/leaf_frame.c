#include "common/schema/leaf_frame.h"

#include <string.h>

static const uint8_t magic[4] = {'E', 'N', 'T', '1'};

static void put(uint8_t *at, size_t n, uint64_t value)
{
    for (size_t i = 0; i < n; i++) {
        at[i] = (uint8_t)(value >> (8 * (n - 1 - i)));
    }
}

static uint64_t get(const uint8_t *at, size_t n)
{
    uint64_t value = 0;

    for (size_t i = 0; i < n; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

enum ent_err ent_leaf_frame_encode(const struct ent_leaf_frame *frame, struct ent_bytes body,
                                   struct ent_buf *out)
{
    uint8_t head[ENT_LEAF_FRAME_BYTES];

    ENT_REQUIRE(body.len <= ENT_LEAF_MAX_BYTES - ENT_LEAF_FRAME_BYTES, ENT_E_LIMIT,
                "a leaf of the log would have %zu bytes", body.len + ENT_LEAF_FRAME_BYTES);
    memcpy(head, magic, sizeof magic);
    put(head + 4, 2, frame->type);
    put(head + 6, 2, frame->schema);
    memcpy(head + 8, frame->federation, sizeof frame->federation);
    put(head + 24, 8, frame->seq);
    put(head + 32, 8, frame->time_ms);
    put(head + 40, 8, frame->round);
    put(head + 48, 4, frame->run);
    put(head + 52, 4, body.len);
    ENT_TRY(ent_buf_add(out, head, sizeof head));
    return ent_buf_add(out, body.data, body.len);
}

enum ent_err ent_leaf_frame_decode(struct ent_bytes leaf, struct ent_leaf_frame *frame,
                                   struct ent_bytes *body)
{
    struct ent_leaf_frame f;

    ENT_REQUIRE(leaf.len >= ENT_LEAF_FRAME_BYTES && leaf.len <= ENT_LEAF_MAX_BYTES &&
                    memcmp(leaf.data, magic, sizeof magic) == 0,
                ENT_E_PROTOCOL, "%zu bytes are not a leaf of an audit log", leaf.len);
    f.type = (uint16_t)get(leaf.data + 4, 2);
    f.schema = (uint16_t)get(leaf.data + 6, 2);
    memcpy(f.federation, leaf.data + 8, sizeof f.federation);
    f.seq = get(leaf.data + 24, 8);
    f.time_ms = get(leaf.data + 32, 8);
    f.round = get(leaf.data + 40, 8);
    f.run = (uint32_t)get(leaf.data + 48, 4);
    ENT_REQUIRE(f.schema > 0 && f.seq <= ENT_WIRE_COUNTER_MAX &&
                    f.time_ms <= ENT_WIRE_COUNTER_MAX && f.round <= ENT_WIRE_COUNTER_MAX,
                ENT_E_PROTOCOL, "a leaf's frame has a number out of range");
    ENT_REQUIRE(get(leaf.data + 52, 4) == leaf.len - ENT_LEAF_FRAME_BYTES, ENT_E_PROTOCOL,
                "a leaf's body is not as long as its frame says");
    *frame = f;
    *body = (struct ent_bytes){leaf.data + ENT_LEAF_FRAME_BYTES, leaf.len - ENT_LEAF_FRAME_BYTES};
    return ENT_E_OK;
}
