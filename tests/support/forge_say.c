/* What members sign. */
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/sign.h"
#include "tests/support/forge_inside.h"

struct ent_header ent_forge_header(struct ent_forge *f, size_t member, unsigned type)
{
    struct ent_header header = {.from_member = true, .type = type};

    memcpy(header.federation, f->federation, sizeof header.federation);
    memcpy(header.sender, f->members[member].handle, sizeof header.sender);
    header.sequence = ++f->members[member].sequence;
    switch (type) {
    case ENT_MSG_JOIN:
    case ENT_MSG_DECLINE:
    case ENT_MSG_LOST:
    case ENT_MSG_UPDATE:
    case ENT_MSG_DISPUTE:
        header.run = f->run_number;
        header.round = f->run.round;
        header.attempt = f->run.attempt;
        break;
    default:
        break;
    }
    return header;
}

enum ent_err ent_forge_sign(const struct ent_sign_key *key, struct ent_leaf_statement *statement)
{
    static const char label[] = "entente/envelope/v1";
    const struct ent_part parts[] = {{label, sizeof label},
                                     {statement->header.data, statement->header.len},
                                     {statement->payload_sha256, 32}};

    return ent_sign(key, parts, ENT_ARRAY_LEN(parts), statement->signature);
}

/* The header's bytes: those of an envelope that is drafted around nothing. */
static enum ent_err header_bytes(const struct ent_header *header, struct ent_arena *arena,
                                 struct ent_bytes *out)
{
    struct ent_draft draft = {0};
    uint8_t *copy = NULL;
    enum ent_err err;

    ent_buf_init(&draft.body, ENT_WIRE_ENVELOPE_MAX_BYTES);
    err = ent_wire_draft_payload(header, (struct ent_bytes){0}, &draft);
    if (err == ENT_E_OK) {
        err = ent_arena_alloc(arena, draft.header_len, 1, &copy);
    }
    if (err == ENT_E_OK) {
        memcpy(copy, draft.body.data + draft.header_at, draft.header_len);
        *out = (struct ent_bytes){copy, draft.header_len};
    }
    ent_buf_release(&draft.body);
    return err;
}

enum ent_err ent_forge_say(struct ent_forge *f, size_t member, const struct ent_header *header,
                           struct ent_bytes payload, struct ent_arena *arena,
                           struct ent_leaf_statement *out)
{
    ENT_TRY(header_bytes(header, arena, &out->header));
    ENT_TRY(ent_sha256(payload.data, payload.len, out->payload_sha256));
    return ent_forge_sign(f->members[member].statement, out);
}

enum ent_err ent_forge_say_message(struct ent_forge *f, size_t member, unsigned type,
                                   const void *message, struct ent_arena *arena,
                                   struct ent_forge_said *out)
{
    struct ent_header header = ent_forge_header(f, member, type);
    struct ent_buf payload;
    uint8_t *copy = NULL;
    enum ent_err err;

    ent_buf_init(&payload, ENT_WIRE_PAYLOAD_MAX_BYTES);
    err = ent_msg_encode(type, message, &payload);
    if (err == ENT_E_OK) {
        err = ent_arena_alloc(arena, payload.len, 1, &copy);
    }
    if (err == ENT_E_OK) {
        memcpy(copy, payload.data, payload.len);
        out->payload = (struct ent_bytes){copy, payload.len};
        err = ent_forge_say(f, member, &header, out->payload, arena, &out->statement);
    }
    ent_buf_release(&payload);
    return err;
}

enum ent_err ent_forge_receipt(struct ent_forge *f, uint64_t round, size_t member,
                               struct ent_buf *out)
{
    size_t at = ent_forge_find(f, ENT_LEAF_UPDATE_ACCEPT, round, member, 0);
    size_t open = at;
    struct ent_header header = {.type = ENT_MSG_ACK, .run = f->run_number, .round = round};
    struct ent_msg_ack ack = {.has_round_open = true};
    union ent_leaf_any any;
    struct ent_leaf_frame frame;
    struct ent_arena arena;
    enum ent_err err;

    ENT_BUG_ON(at == SIZE_MAX);
    while (f->leaves[open].type != ENT_LEAF_ROUND_OPEN) {
        open--;
    }
    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    err = ent_leaf_decode((struct ent_bytes){f->leaves[at].bytes, f->leaves[at].len}, &arena,
                          &frame, &any);
    if (err == ENT_E_OK) {
        memcpy(ack.digest, any.update_accept.update.payload_sha256, sizeof ack.digest);
        err = ent_sha256_leaf(f->leaves[open].bytes, f->leaves[open].len, ack.round_open);
    }
    if (err == ENT_E_OK) {
        memcpy(header.federation, f->federation, sizeof header.federation);
        header.attempt = f->leaves[at].attempt;
        header.sequence = 1000000 + at; /* the coordinator's own counter */
        ack.sequence = at;
        err = ent_wire_seal(f->log, &header, &ack, out);
    }
    ent_arena_release(&arena);
    return err;
}
