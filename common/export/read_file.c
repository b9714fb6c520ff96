#include "common/export/read_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"

#define NAME_MAX_BYTES 128

static enum ent_err refused(const char *path, int error)
{
    if (error == ENOENT) {
        return ent_err_note(ENT_E_NOT_FOUND, "%s is not in the export", path);
    }
    if (error == ELOOP || error == ENOTDIR || error == EMLINK) {
        return ent_err_note(ENT_E_CORRUPT,
                            "%s: an export holds plain files and directories, no symbolic links",
                            path);
    }
    errno = error;
    return ent_io_error("open", path);
}

/* One name at a time: O_NOFOLLOW looks at the last one only. */
static enum ent_err walk_to(int dir, const char *path, int *out)
{
    const char *at = path;
    int fd = dir;

    for (;;) {
        const char *slash = strchr(at, '/');
        size_t len = slash != NULL ? (size_t)(slash - at) : strlen(at);
        char name[NAME_MAX_BYTES];
        int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
        int next;

        ENT_BUG_ON(len >= sizeof name);
        memcpy(name, at, len);
        name[len] = '\0';
        next = openat(fd, name, slash != NULL ? flags | O_DIRECTORY : flags);
        if (fd != dir) {
            int saved = errno;

            (void)close(fd);
            errno = saved;
        }
        if (next < 0) {
            return refused(path, errno);
        }
        fd = next;
        if (slash == NULL) {
            *out = fd;
            return ENT_E_OK;
        }
        at = slash + 1;
    }
}

enum ent_err ent_export_file_open(int dir, const char *path, int *fd, uint64_t *size)
{
    struct stat info;
    int opened = -1;

    ENT_TRY(walk_to(dir, path, &opened));
    if (fstat(opened, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size < 0) {
        (void)close(opened);
        return ent_err_note(ENT_E_CORRUPT, "%s is no plain file", path);
    }
    *fd = opened;
    *size = (uint64_t)info.st_size;
    return ENT_E_OK;
}

enum ent_err ent_export_file(int dir, const char *path, struct ent_buf *out)
{
    size_t before = out->len;
    size_t n = 0;
    uint64_t size;
    uint8_t *bytes;
    int fd = -1;
    enum ent_err err = ENT_E_OK;

    ENT_TRY(ent_export_file_open(dir, path, &fd, &size));
    if (size > out->max - before) {
        err = ent_err_note(ENT_E_LIMIT, "%s has %llu bytes, at most %zu are read", path,
                           (unsigned long long)size, out->max - before);
    }
    if (err == ENT_E_OK && size > 0) {
        err = ent_buf_extend(out, (size_t)size, &bytes);
        if (err == ENT_E_OK) {
            err = ent_fd_read(fd, bytes, (size_t)size, &n);
        }
        if (err == ENT_E_OK && n != size) {
            err = ent_err_note(ENT_E_CORRUPT, "%s became shorter while it was read", path);
        }
        if (err != ENT_E_OK) {
            out->len = before;
        }
    }
    (void)close(fd);
    return err;
}
