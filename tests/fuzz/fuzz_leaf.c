/* The bytes as a leaf of the audit log, and as a set of witnesses: what decodes encodes to the same bytes, and a header
 * in it is read or refused. */
#include <stdlib.h>
#include <string.h>

#include "common/tlog/leaf.h"

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void check_leaf(struct ent_bytes bytes, struct ent_arena *arena)
{
    struct ent_leaf_frame frame = {0};
    union ent_leaf_any leaf;
    struct ent_header header;
    struct ent_buf again;

    if (ent_leaf_decode(bytes, arena, &frame, &leaf) != ENT_E_OK) {
        require(ent_err_message()[0] != '\0');
        return;
    }
    require(strcmp(ent_leaf_name(frame.type), "unknown") != 0);
    ent_buf_init(&again, ENT_LEAF_MAX_BYTES);
    if (ent_leaf_encode(&frame, &leaf, &again) == ENT_E_OK) { /* not above what we would make */
        require(again.len == bytes.len && memcmp(again.data, bytes.data, again.len) == 0);
    }
    ent_buf_release(&again);
    if ((frame.type == ENT_LEAF_ROUND_JOIN &&
         ent_leaf_header(leaf.round_join.header, arena, &header) != ENT_E_OK) ||
        (frame.type == ENT_LEAF_UPDATE_ACCEPT &&
         ent_leaf_header(leaf.update_accept.update.header, arena, &header) != ENT_E_OK)) {
        require(ent_err_message()[0] != '\0');
    }
}

static void check_set(struct ent_bytes bytes, struct ent_arena *arena)
{
    struct ent_leaf_witness_body body;
    struct ent_buf again;

    if (ent_leaf_set_decode(bytes, arena, &body) != ENT_E_OK) {
        return;
    }
    require(body.quorum <= body.n_witnesses && 2 * body.quorum > body.n_witnesses + body.bad);
    ent_buf_init(&again, ENT_LOG_SET_MAX_BYTES);
    require(ent_leaf_set_encode(&body, &again) == ENT_E_OK);
    require(again.len == bytes.len && memcmp(again.data, bytes.data, again.len) == 0);
    ent_buf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ent_arena arena;

    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    check_leaf((struct ent_bytes){data, size}, &arena);
    ent_arena_release(&arena);
    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    check_set((struct ent_bytes){data, size}, &arena);
    ent_arena_release(&arena);
    return 0;
}
