/* First byte: the state of the connection (bit 0 opened, bit 1 a transfer is granted); two
 * bytes: how much of it may still come, in units of 64 bytes; then headers, one behind the
 * other, each followed by its body as a peer would send it. What is accepted must be encodable
 * to the same bytes and within every limit. */
#include <stdlib.h>
#include <string.h>

#include "common/net/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct ent_frame *f, const struct ent_frame_state *state,
                  const uint8_t header[ENT_FRAME_HEADER_BYTES])
{
    uint8_t again[ENT_FRAME_HEADER_BYTES];

    ent_frame_encode(f, again);
    if (memcmp(again, header, sizeof again) != 0 || (!state->opened && f->type != ENT_FRAME_PING) ||
        (f->type != ENT_FRAME_DATA && f->len > ENT_FRAME_CONTROL_MAX_BYTES) ||
        (f->type == ENT_FRAME_DATA &&
         (!state->expecting || f->len == 0 || f->len > ENT_FRAME_DATA_MAX_BYTES ||
          f->len > state->expect_bytes || f->request != state->expect_request)) ||
        (f->type < ENT_FRAME_FIRST_MESSAGE && f->type > ENT_FRAME_DATA)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ent_frame_state state;
    size_t at = 3;

    if (size < at) {
        return 0;
    }
    state = (struct ent_frame_state){.opened = (data[0] & 1) != 0,
                                     .expecting = (data[0] & 2) != 0,
                                     .expect_request = 7,
                                     .expect_bytes = (uint64_t)ent_get_be16(data + 1) * 64};
    while (size - at >= ENT_FRAME_HEADER_BYTES) {
        struct ent_frame f;

        if (ent_frame_decode(data + at, &state, &f) != ENT_E_OK) {
            break;
        }
        check(&f, &state, data + at);
        at += ENT_FRAME_HEADER_BYTES;
        state.opened = true;
        state.expect_bytes -= f.type == ENT_FRAME_DATA ? f.len : 0;
        if (f.len > size - at) {
            break;
        }
        at += f.len;
    }
    return 0;
}
