/* Checkpoints: the note as the log key signed it, and the lines of those who cosigned it. */
#include <string.h>

#include "common/tlog/note.h"
#include "coordinator/store/tables.h"

static enum ent_err missing(enum ent_err err, uint64_t size)
{
    return err == ENT_E_NOT_FOUND
               ? ent_err_note(err, "no note of size %llu is kept", (unsigned long long)size)
               : err;
}

/* ---- notes ---- */

/* Text and log's signatures of a note: a cosigner's name is longer than the origin. */
static enum ent_err strip(struct ent_bytes note, struct ent_buf *out)
{
    struct ent_note n;
    struct ent_checkpoint checkpoint;

    ENT_TRY(ent_note_parse((const char *)note.data, note.len, &n));
    ENT_TRY(ent_checkpoint_parse(n.text, n.text_len, &checkpoint));
    ENT_TRY(ent_buf_addf(out, "%.*s\n", (int)n.text_len, n.text));
    for (size_t i = 0; i < n.n_lines; i++) {
        const struct ent_note_line *line = &n.lines[i];

        if (line->name_len == strlen(checkpoint.origin) &&
            memcmp(line->name, checkpoint.origin, line->name_len) == 0) {
            ENT_TRY(ent_buf_addf(out, "\xe2\x80\x94 %.*s %.*s\n", (int)line->name_len, line->name,
                                 (int)line->base64_len, line->base64));
        }
    }
    return ENT_E_OK;
}

static enum ent_err insert_ckpt(struct ent_store *store, uint64_t size, const uint8_t *root,
                                const struct ent_buf *note)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store, "INSERT INTO ckpt(size, root, note) VALUES(?, ?, ?)", &stmt));
    ent_stmt_bind_u64(stmt, 1, size);
    ent_stmt_bind_blob(stmt, 2, root, ENT_MERKLE_BYTES);
    ent_stmt_bind_blob(stmt, 3, note->data, note->len);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

struct ckpt_row {
    struct ent_store_ckpt ckpt;
    struct ent_buf *note; /* NULL: not wanted */
};

static enum ent_err read_ckpt(struct ent_stmt *stmt, void *out)
{
    struct ckpt_row *row = out;
    const uint8_t *note = NULL;
    size_t len = 0;

    ENT_TRY(ent_stmt_u64(stmt, 0, &row->ckpt.size));
    ENT_TRY(ent_stmt_blob_exact(stmt, 1, row->ckpt.root, sizeof row->ckpt.root));
    ENT_TRY(ent_stmt_bool(stmt, 2, &row->ckpt.quorum));
    if (row->note == NULL) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_stmt_blob(stmt, 3, &note, &len));
    return ent_buf_add(row->note, note, len);
}

static enum ent_err read_one(struct ent_store *store, uint64_t size, struct ckpt_row *row)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store, "SELECT size, root, quorum, note FROM ckpt WHERE size = ?",
                               &stmt));
    ent_stmt_bind_u64(stmt, 1, ent_log_clamp(size));
    return ent_tables_one(stmt, read_ckpt, row);
}

static enum ent_err put(struct ent_store *store, uint64_t size, const uint8_t *root,
                        const struct ent_buf *note)
{
    uint8_t ours[ENT_MERKLE_BYTES];
    struct ent_buf kept;
    struct ckpt_row row = {.note = &kept};
    enum ent_err err;

    ENT_TRY(ent_store_log_root_at(store, size, ours));
    ENT_REQUIRE(memcmp(ours, root, sizeof ours) == 0, ENT_E_CORRUPT,
                "a note of size %llu has a root that is not this log's", (unsigned long long)size);
    ent_buf_init(&kept, ENT_NOTE_MAX_BYTES);
    err = read_one(store, size, &row);
    if (err == ENT_E_NOT_FOUND) {
        err = insert_ckpt(store, size, root, note);
    } else if (err == ENT_E_OK &&
               (kept.len != note->len || memcmp(kept.data, note->data, kept.len) != 0)) {
        err = ent_err_note(ENT_E_CORRUPT, "another note of size %llu is kept already",
                           (unsigned long long)size);
    }
    ent_buf_release(&kept);
    return err;
}

enum ent_err ent_store_ckpt_put(struct ent_store *store, uint64_t size,
                                const uint8_t root[ENT_MERKLE_BYTES], struct ent_bytes note)
{
    struct ent_buf own_lines;
    bool own = false;
    enum ent_err err;

    ent_buf_init(&own_lines, ENT_NOTE_MAX_BYTES);
    err = strip(note, &own_lines);
    if (err == ENT_E_OK) {
        err = ent_tables_enter(store, &own);
    }
    if (err == ENT_E_OK) {
        err = ent_tables_leave(store, own, put(store, size, root, &own_lines));
    }
    ent_buf_release(&own_lines);
    return err;
}

enum ent_err ent_store_ckpt_set_quorum(struct ent_store *store, uint64_t size)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store, "UPDATE ckpt SET quorum = 1 WHERE size = ?", &stmt));
    ent_stmt_bind_u64(stmt, 1, ent_log_clamp(size));
    return missing(ent_tables_change(store, stmt), size);
}

/* ---- cosignatures ---- */

static enum ent_err insert_cosig(struct ent_store *store, uint64_t size, const uint8_t *handle,
                                 const uint8_t *line, size_t len)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store,
                               "INSERT INTO cosig(size, handle, line) VALUES(?, ?, ?)"
                               " ON CONFLICT DO NOTHING",
                               &stmt));
    ent_stmt_bind_u64(stmt, 1, size);
    ent_stmt_bind_blob(stmt, 2, handle, ENT_STORE_ID_BYTES);
    ent_stmt_bind_blob(stmt, 3, line, len);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

enum ent_err ent_store_cosig_put(struct ent_store *store, uint64_t size,
                                 const uint8_t handle[ENT_STORE_ID_BYTES], struct ent_bytes line)
{
    struct ent_buf note;
    struct ckpt_row row = {.note = &note};
    size_t len = 0;
    enum ent_err err;

    ENT_REQUIRE(line.len <= ENT_NOTE_LINE_MAX_BYTES, ENT_E_LIMIT, "a cosignature of %zu bytes",
                line.len);
    ent_buf_init(&note, ENT_NOTE_MAX_BYTES);
    err = missing(read_one(store, size, &row), size);
    if (err == ENT_E_OK) {
        len = note.len;
        err = ent_note_add_line(&note, (const char *)line.data, line.len);
    }
    if (err == ENT_E_OK && note.len > len) { /* what was added: the line with its newline */
        err = insert_cosig(store, size, handle, note.data + len, note.len - len);
    }
    ent_buf_release(&note);
    return err;
}

static enum ent_err walk_cosigs(struct ent_stmt *stmt, ent_store_cosig_fn each, void *ctx)
{
    for (;;) {
        uint8_t handle[ENT_STORE_ID_BYTES];
        struct ent_bytes line = {0};
        bool row = false;

        ENT_TRY(ent_stmt_step(stmt, &row));
        if (!row) {
            return ENT_E_OK;
        }
        ENT_TRY(ent_stmt_blob_exact(stmt, 0, handle, sizeof handle));
        ENT_TRY(ent_stmt_blob(stmt, 1, &line.data, &line.len));
        ENT_TRY(each(ctx, handle, line));
    }
}

enum ent_err ent_store_cosigs(struct ent_store *store, uint64_t size, ent_store_cosig_fn each,
                              void *ctx)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store, "SELECT handle, line FROM cosig WHERE size = ? ORDER BY handle", &stmt));
    ent_stmt_bind_u64(stmt, 1, ent_log_clamp(size));
    return ent_tables_done(stmt, walk_cosigs(stmt, each, ctx));
}

/* ---- reading both ---- */

static enum ent_err add_line(void *ctx, const uint8_t handle[ENT_STORE_ID_BYTES],
                             struct ent_bytes line)
{
    (void)handle;
    return ent_buf_add(ctx, line.data, line.len);
}

static enum ent_err with_lines(struct ent_store *store, struct ckpt_row *row, enum ent_err err,
                               struct ent_store_ckpt *out)
{
    if (err == ENT_E_OK && row->note != NULL) {
        err = ent_store_cosigs(store, row->ckpt.size, add_line, row->note);
    }
    ENT_TRY(err);
    *out = row->ckpt;
    return ENT_E_OK;
}

enum ent_err ent_store_ckpt_get(struct ent_store *store, uint64_t size, struct ent_store_ckpt *out,
                                struct ent_buf *note)
{
    struct ckpt_row row = {.note = note};

    return with_lines(store, &row, read_one(store, size, &row), out);
}

enum ent_err ent_store_ckpt_newest(struct ent_store *store, enum ent_store_ckpt_which which,
                                   uint64_t below, struct ent_store_ckpt *out, struct ent_buf *note)
{
    struct ckpt_row row = {.note = note};
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store,
                               which == ENT_STORE_CKPT_QUORUM
                                   ? "SELECT size, root, quorum, note FROM ckpt WHERE quorum = 1"
                                     " AND size < ? ORDER BY size DESC LIMIT 1"
                                   : "SELECT size, root, quorum, note FROM ckpt"
                                     " WHERE size < ? ORDER BY size DESC LIMIT 1",
                               &stmt));
    ent_stmt_bind_u64(stmt, 1, ent_log_clamp(below));
    return with_lines(store, &row, ent_tables_one(stmt, read_ckpt, &row), out);
}

static enum ent_err walk_ckpts(struct ent_store *store, struct ent_stmt *stmt, struct ent_buf *note,
                               ent_store_ckpt_fn each, void *ctx)
{
    for (;;) {
        struct ckpt_row found = {.note = note};
        struct ent_store_ckpt ckpt;
        bool row = false;

        ENT_TRY(ent_stmt_step(stmt, &row));
        if (!row) {
            return ENT_E_OK;
        }
        ent_buf_clear(note);
        ENT_TRY(with_lines(store, &found, read_ckpt(stmt, &found), &ckpt));
        ENT_TRY(each(ctx, &ckpt, (struct ent_bytes){note->data, note->len}));
    }
}

enum ent_err ent_store_ckpts(struct ent_store *store, uint64_t first, uint64_t end,
                             ent_store_ckpt_fn each, void *ctx)
{
    struct ent_stmt *stmt = NULL;
    struct ent_buf note;
    enum ent_err err;

    ENT_TRY(ent_tables_prepare(store,
                               "SELECT size, root, quorum, note FROM ckpt"
                               " WHERE size >= ? AND size < ? ORDER BY size",
                               &stmt));
    ent_stmt_bind_u64(stmt, 1, ent_log_clamp(first));
    ent_stmt_bind_u64(stmt, 2, ent_log_clamp(end));
    ent_buf_init(&note, 2 * ENT_NOTE_MAX_BYTES);
    err = ent_tables_done(stmt, walk_ckpts(store, stmt, &note, each, ctx));
    ent_buf_release(&note);
    return err;
}
