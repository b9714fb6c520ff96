#include <string.h>

#include "common/crypto/commit.h"
#include "common/crypto/sign.h"
#include "common/wire/wire.h"
#include "tests/support/ent_test.h"
#include "tests/unit/common_tlog/vectors.h"

#define JOINS_MAX 64

static bool is_digest(struct ent_part want, const uint8_t got[ENT_SHA256_BYTES])
{
    return parts_equal(want, (struct ent_part){got, ENT_SHA256_BYTES});
}

/* A fixed-size field, or the test ends. */
static const uint8_t *bytes_of(const struct ent_json *object, const char *key, size_t len)
{
    struct ent_part part = vector_hex(object, key);

    CU_ASSERT_EQUAL_FATAL(part.len, len);
    return part.bytes;
}

static void check_envelope(const struct ent_json *c, const struct ent_sign_key *key)
{
    static const char label[] = "entente/envelope/v1";
    struct ent_part header = vector_hex(c, "header");
    struct ent_part payload = vector_hex(c, "payload");
    struct ent_envelope e = {.header_bytes = header.bytes, .header_len = header.len};
    uint8_t pub[ENT_SIGN_PUB_BYTES];
    uint8_t sig[ENT_SIGN_BYTES];
    const struct ent_part parts[] = {
        {label, sizeof label}, header, {e.payload_sha256, sizeof e.payload_sha256}};
    struct ent_part whole = vector_hex(c, "signed");

    ENT_OK(ent_sha256(payload.bytes, payload.len, e.payload_sha256));
    CU_ASSERT(is_digest(vector_hex(c, "payload_sha256"), e.payload_sha256));
    ENT_OK(ent_sign(key, parts, 3, sig));
    CU_ASSERT(parts_equal(vector_hex(c, "signature"), (struct ent_part){sig, sizeof sig}));
    ENT_OK(ent_sign(key, &whole, 1, sig)); /* the parts are these bytes */
    CU_ASSERT(parts_equal(vector_hex(c, "signature"), (struct ent_part){sig, sizeof sig}));
    ent_sign_key_pub(key, pub);
    memcpy(e.signature, sig, sizeof sig);
    ENT_OK(ent_wire_verify(&e, pub)); /* what the program makes of them is the same */
    e.payload_sha256[0] ^= 1;
    ENT_FAILS(ent_wire_verify(&e, pub), ENT_E_SIGNATURE);
    e.payload_sha256[0] ^= 1;
    e.header_len--;
    ENT_FAILS(ent_wire_verify(&e, pub), ENT_E_SIGNATURE);
}

ENT_TEST(proposal, envelope)
{
    struct ent_json *root = vectors_load();
    const struct ent_json *envelope = ent_json_get(ent_json_get(root, "proposal"), "envelope");
    const struct ent_json *cases = ent_json_get(envelope, "cases");
    struct ent_sign_key *key = NULL;
    uint8_t pub[ENT_SIGN_PUB_BYTES];

    if (root == NULL) {
        return;
    }
    ENT_OK(ent_sign_key_of_seed(bytes_of(envelope, "seed", ENT_SIGN_SEED_BYTES), &key));
    ent_sign_key_pub(key, pub);
    CU_ASSERT(parts_equal(vector_hex(envelope, "public"), (struct ent_part){pub, sizeof pub}));
    CU_ASSERT(ent_json_len(cases) > 0);
    for (size_t i = 0; i < ent_json_len(cases); i++) {
        check_envelope(ent_json_at(cases, i), key);
    }
    ent_sign_key_free(key);
    ent_json_free(root);
}

ENT_TEST(proposal, name_commit)
{
    struct ent_json *root = vectors_load();
    const struct ent_json *c = ent_json_get(ent_json_get(root, "proposal"), "name_commit");
    uint8_t got[ENT_SHA256_BYTES];

    if (root == NULL) {
        return;
    }
    ENT_OK(ent_name_commit(bytes_of(c, "salt", ENT_SALT_BYTES), vector_text(c, "name").bytes, got));
    CU_ASSERT(is_digest(vector_hex(c, "commit"), got));
    ent_json_free(root);
}

ENT_TEST(proposal, ledger)
{
    struct ent_json *root = vectors_load();
    const struct ent_json *c = ent_json_get(ent_json_get(root, "proposal"), "ledger");
    const struct ent_json *events = ent_json_get(c, "events");
    const struct ent_json *digests = ent_json_get(c, "digests");
    uint8_t got[ENT_SHA256_BYTES];

    if (root == NULL) {
        return;
    }
    ENT_OK(ent_ledger_start(bytes_of(c, "salt", ENT_SALT_BYTES), vector_text(c, "scope"), got));
    CU_ASSERT(is_digest(vector_hex_of(ent_json_at(digests, 0)), got));
    CU_ASSERT_EQUAL(ent_json_len(digests), ent_json_len(events) + 1);
    for (size_t i = 0; i < ent_json_len(events); i++) {
        ENT_OK(ent_ledger_next(i + 1, got, vector_hex_of(ent_json_at(events, i)), got));
        CU_ASSERT(is_digest(vector_hex_of(ent_json_at(digests, i + 1)), got));
    }
    ent_json_free(root);
}

/* Judged as the file says; the counted ones are kept. */
static size_t counted_joins(const struct ent_json *joins, struct ent_noise_nonce *out)
{
    static const char *const names[] = {[ENT_NOISE_JOIN_COUNTED] = "counted",
                                        [ENT_NOISE_JOIN_COMMIT_ONLY] = "commit_only",
                                        [ENT_NOISE_JOIN_REJECT] = "reject"};
    size_t n = 0;

    for (size_t i = 0; i < ent_json_len(joins); i++) {
        const struct ent_json *join = ent_json_at(joins, i);
        bool none = ent_json_kind(ent_json_get(join, "earlier")) == ENT_JSON_NULL;
        struct ent_part nonce = vector_hex(join, "nonce");
        enum ent_noise_join result;

        ENT_OK(ent_noise_join(none ? NULL : bytes_of(join, "earlier", ENT_SHA256_BYTES), nonce,
                              &result));
        CU_ASSERT(vector_is(join, "result", names[result]));
        if (result == ENT_NOISE_JOIN_COUNTED) {
            CU_ASSERT_FATAL(n < JOINS_MAX);
            memcpy(out[n].handle, bytes_of(join, "handle", sizeof out[n].handle),
                   sizeof out[n].handle);
            memcpy(out[n].nonce, nonce.bytes, sizeof out[n].nonce);
            n++;
        }
    }
    return n;
}

ENT_TEST(proposal, noise_commit_salt_and_key)
{
    struct ent_json *root = vectors_load();
    const struct ent_json *c = ent_json_get(ent_json_get(root, "proposal"), "noise");
    struct ent_noise_nonce counted[JOINS_MAX];
    struct ent_noise_where where;
    const uint8_t *seed;
    uint8_t got[ENT_SHA256_BYTES];
    uint8_t key[ENT_NOISE_KEY_BYTES];
    size_t n;

    if (root == NULL) {
        return;
    }
    where = (struct ent_noise_where){.run = (uint32_t)vector_uint(c, "run"),
                                     .round = vector_uint(c, "round"),
                                     .attempt = (uint32_t)vector_uint(c, "attempt")};
    n = counted_joins(ent_json_get(c, "joins"), counted);
    CU_ASSERT(n > 0);
    ENT_OK(ent_noise_salt(bytes_of(c, "round_open_leaf_hash", ENT_SHA256_BYTES), counted, n, got));
    CU_ASSERT(is_digest(vector_hex(c, "salt"), got));
    seed = bytes_of(c, "seed", ENT_NOISE_SEED_BYTES);
    ENT_OK(ent_noise_key(seed, got, &where, key));
    CU_ASSERT(is_digest(vector_hex(c, "key"), key));
    ENT_OK(
        ent_noise_commit(bytes_of(c, "federation_id", ENT_COMMIT_HANDLE_BYTES), &where, seed, got));
    CU_ASSERT(is_digest(vector_hex(c, "commit"), got));
    ent_json_free(root);
}
