#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/mirror/mirror_internal.h"
#include "common/base/file.h"

enum ent_err ent_mirror_write(const struct ent_mirror *mirror, const char *name, const void *bytes,
                              size_t len)
{
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_path_join(mirror->options.dir, name, &path));
    err = ent_state_write_file(path, bytes, len);
    free(path);
    return err;
}

/* ---- evidence: this is written once in a member's life, and synchronised ---- */

static enum ent_err keep_one(const char *dir, const char *stem, const char *ending,
                             struct ent_bytes bytes)
{
    char name[128];
    char *path = NULL;
    enum ent_err err;

    if (bytes.len == 0) {
        return ENT_E_OK;
    }
    (void)snprintf(name, sizeof name, "%s.%s", stem, ending);
    ENT_TRY(ent_path_join(dir, name, &path));
    err = ent_file_write_atomic(path, bytes.data, bytes.len, 0600);
    free(path);
    return err;
}

static enum ent_err keep_all(struct ent_mirror *mirror, const char *dir, const char *stem,
                             struct ent_bytes note, struct ent_bytes leaf, const char *why)
{
    struct ent_buf own;
    enum ent_err err;

    ent_buf_init(&own, ENT_NOTE_MAX_BYTES);
    err = ent_dir_make(dir);
    if (err == ENT_E_OK) {
        err = ent_state_log_note(mirror->options.state, &own);
        err = err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
    }
    if (err == ENT_E_OK) {
        err = keep_one(dir, stem, "own.note", (struct ent_bytes){own.data, own.len});
    }
    if (err == ENT_E_OK) {
        err = keep_one(dir, stem, "other.note", note);
    }
    if (err == ENT_E_OK) {
        err = keep_one(dir, stem, "leaf", leaf);
    }
    if (err == ENT_E_OK) {
        err = keep_one(dir, stem, "reason.txt",
                       (struct ent_bytes){(const uint8_t *)why, strlen(why)});
    }
    ent_buf_release(&own);
    return err;
}

enum ent_err ent_mirror_refuse(struct ent_mirror *mirror, uint64_t size, struct ent_bytes note,
                               struct ent_bytes leaf)
{
    uint8_t digest[ENT_SHA256_BYTES] = {0};
    char why[512];
    char stem[64];
    char short_hex[9];
    char *dir = NULL;
    enum ent_err err;

    (void)snprintf(why, sizeof why, "%s\n", ent_err_message());
    ENT_TRY(ent_sha256(note.data, note.len, digest));
    ent_hex(digest, 4, short_hex);
    (void)snprintf(stem, sizeof stem, "%llu-%s", (unsigned long long)size, short_hex);
    ENT_TRY(ent_path_join(mirror->options.dir, "evidence", &dir));
    err = keep_all(mirror, dir, stem, note, leaf, why);
    why[strlen(why) - 1] = '\0';
    if (err != ENT_E_OK) {
        err = ent_err_note(ENT_E_REWRITTEN, "%s; and the evidence could not be kept: %.200s", why,
                           ent_err_text(err));
    } else {
        err = ent_err_note(ENT_E_REWRITTEN,
                           "%s. This member goes no further; the evidence is in %s: show it to "
                           "the other members and to the auditor",
                           why, dir);
    }
    free(dir);
    return err;
}
