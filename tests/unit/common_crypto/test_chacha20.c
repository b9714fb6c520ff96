#include <string.h>

#include "common/crypto/chacha20.h"
#include "tests/support/ent_test.h"

/* RFC 8439 2.3.2: key 00..1f, block counter 1, nonce 00 00 00 09 00 00 00 4a 00 00 00 00. */
ENT_TEST(chacha20, known_block)
{
    static const uint8_t expected[64] = {
        0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3,
        0x20, 0x71, 0xc4, 0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22,
        0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e, 0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa,
        0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2, 0xb5, 0x12, 0x9c, 0xd1,
        0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e};
    const uint8_t iv[ENT_CHACHA20_IV_BYTES] = {1, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0x4a};
    uint8_t key[ENT_CHACHA20_KEY_BYTES];
    uint8_t out[64];
    struct ent_chacha20 stream = {0};

    for (size_t i = 0; i < sizeof key; i++) {
        key[i] = (uint8_t)i;
    }
    ENT_OK(ent_chacha20_init(&stream, key, iv));
    ENT_OK(ent_chacha20_read(&stream, out, sizeof out));
    CU_ASSERT_EQUAL(memcmp(out, expected, sizeof out), 0);
    /* in pieces, after being started again: the same */
    ENT_OK(ent_chacha20_init(&stream, key, iv));
    ENT_OK(ent_chacha20_read(&stream, out, 7));
    ENT_OK(ent_chacha20_read(&stream, out + 7, sizeof out - 7));
    CU_ASSERT_EQUAL(memcmp(out, expected, sizeof out), 0);
    ent_chacha20_release(&stream);
    ent_chacha20_release(&stream);
}
