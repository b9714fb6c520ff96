/* Envelopes: sealed, opened, verified; every way to change one is refused with its own code. */
#include <string.h>

#include <entente/v1/messages.pb-c.h>

#include "common/base/mem.h"
#include "common/crypto/sha256.h"
#include "common/crypto/sign.h"
#include "common/wire/schemas.h"
#include "tests/fuzz/wire_samples.h"
#include "tests/support/ent_test.h"

static const uint8_t seed[ENT_SIGN_SEED_BYTES] = {42};
static const uint8_t other_seed[ENT_SIGN_SEED_BYTES] = {43};

struct sealed {
    struct ent_sign_key *key;
    uint8_t pub[ENT_SIGN_PUB_BYTES];
    struct ent_buf bytes;
    struct ent_arena arena;
    struct ent_envelope envelope;
};

static void begin(struct sealed *s)
{
    memset(s, 0, sizeof *s);
    ENT_OK(ent_sign_key_of_seed(seed, &s->key));
    ent_sign_key_pub(s->key, s->pub);
    ent_buf_init(&s->bytes, ENT_WIRE_ENVELOPE_MAX_BYTES);
    ent_arena_init(&s->arena, (size_t)1 << 20);
}

static void end(struct sealed *s)
{
    ent_sign_key_free(s->key);
    ent_buf_release(&s->bytes);
    ent_arena_release(&s->arena);
}

static enum ent_msg_sender side(unsigned type)
{
    return ent_msg_info(type)->sender == ENT_SENDER_MEMBER ? ENT_SENDER_MEMBER
                                                           : ENT_SENDER_COORDINATOR;
}

static void seal(unsigned type, struct sealed *s)
{
    struct ent_header header = ent_sample_header(type);
    static const uint8_t digest[ENT_WIRE_DIGEST_BYTES] = {0xDD};
    union ent_any_message m;

    begin(s);
    if (type == ENT_MSG_UPDATE) {
        ENT_OK(ent_wire_seal_update(s->key, &header, digest, &s->bytes));
        return;
    }
    CU_ASSERT_TRUE_FATAL(ent_sample_message(type, &m));
    ENT_OK(ent_wire_seal(s->key, &header, &m, &s->bytes));
}

static enum ent_err open_as(struct sealed *s, unsigned type, enum ent_msg_sender from)
{
    return ent_wire_open(type, from, (struct ent_bytes){s->bytes.data, s->bytes.len}, &s->arena,
                         &s->envelope);
}

static bool enveloped(unsigned type)
{
    return ent_msg_info(type) != NULL && ent_msg_info(type)->enveloped;
}

ENT_TEST(envelope, every_message)
{
    for (unsigned type = ENT_MSG_FIRST; type <= ENT_MSG_LAST; type++) {
        struct sealed s;
        struct ent_header header;
        union ent_any_message out;

        if (!enveloped(type)) {
            continue;
        }
        header = ent_sample_header(type);
        seal(type, &s);
        CU_ASSERT(s.bytes.len <= ent_msg_info(type)->max_bytes);
        ENT_OK(open_as(&s, type, side(type)));
        ENT_OK(ent_wire_verify(&s.envelope, s.pub));
        CU_ASSERT(s.envelope.header.type == type && s.envelope.header.sequence == 45);
        CU_ASSERT(s.envelope.header.round == 17 && s.envelope.header.run == 2);
        CU_ASSERT(s.envelope.header.from_member == header.from_member);
        CU_ASSERT_EQUAL(memcmp(s.envelope.header.sender, header.sender, sizeof header.sender), 0);
        if (type == ENT_MSG_UPDATE) {
            CU_ASSERT(s.envelope.payload == NULL && s.envelope.payload_sha256[0] == 0xDD);
            CU_ASSERT(s.envelope.header.update.payload_bytes == 40032);
            CU_ASSERT(s.envelope.header.update.rows_log2 == 12);
        } else {
            ENT_OK(ent_msg_decode(type,
                                  (struct ent_bytes){s.envelope.payload, s.envelope.payload_len},
                                  &s.arena, &out));
        }
        end(&s);
    }
}

/* Signing is deterministic, the statement digest is that of the signed bytes. */
ENT_TEST(envelope, repeat_is_byte_for_byte)
{
    struct sealed a;
    struct sealed b;
    static const char label[] = "entente/envelope/v1";
    uint8_t digest[ENT_WIRE_DIGEST_BYTES];

    seal(ENT_MSG_JOIN, &a);
    seal(ENT_MSG_JOIN, &b);
    CU_ASSERT(a.bytes.len == b.bytes.len && memcmp(a.bytes.data, b.bytes.data, a.bytes.len) == 0);
    ENT_OK(open_as(&a, ENT_MSG_JOIN, ENT_SENDER_MEMBER));
    ENT_OK(ent_sha256_parts(
        (const struct ent_part[]){{label, sizeof label},
                                  {a.envelope.header_bytes, a.envelope.header_len},
                                  {a.envelope.payload_sha256, ENT_WIRE_DIGEST_BYTES}},
        3, digest));
    CU_ASSERT_EQUAL(memcmp(digest, a.envelope.statement, sizeof digest), 0);
    end(&a);
    end(&b);
}

/* Not one bit of an envelope can be changed. */
ENT_TEST(envelope, every_bit_counts)
{
    static const unsigned types[] = {ENT_MSG_JOIN, ENT_MSG_UPDATE};

    for (size_t t = 0; t < 2; t++) {
        struct sealed s;
        size_t accepted = 0;

        seal(types[t], &s);
        for (size_t bit = 0; bit < 8 * s.bytes.len; bit++) {
            uint8_t flip = (uint8_t)(1u << bit % 8);

            s.bytes.data[bit / 8] ^= flip;
            if (open_as(&s, types[t], ENT_SENDER_MEMBER) == ENT_E_OK) {
                enum ent_err err = ent_wire_verify(&s.envelope, s.pub);

                accepted += err == ENT_E_OK;
                CU_ASSERT(err == ENT_E_OK || err == ENT_E_SIGNATURE);
            }
            s.bytes.data[bit / 8] ^= flip;
            ent_arena_release(&s.arena);
        }
        CU_ASSERT_EQUAL(accepted, 0);
        end(&s);
    }
}

/* Numbered tampers, each with its own code. */
ENT_TEST(envelope, codes)
{
    struct sealed s;
    struct sealed t;
    struct ent_sign_key *other;
    uint8_t other_pub[ENT_SIGN_PUB_BYTES];

    seal(ENT_MSG_JOIN, &s);
    ENT_OK(open_as(&s, ENT_MSG_JOIN, ENT_SENDER_MEMBER));
    ENT_OK(ent_sign_key_of_seed(other_seed, &other));
    ent_sign_key_pub(other, other_pub);
    ent_sign_key_free(other);
    ENT_FAILS(ent_wire_verify(&s.envelope, other_pub), ENT_E_SIGNATURE); /* 1: another key */
    s.envelope.signature[63] ^= 0x80;
    ENT_FAILS(ent_wire_verify(&s.envelope, s.pub), ENT_E_SIGNATURE); /* 2: signature */
    s.envelope.signature[63] ^= 0x80;
    s.envelope.payload_sha256[0] ^= 1;
    ENT_FAILS(ent_wire_verify(&s.envelope, s.pub), ENT_E_SIGNATURE); /* 3: payload's digest */
    ENT_FAILS(open_as(&s, ENT_MSG_DECLINE, ENT_SENDER_MEMBER), ENT_E_PROTOCOL); /* 4: other type */
    ENT_FAILS(open_as(&s, ENT_MSG_JOIN, ENT_SENDER_COORDINATOR),
              ENT_E_PROTOCOL);                                             /* 5: other side */
    ENT_FAILS(open_as(&s, ENT_MSG_GO, ENT_SENDER_MEMBER), ENT_E_PROTOCOL); /* 6: bare type */
    ENT_FAILS(open_as(&s, 200, ENT_SENDER_MEMBER), ENT_E_PROTOCOL);        /* 7: no type */
    CU_ASSERT_EQUAL(s.bytes.data[3], 1);
    s.bytes.data[3] = 2;
    ENT_FAILS(open_as(&s, ENT_MSG_JOIN, ENT_SENDER_MEMBER), ENT_E_VERSION); /* 8: version */
    s.bytes.data[3] = 1;
    s.bytes.data[s.bytes.len - 67] ^= 1; /* last byte of the payload */
    ENT_FAILS(open_as(&s, ENT_MSG_JOIN, ENT_SENDER_MEMBER), ENT_E_DIGEST); /* 9: payload */
    s.bytes.data[s.bytes.len - 67] ^= 1;
    while (s.bytes.len <= 1024) {
        ENT_OK(ent_buf_add_u8(&s.bytes, 0));
    }
    ENT_FAILS(open_as(&s, ENT_MSG_JOIN, ENT_SENDER_MEMBER),
              ENT_E_LIMIT); /* 10: length of the type */
    end(&s);

    seal(ENT_MSG_WELCOME, &t); /* 11: a coordinator's message in a member's frame */
    ENT_FAILS(open_as(&t, ENT_MSG_WELCOME, ENT_SENDER_MEMBER), ENT_E_PROTOCOL);
    end(&t);
}

/* LEAVES come from both sides: who sent them is what the header says. */
ENT_TEST(envelope, leaves_of_both_sides)
{
    struct ent_header header = ent_sample_header(ENT_MSG_LEAVES);
    union ent_any_message m;
    struct sealed s;

    seal(ENT_MSG_LEAVES, &s);
    ENT_OK(open_as(&s, ENT_MSG_LEAVES, ENT_SENDER_COORDINATOR));
    ENT_FAILS(open_as(&s, ENT_MSG_LEAVES, ENT_SENDER_MEMBER), ENT_E_PROTOCOL);
    end(&s);
    begin(&s);
    header.from_member = true;
    header.sender[0] = 0x5A;
    CU_ASSERT_TRUE_FATAL(ent_sample_message(ENT_MSG_LEAVES, &m));
    ENT_OK(ent_wire_seal(s.key, &header, &m, &s.bytes));
    ENT_OK(open_as(&s, ENT_MSG_LEAVES, ENT_SENDER_MEMBER));
    CU_ASSERT(s.envelope.header.sender[0] == 0x5A);
    ENT_FAILS(open_as(&s, ENT_MSG_LEAVES, ENT_SENDER_COORDINATOR), ENT_E_PROTOCOL);
    end(&s);
}

/* What our own side must not seal. */
ENT_TEST(envelope, statement_belongs_to_update)
{
    struct sealed s;
    struct ent_header header = ent_sample_header(ENT_MSG_UPDATE);
    union ent_any_message m;

    begin(&s);
    header.has_update = false;
    ENT_FAILS(ent_wire_seal_update(s.key, &header, s.pub, &s.bytes), ENT_E_RANGE);
    header = ent_sample_header(ENT_MSG_JOIN);
    header.has_update = true;
    header.update = ent_sample_header(ENT_MSG_UPDATE).update;
    CU_ASSERT_TRUE(ent_sample_message(ENT_MSG_JOIN, &m));
    ENT_FAILS(ent_wire_seal(s.key, &header, &m, &s.bytes), ENT_E_RANGE);
    CU_ASSERT_EQUAL(s.bytes.len, 0);
    header = ent_sample_header(
        ENT_MSG_UPDATE); /* a payload inside: sealed by hand, refused on arrival */
    ENT_OK(ent_wire_seal_payload(s.key, &header, (struct ent_bytes){s.pub, 32}, &s.bytes));
    ENT_FAILS(open_as(&s, ENT_MSG_UPDATE, ENT_SENDER_MEMBER), ENT_E_PROTOCOL);
    end(&s);
}

static void add_raw_header(struct ent_buf *out, uint64_t sequence, uint64_t round)
{
    Entente__V1__Header h = ENTENTE__V1__HEADER__INIT;
    Entente__V1__Envelope e = ENTENTE__V1__ENVELOPE__INIT;
    uint8_t sender[ENT_WIRE_HANDLE_BYTES] = {1};
    uint8_t digest[ENT_WIRE_DIGEST_BYTES] = {2};
    uint8_t signature[ENT_WIRE_SIGNATURE_BYTES] = {3};
    uint8_t header[ENT_WIRE_HEADER_MAX_BYTES];
    uint8_t *p = NULL;

    h.version = ENT_WIRE_VERSION;
    h.federation = (ProtobufCBinaryData){sizeof sender, sender};
    h.sender = (ProtobufCBinaryData){sizeof sender, sender};
    h.type = ENT_MSG_JOIN;
    h.round = round;
    h.sequence = sequence;
    e.header = (ProtobufCBinaryData){entente__v1__header__pack(&h, header), header};
    e.payload_sha256 = (ProtobufCBinaryData){sizeof digest, digest};
    e.signature = (ProtobufCBinaryData){sizeof signature, signature};
    ENT_OK(ent_buf_extend(out, entente__v1__envelope__get_packed_size(&e), &p));
    (void)entente__v1__envelope__pack(&e, p);
}

/* What no store can keep does not get past the header; one less gets as far as the payload's digest. */
ENT_TEST(envelope, counters_fit_a_signed_integer)
{
    const struct {
        uint64_t sequence;
        uint64_t round;
        enum ent_err err;
    } cases[] = {{(uint64_t)1 << 63, 1, ENT_E_PROTOCOL},
                 {1, (uint64_t)1 << 63, ENT_E_PROTOCOL},
                 {UINT64_MAX, UINT64_MAX, ENT_E_PROTOCOL},
                 {INT64_MAX, INT64_MAX, ENT_E_DIGEST}};
    struct ent_header header = ent_sample_header(ENT_MSG_JOIN);
    struct sealed s;

    for (size_t i = 0; i < ENT_ARRAY_LEN(cases); i++) {
        begin(&s);
        add_raw_header(&s.bytes, cases[i].sequence, cases[i].round);
        ENT_FAILS(open_as(&s, ENT_MSG_JOIN, ENT_SENDER_MEMBER), cases[i].err);
        end(&s);
    }
    begin(&s);
    header.sequence = (uint64_t)1 << 63;
    ENT_FAILS(ent_wire_seal_payload(s.key, &header, (struct ent_bytes){s.pub, 32}, &s.bytes),
              ENT_E_RANGE);
    end(&s);
}

static void fill_update(struct sealed *s, struct ent_header *header, uint8_t *payload, size_t len)
{
    uint8_t digest[ENT_WIRE_DIGEST_BYTES];

    *header = ent_sample_header(ENT_MSG_UPDATE);
    memset(payload, 0x5a, len);
    ENT_OK(ent_sha256(payload, len, digest));
    header->update.payload_bytes = len;
    begin(s);
    ENT_OK(ent_wire_seal_update(s->key, header, digest, &s->bytes));
}

/* A small update stands in its envelope; that is what was signed, and one statement. */
ENT_TEST(envelope, update_with_its_payload)
{
    static uint8_t payload[ENT_WIRE_INLINE_MAX_BYTES + 1];
    struct sealed s;
    struct ent_header header;
    struct ent_bytes sealed;
    struct ent_buf without;
    uint8_t statement[ENT_WIRE_DIGEST_BYTES];

    fill_update(&s, &header, payload, ENT_WIRE_INLINE_MAX_BYTES);
    ENT_OK(open_as(&s, ENT_MSG_UPDATE, ENT_SENDER_MEMBER));
    memcpy(statement, s.envelope.statement, sizeof statement);
    without = s.bytes;
    sealed = (struct ent_bytes){without.data, without.len};
    for (int again = 0; again < 2; again++) { /* the same bytes each time */
        ent_buf_init(&s.bytes, ENT_WIRE_ENVELOPE_MAX_BYTES);
        ENT_OK(ent_wire_put_payload(sealed, (struct ent_bytes){payload, ENT_WIRE_INLINE_MAX_BYTES},
                                    &s.arena, &s.bytes));
        CU_ASSERT(s.bytes.len <= ent_msg_info(ENT_MSG_UPDATE)->max_bytes);
        ENT_OK(open_as(&s, ENT_MSG_UPDATE, ENT_SENDER_MEMBER));
        ENT_OK(ent_wire_verify(&s.envelope, s.pub));
        CU_ASSERT_FATAL(s.envelope.payload_len == ENT_WIRE_INLINE_MAX_BYTES);
        CU_ASSERT_EQUAL(memcmp(s.envelope.payload, payload, s.envelope.payload_len), 0);
        CU_ASSERT_EQUAL(memcmp(statement, s.envelope.statement, sizeof statement), 0);
        if (again == 0) {
            ent_buf_release(&s.bytes);
        }
    }
    s.bytes.data[s.bytes.len - 70] ^= 1; /* last byte of the payload */
    ENT_FAILS(open_as(&s, ENT_MSG_UPDATE, ENT_SENDER_MEMBER), ENT_E_DIGEST);
    sealed = (struct ent_bytes){s.bytes.data, s.bytes.len};
    ENT_FAILS(ent_wire_put_payload(sealed, (struct ent_bytes){payload, 1}, &s.arena, &without),
              ENT_E_LIMIT); /* it has one */
    ent_buf_release(&without);
    end(&s);
}

ENT_TEST(envelope, update_with_another_payload)
{
    static uint8_t payload[ENT_WIRE_INLINE_MAX_BYTES + 1];
    struct sealed s;
    struct ent_header header;
    struct ent_buf with;
    struct ent_buf sealed;

    fill_update(&s, &header, payload, 100);
    sealed = s.bytes;
    ent_buf_init(&with, ENT_WIRE_ENVELOPE_MAX_BYTES);
    ENT_FAILS(ent_wire_put_payload((struct ent_bytes){sealed.data, sealed.len},
                                   (struct ent_bytes){payload, sizeof payload}, &s.arena, &with),
              ENT_E_LIMIT);
    ENT_OK(ent_wire_put_payload((struct ent_bytes){sealed.data, sealed.len},
                                (struct ent_bytes){payload, 99}, &s.arena, &with));
    s.bytes = with;
    ENT_FAILS(open_as(&s, ENT_MSG_UPDATE, ENT_SENDER_MEMBER),
              ENT_E_PROTOCOL); /* shorter than stated */
    ent_buf_release(&s.bytes);
    ent_buf_init(&s.bytes, ENT_WIRE_ENVELOPE_MAX_BYTES);
    payload[0] ^= 1;
    ENT_OK(ent_wire_put_payload((struct ent_bytes){sealed.data, sealed.len},
                                (struct ent_bytes){payload, 100}, &s.arena, &s.bytes));
    ENT_FAILS(open_as(&s, ENT_MSG_UPDATE, ENT_SENDER_MEMBER),
              ENT_E_DIGEST); /* not what was signed */
    ent_buf_release(&sealed);
    end(&s);
}

/* A whole RoundOpen payload of a full cohort, sealed from stored bytes, and its leaf hash. */
ENT_TEST(envelope, round_open_of_stored_bytes)
{
    static uint8_t invited[ENT_WIRE_COHORT_MAX][ENT_WIRE_HANDLE_BYTES];
    union ent_any_message m;
    struct sealed s;
    struct ent_header header = ent_sample_header(ENT_MSG_ROUND_OPEN);
    struct ent_buf payload;
    uint8_t hash[ENT_WIRE_DIGEST_BYTES];
    uint8_t expected[ENT_WIRE_DIGEST_BYTES];

    begin(&s);
    ent_buf_init(&payload, ENT_WIRE_PAYLOAD_MAX_BYTES);
    for (size_t i = 0; i < ENT_WIRE_COHORT_MAX; i++) {
        ent_put_be32(invited[i], (uint32_t)i);
    }
    CU_ASSERT_TRUE(ent_sample_message(ENT_MSG_ROUND_OPEN, &m));
    m.round_open.invited = invited;
    m.round_open.n_invited = ENT_WIRE_COHORT_MAX;
    ENT_OK(ent_msg_round_open_encode(&m.round_open, &payload));
    ENT_OK(ent_wire_seal_payload(s.key, &header, (struct ent_bytes){payload.data, payload.len},
                                 &s.bytes));
    ENT_OK(open_as(&s, ENT_MSG_ROUND_OPEN, ENT_SENDER_COORDINATOR));
    ENT_OK(ent_wire_verify(&s.envelope, s.pub));
    ENT_OK(ent_wire_round_open_hash(s.envelope.payload, s.envelope.payload_len, hash));
    ENT_OK(ent_sha256_parts((const struct ent_part[]){{"\0", 1}, {payload.data, payload.len}}, 2,
                            expected));
    CU_ASSERT_EQUAL(memcmp(hash, expected, sizeof hash), 0);
    ent_buf_release(&payload);
    end(&s);
}
