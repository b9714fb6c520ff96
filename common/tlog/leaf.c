#include "common/tlog/leaf.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/sha256.h"
#include "common/crypto/sign.h"
#include "common/tlog/leaf_schemas.h"
#include "common/wire/schemas.h"

static const struct entry {
    unsigned type;
    const char *name;
    const struct ent_schema *schema;
} table[] = {
#define ENT_LEAF(name_, NAME_, type_, dotted_) {(type_), (dotted_), &ent_leaf_##name_##_schema},
#include "common/tlog/leaves.def"
#undef ENT_LEAF
};

static const struct entry *find(unsigned type)
{
    for (size_t i = 0; i < ENT_ARRAY_LEN(table); i++) {
        if (table[i].type == type) {
            return &table[i];
        }
    }
    return NULL;
}

const char *ent_leaf_name(unsigned type)
{
    const struct entry *e = find(type);

    return e != NULL ? e->name : "unknown";
}

enum ent_err ent_leaf_encode(const struct ent_leaf_frame *frame, const void *message,
                             struct ent_buf *out)
{
    const struct entry *e = find(frame->type);
    struct ent_buf body;
    enum ent_err err;

    ENT_BUG_ON(e == NULL);
    ent_buf_init(&body, ENT_LEAF_SENT_MAX_BYTES);
    err = ent_schema_encode(e->schema, message, &body);
    if (err == ENT_E_OK) {
        err = ent_leaf_frame_encode(frame, (struct ent_bytes){body.data, body.len}, out);
    }
    ent_buf_release(&body);
    return err;
}

enum ent_err ent_leaf_open(struct ent_bytes leaf, struct ent_leaf_frame *frame,
                           struct ent_bytes *body)
{
    return ent_leaf_frame_decode(leaf, frame, body);
}

enum ent_err ent_leaf_decode(struct ent_bytes leaf, struct ent_arena *arena,
                             struct ent_leaf_frame *frame, union ent_leaf_any *out)
{
    struct ent_bytes body;
    const struct entry *e;

    ENT_TRY(ent_leaf_frame_decode(leaf, frame, &body));
    e = find(frame->type);
    ENT_REQUIRE(e != NULL && frame->schema == ENT_LEAF_SCHEMA, ENT_E_UNSUPPORTED,
                "leaf %llu has type %04x, schema %u, which this build does not know",
                (unsigned long long)frame->seq, (unsigned)frame->type, (unsigned)frame->schema);
    if (frame->type == ENT_LEAF_ROUND_OPEN) {
        return ent_msg_round_open_decode(leaf.data, leaf.len, arena, &out->round_open);
    }
    return ent_schema_decode(e->schema, body, arena, out);
}

enum ent_err ent_leaf_set_encode(const struct ent_leaf_witness_body *body, struct ent_buf *out)
{
    return ent_schema_encode(&ent_leaf_witness_body_schema, body, out);
}

enum ent_err ent_leaf_set_decode(struct ent_bytes set, struct ent_arena *arena,
                                 struct ent_leaf_witness_body *out)
{
    return ent_schema_decode(&ent_leaf_witness_body_schema, set, arena, out);
}

uint32_t ent_leaf_bad_of(uint32_t n)
{
    return n == 0 ? 0 : (n - 1) / 3;
}

uint32_t ent_leaf_quorum_of(uint32_t n, uint32_t bad)
{
    return (n + bad) / 2 + 1;
}

enum ent_err ent_leaf_header(struct ent_bytes header, struct ent_arena *arena,
                             struct ent_header *out)
{
    return ent_wire_header_decode(header, arena, out);
}

enum ent_err ent_leaf_statement_verify(const struct ent_sign_pub *pub, struct ent_bytes header,
                                       const uint8_t payload_sha256[32],
                                       const uint8_t signature[64])
{
    static const char label[] = "entente/envelope/v1";
    struct ent_part parts[] = {
        {label, sizeof label}, {header.data, header.len}, {payload_sha256, 32}};

    return ent_sign_pub_verify(pub, parts, ENT_ARRAY_LEN(parts), signature);
}

bool ent_leaf_survived(struct ent_bytes survivors, size_t place)
{
    return place / 8 < survivors.len && (survivors.data[place / 8] >> (place % 8) & 1) != 0;
}
