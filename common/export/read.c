#include "common/export/read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/export/read_file.h"

struct ent_export {
    int fd; /* of the directory */
    char *dir;
    struct ent_buf checkpoint;
    struct ent_checkpoint claim;
    uint64_t *sizes;
    size_t n_sizes;
    size_t cap_sizes;
};

const char *ent_export_dir(const struct ent_export *export)
{
    return export->dir;
}

bool ent_export_holds(const struct ent_export *export, const char *path)
{
    char *dir = realpath(export->dir, NULL);
    char *file = realpath(path, NULL);
    size_t n = dir != NULL ? strlen(dir) : 0;
    bool holds = dir != NULL && file != NULL && strncmp(file, dir, n) == 0 && file[n] == '/';

    free(dir);
    free(file);
    return holds;
}

struct ent_bytes ent_export_checkpoint(const struct ent_export *export)
{
    return (struct ent_bytes){export->checkpoint.data, export->checkpoint.len};
}

const struct ent_checkpoint *ent_export_claim(const struct ent_export *export)
{
    return &export->claim;
}

const uint64_t *ent_export_sizes(const struct ent_export *export, size_t *n)
{
    *n = export->n_sizes;
    return export->sizes;
}

/* "<size>.note", in the one spelling that a number has. */
static bool note_size(const char *name, uint64_t *size)
{
    char again[32];
    uint64_t value = 0;
    size_t n = 0;

    for (; name[n] >= '0' && name[n] <= '9'; n++) {
        if (value > (ENT_MERKLE_SIZE_MAX - 9) / 10) {
            return false;
        }
        value = value * 10 + (uint64_t)(name[n] - '0');
    }
    (void)snprintf(again, sizeof again, "%llu.note", (unsigned long long)value);
    *size = value;
    return n > 0 && strcmp(again, name) == 0;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static enum ent_err take_name(struct ent_export *export, const char *name)
{
    uint64_t size;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return ENT_E_OK;
    }
    ENT_REQUIRE(note_size(name, &size), ENT_E_CORRUPT,
                "checkpoints/ holds a file that is no <size>.note: it does not belong into an "
                "export");
    ENT_REQUIRE(export->n_sizes < ENT_EXPORT_NOTES_MAX, ENT_E_LIMIT,
                "checkpoints/ holds more than %zu notes", ENT_EXPORT_NOTES_MAX);
    ENT_TRY(
        ent_grow(&export->sizes, &export->cap_sizes, export->n_sizes + 1, sizeof *export->sizes));
    export->sizes[export->n_sizes++] = size;
    return ENT_E_OK;
}

static enum ent_err list_sizes(struct ent_export *export)
{
    int fd = openat(export->fd, "checkpoints",
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    enum ent_err err = ENT_E_OK;

    if (fd < 0 && errno == ENOENT) {
        return ENT_E_OK; /* the log is exported before a quorum cosigned anything */
    }
    if (dir == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return ent_err_note(ENT_E_CORRUPT, "%s has no directory checkpoints/: it is no export",
                            export->dir);
    }
    /* The stream is this call's own: nobody else reads from it. */
    while (err == ENT_E_OK && (entry = readdir(dir)) != NULL) { // NOLINT(concurrency-mt-unsafe)
        err = take_name(export, entry->d_name);
    }
    (void)closedir(dir);
    if (err == ENT_E_OK && export->n_sizes > 0) {
        qsort(export->sizes, export->n_sizes, sizeof *export->sizes, by_size);
    }
    return err;
}

static enum ent_err read_claim(struct ent_export *export)
{
    struct ent_note note;
    enum ent_err err;

    ent_buf_init(&export->checkpoint, ENT_NOTE_MAX_BYTES);
    err = ent_export_file(export->fd, "checkpoint", &export->checkpoint);
    ENT_REQUIRE(err != ENT_E_NOT_FOUND, ENT_E_CORRUPT,
                "%s has no file checkpoint: it is no export, or not a whole one", export->dir);
    ENT_TRY(err);
    ENT_TRY(ent_note_parse((const char *)export->checkpoint.data, export->checkpoint.len, &note));
    return ent_checkpoint_parse(note.text, note.text_len, &export->claim);
}

enum ent_err ent_export_open(const char *dir, struct ent_export **out)
{
    struct ent_export *export = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *export, &export));
    export->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (export->fd < 0) {
        err = ent_err_note(ENT_E_CORRUPT, "%s: %s", dir,
                           errno == ENOENT ? "there is no such export"
                                           : "an export is a directory that can be read");
    } else {
        err = ent_strdup(dir, &export->dir);
    }
    if (err == ENT_E_OK) {
        err = read_claim(export);
        if (err == ENT_E_DATA) {
            err = ent_err_prefix(err, "checkpoint");
        }
    }
    if (err == ENT_E_OK) {
        err = list_sizes(export);
    }
    if (err != ENT_E_OK) {
        ent_export_close(export);
        return err;
    }
    *out = export;
    return ENT_E_OK;
}

void ent_export_close(struct ent_export *export)
{
    if (export == NULL) {
        return;
    }
    if (export->fd >= 0) {
        (void)close(export->fd);
    }
    ent_buf_release(&export->checkpoint);
    free(export->sizes);
    free(export->dir);
    free(export);
}

enum ent_err ent_export_note(struct ent_export *export, uint64_t size, struct ent_buf *out)
{
    char path[48];

    (void)snprintf(path, sizeof path, "checkpoints/%llu.note", (unsigned long long)size);
    return ent_export_file(export->fd, path, out);
}

enum ent_err ent_export_tile(struct ent_export *export, const struct ent_tile *tile,
                             struct ent_buf *out)
{
    size_t want = (size_t)tile->width * ENT_MERKLE_BYTES;
    size_t before = out->len;
    char path[ENT_TILES_PATH_MAX];
    enum ent_err err;

    ent_tiles_path(tile, path);
    err = ent_export_file(export->fd, path, out);
    if (err == ENT_E_NOT_FOUND) {
        return ent_err_note(ENT_E_CORRUPT, "%s is not in the export", path);
    }
    ENT_TRY(err);
    ENT_REQUIRE(tile->entries || out->len - before == want, ENT_E_CORRUPT,
                "%s has %zu bytes; %u hashes are %zu", path, out->len - before, tile->width, want);
    return ENT_E_OK;
}

static void blob_path(const uint8_t digest[32], char out[80])
{
    char hex[65];

    ent_hex(digest, 32, hex);
    (void)snprintf(out, 80, "blob/%.2s/%s", hex, hex);
}

enum ent_err ent_export_blob_open(struct ent_export *export, const uint8_t digest[32], int *fd,
                                  uint64_t *size)
{
    char path[80];

    blob_path(digest, path);
    return ent_export_file_open(export->fd, path, fd, size);
}

enum ent_err ent_export_blob_size(struct ent_export *export, const uint8_t digest[32],
                                  uint64_t *size)
{
    int fd = -1;

    ENT_TRY(ent_export_blob_open(export, digest, &fd, size));
    (void)close(fd);
    return ENT_E_OK;
}

static enum ent_err is_digest(const uint8_t got[32], const uint8_t digest[32], const char *path)
{
    ENT_REQUIRE(memcmp(got, digest, 32) == 0, ENT_E_DIGEST,
                "%s: its bytes are not what its name says", path);
    return ENT_E_OK;
}

enum ent_err ent_export_blob(struct ent_export *export, const uint8_t digest[32],
                             struct ent_buf *out)
{
    size_t before = out->len;
    uint8_t got[32];
    char path[80];

    blob_path(digest, path);
    ENT_TRY(ent_export_file(export->fd, path, out));
    ENT_TRY(ent_sha256(out->data + before, out->len - before, got));
    return is_digest(got, digest, path);
}

static enum ent_err hash_fd(int fd, uint8_t out[32])
{
    struct ent_sha256 hash = {0};
    uint8_t piece[16384];
    size_t n = sizeof piece;
    enum ent_err err = ent_sha256_init(&hash);

    while (err == ENT_E_OK && n == sizeof piece) {
        err = ent_fd_read(fd, piece, sizeof piece, &n);
        if (err == ENT_E_OK) {
            ent_sha256_add(&hash, piece, n);
        }
    }
    if (err == ENT_E_OK) {
        ent_sha256_finish(&hash, out);
    }
    ent_sha256_release(&hash);
    return err;
}

enum ent_err ent_export_blob_check(struct ent_export *export, const uint8_t digest[32])
{
    uint64_t size;
    uint8_t got[32];
    char path[80];
    int fd = -1;
    enum ent_err err;

    blob_path(digest, path);
    ENT_TRY(ent_export_file_open(export->fd, path, &fd, &size));
    err = hash_fd(fd, got);
    (void)close(fd);
    ENT_TRY(err);
    return is_digest(got, digest, path);
}
