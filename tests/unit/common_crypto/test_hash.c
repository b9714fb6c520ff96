#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/aead.h"
#include "common/crypto/base64.h"
#include "common/crypto/hkdf.h"
#include "common/crypto/sha256.h"
#include "tests/support/ent_test.h"

static size_t unhex(const char *hex, uint8_t *out)
{
    size_t n = strlen(hex) / 2;

    ENT_OK(ent_unhex(hex, out, n));
    return n;
}

static bool is_hex(const uint8_t *bytes, const char *hex)
{
    uint8_t want[512];
    size_t n = unhex(hex, want);

    return memcmp(bytes, want, n) == 0;
}

/* FIPS 180-4 examples. */
ENT_TEST(sha256, known_answers)
{
    static const struct {
        const char *text;
        const char *digest;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    uint8_t digest[32];

    for (size_t i = 0; i < ENT_ARRAY_LEN(cases); i++) {
        ENT_OK(ent_sha256(cases[i].text, strlen(cases[i].text), digest));
        CU_ASSERT(is_hex(digest, cases[i].digest));
    }
}

/* Any way of cutting a message gives the digest of the whole; one context serves many messages. */
ENT_TEST(sha256, pieces_equal_whole)
{
    struct ent_sha256 hash = {0};
    uint8_t bytes[200];
    uint8_t whole[32];
    uint8_t parts[32];

    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    ENT_OK(ent_sha256(bytes, sizeof bytes, whole));
    for (size_t cut = 0; cut <= sizeof bytes; cut += 13) {
        struct ent_part two[2] = {{bytes, cut}, {bytes + cut, sizeof bytes - cut}};

        ENT_OK(ent_sha256_init(&hash));
        ent_sha256_add(&hash, bytes, cut);
        ent_sha256_add(&hash, NULL, 0);
        ent_sha256_add(&hash, bytes + cut, sizeof bytes - cut);
        ent_sha256_finish(&hash, parts);
        CU_ASSERT(memcmp(whole, parts, 32) == 0);
        ENT_OK(ent_sha256_parts(two, 2, parts));
        CU_ASSERT(memcmp(whole, parts, 32) == 0);
    }
    ent_sha256_release(&hash);
    ent_sha256_release(&hash);
}

/* The first leaf and the two-leaf root of the Certificate Transparency test tree (leaves "" and
 * 0x00). */
ENT_TEST(sha256, rfc6962_leaf_and_node)
{
    uint8_t a[32];
    uint8_t b[32];
    uint8_t root[32];

    ENT_OK(ent_sha256_leaf("", 0, a));
    CU_ASSERT(is_hex(a, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"));
    ENT_OK(ent_sha256_leaf("\0", 1, b));
    ENT_OK(ent_sha256_node(a, b, root));
    CU_ASSERT(is_hex(root, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"));
}

ENT_TEST(sha256, file)
{
    const size_t len = 300 * 1024 + 17; /* more than one step */
    uint8_t *bytes = NULL;
    char *path = NULL;
    uint8_t a[32];
    uint8_t b[32];

    ENT_OK(ent_path_join(ent_test_tmpdir(), "f", &path));
    ENT_FAILS(ent_sha256_file(path, a), ENT_E_NOT_FOUND);
    ENT_OK(ent_calloc(len, 1, &bytes));
    bytes[len - 1] = 1;
    ENT_OK(ent_file_write_atomic(path, bytes, len, 0600));
    ENT_OK(ent_sha256_file(path, a));
    ENT_OK(ent_sha256(bytes, len, b));
    CU_ASSERT(memcmp(a, b, 32) == 0);
    free(bytes);
    free(path);
}

/* RFC 5869 appendix A, cases 1 to 3. */
ENT_TEST(hkdf, rfc5869)
{
    uint8_t ikm[80];
    uint8_t salt[80];
    uint8_t info[80];
    uint8_t out[82];
    size_t n = unhex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", ikm);
    size_t n_salt = unhex("000102030405060708090a0b0c", salt);
    size_t n_info = unhex("f0f1f2f3f4f5f6f7f8f9", info);

    ENT_OK(ent_hkdf_sha256((struct ent_part){ikm, n}, (struct ent_part){salt, n_salt},
                           (struct ent_part){info, n_info}, out, 42));
    CU_ASSERT(is_hex(out, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
                          "34007208d5b887185865"));
    ENT_OK(ent_hkdf_sha256((struct ent_part){ikm, n}, (struct ent_part){NULL, 0},
                           (struct ent_part){NULL, 0}, out, 42));
    CU_ASSERT(is_hex(out, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
                          "9d201395faa4b61a96c8"));
    for (size_t i = 0; i < 80; i++) {
        ikm[i] = (uint8_t)i;
        salt[i] = (uint8_t)(0x60 + i);
        info[i] = (uint8_t)(0xb0 + i);
    }
    ENT_OK(ent_hkdf_sha256((struct ent_part){ikm, 80}, (struct ent_part){salt, 80},
                           (struct ent_part){info, 80}, out, 82));
    CU_ASSERT(is_hex(out, "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
                          "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
                          "cc30c58179ec3e87c14c01d5c1f3434f1d87"));
    ENT_FAILS(ent_hkdf_sha256((struct ent_part){ikm, 80}, (struct ent_part){NULL, 0},
                              (struct ent_part){NULL, 0}, out, 0),
              ENT_E_LIMIT);
    ENT_FAILS(ent_hkdf_sha256((struct ent_part){ikm, 80}, (struct ent_part){NULL, 0},
                              (struct ent_part){NULL, 0}, out, ENT_HKDF_MAX_BYTES + 1),
              ENT_E_LIMIT);
}

struct aead_case {
    enum ent_aead aead;
    const char *key;
    const char *nonce;
    const char *aad;
    const char *plain;
    const char *sealed; /* ciphertext and tag */
};

static const struct aead_case aead_cases[] = {
    /* RFC 8439 2.8.2 */
    {ENT_AEAD_CHACHA20_POLY1305, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
     "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
     "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a20496620492"
     "0"
     "636f756c64206f6666657220796f75206f6e6c79206f6e652074697020666f7220746865206675747572652c20737"
     "5"
     "6e73637265656e20776f756c642062652069742e",
     "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da927"
     "2"
     "8b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b483"
     "1"
     "d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691"},
    /* McGrew and Viega, "The Galois/Counter Mode of Operation", test case 16 */
    {ENT_AEAD_AES_256_GCM, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
     "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b"
     "5"
     "25b16aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828"
     "8"
     "38c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"},
};

static void check_aead(const struct aead_case *c)
{
    uint8_t key[32];
    uint8_t nonce[12];
    uint8_t aad[64];
    uint8_t plain[200];
    uint8_t sealed[216];
    uint8_t out[216];
    size_t n_aad = unhex(c->aad, aad);
    size_t n_plain = unhex(c->plain, plain);
    size_t n_sealed = unhex(c->sealed, sealed);
    struct ent_aead_input in = {c->aead, key, nonce, {aad, n_aad}, {plain, n_plain}};

    (void)unhex(c->key, key);
    (void)unhex(c->nonce, nonce);
    ENT_OK(ent_aead_seal(&in, out));
    CU_ASSERT(n_sealed == n_plain + 16 && memcmp(out, sealed, n_sealed) == 0);
    in.bytes = (struct ent_part){sealed, n_sealed};
    ENT_OK(ent_aead_open(&in, out));
    CU_ASSERT(memcmp(out, plain, n_plain) == 0);
    for (size_t at = 0; at < n_sealed;
         at += 5) { /* one bit anywhere: refused, and nothing comes out */
        sealed[at] ^= 1;
        ENT_FAILS(ent_aead_open(&in, out), ENT_E_SIGNATURE);
        CU_ASSERT(out[0] == 0 && memcmp(out, out + 1, n_plain - 1) == 0);
        sealed[at] ^= 1;
    }
    aad[0] ^= 1;
    ENT_FAILS(ent_aead_open(&in, out), ENT_E_SIGNATURE);
    aad[0] ^= 1;
    in.bytes.len = 15;
    ENT_FAILS(ent_aead_open(&in, out), ENT_E_SIGNATURE);
    in.bytes = (struct ent_part){NULL, 0}; /* an empty message has a tag too */
    ENT_OK(ent_aead_seal(&in, out));
    in.bytes = (struct ent_part){out, 16};
    ENT_OK(ent_aead_open(&in, plain));
}

ENT_TEST(aead, known_answers_and_tampers)
{
    for (size_t i = 0; i < ENT_ARRAY_LEN(aead_cases); i++) {
        check_aead(&aead_cases[i]);
    }
}

/* RFC 4648 10. */
ENT_TEST(base64, known_answers)
{
    static const char *const cases[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"},
                                           {"\xff\xfe\xfb", "//77"}};
    char text[16];
    uint8_t out[8];
    size_t n = 0;

    for (size_t i = 0; i < ENT_ARRAY_LEN(cases); i++) {
        ent_base64_encode(ENT_BASE64, (const uint8_t *)cases[i][0], strlen(cases[i][0]), text);
        CU_ASSERT_STRING_EQUAL(text, cases[i][1]);
        CU_ASSERT_EQUAL(ent_base64_len(ENT_BASE64, strlen(cases[i][0])), strlen(text));
        ENT_OK(ent_base64_decode(ENT_BASE64, text, strlen(text), out, sizeof out, &n));
        CU_ASSERT(n == strlen(cases[i][0]) && memcmp(out, cases[i][0], n) == 0);
    }
}

ENT_TEST(base64, round_trip_and_strict)
{
    static const char *const bad[] = {
        "A", "A===", "AA", "AAA", "AA=A", "Zh==", "Zm9=", "Zm 9v", "====", "AA==AAAA", "A-A="};
    static const char *const bad_url[] = {"A",    "AA==", "AB",   "AAB",
                                          "A+AA", "A/AA", "AA A", "\xc3\xa4\x41\x41"};
    uint8_t bytes[64];
    uint8_t back[64];
    char text[96];
    size_t n = 0;

    for (size_t len = 0; len <= sizeof bytes; len++) {
        for (int kind = 0; kind < 2; kind++) {
            for (size_t i = 0; i < len; i++) {
                bytes[i] = (uint8_t)(i * 37 + len * 101 + (size_t)kind);
            }
            ent_base64_encode((enum ent_base64)kind, bytes, len, text);
            CU_ASSERT_EQUAL(strlen(text), ent_base64_len((enum ent_base64)kind, len));
            ENT_OK(ent_base64_decode((enum ent_base64)kind, text, strlen(text), back, len, &n));
            CU_ASSERT(n == len && memcmp(bytes, back, len) == 0);
            if (len > 0) {
                ENT_FAILS(
                    ent_base64_decode((enum ent_base64)kind, text, strlen(text), back, len - 1, &n),
                    ENT_E_LIMIT);
            }
        }
    }
    for (size_t i = 0; i < ENT_ARRAY_LEN(bad); i++) {
        ENT_FAILS(ent_base64_decode(ENT_BASE64, bad[i], strlen(bad[i]), back, sizeof back, &n),
                  ENT_E_DATA);
    }
    for (size_t i = 0; i < ENT_ARRAY_LEN(bad_url); i++) {
        ENT_FAILS(ent_base64_decode(ENT_BASE64_URL, bad_url[i], strlen(bad_url[i]), back,
                                    sizeof back, &n),
                  ENT_E_DATA);
    }
}
