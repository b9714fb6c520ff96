#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/hooks.h"
#include "common/base/mem.h"
#include "common/crypto/csprng.h"
#include "common/crypto/secret.h"
#include "common/crypto/sign.h"
#include "common/crypto/x509.h"
#include "tests/support/ent_test.h"
#include "tests/unit/common_crypto/inject.h"

static bool inject;
static uint64_t injected_value;
static const uint8_t *next_bytes;
static size_t next_len;

void inject_next(const uint8_t *bytes, size_t len)
{
    next_bytes = bytes;
    next_len = len;
}

void ent_hook_point(const char *name)
{
    (void)name;
}

bool ent_hook_planted(const char *bug)
{
    (void)bug;
    return false;
}

/* Gives injected_value once, then 0. */
bool ent_hook_random(void *out, size_t len)
{
    if (next_bytes != NULL) {
        CU_ASSERT_EQUAL_FATAL(len, next_len);
        memcpy(out, next_bytes, len);
        next_bytes = NULL;
        return true;
    }
    if (!inject) {
        return false;
    }
    memset(out, 0, len);
    if (len >= sizeof injected_value) {
        memcpy(out, &injected_value, sizeof injected_value);
    }
    injected_value = 0;
    return true;
}

ENT_TEST(csprng, differs_and_counts)
{
    struct ent_csprng csprng = ent_csprng_system();
    uint8_t a[32] = {0};
    uint8_t b[32] = {0};

    ENT_OK(ent_csprng_bytes(&csprng, a, sizeof a));
    ENT_OK(ent_csprng_bytes(&csprng, b, sizeof b));
    CU_ASSERT(memcmp(a, b, sizeof a) != 0);
    CU_ASSERT_EQUAL(csprng.n_bytes, 64);
}

ENT_TEST(csprng, below_is_unbiased)
{
    struct ent_csprng csprng = ent_csprng_system();
    unsigned counts[5] = {0};
    uint64_t v = 0;

    for (int i = 0; i < 5000; i++) {
        ENT_OK(ent_csprng_below(&csprng, 5, &v));
        CU_ASSERT_FATAL(v < 5);
        counts[v]++;
    }
    for (int i = 0; i < 5; i++) {
        CU_ASSERT(counts[i] > 800 && counts[i] < 1200); /* 7 standard deviations */
    }
    ENT_OK(ent_csprng_below(&csprng, 1, &v));
    CU_ASSERT_EQUAL(v, 0);
    inject =
        true; /* 2^64 - 1 belongs to no whole multiple of 5 * 2^61: drawn again, which gives 0 */
    injected_value = UINT64_MAX;
    csprng.n_bytes = 0;
    ENT_OK(ent_csprng_below(&csprng, UINT64_C(5) << 61, &v));
    inject = false;
    CU_ASSERT(v == 0 && csprng.n_bytes == 16);
}

ENT_TEST(csprng, is_injectable_in_the_test_link)
{
    struct ent_csprng csprng = ent_csprng_system();
    uint64_t v = 0;

    inject = true;
    injected_value = 42;
    ENT_OK(ent_csprng_bytes(&csprng, &v, sizeof v));
    inject = false;
    CU_ASSERT_EQUAL(v, 42);
}

ENT_TEST(secret, life)
{
    struct ent_secret small = {0};
    struct ent_secret large = {0};
    struct rlimit core;

    ENT_OK(ent_secret_init(&small, 32)); /* before the heap: own pages */
    CU_ASSERT_TRUE(small.mapped);
    ent_secret_release(&small);
    CU_ASSERT(small.bytes == NULL && small.len == 0);
    ENT_OK(ent_secret_init_process());
    ENT_OK(ent_secret_init_process());
    CU_ASSERT(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0);
    ENT_OK(ent_secret_init(&small, 32));
    ENT_OK(ent_secret_init(&large, 1 << 20)); /* more than the heap has */
    CU_ASSERT_TRUE(large.mapped);
    for (size_t i = 0; i < small.len; i++) {
        CU_ASSERT_EQUAL(small.bytes[i], 0);
    }
    large.bytes[(1 << 20) - 1] = 1;
    ent_secret_release(&small);
    ent_secret_release(&large);
    ent_secret_release(&large);
    ENT_FAILS(ent_secret_init(&small, 0), ENT_E_SHAPE);
}

ENT_TEST(secret, compare_and_cleanse)
{
    uint8_t a[4] = {1, 2, 3, 4};
    uint8_t b[4] = {1, 2, 3, 5};

    CU_ASSERT_FALSE(ent_ct_equal(a, b, 4));
    CU_ASSERT_TRUE(ent_ct_equal(a, b, 3));
    CU_ASSERT_TRUE(ent_ct_equal(a, b, 0));
    ent_cleanse(a, 4);
    CU_ASSERT(a[0] == 0 && a[3] == 0);
    ent_cleanse(NULL, 0);
}

ENT_TEST(secret, files_are_private)
{
    struct ent_secret secret = {0};
    char *path = NULL;
    struct stat sb;

    ENT_OK(ent_path_join(ent_test_tmpdir(), "secret", &path));
    ENT_FAILS(ent_secret_read_file(&secret, path, 100), ENT_E_NOT_FOUND);
    ENT_OK(ent_secret_write_file(path, "hush", 4));
    ENT_FAILS(ent_secret_write_file(path, "hush", 4), ENT_E_EXISTS);
    CU_ASSERT(stat(path, &sb) == 0 && (sb.st_mode & 0777) == 0600);
    ENT_OK(ent_secret_read_file(&secret, path, 4));
    CU_ASSERT(secret.len == 4 && memcmp(secret.bytes, "hush", 4) == 0);
    ent_secret_release(&secret);
    ENT_FAILS(ent_secret_read_file(&secret, path, 3), ENT_E_LIMIT);
    CU_ASSERT(chmod(path, 0640) == 0);
    ENT_FAILS(ent_secret_read_file(&secret, path, 4), ENT_E_PERMISSION);
    CU_ASSERT(chmod(path, 0600) == 0);
    if (geteuid() == 0) { /* only root can give a file away */
        CU_ASSERT(chown(path, 4711, (gid_t)-1) == 0);
        ENT_FAILS(ent_secret_read_file(&secret, path, 4), ENT_E_PERMISSION);
        CU_ASSERT(chown(path, 0, (gid_t)-1) == 0);
    }
    ENT_OK(ent_file_remove(path));
    CU_ASSERT(mkfifo(path, 0600) == 0); /* nobody writes into it: reading must not wait */
    ENT_FAILS(ent_secret_read_file(&secret, path, 4), ENT_E_PERMISSION);
    ENT_OK(ent_file_remove(path));
    ENT_OK(ent_file_write_atomic(path, "", 0, 0600));
    ENT_FAILS(ent_secret_read_file(&secret, path, 4), ENT_E_CORRUPT);
    CU_ASSERT_PTR_NULL(secret.bytes);
    free(path);
}

/* RFC 8032 7.1, tests 1 to 3. */
static const struct {
    const char *seed;
    const char *pub;
    const char *message;
    const char *sig;
} ed25519_cases[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
     "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
     "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
     "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
};

ENT_TEST(sign, rfc8032)
{
    for (size_t i = 0; i < ENT_ARRAY_LEN(ed25519_cases); i++) {
        struct ent_sign_key *key = NULL;
        uint8_t seed[32];
        uint8_t pub[32];
        uint8_t real_pub[32];
        uint8_t msg[2];
        uint8_t sig[64];
        uint8_t real_sig[64];
        size_t n = strlen(ed25519_cases[i].message) / 2;
        struct ent_part parts[2] = {{msg, n / 2}, {msg + n / 2, n - n / 2}};

        ENT_OK(ent_unhex(ed25519_cases[i].seed, seed, 32));
        ENT_OK(ent_unhex(ed25519_cases[i].pub, pub, 32));
        ENT_OK(ent_unhex(ed25519_cases[i].message, msg, n));
        ENT_OK(ent_unhex(ed25519_cases[i].sig, sig, 64));
        ENT_OK(ent_sign_key_of_seed(seed, &key));
        ent_sign_key_pub(key, real_pub);
        CU_ASSERT(memcmp(pub, real_pub, 32) == 0);
        ENT_OK(ent_sign(key, parts, 2, real_sig));
        CU_ASSERT(memcmp(sig, real_sig, 64) == 0);
        ENT_OK(ent_sign_verify(pub, parts, 2, sig));
        ENT_OK(ent_sign_pub_check(pub));
        ent_sign_key_free(key);
    }
}

ENT_TEST(sign, tampers_are_refused)
{
    struct ent_sign_key *key = NULL;
    struct ent_sign_key *other = NULL;
    uint8_t pub[32];
    uint8_t sig[64];
    uint8_t *msg = NULL;
    struct ent_part part = {NULL, 5000}; /* longer than what is joined without an allocation */

    ENT_OK(ent_calloc(5000, 1, &msg));
    part.bytes = msg;
    ENT_OK(ent_sign_key_generate(&key));
    ENT_OK(ent_sign_key_generate(&other));
    ENT_OK(ent_sign(key, &part, 1, sig));
    ent_sign_key_pub(key, pub);
    ENT_OK(ent_sign_verify(pub, &part, 1, sig));
    for (size_t i = 0; i < 64; i++) {
        sig[i] ^= 0x10;
        ENT_FAILS(ent_sign_verify(pub, &part, 1, sig), ENT_E_SIGNATURE);
        sig[i] ^= 0x10;
    }
    msg[4999] = 1;
    ENT_FAILS(ent_sign_verify(pub, &part, 1, sig), ENT_E_SIGNATURE);
    msg[4999] = 0;
    part.len = 4999;
    ENT_FAILS(ent_sign_verify(pub, &part, 1, sig), ENT_E_SIGNATURE);
    part.len = 5000;
    ent_sign_key_pub(other, pub);
    ENT_FAILS(ent_sign_verify(pub, &part, 1, sig), ENT_E_SIGNATURE);
    ent_sign_key_free(key);
    ent_sign_key_free(other);
    ent_sign_key_free(NULL);
    free(msg);
}

/* S + L is the same number modulo the group order: a second signature for the same message must not
 * pass. */
ENT_TEST(sign, signatures_are_not_malleable)
{
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                      0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
    struct ent_sign_key *key = NULL;
    struct ent_part part = {"x", 1};
    uint8_t pub[32];
    uint8_t sig[64];
    unsigned carry = 0;

    ENT_OK(ent_sign_key_generate(&key));
    ENT_OK(ent_sign(key, &part, 1, sig));
    ent_sign_key_pub(key, pub);
    for (size_t i = 0; i < 32; i++) {
        carry += (unsigned)sig[32 + i] + order[i];
        sig[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    ENT_FAILS(ent_sign_verify(pub, &part, 1, sig), ENT_E_SIGNATURE);
    ent_sign_key_free(key);
}

/* The eight points of small order, their encodings with another sign or y + p, other non-canonical
 * ones, and encodings of no point (y = 2, 7, 8). */
ENT_TEST(sign, public_keys_are_checked)
{
    static const char *const bad[] = {
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "0200000000000000000000000000000000000000000000000000000000000000",
        "0700000000000000000000000000000000000000000000000000000000000000",
        "0800000000000000000000000000000000000000000000000000000000000080",
    };
    uint8_t pub[32];

    for (size_t i = 0; i < ENT_ARRAY_LEN(bad); i++) {
        ENT_OK(ent_unhex(bad[i], pub, 32));
        ENT_FAILS(ent_sign_pub_check(pub), ENT_E_SIGNATURE);
    }
    memset(pub, 0, sizeof pub);
    for (uint8_t y = 3; y <= 6; y++) { /* points of the curve, either sign */
        pub[0] = y;
        pub[31] = 0;
        ENT_OK(ent_sign_pub_check(pub));
        pub[31] = 0x80;
        ENT_OK(ent_sign_pub_check(pub));
    }
    for (int i = 0; i < 20; i++) {
        struct ent_sign_key *key = NULL;

        ENT_OK(ent_sign_key_generate(&key));
        ent_sign_key_pub(key, pub);
        ENT_OK(ent_sign_pub_check(pub));
        ent_sign_key_free(key);
    }
}

ENT_TEST(sign, key_files)
{
    const char *dir = ent_test_tmpdir();
    struct ent_sign_key *key = NULL;
    struct ent_sign_key *again = NULL;
    struct ent_tls_key *tls = NULL;
    char *path = NULL;
    char *tls_path = NULL;
    uint8_t a[32];
    uint8_t b[32];
    struct stat sb;

    ENT_OK(ent_path_join(dir, "statement.key", &path));
    ENT_OK(ent_path_join(dir, "tls.key", &tls_path));
    ENT_FAILS(ent_sign_key_load(path, &again), ENT_E_NOT_FOUND);
    ENT_OK(ent_sign_key_generate(&key));
    ENT_OK(ent_sign_key_save(key, path));
    ENT_FAILS(ent_sign_key_save(key, path), ENT_E_EXISTS);
    CU_ASSERT(stat(path, &sb) == 0 && (sb.st_mode & 0777) == 0600);
    ENT_OK(ent_sign_key_load(path, &again));
    ent_sign_key_pub(key, a);
    ent_sign_key_pub(again, b);
    CU_ASSERT(memcmp(a, b, 32) == 0);
    ent_sign_key_free(again);
    ent_sign_key_free(key);
    CU_ASSERT(chmod(path, 0604) == 0);
    ENT_FAILS(ent_sign_key_load(path, &again), ENT_E_PERMISSION);
    CU_ASSERT(chmod(path, 0400) == 0);
    ENT_OK(ent_sign_key_load(path, &again)); /* narrower is fine */
    ent_sign_key_free(again);
    ENT_OK(ent_tls_key_generate(&tls));
    ENT_OK(ent_tls_key_save(tls, tls_path));
    ENT_FAILS(ent_sign_key_load(tls_path, &again), ENT_E_CORRUPT); /* a key of another kind */
    ent_tls_key_free(tls);
    ENT_FAILS(ent_tls_key_load(path, &tls), ENT_E_CORRUPT);
    ENT_OK(ent_file_write_atomic(path, "-----BEGIN PRIVATE KEY-----\nAAAA\n", 33, 0600));
    ENT_FAILS(ent_sign_key_load(path, &again), ENT_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "statement.key"));
    free(path);
    free(tls_path);
}

/* A key under a password is refused, not asked for on the terminal. */
ENT_TEST(sign, encrypted_key_is_refused)
{
    static const char pem[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
                              "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgAAAAAAAAAAAICCAAw\n"
                              "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEAAAAAAAAAAAAAAAAAAAAAAEQAAA\n"
                              "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
                              "AAAAAAAAAAAAAAAAAAAAAAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    struct ent_sign_key *key = NULL;
    char *path = NULL;

    ENT_OK(ent_path_join(ent_test_tmpdir(), "k", &path));
    ENT_OK(ent_file_write_atomic(path, pem, sizeof pem - 1, 0600));
    ENT_FAILS(ent_sign_key_load(path, &key), ENT_E_CORRUPT);
    free(path);
}
