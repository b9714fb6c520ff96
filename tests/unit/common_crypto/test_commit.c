#include <string.h>

#include "common/crypto/commit.h"
#include "tests/support/ent_test.h"

/* The known answers are among the vectors of common/tlog; here is what they do not say. */
ENT_TEST(commit, what_a_name_commits_to)
{
    static const uint8_t salt[ENT_SALT_BYTES] = {1};
    static const uint8_t other[ENT_SALT_BYTES] = {2};
    uint8_t joined[16 + ENT_SALT_BYTES + 3] = "entente/name/v1"; /* and its zero byte */
    uint8_t want[ENT_SHA256_BYTES];
    uint8_t got[ENT_SHA256_BYTES];

    memcpy(joined + 16, salt, sizeof salt);
    memcpy(joined + 16 + sizeof salt, "abc", 3);
    ENT_OK(ent_sha256(joined, sizeof joined, want));
    ENT_OK(ent_name_commit(salt, "abc", got));
    CU_ASSERT_EQUAL(memcmp(got, want, sizeof got), 0);
    ENT_OK(ent_name_commit(other, "abc", got));
    CU_ASSERT(memcmp(got, want, sizeof got) != 0);
}

ENT_TEST(commit, ledger_in_place)
{
    static const uint8_t salt[ENT_SALT_BYTES] = {1};
    uint8_t a[ENT_SHA256_BYTES];
    uint8_t b[ENT_SHA256_BYTES];

    ENT_OK(ent_ledger_start(salt, (struct ent_part){"crm", 3}, a));
    ENT_OK(ent_ledger_next(1, a, (struct ent_part){"event", 5}, b));
    ENT_OK(ent_ledger_next(1, a, (struct ent_part){"event", 5}, a));
    CU_ASSERT_EQUAL(memcmp(a, b, sizeof a), 0);
    ENT_OK(ent_ledger_next(2, a, (struct ent_part){"event", 5}, b));
    ENT_OK(ent_ledger_next(3, a, (struct ent_part){"event", 5}, a));
    CU_ASSERT(memcmp(a, b, sizeof a) != 0); /* the number counts */
}

ENT_TEST(commit, joins)
{
    static const uint8_t nonce[ENT_NOISE_NONCE_BYTES] = {3};
    uint8_t standing[ENT_SHA256_BYTES];
    enum ent_noise_join result = ENT_NOISE_JOIN_COUNTED;

    ENT_OK(ent_noise_nonce_commit(nonce, standing));
    ENT_OK(ent_noise_join(NULL, (struct ent_part){NULL, 0}, &result));
    CU_ASSERT_EQUAL(result, ENT_NOISE_JOIN_COMMIT_ONLY);
    ENT_OK(ent_noise_join(NULL, (struct ent_part){nonce, sizeof nonce}, &result));
    CU_ASSERT_EQUAL(result, ENT_NOISE_JOIN_REJECT);
    ENT_OK(ent_noise_join(standing, (struct ent_part){nonce, sizeof nonce}, &result));
    CU_ASSERT_EQUAL(result, ENT_NOISE_JOIN_COUNTED);
    ENT_OK(ent_noise_join(standing, (struct ent_part){nonce, sizeof nonce - 1}, &result));
    CU_ASSERT_EQUAL(result, ENT_NOISE_JOIN_REJECT);
    ENT_OK(ent_noise_join(standing, (struct ent_part){NULL, 0}, &result));
    CU_ASSERT_EQUAL(result, ENT_NOISE_JOIN_REJECT);
    standing[31] ^= 1;
    ENT_OK(ent_noise_join(standing, (struct ent_part){nonce, sizeof nonce}, &result));
    CU_ASSERT_EQUAL(result, ENT_NOISE_JOIN_REJECT);
}

ENT_TEST(commit, salt_takes_each_member_once_in_any_order)
{
    static const uint8_t open_leaf[ENT_SHA256_BYTES] = {1};
    struct ent_noise_nonce n[3] = {{{5}, {1}}, {{0xf0}, {2}}, {{5, 1}, {3}}};
    struct ent_noise_nonce turned[3];
    uint8_t a[ENT_SHA256_BYTES];
    uint8_t b[ENT_SHA256_BYTES];

    ENT_OK(ent_noise_salt(open_leaf, n, 3, a));
    for (size_t i = 0; i < 3; i++) {
        turned[i] = n[2 - i];
    }
    ENT_OK(ent_noise_salt(open_leaf, turned, 3, b));
    CU_ASSERT_EQUAL(memcmp(a, b, sizeof a), 0);
    CU_ASSERT_EQUAL(turned[0].nonce[0], 3); /* not sorted for the caller */
    ENT_OK(ent_noise_salt(open_leaf, NULL, 0, b));
    CU_ASSERT(memcmp(a, b, sizeof a) != 0);
    memcpy(turned[0].handle, turned[1].handle, sizeof turned[0].handle);
    memcpy(b, a, sizeof b);
    ENT_FAILS(ent_noise_salt(open_leaf, turned, 3, b), ENT_E_SHAPE);
    CU_ASSERT_EQUAL(memcmp(a, b, sizeof a), 0);
}

/* Each part of "where" counts, in the commitment as in the key. */
ENT_TEST(commit, where)
{
    static const uint8_t seed[32] = {1};
    static const uint8_t salt[32] = {2};
    static const uint8_t federation[16] = {3};
    static const struct ent_noise_where at[] = {{1, 2, 3}, {2, 2, 3}, {1, 3, 3}, {1, 2, 4}};
    uint8_t key[4][32];
    uint8_t commit[4][32];

    for (size_t i = 0; i < 4; i++) {
        ENT_OK(ent_noise_key(seed, salt, &at[i], key[i]));
        ENT_OK(ent_noise_commit(federation, &at[i], seed, commit[i]));
        for (size_t j = 0; j < i; j++) {
            CU_ASSERT(memcmp(key[i], key[j], 32) != 0);
            CU_ASSERT(memcmp(commit[i], commit[j], 32) != 0);
        }
    }
}
