/* Seeds of noise: kept as long as their attempt, then gone from the files too. */
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/sha256.h"
#include "coordinator/store/noise.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_store/make.h"

static bool in_files(const char *dir, const uint8_t seed[32])
{
    static const char *const names[] = {"federation.db", "federation.db-wal"};
    bool found = false;

    for (size_t i = 0; i < ENT_ARRAY_LEN(names); i++) {
        struct ent_buf file;
        char *path = NULL;

        ENT_OK(ent_path_join(dir, names[i], &path));
        ent_buf_init(&file, (size_t)16 * 1024 * 1024);
        if (ent_file_exists(path)) {
            ENT_OK(ent_file_read(path, &file));
        }
        for (size_t at = 0; at + 32 <= file.len && !found; at++) {
            found = memcmp(file.data + at, seed, 32) == 0;
        }
        ent_buf_release(&file);
        free(path);
    }
    return found;
}

static void make_seed(uint8_t seed[32], uint32_t tag)
{
    uint8_t name[4];

    ent_put_be32(name, tag);
    ENT_OK(ent_sha256(name, sizeof name, seed));
}

ENT_TEST(noise, a_seed_lasts_as_long_as_its_attempt)
{
    const struct ent_row first = {.run = 1, .round = 2, .attempt = 1};
    const struct ent_row second = {.run = 1, .round = 2, .attempt = 2};
    const char *dir = NULL;
    struct ent_store *store = make_store(&dir);
    uint8_t seed[2][32];
    uint8_t found[32];
    bool any = true;
    bool done = false;

    make_seed(seed[0], 1);
    make_seed(seed[1], 2);
    ENT_FAILS(ent_store_noise_get(store, &first, found), ENT_E_NOT_FOUND);
    ENT_OK(ent_store_noise_forget(store, NULL, &any));
    CU_ASSERT_FALSE(any);
    ENT_OK(ent_store_noise_put(store, &first, seed[0]));
    ENT_FAILS(ent_store_noise_put(store, &first, seed[1]), ENT_E_EXISTS);
    ENT_OK(ent_store_noise_put(store, &second, seed[1]));
    ent_store_close(store);
    ENT_OK(ent_store_open(dir, &store));
    ENT_OK(ent_store_noise_get(store, &first, found));
    CU_ASSERT_EQUAL(memcmp(found, seed[0], 32), 0);
    ENT_OK(ent_store_noise_forget(store, &second, &any));
    CU_ASSERT(any);
    ENT_FAILS(ent_store_noise_get(store, &first, found), ENT_E_NOT_FOUND);
    ENT_OK(ent_store_noise_get(store, &second, found));
    CU_ASSERT_EQUAL(memcmp(found, seed[1], 32), 0);
    ENT_OK(ent_store_noise_scrub(store, &done));
    CU_ASSERT(done);
    CU_ASSERT_FALSE(in_files(dir, seed[0]));
    CU_ASSERT(in_files(dir, seed[1]));
    ent_store_close(store);
}

/* Hundreds of seeds come and go; pages are split, emptied, used again. */
ENT_TEST(noise, nothing_stays_in_the_files)
{
    const char *dir = NULL;
    struct ent_store *store = make_store(&dir);
    uint8_t seed[32];
    bool any = false;
    bool done = false;

    for (uint32_t at = 1; at <= 300; at++) {
        const struct ent_row row = {.run = 1, .round = at, .attempt = 1};

        make_seed(seed, at);
        ENT_OK(ent_store_noise_put(store, &row, seed));
    }
    CU_ASSERT(in_files(dir, seed)); /* the search finds what is there */
    ENT_OK(ent_store_begin(store));
    ENT_OK(ent_store_noise_forget(store, NULL, &any));
    ENT_OK(ent_store_commit(store));
    ENT_OK(ent_store_noise_scrub(store, &done));
    CU_ASSERT(any && done);
    for (uint32_t at = 1; at <= 300; at++) {
        make_seed(seed, at);
        CU_ASSERT_FALSE(in_files(dir, seed));
    }
    ent_store_close(store);
}

/* A transaction that does not come about takes nothing away. */
ENT_TEST(noise, rolled_back)
{
    const struct ent_row row = {.run = 1, .round = 1, .attempt = 1};
    struct ent_store *store = make_store(NULL);
    uint8_t seed[32];
    uint8_t found[32];
    bool any = false;

    make_seed(seed, 7);
    ENT_OK(ent_store_noise_put(store, &row, seed));
    ENT_OK(ent_store_begin(store));
    ENT_OK(ent_store_noise_forget(store, NULL, &any));
    ent_store_rollback(store);
    ENT_OK(ent_store_noise_get(store, &row, found));
    CU_ASSERT_EQUAL(memcmp(found, seed, 32), 0);
    ent_store_close(store);
}
