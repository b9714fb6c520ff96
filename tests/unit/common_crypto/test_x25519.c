#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/crypto/sign.h"
#include "common/crypto/x25519.h"
#include "tests/support/ent_test.h"

/* RFC 7748 6.1 */
static const char alice_hex[] = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
static const char alice_pub[] = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
static const char bob_pub[] = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
static const char shared_hex[] = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
static const char p_hex[] = "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";

static void bytes_of(const char *hex, uint8_t out[32])
{
    ENT_OK(ent_unhex(hex, out, 32));
}

static struct ent_x25519_key *alice(void)
{
    struct ent_x25519_key *key = NULL;
    uint8_t secret[32];

    bytes_of(alice_hex, secret);
    ENT_OK(ent_x25519_key_of_secret(secret, &key));
    return key;
}

ENT_TEST(x25519, agrees_as_the_rfc)
{
    struct ent_x25519_key *key = alice();
    uint8_t want[32];
    uint8_t peer[32];
    uint8_t got[32];

    ent_x25519_key_pub(key, got);
    bytes_of(alice_pub, want);
    CU_ASSERT_EQUAL(memcmp(got, want, 32), 0);
    bytes_of(bob_pub, peer);
    ENT_OK(ent_x25519_agree(key, peer, got));
    bytes_of(shared_hex, want);
    CU_ASSERT_EQUAL(memcmp(got, want, 32), 0);
    ent_x25519_key_free(key);
    ent_x25519_key_free(NULL);
}

/* The points whose order divides 8, as u: 0, 1, two of order 8, p-1. */
static const char *const small_order[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

ENT_TEST(x25519, no_secret_of_a_small_order)
{
    struct ent_x25519_key *key = alice();
    uint8_t peer[32];
    uint8_t got[32];

    for (size_t i = 0; i < sizeof small_order / sizeof small_order[0]; i++) {
        bytes_of(small_order[i], peer);
        memset(got, 7, sizeof got);
        ENT_FAILS(ent_x25519_agree(key, peer, got), ENT_E_SIGNATURE);
        CU_ASSERT(got[0] == 7 && got[31] == 7);
        ENT_FAILS(ent_x25519_pub_check(peer), ENT_E_SIGNATURE);
    }
    ent_x25519_key_free(key);
}

ENT_TEST(x25519, one_encoding_of_a_key)
{
    uint8_t pub[32];

    bytes_of(alice_pub, pub);
    ENT_OK(ent_x25519_pub_check(pub));
    pub[31] |= 0x80;
    ENT_FAILS(ent_x25519_pub_check(pub), ENT_E_SIGNATURE);
    bytes_of(p_hex, pub);
    pub[0] = 0xf6; /* 9, the base point, plus p: a point of large order */
    ENT_FAILS(ent_x25519_pub_check(pub), ENT_E_SIGNATURE);
    memset(pub, 0, sizeof pub);
    pub[0] = 9;
    ENT_OK(ent_x25519_pub_check(pub));
    memset(pub, 0xff, sizeof pub);
    pub[31] = 0x7f;
    pub[30] = 0xfe; /* just below p in its highest bytes, and a number that it is */
    CU_ASSERT(ent_x25519_pub_check(pub) == ENT_E_OK);
}

ENT_TEST(x25519, a_key_file)
{
    struct ent_x25519_key *key = NULL;
    struct ent_x25519_key *again = NULL;
    struct ent_x25519_key *other = NULL;
    struct ent_sign_key *sign = NULL;
    uint8_t a[32];
    uint8_t b[32];
    struct stat st;
    char *path = NULL;
    char *sign_path = NULL;

    ENT_OK(ent_path_join(ent_test_tmpdir(), "auditor.x25519", &path));
    ENT_OK(ent_path_join(ent_test_tmpdir(), "sign.pem", &sign_path));
    ENT_OK(ent_x25519_key_generate(&key));
    ENT_OK(ent_x25519_key_generate(&other));
    ENT_OK(ent_x25519_key_save(key, path));
    CU_ASSERT(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    ENT_FAILS(ent_x25519_key_save(other, path), ENT_E_EXISTS);
    ENT_OK(ent_x25519_key_load(path, &again));
    ent_x25519_key_pub(key, a);
    ent_x25519_key_pub(again, b);
    CU_ASSERT_EQUAL(memcmp(a, b, 32), 0);
    ent_x25519_key_pub(other, b);
    CU_ASSERT(memcmp(a, b, 32) != 0);
    ent_x25519_key_free(again);
    again = NULL;
    CU_ASSERT_EQUAL(chmod(path, 0640), 0);
    ENT_FAILS(ent_x25519_key_load(path, &again), ENT_E_PERMISSION);
    ENT_OK(ent_sign_key_generate(&sign));
    ENT_OK(ent_sign_key_save(sign, sign_path));
    ENT_FAILS(ent_x25519_key_load(sign_path, &again), ENT_E_CORRUPT);
    ENT_FAILS(ent_x25519_key_load("/nonexistent/key", &again), ENT_E_NOT_FOUND);
    CU_ASSERT_PTR_NULL(again);
    ent_sign_key_free(sign);
    ent_x25519_key_free(other);
    ent_x25519_key_free(key);
    free(sign_path);
    free(path);
}

ENT_TEST(x25519, fingerprint)
{
    uint8_t pub[32] = {0};
    char text[ENT_FINGERPRINT_CHARS + 1];

    ENT_OK(ent_fingerprint(pub, text)); /* SHA-256 of 32 zeros */
    CU_ASSERT_STRING_EQUAL(text,
                           "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925");
}
