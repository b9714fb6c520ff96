/* Files of sealed updates and the list of those that leaves name. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/tlog/leaf.h"
#include "coordinator/store/tables.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_store/make.h"
#include "tests/unit/coordinator_store/make_log.h"

static void put(struct ent_store *store, const char *text, uint8_t digest[32])
{
    struct ent_store_sealed *w = NULL;

    ENT_OK(ent_store_sealed_begin(store, &w));
    ENT_OK(ent_store_sealed_write(w, text, 3));
    ENT_OK(ent_store_sealed_write(w, text + 3, strlen(text) - 3));
    ENT_OK(ent_store_sealed_commit(w, digest));
}

static bool there(struct ent_store *store, const uint8_t digest[32])
{
    char *path = NULL;
    bool found;

    ENT_OK(ent_store_sealed_path(store, digest, &path));
    found = ent_file_exists(path);
    free(path);
    return found;
}

static enum ent_err erase(struct ent_store *store, uint8_t (*digests)[32], size_t n)
{
    struct ent_leaf_frame frame = {.type = ENT_LEAF_BLOB_ERASE};
    struct ent_leaf_blob_erase message = {.digests = digests, .n_digests = n, .basis = 1};

    return ent_store_log_append(store, &frame, &message, NOW + 100, NULL, NULL);
}

static size_t sweep(struct ent_store *store, uint64_t orphan_ms)
{
    size_t n = 0;

    ENT_OK(ent_store_sealed_sweep(store, (uint64_t)time(NULL) * 1000 + 1000, orphan_ms, &n));
    return n;
}

ENT_TEST(sealed, named_by_digest_and_by_leaves)
{
    const char *dir = NULL;
    struct ent_store *store = make_log(&dir, 2);
    struct ent_store_kept *kept = NULL;
    struct ent_buf found;
    uint8_t d[4][32];
    uint8_t sum[32];
    char *path = NULL;
    size_t n = 0;

    put(store, "sealed to one", d[0]);
    put(store, "sealed to another", d[1]);
    put(store, "plain payload", d[2]);
    put(store, "nobody names it", d[3]);
    CU_ASSERT_EQUAL(ent_store_sealed_files(store), 4);
    CU_ASSERT(!ent_all_zero(store->sealed_dirty, sizeof store->sealed_dirty));
    ENT_OK(ent_sha256("sealed to one", 13, sum));
    CU_ASSERT(memcmp(sum, d[0], 32) == 0);
    ENT_OK(ent_store_sealed_path(store, d[0], &path));
    CU_ASSERT_EQUAL(strlen(path), strlen(dir) + strlen("/sealed/aa/") + 64);
    ent_buf_init(&found, 100);
    ENT_OK(ent_file_read(path, &found));
    CU_ASSERT(found.len == 13 && memcmp(found.data, "sealed to one", 13) == 0);
    ENT_OK(ent_file_check_private(path));
    free(path);
    ent_buf_release(&found);
    ENT_OK(log_add_accept(store, sum, NULL, 0, NOW));
    CU_ASSERT(ent_all_zero(store->sealed_dirty, sizeof store->sealed_dirty)); /* with the commit */
    CU_ASSERT(!store->sealed_dirs);
    ENT_OK(log_add_accept(store, sum, d + 1, 1, NOW + 20));
    ENT_OK(log_add_accept(store, d[2], d + 2, 1, NOW + 10)); /* held at NOW + 20 */
    ENT_OK(log_add_accept(store, d[3], d, 1, NOW + 30));
    ENT_OK(ent_store_sealed_list(store, ENT_STORE_KEPT_ALL, UINT64_MAX, &kept, &n));
    CU_ASSERT_EQUAL_FATAL(n, 3);
    CU_ASSERT(kept[0].leaf == 3 && kept[0].time_ms == NOW + 20 && !kept[0].plain);
    CU_ASSERT(memcmp(kept[0].digest, d[1], 32) == 0);
    CU_ASSERT(kept[1].plain && memcmp(kept[1].digest, d[2], 32) == 0);
    CU_ASSERT(kept[2].leaf == 5 && memcmp(kept[2].digest, d[0], 32) == 0);
    free(kept);
    ENT_OK(ent_store_sealed_list(store, ENT_STORE_KEPT_PLAIN, NOW + 21, &kept, &n));
    CU_ASSERT_EQUAL(n, 1);
    free(kept);
    ENT_OK(ent_store_sealed_list(store, ENT_STORE_KEPT_PLAIN, NOW + 20, &kept, &n));
    CU_ASSERT_EQUAL(n, 0);
    free(kept);
    ent_store_close(store);
}

ENT_TEST(sealed, erasing_and_sweeping)
{
    const char *dir = NULL;
    struct ent_store *store = make_log(&dir, 2);
    struct ent_store_kept *kept = NULL;
    struct ent_store_sealed *w = NULL;
    uint8_t d[3][32];
    size_t n = 0;

    put(store, "a leaf names it", d[0]);
    put(store, "so does one here, it is erased", d[1]);
    put(store, "orphan", d[2]);
    ENT_OK(log_add_accept(store, d[0], d, 2, NOW));
    CU_ASSERT_EQUAL(sweep(store, ENT_STORE_SEALED_ORPHAN_MS), 0); /* the orphan is young */
    ENT_OK(erase(store, d + 1, 1));
    CU_ASSERT(there(store, d[1]));
    CU_ASSERT_EQUAL(sweep(store, ENT_STORE_SEALED_ORPHAN_MS), 1); /* a crash before its removal */
    CU_ASSERT(!there(store, d[1]) && there(store, d[0]) && there(store, d[2]));
    ENT_OK(ent_store_sealed_list(store, ENT_STORE_KEPT_ALL, UINT64_MAX, &kept, &n));
    CU_ASSERT_EQUAL(n, 1);
    free(kept);
    ENT_OK(ent_store_sealed_begin(store, &w)); /* as a crash leaves it */
    ENT_OK(ent_store_sealed_write(w, "half", 4));
    CU_ASSERT_EQUAL(sweep(store, 0), 2);
    CU_ASSERT(there(store, d[0]) && !there(store, d[2]));
    ent_store_sealed_discard(w);
    ENT_OK(ent_store_sealed_remove(store, d[2])); /* gone already */
    ENT_OK(ent_store_sealed_remove(store, d[0]));
    CU_ASSERT(!there(store, d[0]));
    ent_store_close(store);
}

ENT_TEST(sealed, a_rolled_back_leaf_names_nothing)
{
    struct ent_store *store = make_log(NULL, 2);
    struct ent_store_kept *kept = NULL;
    uint8_t d[1][32];
    size_t n = 0;

    put(store, "it comes first", d[0]);
    ENT_OK(ent_store_begin(store));
    ENT_OK(log_add_accept(store, d[0], d, 1, NOW));
    ENT_OK(erase(store, d, 1));
    ent_store_rollback(store);
    ENT_OK(ent_store_sealed_list(store, ENT_STORE_KEPT_ALL, UINT64_MAX, &kept, &n));
    CU_ASSERT_EQUAL(n, 0);
    free(kept);
    ENT_OK(log_add_accept(store, d[0], d, 1, NOW));
    ENT_OK(erase(store, d, 1));
    ENT_OK(log_add_accept(store, d[0], d, 1, NOW + 200)); /* the same bytes came again: kept */
    ENT_OK(ent_store_sealed_list(store, ENT_STORE_KEPT_ALL, UINT64_MAX, &kept, &n));
    CU_ASSERT_EQUAL(n, 1);
    free(kept);
    CU_ASSERT_EQUAL(sweep(store, 0), 0);
    CU_ASSERT(there(store, d[0]));
    ent_store_close(store);
}
