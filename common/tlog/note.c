#include "common/tlog/note.h"

#include <string.h>

#include "common/schema/text.h"
#include "common/tlog/lines.h"
#include "common/tlog/note_line.h"

/* The text ends at the last empty line: signature lines are never empty. 0: there is none. */
static size_t text_len_of(const char *bytes, size_t len)
{
    for (size_t i = len; i >= 2; i--) {
        if (bytes[i - 1] == '\n' && bytes[i - 2] == '\n') {
            return i - 1;
        }
    }
    return 0;
}

static enum ent_err check_characters(const char *bytes, size_t len)
{
    struct ent_lines lines = {bytes, bytes + len};
    const char *line;
    size_t n;

    while (ent_lines_next(&lines, &line, &n)) {
        ENT_REQUIRE(ent_text_is_printable(line, n), ENT_E_DATA,
                    "a note with a character that cannot be shown, or not in UTF-8");
    }
    ENT_REQUIRE(lines.at == lines.end, ENT_E_DATA, "a note without its last newline");
    return ENT_E_OK;
}

/* Notes under construction have no signature yet. */
static enum ent_err parse(const char *bytes, size_t len, struct ent_note *out)
{
    struct ent_lines lines;
    const char *line;
    size_t n;

    ENT_REQUIRE(len <= ENT_NOTE_MAX_BYTES, ENT_E_LIMIT, "a note of %zu bytes, at most %zu", len,
                ENT_NOTE_MAX_BYTES);
    ENT_TRY(check_characters(bytes, len));
    out->text = bytes;
    out->text_len = text_len_of(bytes, len);
    out->n_lines = 0;
    ENT_REQUIRE(out->text_len > 0, ENT_E_DATA,
                "a note without an empty line before the signatures");
    lines = (struct ent_lines){bytes + out->text_len + 1, bytes + len};
    while (ent_lines_next(&lines, &line, &n)) {
        ENT_REQUIRE(out->n_lines < ENT_NOTE_SIGNATURES_MAX, ENT_E_LIMIT,
                    "a note with more than %d signatures", ENT_NOTE_SIGNATURES_MAX);
        ENT_TRY(ent_note_line_parse(line, n, &out->lines[out->n_lines]));
        out->n_lines++;
    }
    return ENT_E_OK;
}

enum ent_err ent_note_parse(const char *bytes, size_t len, struct ent_note *out)
{
    struct ent_note note;

    ENT_TRY(parse(bytes, len, &note));
    ENT_REQUIRE(note.n_lines > 0, ENT_E_DATA, "a note without a signature");
    *out = note;
    return ENT_E_OK;
}

/* ---- verifying ---- */

static bool counted(const struct ent_note_verified *v, size_t key)
{
    for (size_t i = 0; i < v->n; i++) {
        if (v->signers[i].key == key) {
            return true;
        }
    }
    return false;
}

enum ent_err ent_note_verify(const struct ent_note *note, const struct ent_vkey *keys,
                             size_t n_keys, struct ent_note_verified *out)
{
    struct ent_note_verified v = {.n = 0};

    for (size_t i = 0; i < note->n_lines; i++) {
        size_t k = 0;
        uint64_t time_s = 0;

        while (k < n_keys && !ent_note_line_is_of(&note->lines[i], &keys[k])) {
            k++;
        }
        if (k == n_keys) {
            continue; /* a stranger's */
        }
        ENT_TRY(ent_note_line_verify(&note->lines[i], note, &keys[k], &time_s));
        if (!counted(&v, k)) {
            v.signers[v.n++] = (struct ent_note_signer){k, time_s};
            v.n_log += keys[k].type == ENT_VKEY_LOG;
            v.n_cosigners += keys[k].type == ENT_VKEY_COSIGNATURE;
        }
    }
    ENT_REQUIRE(v.n > 0, ENT_E_SIGNATURE, "no known key signed this note");
    *out = v;
    return ENT_E_OK;
}

static bool signed_by_its_log(const struct ent_note_opened *opened, const struct ent_vkey *keys)
{
    for (size_t i = 0; i < opened->verified.n; i++) {
        const struct ent_vkey *key = &keys[opened->verified.signers[i].key];

        if (key->type == ENT_VKEY_LOG && strcmp(key->name, opened->checkpoint.origin) == 0) {
            return true;
        }
    }
    return false;
}

enum ent_err ent_note_open(const char *bytes, size_t len, const char *origin,
                           const struct ent_vkey *keys, size_t n_keys, struct ent_note_opened *out)
{
    struct ent_note_opened opened;

    ENT_TRY(ent_note_parse(bytes, len, &opened.note));
    ENT_TRY(ent_note_verify(&opened.note, keys, n_keys, &opened.verified));
    ENT_TRY(ent_checkpoint_parse(opened.note.text, opened.note.text_len, &opened.checkpoint));
    ENT_REQUIRE(origin == NULL || strcmp(origin, opened.checkpoint.origin) == 0, ENT_E_DATA,
                "a checkpoint of another log");
    ENT_REQUIRE(signed_by_its_log(&opened, keys), ENT_E_SIGNATURE,
                "no known key of log %s signed this checkpoint", opened.checkpoint.origin);
    *out = opened;
    return ENT_E_OK;
}

enum ent_err ent_note_check_line(const struct ent_note *note, const char *line, size_t len,
                                 const struct ent_vkey *key, uint64_t *time_s)
{
    struct ent_note_line parsed;

    ENT_TRY(ent_note_line_parse(line, ent_note_line_trim(line, len), &parsed));
    ENT_REQUIRE(ent_note_line_is_of(&parsed, key), ENT_E_SIGNATURE, "not a signature of key %s",
                key->name);
    return ent_note_line_verify(&parsed, note, key, time_s);
}

/* ---- writing ---- */

enum ent_err ent_note_begin(const struct ent_checkpoint *checkpoint, struct ent_buf *note)
{
    ENT_BUG_ON(note->len != 0);
    ENT_TRY(ent_checkpoint_write(checkpoint, note));
    return ent_buf_add(note, "\n", 1);
}

enum ent_err ent_note_sign(struct ent_buf *note, const char *name, const struct ent_sign_key *key)
{
    uint8_t signature[ENT_SIGN_BYTES];
    uint8_t pub[ENT_SIGN_PUB_BYTES];
    struct ent_note parsed;
    struct ent_vkey vkey;

    ENT_TRY(parse((const char *)note->data, note->len, &parsed));
    ENT_REQUIRE(parsed.n_lines < ENT_NOTE_SIGNATURES_MAX, ENT_E_LIMIT,
                "a note with more than %d signatures", ENT_NOTE_SIGNATURES_MAX);
    ent_sign_key_pub(key, pub);
    ENT_TRY(ent_vkey_of(name, ENT_VKEY_LOG, pub, &vkey));
    ENT_TRY(ent_note_line_sign(&parsed, ENT_VKEY_LOG, key, 0, signature));
    return ent_note_line_add(&vkey, 0, signature, note);
}

enum ent_err ent_note_cosignature(const struct ent_note *note, const struct ent_sign_key *key,
                                  uint64_t time_s, uint8_t signature[ENT_SIGN_BYTES])
{
    ENT_REQUIRE(time_s > 0 && time_s <= (uint64_t)INT64_MAX, ENT_E_CLOCK,
                "a cosignature needs the time; set the clock");
    return ent_note_line_sign(note, ENT_VKEY_COSIGNATURE, key, time_s, signature);
}

enum ent_err ent_note_cosigned_line(const struct ent_vkey *key, uint64_t time_s,
                                    const uint8_t signature[ENT_SIGN_BYTES],
                                    struct ent_buf *line_out)
{
    ENT_BUG_ON(key->type != ENT_VKEY_COSIGNATURE);
    return ent_note_line_add(key, time_s, signature, line_out);
}

enum ent_err ent_note_cosign(const struct ent_note *note, const char *name,
                             const struct ent_sign_key *key, uint64_t time_s,
                             struct ent_buf *line_out)
{
    uint8_t signature[ENT_SIGN_BYTES];
    uint8_t pub[ENT_SIGN_PUB_BYTES];
    struct ent_vkey vkey;

    ent_sign_key_pub(key, pub);
    ENT_TRY(ent_vkey_of(name, ENT_VKEY_COSIGNATURE, pub, &vkey));
    ENT_TRY(ent_note_cosignature(note, key, time_s, signature));
    return ent_note_cosigned_line(&vkey, time_s, signature, line_out);
}

static bool stands_there(const struct ent_note *note, const struct ent_note_line *line)
{
    for (size_t i = 0; i < note->n_lines; i++) {
        const struct ent_note_line *l = &note->lines[i];

        if (l->name_len == line->name_len && l->base64_len == line->base64_len &&
            memcmp(l->name, line->name, l->name_len) == 0 &&
            memcmp(l->base64, line->base64, l->base64_len) == 0) {
            return true;
        }
    }
    return false;
}

enum ent_err ent_note_add_line(struct ent_buf *note, const char *line, size_t len)
{
    struct ent_note parsed;
    struct ent_note_line added;
    size_t trimmed = ent_note_line_trim(line, len);
    uint8_t *to = NULL;

    ENT_TRY(parse((const char *)note->data, note->len, &parsed));
    ENT_TRY(ent_note_line_parse(line, trimmed, &added));
    if (stands_there(&parsed, &added)) {
        return ENT_E_OK;
    }
    ENT_REQUIRE(parsed.n_lines < ENT_NOTE_SIGNATURES_MAX, ENT_E_LIMIT,
                "a note with more than %d signatures", ENT_NOTE_SIGNATURES_MAX);
    ENT_REQUIRE(trimmed < ENT_NOTE_MAX_BYTES - note->len, ENT_E_LIMIT, "a note above %zu bytes",
                ENT_NOTE_MAX_BYTES);
    ENT_TRY(ent_buf_extend(note, trimmed + 1, &to));
    memcpy(to, line, trimmed);
    to[trimmed] = '\n';
    return ENT_E_OK;
}

/* ---- evidence ---- */

enum ent_err ent_note_equivocation(const char *a, size_t a_len, const char *b, size_t b_len,
                                   const struct ent_vkey *log, bool *proved)
{
    struct ent_note_opened opened[2];
    enum ent_err err = ent_note_open(a, a_len, NULL, log, 1, &opened[0]);

    if (err == ENT_E_OK) {
        err = ent_note_open(b, b_len, NULL, log, 1, &opened[1]);
    }
    if (err == ENT_E_NO_MEMORY) {
        return err;
    }
    *proved = err == ENT_E_OK && opened[0].checkpoint.size == opened[1].checkpoint.size &&
              memcmp(opened[0].checkpoint.root, opened[1].checkpoint.root, ENT_MERKLE_BYTES) != 0;
    return ENT_E_OK;
}
