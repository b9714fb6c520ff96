#include "common/export/write_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/sha256.h"

#define COPY_STEP ((size_t)64 * 1024)
#define WALK_FDS 16 /* directories that nftw holds open; deeper ones are reopened */

enum ent_err ent_export_tree_begin(const char *to, struct ent_export_tree *out)
{
    struct ent_export_tree tree = {0};
    size_t len = strlen(to);
    enum ent_err err;

    while (len > 1 && to[len - 1] == '/') {
        len--;
    }
    ENT_REQUIRE(len > 0, ENT_E_USAGE, "an export needs a directory to be written to");
    err = ent_strndup(to, len, &tree.to);
    if (err == ENT_E_OK && ent_file_exists(tree.to)) {
        err = ent_err_note(ENT_E_EXISTS, "%s is there already; an export is never written over",
                           tree.to);
    }
    if (err == ENT_E_OK) {
        err = ent_calloc(len + 8, 1, &tree.root);
    }
    if (err == ENT_E_OK) {
        (void)snprintf(tree.root, len + 8, "%s.XXXXXX", tree.to);
        if (mkdtemp(tree.root) == NULL) {
            err = ent_io_error("make directory", tree.to);
            free(tree.root); /* nothing was made: nothing to remove */
            tree.root = NULL;
        }
    }
    if (err != ENT_E_OK) {
        ent_export_tree_release(&tree);
        return err;
    }
    *out = tree;
    return ENT_E_OK;
}

/* Opens a new file of the tree, whose directories are made. */
static enum ent_err create(const struct ent_export_tree *tree, const char *name, char **path,
                           int *fd)
{
    char *slash;
    enum ent_err err;

    ENT_TRY(ent_path_join(tree->root, name, path));
    slash = strrchr(*path, '/');
    *slash = '\0';
    err = ent_dir_make(*path);
    *slash = '/';
    if (err == ENT_E_OK) {
        *fd = open(*path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (*fd < 0) {
            err = errno == EEXIST ? ent_err_note(ENT_E_EXISTS, "%s is written twice", name)
                                  : ent_io_error("create", *path);
        }
    }
    if (err != ENT_E_OK) {
        free(*path);
        *path = NULL;
    }
    return err;
}

static enum ent_err finish(enum ent_err err, char *path_take, int fd)
{
    if (err == ENT_E_OK) {
        err = ent_fd_sync(fd, path_take);
    }
    if (close(fd) != 0 && err == ENT_E_OK) {
        err = ent_io_error("close", path_take);
    }
    free(path_take);
    return err;
}

enum ent_err ent_export_tree_put(const struct ent_export_tree *tree, const char *name,
                                 struct ent_bytes bytes)
{
    char *path = NULL;
    int fd = -1;
    enum ent_err err;

    ENT_TRY(create(tree, name, &path, &fd));
    err = ent_fd_write(fd, bytes.data, bytes.len);
    if (err != ENT_E_OK) {
        (void)ent_err_prefix(err, "%s", path);
    }
    return finish(err, path, fd);
}

static enum ent_err copy_pieces(int in, int out, struct ent_sha256 *hash)
{
    uint8_t *piece;
    size_t n = 0;
    enum ent_err err;

    ENT_TRY(ent_calloc(COPY_STEP, 1, &piece));
    do {
        err = ent_fd_read(in, piece, COPY_STEP, &n);
        if (err == ENT_E_OK) {
            ent_sha256_add(hash, piece, n);
            err = ent_fd_write(out, piece, n);
        }
    } while (err == ENT_E_OK && n == COPY_STEP);
    free(piece);
    return err;
}

static enum ent_err copy_checked(int in, int out, const uint8_t digest[32])
{
    uint8_t found[ENT_SHA256_BYTES];
    struct ent_sha256 hash = {0};
    enum ent_err err = ent_sha256_init(&hash);

    if (err == ENT_E_OK) {
        err = copy_pieces(in, out, &hash);
    }
    if (err == ENT_E_OK) {
        ent_sha256_finish(&hash, found);
        if (memcmp(found, digest, sizeof found) != 0) {
            err = ent_err_note(ENT_E_CORRUPT, "its content is not what its name says");
        }
    }
    ent_sha256_release(&hash);
    return err;
}

enum ent_err ent_export_tree_copy(const struct ent_export_tree *tree, const char *name,
                                  const char *from, const uint8_t digest[32])
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    char *path = NULL;
    int fd = -1;
    enum ent_err err;

    if (in < 0) {
        return ent_io_error("open", from);
    }
    err = create(tree, name, &path, &fd);
    if (err == ENT_E_OK) {
        err = copy_checked(in, fd, digest);
        if (err != ENT_E_OK) {
            (void)ent_err_prefix(err, "%s", from);
        }
        err = finish(err, path, fd);
    }
    (void)close(in);
    return err;
}

static int sync_entry(const char *path, const struct stat *sb, int kind, struct FTW *at)
{
    (void)sb;
    (void)at;
    return kind == FTW_DP && ent_dir_sync(path) != ENT_E_OK ? -1 : 0;
}

enum ent_err ent_export_tree_commit(struct ent_export_tree *tree)
{
    errno = 0;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): it is safe where it does not change the working directory */
    if (nftw(tree->root, sync_entry, WALK_FDS, FTW_DEPTH | FTW_PHYS) != 0) {
        return ent_io_error("make durable", tree->root);
    }
    ENT_REQUIRE(!ent_file_exists(tree->to), ENT_E_EXISTS, "%s was made meanwhile", tree->to);
    if (rename(tree->root, tree->to) != 0) {
        return ent_io_error("rename to", tree->to);
    }
    free(tree->root);
    tree->root = NULL;
    return ent_parent_sync(tree->to);
}

static int remove_entry(const char *path, const struct stat *sb, int kind, struct FTW *at)
{
    (void)sb;
    (void)kind;
    (void)at;
    (void)remove(path); /* what stays is named by nothing */
    return 0;
}

void ent_export_tree_release(struct ent_export_tree *tree)
{
    if (tree->root != NULL) {
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): as above */
        (void)nftw(tree->root, remove_entry, WALK_FDS, FTW_DEPTH | FTW_PHYS);
    }
    free(tree->root);
    free(tree->to);
    *tree = (struct ent_export_tree){0};
}
