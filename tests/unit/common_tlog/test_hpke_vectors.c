#include <string.h>

#include "common/crypto/hpke.h"
#include "tests/support/ent_test.h"
#include "tests/support/hooks.h"
#include "tests/unit/common_tlog/vectors.h"

static bool give(void *ctx, void *out, size_t len)
{
    const struct ent_part *secret = ctx;

    CU_ASSERT_EQUAL_FATAL(len, secret->len);
    memcpy(out, secret->bytes, len);
    return true;
}

struct vector {
    struct ent_part sk;
    struct ent_part sk_ephemeral;
    struct ent_part plain;
    struct ent_part sealed;
    struct ent_hpke_context context;
};

static void refused(const struct ent_x25519_key *key, const struct ent_hpke_context *context,
                    struct ent_part sealed)
{
    uint8_t out[2048];

    ENT_FAILS(ent_hpke_open(key, context, sealed, out), ENT_E_SIGNATURE);
}

static void check_tampered(const struct ent_x25519_key *key, const struct vector *v)
{
    struct ent_hpke_context other = v->context;
    uint8_t copy[2048];

    memcpy(copy, v->sealed.bytes, v->sealed.len);
    for (size_t i = 0; i < v->sealed.len; i++) {
        copy[i] ^= 0x10;
        refused(key, &v->context, (struct ent_part){copy, v->sealed.len});
        copy[i] ^= 0x10;
    }
    refused(key, &v->context, (struct ent_part){copy, v->sealed.len - 1});
    refused(key, &v->context, (struct ent_part){copy, ENT_HPKE_EXTRA_BYTES - 1});
    refused(key, &v->context, (struct ent_part){copy, 0});
    other.aad.len--;
    refused(key, &other, v->sealed);
    other = v->context;
    other.info.len--;
    refused(key, &other, v->sealed);
}

static void check(const struct vector *v)
{
    struct ent_part secret = v->sk_ephemeral;
    const struct ent_test_hooks hooks = {.random = give, .ctx = &secret};
    struct ent_x25519_key *key = NULL;
    struct ent_buf sealed;
    uint8_t pub[ENT_X25519_PUB_BYTES];
    uint8_t out[2048];

    CU_ASSERT_FATAL(v->sk.len == ENT_X25519_SECRET_BYTES &&
                    v->sk_ephemeral.len == ENT_X25519_SECRET_BYTES && v->sealed.len <= sizeof out &&
                    v->plain.len <= sizeof out);
    ENT_OK(ent_x25519_key_of_secret(v->sk.bytes, &key));
    ent_x25519_key_pub(key, pub);
    ENT_OK(ent_hpke_open(key, &v->context, v->sealed, out));
    CU_ASSERT(parts_equal(v->plain, (struct ent_part){out, v->sealed.len - ENT_HPKE_EXTRA_BYTES}));
    ent_buf_init(&sealed, sizeof out);
    ent_test_hooks_set(&hooks);
    ENT_OK(ent_hpke_seal(pub, &v->context, v->plain, &sealed));
    ent_test_hooks_set(NULL);
    CU_ASSERT(parts_equal(v->sealed, (struct ent_part){sealed.data, sealed.len}));
    check_tampered(key, v);
    ent_buf_release(&sealed);
    ent_x25519_key_free(key);
}

/* enc and ciphertext stand apart in the file. */
static void check_standard(const struct ent_json *c)
{
    struct ent_part enc = vector_hex(c, "enc");
    struct ent_part ct = vector_hex(c, "ct");
    uint8_t joined[2048];
    struct vector v = {
        .sk = vector_hex(c, "skR"),
        .sk_ephemeral = vector_hex(c, "skE"),
        .plain = vector_hex(c, "pt"),
        .sealed = {joined, enc.len + ct.len},
        .context = {vector_hex(c, "info"), vector_hex(c, "aad")},
    };

    CU_ASSERT_FATAL(enc.len + ct.len <= sizeof joined);
    memcpy(joined, enc.bytes, enc.len);
    memcpy(joined + enc.len, ct.bytes, ct.len);
    check(&v);
}

ENT_TEST(hpke_vectors, standard)
{
    struct ent_json *root = vectors_load();
    const struct ent_json *cases = ent_json_get(root, "cases");
    size_t n = 0;

    if (root == NULL) {
        return;
    }
    for (size_t i = 0; i < ent_json_len(cases); i++) {
        if (vector_is(ent_json_at(cases, i), "kind", "hpke")) {
            check_standard(ent_json_at(cases, i));
            n++;
        }
    }
    CU_ASSERT(n > 0);
    ent_json_free(root);
}

ENT_TEST(hpke_vectors, seals)
{
    struct ent_json *root = vectors_load();
    const struct ent_json *seal = ent_json_get(ent_json_get(root, "proposal"), "seal");
    const struct ent_json *cases = ent_json_get(seal, "cases");

    if (root == NULL) {
        return;
    }
    CU_ASSERT(ent_json_len(cases) > 0);
    for (size_t i = 0; i < ent_json_len(cases); i++) {
        const struct ent_json *c = ent_json_at(cases, i);
        struct vector v = {
            .sk = vector_hex(seal, "sk_auditor"),
            .sk_ephemeral = vector_hex(seal, "sk_ephemeral"),
            .plain = vector_hex(c, "plaintext"),
            .sealed = vector_hex(c, "bytes"),
            .context = {vector_hex(seal, "info"), vector_hex(c, "aad")},
        };
        struct ent_x25519_key *key = NULL;
        uint8_t pub[ENT_X25519_PUB_BYTES];

        ENT_OK(ent_x25519_key_of_secret(v.sk.bytes, &key));
        ent_x25519_key_pub(key, pub);
        CU_ASSERT(parts_equal(vector_hex(seal, "pk_auditor"), (struct ent_part){pub, sizeof pub}));
        ENT_OK(ent_x25519_pub_check(pub));
        ent_x25519_key_free(key);
        check(&v);
    }
    ent_json_free(root);
}
