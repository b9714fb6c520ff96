/* V6: heads that the auditor brings along. */
#include <inttypes.h>
#include <string.h>

#include "audit/inside.h"
#include "common/base/file.h"

static enum ent_err judge_head(struct ent_audit *a, size_t i, const struct ent_buf *bytes)
{
    const char *path = a->options->heads[i];
    struct ent_audit_seen seen = {.seq = ENT_AUDIT_NO_SEQ, .member = (uint32_t)i};
    struct ent_note_opened opened;
    enum ent_err err;

    err =
        ent_note_open((const char *)bytes->data, bytes->len, a->facts->origin, a->keys, 1, &opened);
    if (err == ENT_E_NO_MEMORY) {
        return err;
    }
    if (err != ENT_E_OK) {
        return ent_audit_find(a, 6, ENT_AUDIT_INCOMPLETE, ENT_AUDIT_NO_SEQ,
                              "%s is no note that this log signed: it was not compared", path);
    }
    if (opened.checkpoint.size > a->facts->size) {
        return ent_audit_fail(a, 6, ENT_AUDIT_NO_SEQ,
                              "the export ends before a head that was cosigned: it has %" PRIu64
                              " leaves, %s has %" PRIu64,
                              a->facts->size, path, opened.checkpoint.size);
    }
    seen.size = opened.checkpoint.size;
    memcpy(seen.root, opened.checkpoint.root, sizeof seen.root);
    return ent_audit_saw(a, &seen);
}

enum ent_err ent_audit_heads(struct ent_audit *a)
{
    for (size_t i = 0; i < a->options->n_heads; i++) {
        struct ent_buf bytes;
        enum ent_err err;

        ent_buf_init(&bytes, ENT_NOTE_MAX_BYTES);
        err = ent_file_read(a->options->heads[i], &bytes);
        if (err == ENT_E_OK) {
            err = judge_head(a, i, &bytes);
        } else if (err != ENT_E_NO_MEMORY) {
            err = ENT_E_CONFIG; /* the auditor's own file: the message names it */
        }
        ent_buf_release(&bytes);
        ENT_TRY(err);
    }
    ent_audit_say(a, 6, ENT_AUDIT_OK,
                  a->options->n_heads > 0 ? "%zu heads that were brought along are prefixes; no "
                                            "stored note lies beyond the export"
                                          : "no stored note lies beyond the export (%zu heads were "
                                            "brought along: --head compares a member's)",
                  a->options->n_heads);
    return ENT_E_OK;
}
