#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/db/db.h"
#include "tests/support/ent_test.h"

static const char *const v1[] = {
    "CREATE TABLE t(id INTEGER PRIMARY KEY, a INTEGER, b BLOB, c TEXT, d REAL) STRICT;"
    "CREATE TABLE child(t INTEGER NOT NULL REFERENCES t(id)) STRICT;"};
static const char *const v2[] = {
    "CREATE TABLE t(id INTEGER PRIMARY KEY, a INTEGER, b BLOB, c TEXT, d REAL) STRICT;"
    "CREATE TABLE child(t INTEGER NOT NULL REFERENCES t(id)) STRICT;",
    "ALTER TABLE t ADD COLUMN e INTEGER NOT NULL DEFAULT 7;"};
static const char *const broken[] = {
    "CREATE TABLE t(id INTEGER PRIMARY KEY, a INTEGER, b BLOB, c TEXT, d REAL) STRICT;"
    "CREATE TABLE child(t INTEGER NOT NULL REFERENCES t(id)) STRICT;",
    "CREATE TABLE half(x INTEGER) STRICT; ALTER TABLE nowhere ADD COLUMN e INTEGER;"};
static const struct ent_db_schema schema1 = {0x45540001, v1, 1};
static const struct ent_db_schema schema2 = {0x45540001, v2, 2};
static const struct ent_db_schema schema_broken = {0x45540001, broken, 2};
static const struct ent_db_schema schema_other = {0x45540002, v1, 1};

static char *fresh_path(void)
{
    char *path = NULL;

    ENT_OK(ent_path_join(ent_test_tmpdir(), "x.db", &path));
    return path;
}

static uint64_t count(struct ent_db *db, const char *sql)
{
    struct ent_stmt *stmt = NULL;
    uint64_t n = 0;

    ENT_OK(ent_stmt_prepare(db, sql, &stmt));
    ENT_OK(ent_stmt_one(stmt));
    ENT_OK(ent_stmt_u64(stmt, 0, &n));
    ent_stmt_free(stmt);
    return n;
}

static void flip_bytes(const char *path, size_t from, size_t n)
{
    struct ent_buf b;

    ent_buf_init(&b, 1 << 24);
    ENT_OK(ent_file_read(path, &b));
    for (size_t i = from; i < from + n && i < b.len; i++) {
        b.data[i] ^= 0x5a;
    }
    ENT_OK(ent_file_write_atomic(path, b.data, b.len, 0600));
    ent_buf_release(&b);
}

static void copy_file(const char *from, const char *to, size_t len)
{
    struct ent_buf b;

    ent_buf_init(&b, 1 << 24);
    ENT_OK(ent_file_read(from, &b));
    ENT_OK(ent_file_write_atomic(to, b.data, b.len < len ? b.len : len, 0600));
    ent_buf_release(&b);
}

ENT_TEST(db, opens_safely)
{
    char *path = fresh_path();
    struct ent_db *db = NULL;
    struct stat sb;
    struct ent_stmt *stmt = NULL;
    const char *mode = "";

    ENT_OK(ent_db_open(path, &schema1, &db));
    CU_ASSERT(stat(path, &sb) == 0 && (sb.st_mode & 0777) == 0600);
    CU_ASSERT_EQUAL(count(db, "PRAGMA synchronous"), 2);
    CU_ASSERT_EQUAL(count(db, "PRAGMA foreign_keys"), 1);
    CU_ASSERT_EQUAL(count(db, "PRAGMA trusted_schema"), 0);
    CU_ASSERT_EQUAL(count(db, "PRAGMA user_version"), 1);
    ENT_OK(ent_stmt_prepare(db, "PRAGMA journal_mode", &stmt));
    ENT_OK(ent_stmt_one(stmt));
    ENT_OK(ent_stmt_text(stmt, 0, &mode));
    CU_ASSERT_STRING_EQUAL(mode, "wal");
    ent_stmt_free(stmt);
    ENT_OK(ent_db_check(db));
    CU_ASSERT_STRING_EQUAL(ent_db_path(db), path);
    ent_db_close(db);
    CU_ASSERT(chmod(path, 0644) == 0);
    ENT_FAILS(ent_db_open(path, &schema1, &db), ENT_E_PERMISSION);
    ent_db_close(NULL);
    free(path);
}

ENT_TEST(db, values_round_trip)
{
    char *path = fresh_path();
    struct ent_db *db = NULL;
    struct ent_stmt *put = NULL;
    struct ent_stmt *get = NULL;
    uint64_t u = 0;
    uint32_t u32 = 0;
    int64_t i = 0;
    double d = 0;
    bool flag = false;
    uint8_t blob[3];
    const uint8_t *bytes = NULL;
    size_t len = 0;
    const char *text = "";

    ENT_OK(ent_db_open(path, &schema1, &db));
    ENT_OK(ent_stmt_prepare(db, "INSERT INTO t VALUES(?, ?, ?, ?, ?)", &put));
    ent_stmt_bind_u64(put, 1, INT64_MAX);
    ent_stmt_bind_i64(put, 2, -5);
    ent_stmt_bind_blob(put, 3, "a\0b", 3);
    ent_stmt_bind_text(put, 4, "h\xc3\xa4");
    ent_stmt_bind_f64(put, 5, 0.1);
    ENT_OK(ent_stmt_run(put));
    CU_ASSERT_EQUAL(ent_db_changes(db), 1);
    ENT_OK(ent_stmt_prepare(db, "SELECT id, a, b, c, d, NULL, 1, 2, 4294967296 FROM t", &get));
    ENT_OK(ent_stmt_one(get));
    ENT_OK(ent_stmt_u64(get, 0, &u));
    CU_ASSERT_EQUAL(u, INT64_MAX);
    ENT_OK(ent_stmt_i64(get, 1, &i));
    CU_ASSERT_EQUAL(i, -5);
    ENT_OK(ent_stmt_blob_exact(get, 2, blob, 3));
    CU_ASSERT(memcmp(blob, "a\0b", 3) == 0);
    ENT_OK(ent_stmt_blob(get, 2, &bytes, &len));
    CU_ASSERT_EQUAL(len, 3);
    ENT_OK(ent_stmt_text(get, 3, &text));
    CU_ASSERT_STRING_EQUAL(text, "h\xc3\xa4");
    ENT_OK(ent_stmt_f64(get, 4, &d));
    CU_ASSERT(d == 0.1);
    CU_ASSERT(ent_stmt_is_null(get, 5) && !ent_stmt_is_null(get, 4));
    ENT_OK(ent_stmt_bool(get, 6, &flag));
    CU_ASSERT_TRUE(flag);
    /* what the schema does not allow is damage */
    ENT_FAILS(ent_stmt_u64(get, 1, &u), ENT_E_CORRUPT);
    ENT_FAILS(ent_stmt_u64(get, 2, &u), ENT_E_CORRUPT);
    ENT_FAILS(ent_stmt_u64(get, 5, &u), ENT_E_CORRUPT);
    ENT_FAILS(ent_stmt_u32(get, 8, &u32), ENT_E_CORRUPT);
    ENT_FAILS(ent_stmt_bool(get, 7, &flag), ENT_E_CORRUPT);
    ENT_FAILS(ent_stmt_blob_exact(get, 2, blob, 2), ENT_E_CORRUPT);
    ENT_FAILS(ent_stmt_text(get, 2, &text), ENT_E_CORRUPT);
    ENT_FAILS(ent_stmt_f64(get, 1, &d), ENT_E_CORRUPT);
    ent_stmt_free(get);
    ent_stmt_free(put);
    ent_db_close(db);
    free(path);
}

ENT_TEST(db, what_cannot_be_stored_is_an_error)
{
    char *path = fresh_path();
    struct ent_db *db = NULL;
    struct ent_stmt *put = NULL;
    const uint8_t *bytes = NULL;
    size_t len = 1;

    ENT_OK(ent_db_open(path, &schema1, &db));
    ENT_OK(ent_stmt_prepare(db, "INSERT INTO t(id, a, d, b) VALUES(?, ?, ?, ?)", &put));
    ent_stmt_bind_u64(put, 1, (uint64_t)INT64_MAX + 1);
    ENT_FAILS(ent_stmt_run(put), ENT_E_LIMIT);
    ent_stmt_bind_u64(put, 1, 1);
    ent_stmt_bind_f64(put, 3, (double)NAN);
    ENT_FAILS(ent_stmt_run(put), ENT_E_NONFINITE);
    ent_stmt_bind_u64(put, 9, 1);
    ENT_FAILS(ent_stmt_run(put), ENT_E_INTERNAL);
    ent_stmt_bind_u64(put, 1, 1);
    ent_stmt_bind_text(put, 2, "no integer"); /* STRICT */
    ENT_FAILS(ent_stmt_run(put), ENT_E_INTERNAL);
    CU_ASSERT_EQUAL(count(db, "SELECT count(*) FROM t"), 0);
    ent_stmt_bind_u64(put, 1, 1);
    ent_stmt_bind_blob(put, 4, NULL, 0); /* empty, not NULL */
    ENT_OK(ent_stmt_run(put));
    ent_stmt_bind_u64(put, 1, 1);
    ENT_FAILS(ent_stmt_run(put), ENT_E_EXISTS);
    ent_stmt_free(put);
    ENT_OK(ent_stmt_prepare(db, "SELECT b FROM t", &put));
    ENT_OK(ent_stmt_one(put));
    ENT_OK(ent_stmt_blob(put, 0, &bytes, &len));
    CU_ASSERT(len == 0 && bytes != NULL);
    ent_stmt_free(put);
    ENT_OK(ent_stmt_prepare(db, "SELECT 1 FROM t WHERE id = 99", &put));
    ENT_FAILS(ent_stmt_one(put), ENT_E_NOT_FOUND);
    ent_stmt_free(put);
    ENT_FAILS(ent_db_exec(db, "INSERT INTO child VALUES(99)"), ENT_E_INTERNAL); /* foreign key */
    ENT_FAILS(ent_stmt_prepare(db, "SELECT nothing FROM nowhere", &put), ENT_E_INTERNAL);
    ent_db_close(db);
    free(path);
}

ENT_TEST(db, transactions_and_their_count)
{
    char *path = fresh_path();
    struct ent_db *db = NULL;
    uint64_t before;

    ENT_OK(ent_db_open(path, &schema1, &db));
    before = ent_db_commits(db);
    ENT_OK(ent_db_begin(db));
    CU_ASSERT_TRUE(ent_db_in_transaction(db));
    ENT_OK(ent_db_exec(db, "INSERT INTO t(id) VALUES(1); INSERT INTO t(id) VALUES(2);"));
    CU_ASSERT_EQUAL(ent_db_commits(db), before);
    ENT_OK(ent_db_commit(db));
    CU_ASSERT_EQUAL(ent_db_commits(db), before + 1);
    ENT_OK(ent_db_exec(db, "INSERT INTO t(id) VALUES(3)")); /* a transaction of its own */
    CU_ASSERT_EQUAL(ent_db_commits(db), before + 2);
    CU_ASSERT_EQUAL(count(db, "SELECT count(*) FROM t"), 3);
    CU_ASSERT_EQUAL(ent_db_commits(db), before + 2); /* reading commits nothing */

    ENT_OK(ent_db_begin(db));
    ENT_OK(ent_db_exec(db, "INSERT INTO t(id) VALUES(4)"));
    ENT_FAILS(ent_db_end(db, ent_err_note(ENT_E_DATA, "the reason")), ENT_E_DATA);
    CU_ASSERT_STRING_EQUAL(ent_err_message(), "the reason");
    CU_ASSERT_FALSE(ent_db_in_transaction(db));
    ENT_OK(ent_db_begin(db));
    ENT_FAILS(ent_db_exec(db, "INSERT INTO t(id) VALUES(5); INSERT INTO t(id) VALUES(1)"),
              ENT_E_EXISTS);
    ent_db_rollback(db);
    ent_db_rollback(db);
    for (int i = 0; i < 2; i++) { /* compiled once: it fails, and works, each time anew */
        ENT_FAILS(ent_db_run(db, "INSERT INTO t(id) VALUES(1)"), ENT_E_EXISTS);
        ENT_OK(ent_db_begin(db));
        ENT_OK(ent_db_run(db, "INSERT INTO t(id) VALUES(7)"));
        ent_db_rollback(db);
    }
    CU_ASSERT_EQUAL(count(db, "SELECT count(*) FROM t"), 3);
    CU_ASSERT_EQUAL(ent_db_commits(db), before + 2);
    ENT_OK(ent_db_begin(db)); /* left open: close rolls back */
    ENT_OK(ent_db_exec(db, "INSERT INTO t(id) VALUES(6)"));
    ent_db_close(db);
    ENT_OK(ent_db_open(path, &schema1, &db));
    CU_ASSERT_EQUAL(count(db, "SELECT count(*) FROM t"), 3);
    ent_db_close(db);
    free(path);
}

ENT_TEST(db, second_writer_is_told)
{
    char *path = fresh_path();
    struct ent_db *a = NULL;
    struct ent_db *b = NULL;

    ENT_OK(ent_db_open(path, &schema1, &a));
    ENT_OK(ent_db_open(path, &schema1, &b));
    ENT_OK(ent_db_exec(b, "PRAGMA busy_timeout=10"));
    ENT_OK(ent_db_begin(a));
    ENT_FAILS(ent_db_begin(b), ENT_E_BUSY);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), path));
    ENT_OK(ent_db_commit(a));
    ENT_OK(ent_db_begin(b));
    ent_db_close(a);
    ent_db_close(b);
    free(path);
}

ENT_TEST(db, migrates_and_refuses_newer)
{
    char *path = fresh_path();
    struct ent_db *db = NULL;

    ENT_OK(ent_db_open(path, &schema1, &db));
    ENT_OK(ent_db_exec(db, "INSERT INTO t(id) VALUES(1)"));
    ent_db_close(db);
    ENT_FAILS(ent_db_open(path, &schema_broken, &db),
              ENT_E_INTERNAL); /* all of a migration or nothing */
    ENT_OK(ent_db_open(path, &schema1, &db));
    CU_ASSERT_EQUAL(count(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), 0);
    ent_db_close(db);
    ENT_OK(ent_db_open(path, &schema2, &db));
    CU_ASSERT_EQUAL(count(db, "SELECT e FROM t"), 7);
    CU_ASSERT_EQUAL(count(db, "PRAGMA user_version"), 2);
    ent_db_close(db);
    ENT_FAILS(ent_db_open(path, &schema1, &db), ENT_E_VERSION);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "newer program"));
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), path));
    ENT_FAILS(ent_db_open(path, &schema_other, &db), ENT_E_CORRUPT);
    free(path);
}

static void fill(const char *path)
{
    struct ent_db *db = NULL;

    ENT_OK(ent_db_open(path, &schema1, &db));
    ENT_OK(ent_db_exec(
        db, "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 2000)"
            " INSERT INTO t(id, b) SELECT x, zeroblob(100) FROM c"));
    ent_db_close(db);
}

ENT_TEST(db, damage_is_named)
{
    char *path = fresh_path();
    struct ent_db *db = NULL;

    fill(path);
    flip_bytes(path, 0, 16); /* the file's first words */
    ENT_FAILS(ent_db_open(path, &schema1, &db), ENT_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), path));
    flip_bytes(path, 0, 16);
    ENT_OK(ent_db_open(path, &schema1, &db));
    ent_db_close(db);
    flip_bytes(path, (size_t)4096 * 10, 4096); /* a page of rows */
    ENT_OK(ent_db_open(path, &schema1, &db));
    ENT_FAILS(ent_db_check(db), ENT_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), path));
    ENT_FAILS(ent_db_exec(db, "SELECT sum(length(b)) FROM t"), ENT_E_CORRUPT);
    ent_db_close(db);
    free(path);
}

/* Cut anywhere: CORRUPT at once or at the check, never taken for a new database. */
ENT_TEST(db, truncated_files)
{
    char *path = fresh_path();
    char *cut_path = NULL;
    struct ent_db *db = NULL;
    static const size_t cuts[] = {0, 1, 15, 16, 99, 100, 4095, 4096, 8192, 40000, 100000};

    fill(path);
    for (size_t i = 0; i < ENT_ARRAY_LEN(cuts); i++) {
        enum ent_err err;

        ENT_OK(ent_path_join(ent_test_tmpdir(), "cut.db", &cut_path));
        copy_file(path, cut_path, cuts[i]);
        err = ent_db_open(cut_path, &schema1, &db);
        if (err == ENT_E_OK) {
            err = ent_db_check(db);
            ent_db_close(db);
        }
        CU_ASSERT_EQUAL(err, ENT_E_CORRUPT);
        free(cut_path);
    }
    free(path);
}

/* Power lost at any point of a write: the log is cut there. What comes back is a prefix of the
 * commits, whole. */
ENT_TEST(db, a_cut_log_gives_whole_commits)
{
    char *path = fresh_path();
    char *wal = NULL;
    char *copy = NULL;
    char *copy_wal = NULL;
    struct ent_db *db = NULL;
    struct ent_db *again = NULL;
    uint64_t size = 0;
    uint64_t last = 0;

    ENT_OK(ent_calloc(strlen(path) + 5, 1, &wal));
    (void)snprintf(wal, strlen(path) + 5, "%s-wal", path);
    ENT_OK(ent_db_open(path, &schema1, &db));
    for (int i = 0; i < 5; i++) { /* two rows a commit */
        ENT_OK(ent_db_begin(db));
        ENT_OK(
            ent_db_exec(db, "INSERT INTO t(a) VALUES(1); INSERT INTO t(b) VALUES(zeroblob(5000))"));
        ENT_OK(ent_db_commit(db));
    }
    ENT_OK(ent_db_begin(db)); /* never committed */
    ENT_OK(ent_db_exec(db, "INSERT INTO t(a) VALUES(1)"));
    ENT_OK(ent_file_size(wal, &size));
    CU_ASSERT_FATAL(size > 5 * 4096);
    for (uint64_t cut = 0; cut <= size; cut += 2731) {
        uint64_t n;
        const char *dir = ent_test_tmpdir();

        ENT_OK(ent_path_join(dir, "x.db", &copy));
        ENT_OK(ent_path_join(dir, "x.db-wal", &copy_wal));
        copy_file(path, copy, SIZE_MAX);
        copy_file(wal, copy_wal, (size_t)cut);
        ENT_OK(ent_db_open(copy, &schema1, &again));
        n = count(again, "SELECT count(*) FROM t");
        CU_ASSERT(n % 2 == 0 && n >= last && n <= 10);
        last = n;
        ent_db_close(again);
        free(copy);
        free(copy_wal);
    }
    CU_ASSERT(last >= 8);
    ent_db_close(db);
    free(wal);
    free(path);
}

/* A full disk: as SQLite's own limit, and as the kernel's (no file may grow). */
ENT_TEST(db, full_disk)
{
    char *path = fresh_path();
    struct ent_db *db = NULL;
    struct rlimit old;
    struct rlimit small;
    uint64_t before;

    ENT_OK(ent_db_open(path, &schema1, &db));
    ENT_OK(ent_db_exec(db, "INSERT INTO t(id) VALUES(1); PRAGMA max_page_count=8"));
    before = ent_db_commits(db);
    ENT_OK(ent_db_begin(db));
    ENT_FAILS(ent_db_exec(db, "INSERT INTO t(b) VALUES(zeroblob(100000))"), ENT_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), path));
    ent_db_rollback(db);
    ENT_OK(ent_db_exec(db, "PRAGMA max_page_count=100000"));

    CU_ASSERT_FATAL(getrlimit(RLIMIT_FSIZE, &old) == 0);
    small = old;
    small.rlim_cur = 8192;
    CU_ASSERT_FATAL(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    CU_ASSERT_FATAL(setrlimit(RLIMIT_FSIZE, &small) == 0);
    ENT_OK(ent_db_begin(db));
    ENT_OK(ent_db_exec(db, "INSERT INTO t(b) VALUES(zeroblob(100000))"));
    ENT_FAILS(ent_db_commit(db), ENT_E_IO);
    CU_ASSERT_FALSE(ent_db_in_transaction(db));
    CU_ASSERT_FATAL(setrlimit(RLIMIT_FSIZE, &old) == 0);
    CU_ASSERT_EQUAL(ent_db_commits(db), before);

    ENT_OK(ent_db_exec(db, "INSERT INTO t(b) VALUES(zeroblob(100000))")); /* room again */
    CU_ASSERT_EQUAL(count(db, "SELECT count(*) FROM t"), 2);
    ENT_OK(ent_db_check(db));
    ent_db_close(db);
    free(path);
}

ENT_TEST(db, no_directory)
{
    struct ent_db *db = NULL;
    char *path = NULL;
    enum ent_err err;

    ENT_OK(ent_path_join(ent_test_tmpdir(), "missing/x.db", &path));
    err = ent_db_open(path, &schema1, &db);
    CU_ASSERT(err == ENT_E_NOT_FOUND || err == ENT_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "missing"));
    free(path);
}

/* Killed while it was made: what is left under the other name does no harm. */
ENT_TEST(db, half_made)
{
    char *path = fresh_path();
    char *tmp = NULL;
    struct ent_db *db = NULL;

    ENT_OK(ent_calloc(strlen(path) + 5, 1, &tmp));
    (void)snprintf(tmp, strlen(path) + 5, "%s.new", path);
    ENT_OK(ent_file_write_atomic(tmp, "SQLite format 3", 15, 0600));
    ENT_OK(ent_db_open(path, &schema1, &db));
    CU_ASSERT_FALSE(ent_file_exists(tmp));
    ent_db_close(db);
    free(tmp);
    free(path);
}

/* A database that was removed beside its log is not begun anew over it. */
ENT_TEST(db, log_without_database)
{
    char *path = fresh_path();
    char *wal = NULL;
    struct ent_db *db = NULL;

    ENT_OK(ent_calloc(strlen(path) + 5, 1, &wal));
    (void)snprintf(wal, strlen(path) + 5, "%s-wal", path);
    ENT_OK(ent_file_write_atomic(wal, "x", 1, 0600));
    ENT_FAILS(ent_db_open(path, &schema1, &db), ENT_E_CORRUPT);
    ENT_OK(ent_file_remove(wal));
    ENT_OK(ent_db_open(path, &schema1, &db));
    ent_db_close(db);
    free(wal);
    free(path);
}
