/* Leaves: every type there and back, and every way to write one otherwise is refused. */
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/sha256.h"
#include "common/crypto/sign.h"
#include "common/tlog/leaf_schemas.h"
#include "tests/fuzz/leaf_samples.h"
#include "tests/support/ent_test.h"
#include "tests/unit/common_tlog/vectors.h"

static struct ent_bytes bytes_of(const struct ent_buf *buf)
{
    return (struct ent_bytes){buf->data, buf->len};
}

static void encode(unsigned type, struct ent_buf *out)
{
    struct ent_leaf_frame frame;
    union ent_leaf_any leaf;

    ent_buf_init(out, ENT_LEAF_MAX_BYTES);
    ent_sample_leaf(type, &frame, &leaf);
    ENT_OK(ent_leaf_encode(&frame, &leaf, out));
}

static enum ent_err decode(struct ent_bytes bytes, struct ent_leaf_frame *frame)
{
    struct ent_arena arena;
    union ent_leaf_any leaf;
    enum ent_err err;

    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    err = ent_leaf_decode(bytes, &arena, frame, &leaf);
    ent_arena_release(&arena);
    return err;
}

ENT_TEST(leaf, tables_are_whole)
{
#define ENT_LEAF(name_, NAME_, type_, dotted_)                                                     \
    CU_ASSERT_TRUE(ent_schema_is_complete(&ent_leaf_##name_##_schema));                            \
    CU_ASSERT_STRING_EQUAL(ent_leaf_name(type_), dotted_);
#include "common/tlog/leaves.def"
#undef ENT_LEAF
    CU_ASSERT_TRUE(ent_schema_is_complete(&ent_leaf_witness_body_schema));
    CU_ASSERT_STRING_EQUAL(ent_leaf_name(0x0999), "unknown");
}

ENT_TEST(leaf, every_type_there_and_back)
{
    for (size_t i = 0; ent_sample_leaf_types[i] != 0; i++) {
        struct ent_leaf_frame frame;
        struct ent_leaf_frame want;
        union ent_leaf_any leaf;
        struct ent_arena arena;
        struct ent_buf buf;
        struct ent_buf again;

        encode(ent_sample_leaf_types[i], &buf);
        ent_sample_leaf(ent_sample_leaf_types[i], &want, &leaf);
        ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
        ENT_OK(ent_leaf_decode(bytes_of(&buf), &arena, &frame, &leaf));
        CU_ASSERT_EQUAL(frame.type, want.type);
        CU_ASSERT_EQUAL(frame.seq, want.seq);
        CU_ASSERT_EQUAL(frame.time_ms, want.time_ms);
        CU_ASSERT_EQUAL(frame.round, want.round);
        CU_ASSERT_EQUAL(frame.run, want.run);
        ent_buf_init(&again, ENT_LEAF_MAX_BYTES);
        ENT_OK(ent_leaf_encode(&frame, &leaf, &again));
        CU_ASSERT(again.len == buf.len && memcmp(again.data, buf.data, buf.len) == 0);
        ent_buf_release(&again);
        ent_arena_release(&arena);
        ent_buf_release(&buf);
    }
}

/* Cut anywhere or longer by a byte: the frame says how long it is. */
ENT_TEST(leaf, cut_or_extended)
{
    for (size_t i = 0; ent_sample_leaf_types[i] != 0; i++) {
        struct ent_leaf_frame frame;
        struct ent_buf buf;

        encode(ent_sample_leaf_types[i], &buf);
        for (size_t n = 0; n < buf.len; n++) {
            ENT_FAILS(decode((struct ent_bytes){buf.data, n}, &frame), ENT_E_PROTOCOL);
        }
        ENT_OK(ent_buf_add_u8(&buf, 0));
        ENT_FAILS(decode(bytes_of(&buf), &frame), ENT_E_PROTOCOL);
        ent_buf_release(&buf);
    }
}

/* Appends to the body and mends the length: what protobuf-c would let through or keep. */
static enum ent_err with_tail(unsigned type, const void *tail, size_t len)
{
    struct ent_leaf_frame frame;
    struct ent_buf buf;
    enum ent_err err;

    encode(type, &buf);
    ENT_OK(ent_buf_add(&buf, tail, len));
    for (size_t i = 0; i < 4; i++) {
        buf.data[52 + i] = (uint8_t)((buf.len - ENT_LEAF_FRAME_BYTES) >> (8 * (3 - i)));
    }
    err = decode(bytes_of(&buf), &frame);
    ent_buf_release(&buf);
    return err;
}

ENT_TEST(leaf, what_protobuf_lets_through)
{
    static const uint8_t unknown[] = {0xA0, 0x06, 0x01};    /* field 100, varint */
    static const uint8_t unknown_bytes[] = {0xFA, 0x3F, 0}; /* field 1023, empty bytes */
    static const uint8_t twice[] = {0x10, 0x05};            /* field 2 again, or out of order */

    for (size_t i = 0; ent_sample_leaf_types[i] != 0; i++) {
        unsigned type = ent_sample_leaf_types[i];

        ENT_FAILS(with_tail(type, unknown, sizeof unknown), ENT_E_PROTOCOL);
        ENT_FAILS(with_tail(type, unknown_bytes, sizeof unknown_bytes), ENT_E_PROTOCOL);
        CU_ASSERT(with_tail(type, twice, sizeof twice) != ENT_E_OK);
    }
}

/* An unknown field inside of a statement, which decoding and encoding again would keep. */
ENT_TEST(leaf, unknown_field_in_a_submessage)
{
    static const uint8_t body[] = {
        0x0A, 16,  9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,    9, /* handle */
        0x12, 108,                                                    /* request */
        0x0A, 1,   7,                                                 /* header */
        0x12, 32,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0,
        0,    0,   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x1A, 64,
    };
    static const uint8_t extra[] = {0xA0, 0x06, 0x01};
    struct ent_leaf_frame frame = {.type = ENT_LEAF_MEMBER_LEAVE, .schema = ENT_LEAF_SCHEMA};
    uint8_t whole[sizeof body + 64 + sizeof extra] = {0};
    struct ent_buf buf;

    memcpy(whole, body, sizeof body);
    whole[19] = 3 + 34 + 66;
    ent_buf_init(&buf, ENT_LEAF_MAX_BYTES);
    ENT_OK(ent_leaf_frame_encode(&frame, (struct ent_bytes){whole, sizeof body + 64}, &buf));
    ENT_OK(decode(bytes_of(&buf), &frame)); /* without it the bytes are right */
    ent_buf_clear(&buf);
    memcpy(whole + sizeof body + 64, extra, sizeof extra);
    whole[19] = (uint8_t)(whole[19] + sizeof extra);
    ENT_OK(ent_leaf_frame_encode(&frame, (struct ent_bytes){whole, sizeof whole}, &buf));
    ENT_FAILS(decode(bytes_of(&buf), &frame), ENT_E_PROTOCOL);
    ent_buf_release(&buf);
}

ENT_TEST(leaf, identifiers_only)
{
    struct ent_leaf_frame frame;
    union ent_leaf_any leaf;
    struct ent_buf buf;
    uint8_t *at;

    encode(ENT_LEAF_GENESIS, &buf);
    at = memchr(buf.data, 'f', buf.len); /* the first letter of the origin */
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    for (unsigned c = 1; c < 256; c++) {
        bool fine = strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ._:/@+-",
                           (int)c) != NULL;

        *at = (uint8_t)c;
        CU_ASSERT((decode(bytes_of(&buf), &frame) == ENT_E_OK) == fine);
    }
    ent_buf_clear(&buf);
    ent_sample_leaf(ENT_LEAF_GENESIS, &frame, &leaf);
    /* a name that is no identifier is not written either */
    memcpy(leaf.genesis.name, "<b>", 4);
    ENT_FAILS(ent_leaf_encode(&frame, &leaf, &buf), ENT_E_RANGE);
    ent_buf_release(&buf);
}

ENT_TEST(leaf, frames)
{
    struct ent_leaf_frame frame;
    struct ent_buf buf;

    encode(ENT_LEAF_ROUND_ABORT, &buf);
    buf.data[5] ^= 0x80; /* type */
    ENT_FAILS(decode(bytes_of(&buf), &frame), ENT_E_UNSUPPORTED);
    buf.data[5] ^= 0x80;
    buf.data[7] = 2; /* schema */
    ENT_FAILS(decode(bytes_of(&buf), &frame), ENT_E_UNSUPPORTED);
    buf.data[7] = 0;
    ENT_FAILS(decode(bytes_of(&buf), &frame), ENT_E_PROTOCOL);
    buf.data[7] = 1;
    for (size_t at = 24; at <= 40; at += 8) { /* seq, time, round beyond what can be stored */
        buf.data[at] |= 0x80;
        ENT_FAILS(decode(bytes_of(&buf), &frame), ENT_E_PROTOCOL);
        buf.data[at] &= 0x7F;
    }
    buf.data[0] = 'e';
    ENT_FAILS(decode(bytes_of(&buf), &frame), ENT_E_PROTOCOL);
    ent_buf_release(&buf);
}

ENT_TEST(leaf, sets_of_witnesses)
{
    static const uint32_t known[][3] = {/* n, f, k: audit.md 2.4 */
                                        {1, 0, 1}, {2, 0, 2}, {3, 0, 2}, {4, 1, 3},
                                        {5, 1, 4}, {7, 2, 5}, {10, 3, 7}};
    struct ent_leaf_witness list[3] = {{{1}, {1}}, {{2}, {2}}, {{3}, {3}}};
    struct ent_leaf_witness_body set = {
        .version = 1, .bad = 0, .quorum = 2, .witnesses = list, .n_witnesses = 3};
    struct ent_buf buf;

    for (size_t i = 0; i < ENT_ARRAY_LEN(known); i++) {
        CU_ASSERT_EQUAL(ent_leaf_bad_of(known[i][0]), known[i][1]);
        CU_ASSERT_EQUAL(ent_leaf_quorum_of(known[i][0], known[i][1]), known[i][2]);
    }
    for (uint32_t n = 1; n <= ENT_LOG_WITNESSES_MAX; n++) { /* two quorums share a good witness */
        CU_ASSERT(2 * ent_leaf_quorum_of(n, ent_leaf_bad_of(n)) > n + ent_leaf_bad_of(n));
        CU_ASSERT(ent_leaf_quorum_of(n, ent_leaf_bad_of(n)) <= n);
    }
    ent_buf_init(&buf, ENT_LOG_SET_MAX_BYTES);
    ENT_OK(ent_leaf_set_encode(&set, &buf));
    ent_buf_clear(&buf);
    set.quorum = 1; /* two of them would not meet */
    ENT_FAILS(ent_leaf_set_encode(&set, &buf), ENT_E_RANGE);
    set.quorum = 4;
    ENT_FAILS(ent_leaf_set_encode(&set, &buf), ENT_E_RANGE);
    set.quorum = 2;
    list[2].handle[0] = 2; /* one witness twice */
    ENT_FAILS(ent_leaf_set_encode(&set, &buf), ENT_E_RANGE);
    ent_buf_release(&buf);
}

ENT_TEST(leaf, frame_of_the_vectors)
{
    struct ent_json *root = vectors_load();
    const struct ent_json *v = ent_json_get(ent_json_get(root, "proposal"), "leaf_frame");
    struct ent_leaf_frame frame = {0};
    struct ent_leaf_frame got;
    struct ent_part body;
    struct ent_part want;
    struct ent_bytes got_body;
    uint8_t hash[ENT_SHA256_BYTES];
    struct ent_buf buf;

    if (root == NULL) {
        return;
    }
    frame.type = (uint16_t)vector_uint(v, "type");
    frame.schema = (uint16_t)vector_uint(v, "schema");
    memcpy(frame.federation, vector_hex(v, "federation_id").bytes, sizeof frame.federation);
    frame.seq = vector_uint(v, "seq");
    frame.time_ms = vector_uint(v, "time_ms");
    frame.round = vector_uint(v, "round");
    frame.run = (uint32_t)vector_uint(v, "run");
    body = vector_hex(v, "body");
    want = vector_hex(v, "bytes");
    ent_buf_init(&buf, ENT_LEAF_MAX_BYTES);
    ENT_OK(ent_leaf_frame_encode(&frame, (struct ent_bytes){body.bytes, body.len}, &buf));
    CU_ASSERT(parts_equal(want, (struct ent_part){buf.data, buf.len}));
    ENT_OK(ent_sha256_leaf(buf.data, buf.len, hash));
    CU_ASSERT(parts_equal(vector_hex(v, "leaf_hash"), (struct ent_part){hash, sizeof hash}));
    ENT_OK(ent_leaf_open(bytes_of(&buf), &got, &got_body));
    CU_ASSERT(got.seq == frame.seq && got.time_ms == frame.time_ms && got.run == frame.run);
    CU_ASSERT(parts_equal(body, (struct ent_part){got_body.data, got_body.len}));
    ent_buf_release(&buf);
    ent_json_free(root);
}

ENT_TEST(leaf, statements)
{
    static const uint8_t seed[ENT_SIGN_SEED_BYTES] = {7};
    static const uint8_t header[] = "a header";
    uint8_t digest[32] = {1};
    static const char label[] = "entente/envelope/v1";
    struct ent_part parts[] = {{label, sizeof label}, {header, sizeof header}, {digest, 32}};
    struct ent_bytes h = {header, sizeof header};
    struct ent_sign_key *key = NULL;
    struct ent_sign_pub *pub = NULL;
    uint8_t raw[ENT_SIGN_PUB_BYTES];
    uint8_t sig[ENT_SIGN_BYTES];

    ENT_OK(ent_sign_key_of_seed(seed, &key));
    ent_sign_key_pub(key, raw);
    ENT_OK(ent_sign_pub_new(raw, &pub));
    ENT_OK(ent_sign(key, parts, 3, sig));
    ENT_OK(ent_leaf_statement_verify(pub, h, digest, sig));
    digest[31] ^= 1;
    ENT_FAILS(ent_leaf_statement_verify(pub, h, digest, sig), ENT_E_SIGNATURE);
    digest[31] ^= 1;
    h.len--;
    ENT_FAILS(ent_leaf_statement_verify(pub, h, digest, sig), ENT_E_SIGNATURE);
    ent_sign_pub_free(pub);
    ent_sign_key_free(key);
}
