#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/state/private.h"
#include "common/base/file.h"
#include "common/base/mem.h"

enum ent_err ent_state_content_path(const char *dir, const uint8_t digest[ENT_SHA256_BYTES],
                                    const char *ending, char **out)
{
    char name[ENT_STATE_HEX_BYTES + sizeof ENT_STATE_MODEL_ENDING];
    char hex[ENT_STATE_HEX_BYTES];

    ent_hex(digest, ENT_SHA256_BYTES, hex);
    (void)snprintf(name, sizeof name, "%s%s", hex, ending);
    return ent_path_join(dir, name, out);
}

enum ent_err ent_state_content_open(const char *path, const uint8_t digest[ENT_SHA256_BYTES],
                                    struct ent_blob **out)
{
    struct ent_blob *blob = NULL;
    uint8_t real[ENT_SHA256_BYTES];
    enum ent_err err;

    ENT_TRY(ent_blob_new_file(path, &blob));
    err = ent_sha256(ent_blob_bytes(blob), ent_blob_len(blob), real);
    ent_blob_drop_pages(blob);
    if (err == ENT_E_OK && memcmp(real, digest, sizeof real) != 0) {
        err = ent_err_note(ENT_E_DIGEST, "%s: its content is not what its name says", path);
    }
    if (err != ENT_E_OK) {
        ent_blob_unref(blob);
        return err;
    }
    *out = blob;
    return ENT_E_OK;
}

/* "<64 hex><ending>" with the digest in `digest`; or the same with ".tmp.xxxxxx" behind:
 * *unfinished. */
static bool is_content(const char *name, const char *ending, uint8_t digest[ENT_SHA256_BYTES],
                       bool *unfinished)
{
    char hex[ENT_STATE_HEX_BYTES];
    size_t n = strlen(ending);
    const char *rest = name + ENT_STATE_HEX_BYTES - 1;

    if (strlen(name) < ENT_STATE_HEX_BYTES - 1 || strncmp(rest, ending, n) != 0) {
        return false;
    }
    memcpy(hex, name, sizeof hex - 1);
    hex[sizeof hex - 1] = '\0';
    *unfinished = strncmp(rest + n, ".tmp.", 5) == 0;
    return (*unfinished || rest[n] == '\0') && ent_unhex(hex, digest, ENT_SHA256_BYTES) == ENT_E_OK;
}

static enum ent_err remove_in(const char *dir, const char *name)
{
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_path_join(dir, name, &path));
    err = ent_file_remove(path);
    free(path);
    return err;
}

static enum ent_err sweep_one(struct ent_stmt *known, const char *dir, const char *ending,
                              const char *name)
{
    uint8_t digest[ENT_SHA256_BYTES];
    bool unfinished = false;
    bool row = false;

    if (!is_content(name, ending, digest, &unfinished)) {
        return ENT_E_OK;
    }
    if (!unfinished) {
        ent_stmt_bind_blob(known, 1, digest, sizeof digest);
        ENT_TRY(ent_stmt_step(known, &row));
        ent_stmt_reset(known);
    }
    return row ? ENT_E_OK : remove_in(dir, name);
}

enum ent_err ent_state_sweep(struct ent_state *state, const char *dir, const char *ending,
                             const char *known)
{
    struct ent_stmt *stmt = NULL;
    DIR *d = opendir(dir);
    struct dirent *entry;
    enum ent_err err;

    if (d == NULL) {
        return ent_io_error("open", dir);
    }
    err = ent_stmt_prepare(state->db, known, &stmt);
    /* readdir: the stream is ours alone. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    while (err == ENT_E_OK && (entry = readdir(d)) != NULL) {
        err = sweep_one(stmt, dir, ending, entry->d_name);
    }
    ent_stmt_free(stmt);
    (void)closedir(d);
    return err;
}

enum ent_err ent_state_write_file(const char *path, const void *bytes, size_t len)
{
    char *tmp = NULL;
    int fd = -1;
    enum ent_err err;

    ENT_TRY(ent_file_begin(path, 0600, &tmp, &fd));
    err = ent_fd_write(fd, bytes, len);
    if (err == ENT_E_OK && rename(tmp, path) != 0) {
        err = ent_io_error("rename a file to", path);
    }
    if (err != ENT_E_OK) {
        ent_file_discard(tmp, fd);
        return err;
    }
    (void)close(fd);
    free(tmp);
    return ENT_E_OK;
}
