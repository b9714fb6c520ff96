/* Envelopes of one step: one signature for all, each good by itself. */
#include <string.h>

#include <entente/v1/messages.pb-c.h>

#include "common/base/mem.h"
#include "common/crypto/sign.h"
#include "common/wire/wire.h"
#include "tests/fuzz/wire_samples.h"
#include "tests/support/ent_test.h"

static const uint8_t seed[ENT_SIGN_SEED_BYTES] = {42};

#define TOGETHER_MAX 9

struct together {
    struct ent_sign_key *key;
    struct ent_wire_signer signer;
    struct ent_arena arena;
    struct ent_draft drafts[TOGETHER_MAX];
    struct ent_envelope envelope;
};

static void sign_some(struct together *t, size_t n)
{
    struct ent_draft *list[TOGETHER_MAX];
    uint8_t pub[ENT_SIGN_PUB_BYTES];
    union ent_any_message m;

    memset(t, 0, sizeof *t);
    ENT_OK(ent_sign_key_of_seed(seed, &t->key));
    ent_sign_key_pub(t->key, pub);
    ENT_OK(ent_wire_signer_init(&t->signer, pub));
    ent_arena_init(&t->arena, (size_t)1 << 20);
    CU_ASSERT_TRUE_FATAL(ent_sample_message(ENT_MSG_ACK, &m));
    for (size_t i = 0; i < n; i++) {
        struct ent_header header = ent_sample_header(ENT_MSG_ACK);

        header.sequence = 100 + i;
        list[i] = &t->drafts[i];
        ent_buf_init(&list[i]->body, ENT_WIRE_ENVELOPE_MAX_BYTES);
        ENT_OK(ent_wire_draft(&header, &m, list[i]));
    }
    ENT_OK(ent_wire_sign_drafts(t->key, list, n));
}

static void end_together(struct together *t)
{
    for (size_t i = 0; i < TOGETHER_MAX; i++) {
        ent_buf_release(&t->drafts[i].body);
    }
    ent_wire_signer_release(&t->signer);
    ent_sign_key_free(t->key);
    ent_arena_release(&t->arena);
}

static enum ent_err check_one(struct together *t, size_t i)
{
    const struct ent_buf *body = &t->drafts[i].body;

    ENT_TRY(ent_wire_open(ENT_MSG_ACK, ENT_SENDER_COORDINATOR,
                          (struct ent_bytes){body->data, body->len}, &t->arena, &t->envelope));
    return ent_wire_verify_by(&t->envelope, &t->signer);
}

/* Each of any number can be verified by itself, by one that knows the root and by one that does not. */
ENT_TEST(batch, each_by_itself)
{
    for (size_t n = 1; n <= TOGETHER_MAX; n++) {
        struct together t;
        uint8_t pub[ENT_SIGN_PUB_BYTES];

        sign_some(&t, n);
        ent_sign_key_pub(t.key, pub);
        for (size_t i = 0; i < n; i++) {
            ENT_OK(check_one(&t, i));
            CU_ASSERT(t.envelope.header.sequence == 100 + i && t.envelope.place == i);
            CU_ASSERT_EQUAL(t.envelope.path_len > 0, n > 1);
            CU_ASSERT_EQUAL(t.signer.has_root, n > 1);
            ENT_OK(ent_wire_verify(&t.envelope, pub));
        }
        end_together(&t);
    }
}

/* Not one bit can be changed, whether the root was seen before or not; nor can the places be swapped. */
ENT_TEST(batch, every_bit_counts)
{
    struct together t;
    size_t accepted = 0;

    sign_some(&t, 3);
    for (size_t i = 0; i < 3; i++) {
        struct ent_buf *body = &t.drafts[i].body;

        ENT_OK(check_one(&t, (i + 1) % 3)); /* the root was seen */
        for (size_t bit = 0; bit < 8 * body->len; bit++) {
            uint8_t flip = (uint8_t)(1u << bit % 8);

            body->data[bit / 8] ^= flip;
            accepted += check_one(&t, i) == ENT_E_OK;
            body->data[bit / 8] ^= flip;
            ent_arena_release(&t.arena);
        }
    }
    CU_ASSERT_EQUAL(accepted, 0);
    for (size_t i = 0; i < 3; i++) {
        ENT_OK(check_one(&t, i));
        t.envelope.place ^= 1;
        ENT_FAILS(ent_wire_verify_by(&t.envelope, &t.signer), ENT_E_SIGNATURE);
        t.envelope.place ^= 1;
        t.envelope.path_len -= ENT_WIRE_DIGEST_BYTES; /* an inner node is nobody's root */
        ENT_FAILS(ent_wire_verify_by(&t.envelope, &t.signer), ENT_E_SIGNATURE);
    }
    end_together(&t);
}

/* What fits no tree. */
ENT_TEST(batch, paths_that_are_none)
{
    static const uint8_t path[13 * ENT_WIRE_DIGEST_BYTES];
    const struct {
        uint32_t place;
        size_t len;
        enum ent_err err;
    } cases[] = {{0, 32, ENT_E_OK},
                 {1, 32, ENT_E_OK},
                 {2, 32, ENT_E_PROTOCOL},
                 {1, 0, ENT_E_PROTOCOL},
                 {0, 31, ENT_E_PROTOCOL},
                 {4095, 12 * 32, ENT_E_OK},
                 {0, 384 + 32, ENT_E_PROTOCOL},
                 {4096, 384, ENT_E_PROTOCOL}};
    for (size_t i = 0; i < ENT_ARRAY_LEN(cases); i++) {
        struct together t;
        struct ent_buf *body = &t.drafts[0].body;
        Entente__V1__Envelope *e;
        uint8_t *p = NULL;

        sign_some(&t, 1);
        e = entente__v1__envelope__unpack(NULL, body->len, body->data);
        CU_ASSERT_PTR_NOT_NULL_FATAL(e);
        e->place = cases[i].place;
        e->path = (ProtobufCBinaryData){cases[i].len, (uint8_t *)(uintptr_t)path};
        ent_buf_clear(body);
        ENT_OK(ent_buf_extend(body, entente__v1__envelope__get_packed_size(e), &p));
        (void)entente__v1__envelope__pack(e, p);
        e->path = (ProtobufCBinaryData){0, NULL};
        entente__v1__envelope__free_unpacked(e, NULL);
        CU_ASSERT_EQUAL(ent_wire_open(ENT_MSG_ACK, ENT_SENDER_COORDINATOR,
                                      (struct ent_bytes){body->data, body->len}, &t.arena,
                                      &t.envelope),
                        cases[i].err);
        end_together(&t);
    }
}

/* Members sign each message by itself. */
ENT_TEST(batch, no_path_from_a_member)
{
    struct ent_header header = ent_sample_header(ENT_MSG_JOIN);
    struct ent_sign_key *key = NULL;
    struct ent_envelope opened;
    struct ent_arena arena;
    struct ent_buf body;
    union ent_any_message m;
    uint8_t path[32] = {0};

    ENT_OK(ent_sign_key_of_seed(seed, &key));
    ent_arena_init(&arena, (size_t)1 << 20);
    ent_buf_init(&body, ENT_WIRE_ENVELOPE_MAX_BYTES);
    CU_ASSERT_TRUE_FATAL(ent_sample_message(ENT_MSG_JOIN, &m));
    ENT_OK(ent_wire_seal(key, &header, &m, &body));
    ENT_OK(ent_buf_add(&body, "\x32\x20", 2)); /* field 6 */
    ENT_OK(ent_buf_add(&body, path, sizeof path));
    ENT_FAILS(ent_wire_open(ENT_MSG_JOIN, ENT_SENDER_MEMBER,
                            (struct ent_bytes){body.data, body.len}, &arena, &opened),
              ENT_E_PROTOCOL);
    ent_buf_release(&body);
    ent_arena_release(&arena);
    ent_sign_key_free(key);
}
