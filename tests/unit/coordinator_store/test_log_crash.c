/* Killed at every point, torn pages, a disk that is full: the head that is found is the old one or the
 * new one, never a third, and every head that was handed out is a prefix of it. What the system calls
 * themselves do to it: tests/e2e/15-log-crash.sh. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "coordinator/store/tables.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_store/make.h"
#include "tests/unit/coordinator_store/make_log.h"

struct head {
    uint64_t size;
    uint8_t root[32];
};

static char *path_in(const char *dir, const char *name)
{
    char *path = NULL;

    ENT_OK(ent_path_join(dir, name, &path));
    return path;
}

static int handed_fd(const char *dir)
{
    char path[512];

    (void)snprintf(path, sizeof path, "%s/handed", dir);
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* Opens (and so verifies) what is there. */
static struct head look(const char *dir)
{
    struct ent_store *store = NULL;
    struct head head;
    char *handed = path_in(dir, "handed");

    ENT_OK(ent_store_open(dir, &store));
    ENT_OK(ent_store_log_head(store, &head.size, head.root));
    ENT_OK(log_check(store, handed));
    ent_store_close(store);
    free(handed);
    return head;
}

/* `now` is `old` or one step further. */
static bool old_or_new(const char *dir, const struct head *old, const struct head *now)
{
    struct ent_store *store = NULL;
    uint8_t root[32];
    bool good = now->size == old->size || now->size == old->size + LOG_STEP;

    ENT_OK(ent_store_open(dir, &store));
    ENT_OK(ent_store_log_root_at(store, old->size, root));
    ent_store_close(store);
    return good && memcmp(root, old->root, sizeof root) == 0;
}

struct trial {
    unsigned long kill_at; /* hook point; 0: none */
    rlim_t file_max;       /* bytes; 0: no limit */
};

static int run_step(const char *dir, uint32_t tag, const struct trial *t)
{
    struct ent_store *store = NULL;
    int fd = handed_fd(dir);
    enum ent_err err;

    if (t->file_max != 0) {
        struct rlimit limit = {t->file_max, t->file_max};

        (void)signal(SIGXFSZ, SIG_IGN);
        (void)setrlimit(RLIMIT_FSIZE, &limit);
    }
    err = ent_store_open(dir, &store);
    make_kill_at = t->kill_at;
    if (err == ENT_E_OK) {
        err = log_step(store, tag, fd);
    }
    make_kill_at = 0;
    return (int)err; /* without closing: the write-ahead log stays as it is */
}

/* The child's status: -1 when it was killed. */
static int child(const char *dir, uint32_t tag, const struct trial *t)
{
    int status = 0;
    pid_t pid = fork();

    CU_ASSERT_FATAL(pid >= 0);
    if (pid == 0) {
        _exit(run_step(dir, tag, t));
    }
    CU_ASSERT_FATAL(waitpid(pid, &status, 0) == pid);
    if (WIFSIGNALED(status)) {
        CU_ASSERT_EQUAL(WTERMSIG(status), SIGKILL);
        return -1;
    }
    return WEXITSTATUS(status);
}

ENT_TEST(log_crash, killed_at_every_point)
{
    const char *dir = NULL;
    struct head old;
    size_t n_old = 0;
    size_t n_new = 0;
    int status = -1;

    ent_store_close(make_log(&dir, 3));
    old = look(dir);
    for (uint32_t at = 1; status == -1 && at < 500; at++) {
        struct trial t = {.kill_at = at};
        struct head now;

        status = child(dir, at * 16, &t);
        now = look(dir);
        CU_ASSERT(old_or_new(dir, &old, &now));
        n_old += now.size == old.size;
        n_new += now.size != old.size;
        old = now;
    }
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT(n_old > 10 && n_new > 5); /* both sides of the commit were met */
}

/* Every page of the database in turn half overwritten, as a disk may leave it: refused, or the same. */
ENT_TEST(log_crash, a_torn_page_of_the_database)
{
    static const uint8_t junk[2048] = {0xde, 0xad, 0xbe, 0xef};
    const char *dir = NULL;
    struct ent_store *store = make_log(&dir, 40);
    struct trial none = {0};
    struct head old;
    struct ent_buf whole;
    char *db = path_in(dir, "federation.db");
    size_t n_refused = 0;

    ENT_OK(log_put_note(store));
    ent_store_close(store);
    CU_ASSERT_EQUAL(child(dir, 900, &none), 0);
    old = look(dir); /* closed: all of it is in the database's file */
    ent_buf_init(&whole, (size_t)16 * 1024 * 1024);
    ENT_OK(ent_file_read(db, &whole));
    for (size_t at = 0; at < whole.len; at += 4096) {
        int fd = open(db, O_WRONLY | O_CLOEXEC);
        enum ent_err err;

        CU_ASSERT_EQUAL(pwrite(fd, junk, sizeof junk, (off_t)(at + 2048)), (ssize_t)sizeof junk);
        (void)close(fd);
        err = ent_store_open(dir, &store);
        CU_ASSERT(err == ENT_E_OK || err == ENT_E_CORRUPT);
        if (err == ENT_E_OK) {
            struct head now;

            ENT_OK(ent_store_log_head(store, &now.size, now.root));
            CU_ASSERT(now.size == old.size && memcmp(now.root, old.root, 32) == 0);
            ent_store_close(store);
        }
        n_refused += err != ENT_E_OK;
        ENT_OK(ent_file_write_atomic(db, whole.data, whole.len, 0600));
    }
    CU_ASSERT(n_refused > 5);
    ent_buf_release(&whole);
    free(db);
}

/* The step's first commit was written, but nothing of it was made durable and nothing handed out: its
 * part of the write-ahead log is cut or spoilt at each length. */
ENT_TEST(log_crash, a_torn_end_of_the_write_ahead_log)
{
    const char *dir = NULL;
    struct trial none = {0};
    struct head old;
    struct ent_buf db;
    struct ent_buf before;
    struct ent_buf wal;
    char *db_path;
    char *wal_path;

    ent_store_close(make_log(&dir, 12));
    db_path = path_in(dir, "federation.db");
    wal_path = path_in(dir, "federation.db-wal");
    old = look(dir);
    CU_ASSERT_EQUAL(child(dir, 500, &none), 0); /* ends without closing */
    ent_buf_init(&db, (size_t)16 * 1024 * 1024);
    ent_buf_init(&before, (size_t)16 * 1024 * 1024);
    ent_buf_init(&wal, (size_t)16 * 1024 * 1024);
    ENT_OK(ent_file_read(db_path, &db));
    ENT_OK(ent_file_read(wal_path, &wal));
    CU_ASSERT_FATAL(wal.len > (size_t)5 * 4096);
    {
        char handed[512];

        (void)snprintf(handed, sizeof handed, "%s/handed", dir);
        ENT_OK(ent_file_remove(handed)); /* it died before */
    }
    for (size_t len = wal.len; len > 32; len = len > 1000 ? len - 1000 : 0) {
        struct head now;

        ENT_OK(ent_file_write_atomic(db_path, db.data, db.len, 0600));
        ENT_OK(ent_buf_add(&before, wal.data, len));
        if (len % 3 == 0) { /* not cut, but other bytes behind */
            memset(before.data + len - 20, 0xaa, 20);
            ENT_OK(ent_buf_add(&before, wal.data, wal.len - len));
        }
        ENT_OK(ent_file_write_atomic(wal_path, before.data, before.len, 0600));
        ent_buf_clear(&before);
        now = look(dir);
        CU_ASSERT(old_or_new(dir, &old, &now));
    }
    ent_buf_release(&db);
    ent_buf_release(&before);
    ent_buf_release(&wal);
    free(db_path);
    free(wal_path);
}

/* No file can grow beyond a limit, which rises: IO until it suffices. */
ENT_TEST(log_crash, a_disk_that_is_full)
{
    const char *dir = NULL;
    struct head old;
    size_t n_failed = 0;
    int status = -1;
    uint64_t db_bytes = 0;
    char *db;

    ent_store_close(make_log(&dir, 3));
    db = path_in(dir, "federation.db");
    ENT_OK(ent_file_size(db, &db_bytes));
    old = look(dir);
    for (rlim_t max = 1000; status != 0 && max < 4 * db_bytes + 1000000; max += 6000) {
        struct trial t = {.file_max = max};
        struct head now;

        status = child(dir, (uint32_t)max, &t);
        CU_ASSERT(status == ENT_E_OK || status == ENT_E_IO);
        now = look(dir);
        CU_ASSERT(old_or_new(dir, &old, &now));
        n_failed += status != 0;
        old = now;
    }
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT(n_failed > 5);
    free(db);
}

/* A commit that fails leaves the store as it was: it goes on in the same process. */
ENT_TEST(log_crash, goes_on_after_a_commit_that_failed)
{
    const char *dir = NULL;
    struct ent_store *store = make_log(&dir, 3);
    struct rlimit was;
    struct rlimit limit;
    uint8_t before[32];
    uint8_t root[32];
    uint64_t size = 0;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

    ENT_OK(ent_store_log_head(store, &size, before));
    ENT_OK(ent_store_begin(store));
    for (uint32_t i = 0; i < 200; i++) {
        ENT_OK(log_add(store, 100 + i, NOW));
    }
    CU_ASSERT_EQUAL(getrlimit(RLIMIT_FSIZE, &was), 0);
    limit = was;
    limit.rlim_cur = 40000;
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ENT_FAILS(ent_store_commit(store), ENT_E_IO);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &was), 0);
    (void)signal(SIGXFSZ, handler);
    ENT_OK(ent_store_log_head(store, &size, root));
    CU_ASSERT(size == 3 && memcmp(root, before, 32) == 0);
    ENT_OK(log_add(store, 5, NOW));
    ENT_OK(ent_store_log_verify(store));
    ent_store_close(store);
    CU_ASSERT_EQUAL(look(dir).size, 4);
}
