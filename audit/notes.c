/* V3 and V4: every stored note is one of this log, and its root is that of the leaves. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/inside.h"
#include "common/base/mem.h"

enum { NEWEST = 1, BEYOND = 2, OTHER_ROOT = 4 }; /* flags of a note */

enum ent_err ent_audit_notes_init(struct ent_audit *a)
{
    ENT_TRY(ent_calloc(ENT_AUDIT_MEMBERS_MAX + 1, sizeof *a->keys, &a->keys));
    a->keys[0] = (struct ent_vkey){.type = ENT_VKEY_LOG};
    a->n_keys = 1;
    (void)snprintf(a->facts->origin, sizeof a->facts->origin, "%s",
                   ent_export_claim(a->export)->origin);
    if (a->facts->pinned) {
        a->keys[0] = a->policy.log;
        (void)snprintf(a->facts->origin, sizeof a->facts->origin, "%s", a->policy.log.name);
    }
    return ENT_E_OK;
}

static void name_note(const struct ent_audit_note *note, char out[64])
{
    if (note->flags & NEWEST) {
        (void)snprintf(out, 64, "checkpoint");
    } else {
        (void)snprintf(out, 64, "checkpoints/%" PRIu64 ".note", note->size);
    }
}

static enum ent_err load(struct ent_audit *a, struct ent_audit_note *note,
                         struct ent_checkpoint *said)
{
    struct ent_bytes newest = ent_export_checkpoint(a->export);
    struct ent_note parsed;
    enum ent_err err;

    ent_buf_init(&note->bytes, ENT_NOTE_MAX_BYTES);
    if (note->flags & NEWEST) {
        err = ent_buf_add(&note->bytes, newest.data, newest.len);
    } else {
        err = ent_export_note(a->export, note->size, &note->bytes);
    }
    ENT_TRY(err);
    err = ent_note_parse((const char *)note->bytes.data, note->bytes.len, &parsed);
    if (err == ENT_E_OK) {
        err = ent_checkpoint_parse(parsed.text, parsed.text_len, said);
    }
    if (err == ENT_E_DATA || err == ENT_E_LIMIT) {
        char name[64];

        name_note(note, name);
        return ent_err_prefix(ENT_E_CORRUPT, "%s", name);
    }
    return err;
}

static enum ent_err check_text(struct ent_audit *a, struct ent_audit_note *note,
                               const struct ent_checkpoint *said, const uint8_t root[32])
{
    char name[64];

    name_note(note, name);
    if (strcmp(said->origin, a->facts->origin) != 0) {
        ENT_TRY(ent_audit_fail(a, 4, ENT_AUDIT_NO_SEQ, "%s is a note of another log", name));
    }
    if (said->size != note->size || said->n_extensions > 0) {
        note->flags |= OTHER_ROOT;
        return ent_audit_fail(a, 3, ENT_AUDIT_NO_SEQ, "%s is a note of size %" PRIu64 "%s", name,
                              said->size, said->n_extensions > 0 ? ", with extension lines" : "");
    }
    if (root != NULL && memcmp(said->root, root, 32) != 0) {
        note->flags |= OTHER_ROOT;
        return ent_audit_fail(a, 3, ENT_AUDIT_NO_SEQ,
                              "%s: the leaves below %" PRIu64 " do not give its root", name,
                              note->size);
    }
    return ENT_E_OK;
}

/* root: of the leaves below that size; NULL beyond the end. */
static enum ent_err take_note(struct ent_audit *a, uint64_t size, unsigned flags,
                              const uint8_t root[32])
{
    struct ent_audit_note *note = NULL;
    struct ent_checkpoint said = {0};
    struct ent_audit_job *job = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *note, &note));
    note->size = size;
    note->flags = flags;
    note->keys = a->keys;
    note->n_keys = a->n_keys;
    err = load(a, note, &said);
    if (err == ENT_E_OK) {
        err = check_text(a, note, &said, root);
    }
    if (err == ENT_E_OK) {
        err = ent_audit_pool_slot(a->pool, &job);
    }
    if (err != ENT_E_OK) {
        ent_audit_note_free(note);
        return err;
    }
    job->kind = ENT_AUDIT_JOB_NOTE;
    job->note = note;
    ent_audit_pool_submit(a->pool);
    return ENT_E_OK;
}

enum ent_err ent_audit_notes_at(struct ent_audit *a)
{
    size_t n;
    const uint64_t *sizes = ent_export_sizes(a->export, &n);
    struct ent_audit_stored *stored;

    if (a->next_note >= n || sizes[a->next_note] != a->tree.size) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_grow(&a->stored, &a->cap_stored, a->n_stored + 1, sizeof *a->stored));
    stored = &a->stored[a->n_stored++];
    *stored = (struct ent_audit_stored){.size = a->tree.size};
    ENT_TRY(ent_merkle_root(&a->tree, &a->hash, stored->root));
    a->next_note++;
    return take_note(a, a->tree.size, 0, stored->root);
}

enum ent_err ent_audit_notes_end(struct ent_audit *a)
{
    size_t n;
    const uint64_t *sizes = ent_export_sizes(a->export, &n);
    const struct ent_checkpoint *claim = ent_export_claim(a->export);

    ENT_TRY(take_note(a, claim->size, NEWEST, a->facts->root));
    for (; a->next_note < n; a->next_note++) {
        ENT_TRY(take_note(a, sizes[a->next_note], BEYOND, NULL));
    }
    ENT_TRY(ent_audit_pool_drain(a->pool));
    a->facts->n_notes = n;
    ent_audit_say(a, 3, ENT_AUDIT_OK, "%zu checkpoints recomputed, all prefixes of the last",
                  a->n_stored);
    if (a->keys[0].name[0] == '\0') {
        ENT_TRY(ent_audit_find(a, 4, ENT_AUDIT_INCOMPLETE, ENT_AUDIT_NO_SEQ,
                               "leaf 0 names no log key, and no policy was given"));
    }
    ent_audit_say(a, 4, ENT_AUDIT_OK, "all %zu notes signed by the log's key%s", n + 1,
                  a->facts->pinned ? ", which is the pinned one" : "");
    return ENT_E_OK;
}

static struct ent_audit_stored *stored_of(struct ent_audit *a, uint64_t size)
{
    size_t low = 0;
    size_t high = a->n_stored;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (a->stored[mid].size < size) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < a->n_stored && a->stored[low].size == size ? &a->stored[low] : NULL;
}

enum ent_err ent_audit_note_done(struct ent_audit *a, struct ent_audit_note *note, enum ent_err err)
{
    char name[64];
    char who[ENT_AUDIT_SHORT_BYTES];

    ENT_TRY(err); /* it was parsed before */
    name_note(note, name);
    a->facts->n_signatures += note->n_cosigned + note->n_bad + note->log_signed;
    if (!note->log_signed && a->keys[0].name[0] != '\0') {
        ENT_TRY(ent_audit_fail(a, 4, ENT_AUDIT_NO_SEQ, "%s is not signed by the log's key", name));
    }
    for (size_t i = 0; i < note->n_bad; i++) {
        if (note->bad[i] > 0) {
            ent_audit_short(a->facts->members[note->bad[i] - 1].handle, 16, who);
            ENT_TRY(ent_audit_fail(a, 5, ENT_AUDIT_NO_SEQ,
                                   "%s: the cosignature of %s does not verify", name, who));
        }
    }
    if (note->flags & BEYOND) {
        return note->log_signed ? ent_audit_fail(a, 6, ENT_AUDIT_NO_SEQ,
                                                 "the export ends at %" PRIu64
                                                 ", before %s, which the log signed",
                                                 a->facts->size, name)
                                : ENT_E_OK;
    }
    if (note->flags & OTHER_ROOT) {
        return ENT_E_OK;
    }
    return ent_audit_quorum_note(a, note, stored_of(a, note->size));
}
