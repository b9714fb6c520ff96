/* Payloads: round trips, and numbered tampers that strict decoding refuses. */
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/wire/schemas.h"
#include "tests/fuzz/wire_samples.h"
#include "tests/support/ent_test.h"

#define MEMORY ((size_t)1 << 20)

struct bytes_of {
    struct ent_buf buf;
    struct ent_arena arena;
    union ent_any_message out;
};

static void begin(struct bytes_of *b)
{
    memset(b, 0, sizeof *b);
    ent_buf_init(&b->buf, (size_t)2 * ENT_WIRE_ENVELOPE_MAX_BYTES);
    ent_arena_init(&b->arena, MEMORY);
}

static void end(struct bytes_of *b)
{
    ent_buf_release(&b->buf);
    ent_arena_release(&b->arena);
}

static enum ent_err decode(unsigned type, struct bytes_of *b)
{
    return ent_msg_decode(type, (struct ent_bytes){b->buf.data, b->buf.len}, &b->arena, &b->out);
}

/* The sample of a type, encoded. */
static void sample(unsigned type, struct bytes_of *b)
{
    union ent_any_message m;

    begin(b);
    CU_ASSERT_TRUE_FATAL(ent_sample_message(type, &m));
    ENT_OK(ent_msg_encode(type, &m, &b->buf));
}

static bool has_payload(unsigned type)
{
    return ent_msg_info(type) != NULL && type != ENT_MSG_UPDATE;
}

ENT_TEST(messages, tables_cover_the_schema)
{
#define ENT_MESSAGE(name_, NAME_, number_, sender_, enveloped_, max_)                              \
    CU_ASSERT_TRUE(ent_schema_is_complete(&ent_msg_##name_##_schema));                             \
    CU_ASSERT_STRING_EQUAL(ent_msg_name(ENT_MSG_##NAME_), #name_);
#define ENT_MESSAGE_BARE(name_, NAME_, number_, sender_, enveloped_, max_)
#include "common/wire/messages.def"
#undef ENT_MESSAGE_BARE
#undef ENT_MESSAGE
    CU_ASSERT_TRUE(ent_schema_is_complete(&ent_msg_outcome_schema));
    CU_ASSERT_TRUE(ent_schema_is_complete(&ent_msg_metric_schema));
    CU_ASSERT_TRUE(ent_schema_is_complete(&ent_wire_header_schema));
    CU_ASSERT_TRUE(ent_schema_is_complete(&ent_wire_envelope_schema));
    CU_ASSERT_TRUE(ent_schema_is_complete(&ent_wire_statement_schema));
    CU_ASSERT_STRING_EQUAL(ent_msg_name(15), "unknown");
    CU_ASSERT_STRING_EQUAL(ent_msg_name(ENT_MSG_LAST + 1u), "unknown");
    CU_ASSERT_PTR_NULL(ent_msg_info(0));
}

/* encode -> decode -> encode gives the same bytes; the sample has every field set, so each is carried. */
ENT_TEST(messages, round_trips)
{
    for (unsigned type = ENT_MSG_FIRST; type <= ENT_MSG_LAST; type++) {
        struct bytes_of b;
        struct ent_buf again;

        if (!has_payload(type)) {
            continue;
        }
        sample(type, &b);
        ENT_OK(decode(type, &b));
        ent_buf_init(&again, ENT_WIRE_ENVELOPE_MAX_BYTES);
        ENT_OK(ent_msg_encode(type, &b.out, &again));
        CU_ASSERT_TRUE(again.len == b.buf.len && memcmp(again.data, b.buf.data, again.len) == 0);
        ent_buf_release(&again);
        end(&b);
    }
}

ENT_TEST(messages, values_arrive)
{
    struct bytes_of b;

    sample(ENT_MSG_HELLO, &b);
    ENT_OK(ent_msg_hello_decode(b.buf.data, b.buf.len, &b.arena, &b.out.hello));
    CU_ASSERT(b.out.hello.exporter[0] == 9 && b.out.hello.protocol_max == 2);
    CU_ASSERT_STRING_EQUAL(b.out.hello.build, "entente-client 0.1.0");
    CU_ASSERT(b.out.hello.n_models_held == 3 && b.out.hello.models_held[2][1] == 3);
    end(&b);
    sample(ENT_MSG_ROUND_CLOSE, &b);
    ENT_OK(ent_msg_round_close_decode(b.buf.data, b.buf.len, &b.arena, &b.out.round_close));
    CU_ASSERT(b.out.round_close.n_outcomes == 3 && b.out.round_close.outcomes[1].member[0] == 7);
    CU_ASSERT(b.out.round_close.outcomes[1].code == ENT_E_TIMEOUT);
    CU_ASSERT(b.out.round_close.metrics[1].nano == -1);
    end(&b);
    sample(ENT_MSG_ENROLLED, &b);
    ENT_OK(ent_msg_enrolled_decode(b.buf.data, b.buf.len, &b.arena, &b.out.enrolled));
    CU_ASSERT(b.out.enrolled.ca.len == 5 && b.out.enrolled.ca.data[4] == 5);
    CU_ASSERT_STRING_EQUAL(b.out.enrolled.federation_name, "acme-brands");
    end(&b);
}

/* Every proper prefix, and every message with one more byte or field, is refused; the caller's struct is untouched. */
ENT_TEST(tamper, every_message_cut_or_extended)
{
    static const uint8_t unknown_field[] = {0xA0, 0x06, 0x01}; /* field 100 = 1 */
    static const uint8_t zero_field[] = {0xA0, 0x06, 0x00};

    for (unsigned type = ENT_MSG_FIRST; type <= ENT_MSG_LAST; type++) {
        struct bytes_of b;
        union ent_any_message before;
        uint8_t *twice;
        size_t len;
        size_t accepted = 0;

        if (!has_payload(type)) {
            continue;
        }
        sample(type, &b);
        len = b.buf.len;
        memset(&b.out, 0x77, sizeof b.out);
        before = b.out;
        for (b.buf.len = 0; b.buf.len < len; b.buf.len++) {
            union ent_any_message keep = b.out;

            if (decode(type, &b) == ENT_E_OK) { /* a message that ends before its optional tail */
                accepted++;
                b.out = keep;
            }
        }
        CU_ASSERT(accepted <= 16);
        CU_ASSERT_EQUAL(memcmp((const void *)&before, (const void *)&b.out, sizeof before), 0);
        ENT_OK(ent_buf_add_u8(&b.buf, 0)); /* 1: trailing byte */
        ENT_FAILS(decode(type, &b), ENT_E_PROTOCOL);
        b.buf.len = len;
        ENT_OK(ent_buf_add(&b.buf, unknown_field, 3)); /* 2: unknown field */
        ENT_FAILS(decode(type, &b), ENT_E_PROTOCOL);
        /* the frame of a leaf says how long it is: nothing stands behind it */
        CU_ASSERT(type == ENT_MSG_ROUND_OPEN ||
                  strstr(ent_err_message(), "unknown field 100") != NULL);
        b.buf.len = len;
        ENT_OK(ent_buf_add(&b.buf, zero_field, 3)); /* 3: unknown field holding zero */
        ENT_FAILS(decode(type, &b), ENT_E_PROTOCOL);
        b.buf.len = len;
        ENT_OK(ent_buf_extend(&b.buf, len, &twice)); /* 4: every field twice */
        memcpy(twice, b.buf.data, len);
        ENT_FAILS(decode(type, &b), ENT_E_PROTOCOL);
        CU_ASSERT_EQUAL(memcmp((const void *)&before, (const void *)&b.out, sizeof before), 0);
        end(&b);
    }
}

static enum ent_err raw(unsigned type, const void *bytes, size_t len)
{
    struct bytes_of b;
    enum ent_err err;

    begin(&b);
    ENT_OK(ent_buf_add(&b.buf, bytes, len));
    err = decode(type, &b);
    end(&b);
    return err;
}

#define RAW(type_, ...)                                                                            \
    raw((type_), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* One spelling only. Abort{round 5, attempt 1, code 24} = 08 05 10 01 18 18; Go{} is empty. */
ENT_TEST(tamper, spellings)
{
    CU_ASSERT_EQUAL(RAW(ENT_MSG_ABORT, 0x08, 5, 0x10, 1, 0x18, 24), ENT_E_OK);
    CU_ASSERT_EQUAL(raw(ENT_MSG_GO, "", 0), ENT_E_OK);
    CU_ASSERT_EQUAL(RAW(ENT_MSG_ABORT, 0x08, 0x85, 0x00, 0x10, 1),
                    ENT_E_PROTOCOL); /* 1: long varint */
    CU_ASSERT_EQUAL(RAW(ENT_MSG_ABORT, 0x88, 0x00, 5, 0x10, 1), ENT_E_PROTOCOL); /* 2: long tag */
    CU_ASSERT_EQUAL(RAW(ENT_MSG_ABORT, 0x10, 1, 0x08, 5), ENT_E_PROTOCOL);       /* 3: order */
    CU_ASSERT_EQUAL(RAW(ENT_MSG_ABORT, 0x08, 5, 0x10, 0), ENT_E_PROTOCOL); /* 4: explicit default */
    CU_ASSERT_EQUAL(RAW(ENT_MSG_ABORT, 0x08, 5, 0x08, 6), ENT_E_PROTOCOL); /* 5: twice */
    CU_ASSERT_EQUAL(RAW(ENT_MSG_ABORT, 0x09, 5, 0, 0, 0, 0, 0, 0, 0),
                    ENT_E_PROTOCOL); /* 6: wire type */
    CU_ASSERT_EQUAL(RAW(ENT_MSG_ABORT, 0x08, 5, 0x10, 0x81, 0x80, 0x80, 0x80, 0x10),
                    ENT_E_PROTOCOL);                           /* 7: attempt above 32 bits */
    CU_ASSERT_EQUAL(RAW(ENT_MSG_ABORT, 0x08), ENT_E_PROTOCOL); /* 8: no value */
    CU_ASSERT_EQUAL(RAW(ENT_MSG_ABORT, 0x08, 0xFF, 0xFF), ENT_E_PROTOCOL); /* 9: no end */
    CU_ASSERT_EQUAL(RAW(ENT_MSG_ABORT, 0x18, 0x80, 0x20), ENT_E_PROTOCOL); /* 10: code 4096 */
    CU_ASSERT_EQUAL(RAW(ENT_MSG_REFUSED, 0x12, 0x81, 0x00, 'a'),
                    ENT_E_PROTOCOL); /* 11: long length */
    CU_ASSERT_EQUAL(RAW(ENT_MSG_REFUSED, 0x12, 5, 'a'),
                    ENT_E_PROTOCOL); /* 12: length beyond the end */
    CU_ASSERT_EQUAL(RAW(ENT_MSG_REFUSED, 0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F),
                    ENT_E_PROTOCOL);                               /* 13: 4 GiB */
    CU_ASSERT_EQUAL(RAW(ENT_MSG_UPDATE, 0x08, 1), ENT_E_PROTOCOL); /* 14: UPDATE has no payload */
    CU_ASSERT_EQUAL(RAW(15, 0x08, 1), ENT_E_PROTOCOL);             /* 15: no message */
}

ENT_TEST(tamper, strings)
{
    CU_ASSERT_EQUAL(RAW(ENT_MSG_REFUSED, 0x12, 3, 'a', 0xC3, 0xA9), ENT_E_OK);
    CU_ASSERT_EQUAL(RAW(ENT_MSG_REFUSED, 0x12, 2, 'a', 0xC3), ENT_E_PROTOCOL);  /* 1: cut */
    CU_ASSERT_EQUAL(RAW(ENT_MSG_REFUSED, 0x12, 2, 0xC0, 0xAF), ENT_E_PROTOCOL); /* 2: overlong */
    CU_ASSERT_EQUAL(RAW(ENT_MSG_REFUSED, 0x12, 3, 0xED, 0xA0, 0x80),
                    ENT_E_PROTOCOL); /* 3: surrogate */
    CU_ASSERT_EQUAL(RAW(ENT_MSG_REFUSED, 0x12, 4, 0xF4, 0x90, 0x80, 0x80),
                    ENT_E_PROTOCOL);                                             /* 4: too high */
    CU_ASSERT_EQUAL(RAW(ENT_MSG_REFUSED, 0x12, 1, 0x1B), ENT_E_PROTOCOL);        /* 5: escape */
    CU_ASSERT_EQUAL(RAW(ENT_MSG_REFUSED, 0x12, 1, '\n'), ENT_E_PROTOCOL);        /* 6: new line */
    CU_ASSERT_EQUAL(RAW(ENT_MSG_REFUSED, 0x12, 3, 'a', 0, 'b'), ENT_E_PROTOCOL); /* 7: NUL inside */
    CU_ASSERT_EQUAL(RAW(ENT_MSG_REFUSED, 0x12, 3, 0xE2, 0x80, 0xAE),
                    ENT_E_PROTOCOL);                                      /* 8: right-to-left */
    CU_ASSERT_EQUAL(RAW(ENT_MSG_REFUSED, 0x12, 1, 0x80), ENT_E_PROTOCOL); /* 9: stray byte */
}

ENT_TEST(tamper, names_take_no_utf8)
{
    struct bytes_of b;
    uint8_t *name;

    sample(ENT_MSG_HELLO, &b);
    for (name = b.buf.data; memcmp(name, "entente-client", 14) != 0; name++) {
    }
    ENT_OK(decode(ENT_MSG_HELLO, &b));
    memcpy(name, "\xc3\xa9", 2);
    ENT_FAILS(decode(ENT_MSG_HELLO, &b), ENT_E_PROTOCOL);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "hello.build"));
    end(&b);
}

/* Field values that decode but are not allowed; encoding refuses them too. */
ENT_TEST(tamper, bounds)
{
    union ent_any_message m;
    struct ent_buf buf;
    static uint8_t many[ENT_WIRE_COHORT_MAX + 1][ENT_WIRE_HANDLE_BYTES];
    static uint8_t two[2][ENT_WIRE_HANDLE_BYTES];
    static uint8_t crl[ENT_WIRE_CRL_MAX_BYTES + 1];

    ent_buf_init(&buf, ENT_WIRE_ENVELOPE_MAX_BYTES);
#define REFUSES(name_, NAME_, change_)                                                             \
    do {                                                                                           \
        CU_ASSERT_TRUE(ent_sample_message(ENT_MSG_##NAME_, &m));                                   \
        m.name_.change_;                                                                           \
        ENT_FAILS(ent_msg_##name_##_encode(&m.name_, &buf), ENT_E_RANGE);                          \
        CU_ASSERT_EQUAL(buf.len, 0);                                                               \
    } while (0)
    REFUSES(hello, HELLO, protocol_min = 3);
    REFUSES(hello, HELLO, protocol_max = 256);
    REFUSES(hello, HELLO, n_models_held = 9);
    REFUSES(hello, HELLO, build[0] = '\0');
    REFUSES(round_open, ROUND_OPEN, run = 0);
    REFUSES(round_open, ROUND_OPEN, attempt = 0);
    REFUSES(round_open, ROUND_OPEN, n_invited = 0);
    REFUSES(round_open, ROUND_OPEN, has_base = false);
    REFUSES(round_open, ROUND_OPEN, scale_bits = 63);
    REFUSES(round_open, ROUND_OPEN, join_ms = ENT_WIRE_PHASE_MAX_MS + 1);
    REFUSES(begin, BEGIN, joined = two); /* twice the same */
    REFUSES(join, JOIN, seen_size = 0);
    REFUSES(offer, OFFER, kind = 4);
    REFUSES(offer, OFFER, bytes = 0);
    REFUSES(offer, OFFER, content = ((struct ent_bytes){(const uint8_t *)"abc", 3}));
    REFUSES(welcome, WELCOME, crl = ((struct ent_bytes){crl, sizeof crl}));
    REFUSES(decline, DECLINE, code = 0);
    REFUSES(decline, DECLINE, kind = ENT_REFUSAL_DECLINED + 1);
    REFUSES(round_close, ROUND_CLOSE, outcomes[2].member[0] = 0);
    REFUSES(round_close, ROUND_CLOSE, metrics[0].name[0] = '\x01');
    REFUSES(run_end, RUN_END, best_bytes = 0);
    REFUSES(hello, HELLO, has_seen_root = false);
    REFUSES(round_open, ROUND_OPEN, round = 0);
    REFUSES(round_open, ROUND_OPEN, n_auditors = ENT_LOG_AUDITORS_MAX + 1);
    REFUSES(leaves, LEAVES, bundle.len = 0);
    REFUSES(checkpoint, CHECKPOINT, note.len = 0);
    REFUSES(cosign, COSIGN, size = 0);
    REFUSES(cosign, COSIGN, time_s = 0);
    REFUSES(propose, PROPOSE, set.len = 0);
    REFUSES(agree, AGREE, set = ((struct ent_bytes){crl, ENT_LOG_SET_MAX_BYTES + 1}));
    REFUSES(dispute, DISPUTE, receipt = ((struct ent_bytes){crl, 1025}));
    REFUSES(pull, PULL, kind = 5);
    REFUSES(piece, PIECE, bytes = ((struct ent_bytes){crl, ENT_WIRE_INLINE_MAX_BYTES + 1}));
    CU_ASSERT_TRUE(ent_sample_message(ENT_MSG_BEGIN, &m));
    for (size_t i = 0; i < ENT_WIRE_COHORT_MAX + 1; i++) {
        ent_put_be32(many[i], (uint32_t)i);
    }
    m.begin.joined = many;
    m.begin.n_joined = ENT_WIRE_COHORT_MAX + 1;
    ENT_FAILS(ent_msg_begin_encode(&m.begin, &buf), ENT_E_RANGE);
    m.begin.n_joined = ENT_WIRE_COHORT_MAX;
    ENT_OK(ent_msg_begin_encode(&m.begin, &buf));
    ent_buf_release(&buf);
}

/* Lengths of digests, order of lists and unknown fields inside submessages, in the bytes themselves. */
ENT_TEST(tamper, lengths_order_and_nesting)
{
    struct bytes_of b;
    uint8_t lost[36] = {0x0A, 31};
    uint8_t handles[2 * 18 + 34] = {0x0A, 32};
    uint8_t close[4] = {0x12, 2, 0x28, 1}; /* outcome with an unknown field 5 */
    uint8_t metric[8] = {0x32, 5, 0x0A, 1, 'a', 0x10, 2, 0x99};

    CU_ASSERT_EQUAL(raw(ENT_MSG_LOST, lost, 33), ENT_E_PROTOCOL);
    lost[1] = 32;
    CU_ASSERT_EQUAL(raw(ENT_MSG_LOST, lost, 34), ENT_E_OK);
    lost[1] = 33;
    CU_ASSERT_EQUAL(raw(ENT_MSG_LOST, lost, 35), ENT_E_PROTOCOL);
    CU_ASSERT_EQUAL(raw(ENT_MSG_LOST, "", 0), ENT_E_PROTOCOL);

    handles[34] = handles[52] = 0x12;
    handles[35] = handles[53] = 16;
    handles[36] = 1;
    handles[54] = 2;
    CU_ASSERT_EQUAL(raw(ENT_MSG_BEGIN, handles, sizeof handles), ENT_E_OK);
    handles[36] = 3;
    CU_ASSERT_EQUAL(raw(ENT_MSG_BEGIN, handles, sizeof handles), ENT_E_PROTOCOL);
    handles[36] = 2;
    CU_ASSERT_EQUAL(raw(ENT_MSG_BEGIN, handles, sizeof handles), ENT_E_PROTOCOL);

    CU_ASSERT_EQUAL(raw(ENT_MSG_ROUND_CLOSE, close, sizeof close), ENT_E_PROTOCOL);
    sample(ENT_MSG_RUN_END, &b);
    ENT_OK(decode(ENT_MSG_RUN_END, &b));
    CU_ASSERT_EQUAL(raw(ENT_MSG_RUN_END, metric, 7), ENT_E_PROTOCOL); /* wrong field number */
    metric[0] = 0x2A;
    CU_ASSERT_EQUAL(raw(ENT_MSG_RUN_END, metric, 7), ENT_E_OK);
    metric[5] = 0x18; /* unknown field 3 inside */
    CU_ASSERT_EQUAL(raw(ENT_MSG_RUN_END, metric, 7), ENT_E_PROTOCOL);
    end(&b);
}

/* 64 KiB of empty submessages: stays within the arena, is refused, and costs the caller nothing. */
ENT_TEST(tamper, empty_submessages)
{
    struct bytes_of b;

    begin(&b);
    for (size_t i = 0; i < ENT_WIRE_ENVELOPE_MAX_BYTES / 2; i++) {
        ENT_OK(ent_buf_add(&b.buf, "\x12\x00", 2));
    }
    ENT_FAILS(decode(ENT_MSG_ROUND_CLOSE, &b), ENT_E_PROTOCOL);
    CU_ASSERT_EQUAL(b.arena.used_total, 0);
    ENT_OK(ent_buf_add(&b.buf, "\x12\x00", 2));
    ENT_FAILS(decode(ENT_MSG_ROUND_CLOSE, &b), ENT_E_PROTOCOL);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "too long"));
    end(&b);
}

/* The largest honest messages fit frame and arena. */
ENT_TEST(messages, full_cohort)
{
    static struct ent_msg_outcome outcomes[ENT_WIRE_COHORT_MAX];
    static struct ent_msg_metric metrics[ENT_WIRE_METRICS_MAX];
    struct ent_msg_round_close m = {.round_open = {1},
                                    .outcomes = outcomes,
                                    .n_outcomes = ENT_WIRE_COHORT_MAX,
                                    .sum_w = UINT64_MAX,
                                    .has_model = true,
                                    .metrics = metrics,
                                    .n_metrics = 12};
    struct bytes_of b;

    begin(&b);
    for (size_t i = 0; i < ENT_WIRE_COHORT_MAX; i++) {
        ent_put_be32(outcomes[i].member, 0xFF000000u + (uint32_t)i);
        outcomes[i].standing = 5;
        outcomes[i].code = i % 2 == 0 ? 0 : 30;
        outcomes[i].weight = i % 2 == 0 ? ENT_WIRE_WEIGHT_MAX : 0;
    }
    for (size_t i = 0; i < 12; i++) {
        memset(metrics[i].name, 'm', 20);
        metrics[i].nano = INT64_MIN;
    }
    ENT_OK(ent_msg_round_close_encode(&m, &b.buf));
    CU_ASSERT(b.buf.len <= ENT_WIRE_PAYLOAD_MAX_BYTES);
    ENT_OK(decode(ENT_MSG_ROUND_CLOSE, &b));
    CU_ASSERT(b.out.round_close.n_outcomes == ENT_WIRE_COHORT_MAX);
    CU_ASSERT(b.out.round_close.outcomes[ENT_WIRE_COHORT_MAX - 2].weight == ENT_WIRE_WEIGHT_MAX);
    CU_ASSERT(b.out.round_close.metrics[11].nano == INT64_MIN);
    end(&b);
}

/* The bytes of the committed seeds: whoever changes them breaks peers of an earlier version. */
ENT_TEST(messages, golden_bytes)
{
    const char *source = getenv("ENTENTE_SOURCE");

    for (unsigned type = ENT_MSG_FIRST; type <= ENT_MSG_LAST; type++) {
        struct bytes_of b;
        struct ent_buf golden;
        char path[4096];

        if (!has_payload(type)) {
            continue;
        }
        sample(type, &b);
        ent_buf_init(&golden, ENT_WIRE_ENVELOPE_MAX_BYTES);
        (void)snprintf(path, sizeof path, "%s/tests/fuzz/corpus/messages/%s",
                       source != NULL ? source : ".", ent_msg_name(type));
        ENT_OK(ent_file_read(path, &golden));
        CU_ASSERT(golden.len == b.buf.len + 1 && golden.data[0] == type);
        CU_ASSERT(b.buf.len == 0 || memcmp(golden.data + 1, b.buf.data, b.buf.len) == 0);
        ent_buf_release(&golden);
        end(&b);
    }
}

/* A caller's arena that is too small is an error, not a crash. */
ENT_TEST(messages, small_arena)
{
    struct bytes_of b;

    sample(ENT_MSG_ROUND_OPEN, &b);
    ent_arena_release(&b.arena);
    ent_arena_init(&b.arena, 16);
    ENT_FAILS(decode(ENT_MSG_ROUND_OPEN, &b), ENT_E_LIMIT);
    end(&b);
}

ENT_TEST(text, fits_any_text)
{
    ent_free_text out;
    char lng[600];

    ent_wire_text(out, "a\tb\x1b[31m caf\xc3\xa9 \xff\xe2\x80\xae.");
    CU_ASSERT_STRING_EQUAL(out, "a?b?[31m caf\xc3\xa9 ??.");
    memset(lng, 'x', sizeof lng);
    lng[255] = '\xc3';
    lng[256] = '\xa9';
    lng[599] = '\0';
    ent_wire_text(out, lng);
    CU_ASSERT_EQUAL(strlen(out), 255); /* the character that does not fit whole is left out */
    ent_wire_text(out, "");
    CU_ASSERT_STRING_EQUAL(out, "");
}
