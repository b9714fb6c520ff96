#include <stdlib.h>
#include <string.h>

#include "client/state/state.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_state/fixture.h"

static void put_kept(struct ent_state *s, uint32_t run, uint64_t round, const char *bytes,
                     uint64_t steps)
{
    struct ent_blob *payload = payload_of((uint8_t)round, 100);
    struct ent_state_update u = sample_update(round, 1, payload);
    struct ent_state_optimizer kept = {.steps = steps, .bytes = bytes, .len = strlen(bytes)};

    u.at.run = run;
    u.optimizer = &kept;
    ENT_OK(ent_state_update_put(s, &u));
    ent_blob_unref(payload);
}

static char *kept_path(const char *dir, const char *bytes)
{
    uint8_t digest[ENT_SHA256_BYTES];
    char name[2 * ENT_SHA256_BYTES + 1 + 10] = "optimizer/";
    char *path = NULL;

    ENT_OK(ent_sha256(bytes, strlen(bytes), digest));
    ent_hex(digest, sizeof digest, name + 10);
    ENT_OK(ent_path_join(dir, name, &path));
    return path;
}

ENT_TEST(state, optimizer_is_kept_with_the_update)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    char *first = kept_path(dir, "after two");
    char *second = kept_path(dir, "after four");
    struct ent_state_optimizer kept;
    uint64_t commits;

    ENT_FAILS(ent_state_optimizer_get(s, 1, &kept), ENT_E_NOT_FOUND);
    commits = ent_state_commits(s);
    put_kept(s, 1, 2, "after two", 10);
    CU_ASSERT_EQUAL(ent_state_commits(s), commits + 1); /* with the update's row */
    CU_ASSERT(ent_file_exists(first));
    put_kept(s, 1, 4, "after four", 20);
    CU_ASSERT_FALSE(ent_file_exists(first)); /* only the newest */
    put_kept(s, 1, 4, "after four", 20);     /* the same again is fine */
    s = reopen(dir, s);
    ENT_OK(ent_state_optimizer_get(s, 1, &kept));
    CU_ASSERT(kept.steps == 20 && kept.len == 10 && memcmp(kept.bytes, "after four", 10) == 0);
    ent_state_optimizer_release(&kept);
    ENT_FAILS(ent_state_optimizer_get(s, 2, &kept), ENT_E_NOT_FOUND); /* a new run starts fresh */
    ENT_OK(ent_file_write_atomic(second, "altered", 7, 0600));
    ENT_FAILS(ent_state_optimizer_get(s, 1, &kept), ENT_E_LOST);
    ENT_OK(ent_file_remove(second));
    ENT_FAILS(ent_state_optimizer_get(s, 1, &kept), ENT_E_LOST);
    free(first);
    free(second);
    ent_state_close(s);
}

ENT_TEST(state, optimizer_goes_with_its_run)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    struct ent_state_run run = {.run = 1, .accepted = true};
    struct ent_state_optimizer kept;
    char *path = kept_path(dir, "of run 1");

    ENT_OK(ent_state_run_put(s, &run));
    put_kept(s, 1, 2, "of run 1", 3);
    ENT_OK(ent_state_run_end(s, 1));
    ENT_FAILS(ent_state_optimizer_get(s, 1, &kept), ENT_E_NOT_FOUND);
    CU_ASSERT_FALSE(ent_file_exists(path));
    free(path);
    ent_state_close(s);
}

/* A database of the schema before, which knew nothing of it, goes on. */
ENT_TEST(state, optimizer_comes_to_an_older_database)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    struct ent_state_run run = {.run = 1, .accepted = true};
    struct ent_state_run known;
    struct ent_state_optimizer kept;

    ENT_OK(ent_state_run_put(s, &run));
    ent_state_close(s);
    change_state(dir, "UPDATE run SET accepted = 1; DROP TABLE optimizer;"
                      "DROP TABLE log; DROP TABLE leaf; DROP TABLE log_member; DROP TABLE "
                      "log_auditor; DROP TABLE witness_set; DROP TABLE log_round; DROP TABLE "
                      "receipt; DROP TABLE ledger_start; DROP TABLE ledger; DROP TABLE ledger_seen;"
                      "ALTER TABLE nonce DROP COLUMN logged; ALTER TABLE nonce DROP COLUMN void;"
                      "CREATE TABLE head(id INTEGER) STRICT;"
                      "ALTER TABLE model ADD COLUMN bytes BLOB; PRAGMA user_version = 3");
    s = open_state(dir);
    ENT_OK(ent_state_run_get(s, 1, &known));
    CU_ASSERT(known.accepted);
    ENT_FAILS(ent_state_optimizer_get(s, 1, &kept), ENT_E_NOT_FOUND);
    put_kept(s, 1, 2, "the first", 3);
    ENT_OK(ent_state_optimizer_get(s, 1, &kept));
    CU_ASSERT_EQUAL(kept.steps, 3);
    ent_state_optimizer_release(&kept);
    ent_state_close(s);
}
