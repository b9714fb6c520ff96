#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/export/write.h"
#include "common/tlog/note.h"
#include "common/tlog/policy.h"
#include "tests/support/ent_test.h"
#include "tests/unit/audit/replay_world.h"

#define ORIGIN "fed.example/replay"

struct exported {
    const struct replay_world *w;
    struct ent_buf note;
};

static enum ent_err source_leaf(void *ctx, uint64_t index, struct ent_bytes *out)
{
    const struct replay_world *w = ((const struct exported *)ctx)->w;

    *out = (struct ent_bytes){w->leaves[index].data, w->leaves[index].len};
    return ENT_E_OK;
}

static enum ent_err source_blob(void *ctx, size_t i, struct ent_export_blob *out)
{
    const struct replay_world *w = ((const struct exported *)ctx)->w;

    memcpy(out->digest, w->blobs[i].digest, sizeof out->digest);
    out->path = NULL;
    out->bytes = (struct ent_bytes){w->blobs[i].bytes.data, w->blobs[i].bytes.len};
    return ENT_E_OK;
}

static enum ent_err source_note(void *ctx, size_t i, struct ent_export_note *out)
{
    const struct exported *x = ctx;

    (void)i;
    out->size = x->w->tree.size;
    out->note = (struct ent_bytes){x->note.data, x->note.len};
    return ENT_E_OK;
}

static void make_note(struct replay_world *w, struct ent_buf *out)
{
    struct ent_checkpoint checkpoint = {.origin = ORIGIN, .size = w->tree.size};
    struct ent_note note;
    struct ent_buf line;

    ENT_OK(ent_merkle_root(&w->tree, &w->hash, checkpoint.root));
    ent_buf_init(out, ENT_NOTE_MAX_BYTES);
    ENT_OK(ent_note_begin(&checkpoint, out));
    ENT_OK(ent_note_sign(out, ORIGIN, w->log));
    for (int i = 0; i < 2; i++) {
        char name[64];

        (void)snprintf(name, sizeof name, ORIGIN "/%d", i);
        ent_buf_init(&line, ENT_NOTE_LINE_MAX_BYTES);
        ENT_OK(ent_note_parse((const char *)out->data, out->len, &note));
        ENT_OK(ent_note_cosign(&note, name, w->witness[i], 1700000000, &line));
        ENT_OK(ent_note_add_line(out, (const char *)line.data, line.len));
        ent_buf_release(&line);
    }
}

static void write_policy(struct replay_world *w)
{
    struct ent_tlog_policy *policy = calloc(1, sizeof *policy);
    struct ent_buf text;
    uint8_t pub[32];

    CU_ASSERT_FATAL(policy != NULL);
    ent_sign_key_pub(w->log, pub);
    ENT_OK(ent_vkey_of(ORIGIN, ENT_VKEY_LOG, pub, &policy->log));
    policy->n_witnesses = 2;
    policy->k = 2;
    for (int i = 0; i < 2; i++) {
        char name[64];

        (void)snprintf(name, sizeof name, ORIGIN "/%d", i);
        (void)snprintf(policy->witnesses[i].name, sizeof policy->witnesses[i].name, "w%d", i);
        ent_sign_key_pub(w->witness[i], pub);
        ENT_OK(ent_vkey_of(name, ENT_VKEY_COSIGNATURE, pub, &policy->witnesses[i].key));
        policy->witnesses[i].in_quorum = true;
    }
    policy->has_genesis = true;
    ENT_OK(ent_sha256_leaf(w->leaves[0].data, w->leaves[0].len, policy->genesis));
    ent_buf_init(&text, ENT_TLOG_POLICY_MAX_BYTES);
    ENT_OK(ent_tlog_policy_write(policy, &text));
    ENT_OK(ent_file_write_new(w->policy, text.data, text.len, 0600));
    ent_buf_release(&text);
    free(policy);
}

void replay_write_files(struct replay_world *w)
{
    struct exported x = {.w = w};
    struct ent_export_source source = {.ctx = &x,
                                       .leaf = source_leaf,
                                       .n_notes = 1,
                                       .note = source_note,
                                       .n_blobs = w->n_blobs,
                                       .blob = source_blob};

    make_note(w, &x.note);
    source.size = w->tree.size;
    source.checkpoint = (struct ent_bytes){x.note.data, x.note.len};
    (void)snprintf(w->dir, sizeof w->dir, "%s",
                   w->options->dir != NULL ? w->options->dir : ent_test_tmpdir());
    (void)snprintf(w->export, sizeof w->export, "%s/export", w->dir);
    (void)snprintf(w->policy, sizeof w->policy, "%s/policy", w->dir);
    (void)snprintf(w->key, sizeof w->key, "%s/auditor.x25519", w->dir);
    ENT_OK(ent_export_write(&source, w->export));
    write_policy(w);
    ENT_OK(ent_x25519_key_save(w->auditor, w->key));
    ent_buf_release(&x.note);
}

const char *replay_world_blob(const struct replay_world *w, const uint8_t digest[32])
{
    static char path[512];
    char hex[65];

    ent_hex(digest, 32, hex);
    (void)snprintf(path, sizeof path, "%s/blob/%.2s/%s", w->export, hex, hex);
    return path;
}

void replay_world_replay(const struct replay_world *w, bool with_key, struct ent_replay *out)
{
    struct ent_replay_options options = {.policy = w->policy, .key = with_key ? w->key : NULL};
    struct ent_export *export = NULL;

    memset(out, 0, sizeof *out);
    ENT_OK(ent_export_open(w->export, &export));
    ENT_OK(ent_replay_export(export, &options, out));
    ent_export_close(export);
}

bool replay_found(const struct ent_replay *replay, enum ent_replay_status status, const char *a,
                  const char *b)
{
    for (size_t i = 0; i < replay->n_findings; i++) {
        const struct ent_replay_finding *f = &replay->findings[i];

        if (f->status == status && strstr(f->text, a) != NULL &&
            (b == NULL || strstr(f->text, b) != NULL)) {
            return true;
        }
    }
    for (size_t i = 0; i < replay->n_findings; i++) {
        (void)fprintf(stderr, "found: %d %s\n", (int)replay->findings[i].status,
                      replay->findings[i].text);
    }
    return false;
}
