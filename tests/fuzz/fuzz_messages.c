/* First byte: message number; the rest: its payload. What decodes must encode to the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/wire_samples.h"

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ent_arena arena;
    struct ent_buf again;
    union ent_any_message message;
    unsigned type;

    if (size < 1) {
        return 0;
    }
    type = data[0];
    ent_arena_init(&arena, (size_t)1 << 20);
    ent_buf_init(&again, ENT_WIRE_ENVELOPE_MAX_BYTES);
    if (ent_msg_decode(type, (struct ent_bytes){data + 1, size - 1}, &arena, &message) ==
            ENT_E_OK &&
        (ent_msg_encode(type, &message, &again) != ENT_E_OK || again.len != size - 1 ||
         (again.len > 0 && memcmp(again.data, data + 1, again.len) != 0))) {
        abort();
    }
    ent_buf_release(&again);
    ent_arena_release(&arena);
    return 0;
}
