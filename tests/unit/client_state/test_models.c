#include <stdlib.h>
#include <string.h>

#include "client/state/state.h"
#include "common/base/file.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_state/fixture.h"

/* Small models stay in memory too. */
static void check_models(size_t len)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    struct ent_blob *model[4];
    uint8_t digest[4][32];
    uint8_t held[8][32];
    size_t n = 0;
    struct ent_blob *blob = NULL;
    char *path = NULL;

    for (uint8_t i = 0; i < 4; i++) {
        model[i] = payload_of(i, len);
        ENT_OK(ent_sha256(ent_blob_bytes(model[i]), len, digest[i]));
        ENT_OK(ent_state_model_put(s, digest[i], ent_blob_bytes(model[i]), len));
    }
    ENT_FAILS(ent_state_model_put(s, digest[0], "x", 1), ENT_E_DIGEST);
    ENT_OK(ent_state_model_add(s, digest[1])); /* used again: the newest */
    s = reopen(dir, s);
    ENT_OK(ent_state_models_held(s, held, 8, &n));
    CU_ASSERT_FATAL(n == 4);
    CU_ASSERT(memcmp(held[0], digest[1], 32) == 0 && memcmp(held[1], digest[3], 32) == 0);
    ENT_OK(ent_state_models_held(s, held, 2, &n));
    CU_ASSERT_EQUAL(n, 2);
    for (int again = 0; again < 2; again++) { /* the second time it was verified already */
        ENT_OK(ent_state_model_get(s, digest[3], &blob));
        CU_ASSERT(ent_blob_len(blob) == len && ent_blob_bytes(blob)[len - 1] == 3);
        ent_blob_unref(blob);
    }
    ENT_OK(ent_state_model_path(s, digest[3], &path));
    CU_ASSERT(ent_file_exists(path));
    ENT_OK(ent_file_write_atomic(path, "?", 1, 0600));
    ENT_FAILS(ent_state_model_get(s, digest[3], &blob), ENT_E_CORRUPT); /* and forgotten */
    ENT_FAILS(ent_state_model_get(s, digest[3], &blob), ENT_E_NOT_FOUND);
    ENT_FAILS(ent_state_model_add(s, digest[3]), ENT_E_NOT_FOUND);
    CU_ASSERT_FALSE(ent_file_exists(path));
    ENT_OK(ent_state_models_prune(s, 1, (const uint8_t(*)[32])digest,
                                  1)); /* newest and digest[0] stay */
    ENT_OK(ent_state_models_held(s, held, 8, &n));
    CU_ASSERT_FATAL(n == 2);
    CU_ASSERT(memcmp(held[0], digest[1], 32) == 0 && memcmp(held[1], digest[0], 32) == 0);
    s = reopen(dir, s); /* whoever asks a restarted member gets them */
    ENT_OK(ent_state_models_held(s, held, 8, &n));
    CU_ASSERT_EQUAL(n, 2);
    ENT_OK(ent_state_model_get(s, digest[1], &blob));
    CU_ASSERT(ent_blob_len(blob) == len && ent_blob_bytes(blob)[0] == 1);
    ent_blob_unref(blob);
    for (int i = 0; i < 4; i++) {
        ent_blob_unref(model[i]);
    }
    free(path);
    ent_state_close(s);
}

/* However many come, no more than the newest eight are held. */
ENT_TEST(models, small_ones_are_bounded)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    struct ent_blob *blob = NULL;
    uint8_t held[16][32];
    uint8_t digest[32];
    size_t n = 0;

    for (uint8_t i = 0; i < 12; i++) {
        ENT_OK(ent_sha256(&i, 1, digest));
        ENT_OK(ent_state_model_put(s, digest, &i, 1));
        ENT_OK(ent_state_model_put(s, digest, &i, 1)); /* a repeat is one */
    }
    ENT_OK(ent_state_models_held(s, held, 16, &n));
    CU_ASSERT_EQUAL(n, 8);
    CU_ASSERT_EQUAL(memcmp(held[0], digest, 32), 0);
    ENT_OK(ent_state_model_get(s, held[7], &blob));
    CU_ASSERT_EQUAL(ent_blob_bytes(blob)[0], 4);
    ent_blob_unref(blob);
    ENT_OK(ent_state_models_prune(s, 0, NULL, 0));
    ENT_OK(ent_state_models_held(s, held, 16, &n));
    CU_ASSERT_EQUAL(n, 0);
    ent_state_close(s);
}

/* Small ones become files when somebody says so, or at the end; what goes before that never was one. */
ENT_TEST(models, small_ones_become_files_later)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    uint8_t digest[3][32];
    char *path[3] = {NULL};
    uint8_t held[8][32];
    size_t n = 0;

    CU_ASSERT_FALSE(ent_state_has_files(s));
    for (uint8_t i = 0; i < 3; i++) {
        ENT_OK(ent_sha256(&i, 1, digest[i]));
        ENT_OK(ent_state_model_path(s, digest[i], &path[i]));
        ENT_OK(ent_state_model_put(s, digest[i], &i, 1));
        CU_ASSERT_FALSE(ent_file_exists(path[i]));
        CU_ASSERT_TRUE(ent_state_has_files(s));
        if (i == 1) {
            ENT_OK(ent_state_models_prune(s, 1, NULL, 0));
            ent_state_write_files(s);
            CU_ASSERT_FALSE(ent_state_has_files(s));
            CU_ASSERT_FALSE(ent_file_exists(path[0]));
            CU_ASSERT_TRUE(ent_file_exists(path[1]));
            ENT_OK(ent_state_model_add(s, digest[1])); /* the newest again: nothing to write */
            CU_ASSERT_FALSE(ent_state_has_files(s));
        }
    }
    s = reopen(dir, s);
    CU_ASSERT_TRUE(ent_file_exists(path[2]));
    ENT_OK(ent_state_models_held(s, held, 8, &n));
    CU_ASSERT_EQUAL(n, 2);
    ENT_OK(ent_state_models_prune(s, 0, NULL, 0));
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_FALSE(ent_file_exists(path[i]));
        free(path[i]);
    }
    ent_state_close(s);
}

ENT_TEST(models, content_addressed)
{
    check_models(1);
    check_models(ENT_STATE_ROW_MAX_BYTES + 1);
}

/* A download that was verified on its way is not read again, unless somebody touched it. */
ENT_TEST(models, verified_once)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    struct ent_blob *blob = NULL;
    uint8_t digest[32];
    char *path = NULL;

    ENT_OK(ent_sha256("real", 4, digest));
    ENT_FAILS(ent_state_model_add_verified(s, digest), ENT_E_NOT_FOUND);
    ENT_OK(ent_state_model_path(s, digest, &path));
    ENT_OK(ent_file_write_atomic(path, "fake", 4, 0600)); /* so that trust shows */
    ENT_OK(ent_state_model_add_verified(s, digest));
    ENT_OK(ent_state_model_get(s, digest, &blob));
    CU_ASSERT(memcmp(ent_blob_bytes(blob), "fake", 4) == 0);
    ent_blob_unref(blob);
    ENT_OK(ent_file_write_atomic(path, "worse", 5, 0600));
    ENT_FAILS(ent_state_model_get(s, digest, &blob), ENT_E_CORRUPT);
    ENT_OK(ent_file_write_atomic(path, "fake", 4, 0600));
    ENT_OK(ent_state_model_add_verified(s, digest));
    s = reopen(dir, s); /* another process trusts nobody */
    ENT_FAILS(ent_state_model_get(s, digest, &blob), ENT_E_CORRUPT);
    free(path);
    ent_state_close(s);
}
