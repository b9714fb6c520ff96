/* A database that is not what it should be is refused with a sentence that says what to do. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/db/db.h"
#include "coordinator/store/tables.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_store/make.h"

static char *db_path(const char *dir)
{
    char *path = NULL;

    ENT_OK(ent_path_join(dir, "federation.db", &path));
    return path;
}

static void refused(const char *dir)
{
    struct ent_store *store = NULL;

    ENT_FAILS(ent_store_open(dir, &store), ENT_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "backup"));
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "federation.db"));
    ent_store_close(store);
}

/* A federation with a roster in it; closed, so that the WAL is folded in. */
static const char *closed(void)
{
    const char *dir = NULL;
    struct ent_store *store = make_store(&dir);

    for (uint8_t i = 1; i < 9; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "brand-%u", (unsigned)i);
        (void)make_member(store, name, i);
    }
    ent_store_close(store);
    return dir;
}

ENT_TEST(damage, garbage_truncation_and_flipped_pages)
{
    static const uint8_t junk[512] = {0xee};
    const char *dir = closed();
    char *path = db_path(dir);
    uint64_t size = 0;
    int fd;

    ENT_OK(ent_file_size(path, &size));
    CU_ASSERT_FATAL(size > 16384);
    CU_ASSERT_EQUAL(truncate(path, (off_t)(size / 2)), 0);
    refused(dir);
    free(path);

    dir = closed();
    path = db_path(dir);
    fd = open(path, O_RDWR | O_CLOEXEC);
    CU_ASSERT_FATAL(fd >= 0);
    for (off_t at = 4096; at + 4096 <= (off_t)size; at += 4096) {
        CU_ASSERT_EQUAL(pwrite(fd, junk, sizeof junk, at), (ssize_t)sizeof junk);
    }
    (void)close(fd);
    refused(dir);
    free(path);

    dir = closed();
    path = db_path(dir);
    ENT_OK(
        ent_file_write_atomic(path, "not a database at all, but long enough to look at", 49, 0600));
    refused(dir);
    ENT_OK(ent_file_write_atomic(path, "", 0, 0600));
    refused(dir);
    free(path);
}

ENT_TEST(damage, values_that_nobody_writes)
{
    static const char *const sql[] = {
        "UPDATE member SET state = 9 WHERE idx = 0",
        "UPDATE member SET idx = 70 WHERE idx = 0",
        "UPDATE member SET statement_pub = x'00' WHERE idx = 0",
        "UPDATE member SET cert = zeroblob(5000) WHERE idx = 0",
        "UPDATE member SET name = hex(zeroblob(50)) WHERE idx = 0",
        "UPDATE run SET state = 0",
        "UPDATE run SET min_members = -1",
        "UPDATE event SET kind = 99",
        "UPDATE event SET code = 9999",
        "UPDATE event SET run = 1, kind = 6, member = 0",
        "UPDATE event SET digest = x'0102'",
    };

    for (size_t i = 0; i < sizeof sql / sizeof sql[0]; i++) {
        struct ent_store *store = make_store(NULL);
        struct ent_row row = {.kind = ENT_ROW_RUN_START, .member = ENT_ROUND_NO_MEMBER};
        struct ent_round_member members[4] = {0};
        struct ent_round round;
        struct ent_store_run run;
        enum ent_err err;

        (void)make_member(store, "brand-a", 1);
        row.run = make_run(store);
        ENT_OK(ent_store_append_row(store, &row, NOW));
        ENT_OK(ent_db_exec(store->db, sql[i]));
        ent_round_init(&round, members);
        err = ent_store_restore(store, &round, &run);
        if (err != ENT_E_CORRUPT) {
            (void)fprintf(stderr, "%s: %s\n", sql[i], ent_err_name(err));
        }
        CU_ASSERT_EQUAL(err, ENT_E_CORRUPT);
        ent_store_close(store);
    }
}

ENT_TEST(damage, init_that_was_killed_can_be_repeated)
{
    const char *dir = ent_test_tmpdir();
    struct ent_store_identity id = {.name = "acme"};
    struct ent_store *store = NULL;
    struct ent_db *db = NULL;
    char *path = db_path(dir);

    ENT_OK(ent_db_open(path, &ent_schema, &db));
    ent_db_close(db);
    ENT_FAILS(ent_store_open(dir, &store), ENT_E_NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "init"));
    ENT_OK(ent_store_create(dir, &id));
    ENT_OK(ent_store_open(dir, &store));
    ent_store_close(store);
    free(path);
}
