#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/sha256.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_store/make.h"

static void put(struct ent_store *store, const char *content, uint8_t digest[32])
{
    ENT_OK(ent_store_model_put(store, content, strlen(content), digest));
}

ENT_TEST(models, named_by_their_content)
{
    struct ent_store *store = make_store(NULL);
    struct ent_store_writer *w = NULL;
    uint8_t(*list)[32] = NULL;
    uint8_t one[32];
    uint8_t two[32];
    uint8_t want[32];
    char *path = NULL;
    struct ent_buf bytes;
    size_t n = 0;

    put(store, "a model", one);
    ENT_OK(ent_sha256("a model", 7, want));
    CU_ASSERT_EQUAL(memcmp(one, want, 32), 0);
    CU_ASSERT(ent_store_model_exists(store, one));
    ENT_OK(ent_store_model_path(store, one, &path));
    CU_ASSERT_STRING_EQUAL(path + strlen(path) - 12, ".safetensors");
    ent_buf_init(&bytes, 100);
    ENT_OK(ent_file_read(path, &bytes));
    CU_ASSERT(bytes.len == 7 && memcmp(bytes.data, "a model", 7) == 0);
    ent_buf_release(&bytes);
    free(path);

    put(store, "a model", two); /* the same again is fine */
    CU_ASSERT_EQUAL(memcmp(one, two, 32), 0);
    ENT_OK(ent_store_model_begin(store, &w)); /* in pieces */
    ENT_OK(ent_store_model_write(w, "another ", 8));
    ENT_OK(ent_store_model_write(w, "model", 5));
    ENT_OK(ent_store_model_commit(w, two));
    ENT_OK(ent_sha256("another model", 13, want));
    CU_ASSERT_EQUAL(memcmp(two, want, 32), 0);
    ENT_OK(ent_store_model_begin(store, &w));
    ENT_OK(ent_store_model_write(w, "never", 5));
    ent_store_model_discard(w);
    ent_store_model_discard(NULL);
    ENT_OK(ent_store_model_list(store, &list, &n));
    CU_ASSERT_EQUAL(n, 2);
    CU_ASSERT(memcmp(list[0], list[1], 32) < 0);
    free(list);
    ent_store_close(store);
}

ENT_TEST(models, sweep_leaves_what_is_named)
{
    const char *dir = NULL;
    struct ent_store *store = make_store(&dir);
    struct ent_row row = {.kind = ENT_ROW_RUN_START, .member = ENT_ROUND_NO_MEMBER};
    uint8_t d[5][32];
    char *stray = NULL;
    char *mine = NULL;
    size_t n = 0;

    for (int i = 0; i < 5; i++) {
        char content[16];

        (void)snprintf(content, sizeof content, "m%d", i);
        put(store, content, d[i]);
    }
    row.run = make_run(store);
    ENT_OK(ent_store_append_row(store, &row, NOW));
    row.kind = ENT_ROW_OPEN;
    memcpy(row.model, d[0], 32);
    ENT_OK(ent_store_append_row(store, &row, NOW));
    row.kind = ENT_ROW_CLOSE;
    memcpy(row.model, d[1], 32);
    ENT_OK(ent_store_append_row(store, &row, NOW));
    row.kind = ENT_ROW_OPEN;
    memcpy(row.model, d[2], 32);
    ENT_OK(ent_store_append_row(store, &row, NOW));
    ENT_OK(ent_path_join(dir, "models/new.tmp.abcdef", &stray));
    ENT_OK(ent_path_join(dir, "models/README", &mine));
    ENT_OK(ent_file_write_atomic(stray, "half", 4, 0600));
    ENT_OK(ent_file_write_atomic(mine, "mine", 4, 0600));
    ENT_OK(ent_store_model_sweep(store, (const uint8_t(*)[32])d[3], 1, &n));
    CU_ASSERT_EQUAL(n, 3); /* d[0]: an older open; d[4]; the unfinished one */
    CU_ASSERT(!ent_store_model_exists(store, d[0]) && !ent_store_model_exists(store, d[4]));
    CU_ASSERT(ent_store_model_exists(store, d[1]) && ent_store_model_exists(store, d[2]) &&
              ent_store_model_exists(store, d[3]));
    CU_ASSERT(!ent_file_exists(stray) && ent_file_exists(mine));
    row.kind = ENT_ROW_END;
    memcpy(row.model, d[3], 32);
    ENT_OK(ent_store_append_row(store, &row, NOW));
    ENT_OK(ent_store_model_sweep(store, NULL, 0, &n));
    CU_ASSERT_EQUAL(n, 2); /* of a run that is over the best one stays */
    CU_ASSERT(ent_store_model_exists(store, d[3]));
    free(stray);
    free(mine);
    ent_store_close(store);
}

static bool there(const struct ent_store *store, uint64_t round, uint32_t attempt, uint8_t tag)
{
    uint8_t handle[16];
    char *path = NULL;
    bool yes;

    make_handle(handle, tag);
    ENT_OK(ent_store_update_path(store, 1, round, attempt, handle, &path));
    yes = ent_file_exists(path);
    free(path);
    return yes;
}

static void write_update(const struct ent_store *store, uint64_t round, uint32_t attempt,
                         uint8_t tag)
{
    uint8_t handle[16];
    char *path = NULL;

    make_handle(handle, tag);
    ENT_OK(ent_store_update_path(store, 1, round, attempt, handle, &path));
    ENT_OK(ent_file_write_atomic(path, "update", 6, 0600));
    free(path);
}

ENT_TEST(updates, kept_until_their_attempt_is_over)
{
    struct ent_store *store = make_store(NULL);
    struct ent_row row = {.kind = ENT_ROW_RUN_START, .member = ENT_ROUND_NO_MEMBER};
    size_t n = 9;

    (void)make_member(store, "brand-a", 1);
    (void)make_member(store, "brand-b", 2);
    row.run = make_run(store);
    ENT_OK(ent_store_append_row(store, &row, NOW));
    row.round = 1;
    row.attempt = 1;
    row.kind = ENT_ROW_ACCEPT;
    row.member = 0;
    row.weight = 1;
    ENT_OK(ent_store_append_row(store, &row, NOW));
    write_update(store, 1, 1, 1);  /* accepted */
    write_update(store, 1, 1, 2);  /* arrived, but its row never committed */
    write_update(store, 1, 11, 1); /* another attempt whose name begins alike */
    ENT_OK(ent_store_update_sweep(store, &n));
    CU_ASSERT_EQUAL(n, 2);
    CU_ASSERT(there(store, 1, 1, 1) && !there(store, 1, 1, 2) && !there(store, 1, 11, 1));

    write_update(store, 1, 11, 1);
    ENT_OK(ent_store_update_discard(store, 1, 1, 1));
    CU_ASSERT(!there(store, 1, 1, 1) && there(store, 1, 11, 1));

    write_update(store, 1, 1, 1);
    row.kind = ENT_ROW_CLOSE;
    row.member = ENT_ROUND_NO_MEMBER;
    ENT_OK(ent_store_append_row(store, &row, NOW)); /* from here on no row needs it */
    ENT_OK(ent_store_update_sweep(store, &n));
    CU_ASSERT_EQUAL(n, 2);
    CU_ASSERT(!there(store, 1, 1, 1));
    ent_store_close(store);
}
