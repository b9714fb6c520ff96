/* Exports and policies of a forged federation. */
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/export/write.h"
#include "tests/support/forge_inside.h"

enum ent_err ent_forge_policy(const struct ent_forge *f, struct ent_buf *out)
{
    struct ent_tlog_policy *policy = NULL;
    enum ent_err err = ent_calloc(1, sizeof *policy, &policy);

    if (err == ENT_E_OK) {
        policy->n_witnesses = f->n_witnesses;
        policy->k = f->quorum;
        policy->has_genesis = true;
        err = ent_sha256_leaf(f->leaves[0].bytes, f->leaves[0].len, policy->genesis);
    }
    if (err == ENT_E_OK) {
        err = ent_vkey_of(f->origin, ENT_VKEY_LOG, f->log_pub, &policy->log);
    }
    for (size_t i = 0; err == ENT_E_OK && i < f->n_witnesses; i++) {
        char name[128];

        (void)snprintf(policy->witnesses[i].name, sizeof policy->witnesses[i].name, "w%zu", i + 1);
        policy->witnesses[i].in_quorum = true;
        err = ent_forge_cosigner_name(f, i, name);
        if (err == ENT_E_OK) {
            err = ent_vkey_of(name, ENT_VKEY_COSIGNATURE, f->members[i].witness_pub,
                              &policy->witnesses[i].key);
        }
    }
    if (err == ENT_E_OK) {
        err = ent_tlog_policy_write(policy, out);
    }
    free(policy);
    return err;
}

enum ent_err ent_forge_policy_file(const struct ent_forge *f, const char *path)
{
    struct ent_buf text;
    enum ent_err err;

    ent_buf_init(&text, ENT_TLOG_POLICY_MAX_BYTES);
    err = ent_forge_policy(f, &text);
    if (err == ENT_E_OK) {
        err = ent_file_write_atomic(path, text.data, text.len, 0600);
    }
    ent_buf_release(&text);
    return err;
}

/* What the writer asks for. */
struct giver {
    const struct ent_forge *forge;
    size_t *notes; /* those that are exported, by size */
    size_t n_notes;
    size_t *blobs;
    size_t n_blobs;
};

static enum ent_err give_leaf(void *ctx, uint64_t index, struct ent_bytes *out)
{
    const struct ent_forge_leaf *leaf = &((struct giver *)ctx)->forge->leaves[index];

    *out = (struct ent_bytes){leaf->bytes, leaf->len};
    return ENT_E_OK;
}

static enum ent_err give_note(void *ctx, size_t i, struct ent_export_note *out)
{
    const struct giver *giver = ctx;
    const struct ent_forge_note *note = &giver->forge->notes[giver->notes[i]];

    *out = (struct ent_export_note){note->size, {note->text.data, note->text.len}};
    return ENT_E_OK;
}

static enum ent_err give_blob(void *ctx, size_t i, struct ent_export_blob *out)
{
    const struct giver *giver = ctx;
    const struct ent_forge_blob *blob = &giver->forge->blobs[giver->blobs[i]];

    *out = (struct ent_export_blob){.bytes = {blob->bytes, blob->len}};
    memcpy(out->digest, blob->digest, sizeof out->digest);
    return ENT_E_OK;
}

/* The newest note with a quorum, else the newest. */
static size_t newest(const struct ent_forge *f, bool any)
{
    for (size_t i = f->n_notes; i > 0 && !any; i--) {
        if (ent_forge_has_quorum(f, &f->notes[i - 1])) {
            return i - 1;
        }
    }
    return f->n_notes - 1;
}

static void choose(struct giver *giver, size_t last)
{
    const struct ent_forge *f = giver->forge;

    for (size_t i = 0; i <= last; i++) { /* of one size, the later */
        if (i == last || f->notes[i + 1].size > f->notes[i].size) {
            giver->notes[giver->n_notes++] = i;
        }
    }
    for (size_t i = 0; i < f->n_blobs; i++) {
        if (!f->blobs[i].missing) {
            giver->blobs[giver->n_blobs++] = i;
        }
    }
}

enum ent_err ent_forge_export(const struct ent_forge *f, const char *to, bool any_note)
{
    struct giver giver = {.forge = f};
    size_t last = newest(f, any_note);
    const struct ent_forge_note *note = &f->notes[last];
    struct ent_export_source source = {.ctx = &giver,
                                       .size = note->size,
                                       .leaf = give_leaf,
                                       .note = give_note,
                                       .blob = give_blob,
                                       .checkpoint = {note->text.data, note->text.len}};
    struct ent_buf policy;
    enum ent_err err;

    ent_buf_init(&policy, ENT_TLOG_POLICY_MAX_BYTES);
    err = ent_forge_policy(f, &policy);
    if (err == ENT_E_OK) {
        err = ent_calloc(f->n_notes, sizeof *giver.notes, &giver.notes);
    }
    if (err == ENT_E_OK) {
        err = ent_calloc(f->n_blobs + 1, sizeof *giver.blobs, &giver.blobs);
    }
    if (err == ENT_E_OK) {
        choose(&giver, last);
        source.n_notes = giver.n_notes;
        source.n_blobs = giver.n_blobs;
        source.policy = (struct ent_bytes){policy.data, policy.len};
        err = ent_export_write(&source, to);
    }
    free(giver.notes);
    free(giver.blobs);
    ent_buf_release(&policy);
    return err;
}
