#include "common/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"

#define UNNAMED_PATH_BYTES 4096
#define READ_STEP ((size_t)64 * 1024)

enum ent_err ent_io_error(const char *doing, const char *path)
{
    int e = errno;
    char reason[128] = "";

    if (strerror_r(e, reason, sizeof reason) != 0) {
        (void)snprintf(reason, sizeof reason, "error %d", e);
    }
    if (e == ENOENT) {
        return ent_err_note(ENT_E_NOT_FOUND, "cannot %s %s: %s", doing, path, reason);
    }
    return ent_err_note(ENT_E_IO, "cannot %s %s: %s", doing, path, reason);
}

enum ent_err ent_file_unnamed(int *fd)
{
    const char *dir = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe): nothing here sets it */
    char path[UNNAMED_PATH_BYTES];
    int n = snprintf(path, sizeof path, "%s/entente-XXXXXX",
                     dir != NULL && dir[0] != '\0' ? dir : "/tmp");
    int made;

    ENT_REQUIRE(n > 0 && (size_t)n < sizeof path, ENT_E_CONFIG, "TMPDIR is too long");
    made = mkstemp(path); /* 0600 */
    if (made < 0) {
        (void)ent_io_error("make the temporary file", path);
        return ENT_E_IO; /* also where the directory is missing */
    }
    (void)unlink(path);
    *fd = made;
    return ENT_E_OK;
}

enum ent_err ent_fd_read(int fd, void *bytes, size_t len, size_t *n_read)
{
    size_t got = 0;

    while (got < len) {
        ssize_t n = read(fd, (char *)bytes + got, len - got);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return ent_io_error("read", "file");
        }
        if (n == 0) {
            break;
        }
        got += (size_t)n;
    }
    *n_read = got;
    return ENT_E_OK;
}

enum ent_err ent_fd_write(int fd, const void *bytes, size_t len)
{
    size_t put = 0;

    while (put < len) {
        ssize_t n = write(fd, (const char *)bytes + put, len - put);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return ent_io_error("write", "file");
        }
        put += (size_t)n;
    }
    return ENT_E_OK;
}

enum ent_err ent_fd_sync(int fd, const char *what)
{
    if (fsync(fd) != 0) {
        return ent_io_error("fsync", what);
    }
    return ENT_E_OK;
}

enum ent_err ent_file_read(const char *path, struct ent_buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t start = out->len;
    size_t n = 0;
    enum ent_err err = ENT_E_OK;

    if (fd < 0) {
        return ent_io_error("open", path);
    }
    do {
        size_t room = out->max - out->len;
        size_t step = room < READ_STEP ? room : READ_STEP;
        uint8_t *p = NULL;
        uint8_t extra;

        if (step == 0) { /* exactly full is fine, one byte more is not */
            err = ent_fd_read(fd, &extra, 1, &n);
            if (err == ENT_E_OK && n > 0) {
                err = ent_err_note(ENT_E_LIMIT, "%s is larger than %zu bytes", path, out->max);
            }
            break;
        }
        err = ent_buf_extend(out, step, &p);
        if (err == ENT_E_OK) {
            err = ent_fd_read(fd, p, step, &n);
        }
        if (err == ENT_E_OK) {
            out->len -= step - n;
        }
    } while (err == ENT_E_OK && n > 0);
    (void)close(fd);
    if (err != ENT_E_OK) {
        out->len = start;
        if (err == ENT_E_IO) {
            (void)ent_err_prefix(err, "%s", path);
        }
    }
    return err;
}

enum ent_err ent_dir_sync(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum ent_err err;

    if (fd < 0) {
        return ent_io_error("open", dir);
    }
    err = ent_fd_sync(fd, dir);
    (void)close(fd);
    return err;
}

enum ent_err ent_parent_sync(const char *path)
{
    size_t len = strlen(path);
    char *dir = NULL;
    enum ent_err err;

    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    while (len > 0 && path[len - 1] != '/') {
        len--;
    }
    if (len == 0) {
        return ent_dir_sync(".");
    }
    ENT_TRY(ent_strndup(path, len > 1 ? len - 1 : 1, &dir));
    err = ent_dir_sync(dir);
    free(dir);
    return err;
}

enum ent_err ent_file_begin(const char *path, mode_t mode, char **tmp, int *fd)
{
    size_t len = strlen(path);
    char *name;
    int f;
    enum ent_err err;

    ENT_TRY(ent_calloc(len + 12, 1, &name));
    (void)snprintf(name, len + 12, "%s.tmp.XXXXXX", path);
    f = mkstemp(name);
    if (f < 0 || fcntl(f, F_SETFD, FD_CLOEXEC) != 0) {
        err = ent_io_error("create", path); /* not the temporary name, which nobody has asked for */
        free(name);
        return err;
    }
    if (fchmod(f, mode) != 0) {
        err = ent_io_error("chmod", path);
        ent_file_discard(name, f);
        return err;
    }
    *tmp = name;
    *fd = f;
    return ENT_E_OK;
}

void ent_file_discard(char *tmp_take, int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
    if (tmp_take != NULL) {
        (void)unlink(tmp_take);
        free(tmp_take);
    }
}

enum ent_err ent_file_commit(const char *path, char *tmp_take, int fd)
{
    enum ent_err err = ent_fd_sync(fd, tmp_take);

    if (err != ENT_E_OK) {
        ent_file_discard(tmp_take, fd);
        return err;
    }
    (void)close(fd);
    if (rename(tmp_take, path) != 0) {
        err = ent_io_error("rename to", path);
        ent_file_discard(tmp_take, -1);
        return err;
    }
    free(tmp_take);
    return ent_parent_sync(path);
}

enum ent_err ent_file_write_atomic(const char *path, const void *bytes, size_t len, mode_t mode)
{
    char *tmp = NULL;
    int fd = -1;
    enum ent_err err;

    ENT_TRY(ent_file_begin(path, mode, &tmp, &fd));
    err = ent_fd_write(fd, bytes, len);
    if (err != ENT_E_OK) {
        (void)ent_err_prefix(err, "%s", path);
        ent_file_discard(tmp, fd);
        return err;
    }
    return ent_file_commit(path, tmp, fd);
}

enum ent_err ent_file_write_new(const char *path, const void *bytes, size_t len, mode_t mode)
{
    ENT_REQUIRE(!ent_file_exists(path), ENT_E_EXISTS, "%s is there already", path);
    return ent_file_write_atomic(path, bytes, len, mode);
}

enum ent_err ent_dir_make(const char *dir)
{
    char *copy = NULL;
    enum ent_err err = ENT_E_OK;

    ENT_TRY(ent_strdup(dir, &copy));
    for (char *p = copy + 1; err == ENT_E_OK; p++) {
        bool end = *p == '\0';

        if (*p == '/' || end) {
            *p = '\0';
            if (mkdir(copy, 0700) != 0 && errno != EEXIST) {
                err = ent_io_error("make directory", copy);
            }
            *p = '/';
        }
        if (end) {
            break;
        }
    }
    free(copy);
    return err;
}

bool ent_file_exists(const char *path)
{
    struct stat sb;

    return lstat(path, &sb) == 0;
}

enum ent_err ent_file_remove(const char *path)
{
    if (unlink(path) != 0 && errno != ENOENT) {
        return ent_io_error("remove", path);
    }
    return ENT_E_OK;
}

enum ent_err ent_file_size(const char *path, uint64_t *out)
{
    struct stat sb;

    if (stat(path, &sb) != 0) {
        return ent_io_error("look at", path);
    }
    *out = (uint64_t)sb.st_size;
    return ENT_E_OK;
}

enum ent_err ent_file_read_in(const char *dir, const char *name, struct ent_buf *out)
{
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_path_join(dir, name, &path));
    err = ent_file_read(path, out);
    free(path);
    return err;
}

enum ent_err ent_path_join(const char *dir, const char *name, char **out)
{
    size_t len = strlen(dir) + strlen(name) + 2;
    char *p;

    ENT_TRY(ent_calloc(len, 1, &p));
    (void)snprintf(p, len, "%s/%s", dir, name);
    *out = p;
    return ENT_E_OK;
}

static enum ent_err check_mode(const struct stat *sb, const char *path)
{
    ENT_REQUIRE((sb->st_mode & 077) == 0, ENT_E_PERMISSION,
                "%s can be read by others (mode %04o); run: chmod 600 %s", path,
                (unsigned)(sb->st_mode & 07777), path);
    return ENT_E_OK;
}

enum ent_err ent_file_check_private(const char *path)
{
    struct stat sb;

    if (stat(path, &sb) != 0) {
        return ent_io_error("look at", path);
    }
    return check_mode(&sb, path);
}

enum ent_err ent_fd_check_private(int fd, const char *path, uint64_t *size)
{
    struct stat sb;

    if (fstat(fd, &sb) != 0) {
        return ent_io_error("look at", path);
    }
    ENT_REQUIRE(S_ISREG(sb.st_mode), ENT_E_PERMISSION, "%s is not a plain file", path);
    ENT_TRY(check_mode(&sb, path));
    ENT_REQUIRE(sb.st_uid == geteuid() || sb.st_uid == 0, ENT_E_PERMISSION,
                "%s belongs to user %lu, not to the one that runs this program (%lu)", path,
                (unsigned long)sb.st_uid, (unsigned long)geteuid());
    *size = (uint64_t)sb.st_size;
    return ENT_E_OK;
}

enum ent_err ent_dir_lock(const char *dir, int *fd)
{
    char *path = NULL;
    char pid[32] = "";
    int f;

    ENT_TRY(ent_path_join(dir, "lock", &path));
    f = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (f < 0) {
        enum ent_err err = ent_io_error("open", path);

        free(path);
        return err;
    }
    free(path);
    if (flock(f, LOCK_EX | LOCK_NB) != 0) {
        ssize_t n = read(f, pid, sizeof pid - 1);

        pid[n > 0 ? n : 0] = '\0';
        pid[strcspn(pid, "\n")] = '\0';
        (void)close(f);
        return ent_err_note(ENT_E_BUSY, "%s is in use by process %s", dir,
                            pid[0] != '\0' ? pid : "?");
    }
    (void)snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(f, 0) != 0 || pwrite(f, pid, strlen(pid), 0) < 0) {
        enum ent_err err = ent_io_error("write", "lock");

        (void)close(f);
        return err;
    }
    *fd = f;
    return ENT_E_OK;
}
