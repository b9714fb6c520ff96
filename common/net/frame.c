#include "common/net/frame.h"

void ent_frame_encode(const struct ent_frame *frame, uint8_t out[ENT_FRAME_HEADER_BYTES])
{
    out[0] = ENT_FRAME_VERSION;
    out[1] = frame->type;
    ent_put_be16(out + 2, frame->flags);
    ent_put_be32(out + 4, frame->len);
    ent_put_be64(out + 8, frame->request);
}

static enum ent_err check_data(const struct ent_frame *f, const struct ent_frame_state *state)
{
    ENT_REQUIRE(state->expecting, ENT_E_PROTOCOL, "DATA that was not asked for");
    ENT_REQUIRE(f->request == state->expect_request, ENT_E_PROTOCOL,
                "DATA of a transfer that was not granted");
    ENT_REQUIRE(f->len > 0 && f->len <= ENT_FRAME_DATA_MAX_BYTES, ENT_E_PROTOCOL,
                "a DATA frame of %lu bytes", (unsigned long)f->len);
    ENT_REQUIRE(f->len <= state->expect_bytes, ENT_E_PROTOCOL, "more DATA than was granted");
    return ENT_E_OK;
}

/* Version, then state, then type, then length: whatever is refused here has cost 16 bytes. */
enum ent_err ent_frame_decode(const uint8_t header[ENT_FRAME_HEADER_BYTES],
                              const struct ent_frame_state *state, struct ent_frame *out)
{
    struct ent_frame f = {.type = header[1],
                          .flags = ent_get_be16(header + 2),
                          .len = ent_get_be32(header + 4),
                          .request = ent_get_be64(header + 8)};

    ENT_REQUIRE(header[0] == ENT_FRAME_VERSION, ENT_E_VERSION,
                "frame version %u, this end speaks %u", header[0], ENT_FRAME_VERSION);
    ENT_REQUIRE(state->opened || f.type == ENT_FRAME_PING, ENT_E_PROTOCOL,
                "a connection must begin with PING, not with frame type %u", f.type);
    if (f.type == ENT_FRAME_PING || f.type == ENT_FRAME_PONG) {
        ENT_REQUIRE(f.len == 0, ENT_E_PROTOCOL, "PING or PONG with a body");
    } else if (f.type == ENT_FRAME_DATA) {
        ENT_TRY(check_data(&f, state));
    } else {
        ENT_REQUIRE(f.type >= ENT_FRAME_FIRST_MESSAGE, ENT_E_PROTOCOL, "unknown frame type %u",
                    f.type);
        ENT_REQUIRE(f.len <= ENT_FRAME_CONTROL_MAX_BYTES, ENT_E_PROTOCOL,
                    "a control frame of %lu bytes announced, at most %zu are allowed",
                    (unsigned long)f.len, ENT_FRAME_CONTROL_MAX_BYTES);
    }
    *out = f;
    return ENT_E_OK;
}
