/* First byte: side and frame type; the rest: a frame's body. What opens must verify or not without harm, and its payload
 * must decode or not; what opens is canonical, so sealing its parts again would give the same header and payload. */
#include <stdlib.h>

#include "common/wire/wire.h"
#include "tests/fuzz/wire_samples.h"

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[ENT_WIRE_PUBLIC_BYTES] = {1};
    struct ent_arena arena;
    struct ent_envelope envelope;
    union ent_any_message message;
    enum ent_msg_sender from;
    unsigned type;

    if (size < 1) {
        return 0;
    }
    from = (data[0] & 0x80) != 0 ? ENT_SENDER_COORDINATOR : ENT_SENDER_MEMBER;
    type = data[0] & 0x7Fu;
    ent_arena_init(&arena, (size_t)1 << 20);
    if (ent_wire_open(type, from, (struct ent_bytes){data + 1, size - 1}, &arena, &envelope) ==
        ENT_E_OK) {
        if (envelope.header.type != type ||
            (envelope.payload == NULL) != (envelope.payload_len == 0)) {
            abort();
        }
        if (ent_wire_verify(&envelope, key) == ENT_E_OK) {
            abort(); /* nobody holds that key */
        }
        if (type != ENT_MSG_UPDATE) {
            (void)!ent_msg_decode(type, (struct ent_bytes){envelope.payload, envelope.payload_len},
                                  &arena, &message);
        }
    }
    ent_arena_release(&arena);
    return 0;
}
